"""What the store lacks, asked of a made-up venue over the loopback."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio import to_thread

from collectors.catalogue import Collecting
from collectors.http import Http, utc_ms
from collectors.venue import Said, Update, Venue
from collectors.wire import number
from server.app import World
from server.backfill import Backfill, Wish, add_backfill, wish_of
from server.filling import alone
from server.protocol import build
from server.settings import load
from store.engine import Store, open_store
from store.records import Event, Field, Gap, Instrument, Kind, OpenInterest, Source, Unit
from store.writer import Writer
from tests.collectors.test_backfill import PAID, Past
from tests.collectors.toy import HISTORY, OI, SOCKET, Exchange, Frame, venue
from tests.store.made import version

pytestmark = pytest.mark.anyio
STEP = 300_000
NOW = 1_800_000_000_000
BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")
COLLECTING = Collecting(simulated=True)
TOY = venue(SOCKET, history=(HISTORY,))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "store.duckdb", "demo")
    yield opened
    opened.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    with Writer(store, True) as writer:
        yield writer


def rows(store: Store) -> list[tuple[int, float, str]]:
    """(steps before now, as published, source) of what is stored, newest first."""
    told = store.cursor().execute("SELECT epoch_ms(ts), raw, source FROM readings ORDER BY ts DESC").fetchall()
    return [((NOW - ts) // STEP, raw, source) for ts, raw, source in told]


def owner(store: Store, writer: Writer, days: float = 0.0, toy: Venue = TOY) -> Backfill:
    backfill = Backfill(store, writer.put, [toy], COLLECTING, days, settle=0.0, now=lambda: NOW)
    backfill.sink(BTC)
    return backfill


@asynccontextmanager
async def asking(past: Past) -> AsyncIterator[Http]:
    async with past.exchange.open(), Http(past.exchange.address, now=lambda: NOW) as http:
        yield http


def streamed(ts: int, raw: float, seen: int | None = None) -> OpenInterest:
    return OpenInterest(
        BTC,
        OI,
        ts,
        ts if seen is None else seen,
        raw,
        raw,
        raw * 100.0,
        100.0,
        None,
        None,
        None,
        Source.STREAM,
        True,
        0,
    )


async def test_a_second_run_asks_only_for_what_the_first_did_not_get(store: Store, writer: Writer) -> None:
    past = Past()
    backfill = owner(store, writer)
    wish = Wish(None, NOW - 6 * STEP, NOW)
    async with asking(past) as http:
        await backfill.fill(replace(wish, start=NOW - 2 * STEP), http)
        await to_thread.run_sync(writer.flush)
        asked = len(past.exchange.requests)
        assert [at for at, _, _ in rows(store)] == [0, 1, 2]
        await backfill.fill(wish, http)
        await to_thread.run_sync(writer.flush)
        assert [at for at, _, _ in rows(store)] == [0, 1, 2, 3, 4, 5, 6]
        assert len(past.exchange.requests) - asked == 2
        assert (await backfill.fill(wish, http)) == []


async def test_what_a_venue_has_nothing_of_is_asked_again_after_a_day(store: Store, writer: Writer) -> None:
    hour, now = 3_600_000, [NOW]
    past = Past()
    past.exchange.replies["/history"] = lambda: (200, {}, "[]")
    backfill = Backfill(store, writer.put, [TOY], COLLECTING, 0.0, settle=0.0, now=lambda: now[0])
    backfill.sink(BTC)
    wish = Wish(None, NOW - 3 * hour, NOW)

    async def asked(wish: Wish) -> tuple[list[tuple[int, int]], list[str]]:
        """(from, to) in minutes before the first question of what is asked now, and what is said of the rest."""
        (progress,) = await backfill.fill(wish, http)
        await to_thread.run_sync(writer.flush)
        return [((NOW - a) // 60_000, (NOW - b) // 60_000) for a, b in progress.spans], list(progress.skipped)

    async with past.exchange.open(), Http(past.exchange.address, now=lambda: now[0]) as http:
        whole, nothing = [(180, 0)], ["asked for lately, and the venue had nothing: 1 times"]
        assert await asked(wish) == (whole, [])
        assert await asked(wish) == ([(59, 0)], nothing)  # it may not yet have written its last hour
        now[0] += 2 * hour
        assert await asked(wish) == ([(59, 0)], nothing)
        questions = len(past.exchange.requests)
        assert await asked(wish) == ([], nothing)
        assert len(past.exchange.requests) == questions
        now[0] += 2 * hour
        assert await asked(replace(wish, asked=True)) == (whole, [])  # somebody wants it
        now[0] += 24 * hour + 1
        assert await asked(wish) == (whole, [])


async def test_what_was_not_answered_or_not_taken_is_asked_again_at_once(store: Store, writer: Writer) -> None:
    wish = Wish(None, NOW - 40 * STEP, NOW - 20 * STEP)
    unreadable = Past()
    unreadable.exchange.replies["/history"] = lambda: (200, {}, '[{"kind":')
    for past in (unreadable, Past(mark=None)):
        async with asking(past) as http:
            for _ in range(2):
                (progress,) = await owner(store, writer).fill(wish, http)
                assert progress.spans == ((NOW - 40 * STEP, NOW - 20 * STEP),)
                await to_thread.run_sync(writer.flush)


async def test_what_was_paid_is_filled_once_and_next_when_it_is_due(store: Store, writer: Writer) -> None:
    """Of a contract that pays every 8 h; a wish reaches back a day, as the payment before it counts in it."""
    hour, due, now = 3_600_000, NOW // (8 * 3_600_000) * 8 * 3_600_000, [0]
    past = Past()
    dated = replace(BTC, symbol="BTC-D", kind=Kind.DATED)
    backfill = Backfill(
        store, writer.put, [venue(SOCKET, history=(PAID,))], COLLECTING, 0.0, settle=0.0, now=lambda: now[0]
    )
    for instrument in (BTC, dated):
        backfill.sink(instrument)

    async def asked(at: int) -> list[tuple[int, int, int]]:
        """(from, to) in hours before the last payment of what is asked at a moment, and how many rows it brings."""
        now[0] = at
        done = await backfill.fill(Wish(None, at - 24 * hour, at), http)
        await to_thread.run_sync(writer.flush)
        assert {p.instrument.symbol for p in done} <= {"BTC"}, "who has an end pays nothing"
        return [((due - a) // hour, (due - b) // hour, p.readings) for p in done for a, b in p.spans]

    async with past.exchange.open(), Http(past.exchange.address, now=lambda: now[0]) as http:
        assert await asked(due + 2 * hour) == [(46, -2, 6)]
        assert await asked(due + 3 * hour) == []
        assert await asked(due + 8 * hour + 60_000) == [], "it may not be written yet"
        assert await asked(due + 9 * hour + 60_000) == [(-2, -10, 1)], "but for what was asked for lately"
    told = store.cursor().execute("SELECT epoch_ms(ts), interval_h, source FROM fundings ORDER BY ts").fetchall()
    assert told == [(due + 8 * k * hour, 8.0, "backfill") for k in range(-5, 2)]


async def test_what_was_streamed_is_never_overwritten(store: Store, writer: Writer) -> None:
    for minute in range(11):  # of the last ten minutes
        writer.put(streamed(NOW - minute * 60_000, 500.0 + minute))
    await to_thread.run_sync(writer.flush)
    past = Past()
    async with asking(past) as http:
        await owner(store, writer).fill(Wish(None, NOW - 5 * STEP, NOW), http)
    await to_thread.run_sync(writer.flush)
    filled = [(at, raw) for at, raw, source in rows(store) if source == "backfill"]
    assert filled == [(3, 13.0), (4, 14.0), (5, 15.0)]
    assert len([raw for _, raw, source in rows(store) if source == "stream"]) == 11


async def test_marks_we_have_price_what_the_venue_does_not(store: Store, writer: Writer) -> None:
    other = replace(BTC, venue="other")
    writer.put(replace_instrument(streamed(NOW - 2 * STEP, 5.0), other))
    await to_thread.run_sync(writer.flush)
    past = Past(mark=None)
    async with asking(past) as http:
        (progress,) = await owner(store, writer).fill(Wish(None, NOW - 4 * STEP, NOW), http)
    assert (progress.readings, progress.skipped) == (3, {"no mark to price it with": 2})


def replace_instrument(reading: OpenInterest, instrument: Instrument) -> OpenInterest:
    import msgspec

    return msgspec.structs.replace(reading, instrument=instrument)


async def test_f31_the_past_is_worth_what_a_contract_was_worth_then(store: Store) -> None:
    """Ten times the contracts of a tenth the size, three steps ago: no coin was opened or closed."""

    def counted(frames: list[Frame]) -> list[Said]:
        return [Update(f.symbol, f.ts, float(f.oi or 0), Field("n", Unit.CONTRACTS), number(f.mark)) for f in frames]

    smaller = replace(BTC, contract_size=0.1, valid_from=NOW - 3 * STEP)
    for sql in (version(BTC, NOW - 100 * STEP), version(smaller, NOW - 2 * STEP)):
        store.cursor().execute(sql)
    past = Past(odd={ago: 500.0 if ago <= 3 else 50.0 for ago in range(7)})
    toy = venue(SOCKET, history=(replace(HISTORY, parse=counted),))
    with Writer(store, True) as writer:
        backfill = Backfill(store, writer.put, [toy], COLLECTING, 0.0, settle=0.0, now=lambda: NOW)
        backfill.sink(smaller)
        async with asking(past) as http:
            await backfill.fill(Wish(None, NOW - 6 * STEP, NOW), http)
    told = store.cursor().execute("SELECT raw, base, usd FROM readings ORDER BY ts DESC").fetchall()
    assert told == [(500.0, 50.0, 5000.0)] * 4 + [(50.0, 50.0, 5000.0)] * 3
    assert store.cursor().execute("SELECT count(*) FROM quarantine").fetchall() == [(0,)]
    sizes = "SELECT contract_size FROM instruments ORDER BY known_at"
    assert store.cursor().execute(sizes).fetchall() == [(1.0,), (0.1,)]


async def test_the_first_start_fills_the_days_before_it_and_a_long_gap_is_filled_when_it_ends(
    store: Store, writer: Writer
) -> None:
    past = Past()
    told: list[Any] = []
    backfill = owner(store, writer, days=4 * STEP / 86_400_000)
    put, done = backfill.put, anyio.Event()

    def listen(record: Any) -> None:
        put(record)
        if isinstance(record, Event):
            told.append(json.loads(record.detail))
            done.set()

    backfill.put = listen
    async with asking(past) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(backfill.keep, http)
        with anyio.fail_after(30):
            await done.wait()
        assert told[0]["spans"] == [[NOW - 4 * STEP, NOW]]
        assert told[0]["rows"] == 5
        done = anyio.Event()
        backfill.sink(Gap("toy", "main", "BTC", NOW - 10 * STEP, NOW - 10 * STEP + 60_000, "short"))
        backfill.sink(Gap("toy", "main", "BTC", NOW - 9 * STEP, None, "open"))
        backfill.sink(Gap("toy", "main", "BTC", NOW - 9 * STEP, NOW - 7 * STEP, "ended"))
        with anyio.fail_after(30):
            await done.wait()
        assert told[1]["spans"] == [[NOW - 9 * STEP, NOW - 7 * STEP]]
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def served(backfill: Backfill) -> AsyncIterator[httpx2.AsyncClient]:
    from server.rest import SECURITY

    server = build((), None, "0")  # type: ignore[arg-type]  # no tool asks for the house
    add_backfill(server, backfill)
    app = server.streamable_http_app(host="127.0.0.1", stateless_http=True, transport_security=SECURITY)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as client:
        yield client


async def test_over_rest_every_step_is_a_line_and_a_dry_run_asks_nothing(store: Store, writer: Writer) -> None:
    past = Past()
    backfill = owner(store, writer)
    days = 6 * STEP / 86_400_000
    async with asking(past) as http, served(backfill) as client, anyio.create_task_group() as tasks:
        reply = await client.post("/api/v1/backfill", json={"days": days, "dry_run": True})
        (plan,) = [json.loads(line) for line in reply.text.splitlines()]
        assert (plan["venue"], plan["symbol"], plan["total"], plan["rows"]) == ("toy", "BTC", 3, 0)
        assert past.exchange.requests == []
        tasks.start_soon(backfill.keep, http)
        with anyio.fail_after(30):
            reply = await client.post("/api/v1/backfill", json={"days": days, "venues": ["toy"]})
        lines = [json.loads(line) for line in reply.text.splitlines()]
        assert [(line["done"], line["total"]) for line in lines] == [(1, 3), (2, 3), (3, 3), (3, 3)]
        assert (lines[-1]["rows"], lines[-1]["eta_s"]) == (7, pytest.approx(0, abs=0.1))
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"venues": ["nobody"]}, "unknown venue 'nobody'. There is: toy."),
        ({"days": 0}, "days: wants a number above 0 and up to 3650, not 0."),
        ({"days": True}, "days: wants a number above 0 and up to 3650, not True."),
        ([], "'list' object has no attribute 'get'"),
    ],
)
async def test_a_bad_request_is_told_what_is_wrong(store: Store, writer: Writer, body: Any, words: str) -> None:
    async with served(owner(store, writer)) as client:
        reply = await client.post("/api/v1/backfill", json=body)
    assert (reply.status_code, reply.json()) == (400, {"error": f"Bad arguments. {words}"})


async def test_a_page_elsewhere_cannot_start_one(store: Store, writer: Writer) -> None:
    async with served(owner(store, writer)) as client:
        reply = await client.post("/api/v1/backfill", json={}, headers={"Origin": "https://elsewhere"})
    assert reply.status_code == 403


async def test_without_a_daemon_the_command_opens_the_store_itself(tmp_path: Path) -> None:
    now = utc_ms()

    def newest() -> tuple[int, dict[str, str], str]:
        rows = [{"kind": "snap", "symbol": "BTC", "ts": now - k * 60_000, "oi": 10 + k, "mark": 100} for k in range(9)]
        return 200, {}, json.dumps(rows)

    async def silent(_: object) -> None:
        return

    exchange = Exchange(silent, replies={"/history": newest})
    toy = venue(SOCKET, history=(replace(HISTORY, bounded=False),))
    settings = load("live", {}, {"CROSSOI_HOME": str(tmp_path)})
    told: list[dict[str, Any]] = []
    async with exchange.open():
        world = World(exchange.address, simulated=False, venues=(toy,))
        body = {"venues": [], "days": 1.0, "dry_run": True}
        await alone(settings, body, told.append, world)
        assert [(line["symbol"], line["total"], line["rows"]) for line in told] == [("BTC", 1, 0)]
        await alone(settings, body | {"dry_run": False}, told.append, world)
    assert (told[-1]["done"], told[-1]["rows"]) == (1, 9)
    again = open_store(settings.store, "live")
    try:
        counted = (
            again.cursor().execute("SELECT count(*), min(raw), max(raw), any_value(source) FROM readings").fetchone()
        )
    finally:
        again.close()
    assert counted == (9, 10.0, 18.0, "backfill")


def test_a_wish_reaches_back_from_now() -> None:
    wish, dry = wish_of({"days": 2}, ["toy"], NOW)
    assert (wish.venues, wish.start, wish.end, dry) == (None, NOW - 2 * 86_400_000, NOW, False)
