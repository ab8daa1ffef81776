"""Every question, with values; nothing heard after `as_of` is seen."""

import math
from dataclasses import replace
from time import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from store import bars, bulk, closes
from store import questions as q
from store.engine import Store
from store.latest import Latest
from store.patience import TooSlow
from store.reader import Reader
from store.records import (
    FeedClass,
    Field,
    Gap,
    Health,
    Hold,
    Liquidation,
    Quarantined,
    Side,
    Source,
    Status,
    Unit,
    Volume,
)
from tests.store.made import DAY, FIELD, HOUR, INVERSE, LINEAR, MINUTE, T0, reading, rows, store_of, writing


class Facts:
    """A venue's file, as the store sees it."""

    id, name, cls, docs, note, closed_on, fields = "here", "Here", "mixed", "https://here", "a note", None, (FIELD,)


def first(frame: object) -> dict[str, object]:
    """The only row of a frame."""
    (row,) = frame.to_dict("records")  # type: ignore[attr-defined]
    return row


def test_latest_gives_the_newest_statement_in_every_unit() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.register([Facts()])
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0 + 1000, 300.0, 90_000.0, funding=1e-4))
            writer.put(Health("here", "linear", "", T0, "live", T0, T0, None, 1, 0))
        expected = {
            "instrument_id": LINEAR.id, "venue": "here", "class": "mixed", "segment": "linear", "symbol": "BTCUSDT",
            "asset": "BTC", "payoff": "linear", "contract_size": 0.01, "field": "openInterest", "unit": "contracts",
            "sides": 2, "side_status": "documented", "raw": 300.0, "native": 150.0, "base": 1.5, "usd": 135_000.0,
            "mark": 90_000.0, "funding": 1e-4, "funding_interval_h": 8.0, "ts": T0 + 1000, "seen": T0 + 1040,
            "last_seen": T0 + 1040, "source": "stream", "simulated": False, "flags": 0, "state": "live",
        }  # fmt: skip
        for reader, as_of in ((Reader(store), T0 + MINUTE), (Reader(store, writer.latest), None)):
            row = first(reader.latest("BTC", as_of))
            assert {k: row[k] for k in expected} == expected
            assert math.isnan(row["index"])  # type: ignore[arg-type]


def test_latest_as_of_hides_what_was_heard_later_whenever_it_was_stated() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0 + 1000, 210.0, seen=T0 + 9000, source=Source.BACKFILL))
        reader = Reader(store, writer.latest)
        assert reader.latest("BTC", T0 + 8999)["raw"].tolist() == [200.0]
        assert reader.latest("BTC", T0 + 9000)["raw"].tolist() == [210.0]
        assert reader.latest("BTC", T0 + 39).empty
        assert reader.latest("ETH").empty


def test_a_late_row_is_not_the_latest() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 + 1000, 210.0))
            writer.put(reading(T0, 200.0, seen=T0 + 5000))
        assert Reader(store).latest("BTC", T0 + MINUTE)["raw"].tolist() == [210.0]


def test_latest_finds_who_was_silent_for_hours_and_for_days() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(reading(T0 + 30 * HOUR, 300.0, of=INVERSE))
        reader = Reader(store)
        for hours in (31, 49, 24 * 29):
            assert sorted(reader.latest("BTC", T0 + hours * HOUR)["raw"]) == [200.0, 300.0]
        assert reader.latest("BTC", T0 + 31 * DAY)["raw"].tolist() == [300.0]


def test_a_silent_venue_stands_until_its_end_is_in_the_registry() -> None:
    late = T0 + 49 * HOUR

    def raw(*said: object, closed_on: str | None = None, known_at: int = T0) -> list[float]:
        with store_of() as store:
            with writing(store, now_ms=known_at) as writer:
                facts = Facts()
                facts.closed_on = closed_on  # type: ignore[assignment]  # a day, or none
                writer.register([facts])
                writer.put(reading(T0, 200.0))
                for record in said:
                    writer.put(record)  # type: ignore[arg-type]  # records of several kinds
            return Reader(store).latest("BTC", late)["raw"].tolist()

    def word(symbol: str, state: str, segment: str = "linear") -> Health:
        return Health("here", segment, symbol, late - MINUTE, state, T0, None, None, 1, 0)

    assert raw() == [200.0]
    assert raw(replace(LINEAR, live=False)) == [], "delisted"
    assert raw(closed_on="2026-11-20") == [], "closed"
    assert raw(closed_on="2026-12-01") == [200.0], "not closed yet"
    assert raw(word("", "down")) == [200.0], "nobody knows what it lists"
    assert raw(word("", "live"), word("BTCUSDT", "stale")) == [200.0]
    assert raw(word("", "live"), word("ETHUSDT", "live")) == [], "heard without it: no longer collected"
    assert raw(word("", "live", "other")) == [], "nobody collects its segment"


