"""Bitfinex derivatives. Frames are arrays counted by place, on channels whose numbers are handed out anew each time.

A status row is whole and has no names: time, prices, funding and open interest stand at fixed places, and rows may grow
at their end. The status list over REST has the symbol in front, and every place one further.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from collectors.minutes import Tally
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, Heartbeat, History, Limits, Liquidated, Message, Notice, Parse, Poll, Refused,
    Remembering, Said, Segment, Socket, Tier, Traded, Update, Venue, unasked,
)  # fmt: skip
from collectors.wire import coin, wire
from store.records import FeedClass, Field, Instrument, Side, Unit

REST = "https://api-pub.bitfinex.com/v2"
STREAM = "wss://api-pub.bitfinex.com/ws/2"
PAIR = re.compile(r"(?P<base>.+)F0:(?P<quote>.+)F0")  # BTCF0:USTF0; spot pairs have no F0
HOURS = 8.0  # funding at 00, 08 and 16 UTC
STATUS, TRADES, DEATHS = "deriv:", "", "liq:global"  # what a channel's key begins with; trades have only a symbol
ALREADY = 10301  # subscribed twice: the stream goes on
LEAVING = {20051: "the venue restarts its sockets", 20061: "maintenance has ended: subscribe anew"}
OI = Field("OPEN_INTEREST", Unit.BASE, 1, evidence="documented as total outstanding contracts, not how they count")

Row = list[Any]


class Status(Struct, array_like=True, gc=False):
    """The places that a status has at least; it may have more."""

    time: int
    _1: float | None
    _2: float | None
    spot: float | None
    _4: float | None
    _5: float | None
    _6: float | None
    _7: float | None
    _8: float | None
    _9: float | None
    _10: float | None
    funding: float | None
    _12: float | None
    _13: float | None
    mark: float | None
    _15: float | None
    _16: float | None
    open_interest: float | None


Frame = list[Status | int | float | str | None]  # of a status channel: its number, then a status or "hb"


Trade = tuple[int, int, float]  # id, ms, coins (negative where the seller took)
Candle = tuple[int, float, float, float, float, float]  # start, open, close (before high and low), high, low, coins
Death = tuple[str, int, float, None, str, float, float, None, int, int | None, None, float | None]
"""pos, id, ms, -, symbol, coins (signed like the position that dies), entry, -, 1: an execution, 0: the trigger before
it, whole and not yet priced, -, -, price"""


class Event(Struct):
    event: str
    chanId: int | None = None
    key: str = ""
    symbol: str = ""  # of trades, which have no key
    code: int | None = None
    msg: str = ""


def read(reply: Row) -> Iterable[Instrument]:
    for pair, maximum, _ in margins(reply):
        said = PAIR.fullmatch(pair)
        if said is not None:
            asset, factor = coin(said["base"])
            quote = "USDT" if said["quote"] == "UST" else said["quote"]
            yield Instrument(
                "bitfinex", "linear", f"t{pair}", asset, quote, quote, base_factor=factor, max_leverage=maximum,
                funding_interval_h=HOURS,
            )  # fmt: skip


def margins(reply: Row) -> Iterable[tuple[str, float | None, float]]:
    """Pair, highest leverage and maintenance rate. Several questions may be asked at once: then each has a list."""
    rows = reply[0] if reply and reply[0] and isinstance(reply[0][0], list) else reply
    for pair, info in msgspec.convert(rows, list[tuple[str, list[Any]]]):
        initial, maintenance = msgspec.convert(info[8:10], tuple[float, float])
        yield pair, 1 / initial if initial else None, maintenance


def tiers(reply: Row) -> Sequence[Said]:
    """One step for all sizes: the public list knows no ladder."""
    return [Tier(f"t{pair}", 1, 0.0, None, Unit.USD, rate, maximum) for pair, maximum, rate in margins(reply)]


def status(symbol: str, row: Status) -> Update:
    return Update(symbol, row.time, row.open_interest, OI, row.mark, row.spot, row.funding, HOURS)


def named(rows: Iterable[Row]) -> Sequence[Said]:
    """The list over REST: every row has its symbol in front."""
    return [status(row[0], msgspec.convert(row[1:], Status)) for row in rows]


def deaths(rows: Iterable[Row]) -> Iterable[Liquidated]:
    """Executions, and not the triggers before them: never both."""
    for row in rows:
        _, _, ts, _, symbol, amount, _, _, matched, _, _, price = msgspec.convert(row[:12], Death)
        if matched and price is not None and owns(symbol):
            side = Side.LONG if amount > 0 else Side.SHORT
            yield Liquidated(symbol, int(ts), side, abs(amount), Unit.BASE, price, FeedClass.FULL)


def candles(symbol: str, rows: Iterable[Row]) -> Iterable[Traded]:
    for row in rows:
        start, _, price, _, _, volume = msgspec.convert(row[:6], Candle)
        yield Traded(symbol, start, volume, Unit.BASE, price=price)


def owns(symbol: str) -> bool:
    return symbol.startswith("t") and PAIR.fullmatch(symbol[1:]) is not None


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    """Whom a channel is about is known from the answer to our subscription, and holds for this connection only."""
    symbols, tally, skip = dict[Any, str](), Tally(Unit.BASE), unasked(instruments, wanted)

    def control(frame: Event) -> Sequence[Said]:
        name = frame.key or frame.symbol
        symbol = None if name == DEATHS else name.removeprefix(STATUS) or None
        if frame.event == "subscribed" and frame.chanId is not None:
            symbols[frame.chanId] = name.removeprefix(STATUS)
            return (Acked(symbol=symbol),)
        if frame.event == "error" and frame.code != ALREADY:
            return (Refused(f"{frame.code}: {frame.msg}", symbol=symbol),)
        return (Notice(LEAVING[frame.code]),) if frame.event == "info" and frame.code in LEAVING else ()

    def about(channel: Any) -> str:
        if channel not in symbols:
            raise ValueError(f"channel {channel} is of no subscription of this connection")
        return symbols[channel]

    def parse(frame: Event | Row) -> Sequence[Said]:
        if not isinstance(frame, list):
            return control(frame)
        channel, told = frame[0], frame[1]
        if isinstance(told, Status):
            return (status(about(channel), told),)
        if told == "te":
            _, ts, coins = msgspec.convert(frame[2][:3], Trade)
            return tally.trade(about(channel), ts, abs(coins), coins > 0)
        if isinstance(told, str) or not told:  # "hb": idle; "tu": a trade told again
            return ()
        rows = cast(list[Any], told)
        if isinstance(rows[0], list):  # forced closes, or the trades before we came
            return [death for death in deaths(rows) if death.symbol not in skip] if rows[0][0] == "pos" else ()
        raise ValueError("a status where none is asked for")

    return parse


def past(rows: list[Row]) -> Sequence[Said]:
    """One row a minute, the first: they come every few seconds, at no fixed distance."""
    ordered = sorted((msgspec.convert(row, Status) for row in rows), key=lambda row: row.time, reverse=True)
    return [status("", row) for row in reversed({row.time // 60_000: row for row in ordered}.values())]


def socket(gives: Iterable[Gives], channel: str, begins: str, each: int, cadence: float | None, rows: Any) -> Socket:
    def subscribe(instruments: Sequence[Instrument], _: int) -> Iterable[Message]:
        keys = [DEATHS] if begins == DEATHS else [begins + i.symbol for i in instruments]
        name = "symbol" if begins == TRADES else "key"
        return [{"event": "subscribe", "channel": channel, name: key} for key in keys]

    return Socket(
        STREAM, frozenset(gives), subscribe, Remembering(make), msgspec.json.Decoder(Event | rows).decode, greets=True,
        per_socket=each, batch=each, heartbeat=Heartbeat({"event": "ping", "cid": 1}, every=20), cadence=cadence,
    )  # fmt: skip


def past_of(path: str, sort: int) -> Callable[[Instrument, int, int], Ask]:
    path = f"{REST}/{path}/hist?limit=5000&sort={sort}"
    return lambda i, start, end: Ask(f"{path.format(i.symbol)}&start={start}&end={end}")


LEVELS = frozenset[Gives]({"oi", "mark", "index", "funding"})
MARGINS = Ask(f"{REST}/conf/pub:info:pair:futures")
VENUE = Venue(
    "bitfinex", "Bitfinex", "mixed", "https://docs.bitfinex.com/reference/ws-public-status", fields=(OI,),
    segments=(
        Segment(
            "linear", MARGINS, read, owns, decode=wire(Row),
            feeds=(
                # 25 channels a connection; "hb" after idle 15 s
                socket(LEVELS, "status", STATUS, 25, cadence=20, rows=Frame),
                socket(("volume",), "trades", TRADES, 25, cadence=None, rows=Row),
                socket(("liquidations",), "status", DEATHS, 10_000, cadence=None, rows=Row),
                Poll(MARGINS, 86_400, frozenset({"tiers"}), tiers, wire(Row)),
            ),
            history=(  # 5,000 rows at most, no two in a second: never more than 80 minutes; from 2019 or 2020 on
                History(past_of("status/deriv/{}", -1), past, LEVELS, 60, 80, 1825, wire(list[Row])),
                History(
                    past_of("candles/trade:1m:{}", 1), lambda rows: list(candles("", rows)), frozenset({"volume"}),
                    60, 5000, 1825, wire(list[Row]),
                ),
            ),
            answers=(
                Answer(named, wire(list[Row]), "/v2/status/deriv", Ask(f"{REST}/status/deriv?keys=ALL")),
                Answer(lambda lists: [d for rows in lists for d in deaths(rows)], wire(list[Row]), "/v2/liquidations"),
            ),
            archives=(
                Archive("ticks", "bitfinex-derivatives", OI, symbol="t{}".format, lacks="price of a forced close",
                        evidence="place 17 of a status row; of forced closes only triggers, at the position's entry"),
            ),
        ),
    ),
    limits=Limits(weight=90, per=60, dials=20, dials_per=60),
    note="whether it counts one side or both is not documented; its index is the middle of its own spot book",
)  # fmt: skip
