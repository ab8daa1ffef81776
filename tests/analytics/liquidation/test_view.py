"""What an answer promises: bins add up, bands are ordered, doubts are said, and nothing is NaN."""

from dataclasses import asdict, replace
from itertools import pairwise
from math import isfinite, log

import numpy as np
import pandas as pd
import pytest

from analytics.liquidation import LiquidationMap, MapState, Omega, Terms, advance, start, view
from analytics.liquidation.prior import CLASSES
from analytics.settings import Settings
from tests.analytics.liquidation.market import MINUTE, T0, bars, breathe, wander


@pytest.fixture(scope="module")
def state() -> MapState:
    n = 600
    mark = wander(n, 11)
    frames = [
        bars(mark, breathe(n, 12), venue="alpha", instrument=1),
        bars(mark, breathe(n, 13, start=6e8), venue="alpha", instrument=2, payoff="inverse"),
        bars(mark * 1.0002, breathe(n, 14), venue="beta", instrument=3, venue_class="institutional"),
    ]
    return advance(start("BTC", {"beta": Terms(50.0)}), pd.concat(frames))


@pytest.fixture(scope="module")
def answer(state: MapState) -> LiquidationMap:
    assert state.as_of is not None
    return view(state, now=state.as_of + 2_000)


def numbers(value: object) -> list[float]:
    if isinstance(value, dict):
        return [x for part in value.values() for x in numbers(part)]
    if isinstance(value, list | tuple):
        return [x for part in value for x in numbers(part)]
    return [value] if isinstance(value, float) else []


@pytest.mark.parametrize("step_usd", [None, 100.0, 333.3, 5000.0])
def test_bins_add_up_to_totals(state: MapState, step_usd: float | None) -> None:
    answer = view(state, now=T0, step_usd=step_usd)
    assert answer.mark is not None
    assert sum(b.long_usd for b in answer.bins) == pytest.approx(answer.long_usd, rel=1e-12)
    assert sum(b.short_usd for b in answer.bins) == pytest.approx(answer.short_usd, rel=1e-12)
    assert max(b.long_cumulative_usd for b in answer.bins) == pytest.approx(answer.long_usd, rel=1e-12)
    assert answer.bins[-1].short_cumulative_usd == pytest.approx(answer.short_usd, rel=1e-12)
    assert sum(b.long_usd for b in answer.books) == pytest.approx(answer.long_usd, rel=2e-2), "edges round outward"
    for row in answer.within:
        inner = [b for b in answer.bins if b.price_low >= answer.mark * (1 - row.distance_pct / 100)]
        outer = [b for b in answer.bins if b.price_high > answer.mark * (1 - row.distance_pct / 100)]
        tolerance = 1e-9 * row.long_usd
        assert sum(b.long_usd for b in inner) - tolerance <= row.long_usd <= sum(b.long_usd for b in outer) + tolerance


def test_a_step_in_usd_cuts_the_same_mass_otherwise(state: MapState) -> None:
    fine, coarse = view(state, now=T0), view(state, now=T0, step_usd=250.0)
    assert [(b.price_low % 250, b.price_high - b.price_low) for b in coarse.bins] == [(0, 250)] * len(coarse.bins)
    for one, other in zip(fine.within, coarse.within, strict=True):
        assert other.long_usd == pytest.approx(one.long_usd, rel=1e-9)
        assert other.short_band.p90 == pytest.approx(one.short_band.p90, rel=1e-9)


@pytest.mark.parametrize("step_usd", [0.0, -5.0, 0.001, 1e9, float("nan")])
def test_a_step_that_makes_no_map_is_refused_with_a_way_onward(state: MapState, step_usd: float) -> None:
    with pytest.raises(ValueError, match=r"between .* USD"):
        view(state, now=T0, step_usd=step_usd)


def test_bands_are_ordered_and_everything_is_finite(answer: LiquidationMap) -> None:
    for band in [b.long_band for b in answer.bins] + [w.short_band for w in answer.within]:
        assert 0 <= band.p10 <= band.p50 <= band.p90
    assert all(isfinite(x) for x in numbers(asdict(answer)))
    assert answer.long_band is not None
    assert answer.long_band.p10 < (answer.long_usd or 0) < answer.long_band.p90


def test_bins_are_ten_basis_points_over_a_fifth_of_mark(answer: LiquidationMap) -> None:
    assert answer.mark is not None
    np.testing.assert_allclose([log(b.price_high / b.price_low) for b in answer.bins], 0.001, rtol=1e-6)
    assert all(a.price_high == b.price_low for a, b in pairwise(answer.bins))
    assert answer.bins[0].price_low <= 0.8 * answer.mark < answer.bins[0].price_high
    assert answer.bins[-1].price_low < 1.2 * answer.mark <= answer.bins[-1].price_high


