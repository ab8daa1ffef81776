"""Every threshold of the analyses, with its default (analytics.md, 11). Frozen: a changed one is a new object."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

DAY_S = 86_400
HOUR_S = 3_600
Procedure = Literal["benjamini_hochberg", "benjamini_yekutieli"]
Policy = Literal["age_hazard", "pro_rata", "fifo", "lifo"]
Rungs = tuple[float, float, float, float, float, float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """Names are those of `[analytics]` in config.toml. Shares are fractions of 1, times seconds."""

    implied_price_tolerance: float = 0.02  # |ln|, 1.3 check 1
    feasibility_slack: float = 0.05  # of the traded volume, plus one lot, 1.3 check 2

    fresh_cadences: float = 3.0  # 1.4: fresh up to max(3 cadences, 10 s)
    fresh_floor_s: float = 10.0
    # an unchanged reading is stored once a minute (decisions 6), so rows cannot tell a shorter silence
    stored_floor_s: float = 75.0
    dead_cadences: float = 20.0  # 1.4: dead beyond max(20 cadences, 300 s)
    dead_floor_s: float = 300.0
    down_dead_s: float = 60.0  # 1.4: dead this soon when the transport is down
    default_cadence_s: float = 60.0  # stands in where neither the feed nor its rows say
    carry_s: float = 6.0 * HOUR_S  # 1.5: a dead venue stays in the level so long
    band_min_hours: int = 6  # 1.4: hours of changes behind the sigma of a band
    past_gap_share: float = 0.01  # 1.5: of an earlier window; a longer interruption leaves its change out
    panel_guard: float = 0.80  # 1.5: less matched than this is `undetermined_panel`
    grade_a: float = 0.95
    grade_b: float = 0.85
    grade_c: float = 0.70
    partial_universe: float = 0.90  # 4: concentration says so below this coverage

    high_closes: int = 365  # 1.7
    high_min_closes: int = 180
    zone_depressed: float = 0.60
    zone_near_high: float = 0.90
    plateau_share: float = 0.80
    plateau_closes: int = 30  # fires on the next one
    drop_share: float = -0.15
    drop_window_s: int = DAY_S
    quadrant_neutral: float = 0.5  # 1.7, in own scales
    opposite_sign_z: float = 1.0

    rotation_share: float = 0.80  # 3.1: R
    rotation_net_share: float = 0.0025  # of A
    rotation_material_share: float = 0.005  # of A
    rotation_percentile: float = 90.0
    rotation_windows: int = 6  # decisions 17
    significance: float = 0.05
    exact_flips: int = 16  # venues enumerated; beyond that sampled
    flip_samples: int = 20_000
    conviction_percentile: float = 97.5  # 3.2
    conviction_sigma: float = 0.5
    conviction_min_history: int = 60
    lead_lags_s: tuple[int, ...] = (1, 2, 5, 10, 30, 60, 120, 300)  # 3.3: both ways, ascending
    lead_ratio: float = 1.5  # LLR, either way
    lead_shifts: int = 500
    lead_block_s: int = 600  # a shift is at least this long: nearer ones share the lags that are asked about
    lead_windows: int = 3  # consecutive
    lead_agreeing: int = 2  # in so many of them one must lead
    growth_step_s: float = 60.0  # 3.3: least step of the common grid
    growth_step_cadences: float = 2.0  # and at least so many of the coarsest cadence
    growth_lag_share: float = 0.25  # of the window: the longest lag either way
    growth_min_steps: int = 20
    growth_venues: int = 6  # decisions 18: the largest, of a window that is read from bars
    broad_same_sign: float = 0.70  # 3.4
    fdr: float = 0.10
    multiplicity: Procedure = "benjamini_hochberg"  # strict, under any dependence: benjamini_yekutieli

    inflow_phi: float = 0.60  # 4
    inflow_lq: float = 1.5
    inflow_material_share: float = 0.0025  # of A
    inflow_percentile: float = 75.0
    inflow_windows: int = 3
    fragility_percentile: float = 95.0
    fragility_min_days: int = 90

    history_1h_days: float = 30.0  # decisions 12: what windows of one hour are held against
    history_4h_days: float = 90.0
    history_24h_days: float = 365.0  # and windows of seven days against twice that
    z_min: int = 200  # 5
    z_min_daily: int = 90  # decisions 12: for W = 24 h
    z_min_span_s: int = 7 * DAY_S
    z_observed: float = 0.60
    z_alert_percentile: float = 98.76

    removal_policy: Policy = "age_hazard"  # 6.5: who leaves the liquidation map when contracts are closed

    # 6: the liquidation map. Another value of any of these builds the maps anew; particles stand either way of a middle
    map_transfer_share: float = 0.2  # chi: of the volume that changed no open interest, what changes hands
    map_transfer_spread: float = 0.1
    map_holding_scale: float = 1.0  # tau: times the holding days
    map_holding_spread: float = 0.3
    map_exposed_share: float = 0.6  # l0: of entries, what any price closes
    map_exposed_spread: float = 0.1
    map_tilt: float = 0.2  # l1: how far a one-sided minute tilts exposure
    map_funding_tilt: float = 0.3  # of tanh of the funding's z, beside the takers' imbalance
    map_funding_memory_days: float = 30.0
    map_turnover_limit: float = 0.5  # of the open interest, in one bar; a guard, not a model
    # 6.3, by effective leverage 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100; the institutional is one rung down
    map_mix_speculative: Rungs = (0.15, 0.20, 0.20, 0.13, 0.10, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01)
    map_mix_institutional: Rungs = (0.35, 0.20, 0.13, 0.10, 0.07, 0.05, 0.04, 0.03, 0.02, 0.01, 0.0)
    map_holding_days: Rungs = (10.0, 10.0, 6.0, 4.0, 2.0, 1.2, 0.7, 0.4, 0.2, 0.1, 0.08)  # mean, 6.5
    map_holding_none_days: float = 10.0  # hedged, below 2x, portfolio margin: as long as the lowest rung
    map_daily_volatility: float = 0.025  # of ln price; how far entries nobody saw may lie from the first mark
    map_large_usd: float = 1e6  # 6.4: the 90th percentile of sizes, for the band and the kernel
    map_alpha: float = 2.0  # 6.9: Gamma prior of omega, unit 1 M USD: mean 1, sd 0.71
    map_beta: float = 2.0
    map_legacy_alpha: float = 1.0  # of entries nobody saw: mean 1, sd 1
    map_forgetting: float = 0.98  # a day
    map_borrowed: float = 0.5  # of what its class learned, for a venue that hides amounts
    map_range: float = 0.20  # 6.6: of mark, both ways
    map_silent_s: float = 300.0  # a venue without a bar for longer is carried, frozen
    map_cluster_percentile: float = 90.0
    map_thin_history: float = 0.5  # legacy share above which a map says insufficient_history

    # 3.5; a stored ending names them (`episodes.rules`)
    episode_leader_x: float = 2.5  # own scales, to be one of the leaders
    episode_closed: float = 1.0 / 3.0  # of the first gap
    episode_held_s: float = 15.0 * 60.0  # closed for so long
    episode_share: float = 0.6  # of the closing, to be called one side's doing
    episode_expiry_s: float = DAY_S  # the larger of this
    episode_expiry_windows: float = 10.0  # and so many windows
    episode_covered: float = 0.80  # void: less coverage than this
    episode_uncovered_life: float = 0.10  # for more than this part of the life
    episode_cascade_sigmas: float = 3.0  # of price within an hour, and
    episode_cascade_fall: float = -0.05  # ln Q of the leader, or
    episode_cascade_percentile: float = 95.0  # liquidation intensity, and
    episode_cascade_map: float = 0.25  # of the map's mass within 5 % crossed

    # 7.2: OI/cap, funding, long/short, basis, liquidations; a part of weight zero is shown only
    overheat_weights: tuple[float, float, float, float, float] = (0.4, 0.4, 0.2, 0.0, 0.0)
    overheat_min_days: int = 90
    overheat_min_parts: int = 2

    def min_history(self, window_s: int) -> int:
        """Points of own history that a threshold for this window needs (decisions 12)."""
        return self.z_min_daily if window_s >= DAY_S else self.z_min

    def past_ms(self, window_s: float) -> int:
        """How much own history windows of this length are held against."""
        for longest, days in ((HOUR_S, self.history_1h_days), (4 * HOUR_S, self.history_4h_days)):
            if window_s <= longest:
                return round(days * DAY_S * 1000)
        return round((1 if window_s <= DAY_S else 2) * self.history_24h_days * DAY_S * 1000)

    def of_map(self) -> Mapping[str, Any]:
        """Those that a liquidation map is made by; who leaves it, a state says itself."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name.startswith("map_")}

    def expiry_s(self, window_s: float) -> float:
        """How long a divergence over such a window is followed (3.5)."""
        return max(self.episode_expiry_s, self.episode_expiry_windows * window_s)


