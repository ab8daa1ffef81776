"""Bybit v5, linear and inverse. `tickers` sends one snapshot, then deltas that name only what changed.

`openInterest` counts both sides and is still sent; `singleOpenInterest` counts one and is the one to use.
`allLiquidation` names the side of the position that died, not of the order.
"""

from collections.abc import Iterable, Sequence

import msgspec

from collectors.venue import (
    Acked, Answer, Ask, Heartbeat, History, Limits, Liquidated, Message, Number, Parse, Refused, Said, Segment, Socket,
    Update, Venue, number, wire,
)  # fmt: skip
from store.records import FeedClass, Field, Instrument, Payoff, Side, Status, Unit

REST = "https://api.bybit.com/v5/market"
BOTH = "the documents count both sides; a probe of 2026-09-15 found twice the single field"
ONE = "the documents count one side"


def fields(unit: Unit) -> tuple[Field, Field]:
    """(the two-sided field, the one-sided field)"""
    return (
        Field("openInterest", unit, 2, Status.DOCUMENTED, evidence=BOTH),
        Field("singleOpenInterest", unit, 1, Status.DOCUMENTED, "2026-06-11", ONE),
    )


LINEAR, INVERSE = fields(Unit.BASE), fields(Unit.USD)


class Ticker(msgspec.Struct):
    symbol: str
    openInterest: Number = None
    singleOpenInterest: Number = None
    markPrice: Number = None
    indexPrice: Number = None
    fundingRate: Number = None
    fundingIntervalHour: Number = None


class Death(msgspec.Struct):
    T: int
    s: str
    S: str
    v: float
    p: float


class Frame(msgspec.Struct):
    topic: str = ""
    type: str = ""
    ts: int | None = None
    data: Ticker | list[Death] | None = None
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class Listing(msgspec.Struct):
    symbol: str
    contractType: str
    status: str
    baseCoin: str
    quoteCoin: str
    settleCoin: str
    launchTime: int
    fundingInterval: float  # minutes
    leverageFilter: dict[str, str]


class Listings(msgspec.Struct):
    list: list[Listing]
    nextPageCursor: str = ""


class Catalogue(msgspec.Struct):
    result: Listings


class Past(msgspec.Struct):
    timestamp: int
    openInterest: Number
    singleOpenInterest: Number = None


class Pasts(msgspec.Struct):
    symbol: str
    list: list[Past]


class PastReply(msgspec.Struct):
    result: Pasts


class Tickers(msgspec.Struct):
    category: str
    list: list[Ticker]


class TickersReply(msgspec.Struct):
    result: Tickers
    time: int


class Paid(msgspec.Struct):
    symbol: str
    fundingRate: float
    fundingRateTimestamp: int


class Paids(msgspec.Struct):
    list: list[Paid]


class PaidReply(msgspec.Struct):
    result: Paids


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    topics = [f"{topic}.{i.symbol}" for i in instruments for topic in ("tickers", "allLiquidation")]
    yield {"req_id": str(request), "op": "subscribe", "args": topics}


def segment(id: str, payoff: Payoff, both: Field, single: Field) -> Segment:
    def read(reply: Catalogue) -> Iterable[Instrument]:
        for row in reply.result.list:
            if row.contractType.endswith("Perpetual"):
                yield Instrument(
                    "bybit", id, row.symbol, row.baseCoin, row.quoteCoin, row.settleCoin, payoff=payoff,
                    live=row.status == "Trading", max_leverage=number(row.leverageFilter.get("maxLeverage")),
                    funding_interval_h=row.fundingInterval / 60, valid_from=row.launchTime,
                )  # fmt: skip

    def ticker(row: Ticker, ts: int | None, delta: bool) -> Update:
        oi, field = number(row.singleOpenInterest), single
        if oi is None:
            oi, field = number(row.openInterest), both
        return Update(
            row.symbol, ts, oi, field, number(row.markPrice), number(row.indexPrice), number(row.fundingRate),
            number(row.fundingIntervalHour), delta and oi is None,
        )  # fmt: skip

    def parse(frame: Frame) -> Sequence[Said]:
        data = frame.data
        if data.__class__ is Ticker:
            return (ticker(data, frame.ts, frame.type == "delta"),)  # type: ignore[arg-type]
        if isinstance(data, list):
            unit = both.unit
            return [
                Liquidated(d.s, d.T, Side.LONG if d.S == "Buy" else Side.SHORT, d.v, unit, d.p, FeedClass.FULL)
                for d in data
            ]
        if frame.success is False:
            return (Refused(frame.ret_msg, int(frame.req_id) if frame.req_id.isdigit() else None),)
        if frame.success and frame.ret_msg != "pong":
            return (Acked(int(frame.req_id) if frame.req_id.isdigit() else None),)
        return ()

    def past(reply: PastReply) -> Sequence[Said]:
        symbol = reply.result.symbol
        return [
            ticker(Ticker(symbol, p.openInterest, p.singleOpenInterest), p.timestamp, False) for p in reply.result.list
        ]

    def tickers(reply: TickersReply) -> Sequence[Said]:
        return [ticker(row, reply.time, False) for row in reply.result.list]

    def paid(reply: PaidReply) -> Sequence[Said]:
        return [Update(p.symbol, p.fundingRateTimestamp, funding=p.fundingRate) for p in reply.result.list]

    def more(reply: Catalogue) -> Ask | None:
        cursor = reply.result.nextPageCursor
        return Ask(f"{REST}/instruments-info?category={id}&limit=1000&cursor={cursor}") if cursor else None

    def ask_past(i: Instrument, start: int, end: int) -> Ask:
        return Ask(
            f"{REST}/open-interest?category={id}&symbol={i.symbol}&intervalTime=5min&limit=200&startTime={start}&endTime={end}"
        )

    parse_frames: Parse = parse
    return Segment(
        id=id,
        catalogue=Ask(f"{REST}/instruments-info?category={id}&limit=1000"),
        read=read,
        more=more,
        decode=wire(Catalogue),
        owns=lambda symbol: (symbol.endswith("USD") or "USDZ" in symbol) == (payoff is Payoff.INVERSE),
        feeds=(
            Socket(
                url=f"wss://stream.bybit.com/v5/public/{id}",
                gives=frozenset({"oi", "mark", "index", "funding", "liquidations"}),
                subscribe=subscribe,
                parse=parse_frames,
                decode=wire(Frame),
                heartbeat=Heartbeat({"op": "ping"}, every=20),
                per_socket=300,
                cadence=5.0,
            ),
        ),
        history=(
            History(ask_past, past, frozenset({"oi"}), step=300, limit=200, depth=3650, decode=wire(PastReply)),
        ),
        answers=(
            Answer(tickers, wire(TickersReply), "/v5/market/tickers"),
            Answer(paid, wire(PaidReply), "/v5/market/funding/history"),
        ),
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
