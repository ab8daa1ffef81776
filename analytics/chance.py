"""How often a rule speaks where nothing is the matter (analytics.md, 3.4).

Rates are shares of windows (of closes, of venues' windows). Those that were measured are of `bench/nulls.py`: the least
and the greatest of its worlds without anything to find. A test holds them against its table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chance:
    rule: str
    tested: bool  # it has a p, which a sweep adjusts
    low: float | None  # share of windows, before any adjusting; None: no such rate
    high: float | None
    why: str


MEASURED = "measured on independent flows of 5 to 20 venues"
FACT = "no rate: it says what was measured, not that it is unusual"

RULES = (
    Chance("venue_rotation: sign flip", True, 0.0, 0.048, MEASURED),
    Chance("venue_rotation: six windows", True, 0.050, 0.054, MEASURED),
    Chance("conviction", True, 0.0, 0.05, "p <= 0.05 by definition, where the venues suffice; else own_percentile"),
    Chance("conviction: own_percentile", False, 0.0, 0.025, "the 97.5th percentile of own history, by definition"),
    Chance("concentrated_inflow: sign flip", True, 0.0, 0.048, MEASURED),
    Chance("concentrated_inflow: own history", False, 0.001, 0.031, MEASURED),
    Chance("concentrated_inflow: three windows", False, 0.0, 0.024, MEASURED),
    Chance("60 % of inflow alone", False, 0.004, 0.662, f"{MEASURED}; never raised alone"),
    Chance("z-score alert", False, 0.010, 0.012, "measured on random walks"),
    Chance("fragility", False, 0.05, 0.05, "the 95th percentile of the own year, by definition; its days come in runs"),
    Chance("deleveraging, price_effect_drop", False, None, None, FACT),
    Chance("near_high, plateau", False, None, None, FACT),
    Chance("venue_stale, venue_dead, universe_change", False, None, None, FACT),
)  # fmt: skip
