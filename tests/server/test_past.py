"""The demo's history, against the market that it was written from."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import time

import numpy as np
import pytest

from collectors.venues import VENUES
from server import pastbeside
from server.demo import beginning, market_of, stand_in
from server.past import ask_for_the_last_day, can_be_asked, import_past, native, reported_ms, settle
from server.settings import load
from simulator.exchange import exchange
from simulator.script import Contract, Reading, contracts, load_all
from store.engine import Store, open_store
from store.reader import Reader
from store.records import Payoff
from store.writer import Writer

HOUR_MS = 3_600_000
NOW = int(time()) * 1000 // HOUR_MS * HOUR_MS + 90_000
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


@pytest.mark.anyio
async def test_history_is_the_markets_own_and_comes_with_bars_and_closes(store: Store) -> None:
    venue, script = next((id, s) for id, s in load_all().items() if can_be_asked(VENUES[id], s.instruments[0].segment))
    scripts = {venue: script}
    market = market_of(scripts, 3, NOW)
    told = [c for c in contracts(script) if (venue, c.segment, c.symbol) in market.contracts]
    with Writer(store, simulated=True) as writer:
        count = import_past(store, writer, market, VENUES, scripts, NOW - 3 * DAY_MS, NOW)
        again = import_past(store, writer, market, VENUES, scripts, NOW - 3 * DAY_MS, NOW)
        async with exchange(scripts, market) as floor:
            last = await ask_for_the_last_day(writer, market, VENUES, scripts, partial(stand_in, floor), NOW)
            assert floor.unheard == []
    assert (count, again, last) == (len(told) * 2 * 288, 0, len(told) * 288)
    settle(store, NOW - 3 * DAY_MS, NOW)
    reader = Reader(store)
    one = next(c for c in told if c.asset == "BTC")
    closes = reader.closes("BTC", NOW - 3 * DAY_MS, NOW + DAY_MS)
    rows = closes[closes["symbol"] == one.symbol].sort_values("day")
    at = np.array([int(t) - 300_000 for t in rows["t"]], dtype=np.int64)  # the last point of each day
    mark, coins = market.series((venue, one.segment, one.symbol), at)
    assert list(rows["base"]) == pytest.approx(list(coins), rel=2e-4)  # the venue's own points step with the seconds
    assert list(rows["usd"]) == pytest.approx(list(coins * mark), rel=1e-3)
    for ago, source in ((2, "import"), (1, "backfill")):
        start = NOW - NOW % HOUR_MS - ago * DAY_MS + HOUR_MS * (ago == 1)
        bars = reader.bars("BTC", start, start + 3_600_000, 3_600_000)
        assert set(bars["source"]) == {source}


def test_a_demo_goes_on_with_its_market_and_keeps_the_store_of_another(tmp_path: Path) -> None:
    settings = load("demo", {}, {"CROSSOI_HOME": str(tmp_path)}, ("one",))
    settings.home.mkdir()
    said: list[str] = []
    first = beginning(settings, 1, ["one"], said.append)
    assert first.past_ms == 0
    kept = {"seed": 1, "start_ms": first.start_ms, "past_ms": 5, "venues": ["one"]}
    (settings.home / "market.json").write_text(json.dumps(kept))
    (settings.home / "store.duckdb").write_text("kept")
    again = beginning(settings, 1, ["one"], said.append)
    assert (again.start_ms, again.past_ms, said) == (first.start_ms, 5, [])
    other = beginning(settings, 2, ["one"], said.append)
    assert (other.seed, other.past_ms) == (2, 0)
    assert not (settings.home / "store.duckdb").exists()
    (aside,) = settings.home.glob("store.duckdb.old-*")
    assert aside.read_text() == "kept"
    assert str(aside) in said[0]


def test_one_venue_more_is_another_market_because_the_others_hold_less(tmp_path: Path) -> None:
    settings = load("demo", {}, {"CROSSOI_HOME": str(tmp_path)}, ("one",))
    settings.home.mkdir()
    (settings.home / "market.json").write_text(json.dumps(asdict(beginning(settings, 1, ["one"], lambda _: None))))
    (settings.home / "store.duckdb").write_text("kept")
    assert beginning(settings, 1, ["one", "two"], lambda _: None).venues == ["one", "two"]
    assert not (settings.home / "store.duckdb").exists()


def test_a_weekly_report_cannot_be_asked_for_the_last_day() -> None:
    asked = {(v.id, s.id): can_be_asked(v, s.id) for v in VENUES.values() for s in v.segments}
    weekly = {
        (v.id, s.id)
        for v in VENUES.values()
        for s in v.segments
        for h in s.history
        if "oi" in h.gives and h.step >= 86_400
    }
    assert weekly
    assert not any(asked[place] for place in weekly)
    assert asked["bybit", "linear"]


def test_the_past_of_a_weekly_report_is_weekly_and_has_no_funding_nor_accounts(store: Store) -> None:
    (weekly,) = [(v.id, s.id) for v in VENUES.values() for s in v.segments if reported_ms(v, s.id)]
    scripts = {weekly[0]: load_all()[weekly[0]]}
    market = market_of(scripts, 3, NOW)
    with Writer(store, simulated=True) as writer:
        count = import_past(store, writer, market, VENUES, scripts, NOW - 40 * DAY_MS, NOW,
                            beside=partial(pastbeside.told, market, VENUES, scripts, NOW))  # fmt: skip
    rows = Reader(store).readings("BTC", NOW - 40 * DAY_MS, NOW)
    said = store.cursor().execute("SELECT count(*), count(DISTINCT ts), count(funding) FROM readings").fetchone()
    assert {int(t) % (7 * DAY_MS) for t in rows["ts"]} <= {0}
    assert said is not None
    assert (said[0], said[2]) == (count, 0)
    assert said[1] in (5, 6)
    assert not len(Reader(store).ratios("BTC", NOW - 40 * DAY_MS, NOW))