def test_what_has_ended_leaves_memory_too() -> None:
    now = round(time() * 1000)
    live = Latest()
    live.hear(reading(now - 49 * HOUR, 200.0))
    with store_of() as store:
        with writing(store, now_ms=now) as writer:
            writer.put(reading(now - 49 * HOUR, 200.0))
        assert Reader(store, live).latest("BTC")["raw"].tolist() == [200.0]
        with writing(store, now_ms=now) as writer:
            writer.put(replace(LINEAR, live=False))
        assert Reader(store, live).latest("BTC").empty


def test_a_connection_that_is_down_is_the_state_of_all_its_symbols() -> None:
    def state(*said: Health) -> object:
        with store_of() as store:
            with writing(store) as writer:
                writer.put(reading(T0, 200.0))
                for health in said:
                    writer.put(health)
            return first(Reader(store).latest("BTC", T0 + MINUTE))["state"]

    live, down = (Health("here", "linear", "", T0, s, T0, None, None, 1, 0) for s in ("live", "down"))
    refused = Health("here", "linear", "BTCUSDT", T0, "refused", T0, None, None, 1, 0)
    fine = Health("here", "linear", "BTCUSDT", T0, "live", T0, None, None, 1, 0)
    assert (state(live), state(live, refused), state(down, fine)) == ("live", "refused", "down")


def minutes(store: Store, **more: int) -> list[tuple[object, ...]]:
    frame = Reader(store).bars("BTC", T0, T0 + 10 * MINUTE, **{"step_ms": MINUTE, **more})
    return list(frame[["t", "native", "opened", "readings"]].fillna(-1.0).itertuples(index=False, name=None))


def test_bars_are_the_same_whether_they_are_built_yet_or_not() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(4):
                writer.put(reading(T0 + 40_000 * k, 200.0 + 2 * k))
        expected = [(T0 + MINUTE, 101.0, 1.0, 2), (T0 + 2 * MINUTE, 102.0, 1.0, 1), (T0 + 3 * MINUTE, 103.0, 1.0, 1)]
        assert minutes(store, as_of=T0 + DAY) == expected
        for built in (1, 2, 3):
            bars.build(store, T0, T0 + built * MINUTE)
            assert minutes(store, as_of=T0 + DAY) == expected


def test_bars_of_a_longer_step_close_on_the_last_value_and_sum_what_is_gross() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(10):
                writer.put(reading(T0 + 50_000 * k, 200.0 + 2 * k, 100_000.0 + k))
        bars.build(store, T0, T0 + 10 * MINUTE)
        frame = Reader(store).bars("BTC", T0, T0 + 10 * MINUTE, 5 * MINUTE, T0 + DAY)
        assert frame[["t", "native", "opened", "readings", "mark", "mark_high", "mark_low"]].to_numpy().tolist() == [
            [T0 + 5 * MINUTE, 105.0, 5.0, 6, 100_005.0, 100_005.0, 100_000.0],
            [T0 + 10 * MINUTE, 109.0, 4.0, 4, 100_009.0, 100_009.0, 100_006.0],
        ]
        assert frame[["venue", "class", "payoff", "symbol", "source"]].to_numpy().tolist()[0] == [
            "here", "none", "linear", "BTCUSDT", "stream",
        ]  # fmt: skip


