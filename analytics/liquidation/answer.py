"""What a liquidation map says. All money is USD, valued at the price of the bin; every number of mass is `modelled`."""

from dataclasses import dataclass
from typing import Literal

UNVALIDATED = (
    "Estimated notional that would be force-closed if mark traded there. No score against realised liquidations exists "
    "yet, so the map is unvalidated: read it as a prior shaped by observed openings, not as a forecast."
)


@dataclass(frozen=True, slots=True)
class Band:
    """Over 64 draws of what is not known: 8 of (chi, tau, l0) by 8 of omega."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Bin:
    price_low: float
    price_high: float
    distance_pct: float  # of the bin's middle from mark, signed, in percent
    long_usd: float  # longs closed by force when mark trades here; the mean over the draws of the particles
    short_usd: float
    long_band: Band
    short_band: Band
    long_cumulative_usd: float  # from mark down to and with this bin; 0 above mark
    short_cumulative_usd: float  # from mark up to and with this bin; 0 below mark


@dataclass(frozen=True, slots=True)
class Cluster:
    """Neighbouring bins above the 90th percentile (`map_cluster_percentile`) of their side's bins."""

    side: Literal["long", "short"]
    price_low: float
    price_high: float
    peak_price: float
    distance_pct: float  # of the peak from mark
    usd: float
    band: Band


@dataclass(frozen=True, slots=True)
class Within:
    distance_pct: float
    long_usd: float
    short_usd: float
    long_band: Band
    short_band: Band


@dataclass(frozen=True, slots=True)
class BookView:
    """One venue under one payoff."""

    venue: str
    payoff: str
    open_interest_usd: float
    long_usd: float  # within the range of the bins
    short_usd: float
    identified_share: float
    as_of: int  # end of its last bar, ms UTC
    age_s: float
    silent: bool  # no bar for longer than `map_silent_s`, and than its cadence allows: carried, frozen
    gap_changes: int
    gap_change_usd: float
    residual_usd: float


@dataclass(frozen=True, slots=True)
class LiquidationMap:
    asset: str
    as_of: int | None  # end of the last bar, ms UTC; None: nothing was ever heard
    age_s: float | None
    mark: float | None  # USD a coin, median of the venues that speak
    status: Literal["unvalidated", "no_data"]
    status_words: str
    basis: str
    reasons: tuple[str, ...]
    caveats: tuple[str, ...]
    bins: tuple[Bin, ...]
    clusters: tuple[Cluster, ...]  # largest first
    within: tuple[Within, ...]
    long_usd: float | None  # sum of the bins
    short_usd: float | None
    long_band: Band | None
    short_band: Band | None
    open_interest_usd: float | None
    identified_share: float | None  # of open interest, whose entry was observed
    legacy_share: float | None
    swept_usd: float | None  # last day: mass that the mark went through
    explained_usd: float | None  # open interest that fell and liquidations, in the same bars
    residual_usd: float | None  # swept - explained; above 0 the map holds too much
    books: tuple[BookView, ...]
    policy: str
    method: str
