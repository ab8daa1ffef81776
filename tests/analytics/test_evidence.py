import numpy as np
import pandas as pd
import pytest

from analytics.evidence import (
    feasibility,
    off_price,
    plausibility,
    same_source,
    side_tests,
)  # fmt: skip
from analytics.integrity import judged, pooled
from tests.analytics.market import MINUTE, NOW


def bars(native, volume, *, id: int = 1, venue: str = "one", base=None, step: int = MINUTE) -> pd.DataFrame:
    native = np.asarray(native, float)
    t = NOW - (len(native) - 1 - np.arange(len(native))) * step
    base = native if base is None else np.asarray(base, float)
    row = {"instrument_id": id, "venue": venue, "symbol": f"{venue.upper()}USD", "t": t, "native": native, "base": base}
    row |= {"volume": np.broadcast_to(np.asarray(volume, float), native.shape), "last_seen": t - 500}
    return pd.DataFrame(row)


def test_changes_within_the_traded_volume_are_feasible_and_others_are_not():
    native = 1000.0 + np.arange(121) * 8.0  # 40 coins in five minutes
    [fine] = feasibility(bars(native, 10.0))
    assert (fine.windows, fine.feasible) == (23, 23)
    [false] = feasibility(bars(native, 5.0))  # 7 minutes of 5 coins, with a cadence at each side
    assert (false.windows, false.feasible) == (23, 0)
    assert false.worst == pytest.approx(5 / 40)
    [lots] = feasibility(bars(native, 5.0), lots={1: 4.0})
    assert lots.feasible == 23
    [slow] = feasibility(bars(native, 5.0), cadence_s={1: 180.0})  # 11 minutes of trading count
    assert slow.feasible == slow.windows > 10


def test_a_moving_price_is_no_change():
    native = np.full(121, 1e6)
    price = np.linspace(50_000, 60_000, 121)
    [found] = feasibility(bars(native, 0.0, base=native / price))
    assert (found.windows, found.feasible) == (23, 23)


def test_a_minute_without_volume_or_value_is_not_judged():
    native, volume = np.full(121, 100.0), np.full(121, 10.0)
    volume[60] = np.nan
    [found] = feasibility(bars(native, volume))
    assert found.windows == 21  # it lies in one window and in the slack of another
    native[58:63] = np.nan
    [gap] = feasibility(bars(native, np.full(121, 10.0)))
    assert gap.windows == 21
    assert feasibility(bars(native, np.nan)) == ()


def test_a_venues_plausibility_is_the_share_of_its_windows():
    native = 1000.0 + np.arange(121) * 8.0
    found = feasibility(
        pd.concat([bars(native, 10.0), bars(native, 5.0, id=2), bars(native, np.nan, id=3, venue="two")])
    )
    [one] = plausibility(found)
    assert (one.venue, one.windows, one.share) == ("one", 46, 0.5)
    [short] = plausibility(feasibility(bars(native[:30], 10.0)))
    assert (short.windows, short.share) == (4, None)


def test_both_sides_are_told_from_changes_beyond_the_volume():
    native = 1000.0 + np.cumsum(np.where(np.arange(1201) % 50 == 7, 40.0, 4.0))
    [one] = side_tests(bars(native, 10.0), {1: 1}, cadence_s={1: 1.0})
    assert (one.minutes, one.test.answer, one.test.windows) == (5, "consistent_with_one", 240)
    assert one.test.largest == pytest.approx(56 / 60), "five minutes, and that of the first statement"
    [two] = side_tests(bars(native, 10.0), {1: 2}, cadence_s={1: 1.0})
    assert (two.test.answer, two.test.above_one, two.contradicts) == ("two_sided", 24, False)
    doubled = bars(native * 2, 10.0)
    [wrong] = side_tests(doubled, {1: 1}, cadence_s={1: 1.0})
    assert (wrong.test.answer, wrong.contradicts) == ("two_sided", True)
    assert side_tests(bars(native, 10.0), {}) == ()


def bursts(minutes: int) -> np.ndarray:
    """Coins traded by the minute: a busy one now and then, of which nine tenths open positions."""
    return np.where(np.random.default_rng(5).random(minutes) < 0.05, 500.0, 10.0)


