from collections.abc import Set
from dataclasses import replace

import pytest

from analytics import alerts, levels, rotation
from analytics.alerts import Signal
from analytics.multiplicity import expected_false
from analytics.settings import Settings
from tests.analytics.market import DAY, NOW, Line, latest
from tests.analytics.test_divergence import assessed


def signal(value: float, p: float | None = None, *, leader: str = "", window: int = 3600, sound: bool = True) -> Signal:
    return Signal("BTC", "rotation", leader, window, value, 10.0, "USD", p, sound)


def test_what_is_open_closes_only_below_four_fifths_of_its_threshold():
    opened = alerts.swept([signal(10.0)], set())
    assert [(r.state, r.signal.value) for r in opened.raised] == [("open", 10.0)]
    kept = alerts.swept([signal(8.0)], opened.standing)
    assert kept.raised == ()
    assert kept.standing == opened.standing
    shut = alerts.swept([signal(7.9)], kept.standing)
    assert [r.state for r in shut.raised] == ["closed"]
    assert shut.standing == frozenset()
    assert alerts.swept([signal(9.9)], set()).raised == ()


def test_chances_are_adjusted_over_the_whole_sweep():  # T20
    p = (0.001, 0.012, 0.021, 0.04, 0.2, 0.6)
    found = alerts.swept([signal(11.0, x, leader=str(k)) for k, x in enumerate(p)], set())
    assert [r.signal.leader for r in found.raised] == ["0", "1", "2", "3"]
    assert found.family == 6
    assert found.raised[0].adjusted is not None
    assert found.raised[0].adjusted.adjusted == pytest.approx(0.006)
    assert found.expected_false_a_day == pytest.approx(24 * expected_false(6))


def test_the_strict_procedure_raises_less():
    p = (0.001, 0.012, 0.021, 0.04, 0.2, 0.6)
    asked = [signal(11.0, x, leader=str(k)) for k, x in enumerate(p)]
    found = alerts.swept(asked, set(), Settings(multiplicity="benjamini_yekutieli"))
    assert [r.signal.leader for r in found.raised] == ["0", "1"]
    assert found.raised[0].adjusted is not None
    assert found.raised[0].adjusted.adjusted == pytest.approx(0.006 * 2.45)


def test_one_record_a_market_type_and_leader_and_its_strongest_window_speaks():
    found = alerts.swept([signal(11.0, window=3600), signal(19.0, window=14_400)], set())
    assert [(r.signal.window_s, r.state) for r in found.raised] == [(14_400, "open")]


def test_what_was_not_heard_well_neither_opens_nor_closes():
    assert alerts.swept([signal(99.0, sound=False)], set()).raised == ()
    standing = alerts.swept([signal(10.0)], set()).standing
    assert alerts.swept([signal(0.0, sound=False)], standing).standing == standing
    assert alerts.swept([], standing).standing == standing


def test_a_late_venue_is_stale_until_it_is_heard_and_dying_ends_nothing():
    def spell(age_s: float, standing: Set[alerts.Key]) -> tuple[list[tuple[str, str]], Set[alerts.Key]]:
        lines = [Line("one", [100.0], [10.0]), Line("two", [50.0], [10.0])]
        shown = levels.chart(latest=latest(lines, ages={"two": age_s}), now=NOW, start=NOW - DAY, step_s=300)
        found = alerts.swept([s for s in alerts.of_level("BTC", shown) if s.leader == "two"], standing)
        return [(r.signal.kind, r.state) for r in found.raised], found.standing

    told, standing = spell(100, frozenset())
    assert told == [("venue_stale", "open")]
    assert spell(200, standing)[0] == []
    told, standing = spell(1000, standing)
    assert told == [("venue_dead", "open")]
    assert sorted(spell(1, standing)[0]) == [("venue_dead", "closed"), ("venue_stale", "closed")]


def test_classes_that_part_are_a_signal_of_the_class_that_leads():
    found = alerts.of_divergence("BTC", assessed([-0.02, 0.04, -0.02, 0.03, -0.03, 0.03, -0.02, 0.04]))
    told = {s.kind: s for s in found}
    assert (told["conviction"].leader, told["conviction"].holds) == ("speculative", True)
    assert told["conviction"].value == pytest.approx(0.0575)
    assert told["conviction"].p == pytest.approx(2 / 70)
    assert alerts.swept(found, set()).family == 3


def test_who_leads_no_longer_ends_what_it_led():
    led = assessed([0.09, 0.001, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007])
    inflow = ("BTC", "concentrated_inflow", "a")
    standing = alerts.swept(alerts.of_divergence("BTC", led), set()).standing
    assert inflow in standing
    parted = assessed([-0.02, 0.04, -0.02, 0.03, -0.03, 0.03, -0.02, 0.04])
    found = alerts.swept(alerts.of_divergence("BTC", parted), standing)
    assert inflow not in found.standing
    assert ("BTC", "conviction", "speculative") in found.standing
    back = alerts.swept(alerts.of_divergence("BTC", assessed([0.02, -0.04, 0.02, -0.03, 0.03, -0.03, 0.02, -0.04])),
                        found.standing)  # fmt: skip
    assert {k[2] for k in back.standing if k[1] == "conviction"} == {"institutional"}
    assert alerts.swept(alerts.of_divergence("BTC", led), back.standing).standing >= {inflow}, "and may lead again"
    quiet = replace(parted, venues=tuple(v for v in parted.venues if v.venue != "a"))
    assert inflow in alerts.swept(alerts.of_divergence("BTC", quiet), standing).standing, "nobody heard it: it stays"


@pytest.mark.parametrize(("p", "label"), [(0.045, "venue_rotation"), (0.08, "rotation_like")])
def test_a_rotation_opens_only_where_its_label_says_so(p: float, label: str):
    found = assessed([0.09, 0.001, -0.025, -0.02, -0.018, -0.012, -0.008, -0.007])
    assert found.rotation is not None
    turned = replace(found.rotation, p=p, vr=None, vr_p=None)
    turned = replace(turned, label=rotation.label(turned))
    assert turned.label == label
    (signal,) = (s for s in alerts.of_divergence("BTC", replace(found, rotation=turned)) if s.kind == "rotation")
    assert (signal.p, signal.holds) == (p, label == "venue_rotation")
    assert len(alerts.swept([signal], set()).raised) == int(label == "venue_rotation")


@pytest.mark.parametrize("silent", [("a", "b", "c"), tuple("abcdefgh")])
def test_an_outage_raises_nothing(silent: tuple[str, ...]):
    found = alerts.of_divergence("BTC", assessed([-0.5 if n in silent else 0.0 for n in "abcdefgh"], silent=silent))
    assert alerts.swept(found, set()).raised == ()
