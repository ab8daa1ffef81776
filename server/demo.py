"""`crossoi demo`: the whole product against a made-up market, in a home and a store of its own."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio
import duckdb
import httpx2
from anyio import to_thread
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

from collectors.http import Address, utc_ms
from collectors.venue import Venue
from collectors.venues import VENUES
from server import pastbeside
from server.app import Kept, Say, ServeError, World, make_home, serve
from server.past import ask_for_the_last_day, import_past, settle
from server.settings import Settings
from server.tools import TOOLS
from simulator.episodes import Episode, schedule
from simulator.exchange import Exchange, exchange, happen
from simulator.faults import KINDS, Fault
from simulator.history import DAYS
from simulator.market import COINS, Contract, Market
from simulator.script import Script, contracts, load_all
from store.records import Kind

DAY_MS = 86_400_000
FORGETFUL_MS = 30 * DAY_MS  # a market older than this begins anew; it knows sixty days to come
WARM_S = 10.0  # how long the first answers wait for every venue to be heard
READY_S = 30.0  # how long for what is still being built: the liquidation maps come last
SHOWN = 12  # lines of each first answer
QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "get_open_interest": {"asset": "BTC"},
    "get_chart_value": {"metric_id": "derivatives-oi-aggregated-all-exchanges", "timeframe": "90d"},
    "get_oi_divergence": {"asset": "BTC"},
    "get_concentration": {"asset": "BTC"},
    "get_liquidation_map": {"asset": "BTC"},
    "get_status": {},
}


async def demo(settings: Settings, faults: Sequence[Fault], seed: int, say: Say) -> None:
    """Run the demo until it is told to stop. Raises ServeError."""
    scripts = {id: script for id, script in load_all().items() if id in VENUES and wanted(settings, id)}
    scripts = {id: script for id, script in scripts.items() if VENUES[id].closed_on is None}
    if not scripts:
        raise ServeError(f"The simulator plays none of the chosen venues. It plays: {', '.join(load_all())}.")
    for fault in faults:
        if fault.venue not in scripts:
            raise ServeError(f"{fault.venue} cannot have a fault: it is not played here. Played: {', '.join(scripts)}.")
    make_home(settings)
    note = beginning(settings, seed, sorted(scripts), say)
    market = market_of(scripts, seed, note.start_ms, None if note.dated else Kind.PERPETUAL)
    say(f"The market is made up (seed {seed}); it plays {', '.join(scripts)}.")
    refused: ServeError | None = None
    kept: list[Kept] = []  # the open store, once there is one
    async with exchange(scripts, market) as floor, anyio.create_task_group() as tasks:
        for episode in market.episodes(utc_ms(), utc_ms() + 86_400_000):
            if episode.kind == "outage":
                tasks.start_soon(outage, floor, episode)

        async def ready(url: str) -> None:
            for fault in faults:  # their seconds count from here, not from before the history was written
                tasks.start_soon(happen, floor, fault)
            await introduce(settings, say, url)
            tasks.start_soon(judge, settings, kept, say)
            body = json.dumps({"venue": min(scripts), "fault": "down"})
            say(
                f"Pull a plug while it runs: curl -d '{body}' {floor.switch}\n"
                f"  (fault: {', '.join(KINDS)}; null ends it.) Ctrl-C ends the demo."
            )

        async def prepare(store: Kept) -> None:
            kept.append(store)
            await remember(settings, note, market, scripts, partial(stand_in, floor), say, store)

        world = World(
            address=partial(stand_in, floor),
            simulated=True,
            venues=[VENUES[id] for id in scripts],
            prepare=prepare,
            ready=ready,
        )
        try:
            await serve(settings, say, world)
        except ServeError as error:  # carried past the groups, which would wrap it
            refused = error
        except ExceptionGroup as group:  # what preparing raised, wrapped by the groups it came through
            unwritten, others = group.split(duckdb.IOException)
            if unwritten is None or others is not None:
                raise
            refused = ServeError(
                f"The demo's past could not be written: {first_of(unwritten)} It takes about 300 MB: free some, or set "
                "CROSSOI_HOME to a folder with more. The next start begins it anew."
            )
        tasks.cancel_scope.cancel()
    if floor.unheard:
        some = "; ".join(sorted(set(floor.unheard))[:3])
        say(f"{len(floor.unheard)} questions were not understood by the simulated venues: {some}")
    if refused is not None:
        raise refused


def first_of(group: ExceptionGroup[Exception]) -> str:
    """What the first exception of a group says, in a line."""
    inner = group.exceptions[0]
    return (
        first_of(cast(ExceptionGroup[Exception], inner))
        if isinstance(inner, ExceptionGroup)
        else str(inner).splitlines()[0].rstrip(".") + "."
    )


def wanted(settings: Settings, venue: str) -> bool:
    return settings.venues is None or venue in settings.venues


def stand_in(floor: Exchange, venue: Venue, url: str) -> str:
    return floor.address(venue.id, url)


@dataclass(frozen=True, slots=True)
class Note:
    """What a demo home remembers of its market, so that a second demo goes on where the first one stopped."""

    seed: int
    start_ms: int
    past_ms: int = 0  # up to where the past has been written
    venues: Sequence[str] = ()  # they share the whole: with one more, each of the others holds less
    dated: bool = False  # whether dated contracts are traded too; they take their share as well


def beginning(settings: Settings, seed: int, venues: Sequence[str], say: Say) -> Note:
    """The market of this home: the one it has, or a new one where it has none, another, or one too old."""
    file, now = settings.home / "market.json", utc_ms()
    dated = settings.universe != "perpetual"
    if file.exists():
        note = Note(**json.loads(file.read_text(encoding="utf-8")))
        same = (note.seed, list(note.venues), note.dated) == (seed, list(venues), dated)
        if same and now - note.start_ms < FORGETFUL_MS and Path(settings.store).exists():
            return note
    for old in (Path(settings.store), settings.home / "maps"):
        if old.exists():
            aside = old.with_name(f"{old.name}.old-{now}")
            old.rename(aside)
            say(f"Another market begins; what was kept of the last one is now {aside}.")
    return Note(seed, now, venues=venues, dated=dated)


def market_of(scripts: Mapping[str, Script], seed: int, start_ms: int, kind: Kind | None = Kind.PERPETUAL) -> Market:
    """A market of the contracts of a kind (None: of any) that the venues' scripts list, with an episode every ten
    minutes.
    """
    listed = [
        Contract(id, c.segment, c.symbol, c.asset, VENUES[id].cls, funding_interval_h=c.funding_interval_h or 8.0)
        for id, script in scripts.items()
        for c in contracts(script, kind)
        if c.asset in COINS
    ]
    held = {c.venue: (c.venue, c.cls, COINS[c.asset] / len(scripts)) for c in listed if c.asset == "BTC"}
    return Market(listed, seed=seed, start_ms=start_ms, script=schedule(list(held.values()), "BTC", start_ms))


async def judge(settings: Settings, kept: Sequence[Kept], say: Say) -> None:
    """Judge the liquidation maps of the last week's closes, once: a demo cannot wait a day for its first score."""
    for store in kept:
        count = await to_thread.run_sync(
            partial(pastbeside.judged, settings=settings.thresholds),
            store.reader,
            store.store,
            settings.home / "maps",
            "BTC",
            utc_ms(),
        )
        if count:
            say(f"The liquidation maps of the last {count} days were judged: chart derivatives-map-skill.")


