"""A made-up venue whose numbers stand in archives, its contracts, and a store that knows them."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, convert

from collectors.imports.mapping import Mapped
from collectors.imports.report import Report
from collectors.imports.work import import_files
from collectors.venue import Archive, Ask, Said, Segment, Update, Venue
from collectors.wire import Day, Number, ms, number
from store.engine import Store, open_store
from store.records import FeedClass, Field, Instrument, Payoff, Status, Unit
from tests.store.made import rows, writing

NOW = 1_795_046_400_000  # 2026-11-19T00:00:00Z
COINS = Field("coins", Unit.BASE, 1, Status.DOCUMENTED, evidence="a sheet")
BOTH = Field("both", Unit.BASE, 2, Status.DOCUMENTED, evidence="a sheet")
LOTS = Field("lots", Unit.CONTRACTS, 1, Status.DOCUMENTED, evidence="a sheet")
CLEARED = Field("cleared", Unit.CONTRACTS, 1, Status.DOCUMENTED, evidence="a sheet")

BTC = Instrument("acme", "linear", "BTCUSDT", "BTC", "USDT", "USDT", funding_interval_h=8.0)
PEPE = Instrument("acme", "linear", "kPEPEUSDT", "PEPE", "USDT", "USDT", base_factor=1000.0)
COIN = Instrument("acme", "inverse", "BTCUSD", "BTC", "USD", "BTC", payoff=Payoff.INVERSE, contract_size=100.0)
FUTURE = Instrument("exchange", "futures", "BTC", "BTC", "USD", "USD", contract_size=5.0)


class Week(Struct):
    cftc_contract_market_code: str
    report_date_as_yyyy_mm_dd: str
    open_interest_all: Number = None


class Expiry(Struct):
    trade_date: Day
    product: str
    report_type: str
    settle: float
    open_interest_contracts: float


def week(lines: Sequence[Mapping[str, str]]) -> Iterable[Said]:
    for line in convert(lines, list[Week], strict=False):
        if line.cftc_contract_market_code == "133741":
            day = ms(Day.fromisoformat(line.report_date_as_yyyy_mm_dd[:10]))
            yield Update("BTC", day, number(line.open_interest_all), CLEARED)


def day(lines: Sequence[Mapping[str, str]]) -> Iterable[Said]:
    ours = [line for line in convert(lines, list[Expiry], strict=False) if line.product == "BTC"]
    held = sum(line.open_interest_contracts for line in ours)
    if ours:
        mark = sum(line.open_interest_contracts * line.settle for line in ours) / held if held else None
        yield Update("BTC", ms(ours[0].trade_date), held, CLEARED, mark)


def segment(id: str, owns: Any, archives: tuple[Archive, ...]) -> Segment:
    return Segment(id, Ask("https://made.up"), lambda _: (), owns, feeds=(), archives=archives)


ACME = Venue(
    "acme", "Acme", "mixed", "", (COINS, BOTH, LOTS),
    segments=(
        segment(
            "linear", lambda symbol: symbol.endswith("USDT"),
            (Archive("metrics", field=COINS), Archive("ticks", "acme", BOTH, (Unit.BASE, FeedClass.THROTTLED))),
        ),
        segment(
            "inverse", lambda symbol: symbol.endswith("USD"),
            (Archive("ticks", "acme", LOTS, (Unit.CONTRACTS, FeedClass.FULL)), Archive("ticks", "silent")),
        ),
    ),
)  # fmt: skip
EXCHANGE = Venue(
    "exchange", "Exchange", "institutional", "", (CLEARED,),
    segments=(segment("futures", "BTC".__eq__, (Archive("cot", rows=week), Archive("daily", rows=day))),),
)  # fmt: skip
VENUES = {"acme": ACME, "exchange": EXCHANGE}

READINGS = """
    SELECT symbol, field, epoch_ms(ts), epoch_ms(seen), raw, unit, sides, base, usd, mark, "index", funding, flags
    FROM readings JOIN (SELECT DISTINCT instrument_id, symbol FROM instruments) USING (instrument_id) ORDER BY ts, raw
"""


@contextmanager
def knowing(*listed: Instrument, path: Path | str = ":memory:") -> Generator[Store]:
    """A live store that has listed these contracts."""
    store = open_store(path, "live")
    try:
        with writing(store) as writer:
            for instrument in listed:
                writer.put(instrument)
        yield store
    finally:
        store.close()


def imported(store: Store, *paths: Path, mapping: Mapped | None = None, **more: Any) -> Report:
    """The report of the last of these files."""
    return import_files(store, paths, VENUES, mapping, now_ms=NOW, **more)[-1]


def readings(store: Store) -> list[tuple[object, ...]]:
    return rows(store, READINGS)


def refusals(report: Report) -> list[tuple[int, str]]:
    return [(r.line, r.reason) for r in report.refusals]
