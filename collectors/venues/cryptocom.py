"""Crypto.com perpetuals. Open interest, mark, index and funding come in four channels, joined by the instrument.

There is no bare ack: the first data frame is one. The venue asks whether we are there, and closes on the third silence.
Neither forced closes, ratios nor a ladder of tiers are public: margin grows continuously with size. Perpetuals on
shares and goods are left out: their names are not coins.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal, final

from msgspec import Struct

from collectors.minutes import listed
from collectors.venue import (
    Acked, Answer, Ask, Limits, Message, Parse, Poll, Refused, Remembering, Said, Segment, Socket, Traded, Update,
    Venue,
)  # fmt: skip
from collectors.wire import Number, among, coin, number, wire
from store.records import Field, Instrument, Unit

REST = "https://api.crypto.com/exchange/v1/public"
HOURLY = 1.0  # the rate is fixed for four hours and charged in each of them, a fraction an hour
OI = Field(
    "oi", Unit.BASE, 1,
    evidence="no statement found; trackers show it hardly moving while the price moved by half: of little information",
)  # fmt: skip


class Ticker(Struct, gc=False):
    i: str
    oi: Number
    t: int


class Row(Struct, gc=False):  # of `get-tickers`, spot too
    i: str
    t: int
    oi: Number = None


class Value(Struct, gc=False):
    v: Number
    t: int


@final
class Tickers(Struct, tag_field="channel", tag="ticker", gc=False):
    data: list[Ticker]


class Marks(Struct, tag_field="channel", tag="mark", gc=False):
    instrument_name: str
    data: list[Value]


class Indices(Struct, tag_field="channel", tag="index", gc=False):
    instrument_name: str
    data: list[Value]


class Rates(Struct, tag_field="channel", tag="funding", gc=False):
    instrument_name: str
    data: list[Value]


Channel = Tickers | Marks | Indices | Rates


class Frame(Struct, gc=False):
    id: int | None = None
    method: str = ""
    code: int | None = None
    message: str = ""
    channel: str = ""  # of a bare ack, where one comes
    result: Channel | None = None


class Candle(Struct):
    t: int  # start, ms
    v: float


class Listing(Struct):
    symbol: str
    inst_type: str
    product_type: str
    base_ccy: str
    quote_ccy: str
    max_leverage: Number
    tradable: bool
    contract_size: float | Literal[""] = ""  # none of spot
    underlying_symbol: str = ""


def read(rows: list[Listing]) -> Iterable[Instrument]:
    for row in rows:
        if (row.inst_type, row.product_type) == ("PERPETUAL_SWAP", "DIGITAL_CURRENCIES"):
            asset, factor = coin(row.base_ccy)
            yield Instrument(
                "cryptocom", "linear", row.symbol, asset, row.quote_ccy, row.quote_ccy, base_factor=factor,
                contract_size=float(row.contract_size), live=row.tradable, max_leverage=number(row.max_leverage),
                funding_interval_h=HOURLY, code=row.underlying_symbol,
            )  # fmt: skip


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    channels = [f"{name}.{i.symbol}" for i in instruments for name in ("ticker", "mark", "funding")]
    channels += sorted({f"index.{i.code}" for i in instruments})
    yield {"id": request, "method": "subscribe", "params": {"channels": channels}}


def answer(frame: Frame | None) -> Message | None:
    if frame is None or frame.method != "public/heartbeat":
        return None
    return {"id": frame.id, "method": "public/respond-heartbeat"}


def owns(symbol: str) -> bool:
    return symbol.endswith("-PERP")


def levels(rows: Iterable[Ticker | Row]) -> Sequence[Said]:
    return [Update(r.i, r.t, number(r.oi), OI) for r in rows if owns(r.i)]


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    users = dict[str, list[str]]()  # of each index
    for i in instruments:
        if i.live if wanted is None else i.symbol in wanted:
            users.setdefault(i.code, []).append(i.symbol)

    def tell(result: Channel) -> Sequence[Said]:
        if type(result) is Tickers:  # isinstance that says no is slow with these
            return levels(result.data)
        name, rows = result.instrument_name, result.data
        if type(result) is Marks:
            return [Update(name, r.t, None, None, number(r.v)) for r in rows]
        if type(result) is Indices:
            return [Update(user, r.t, None, None, None, number(r.v)) for r in rows for user in users.get(name, ())]
        return [Update(name, r.t, None, None, None, None, number(r.v), HOURLY) for r in rows]

    def parse(frame: Frame | Channel | None) -> Sequence[Said]:
        if not isinstance(frame, Frame):
            return () if frame is None else tell(frame)
        if frame.code is not None and frame.code != 0:
            return (Refused(f"{frame.code}: {frame.message}", None if frame.id == -1 else frame.id),)
        if frame.result is not None:
            return tell(frame.result)
        kind, _, symbol = frame.channel.partition(".")
        return (Acked(symbol=symbol),) if kind == "ticker" and symbol else ()

    return parse


def minutes(rows: list[Candle]) -> Sequence[Said]:
    return listed(Traded("", row.t, row.v, Unit.BASE) for row in rows)


FEEDS = (
    Socket(
        "wss://stream.crypto.com/exchange/v1/market", frozenset({"oi", "mark", "index", "funding"}), subscribe,
        Remembering(make), among(wire(Frame), {"ticker", "mark", "index", "funding"}.__contains__, "result", "channel"),
        answer, per_socket=100, batch=25, pace=0.2, rest=1.0, cadence=30,  # 400 channels; pushed when it changes
    ),
    Poll(
        lambda i: Ask(f"{REST}/get-candlestick?instrument_name={i.symbol}&timeframe=1m&count=5"), 60,
        frozenset({"volume"}), minutes, wire(list[Candle], "result", "data"),
    ),
)  # fmt: skip
VENUE = Venue(
    "cryptocom", "Crypto.com", "mixed", "https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html",
    fields=(OI,),
    segments=(
        Segment(
            "linear", Ask(f"{REST}/get-instruments"), read, owns, FEEDS, decode=wire(list[Listing], "result", "data"),
            answers=(
                Answer(levels, wire(list[Row], "result", "data"), "/public/get-tickers"),
                Answer(make(()), wire(Channel)),  # a result without its envelope
            ),
        ),
    ),
    limits=Limits(weight=50, per=1),
    note="whether its open interest counts one side or both is not established, and it hardly moves: distrust it",
)  # fmt: skip
