"""Bars equal what a hand works out; a changed bar is a new row; building twice adds nothing."""

import pytest

from store import bars
from store.reader import Reader
from store.records import (
    FeedClass,
    Field,
    Flag,
    Funding,
    Gap,
    Instrument,
    Liquidation,
    OpenInterest,
    Side,
    Source,
    Unit,
    Volume,
)  # fmt: skip
from tests.store.made import DAY, HOUR, INVERSE, LINEAR, MINUTE, T0, reading, rows, store_of, writing

BAR = (
    "epoch_ms(bucket) - 1795046400000, raw_open, raw_high, raw_low, raw_close, opened, closed, readings, mark_open, "
    "mark_high, mark_low, mark_close, covered_s"
)


def built(
    *records: OpenInterest | Gap | Liquidation | Volume, columns: str = BAR, until: int = T0 + 10 * MINUTE
) -> list[object]:
    """The bars of one minute each after these records, as the given columns."""
    with store_of() as store:
        with writing(store) as writer:
            writer.put(LINEAR)
            writer.put(INVERSE)
            for record in records:
                writer.put(record)
        bars.build(store, T0 - HOUR, until)
        return list(rows(store, f"SELECT {columns} FROM bars_1m ORDER BY instrument_id, bucket"))


def test_a_minute_holds_open_high_low_close_and_gross_changes() -> None:
    # One-sided: 100, 103, 99, 101 contracts. Opened 3 + 2, closed 4.
    said = [(0, 200.0, 1000.0), (10, 206.0, 1010.0), (20, 198.0, 990.0), (30, 202.0, 1005.0)]
    assert built(*(reading(T0 + 1000 * s, raw, mark) for s, raw, mark in said)) == [
        (0, 100.0, 103.0, 99.0, 101.0, 5.0, 4.0, 4, 1000.0, 1010.0, 990.0, 1005.0, 60.0)
    ]


def test_a_change_over_a_bucket_edge_belongs_to_the_later_bucket() -> None:
    said = built(reading(T0, 200.0), reading(T0 + 70_000, 210.0), columns="opened, closed")
    assert said == [(None, None), (5.0, 0.0)]


def test_a_change_over_a_long_gap_is_neither_opened_nor_closed() -> None:
    for gap_minutes, opened in ((4, 5.0), (6, None)):
        back = T0 + gap_minutes * MINUTE
        after = reading(back, 210.0, flags=Flag.RESYNC)
        assert built(reading(T0, 200.0), after, columns="opened")[-1] == (opened,)
        silent = Gap("here", "linear", "", T0 + 1, back - 1, "closed")
        assert built(reading(T0, 200.0), silent, reading(back, 210.0), columns="opened")[-1] == (opened,)


def test_a_slow_feed_without_a_gap_still_moves() -> None:
    assert built(reading(T0 - 50 * MINUTE, 200.0), reading(T0, 190.0), columns="closed")[-1] == (5.0,)


def test_a_changed_convention_is_no_flow() -> None:
    single = Field("single", Unit.CONTRACTS, sides=1)
    said = built(reading(T0, 200.0), reading(T0 + 1000, 500.0, field=single), columns="opened, closed, raw_close")
    assert said == [(None, None, 500.0)]


def test_a_linear_close_is_priced_at_the_closing_mark_and_an_inverse_one_keeps_its_dollars() -> None:
    # 150 contracts of 0.01 coin = 1.5 coins; 150 contracts of 100 USD = 15,000 USD. The last statement was heard after
    # the minute, with a mark of 125,000; the minute itself closed at 100,000.
    ts, seen = T0 + 59_990, T0 + 60_030
    said = built(
        reading(T0, 200.0), reading(ts, 300.0, 125_000.0, seen=seen),
        reading(T0, 200.0, of=INVERSE), reading(ts, 300.0, 125_000.0, seen=seen, of=INVERSE),
        columns="instrument_id, bucket = '2026-11-19', base_close, usd_close, mark_close",
    )  # fmt: skip
    assert {row[:2]: row[2:] for row in said} == {  # type: ignore[index]
        (LINEAR.id, True): pytest.approx((1.5, 150_000.0, 100_000.0)),
        (LINEAR.id, False): pytest.approx((1.5, 187_500.0, 125_000.0)),
        (INVERSE.id, True): pytest.approx((0.15, 15_000.0, 100_000.0)),
        (INVERSE.id, False): pytest.approx((0.12, 15_000.0, 125_000.0)),
    }


