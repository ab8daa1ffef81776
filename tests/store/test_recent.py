"""Bars that were read once are the bars of the store, for as long as they are remembered and not a moment longer."""

from collections.abc import Generator
from time import time

import pandas as pd
import pytest

from store import recent
from store.bars import build
from store.engine import Store
from store.reader import Reader
from store.recent import COLUMNS, KEPT_MS
from store.records import Source
from tests.store.made import HOUR, INVERSE, LINEAR, MINUTE, reading, rows, store_of, writing

NOW = round(time() * 1000) // HOUR * HOUR  # only what is near the present is kept
START = NOW - 3 * HOUR


@pytest.fixture
def store() -> Generator[Store]:
    """Three hours of two contracts, a reading a minute; the second is silent for half an hour."""
    with store_of() as made:
        with writing(made, now_ms=NOW) as writer:
            for k in range(180):
                writer.put(reading(START + k * MINUTE, 200.0 + k, funding=1e-4))
                if not 60 <= k < 90:
                    writer.put(reading(START + k * MINUTE + 1, 9_000.0 - k, of=INVERSE))
        build(made, START, NOW)
        yield made


def direct(reader: Reader, start: int, end: int, step: int) -> pd.DataFrame:
    """What the store says when nothing is remembered: all columns are never kept."""
    return reader.bars("BTC", start, end, step)[list(COLUMNS)]


@pytest.mark.parametrize("step", [MINUTE, 5 * MINUTE, 15 * MINUTE])
@pytest.mark.parametrize(("start", "end"), [(START - HOUR, NOW), (START + HOUR, NOW - HOUR), (NOW - HOUR, NOW)])
def test_what_is_kept_is_what_the_store_says(store: Store, step: int, start: int, end: int) -> None:
    reader = Reader(store)
    expected = direct(reader, start, end, step)
    assert len(expected) > 0
    for _ in range(2):
        pd.testing.assert_frame_equal(reader.bars("BTC", start, end, step, columns=COLUMNS), expected)
    some = reader.bars("BTC", start, end, step, columns=["native", "t"])
    pd.testing.assert_frame_equal(some, expected[["t", "native"]])


def test_an_answer_from_memory_asks_nothing_of_the_bars(store: Store) -> None:
    reader = Reader(store)
    before = reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    rows(store, "DELETE FROM bars_1m")  # by nobody who says so: only a test can tell memory and store apart by it
    pd.testing.assert_frame_equal(reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS), before)


def test_what_is_built_shows_at_once_and_so_does_what_comes_late(store: Store) -> None:
    reader = Reader(store)
    assert reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)["native"].iloc[0] == 100.0
    with writing(store, now_ms=NOW) as writer:
        writer.put(reading(START + 30_000, 400.0, seen=NOW, source=Source.BACKFILL))
    build(store, START, START + MINUTE)
    assert reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)["native"].iloc[0] == 200.0
    pd.testing.assert_frame_equal(
        reader.bars("BTC", START, NOW, 5 * MINUTE, columns=COLUMNS), direct(reader, START, NOW, 5 * MINUTE)
    )


def test_a_past_instant_sees_nothing_that_was_built_later(store: Store) -> None:
    reader = Reader(store)
    then = NOW + 1000
    before = reader.at(then).bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    with writing(store, now_ms=NOW) as writer:
        writer.put(reading(START + 30_000, 400.0, seen=then + HOUR, source=Source.BACKFILL))
    build(store, START, START + MINUTE)
    now = reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    assert now["native"].iloc[0] == 200.0
    pd.testing.assert_frame_equal(reader.at(then).bars("BTC", START, NOW, MINUTE, columns=COLUMNS), before)
    pd.testing.assert_frame_equal(reader.bars("BTC", START, NOW, MINUTE, as_of=then, columns=COLUMNS), before)


def test_a_contract_that_is_listed_later_shows(store: Store) -> None:
    reader = Reader(store)
    assert set(reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)["venue"]) == {"here", "there"}
    third = type(LINEAR)("third", "linear", "BTCUSDT", "BTC", "USDT", "USDT", contract_size=0.01)
    with writing(store, now_ms=NOW) as writer:
        writer.put(reading(NOW - MINUTE, 50.0, of=third))
    assert set(reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)["venue"]) == {"here", "there"}
    build(store, NOW - MINUTE, NOW)
    assert set(reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)["venue"]) == {"here", "there", "third"}


def test_minutes_that_are_not_built_yet_are_asked_of_the_store(store: Store) -> None:
    reader = Reader(store)
    reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    with writing(store, now_ms=NOW) as writer:
        writer.put(reading(NOW + 1000, 999.0))
    seen = reader.bars("BTC", START, NOW + MINUTE, MINUTE, columns=COLUMNS)
    assert seen[seen["t"] == NOW + MINUTE]["native"].tolist() == [499.5]


def test_what_reaches_further_back_than_is_kept_is_asked_of_the_store(store: Store) -> None:
    reader = Reader(store)
    reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    long = reader.bars("BTC", NOW - KEPT_MS - MINUTE, NOW, MINUTE, columns=COLUMNS)
    pd.testing.assert_frame_equal(long, direct(reader, NOW - KEPT_MS - MINUTE, NOW, MINUTE))


def test_renewing_reads_anew_what_was_asked_for_and_nothing_else(store: Store) -> None:
    reader = Reader(store)
    assert reader.recent.lately() == []
    reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    with writing(store, now_ms=NOW) as writer:
        writer.put(reading(NOW + 1000, 999.0))
    build(store, NOW, NOW + MINUTE)
    reader.renew()
    assert reader.recent.lately() == ["BTC"]
    rows(store, "DELETE FROM bars_1m")  # so that the answer can only come from what was renewed
    seen = reader.bars("BTC", START, NOW + MINUTE, MINUTE, columns=COLUMNS)
    assert seen[seen["t"] == NOW + MINUTE]["native"].tolist() == [499.5]


def test_an_asset_that_nobody_asks_for_any_more_is_given_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(store)
    reader.bars("BTC", START, NOW, MINUTE, columns=COLUMNS)
    monkeypatch.setattr(recent, "time", lambda: time() + recent.IDLE_MS / 1000 - 60)
    reader.renew()
    monkeypatch.setattr(recent, "time", lambda: time() + recent.IDLE_MS / 1000 + 60)
    assert reader.recent.lately() == []  # the clock's own reading is no asking


def test_an_asset_without_bars_has_none(store: Store) -> None:
    assert len(Reader(store).bars("NOPE", START, NOW, MINUTE, columns=COLUMNS)) == 0
