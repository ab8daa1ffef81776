"""Small made-up markets for the tests of the map, in the columns that the store's reader gives."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

T0 = 1_790_000_000_000
MINUTE = 60_000


def bars(
    marks: Sequence[float],
    amounts: Sequence[float],
    *,
    venue: str = "alpha",
    instrument: int = 1,
    payoff: str = "linear",
    venue_class: str = "speculative",
    step: int = MINUTE,
    funding: Sequence[float] | None = None,
    start: int = T0,
) -> pd.DataFrame:
    """One instrument. `amounts` are coins where linear and USD where inverse; a contract is a hundredth of a coin, or
    one USD. Lows and highs are what lies between two marks."""
    mark, amount = np.asarray(marks, float), np.asarray(amounts, float)
    before = np.concatenate((mark[:1], mark[:-1]))
    n = len(mark)
    return pd.DataFrame(
        {
            "instrument_id": instrument,
            "venue": venue,
            "class": venue_class,
            "payoff": payoff,
            "symbol": f"S{instrument}",
            "t": start + step * np.arange(1, n + 1),
            "native": amount if payoff == "inverse" else amount * 100,
            "base": amount / mark if payoff == "inverse" else amount,
            "usd": amount if payoff == "inverse" else amount * mark,
            "mark": mark,
            "mark_high": np.maximum(mark, before),
            "mark_low": np.minimum(mark, before),
            "opened": np.nan,
            "closed": np.nan,
            "readings": 60,
            "funding": np.nan if funding is None else np.asarray(funding, float),
            "funding_interval_h": 8.0,
            "covered_s": step / 1000,
            "last_seen": start + step * np.arange(1, n + 1),
            "source": "stream",
        }
    )


def wander(n: int, seed: int, start: float = 60_000.0, sd: float = 0.001) -> np.ndarray:
    return start * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, sd, n)))


def breathe(n: int, seed: int, start: float = 20_000.0, sd: float = 0.001) -> np.ndarray:
    return start * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, sd, n)))
