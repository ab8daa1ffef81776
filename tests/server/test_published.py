from collectors.venues import VENUES
from server.published import VENUE_COLUMNS, sides_measured, venue_rows


def test_every_field_of_every_venue_has_a_row_with_its_unit_and_sides() -> None:
    rows = [dict(zip(VENUE_COLUMNS, row, strict=True)) for row in venue_rows()]
    told = [(row["venue"], row["field"], row["unit"], row["sides"], row["status"]) for row in rows]
    assert told == [
        (venue.id, str(field.key), field.unit.value, field.sides, field.status.value)
        for venue in VENUES.values()
        for field in venue.fields
    ]
    for row in rows:
        assert row["transport"] in ("stream", "poll", "poll + stream") or str(row["transport"]).startswith("closed")


def test_what_a_daemon_measured_stands_beside_what_the_documents_say() -> None:
    venue = next(v for v in VENUES.values() if v.fields)
    key = str(venue.fields[0].key)
    columns = ["venue", "field", "sides", "status", "measured", "instruments", "windows"]
    table = {"columns": columns, "rows": [[venue.id, key, 1, "disputed", "two_sided", "2 of 3", 900]]}
    measured = sides_measured({"tables": {"sides_measured": table}})
    rows = [dict(zip(VENUE_COLUMNS, row, strict=True)) for row in venue_rows(measured)]
    told = {(row["venue"], row["field"]): (row["measured"], row["evidence"]) for row in rows}
    assert told[venue.id, key] == ("two_sided (2 of 3)", venue.fields[0].evidence or None)
    assert sum(measured is not None for measured, _ in told.values()) == 1
    assert sides_measured({"tables": {}}) == {}
