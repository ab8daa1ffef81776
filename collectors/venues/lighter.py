"""Lighter perpetuals. Open interest is dollars on the socket and coins over REST, of one side; the site shows twice it.

Markets have numbers beside their names; some frames have the number only. Funding is in percent an hour on the socket,
and a fraction of eight hours over REST. A connection's first trades are of the past, forced closes too, and left out.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from collectors.minutes import Tally
from collectors.venue import (
    Acked, Answer, Archive, Ask, CatalogueError, Heartbeat, History, Limits, Liquidated, Message, Parse, Poll, Refused,
    Remembering, Said, Segment, Socket, Tier, Traded, Update, Venue, unasked,
)  # fmt: skip
from collectors.wire import Number, coin, number, wire
from store.records import FeedClass, Field, Instrument, Side, Status, Unit

REST, STREAM = "https://mainnet.zklighter.elliot.ai/api/v1", "wss://mainnet.zklighter.elliot.ai/stream"
RESTRICTED = (f"{STREAM}?readonly=true",)  # for regions that are let read only
PAGE = 500  # candles in one reply
SUBSCRIBED = 30003  # "Already Subscribed to": the stream goes on
HALF = "the venue's site, its totals and public collectors show twice the sum of this field"
DOLLARS, COINS = (Field("open_interest", u, 1, Status.MEASURED, evidence=HALF) for u in (Unit.USD, Unit.BASE))


class Stats(Struct, gc=False):
    market_id: int
    open_interest: Number
    mark_price: Number
    index_price: Number
    current_funding_rate: Number  # percent an hour
    symbol: str = ""  # not in older frames


class Trade(Struct):
    market_id: int
    type: str
    size: float
    price: float
    is_maker_ask: bool  # the taker bought
    timestamp: int


class Fault(Struct):
    code: int
    message: str


class Frame(Struct, gc=False):
    type: str = ""
    channel: str = ""
    timestamp: int | None = None
    market_stats: dict[str, Stats] | None = None
    trades: list[Trade] | None = None
    liquidation_trades: list[Trade] | None = None
    error: Fault | None = None
    code: int = 0
    message: str = ""


class Single(Struct):  # of one market's channel
    market_stats: Stats
    timestamp: int | None = None


class Listing(Struct):
    symbol: str
    market_id: int
    status: str
    open_interest: Number
    min_initial_margin_fraction: float  # of 10,000, as the others
    maintenance_margin_fraction: float
    market_type: str = "perp"  # not in older replies


class Rate(Struct):
    exchange: str
    symbol: str
    rate: Number  # fraction of eight hours


class Paid(Struct):
    timestamp: int  # s
    rate: float  # percent, of the hour that ended then; never below zero
    direction: Literal["long", "short"]  # who paid


class Candle(Struct):
    t: int  # start, ms
    c: float
    v: float  # coins


class Candles(Struct):
    c: list[Candle] | None


def leverage(row: Listing) -> float | None:
    margin = row.min_initial_margin_fraction
    return 10_000 / margin if margin > 0 else None


def read(rows: list[Listing]) -> Iterable[Instrument]:
    for row in rows:
        if row.market_type == "perp":
            asset, factor = coin(row.symbol)
            yield Instrument(
                "lighter", "linear", row.symbol, asset, "USDC", "USDC", base_factor=factor, live=row.status == "active",
                max_leverage=leverage(row), funding_interval_h=1.0, code=str(row.market_id),
            )  # fmt: skip


def tiers(rows: list[Listing]) -> Sequence[Said]:
    """One step a market: margins do not depend on the size of a position."""
    return [
        Tier(row.symbol, 1, 0.0, None, Unit.USD, row.maintenance_margin_fraction / 10_000, leverage(row))
        for row in rows if row.market_type == "perp"
    ]  # fmt: skip


def coins(rows: list[Listing]) -> Sequence[Said]:
    return [Update(r.symbol, None, number(r.open_interest), COINS) for r in rows]


def paid(rows: list[Rate]) -> Sequence[Said]:
    return [Update(r.symbol, funding=number(r.rate), funding_interval_h=8.0) for r in rows if r.exchange == "lighter"]


def minutes(reply: Candles) -> list[Traded]:  # who took they do not tell
    return [Traded("", candle.t, candle.v, Unit.BASE, price=candle.c) for candle in reply.c or ()]


def past(i: Instrument, start: int, end: int) -> Ask:
    span = f"start_timestamp={start}&end_timestamp={end}&count_back={PAGE}"
    return Ask(f"{REST}/candles?market_id={i.code}&resolution=1m&{span}")


def ask_paid(i: Instrument, start: int, end: int) -> Ask:
    span = f"start_timestamp={start}&end_timestamp={end}&count_back=100"
    return Ask(f"{REST}/fundings?market_id={i.code}&resolution=1h&{span}")


def settled(rows: list[Paid]) -> Sequence[Said]:
    signs = {"long": 0.01, "short": -0.01}
    return [Update("", p.timestamp * 1000, funding=p.rate * signs[p.direction]) for p in rows]


def of_all(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"type": "subscribe", "channel": "market_stats/all"}


def of_each(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [{"type": "subscribe", "channel": f"trade/{i.code}"} for i in instruments]


def answer(frame: Frame) -> Message | None:
    return {"type": "pong"} if frame.type == "ping" else None


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    names, others = {int(i.code): i.symbol for i in instruments}, unasked(instruments, wanted)
    tally = Tally(Unit.BASE)

    def name(market: int) -> str:
        found = names.get(market)
        if found is None:
            raise CatalogueError(f"no market has the number {market}")
        return found

    def update(s: Stats, symbol: str, ts: int | None) -> Update:
        percent = number(s.current_funding_rate)
        return Update(
            symbol, ts, number(s.open_interest), DOLLARS, number(s.mark_price),
            number(s.index_price), None if percent is None else percent / 100, 1.0,
        )  # fmt: skip

    def died(t: Trade) -> Liquidated:
        side = Side.SHORT if t.is_maker_ask else Side.LONG  # what the taker did was forced
        return Liquidated(name(t.market_id), t.timestamp, side, t.size, Unit.BASE, t.price, FeedClass.FULL)

    def traded(deaths: list[Trade], trades: list[Trade]) -> Sequence[Said]:
        said: list[Said] = [died(t) for t in deaths if t.type == "liquidation"]
        for t in sorted((*trades, *deaths), key=lambda t: t.timestamp):
            said += tally.trade(name(t.market_id), t.timestamp, t.size, t.is_maker_ask)
        return said

    def parse(frame: Frame | Single | Trade) -> Sequence[Said]:
        if not isinstance(frame, Frame):
            if isinstance(frame, Trade):
                return [died(frame)] if frame.type == "liquidation" else ()
            s = frame.market_stats
            return (update(s, s.symbol or name(s.market_id), frame.timestamp),)
        if frame.market_stats is not None:
            ts = frame.timestamp
            return [
                update(s, symbol, ts)
                for s in frame.market_stats.values()
                if (symbol := s.symbol or name(s.market_id)) not in others
            ]
        fault = frame.error or (Fault(frame.code, frame.message) if frame.type == "error" else None)
        if fault is not None:
            return (Refused(f"{fault.code}: {fault.message}"),) if fault.code != SUBSCRIBED else ()
        kind, _, market = frame.channel.partition(":")
        if kind == "trade" and frame.type.startswith("subscribed"):
            return (Acked(symbol=names.get(int(market)) if market.isdecimal() else None),)
        return traded(frame.liquidation_trades or [], frame.trades or [])

    return parse


MARKETS = wire(list[Listing], "order_book_details")
BEAT, PARSE = Heartbeat({"type": "ping"}, every=30), Remembering(make)
FEEDS = (
    Socket(
        STREAM, frozenset({"oi", "mark", "index", "funding"}), of_all, PARSE, wire(Frame), answer, BEAT,
        per_socket=1000, batch=1000, cadence=10, others=RESTRICTED,  # an update may hold any part of the markets
    ),
    Socket(
        STREAM, frozenset({"liquidations", "volume"}), of_each, PARSE, wire(Frame), answer, BEAT,
        per_socket=400, batch=20, pace=0.4, cadence=None, others=RESTRICTED,  # 500 channels a line, 200 messages/min
    ),
    Poll(Ask(f"{REST}/orderBookDetails"), 86_400, frozenset({"tiers"}), tiers, MARKETS),
)  # fmt: skip
ANSWERS = (
    Answer(PARSE, wire(Single)), Answer(PARSE, wire(Trade)), Answer(coins, MARKETS, "/orderBookDetails"),
    Answer(paid, wire(list[Rate], "funding_rates"), "/funding-rates"),
)  # fmt: skip
NUMBERS = {"0": "ETH", "1": "BTC", "2": "SOL"}  # the archive calls markets by number; a mapping can state others
TAPE = Archive(
    "ticks", "lighter", DOLLARS, (Unit.BASE, FeedClass.FULL), symbol=lambda number: NUMBERS.get(number, ""),
    funding_since=None, evidence="open_interest of market_stats; liquidation_trades: size, and the taker's side; its "
    "funding was a percentage once and is a fraction now",
)  # fmt: skip
LINEAR = Segment(
    "linear", Ask(f"{REST}/orderBookDetails"), read, lambda symbol: "/" not in symbol, FEEDS, answers=ANSWERS,
    decode=MARKETS, archives=(TAPE,),
    history=(  # how far back it goes is not documented: we ask for 30 days
        History(past, minutes, frozenset({"volume"}), 60, PAGE, 30, wire(Candles)),
        History(ask_paid, settled, frozenset({"funding"}), 3600, 100, 30, wire(list[Paid], "fundings")),
    ),
)  # fmt: skip
VENUE = Venue(
    "lighter", "Lighter", "speculative", "https://apidocs.lighter.xyz/docs/websocket-reference",
    fields=(DOLLARS, COINS), segments=(LINEAR,), limits=Limits(weight=50, per=60, dials=60, dials_per=60),
)  # fmt: skip
