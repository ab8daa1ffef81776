"""What every answer carries besides its numbers: basis, reasons, thresholds and their origin (analytics.md, 10)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

VERSION = "1"  # of the methods; a changed rule is a new version, history keeps its own


class Basis(StrEnum):
    """Where a number comes from. A sum takes the weakest basis of its parts."""

    MEASURED = "measured"  # a venue published it
    DERIVED = "derived"  # arithmetic on measured numbers
    CARRIED = "carried"  # rests in part on a last valid value
    MODELLED = "modelled"  # rests on an assumption
    EXTERNAL = "external"  # supplied from outside


class Code(StrEnum):
    """Why there is no number (analytics.md, 10.3)."""

    NO_DATA = "no_data"
    INSUFFICIENT_HISTORY = "insufficient_history"
    INSUFFICIENT_COVERAGE = "insufficient_coverage"
    UNDETERMINED_PANEL = "undetermined_panel"
    DISPUTED_UNITS = "disputed_units"
    STALE_REFERENCE_PRICE = "stale_reference_price"
    IMMATERIAL_FLOW = "immaterial_flow"
    TOO_FEW_VENUES = "too_few_venues"
    UNRESOLVED_BY_SAMPLING = "unresolved_by_sampling"
    THROTTLED_FEED_ONLY = "throttled_feed_only"
    UNVALIDATED_MAP = "unvalidated_map"
    EXTERNAL_MISSING = "external_missing"
    UNSUPPORTED_SYMBOL = "unsupported_symbol"
    CONVENTION_CHANGE_IN_WINDOW = "convention_change_in_window"
    VOLUME_UNAVAILABLE = "volume_unavailable"  # decisions 9
    FUNDING_KIND = "funding_kind"  # some of the rates were paid, the others are of intervals that ran


@dataclass(frozen=True, slots=True)
class Reason:
    """A refusal or a caveat: a code for programs, a sentence for people."""

    code: Code
    words: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """The value something was held against, and where it comes from."""

    name: str
    value: float
    unit: str
    origin: str  # own_history | default_threshold | fixed
    n: int  # points of own history behind it


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    version: str = VERSION


def finite(value: object) -> float | None:
    """A plain float, or None: NaN and inf never leave the analyses."""
    if value is None:
        return None
    number = float(value)  # type: ignore[arg-type]  # numpy scalars convert, their stubs do not say so
    return number if math.isfinite(number) else None


def floats(values: Iterable[float] | np.ndarray) -> tuple[float | None, ...]:
    """`finite` over an array."""
    return tuple(finite(v) for v in values)
