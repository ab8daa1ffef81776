from dataclasses import replace

import numpy as np
import pytest

from analytics import crosscorr, windows
from analytics.alignment import Panel
from analytics.leadlag import Ticks
from analytics.matched import steps
from analytics.multiplicity import benjamini_hochberg
from analytics.settings import DEFAULTS, Settings
from tests.analytics.market import NOW, Line, bars, latest

HOUR = 3600
PATH = np.cumsum(np.random.default_rng(7).normal(0, 1e-3, 6 * HOUR))


def venue(every: int, late: int = 0, offset: int = 0, of: np.ndarray = PATH) -> Ticks:
    """States every `every` seconds what was true `late` seconds before."""
    t = np.arange(late + offset, len(of), every)
    return Ticks(t.astype(np.int64) * 1000, of[t - late], float(every))


def told(x: Ticks, y: Ticks, window_s: int = HOUR) -> crosscorr.Lagged:
    return crosscorr.pair(("x", "y"), x, y, len(PATH) * 1000, window_s)


def test_a_hand_made_series_moved_by_two_steps():
    x = np.array([1.0, -2.0, 3.0, 0.0, -1.0, 2.0, -3.0, 1.0])
    y = np.concatenate([[0.0, 0.0], -2 * x[:-2]])
    rho, pairs = crosscorr.correlations(x, y, 3)
    assert pairs.tolist() == [5, 6, 7, 8, 7, 6, 5]
    assert rho[3 + 2] == pytest.approx(-1.0)
    assert int(np.argmax(np.abs(rho))) == 5
    assert rho[3] == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert crosscorr.correlations(y, x, 3)[0][3 - 2] == pytest.approx(-1.0)


@pytest.mark.parametrize("window_s", [HOUR, 4 * HOUR])
def test_a_known_lag_is_found_both_ways(window_s: int):
    found = told(venue(5), venue(5, 180), window_s)
    assert (found.step_s, found.lag_s, found.leader, found.reason) == (60, 180, "x", None)
    assert found.rho is not None
    assert found.rho > 0.9
    back = told(venue(5, 180), venue(5), window_s)
    assert (back.lag_s, back.leader) == (-180, "y")


@pytest.mark.parametrize("offset", range(0, 60, 7))
def test_a_slow_poll_is_not_a_follower(offset: int):
    found = told(venue(1), venue(60, offset=offset), 4 * HOUR)
    assert (found.step_s, found.lag_s, found.leader) == (120, 0, None)


def test_independent_paths_have_a_leader_as_rarely_as_the_limit_says():
    named = 0
    for k in range(200):
        a, b = np.random.default_rng(k).normal(0, 1e-3, (2, HOUR)).cumsum(axis=1)
        named += crosscorr.pair(("x", "y"), venue(5, of=a), venue(5, of=b), HOUR * 1000, HOUR).leader is not None
    assert named <= 20


def test_many_pairs_are_held_against_each_other_with_one_rate_of_false_ones():
    alone = together = 0
    for k in range(100):
        paths = np.random.default_rng(k).normal(0, 1e-3, (6, HOUR)).cumsum(axis=1)
        venues = {str(i): venue(5, of=x) for i, x in enumerate(paths)}
        found = crosscorr.lagged(venues, HOUR * 1000, HOUR)
        assert {f.family for f in found} == {15}
        by_hand = benjamini_hochberg([f.p or 0.0 for f in found])
        assert [f.p_adjusted for f in found] == [a.adjusted for a in by_hand]
        alone += any(f.lag_s != 0 and (f.p or 0.0) <= 0.05 for f in found)
        together += any(f.leader for f in found)
    assert alone > 30
    assert together <= 18, "one window in ten, and what chance adds to a hundred of them"


def test_the_strict_procedure_names_fewer_and_a_pair_without_a_test_is_in_no_family():
    rng = np.random.default_rng(4)
    mixed = {n: venue(5, late, of=PATH + w * rng.normal(0, 1e-3, len(PATH)).cumsum())
             for n, late, w in (("a", 0, 0.3), ("b", 180, 0.3), ("c", 0, 9.0))}  # fmt: skip
    mixed["weekly"] = venue(3000)
    found = {(f.first, f.second): f for f in crosscorr.lagged(mixed, len(PATH) * 1000, HOUR)}
    assert {f.family for f in found.values()} == {0, 3}
    assert found["a", "weekly"].p_adjusted is None
    assert found["a", "b"].leader == "a"
    strict = Settings(multiplicity="benjamini_yekutieli", fdr=1e-12)
    assert not any(f.leader for f in crosscorr.lagged(mixed, len(PATH) * 1000, HOUR, strict))


