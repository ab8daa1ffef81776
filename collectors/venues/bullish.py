"""Bullish perpetuals, all settled in USDC. The tick has open interest, mark and funding, another socket the index.

One market a subscription. A quiet market is not told again, and its tick may be minutes old. The socket says funding in
percent. `docs/venues/bullish.md` is the sheet.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from collectors.minutes import listed
from collectors.venue import (
    Acked, Answer, Archive, Ask, Heartbeat, Lately, Limits, Message, Poll, Refused, Said, Segment, Socket, Traded,
    Update, Venue,
)  # fmt: skip
from collectors.wire import Number, among, coin, iso, number, wire
from store.records import Field, Instrument, Payoff, Unit

REST = "https://api.exchange.bullish.com/trading-api/v1/markets"
LIVE = "wss://api.exchange.bullish.com/trading-api/v1"
HOURS = 1.0  # documented: an hourly schedule; no reply says it
OI = Field(
    "openInterest",
    Unit.BASE,
    2,
    evidence="worded as the quantity of open long positions and short positions; unmeasured",
)
PING: Message = {"jsonrpc": "2.0", "type": "command", "method": "keepalivePing", "params": {}, "id": "0"}


class Tick(Struct, gc=False):
    createdAtTimestamp: int
    markPrice: Number
    openInterest: Number
    fundingRate: Number = None  # percent; perpetuals only
    symbol: str = ""  # not over REST


class Index(Struct, gc=False):
    assetSymbol: str
    price: Number  # USD


class Done(Struct):
    message: str = ""


class Fault(Struct):
    errorCode: int | str = ""
    errorCodeName: str = ""


class Frame(Struct, gc=False):
    """What the socket of ticks says: one, or the answer to a message of ours."""

    dataType: Literal["V1TATickerResponse", ""] = ""
    data: Tick | None = None
    id: str = ""  # our requests count from one; the ping is number nought
    result: Done | None = None
    error: Fault | None = None


class Indices(Struct, gc=False):
    """The same of the other socket."""

    dataType: Literal["V1TAIndexPrice", ""] = ""
    data: Index | None = None
    id: str = ""
    result: Done | None = None
    error: Fault | None = None


class Listing(Struct):
    symbol: str
    marketType: Literal["SPOT", "PERPETUAL", "DATED_FUTURE", "OPTION"]
    marketEnabled: bool
    underlyingBaseSymbol: str | None = None  # derivatives only
    underlyingQuoteSymbol: str | None = None
    settlementAssetSymbol: str | None = None
    contractMultiplier: Number = None


class Candle(Struct):
    createdAtTimestamp: int  # ms, of the minute's start
    volume: float  # in the base unit
    close: float


def units(base: str) -> tuple[str, float]:
    """SHIB1M is a million SHIB."""
    return (base[:-2], 1e6) if base.endswith("1M") else coin(base)


def read(rows: Sequence[Listing]) -> Iterable[Instrument]:
    for row in rows:
        base, quote, settle = row.underlyingBaseSymbol, row.underlyingQuoteSymbol, row.settlementAssetSymbol
        if row.marketType == "PERPETUAL":
            size = number(row.contractMultiplier)
            if base is None or quote is None or settle is None or size is None:
                raise ValueError(f"{row.symbol}: a perpetual without its coins or its multiplier")
            asset, factor = units(base)
            yield Instrument(
                "bullish", "usdc", row.symbol, asset, quote, settle, payoff=Payoff.LINEAR, contract_size=size,
                base_factor=factor, live=row.marketEnabled, funding_interval_h=HOURS,
            )  # fmt: skip


def asks(topic: str, key: str, name: str, request: int) -> Message:
    params = {"topic": topic, key: name}
    return {"jsonrpc": "2.0", "type": "command", "method": "subscribe", "params": params, "id": str(request)}


def ticks(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [asks("tick", "symbol", i.symbol, request) for i in instruments]


def indices(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [asks("indexPrice", "assetSymbol", i.symbol.partition("-")[0], request) for i in instruments]


def told(tick: Tick) -> Sequence[Said]:
    rate = number(tick.fundingRate)
    funding = None if rate is None else rate / 100
    oi, mark = number(tick.openInterest), number(tick.markPrice)
    return (Update(tick.symbol, tick.createdAtTimestamp, oi, OI, mark, None, funding, HOURS),)


def parse(frame: Frame | None) -> Sequence[Said]:
    if frame is None:
        return ()
    return answered(frame) if frame.data is None else told(frame.data)


def parse_index(frame: Indices | None) -> Sequence[Said]:
    if frame is None:
        return ()
    index = frame.data
    return answered(frame) if index is None else (Update(f"{index.assetSymbol}-USDC-PERP", index=number(index.price)),)


def answered(frame: Frame | Indices) -> Sequence[Said]:
    request = int(frame.id) if frame.id.isdigit() else None
    if frame.error is not None:
        return (Refused(f"{frame.error.errorCode} {frame.error.errorCodeName}", request),)
    if frame.result is None:
        raise ValueError("neither data nor an answer")
    return () if request == 0 else (Acked(request),)


def minutes(rows: Sequence[Candle]) -> Sequence[Said]:
    return listed(Traded("", row.createdAtTimestamp, row.volume, Unit.BASE, price=row.close) for row in rows)


def lately(i: Instrument, start: int, end: int) -> Ask:
    span = f"createdAtDatetime%5Bgte%5D={iso(start)}&createdAtDatetime%5Blte%5D={iso(end)}"
    return Ask(f"{REST}/{i.symbol}/candle?{span}&timeBucket=1m")


TICKS = among(wire(Frame), {"V1TATickerResponse", ""}.__contains__, "dataType")
INDICES = among(wire(Indices), {"V1TAIndexPrice", ""}.__contains__, "dataType")
VENUE = Venue(
    "bullish", "Bullish", "mixed", "https://docs.exchange.bullish.com/websocket/public/market-data/ticks", fields=(OI,),
    limits=Limits(weight=300, per=10, dials=20, dials_per=60),
    segments=(
        Segment(
            "usdc", Ask(f"{REST}?marketType=PERPETUAL"), read, lambda symbol: symbol.endswith("-USDC-PERP"),
            feeds=(
                Socket(
                    f"{LIVE}/market-data/tick", frozenset({"oi", "mark", "funding"}), ticks, parse, TICKS,
                    heartbeat=Heartbeat(PING, 20), per_socket=100, batch=1, pace=0.05, cadence=60,
                ),
                Socket(
                    f"{LIVE}/index-data", frozenset({"index"}), indices, parse_index, INDICES,
                    heartbeat=Heartbeat(PING, 20), per_socket=100, batch=1, pace=0.05, cadence=None,
                ),
                Poll(Lately(lately, 300), 60, frozenset({"volume"}), minutes, wire(list[Candle])),
            ),
            answers=(Answer(told, wire(Tick), "/tick", lambda i: Ask(f"{REST}/{i.symbol}/tick")),),
            decode=wire(list[Listing]),
            archives=(Archive("ticks", "bullish", OI, lacks="forced closes"),),
        ),
    ),
    note="whether its open interest counts one side or both is disputed; some countries are refused; forced closes are"
    " not public",
)  # fmt: skip
