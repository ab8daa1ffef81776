"""Polls that want more than their venue's budget: who goes first, who is asked less often, and that it is said."""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest

from collectors.backfill import backfill
from collectors.budget import Rank
from collectors.http import Http
from collectors.missing import Missing
from collectors.venue import Ask, Limits, Poll, Ratio, Said, Venue
from store.records import STRETCHED, Event, Health, Instrument, LongShort
from tests.collectors.toy import (
    HISTORY,
    POLL,
    QUICK,
    SOCKET,
    Exchange,
    Peer,
    Records,
    Reply,
    collecting,
    no_delays,
    now_of,
    spared,
    venue,
)

pytestmark = pytest.mark.anyio

NAMES = [f"C{n}" for n in range(6)]
PER = 2.0


async def silent(_: Peer) -> None:
    return


def exchange(*names: str, **more: Any) -> Exchange:
    """Answers about open interest and ratios, instrument by instrument."""
    replies = {f"/oi/{name}": now_of(name, 1000.0, mark=50_000.0) for name in names}
    replies |= {f"/ratio/{name}": lambda: (200, {}, "[]") for name in names}
    return Exchange(silent, [(name, name) for name in names], replies, **more)


def counted(_: Any) -> Iterable[Said]:
    counted.n += 1  # type: ignore[attr-defined]  # another one each time, so that each is a record
    return [Ratio("", None, "account", counted.n)]  # type: ignore[attr-defined]  # as above


counted.n = 0  # type: ignore[attr-defined]  # as above


def polls(oi: float, ratios: float) -> tuple[Poll, Poll]:
    """Seconds between rounds. The ratios come first in the venue's file, which must not matter."""
    return (
        Poll(lambda i: Ask(f"https://toy/ratio/{i.symbol}"), ratios, frozenset({"ratios"}), counted),
        Poll(lambda i: Ask(f"https://toy/oi/{i.symbol}"), oi, POLL.gives, POLL.parse, POLL.decode),
    )


def asked(at: Exchange, what: str) -> list[tuple[float, str]]:
    return [(when, path.removeprefix(f"/{what}/").rstrip("?")) for when, path in at.called if f"/{what}/" in path]


def apart(at: Exchange, what: str, name: str) -> list[float]:
    times = [when for when, who in asked(at, what) if who == name]
    return [b - a for a, b in pairwise(times)]


def told(records: Records) -> list[dict[str, Any]]:
    return [json.loads(e.detail) for e in records.of(Event) if e.kind == STRETCHED]


