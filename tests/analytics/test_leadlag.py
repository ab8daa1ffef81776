import numpy as np
import pytest

from analytics import leadlag
from analytics.leadlag import Ticks
from analytics.settings import Settings

HOURS = 6 * 3600
X = ([0, 2, 5], [0, 1, -1])
Y = ([0, 1, 4, 5], [0, 0.5, -0.5, -0.2])


def path(seed: int, seconds: int = HOURS) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(0, 1e-3, seconds))


def sampled(values: np.ndarray, every: int, late: int = 0, offset: int = 0) -> Ticks:
    """A venue that states every `every` seconds what was true `late` seconds before."""
    t = np.arange(offset + late, len(values), every)
    return Ticks(t.astype(np.int64) * 1000, values[t - late], float(every))


def test_the_covariance_of_intervals_that_meet():  # T17
    assert leadlag.covariance(*X, *Y) == pytest.approx(0.9)
    assert leadlag.correlation(*X, *Y) == pytest.approx(0.347700, abs=1e-6)
    assert leadlag.covariance(*X, *Y, 1) == pytest.approx(0.4)
    assert leadlag.covariance(*X, *Y, -1) == pytest.approx(2.5)


def test_all_lags_at_once_are_those_one_by_one():
    rng = np.random.default_rng(3)
    a, b = (np.sort(rng.choice(np.arange(400, 1600), 300, replace=False)) for _ in range(2))
    x, y = (Ticks(t.astype(np.int64) * 1000, rng.normal(size=300), 1.0) for t in (a, b))
    found = leadlag.turned(x, y, 0, 2000)
    for lag in (-120, -7, 0, 1, 60):
        assert found[2000 + lag] == pytest.approx(leadlag.covariance(a, x.x, b, y.x, lag), abs=1e-9)


def test_a_leader_and_its_lag_are_found_within_a_cadence():
    true = path(1)
    venues = {name: sampled(true, 2, late, k) for k, (name, late) in enumerate([("a", 30), ("b", 0), ("c", 31)])}
    found = leadlag.lead(venues, 0, HOURS * 1000)
    assert found.leader == "b"
    assert (found.led["b"], found.led["c"]) == (2, 0)
    lags = {f.lag_s for f in found.pairs if (f.first, f.second) == ("a", "b")}
    assert lags == {-30}
    assert found.reasons == ()


def test_a_lag_between_those_of_the_test_is_stated_as_it_is():
    true = path(2)
    found = leadlag.lead({"a": sampled(true, 2), "b": sampled(true, 2, 47, 1)}, 0, HOURS * 1000)
    assert {f.lag_s for f in found.pairs} <= {46, 47, 48}


