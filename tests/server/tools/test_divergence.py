"""Who moves which way, through the real store; the numbers are those of analytics.md, 9."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.tools.chart_value import get_chart_value
from server.tools.divergence import LEADERLESS, get_oi_divergence
from store.records import Gap
from tests.server.tools.made import HOUR, MINUTE, NOW, Course, Held, always, by_name, linear, market, turned

PRICE = always(100.0)
SIZE = 10_000_000_000.0  # USD, of all venues


def moving(*flows: float, sizes: list[float] | None = None) -> list[Held]:
    """Venues a, b, c, ... that gain these millions of USD half an hour ago; of equal size at the end unless told."""
    ends = sizes or [SIZE / len(flows)] * len(flows)
    return [
        Held(linear(name), turned((end - 1e6 * flow) / 100, end / 100, NOW - 30 * MINUTE), PRICE, klass=klass)
        for name, klass, flow, end in zip(
            "abcdefg", ["speculative", "institutional", *["mixed"] * 5], flows, ends, strict=False
        )
    ]


def test_a_swap_of_two_venues_is_rotation_that_chance_explains(tmp_path: Path) -> None:
    with market(tmp_path, *moving(400, -350)) as house:
        answer = get_oi_divergence(house)
    f = answer.figures
    assert (f["R"], f["rotated_usd"], f["net_usd"]) == (0.93333, 350_000_000, 50_000_000)
    assert (f["inflow_usd"], f["outflow_usd"], f["sources"], f["destinations"]) == (400_000_000, 350_000_000, "b", "a")
    assert by_name(answer.tables["tests"], "test")["rotation"]["p"] == 0.5
    rows = by_name(answer, "venue")
    assert rows["a"] == {
        "venue": "a", "class": "speculative", "flow_usd": 400_000_000, "growth_pct": 8.6957, "own_scales": None,
        "share": 0.5,
    }  # fmt: skip
    assert sum(float(str(row["flow_usd"])) for row in rows.values()) == f["net_usd"]


def test_seven_venues_that_cancel_are_a_rotation(tmp_path: Path) -> None:
    with market(tmp_path, *moving(210, -60, -55, -40, -30, -20, 5)) as house:
        answer = get_oi_divergence(house)
    assert answer.figures["label"] == "venue_rotation"
    assert (answer.figures["R"], answer.figures["venues_moved"]) == (0.97619, 7)
    rotation = by_name(answer.tables["tests"], "test")["rotation"]
    assert (rotation["p"], rotation["family_size"]) == (0.03125, len(answer.tables["tests"].rows))
    limits = by_name(answer.tables["thresholds"], "threshold")
    assert limits["rotated"] == {
        "threshold": "rotated", "value": 50_000_000, "unit": "USD", "origin": "default_threshold",
        "n": limits["rotated"]["n"],
    }  # fmt: skip
    assert answer.summary == (
        "BTC, last 1h: positions rotate between venues, little is new (venue_rotation); "
        "net 10 M USD, 205 M USD changed venues"
    )


def test_nobody_is_named_as_the_leader_and_the_answer_says_why(tmp_path: Path) -> None:
    with market(tmp_path, *moving(0, 0)) as house:
        answer = get_oi_divergence(house, window="4h")
    assert answer.figures["leader"] is None
    assert LEADERLESS in answer.warnings
    assert answer.figures["label"] == "quiet"
    assert answer.figures["flags"] == "none"


def test_a_price_move_is_no_flow(tmp_path: Path) -> None:
    with market(
        tmp_path, *(Held(linear(v), always(1000.0), turned(100.0, 80.0, NOW - 30 * MINUTE)) for v in "ab")
    ) as house:
        answer = get_oi_divergence(house)
    assert (answer.figures["net_usd"], answer.figures["level_usd"]) == (0, 160_000)
    assert (answer.figures["contracts_change_pct"], answer.figures["price_change_pct"]) == (0, -20)


def test_with_too_little_heard_nothing_is_judged(tmp_path: Path) -> None:
    died = NOW - 20 * MINUTE
    a, b = moving(400, -350)
    with market(
        tmp_path, a, Held(b.of, b.coins, PRICE, end=died), said=[Gap("b", "linear", "", died, None, "down")]
    ) as house:
        answer = get_oi_divergence(house)
    assert answer.figures["label"] == "insufficient_data"
    assert (answer.figures["net_usd"], answer.figures["sources"], answer.rows) == (None, None, [])
    assert answer.coverage.venues_carried == ["b"]
    assert any(words.startswith("undetermined_panel:") for words in answer.warnings)


def test_a_venue_that_fell_silent_hours_before_the_window_still_counts_in_the_guard(tmp_path: Path) -> None:
    died = NOW - 5 * HOUR
    a, b = moving(400, -350)
    with market(
        tmp_path, a, Held(b.of, always(5e7), PRICE, end=died), said=[Gap("b", "linear", "", died, None, "down")]
    ) as house:
        answer = get_oi_divergence(house)
    assert answer.figures["label"] == "insufficient_data"
    assert answer.figures["panel_share"] == pytest.approx(4.6 / 9.6, abs=1e-5)


def test_thresholds_rest_on_own_history_once_there_is_enough(tmp_path: Path) -> None:
    held = [
        Held(h.of, lambda t, c=h.coins: c(t) + 1e5 * ((t - NOW) // HOUR % 2), PRICE, start=NOW - 12 * 24 * HOUR)
        for h in moving(0, 0)
    ]
    with market(tmp_path, *held) as house:
        limits = by_name(get_oi_divergence(house).tables["thresholds"], "threshold")
    assert limits["net_flow"]["origin"] in ("own_history", "fixed")
    assert int(str(limits["net_flow"]["n"])) > 200
    assert limits["net_left_over"]["n"] == limits["net_flow"]["n"], "what may be left over of a rotation"


def test_how_much_history_a_window_is_held_against_is_a_setting(tmp_path: Path) -> None:
    held = [
        Held(h.of, lambda t, c=h.coins: c(t) + 1e5 * ((t - NOW) // HOUR % 3), PRICE, start=NOW - 12 * 24 * HOUR)
        for h in moving(0, 0)
    ]
    with market(tmp_path, *held) as house:
        usual = get_oi_divergence(house)
        short = replace(house, thresholds=replace(house.thresholds, history_1h_days=5.0, z_min=50, z_min_span_s=86_400))
        less = get_oi_divergence(short)
        chart = get_chart_value(short, "derivatives-oi-zscore", timeframe="24h", venue="a")
    assert (usual.figures["history"], less.figures["history"]) == ("30 d", "5 d")
    assert int(str(usual.figures["windows_of_history"])) > 12 * 24 - 5
    assert 5 * 24 - 4 <= int(str(less.figures["windows_of_history"])) <= 5 * 24
    assert chart.figures["held_against"] == "windows of the 5 days before"
    assert int(str(chart.figures["last_windows"])) <= 5 * 24


def test_detailed_adds_how_each_venue_behaves_for_its_class(tmp_path: Path) -> None:
    with market(
        tmp_path,
        Held(linear("hot"), always(1.0), PRICE, klass="institutional", funding=1e-3),
        Held(linear("calm"), always(1.0), PRICE, klass="speculative", funding=1e-5),
    ) as house:
        told = by_name(get_oi_divergence(house, detail="detailed").tables["class_evidence"], "venue")
    assert [(told[v]["abs_funding_per_8h"], told[v]["disagrees"]) for v in ("hot", "calm")] == [
        (1e-3, True),
        (1e-5, True),
    ]


def test_over_a_day_the_lags_of_growth_are_read_from_bars(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    walk = 1000 * np.exp(rng.normal(0, 2e-3, 1000).cumsum())

    def path(late: int) -> Course:
        return lambda t: walk[(t - NOW) // (5 * MINUTE) + 900 - late]

    with market(tmp_path, Held(linear("first"), path(0), PRICE), Held(linear("second"), path(6), PRICE)) as house:
        lags = get_oi_divergence(house, window="24h", detail="detailed").tables["lags"]
        concise = get_oi_divergence(house, window="24h")
    [told] = [dict(zip(lags.columns, row, strict=True)) for row in lags.rows]
    assert (told["first"], told["second"], told["lag_s"], told["step_s"]) == ("first", "second", 1800, 300)
    assert (told["leads"], told["reason"], told["family_size"]) == ("first", None, 1)
    assert told["p"] == told["p_adjusted"] == pytest.approx(0, abs=1e-9)
    assert float(str(told["rho"])) > 0.9
    assert "lags" not in concise.tables
