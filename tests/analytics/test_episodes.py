from dataclasses import replace

import numpy as np
import pytest

from analytics import baserates, episodes
from analytics.alignment import Panel, grid, panel
from analytics.baserates import Ended
from analytics.episodes import Forced, Opening, Path
from analytics.settings import DEFAULTS, Settings
from tests.analytics.market import DAY, MINUTE, NOW, Line, bars
from tests.analytics.test_divergence import assessed

T0 = NOW
OPENED = Opening("rotation", "a", ("a",), 3600, T0)


def path(leader: list[float], rest: list[float], *, price: list[float] | None = None, covered: float = 1.0) -> Path:
    """Five-minute rows; the first is t0."""
    n = len(leader)
    t = T0 + np.arange(n, dtype=np.int64) * 5 * MINUTE
    return Path(t, np.array(leader), np.array(rest), np.array(price or [100.0] * n), np.full(n, covered))


def ending(x: float, y: float, n: int = 8) -> Path:
    """From (0.12, 0.02) to (x, y) in one step, and there."""
    return path([0.12, *[x] * n], [0.02, *[y] * n])


def test_the_shares_of_closing_name_who_gave_in():  # T18
    assert episodes.shares(0.10, 0.02, -0.07, 0.01) == pytest.approx((0.875, 0.125))
    found = episodes.follow(OPENED, ending(0.05, 0.03), T0 + 45 * MINUTE)
    assert (found.label, found.resolved) == ("leader_reversed", T0 + 5 * MINUTE)
    assert (found.gap0, found.gap) == pytest.approx((0.10, 0.02))
    assert (found.leader_share, found.rest_share) == pytest.approx((0.875, 0.125))


@pytest.mark.parametrize(
    ("x", "y", "label"), [(0.11, 0.10, "laggards_caught_up"), (0.08, 0.06, "mixed"), (0.12, 0.02, "open")]
)
def test_every_ending_has_its_label(x: float, y: float, label: str):
    assert episodes.follow(OPENED, ending(x, y), T0 + 45 * MINUTE).label == label


def test_a_gap_that_closes_for_less_than_a_quarter_of_an_hour_stays_open():
    brief = path([0.12, 0.03, 0.03, 0.12, 0.12], [0.02] * 5)
    assert episodes.follow(OPENED, brief, T0 + 20 * MINUTE).label == "open"


def test_a_moment_without_a_gap_has_nothing_to_resolve():
    level = path([0.0] * 9, [0.0] * 9)
    found = episodes.follow(OPENED, level, T0 + 45 * MINUTE)
    assert (found.label, found.gap0, found.resolved) == ("open", 0.0, None)


def test_what_is_not_resolved_expires_and_what_was_not_heard_is_void():
    n = 24 * 12 + 2
    still = path([0.12] * n, [0.02] * n)
    end = OPENED.expires()
    assert end == T0 + 24 * 60 * MINUTE
    assert episodes.follow(OPENED, still, end).label == "expired"
    assert episodes.follow(OPENED, still, end - 1).label == "open"
    assert episodes.follow(OPENED, path([0.12] * n, [0.02] * n, covered=0.7), end).label == "void"


def test_what_was_not_heard_is_held_against_the_whole_life():
    n = 24 * 12 + 1
    still = path([0.12] * n, [0.02] * n)

    def deaf(p: Path, begin: int, end: int) -> Path:
        """Uncovered in rows [begin, end) of five minutes."""
        covered = p.covered.copy()
        covered[begin:end] = 0.5
        return replace(p, covered=covered)

    early = deaf(still, 1, 3)  # ten minutes, at once
    assert episodes.follow(OPENED, early, T0 + 20 * MINUTE).label == "open", "half of what has elapsed, not of the life"
    assert episodes.follow(OPENED, early, OPENED.expires()).label == "expired"
    soon = episodes.follow(OPENED, deaf(ending(0.05, 0.03), 0, 1), T0 + 45 * MINUTE)
    assert (soon.label, soon.resolved) == ("void", T0 + 5 * MINUTE), "a short life is all that there was"
    long = deaf(still, 12, 12 + 29)
    assert episodes.follow(OPENED, long, T0 + 199 * MINUTE).label == "open"
    sure = episodes.follow(OPENED, long, T0 + 210 * MINUTE)
    assert (sure.label, sure.resolved) == ("void", T0 + 210 * MINUTE), "145 minutes are too many for any life of a day"
    assert episodes.follow(OPENED, deaf(still, 12, 12 + 28), OPENED.expires()).label == "expired"


