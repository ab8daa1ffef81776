"""dYdX v4 through its public Indexer. One subscription pushes all markets: a snapshot, then deltas that name only what
changed, and no time. There is no mark: the oracle's price is mark and index. Forced closes hide among the trades, and
candles do not tell who took: minutes are summed from trades.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from msgspec import UNSET, Struct

from collectors.minutes import Tally
from collectors.venue import (
    Acked, Answer, Archive, Ask, History, Limits, Liquidated, Message, Parse, Poll, Refused, Remembering, Said, Segment,
    Socket, Tier, Traded, Update, Venue, unasked,
)  # fmt: skip
from collectors.wire import Moment, Number, Stated, coin, iso, ms, number, wire
from store.records import FeedClass, Field, Instrument, Side, Status, Unit

REST, WS = "https://indexer.dydx.trade/v4", "wss://indexer.dydx.trade/v4/ws"
MARKETS = Ask(f"{REST}/perpetualMarkets")
OI = Field("openInterest", Unit.BASE, 1, Status.DOCUMENTED, evidence="the Indexer's own query sums open long positions")
SIDES = {"SELL": Side.LONG, "BUY": Side.SHORT}  # of the taker, which is the closing order
NAMED = re.compile(r"\(v4_trades-(.+)\)")


class Market(Struct, gc=False):
    openInterest: Stated = UNSET
    oraclePrice: Stated = UNSET
    nextFundingRate: Stated = UNSET  # fraction an hour


class Oracle(Struct, gc=False):
    oraclePrice: Number
    effectiveAt: Moment | None = None


class Trade(Struct, gc=False):
    size: float
    price: float
    side: str
    createdAt: Moment
    type: str


class Contents(Struct, gc=False):
    markets: dict[str, Market] = {}  # a snapshot
    trading: dict[str, Market] = {}  # a delta
    oraclePrices: dict[str, Oracle] = {}
    trades: list[Trade] = []


class Frame(Struct, gc=False):
    type: str
    channel: str = ""
    id: str = ""
    contents: Contents | list[Contents] = []
    message: str = ""  # of an error


class Listing(Struct):
    ticker: str
    status: str
    initialMarginFraction: float
    maintenanceMarginFraction: float


class Paid(Struct):
    effectiveAt: Moment
    rate: Number


class Candle(Struct):
    ticker: str
    startedAt: Moment
    baseTokenVolume: float
    close: Number
    startingOpenInterest: Number = None


def highest(row: Listing) -> float | None:
    return 1 / row.initialMarginFraction if row.initialMarginFraction > 0 else None


def read(markets: Mapping[str, Listing]) -> Iterable[Instrument]:
    for row in markets.values():
        asset, factor = coin(row.ticker.rpartition("-USD")[0])
        yield Instrument(
            "dydx", "linear", row.ticker, asset, "USD", "USDC", base_factor=factor, funding_interval_h=1.0,
            live=row.status not in ("INITIALIZING", "FINAL_SETTLEMENT"), max_leverage=highest(row),
        )  # fmt: skip


def tiers(markets: Mapping[str, Listing]) -> Iterable[Said]:
    for row in markets.values():  # one step: positions of every size have the same maintenance
        yield Tier(row.ticker, 1, 0.0, None, Unit.USD, row.maintenanceMarginFraction, highest(row))


def all_markets(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield {"type": "unsubscribe", "channel": "v4_markets"}  # else asking again gives no snapshot, but an error
    yield {"type": "subscribe", "channel": "v4_markets"}


def trades(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    return [{"type": "subscribe", "channel": "v4_trades", "id": i.symbol} for i in instruments]


def snapshot(markets: Mapping[str, Market]) -> Iterable[Said]:
    for symbol, m in markets.items():
        price = number(m.oraclePrice)
        yield Update(symbol, None, number(m.openInterest), OI, price, price, number(m.nextFundingRate), 1.0)


def changed(symbol: str, m: Market) -> Update:
    """A delta of a market: what it leaves out has not changed."""
    oi, price, rate = m.openInterest, m.oraclePrice, m.nextFundingRate
    price = None if price is UNSET else number(price)
    rate = None if rate is UNSET else number(rate)
    hours = None if rate is None else 1.0
    if oi is UNSET:
        return Update(symbol, None, None, OI, price, price, rate, hours, True)
    return Update(symbol, None, number(oi), OI, price, price, rate, hours)


def oracle(markets: Mapping[str, Oracle], skip: Collection[str]) -> list[Said]:
    """Prices, which mostly are of one moment, and which say that the open interest has not changed."""
    words, moment, ts = list[Said](), None, None
    for symbol, o in markets.items():
        if symbol not in skip:
            price, at = number(o.oraclePrice), o.effectiveAt
            if at != moment:
                moment, ts = at, None if at is None else ms(at)
            words.append(Update(symbol, ts, None, None, price, price, None, None, True))
    return words


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    skip, tally = unasked(instruments, wanted), Tally(Unit.BASE)

    def said(part: Contents, symbol: str) -> list[Said]:
        words: list[Said] = []
        if part.trading:
            words += [changed(market, m) for market, m in part.trading.items() if market not in skip]
        if part.oraclePrices:
            words += oracle(part.oraclePrices, skip)
        if part.markets:
            words += snapshot({market: m for market, m in part.markets.items() if market not in skip})
        told = [(ms(t.createdAt), t) for t in part.trades]
        for ts, t in told if len(told) < 2 else sorted(told, key=lambda pair: pair[0]):
            side = SIDES[t.side]
            if t.type == "LIQUIDATED":
                words.append(Liquidated(symbol, ts, side, t.size, Unit.BASE, t.price, FeedClass.FULL))
            words += tally.trade(symbol, ts, t.size, side is Side.SHORT)
        if part.trades and not words:
            words.append(Update(symbol))  # of a minute that had begun before, but the line is heard
        return words

    def parse(frame: Frame) -> Iterable[Said]:
        if frame.type == "error":
            named = NAMED.search(frame.message)
            request = None if "v4_trades" in frame.message else 0  # requests count from one: all markets are no batch's
            return (Refused(frame.message, request, None if named is None else named[1]),)
        if frame.channel == "v4_trades" and frame.type == "subscribed":
            return (Acked(symbol=frame.id),)  # its trades are of before
        if isinstance(frame.contents, Contents):
            return said(frame.contents, frame.id)
        return [word for part in frame.contents for word in said(part, frame.id)]

    return parse


def minutes(candles: list[Candle]) -> list[Traded]:
    return [Traded(c.ticker, ms(c.startedAt), c.baseTokenVolume, Unit.BASE, price=number(c.close)) for c in candles]


def past(candles: list[Candle]) -> Iterable[Said]:
    for c in candles:
        oi = number(c.startingOpenInterest)
        if oi:  # zero stands for nothing known
            yield Update(c.ticker, ms(c.startedAt), oi, OI)


def ask_past(resolution: str, i: Instrument, start: int, end: int) -> Ask:
    span = f"fromISO={iso(start)}&toISO={iso(end + 1)}"
    return Ask(f"{REST}/candles/perpetualMarkets/{i.symbol}?resolution={resolution}&limit=1000&{span}")


def ask_paid(i: Instrument, start: int, end: int) -> Ask:
    count = min((end - start) // 3_600_000 + 1, 1000)
    return Ask(f"{REST}/historicalFunding/{i.symbol}?limit={count}&effectiveBeforeOrAt={iso(end)}")


def paid(rows: list[Paid]) -> Sequence[Said]:
    return [Update("", ms(p.effectiveAt), funding=number(p.rate)) for p in rows]


CANDLES, PAYMENTS = wire(list[Candle], "candles"), wire(list[Paid], "historicalFunding")
VENUE = Venue(
    "dydx", "dYdX", "speculative", "https://docs.dydx.xyz/indexer-client/websockets", fields=(OI,),
    segments=(
        Segment(
            "linear", MARKETS, read, lambda symbol: symbol.endswith("-USD"),
            feeds=(
                Socket(
                    WS, frozenset({"oi", "mark", "index", "funding"}), all_markets, Remembering(make), wire(Frame),
                    greets=True, per_socket=10_000, batch=10_000, cadence=60,  # the open interest moves every 30 s
                ),
                Socket(
                    WS, frozenset({"liquidations", "volume"}), trades, Remembering(make), wire(Frame), greets=True,
                    per_socket=32, batch=1, cadence=None, line=60,
                ),
                Poll(MARKETS, 86_400, frozenset({"tiers"}), tiers, wire(dict[str, Listing], "markets")),
            ),
            history=(  # their depth is presumed
                History(partial(ask_past, "5MINS"), past, frozenset({"oi"}), 300, 1000, 1000, CANDLES),
                History(partial(ask_past, "1MIN"), minutes, frozenset({"volume"}), 60, 1000, 1000, CANDLES),
                History(ask_paid, paid, frozenset({"funding"}), 3600, 1000, 1000, PAYMENTS),
            ),
            answers=(
                Answer(snapshot, wire(dict[str, Market], "markets"), "/v4/perpetualMarkets",
                       lambda i: Ask(f"{REST}/perpetualMarkets?ticker={i.symbol}")),
                Answer(snapshot, wire(dict[str, Market], "result", "markets")),  # the same in a client's envelope
            ),
            decode=wire(dict[str, Listing], "markets"),
            archives=(  # `dydx` was the exchange before this chain, in no unit that we know
                Archive("ticks", "dydx-v4", OI, (Unit.BASE, FeedClass.FULL),
                        evidence="openInterest of v4_markets; v4_trades of type LIQUIDATED, size and taker's side"),
            ),
        ),
    ),
    limits=Limits(weight=100, per=10),
    note="the chain's own baseOpenInterest was two to three times this open interest in December 2025, unexplained",
)  # fmt: skip