async def test_open_interest_keeps_its_pace_and_the_rest_is_stretched_alike(caplog: pytest.LogCaptureFixture) -> None:
    """12 a second for open interest, 60 for ratios, of 20: ratios get nine tenths of the 8 that are left."""
    caplog.set_level(logging.INFO)
    at = exchange(*NAMES)
    toy = venue(*polls(oi=0.5, ratios=0.1), limits=Limits(weight=20 * PER, per=PER))
    async with collecting(at, toy) as records:
        await records.until(lambda: len(asked(at, "ratio")) >= 40)
        rounds = Counter(name for _, name in asked(at, "ratio"))
        assert set(rounds) == set(NAMES)
        assert max(rounds.values()) - min(rounds.values()) <= 1, "everyone is asked in turn"
        assert [name for _, name in asked(at, "ratio")][:12] == NAMES * 2
        for name in NAMES:
            assert max(apart(at, "oi", name)[1:]) < 0.75, "open interest waits for nobody"
        steady = [gap for name in NAMES for gap in apart(at, "ratio", name)[2:]]
        assert 0.7 < sum(steady) / len(steady) < 1.0, "6 / 7.2 seconds"
        said = told(records)
        assert len(records.of(LongShort)) > 30
        assert not [e for e in records.of(Event) if e.kind == "feed_gap"], "slow is not silent"
    times = [when for when, path in at.called]
    busiest = max(sum(1 for t in times if begun <= t < begun + PER - 0.02) for begun in times)
    assert busiest <= 20 * PER
    assert [(one["what"], one["wanted_s"], one["instruments"]) for one in said] == [("ratios", 0.1, 6)], "said once"
    assert said[0]["real_s"] == pytest.approx(6 / 7.2, abs=0.06)
    assert said[0]["why"] == "the budget"
    lines = [r.getMessage() for r in caplog.records if "not every" in r.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("toy main: ratios asked every 1 s, not every 0: the budget")


async def test_what_is_counted_apart_is_stretched_apart() -> None:
    """24 a second for open interest, of 30; 60 of ratios, of 20 of their own: nine tenths of those are theirs."""
    at = exchange(*NAMES)
    ratios, oi = polls(oi=0.25, ratios=0.1)
    ratios = replace(ratios, ask=lambda i: Ask(f"https://toy/ratio/{i.symbol}", budget="apart"))
    limits = Limits(weight=30 * PER, per=PER, others={"apart": (20 * PER, PER)})
    async with collecting(at, venue(ratios, oi, limits=limits)) as records:
        await records.until(lambda: len(asked(at, "ratio")) >= 60)
        await records.until(lambda: told(records))
        said = told(records)
    assert [(one["what"], one["real_s"], one["why"]) for one in said] == [("ratios", 0.3, "the budget")]
    times = [when for when, _ in asked(at, "ratio")]
    assert max(sum(1 for t in times if begun <= t < begun + PER - 0.02) for begun in times) <= 20 * PER


async def test_a_burst_of_what_is_asked_seldom_holds_no_open_interest_up() -> None:
    """Ladders are asked for at once, by half of the budget each; two kinds of them would take all of it for a while."""
    at = exchange(*NAMES)
    ratios, oi = polls(oi=0.5, ratios=1000)
    dear = replace(ratios, ask=lambda i: Ask(f"https://toy/ratio/{i.symbol}", weight=4))
    toy = venue(dear, dear, oi, limits=Limits(weight=20 * PER, per=PER))
    async with collecting(at, toy, rhythm=replace(QUICK, round=0.1)) as records:
        await records.until(lambda: len(asked(at, "ratio")) >= 12)
        assert all(max(apart(at, "oi", name)) < 0.75 for name in NAMES)
        assert len(asked(at, "oi")) >= 24
        assert not told(records)


async def test_every_question_has_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins come after what is heard now, and the past comes last."""
    ranks: dict[str, set[Rank]] = {}
    ask = Http.ask

    async def noted(self: Http, of: Venue, what: Ask, rank: Rank = Rank.NOW) -> bytes:
        ranks.setdefault(urlsplit(what.url).path, set()).add(rank)
        return await ask(self, of, what, rank)

    monkeypatch.setattr(Http, "ask", noted)
    at = exchange("BTC", "C0")
    toy = spared(SOCKET, polls(oi=1, ratios=0.2)[0])  # its socket closes whenever it is opened
    async with collecting(at, toy, rhythm=replace(QUICK, spare=0.1)) as records:
        await records.until(lambda: len(asked(at, "oi")) >= 2 and len(asked(at, "ratio")) >= 2)
        past = Missing(Instrument("toy", "main", "C0", "C0", "USDT", "USDT"), ((1_799_999_000_000, 1_799_999_999_999),))
        async with Http(at.address) as http:
            await backfill([venue(history=(HISTORY,))], [past], records, http, delays=no_delays)
    assert ranks.pop("/oi/C0") == {Rank.INSTEAD}
    assert ranks.pop("/ratio/C0") == {Rank.BESIDE}
    assert ranks.pop("/history") == {Rank.PAST}
    assert ranks.pop("/catalogue") == {Rank.NOW}


async def test_open_interest_beyond_the_budget_is_slow_and_not_stale() -> None:
    """60 a second of 20: nine tenths of the budget are its, and the cadence says how often it really comes."""
    at = exchange(*NAMES)
    toy = venue(polls(oi=0.1, ratios=1)[1], limits=Limits(weight=20 * PER, per=PER))
    async with collecting(at, toy) as records:
        await records.until(lambda: len(asked(at, "oi")) >= 45)
        await records.until(lambda: any(h.symbol == "C5" and (h.cadence_s or 0) > 0.3 for h in records.of(Health)))
        assert all(records.states(name) == ["connecting", "live"] for name in NAMES)
        assert not records.gaps("C0")
        cadences = {h.cadence_s for h in records.of(Health) if h.symbol and h.state == "live"}
        assert max(c for c in cadences if c is not None) == pytest.approx(6 / 18, abs=0.1)
        assert {one["what"] for one in told(records)} == {"mark, oi"}


async def test_what_can_be_had_is_not_stretched_and_nothing_is_said() -> None:
    at = exchange(*NAMES)
    toy = venue(*polls(oi=0.5, ratios=1), limits=Limits(weight=30 * PER, per=PER))
    async with collecting(at, toy) as records:
        await records.until(lambda: len(asked(at, "ratio")) >= 18)
        assert not told(records)


async def test_a_far_venue_is_asked_as_often_as_a_near_one() -> None:
    """An answer takes longer than the time between two questions; one after the other would be 2.4 s a round."""
    at = exchange(*NAMES, far=0.4)
    async with collecting(at, venue(polls(oi=1.2, ratios=1)[1])) as records:
        await records.until(lambda: len(asked(at, "oi")) >= 24)
        assert all(max(apart(at, "oi", name)[1:]) < 1.8 for name in NAMES)


async def test_answers_that_take_longer_than_the_interval_are_told_too() -> None:
    at = exchange("C0", far=0.4)
    async with collecting(at, venue(polls(oi=0.1, ratios=1)[1])) as records:
        said = (await records.until(lambda: told(records)))[0]
        assert said["why"] == "the time that answers take"
        assert 0.4 <= said["real_s"] < 0.7


async def test_who_was_left_when_a_venue_asked_us_to_wait_comes_first() -> None:
    """It bears three questions, then wants to be left alone: a round never ends, and still everyone has his turn."""
    at, out, answered = exchange(*NAMES), [0], Counter[str]()

    def now(name: str) -> Reply:
        out[0] += 1
        if out[0] % 4 == 0:
            return 429, {"Retry-After": "0.1"}, "slow down"
        answered[name] += 1
        return now_of(name, 1000.0, mark=50_000.0)()

    for name in NAMES:
        at.replies[f"/oi/{name}"] = lambda name=name: now(name)
    async with collecting(at, venue(polls(oi=0.12, ratios=1)[1])) as records:
        await records.until(lambda: out[0] >= 60)
    assert max(answered.values()) - min(answered[name] for name in NAMES) <= 1


async def test_a_round_that_takes_long_is_told_of_before_it_ends_and_its_ages_are_held_against_it() -> None:
    """60 a second of 1.8: a round takes more than three seconds, and is told of after half a second."""
    at = exchange(*NAMES)
    toy = venue(polls(oi=0.1, ratios=1)[1], limits=Limits(weight=2 * PER, per=PER))
    async with collecting(at, toy, rhythm=replace(QUICK, round=0.5)) as records:
        await records.until(lambda: told(records))
        assert len(asked(at, "oi")) < len(NAMES), "the first round has not ended"
        first = await records.until(lambda: [h for h in records.of(Health) if h.symbol == "C0" and h.state == "live"])
        assert first[0].cadence_s == pytest.approx(6 / 1.8)


async def test_who_asks_no_more_leaves_the_budget_to_the_others() -> None:
    at = exchange(*NAMES)
    toy = venue(*polls(oi=5, ratios=0.1), limits=Limits(weight=20 * PER, per=PER))
    async with collecting(at, toy) as records:
        await records.until(lambda: told(records))
    first, last = told(records)
    assert first["real_s"] > first["wanted_s"]
    assert (last["real_s"], last["why"]) == (last["wanted_s"], ""), "its end is told"
