import dataclasses

from analytics import catalogue, tracks
from analytics.levels import ChartPoint

VENUES = ("one", "two")


def test_every_chart_draws_something_that_a_point_has():
    names = {f.name for f in dataclasses.fields(ChartPoint)}
    assert {c.series for c in catalogue.CHARTS} <= names | set(tracks.SERIES)
    assert set(tracks.SERIES) <= {c.series for c in catalogue.CHARTS}


def test_every_relation_leads_somewhere():
    known = {c.id for c in catalogue.CHARTS}
    assert {r for c in catalogue.CHARTS for r in c.related} <= known


def test_a_venue_has_its_own_chart():
    found = catalogue.find("derivatives-oi-two", VENUES)
    assert found is not None
    assert (found.venue, found.chart.series) == ("two", "usd")
    assert catalogue.find("derivatives-oi-three", VENUES) is None
    assert catalogue.find("derivatives-oi-{venue}", VENUES) is None


def test_fixed_names_are_not_venues():
    found = catalogue.find("derivatives-oi-coverage", VENUES)
    assert found is not None
    assert (found.venue, found.chart.series) == (None, "coverage")
    assert catalogue.find(catalogue.ALL_EXCHANGES, ()) is not None


def test_a_misspelt_id_finds_its_neighbours():
    assert "derivatives-oi-coverage" in catalogue.near("derivatives-oi-covrage", VENUES)
    assert "derivatives-oi-two" in catalogue.ids(VENUES)