def test_open_interest_goes_by_the_venues_time_and_the_mark_by_ours() -> None:
    late = reading(T0 + 59_990, 210.0, 105_000.0, seen=T0 + 60_030)
    said = built(reading(T0, 200.0), late, columns="epoch_ms(bucket) - 1795046400000, raw_close, readings, mark_close")
    assert said == [(0, 105.0, 2, 100_000.0), (MINUTE, 105.0, 0, 105_000.0)]


def test_a_minute_is_covered_but_for_the_union_of_its_gaps_and_what_came_before_the_first_word() -> None:
    gaps = [
        Gap("here", "linear", "", T0 + MINUTE + 10_000, T0 + MINUTE + 30_000, "closed"),
        Gap("here", "linear", "BTCUSDT", T0 + MINUTE + 20_000, T0 + MINUTE + 40_000, "refused"),
        Gap("here", "linear", "ETHUSDT", T0 + MINUTE, T0 + 2 * MINUTE, "refused"),
        Gap("there", "linear", "", T0 + MINUTE, T0 + 2 * MINUTE, "closed"),
    ]
    said = built(
        reading(T0 + 15_000, 200.0), reading(T0 + MINUTE + 50_000, 202.0), reading(T0 + 2 * MINUTE, 204.0), *gaps,
        columns="covered_s",
    )  # fmt: skip
    assert said == [(45.0,), (30.0,), (60.0,)]


def test_a_bar_is_known_as_changed_by_a_gap_only_from_when_the_gap_was_recorded() -> None:
    back = T0 + 6 * MINUTE
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0 + 10_000, 200.0))
            writer.put(reading(back, 210.0))
        reader = Reader(store)

        def told(moment: int | None) -> list[object]:
            frame = reader.bars("BTC", T0, back + MINUTE, MINUTE, moment, ("t", "covered_s", "opened"))
            return frame[["t", "covered_s", "opened"]].fillna(-1).to_numpy().tolist()

        whole = [[T0 + MINUTE, 60.0, -1.0], [back + MINUTE, 60.0, 5.0]]
        for built in (False, True):  # from readings, and as stored bars
            if built:
                bars.build(store, T0, back + MINUTE)
            assert told(None) == told(back + HOUR) == whole
        with writing(store) as writer:
            writer.put(Gap("here", "linear", "", T0 + 10_000, None, "lost"))
            writer.put(Gap("here", "linear", "", T0 + 10_000, back - 1, "lost"))
        for moment, ended in ((T0 + 3 * HOUR, False), (T0 + 4 * HOUR, True)):
            sql = f'UPDATE gaps SET known_at = make_timestamp_ms({moment}) WHERE ("end" IS NOT NULL) = {ended}'
            assert rows(store, sql) == [(1,)]
        bars.build(store, T0, back + MINUTE)
        broken = [[T0 + MINUTE, 10.0, -1.0], [back + MINUTE, 60.0, -1.0]]
        assert told(T0 + 3 * HOUR - 1) == whole
        assert told(T0 + 3 * HOUR) == told(None) == broken


def test_forced_closes_are_summed_by_side() -> None:
    def death(ts: int, side: Side, usd: float) -> Liquidation:
        return Liquidation(LINEAR, ts, ts, side, usd, Unit.USD, 1.0, usd, 1e5, FeedClass.FULL, False)

    said = built(
        reading(T0, 200.0), death(T0 + 1, Side.LONG, 10.0), death(T0 + 2, Side.LONG, 5.0),
        death(T0 + 3, Side.SHORT, 7.0), death(T0 + MINUTE, Side.SHORT, 9.0),
        columns="liquidated_long, liquidated_short",
    )  # fmt: skip
    assert said == [(15.0, 7.0)]


def traded(ts: int, seen: int, base: float, taker_buy: float | None = None) -> Volume:
    return Volume(LINEAR, ts, seen, base, taker_buy, Source.POLL, False)


def test_a_bar_holds_the_volume_said_last_and_none_where_none_is_said() -> None:
    minute = T0 + MINUTE
    said = built(
        *(reading(T0 + k * MINUTE, 200.0) for k in range(3)),
        traded(T0, minute + 1, 5.0, 2.0), traded(T0, minute + 2, 6.0, 2.5), traded(minute, minute + 3, 0.0),
        columns="volume, taker_buy, taker_sell, epoch_ms(known_at) - 1795046400000",
    )  # fmt: skip
    assert said == [
        (6.0, 2.5, 3.5, MINUTE + 2), (0.0, None, None, 2 * MINUTE), (None, None, None, 3 * MINUTE),
    ]  # fmt: skip


