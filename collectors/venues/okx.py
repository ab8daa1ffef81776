"""OKX perpetual swaps, linear and inverse. Open interest, mark, index and funding come on four channels, each whole.

Open interest is said three times: `oi` in contracts, `oiCcy` in coins, `oiUsd` in dollars. We take the contracts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from msgspec import UNSET, Struct

from collectors.venue import (
    Acked, Answer, Ask, Heartbeat, History, Limits, Liquidated, Message, Notice, Refused, Said, Segment, Socket,
    Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, coin, number, wire
from store.records import FeedClass, Field, Instrument, Payoff, Side, Status, Unit

REST = "https://openapi.okx.com/api/v5"
SOCKET = "wss://ws.okx.com/ws/v5/public"  # port 8443 went dark on 2026-10-31
HOUR_MS = 3_600_000
POSITIONS = {"long": Side.LONG, "short": Side.SHORT}
ORDERS = {"sell": Side.LONG, "buy": Side.SHORT}  # of a one-way account we see only the closing order
SILENT = "the documents do not say how it counts; trackers show it unchanged and it is read as one-sided"
OI = Field("oi", Unit.CONTRACTS, 1, Status.DISPUTED, evidence=SILENT)
OI_COINS = Field("oiCcy", Unit.BASE, 1, Status.DISPUTED, evidence=SILENT)
OI_USD = Field("oiUsd", Unit.USD, 1, Status.DISPUTED, evidence=SILENT)

Point = tuple[int, Number, Number, Number]  # ms, contracts, coins, dollars


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


class Listing(Struct):
    instId: str
    instFamily: str  # BTC-USDT: base and quote; the fields named so are empty on swaps
    ctType: str
    ctVal: float
    ctMult: float
    settleCcy: str
    lever: Number
    state: str
    listTime: int


def funding(rows: Sequence[Row]) -> Sequence[Update]:
    return [Update(r.instId, stated(r), funding=number(r.fundingRate), funding_interval_h=hours(r)) for r in rows]


def hours(row: Row) -> float | None:
    now, then = row.fundingTime, row.nextFundingTime
    return (then - now) / HOUR_MS if isinstance(then, int) and now is not None else None


def stated(row: Row) -> int | None:
    """When a rate held: a settled one, which names no next settlement, at its own."""
    return row.fundingTime if row.ts is None and row.nextFundingTime is None else row.ts


READ: Mapping[str, Callable[[Sequence[Row]], Sequence[Update]]] = {
    "open-interest": lambda rows: [Update(r.instId, r.ts, number(r.oi), OI) for r in rows],
    "mark-price": lambda rows: [Update(r.instId, r.ts, None, None, number(r.markPx)) for r in rows],
    "index-tickers": lambda rows: [Update(f"{r.instId}-SWAP", r.ts, index=number(r.idxPx)) for r in rows],
    "funding-rate": funding,
}


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    ids = {"index-tickers": "-SWAP"}  # an index is named by its pair
    args = [{"channel": c, "instId": i.symbol.removesuffix(ids.get(c, ""))} for i in instruments for c in READ]
    yield {"id": str(request), "op": "subscribe", "args": args}


def subscribe_deaths(_: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [{"id": str(request), "op": "subscribe", "args": [{"channel": "liquidation-orders", "instType": "SWAP"}]}]


def control(frame: Frame) -> Sequence[Said]:
    request = int(frame.id) if frame.id.isdigit() else None
    match frame.event:
        case "subscribe":
            of = frame.arg.instId if frame.arg is not None else ""
            return (Acked(request, (of if of.endswith("-SWAP") else f"{of}-SWAP") if of else None),)
        case "error":
            return (Refused(f"{frame.code}: {frame.msg}", request),)
        case "notice" if frame.code == "64008":
            return (Notice(frame.msg),)
        case _:
            return ()


read_frame = wire(Frame)


def decode(frame: str | bytes) -> Frame:
    return Frame() if frame in ("pong", b"pong") else read_frame(frame)


def died(symbol: str, d: Death) -> Liquidated:
    side = POSITIONS.get(d.posSide) or ORDERS[d.side]
    return Liquidated(symbol, d.ts, side, d.sz, Unit.CONTRACTS, d.bkPx, FeedClass.THROTTLED)


def past(rows: Sequence[Point]) -> Sequence[Said]:
    return [Update("", ts, number(contracts), OI) for ts, contracts, _, _ in rows]


def ask_past(i: Instrument, start: int, end: int) -> Ask:
    span = f"period=5m&limit=100&begin={start - 1}&end={end + 1}"  # both are exclusive
    return Ask(f"{REST}/rubik/stat/contracts/open-interest-history?instId={i.symbol}&{span}")


def segment(id: str, payoff: Payoff) -> Segment:
    def owns(symbol: str) -> bool:
        return ("-USD-" in f"{symbol}-") == (payoff is Payoff.INVERSE)

    def read(rows: Sequence[Listing]) -> Iterable[Instrument]:
        for row in rows:
            if row.ctType == id:
                base, quote = row.instFamily.split("-")
                asset, factor = coin(base)
                yield Instrument(
                    "okx", id, row.instId, asset, quote, row.settleCcy, payoff=payoff, base_factor=factor,
                    contract_size=row.ctVal * row.ctMult, live=row.state == "live", max_leverage=number(row.lever),
                    valid_from=row.listTime,
                )  # fmt: skip

    def parse(frame: Frame) -> Sequence[Said]:
        if frame.event or frame.arg is None:
            return control(frame)
        channel = frame.arg.channel
        if channel == "liquidation-orders":  # all swaps of both kinds come on it
            return [died(row.instId, d) for row in frame.data if owns(row.instId) for d in row.details]
        said = READ.get(channel)
        return said(frame.data) if said else ()

    levels = Socket(
        SOCKET, frozenset({"oi", "mark", "index", "funding"}), subscribe, parse, decode,
        heartbeat=Heartbeat("ping", every=20),
        per_socket=200, batch=20,  # 64 KB of arguments a connection, 480 requests an hour
    )  # fmt: skip
    deaths = Socket(
        SOCKET, frozenset({"liquidations"}), subscribe_deaths, parse, decode, heartbeat=Heartbeat("ping", every=20),
        per_socket=10_000, batch=10_000, cadence=None,  # one subscription for all; adding a symbol is refused
    )  # fmt: skip
    return Segment(
        id, Ask(f"{REST}/public/instruments?instType=SWAP"), read, owns, feeds=(levels, deaths),
        decode=wire(list[Listing], "data"),
        history=(  # 1,440 points are promised, 3 days were measured
            History(ask_past, past, frozenset({"oi"}), 300, limit=100, depth=3, decode=wire(list[Point], "data")),
        ),
        answers=tuple(
            Answer(said, wire(list[Row], *at), f"/{name}") for name, said in READ.items() for at in (("data",), ())
        ),
    )  # fmt: skip


VENUE = Venue(
    "okx", "OKX", "mixed",
    docs="https://www.okx.com/docs-v5/en/#public-data-websocket-open-interest-channel",
    fields=(OI, OI_COINS, OI_USD),
    segments=(segment("linear", Payoff.LINEAR), segment("inverse", Payoff.INVERSE)),
    limits=Limits(weight=5, per=1, dials=3, dials_per=1),
)  # fmt: skip
