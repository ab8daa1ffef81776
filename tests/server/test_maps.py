"""The maps' life beside a store of a few bars; what a map says is tested where it is computed."""

from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from analytics.liquidation import MapState
from server.maps import Maps, terms
from store.bars import build
from store.engine import Store, open_store
from store.reader import Reader
from store.records import Field, Instrument, OpenInterest, Source, Unit
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


def kept(store: Store, upto: int) -> None:
    """Readings of every minute up to `upto`, and their bars."""
    with Writer(store, simulated=True, now_ms=START) as writer:
        for minute in range(upto):
            writer.put(reading(minute, 1_000.0 + minute))
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

    def bars(self, asset: str, start: int, end: int, step_ms: int) -> pd.DataFrame:
        self.bars_of.append((start, end, step_ms))
        return self.reader.bars(asset, start, end, step_ms)


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


def test_a_venues_terms_are_the_widest_it_states() -> None:
    rows = [("northern", 50.0), ("northern", 100.0), ("southern", float("nan")), ("eastern", None)]
    said = terms(pd.DataFrame(rows, columns=["venue", "max_leverage"]))
    assert {venue: t.max_leverage for venue, t in said.items()} == {"northern": 100.0}
