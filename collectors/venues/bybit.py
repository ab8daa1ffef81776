"""Bybit v5, linear and inverse. `tickers` sends one snapshot, then deltas that name only what changed.

`openInterest` counts both sides and is still sent; `singleOpenInterest` counts one and is the one to use. Dated
contracts have the same tickers without funding; whether their forced closes are told is not documented.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import UNSET, Struct

from collectors.candles import Rows, marks, minutes, series
from collectors.ladders import ladder
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, Heartbeat, History, Limits, Liquidated, Message, Poll, Ratio, Refused, Said,
    Segment, Socket, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, amount, coin, number, whole, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Status, Unit

REST, BEAT = "https://api.bybit.com/v5/market", Heartbeat({"op": "ping"}, every=20)
SETTLED = re.compile(r"USD([A-Z]\d\d)?$")  # BTCUSD, BTCUSDZ26; linear are BTCUSDT, BTCPERP, BTC-26DEC26
DATED, GIVEN = re.compile(r"[A-Z]\d\d$"), frozenset[Gives]({"oi", "mark", "index", "funding", "liquidations"})
SIDES, TOPICS = {"Buy": Side.LONG, "Sell": Side.SHORT}, ("tickers", "allLiquidation")  # sides of who died, no order's
SPAN = "limit=200&startTime={}&endTime={}"
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
    singleOpenInterestValue: Number = None  # of linear contracts in USDT; read over REST, where time is not dear
    fundingRateTimestamp: int | None = None


class Death(Struct):
    s: str
    T: int
    S: str
    v: float
    p: float


class Frame(Struct, gc=False):
    type: str = ""
    ts: int | None = None
    data: Row | list[Death] | None = None
    success: bool | None = None
    ret_msg: str = ""
    req_id: str = ""


class Result(Struct):
    list: list[Row]
    symbol: str = ""


class Reply(Struct):
    result: Result
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
    deliveryTime: int = 0


class Listings(Struct):
    list: list[Listing]
    nextPageCursor: str = ""


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    topics = [f"{topic}.{i.symbol}" for i in instruments for topic in TOPICS[: 1 if i.kind is Kind.DATED else 2]]
    yield {"req_id": str(request), "op": "subscribe", "args": topics}


def shares(rows: list[dict[str, Any]]) -> list[Ratio]:
    ratios = ((whole(row["timestamp"]), amount(row["buyRatio"]), amount(row["sellRatio"])) for row in rows)
    return [Ratio("", ts, "account", longs / shorts) for ts, longs, shorts in ratios if shorts > 0]


def segment(payoff: Payoff, both: Field, single: Field, dated: bool) -> Segment:
    id, unit, linear = str(payoff), both.unit, payoff is Payoff.LINEAR
    named, ending = (f"{id}-dated", "Futures") if dated else (id, "Perpetual")
    catalogue = f"{REST}/instruments-info?category={id}&limit=1000"

    def read(page: Listings) -> Iterable[Instrument]:
        for row in page.list:
            if row.contractType.endswith(ending):
                asset, factor = coin(row.baseCoin)
                yield Instrument(
                    "bybit", named, row.symbol, asset, row.quoteCoin, row.settleCoin, payoff=payoff, base_factor=factor,
                    live=row.status == "Trading", max_leverage=number(row.leverageFilter.get("maxLeverage")),
                    funding_interval_h=None if dated else row.fundingInterval / 60, valid_from=row.launchTime,
                    kind=Kind.DATED if dated else Kind.PERPETUAL, expiry=row.deliveryTime if dated else 0,
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
            return (Update(
                row.symbol, frame.ts, oi, field,  # an empty text is no value; a call for each would cost too much
                mark if isinstance(mark, float) else None, index if isinstance(index, float) else None,
                funding if isinstance(funding, float) else None, hours if isinstance(hours, float) else None,
                silent and frame.type == "delta",
            ),)  # fmt: skip
        if row is not None:
            return [Liquidated(d.s, d.T, SIDES[d.S], d.v, unit, d.p, FeedClass.FULL) for d in row]
        request = int(frame.req_id) if frame.req_id.isdigit() else None
        if frame.success is False:
            return (Refused(frame.ret_msg, request),)
        return (Acked(request),) if frame.success and frame.ret_msg != "pong" else ()

    def rows(reply: Reply) -> Iterable[Said]:
        for row in reply.result.list:  # each like a snapshot of its time
            row.symbol = row.symbol or reply.result.symbol
            ts = row.fundingRateTimestamp if row.timestamp is None else row.timestamp
            for said in parse(Frame("snapshot", reply.time if ts is None else ts, row)):
                if linear and isinstance(said, Update) and said.field is single:
                    said.usd = number(row.singleOpenInterestValue)
                yield said

    def died(d: dict[str, Any]) -> Sequence[Said]:  # of the retired topic `liquidation.{symbol}`
        ts, side, size, price = whole(d["updatedTime"]), SIDES[d["side"]], amount(d["size"]), amount(d["price"])
        return (Liquidated(d["symbol"], ts, side, size, unit, price, FeedClass.THROTTLED),)

    def tiers(steps: list[dict[str, Any]]) -> Sequence[Said]:
        rows = [(*(amount(s[key]) for key in ("riskLimitValue", "maintenanceMargin")), s) for s in steps]
        parts = 100 if min((rate for _, rate, _ in rows), default=0) >= 0.1 else 1  # some replies say percent
        found = ((upper, rate / parts, s.get("maxLeverage"), s.get("mmDeduction")) for upper, rate, s in rows)
        return ladder(Unit.USD if linear else Unit.BASE, found)

    def past(path: str, span: str) -> Callable[[Instrument, int, int], Ask]:
        return lambda i, start, end: Ask(f"{REST}/{path}?category={id}&symbol={i.symbol}&{span.format(start, end)}")

    def now(path: str) -> Callable[[Instrument], Ask]:
        return lambda i: Ask(f"{REST}/{path}?category={id}&symbol={i.symbol}")

    bars, dicts, reply = wire(Rows, "result", "list"), wire(list[dict[str, Any]], "result", "list"), wire(Reply)
    coins = minutes(Unit.BASE, 5 if linear else 6)  # the other is their value
    volume = series("volume", past("kline", "interval=1&limit=1000&start={}&end={}"), coins, bars, 60, 1000, 3650)
    crowd = past("account-ratio", "period=5min&limit=500&startTime={}&endTime={}")
    ratios = series("ratios", crowd, shares, dicts, 300, 500, 3650)
    line = Socket(
        f"wss://stream.bybit.com/v5/public/{id}", GIVEN - {"funding", "liquidations"} if dated else GIVEN,
        subscribe, parse, wire(Frame), heartbeat=BEAT, per_socket=300,  # 21,000 characters of topics a connection
    )  # fmt: skip
    more = (Poll(now("risk-limit"), 86_400, frozenset({"tiers"}), tiers, dicts), ratios[0])
    return Segment(
        named, Ask(catalogue), read, lambda s: bool(SETTLED.search(s)) != linear and bool(DATED.search(s)) == dated,
        decode=wire(Listings, "result"), lists=Kind.DATED if dated else None,
        feeds=(line, volume[0], *(() if dated else more)),
        history=(
            History(past("open-interest", f"intervalTime=5min&{SPAN}"), rows, frozenset({"oi"}), 300, 200, 3650, reply),
            History(past("mark-price-kline", "interval=5&limit=1000&start={}&end={}"), marks(300),
                    frozenset({"mark"}), 300, 1000, 3650, bars), volume[1],
            *(() if dated else (ratios[1], History(past("funding/history", SPAN), rows, frozenset({"funding"}), 3600,
                                                   200, 3650, reply))),
        ),
        answers=(Answer(rows, wire(Reply), "/v5/market/", now("tickers")), Answer(died, wire(dict[str, Any], "data"))),
        more=lambda page: Ask(f"{catalogue}&cursor={page.nextPageCursor}") if page.nextPageCursor else None,
        archives=() if dated else (Archive("ticks", "bybit", both, (unit, FeedClass.THROTTLED)),),
    )  # fmt: skip


LINEAR, INVERSE = (
    (Field("openInterest", unit, 2, Status.DOCUMENTED, evidence=TWICE),
     Field("singleOpenInterest", unit, 1, Status.DOCUMENTED, "2026-06-11", "documented"))
    for unit in (Unit.BASE, Unit.USD)
)  # fmt: skip
VENUE = Venue(
    "bybit", "Bybit", "speculative", "https://bybit-exchange.github.io/docs/v5/websocket/public/ticker",
    fields=(*LINEAR, *INVERSE), limits=Limits(weight=100, per=1, dials=400, dials_per=300),
    segments=tuple(
        segment(*of, dated) for dated in (False, True) for of in ((Payoff.LINEAR, *LINEAR), (Payoff.INVERSE, *INVERSE))
    ),
)  # fmt: skip
