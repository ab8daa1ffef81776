"""What of a map lies near the mark is kept every hour, and later asked how much of it a move went through."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analytics.episodes import Path as Moves
from analytics.liquidation.near import Near, crossed
from server.maps import Maps
from server.near import MAP, blind, forced, keep
from server.tools.liquidation_map import get_liquidation_map
from store.records import Position, Side
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, Times, Values, linear, market


def wave(size: float, period_s: float):
    def of(t: Times) -> Values:
        return size * (1 + 0.05 * np.sin(t / 1000 / period_s))

    return of


def test_a_kept_map_knows_what_a_fall_went_through(tmp_path: Path) -> None:
    held = [Held(linear(v), wave(1000.0, 4000 + 500 * k), wave(100.0, 90_000), start=NOW - 2 * DAY)
            for k, v in enumerate("ab")]  # fmt: skip
    with market(tmp_path, *held) as house:
        maps = Maps(house.reader, tmp_path / "maps", ["BTC"])
        maps.advance(NOW)
        keep(replace(house, map_state=maps.state), house.reader.store, ["BTC", "ETH"])
        rows = house.reader.events(MAP, NOW - HOUR, NOW + 1)
        kept = json.loads(rows["detail"].iloc[0])
        mark = kept["mark"]
        t = NOW + np.arange(4, dtype=np.int64) * 5 * MINUTE
        price = mark * np.array([1.0, 0.99, 0.98, 0.97])
        told = forced(house, "BTC", Moves(t, np.zeros(4), np.zeros(4), price, np.ones(4)))
        some, most = told.crossed(NOW, NOW + 5 * MINUTE), told.crossed(NOW, NOW + 15 * MINUTE)
        late = told.crossed(NOW + 3 * HOUR, NOW + 4 * HOUR)
    assert rows["asset"].tolist() == ["BTC"], "of ETH no map is kept"
    assert len(rows["detail"].iloc[0]) < 4000
    assert some is not None
    assert most is not None
    assert 0 < some < most < 1
    assert late is None, "an old map says nothing"


def test_a_map_is_held_against_positions_it_never_saw(tmp_path: Path) -> None:
    of = linear("a")
    held = [Held(of, wave(1000.0, 4000), wave(100.0, 90_000), start=NOW - 2 * DAY)]
    mark = float(np.asarray(wave(100.0, 90_000)(np.array([NOW])))[0])
    seen = [
        Position(of, NOW - MINUTE, f"h{k}", Side.LONG, 2.0, mark, mark * (0.99 - 0.001 * k), 20.0, False)
        for k in range(60)
    ]
    with market(tmp_path, *held, said=seen) as house:
        maps = Maps(house.reader, tmp_path / "maps", ["BTC"])
        maps.advance(NOW)
        with_map = replace(house, map_state=maps.state)
        before = get_liquidation_map(with_map)
        blind(with_map, house.reader.store, ["BTC", "ETH"])
        answer = get_liquidation_map(with_map)
    assert "against_positions" not in before.tables
    row = dict(zip(answer.tables["against_positions"].columns, answer.tables["against_positions"].rows[0], strict=True))
    assert (row["venue"], row["side"], row["positions"]) == ("a", "long", 60)
    assert row["covered_share"] == pytest.approx(0.12, rel=0.1)
    assert float(str(row["wasserstein_bp"])) > 0
    assert 0 < float(str(row["jensen_shannon"])) < 1


def test_longs_die_where_it_falls_and_shorts_where_it_rises() -> None:
    of = Near(NOW, 100.0, ((99.0, 30.0), (96.0, 10.0)), ((101.0, 5.0), (104.0, 15.0)))
    assert crossed(of, 98.0, 100.0, falling=True) == pytest.approx(0.75)
    assert crossed(of, 100.0, 102.0, falling=False) == pytest.approx(0.25)
    assert crossed(Near(NOW, 100.0, (), ()), 90.0, 100.0, falling=True) is None
    assert crossed(of, float("nan"), 100.0, falling=True) is None
