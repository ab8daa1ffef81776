"""Crypto.com: on one socket, a channel for every figure of every instrument; all is settled in USD.

`oi` stands in `ticker` only; mark, index and funding have a channel each, and the index is that of `underlying_symbol`,
which several contracts share. A channel's first frame is its ack. The venue asks whether we are there; a third silence
ends it. Trades and not candles tell who took. Neither forced closes, ratios nor tiers are public: margin grows with
size. What stands on shares or goods is left out.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec

from collectors.minutes import MINUTE_MS, Tally
from collectors.venue import (
    Acked, Answer, Archive, Ask, CatalogueError, History, Limits, Message, Parse, Refused, Remembering, Said, Segment,
    Socket, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, Stated, among, amount, coin, number, wire
from store.records import Field, Instrument, Kind, Unit

REST = "https://api.crypto.com/exchange/v1/public"
OI = Field("oi", Unit.BASE, 1, evidence="no statement found; trackers show it hardly moving while the price does")
TAPES = tuple(Archive("ticks", it, OI, lacks="forced closes") for it in ("crypto-com", "crypto-com-derivatives"))
HOURLY = 1.0  # the rate is fixed for four hours and charged in each of them, a fraction an hour
KINDS, BUYS = {"PERPETUAL_SWAP": Kind.PERPETUAL, "FUTURE": Kind.DATED}, {"BUY": True, "SELL": False}
CHANNELS = ("ticker", "mark", "trade", "funding", "index")


class Listing(msgspec.Struct):
    symbol: str
    inst_type: str
    base_ccy: str
    quote_ccy: str
    tradable: bool
    max_leverage: Number
    product_type: str = ""  # this and what follows: not of spot
    contract_size: float | Literal[""] = ""
    underlying_symbol: str = ""


class Row(msgspec.Struct, gc=False):
    """Of any channel. `number` hears what a channel should have said."""

    t: int
    i: str = ""
    oi: Stated = msgspec.UNSET  # of a ticker; spot has none
    v: Stated = msgspec.UNSET  # of mark, index and funding the value; else a volume
    q: Stated = msgspec.UNSET  # of a trade, as are:
    d: str = ""
    s: str = ""
    c: Stated = msgspec.UNSET  # of a candle: its close


class Result(msgspec.Struct):
    instrument_name: str
    channel: str
    data: list[Row]


class Valuations(msgspec.Struct):
    instrument_name: str  # which a list of tickers, whose rows look alike, has not
    data: list[Row]


class Frame(msgspec.Struct):
    method: str
    id: int = -1
    code: int = 0
    message: str = ""
    channel: str = ""
    result: Result | None = None


def instruments(rows: list[Listing]) -> Iterable[Instrument]:
    for row in rows:
        kind = KINDS.get(row.inst_type)
        if kind is not None and row.product_type == "DIGITAL_CURRENCIES":
            asset, factor = coin(row.base_ccy)
            yield Instrument(
                "cryptocom", "linear", row.symbol, asset, row.quote_ccy, row.quote_ccy, kind,
                contract_size=float(row.contract_size), base_factor=factor, live=row.tradable,
                max_leverage=number(row.max_leverage), code=row.underlying_symbol,
                funding_interval_h=HOURLY if kind is Kind.PERPETUAL else None,
            )  # fmt: skip


def subscribe(batch: Sequence[Instrument], request: int) -> Iterable[Message]:
    own = [f"{name}.{i.symbol}" for i in batch for name in CHANNELS[: 4 if i.kind is Kind.PERPETUAL else 3]]
    shared = dict.fromkeys(f"index.{i.code}" for i in batch if i.code)
    yield {"id": request, "method": "subscribe", "params": {"channels": [*own, *shared]}}


def answer(frame: Frame | None) -> Message | None:
    if frame is not None and frame.method == "public/heartbeat":
        return {"id": frame.id, "method": "public/respond-heartbeat"}
    return None


def answered(frame: Frame) -> Iterable[Said]:
    """What it says of our request, if anything."""
    request = frame.id if frame.id > 0 else None
    if frame.code:
        return (Refused(f"{frame.code}: {frame.message}", request),)
    return (Acked(request, frame.channel.partition(".")[2]),) if frame.channel else ()


def tickers(rows: list[Row]) -> list[Said]:
    return [Update(row.i, row.t, number(row.oi), OI) for row in rows if owns(row.i)]


def make(listed: Sequence[Instrument], wanted: Collection[str] | None = None) -> Parse:
    sharing: dict[str, list[str]] = {}
    for i in listed:
        if i.live and (wanted is None or i.symbol in wanted):
            sharing.setdefault(i.code, []).append(i.symbol)
    tally, heard = Tally(Unit.BASE), dict[str, tuple[int, set[str]]]()

    def trades(symbol: str, rows: list[Row]) -> Iterable[Said]:
        """Minutes. The first frame tells old trades; of those a minute has, only the newest need be remembered."""
        for row in sorted(rows, key=lambda row: row.t):
            minute, (newest, known) = row.t // MINUTE_MS, heard.get(symbol, (-1, set[str]()))
            if minute > newest:
                heard[symbol] = minute, (known := set[str]())
            if minute >= newest and row.d not in known:
                known.add(row.d)
                yield from tally.trade(symbol, row.t, amount(number(row.q)), BUYS[row.s])

    def parse(frame: Frame | None) -> Iterable[Said]:
        said = None if frame is None else frame.result
        if said is None:
            return () if frame is None else answered(frame)
        name, rows = said.instrument_name, said.data
        if said.channel == "ticker":
            return tickers(rows)
        if said.channel == "mark":
            return [Update(name, row.t, mark=number(row.v)) for row in rows]
        if said.channel == "funding":
            return [Update(name, row.t, funding=number(row.v), funding_interval_h=HOURLY) for row in rows]
        if said.channel == "trade":
            return trades(name, rows)
        if said.channel != "index":
            return ()
        if name not in sharing:
            raise CatalogueError(f"no contract of the catalogue has the index {name}")
        return [Update(symbol, row.t, index=number(row.v)) for row in rows for symbol in sharing[name]]

    return parse


def owns(symbol: str) -> bool:
    name, _, end = symbol.rpartition("-")
    return name != "" and (end == "PERP" or (len(end) == 6 and end.isdigit()))


def paid(i: Instrument, start: int, end: int) -> Ask:
    span = f"valuation_type=funding_hist&count=100&start_ts={start}&end_ts={end}"
    return Ask(f"{REST}/get-valuations?instrument_name={i.symbol}&{span}")


def settled(said: Valuations) -> Sequence[Said]:
    if any(row.c is not msgspec.UNSET for row in said.data):
        raise ValueError("candles, and no rates")
    return [Update(said.instrument_name, row.t, funding=number(row.v)) for row in said.data]


def candles(i: Instrument, start: int, end: int) -> Ask:
    span = f"timeframe=1m&count=300&start_ts={start}&end_ts={end}"
    return Ask(f"{REST}/get-candlestick?instrument_name={i.symbol}&{span}")


def minutes(rows: list[Row]) -> Iterable[Said]:
    return [Traded("", r.t, v, Unit.BASE, price=number(r.c)) for r in rows if (v := number(r.v)) is not None]


ROWS, UNWRAPPED = wire(list[Row], "result", "data"), wire(Result)  # the latter as some captures keep it
VENUE = Venue(
    "cryptocom", "Crypto.com", "mixed", "https://exchange-docs.crypto.com/exchange/v1/rest-ws/index.html", (OI,),
    note="whether its open interest counts one side or both is not established, and it hardly moves: distrust it",
    segments=(
        Segment(
            "linear", Ask(f"{REST}/get-instruments"), instruments, owns, decode=wire(list[Listing], "result", "data"),
            feeds=(
                Socket(  # five channels an instrument; 400 a connection, 100 a message
                    "wss://stream.crypto.com/exchange/v1/market",
                    frozenset({"oi", "mark", "index", "funding", "volume"}), subscribe, Remembering(make),
                    among(wire(Frame), CHANNELS.__contains__, "result", "channel"), answer,
                    per_socket=80, batch=20, pace=0.2, rest=1.0, cadence=30,  # a ticker comes when it changes
                ),
            ),
            history=(  # how deep is not said
                History(candles, minutes, frozenset({"volume"}), 60, 300, 30, ROWS),
                History(paid, settled, frozenset({"funding"}), 3600, 100, 30, wire(Valuations, "result")),
            ),
            answers=(
                Answer(tickers, ROWS, "/public/get-tickers", Ask(f"{REST}/get-tickers")),
                Answer(Remembering(make), lambda frame: Frame("subscribe", result=UNWRAPPED(frame))),
            ),
            archives=TAPES,
        ),
    ),
    limits=Limits(weight=50),
)  # fmt: skip
