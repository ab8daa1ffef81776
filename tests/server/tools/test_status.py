import json
from dataclasses import replace
from pathlib import Path
from time import time

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from server.answers import utc
from server.tools.house import House
from server.tools.status import COLUMNS, get_status, unwritten
from store.engine import Store, open_store
from store.reader import Reader
from store.records import (
    STRETCHED,
    Event,
    FeedClass,
    Field,
    Gap,
    Health,
    Hold,
    Instrument,
    Liquidation,
    OpenInterest,
    Quarantined,
    Side,
    Source,
    Status,
    Unit,
)
from store.writer import Progress, Writer
from tests.server.tools.made import by_name

NOW = int(time()) * 1000  # health is kept for a week, so that the past cannot be made up
COIN = Instrument("northern", "linear", "COIN", "COIN", "USDT", "USDT")


@pytest.fixture
def store(tmp_path: Path):
    store = open_store(tmp_path / "live.duckdb", "live")
    yield store
    store.close()


def health(venue: str, symbol: str, state: str, ago_s: int, detail: str = "") -> Health:
    at = NOW - ago_s * 1000
    return Health(venue, "linear", symbol, at, state, at, at if state == "live" else None, 5.0, 100, 2, detail)


def house(store: Store, writer: Writer) -> House:
    reader = Reader(store, writer.latest)
    return House(reader=reader, simulated=False, version="1", started=NOW - 60_000, now=lambda: NOW)


def test_status_tells_who_is_heard_and_who_is_not(store: Store) -> None:
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        for record in (
            health("northern", "", "live", 30),
            health("northern", "COIN", "live", 30),
            health("northern", "OTHER", "stale", 20),
            health("southern", "", "down", 40, "no route"),
            health("bygone", "", "live", 3600),  # of an earlier run
            Gap("southern", "linear", "", NOW - 50_000, None, "down: no route"),
            Gap("northern", "linear", "OTHER", NOW - 20_000, NOW - 10_000, "stale"),
            Gap("northern", "linear", "OTHER", NOW - 3 * 86_400_000, NOW - 2 * 86_400_000, "long ago"),
        ):
            writer.put(record)
        heard = NOW - 1_500
        writer.put(
            OpenInterest(
                COIN, Field("oi", Unit.BASE), heard, heard, 10.0, 10.0, 1000.0, 100.0, None, None, None, Source.STREAM,
                False, 0,
            )
        )  # fmt: skip
        writer.flush()
        answer = get_status(house(store, writer))
        one = get_status(house(store, writer), venue="southern")
        with pytest.raises(ToolError, match=r"Unknown venue 'nothern'. Did you mean northern"):
            get_status(house(store, writer), venue="nothern")
    assert answer.summary == "1 of 2 venues are live; not: southern"
    assert [dict(zip(COLUMNS, row, strict=True)) for row in answer.rows] == [
        {
            "venue": "northern", "segment": "linear", "state": "live", "state_age_s": 30.0, "last_seen_age_s": 1.5,
            "cadence_s": 5.0, "symbols": 2, "symbols_live": 1, "unreadable_frames": 2, "ignored_frames": 0,
            "unknown_symbols": 0, "lag_ms": None, "clock_skew_ms": None, "gaps_24h": 1, "detail": None,
        },
        {
            "venue": "southern", "segment": "linear", "state": "down", "state_age_s": 40.0, "last_seen_age_s": None,
            "cadence_s": 5.0, "symbols": 0, "symbols_live": 0, "unreadable_frames": 2, "ignored_frames": 0,
            "unknown_symbols": 0, "lag_ms": None, "clock_skew_ms": None, "gaps_24h": 1, "detail": "no route",
        },
    ]  # fmt: skip
    assert answer.warnings == ["southern linear is down: no route"]
    assert (answer.coverage.venues_ok, answer.coverage.venues_missing) == (["northern"], ["southern"])
    assert answer.figures["open_gaps"] == 1
    assert [row[0] for row in one.rows] == ["southern"]
    assert one.tables["gaps"].rows == [["linear", "all", utc(NOW - 50_000), None, "down: no route"]]
    assert answer.tables == {}


def clocked(venue: str, lag_ms: float | None, skew_ms: float | None, ignored: int = 0, unknown: int = 0) -> Health:
    more = {"lag_ms": lag_ms, "skew_ms": skew_ms, "ignored": ignored, "unknown": unknown}
    return replace(health(venue, "", "live", 30), **more)


def test_f20_f26_status_tells_what_was_ignored_and_what_no_catalogue_names(store: Store) -> None:
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        writer.put(clocked("northern", 40.4, -300.0, 7, 3))
        writer.flush()
        (row,) = get_status(house(store, writer)).rows
    told = dict(zip(COLUMNS, row, strict=True))
    assert (told["ignored_frames"], told["unknown_symbols"]) == (7, 3)
    assert (told["lag_ms"], told["clock_skew_ms"]) == (40, -300)


