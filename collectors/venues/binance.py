"""Binance futures, USD-M (linear) and COIN-M (inverse). The open interest is never pushed: one question a symbol.

Mark, index and funding are pushed, and forced closes, at most one a second a symbol: their sums are lower bounds. The
funding interval is 8 h unless `fundingInfo` lists the symbol; the frames themselves do not say it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import UNSET, Struct

from collectors.venue import (
    Acked, Answer, Ask, History, Limits, Liquidated, Message, Poll, Refused, Said, Segment, Socket, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, coin, number, wire
from store.records import FeedClass, Field, Instrument, Payoff, Side, Status, Unit

COIN_M = re.compile(r"USD_(PERP|\d{6})$")  # BTCUSD_PERP, BTCUSD_261225; linear are BTCUSDT, BTCUSDT_261225
SIDES = {"SELL": Side.LONG, "BUY": Side.SHORT}  # of the closing order
FUNDING_H = 8.0  # documented as the rule; `fundingInfo` lists the exceptions
ONCE = "support said in July 2025 that a pair counts once; a tracker's figure matched within 0.1 % in September 2026"
FIELDS = OI_UM, PAST_UM, OI_CM, PAST_CM = tuple(
    Field(key, unit, 1, Status.DOCUMENTED, evidence=ONCE)
    for unit in (Unit.BASE, Unit.CONTRACTS) for key in ("openInterest", "sumOpenInterest")
)  # fmt: skip


class Order(Struct):
    s: str
    S: Literal["SELL", "BUY"]
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
    o: Order | None = None


class Fault(Struct):
    code: int | None = None
    msg: str = ""


class Frame(Struct, gc=False):
    data: Event | None = None
    id: int | None = None
    error: Fault | None = None
    code: int | None = None
    msg: str = ""


class Now(Struct):
    symbol: str
    openInterest: Number
    time: int


class Past(Struct):
    sumOpenInterest: Number
    timestamp: int
    symbol: str = ""
    pair: str = ""  # of COIN-M, with the kind of contract in the place of a symbol
    contractType: str = ""


class Premium(Struct):
    symbol: str
    markPrice: Number
    indexPrice: Number
    lastFundingRate: Number
    time: int


class Interval(Struct):
    symbol: str
    fundingIntervalHours: float


class Listing(Struct):
    symbol: str
    contractType: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    onboardDate: int
    status: str = ""
    contractStatus: str = ""  # its name on COIN-M
    contractSize: Stated = UNSET  # USD, of COIN-M; USD-M counts coins


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    streams = [f"{i.symbol.lower()}@{name}" for i in instruments for name in ("markPrice@1s", "forceOrder")]
    yield {"method": "SUBSCRIBE", "params": streams, "id": request}


def premium(p: Premium) -> Update:
    return Update(p.symbol, p.time, None, None, number(p.markPrice), number(p.indexPrice), number(p.lastFundingRate))


INTERVALS = Poll(
    Ask("https://fapi.binance.com/fapi/v1/fundingInfo"), 900, frozenset({"funding"}),
    lambda rows: [Update(r.symbol, funding_interval_h=r.fundingIntervalHours) for r in rows], wire(list[Interval]),
)  # fmt: skip


def segment(id: str, payoff: Payoff, api: str, stream: str, now: Field, then: Field) -> Segment:
    rest = f"https://{api}.binance.com"
    now_at = f"{rest}/{api}/v1/openInterest"

    def owns(symbol: str) -> bool:
        return (COIN_M.search(symbol) is None) == (payoff is Payoff.LINEAR)

    def read(rows: Sequence[Listing]) -> Iterable[Instrument]:
        for row in rows:
            size = 1.0 if payoff is Payoff.LINEAR else number(row.contractSize)
            if row.contractType == "PERPETUAL" and size is not None:
                asset, factor = coin(row.baseAsset)
                yield Instrument(
                    "binance", id, row.symbol, asset, row.quoteAsset, row.marginAsset, payoff=payoff,
                    contract_size=size, base_factor=factor, funding_interval_h=FUNDING_H,
                    live="TRADING" in (row.status, row.contractStatus), valid_from=row.onboardDate,
                )  # fmt: skip

    def tell(event: Event) -> Sequence[Said]:
        if event.e == "markPriceUpdate":
            return (Update(event.s, event.E, None, None, number(event.p), number(event.i), number(event.r)),)
        died = event.o
        if died is None or not owns(died.s):  # some streams carry both segments since their merge
            return ()
        return (Liquidated(died.s, died.T, SIDES[died.S], died.z, now.unit, died.ap, FeedClass.THROTTLED),)

    def parse(frame: Frame) -> Sequence[Said]:
        if frame.data is not None:
            return tell(frame.data)
        fault = frame if frame.error is None else frame.error
        if fault.code is not None:
            return (Refused(f"{fault.code}: {fault.msg}", frame.id),)
        return () if frame.id is None else (Acked(frame.id),)

    def level(row: Now) -> Sequence[Said]:
        return (Update(row.symbol, row.time, number(row.openInterest), now),)

    def past(p: Past) -> Update:
        symbol = p.symbol or f"{p.pair}_{p.contractType.removesuffix('ETUAL')}"
        return Update(symbol, p.timestamp, number(p.sumOpenInterest), then)

    def ask_past(i: Instrument, start: int, end: int) -> Ask:
        whom = f"symbol={i.symbol}" if payoff is Payoff.LINEAR else f"pair={i.symbol[:-5]}&contractType=PERPETUAL"
        span = f"period=5m&limit=500&startTime={start}&endTime={end}"
        return Ask(f"{rest}/futures/data/openInterestHist?{whom}&{span}", weight=12)  # a cap of its own: 1,000 in 5 min

    return Segment(
        id, Ask(f"{rest}/{api}/v1/exchangeInfo"), read, owns, decode=wire(list[Listing], "symbols"),
        feeds=(
            Poll(lambda i: Ask(f"{now_at}?symbol={i.symbol}"), 5, frozenset({"oi"}), level, wire(Now)),
            Socket(
                stream, frozenset({"mark", "index", "funding", "liquidations"}), subscribe, parse, wire(Frame),
                per_socket=100, pace=0.2, life=86_400,  # 200 streams a connection, 10 messages a second
            ),
            *((INTERVALS,) if payoff is Payoff.LINEAR else ()),
        ),
        history=(History(ask_past, lambda ps: list(map(past, ps)), frozenset({"oi"}), 300, 500, 29, wire(list[Past])),),
        answers=(
            Answer(lambda p: [past(p)], wire(Past), "/openInterestHist"),
            Answer(lambda p: [premium(p)], wire(Premium), "/premiumIndex"),
            Answer(lambda rows: [premium(p) for p in rows], wire(list[Premium]), "/premiumIndex"),
            Answer(tell, wire(Event)),  # a stream by its own address has no envelope
            Answer(lambda events: [said for e in events for said in tell(e)], wire(list[Event])),
        ),
    )  # fmt: skip


VENUE = Venue(
    "binance", "Binance", "mixed",
    docs="https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
    fields=FIELDS,
    segments=(
        segment("linear", Payoff.LINEAR, "fapi", "wss://fstream.binance.com/market/stream", OI_UM, PAST_UM),
        segment("inverse", Payoff.INVERSE, "dapi", "wss://dstream.binance.com/stream", OI_CM, PAST_CM),
    ),
    limits=Limits(weight=1800, per=60, dials=250, dials_per=300, used_header="X-MBX-USED-WEIGHT-1M"),
)  # fmt: skip
