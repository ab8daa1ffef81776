"""Every venue, held to the same promises. A new venue adds no test code, only its script."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from time import monotonic
from urllib.parse import parse_qsl, urlsplit

import anyio
import msgspec
import pytest
from msgspec.structs import replace as replace_struct

from collectors import supervisor
from collectors.besides import Besides
from collectors.board import Board, Worth
from collectors.feeds import Rhythm
from collectors.http import Address, utc_ms
from collectors.missing import led, pages, tells
from collectors.settled import Payments
from collectors.supervisor import Collecting
from collectors.venue import (
    Ask,
    History,
    Limits,
    Liquidated,
    Message,
    Parse,
    Poll,
    Refused,
    Remembering,
    Said,
    Segment,
    Socket,
    Traded,
    Update,
    Venue,
    question,
    spelled,
)
from collectors.venues import VENUES
from collectors.wire import channel_of
from simulator.conversation import Conversation, Speech
from simulator.exchange import Exchange, exchange
from simulator.fixed import Fixed
from simulator.rest import Asked, Desk
from simulator.script import Contract, Death, Reading, Script, contracts, load_all
from simulator.values import Views
from store.records import (
    FeedClass,
    Flag,
    Funding,
    Health,
    Instrument,
    Kind,
    Liquidation,
    OpenInterest,
    Record,
    Side,
    Source,
    Volume,
)

SCRIPTS = load_all()
each_venue = pytest.mark.parametrize("id", sorted(set(VENUES) & set(SCRIPTS)))  # those without a pair fail below
each_live_venue = pytest.mark.parametrize(
    "id", sorted(id for id in set(VENUES) & set(SCRIPTS) if not VENUES[id].closed_on)
)
FACTS = ("symbol", "segment", "kind", "asset", "quote", "settle", "payoff", "contract_size", "base_factor")
SOMETIMES = ("max_leverage", "funding_interval_h")  # compared where the script states them
ROUNDS = 12
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


@dataclass(frozen=True, slots=True)
class Play:
    """A venue and the script it is held to."""

    venue: Venue
    script: Script
    views: Views
    desk: Desk

    def ask(self, ask: Ask, now_ms: int) -> bytes:
        """The reply to a question, over no network."""
        parts = urlsplit(ask.url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        fits, reply = self.desk.answer(Asked(ask.method, ask.url.partition("?")[0], query, ask.body), now_ms)
        assert fits, f"the script has no reply to {ask.method} {ask.url} {ask.body}"
        return msgspec.json.encode(reply)

    def catalogue(self, segment: Segment) -> list[Instrument]:
        page, found = segment.catalogue, list[Instrument]()
        for _ in range(10):
            reply = segment.decode(self.ask(page, self.script.expect.now_ms))
            found += segment.read(reply)
            following = None if segment.more is None else segment.more(reply)
            if following is None:
                return found
            page = following
        raise AssertionError("the catalogue does not end")


def play(id: str) -> Play:
    script = SCRIPTS[id]
    views = Views(script, Fixed(SCRIPTS))
    return Play(VENUES[id], script, views, Desk(views))


def wanted(instruments: Iterable[Instrument]) -> list[Instrument]:
    return [i for i in instruments if i.live and i.kind is kind_of(VENUES[i.venue], i.segment)]


def kind_of(venue: Venue, segment: str) -> Kind:
    """What is collected of a segment: perpetuals, where it lists nothing else."""
    lists = next(s.lists for s in venue.segments if s.id == segment)
    return lists or venue.only or Kind.PERPETUAL


def parser(feed: Socket | Poll, instruments: Sequence[Instrument]) -> Parse:
    if isinstance(feed.parse, Remembering):
        return feed.parse.make(instruments, [i.symbol for i in wanted(instruments)])
    return feed.parse


def facts(found: Instrument | Contract, names: Iterable[str]) -> dict[str, object]:
    return {name: getattr(found, name) for name in names}


def test_every_venue_has_a_script_and_a_test_and_every_script_and_test_a_venue() -> None:
    assert set(SCRIPTS) == set(VENUES), "simulator/venues/<id>.json is the script of collectors/venues/<id>.py"
    folder = Path(__file__).parent / "collectors" / "venues"
    tests = {path.stem.removeprefix("test_") for path in folder.glob("test_*.py")}
    assert tests == set(VENUES), "tests/collectors/venues/test_<id>.py says what its script cannot"


@each_venue
def test_module_names_its_venue(id: str) -> None:
    venue = VENUES[id]
    assert venue.id == id
    assert venue.fields
    assert venue.docs.startswith("https://")
    sockets = [feed for segment in venue.segments for feed in segment.feeds if isinstance(feed, Socket)]
    assert all(url.startswith("wss://") for socket in sockets for url in (socket.url, *socket.others))
    for socket in sockets:
        hosts = [url for url in socket.others if url.partition("?")[0] != socket.url]
        assert script_socket(SCRIPTS[id], socket).others == hosts


@each_venue
def test_catalogue_reads_as_the_script_says(id: str) -> None:
    it = play(id)
    found = {i.symbol: i for segment in it.venue.segments for i in wanted(it.catalogue(segment))}
    want = {c.symbol: c for c in contracts(it.script, None)}
    assert sorted(found) == sorted(want), "collected, and no delisted contract among them"
    for segment in (s for s in it.venue.segments if s.lists is Kind.DATED):
        listing = it.catalogue(segment)
        assert {i.kind for i in listing} == {Kind.DATED}
        assert all(i.expiry > it.script.expect.now_ms for i in listing if i.live), "a dated contract says when it ends"
    for symbol, contract in want.items():
        names = [*FACTS, *(name for name in SOMETIMES if getattr(contract, name) is not None)]
        assert facts(found[symbol], names) == facts(contract, names)


@each_venue
def test_a_segment_owns_its_own_symbols_only(id: str) -> None:
    it = play(id)
    for contract in contracts(it.script, None):
        owners = [segment.id for segment in it.venue.segments if segment.owns(contract.symbol)]
        assert owners == [contract.segment], contract.symbol


@pytest.mark.parametrize("id", sorted(id for id, venue in VENUES.items() if venue.closed_on))
def test_a_closed_venue_is_never_asked(id: str) -> None:
    venue = VENUES[id]
    assert [feed for segment in venue.segments for feed in (*segment.feeds, *segment.history)] == []
    assert venue.cls == "none"
    assert SCRIPTS[id].expect.readings == []


@each_live_venue
def test_frames_and_replies_make_the_records_that_the_script_expects(id: str) -> None:
    it = play(id)
    records = [record for segment in it.venue.segments for record in conversed(it, segment)]
    readings = [r for r in records if isinstance(r, OpenInterest)]
    agree(readings, it.script.expect.readings)
    expect = it.script.expect
    untimed = {s.id for s in it.venue.segments if not expect.timed or s.id in expect.untimed}
    assert all(bool(r.flags & Flag.RECEIVE_TIME) == (r.instrument.segment in untimed) for r in readings)
    lag = it.script.expect.lag_ms
    assert all(abs(r.ts + lag - r.seen) < 1500 and not r.flags & (Flag.SKEWED | Flag.STALE_MARK) for r in readings)
    deaths = [r for r in records if isinstance(r, Liquidation)]
    times = {(c.symbol, c.ts_ms // 1000) for c in it.script.expect.forced}
    assert {(r.instrument.symbol, r.ts // 1000) for r in deaths} == times
    assert sorted(map(died, deaths), key=str) == sorted(map(died_as, it.script.expect.liquidations), key=str)


@each_venue
def test_history_gives_what_the_script_expects(id: str) -> None:
    it = play(id)
    asked_for = {want.symbol for want in it.script.expect.history}
    got = [
        remembered(it, history, instrument)
        for segment in it.venue.segments
        for history in segment.history
        for instrument in it.catalogue(segment)
        if "oi" in history.gives and instrument.symbol in asked_for
    ]
    assert sorted(got, key=str) == sorted(it.script.expect.history, key=str)


def remembered(it: Play, history: History, instrument: Instrument) -> Reading:
    """What every point of an hour of history says. The points are whole steps, and lie between the ends asked for."""
    end, step = it.script.expect.now_ms // HOUR_MS * HOUR_MS, round(history.step * 1000)
    start = end - 5 * step
    reply = history.decode(it.ask(history.ask(instrument, start, end), end))
    said = [named(word, instrument) for word in history.parse(reply)]
    updates = [word for word in said if isinstance(word, Update)]
    if not history.bounded:  # only what was asked for is taken
        updates = [update for update in updates if start <= (update.ts or 0) <= end]
    times = {update.ts for update in updates}
    assert set(range(start + step, end, step)) <= times <= set(range(start, end + 1, step))
    readings: list[Reading] = []
    for update in updates:
        assert update.oi is not None
        assert update.field is not None
        field = update.field
        readings.append(
            Reading(symbol=update.symbol, field=field.key, raw=update.oi, unit=field.unit, sides=field.sides)
        )
    assert all(reading == readings[0] for reading in readings), "the market stands still in this test"
    return readings[0]


@each_live_venue
def test_funding_of_the_past_is_what_was_paid_and_for_how_long_an_interval(id: str) -> None:
    """Compared by 8 h, as some tell of other intervals in their past than now; the market stands still in this test."""
    it, end = play(id), SCRIPTS[id].expect.now_ms // DAY_MS * DAY_MS
    start = end - DAY_MS
    for segment in it.venue.segments:
        for history in (h for h in segment.history if tells(h, "funding")):
            quoted = [i for i in wanted(it.catalogue(segment)) if i.symbol in it.script.expect.quotes]
            assert quoted
            for i in quoted:
                quote = it.script.expect.quotes[i.symbol]
                first, last = led((start, end))
                reply = history.decode(it.ask(history.ask(i, first, last), it.script.expect.now_ms))
                said = sorted(history.parse(reply), key=lambda word: -(getattr(word, "ts", None) or 0))
                made = Payments(i, start, end, simulated=True).take(said, end, over=True)
                paid = [record for record in made if isinstance(record, Funding)]
                assert len(paid) == len(made), "none was impossible"
                hours = {f.interval_h for f in paid}
                assert len(hours) == 1
                assert len(paid) == 24 / hours.pop() + 1, "from end to end"
                assert (paid[0].ts, paid[-1].ts) == (end, start)
                for f in paid:
                    was = quote.funding * 8 / quote.funding_interval_h
                    assert f.rate * 8 / f.interval_h == pytest.approx(was, rel=1e-6, abs=1e-12), i.symbol


@each_venue
def test_minutes_that_are_asked_for_are_what_the_market_traded(id: str) -> None:
    it, now_ms = play(id), SCRIPTS[id].expect.now_ms
    quotes = it.script.expect.quotes
    for segment in it.venue.segments:
        instruments = it.catalogue(segment)
        quoted = [i for i in wanted(instruments) if i.symbol in quotes]
        board = Board(quoted)
        for i in quoted:  # candles of dollars without a price of their own are worth the last one here
            board.apply(Update(i.symbol, mark=quotes[i.symbol].last * i.base_factor), now_ms)
        for feed in (f for f in segment.feeds if isinstance(f, Poll) and "volume" in f.gives):
            found = list(minutes(it, feed, Besides(board), quoted, now_ms))
            assert {v.instrument.symbol for v in found} == {i.symbol for i in quoted}
            for v in found:
                assert v.ts % 60_000 == 0
                assert v.ts < now_ms, "the running minute is not told before it has ended"
                quote = quotes[v.instrument.symbol]
                traded, bought = (pytest.approx(coins, rel=1e-3) for coins in (quote.volume_base, quote.taker_buy_base))
                assert v.base == traded, "but for what rounding to whole contracts does"
                assert v.taker_buy in (None, bought)


@each_venue
def test_minutes_that_are_asked_for_seldom_leave_no_hole(id: str) -> None:
    """Of whom is asked every half hour, where the venue allows no more, an hour is told. Bullish has pages of 25."""
    it, now_ms = play(id), SCRIPTS[id].expect.now_ms
    every = 11 * 60 if id == "bullish" else 1800
    for segment in it.venue.segments:
        instruments = it.catalogue(segment)
        for feed in (f for f in segment.feeds if isinstance(f, Poll) and "volume" in f.gives):
            assert not isinstance(feed.ask, Ask)
            for i in (i for i in wanted(instruments) if i.symbol in it.script.expect.quotes):
                said = parser(feed, instruments)(feed.decode(it.ask(question(feed.ask, i, now_ms, every), now_ms)))
                told = {minute.ts for minute in said if isinstance(minute, Traded)}
                last = now_ms // MINUTE_MS * MINUTE_MS
                assert told >= set(range(last - 2000 * every + MINUTE_MS, last, MINUTE_MS)), i.symbol


@each_live_venue
def test_minutes_that_are_pushed_are_what_the_market_traded(id: str) -> None:
    """Over two minutes of frames, the newest that has ended. A script's trades must add up to the market's minute."""
    it, now_ms = play(id), SCRIPTS[id].expect.now_ms // MINUTE_MS * MINUTE_MS - 5000
    quotes = it.script.expect.quotes
    for segment in it.venue.segments:
        instruments = it.catalogue(segment)
        quoted = [i for i in wanted(instruments) if i.symbol in quotes]
        board = Board(quoted)
        for i in quoted:
            board.apply(Update(i.symbol, mark=quotes[i.symbol].last * i.base_factor), now_ms)
        for feed in (f for f in segment.feeds if isinstance(f, Socket) and "volume" in f.gives):
            besides, parse, found = Besides(board), parser(feed, instruments), list[Volume]()
            talk, heard = opened(it, feed, quoted, now_ms)
            for second in range(130):
                for said in (one for frame in heard for one in parse(feed.decode(frame)) if isinstance(one, Traded)):
                    found += [v for v in besides.take(said, now_ms, Source.STREAM) if isinstance(v, Volume)]
                now_ms += 1000
                heard = talk.due(float(second + 1), now_ms)
            for i in quoted:
                told = [v for v in found if v.instrument.symbol == i.symbol]
                assert [v.ts for v in told][-1:] == [(now_ms // MINUTE_MS - 1) * MINUTE_MS], (
                    "no minute that ended was told"
                )
                quote = quotes[i.symbol]
                assert told[-1].base == pytest.approx(quote.volume_base, rel=1e-3)
                assert told[-1].taker_buy in (None, pytest.approx(quote.taker_buy_base, rel=1e-3))


@each_venue
def test_minutes_of_the_past_are_what_the_market_traded(id: str) -> None:
    """A whole page as backfill asks for it, and every minute of it: none is lost at its ends."""
    it, now_ms = play(id), SCRIPTS[id].expect.now_ms
    quotes = it.script.expect.quotes
    for segment in it.venue.segments:
        for history in (h for h in segment.history if "volume" in h.gives):
            step, end = round(history.step * 1000), now_ms // MINUTE_MS * MINUTE_MS - 5 * MINUTE_MS
            for i in (i for i in wanted(it.catalogue(segment)) if i.symbol in quotes):
                board, quote = Board([i]), quotes[i.symbol]
                board.apply(Update(i.symbol, mark=quote.last * i.base_factor), now_ms)
                [(first, last), *_] = pages(history, (end - 2 * step * history.limit, end))
                words = history.parse(history.decode(it.ask(history.ask(i, first, last), now_ms)))
                rows = [said for said in (named(word, i) for word in words) if isinstance(said, Traded)]
                rows = sorted((row for row in rows if first <= row.ts <= last), key=lambda row: row.ts)
                points = history.limit if history.bounded else history.limit - 6  # or those up to now
                assert [row.ts for row in rows][-points:] == list(range(end - step * (points - 1), end + 1, step))
                assert all(row.final and row.symbol == i.symbol for row in rows)
                for row in (rows[0], rows[-1]):
                    [volume] = Besides(board).take(row, now_ms, Source.BACKFILL)
                    assert isinstance(volume, Volume)
                    assert volume.base == pytest.approx(quote.volume_base, rel=1e-3)
                    assert volume.taker_buy in (None, pytest.approx(quote.taker_buy_base, rel=1e-3))


def minutes(it: Play, feed: Poll, besides: Besides, instruments: Sequence[Instrument], now_ms: int) -> Iterator[Volume]:
    for instrument in instruments:
        ask = feed.ask if isinstance(feed.ask, Ask) else question(feed.ask, instrument, now_ms)
        for said in parser(feed, instruments)(feed.decode(it.ask(ask, now_ms))):
            if isinstance(said, Traded):
                about = msgspec.structs.replace(said, symbol=said.symbol or instrument.symbol)
                yield from (r for r in besides.take(about, now_ms, Source.POLL) if isinstance(r, Volume))


@each_live_venue
def test_who_stays_mute_on_a_socket_can_be_asked_for_over_rest(id: str) -> None:
    it, now_ms = play(id), SCRIPTS[id].expect.now_ms
    quotes = it.script.expect.quotes
    for segment in it.venue.segments:
        answer = next((answer for answer in segment.answers if answer.ask is not None), None)
        if isinstance(next((feed for feed in segment.feeds if "oi" in feed.gives), None), Socket):
            assert (answer is None) == (id == "lighter"), "its REST counts coins where its socket counts dollars"
        if answer is None or answer.ask is None:
            continue
        assert not isinstance(answer.parse, Remembering)
        for i in [i for i in wanted(it.catalogue(segment)) if i.symbol in quotes]:
            reply = it.ask(answer.ask if isinstance(answer.ask, Ask) else answer.ask(i), now_ms)
            board = Board([i], coin=worth(it.script))
            (update,) = [
                said for said in answer.parse(answer.decode(reply))
                if isinstance(said, Update) and said.symbol in ("", i.symbol)
            ]  # fmt: skip
            update.symbol = i.symbol
            record = board.apply(update, now_ms, Source.POLL, borrow=True)
            assert record is not None
            assert record.base == pytest.approx(quotes[i.symbol].oi_base, rel=1e-3)
            assert record.usd == pytest.approx(record.base * quotes[i.symbol].mark, rel=0.1)  # or another price near it


@each_live_venue
def test_an_unknown_symbol_is_refused_in_words_or_stays_silent(id: str) -> None:
    it = play(id)
    for segment in it.venue.segments:
        instruments = it.catalogue(segment)
        bad = replace(wanted(instruments)[0], symbol="NOSUCHCOIN")
        for feed in (f for f in segment.feeds if isinstance(f, Socket)):
            talk = Conversation(Speech(script_socket(it.script, feed), it.views))
            parse = parser(feed, instruments)
            for message in feed.subscribe([bad], 7):
                for reply in talk.hear(spelled(message, it.script.expect.now_ms), 0.0, it.script.expect.now_ms):
                    for said in parse(feed.decode(reply)):
                        assert not isinstance(said, Update | Liquidated)
                        assert not isinstance(said, Refused) or said.words


@each_live_venue
@pytest.mark.anyio
async def test_f33_f34_f35_rates_forced_closes_and_times_come_over_the_loopback_as_the_market_had_them(id: str) -> None:
    """A rate with its interval and kind, the position's side, whether it is a sample, a time in its unit."""
    readings, deaths = await played(id, None)
    script = SCRIPTS[id]
    for r in {r.instrument.symbol: r for r in readings}.values():
        quote = script.expect.quotes[r.instrument.symbol]
        assert r.instrument.funding_kind in ("current", "settled")
        if r.funding is not None:
            assert r.funding_interval_h is not None
            hourly = pytest.approx(quote.funding / quote.funding_interval_h, rel=0.01, abs=1e-7)
            assert r.funding / r.funding_interval_h == hourly, r.instrument.symbol
    assert not [r for r in readings if r.flags & Flag.SKEWED]
    assert all(abs(r.ts - r.seen) < MINUTE_MS for r in readings if r.source is Source.STREAM)
    told = sorted((d.instrument.symbol, str(d.side), d.ts // 1000) for d in deaths)
    assert told == sorted((c.symbol, c.side, c.ts_ms // 1000) for c in script.expect.forced)
    assert {d.feed for d in deaths} <= set(FeedClass)
    if deaths:
        assert {d.side for d in deaths} == set(Side), "either side was played"
        assert len({d.feed for d in deaths}) == 1


@each_live_venue
@pytest.mark.parametrize("fault", ["drop", "down", "babble", "limited"])
@pytest.mark.anyio
async def test_records_arrive_over_the_loopback_whatever_happens_to_the_line(id: str, fault: str) -> None:
    await played(id, fault)


async def played(id: str, fault: str | None) -> tuple[list[OpenInterest], list[Liquidation]]:
    """What came of a venue that had a fault, if any; all of it as its script expects."""
    it, script = VENUES[id], SCRIPTS[id]
    book = Book(script, script.expect.now_ms - 5000)
    async with exchange(SCRIPTS, Fixed(SCRIPTS), clock=lambda: book.moment, haste=50, retry_after_s=0.05) as venues:
        book.venues = venues
        async with anyio.create_task_group() as tasks:
            if fault in ("babble", "limited"):  # before anything else: not even the catalogue can be read
                venues.fault(id, fault)
            tasks.start_soon(collected, quick(it), book, venues)
            with anyio.fail_after(60):
                if fault in ("babble", "limited"):
                    await venues.until(lambda: venues.asked[id] >= 2)
                    venues.fault(id, None)
                await venues.until(book.complete)
                if fault is not None:
                    noise, tries = venues.noise[id], tried(venues, it, fault)
                    venues.fault(id, fault)
                    if fault == "babble":
                        await venues.until(lambda: venues.noise[id] >= noise + 12)
                    elif fault != "limited":  # which leaves open lines alone
                        await venues.until(lambda: tried(venues, it, fault) > tries)
                    venues.fault(id, None)
                    if states_anew(it):
                        book.latest.clear()
                        await venues.until(book.complete)
                    else:
                        asked = venues.asked[id]
                        await venues.until(lambda: venues.asked[id] >= asked + 2)
                await venues.until(lambda: hears_of_deaths(venues, it))
                book.moment = script.expect.now_ms  # now the forced closes have happened
                await venues.until(lambda: len(book.deaths) >= len(script.expect.liquidations))
                if any(socket.heartbeat is not None for socket in script.sockets):
                    await venues.until(lambda: venues.beats[id] > 0)
                if any(socket.asks is not None for socket in script.sockets):
                    await venues.until(lambda: venues.answers[id] > 0)
            tasks.cancel_scope.cancel()
    agree(book.readings, script.expect.readings)
    assert sorted(map(died, book.deaths), key=str) == sorted(map(died_as, script.expect.liquidations), key=str)
    assert all(record.simulated for record in book.readings)
    assert venues.unheard == []
    return book.readings, book.deaths


@pytest.mark.parametrize("id", sorted(id for id, v in VENUES.items() if any(s.lists for s in v.segments)))
@pytest.mark.anyio
async def test_dated_contracts_cost_nothing_until_they_are_asked_for(id: str) -> None:
    script, asked = SCRIPTS[id], set[str]()
    dated = {c.symbol for c in contracts(script, Kind.DATED)}
    perpetual = [r for r in script.expect.readings if r.symbol not in dated]
    assert dated
    assert perpetual
    book = Book(replace_struct(script, expect=replace_struct(script.expect, readings=perpetual)), script.expect.now_ms)
    async with exchange(SCRIPTS, Fixed(SCRIPTS), clock=lambda: book.moment, haste=50) as venues:
        book.venues = venues

        def address(venue: Venue, url: str) -> str:
            asked.add(url)
            return venues.address(venue.id, url)

        async with anyio.create_task_group() as tasks:
            run = partial(collected, universe=frozenset({Kind.PERPETUAL}), address=address)
            tasks.start_soon(run, quick(VENUES[id]), book, venues)
            with anyio.fail_after(20):
                await venues.until(book.complete)
            lines = [sub for line in venues.lines[id] for sub in line.talk.subscriptions.values()]
            tasks.cancel_scope.cancel()
    agree(book.readings, perpetual)
    assert not {url for url in asked if any(symbol in url for symbol in dated)}
    assert not dated & {s.meant.contract.symbol for s in lines if s.meant.contract is not None}
    assert book.segments == {s.id for s in VENUES[id].segments if s.lists is None}, "the others are not even asked"


def tried(venues: Exchange, venue: Venue, fault: str) -> int:
    """Handshakes so far; questions where a venue has no sockets, or is down and wants one before each handshake."""
    sockets = [feed for segment in venue.segments for feed in segment.feeds if isinstance(feed, Socket)]
    asked = not sockets or (fault == "down" and any(socket.token is not None for socket in sockets))
    return venues.asked[venue.id] if asked else venues.dials[venue.id]


@dataclass(slots=True)
class Book:
    """What has come of one venue, and the market's clock."""

    script: Script
    moment: int
    venues: Exchange | None = None
    readings: list[OpenInterest] = field(default_factory=list[OpenInterest])
    deaths: list[Liquidation] = field(default_factory=list[Liquidation])
    latest: dict[tuple[str, str | int], OpenInterest] = field(default_factory=dict[tuple[str, str | int], OpenInterest])
    segments: set[str] = field(default_factory=set[str])  # of whose health something was said

    def put(self, record: Record) -> None:
        if isinstance(record, OpenInterest):
            self.readings.append(record)
            self.latest[record.instrument.symbol, record.field.key] = record
        elif isinstance(record, Liquidation):
            self.deaths.append(record)
        elif isinstance(record, Health):
            self.segments.add(record.segment)
        assert self.venues is not None
        self.venues.note()

    def complete(self) -> bool:
        """Whether the last word on every symbol says all that the venue publishes."""
        return all(
            (r := self.latest.get((w.symbol, w.field or ""))) is not None
            and all(
                (getattr(r, n) is None) == (getattr(w, n) is None) for n in ("index", "funding", "funding_interval_h")
            )
            for w in self.script.expect.readings
        )


def hears_of_deaths(venues: Exchange, venue: Venue) -> bool:
    """Whether every forced close that a socket is to tell of has somebody who subscribed it."""
    pushed = {
        segment.id
        for segment in venue.segments
        for feed in segment.feeds
        if isinstance(feed, Socket) and "liquidations" in feed.gives
    }
    script = venues.scripts[venue.id]
    dying = {death.symbol for death in script.expect.liquidations}
    told = {c.symbol for c in contracts(script, None) if c.segment in pushed and c.symbol in dying}
    heard = {
        contract.symbol
        for line in venues.lines[venue.id]
        for sub in line.talk.subscriptions.values()
        if sub.channel.forced is not None or sub.channel.each_forced is not None
        for contract in sub.meant.contracts
    }
    return told <= heard


async def collected(
    venue: Venue, book: Book, venues: Exchange, universe: frozenset[Kind] | None = None, address: Address | None = None
) -> None:
    """By default of every kind that a segment of its own lists, beside perpetuals."""
    begun = monotonic()
    kinds = frozenset(s.lists or Kind.PERPETUAL for s in venue.segments) if universe is None else universe
    await supervisor.run(
        [venue],
        book.put,
        collecting=Collecting(assets=None, universe=kinds, simulated=True),
        address=address or (lambda venue, url: venues.address(venue.id, url)),
        delays=lambda: repeat(0.01),
        rhythm=Rhythm(blocked=0.01),
        worth=worth(SCRIPTS[venue.id]),
        now=lambda: book.moment + round(1000 * (monotonic() - begun)),  # the market's: what it tells is not months old
    )


def worth(script: Script) -> Worth:
    """What other venues would say of a coin's price, for those who state none."""
    marks = {
        c.asset: (script.expect.quotes[c.symbol].mark, utc_ms())
        for c in contracts(script)
        if c.symbol in script.expect.quotes
    }
    return marks.get


def states_anew(venue: Venue) -> bool:
    """Whether it says now what is so now; the others repeat a report, which makes no record."""
    feeds = [feed for segment in venue.segments for feed in segment.feeds]
    return not any(isinstance(feed, Poll) and feed.cadence is not None for feed in feeds)


def quick(venue: Venue) -> Venue:
    """The same venue with heartbeats and polls hurried, and all the budget it wants."""

    def hurry(feed: Socket | Poll) -> Socket | Poll:
        if isinstance(feed, Poll):
            return replace(feed, every=0.1)
        return replace(feed, pace=0.001, rest=0.0, heartbeat=feed.heartbeat and replace(feed.heartbeat, every=0.05))

    return replace(
        venue,
        segments=tuple(replace(s, feeds=tuple(map(hurry, s.feeds))) for s in venue.segments),
        limits=Limits(1e6, dials=1000, dials_per=1.0, others=dict.fromkeys(venue.limits.others, (1e6, 1.0))),
    )


def script_socket(script: Script, feed: Socket):
    found = [s for s in script.sockets if s.url == feed.url]
    assert found, f"the script has no socket at {feed.url}"
    return found[0]


def conversed(it: Play, segment: Segment) -> Iterator[OpenInterest | Liquidation]:
    """All that comes of a segment's feeds in a few rounds, over no network."""
    instruments = it.catalogue(segment)
    asked_for = wanted(instruments)
    board = Board(asked_for, coin=worth(it.script), unpriced=not any("mark" in feed.gives for feed in segment.feeds))
    now_ms = it.script.expect.now_ms
    talks = [(feed, opened(it, feed, asked_for, now_ms - 5000)) for feed in segment.feeds if isinstance(feed, Socket)]
    parsers = {id(feed): parser(feed, instruments) for feed in segment.feeds}
    for n in range(ROUNDS):
        for feed, (talk, early) in talks:
            replies = early if n == 0 else talk.due(n * 100.0, now_ms + n)
            for reply in replies:
                yield from applied(board, parsers[id(feed)](feed.decode(reply)), now_ms + n, Source.STREAM)
        for feed in (f for f in segment.feeds if isinstance(f, Poll)):
            for instrument in [None] if isinstance(feed.ask, Ask) else asked_for:
                if instrument is not None and instrument.symbol not in it.script.expect.quotes:
                    continue
                if isinstance(feed.ask, Ask):
                    ask = feed.ask
                else:
                    assert instrument is not None
                    ask = question(feed.ask, instrument, now_ms + n)
                heard = parsers[id(feed)](feed.decode(it.ask(ask, now_ms + n)))
                yield from applied(board, [named(s, instrument) for s in heard], now_ms + n, Source.POLL)


def opened(
    it: Play, feed: Socket, instruments: Sequence[Instrument], now_ms: int
) -> tuple[Conversation, list[str | bytes]]:
    """A conversation in which all is subscribed, and what was said so far. Everything we say must be understood."""
    talk = Conversation(Speech(script_socket(it.script, feed), it.views))
    early = talk.open(0.0, now_ms)
    if feed.greets:
        assert early, "the venue was to speak first"
        early = []
    requests: list[Message] = list(feed.subscribe(instruments, 1))
    if feed.heartbeat is not None:
        requests.append(feed.heartbeat.message)
    for message in requests:
        early += talk.hear(spelled(message, now_ms), 0.0, now_ms)
    assert talk.unheard == []
    for frame in early:  # what answers us is never counted as foreign, nor is a greeting in plain text
        assert feed.decode(frame) is not None or channel_of(feed.decode, frame) == frame
    assert talk.beats == (feed.heartbeat is not None)
    asks = talk.speech.socket.asks
    if asks is not None:
        assert feed.answer is not None
        ours = [feed.answer(feed.decode(theirs)) for theirs in talk.ask(talk.ask_due or 0.0, now_ms)]
        for message in ours:
            assert message is not None
            talk.hear(spelled(message, now_ms), 0.0, now_ms)
        assert talk.answers == 1
    return talk, early


def named(said: Said, instrument: Instrument | None) -> Said:
    """A reply that names no symbol is about the instrument that the question was about."""
    if isinstance(said, Update | Traded) and said.symbol == "" and instrument is not None:
        return msgspec.structs.replace(said, symbol=instrument.symbol)
    return said


def applied(board: Board, said: Iterable[Said], seen: int, source: Source) -> Iterator[OpenInterest | Liquidation]:
    for word in said:
        assert not isinstance(word, Refused), word.words
        record = None
        if isinstance(word, Update):
            record = board.apply(word, seen, source)
        elif isinstance(word, Liquidated):
            record = board.liquidation(word, seen)
        if record is not None:
            yield record


def stated(r: OpenInterest) -> Reading:
    return Reading(symbol=r.instrument.symbol, field=r.field.key, raw=r.raw, unit=r.field.unit, sides=r.field.sides)


def agree(got: Sequence[OpenInterest], want: Sequence[Reading]) -> None:
    """Every record is as expected, as far as its venue had spoken by then; and each is complete in the end."""
    expected = {(w.symbol, w.field): w for w in want}
    latest = {(r.instrument.symbol, r.field.key): r for r in got}
    assert sorted(latest, key=str) == sorted(expected, key=str)
    for record in got:
        w = expected[record.instrument.symbol, record.field.key]
        assert stated(record) == Reading(symbol=w.symbol, field=w.field, raw=w.raw, unit=w.unit, sides=w.sides)
        assert (record.base, record.usd, record.mark) == pytest.approx((w.base, w.usd, w.mark), rel=1e-9)
        for name in ("index", "funding", "funding_interval_h"):
            assert getattr(record, name) in (None, getattr(w, name)), (w.symbol, name)
    for place, record in latest.items():
        w = expected[place]
        assert (record.index, record.funding, record.funding_interval_h) == (w.index, w.funding, w.funding_interval_h)


def died(r: Liquidation) -> tuple[object, ...]:
    sizes = [rounded(x) for x in (r.size, r.base, r.usd, r.price)]
    return r.instrument.symbol, str(r.side), str(r.unit), str(r.feed), *sizes


def died_as(d: Death) -> tuple[object, ...]:
    return d.symbol, d.side, d.unit, d.feed, *[rounded(x) for x in (d.size, d.base, d.usd, d.price)]


def rounded(x: float) -> float:
    """To nine significant digits: what a division leaves behind is not meant."""
    return float(f"{x:.9g}")
