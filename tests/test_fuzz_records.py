"""Whatever a venue says, what callers make of it is sane: records of finite numbers, or a refusal that they catch.

Each word goes the way that its caller sends it. A poll and a line catch what goes wrong between a reply and its
records; the filling of the past and the questions that stand in for a socket catch what goes wrong in reading alone.
"""

import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.backfill import Filler, native
from collectors.besides import Besides
from collectors.board import DOLLARS, Board
from collectors.connection import UNREADABLE
from collectors.feeds import RHYTHM, backoff
from collectors.missing import Progress, runs
from collectors.public import Positions
from collectors.trail import Trail
from collectors.venue import Answer, History, Liquidated, Ratio, Segment, Tier, Traded, Update
from store import columns
from store.records import Instrument, Liquidation, LongShort, MarginTier, OpenInterest, Source, Volume
from tests.fuzzing import IDS, Heard, closed, heard, opened_up, spoil, tried
from tests.test_venues import SCRIPTS, play, worth

Kept = list[Any]


def board(id: str, instruments: Iterable[Instrument], kept: Kept) -> Board:
    """One that knows what everything is worth, as it would be after a while."""
    it = play(id)
    made = Board(instruments, coin=worth(it.script), sink=kept.append, unpriced=True)
    for instrument in instruments:
        made.apply(Update(instrument.symbol, mark=1000.0), it.script.expect.now_ms)
    return made


def recorded(id: str, feed: Heard, words: Iterable[Any]) -> Kept:
    """The records that a feed's caller makes of its words."""
    now, kept, told = SCRIPTS[id].expect.now_ms, list[Any](), feed.listed[0]
    if isinstance(feed.spec, History):
        return [*past(told, feed.spec, now, kept, words), *kept]
    state = board(id, feed.listed, kept)
    besides = Besides(state)
    for word in words:
        if isinstance(word, Update | Liquidated | Traded | Ratio | Tier) and not word.symbol:
            word.symbol = told.symbol  # as whoever asked would
        if isinstance(word, Update):
            kept.append(state.apply(word, now, Source.POLL, borrow=isinstance(feed.spec, Answer)))
        elif isinstance(word, Liquidated | Traded | Ratio | Tier):
            kept += besides.take(word, now, Source.POLL)
    return kept


def past(told: Instrument, history: History, now: int, kept: Kept, words: Iterable[Any]) -> Kept:
    """As the filler takes a reply: each point alone, and then all of them in time's order."""
    http: Any = SimpleNamespace(now=lambda: now)
    filler = Filler(
        http=http, sink=kept.append, marks=lambda _, __: 1000.0, last=lambda _: None, sized=lambda i, _: i,
        simulated=False, told=lambda _: None, share=1.0, delays=backoff, rhythm=RHYTHM, clock=float, dollars=DOLLARS,
    )  # fmt: skip
    work: Any = SimpleNamespace(progress=Progress(told, "oi", (), history.step, 1, 1.0))
    span = now - 10**10, now
    points = [filler.record(work, history, [], word, span) for word in words if not runs(word, history, now)]
    levels = sorted((p for p in points if isinstance(p, OpenInterest)), key=lambda level: level.ts)
    trail = Trail[OpenInterest](told.contract_size, history.step)
    passed = [row for level in levels for row in trail.judge(native(level), level)[0]]
    believed = [level for _, level in (*passed, *trail.end()[0])]
    return [*(p for p in points if not isinstance(p, OpenInterest)), *believed]


def sane(record: Any) -> bool:
    """Whether a table may hold it."""
    match record:
        case OpenInterest():
            return positive(record.raw, record.base, record.usd, record.mark)
        case Liquidation():
            return positive(record.size, record.base, record.usd, record.price)
        case Volume():
            taker = 0.0 if record.taker_buy is None else record.taker_buy
            return 0 <= taker <= record.base * (1 + 1e-9) < math.inf
        case LongShort():
            return positive(record.ratio)
        case MarginTier():
            upper, leverage = record.upper or 2 * record.lower + 1, record.max_leverage or 1.0
            ordered = 0 <= record.lower < upper < math.inf and 0 <= record.maintenance <= 1
            return ordered and positive(leverage) and math.isfinite(record.deduction or 0.0)
        case _:
            return True


def positive(*amounts: float) -> bool:
    return all(0 < amount < math.inf for amount in amounts)


@pytest.mark.parametrize("id", IDS)
@tried(12)
@given(data=st.data())
def test_what_is_made_of_a_damaged_frame_is_sane(id: str, data: st.DataObject) -> None:
    for feed in heard(id):
        if feed.spec is None or isinstance(feed.spec, Segment | Positions):
            continue
        frame = data.draw(st.sampled_from(feed.frames))
        spoilt = spoil(data.draw, opened_up(frame))
        try:
            words = feed.read(closed(frame, spoilt.value))
        except UNREADABLE:
            continue
        made(id, feed, words, spoilt.how)


def made(id: str, feed: Heard, words: Iterable[Any], how: str) -> None:
    """Fails on a record that cannot be, and on an error that the caller does not catch."""
    try:
        records = recorded(id, feed, words)
    except UNREADABLE:
        if isinstance(feed.spec, History) or (isinstance(feed.spec, Answer) and feed.spec.ask is not None):
            raise
        return
    for record in records:
        assert sane(record), f"{feed.name}: {how}: {record}"
        if isinstance(record, OpenInterest):
            columns.readings([record])
        elif record is not None:
            name, row = columns.row(record, False, 0)
            columns.table([row], columns.SHAPES[name])
