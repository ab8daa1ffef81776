"""Kraken Futures. A contract of `PI_` (inverse) is a dollar, one of `PF_` (linear) a coin, under one field; `FI_` and
`FF_` are the same with a last day of trading.

The socket states the relative funding rate, a fraction an hour, and leaves it out where it is zero; the absolute rates
beside it, and alone in REST tickers, are coins a contract or dollars a coin and are not taken.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, ValidationError

from collectors.minutes import Tally, listed
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, History, Lately, Limits, Liquidated, Message, Parse, Poll, Ratio,
    Refused, Remembering, Said, Segment, Socket, Tier, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Moment, Number, Stated, amount, coin, ms, number, seconds, whole, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Unit

REST, CHARTS = "https://futures.kraken.com/derivatives/api/v3", "https://futures.kraken.com/api/charts/v1"
LISTED, STEP_MS = Ask(f"{REST}/instruments"), 300_000
OI = Field("openInterest", Unit.CONTRACTS, 1, evidence="one side by convention; no statement of the venue was found")
WS, READ, CONTRACTS = "wss://futures.kraken.com/ws/v1", wire(dict[str, Any]), Unit.CONTRACTS
STATED, TRADES = frozenset[Gives]({"oi", "mark", "index", "funding"}), frozenset[Gives]({"liquidations", "volume"})
SIDES = {"sell": Side.LONG, "buy": Side.SHORT}  # of the taker: of a forced close the liquidation engine
HANDED_OVER = {"assignment", "termination"}  # positions that others were given: nobody took


class Frame(Struct, gc=False):
    """A ticker as it is pushed. All else that a socket says is read as it comes."""

    feed: Literal["ticker"]
    product_id: str
    time: int
    openInterest: Number
    markPrice: Number
    index: Number
    relative_funding_rate: Stated = UNSET
    funding_rate: Stated = UNSET


class Ticker(Struct):
    symbol: str
    openInterest: Stated = UNSET  # as with the mark: an index has none
    markPrice: Stated = UNSET
    indexPrice: Number = None


PUSHED = wire(Frame)


class Tickers(Struct):
    serverTime: Moment
    tickers: list[Ticker] = []
    ticker: Ticker | None = None


class Paid(Struct):
    timestamp: Moment
    relativeFundingRate: Number


class Bars(Struct):
    timestamp: list[int]  # starts, s
    data: list[tuple[Number, Number, Number, Number]]  # open, high, low, close


class Crowd(Struct):
    timestamp: list[int]  # s
    data: dict[str, list[float]]  # its `ratio` is the share of the longs


class Candle(Struct):
    time: int
    volume: float
    close: Number


class Listing(Struct):
    symbol: str
    tradeable: bool
    contractSize: float = 0.0  # an index has none
    base: str = ""
    quote: str = ""
    openingDate: Moment | None = None
    lastTradingTime: Moment | None = None  # of a dated contract
    marginLevels: list[dict[str, float]] = []


def spelled(symbol: str) -> str:
    return symbol.upper() if symbol.islower() else symbol  # as REST has been seen to write it; not PF_AAPLxUSD


def subscribe(feed: str, instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"event": "subscribe", "feed": feed, "product_ids": [i.symbol for i in instruments]}


def heard(frame: str | bytes) -> Frame | Message:
    try:
        return PUSHED(frame)
    except ValidationError:
        message = READ(frame)
        if message.get("feed") == "ticker" and "event" not in message:
            raise
        return message


def ticked(t: Frame) -> Update:
    rate = t.relative_funding_rate
    if isinstance(rate, UnsetType):  # documented: left out where it is zero; dated contracts have none
        rate = 0.0 if t.funding_rate is UNSET and t.product_id.startswith("P") else None
    paid = number(rate)
    hours = None if paid is None else 1.0
    return Update(
        t.product_id, t.time, number(t.openInterest), OI, number(t.markPrice), number(t.index), paid, hours
    )  # fmt: skip


def parse(frame: Frame | Message) -> Iterable[Said]:
    if isinstance(frame, Frame):
        return (ticked(frame),)
    match frame:
        case {"event": "subscribed"}:  # of one product each, or of all
            return [Acked(symbol=product) for product in frame["product_ids"]]
        case {"event": "subscribed_failed"}:
            return [Refused("subscribed_failed", symbol=product) for product in frame["product_ids"]]
        case {"event": "error" | "alert"}:
            return (Refused(frame["message"]),)
        case {"feed": "trade", "type": "liquidation"}:
            side, size, price = SIDES[frame["side"]], amount(frame["qty"]), amount(frame["price"])
            ts = whole(frame["time"])
            return (Liquidated(frame["product_id"], ts, side, size, CONTRACTS, price, FeedClass.FULL),)
        case {"feed": "trade", "product_id": product}:
            return (Update(product),)  # nobody was forced, but the line is heard
        case _:
            return ()


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    """Forced closes, and minutes summed from trades: candles do not tell who took."""
    tally = Tally(CONTRACTS)

    def told(frame: Frame | Message) -> Iterable[Said]:
        yield from parse(frame)
        match frame:
            case {"feed": "trade", "type": kind, "product_id": product} if kind not in HANDED_OVER:
                bought, size, price = SIDES[frame["side"]] is Side.SHORT, amount(frame["qty"]), amount(frame["price"])
                yield from tally.trade(product, whole(frame["time"]), size, bought, price)
            case _:
                return

    return told


def paid(rows: list[Paid]) -> Iterable[Said]:
    return [Update("", ms(p.timestamp), funding=number(p.relativeFundingRate)) for p in rows]


def past(bars: Bars) -> Iterable[Said]:
    """The close of each bar, at its end."""
    for start, bar in zip(bars.timestamp, bars.data, strict=True):
        yield Update("", start * 1000 + STEP_MS, number(bar[3]), OI)


def crowds(said: Crowd) -> list[Ratio]:
    counts = zip(said.timestamp, said.data["longCount"], said.data["shortCount"], strict=True)
    return [Ratio("", ts * 1000, "account", longs / shorts) for ts, longs, shorts in counts if shorts > 0]


def minutes(rows: list[Candle]) -> list[Traded]:
    return [Traded("", c.time, c.volume, CONTRACTS, price=number(c.close)) for c in rows]


def marks(rows: list[Candle]) -> Iterable[Said]:
    return [Update("", c.time + STEP_MS, mark=number(c.close)) for c in rows]


def ask_bars(what: str, i: Instrument, start: int, end: int) -> Ask:
    span = f"since={(start - STEP_MS) // 1000}&interval=300&to={(end - STEP_MS) // 1000}"
    return Ask(f"{CHARTS}/analytics/{i.symbol}/{what}?{span}")


def ask_candles(what: str, i: Instrument, start: int, end: int) -> Ask:
    (kind, _, step), (first, last) = what.partition(" "), seconds(start, end)
    return Ask(f"{CHARTS}/{kind}/{i.symbol}/{step}?from={first}&to={last}")


def highest(step: Mapping[str, float]) -> float | None:
    return 1 / step["initialMargin"] if step["initialMargin"] > 0 else None


def segment(id: str, payoff: Payoff, prefix: str) -> Segment:
    inverse, dated = payoff is Payoff.INVERSE, prefix.startswith("F")

    def owns(symbol: str) -> bool:
        return spelled(symbol).startswith(prefix)

    def read(rows: list[Listing]) -> Iterable[Instrument]:
        for row in rows:
            last = row.lastTradingTime
            if owns(row.symbol) and (last is not None) == dated:
                asset, factor = coin(row.base)
                yield Instrument(
                    "kraken", id, spelled(row.symbol), asset, row.quote, asset if inverse else row.quote, payoff=payoff,
                    contract_size=row.contractSize, base_factor=factor, funding_interval_h=None if dated else 1.0,
                    kind=Kind.DATED if dated else Kind.PERPETUAL, expiry=0 if last is None else ms(last),
                    live=row.tradeable and row.contractSize > 0,
                    max_leverage=max(filter(None, (highest(step) for step in row.marginLevels)), default=None),
                    valid_from=0 if row.openingDate is None else ms(row.openingDate),
                )  # fmt: skip

    def tiers(rows: list[Listing]) -> Iterable[Said]:
        bound, unit = ("contracts", CONTRACTS) if inverse else ("numNonContractUnits", Unit.USD)
        for row in (row for row in rows if owns(row.symbol)):
            uppers = [*(step[bound] for step in row.marginLevels[1:]), None]
            for n, (step, upper) in enumerate(zip(row.marginLevels, uppers, strict=True), 1):
                rate, most = step["maintenanceMargin"], highest(step)
                yield Tier(spelled(row.symbol), n, step[bound], upper, unit, rate, most)

    def tickers(reply: Tickers) -> Iterable[Said]:
        ts = ms(reply.serverTime)
        for t in reply.tickers if reply.ticker is None else [reply.ticker]:
            if owns(t.symbol):
                oi, mark, index = number(t.openInterest), number(t.markPrice), number(t.indexPrice)
                yield Update(spelled(t.symbol), ts, oi, OI, mark, index)

    listing, candles, crowded = wire(list[Listing], "instruments"), wire(list[Candle], "candles"), wire(Crowd, "result")
    volume, ratio = partial(ask_candles, "trade 1m"), partial(ask_bars, "long-short-info")
    then = (
        History(partial(ask_bars, "open-interest"), past, frozenset({"oi"}), 300, 576, 1000, wire(Bars, "result")),
        History(partial(ask_candles, "mark 5m"), marks, frozenset({"mark"}), 300, 2000, 1000, candles),
        History(volume, minutes, frozenset({"volume"}), 60, 2000, 1000, candles),
    )
    if dated:  # traded too seldom for their trades to prove a line; what else serves them is not documented
        deaths = Socket(WS, TRADES - {"volume"}, partial(subscribe, "trade"), parse, READ, greets=True, cadence=None)
        now = Poll(Lately(volume, 300), 60, frozenset({"volume"}), lambda rows: listed(minutes(rows)), candles)
        line = Socket(WS, STATED - {"funding"}, partial(subscribe, "ticker"), parse, heard, greets=True, cadence=20)
        answers = (Answer(tickers, wire(Tickers), "/api/v3/tickers", Ask(f"{REST}/tickers")),)
        return Segment(id, LISTED, read, owns, (line, deaths, now), then, answers, listing, lists=Kind.DATED)
    return Segment(
        id, LISTED, read, owns, decode=listing,
        answers=(Answer(tickers, wire(Tickers), "/api/v3/tickers", Ask(f"{REST}/tickers")),),
        feeds=(
            Socket(WS, STATED, partial(subscribe, "ticker"), parse, heard, greets=True, cadence=20),
            Socket(WS, TRADES, partial(subscribe, "trade"), Remembering(make), READ, greets=True, cadence=None,
                   line=60),
            Poll(Lately(ratio, 900), 300, frozenset({"ratios"}), lambda said: crowds(said)[-1:], crowded),
            Poll(LISTED, 86_400, frozenset({"tiers"}), tiers, listing),
        ),
        history=(
            *then,
            History(ratio, crowds, frozenset({"ratios"}), 300, 576, 1000, crowded),
            History(lambda i, start, end: Ask(f"{REST}/historical-funding-rates?symbol={i.symbol}"), paid,
                    frozenset({"funding"}), 3600, 10_000, 1000, wire(list[Paid], "rates"), bounded=False),
        ),
        archives=(  # it had the absolute rates before
            Archive("ticks", "cryptofacilities", OI, (CONTRACTS, FeedClass.FULL), funding_since="2022-09-29",
                    evidence="openInterest of ticker; trades of type liquidation, qty and taker's side"),
        ),
    )  # fmt: skip


VENUE = Venue(
    "kraken", "Kraken Futures", "institutional", "https://docs.kraken.com/api/docs/futures-api/websocket/ticker",
    fields=(OI,),
    segments=(
        segment("linear", Payoff.LINEAR, "PF_"), segment("inverse", Payoff.INVERSE, "PI_"),
        segment("linear-dated", Payoff.LINEAR, "FF_"), segment("inverse-dated", Payoff.INVERSE, "FI_"),
    ),
    limits=Limits(weight=100, per=10),
    note="whether its open interest counts one side or both is not stated; taken as one",
)  # fmt: skip
