"""The past, newest first."""

import json
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from collectors.backfill import Marks, backfill
from collectors.board import Last
from collectors.http import Http
from collectors.missing import Missing, Progress, Span, Subject, mark_at, plan
from collectors.venue import Ask, History, Limits, Parse, Ratio, RatioKind, Said, Traded, Update
from collectors.wire import iso
from store.records import (
    Event,
    Field,
    Flag,
    Funding,
    Instrument,
    LongShort,
    OpenInterest,
    Quarantined,
    Source,
    Unit,
    Volume,
)
from tests.collectors.toy import HISTORY, SOCKET, Exchange, Frame, Peer, Records, no_delays, venue

pytestmark = pytest.mark.anyio

STEP, HOUR = 300_000, 3_600_000
END = 1_800_000_000_000
BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")


async def silent(_: Peer) -> None:
    return


async def filled(
    exchange: Exchange,
    *spans: Span,
    now: int = END,
    marks: Marks = lambda _, __: None,
    last: Last = lambda _: None,
    history: tuple[History, ...] = (HISTORY,),
    subject: Subject = "oi",
) -> tuple[Records, Progress, list[tuple[int, int]]]:
    records = Records()
    toy = venue(SOCKET, history=history)
    told: list[tuple[int, int]] = []
    async with exchange.open(), Http(exchange.address, records, now=lambda: now) as http:
        (progress,) = await backfill(
            [toy], [Missing(BTC, spans, subject)], records, http, marks=marks, last=last, simulated=True,
            delays=no_delays, told=lambda p: told.append((p.done, p.total)),
        )  # fmt: skip
    return records, progress, told


