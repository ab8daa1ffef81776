"""The past, newest first."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.backfill import Progress, backfill, mark_at
from collectors.http import Http
from store.records import Instrument, OpenInterest, Quarantined, Source
from tests.collectors.toy import HISTORY, SOCKET, Exchange, Peer, Records, no_delays, venue

pytestmark = pytest.mark.anyio

STEP = 300_000
END = 1_800_000_000_000
BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")


async def silent(_: Peer) -> None:
    return


async def filled(
    exchange: Exchange, start: int, *, now: int = END, marks: dict[int, list[tuple[int, float]]] | None = None
) -> tuple[Records, list[Progress]]:
    records = Records()
    toy = venue(SOCKET, history=(HISTORY,))
    async with exchange.open(), Http(exchange.address, records, now=lambda: now) as http:
        progress = await backfill(
            [toy], [BTC], start, END, records, http, marks=marks, simulated=True, delays=no_delays
        )
    return records, progress


class Past:
    """An exchange that keeps one point every five minutes."""

    def __init__(self, *, mark: float | None = 100.0, symbol: str = "BTC", fail: int = 0) -> None:
        self.mark, self.symbol, self.fail = mark, symbol, fail
        self.exchange = Exchange(silent, replies={"/history": self.reply})

    def reply(self) -> tuple[int, dict[str, str], str]:
        if self.fail:
            self.fail -= 1
            return 500, {}, "busy"
        asked = parse_qs(urlsplit(self.exchange.requests[-1][1]).query)
        start, end = int(asked["start"][0]), int(asked["end"][0])
        points = range(-(-start // STEP) * STEP, end + 1, STEP)
        rows = [
            {"kind": "snap", "symbol": self.symbol, "ts": ts, "oi": (END - ts) / STEP + 10, "mark": self.mark}
            for ts in points
        ]
        return 200, {}, json.dumps(rows)


async def test_readings_come_newest_first_priced_and_marked_as_what_they_are() -> None:
    records, (progress,) = await filled(Past().exchange, END - 6 * STEP)
    readings = records.of(OpenInterest)
    assert [(END - r.ts) // STEP for r in readings] == [0, 1, 2, 3, 4, 5, 6]
    assert [r.raw for r in readings] == [10, 11, 12, 13, 14, 15, 16]
    assert readings[3].usd == 1300.0
    assert {(r.source, r.simulated, r.flags, r.seen) for r in readings[:1]} == {(Source.BACKFILL, True, 8, END)}
    assert (progress.readings, progress.done, progress.skipped) == (7, True, {})


async def test_a_reply_that_names_nobody_is_about_whom_we_asked_for() -> None:
    records, _ = await filled(Past(symbol="").exchange, END - STEP)
    assert [r.instrument.symbol for r in records.of(OpenInterest)] == ["BTC", "BTC"]


async def test_what_cannot_be_priced_is_left_out_with_the_reason() -> None:
    records, (progress,) = await filled(Past(mark=None).exchange, END - 2 * STEP)
    assert records.of(OpenInterest) == []
    assert progress.skipped == {"no mark to price it with": 3}


async def test_marks_handed_in_price_what_the_reply_does_not() -> None:
    marks = {BTC.id: [(END - 2 * STEP, 50.0), (END - STEP // 2, 60.0)]}
    records, (progress,) = await filled(Past(mark=None).exchange, END - 3 * STEP, marks=marks)
    assert [(r.raw, r.mark) for r in records.of(OpenInterest)] == [(10, 60.0), (11, 50.0), (12, 50.0)]
    assert progress.skipped == {"no mark to price it with": 1}


def test_a_mark_of_long_ago_prices_nothing() -> None:
    assert mark_at([(0, 5.0)], 600_000, 300.0) == 5.0
    assert mark_at([(0, 5.0)], 600_001, 300.0) is None
    assert mark_at([(10, 5.0)], 9, 300.0) is None


async def test_a_busy_venue_is_asked_again_and_a_dead_one_is_left() -> None:
    records, (progress,) = await filled(Past(fail=2).exchange, END - STEP)
    assert progress.done
    assert len(records.of(OpenInterest)) == 2
    records, (progress,) = await filled(Past(fail=99).exchange, END - STEP)
    assert not progress.done
    assert progress.reached == END + 1
    assert progress.skipped == {"the venue did not answer": 0}


async def test_an_unreadable_reply_is_quarantined() -> None:
    records, (progress,) = await filled(
        Exchange(silent, replies={"/history": lambda: (200, {}, '[{"kind":')}), END - STEP
    )
    (kept,) = records.of(Quarantined)
    assert (kept.check, kept.symbol, kept.raw) == ("unreadable", "BTC", '[{"kind":')
    assert not progress.done


async def test_the_venues_memory_is_the_floor() -> None:
    past = Past()
    records, (progress,) = await filled(past.exchange, END - 6 * STEP, now=END + 30 * 86_400_000 - 2 * STEP)
    assert [r.raw for r in records.of(OpenInterest)] == [10, 11, 12]
    assert progress.skipped == {"older than the 30 days that the venue keeps": 0}