def test_days_come_from_days_and_the_running_one_from_hours_minutes_and_readings() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(60):  # an hour apart, so the value is 100 + the hour
                writer.put(reading(T0 + k * HOUR, 200.0 + 2 * k))
        bars.build(store, T0, T0 + 58 * HOUR)
        reader = Reader(store)
        now = T0 + 59 * HOUR + 100
        frame = reader.bars("BTC", T0, now, DAY, now)
        assert frame[["t", "native", "readings", "opened"]].to_numpy().tolist() == [
            [T0 + DAY, 123.0, 24, 23.0], [T0 + 2 * DAY, 147.0, 24, 24.0], [T0 + 3 * DAY, 159.0, 12, 12.0],
        ]  # fmt: skip


def test_bars_as_of_show_the_version_known_then() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
        bars.build(store, T0, T0 + MINUTE)
        with writing(store) as writer:
            writer.put(reading(T0 + 1000, 240.0, seen=T0 + HOUR, source=Source.BACKFILL))
        bars.build(store, T0, T0 + MINUTE)
        assert minutes(store, as_of=T0 + HOUR - 1) == [(T0 + MINUTE, 100.0, -1.0, 1)]
        assert minutes(store, as_of=T0 + HOUR) == [(T0 + MINUTE, 120.0, 20.0, 2)]


def test_of_many_versions_the_last_known_counts_wherever_it_stands_in_the_file() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(6):
                writer.put(reading(T0 + k * MINUTE, 200.0 + 2 * k))
                writer.put(reading(T0 + k * MINUTE, 300.0 + 2 * k, of=INVERSE))
        bars.build(store, T0 + 3 * MINUTE, T0 + 6 * MINUTE)  # the file is not in order
        bars.build(store, T0, T0 + 3 * MINUTE)
        for k, volume in enumerate((5.0, 6.0, None)):
            with writing(store) as writer:
                if volume is not None:
                    writer.put(Volume(LINEAR, T0 + MINUTE, T0 + HOUR + k, volume, None, Source.POLL, False))
            bars.build(store, T0, T0 + 6 * MINUTE)
        con = store.cursor()  # and an old version may come after a new one
        con.execute("CREATE TABLE turned AS FROM bars_1m ORDER BY known_at DESC")
        con.execute("DELETE FROM bars_1m")
        con.execute("INSERT INTO bars_1m FROM turned")
        con.close()
        reader = Reader(store)

        def said(as_of: int | None, step: int = MINUTE) -> list[object]:
            frame = reader.bars("BTC", T0, T0 + 6 * MINUTE, step, as_of, ("t", "native", "volume", "symbol"))
            assert list(frame.columns) == ["symbol", "t", "native", "volume"]
            mine = frame[frame["symbol"] == "BTCUSDT"].fillna({"volume": -1.0})
            return mine[["t", "native", "volume"]].to_numpy().tolist()

        def minutes_with(volume: float) -> list[object]:
            return [[T0 + (k + 1) * MINUTE, 100.0 + k, volume if k == 1 else -1.0] for k in range(6)]

        assert said(T0 + HOUR - 1) == minutes_with(-1.0)
        assert said(T0 + HOUR) == minutes_with(5.0)
        assert said(None) == minutes_with(6.0)
        assert said(None, 3 * MINUTE) == [[T0 + 3 * MINUTE, 102.0, 6.0], [T0 + 6 * MINUTE, 105.0, -1.0]]
        with pytest.raises(ValueError, match="no column vol"):
            reader.bars("BTC", T0, T0 + HOUR, MINUTE, None, ["vol"])


def test_a_step_that_is_not_whole_minutes_is_refused() -> None:
    with store_of() as store, pytest.raises(ValueError, match="whole minutes, not 90000 ms"):
        Reader(store).bars("BTC", T0, T0 + DAY, 90_000)


def test_bars_of_an_unknown_asset_are_empty_and_keep_their_columns() -> None:
    with store_of() as store:
        frame = Reader(store).bars("DOGE", T0, T0 + DAY, HOUR)
        assert frame.empty
        assert list(frame.columns) == [
            "instrument_id", "venue", "class", "payoff", "symbol", "t", "native", "base", "usd", "mark", "mark_high",
            "mark_low", "index", "opened", "closed", "readings", "volume", "taker_buy", "liquidated_long",
            "liquidated_short", "funding", "funding_interval_h", "covered_s", "last_seen", "source",
        ]  # fmt: skip


