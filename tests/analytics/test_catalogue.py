import dataclasses

from analytics import catalogue, charts
from analytics.levels import ChartPoint

VENUES = ("one", "two")


def test_every_chart_draws_something_that_a_point_has():
    names = {f.name for f in dataclasses.fields(ChartPoint)}
    assert {c.series for c in catalogue.CHARTS} <= names | set(charts.DRAWN)
    assert set(charts.DRAWN) <= {c.series for c in catalogue.CHARTS}


def test_every_chart_has_its_own_id_and_a_whole_guide():
    assert len({c.id for c in catalogue.CHARTS}) == len(catalogue.CHARTS)
    for c in catalogue.CHARTS:
        assert c.formula, c.id
        assert c.related, c.id
        assert all((c.guide.what, c.guide.how_to_read, c.guide.history, c.guide.mistakes)), c.id
        assert c.guide.zones or c.guide.watch, c.id


def test_charts_of_one_venue_are_found_by_their_id():
    found = catalogue.find("derivatives-oi-flow-two", VENUES)
    assert found is not None
    assert (found.venue, found.chart.series) == ("two", "flow")
    assert catalogue.find("derivatives-oi-rotation-two", VENUES) is None


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
