"""The ledger of map scores: what the daily job freezes, judges and remembers."""

import json
from pathlib import Path

import numpy as np
import pytest

from analytics.liquidation import MapState, Policy, advance, start
from server.scored import DAY_MS, SCORED, WHOLE, Scores, calibrated, ledger, map_score
from store.bars import build
from store.derived import append
from store.engine import Store, open_store
from store.reader import Reader
from store.records import FeedClass, Field, Instrument, Liquidation, OpenInterest, Side, Source, Unit
from store.writer import Writer
from tests.analytics.liquidation.market import bars

MINUTE = 60_000
MIDNIGHT = 1_790_035_200_000 // DAY_MS * DAY_MS
COIN = Instrument("northern", "linear", "COIN", "COIN", "USDT", "USDT", max_leverage=50.0)
FIELD = Field("oi", Unit.BASE)


@pytest.fixture
def store(tmp_path: Path):
    store = open_store(tmp_path / "demo.duckdb", "demo")
    yield store
    store.close()


def state(policy: Policy = "age_hazard") -> MapState:
    """Open interest that grew at 100 USD a coin for five hours, until midnight."""
    rows = bars(
        [100.0] * 300, [1e5 * (1 + 0.01 * k) for k in range(300)], venue="northern", start=MIDNIGHT - 300 * MINUTE
    )
    return advance(start("COIN", policy=policy), rows)


def lived(store: Store, feed: FeedClass) -> None:
    """A day in which the mark fell by three percent and longs died on the way."""
    with Writer(store, simulated=True, now_ms=MIDNIGHT) as writer:
        for minute in range(60):
            mark = 100.0 - 3.0 * minute / 59
            at = MIDNIGHT + minute * MINUTE + 1_000
            held = 4e5 - 1e3 * minute
            writer.put(
                OpenInterest(
                    COIN, FIELD, at, at, held, held, held * mark, mark, None, None, None, Source.STREAM, True, 0
                )
            )
            writer.put(Liquidation(COIN, at, at, Side.LONG, 1e4, Unit.BASE, 1e4, 1e4 * mark, mark, feed, True))
    build(store, MIDNIGHT, MIDNIGHT + 60 * MINUTE)


def made(store: Store, folder: Path) -> Scores:
    return Scores(Reader(store), store, folder, {"COIN": state()}, True, lambda: MIDNIGHT + DAY_MS + MINUTE)


def test_a_map_is_frozen_at_midnight_and_judged_a_day_later(store: Store, tmp_path: Path) -> None:
    scores = made(store, tmp_path)
    scores.daily(MIDNIGHT + MINUTE)
    assert map_score(scores.reader, "COIN", MIDNIGHT + DAY_MS, "age_hazard") is None
    lived(store, FeedClass.FULL)
    assert scores.judged("COIN", MIDNIGHT + DAY_MS)
    assert len(scores.reader.events(SCORED, 0, 2**42, asset="COIN")) == 1
    told = map_score(scores.reader, "COIN", MIDNIGHT + 2 * DAY_MS, "age_hazard")
    assert told is not None
    assert (told["n_events"], told["window_days"], told["status"]) == (60, 1, "unvalidated")
    assert told["predicted_over_realised"] > 0
    detail = scores.reader.ask("FROM map_scores WHERE venue = ''")["detail"].iloc[0]
    append(store, "map_scores", [("COIN", "", MIDNIGHT + DAY_MS, detail, True, MIDNIGHT + 2 * DAY_MS)])
    both = map_score(scores.reader, "COIN", MIDNIGHT + 3 * DAY_MS, "age_hazard")
    assert both is not None
    assert both["n_events"] == 120, "of the whole window"
    omega = calibrated(scores.reader, "COIN", state(), MIDNIGHT + 2 * DAY_MS)["northern"]
    assert not np.allclose(omega.mean(), 1.0)


