"""The market with known truth looks like a market, and adds up."""

from functools import cache

import numpy as np
import pytest
from scipy.stats import kurtosis

from simulator import truth
from simulator.truth import Truth, World, run
from simulator.truth_people import PLACES
from simulator.truth_positions import DAY, LONG, SHORT, Positions, forced_price
from simulator.truth_price import price_shocks
from simulator.truth_script import ENDINGS, KINDS, Ending, Scripted, ended, growth, schedule
from simulator.truth_ticks import LAGS_S, stated

CASCADE = Scripted("cascade", 3 * DAY, 3 * DAY + 40, moves=dict.fromkeys([p.venue for p in PLACES], -0.12), shock=-0.07)
INFLOW = Scripted("concentrated_inflow", 4 * DAY, 4 * DAY + 60, "west", {"west": 0.3})


@cache
def market() -> Truth:
    return run(5, 5, script=(CASCADE, INFLOW), before=4)


def coins(truth: Truth) -> np.ndarray:
    return truth.amount / np.where([p.inverse for p in truth.places], truth.mark[:, None], 1.0)


def test_longs_and_shorts_are_equal_at_every_hour() -> None:
    assert market().uneven < 1e-9


def test_open_interest_is_what_was_opened_less_what_was_closed() -> None:
    truth = market()
    net = np.cumsum(truth.opened - truth.closed, axis=0)
    rest = truth.amount - net
    assert np.abs(rest / rest[0] - 1).max() < 1e-9


def test_a_change_of_open_interest_never_exceeds_what_was_traded() -> None:
    truth = market()
    assert (np.abs(np.diff(truth.amount, axis=0)) <= truth.volume[1:] * (1 + 1e-9)).all()


def test_returns_have_fat_tails() -> None:
    assert kurtosis(np.diff(np.log(market().mark)), fisher=False) > 5


def test_the_size_of_returns_lasts_for_an_hour() -> None:
    moves, _ = price_shocks(np.random.default_rng(5), 90 * DAY, 0.025)
    size = np.abs(moves)
    assert np.corrcoef(size[60:], size[:-60])[0, 1] > 0.1
    assert kurtosis(moves, fisher=False) > 5


def test_a_cascade_takes_a_tenth_to_a_third_of_open_interest() -> None:
    held = coins(market()).sum(axis=1)
    lowest = held[CASCADE.start : CASCADE.end + 60].min()
    assert -0.30 <= lowest / held[CASCADE.start] - 1 <= -0.10


def test_a_cascade_forces_longs_and_few_shorts() -> None:
    f = market().forced
    during = (f["minute"] >= CASCADE.start) & (f["minute"] < CASCADE.end)
    longs, shorts = (f["amount"][during & (f["side"] == side) & (f["venue"] != 4)].sum() for side in (LONG, SHORT))
    assert longs > 20 * shorts


def test_whoever_is_forced_dies_where_the_mark_was() -> None:
    truth = market()
    f = truth.forced
    at = f["minute"].astype(int)
    price = f["price"] / np.array([p.premium for p in truth.places])[f["venue"].astype(int)]
    longs = f["side"] == LONG
    assert (price[longs] >= truth.low[at][longs] * (1 - 1e-12)).all()
    assert (price[~longs] <= truth.high[at][~longs] * (1 + 1e-12)).all()


def test_scripted_inflow_comes_to_its_venue() -> None:
    truth = market()
    growth = truth.amount[INFLOW.end] / truth.amount[INFLOW.start] - 1
    assert np.argmax(growth) == 3
    assert growth[3] == pytest.approx(0.3, abs=0.06)


def test_the_same_seed_gives_the_same_market_and_another_one_does_not() -> None:
    first, second, other = (run(seed, 1, before=0) for seed in (5, 5, 6))
    assert np.array_equal(first.amount, second.amount)
    assert not np.array_equal(first.amount, other.amount)


def test_a_market_of_more_positions_than_slots_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = run(5, 1, before=0)
    monkeypatch.setattr(truth, "SLOTS", 200)
    tight = run(5, 1, before=0)
    assert np.allclose(tight.amount, roomy.amount, rtol=1e-12)
    assert tight.uneven < 1e-9


def test_positions_die_at_the_worked_prices() -> None:
    both, one = np.array([LONG, SHORT]), np.ones(2)
    linear = forced_price(both, 100_000.0, 1e6 * one, 20 * one, np.zeros(2, bool))
    assert linear.tolist() == pytest.approx([95_000 / 0.9955, 105_000 / 1.0045])
    inverse = forced_price(both, 50_000.0, 1e6 * one, 10 * one, np.ones(2, bool))
    assert inverse.tolist() == pytest.approx([50_000 / 1.1 * 1.0045, 50_000 / 0.9 * 0.9955])