def test_a_lag_of_little_more_than_a_second_is_not_lost_to_full_seconds():
    """By full seconds both move in the same one; what would stand out then is noise."""
    rng = np.random.default_rng(8)
    ends = np.sort(rng.choice(np.arange(1, HOURS), HOURS // 15, replace=False)).astype(float)
    moves = np.append(0.0, np.cumsum(rng.standard_t(3, len(ends))))
    t = np.arange(0, HOURS, 0.1)
    fast = Ticks((t * 1000).round().astype(np.int64), moves[np.searchsorted(ends + 0.74, t, side="right")], 0.1)
    late = np.arange(0.26, HOURS, 1.0)
    slow = Ticks((late * 1000).round().astype(np.int64), moves[np.searchsorted(ends - 0.69, late, side="right")], 1.0)
    found = leadlag.lead({"fast": fast, "slow": slow}, 0, HOURS * 1000)
    assert all(-1.5 <= (f.lag_s or 0.0) <= -0.5 for f in found.pairs), "the slow one leads by 1.43 s, and is late"
    both = Ticks(fast.t, moves[np.searchsorted(ends + 0.27, t, side="right")], 0.1)
    near = leadlag.lead({"fast": fast, "both": both}, 0, HOURS * 1000)
    assert {f.lag_s for f in near.pairs} == {0.5}, "0.47 s, where no full second stands out"


def test_venues_that_move_together_are_not_given_a_lag():
    true = path(6)
    found = leadlag.lead({"a": sampled(true, 2), "b": sampled(true, 2, 0, 1)}, 0, HOURS * 1000)
    assert {(f.lag_s, f.rho, f.leader) for f in found.pairs} == {(None, None, None)}
    assert found.leader is None


def test_statements_within_a_second_lose_nothing_of_the_path():
    true = path(4)
    tenths = np.interp(np.arange(0, len(true) - 1, 0.1), np.arange(len(true)), true)
    fast = Ticks(np.arange(len(tenths), dtype=np.int64) * 100, tenths, 0.1)
    venues = {"fast": fast, "slow": sampled(true, 2, 20, 1)}
    found = leadlag.lead(venues, 0, HOURS * 1000)
    assert {f.lag_s for f in found.pairs} <= {19, 20, 21}


def test_independent_paths_have_no_leader():
    found = leadlag.lead({name: sampled(path(k), 2) for k, name in enumerate("abcd")}, 0, HOURS * 1000)
    assert found.leader is None
    p = [f.p for f in found.pairs if f.p is not None]
    assert np.mean(np.array(p) <= 0.05) <= 0.2


def test_a_slow_poll_cannot_be_told_from_a_follower():
    true = path(5)
    found = leadlag.lead({"fast": sampled(true, 1), "polled": sampled(true, 700)}, 0, HOURS * 1000)
    assert found.leader is None
    assert {f.reason for f in found.pairs} == {"unresolved_by_sampling"}
    assert [r.code for r in found.reasons] == ["unresolved_by_sampling"]


def test_one_venue_and_a_frozen_one_lead_nobody():
    assert [r.code for r in leadlag.lead({"a": sampled(path(1), 1)}, 0, HOURS * 1000).reasons] == ["too_few_venues"]
    frozen = Ticks(np.arange(0, HOURS, 2, dtype=np.int64) * 1000, np.zeros(HOURS // 2), 2.0)
    found = leadlag.lead({"a": sampled(path(1), 1), "b": frozen}, 0, HOURS * 1000)
    assert {f.reason for f in found.pairs} == {"no_data"}


def test_what_publication_may_delay_cannot_be_told_apart():
    true = path(1)
    a, b = sampled(true, 2), sampled(true, 2, 30, 1)
    late = Ticks(a.t, a.x, a.cadence_s, 40.0)
    for pair in ({"a": late, "b": b}, {"a": a, "b": Ticks(b.t, b.x, b.cadence_s, 40.0)}):
        found = leadlag.lead(pair, 0, HOURS * 1000)
        assert {(f.lag_s, f.leader, f.resolution_s) for f in found.pairs} == {(None, None, 42.0)}
    told = leadlag.lead({"a": a, "b": b}, 0, HOURS * 1000)
    assert {(f.lag_s, f.resolution_s) for f in told.pairs} == {(30.0, 2.0)}, "neither states how late it is"
    slow = leadlag.lead({"a": Ticks(a.t, a.x, a.cadence_s, 400.0), "b": b}, 0, HOURS * 1000)
    assert [r.code for r in slow.reasons] == ["unresolved_by_sampling"]


def test_nobody_leads_is_no_lack_of_sampling():
    found = leadlag.lead({name: sampled(path(k), 2) for k, name in enumerate("abcd")}, 0, HOURS * 1000)
    assert (found.leader, found.resolved, found.reasons) == (None, 6, ())
    assert (found.note or "").startswith("6 pairs could be told apart")


def test_the_lags_that_are_asked_about_are_a_setting():
    true = path(1)
    venues = {"a": sampled(true, 2), "b": sampled(true, 2, 400, 1)}
    assert leadlag.lead(venues, 0, HOURS * 1000).leader is None, "400 s are beyond the usual 300"
    found = leadlag.lead(venues, 0, HOURS * 1000, Settings(lead_lags_s=(60, 400, 600)))
    assert found.leader == "a"
    assert {f.lag_s for f in found.pairs} <= {399, 400, 401}
    short = leadlag.lead(venues, 0, HOURS * 1000, Settings(lead_lags_s=(1,)))
    assert {f.reason for f in short.pairs} == {"unresolved_by_sampling"}


def test_what_names_a_leader_is_a_setting():
    true = path(1)
    venues = {"a": sampled(true, 2), "b": sampled(true, 2, 30, 1)}
    assert leadlag.lead(venues, 0, HOURS * 1000).leader == "a"
    assert leadlag.lead(venues, 0, HOURS * 1000, Settings(lead_ratio=1e12)).leader is None
    assert leadlag.lead(venues, 0, HOURS * 1000, Settings(lead_shifts=10)).leader is None  # p cannot be below 1/11
    assert len(leadlag.lead(venues, 0, HOURS * 1000, Settings(lead_windows=4)).pairs) == 4