async def outage(floor: Exchange, episode: Episode) -> None:
    """A scripted outage: the venue goes down and comes back."""
    await anyio.sleep(max(0, episode.start_ms - utc_ms()) / 1000)
    floor.fault(episode.leader, "down")
    await anyio.sleep((episode.end_ms - episode.start_ms) / 1000)
    floor.fault(episode.leader, None)


async def remember(
    settings: Settings,
    note: Note,
    market: Market,
    scripts: Mapping[str, Script],
    address: Address,
    say: Say,
    store: Kept,
) -> None:
    """Give the store what it lacks of the market's past, so that every percentile has its year (decisions.md, 27)."""
    now = utc_ms()

    def progress(done: int, of: int) -> None:
        if done % 8 == 0 or done == of:
            say(f"  {done} of {of} contracts")

    say("Writing 400 days of its past." if note.past_ms == 0 else "Writing what passed since the last demo.")
    count = await to_thread.run_sync(
        import_past, store.store, store.writer, market, VENUES, scripts, note.past_ms, now, progress,
        partial(pastbeside.told, market, VENUES, scripts, now),
    )  # fmt: skip
    first = max(note.past_ms, now - DAYS * DAY_MS)
    for fact in pastbeside.facts(market, range(first + -first % DAY_MS, now, DAY_MS)):
        store.writer.put(fact)
    say(f"  {count:,} readings; the last day is asked of the venues.")
    count += await ask_for_the_last_day(store.writer, market, VENUES, scripts, address, now)
    await to_thread.run_sync(settle, store.store, note.past_ms, now)
    say(f"  {count:,} readings, with their bars and daily closes, in {(utc_ms() - now) / 1000:.1f} s")
    text = json.dumps(asdict(replace(note, past_ms=now)))
    (settings.home / "market.json").write_text(text, encoding="utf-8")


async def introduce(settings: Settings, say: Say, url: str) -> None:
    """Say where to connect, and show a first answer of each named tool, asked over our own HTTP like any client."""
    command = Path(sys.executable).with_name("crossoi")
    client = {"mcpServers": {"crossoi-demo": {"command": str(command), "args": ["mcp", "--demo"]}}}
    say(f"\nA client's configuration:\n{json.dumps(client, indent=2)}\nor over HTTP: {url}/mcp\n")
    served = {function.__name__ for function in TOOLS}
    async with (
        httpx2.AsyncClient(timeout=60, trust_env=False) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http)) as asking,
    ):
        say("Waiting for the venues to be heard.")
        with anyio.move_on_after(WARM_S):
            while not await warm(asking):  # noqa: ASYNC110 - asked over HTTP, like any client
                await anyio.sleep(0.5)
        for name, arguments in QUESTIONS.items():
            if name in served:
                result = await asking.call_tool(name, dict(arguments))
                with anyio.move_on_after(READY_S):
                    while result.is_error:
                        await anyio.sleep(0.5)
                        result = await asking.call_tool(name, dict(arguments))
                text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
                lines = text.splitlines()
                more = [f"... {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
                say("\n".join([f"--- {name} {json.dumps(arguments)}", *lines[:SHOWN], *more, ""]))
    say(f"The page: {url}/   (SIMULATED data)")


async def warm(asking: Client) -> bool:
    """Whether every venue is heard."""
    told: dict[str, Any] = (await asking.call_tool("get_status", {})).structured_content or {}
    states = [row[told["columns"].index("state")] for row in told.get("rows", [])]
    return bool(states) and all(state == "live" for state in states)