class Past:
    """An exchange that keeps one point every five minutes."""

    def __init__(
        self, *, mark: float | None = 100.0, symbol: str = "BTC", fail: int = 0, odd: Mapping[int, str | float] = {}
    ) -> None:
        self.mark, self.symbol, self.fail, self.odd = mark, symbol, fail, odd
        self.exchange = Exchange(silent, replies={"/history": self.reply, "/marks": self.marks})

    def asked(self) -> range:
        asked = parse_qs(urlsplit(self.exchange.requests[-1][1]).query)
        start, end = int(asked["start"][0]), int(asked["end"][0])
        return range(-(-start // STEP) * STEP, end + 1, STEP)

    def reply(self) -> tuple[int, dict[str, str], str]:
        if self.fail:
            self.fail -= 1
            return 500, {}, "busy"
        rows = [
            {"kind": "snap", "symbol": self.symbol, "ts": ts, "oi": self.level(ts), "mark": self.mark}
            for ts in self.asked()
        ]
        return 200, {}, json.dumps(rows)

    def level(self, ts: int) -> str | float:
        ago = (END - ts) // STEP
        return self.odd.get(ago, ago + 10)

    def marks(self) -> tuple[int, dict[str, str], str]:
        rows = [{"kind": "snap", "symbol": self.symbol, "ts": t, "mark": 70 + (END - t) / STEP} for t in self.asked()]
        return 200, {}, json.dumps(rows)


async def test_readings_come_newest_first_priced_and_marked_as_what_they_are() -> None:
    records, progress, told = await filled(Past().exchange, (END - 6 * STEP, END))
    readings = records.of(OpenInterest)
    assert [(END - r.ts) // STEP for r in readings] == [0, 1, 2, 3, 4, 5, 6]
    assert [r.raw for r in readings] == [10, 11, 12, 13, 14, 15, 16]
    assert readings[3].usd == 1300.0
    assert {(r.source, r.simulated, r.seen) for r in readings} == {(Source.BACKFILL, True, END)}
    assert [r.flags for r in readings] == [0] * 6 + [Flag.RESYNC]  # only what happened before the oldest is unseen
    assert (progress.readings, progress.skipped) == (7, {})
    assert told == [(1, 3), (2, 3), (3, 3), (3, 3)]
    (event,) = records.of(Event)
    assert json.loads(event.detail) == {
        "segment": "main", "symbol": "BTC", "subject": "oi", "resolution_s": 300, "rows": 7, "skipped": {},
        "spans": [[END - 6 * STEP, END]], "answered": True,
    }  # fmt: skip


@pytest.mark.parametrize("place", range(7))
async def test_impossible_values_of_the_venues_own_history_are_set_aside_wherever_they_stand(place: int) -> None:
    """Three rows a page, newest first: a page's edge is no place to hide, and no reason to be refused."""
    records, progress, _ = await filled(Past(odd={place: 1e9}).exchange, (END - 6 * STEP, END))
    readings = records.of(OpenInterest)
    assert [(END - r.ts) // STEP for r in readings] == [ago for ago in range(7) if ago != place]
    assert [r.flags for r in readings] == [0] * 5 + [Flag.RESYNC]
    (aside,) = records.of(Quarantined)
    assert (aside.check, aside.symbol, aside.raw, aside.seen) == ("magnitude", "BTC", "1000000000.0", END)
    assert f"{iso(END - place * STEP)}, in the venue's history" in aside.words
    assert progress.skipped == {"set aside: see quarantine": 1}
    assert (progress.readings, progress.answered) == (6, True), "to ask again would bring the same"


@pytest.mark.parametrize("since", range(1, 10))
async def test_a_step_that_lasts_is_data_wherever_the_pages_end(since: int) -> None:
    """Three rows at least on either side of it: fewer are not known to last."""
    odd = {ago: 500.0 + ago for ago in range(since, 10)}
    records, progress, _ = await filled(Past(odd=odd).exchange, (END - 9 * STEP, END))
    good = range(10) if 3 <= since <= 7 else range(since, 10) if since < 3 else range(since)
    assert [(END - r.ts) // STEP for r in records.of(OpenInterest)] == list(good)
    assert sum(progress.skipped.values()) == 10 - len(good)


async def test_zero_and_nonsense_in_a_history_are_set_aside() -> None:
    odd = {ago: 100.0 + ago for ago in range(7)} | {1: 0, 3: "NaN", 4: -3.0}
    records, progress, _ = await filled(Past(odd=odd).exchange, (END - 6 * STEP, END))
    assert [r.raw for r in records.of(OpenInterest)] == [100, 102, 105, 106]
    assert {(q.check, q.raw) for q in records.of(Quarantined)} == {
        ("not_positive", "0.0"), ("not_finite", "nan"), ("not_positive", "-3.0"),
    }  # fmt: skip
    assert progress.skipped == {"set aside: see quarantine": 3}


async def test_a_hole_of_one_row_is_held_against_what_was_heard_since() -> None:
    now = OpenInterest(
        BTC,
        Field("oi", Unit.BASE),
        END + STEP,
        END + STEP,
        11.0,
        11.0,
        1.0,
        1.0,
        None,
        None,
        None,
        Source.STREAM,
        True,
        0,
    )
    for odd, good in (({0: 1e9}, []), ({}, [10])):
        records, _, _ = await filled(Past(odd=odd).exchange, (END, END), last={BTC.id: now}.get)
        assert [r.raw for r in records.of(OpenInterest)] == good
    records, _, _ = await filled(Past(odd={0: 1e9}).exchange, (END, END))
    assert [r.raw for r in records.of(OpenInterest)] == [1e9], "nothing is known that contradicts it"


async def test_only_what_is_missing_is_asked_for_and_taken() -> None:
    past = Past()
    holes = ((END - 20 * STEP + 1, END - 18 * STEP), (END - 3 * STEP + 1, END - 2 * STEP))
    records, progress, _ = await filled(past.exchange, *holes)
    assert [(END - r.ts) // STEP for r in records.of(OpenInterest)] == [2, 18, 19]
    assert (progress.done, progress.total) == (2, 2)
    assert len(past.exchange.requests) == 2


async def test_a_reply_that_names_nobody_is_about_whom_we_asked_for() -> None:
    records, _, _ = await filled(Past(symbol="").exchange, (END - STEP, END))
    assert [r.instrument.symbol for r in records.of(OpenInterest)] == ["BTC", "BTC"]


async def test_what_cannot_be_priced_is_left_out_with_the_reason() -> None:
    records, progress, _ = await filled(Past(mark=None).exchange, (END - 2 * STEP, END))
    assert records.of(OpenInterest) == []
    assert progress.skipped == {"no mark to price it with": 3}


async def test_marks_handed_in_price_what_the_reply_does_not_and_are_flagged() -> None:
    known = [(END - 2 * STEP, 50.0), (END - STEP // 2, 60.0)]
    records, progress, _ = await filled(
        Past(mark=None).exchange, (END - 3 * STEP, END), marks=lambda i, ts: mark_at(known, ts, 300.0)
    )
    readings = records.of(OpenInterest)
    assert [(r.raw, r.mark) for r in readings] == [(10, 60.0), (11, 50.0), (12, 50.0)]
    assert all(r.flags & Flag.STALE_MARK for r in readings)
    assert progress.skipped == {"no mark to price it with": 1}


async def test_the_venues_own_history_of_marks_comes_before_the_marks_handed_in() -> None:
    oi = replace(HISTORY, gives=frozenset({"oi"}))
    marks = replace(
        HISTORY,
        gives=frozenset({"mark"}),
        limit=100,
        ask=lambda i, start, end: Ask(f"https://toy/marks?start={start}&end={end}"),
    )
    records, progress, _ = await filled(
        Past(mark=None).exchange, (END - 3 * STEP, END), history=(oi, marks), marks=lambda _, __: 1.0
    )
    assert [(r.raw, r.mark, r.flags & Flag.STALE_MARK) for r in records.of(OpenInterest)] == [
        (10, 70.0, 0),
        (11, 71.0, 0),
        (12, 72.0, 0),
        (13, 73.0, 0),
    ]
    assert progress.skipped == {}


async def test_minutes_and_ratios_are_filled_too() -> None:
    def minutes(frames: list[Frame]) -> list[Said]:
        return [Traded("", f.ts or 0, float(f.oi or 0), Unit.BASE, final=f.ts != END) for f in frames]

    def ratios(frames: list[Frame]) -> list[Said]:
        return [Ratio("", f.ts, "account", float(f.oi or 0)) for f in frames]

    history = replace(HISTORY, gives=frozenset({"volume"}), parse=minutes)
    records, _, _ = await filled(
        Past().exchange, (END - 2 * STEP, END), now=END + 5000, history=(history,), subject="volume"
    )
    assert [(v.ts, v.base, v.source) for v in records.of(Volume)] == [
        (END - STEP, 11, Source.BACKFILL),
        (END - 2 * STEP, 12, Source.BACKFILL),
    ]
    history = replace(HISTORY, gives=frozenset({"ratios"}), parse=ratios)
    records, _, _ = await filled(Past().exchange, (END - STEP, END), history=(history,), subject="ratios")
    assert [(r.ts, r.ratio) for r in records.of(LongShort)] == [(END, 10), (END - STEP, 11)]


async def test_every_kind_of_ratio_has_a_history_of_its_own() -> None:
    def ratios(kind: RatioKind) -> Parse:
        return lambda frames: [Ratio("", f.ts, kind, float(f.oi or 0)) for f in frames]

    kinds: tuple[RatioKind, ...] = ("account", "top_account")
    histories = [replace(HISTORY, gives=frozenset({"ratios"}), parse=ratios(kind)) for kind in kinds]
    lost = replace(histories[1], ask=lambda i, start, end: Ask("https://toy/nowhere"))
    span = END - STEP, END
    records, progress, _ = await filled(Past().exchange, span, history=tuple(histories), subject="ratios")
    assert [(r.ts, r.kind) for r in records.of(LongShort)] == [(ts, k) for k in kinds for ts in (END, END - STEP)]
    assert (progress.done, progress.total, progress.answered) == (2, 2, True)
    records, progress, _ = await filled(Past().exchange, span, history=(histories[0], lost), subject="ratios")
    assert {r.kind for r in records.of(LongShort)} == {"account"}
    assert (progress.done, progress.answered, progress.skipped) == (1, False, {"the venue did not answer": 0})


async def test_what_still_runs_is_not_the_past() -> None:
    def minutes(frames: list[Frame]) -> list[Said]:
        return [Traded("", f.ts or 0, float(f.oi or 0), Unit.BASE) for f in frames]

    def ratios(frames: list[Frame]) -> list[Said]:
        return [Ratio("", f.ts, kind, float(f.oi or 0)) for f in frames for kind in ("taker", "account")]

    span, ended = (END - 2 * STEP, END), {END - 2 * STEP: END - STEP + 5000, END - STEP: END + 5000}
    for start, known in ended.items():
        history = replace(HISTORY, gives=frozenset({"volume"}), parse=minutes)
        records, _, _ = await filled(Past().exchange, span, now=known - 1, history=(history,), subject="volume")
        assert start not in [v.ts for v in records.of(Volume)]
        records, _, _ = await filled(Past().exchange, span, now=known, history=(history,), subject="volume")
        assert [v.ts for v in records.of(Volume)] == list(range(start, END - 2 * STEP - 1, -STEP))
    history = replace(HISTORY, gives=frozenset({"ratios"}), parse=ratios)
    records, _, _ = await filled(Past().exchange, (END - STEP, END), history=(history,), subject="ratios")
    assert [(r.ts, r.kind) for r in records.of(LongShort)] == [(END, "account"), (END - STEP, "account")]


async def test_a_history_that_hears_no_from_and_to_is_asked_once() -> None:
    def newest() -> tuple[int, dict[str, str], str]:
        rows = [{"kind": "snap", "symbol": "", "ts": END - k * STEP, "oi": 10 + k, "mark": 100} for k in range(50)]
        return 200, {}, json.dumps(rows)

    exchange = Exchange(silent, replies={"/history": newest})
    records, progress, _ = await filled(
        exchange, (END - 6 * STEP, END - 3 * STEP), history=(replace(HISTORY, bounded=False),)
    )
    assert [r.raw for r in records.of(OpenInterest)] == [13, 14, 15, 16]
    assert (len(exchange.requests), progress.done, progress.total) == (1, 1, 1)


def test_a_mark_of_long_ago_prices_nothing() -> None:
    assert mark_at([(0, 5.0)], 600_000, 300.0) == 5.0
    assert mark_at([(0, 5.0)], 600_001, 300.0) is None
    assert mark_at([(10, 5.0)], 9, 300.0) is None


async def test_a_busy_venue_is_asked_again_and_a_dead_one_is_left() -> None:
    records, progress, _ = await filled(Past(fail=2).exchange, (END - STEP, END))
    assert progress.done == progress.total == 1
    assert len(records.of(OpenInterest)) == 2
    records, progress, _ = await filled(Past(fail=99).exchange, (END - STEP, END))
    assert (progress.done, progress.total) == (0, 1)
    assert progress.skipped == {"the venue did not answer": 0}


async def test_an_unreadable_reply_is_quarantined() -> None:
    exchange = Exchange(silent, replies={"/history": lambda: (200, {}, '[{"kind":')})
    records, progress, _ = await filled(exchange, (END - STEP, END))
    (kept,) = records.of(Quarantined)
    assert (kept.check, kept.symbol, kept.raw) == ("unreadable", "BTC", '[{"kind":')
    assert progress.done == 0


async def test_the_venues_memory_is_the_floor() -> None:
    past = Past()
    now = END + 30 * 86_400_000 - 2 * STEP
    records, progress, _ = await filled(past.exchange, (END - 6 * STEP, END), now=now)
    assert [r.raw for r in records.of(OpenInterest)] == [10, 11, 12]
    assert progress.skipped == {"older than the 30 days that the venue keeps": 0}
    assert len(past.exchange.requests) == 1


async def test_a_venue_without_a_history_is_named() -> None:
    exchange = Exchange(silent)
    _, progress, _ = await filled(exchange, (END - STEP, END), history=())
    assert progress.skipped == {"the venue has no history of oi": 0}
    assert exchange.requests == []


def test_a_plan_counts_questions_and_asks_none() -> None:
    toy = venue(SOCKET, history=(HISTORY,), limits=Limits(weight=2, per=10))
    lost = Instrument("gone", "main", "BTC", "BTC", "USDT", "USDT")
    (planned,) = plan([toy], [Missing(BTC, ((END - 6 * STEP, END),)), Missing(lost, ((0, 1),))], END)
    assert (planned.instrument, planned.total, planned.seconds, planned.step) == (BTC, 3, 15.0, 300)


def test_a_plan_takes_as_long_as_the_budget_that_its_questions_name() -> None:
    apart = replace(HISTORY, ask=lambda i, start, end: replace(HISTORY.ask(i, start, end), budget="apart"))
    toy = venue(SOCKET, history=(apart,), limits=Limits(weight=2, per=10, others={"apart": (1, 2)}))
    (planned,) = plan([toy], [Missing(BTC, ((END - 6 * STEP, END),))], END)
    assert (planned.total, planned.seconds) == (3, 6.0)


async def test_half_of_the_venues_budget_is_left_to_the_present() -> None:
    past = Past()
    past.exchange.clock.most = 10.0  # nobody else looks at it
    toy = venue(SOCKET, history=(HISTORY,), limits=Limits(weight=10, per=1))
    begun = past.exchange.clock()
    async with past.exchange.open(), Http(past.exchange.address, now=lambda: END) as http:
        await backfill([toy], [Missing(BTC, ((END - 6 * STEP, END),))], Records(), http, delays=no_delays)
    assert [at - begun >= 0.1 * place for place, (at, _) in enumerate(past.exchange.called, 1)] == [True] * 3


def paid(frames: list[Frame]) -> list[Said]:
    return [Update("", f.ts, funding=float(f.oi or 0) / 1e5) for f in frames if (f.ts or 0) % (8 * HOUR) == 0]


PAID = replace(HISTORY, gives=frozenset({"funding"}), parse=paid, step=HOUR / 1000, limit=24)


async def test_what_was_paid_is_filled_with_the_interval_that_it_was_paid_for() -> None:
    """A day earlier is asked for too: the payment before the first wanted one tells how long its interval was."""
    span, past = (END - 40 * HOUR, END), Past()
    records, progress, told = await filled(past.exchange, span, history=(HISTORY, PAID), subject="funding")
    paid = records.of(Funding)
    assert [(END - f.ts) // HOUR for f in paid] == list(range(END // HOUR % 8, 41, 8))
    assert {(f.interval_h, f.source, f.simulated, f.seen) for f in paid} == {(8.0, Source.BACKFILL, True, END)}
    assert [f.rate for f in paid] == [((END - f.ts) // STEP + 10) / 1e5 for f in paid]
    assert records.of(OpenInterest) == []
    assert told == [(1, 3), (2, 3), (3, 3), (3, 3)]
    assert (progress.readings, progress.skipped, progress.answered) == (len(paid), {}, True)
    asked = [parse_qs(urlsplit(url).query) for _, url in past.exchange.requests]
    assert min(int(one["start"][0]) for one in asked) == span[0] - 24 * HOUR
    (event,) = records.of(Event)
    assert json.loads(event.detail)["spans"] == [list(span)], "what was asked beside it is not what was wanted"


async def test_funding_beside_open_interest_is_of_an_interval_that_runs_and_was_not_paid() -> None:
    both = replace(HISTORY, gives=frozenset({"oi", "funding"}))
    _, progress, _ = await filled(Past().exchange, (END - STEP, END), history=(both,), subject="funding")
    assert progress.skipped == {"the venue has no history of funding": 0}


async def test_payments_that_cannot_be_and_those_without_an_interval_are_counted() -> None:
    def odd(frames: list[Frame]) -> list[Said]:
        return [Update("", END - k * HOUR, funding=2.0 if k else 1e-4) for k in (0, 1)]

    newest = replace(PAID, parse=odd, bounded=False)
    records, progress, _ = await filled(Past().exchange, (END - STEP, END), history=(newest,), subject="funding")
    assert [(f.ts, f.interval_h) for f in records.of(Funding)] == [(END, 1.0)]
    assert (progress.done, progress.total, progress.skipped) == (1, 1, {})
    records, progress, _ = await filled(Past().exchange, (END - HOUR, END), history=(newest,), subject="funding")
    assert [q.check for q in records.of(Quarantined)] == ["magnitude"]
    assert progress.skipped == {"set aside: see quarantine": 1}
    alone = replace(PAID, parse=lambda _: [Update("", END, funding=1e-4)], bounded=False)
    records, progress, _ = await filled(Past().exchange, (END - STEP, END), history=(alone,), subject="funding")
    assert (records.of(Funding), progress.answered) == ([], False)
    assert progress.skipped == {"how long its interval was is not known": 1}


async def test_a_venue_that_stops_answering_leaves_what_it_has_told_of_funding() -> None:
    past = Past()
    pages, reply = [0], past.reply

    def once() -> tuple[int, dict[str, str], str]:
        pages[0] += 1
        return reply() if pages[0] == 1 else (500, {}, "busy")

    past.exchange.replies["/history"] = once
    records, progress, _ = await filled(past.exchange, (END - 40 * HOUR, END), history=(PAID,), subject="funding")
    assert len(records.of(Funding)) == 1, "two of the first page wait for older ones"
    assert (progress.done, progress.total, progress.answered) == (1, 3, False)