DEFAULTS = Settings()

LIMITS: Mapping[str, tuple[float, float]] = {
    "map_transfer_share": (0.0, 1.0), "map_transfer_spread": (0.0, 1.0), "map_holding_scale": (0.01, 100.0),
    "map_holding_spread": (0.0, 0.99), "map_exposed_share": (0.0, 1.0), "map_exposed_spread": (0.0, 1.0),
    "map_tilt": (0.0, 1.0), "map_funding_tilt": (0.0, 10.0), "map_funding_memory_days": (0.01, 3650.0),
    "map_turnover_limit": (0.0, 1.0), "map_holding_days": (1e-3, 3650.0), "map_holding_none_days": (1e-3, 3650.0),
    "map_daily_volatility": (1e-4, 1.0), "map_alpha": (0.01, 1e6), "map_beta": (0.01, 1e6),
    "map_legacy_alpha": (0.01, 1e6), "map_forgetting": (0.0, 1.0), "map_borrowed": (0.0, 1.0),
    "map_range": (0.005, 0.45), "map_silent_s": (60.0, 86_400.0), "map_cluster_percentile": (0.0, 99.9),
    "map_thin_history": (0.0, 1.0), "lead_lags_s": (1, 1800), "history_1h_days": (1.0, 3650.0),
    "history_4h_days": (1.0, 3650.0), "history_24h_days": (1.0, 3650.0),
}  # fmt: skip
"""Beyond these nothing can be computed: a map's grid ends at half the mark, a mean time is above zero, a lag is shorter
than the windows that it is looked for in."""
