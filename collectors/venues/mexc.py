"""MEXC contracts. `holdVol` counts contracts, and only the ticker of a single symbol has it; that of all has not.

Answers to subscriptions name nobody: one symbol is asked for at a time. Frames may come packed in spite of what we ask.
"""

from collections.abc import Iterable, Sequence

from msgspec import UNSET, Struct

from collectors.candles import settled
from collectors.minutes import listed
from collectors.venue import (
    Acked, Answer, Archive, Ask, Heartbeat, History, Ignored, Lately, Limits, Message, Poll, Refused, Said, Segment,
    Socket, Tier, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, coin, number, seconds, unpacked, wire
from store.records import Field, Instrument, Payoff, Unit

REST = "https://api.mexc.com/api/v1/contract"
STEPS = 1000  # of a ladder; more is no ladder
HOLD = Field("holdVol", Unit.CONTRACTS, evidence="not documented; within 0.4 % of a tracker's figure in August 2026")


class Row(Struct, gc=False):
    """What any channel or list says of a symbol."""

    symbol: str = ""
    timestamp: int | None = None
    holdVol: Stated = UNSET
    fairPrice: Number = None
    indexPrice: Number = None
    fundingRate: Number = None
    collectCycle: Number = None  # hours; where funding is asked for
    price: Number = None  # of the channels for mark and index
    rate: Number = None  # of the one for funding


class Frame(Struct, gc=False):
    channel: str = ""
    data: Row | list[Row] | str | int | None = None
    ts: int | None = None
    success: bool = True
    message: str = ""


class Limit(Struct):
    level: int
    maxVol: float
    mmr: float
    maxLeverage: Number = None


class Listing(Struct):
    symbol: str
    baseCoin: str
    quoteCoin: str
    settleCoin: str
    contractSize: float
    maxLeverage: Number
    state: int
    isHidden: bool
    maintenanceMarginRate: Number = None
    initialMarginRate: Number = None
    riskLimitMode: str = ""
    riskLimitType: str = ""
    riskLimitCustom: list[Limit] | None = None
    riskBaseVol: Number = None
    riskIncrVol: Number = None
    riskIncrMmr: Number = None
    riskIncrImr: Number = None
    riskLevelLimit: int | None = None


class Columns(Struct):
    time: list[int]  # seconds
    close: list[float]
    vol: list[float]  # contracts


def read(rows: list[Listing]) -> Iterable[Instrument]:
    for row in rows:
        asset, factor = coin(row.baseCoin)
        linear = row.quoteCoin == row.settleCoin
        yield Instrument(
            "mexc", "futures", row.symbol, asset, row.quoteCoin, row.settleCoin, contract_size=row.contractSize,
            payoff=Payoff.LINEAR if linear else Payoff.INVERSE, base_factor=factor,
            live=row.state == 0 and not row.isHidden, max_leverage=number(row.maxLeverage),
        )  # fmt: skip


def ladder(row: Listing) -> Iterable[Limit]:
    """The steps as they are listed, or by the rule that makes them."""
    if row.riskLimitMode == "CUSTOM":
        return sorted(row.riskLimitCustom or (), key=lambda limit: limit.level)
    rule = (row.riskBaseVol, row.riskIncrVol, row.maintenanceMarginRate, row.riskIncrMmr, row.initialMarginRate)
    known = [value for value in map(number, (*rule, row.riskIncrImr)) if value is not None]
    if len(known) < 6 or row.riskLevelLimit is None or row.riskLevelLimit > STEPS:
        return ()
    most, more, keep, keep_more, margin, margin_more = known
    return [
        Limit(n + 1, most + n * more, keep + n * keep_more, 1 / (margin + n * margin_more))
        for n in range(row.riskLevelLimit)
    ]  # fmt: skip


def ladders(rows: list[Listing]) -> Iterable[Said]:
    for row in rows:
        unit, lower = Unit.USD if row.riskLimitType == "BY_VALUE" else Unit.CONTRACTS, 0.0
        for step in ladder(row):
            yield Tier(row.symbol, step.level, lower, step.maxVol, unit, step.mmr, number(step.maxLeverage))
            lower = step.maxVol


def traded(reply: Columns) -> list[Traded]:
    columns = zip(reply.time, reply.vol, reply.close, strict=True)
    return [Traded("", start * 1000, volume, Unit.CONTRACTS, price=price) for start, volume, price in columns]


def past(i: Instrument, start: int, end: int) -> Ask:
    first, last = seconds(start, end)
    span = f"interval=Min1&start={first}&end={last}"
    return Ask(f"https://contract.mexc.com/api/v1/contract/kline/{i.symbol}?{span}")


def subscribe(instruments: Sequence[Instrument], _: int) -> Iterable[Message]:
    return [{"method": "sub.ticker", "param": {"symbol": i.symbol}, "gzip": False} for i in instruments]


def update(row: Row, ts: int | None = None) -> Update:
    oi, field = (None, None) if row.holdVol is UNSET else (number(row.holdVol), HOLD)
    return Update(
        row.symbol, ts if row.timestamp is None else row.timestamp, oi, field, number(row.fairPrice),
        number(row.indexPrice), number(row.fundingRate), number(row.collectCycle),
    )  # fmt: skip


def parse(frame: Frame) -> Sequence[Said]:
    row, ts = frame.data, frame.ts
    if frame.channel == "rs.error" or not frame.success:
        return (Refused(frame.message or str(row)),)
    if frame.channel.startswith("rs.sub."):
        return (Acked(),)
    if isinstance(row, list):
        return [update(one, ts) for one in row] if frame.channel == "push.tickers" else (Ignored(frame.channel),)
    if isinstance(row, Row):
        match frame.channel:
            case "push.ticker":
                number(row.holdVol)  # raises where it is left out
                return (update(row, ts),)
            case "push.fair.price":
                return (Update(row.symbol, ts, mark=number(row.price)),)
            case "push.index.price":
                return (Update(row.symbol, ts, index=number(row.price)),)
            case "push.funding.rate":
                return (Update(row.symbol, ts, funding=number(row.rate)),)
            case _:
                return (Ignored(frame.channel),)
    return ()


LISTINGS, CANDLES = wire(list[Listing], "data"), wire(Columns, "data")  # a detail is asked for once in five seconds
LEVELS = Socket(
    "wss://contract.mexc.com/edge", frozenset({"oi", "mark", "index", "funding"}), subscribe, parse,
    unpacked(wire(Frame)), heartbeat=Heartbeat({"method": "ping"}, every=15), batch=1,
    cadence=30, line=5,  # every second, by the documents; whether of a quiet contract too is not established
)  # fmt: skip
VENUE = Venue(
    "mexc", "MEXC", "speculative", "https://www.mexc.com/api-docs/futures/websocket-api",
    fields=(HOLD,), limits=Limits(weight=50, per=5),
    segments=(
        Segment(
            "futures", Ask(f"{REST}/detail", weight=50), read, lambda symbol: "_" in symbol, decode=LISTINGS,
            feeds=(
                LEVELS,
                Poll(lambda i: Ask(f"{REST}/funding_rate/{i.symbol}"), 300, frozenset({"funding"}),
                     lambda row: [update(row)], wire(Row, "data")),  # tells the interval
                Poll(Lately(past, 300), 60, frozenset({"volume"}), lambda reply: listed(traded(reply)), CANDLES),
                Poll(Ask(f"{REST}/detail", weight=50), 86_400, frozenset({"tiers"}), ladders, LISTINGS),
            ),
            history=(  # how far back it goes is not documented: we ask for 30 days
                History(past, traded, frozenset({"volume"}), 60, limit=2000, depth=30, decode=CANDLES),
                settled(  # the newest thousand
                    lambda i, _, __: Ask(f"{REST}/funding_rate/history?symbol={i.symbol}&page_num=1&page_size=1000"),
                    "settleTime", "fundingRate", 1000, 333, "data", "resultList", bounded=False,
                ),
            ),
            answers=(Answer(lambda rows: list(map(update, rows)), wire(list[Row], "data"), "/contract/ticker",
                            Ask(f"{REST}/ticker")),),
            archives=(Archive("ticks", "mexc-futures", HOLD, lacks="forced closes"),),
        ),
    ),
    note="how open interest counts is not documented; no forced closes and no ratios are published",
)  # fmt: skip