def test_a_placebo_needs_leaders_and_a_market_that_were_heard():
    lines = [Line(v, [100.0] * 30, [10.0] * 30) for v in ("a", "b", "c")]
    moments = grid(NOW, NOW - 29 * 5 * MINUTE, 300)
    o = Opening("placebo_rotation", "a", ("a",), 3600, NOW - 60 * MINUTE)

    def heard(lines: list[Line]) -> bool:
        return episodes.could_open(panel(bars(lines, step=5 * MINUTE), moments), o)

    assert heard(lines)
    assert not heard([Line("a", [None] * 20 + [100.0] * 10, [10.0] * 30), *lines[1:]]), "a leader that came later"
    silent = [100.0] * 2 + [None] * 28
    assert heard([*lines, Line("d", [None] * 20 + [10.0] * 10, [10.0] * 30)])
    assert not heard([*lines, Line("d", silent, [10.0] * 30)]), "a quarter of the market is missing"
    assert not episodes.could_open(panel(bars(lines, step=5 * MINUTE), moments), replace(o, t0=NOW - DAY))


def test_every_threshold_of_a_life_is_a_setting():
    n = 24 * 12 + 2
    still = path([0.12] * n, [0.02] * n)
    soon = Settings(episode_expiry_s=3600.0, episode_expiry_windows=2.0)
    assert OPENED.expires(soon) == T0 + 120 * MINUTE
    found = episodes.follow(OPENED, still, T0 + 120 * MINUTE, settings=soon)
    assert (found.label, found.resolved) == ("expired", T0 + 120 * MINUTE)
    thin = path([0.12] * n, [0.02] * n, covered=0.7)
    assert episodes.follow(OPENED, thin, OPENED.expires(), settings=Settings(episode_covered=0.6)).label == "expired"
    part = ending(0.08, 0.02)  # six tenths of the gap are left
    now = T0 + 45 * MINUTE
    assert episodes.follow(OPENED, part, now).label == "open"
    assert episodes.follow(OPENED, part, now, settings=Settings(episode_closed=0.7)).label == "leader_reversed"
    held = Settings(episode_closed=0.7, episode_held_s=3600.0)
    assert episodes.follow(OPENED, part, now, settings=held).label == "open"
    both = ending(0.08, 0.06)
    assert episodes.follow(OPENED, both, now, settings=Settings(episode_share=0.45)).label == "leader_reversed"


def test_other_thresholds_are_another_version_of_the_rules():
    assert episodes.rules() == episodes.rules(Settings(fdr=0.05)) == episodes.RULES
    other = episodes.rules(Settings(episode_share=0.7))
    assert other.startswith(f"{episodes.RULES}-")
    assert other == episodes.rules(Settings(episode_share=0.7, fdr=0.05))
    assert other != episodes.rules(Settings(episode_share=0.8)) != episodes.rules(Settings(episode_covered=0.7))


def map_of(crossed: float | None, intensity: float | None = None) -> Forced:
    return Forced(lambda _: intensity, lambda _, __: crossed)


FELL = Opening("rotation", "a", ("a",), 3600, T0, sigma=0.01)


def test_a_cascade_needs_price_leader_and_map():
    price = [100.0] * 40 + [90.0] * 8
    leader, rest = [0.12] * 40 + [0.03] * 8, [0.02] * 48
    fallen = path(leader, rest, price=price)
    now = T0 + 48 * 5 * MINUTE
    assert episodes.follow(FELL, fallen, now, map_of(0.3)).label == "price_resolved_cascade"
    assert episodes.follow(FELL, fallen, now, map_of(0.1)).label == "leader_reversed"
    assert episodes.follow(replace(FELL, sigma=0.04), fallen, now, map_of(0.3)).label == "leader_reversed"
    slow = path([0.12] * 40 + [0.09] * 8, [0.02] * 40 + [0.07] * 8, price=price)  # the leader alone is not enough
    assert episodes.follow(FELL, slow, now, map_of(0.3, 94.0)).label == "laggards_caught_up"
    assert episodes.follow(FELL, slow, now, map_of(0.3, 96.0)).label == "price_resolved_cascade"
    unknown = episodes.follow(FELL, fallen, now)
    assert (unknown.label, unknown.flags) == ("leader_reversed", ("cascade_unconfirmed",))
    strict = Settings(episode_cascade_sigmas=11.0)
    assert episodes.follow(FELL, fallen, now, map_of(0.3), strict).label == "leader_reversed"
    assert episodes.follow(FELL, fallen, now, map_of(0.3), Settings(episode_cascade_map=0.4)).label == "leader_reversed"
    calm = Settings(episode_cascade_percentile=97.0)
    assert episodes.follow(FELL, slow, now, map_of(0.3, 96.0), calm).label == "laggards_caught_up"
    deep = Settings(episode_cascade_fall=-0.1)
    assert episodes.follow(FELL, fallen, now, map_of(0.3), deep).label == "leader_reversed"