def test_a_volume_that_comes_after_its_bar_makes_a_bar_known_then() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(61):
                writer.put(reading(T0 + k * MINUTE, 200.0))
        bars.keep_up(store, T0, T0 + HOUR + 5000)
        with writing(store) as writer:
            writer.put(traded(T0 + 59 * MINUTE, T0 + HOUR + 20_000, 7.0, 7.0))
        assert bars.keep_up(store, T0 + HOUR + 5000, T0 + HOUR + 65_000) == 3  # the minute, its hour, the next minute
        assert rows(
            store,
            "SELECT volume, taker_sell, epoch_ms(known_at) - 1795046400000 FROM bars_1m "
            "WHERE epoch_ms(bucket) = 1795049940000 ORDER BY known_at",
        ) == [(None, None, HOUR), (7.0, 0.0, HOUR + 20_000)]
        assert rows(store, "SELECT volume, readings FROM bars_1h ORDER BY known_at") == [(None, 60), (7.0, 60)]
        assert bars.keep_up(store, T0 + HOUR + 65_000, T0 + HOUR + 125_000) == 0


def test_building_twice_adds_nothing_and_a_late_row_adds_one_bar_known_later() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0 + 30_000, 210.0))
        assert bars.build(store, T0, T0 + 3 * MINUTE) == 1
        assert bars.build(store, T0, T0 + 3 * MINUTE) == 0
        with writing(store) as writer:
            writer.put(reading(T0 + 10_000, 204.0, seen=T0 + 150_000))
        assert bars.build(store, T0, T0 + 3 * MINUTE) == 2  # and one of the mark heard in the third minute
        assert rows(
            store, "SELECT raw_close, readings, epoch_ms(known_at) FROM bars_1m WHERE epoch_ms(bucket) = 1795046400000"
        ) == [(105.0, 2, T0 + MINUTE), (105.0, 3, T0 + 150_000)]


def test_hours_and_days_are_made_of_minutes_when_they_have_ended() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(25):  # one-sided 100, 101, ... every hour
                writer.put(reading(T0 + k * HOUR + 5000, 200.0 + 2 * k, 1000.0 + k))
        bars.build(store, T0, T0 + DAY + 2 * HOUR)
        hours = rows(store, "SELECT raw_open, raw_close, opened, readings, covered_s FROM bars_1h ORDER BY bucket")
        assert hours[:2] == [(100.0, 100.0, None, 1, 55.0), (101.0, 101.0, 1.0, 1, 60.0)]
        assert len(hours) == 25
        assert rows(
            store,
            "SELECT raw_open, raw_high, raw_low, raw_close, opened, closed, readings, mark_high, epoch_ms(known_at) "
            "FROM bars_1d",
        ) == [(100.0, 123.0, 100.0, 123.0, 23.0, 0.0, 24, 1023.0, T0 + DAY)]
        assert bars.build(store, T0, T0 + DAY + 2 * HOUR) == 0


def test_the_change_since_the_last_bar_is_seen_where_its_reading_is_out_of_reach() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
        bars.build(store, T0, T0 + 3 * MINUTE)
        with writing(store, now_ms=T0 + 500) as writer:
            writer.put(reading(T0 + 4 * MINUTE, 210.0))
        bars.build(store, T0 + 3 * MINUTE, T0 + 5 * MINUTE)
        assert rows(store, "SELECT opened FROM bars_1m ORDER BY bucket") == [(None,), (5.0,)]


def test_history_does_not_replace_a_bar_whose_readings_are_gone() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(5):
                writer.put(reading(T0 + k * 1000, 200.0 + k))
        bars.build(store, T0, T0 + MINUTE)
        assert bars.retention(store, 30, T0 + 31 * DAY) == 5
        with writing(store) as writer:
            writer.put(reading(T0 + 30_000, 999.0, seen=T0 + 31 * DAY, source=Source.BACKFILL))
        assert bars.build(store, T0, T0 + MINUTE) == 0
        assert rows(store, "SELECT raw_close, readings FROM bars_1m") == [(102.0, 5)]


