"""What was paid stands in where no reading carried a rate; never for one that was stated, and never silently."""

import numpy as np
import pandas as pd
import pytest

from analytics import levels, settled
from analytics.alignment import Panel, grid, panel
from tests.analytics.market import DAY, HOUR, NOW, Line, bars

LINES = [Line("one", [100.0] * 24, [10.0] * 24), Line("two", [300.0] * 24, [10.0] * 24)]


def seen(running: dict[int, float]) -> Panel:
    """A day by the hour in which instruments state these rates per 8 h, and the others none."""
    frame = bars(LINES, step=HOUR, funding=None)
    frame["funding"] = frame["instrument_id"].map(running).astype(float)
    return panel(frame, grid(NOW, NOW - DAY + HOUR, 3600))


def paid(*rows: tuple[int, float, float, float]) -> pd.DataFrame:
    """(instrument, hours before now, rate, hours of its interval)."""
    made = [{"instrument_id": i, "ts": NOW - round(ago * HOUR), "rate": r, "interval_h": h} for i, ago, r, h in rows]
    return pd.DataFrame(made, columns=["instrument_id", "ts", "rate", "interval_h"])


def test_a_payment_counts_from_its_moment_until_one_and_a_half_intervals_later() -> None:
    market = seen({1: 3e-4})
    found, where = settled.filled(market, paid((2, 20, 1e-4, 4.0), (2, 18, -5e-5, 1.0), (1, 20, 9e-4, 8.0)))
    rates = {ago: found.funding_8h[-1 - ago, 1] for ago in range(24)}
    assert [ago for ago, rate in rates.items() if np.isfinite(rate)] == [17, 18, 19, 20]
    assert (rates[20], rates[19]) == (2e-4, 2e-4), "per 8 h"
    assert (rates[18], rates[17]) == (-4e-4, -4e-4)
    assert (found.funding_8h[:, 0] == 3e-4).all(), "what was stated stays, whatever was paid"
    assert where.sum(axis=0).tolist() == [0, 4]
    assert np.isnan(market.funding_8h[:, 1]).all(), "the panel that was handed in is left as it was"


def test_shares_are_of_the_coins_that_have_a_rate() -> None:
    market = seen({1: 3e-4})
    found, where = settled.filled(market, paid((2, 6, 1e-4, 4.0)))
    shares = settled.shares(found, where)
    assert shares[-7:].tolist() == [0.75] * 7, "300 of 400 coins"
    assert shares[:-7].tolist() == [0.0] * 17
    assert levels.funding(found)[-1] == pytest.approx((100 * 3e-4 + 300 * 2e-4) / 400)
    assert np.isnan(settled.shares(*settled.filled(seen({}), paid()))).all()


@pytest.mark.parametrize("bad", [(2, 6, np.nan, 4.0), (2, 6, 1e-4, 0.0), (2, 6, 1e-4, np.nan), (7, 6, 1e-4, 4.0)])
def test_what_is_no_rate_or_nobodys_fills_nothing(bad: tuple[int, float, float, float]) -> None:
    found, where = settled.filled(seen({}), paid(bad))
    assert np.isnan(found.funding_8h).all()
    assert not where.any()


def test_empty_in_empty_out() -> None:
    market = seen({1: 3e-4})
    found, where = settled.filled(market, paid())
    assert found is market
    assert not where.any()
    nobody = panel(bars([], step=HOUR), grid(NOW, NOW - DAY, 3600))
    assert settled.filled(nobody, paid((1, 6, 1e-4, 4.0)))[1].shape == (25, 0)
