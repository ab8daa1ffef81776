"""A venue's budget: never exceeded, served by rank, and shared where it is short."""

from collections.abc import Iterator
from itertools import pairwise
from time import monotonic

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.budget import LEFT, Budget, Rank, Want, shared
from collectors.venue import Ask, Poll, Segment, Venue, question
from collectors.venues import VENUES
from store.records import Instrument

PER = 10.0
ASKED = st.tuples(st.floats(0, 5), st.sampled_from((1.0, 2.0, 5.0, 9.0, 40.0)), st.sampled_from(Rank))
WANTS = st.lists(
    st.builds(
        Want, st.sampled_from(Rank), st.floats(0.1, 1000), st.sampled_from((0.1, 1.0)), st.floats(1, 1000)
    ),
    max_size=8,
)  # fmt: skip


def windows(spent: list[tuple[float, float]], per: float = PER) -> list[float]:
    """What was spent in each window that begins with a question. One just `per` later is in the next one."""
    return [sum(w for at, w in spent if begun <= at < begun + per - 1e-6) for begun, _ in spent]


@given(asked=st.lists(ASKED, max_size=60), wants=WANTS)
def test_no_window_ever_has_more_than_the_budget(asked: list[tuple[float, float, Rank]], wants: list[Want]) -> None:
    now = [0.0]
    budget = Budget(20.0, PER, lambda: now[0])
    for key, want in enumerate(wants):
        budget.want(key, want)
    spent: list[tuple[float, float]] = []
    for later, weight, rank in asked:
        now[0] += later
        allowed = min(weight, budget.amount)
        for _ in range(100):
            if (wait := budget.wait(allowed, rank)) <= 0:
                break
            now[0] += wait
        else:
            pytest.fail("it waits for ever")
        budget.note(allowed, rank)
        spent.append((now[0], allowed))
    assert all(total <= budget.amount + 1e-6 for total in windows(spent))


@given(lower=st.lists(st.tuples(st.floats(0, 1), st.sampled_from([r for r in Rank if r > Rank.NOW])), max_size=200))
def test_what_is_lower_never_makes_the_highest_wait(lower: list[tuple[float, Rank]]) -> None:
    """Open interest once a second of a budget of two, whatever else is asked as soon as it may be."""
    now = [0.0]
    budget = Budget(2 * PER, PER, lambda: now[0])
    assert budget.want(1, Want(Rank.NOW, 5.0, 1.0, 5.0)) == 5.0
    due = 0.0
    for later, rank in lower:
        at = now[0] + later
        while due <= at:
            now[0] = max(now[0], due)
            assert budget.wait(1.0, Rank.NOW) == 0
            budget.note(1.0, Rank.NOW)
            due += 1.0
        now[0] = at
        if budget.wait(1.0, rank) == 0:
            budget.note(1.0, rank)


@given(wants=WANTS, rate=st.floats(0.5, 100))
def test_polls_get_no_more_together_than_there_is_and_no_more_alone_than_they_want(
    wants: list[Want], rate: float
) -> None:
    given_s = shared(wants, rate)
    assert all(every >= want.every for want, every in zip(wants, given_s, strict=True))
    used = {r: sum(w.weight / s for w, s in zip(wants, given_s, strict=True) if w.rank == r) for r in Rank}
    left = rate
    for rank in Rank:
        assert used[rank] <= left * (1 - LEFT) * (1 + 1e-9)
        left -= used[rank]
        short = [w.weight / s for w, s in zip(wants, given_s, strict=True) if w.rank == rank and s > w.every]
        assert not short or min(short) == pytest.approx(max(short)), "who gets less than it wants gets as much"
        full = [w.weight / s for w, s in zip(wants, given_s, strict=True) if w.rank == rank and s == w.every]
        assert not short or not full or max(full) <= min(short) * (1 + 1e-9)


def test_what_little_is_wanted_is_had_and_the_rest_is_shared() -> None:
    oi, seldom = Want(Rank.NOW, 100, 1, 10), Want(Rank.BESIDE, 100, 1, 1000)
    volume, ratios = Want(Rank.BESIDE, 300, 1, 30), Want(Rank.BESIDE, 900, 3, 300)
    assert shared([ratios, oi, volume, seldom], 20) == pytest.approx([300, 10, 300 / 5.9, 1000])
    assert shared([oi, ratios], 5) == pytest.approx([100 / 4.5, 900 / 0.45])


def asks(segment: Segment) -> Iterator[Ask]:
    """What a segment asks of now and of the past."""
    some = Instrument("", segment.id, "BTC-USDT-SWAP", "BTC", "USDT", "USDT")
    for poll in (feed for feed in segment.feeds if isinstance(feed, Poll)):
        yield poll.ask if isinstance(poll.ask, Ask) else question(poll.ask, some, 1_800_000_000_000)
    for history in segment.history:
        yield history.ask(some, 1_799_999_000_000, 1_800_000_000_000)


@pytest.mark.parametrize("venue", VENUES.values(), ids=lambda venue: venue.id)
def test_whatever_is_asked_names_a_budget_that_the_venue_has_and_none_is_for_nothing(venue: Venue) -> None:
    named = {ask.budget for segment in venue.segments for ask in asks(segment)}
    assert named - {""} == set(venue.limits.others)
    assert all(venue.limits.rate(budget) > 0 for budget in named)


@pytest.mark.anyio
async def test_who_waits_is_served_by_rank_and_then_in_order() -> None:
    budget, served = Budget(1, 0.1), list[str]()
    await budget.spend()

    async def asks(name: str, rank: Rank) -> None:
        await budget.spend(1, rank)
        served.append(name)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            for name, rank in (("past", 3), ("ratio", 2), ("volume", 2), ("spare", 1), ("oi", 0), ("more oi", 0)):
                tasks.start_soon(asks, name, Rank(rank))
                await anyio.sleep(0.005)
    assert served == ["oi", "more oi", "spare", "ratio", "volume", "past"]


@pytest.mark.anyio
async def test_who_gives_up_waiting_holds_nobody_up() -> None:
    budget = Budget(1, 0.2)
    await budget.spend()
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(budget.spend, 1, Rank.BESIDE)
            with anyio.move_on_after(0.05):
                await budget.spend(1, Rank.NOW)
    assert not budget.waiting


@pytest.mark.anyio
async def test_a_crowd_of_all_ranks_stays_within_every_window() -> None:
    budget, spent = Budget(5, 0.2), list[tuple[float, float]]()

    async def asks(weight: float, rank: Rank) -> None:
        await budget.spend(weight, rank)
        spent.append((monotonic(), weight))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(asks, 1.0 + number % 3, Rank(number % 4))
                await anyio.sleep(0.01)
    assert len(spent) == 30
    assert max(total for total in windows(spent, 0.19)) <= 5
    assert all(a <= b for (a, _), (b, _) in pairwise(spent))