def test_closes_show_the_newest_revision_known_then() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0 - 10_000, 200.0))
        closes.write_closes(store, T0 - DAY)
        with writing(store) as writer:
            writer.put(reading(T0 - 5000, 210.0, seen=T0 + HOUR))
        closes.write_closes(store, T0 - DAY)
        reader = Reader(store)

        def seen(as_of: int) -> list[object]:
            frame = reader.closes("BTC", T0 - DAY, T0, as_of)
            return frame[["day", "t", "native", "revision", "basis"]].to_numpy().tolist()

        assert seen(T0 + 5 * MINUTE - 1) == []
        assert seen(T0 + HOUR - 1) == [[T0 - DAY, T0, 100.0, 0, "measured"]]
        assert seen(T0 + HOUR) == [[T0 - DAY, T0, 105.0, 1, "measured"]]
        assert reader.closes("BTC", T0, T0 + DAY).empty


def test_gaps_touch_the_range_and_are_known_from_when_they_were_recorded() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(LINEAR)
            writer.put(Gap("here", "linear", "", T0, None, "closed"))
            writer.put(Gap("here", "linear", "", T0, T0 + MINUTE, "closed"))
            writer.put(Gap("there", "inverse", "BTCUSD", T0 + HOUR, None, "mute"))
        late = 'UPDATE gaps SET known_at = coalesce("end", start) + INTERVAL 20 SECOND'  # noticed after the fact
        assert rows(store, late) == [(3,)]
        reader = Reader(store)

        def found(start: int, end: int, **more: object) -> list[object]:
            frame = reader.gaps(start, end, **more)  # type: ignore[arg-type]
            return frame[["venue", "symbol", "start", "end", "reason"]].fillna({"end": -1}).to_numpy().tolist()

        closed = ["here", "", T0, T0 + MINUTE, "closed"]
        assert found(T0, T0 + DAY) == [closed, ["there", "BTCUSD", T0 + HOUR, -1, "mute"]]
        assert found(T0, T0 + DAY, venue="here") == found(T0, T0 + DAY, asset="BTC") == [closed]
        assert found(T0, T0 + DAY, as_of=T0 + 19_999) == []
        for moment in (T0 + 20_000, T0 + MINUTE + 19_999):
            assert found(T0, T0 + DAY, as_of=moment) == [["here", "", T0, -1, "closed"]]
        assert found(T0, T0 + DAY, as_of=T0 + MINUTE + 20_000) == [closed]
        assert found(T0 + 2 * MINUTE, T0 + 3 * MINUTE) == []
        assert found(T0 + 2 * HOUR, T0 + DAY) == [["there", "BTCUSD", T0 + HOUR, -1, "mute"]]


def test_instruments_and_venues_are_named_even_before_they_were_known() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.register([Facts()])
            writer.put(reading(T0, 200.0))
            writer.put(INVERSE)
        reader = Reader(store)
        frame = reader.instruments("BTC", T0 - 400 * DAY)
        assert frame[["venue", "symbol", "field", "side_status"]].fillna("-").to_numpy().tolist() == [
            ["here", "BTCUSDT", "openInterest", "documented"], ["there", "BTCUSD", "-", "-"],
        ]  # fmt: skip
        assert reader.assets().to_numpy().tolist() == [["BTC", 2, 2]]
        assert first(reader.venues(T0 - DAY)) == {
            "venue": "here", "name": "Here", "class": "mixed", "docs": "https://here", "note": "a note",
            "closed_on": None,
        }  # fmt: skip
        registry = reader.side_registry()
        assert registry[["venue", "segment", "sides", "status"]].to_numpy().tolist() == [
            ["here", "linear", 2, Status.DOCUMENTED]
        ]


