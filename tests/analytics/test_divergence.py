import numpy as np
import pandas as pd
import pytest

from analytics import divergence
from tests.analytics.market import HOUR, MINUTE, NOW, Line, bars, latest, walk

NAMES = tuple("abcdefgh")
HELD = 10_000.0
HOURS = 260


def classes(k: int) -> str:
    return "speculative" if k % 2 else "institutional"


def market(
    moves: list[float], *, past_sd: float = 0.0005, silent: tuple[str, ...] = (), mark: float = 100.0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(latest, recent, history): quiet hours of eight venues, then one hour that ends `moves` (fractions) away."""
    before = [
        Line(n, walk(k, HOURS, past_sd, HELD), walk(99, HOURS, 0.004, 100.0), klass=classes(k))
        for k, n in enumerate(NAMES)
    ]
    lines: list[Line] = []
    for k, (name, move) in enumerate(zip(NAMES, moves, strict=True)):
        path: list[float | None] = list(np.linspace(HELD, HELD * (1 + move), 61))
        if name in silent:
            path[10:] = [None] * 51
        lines.append(Line(name, path, list(np.linspace(100.0, mark, 61)), klass=classes(k)))
    ages = dict.fromkeys(silent, 51 * 60.0)
    return latest(lines, ages=ages), bars(lines), bars(before, end=NOW - HOUR, step=HOUR)


def assessed(moves: list[float], **more: object) -> divergence.Divergence:
    last, recent, history = market(moves, **more)  # type: ignore[arg-type]  # pass-through of a test
    return divergence.assess(latest=last, recent=recent, history=history, now=NOW, window_s=3600)


def test_positions_that_move_between_venues_are_a_rotation():
    d = assessed([0.09, 0.001, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007])
    assert d.label == "concentrated_inflow"
    assert "venue_rotation" in d.flags
    assert d.rotation is not None
    assert pytest.approx(1 - abs(0.001) / 0.181, abs=0.01) == d.rotation.R
    assert (d.destinations[0], d.sources[0]) == ("a", "c")
    assert d.rotation.material is not None
    assert d.rotation.material.origin in ("own_history", "fixed")


def test_a_rotation_may_leave_over_what_is_usual_and_no_more():
    moves = [0.09, 0.011, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007]
    calm, lively = assessed(moves), assessed(moves, past_sd=0.008)
    for d in (calm, lively):
        assert d.rotation is not None
        assert d.rotation.balanced is not None
        assert d.rotation.net_usd == pytest.approx(0.011 * HELD * 100)
    assert calm.rotation.balanced.value == pytest.approx(0.0025 * calm.level_usd)  # type: ignore[union-attr, operator]
    assert lively.rotation.balanced.origin == "own_history"  # type: ignore[union-attr]


def test_all_venues_building_is_broad():
    d = assessed([0.02, 0.021, 0.019, 0.022, 0.018, 0.02, 0.023, 0.02])
    assert d.label == "broad_build"
    assert d.net_usd == pytest.approx(0.163 * HELD * 100)
    assert d.rotation is not None
    assert d.rotation.R == 0.0


def test_classes_that_part_are_conviction():
    d = assessed([-0.02, 0.04, -0.02, 0.03, -0.03, 0.03, -0.02, 0.04])
    assert d.label == "conviction_speculative"
    assert d.conviction is not None
    assert d.conviction.g_speculative == pytest.approx(0.035)
    assert d.conviction.g_institutional == pytest.approx(-0.0225)
    assert d.conviction.p == pytest.approx(2 / 70)
    assert (d.conviction.cd or 0) > 10


def test_nothing_moving_is_quiet():
    d = assessed([0.0] * 8)
    assert (d.label, d.flags) == ("quiet", ())
    assert "immaterial_flow" in [r.code for r in d.reasons]


@pytest.mark.parametrize("silent", [("a",), ("a", "b", "c"), NAMES])
def test_an_outage_raises_no_flag(silent: tuple[str, ...]):
    d = assessed([-0.5 if n in silent else 0.0 for n in NAMES], silent=silent)
    assert d.flags == ()
    assert d.label == ("quiet" if len(silent) == 1 else "insufficient_data")
    if len(silent) > 1:
        assert d.reasons[0].code in ("undetermined_panel", "no_data")


def test_what_happened_during_a_silence_is_a_gap_change_and_not_flow():
    last, recent, history = market([0.0] * 8)
    hole = (recent["venue"] == "a") & (recent["t"] > NOW - 50 * MINUTE) & (recent["t"] <= NOW - 10 * MINUTE)
    late = (recent["venue"] == "a") & (recent["t"] > NOW - 10 * MINUTE)
    for column in ("native", "base", "usd"):
        recent.loc[late, column] *= 0.5
        last.loc[last["venue"] == "a", column] *= 0.5
    d = divergence.assess(latest=last, recent=recent.loc[~hole], history=history, now=NOW, window_s=3600)
    assert d.label == "quiet"
    assert d.net_usd == pytest.approx(0.0)
    assert d.gap_usd == pytest.approx(-0.5 * HELD * 100)


def test_a_move_of_price_alone_raises_no_flag():
    d = assessed([0.0] * 8, mark=70.0)
    assert d.flags == ()
    assert d.net_usd == 0.0


def test_contracts_against_price_are_opposite_in_sign():
    d = assessed([0.02] * 8, mark=97.0)
    assert d.quadrant is not None
    assert (d.quadrant.name, d.quadrant.opposite_sign) == ("build_against_price", True)
    assert "opposite_sign" in d.flags


def test_without_history_thresholds_are_defaults_and_say_so():
    last, recent, history = market([0.02] * 8)
    d = divergence.assess(latest=last, recent=recent, history=history.iloc[:0], now=NOW, window_s=3600)
    assert {t.origin for t in d.thresholds} == {"default_threshold"}
    assert d.windows == 0
    assert d.conviction is not None
    assert d.conviction.cd is None


def test_one_venue_is_too_few():
    last, recent, history = market([0.02] * 8)
    only = (x.loc[x["venue"] == "a"] for x in (last, recent, history))
    d = divergence.assess(latest=next(only), recent=next(only), history=next(only), now=NOW, window_s=3600)
    assert "too_few_venues" in [r.code for r in d.reasons]
    assert d.rotation is not None
    assert d.rotation.label is None


def test_p_values_are_adjusted_over_their_family():
    d = assessed([-0.02, 0.04, -0.02, 0.03, -0.03, 0.03, -0.02, 0.04])
    assert {t.result.family for t in d.tests} == {len(d.tests)}
    assert all(t.result.adjusted >= t.result.p for t in d.tests)


def test_nobody_lists_the_asset():
    nothing = pd.DataFrame()
    d = divergence.assess(latest=nothing, recent=nothing, history=nothing, now=NOW, window_s=3600)
    assert (d.label, d.level_usd) == ("insufficient_data", None)
    assert d.reasons[0].code == "no_data"


def test_a_window_that_nothing_stored_is_fine_enough_for_says_so():
    last, recent, history = market([0.0] * 8)
    d = divergence.assess(latest=last, recent=recent.iloc[:0], history=history, now=NOW, window_s=3600)
    assert (d.label, d.level_usd) == ("insufficient_data", None)
    assert [r.words for r in d.reasons if r.code == "no_data"] == [
        "Nothing is stored that is fine enough for this window: ask for a longer one."
    ]


def test_an_outage_shorter_than_the_grid_is_booked_as_a_gap():
    step = 5 * MINUTE
    lines = [Line(n, [HELD] * 289, [100.0] * 289, klass=classes(k)) for k, n in enumerate(NAMES)]
    recent, last = bars(lines, step=step), latest(lines)
    late = (recent["venue"] == "a") & (recent["t"] > NOW - 12 * HOUR)
    for column in ("native", "base", "usd"):
        recent.loc[late, column] *= 0.6
        last.loc[last["venue"] == "a", column] *= 0.6
    gaps = pd.DataFrame(
        [{"venue": "a", "symbol": "", "start": NOW - 12 * HOUR + MINUTE, "end": NOW - 12 * HOUR + 4 * MINUTE}]
    )
    d = divergence.assess(latest=last, recent=recent, history=recent[:0], now=NOW, window_s=86_400, gaps=gaps)
    assert d.net_usd == pytest.approx(0.0)
    assert d.gap_usd == pytest.approx(-0.4 * HELD * 100)


def test_a_young_market_has_a_distance_of_its_classes_and_no_limit():
    last, recent, history = market([-0.02, 0.04, -0.02, 0.03, -0.03, 0.03, -0.02, 0.04])
    young = history[history["t"] > history["t"].max() - 100 * HOUR]
    d = divergence.assess(latest=last, recent=recent, history=young, now=NOW, window_s=3600)
    assert d.conviction is not None
    assert (d.conviction.threshold, d.conviction.label) == (None, None)
    assert d.conviction.cd is not None
    assert abs(d.conviction.cd) > 10
    assert "conviction_speculative" not in d.flags
