"""Daily UTC closes: the last reading before midnight, fresh enough or said to be carried; corrections are revisions."""

from dataclasses import replace

import pytest

from store import bulk, closes
from store.engine import Store
from store.records import Flag, Instrument, Source
from tests.store.made import DAY, HOUR, INVERSE, LINEAR, MINUTE, T0, reading, rows, store_of, version, writing

OTHER = Instrument("elsewhere", "linear", "BTC-PERP", "BTC", "USD", "USD", contract_size=0.01)
CLOSE = "raw, sides, contract_size, mark, base, usd, age_s, basis, revision"


def closed(store: Store, of: Instrument = LINEAR) -> list[tuple[object, ...]]:
    return rows(store, f"SELECT {CLOSE} FROM closes WHERE instrument_id = {of.id} ORDER BY day, revision")


def test_a_close_is_the_last_reading_stated_before_midnight() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 - 10_000, 200.0))
            writer.put(reading(T0 - 1, 400.0, seen=T0 + 80))
            writer.put(reading(T0, 600.0))
        assert closes.write_closes(store, T0 - 1) == 1
        assert closed(store) == [(400.0, 2, 0.01, 100_000.0, 2.0, 200_000.0, 0.001, "measured", 0)]
        assert rows(store, "SELECT day::VARCHAR, epoch_ms(known_at) FROM closes") == [("2026-11-18", T0 + 5 * MINUTE)]
        assert closes.write_closes(store, T0 - 1) == 0


def test_a_late_reading_is_a_revision() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 - 10_000, 200.0))
        closes.write_closes(store, T0 - DAY)
        with writing(store) as writer:
            writer.put(reading(T0 - 5000, 210.0, seen=T0 + HOUR))
        assert closes.write_closes(store, T0 - DAY) == 1
        assert [(row[0], row[-1]) for row in closed(store)] == [(200.0, 0), (210.0, 1)]


def test_an_affirmed_value_is_as_young_as_its_affirmation() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 - HOUR, 200.0))
            writer.put(reading(T0 - HOUR, 200.0, 101_000.0, seen=T0 - 2000, flags=Flag.AFFIRMED))
        closes.write_closes(store, T0 - DAY)
        assert [(row[6], row[7]) for row in closed(store)] == [(2.0, "measured")]


def test_an_older_value_is_carried_at_the_price_of_the_fresh_and_then_left_out() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 - 2 * HOUR, 200.0, 100_000.0))
            writer.put(reading(T0 - 2 * HOUR, 200.0, 100_000.0, of=INVERSE))
            writer.put(reading(T0 - 1000, 200.0, 110_000.0, of=OTHER))
        closes.write_closes(store, T0 - DAY)
        assert closed(store, OTHER) == [(200.0, 2, 0.01, 110_000.0, 1.0, 110_000.0, 1.0, "measured", 0)]
        assert closed(store) == [(200.0, 2, 0.01, 110_000.0, 1.0, pytest.approx(110_000.0), 7200.0, "carried", 0)]
        assert closed(store, INVERSE) == [
            (200.0, 2, 100.0, 110_000.0, pytest.approx(10_000 / 110_000), 10_000.0, 7200.0, "carried", 0)
        ]
        closes.write_closes(store, T0)
        assert [row[-2] for row in closed(store)] == ["carried"], "nothing stands for the second day"


def test_a_fifteen_minute_old_value_is_measured_and_one_ms_more_is_not() -> None:
    for age, basis in ((900_000, "measured"), (900_001, "carried")):
        with store_of() as store:
            with writing(store) as writer:
                writer.put(reading(T0 - age, 200.0))
            closes.write_closes(store, T0 - DAY)
            assert [row[-2] for row in closed(store)] == [basis]


def test_a_feed_that_speaks_once_a_day_is_measured_up_to_a_day_and_a_half_late() -> None:
    for hour, expected in ((-36, ["measured"]), (-37, ["carried"])):
        with store_of() as store:
            with writing(store) as writer:
                for k in (3, 2, 1, 0):
                    writer.put(reading(T0 + hour * HOUR - k * DAY, 200.0 + k, source=Source.POLL))
            closes.write_closes(store, T0 - DAY)
            assert [row[-2] for row in closed(store)] == expected


def test_a_weekly_report_is_measured_for_eight_days_however_often_it_is_read() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in (2, 1, 0):
                for again in range(3):
                    seen = T0 - DAY - 7 * k * DAY + 3 * DAY + again * HOUR
                    writer.put(
                        reading(T0 - DAY - 7 * k * DAY, 200.0 + 2 * k, 1e5 + again, seen=seen, source=Source.POLL)
                    )
        closes.write_closes(store, T0, T0 + 8 * DAY)
        assert [(row[0], row[-2]) for row in closed(store)] == [(200.0, "measured")] * 7


def test_imported_days_are_closed_in_one_go() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(LINEAR)
        ts = [T0 + k * DAY + 20 * HOUR for k in range(4)]
        columns = {
            "ts": ts, "seen": ts, "instrument_id": LINEAR.id, "field": "openInterest", "raw": [2.0, 4.0, 6.0, 8.0],
            "unit": "contracts", "sides": 2, "base": 1.0, "usd": 10.0, "mark": 10.0, "source": "import",
        }  # fmt: skip
        assert bulk.write_readings(store, columns, False) == 4  # type: ignore[arg-type]
        assert closes.write_closes(store, T0, T0 + 4 * DAY) == 4
        assert [(row[0], row[6], row[7]) for row in closed(store)] == [
            (2.0, 14_400.0, "carried"), (4.0, 14_400.0, "measured"), (6.0, 14_400.0, "measured"),
            (8.0, 14_400.0, "measured"),
        ]  # fmt: skip


def test_a_close_says_the_contract_size_that_held_then() -> None:
    """Written a day late, after the contract was made ten times larger."""
    larger = replace(LINEAR, contract_size=0.1, valid_from=T0 + HOUR)
    with store_of() as store:
        rows(store, version(replace(LINEAR, valid_from=T0 - 9 * DAY), T0 - 5 * DAY))
        rows(store, version(larger, T0 + HOUR))
        with writing(store) as writer:
            writer.put(reading(T0 - 1000, 200.0))
            writer.put(reading(T0 + DAY - 1000, 20.0, of=larger))
        assert closes.write_closes(store, T0 - DAY, T0 + DAY) == 2
        assert [(row[0], row[2], row[4]) for row in closed(store)] == [(200.0, 0.01, 1.0), (20.0, 0.1, 1.0)]
