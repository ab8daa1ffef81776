"""Phemex perpetuals, margined in dollars (packed) and in coins (scaled integers). Times are nanoseconds.

Packed frames state all symbols as rows of texts whose columns the first frame of a connection names. `openInterestRv`
is coins, whatever its suffix says. Coin-margined contracts have prices times 10,000 and rates times 100,000,000.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any

from msgspec import Raw, Struct, convert, defstruct

from collectors.candles import settled
from collectors.minutes import listed
from collectors.venue import (
    Acked, Answer, Archive, Ask, Gives, Heartbeat, History, Lately, Limits, Message, Poll, Refused, Remembering, Said,
    Segment, Socket, Tier, Traded, Update, Venue, unasked,
)  # fmt: skip
from collectors.wire import Number, amount, coin, number, seconds, wire
from store.records import Field, Instrument, Payoff, Unit

REST = "https://api.phemex.com"
PRODUCTS = Ask(f"{REST}/public/products")
PACK, COIN_PACK = "perp_market24h_pack_p", "market24h"
UPDATE = f"{PACK}.update"
DIGITS, PRICE, RATE, NS = 4, 1e4, 1e8, 1_000_000  # of scaled prices; what divides prices, rates, and times into ms
OURS = re.compile(r"[^s.].*USD[TC]?")  # BTCUSDT, BTCUSD; sBTCUSDT is spot, .BTCUSDT an index
MULTIPLE = re.compile(r"u(?=1000)")  # u1000PEPE is a thousand PEPE
SILENT = "one side is assumed: the documents do not say"
COINS = Field("openInterestRv", Unit.BASE, 1, evidence=SILENT)
CONTRACTS = Field("openInterest", Unit.CONTRACTS, 1, evidence=SILENT)

LIMITS = (10, 50, 100, 500, 1000)  # of candles in a reply; of a few, no others are heard

# start and length [s], close before, open, high, low, close, volume, turnover
Candle = tuple[int, int, float, float, float, float, float, float, float]


class Scaled(Struct, gc=False):
    symbol: str
    openInterest: Number
    volume: Number
    markPrice: Number
    indexPrice: Number
    fundingRate: Number


class Frame(Struct, gc=False):
    method: str = ""
    fields: list[str] | None = None
    data: Raw = Raw()  # rows, to be read under their header
    market24h: Scaled | None = None
    timestamp: int | None = None
    id: int | None = None
    result: dict[str, Any] | str | None = None
    error: dict[str, Any] | None = None


class Row(Struct, array_like=True, gc=False):
    """A packed row under the documented header, for `Floor`."""

    symbol: str
    openRp: Any
    highRp: Any
    lowRp: Any
    lastRp: Any
    volumeRq: Number
    turnoverRv: Any
    openInterestRv: Number
    indexRp: Number
    markRp: Number
    fundingRateRr: Number = None  # other headers have fewer columns


class Floor(Struct, gc=False):
    """A packed frame typed throughout, for the bench."""

    fields: list[str] | None = None
    data: list[Row] | None = None
    market24h: Scaled | None = None
    timestamp: int | None = None


class Listing(Struct):
    symbol: str
    type: str
    status: str
    quoteCurrency: str = ""
    settleCurrency: str = ""
    baseCurrency: str = ""  # of packed symbols
    contractSize: str | float = ""  # of scaled ones: 1 or "1 USD"
    priceScale: int | None = None
    fundingInterval: float = 28_800  # seconds
    maxLeverage: Number = None
    listTime: int = 0


class Products(Struct):
    products: list[Listing]
    perpProductsV2: list[Listing]
    riskLimits: list[dict[str, Any]]
    riskLimitsV2: list[dict[str, Any]]


read = wire(Products, "data")
COLUMNS = {
    "symbol": str, "openInterestRv": Number, "volumeRq": Number, "markRp": Number, "indexRp": Number,
    "fundingRateRr": Number,
}  # fmt: skip


@lru_cache(16)  # the venue is known to change between a few
def under(header: tuple[str, ...]) -> Callable[[Raw], list[Any]]:
    """Rows of these columns, no more and no fewer. What is not read may be anything."""
    for name in COLUMNS:
        if name not in header:
            raise KeyError(name)
    columns = [(name if name in COLUMNS else f"_{n}", COLUMNS.get(name, Any)) for n, name in enumerate(header)]
    row = defstruct("Row", columns, array_like=True, forbid_unknown_fields=True, gc=False)
    return wire(list[row])


def held(oi: float, volume: Number) -> float | None:
    """Zero, or no value: captures of 2022 show 0 for every symbol, also where contracts changed hands."""
    return None if number(volume) else oi


def over(value: Number, scale: float) -> float | None:
    return None if (said := number(value)) is None else said / scale


def packed(row: Any, ts: int) -> Update:
    oi, mark, index = number(row.openInterestRv), number(row.markRp), number(row.indexRp)
    if oi == 0:
        oi = held(oi, row.volumeRq)
    return Update(row.symbol, ts, oi, COINS, mark, index, number(row.fundingRateRr))


def scaled(row: Scaled, ts: int) -> Update:
    oi, mark, index = number(row.openInterest), over(row.markPrice, PRICE), over(row.indexPrice, PRICE)
    if oi == 0:
        oi = held(oi, row.volume)
    return Update(row.symbol, ts, oi, CONTRACTS, mark, index, over(row.fundingRate, RATE))


def ticker(told: Callable[[Any, int], Update], shape: Any, path: str, **also: str) -> Answer:
    """Over REST the time is a text in the row, and scaled fields may have other names."""

    def parse(row: dict[str, Any]) -> Sequence[Said]:
        named = row | {ours: row[theirs] for ours, theirs in also.items()}
        return [told(convert(named, shape, strict=False), convert(row["timestamp"], int, strict=False) // NS)]

    return Answer(parse, wire(dict[str, Any], "result"), "/24hr", lambda i: Ask(f"{REST}/{path}?symbol={i.symbol}"))


def control(frame: Frame) -> Sequence[Said]:
    if frame.error is not None:
        return (Refused(f"{frame.error['code']}: {frame.error['message']}", frame.id),)
    return (Acked(frame.id),) if isinstance(frame.result, dict) else ()


def make(instruments: Sequence[Instrument], wanted: Collection[str] | None = None) -> Callable[[Frame], Sequence[Said]]:
    header, skip = tuple[str, ...](), unasked(instruments, wanted)

    def parse(frame: Frame) -> Sequence[Said]:
        nonlocal header
        if frame.method != UPDATE:
            return control(frame)
        if frame.fields is not None:
            header = tuple(frame.fields)
        if not header:
            raise ValueError("rows before the frame that names their columns")
        ts = milliseconds(frame)
        return [packed(row, ts) for row in under(header)(frame.data) if row.symbol not in skip]

    return parse


def milliseconds(frame: Frame) -> int:
    if frame.timestamp is None:
        raise ValueError("rows without their time")
    return frame.timestamp // NS


def parse_scaled(frame: Frame) -> Sequence[Said]:
    return control(frame) if frame.market24h is None else (scaled(frame.market24h, milliseconds(frame)),)


def perpetual(row: Listing) -> Instrument:
    linear = row.type == "PerpetualV2"
    asset, factor = coin(MULTIPLE.sub("", row.baseCurrency or row.symbol.removesuffix(row.quoteCurrency)))
    size = "1" if linear else str(row.contractSize).removesuffix(f" {row.quoteCurrency}")
    return Instrument(
        "phemex", "linear" if linear else "inverse", row.symbol, asset, row.quoteCurrency, row.settleCurrency,
        payoff=Payoff.LINEAR if linear else Payoff.INVERSE, contract_size=float(size), base_factor=factor,
        live=row.status == "Listed" and (linear or row.priceScale == DIGITS), max_leverage=number(row.maxLeverage),
        funding_interval_h=row.fundingInterval / 3600, valid_from=row.listTime,
    )  # fmt: skip


def tiers(of: Callable[[Products], Iterable[dict[str, Any]]], suffix: str, scale: float, unit: Unit) -> Poll:
    def steps(found: Products) -> Iterable[Tier]:
        for ladder in of(found):
            lower = 0.0
            for n, step in enumerate(ladder["riskLimits"], 1):
                upper, starts = amount(step["limit"]), amount(step[f"initialMargin{suffix}"]) / scale
                keeps = amount(step[f"maintenanceMargin{suffix}"]) / scale
                yield Tier(ladder["symbol"], n, lower, upper, unit, keeps, 1 / starts if starts else None)
                lower = upper

    return Poll(PRODUCTS, 86_400, frozenset({"tiers"}), steps, read)


def socket(channel: str, parse: Remembering | Callable[[Frame], Sequence[Said]]) -> Socket:
    def subscribe(_: Sequence[Instrument], request: int) -> Iterable[Message]:
        yield {"id": request, "method": f"{channel}.subscribe", "params": list[str]()}

    return Socket(  # one subscription for all symbols
        "wss://ws.phemex.com", frozenset({"oi", "mark", "index", "funding"}), subscribe, parse, wire(Frame),
        heartbeat=Heartbeat({"id": 0, "method": "server.ping", "params": []}, every=5), cadence=10,
        per_socket=10_000, batch=10_000, others=("wss://phemex.com/ws",),  # the older address
    )  # fmt: skip


def candles(path: str, i: Instrument, span: str) -> Ask:
    return Ask(f"{REST}/exchange/public/md/v2/{path}?symbol={i.symbol}&resolution=60&{span}")


def within(i: Instrument, start: int, end: int) -> Ask:
    first, last = seconds(start, end)
    return candles("kline/list", i, f"from={first}&to={last + 1}")  # a client found `to` left out itself


def newest(i: Instrument, _: int, __: int) -> Ask:
    return candles("kline", i, "limit=1000")


def lately(path: str, i: Instrument, start: int, end: int) -> Ask:
    """Of the newest minutes as many as reach back to the start, or as there can be."""
    least = (end - start) // 60_000 + 1
    return candles(path, i, f"limit={next((limit for limit in LIMITS if limit >= least), LIMITS[-1])}")


def minutes(path: str, unit: Unit, scale: float) -> tuple[Poll, History]:
    """Of now, and of the past: coin-margined contracts hear no span, and tell their newest thousand minutes."""

    def traded(rows: list[Candle]) -> list[Traded]:
        return [Traded("", r[0] * 1000, r[7], unit, price=r[6] / scale) for r in rows]

    spans, words, form = unit is Unit.BASE, frozenset[Gives]({"volume"}), wire(list[Candle], "data", "rows")
    limit, depth = (900, 30) if spans else (1000, 0.69)  # a client was refused 1,000 and more of a span
    return (
        Poll(Lately(partial(lately, path), 540), 60, words, lambda rows: listed(traded(rows)), form),
        History(within if spans else newest, traded, words, 60, limit, depth, form, bounded=spans),
    )


NOW, THEN = minutes("kline/last", Unit.BASE, 1)
COIN_NOW, COIN_THEN = minutes("kline", Unit.CONTRACTS, PRICE)


def paid(quote: str) -> History:
    """Asked by a name of its own, of the symbol or of the coin it is settled in. FR8H whatever the interval."""

    def ask(i: Instrument, start: int, end: int) -> Ask:
        span = f"start={start}&end={end}&limit=100"
        name = f".{i.symbol.removesuffix(quote)}FR8H"
        return Ask(f"{REST}/api-data/public/data/funding-rate-history?symbol={name}&{span}")

    return settled(ask, "fundingTime", "fundingRate", 100, 365, "data", "rows", every=("intervalSeconds", 1 / 3600))


VENUE = Venue(
    "phemex", "Phemex", "speculative",
    docs="https://github.com/phemex/phemex-api-docs/blob/master/Public-Hedged-Perpetual-API.md",
    fields=(COINS, CONTRACTS),
    segments=(
        Segment(
            "linear", PRODUCTS, lambda found: map(perpetual, found.perpProductsV2),
            lambda symbol: OURS.fullmatch(symbol) is not None and symbol[-3:] != "USD", decode=read,
            feeds=(
                socket(PACK, Remembering(make)), NOW,
                tiers(lambda found: found.riskLimitsV2, "Rr", 1, Unit.USD),
            ),
            answers=(ticker(packed, defstruct("Ticker", list(COLUMNS.items())), "md/v2/ticker/24hr"),),
            history=(THEN, paid("")), archives=(Archive("ticks", "phemex", COINS, lacks="forced closes"),),
        ),
        Segment(
            "inverse", PRODUCTS, lambda found: (perpetual(row) for row in found.products if row.type == "Perpetual"),
            lambda symbol: OURS.fullmatch(symbol) is not None and symbol[-3:] == "USD", decode=read,
            feeds=(
                socket(COIN_PACK, parse_scaled), COIN_NOW,
                tiers(lambda found: found.riskLimits, "Er", RATE, Unit.BASE),
            ),
            answers=(
                ticker(scaled, Scaled, "v1/md/ticker/24hr", markPrice="markEp", indexPrice="indexEp",
                       fundingRate="fundingRateEr"),
            ),
            history=(COIN_THEN, paid("USD")), archives=(Archive("ticks", "phemex", CONTRACTS, lacks="forced closes"),),
        ),
    ),
    limits=Limits(weight=100, per=60, dials=5),
    note="whether it counts one side or both is not documented; no public feed of forced closes",
)  # fmt: skip
