"""What is unusual for this market: percentiles and scales of its own past (analytics.md, 3.4 and 5)."""

import numpy as np

from analytics.provenance import Threshold
from analytics.units import Floats

MAD_TO_SD = 1.4826  # of a normal law
IQR_TO_SD = 1.349
ABS_TO_SD = 1.2533


def own_percentile(name: str, history: Floats, percentile: float, *, unit: str, need: int, default: float) -> Threshold:
    """The percentile of own history, or the default, said to be one, where history has fewer than `need` points."""
    known = history[np.isfinite(history)]
    if len(known) < need:
        return Threshold(name, float(default), unit, "default_threshold", len(known))
    return Threshold(name, float(np.percentile(known, percentile)), unit, "own_history", len(known))


def material(name: str, history: Floats, percentile: float, fixed: float, *, unit: str, need: int) -> Threshold:
    """The larger of a fixed size and the own percentile (decisions 16)."""
    own = own_percentile(name, history, percentile, unit=unit, need=need, default=fixed)
    if own.origin == "own_history" and own.value < fixed:
        return Threshold(name, float(fixed), unit, "fixed", own.n)
    return own


def rank(history: Floats, value: float) -> float | None:
    """Percent of own history strictly below `value`; None without history."""
    known = history[np.isfinite(history)]
    return 100.0 * float((known < value).mean()) if len(known) else None


def centre_and_scale(history: Floats) -> tuple[float, float | None]:
    """(median, robust sd): 1.4826 MAD; where that is zero IQR/1.349, then 1.2533 mean |dev|, then None (5)."""
    known = history[np.isfinite(history)]
    if not len(known):
        return float("nan"), None
    middle = float(np.median(known))
    away = np.abs(known - middle)
    low, high = np.percentile(known, [25, 75])
    scales = (MAD_TO_SD * float(np.median(away)), float(high - low) / IQR_TO_SD, ABS_TO_SD * float(away.mean()))
    return middle, next((s for s in scales if s > 0), None)
