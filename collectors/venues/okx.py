"""OKX swaps and dated futures. Open interest, mark, index and funding come on a channel each, every frame whole.

Open interest is said three times: `oi` in contracts, `oiCcy` in coins, `oiUsd` in dollars. We take the contracts;
the dollars are held against them. `FUTURES` lists perpetuals with a far expiry too (`xperp`): they are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import UNSET, Struct

from collectors.candles import Rows, marks, minutes, series, settled
from collectors.ladders import ladder
from collectors.venue import (
    Acked, Answer, Archive, Ask, Heartbeat, History, Ignored, Limits, Liquidated, Message, Notice, Poll, Ratio,
    RatioKind, Refused, Said, Segment, Socket, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, amount, coin, number, whole, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Unit

REST, SOCKET = "https://openapi.okx.com/api/v5", "wss://ws.okx.com/ws/v5/public"  # port 8443 went dark on 2026-10-31
BEAT, TOP, PAYOFFS = Heartbeat("ping", every=20), "ratio-contract-top-trader", (Payoff.LINEAR, Payoff.INVERSE)
KINDS: dict[RatioKind, str] = {
    "account": "account-ratio-contract", "top_account": f"account-{TOP}", "top_position": f"position-{TOP}",
}  # fmt: skip
SIDES = {"long": Side.LONG, "short": Side.SHORT, "sell": Side.LONG, "buy": Side.SHORT}  # of orders, that which closes
SILENT = "the documents do not say how it counts; trackers show it unchanged and it is read as one-sided"
NAMED = (("oi", Unit.CONTRACTS), ("oiCcy", Unit.BASE), ("oiUsd", Unit.USD))
OI, OI_COINS, OI_USD = (Field(key, unit, 1, evidence=SILENT) for key, unit in NAMED)
APART = {"candles": (40.0, 2.0), **dict.fromkeys(KINDS, (5.0, 2.0))}  # each path has a limit of its own
TAPES = (Archive("ticks", "okex-swap", OI, (Unit.CONTRACTS, FeedClass.THROTTLED)),)


class Death(Struct):
    ts: int
    side: Literal["buy", "sell"]
    posSide: str
    sz: float
    bkPx: float


class Row(Struct, gc=False):
    instId: str
    ts: int | None = None
    oi: Stated = UNSET
    oiUsd: Number = None  # older recordings lack it
    markPx: Stated = UNSET
    idxPx: Stated = UNSET
    fundingRate: Stated = UNSET
    fundingTime: int | None = None
    nextFundingTime: int | Literal[""] | None = None
    details: tuple[Death, ...] = ()


class Arg(Struct, gc=False):
    channel: str
    instId: str = ""


class Frame(Struct, gc=False):
    arg: Arg | None = None
    data: tuple[Row, ...] = ()
    event: str = ""
    code: str = ""
    msg: str = ""
    id: str = ""


def funding(rows: Sequence[Row]) -> Sequence[Update]:
    return [Update(r.instId, stated(r), funding=number(r.fundingRate), funding_interval_h=hours(r)) for r in rows]


def hours(row: Row) -> float | None:
    now, then = row.fundingTime, row.nextFundingTime
    return (then - now) / 3_600_000 if isinstance(then, int) and now is not None else None


def stated(row: Row) -> int | None:  # a settled rate, which names no next settlement, held at its own
    return row.fundingTime if row.ts is None and row.nextFundingTime is None else row.ts


READ: Mapping[str, Callable[[Sequence[Row]], Sequence[Update]]] = {
    "open-interest": lambda rows: [Update(r.instId, r.ts, number(r.oi), OI, usd=number(r.oiUsd)) for r in rows],
    "mark-price": lambda rows: [Update(r.instId, r.ts, None, None, number(r.markPx)) for r in rows],
    "index-tickers": lambda rows: [Update(f"{r.instId}-SWAP", r.ts, index=number(r.idxPx)) for r in rows],
    "funding-rate": funding,
}


def subscribe(channels: Iterable[str], instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    named = [(c, i.symbol.removesuffix("-SWAP" if c == "index-tickers" else "")) for i in instruments for c in channels]
    yield {"id": str(request), "op": "subscribe", "args": [{"channel": c, "instId": id} for c, id in named]}


def subscribe_deaths(_: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [{"id": str(request), "op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "SWAP"}]}]


def control(frame: Frame) -> Sequence[Said]:
    request = int(frame.id) if frame.id.isdigit() else None
    if frame.event == "subscribe":
        of = frame.arg.instId if frame.arg is not None else ""
        return (Acked(request, f"{of}-SWAP" if of and of.count("-") == 1 else of or None),)
    if frame.event == "error":
        return (Refused(f"{frame.code}: {frame.msg}", request),)
    return (Notice(frame.msg),) if frame.code == "64008" else (Ignored(frame.event),) if frame.event else ()


read_frame = wire(Frame)


def decode(frame: str | bytes) -> Frame:
    return Frame() if frame in ("pong", b"pong") else read_frame(frame)


def died(symbol: str, d: Death) -> Liquidated:
    side = SIDES.get(d.posSide) or SIDES[d.side]  # of a one-way account we see only the order
    return Liquidated(symbol, d.ts, side, d.sz, Unit.CONTRACTS, d.bkPx, FeedClass.THROTTLED)


def past(rows: Rows) -> Sequence[Said]:  # ms, contracts, coins, dollars
    return [Update("", int(row[0]), row[1], OI) for row in rows]


def asked(path: str, span: str, weight: float = 1.0, budget: str = "") -> Callable[[Instrument, int, int], Ask]:
    ask = f"{REST}/{path}?instId={{}}&{span}"  # both ends are exclusive
    return lambda i, start, end: Ask(ask.format(i.symbol, start - 1, end + 1), weight=weight, budget=budget)


def ratios(kind: RatioKind) -> Callable[[Rows], list[Ratio]]:
    return lambda rows: [Ratio("", int(row[0]), kind, row[1]) for row in rows]


def tiers(steps: list[dict[str, Any]]) -> Sequence[Said]:
    return ladder(Unit.CONTRACTS, ((amount(s["maxSz"]), amount(s["mmr"]), s["maxLever"], None) for s in steps))


STATS, DICTS, BARS = "rubik/stat/contracts/", wire(list[dict[str, Any]], "data"), wire(Rows, "data")
SPAN, MINUTES = "period=5m&limit=100&begin={}&end={}", "bar=1m&limit=300&before={}&after={}"
CROWDS = tuple(  # 1,440 points of statistics are promised, 3 days were measured
    series("ratios", asked(f"{STATS}long-short-{name}", SPAN, budget=kind), ratios(kind), BARS, 300, 100, 3)
    for kind, name in KINDS.items()
)
LATELY, PAST = (
    series("volume", ask, minutes(Unit.BASE, 6), BARS, 60, 300, 365)
    for ask in (asked("market/candles", MINUTES, budget="candles"), asked("market/history-candles", MINUTES, 2))
)
TIERS = Poll(
    lambda i: Ask(f"{REST}/public/position-tiers?instType=SWAP&tdMode=cross&instFamily={i.symbol[:-5]}", weight=4),
    86_400, frozenset({"tiers"}), tiers, DICTS,
)  # fmt: skip
HISTORY = (
    History(asked(f"{STATS}open-interest-history", SPAN, 4), past, frozenset({"oi"}), 300, 100, 3, BARS),
    History(asked("market/history-mark-price-candles", "bar=5m&limit=100&before={}&after={}", 4), marks(300),
            frozenset({"mark"}), 300, 100, 365, BARS), PAST[1], *(then for _, then in CROWDS),
    settled(asked("public/funding-rate-history", "limit=100&before={}&after={}", 4), "fundingTime", "realizedRate", 100,
            90, "data", of="instId"),
)  # fmt: skip


def segment(id: str, payoff: Payoff, dated: bool) -> Segment:
    product, channels = ("FUTURES", ("open-interest", "mark-price")) if dated else ("SWAP", tuple(READ))

    def owns(symbol: str) -> bool:
        return ("-USD-" in f"{symbol}-") == (payoff is Payoff.INVERSE) and symbol[-6:].isdigit() == dated

    def read(rows: list[dict[str, Any]]) -> Iterable[Instrument]:
        for row in (row for row in rows if row["ctType"] == payoff and row.get("ruleType") != "xperp"):
            base, quote = row["instFamily"].split("-")  # the fields named so are empty on swaps
            asset, factor = coin(base)
            yield Instrument(
                "okx", id, row["instId"], asset, quote, row["settleCcy"], payoff=payoff, base_factor=factor,
                contract_size=amount(row["ctVal"]) * amount(row["ctMult"]), live=row["state"] == "live",
                max_leverage=number(row["lever"]), valid_from=whole(row["listTime"]),
                kind=Kind.DATED if dated else Kind.PERPETUAL, expiry=whole(row["expTime"]) if dated else 0,
            )  # fmt: skip

    def parse(frame: Frame) -> Sequence[Said]:
        if frame.event or frame.arg is None:
            return control(frame)
        channel = frame.arg.channel
        if channel == "liquidation-orders":  # all swaps of both kinds come on it
            return [died(row.instId, d) for row in frame.data if owns(row.instId) for d in row.details]
        said = READ.get(channel)
        return said(frame.data) if said else (Ignored(channel),)

    levels = Socket(
        SOCKET, frozenset({"oi", "mark"} if dated else {"oi", "mark", "index", "funding"}),
        partial(subscribe, channels), parse, decode, heartbeat=BEAT, per_socket=200, batch=20,  # 64 KB, 480 an hour
        cadence=30, line=None if dated else 10,  # open interest is pushed when it changes, every 3 s at most
    )  # fmt: skip
    deaths = Socket(
        SOCKET, frozenset({"liquidations"}), subscribe_deaths, parse, decode, heartbeat=BEAT,
        per_socket=10_000, batch=10_000, cadence=None,  # one subscription for all; adding a symbol is refused
    )  # fmt: skip

    def ask(i: Instrument) -> Ask:
        return Ask(f"{REST}/public/open-interest?instType={product}&instId={i.symbol}")

    return Segment(
        id, Ask(f"{REST}/public/instruments?instType={product}", weight=2), read, owns,
        (levels, LATELY[0]) if dated else (levels, deaths, LATELY[0], *(poll for poll, _ in CROWDS), TIERS),
        HISTORY[:3] if dated else HISTORY, decode=DICTS, archives=() if dated else TAPES,
        lists=Kind.DATED if dated else None,
        answers=tuple(Answer(READ[n], wire(list[Row], *at), f"/{n}", ask if n == "open-interest" else None)
                      for n in channels for at in (("data",), ())),
    )  # fmt: skip


VENUE = Venue(
    "okx", "OKX", "mixed", "https://www.okx.com/docs-v5/en/#public-data-websocket-open-interest-channel",
    fields=(OI, OI_COINS, OI_USD), limits=Limits(weight=20, per=1, dials=3, dials_per=1, others=APART),
    segments=tuple(segment(f"{of}{end}", of, bool(end)) for end in ("", "-dated") for of in PAYOFFS),
)  # fmt: skip