def test_a_large_position_dies_by_the_tier_of_its_notional_at_death() -> None:
    price = float(forced_price(np.array([LONG]), 100_000.0, np.array([1.2e7]), np.array([5.0]), np.zeros(1, bool))[0])
    cut = 2e6 * 0.001
    assert 1.2e7 * price / 100_000 < 1e7
    assert price == pytest.approx((1.2e7 * 0.8 - cut) / 120 / (1 - 0.0055))


def test_an_owner_who_died_does_not_leave_again() -> None:
    book = Positions(8, 1)
    one = np.ones(1)
    here = np.zeros(1, np.int64)
    book.add(here, here, 5 * one, 100.0, one, np.zeros(1, bool), 0, here + 3, 90 * one)
    dead = book.hit(89.0, 101.0)
    assert dead.tolist() == [0]
    book.remove(dead)
    book.add(here, here, 2 * one, 100.0, one, np.zeros(1, bool), 1, here + 9, 50 * one)
    assert book.leaving(3).size == 0
    assert book.leaving(9).tolist() == [0]
    assert book.held().tolist() == book.total.tolist()


@pytest.mark.parametrize("which", ENDINGS)
def test_an_ending_closes_the_gap_by_those_it_is_named_after(which: Ending) -> None:
    places = [(p.venue, p.cls, p.coins / sum(q.coins for q in PLACES)) for p in PLACES]
    parted, *closing = ended(places, which, 600, 3)
    lead = {v: share for v, cls, share in places if cls == parted.leader}
    rest = {v: share for v, cls, share in places if cls != parted.leader}
    first = growth(lead, parted.moves) - growth(rest, parted.moves)
    assert first > 0.02
    if which == "expired":
        assert not closing
        return
    back = [growth(side, closing[0].moves) / first for side in (lead, rest)]
    wanted = {"leader_reversed": [-1, 0], "laggards_caught_up": [0, 1], "mixed": [-0.5, 0.5]}
    assert back == pytest.approx(wanted.get(which, [0, 0]), abs=1e-12)
    assert (closing[0].shock != 0) == (which == "price_resolved_cascade")


def test_a_fork_without_a_script_is_the_market_itself() -> None:
    world = World(5, 2, before=1)
    truth = world.played(keep=[900])
    fork = world.fork(900, 120, ())
    for name in ("mark", "amount", "volume", "funding"):
        assert np.array_equal(getattr(fork, name), getattr(truth, name)[900:1020])
    again = world.fork(900, 60, [Scripted("rotation", 900, 960, "south", {"south": -0.2, "north": 0.15})])
    growth_of = again.amount[-1] / truth.amount[959] - 1
    assert growth_of[1] == pytest.approx(-0.18, abs=0.03), "who leaves is gone, however little the hedged hold"
    assert growth_of[0] == pytest.approx(0.14, abs=0.03)
    assert again.uneven < 1e-9


def test_a_leader_states_first_and_the_others_repeat_it() -> None:
    world = World(5, 1, before=0)
    world.played(keep=[60])
    told = stated(world.fork(60, 60, ()), "coast", 5)
    assert told["coast"].lag_s == 0.0
    assert all(LAGS_S[0] <= s.lag_s <= LAGS_S[1] for v, s in told.items() if v != "coast")
    assert (np.diff(told["north"].t) > 0).all()
    a, b = told["coast"], told["south"]
    jumps = [np.interp(np.arange(120, 3500), s.t / 1000, np.log(s.amount)) for s in (a, b)]
    lag = round(b.lag_s)
    early, late = np.diff(jumps[0])[: -lag - 2], np.diff(jumps[1])[lag:-2]
    assert np.corrcoef(early, late[: len(early)])[0, 1] > 0.3


def test_a_schedule_is_of_all_kinds_and_on_the_hour() -> None:
    places = [(p.venue, p.cls, p.coins / sum(q.coins for q in PLACES)) for p in PLACES]
    script = schedule(places, 0, 12 * DAY, DAY // 2, 1)
    assert {s.kind for s in script} == set(KINDS)
    assert all(s.start % 60 == 0 for s in script)
    sizes = {venue: share for venue, _, share in places}
    for s in script:
        if s.kind == "rotation":
            assert sum(sizes[v] * move for v, move in s.moves.items()) == pytest.approx(0.0, abs=1e-12)