@pytest.mark.parametrize("late", range(5))
def test_what_is_stated_every_five_minutes_is_held_against_what_was_traded_between_the_statements(late: int):
    volume = bursts(2401)
    book = 1000.0 + np.cumsum(0.9 * volume)
    stated = np.maximum((np.arange(2401) - late) // 5 * 5 + late, 0)
    for sides, answer in ((1, "consistent_with_one"), (2, "two_sided")):
        [found] = side_tests(bars(book[stated] * sides, volume), {1: 1}, cadence_s={1: 300.0})
        assert (found.test.answer, found.minutes, found.test.windows > 400) == (answer, 5, True)
    assert found.test.largest == pytest.approx(1.8, rel=0.01), "no minute too many"


@pytest.mark.parametrize("cadence_s", [1.0, 5.0, 30.0])
def test_a_value_that_the_venue_keeps_for_a_minute_is_no_second_side(cadence_s: float):
    volume = bursts(2401)
    kept = 1000.0 + np.cumsum(0.9 * volume) - 0.9 * volume  # as of the minute's beginning, asked for again and again
    [found] = side_tests(bars(kept, volume), {1: 1}, cadence_s={1: cadence_s})
    assert found.test.answer == "consistent_with_one"


def test_a_statement_in_the_middle_of_its_minute_leaves_the_rest_of_the_minute_to_the_next():
    volume = bursts(2401)
    kept = 1000.0 + np.cumsum(0.9 * volume) - 0.9 * volume
    rows = bars(kept, volume).assign(last_seen=lambda b: b["t"] - 59_000)
    [found] = side_tests(rows, {1: 1}, cadence_s={1: 60.0})
    assert (found.minutes, found.test.answer) == (3, "consistent_with_one")


def test_days_that_say_too_little_alone_say_it_together():
    quiet, busy = judged(288, 0, 0, 0.9), judged(288, 2, 0, 1.6)
    assert (busy.answer, quiet.answer) == ("undecided", "consistent_with_one")
    assert pooled([busy, quiet, busy, busy]) == judged(1152, 6, 0, 1.6)
    assert pooled([busy, quiet, busy, busy]).answer == "two_sided"
    assert pooled([busy, busy, busy, judged(288, 0, 1, 2.4)]).answer == "undecided"
    assert pooled([judged(100, 0, 0, None)] * 2).answer == "consistent_with_one"
    assert pooled([]).answer == "undecided"


@pytest.mark.parametrize(("cadence_s", "minutes"), [(1.0, 5), (30.0, 5), (60.0, 3), (75.0, 4), (300.0, 5), (900.0, 5)])
def test_windows_are_of_three_cadences_and_at_most_of_five_minutes(cadence_s: float, minutes: int):
    [slow] = side_tests(bars(100.0 + np.arange(1441), 10.0), {1: 1}, cadence_s={1: cadence_s})
    assert (slow.minutes, slow.test.windows, slow.test.answer) == (minutes, 1440 // minutes, "consistent_with_one")


def test_two_venues_that_move_alike_to_the_last_digit_are_one():
    moving = [1234.5678901, 1235.5678912, 1236.5678923]
    frame = pd.concat(
        [
            bars(moving, 1.0),
            bars(moving, 1.0, id=2, venue="two"),
            bars([v + 9 for v in moving], 1.0, id=6, venue="five"),
            bars([v + 9 for v in moving], 1.0, id=7, venue="five"),  # two contracts of one venue may mirror each other
            bars([1234.5678, 1235.5679, 1236.568], 1.0, id=3, venue="three"),
            bars([5.0, 5.0, 5.0], 1.0, id=4, venue="three"),
            bars([5.0, 5.0, 5.0], 1.0, id=5, venue="four"),
        ]
    )
    [same] = same_source(frame)
    assert same.venues == ("one", "two")
    assert same_source(frame[frame["instrument_id"] > 2]) == ()


def test_dollars_over_coins_are_held_against_the_other_venues_price():
    rows = [
        {"instrument_id": i, "venue": v, "symbol": v, "base": 10.0, "usd": 10.0 * m, "mark": m}
        for i, (v, m) in enumerate([("one", 60_000.0), ("two", 60_010.0), ("three", 59_990.0), ("four", 53_696.0)])
    ]
    [off] = off_price(pd.DataFrame(rows))
    assert (off.venue, off.peers) == ("four", 60_000.0)
    assert off.found.log_ratio == pytest.approx(-0.111, abs=1e-3)
    assert off_price(pd.DataFrame(rows[:3])) == ()