def test_longs_die_below_and_shorts_above(answer: LiquidationMap) -> None:
    mark = answer.mark or 0.0
    assert sum(b.long_usd for b in answer.bins if b.price_low > mark) == 0
    assert sum(b.short_usd for b in answer.bins if b.price_high < mark) == 0
    sums = [w.long_usd for w in answer.within]
    assert sums == sorted(sums)
    assert sums[0] > 0


def test_clusters_are_the_densest_tenth(answer: LiquidationMap) -> None:
    for side in ("long", "short"):
        mine = [c for c in answer.clusters if c.side == side]
        inside = [b for b in answer.bins for c in mine if c.price_low <= b.price_low and b.price_high <= c.price_high]
        amounts = sorted((getattr(b, f"{side}_usd") for b in answer.bins), reverse=True)
        assert sorted((getattr(b, f"{side}_usd") for b in inside), reverse=True) == amounts[: len(inside)]
        assert sum(c.usd for c in mine) == pytest.approx(sum(amounts[: len(inside)]))
        assert 10 <= len(inside) <= 25
    assert [c.usd for c in answer.clusters] == sorted((c.usd for c in answer.clusters), reverse=True)


def test_a_price_step_of_an_inverse_book_is_worth_its_dollars() -> None:
    """One million USD of contracts opened at 100: the longs of a rung are worth the same USD at any bin."""
    first = advance(start("BTC"), bars([100.0], [1e-6], payoff="inverse"))
    grown = advance(first, bars([100.0], [1e6], payoff="inverse", start=T0 + MINUTE))
    answer = view(grown, now=T0)
    exposed = grown.mass.total[0, 0, 3:CLASSES].sum(axis=0).mean()  # 7x and up lie within a fifth; 5x at the border
    inside = sum(b.long_usd for b in answer.bins if b.price_low > 85)
    assert inside == pytest.approx(exposed, rel=1e-4)


def test_a_quanto_book_is_worth_its_price() -> None:
    def frame(amount: float, t: int) -> pd.DataFrame:
        # a contract pays a millionth of a coin worth 90,000 USD for each USD of price: 9 USD at 100
        rows = bars([100.0], [1.0], payoff="quanto", start=t)
        return rows.assign(native=amount, usd=amount * 9.0, base=amount * 9.0 / 100)

    state = advance(advance(start("X"), frame(1e-6, T0)), frame(1000.0, T0 + MINUTE), step_ms=MINUTE)
    assert (state.books[0].symbol, state.ledger.amount[0]) == ("S1", 1000.0)
    answer = view(state, now=T0)
    tenfold = state.mass.total[0, 0, 4].mean() * 9.0 * (0.9 / 0.995)
    low, high = (100 * (1 - 1 / (10 * x) ** 0.5) / 0.995 for x in (7, 15))
    assert sum(b.long_usd for b in answer.bins if low < b.price_low < high) == pytest.approx(tenfold, rel=0.2)


def test_the_venues_filter_and_their_sum(state: MapState, answer: LiquidationMap) -> None:
    alpha, beta = view(state, now=T0, venues=["alpha"]), view(state, now=T0, venues={"beta"})
    assert {b.venue for b in alpha.books} == {"alpha"}
    assert (alpha.open_interest_usd or 0) + (beta.open_interest_usd or 0) == pytest.approx(answer.open_interest_usd)


def test_doubts_are_said(state: MapState, answer: LiquidationMap) -> None:
    assert answer.status == "unvalidated"
    assert "would be force-closed if mark traded there" in answer.status_words
    assert answer.reasons[:2] == ("unvalidated_map", "volume_unavailable")
    assert answer.basis == "modelled"
    assert answer.age_s == 2.0
    late = view(state, now=(state.as_of or 0) + 3_600_000)
    assert "stale_reference_price" in late.reasons
    assert any("alpha, beta" in words for words in late.caveats)
    assert all(book.silent for book in late.books)
    slow = view(state, now=(state.as_of or 0) + 3_600_000, cadence_s={"beta": 1300.0, "alpha": 1100.0})
    assert {book.venue for book in slow.books if book.silent} == {"alpha"}, "the other may speak yet"


def test_legacy_share_falls_as_history_is_observed() -> None:
    frame = bars(wander(900, 21), breathe(900, 22, sd=0.005))
    state, shares = start("BTC"), []
    for part in (frame.iloc[:1], frame.iloc[1:300], frame.iloc[300:600], frame.iloc[600:]):
        state = advance(state, part)
        answer = view(state, now=T0)
        assert answer.legacy_share is not None
        assert answer.identified_share == pytest.approx(1 - answer.legacy_share)
        shares.append(answer.legacy_share)
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.5
    assert "insufficient_history" not in view(state, now=T0).reasons
    assert "insufficient_history" in view(advance(start("BTC"), frame.iloc[:1]), now=T0).reasons


