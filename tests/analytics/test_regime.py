from dataclasses import replace

import pytest

from analytics.regime import aggregate_funding, annual, long_short, overheat, per_8h
from analytics.settings import DEFAULTS
from analytics.supply import bitcoin_supply, estimated_height, known, share

MISSING = ("long_short", "basis", "liquidations")


def test_the_overheat_index():  # T21
    assert overheat(0.92, 0.85, 0.70).index == pytest.approx(84.8)
    without = overheat(0.92, 0.85, None)
    assert (without.index, without.band, without.missing) == (pytest.approx(88.5), "extreme", MISSING)


def test_one_part_is_not_an_index():
    alone = overheat(0.92, 0.85, None, days=(365, 89, 0, 0, 0))
    assert alone.index is None
    assert alone.reasons[0].code == "insufficient_history"


def test_parts_that_weigh_nothing_are_told_and_change_nothing_until_they_are_weighed():
    told = overheat(0.92, 0.85, 0.70, 0.1, 0.2)
    assert (told.index, told.missing) == (pytest.approx(84.8), ())
    assert [(p.name, p.percentile, p.weight) for p in told.parts[3:]] == [
        ("basis", 0.1, 0.0),
        ("liquidations", 0.2, 0.0),
    ]
    assert overheat(0.92, None, None, 0.1, 0.2).index is None
    weighed = replace(DEFAULTS, overheat_weights=(0.4, 0.0, 0.0, 0.4, 0.2))
    assert overheat(0.5, None, None, 0.25, 1.0, settings=weighed).index == pytest.approx(50.0)


def test_ratios_are_averaged_by_their_logarithms():  # T21
    assert long_short((2.0, 0.8), (0.75, 0.25)) == pytest.approx(1.590541, rel=1e-6)
    assert long_short((), ()) is None


def test_funding_over_a_year():  # T21
    assert annual(0.0001) == pytest.approx(0.1095)
    assert per_8h(0.0001, 1) == pytest.approx(0.0008)
    assert aggregate_funding((0.0001, 0.0003), (3, 1)) == pytest.approx(0.00015)
    assert aggregate_funding((), ()) is None


def test_bitcoin_supply_by_height():  # T22
    assert bitcoin_supply(976_000) == 20_112_503.125
    assert bitcoin_supply(839_999) is None
    assert bitcoin_supply(1_050_000) is None


def test_open_interest_over_supply():
    assert share(201_125.03125, bitcoin_supply(976_000)).share == pytest.approx(0.01)
    assert share(1.0, None).reasons[0].code == "external_missing"


def test_the_supply_is_modelled_by_the_block_schedule_unless_somebody_says_it():
    assert estimated_height(1_713_571_767_000) == 840_000
    assert estimated_height(1_713_571_766_000) is None
    at = 1_713_571_767_000 + 136_000 * 600_000
    assert known("BTC", at) == (20_112_503.125, "modelled")
    assert known("BTC", at, 19_000_000.0) == (19_000_000.0, "external")
    assert known("ETH", at) == (None, "external")
    assert known("BTC", 0)[0] is None
