"""Bitget futures. Open interest, mark and funding come with the tickers of v2, forced closes on the sockets of v3 only.

The size of a forced close is its value in the quote currency. `sizeMultiplier` is an order step and no contract size.
Of delivery contracts only the coin-settled are taken, whose ticker was seen to count coins.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import UNSET, Struct, field

from collectors.candles import series, settled
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, Heartbeat, Limits, Liquidated, Message, Poll, Ratio, Refused, Said,
    Segment, Socket, Tier, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, among, coin, number, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Unit

REST = "https://api.bitget.com/api/v2/mix/market"
SILENT = "how it counts is not documented; read as one-sided"
KEYS, GIVEN = ("holdingAmount", "openInterest", "size"), frozenset[Gives]({"oi", "mark", "index", "funding"})
FIELDS = HOLDING, STATED, SIZE = tuple(Field(key, Unit.BASE, evidence=SILENT) for key in KEYS)
SIDES, LAST = {"buy": Side.LONG, "sell": Side.SHORT}, FeedClass.THROTTLED  # of the position; one a second
TAPED = "openInterest since 2026-04-28, the same by another name; since then forced closes, in quote"
TAPE = Archive("ticks", "bitget-futures", HOLDING, (Unit.USD, LAST), evidence=TAPED)
COIN_TAPE = Archive("ticks", TAPE.name, HOLDING, until="2026-04-28", lacks="numbers in a known unit")
OPEN = {"normal", "maintain", "limit_open", "restrictedAPI"}  # not yet `listed`, no longer `off`


class Row(Struct, gc=False):
    """Of tickers, forced closes and REST lists."""

    symbol: str = ""
    ts: int | None = None
    holdingAmount: Stated = UNSET
    openInterest: Stated = UNSET  # its name in v3
    size: Stated = UNSET  # its name in v2's own question for it
    markPrice: Number = None
    indexPrice: Number = None
    fundingRate: Number = None
    fundingRateInterval: Number = None  # hours; not in tickers
    side: str = ""
    price: float | str = ""  # left out, or empty, it is no number
    amount: float | str = ""


class Arg(Struct, frozen=True, gc=False):
    instType: str = ""
    channel: str = ""  # of v2 ...
    instId: str = ""
    topic: str = ""  # ... and of v3
    symbol: str = ""


class Frame(Struct, gc=False):
    arg: Arg = Arg()
    data: list[Row] = []
    ts: int | None = None
    event: str = ""
    code: int | str = ""
    msg: str = ""


class Levels(Struct):
    ts: int
    openInterestList: list[Row] = []
    v3: list[Row] = field(default_factory=list[Row], name="list")


class Listing(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    symbolType: str
    symbolStatus: str
    fundInterval: Number  # hours
    maxLever: Number
    deliveryTime: Number = None


def died(row: Row) -> Liquidated:
    return Liquidated(row.symbol, row.ts, SIDES[row.side], float(row.amount), Unit.USD, float(row.price), LAST)


def traded(rows: list[list[float]]) -> list[Traded]:  # start, open, high, low, close, coins, quote
    return [Traded("", int(row[0]), row[5], Unit.BASE, price=row[4]) for row in rows]


def ratios(rows: list[dict[str, float]]) -> Sequence[Said]:
    return [Ratio("", int(row["ts"]), "account", row["longShortAccountRatio"]) for row in rows]


def ladder(rows: list[dict[str, float | str]]) -> Sequence[Said]:  # bounds are in the quote currency
    keys = ("startUnit", "endUnit", "keepMarginRate", "leverage")
    steps = ((int(row["level"]), *(float(row[key]) for key in keys)) for row in rows)
    return [Tier("", n, lower, upper, Unit.USD, rate, leverage) for n, lower, upper, rate, leverage in steps]


def segment(product: str, settle: str, suffix: tuple[str, ...], dated: bool = False) -> Segment:
    inverse, tapes = not settle, () if dated else (TAPE if settle else COIN_TAPE,)  # each is settled in its own coin

    def read(rows: list[Listing]) -> Iterable[Instrument]:
        for row in rows:
            if row.symbolType == ("delivery" if dated else "perpetual"):
                asset, factor = coin(row.baseCoin)
                yield Instrument(
                    "bitget", id, row.symbol, asset, row.quoteCoin, settle or asset, live=row.symbolStatus in OPEN,
                    payoff=Payoff.INVERSE if inverse else Payoff.LINEAR, base_factor=factor,
                    max_leverage=number(row.maxLever), funding_interval_h=None if dated else number(row.fundInterval),
                    kind=Kind.DATED if dated else Kind.PERPETUAL, expiry=int(number(row.deliveryTime) or 0),
                )  # fmt: skip

    def subscribe(instruments: Sequence[Instrument], _: int) -> Iterable[Message]:
        args = [{"instType": product, "channel": "ticker", "instId": i.symbol} for i in instruments]
        yield {"op": "subscribe", "args": args}

    def parse(frame: Frame | None) -> Sequence[Said]:
        if frame is None:
            return ()
        arg, ts, symbol = frame.arg, frame.ts, frame.arg.instId or frame.arg.symbol
        if frame.event == "error":
            return (Refused(f"{frame.code} {frame.msg}", symbol=symbol or None),)
        if frame.event or arg.instType.upper() != product:
            return (Acked(symbol=symbol or None),) if frame.event == "subscribe" else ()
        if "ticker" in (arg.channel, arg.topic):
            return [update(row, symbol, ts if row.ts is None else row.ts, must=True) for row in frame.data]
        return list(map(died, frame.data)) if arg.topic == "liquidation" and not inverse else ()

    def update(row: Row, symbol: str, ts: int | None, must: bool = False) -> Update:
        oi, field = UNSET if must else None, None
        if row.openInterest is not UNSET:  # its unit is not established where contracts are settled in coins
            oi, field = (None, None) if inverse else (row.openInterest, STATED)
        elif row.holdingAmount is not UNSET or row.size is not UNSET:
            oi, field = (row.size, SIZE) if row.holdingAmount is UNSET else (row.holdingAmount, HOLDING)
        return Update(
            symbol, ts, number(oi), field, number(row.markPrice), number(row.indexPrice),
            None if dated else number(row.fundingRate), number(row.fundingRateInterval),
        )  # fmt: skip

    def asked(path: str, more: str = "", budget: str = "") -> Callable[[Instrument], Ask]:
        return lambda i: Ask(f"{REST}/{path}?symbol={i.symbol}&productType={product}{more}", budget=budget)

    id, beat, bars = (
        f"{settle.lower() or 'coin'}{'-dated' if dated else ''}",
        Heartbeat("ping", every=30),
        wire(list[list[float]], "data"),
    )
    deaths: Message = {"op": "subscribe", "args": [{"instType": product.lower(), "topic": "liquidation"}]}

    def candles(i: Instrument, start: int, end: int) -> Ask:
        return asked("candles", f"&granularity=1m&limit=1000&startTime={start}&endTime={end}")(i)

    now, past = series("volume", candles, traded, bars, 60, 1000, 30)
    feeds: tuple[Socket | Poll, ...] = (
        Socket(
            "wss://ws.bitget.com/v2/ws/public", GIVEN - {"funding"} if dated else GIVEN, subscribe, parse,
            among(wire(Frame), {"ticker"}.__contains__, "arg", "channel", greeting="pong"), heartbeat=beat,
            per_socket=50, cadence=10, life=86_400,
        ),
        Socket(
            "wss://ws.bitget.com/v3/ws/public", frozenset({"liquidations"}), lambda _, __: [deaths], parse,
            among(wire(Frame), {"ticker", "liquidation"}.__contains__, "arg", "topic", greeting="pong"),
            heartbeat=beat, per_socket=10_000, batch=10_000, cadence=None, life=86_400,
        ),
        now,
        Poll(asked("account-long-short", "&period=5m", budget="ratios"), 300, frozenset({"ratios"}),
             ratios, wire(list[dict[str, float]], "data")),
        Poll(asked("query-position-lever"), 86_400, frozenset({"tiers"}), ladder,
             wire(list[dict[str, float | str]], "data")),
    )  # fmt: skip
    paid = settled(  # the newest hundred
        lambda i, _, __: asked("history-fund-rate", "&pageSize=100")(i), "fundingTime", "fundingRate", 100, 33, "data",
        bounded=False,
    )  # fmt: skip
    return Segment(
        id, Ask(f"{REST}/contracts?productType={product}"), read,
        lambda symbol: symbol[-2:].isdigit() if dated else symbol.endswith(suffix),  # BTCUSDZ26
        feeds[:1] if inverse else feeds, (*(() if inverse else (past,)), *(() if dated else (paid,))),
        (
            Answer(lambda rows: [update(row, row.symbol, row.ts) for row in rows], wire(list[Row], "data"),
                   ask=Ask(f"{REST}/tickers?productType={product}")),
            Answer(
                lambda reply: [update(row, row.symbol, reply.ts) for row in (*reply.openInterestList, *reply.v3)],
                wire(Levels, "data"), "/open-interest",
            ),
        ), wire(list[Listing], "data"), archives=tapes, lists=Kind.DATED if dated else None,
    )  # fmt: skip


VENUE = Venue(
    "bitget", "Bitget", "speculative", "https://www.bitget.com/api-doc/contract/websocket/public/Tickers-Channel",
    fields=FIELDS, limits=Limits(
        weight=20, per=1, dials=300, dials_per=300, others={"ratios": (1, 1)}  # which have a limit of their own
    ),
    segments=(
        segment("USDT-FUTURES", "USDT", ("USDT",)), segment("USDC-FUTURES", "USDC", ("PERP",)),
        segment("COIN-FUTURES", "", ("USD", "USD_CM")), segment("COIN-FUTURES", "", (), dated=True),
    ),
    note="how open interest counts is not documented; trades and forced closes of coin-settled contracts are left out",
)  # fmt: skip
