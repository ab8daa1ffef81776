"""KuCoin futures. Open interest is asked for, in lots; the classic sockets push marks and funding after a fresh token.

The unified socket states an open interest too, in a unit that is not established: it is read, and that number left out.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

from msgspec import UNSET, Struct, field

from collectors.candles import settled
from collectors.minutes import listed
from collectors.venue import (
    Acked, Answer, Archive, Ask, Heartbeat, History, Lately, Message, Poll, Refused, Said, Segment, Socket, Tier,
    Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, coin, number, wire
from store.records import Field, Instrument, Kind, Payoff, Unit

REST, UNIFIED = "https://api-futures.kucoin.com/api/v1", "https://api.kucoin.com/api/ua/v1/market"
TOPIC, PERPETUAL, DATED = "/contract/instrument:", "FFWCSX", "FFICSX"
MONTH = re.compile(r".+M[FGHJKMNQUVXZ]\d\d")  # XBTMZ26
LOTS = Field("openInterest", Unit.CONTRACTS, evidence="not documented; within 0.4 % of a tracker's, August 2026")


class Told(Struct, gc=False):  # by a classic frame, or by the reply that has a token
    timestamp: int | None = None
    markPrice: Number = None
    indexPrice: Number = None
    fundingRate: Number = None
    token: str = ""
    instanceServers: list[dict[str, str | int | bool]] = []


class Frame(Struct, gc=False):
    type: str = ""
    topic: str = ""
    id: str = ""
    code: int | str = ""
    data: Told | str | None = None


class Listing(Struct):
    symbol: str
    type: str
    baseCurrency: str
    quoteCurrency: str
    settleCurrency: str
    multiplier: float
    isInverse: bool
    status: str
    fundingRateGranularity: Number  # ms
    maxLeverage: Number = None
    expireDate: Number = None  # ms


class Row(Struct):  # of lists over REST, which have a few names for the same thing
    symbol: str
    type: str = ""  # of contracts
    ts: int | None = None
    openInterest: Stated = UNSET
    markPrice: Number = None
    indexPrice: Number = None
    fundingFeeRate: Number = None
    nextFundingRate: Number = None  # of the interval that runs
    value: Number = None  # its older name
    fundingRateGranularity: Number = None  # ms
    currentGranularity: Number = None
    granularity: Number = None


class Rows(Struct):
    ts: int  # ns
    rows: list[Row] = field(name="list")


class Push(Struct):  # of the unified socket
    s: str
    ts: int | None = None
    mp: Number = None
    ip: Number = None
    fr: Number = None
    gl: Number = None  # ms


def first(*values: Number) -> float | None:
    for value in values:
        if (known := number(value)) is not None:
            return known
    return None


def hours(*ms: Number) -> float | None:
    known = first(*ms)
    return None if known is None else known / 3_600_000


def reading(id: str, dated: bool) -> Callable[[list[Listing]], Iterable[Instrument]]:
    def read(rows: list[Listing]) -> Iterable[Instrument]:
        for row in rows:
            if row.type == (DATED if dated else PERPETUAL):
                (asset, factor), (settle, _) = coin(row.baseCurrency), coin(row.settleCurrency)
                expiry = number(row.expireDate) if dated else 0
                yield Instrument(
                    "kucoin", id, row.symbol, asset, row.quoteCurrency, settle, contract_size=abs(row.multiplier),
                    payoff=Payoff.INVERSE if row.isInverse else Payoff.LINEAR, base_factor=factor,
                    live=row.status == "Open" and expiry is not None, max_leverage=number(row.maxLeverage),
                    funding_interval_h=None if dated else hours(row.fundingRateGranularity),
                    kind=Kind.DATED if dated else Kind.PERPETUAL, expiry=int(expiry or 0),
                )  # fmt: skip

    return read


def told(row: Row, ts: int | None = None) -> Update:
    """A rate is named after its index: .ETHUSDTMFPI8H is of ETHUSDTM."""
    stated = bool(row.type) or row.openInterest is not UNSET  # contracts must say it
    return Update(
        row.symbol[1:].rpartition("FPI")[0] if row.symbol.startswith(".") else row.symbol,
        ts if row.ts is None else row.ts, number(row.openInterest) if stated else None, LOTS if stated else None,
        number(row.markPrice), number(row.indexPrice), first(row.fundingFeeRate, row.nextFundingRate, row.value),
        hours(row.fundingRateGranularity, row.currentGranularity, row.granularity),
    )  # fmt: skip


def rows(reply: Iterable[Row]) -> Sequence[Said]:
    return [told(row) for row in reply if row.type in ("", PERPETUAL)]


def ending(reply: Iterable[Row]) -> Sequence[Said]:
    return [
        Update(row.symbol, None, number(row.openInterest), LOTS, number(row.markPrice), number(row.indexPrice))
        for row in reply if row.type == DATED
    ]  # fmt: skip


def pushed(p: Push) -> Update:
    return Update(p.s, p.ts, None, None, number(p.mp), number(p.ip), number(p.fr), hours(p.gl))


def traded(rows: list[list[float]]) -> list[Traded]:  # start, open, high, low, close, lots
    return [Traded("", int(row[0]), row[5], Unit.CONTRACTS, price=row[4]) for row in rows]


def ladder(rows: list[dict[str, float | str]]) -> Sequence[Said]:  # bounds are in the quote currency
    keys = ("minRiskLimit", "maxRiskLimit", "maintainMargin", "maxLeverage")
    steps = ((int(row["level"]), *(float(row[key]) for key in keys)) for row in rows)
    return [Tier("", n, lower, upper, Unit.USD, rate, leverage) for n, lower, upper, rate, leverage in steps]


def candles(i: Instrument, start: int, end: int) -> Ask:
    return Ask(f"{REST}/kline/query?symbol={i.symbol}&granularity=1&from={start}&to={end}", weight=3)


def past(i: Instrument, start: int, end: int) -> Ask:
    return Ask(f"{UNIFIED}/open-interest?symbol={i.symbol}&interval=5min&startAt={start}&endAt={end}&pageSize=200")


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    ask: Message = {"id": request, "type": "subscribe", "response": True}
    return [{**ask, "topic": f"{TOPIC}{i.symbol}"} for i in instruments]


def dial(frame: Frame) -> str:
    if not isinstance(frame.data, Told) or not frame.data.token:
        raise ValueError("no token")
    return f"{frame.data.instanceServers[0]['endpoint']}?{urlencode({'token': frame.data.token, 'connectId': 'oi'})}"


def parse(frame: Frame) -> Sequence[Said]:
    row, request = frame.data, int(frame.id) if frame.id.isdigit() else None
    if frame.type == "ack":
        return (Acked(request),)
    if frame.type == "error":
        return (Refused(f"{frame.code} {row}", request),)
    if not isinstance(row, Told) or not frame.topic.startswith(TOPIC):
        return ()
    mark, index, funding = number(row.markPrice), number(row.indexPrice), number(row.fundingRate)
    return (Update(frame.topic.removeprefix(TOPIC), row.timestamp, None, None, mark, index, funding),)


ROWS, CANDLES = wire(list[Row], "data"), wire(list[list[float]], "data")
LISTED = Ask(f"{REST}/contracts/active")
NOW = Poll(Lately(candles, 300), 60, frozenset({"volume"}), lambda r: listed(traded(r)), CANDLES)
THEN = History(candles, traded, frozenset({"volume"}), 60, limit=200, depth=30, decode=CANDLES)
SOCKET = Socket(
    "wss://ws-api-futures.kucoin.com", frozenset({"mark", "index", "funding"}), subscribe, parse, wire(Frame),
    heartbeat=Heartbeat({"id": "0", "type": "ping"}, every=18),  # our requests count from one
    greets=True, token=Ask(f"{REST}/bullet-public", "POST"), dial=dial, batch=1, life=86_400,
)  # fmt: skip
VENUE = Venue(
    "kucoin", "KuCoin", "speculative", "https://www.kucoin.com/docs-new/rest/futures-trading/market-data/get-all-symbols",
    fields=(LOTS,), segments=(
        Segment(
            "futures", LISTED, reading("futures", dated=False), lambda symbol: symbol.endswith("M"),
            feeds=(
                Poll(LISTED, 5, frozenset({"oi", "mark", "index", "funding"}), rows, ROWS), SOCKET, NOW,
                Poll(lambda i: Ask(f"{REST}/contracts/risk-limit/{i.symbol}"), 86_400, frozenset({"tiers"}), ladder,
                     wire(list[dict[str, float | str]], "data")),
            ),
            history=(  # how far back candles go is not documented: we ask for 30 days
                History(past, rows, frozenset({"oi"}), 300, limit=200, depth=7, decode=ROWS), THEN,
                settled(
                    lambda i, a, b: Ask(f"{REST}/contract/funding-rates?symbol={i.symbol}&from={a}&to={b}"),
                    "timepoint", "fundingRate", 100, 365, "data",  # nor how far back this does
                ),
            ),
            answers=(
                Answer(lambda row: [told(row)], wire(Row, "data")),
                Answer(lambda r: [told(row, r.ts // 1_000_000) for row in r.rows], wire(Rows, "data")),
                Answer(lambda push: [pushed(push)], wire(Push, "d")),
            ),
            decode=wire(list[Listing], "data"),
            archives=(Archive("ticks", "kucoin-futures", LOTS, lacks="forced closes"),),
        ),
        Segment(  # a lot of theirs is what their own row in the same list says
            "futures-dated", LISTED, reading("futures-dated", dated=True),
            lambda symbol: MONTH.fullmatch(symbol) is not None,
            feeds=(Poll(LISTED, 5, frozenset({"oi", "mark", "index"}), ending, ROWS), NOW), history=(THEN,),
            decode=wire(list[Listing], "data"), lists=Kind.DATED,
        ),
    ),
    note="how open interest counts is not documented; no forced closes and no ratios are published",
)  # fmt: skip
