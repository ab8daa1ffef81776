"""Aster perpetuals, a Binance-like API. The open interest is never pushed: one question a symbol, in no document.

Mark, index and funding are pushed, and forced closes, at most one a second a symbol: their sums are lower bounds. Only
closes that were filled count. The site's own bulk call has dollars, and counts both sides.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct

from collectors.candles import series, settled
from collectors.venue import (
    Acked, Answer, Archive, Ask, Limits, Liquidated, Message, Poll, Refused, Said, Segment, Socket, Traded, Update,
    Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, coin, number, wire
from store.records import FeedClass, Field, Instrument, Side, Status, Unit

REST = "https://fapi.asterdex.com/fapi/v3"
PAGE = 499  # candles in a reply that costs two; one more costs five
SIDES = {"SELL": Side.LONG, "BUY": Side.SHORT}  # of the closing order
TWICE = "public collectors find the bulk call's dollars to be twice these coins at their price"
COINS = Field("openInterest", Unit.BASE, 1, Status.MEASURED, evidence=TWICE)
BULK = Field("openInterest", Unit.USD, 2, Status.MEASURED, evidence=TWICE)


class Order(Struct):
    s: str
    S: Literal["SELL", "BUY"]
    X: str
    z: float  # filled
    ap: float  # at this price on average
    T: int


class Event(Struct, gc=False):
    e: str
    E: int
    s: str = ""
    p: Stated = UNSET
    i: Number = None
    r: Number = None
    T: int | None = None  # next funding; 0 where there is none
    o: Order | None = None


class Frame(Struct, gc=False):
    data: Event | None = None
    id: int | None = None
    code: int | None = None
    msg: str = ""


class Now(Struct):
    symbol: str
    openInterest: Number
    time: int


class Premium(Struct):
    symbol: str
    markPrice: Number
    indexPrice: Number
    lastFundingRate: Number
    time: int


class Interval(Struct):
    symbol: str
    fundingIntervalHours: float


class Total(Struct):  # of the bulk call
    symbol: str
    openInterest: Number


class Listing(Struct):
    symbol: str
    contractType: str
    status: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    onboardDate: int


Candle = tuple[int, float, float, float, float, float, int, float, int, float, float, Any]
"""start [ms], open, high, low, close, coins, end [ms], quote, trades, coins and quote that takers bought, nothing."""


def read(rows: Sequence[Listing]) -> Iterable[Instrument]:
    for row in rows:
        if row.contractType == "PERPETUAL":
            asset, factor = coin(row.baseAsset)
            yield Instrument(
                "aster", "linear", row.symbol, asset, row.quoteAsset, row.marginAsset, base_factor=factor,
                live=row.status == "TRADING", valid_from=row.onboardDate,
            )  # fmt: skip


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    streams = [f"{i.symbol.lower()}@{name}" for i in instruments for name in ("markPrice@1s", "forceOrder")]
    yield {"method": "SUBSCRIBE", "params": streams, "id": request}


def tell(event: Event) -> Sequence[Said]:
    if event.e == "markPriceUpdate":
        funding = None if event.T == 0 else number(event.r)
        return (Update(event.s, event.E, None, None, number(event.p), number(event.i), funding),)
    died = event.o
    if died is None or died.X != "FILLED":
        return ()
    return (Liquidated(died.s, died.T, SIDES[died.S], died.z, Unit.BASE, died.ap, FeedClass.THROTTLED),)


def parse(frame: Frame) -> Sequence[Said]:
    if frame.data is not None:
        return tell(frame.data)
    if frame.code is not None:
        return (Refused(f"{frame.code}: {frame.msg}", frame.id),)
    return () if frame.id is None else (Acked(frame.id),)


def premium(p: Premium) -> Update:
    return Update(p.symbol, p.time, None, None, number(p.markPrice), number(p.indexPrice), number(p.lastFundingRate))


def minutes(rows: list[Candle]) -> list[Traded]:
    return [Traded("", row[0], row[5], Unit.BASE, row[9]) for row in rows]


def candles(i: Instrument, start: int, end: int) -> Ask:
    limit = min((end - start) // 60_000 + 1, PAGE)
    span = f"interval=1m&limit={limit}&startTime={start}&endTime={end}"
    return Ask(f"{REST}/klines?symbol={i.symbol}&{span}", weight=1 if limit < 100 else 2)


# how far back it goes is not documented: we ask for 30 days
PAID = settled(  # how far back it goes is not documented: we ask for a year
    lambda i, start, end: Ask(f"{REST}/fundingRate?symbol={i.symbol}&limit=1000&startTime={start}&endTime={end}"),
    "fundingTime", "fundingRate", 1000, 365,
)  # fmt: skip
NOW, THEN = series("volume", candles, minutes, wire(list[Candle]), 60, PAGE, 30)
FEEDS = (
    Poll(
        lambda i: Ask(f"{REST}/openInterest?symbol={i.symbol}"), 5, frozenset({"oi"}),
        lambda row: (Update(row.symbol, row.time, number(row.openInterest), COINS),), wire(Now),
    ),
    Socket(
        "wss://fstream.asterdex.com/stream", frozenset({"mark", "index", "funding", "liquidations"}), subscribe, parse,
        wire(Frame), per_socket=100, pace=0.2, life=86_400,  # 200 streams a connection, 10 messages a second
    ),
    Poll(
        Ask(f"{REST}/fundingInfo"), 900, frozenset({"funding"}),
        lambda rows: [Update(r.symbol, funding_interval_h=r.fundingIntervalHours) for r in rows], wire(list[Interval]),
    ),
    NOW,
)  # fmt: skip
VENUE = Venue(
    "aster", "Aster", "speculative", "https://github.com/asterdex/api-docs", fields=(COINS, BULK),
    segments=(
        Segment(
            "linear", Ask(f"{REST}/exchangeInfo"), read, str.isalnum, FEEDS, decode=wire(list[Listing], "symbols"),
            history=(THEN, PAID),
            archives=(Archive("ticks", "aster-futures", COINS, (Unit.BASE, FeedClass.THROTTLED)),),
            answers=(
                Answer(lambda p: [premium(p)], wire(Premium), "/premiumIndex"),
                Answer(lambda rows: [premium(p) for p in rows], wire(list[Premium]), "/premiumIndex"),
                Answer(
                    lambda rows: [Update(r.symbol, None, number(r.openInterest), BULK) for r in rows],
                    wire(list[Total], "data"), "/ticker/pair",
                ),
                Answer(tell, wire(Event)),  # a stream by its own address has no envelope
                Answer(lambda events: [said for e in events for said in tell(e)], wire(list[Event])),
            ),
        ),
    ),
    limits=Limits(weight=1800, per=60, used_header="X-MBX-USED-WEIGHT-1M"),
    note="its open interest comes from a call in no document: it may end without notice",
)  # fmt: skip
