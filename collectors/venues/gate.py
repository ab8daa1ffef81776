"""Gate futures. Sizes are contracts: `total_size`, `open_interest` count both sides, `position_size` the long side.

Dated contracts have an API of their own (`delivery`): its list is asked for, since there the long side is documented.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from msgspec import Struct

from collectors.candles import series, settled
from collectors.ladders import ladder
from collectors.venue import (
    SEND_TIME, Acked, Answer, Archive, Ask, History, Limits, Liquidated, Message, Notice, Poll, Ratio, RatioKind,
    Refused, Said, Segment, Socket, Traded, Update, Venue,
)  # fmt: skip
from collectors.wire import Number, among, amount, coin, number, seconds, whole, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Status, Unit

REST, ROWS = "https://api.gateio.ws", wire(list[dict[str, Any]])
PATH, DECIMAL = "/api/v4/futures", {"X-Gate-Size-Decimal": "1"}  # without it sizes are cut to whole contracts
TICKERS, DEATHS, SYSTEM = "futures.tickers", "futures.public_liquidates", "futures.system"
TWICE = "2026-09 captures: twice position_size x multiplier on BTC, and of the scale of others' two-sided totals"
TOTAL = Field("total_size", Unit.CONTRACTS, 2, Status.MEASURED, evidence=TWICE)
STATED = Field("open_interest", Unit.CONTRACTS, 2, Status.MEASURED, evidence=TWICE)
KINDS: dict[RatioKind, str] = {
    "account": "lsr_account", "taker": "lsr_taker", "top_account": "top_lsr_account", "top_position": "top_lsr_size",
}  # fmt: skip
LONGS = Field("position_size", Unit.CONTRACTS, 1, Status.DOCUMENTED, evidence="documented as the total long side")


class Ticker(Struct, gc=False):
    contract: str
    total_size: Number
    mark_price: Number
    index_price: Number
    funding_rate: Number
    funding_interval: Number = None  # seconds; not over REST
    t: int | None = None  # ms; not over REST


class Death(Struct):
    contract: str
    size: float  # contracts, signed like the position that died
    price: float
    time_ms: int


class Stat(Struct):  # of `futures.contract_stats`, and of the past
    time: int  # seconds
    open_interest: Number
    mark_price: Number = None
    contract: str = ""  # not over REST


class Tickers(Struct, tag_field="channel", tag=TICKERS, gc=False):
    result: list[Ticker] | dict[str, str] | None = None
    time_ms: int | None = None
    id: int | None = None
    error: dict[str, Any] | None = None


class Deaths(Struct, tag_field="channel", tag=DEATHS):
    result: list[Death] | dict[str, str] | None = None
    id: int | None = None
    error: dict[str, Any] | None = None


class System(Struct, tag_field="channel", tag=SYSTEM):
    result: dict[str, Any] = {}


Frame = Tickers | Deaths | System


class Listing(Struct):
    name: str
    type: str
    quanto_multiplier: float
    leverage_max: Number
    funding_interval: float  # seconds
    position_size: Number
    mark_price: Number
    index_price: Number
    funding_rate: Number
    in_delisting: bool
    status: str = "trading"  # not in older replies


class Expiring(Struct):  # of the list of dated contracts, which states no time
    name: str
    type: str
    quanto_multiplier: float
    expire_time: int  # seconds
    position_size: Number
    mark_price: Number
    index_price: Number
    in_delisting: bool
    leverage_max: Number = None


def subscribe(instruments: Sequence[Instrument], request: int) -> Iterable[Message]:
    ask: Message = {"time": SEND_TIME, "event": "subscribe", "payload": [i.symbol for i in instruments]}
    yield {**ask, "channel": TICKERS, "id": request}
    yield {**ask, "channel": DEATHS, "id": 0}  # our requests count from one: its refusal is no batch's


def quoted(row: Ticker | Listing, symbol: str, ts: int | None, oi: Number, field: Field) -> Update:
    every = number(row.funding_interval)
    return Update(
        symbol, ts, number(oi), field, number(row.mark_price), number(row.index_price), number(row.funding_rate),
        None if every is None else every / 3600,
    )  # fmt: skip


def tickers(rows: list[Ticker], ts: int | None = None) -> Sequence[Said]:
    return [quoted(r, r.contract, ts if r.t is None else r.t, r.total_size, TOTAL) for r in rows]


def longs(rows: list[Listing]) -> Sequence[Said]:
    return [quoted(r, r.name, None, r.position_size, LONGS) for r in rows]


def stated(rows: Iterable[Stat]) -> Sequence[Said]:
    return [Update(r.contract, r.time * 1000, number(r.open_interest), STATED, number(r.mark_price)) for r in rows]


def ratios(rows: list[dict[str, Any]]) -> list[Ratio]:
    return [
        Ratio("", whole(row["time"]) * 1000, kind, ratio)
        for row in rows for kind, key in KINDS.items() if (ratio := number(row.get(key))) is not None
    ]  # fmt: skip


def traded(rows: list[dict[str, Any]]) -> list[Traded]:
    return [Traded("", whole(r["t"]) * 1000, amount(r["v"]), Unit.CONTRACTS, price=amount(r["c"])) for r in rows]


def tiers(rows: list[dict[str, Any]]) -> Sequence[Said]:
    steps = (
        (amount(r["risk_limit"]), amount(r["maintenance_rate"]), r["leverage_max"], r.get("deduction")) for r in rows
    )
    return ladder(Unit.USD, steps)


def died(contract: str, ts: int, size: float, price: float) -> Liquidated:
    side = Side.SHORT if size < 0 else Side.LONG
    return Liquidated(contract, ts, side, abs(size), Unit.CONTRACTS, price, FeedClass.THROTTLED)


def own(rows: list[dict[str, Any]]) -> Sequence[Said]:  # of `futures.liquidates`
    return [died(r["contract"], whole(r["time_ms"]), amount(r["size"]), amount(r["fill_price"])) for r in rows]


def parse(frame: Frame | None) -> Sequence[Said]:
    if isinstance(frame, Tickers) and isinstance(frame.result, list):
        return tickers(frame.result, frame.time_ms)
    if isinstance(frame, Deaths) and isinstance(frame.result, list):
        return [died(r.contract, r.time_ms, r.size, r.price) for r in frame.result]
    if isinstance(frame, System):
        return (Notice("the venue upgrades"),) if frame.result.get("type") == "upgrade" else ()
    if frame is not None and frame.error is not None:
        return (Refused(f"{frame.error['code']} {frame.error['message']}", frame.id),)
    return (Acked(frame.id),) if frame is not None and frame.result == {"status": "success"} else ()


def past(path: str, span: str, i: Instrument, start: int, end: int) -> Ask:
    return Ask(f"{path}?contract={i.symbol}&{span.format(*seconds(start, end))}", headers=DECIMAL)


def minutes(rest: str) -> tuple[Poll, History]:
    ask = partial(past, f"{rest}/candlesticks", "interval=1m&from={}&to={}")
    return series("volume", ask, traded, ROWS, 60, 2000, 30)


def segment(settle: str, quote: str) -> Segment:
    def read(rows: list[Listing]) -> Iterable[Instrument]:
        for row in rows:
            asset, factor = coin(row.name.rpartition("_")[0])
            payoff, size = Payoff.LINEAR, row.quanto_multiplier
            if row.type == "inverse":  # zero says that a contract is one dollar
                payoff, size = (Payoff.QUANTO, size) if size else (Payoff.INVERSE, 1.0)
            yield Instrument(
                "gate", settle, row.name, asset, quote, settle.upper(), payoff=payoff, contract_size=size,
                base_factor=factor, live=row.status == "trading" and not row.in_delisting and size > 0,
                max_leverage=number(row.leverage_max), funding_interval_h=row.funding_interval / 3600,
            )  # fmt: skip

    rest = f"{REST}{PATH}/{settle}"
    stats = partial(past, f"{rest}/contract_stats", "interval=5m&from={}&limit=100")
    crowd, crowds = series("ratios", stats, ratios, ROWS, 300, 100, 30)  # how far back it goes is not documented
    now, then = minutes(rest)
    socket = Socket(
        f"wss://fx-ws.gateio.ws/v4/ws/{settle}", frozenset({"oi", "mark", "index", "funding", "liquidations"}),
        subscribe, parse, among(wire(Frame), {TICKERS, DEATHS, SYSTEM}.__contains__, "channel"),
        headers=DECIMAL, per_socket=300, batch=100, cadence=10,
    )  # fmt: skip
    ladders = Poll(lambda i: Ask(f"{rest}/risk_limit_tiers?contract={i.symbol}", headers=DECIMAL), 86_400,
                   frozenset({"tiers"}), tiers, ROWS)  # fmt: skip
    return Segment(
        settle, Ask(f"{rest}/contracts", headers=DECIMAL), read, lambda symbol: symbol.endswith(f"_{quote}"),
        (socket, now, crowd, *((ladders,) if quote == "USDT" else ())),  # what bounds others' steps is not said
        (History(stats, stated, frozenset({"oi", "mark"}), 300, 100, 30, wire(list[Stat])), then, crowds,
         settled(partial(past, f"{rest}/funding_rate", "limit=1000&from={}&to={}"), "t", "r", 1000, 365, unit_ms=1000)),
        (  # what else can be read: REST lists, one point, statistics pushed, an account's own forced closes
            Answer(tickers, wire(list[Ticker]), f"{PATH}/{settle}/tickers",
                   lambda i: Ask(f"{rest}/tickers?contract={i.symbol}", headers=DECIMAL)),
            Answer(longs, wire(list[Listing]), f"{PATH}/{settle}/contracts"),
            Answer(lambda row: stated([row]), wire(Stat)), Answer(stated, wire(list[Stat], "result")),
            Answer(own, wire(list[dict[str, Any]], "result")),
        ), wire(list[Listing]),
        archives=(Archive("ticks", "gate-io-futures", lacks="open interest and no forced closes"),),
    )  # fmt: skip


def ending(rows: list[Expiring]) -> Iterable[Instrument]:
    for row in (row for row in rows if row.type == "direct"):
        asset, factor = coin(row.name.partition("_")[0])
        yield Instrument(
            "gate", "usdt-dated", row.name, asset, "USDT", "USDT", contract_size=row.quanto_multiplier,
            base_factor=factor, live=not row.in_delisting and row.quanto_multiplier > 0,
            max_leverage=number(row.leverage_max), kind=Kind.DATED, expiry=row.expire_time * 1000,
        )  # fmt: skip


def held(rows: list[Expiring]) -> Sequence[Said]:
    return [
        Update(r.name, None, number(r.position_size), LONGS, number(r.mark_price), number(r.index_price))
        for r in rows if r.type == "direct"
    ]  # fmt: skip


DELIVERY = f"{REST}/api/v4/delivery/usdt"
ENDING, (NOW, THEN) = Ask(f"{DELIVERY}/contracts", headers=DECIMAL), minutes(DELIVERY)
DATED = Segment(
    "usdt-dated", ENDING, ending, lambda symbol: symbol[-8:].isdigit(), lists=Kind.DATED, decode=wire(list[Expiring]),
    feeds=(Poll(ENDING, 10, frozenset({"oi", "mark", "index"}), held, wire(list[Expiring])), NOW), history=(THEN,),
)  # fmt: skip
VENUE = Venue(
    "gate", "Gate", "speculative", "https://www.gate.com/docs/developers/futures/ws/en/#tickers-notification",
    fields=(TOTAL, STATED, LONGS), segments=(segment("usdt", "USDT"), segment("btc", "USD"), DATED),
    limits=Limits(weight=200, per=10),
)  # fmt: skip
