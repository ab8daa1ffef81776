"""Coinbase Derivatives (CDE, US): contracts of fixed size, all in one REST reply. Nothing of it is pushed but prices.

The perpetuals of its former international exchange moved into another exchange's book on 2026-10-01: that book is
counted there, and the dead rows that the list still carries (`INTX`) are left out here. A US perpetual is listed as
`EXPIRING` in 2030 and is known by its funding interval.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Raw, Struct
from msgspec.json import Decoder

from collectors.candles import series
from collectors.venue import Answer, Archive, Ask, Limits, Poll, Said, Segment, Traded, Update, Venue
from collectors.wire import Number, coin, number, seconds, wire
from store.records import Field, Instrument, Kind, Status, Unit

REST = "https://api.coinbase.com/api/v3/brokerage/market/products"
OURS, CRYPTO = "FCM", "FUTURES_ASSET_TYPE_CRYPTO"
OI = Field(
    "open_interest", Unit.CONTRACTS, 1, Status.DOCUMENTED, evidence="a cleared US future: each contract counts once"
)


class Product(Struct):
    product_id: str
    product_venue: str
    future_product_details: Raw  # read for our own rows only: what the dead ones hold is not known
    quote_currency_id: str
    is_disabled: bool
    trading_disabled: bool
    mid_market_price: Number = None  # there is no mark; `settlement_price` is of the day


class Details(Struct):
    open_interest: Number  # said again in `perpetual_details`
    contract_size: float  # coins
    contract_root_unit: str
    contract_expiry_type: str
    funding_interval: str | None  # "3600s"; null for dated contracts
    funding_rate: Number
    futures_asset_type: str
    index_price: Number = None


class Whole(Struct):
    product_id: str
    product_venue: str
    future_product_details: Details
    quote_currency_id: str
    is_disabled: bool
    trading_disabled: bool
    mid_market_price: Number = None


class Floor(Struct):
    """A reply without dead rows, typed throughout, for the bench."""

    products: list[Whole]


class Candle(Struct):
    start: int  # seconds
    close: float
    volume: float  # contracts, as the 24 h volume beside it


class Gateway(Struct):  # to the other exchange's book
    jsonrpc: str


DETAILS = Decoder(Details, strict=False)


def crypto(rows: Iterable[Product]) -> Iterator[tuple[Product, Details]]:
    for row in rows:
        if row.product_venue == OURS:
            details = DETAILS.decode(row.future_product_details)
            if details.futures_asset_type == CRYPTO:
                yield row, details


def hours(interval: str | None) -> float | None:
    return None if interval is None else float(interval.removesuffix("s")) / 3600


def read(rows: Sequence[Product]) -> Iterable[Instrument]:
    for row, its in crypto(rows):
        asset, factor = coin(its.contract_root_unit)
        perpetual = its.contract_expiry_type == "PERPETUAL" or its.funding_interval is not None
        yield Instrument(
            "coinbase", "cde", row.product_id, asset, row.quote_currency_id, row.quote_currency_id,
            kind=Kind.PERPETUAL if perpetual else Kind.DATED, contract_size=its.contract_size, base_factor=factor,
            live=not row.is_disabled and not row.trading_disabled, funding_interval_h=hours(its.funding_interval),
        )  # fmt: skip


def parse(rows: Sequence[Product]) -> Sequence[Said]:
    return [
        Update(
            row.product_id, None, number(its.open_interest), OI, number(row.mid_market_price), number(its.index_price),
            number(its.funding_rate), hours(its.funding_interval),
        )
        for row, its in crypto(rows)
    ]  # fmt: skip


def minutes(candles: Sequence[Candle]) -> list[Traded]:
    return [Traded("", c.start * 1000, c.volume, Unit.CONTRACTS, price=c.close) for c in candles]


def within(i: Instrument, start: int, end: int) -> Ask:
    first, last = seconds(start, end)
    return Ask(f"{REST}/{i.symbol}/candles?start={first}&end={last}&granularity=ONE_MINUTE")


# how far back it goes is not documented: we ask for 30 days
NOW, THEN = series("volume", within, minutes, wire(list[Candle], "candles"), 60, 300, 30)
ALL = Ask(f"{REST}?product_type=FUTURE&get_all_products=true")
VENUE = Venue(
    "coinbase", "Coinbase Derivatives", "institutional",
    "https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products",
    fields=(OI,), limits=Limits(weight=8, per=1),
    segments=(
        Segment(
            "cde", ALL, read, lambda symbol: symbol.endswith("-CDE"),
            feeds=(
                Poll(ALL, 15, frozenset({"oi", "mark", "index", "funding"}), parse, wire(list[Product], "products")),
                NOW,
            ),
            answers=(Answer(lambda _: (), wire(Gateway)),),  # nothing of that book is ours
            history=(THEN,), decode=wire(list[Product], "products"),
            archives=(  # `coinbase-international` was another exchange, and is none of ours
                Archive("ticks", "coinbase-derivatives", OI, lacks="forced closes", evidence="it states no mark"),
            ),
        ),
    ),
    note="polled; how often the venue itself renews the number is not known; valued at the middle of the book",
)  # fmt: skip
