"""What is said of a rule without a test is what was measured."""

import json
from pathlib import Path

import pytest

from analytics.chance import RULES

NULLS = json.loads((Path(__file__).parents[2] / "bench" / "nulls.json").read_text(encoding="utf-8"))["rows"]
MEASURED = {
    "venue_rotation: sign flip": "R >= 0.80 and sign-flip p <= 0.05",
    "venue_rotation: six windows": "rotation over six windows, p <= 0.05",
    "concentrated_inflow: sign flip": "the same and sign-flip p <= 0.05",
    "concentrated_inflow: own history": "the same and beyond the venue's own 98.76th percentile",
    "concentrated_inflow: three windows": "largest share of inflow >= 60 %, the same venue three times",
    "60 % of inflow alone": "largest share of inflow >= 60 %, alone",
    "z-score alert": "alert: percentile >= 98.76",
}


@pytest.mark.parametrize("rule", MEASURED)
def test_a_rate_is_that_of_the_null_table(rule: str) -> None:
    [told] = [r for r in RULES if r.rule == rule]
    rates = [r["rate"] for r in NULLS if r["rule"] == MEASURED[rule]]
    assert (told.low, told.high) == (pytest.approx(min(rates), abs=6e-4), pytest.approx(max(rates), abs=6e-4))


def test_every_other_rule_says_why_it_has_no_measured_rate() -> None:
    for r in RULES:
        assert r.why
        assert ("measured on" in r.why) == (r.rule in MEASURED)
