"""Bybit v5, linear and inverse. `tickers` sends one snapshot, then deltas that name only what changed.

`openInterest` counts both sides and is still sent; `singleOpenInterest` counts one and is the one to use.
Liquidations name the side of the position that died, not of the order.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import UNSET, Struct

from collectors.venue import (
    Acked, Answer, Ask, Heartbeat, History, Limits, Liquidated, Message, Refused, Said, Segment, Socket, Update,
    Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, coin, number, wire
from store.records import FeedClass, Field, Instrument, Payoff, Side, Status, Unit

REST = "https://api.bybit.com/v5/market"
COIN_SETTLED = re.compile(r"USD([A-Z]\d\d)?$")  # BTCUSD, BTCUSDZ26; linear are BTCUSDT, BTCPERP, BTC-26DEC26
SIDES = {"Buy": Side.LONG, "Sell": Side.SHORT}
TWICE = "documented as both sides; a probe of 2026-09-15 found twice the single field"


class Row(Struct, gc=False):
    symbol: str = ""
    openInterest: Stated = UNSET
    singleOpenInterest: Stated = UNSET
    markPrice: Number = None
    indexPrice: Number = None
    fundingRate: Number = None
    fundingIntervalHour: Number = None
    timestamp: int | None = None  # of a row of history
    fundingRateTimestamp: int | None = None


class Death(Struct):
    s: str
    T: int
    S: Literal["Buy", "Sell"]
    v: float
    p: float


class OldDeath(Struct):  # of the retired topic `liquidation.{symbol}`
    symbol: str
    updatedTime: int
    side: Literal["Buy", "Sell"]
    size: float
    price: float


class Frame(Struct, gc=False):
    type: str = ""
    ts: int | None = None
    data: Row | list[Death] | None = None
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class Rows(Struct):
    list: list[Row]
    symbol: str = ""


class Reply(Struct):
    result: Rows
    time: int


class Listing(Struct):
    symbol: str
    contractType: str
    status: str
    baseCoin: str
    quoteCoin: str
    settleCoin: str
    launchTime: int
    fundingInterval: float  # minutes
    leverageFilter: dict[str, Number]


class Listings(Struct):
    list: list[Listing]
    nextPageCursor: str = ""


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    topics = [f"{topic}.{i.symbol}" for i in instruments for topic in ("tickers", "allLiquidation")]
    yield {"req_id": str(request), "op": "subscribe", "args": topics}


def segment(id: str, payoff: Payoff, both: Field, single: Field) -> Segment:
    catalogue, unit = f"{REST}/instruments-info?category={id}&limit=1000", both.unit

    def read(page: Listings) -> Iterable[Instrument]:
        for row in page.list:
            if row.contractType.endswith("Perpetual"):
                asset, factor = coin(row.baseCoin)
                yield Instrument(
                    "bybit", id, row.symbol, asset, row.quoteCoin, row.settleCoin, payoff=payoff, base_factor=factor,
                    live=row.status == "Trading", max_leverage=number(row.leverageFilter.get("maxLeverage")),
                    funding_interval_h=row.fundingInterval / 60, valid_from=row.launchTime,
                )  # fmt: skip

    def parse(frame: Frame) -> Sequence[Said]:
        row = frame.data
        if isinstance(row, Row):
            one, two = row.singleOpenInterest, row.openInterest
            if isinstance(one, float):
                oi, field, silent = one, single, False
            elif two is UNSET:
                oi, field, silent = None, None, one is UNSET
            else:  # before the single field was introduced, or where it is empty
                oi, field, silent = number(two), both, False
            mark, index, funding, hours = row.markPrice, row.indexPrice, row.fundingRate, row.fundingIntervalHour
            return (
                Update(
                    row.symbol, frame.ts, oi, field,  # an empty text is no value; a call for each would cost too much
                    mark if isinstance(mark, float) else None, index if isinstance(index, float) else None,
                    funding if isinstance(funding, float) else None, hours if isinstance(hours, float) else None,
                    silent and frame.type == "delta",
                ),
            )  # fmt: skip
        if row is not None:
            return [Liquidated(d.s, d.T, SIDES[d.S], d.v, unit, d.p, FeedClass.FULL) for d in row]
        request = int(frame.req_id) if frame.req_id.isdigit() else None
        if frame.success is False:
            return (Refused(frame.ret_msg, request),)
        return (Acked(request),) if frame.success and frame.ret_msg != "pong" else ()

    def rows(reply: Reply) -> Sequence[Said]:
        """Rows of a reply read like snapshots of their time, named by the reply where they name nothing."""
        said = list[Said]()
        for row in reply.result.list:
            row.symbol = row.symbol or reply.result.symbol
            ts = row.fundingRateTimestamp if row.timestamp is None else row.timestamp
            said += parse(Frame("snapshot", reply.time if ts is None else ts, row))
        return said

    def died(d: OldDeath) -> Sequence[Said]:
        return (Liquidated(d.symbol, d.updatedTime, SIDES[d.side], d.size, unit, d.price, FeedClass.THROTTLED),)

    def past(i: Instrument, start: int, end: int) -> Ask:
        span = f"intervalTime=5min&limit=200&startTime={start}&endTime={end}"
        return Ask(f"{REST}/open-interest?category={id}&symbol={i.symbol}&{span}")

    socket = Socket(
        f"wss://stream.bybit.com/v5/public/{id}", frozenset({"oi", "mark", "index", "funding", "liquidations"}),
        subscribe, parse, wire(Frame), heartbeat=Heartbeat({"op": "ping"}, every=20),
        per_socket=300,  # the topics of one connection may take 21,000 characters
    )  # fmt: skip
    history = History(past, rows, frozenset({"oi"}), step=300, limit=200, depth=3650, decode=wire(Reply))
    return Segment(
        id, Ask(catalogue), read, lambda symbol: (COIN_SETTLED.search(symbol) is None) == (payoff is Payoff.LINEAR),
        feeds=(socket,), history=(history,), decode=wire(Listings, "result"),
        answers=(Answer(rows, wire(Reply), "/v5/market/"), Answer(died, wire(OldDeath, "data"))),
        more=lambda page: Ask(f"{catalogue}&cursor={page.nextPageCursor}") if page.nextPageCursor else None,
    )  # fmt: skip


LINEAR, INVERSE = (
    (Field("openInterest", unit, 2, Status.DOCUMENTED, evidence=TWICE),
     Field("singleOpenInterest", unit, 1, Status.DOCUMENTED, "2026-06-11", "documented"))
    for unit in (Unit.BASE, Unit.USD)
)  # fmt: skip
VENUE = Venue(
    id="bybit",
    name="Bybit",
    cls="speculative",
    docs="https://bybit-exchange.github.io/docs/v5/websocket/public/ticker",
    fields=(*LINEAR, *INVERSE),
    segments=(segment("linear", Payoff.LINEAR, *LINEAR), segment("inverse", Payoff.INVERSE, *INVERSE)),
    limits=Limits(weight=100, per=1, dials=400, dials_per=300),
)
