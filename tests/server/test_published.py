from collectors.venues import VENUES
from server.published import VENUE_COLUMNS, venue_rows


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
