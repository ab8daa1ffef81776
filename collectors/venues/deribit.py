"""Deribit futures, JSON-RPC. One field, two units: dollars on inverse contracts, coins on linear ones.

Perpetuals and dated contracts stand in one catalogue and are told by the same channels. Forced closes are flagged in
the public trades, and minutes summed from them: candles do not tell who took. The venue asks whether we are there.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from collectors.candles import settled
from collectors.minutes import Tally
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, History, Limits, Liquidated, Message, Parse, Refused, Remembering, Said,
    Segment, Socket, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, among, coin, number, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Unit

REST, TICKER, TRADES = "https://www.deribit.com/api/v2/public", "ticker.", "trades."
HOURS = 8.0  # `current_funding` accrues all the time; it is stated as a fraction of eight hours
GIVEN = frozenset[Gives]({"oi", "mark", "index", "funding", "liquidations", "volume"})
HEARTBEAT: Message = {"jsonrpc": "2.0", "id": 0, "method": "public/set_heartbeat", "params": {"interval": 30}}
HERE: Message = {"jsonrpc": "2.0", "id": 0, "method": "public/test", "params": {}}  # our requests count from one


class Ticker(Struct, gc=False):
    instrument_name: str
    timestamp: int
    open_interest: Number
    mark_price: Number
    index_price: Number
    current_funding: Number = None  # perpetuals only


class Trade(Struct):
    instrument_name: str
    timestamp: int
    price: float
    amount: float  # in the unit of the open interest
    direction: Literal["buy", "sell"]  # the taker's
    liquidation: Literal["M", "T", "MT"] | None = None  # whose position died: the maker's, the taker's, both


class Params(Struct, gc=False):
    channel: str = ""
    data: Ticker | list[Trade] | None = None
    type: str = ""


class Frame(Struct, gc=False):
    params: Params | None = None
    id: int | None = None
    result: list[str] | str | dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Summary(Struct):
    instrument_name: str
    creation_timestamp: int
    open_interest: Number
    mark_price: Number
    current_funding: Number = None


class Columns(Struct):
    ticks: list[int]
    close: list[float]
    volume: list[float]  # coins, on inverse contracts too


class Listing(Struct):
    instrument_name: str
    settlement_period: str
    is_active: bool
    base_currency: str
    quote_currency: str
    settlement_currency: str
    contract_size: float
    max_leverage: float | None = None
    instrument_type: str = ""
    future_type: str = ""  # its older name
    creation_timestamp: int = 0
    expiration_timestamp: int = 0  # of a perpetual a time in the year 3000


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    yield HEARTBEAT
    channels = [f"{kind}{i.symbol}.100ms" for i in instruments for kind in (TICKER, TRADES)]
    yield {"jsonrpc": "2.0", "id": request, "method": "public/subscribe", "params": {"channels": channels}}


def answer(frame: Frame | None) -> Message | None:
    return HERE if frame is not None and frame.params is not None and frame.params.type == "test_request" else None


def deaths(t: Trade, unit: Unit) -> Iterable[Liquidated]:
    """A forced sale closes a long. The taker traded in `direction`, the maker the other way."""
    taker, maker = (Side.LONG, Side.SHORT) if t.direction == "sell" else (Side.SHORT, Side.LONG)
    for mark, side in (("M", maker), ("T", taker)):
        if t.liquidation is not None and mark in t.liquidation:
            yield Liquidated(t.instrument_name, t.timestamp, side, t.amount, unit, t.price, FeedClass.FULL)


def traded(s: Columns) -> list[Traded]:
    return [Traded("", at, coins, Unit.BASE, None, p) for at, coins, p in zip(s.ticks, s.volume, s.close, strict=True)]


def ask_minutes(i: Instrument, start: int, end: int) -> Ask:
    span = f"start_timestamp={start}&end_timestamp={end}&resolution=1"
    return Ask(f"{REST}/get_tradingview_chart_data?instrument_name={i.symbol}&{span}")


PAID = settled(  # by the hour, what accrued in it; as eight-hourly rates are told now
    lambda i, start, end: Ask(
        f"{REST}/get_funding_rate_history?instrument_name={i.symbol}&start_timestamp={start}&end_timestamp={end}"
    ), "timestamp", "interest_1h", 744, 365, "result",
)  # fmt: skip
PAST = History(ask_minutes, traded, frozenset({"volume"}), 60, 5000, 365, wire(Columns, "result"))


def segment(id: str, payoff: Payoff, kind: str, field: Field, lists: Kind | None = None) -> Segment:
    linear, dated = payoff is Payoff.LINEAR, lists is Kind.DATED
    hours = None if dated else HOURS

    def owns(symbol: str) -> bool:  # BTC-PERPETUAL, BTC_USDC-25DEC26; options and combos have more dashes
        name, _, end = symbol.partition("-")
        return "-" not in end and ("_" in name) == linear and (end != "PERPETUAL") == dated

    def read(listings: list[Listing]) -> Iterable[Instrument]:
        for row in listings:
            if (row.settlement_period != "perpetual") == dated and kind in (row.instrument_type, row.future_type):
                asset, factor = coin(row.base_currency)
                yield Instrument(
                    "deribit", id, row.instrument_name, asset, row.quote_currency, row.settlement_currency,
                    lists or Kind.PERPETUAL, payoff, row.contract_size, factor, row.is_active, row.max_leverage, hours,
                    valid_from=row.creation_timestamp, expiry=row.expiration_timestamp if dated else 0,
                )  # fmt: skip

    def update(t: Ticker) -> Update:
        oi, mark, index = number(t.open_interest), number(t.mark_price), number(t.index_price)
        return Update(t.instrument_name, t.timestamp, oi, field, mark, index, number(t.current_funding), hours)

    def make(_: Sequence[Instrument], __: object = None) -> Parse:
        return partial(parse, Tally(field.unit))

    def told(tally: Tally, trades: list[Trade]) -> Iterable[Said]:
        for t in sorted(trades, key=lambda trade: trade.timestamp):
            yield from deaths(t, field.unit)
            yield from tally.trade(t.instrument_name, t.timestamp, t.amount, t.direction == "buy", t.price)

    def parse(tally: Tally, frame: Frame | None) -> Iterable[Said]:
        if frame is None:
            return ()
        if frame.params is not None:
            data = frame.params.data
            if isinstance(data, Ticker):
                return (update(data),)
            return () if data is None else told(tally, data)
        if frame.error is not None:
            return (Refused(f"{frame.error['code']} {frame.error['message']}", frame.id),)
        if isinstance(frame.result, list):
            taken = frozenset(c[len(TICKER) : c.rindex(".")] for c in frame.result if c.startswith(TICKER))
            return (Acked(frame.id, only=taken),)
        return ()

    def ticker(row: Ticker) -> Sequence[Said]:
        return (update(row),) if owns(row.instrument_name) else ()

    def summary(rows: list[Summary]) -> Sequence[Said]:
        return [
            Update(
                s.instrument_name, s.creation_timestamp, number(s.open_interest), field, number(s.mark_price),
                funding=number(s.current_funding), funding_interval_h=hours,
            )
            for s in rows if owns(s.instrument_name)
        ]  # fmt: skip

    socket = Socket(
        "wss://www.deribit.com/ws/api/v2", GIVEN - {"funding"} if dated else GIVEN, subscribe,
        Remembering(make),
        among(wire(Frame), lambda channel: channel.startswith((TICKER, TRADES)), "params", "channel"), answer,
        per_socket=200, batch=50, pace=0.3, cadence=10, others=("wss://streams.deribit.com/ws/api/v2",),
    )  # fmt: skip
    return Segment(
        id, Ask(f"{REST}/get_instruments?currency=any&kind=future&expired=false", weight=20), read, owns,
        (socket,), (PAST,) if dated else (PAST, PAID),  # how far back it goes is not documented
        archives=(Archive("ticks", "deribit", field, (field.unit, FeedClass.FULL)),),
        answers=(
            Answer(summary, wire(list[Summary], "result"), "/api/v2/public/get_book_summary_by"),
            Answer(ticker, wire(Ticker, "result"), "/api/v2/public/ticker",
                   lambda i: Ask(f"{REST}/ticker?instrument_name={i.symbol}")),
        ),
        decode=wire(list[Listing], "result"), lists=lists,
    )  # fmt: skip


EVIDENCE = "one side by convention; the documents do not say"
DOLLARS, COINS = (Field("open_interest", unit, 1, evidence=EVIDENCE) for unit in (Unit.USD, Unit.BASE))
VENUE = Venue(
    "deribit", "Deribit", "institutional", "https://docs.deribit.com/#ticker-instrument_name-interval",
    fields=(DOLLARS, COINS), limits=Limits(weight=20, per=1),
    segments=(
        segment("inverse", Payoff.INVERSE, "reversed", DOLLARS), segment("linear", Payoff.LINEAR, "linear", COINS),
        segment("inverse-dated", Payoff.INVERSE, "reversed", DOLLARS, Kind.DATED),
        segment("linear-dated", Payoff.LINEAR, "linear", COINS, Kind.DATED),
    ),
)  # fmt: skip