def test_the_fixed_ladder_is_scored_beside_the_map(store: Store, tmp_path: Path) -> None:
    scores = made(store, tmp_path)
    with Writer(store, simulated=True, now_ms=MIDNIGHT) as writer:
        for hour in range(6, 0, -1):
            at, held = MIDNIGHT - hour * 60 * MINUTE + 1_000, 4e5 - 1e4 * hour
            writer.put(
                OpenInterest(
                    COIN, FIELD, at, at, held, held, held * 100, 100.0, None, None, None, Source.STREAM, True, 0
                )
            )
    build(store, MIDNIGHT - 7 * 60 * MINUTE, MIDNIGHT)
    scores.daily(MIDNIGHT + MINUTE)
    lived(store, FeedClass.FULL)
    assert scores.judged("COIN", MIDNIGHT + DAY_MS)
    [told] = ledger(scores.reader, "COIN", WHOLE, MIDNIGHT - DAY_MS, MIDNIGHT + 2 * DAY_MS, "age_hazard")
    assert [g["baseline"] for g in told["score"]["gains"]] == ["uniform", "distance", "ladder"]
    assert 0 < told["score"]["precision"] < 1


def test_what_was_not_known_yet_is_not_told(store: Store, tmp_path: Path) -> None:
    scores = made(store, tmp_path)
    scores.daily(MIDNIGHT + MINUTE)
    lived(store, FeedClass.FULL)
    scores.judged("COIN", MIDNIGHT + DAY_MS)
    assert map_score(scores.reader, "COIN", MIDNIGHT + DAY_MS, "age_hazard") is None
    assert calibrated(scores.reader, "COIN", state(), MIDNIGHT + DAY_MS) == {}


def test_each_policy_has_scores_of_its_own(store: Store, tmp_path: Path) -> None:
    """What a ledger held before policies were told is the default's."""
    scores = made(store, tmp_path)
    scores.states = {"COIN": state("fifo")}
    scores.daily(MIDNIGHT + MINUTE)
    lived(store, FeedClass.FULL)
    assert scores.judged("COIN", MIDNIGHT + DAY_MS)
    later = MIDNIGHT + 2 * DAY_MS
    assert map_score(scores.reader, "COIN", later, "fifo") is not None
    assert map_score(scores.reader, "COIN", later, "age_hazard") is None
    assert set(calibrated(scores.reader, "COIN", state("fifo"), later)) == {"northern"}
    assert calibrated(scores.reader, "COIN", state(), later) == {}
    [words] = ledger(scores.reader, "COIN", WHOLE, MIDNIGHT - DAY_MS, later, "fifo")
    old = json.dumps({name: value for name, value in words.items() if name not in ("policy", "day")})
    append(store, "map_scores", [("COIN", WHOLE, MIDNIGHT, old, True, MIDNIGHT + DAY_MS)])
    assert map_score(scores.reader, "COIN", later, "age_hazard") == map_score(scores.reader, "COIN", later, "fifo")


def test_a_feed_that_hides_amounts_teaches_nothing(store: Store, tmp_path: Path) -> None:
    scores = made(store, tmp_path)
    scores.daily(MIDNIGHT + MINUTE)
    lived(store, FeedClass.THROTTLED)
    assert scores.judged("COIN", MIDNIGHT + DAY_MS)
    told = map_score(scores.reader, "COIN", MIDNIGHT + 2 * DAY_MS, "age_hazard")
    assert told is not None
    assert (told["skill_nats_per_usd"], told["n_events"], told["status"]) == (None, 0, "unvalidated")


def test_a_map_of_another_night_is_not_judged(store: Store, tmp_path: Path) -> None:
    scores = made(store, tmp_path)
    scores.daily(MIDNIGHT + MINUTE)
    assert not scores.judged("COIN", MIDNIGHT + 2 * DAY_MS)


def test_a_damaged_frozen_map_is_left_out(store: Store, tmp_path: Path) -> None:
    scores = made(store, tmp_path)
    scores.file("COIN").write_bytes(b"nothing of ours")
    assert not scores.judged("COIN", MIDNIGHT + DAY_MS)
