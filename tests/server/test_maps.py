"""The maps' life beside a store of a few bars; what a map says is tested where it is computed."""

import json
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from analytics.conventions import CHANGED
from analytics.liquidation import MapState, Terms
from analytics.settings import Settings
from server.maps import HOUR_MS, Maps, terms
from store.bars import build
from store.derived import append
from store.engine import Store, open_store
from store.reader import Reader
from store.records import Field, Instrument, MarginTier, OpenInterest, Source, Unit
from store.writer import Writer

MINUTE = 60_000
START = 1_790_000_040_000 // MINUTE * MINUTE
COIN = Instrument("northern", "linear", "COIN", "COIN", "USDT", "USDT", max_leverage=50.0)
FIELD = Field("oi", Unit.BASE)


def reading(minute: int, coins: float, mark: float = 100.0) -> OpenInterest:
    at = START + minute * MINUTE + 1_000
    return OpenInterest(COIN, FIELD, at, at, coins, coins, coins * mark, mark, None, None, None, Source.STREAM, True, 0)


@pytest.fixture
def store(tmp_path: Path):
    store = open_store(tmp_path / "demo.duckdb", "demo")
    yield store
    store.close()


def kept(store: Store, upto: int, odd: int | None = None) -> None:
    """Readings of every minute up to `upto`, and their bars; from the minute `odd` on ten times as many coins."""
    with Writer(store, simulated=True, now_ms=START) as writer:
        for minute in range(upto):
            writer.put(reading(minute, (1_000.0 + minute) * (10.0 if odd is not None and minute >= odd else 1.0)))
    build(store, START, START + upto * MINUTE)


def state(maps: Maps) -> MapState:
    known = maps.state("COIN")
    assert known is not None
    return known


def test_a_map_is_built_from_what_the_store_has_and_then_advances_by_minutes(store: Store, tmp_path: Path) -> None:
    kept(store, 10)
    maps = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    assert maps.state("COIN") is None
    maps.advance(START + 5 * MINUTE + 30_000)
    assert state(maps).as_of == START + 5 * MINUTE
    assert state(maps).ledger.amount[0] == pytest.approx(1_004.0)
    maps.advance(START + 10 * MINUTE)
    assert state(maps).as_of == START + 10 * MINUTE
    assert state(maps).ledger.amount[0] == pytest.approx(1_009.0)
    assert state(maps).terms["northern"].max_leverage == 50.0


