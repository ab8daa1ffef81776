"""Days that are over are put in order, every version kept; what runs is left alone."""

from store import bars
from store.compact import compact
from store.reader import Reader
from store.records import Source, Volume
from tests.store.made import DAY, HOUR, INVERSE, LINEAR, MINUTE, T0, reading, rows, store_of, writing

ALL = "SELECT * FROM bars_1m ORDER BY instrument_id, bucket, known_at"
ORDER = "SELECT instrument_id, epoch_ms(bucket), epoch_ms(known_at) FROM bars_1m ORDER BY rowid"


def test_days_that_are_over_are_put_in_order_and_nothing_is_lost() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(-30, 3):  # the last two hours and a half of a day, and the first hours of the next
                for i in (LINEAR, INVERSE):
                    writer.put(reading(T0 + 5 * k * MINUTE, 200.0 + k, of=i))
        for k in range(-30, 3):
            bars.keep_up(store, T0 + 5 * k * MINUTE, T0 + 5 * (k + 1) * MINUTE)
        with writing(store) as writer:
            writer.put(Volume(LINEAR, T0 - HOUR, T0 + HOUR, 5.0, None, Source.POLL, False))
        bars.keep_up(store, T0 + HOUR, T0 + HOUR)
        before, asked = rows(store, ALL), Reader(store).bars("BTC", T0 - DAY, T0 + DAY, MINUTE, T0 + DAY)
        running = [row for row in rows(store, ORDER) if row[1] >= T0]  # type: ignore[operator]

        assert compact(store, T0 + HOUR) == 0  # too early
        assert compact(store, T0 + 2 * HOUR) == 61
        found = rows(store, ORDER)
        assert found == [*running, *sorted(row for row in found if row[1] < T0)]  # type: ignore[operator]
        assert rows(store, ALL) == before
        assert Reader(store).bars("BTC", T0 - DAY, T0 + DAY, MINUTE, T0 + DAY).equals(asked)
        assert compact(store, T0 + 3 * HOUR) == 0


def test_a_month_that_is_over_is_put_in_order_as_a_whole() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for day in (-3, -2, 12):  # 16, 17 November and 1 December
                for i in (LINEAR, INVERSE):
                    writer.put(reading(T0 + day * DAY, 200.0 + day, of=i))
            assert writer.flush()
            for day in (-3, -2, 12):
                bars.build(store, T0 + day * DAY, T0 + day * DAY + MINUTE)
                done = compact(store, T0 + (day + 1) * DAY + 2 * HOUR)
                assert done == {-3: 2, -2: 2, 12: 6}[day]
        assert rows(store, ORDER) == sorted(rows(store, ORDER))


def test_nothing_to_put_in_order() -> None:
    with store_of() as store:
        assert compact(store, T0) == 0