def test_one_bar_is_a_wide_guess_and_no_bar_is_no_data() -> None:
    one = view(advance(start("BTC"), bars([100.0], [1000.0])), now=T0 + MINUTE)
    assert one.legacy_share == 1.0
    assert (one.long_usd or 0) > 0
    assert "insufficient_history" in one.reasons
    nothing = view(start("BTC"), now=T0)
    assert (nothing.status, nothing.reasons, nothing.mark, nothing.bins) == ("no_data", ("no_data",), None, ())
    assert view(advance(start("BTC"), bars([100.0], [1000.0])), now=T0, venues=["nobody"]).status == "no_data"
    broken = bars([np.nan], [1000.0])
    assert view(advance(start("BTC"), broken), now=T0).reasons == ("no_data",)


def test_zero_open_interest_is_a_measured_zero() -> None:
    answer = view(advance(start("BTC"), bars([100.0], [0.0])), now=T0)
    assert (answer.open_interest_usd, answer.long_usd, answer.identified_share) == (0.0, 0.0, None)
    assert all(isfinite(x) for x in numbers(asdict(answer)))


def test_omega_scales_what_was_seen_to_enter() -> None:
    first = advance(start("BTC"), bars([100.0], [1e-9]))
    state = advance(first, bars([100.0], [1000.0], start=T0 + MINUTE))
    plain = view(state, now=T0)
    halved = view(state, now=T0, omega={"alpha": Omega(alpha=(20.0,) * CLASSES, beta=(40.0,) * CLASSES)})
    assert halved.long_usd == pytest.approx(0.5 * (plain.long_usd or 0), rel=1e-6)
    assert halved.long_band is not None
    assert plain.long_band is not None
    assert halved.long_band.p90 / halved.long_band.p10 < plain.long_band.p90 / plain.long_band.p10
    tenfold = view(state, now=T0, omega={"alpha": Omega((200.0,) * CLASSES, (20.0,) * CLASSES)})
    assert any("scaled down" in words for words in tenfold.caveats)


def test_the_same_state_gives_the_same_answer(state: MapState, answer: LiquidationMap) -> None:
    assert view(state, now=(state.as_of or 0) + 2_000) == answer


def test_the_cumulative_runs_outward_from_mark(answer: LiquidationMap) -> None:
    mark = answer.mark or 0.0
    below = [b for b in answer.bins if b.price_low < mark]
    above = [b for b in answer.bins if b.price_high > mark]
    for i, one in enumerate(below):
        assert one.long_cumulative_usd == pytest.approx(sum(b.long_usd for b in below[i:]), rel=1e-9)
    for i, one in enumerate(above):
        assert one.short_cumulative_usd == pytest.approx(sum(b.short_usd for b in above[: i + 1]), rel=1e-9)
    assert {b.long_cumulative_usd for b in above[1:]} == {0.0}


def test_the_band_holds_what_large_positions_would_say_and_the_mid_does_not() -> None:
    frame = bars([100.0] * 60, [1000.0 + 50 * k for k in range(60)])
    grown = advance(start("BTC", {"alpha": Terms(100.0, 0.005)}), frame)
    tiered = replace(grown, terms={"alpha": Terms(100.0, 0.005, 0.015)})
    usual, large = view(grown, now=T0), view(tiered, now=T0)
    assert [b.long_usd for b in large.bins] == pytest.approx([b.long_usd for b in usual.bins], rel=1e-9)
    one, other = usual.within[0], large.within[0]
    assert other.long_band.p90 > 1.1 * one.long_band.p90, "a large long dies higher"
    assert other.short_band.p90 > 1.1 * one.short_band.p90, "a large short dies lower"


def test_what_a_map_is_shown_by_is_a_setting() -> None:
    frame = bars([100.0] * 60, [1000.0 + 50 * k for k in range(60)])
    near, usual = (
        view(advance(start("BTC", settings=s), frame), now=frame["t"].iloc[-1] + 100_000)
        for s in (Settings(map_range=0.05, map_silent_s=60.0, map_thin_history=0.1, map_tilt=0.9), Settings())
    )
    assert near.mark is not None
    assert near.bins[0].price_low == pytest.approx(95.0, rel=1e-3)
    assert (near.books[0].silent, usual.books[0].silent) == (True, False)
    assert "insufficient_history" in near.reasons
    assert "insufficient_history" not in usual.reasons
    assert "Silent for more than 1 minutes, frozen: alpha." in near.caveats


def test_tilt_and_transfers_are_settings() -> None:
    frame = bars([100.0] * 20, [1000.0 + 50 * k for k in range(20)])
    frame = frame.assign(volume=200.0, taker_buy=180.0, taker_sell=20.0)
    shares = []
    for s in (Settings(), Settings(map_tilt=0.4), Settings(map_transfer_share=0.6)):
        mass = advance(start("BTC", settings=s), frame).mass
        exposed = mass.total[0, :, :-1].mean(axis=2).sum(axis=1)
        shares.append((exposed[0] / exposed[1], mass.identified.sum()))
    assert shares[1][0] > 1.1 * shares[0][0] > 1.1
    assert shares[2][1] > 1.05 * shares[0][1]
