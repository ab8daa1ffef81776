"""The demo's history, against the market that it was written from."""

import math
from pathlib import Path

import numpy as np
import pytest

from collectors.venues import VENUES
from server.demo import beginning, market_of
from server.past import import_past, native, reading
from server.settings import load
from simulator.script import Contract, Reading, contracts, load_all
from store.engine import Store, open_store
from store.reader import Reader
from store.records import Payoff
from store.writer import Writer

NOW = 1_790_000_000_000
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("payoff", "unit", "sides", "size", "factor", "raw"),
    [
        (Payoff.LINEAR, "base", 1, 1.0, 1.0, 30.0),
        (Payoff.LINEAR, "base", 2, 1.0, 1.0, 60.0),
        (Payoff.LINEAR, "base", 1, 1.0, 1000.0, 0.03),
        (Payoff.LINEAR, "contracts", 1, 0.01, 1.0, 3000.0),
        (Payoff.LINEAR, "contracts", 2, 10.0, 1000.0, 0.006),
        (Payoff.LINEAR, "usd", 1, 1.0, 1.0, 60_000.0),
        (Payoff.INVERSE, "usd", 1, 1.0, 1.0, 60_000.0),
        (Payoff.INVERSE, "contracts", 1, 100.0, 1.0, 600.0),
        (Payoff.INVERSE, "contracts", 2, 10.0, 1.0, 12_000.0),
    ],
)
def test_coins_are_spelled_as_the_field_counts_them(
    payoff: Payoff, unit: str, sides: int, size: float, factor: float, raw: float
) -> None:
    contract = Contract(
        symbol="A",
        segment="s",
        asset="A",
        quote="USD",
        settle="A",
        payoff=payoff,
        contract_size=size,
        base_factor=factor,
    )
    spelled = Reading(symbol="A", raw=0, unit=unit, sides=sides)
    assert native(contract, spelled, np.array([2000.0]), np.array([30.0]))[0] == pytest.approx(raw)


@pytest.fixture
def store(tmp_path: Path):
    store = open_store(tmp_path / "demo.duckdb", "demo")
    yield store
    store.close()


def test_history_is_the_markets_own_and_comes_with_bars_and_closes(store: Store) -> None:
    venue, script = next(iter(load_all().items()))
    market = market_of({venue: script}, 3, NOW)
    with Writer(store, simulated=True) as writer:
        count = import_past(store, writer, market, VENUES, {venue: script}, NOW - 3 * DAY_MS, NOW)
        again = import_past(store, writer, market, VENUES, {venue: script}, NOW - 3 * DAY_MS, NOW)
    told = [c for c in contracts(script) if (venue, c.segment, c.symbol) in market.contracts]
    assert (count, again) == (len(told) * 3 * 288, 0)
    reader = Reader(store)
    closes = reader.closes("BTC", NOW - 3 * DAY_MS, NOW, as_of=NOW + DAY_MS)
    one = next(c for c in told if c.asset == "BTC")
    rows = closes[(closes["symbol"] == one.symbol)].sort_values("day")
    at = np.array([int(t) - 300_000 for t in rows["t"]], dtype=np.int64)  # the last point of each day
    mark, coins = market.series((venue, one.segment, one.symbol), at)
    assert list(rows["base"]) == pytest.approx(list(coins))
    assert list(rows["usd"]) == pytest.approx(list(coins * mark))
    bars = reader.bars("BTC", NOW - DAY_MS, NOW - DAY_MS + 3_600_000, 3_600_000, as_of=NOW + DAY_MS)
    assert set(bars["source"]) == {"import"}
    assert math.isclose(reading(script, one).sides, 1) or reading(script, one).sides == 2


def test_a_demo_goes_on_with_its_market_and_keeps_the_store_of_another(tmp_path: Path) -> None:
    settings = load("demo", {}, {"CROSSOI_HOME": str(tmp_path)}, ("one",))
    settings.home.mkdir()
    said: list[str] = []
    first = beginning(settings, 1, said.append)
    assert first.past_ms == 0
    (settings.home / "market.json").write_text(f'{{"seed": 1, "start_ms": {first.start_ms}, "past_ms": 5}}')
    (settings.home / "store.duckdb").write_text("kept")
    again = beginning(settings, 1, said.append)
    assert (again.start_ms, again.past_ms, said) == (first.start_ms, 5, [])
    other = beginning(settings, 2, said.append)
    assert (other.seed, other.past_ms) == (2, 0)
    assert not (settings.home / "store.duckdb").exists()
    (aside,) = settings.home.glob("store.duckdb.old-*")
    assert aside.read_text() == "kept"
    assert str(aside) in said[0]
