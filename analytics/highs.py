"""How near open interest is to its own year's high, and for how long (analytics.md, 1.7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
import pandas as pd

from analytics.alignment import Floats
from analytics.provenance import Code, Reason, finite
from analytics.settings import DEFAULTS, Settings


@dataclass(frozen=True, slots=True)
class High:
    """h = A(t)/max(A over the trailing year's closes, today included)."""

    share: float | None  # fraction of 1
    zone: str | None  # depressed | normal | near_high
    high: float | None  # the year's maximum, in the unit asked for
    closes: int  # days the maximum rests on
    plateau_days: int  # closes in a row above the plateau's share, the running day left out
    plateau: bool
    reasons: tuple[Reason, ...]


def shares(closes: Floats, settings: Settings = DEFAULTS) -> Floats:
    """h of every close [fraction]; NaN for a missing close and before enough of them. Any unit."""
    past = pd.Series(closes).rolling(settings.high_closes, min_periods=settings.high_min_closes)
    top = past.max().to_numpy(float)
    return np.divide(closes, top, out=np.full(len(closes), np.nan), where=top > 0)


def zone(share: float, settings: Settings = DEFAULTS) -> str:
    if share < settings.zone_depressed:
        return "depressed"
    return "near_high" if share > settings.zone_near_high else "normal"


def plateau_days(high_shares: Sequence[float | None] | Floats, settings: Settings = DEFAULTS) -> int:
    """Closes in the run that ends with the last one, all above 0.80. One missing close is passed over, a second ends
    the run; one at or below the share resets it."""
    run, missing = 0, 0
    for h in reversed(list(high_shares)):
        if h is None or isnan(h):
            missing += 1
            if missing > 1:
                break
        elif h > settings.plateau_share:
            run += 1
        else:
            break
    return run


def of(closes: Floats, now: float | None = None, settings: Settings = DEFAULTS) -> High:
    """The high share as of now (`now`: the running day's value, provisional; None = the last close).

    `closes`: one value a day, oldest first, NaN where the day's coverage did not allow one.
    """
    series = closes if now is None else np.append(closes, now)
    recent = series[-settings.high_closes :]
    known = recent[~np.isnan(recent)]
    run = plateau_days(shares(closes, settings), settings)
    fired = run > settings.plateau_closes
    if len(known) < settings.high_min_closes:
        words = f"{len(known)} daily closes; a year's high needs {settings.high_min_closes}."
        return High(None, None, None, len(known), run, fired, (Reason(Code.INSUFFICIENT_HISTORY, words),))
    if isnan(series[-1]) or not known.max() > 0:
        reason = Reason(Code.INSUFFICIENT_COVERAGE, "Too little of the market was heard today to place it in its year.")
        return High(None, None, finite(known.max()), len(known), run, fired, (reason,))
    share = float(series[-1] / known.max())
    return High(share, zone(share, settings), float(known.max()), len(known), run, fired, ())