def test_what_was_only_imported_is_described_by_the_venues_file() -> None:
    class Two(Facts):
        id, fields = "there", (Field("a", Unit.USD, 1, Status.MEASURED), Field("b", Unit.USD, 2, Status.MEASURED))

    given: dict[str, Any] = {"ts": np.array([T0]), "seen": T0, "base": 1.0, "usd": 1.0, "mark": 1.0, "source": "import"}
    with store_of() as store:
        with writing(store) as writer:
            writer.register([Facts(), Two()])
            writer.put(LINEAR)
            writer.put(INVERSE)
        of_here = {"instrument_id": LINEAR.id, "field": "openInterest", "unit": "contracts", "sides": 2, "raw": 2.0}
        of_there = {"instrument_id": INVERSE.id, "field": "b", "unit": "usd", "sides": 2, "raw": 2.0}
        for of in (of_here, of_there):
            assert bulk.write_readings(store, {**given, **of}, simulated=False) == 1
        reader, told = Reader(store), ["venue", "field", "unit", "sides", "side_status"]
        known = reader.instruments("BTC")[told].astype(object)
        assert known.where(known.notna(), None).to_numpy().tolist() == [
            ["here", "openInterest", "contracts", 2, "documented"], ["there", None, "usd", None, "measured"],
        ]  # fmt: skip
        assert reader.latest("BTC", T0 + MINUTE)[told].to_numpy().tolist() == [
            ["here", "openInterest", "contracts", 2, "documented"], ["there", "b", "usd", 2, "measured"],
        ]  # fmt: skip


def test_small_questions() -> None:
    death = Liquidation(LINEAR, T0, T0 + 5, Side.SHORT, 3.0, Unit.CONTRACTS, 0.03, 3e3, 1e5, FeedClass.FULL, False)
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 200.0))
            writer.put(death)
            writer.put(Health("here", "linear", "", T0, "connecting", T0, None, None, 0, 0))
            writer.put(Health("here", "linear", "", T0 + 10, "live", T0 + 10, T0 + 9, 0.5, 4, 1, "well"))
            writer.put(Hold("here", T0 + 5000, "429"))
            writer.put(Hold("here", T0 + 9000, "418"))
            for k in range(3):
                writer.put(Quarantined("here", "linear", "BTCUSDT", T0 + k, "jump", f"word {k}", "{}"))
        reader = Reader(store)
        shot = first(reader.liquidations("BTC", T0, T0 + 1))
        assert (shot["side"], shot["size"], shot["usd"], shot["feed"], shot["ts"]) == ("short", 3.0, 3e3, "full", T0)
        assert reader.liquidations("BTC", T0, T0 + 1, T0 + 4).empty
        assert first(reader.health(T0 + 5))["state"] == "connecting"
        assert {k: first(reader.health(T0 + MINUTE))[k] for k in ("state", "frames", "detail")} == {
            "state": "live", "frames": 4, "detail": "well",
        }  # fmt: skip
        assert first(reader.holds()) == {"venue": "here", "until": T0 + 9000, "reason": "418"}
        assert first(reader.quarantine_counts(T0, T0 + 2)) == {
            "venue": "here", "segment": "linear", "symbol": "BTCUSDT", "check": "jump", "count": 2, "last": T0 + 1,
            "words": "word 1",
        }  # fmt: skip
        assert reader.span("BTC") == (T0, T0)
        assert reader.span("ETH") is None
        assert reader.counts()["liquidations"] == 1
        assert reader.meta()["mode"] == "live"


def test_a_question_that_takes_too_long_is_interrupted() -> None:
    with store_of() as store:
        reader = Reader(store, timeout_s=0.05)
        with pytest.raises(TooSlow, match=r"longer than 0\.05 s"):
            reader.ask("SELECT sum(hash(a.range, b.range)) FROM range(10_000_000) a, range(10_000_000) b")
        assert rows(store, "SELECT 1") == [(1,)]


