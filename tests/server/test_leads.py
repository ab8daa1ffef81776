"""Who moves first is stored by the clock and told by the tool."""

import json
from pathlib import Path

import numpy as np

from server.leads import measure
from server.tools.divergence import get_oi_divergence
from tests.server.tools.made import HOUR, NOW, Held, Times, Values, linear, market

WALK = 1000.0 * np.exp(np.cumsum(np.random.default_rng(4).normal(0, 2e-3, 40_000)))


def late(seconds: int):
    def course(t: Times) -> Values:
        return WALK[(t - NOW + 7 * HOUR) // 1000 - seconds]

    return course


def venue(name: str, seconds: int, step: int = 2000, told_late: int = 0) -> Held:
    return Held(linear(name), late(seconds), start=NOW - 6 * HOUR, end=NOW + 1, step=step, late=told_late)


def test_the_venue_that_moves_first_is_named(tmp_path: Path) -> None:
    with market(tmp_path, venue("east", 60), venue("north", 0), venue("west", 60)) as house:
        before = get_oi_divergence(house)
        measure(house, house.reader.store, ["BTC"])
        answer = get_oi_divergence(house, detail="detailed")
        blind = house.reader.events("blindness", NOW - 1, NOW + 1)
    assert before.figures["leader"] is None
    assert any("who moves first" in words and "unresolved" not in words for words in before.warnings), (
        "not measured yet"
    )
    assert (answer.figures["leader"], answer.figures["leader_age_s"]) == ("north", 0)
    assert not any("unresolved_by_sampling" in words for words in answer.warnings)
    assert sorted(blind["venue"]) == ["east", "north", "west"]
    rows = [dict(zip(answer.tables["lags"].columns, row, strict=True)) for row in answer.tables["lags"].rows]
    assert [(r["first"], r["second"], r["lag_s"], r["leads"]) for r in rows] == [
        ("east", "north", -60, "north"), ("east", "west", 0, None), ("north", "west", 60, "north"),
    ]  # fmt: skip
    told = json.loads(blind["detail"][0])
    assert [row[0] for row in told["polls"]] == [5, 10, 30, 60, 300]


def test_slow_polls_leave_the_leader_unresolved(tmp_path: Path) -> None:
    with market(tmp_path, venue("east", 0, 500_000), venue("north", 0, 700_000)) as house:
        measure(house, house.reader.store, ["BTC"])
        answer = get_oi_divergence(house)
    assert answer.figures["leader"] is None
    assert any(words.startswith("unresolved_by_sampling:") for words in answer.warnings)


def test_how_late_a_venue_is_told_is_part_of_what_cannot_be_told_apart(tmp_path: Path) -> None:
    with market(tmp_path, venue("east", 60, told_late=3000), venue("north", 0)) as house:
        measure(house, house.reader.store, ["BTC"])
        told = json.loads(house.reader.events("lead_lag", NOW - 1, NOW + 1)["detail"][0])
    assert {pair["resolution_s"] for pair in told["pairs"]} == {2.0 + 3.0}


def test_nobody_leads_is_said_in_words(tmp_path: Path) -> None:
    with market(tmp_path, venue("east", 0), venue("north", 0), venue("west", 0)) as house:
        measure(house, house.reader.store, ["BTC"])
        answer = get_oi_divergence(house)
    assert (answer.figures["leader"], answer.figures["leader_pairs_resolved"]) == (None, 3)
    assert not any("unresolved_by_sampling" in words for words in answer.warnings)
    assert any(words.startswith("3 pairs could be told apart") for words in answer.warnings)