class Asked:
    """A reader that remembers which bars it was asked for."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.bars_of: list[tuple[int, int, int]] = []

    def instruments(self, asset: str) -> pd.DataFrame:
        return self.reader.instruments(asset)

    def tiers(self, asset: str) -> pd.DataFrame:
        return self.reader.tiers(asset)

    def events(self, kind: str, start: int, end: int, asset: str) -> pd.DataFrame:
        return self.reader.events(kind, start, end, asset=asset)

    def bars(
        self, asset: str, start: int, end: int, step_ms: int, columns: Collection[str] | None = None
    ) -> pd.DataFrame:
        if columns is None:  # else the volume beside a change of counting, which no map is made of
            self.bars_of.append((start, end, step_ms))
        return self.reader.bars(asset, start, end, step_ms, columns=columns)


def test_an_hour_is_caught_up_by_minutes_and_more_is_built_anew(store: Store, tmp_path: Path) -> None:
    kept(store, 10)
    asked = Asked(Reader(store))
    maps = Maps(cast(Reader, asked), tmp_path / "maps", ["COIN"])
    maps.advance(START + 5 * MINUTE)
    asked.bars_of.clear()
    maps.advance(START + 10 * MINUTE)
    assert asked.bars_of == [(START + 5 * MINUTE, START + 10 * MINUTE, MINUTE)]
    asked.bars_of.clear()
    maps.advance(START + 71 * MINUTE)
    assert [step for _, _, step in asked.bars_of] == [60 * MINUTE, 5 * MINUTE, MINUTE]


def noted(store: Store, minute: int, known_at: int) -> None:
    """The venue counts ten times as much since the reading of `minute`, as was found out at `known_at`."""
    told = {"symbol": "COIN", "ratio": 10.01, "factor": 10.0, "since": START + minute * MINUTE + 1_000}
    append(store, "events", [(known_at, CHANGED, "COIN", "northern", json.dumps(told), True, known_at)])


def shares(maps: Maps) -> tuple[float, float]:
    """What was seen to enter, of longs; and mass beyond 10 %, of all: neither knows how much a coin counts."""
    mass = state(maps).mass
    return float(mass.identified[0, 0].sum() / mass.total[0, 0].sum()), float(
        mass.total[0, 0, :4].sum() / mass.total[0, 0].sum()
    )


@pytest.mark.parametrize("known", [6, 9])
def test_a_step_of_counting_is_no_flow_whenever_it_is_found_out(store: Store, tmp_path: Path, known: int) -> None:
    kept(store, 12, odd=6)
    maps = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    if known == 6:
        noted(store, 6, START + 6 * MINUTE + 30_000)
    for minute in (6, 7, 8, 9):
        maps.advance(START + minute * MINUTE + 10_000)
    if known == 9:
        assert shares(maps)[0] > 0.5, "nine tenths of it seem to have been opened"
        noted(store, 6, START + 9 * MINUTE + 30_000)
    maps.advance(START + 10 * MINUTE + 10_000)
    assert state(maps).ledger.amount[0] == pytest.approx(10_090.0)
    with closing(open_store(tmp_path / "plain.duckdb", "demo")) as plain:
        kept(plain, 12)
        other = Maps(Reader(plain), tmp_path / "other", ["COIN"])
        other.advance(START + 6 * MINUTE)
        other.advance(START + 10 * MINUTE)
    assert shares(maps) == pytest.approx(shares(other), rel=1e-3)


def test_a_map_that_was_built_with_the_step_goes_on_from_it(store: Store, tmp_path: Path) -> None:
    kept(store, 12, odd=6)
    noted(store, 6, START + 9 * MINUTE)
    asked = Asked(Reader(store))
    maps = Maps(cast(Reader, asked), tmp_path / "maps", ["COIN"])
    maps.advance(START + 10 * MINUTE)
    asked.bars_of.clear()
    maps.advance(START + 11 * MINUTE)
    assert [step for _, _, step in asked.bars_of] == [MINUTE]


def test_an_asset_that_nobody_lists_has_no_map(store: Store, tmp_path: Path) -> None:
    maps = Maps(Reader(store), tmp_path / "maps", ["OTHER"])
    maps.advance(START)
    assert maps.state("OTHER") is None
    assert maps.state("NEVER") is None


def test_a_map_outlives_a_restart_and_a_damaged_one_is_built_anew(store: Store, tmp_path: Path) -> None:
    kept(store, 6)
    first = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    first.advance(START + 6 * MINUTE)
    first.save()
    second = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    second.load()
    assert state(second).as_of == START + 6 * MINUTE
    (tmp_path / "maps" / "COIN.npz").write_bytes(b"half a file")
    third = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    third.load()
    assert third.state("COIN") is None
    third.advance(START + 6 * MINUTE)
    assert state(third).as_of == START + 6 * MINUTE


def test_other_settings_build_the_kept_map_anew(store: Store, tmp_path: Path) -> None:
    kept(store, 6)
    first = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    first.advance(START + 6 * MINUTE)
    first.save()
    for settings in (Settings(map_tilt=0.4), Settings(removal_policy="pro_rata")):
        other = Maps(Reader(store), tmp_path / "maps", ["COIN"], settings)
        other.load()
        assert other.state("COIN") is None
        other.advance(START + 6 * MINUTE)
        assert (state(other).settings.map_tilt, state(other).policy) == (settings.map_tilt, settings.removal_policy)
    same = Maps(Reader(store), tmp_path / "maps", ["COIN"], Settings(fdr=0.2))
    same.load()
    assert state(same).as_of == START + 6 * MINUTE, "what no map is made by changes none"


def test_a_venues_terms_are_the_widest_it_states_and_the_ladder_of_its_main_contract(store: Store) -> None:
    usdc, other, bare = (
        Instrument("northern", "linear", "COINC", "COIN", "USDC", "USDC", max_leverage=100.0),
        Instrument("southern", "linear", "COIN", "COIN", "USDT", "USDT"),
        Instrument("eastern", "linear", "COIN", "COIN", "USDT", "USDT", max_leverage=20.0),
    )
    with Writer(store, simulated=True, now_ms=START) as writer:
        for instrument in (COIN, usdc, other, bare):
            writer.put(instrument)
        put_ladder(writer, COIN, 0.005, 0.006, 0.01)
        put_ladder(writer, usdc, 0.02, 0.03, 0.04)
        put_ladder(writer, other, 0.01, 0.01, 0.01)
    assert terms(Reader(store), "COIN", Settings(map_large_usd=2e5))["northern"].large == 0.006
    assert terms(Reader(store), "COIN") == {
        "northern": Terms(100.0, 0.0055, 0.01),
        "southern": Terms(100.0, 0.01, 0.01),
        "eastern": Terms(20.0),
    }


def put_ladder(writer: Writer, of: Instrument, *rates: float) -> None:
    """Steps from 0, 100 000 and 500 000 USD on."""
    for k, (lower, rate) in enumerate(zip((0.0, 1e5, 5e5), rates, strict=True), 1):
        writer.put(MarginTier(of, START, k, lower, None, rate, None, None, True))


def test_ladders_that_are_heard_later_count_from_the_next_hour_on(store: Store, tmp_path: Path) -> None:
    kept(store, 62)
    hour = -(-START // HOUR_MS) * HOUR_MS
    maps = Maps(Reader(store), tmp_path / "maps", ["COIN"])
    maps.advance(hour - 2 * MINUTE)
    assert state(maps).terms["northern"].large is None
    with Writer(store, simulated=True, now_ms=START) as writer:
        put_ladder(writer, COIN, 0.005, 0.006, 0.01)
    maps.advance(hour - MINUTE)
    assert state(maps).terms["northern"].large is None
    maps.advance(hour)
    assert state(maps).terms["northern"] == Terms(50.0, 0.0055, 0.01)