def test_what_is_listed_is_remembered_until_there_is_news_and_known_then() -> None:
    asked: list[str] = []

    class Counted:
        def __init__(self, store: Store) -> None:
            self.store = store

        def cursor(self) -> "Any":
            return Cursor(self.store.cursor())

    class Cursor:
        def __init__(self, con: "Any") -> None:
            self.con, self.interrupt, self.close = con, con.interrupt, con.close

        def execute(self, sql: str, values: object = None) -> "Any":
            asked.append(sql)
            return self.con.execute(sql, values)

    with store_of() as store, writing(store) as writer:
        writer.put(LINEAR)
        assert writer.flush()
        reader = Reader(Counted(store))
        frame = reader.instruments("BTC")
        frame["symbol"] = "spoilt"
        assert list(reader.instruments("BTC")["symbol"]) == ["BTCUSDT"]
        assert asked.count(q.INSTRUMENTS) == 1
        writer.put(INVERSE)
        assert writer.flush()
        known_at = round(float(str(rows(store, "SELECT epoch_ms(max(known_at)) FROM instruments")[0][0])))
        assert list(reader.instruments("BTC")["symbol"]) == ["BTCUSDT", "BTCUSD"]
        assert list(reader.at(known_at).instruments("BTC")["symbol"]) == ["BTCUSDT", "BTCUSD"]
        assert asked.count(q.INSTRUMENTS) == 2


def test_of_what_is_listed_an_older_moment_sees_the_older_version() -> None:
    with store_of() as store:
        con = store.cursor()
        for known_at, live in ((T0, True), (T0 + DAY, False)):
            con.execute(
                "INSERT INTO instruments VALUES (1, 'here', 's', 'A', 'BTC', 'USD', 'USD', 'perpetual', 'linear', 1, "
                "1, ?, NULL, NULL, 'current', NULL, make_timestamp_ms(?), FALSE)",
                [live, known_at],
            )
        reader = Reader(store)
        asked = [reader.instruments("BTC", t)["live"].tolist() for t in (T0, T0 + DAY - 1, T0 + DAY, T0 - 1, None)]
        assert asked == [[True], [True], [False], [True], [False]]


def test_the_cadence_of_a_busy_line_and_of_a_slow_one_are_the_median_of_their_last_64_steps() -> None:
    with store_of() as store:
        with writing(store) as writer:
            for k in range(200):  # 50 ms apart, lately 100 ms
                writer.put(reading(T0 + 50 * k + max(0, k - 130) * 50, 200.0 + k))
            for k in range(5):
                writer.put(reading(T0 - k * MINUTE, 300.0 + k, of=INVERSE, source=Source.POLL))
        frame = Reader(store).latest("BTC", T0 + 14_000).set_index("symbol")
        assert frame.loc["BTCUSDT", "cadence_s"] == 0.1
        assert frame.loc["BTCUSDT", "raw"] == 399.0
        assert frame.loc["BTCUSD", "cadence_s"] == 60.0
        assert frame.loc["BTCUSD", "raw"] == 300.0


def test_health_comes_from_memory_when_there_is_one_and_says_the_same() -> None:
    with store_of() as store, writing(store) as writer:
        now = round(time() * 1000)
        for state, ts in (("connecting", now - 2000), ("live", now - 1000)):
            writer.put(Health("here", "linear", "", ts, state, ts, None, None, 1, 0))
        writer.put(Health("here", "linear", "BTCUSDT", now, "live", now, now - 5, 0.25, 7, 1, "well"))
        writer.put(Health("gone", "linear", "", now - 8 * DAY, "live", now, now - 5, 0.25, 7, 1, "well"))
        assert writer.flush()
        told, stored = (r.health() for r in (Reader(store, writer.latest), Reader(store)))
        assert list(told.columns) == list(stored.columns)
        same = [[None if pd.isna(x) else x for x in row] for row in told.to_numpy().tolist()]
        assert same == [[None if pd.isna(x) else x for x in row] for row in stored.to_numpy().tolist()]
        assert list(told["state"]) == ["live", "live"]


def test_a_new_run_knows_what_connections_said_before_it() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(Health("here", "linear", "", T0 - 1000, "down", T0 - 1000, None, None, 1, 0))
        with writing(store) as writer:
            assert writer.latest.told is not None
            assert writer.latest.told["here", "linear", ""].state == "down"


def test_an_answer_looks_up_what_is_listed_once_and_the_next_one_sees_the_news() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(LINEAR)
        reader = Reader(store)
        one = reader.once()
        assert len(one.instruments("BTC")) == 1
        with writing(store) as writer:
            writer.put(INVERSE)
        assert len(one.instruments("BTC")) == 1  # all parts of an answer see the same
        assert len(reader.once().instruments("BTC")) == 2
        assert len(reader.instruments("BTC")) == 2
