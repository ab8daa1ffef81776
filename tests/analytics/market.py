"""Small markets as the reader would give them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
NOW = 1_763_769_600_000  # 2025-11-22T00:00Z, a day's end

CLASSES = {"one": "speculative", "two": "institutional", "three": "speculative", "four": "institutional"}


@dataclass(frozen=True)
class Line:
    """One instrument's path: contracts (None where the venue is silent) and mark, one value a step."""

    venue: str
    native: Sequence[float | None]
    mark: Sequence[float]
    payoff: str = "linear"
    klass: str | None = None


def bars(lines: Sequence[Line], *, end: int = NOW, step: int = MINUTE, funding: float | None = 0.0001) -> pd.DataFrame:
    """Bars ending at `end`, one a step; a silent step has no bar."""
    rows: list[dict[str, object]] = []
    for i, line in enumerate(lines):
        n = len(line.native)
        before: float | None = None
        for k, (native, mark) in enumerate(zip(line.native, line.mark, strict=True)):
            if native is None:
                continue
            t = end - (n - 1 - k) * step
            inverse = line.payoff == "inverse"
            change = 0.0 if before is None else native - before
            rows.append(
                {
                    "instrument_id": i + 1,
                    "venue": line.venue,
                    "class": line.klass or CLASSES.get(line.venue, "mixed"),
                    "payoff": line.payoff,
                    "symbol": f"BTC-{line.payoff}",
                    "t": t,
                    "native": native,
                    "base": native / mark if inverse else native,
                    "usd": native if inverse else native * mark,
                    "mark": mark,
                    "mark_high": mark,
                    "mark_low": mark,
                    "opened": max(change, 0.0),
                    "closed": max(-change, 0.0),
                    "readings": 6,
                    "funding": funding,
                    "funding_interval_h": 8.0,
                    "covered_s": step / 1000,
                    "last_seen": t - 500,
                    "source": "stream",
                }
            )
            before = native
    return pd.DataFrame(rows)


def latest(lines: Sequence[Line], *, now: int = NOW, ages: Mapping[str, float] | None = None) -> pd.DataFrame:
    """The last value of every line; `ages` gives seconds since a venue was last heard (default 1 s)."""
    rows: list[dict[str, object]] = []
    for i, line in enumerate(lines):
        native = next(x for x in reversed(line.native) if x is not None)
        mark, inverse = line.mark[-1], line.payoff == "inverse"
        seen = now - round(1000 * (ages or {}).get(line.venue, 1.0))
        rows.append(
            {
                "instrument_id": i + 1,
                "venue": line.venue,
                "class": line.klass or CLASSES.get(line.venue, "mixed"),
                "segment": "perp",
                "symbol": f"BTC-{line.payoff}",
                "payoff": line.payoff,
                "contract_size": 1.0,
                "raw": native,
                "unit": "usd" if inverse else "base",
                "sides": 1,
                "side_status": "documented",
                "native": native,
                "base": native / mark if inverse else native,
                "usd": native if inverse else native * mark,
                "mark": mark,
                "index": mark,
                "funding": 0.0001,
                "funding_interval_h": 8.0,
                "ts": seen,
                "seen": seen,
                "last_seen": seen,
                "cadence_s": 1.0,
                "source": "stream",
                "simulated": True,
                "flags": 0,
                "state": "live",
            }
        )
    return pd.DataFrame(rows)


def closes(lines: Sequence[Line], *, end: int = NOW) -> pd.DataFrame:
    """Daily closes, the last one of the day that ends at `end`; a silent day is carried."""
    rows: list[dict[str, object]] = []
    for i, line in enumerate(lines):
        n, held, heard = len(line.native), None, 0
        for k, (native, mark) in enumerate(zip(line.native, line.mark, strict=True)):
            t = end - (n - 1 - k) * DAY
            if native is not None:
                held, heard = native, t
            if held is None:
                continue
            inverse = line.payoff == "inverse"
            rows.append(
                {
                    "day": pd.Timestamp(t - DAY, unit="ms"),
                    "instrument_id": i + 1,
                    "venue": line.venue,
                    "class": line.klass or CLASSES.get(line.venue, "mixed"),
                    "payoff": line.payoff,
                    "raw": held,
                    "native": held,
                    "base": held / mark if inverse else held,
                    "usd": held if inverse else held * mark,
                    "mark": mark,
                    "age_s": (t - heard) / 1000 + 1.0,
                    "basis": "measured" if native is not None else "carried",
                    "source": "stream",
                    "revision": 0,
                }
            )
    return pd.DataFrame(rows)


def walk(seed: int, n: int, sd: float = 0.01, start: float = 1000.0) -> list[float]:
    """A geometric random walk of `n` values."""
    steps = np.random.default_rng(seed).normal(0.0, sd, n)
    steps[0] = 0.0
    return list(start * np.exp(np.cumsum(steps)))