def test_a_record_that_is_all_cascade_is_held_against_the_time_before_it():
    steep = [100.0 * 0.994**k for k in range(13)]  # 7 % within the only hour there is
    fallen = path([0.12] * 7 + [0.03] * 6, [0.02] * 13, price=steep)
    found = episodes.follow(FELL, fallen, T0 + 60 * MINUTE, map_of(0.3))
    assert found.label == "price_resolved_cascade"


def test_without_a_past_of_the_price_a_cascade_is_not_told_and_not_denied():
    fallen = path([0.12, *[0.03] * 8], [0.02] * 9, price=[100.0, *[90.0] * 8])
    now = T0 + 45 * MINUTE
    unsure = episodes.follow(OPENED, fallen, now, map_of(0.3))
    assert (unsure.label, unsure.flags) == ("leader_reversed", ("cascade_unconfirmed",))
    assert episodes.follow(OPENED, fallen, now, map_of(0.1)).flags == ()


def hourly(prices: list[float]) -> Line:
    return Line("a", [100.0] * len(prices), prices)


def test_the_usual_move_is_of_the_hours_before_the_opening_only():
    rng = np.random.default_rng(3)
    hours = 260
    quiet = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.004, hours)))
    wild = np.concatenate([quiet[:-12], quiet[-13] * np.exp(np.cumsum(rng.normal(0, 0.2, 12)))])
    moments = grid(NOW, NOW - (hours - 1) * 60 * MINUTE, 3600)
    before = NOW - 12 * 60 * MINUTE

    def seen(prices: np.ndarray) -> Panel:
        return panel(bars([hourly(prices.tolist())], step=60 * MINUTE), moments)

    moves = np.diff(np.log(quiet[:-12]))
    by_hand = 1.4826 * np.median(np.abs(moves - np.median(moves)))
    assert episodes.usual_move(seen(wild), before) == pytest.approx(by_hand)
    assert episodes.usual_move(seen(wild), before - 60 * 60 * MINUTE) is None, "188 hours are too few"
    some = Settings(z_min=100)
    assert episodes.usual_move(seen(wild), before - 60 * 60 * MINUTE, some) is not None
    assert DEFAULTS.z_min == 200


def test_an_outage_of_the_leader_is_not_its_reversal():
    lines = [Line("a", [100.0, 112.0, *[None] * 4, 50.0, 50.0], [10.0] * 8), Line("b", [1000.0] * 8, [10.0] * 8)]
    seen = panel(bars(lines, step=5 * MINUTE), grid(NOW, NOW - 35 * MINUTE, 300))
    moved = episodes.path(seen, ("a",))
    assert moved.leader[-1] == pytest.approx(np.log(1.12))
    assert moved.rest[-1] == 0.0


def test_the_leader_is_who_is_far_by_own_scales_or_the_extreme_class():
    d = assessed([0.09, 0.001, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007])
    found = episodes.opening(d, "rotation")
    assert found is not None
    assert (found.leader, "c" in found.leaders, found.t0) == ("a", False, NOW)
    classes = episodes.opening(assessed([-0.02, 0.04, -0.02, 0.03, -0.03, 0.03, -0.02, 0.04]), "conviction")
    assert classes is not None
    assert (classes.leader, classes.leaders) == ("speculative", ("b", "d", "f", "h"))


def test_incidence_with_censored_records():
    told = [Ended(1, "x"), Ended(2, None), Ended(3, "y"), Ended(4, "x")]
    assert baserates.incidence(told) == pytest.approx({"x": 0.25 + 0.75 / 2, "y": 0.75 / 2})


def test_base_rates_are_hidden_below_twenty_and_shown_beside_a_placebo():
    few = baserates.of([Ended(1, "x")] * 19, [])
    assert (few.rates, few.reasons[0].code) == ((), "insufficient_history")
    real = [Ended(float(k), "x" if k % 10 < 3 else "y") for k in range(40)]
    same = baserates.of(real, real)
    x = next(r for r in same.rates if r.label == "x")
    assert (x.share, x.low, x.high) == pytest.approx((0.3, 0.180748, 0.454300), abs=1e-6)  # T20
    assert x.words == "no measurable difference from chance"
    other = baserates.of(real, [Ended(float(k), "y") for k in range(40)])
    assert next(r for r in other.rates if r.label == "x").words == "differs from chance"