def test_what_cannot_be_told_has_its_reason():
    assert told(venue(5), venue(120)).reason == "unresolved_by_sampling"
    assert told(venue(5), venue(120), 4 * HOUR).reason is None
    still = told(venue(5), venue(5, of=np.zeros(6 * HOUR)))
    assert (still.reason, still.rho) == ("no_data", None)
    gone = venue(5, of=PATH[: 5 * HOUR])
    assert told(venue(5), gone).reason == "no_data"
    assert crosscorr.lagged({"x": venue(5)}, 0, HOUR) == ()


def test_a_silence_is_no_growth():
    t = np.array([0, 60, 240, 300]) * 1000
    x = crosscorr.grown(Ticks(t, np.array([0.0, 0.1, 0.5, 0.4]), 60.0), 300_000, 60, 5, 75.0)
    assert x == pytest.approx([0.1, 0.0, np.nan, np.nan, -0.1], nan_ok=True)


DAY = 24 * HOUR
STEPS = 288  # of five minutes


def day(late: int = 3, gone: range = range(0)) -> Panel:
    """Three venues over a day by five minutes: `two` does what `one` did `late` steps before, `three` what it likes."""
    rng = np.random.default_rng(11)
    moves = rng.normal(0, 2e-3, STEPS + 20 + late)
    mine = {
        "one": moves[late:], "two": moves[: STEPS + 20], "three": rng.normal(0, 2e-3, STEPS + 20),
    }  # fmt: skip
    paths = {name: 1000 * np.exp(np.cumsum(x)) for name, x in mine.items()}
    lines = [
        Line(name, [None if name == "two" and k in gone else x for k, x in enumerate(path.tolist())],
             [100.0] * len(path))
        for name, path in paths.items()
    ]  # fmt: skip
    return windows.recent(bars(lines, step=300_000), latest(lines), NOW, DAY)


def by_pair(seen: Panel) -> dict[tuple[str, str], crosscorr.Lagged]:
    return {(g.first, g.second): g for g in crosscorr.within(seen, DAY)}


def slower(seen: Panel, venue: str, cadence_s: float) -> Panel:
    mine = np.array([c.venue == venue for c in seen.contracts])
    return replace(seen, cadence_s=np.where(mine[None, :], cadence_s, seen.cadence_s))


def test_over_a_day_a_known_lag_is_found_in_the_bars() -> None:
    found = by_pair(day())
    assert set(found) == {("one", "two"), ("one", "three"), ("three", "two")}
    led = found["one", "two"]
    assert (led.window_s, led.step_s, led.lag_s, led.leader, led.n) == (DAY, 300, 900, "one", STEPS - 3)
    assert led.rho == pytest.approx(1.0)
    assert found["one", "three"].leader is None


def test_the_grid_of_a_day_is_twice_as_coarse_as_the_slower_venue() -> None:
    found = by_pair(slower(day(late=4), "two", 301.0))
    assert found["one", "three"].step_s == 300
    slow = found["one", "two"]
    assert (slow.step_s, slow.lag_s, slow.leader) == (900, 900, "one"), "twenty minutes are told to a step of fifteen"
    weekly = by_pair(slower(day(), "two", 604_800.0))["one", "two"]
    assert (weekly.reason, weekly.rho, weekly.leader) == ("unresolved_by_sampling", None, None)
    assert by_pair(slower(day(), "two", 604_800.0))["one", "three"].reason is None


def test_a_silence_is_left_out_of_the_day_and_names_nobody() -> None:
    whole, holed = by_pair(day())["one", "two"], by_pair(day(gone=range(100, 160)))["one", "two"]
    assert 200 < holed.n < whole.n - 55
    assert (holed.lag_s, holed.leader) == (900, "one")
    nearly = by_pair(day(gone=range(STEPS + 5)))["one", "two"]
    assert (nearly.reason, nearly.leader) == ("no_data", None)


def test_contracts_slower_than_half_a_step_are_in_no_growth_of_it() -> None:
    seen = day()
    mine = {"all": np.ones(3, bool)}
    slow = slower(seen, "three", 400.0)
    [both] = crosscorr.growth(slow, mine, 1, 150.0, DEFAULTS).values()
    fast = np.array([c.venue != "three" for c in seen.contracts])
    assert both == pytest.approx(np.log1p(steps(seen).total_growth(fast)))


def test_rows_of_unknown_growth_do_not_shift_the_others() -> None:
    x = np.array([1.0, np.nan, 3.0, 0.0, -1.0, np.nan, -3.0, 1.0, 2.0])
    y = np.array([0.5, 1.0, np.nan, 2.0, 0.1, -1.0, 0.3, -2.0, 1.0])
    rho, pairs = crosscorr.correlations(x, y, 3)
    for k in range(-3, 4):
        a, b = (x[: len(x) - k], y[k:]) if k >= 0 else (x[-k:], y[:k])
        both = np.isfinite(a) & np.isfinite(b)
        assert pairs[3 + k] == both.sum()
        assert rho[3 + k] == pytest.approx(np.corrcoef(a[both], b[both])[0, 1])
