"""BingX perpetuals, linear and coin-margined. The open interest is never pushed: one question a symbol.

`openInterest` is dollars on linear contracts and coins on coin-margined ones. Sockets carry the traded minutes; every
frame of theirs is gzip, the pings too, which come as a plain text or as JSON.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from msgspec import UNSET, Struct

from collectors.candles import settled
from collectors.minutes import Running
from collectors.venue import (
    Acked, Answer, Ask, History, Limits, Message, Poll, Refused, Remembering, Said, Segment, Socket, Traded, Update,
    Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, among, coin, number, unpacked, wire
from store.records import Field, Instrument, Payoff, Unit

REST = "https://open-api.bingx.com/openApi"
LINEAR, INVERSE = f"{REST}/swap/v2/quote", f"{REST}/cswap/v1/market"
MINUTE = "@kline_1m"
HOURS = 8.0  # documented as the rule; replies for all linear contracts say the exceptions
PING, PONG = "Ping", "Pong"
SILENT = "one side is assumed: the documents do not say"
DOLLARS = Field("openInterest", Unit.USD, 1, evidence=f"{SILENT}; valued at a mark that they do not name")
COINS = Field("openInterest", Unit.BASE, 1, evidence=f"{SILENT}; its time may be hours old")


class Level(Struct):
    symbol: str
    openInterest: Number
    time: int | None = None
    timestamp: int | None = None  # its name on coin-margined contracts


class Premium(Struct):
    symbol: str
    markPrice: Number
    indexPrice: Number
    lastFundingRate: Number
    fundingIntervalHours: Number = None  # not in older replies, nor in those of coin-margined contracts


class Premiums(Struct):
    data: list[Premium]
    timestamp: int | None = None  # not of linear contracts


class Candle(Struct):
    T: int  # when it opened
    c: float
    v: float  # coins


class CoinCandle(Struct):
    t: int
    c: float
    a: float  # coins; `v` is contracts


class Past(Struct):
    time: int
    close: float
    volume: float  # coins of linear contracts; contracts of coin-margined ones


class Frame(Struct):
    id: str | None = None
    code: int = 0
    msg: str = ""
    dataType: str = ""
    data: list[Candle] | CoinCandle | None = None
    ping: str | None = None
    time: str | int | None = None  # of a ping


class Listing(Struct):
    symbol: str
    status: int
    maxLongLeverage: Number = None
    minTickSize: Stated = UNSET  # dollars a contract, of coin-margined ones


read_frame = among(wire(Frame), lambda channel: channel.endswith(MINUTE), "dataType")


def decode(frame: str | bytes) -> Frame | None:
    return Frame(ping=PING) if frame in (PING, PING.encode()) else read_frame(frame)


def answer(frame: Frame | None) -> Message | None:
    if frame is None or frame.ping is None:
        return None
    return PONG if frame.ping == PING else {"pong": frame.ping, "time": frame.time}


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    for i in instruments:
        yield {"id": str(request), "reqType": "sub", "dataType": f"{i.symbol}{MINUTE}"}


def make(_: Sequence[Instrument], wanted: Collection[str] | None = None) -> Callable[[Frame | None], Sequence[Said]]:
    running = Running()

    def parse(frame: Frame | None) -> Sequence[Said]:
        if frame is None or frame.ping is not None:
            return ()
        symbol, data = frame.dataType.removesuffix(MINUTE), frame.data
        if isinstance(data, CoinCandle):
            return running.push(Traded(symbol, data.t, data.a, Unit.BASE, price=data.c))
        if data is not None:
            candles = sorted(data, key=lambda candle: candle.T)
            minutes = (Traded(symbol, c.T, c.v, Unit.BASE, price=c.c) for c in candles)
            return [said for minute in minutes for said in running.push(minute)]
        request = int(frame.id) if frame.id is not None and frame.id.isdigit() else None
        return (Refused(f"{frame.code}: {frame.msg}", request),) if frame.code else (Acked(request),)

    return parse


def premium(p: Premium, ts: int | None = None) -> Update:
    mark, index, funding = number(p.markPrice), number(p.indexPrice), number(p.lastFundingRate)
    return Update(p.symbol, ts, None, None, mark, index, funding, number(p.fundingIntervalHours))


def reading(id: str, payoff: Payoff) -> Callable[[list[Listing]], Iterable[Instrument]]:
    def read(rows: list[Listing]) -> Iterable[Instrument]:
        for row in rows:
            base, _, quote = row.symbol.rpartition("-")
            asset, factor = coin(base)
            size = 1.0 if payoff is Payoff.LINEAR else number(row.minTickSize)
            yield Instrument(
                "bingx", id, row.symbol, asset, quote, quote if payoff is Payoff.LINEAR else base, payoff=payoff,
                contract_size=size or 1.0, base_factor=factor, live=row.status == 1 and bool(size),
                max_leverage=number(row.maxLongLeverage), funding_interval_h=HOURS,
            )  # fmt: skip

    return read


def minutes(host: str) -> Socket:
    return Socket(
        f"wss://{host}", frozenset({"volume"}), subscribe, Remembering(make), unpacked(decode), answer,
        per_socket=100, batch=1, pace=0.15,  # ten subscriptions a second; answers name nothing but our number
        cadence=None,
    )  # fmt: skip


def stated(rows: Iterable[Level], field: Field) -> Sequence[Said]:
    return [Update(r.symbol, r.timestamp if r.time is None else r.time, number(r.openInterest), field) for r in rows]


def levels(at: str, every: float, said: Callable[[Any], Sequence[Said]], form: Any) -> tuple[Poll, Poll]:
    """Mark, index and funding of all at once; open interest symbol by symbol."""
    return (
        Poll(
            Ask(f"{at}/premiumIndex"), 5, frozenset({"mark", "index", "funding"}),
            lambda reply: [premium(p, reply.timestamp) for p in reply.data], wire(Premiums),
        ),
        Poll(lambda i: Ask(f"{at}/openInterest?symbol={i.symbol}"), every, frozenset({"oi"}), said, wire(form, "data")),
    )  # fmt: skip


PAID = settled(  # of linear contracts only; how far back it goes is not documented: we ask for a year
    lambda i, start, end: Ask(
        f"{LINEAR}/fundingRate?symbol={i.symbol}&limit=1000&startTime={start}&endTime={end}"
    ), "fundingTime", "fundingRate", 1000, 365, "data",
)  # fmt: skip


def past(at: str, unit: Unit, limit: int) -> tuple[History]:
    def ask(i: Instrument, start: int, end: int) -> Ask:  # what begins at `endTime` itself is left out
        return Ask(f"{at}/klines?symbol={i.symbol}&interval=1m&limit={limit}&startTime={start}&endTime={end + 1}")

    def ended(rows: list[Past]) -> Sequence[Said]:
        return [Traded("", r.time, r.volume, unit, price=r.close) for r in rows]

    return (History(ask, ended, frozenset({"volume"}), 60, limit, 30, wire(list[Past], "data")),)


VENUE = Venue(
    "bingx", "BingX", "speculative", "https://github.com/BingX-API/BingX-swap-api-v2-doc", fields=(DOLLARS, COINS),
    segments=(
        Segment(
            "linear", Ask(f"{LINEAR}/contracts"), reading("linear", Payoff.LINEAR),
            lambda symbol: "-" in symbol and not symbol.endswith("-USD"), decode=wire(list[Listing], "data"),
            feeds=(
                *levels(LINEAR, 10, lambda row: stated([row], DOLLARS), Level),
                minutes("open-api-swap.bingx.com/swap-market"),
            ),
            history=(*past(f"{REST}/swap/v3/quote", Unit.BASE, 1440), PAID),
            answers=tuple(
                Answer(lambda row: [premium(row)], wire(Premium, *at), "/premiumIndex") for at in (("data",), ())
            ),
        ),
        Segment(
            "inverse", Ask(f"{INVERSE}/contracts"), reading("inverse", Payoff.INVERSE),
            lambda symbol: symbol.endswith("-USD"), decode=wire(list[Listing], "data"),
            feeds=(
                *levels(INVERSE, 60, lambda rows: stated(rows, COINS), list[Level]),
                minutes("open-api-cswap-ws.bingx.com/market"),
            ),
            history=past(INVERSE, Unit.CONTRACTS, 1000),
        ),
    ),
    limits=Limits(weight=10, per=1),
    note="the dollars of linear contracts move with a mark that is not named; those of coins may be a day's figure",
)  # fmt: skip