def test_a_bar_keeps_its_volume_when_that_is_no_longer_kept_by_itself() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0, seen=T0 + 31 * DAY))  # heard late: it outlives the volume
            writer.put(traded(T0, T0 + MINUTE, 5.0, 1.0))
        assert bars.build(store, T0, T0 + MINUTE) == 1
        assert bars.retention(store, 30, T0 + 32 * DAY) == 1
        assert bars.build(store, T0, T0 + MINUTE) == 0
        assert rows(store, "SELECT volume, taker_sell FROM bars_1m") == [(5.0, 4.0)]


def test_catching_up_builds_what_was_missed() -> None:
    with store_of() as store:
        assert bars.catch_up(store, T0) == 0
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0 + 50 * MINUTE, 210.0))
        assert bars.catch_up(store, T0 + HOUR) == 3
        assert rows(store, "SELECT readings FROM bars_1h") == [(2,)]


def test_catching_up_sees_what_came_late_before_the_end_and_leaves_the_running_minute() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(20):
                writer.put(reading(T0 + k * MINUTE, 200.0 + 2 * k))
        assert bars.catch_up(store, T0 + 20 * MINUTE) == 20
        with writing(store, now_ms=T0 + 20 * MINUTE) as writer:
            writer.put(reading(T0 + 7 * MINUTE + 1, 300.0, seen=T0 + 20 * MINUTE, source=Source.BACKFILL))
            writer.put(reading(T0 + 20 * MINUTE, 240.0))
        assert bars.catch_up(store, T0 + 20 * MINUTE + 30_000) == 3  # the late row's, the next, the gap's
        assert rows(store, "SELECT max(bucket) = '2026-11-19 00:19:00' FROM bars_1m") == [(True,)]


def test_the_clock_builds_what_ended_and_again_what_a_late_row_touched() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(3 * 60):
                writer.put(reading(T0 + k * MINUTE, 200.0 + 2 * k))
        first = bars.keep_up(store, T0, T0 + 2 * HOUR + 5000)
        assert first == 120 + 2
        assert bars.keep_up(store, T0 + 2 * HOUR + 5000, T0 + 2 * HOUR + 65_000) == 1
        with writing(store, now_ms=T0 + 2 * HOUR) as writer:
            writer.put(reading(T0 + 7 * MINUTE + 1, 300.0, seen=T0 + 2 * HOUR + 70_000, source=Source.BACKFILL))
        assert bars.keep_up(store, T0 + 2 * HOUR + 65_000, T0 + 2 * HOUR + 125_000) == 4  # and the minute that ended
        assert rows(
            store,
            "SELECT epoch_ms(bucket) - 1795046400000, raw_close, opened, closed FROM bars_1m "
            "WHERE epoch_ms(bucket) IN (1795046820000, 1795046880000) ORDER BY bucket, known_at",
        ) == [
            (7 * MINUTE, 107.0, 1.0, 0.0), (7 * MINUTE, 150.0, 44.0, 0.0),
            (8 * MINUTE, 108.0, 1.0, 0.0), (8 * MINUTE, 108.0, 0.0, 42.0),
        ]  # fmt: skip
        hours = rows(store, "SELECT readings, closed FROM bars_1h WHERE bucket = '2026-11-19' ORDER BY known_at")
        assert hours == [(60, 0.0), (61, 42.0)]


def test_bars_built_in_slices_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept_up(many: int) -> list[object]:
        monkeypatch.setattr(bars, "MANY", many)
        with store_of() as store:
            with writing(store) as writer:
                for k in range(120):
                    i = Instrument("here", "linear", f"A{k % 40}", f"A{k % 40}", "USDT", "USDT")
                    writer.put(reading(T0 + 1000 * k, 200.0 + k, of=i))
            assert bars.keep_up(store, T0, T0 + 2 * MINUTE) == 80
            return list(rows(store, "FROM bars_1m ORDER BY instrument_id, bucket"))

    assert kept_up(1) == kept_up(200)


def test_retention_keeps_what_was_heard_lately() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0, 200.0, 101_000.0, seen=T0 + 2 * DAY, flags=Flag.AFFIRMED))
            writer.put(Funding(LINEAR, T0, T0, 1e-4, 8.0, Source.BACKFILL, False))
        assert bars.retention(store, 1, T0 + 2 * DAY) == 1
        assert rows(store, "SELECT mark FROM readings") == [(101_000.0,)]
        assert rows(store, "SELECT rate FROM fundings") == [(1e-4,)], (
            "a few rows a day; a year of them is looked back on"
        )