def test_f37_status_warns_of_a_venues_clock_and_of_our_own(store: Store) -> None:
    """A lag below zero, or beyond what the cadence explains; a skew of one venue is its own, one of most is ours."""
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        for told in (
            clocked("early", -1500.0, 200.0),
            clocked("late", 6500.0, None),
            clocked("slow", 5500.0, None),  # it speaks every five seconds
            clocked("wrong", None, -2400.0),
        ):
            writer.put(told)
        writer.flush()
        assert get_status(house(store, writer)).warnings == [
            "clock: wrong answers by a clock that ours is 2.4 s behind.",
            "clock: early linear streams times that are 1.5 s ahead of ours when they arrive: one of the two clocks is "
            "wrong.",
            "clock: late linear streams times that are 6.5 s old when they arrive: late publication, a slow network, "
            "or a clock.",
        ]
        for told in (clocked("early", -1500.0, -1600.0), clocked("slow", 10.0, -1500.0)):
            writer.put(replace(told, ts=told.ts + 1))
        writer.flush()
        assert get_status(house(store, writer)).warnings[0] == (
            "clock: ours is 1.6 s behind that of 3 of 3 venues: set it right."
        )


def test_status_tells_what_was_refused_and_what_a_field_counts(store: Store) -> None:
    refused = Quarantined("northern", "linear", "COIN", NOW - 9_000, "jump", "30 % in one step", "{}")
    field = Field("oi", Unit.BASE, sides=2, status=Status.MEASURED, since="2026-01-01", evidence="its own total")
    heard = OpenInterest(COIN, field, NOW, NOW, 10.0, 5.0, 500.0, 100.0, None, None, None, Source.STREAM, False, 0)
    other = Field("total", Unit.USD, status=Status.DOCUMENTED, evidence="its documents")
    more = OpenInterest(COIN, other, NOW, NOW, 500.0, 5.0, 500.0, 100.0, None, None, None, Source.STREAM, False, 0)
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        for record in (health("northern", "", "live", 30), refused, refused, heard, more):
            writer.put(record)
        writer.flush()
        answer = get_status(house(store, writer), venue="northern")
    assert answer.tables["quarantine"].rows == [["northern", "linear", "COIN", "jump", 2, 9, "30 % in one step"]]
    assert answer.tables["fields"].rows == [
        ["linear", "oi", "base", 2, "measured", "2026-01-01", "its own total"],
        ["linear", "total", "usd", 1, "documented", None, "its documents"],
    ]


def test_a_silent_stream_that_rest_stands_in_for_is_heard_and_said(store: Store) -> None:
    words = "no data 20.0 s after subscribing; asked over REST instead"
    mute = [replace(health("northern", symbol, "mute", 20, words), cadence_s=60.0) for symbol in ("", "A", "B")]
    partly = [health("southern", symbol, "live", 20) for symbol in ("", *"CDEFGH")]
    silent = [replace(health("southern", symbol, "mute", 10, words), cadence_s=60.0) for symbol in "DEFGH"]
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        for record in (*mute, *partly, *silent, health("western", "", "down", 40, "no route")):
            writer.put(record)
        writer.flush()
        answer = get_status(house(store, writer))
        one = get_status(house(store, writer), venue="southern")
    assert answer.summary == "1 of 3 venues are live; not: northern (polled instead), western"
    assert answer.coverage.venues_ok == ["northern", "southern"], "a polled value is a seen value"
    assert answer.coverage.venues_missing == ["western"]
    assert answer.warnings == [
        "polled_instead: northern linear streams nothing of A, B (2 of 2 here); REST is asked every 60 s instead, and "
        "what it says counts as heard.",
        "polled_instead: southern linear streams nothing of D, E, F and 2 more (5 of 6 here); REST is asked every 60 s "
        "instead, and what it says counts as heard.",
        "western linear is down: no route",
    ]
    assert one.warnings == answer.warnings[1:2]
    assert by_name(answer, "venue")["northern"]["detail"] == words


def test_what_is_held_back_is_said_as_long_as_it_is(store: Store) -> None:
    words = "10 times the last: held until REST says the same, or until 2026-11-22T08:00:00Z if it gives no answer"
    held = Quarantined("northern", "linear", "COIN", NOW - 50_000, "held", words, "1000.0")
    released = replace(held, symbol="OTHER", seen=NOW - 3_600_000)
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        for record in (health("northern", "", "live", 30), held, released):
            writer.put(record)
        writer.flush()
        answer = get_status(house(store, writer))
    assert answer.warnings == [
        f"held_back: northern linear COIN stands at its last value: what it says now is {words}."
    ]
    assert {row[2] for row in answer.tables["quarantine"].rows} == {"COIN", "OTHER"}


