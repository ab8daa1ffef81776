import numpy as np
import pytest

from analytics import crosscorr
from analytics.leadlag import Ticks

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
