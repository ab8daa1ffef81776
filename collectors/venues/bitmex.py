"""BitMEX, closed on 2026-09-23: nothing is asked of it. What it said before can be read from captures.

Contracts: dollars when inverse, a fraction of a coin when linear, satoshi a point when quanto. Rows of the `instrument`
table are whole at first and then only what has changed.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from collectors.venue import Answer, Archive, Ask, Liquidated, Said, Segment, Traded, Update, Venue
from collectors.wire import Moment, among, coin, ms, wire
from store.records import FeedClass, Field, Instrument, Kind, Payoff, Side, Unit

REST = "https://www.bitmex.com/api/v1"
PERPETUAL, DATED = "FFWCSX", "FFCCSX"
PERPETUALS = re.compile(r"[A-Z0-9]+USDT?")  # XBTUSD, ETHUSDT; dated are XBTM26, indices .BXBT, spreads XBTM26-XBTU26
MINOR = {"XBt": ("BTC", 1e8), "USDt": ("USDT", 1e6)}  # settle coins, and how many minor units one has
Action = Literal["partial", "insert", "update", "delete"]
SIDES = {"Buy": Side.SHORT, "Sell": Side.LONG}  # of the closing order
EPOCH_MS = 946_684_800_000  # intervals are written as times since 2000-01-01
OI = Field("openInterest", Unit.CONTRACTS, 1, evidence="one side by convention; the documents did not say")


class Row(Struct):
    """Of the instrument table. What an update leaves out has not changed."""

    symbol: str
    openInterest: float | UnsetType | None = UNSET
    markPrice: float | None = None
    indicativeSettlePrice: float | None = None  # the index
    fundingRate: float | None = None
    fundingInterval: Moment | None = None
    timestamp: Moment | None = None


class Death(Struct):
    symbol: str
    side: Literal["Buy", "Sell"]
    price: float
    leavesQty: float


class Bin(Struct):
    symbol: str
    timestamp: Moment  # the END of the minute
    homeNotional: float  # coins
    close: float | None = None


class Rows(Struct, tag_field="table", tag="instrument"):
    action: Action
    data: list[Row]


class Deaths(Struct, tag_field="table", tag="liquidation"):
    action: Action
    data: Raw  # only an insert states all of an order


class Bins(Struct, tag_field="table", tag="tradeBin1m"):
    action: Action
    data: list[Bin]


Frame = Rows | Deaths | Bins


class Welcome(Struct):
    info: str


class Answered(Struct):  # a message of the client's
    request: Raw


class Listing(Struct):
    symbol: str
    state: str
    typ: str
    underlying: str = ""
    quoteCurrency: str = ""
    settlCurrency: str | None = None
    isInverse: bool = False
    isQuanto: bool = False
    multiplier: float | None = None
    underlyingToSettleMultiplier: float | None = None
    underlyingToPositionMultiplier: float | None = None
    initMargin: float | None = None
    fundingInterval: Moment | None = None


def size(row: Listing, minor: float) -> tuple[Payoff, float]:
    """The payoff, and dollars, coins, or settle coins a point in one contract."""
    if row.multiplier is None:
        raise ValueError(f"{row.symbol}: no multiplier")
    if row.isQuanto:
        return Payoff.QUANTO, row.multiplier / minor
    if row.isInverse:
        if not row.underlyingToSettleMultiplier:
            raise ValueError(f"{row.symbol}: no underlyingToSettleMultiplier")
        return Payoff.INVERSE, row.multiplier / row.underlyingToSettleMultiplier
    if not row.underlyingToPositionMultiplier:
        raise ValueError(f"{row.symbol}: no underlyingToPositionMultiplier")
    return Payoff.LINEAR, 1 / row.underlyingToPositionMultiplier


def hours(interval: Moment | None) -> float | None:
    return None if interval is None else (ms(interval) - EPOCH_MS) / 3_600_000


def read(rows: Iterable[Listing]) -> Iterable[Instrument]:
    for row in rows:
        if row.typ in (PERPETUAL, DATED) and row.settlCurrency in MINOR:
            settle, minor = MINOR[row.settlCurrency]
            asset, factor = coin(row.underlying)
            payoff, contract = size(row, minor)
            yield Instrument(
                "bitmex", "futures", row.symbol, asset, row.quoteCurrency, settle,
                kind=Kind.PERPETUAL if row.typ == PERPETUAL else Kind.DATED, payoff=payoff, contract_size=contract,
                base_factor=factor, live=row.state == "Open", funding_interval_h=hours(row.fundingInterval),
                max_leverage=1 / row.initMargin if row.initMargin else None,
            )  # fmt: skip


def owns(symbol: str) -> bool:
    return PERPETUALS.fullmatch(symbol) is not None


def told(rows: Iterable[Row], delta: bool = False) -> Sequence[Said]:
    return [
        Update(
            row.symbol, None if row.timestamp is None else ms(row.timestamp),
            None if row.openInterest is UNSET else row.openInterest, OI, row.markPrice, row.indicativeSettlePrice,
            row.fundingRate, hours(row.fundingInterval), affirms=delta and row.openInterest is UNSET,
        )
        for row in rows if owns(row.symbol)
    ]  # fmt: skip


def died(rows: Iterable[Death]) -> Sequence[Said]:
    return [
        Liquidated(r.symbol, None, SIDES[r.side], r.leavesQty, Unit.CONTRACTS, r.price, FeedClass.FULL)
        for r in rows
    ]  # fmt: skip


def minutes(rows: Iterable[Bin]) -> Sequence[Said]:
    return [Traded(r.symbol, ms(r.timestamp) - 60_000, r.homeNotional, Unit.BASE, price=r.close) for r in rows]


def parse(frame: Frame | None) -> Sequence[Said]:
    match frame:
        case Rows():
            return told(frame.data, delta=frame.action == "update")
        case Deaths():
            return died(DEATHS(frame.data)) if frame.action == "insert" else ()
        case Bins():
            return minutes(frame.data) if frame.action == "insert" else ()
        case None:
            return ()


DEATHS = wire(list[Death])
TABLES = {"instrument", "liquidation", "tradeBin1m"}
VENUE = Venue(
    "bitmex", "BitMEX", "none", "https://www.bitmex.com/app/wsAPI", fields=(OI,), closed_on="2026-09-23",
    segments=(
        Segment(
            "futures", Ask(f"{REST}/instrument/active"), read, owns, feeds=(),
            answers=(
                Answer(parse, among(wire(Frame), TABLES.__contains__, "table", greeting="pong")),
                Answer(told, wire(list[Row]), "/api/v1/instrument"),
                Answer(lambda row: told([row]), wire(Row), "/api/v1/instrument"),
                Answer(died, wire(list[Death]), "/api/v1/liquidation"),
                Answer(minutes, wire(list[Bin]), "/api/v1/trade/bucketed"),
                Answer(lambda _: (), wire(Welcome)), Answer(lambda _: (), wire(Answered)),
            ),
            decode=wire(list[Listing]), archives=(Archive("ticks", "bitmex", OI, (Unit.CONTRACTS, FeedClass.FULL)),),
        ),
    ),
    note="closed on 2026-09-23: read from captures and files only, and never carried forward",
)  # fmt: skip