def test_status_of_a_new_store_says_that_nobody_has_spoken(store: Store) -> None:
    with Writer(store, simulated=False, now_ms=NOW) as writer:
        answer = get_status(house(store, writer))
    assert answer.summary == "0 of 0 venues are live; none has spoken yet"
    assert answer.rows == []


def test_a_store_that_cannot_be_written_is_said_first(store: Store) -> None:
    with Writer(store, simulated=False, now_ms=NOW - 60_000, cadence_s=0.01) as writer:
        writer.put(health("northern", "", "live", 30))
        writer.flush()
        asked = replace(house(store, writer), progress=writer.progress)
        before = get_status(asked)
        with store.cursor() as con:
            con.execute("ALTER TABLE holds RENAME TO elsewhere")  # a write that the engine refuses
        writer.put(Hold("northern", NOW, "429"))
        assert not writer.flush(0.2)
        during, then = get_status(asked), get_status(asked, as_of=NOW - 1000)
        with store.cursor() as con:
            con.execute("ALTER TABLE elsewhere RENAME TO holds")
        assert writer.flush(10.0)
        after = get_status(asked)
    assert before.warnings == after.warnings == then.warnings == []
    assert before.figures["write_lag_s"] > 0
    assert during.figures["write_lag_s"] >= 0.2, "how long it waited without success"
    assert "write_lag_s" not in then.figures, "nobody knows any more how it was then"
    assert during.summary == "1 of 1 venues are live; THE STORE CANNOT BE WRITTEN"
    assert during.warnings[0].startswith("store: nothing can be written (Catalog Error: Table with name holds")
    assert "1 records wait in memory" in during.warnings[0]


def test_what_was_shed_is_said() -> None:
    told = Progress(rows=9, waiting=0, shed=12, refused=0, lag_ms=0.0, written=(), trouble="")
    assert unwritten(told) == [
        "shed: 12 records were given up since the start, because they could not be written fast enough; the "
        "stretches are gaps with the reason shed."
    ]
    assert unwritten(None) == []


def test_of_one_venue_it_tells_what_changed_while_it_was_silent_and_whole_or_throttled_feeds(store: Store) -> None:
    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        writer.put(health("northern", "", "live", 30))
        for k, size in enumerate((1.0, 2.0)):
            at = NOW - (k + 1) * 1000
            kind = FeedClass.THROTTLED
            writer.put(Liquidation(COIN, at, at, Side.LONG, size, Unit.BASE, size, 100.0, 100.0, kind, False))
        for k, detail in enumerate(('{"gap_change_usd": -5e6}', '{"gap_change_usd": null}')):
            writer.put(Event(NOW - (9 - k) * 1000, "venue_reentry", "COIN", "northern", detail))
        writer.put(Event(NOW - 1000, "venue_reentry", "COIN", "southern", '{"gap_change_usd": 1}'))
        writer.flush()
        answer = get_status(house(store, writer), venue="northern")
        every = get_status(house(store, writer))
    assert answer.tables["reentries"].rows == [
        ["COIN", utc(NOW - 8000), None],
        ["COIN", utc(NOW - 9000), -5_000_000],
    ]
    assert answer.tables["forced_closes"].rows == [["throttled", 2, False]]
    assert not {"reentries", "forced_closes"} & set(every.tables)


def test_status_tells_what_is_asked_less_often_than_it_should_be(store: Store) -> None:
    """The newest word on each poll, and none of what has ended or was of an earlier run."""

    def told(ago_s: int, venue: str, what: str, real: float) -> Event:
        detail = {
            "segment": "linear", "what": what, "wanted_s": 60.0, "real_s": real, "instruments": 300,
            "why": "the budget",
        }  # fmt: skip
        return Event(NOW - ago_s * 1000, STRETCHED, "", venue, json.dumps(detail))

    with Writer(store, simulated=False, now_ms=NOW - 60_000) as writer:
        for record in (
            health("northern", "", "live", 30), health("southern", "", "live", 30),
            told(50, "northern", "volume", 500.0), told(40, "northern", "volume", 133.3),
            told(40, "northern", "ratios", 90.0), told(40, "northern", "tiers", 90.0),
            told(30, "northern", "tiers", 60.0),
            told(3600, "southern", "volume", 500.0),
        ):  # fmt: skip
            writer.put(record)
        writer.flush()
        answer = get_status(house(store, writer))
        other = get_status(house(store, writer), venue="southern")
    assert [w for w in answer.warnings if w.startswith("stretched")] == [
        "stretched: northern linear, 300 instruments: ratios every 90 s, not 60 (the budget); volume every 133 s, "
        "not 60 (the budget)."
    ]
    assert not [w for w in other.warnings if w.startswith("stretched")]
