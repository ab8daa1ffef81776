"""Answers over 22 venues and a month of minutes: their time, beside the bare query for the same rows, and with ten
months stored.

Every answer is the first one of its minute: a bar and a reading of each contract come in before it is asked for.
"""

import logging
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psutil
from mcp.client import Client

from bench.figures import Figure
from bench.stocked import DAY, MINUTE, Stocked, stocked
from collectors.venues import VENUES
from server import protocol
from server.maps import FRESH_BARS, Maps
from server.sweep import Sweep
from server.tools import TOOLS, House
from server.tools.chart_value import get_chart_value
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from server.tools.house import ToolFunction
from server.tools.liquidation_map import get_liquidation_map
from store.reader import Reader

ROUNDS = 7
TIMES = 10  # as much history
GROWTH = 1.5  # times as long with ten times the history
AHEAD = 3 * ROUNDS * 5  # minutes that pass while it is measured
NOW_MS = 20_000  # after the newest minute has ended

WINDOW = ("instrument_id", "bucket", "raw_close", "base_close", "usd_close", "mark_close", "funding",
          "funding_interval_h", "readings", "covered_s", "last_seen", "source")  # fmt: skip
MOVED = (*WINDOW, "mark_high", "mark_low", "opened", "closed", "volume", "taker_buy", "liquidated_long",
         "liquidated_short")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; how long it may take; and the rows it cannot do without: of a table, so far back."""

    what: str
    tool: ToolFunction
    arguments: Mapping[str, Any]
    limit_ms: float | None
    rows: Sequence[tuple[str, int, Sequence[str]]]
    behind: int = 0  # minutes that the map has to catch up first


QUESTIONS = (
    Question("divergence, 1h", get_oi_divergence, {}, 60, [("bars_1m", 8 * 60 * MINUTE, WINDOW)]),
    Question("concentration, 24h", get_concentration, {}, 60, [("bars_1m", 31 * 60 * MINUTE, WINDOW)]),
    Question("a map's next minute", get_liquidation_map, {}, None, [("bars_1m", 2 * MINUTE, MOVED)], 1),
    Question("a fresh map", get_liquidation_map, {}, 300, [("bars_1m", 61 * MINUTE, MOVED)], FRESH_BARS),
    Question("a chart of 30 d", get_chart_value, {}, None, [("bars_1h", 30 * DAY, WINDOW),
                                                            ("bars_1m", 31 * 60 * MINUTE, WINDOW)]),
)  # fmt: skip
"""Each window with the seven hours before it in which a venue that is silent now may have spoken last."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Medians [ms]: of the bare query, of the function, of an MCP client's call."""

    bare: float
    function: float
    client: float


class Market:
    """A house around a stocked store, a minute later at every `step`."""

    def __init__(self, held: Stocked, folder: Path) -> None:
        self.held = held
        always = [venue.id for venue in VENUES.values() if venue.only is not None]
        reader = Reader(held.store, held.writer.latest, always=always)
        self.maps, self.late = Maps(reader, folder, ["BTC"]), Maps(reader, folder, ["BTC"])
        self.house = House(
            reader=reader, simulated=True, version="1", started=held.first, now=self.now, map_state=self.maps.state
        )
        Sweep(self.house, held.store, ["BTC"]).run()  # what is usual, as the daemon works it out at its start
        self.late.advance(held.end - FRESH_BARS * MINUTE)
        self.maps.states |= self.late.states
        self.ids = ", ".join(str(line.instrument.id) for line in held.lines if line.instrument.asset == "BTC")

    def now(self) -> int:
        return self.held.end + NOW_MS

    def step(self, q: Question) -> None:
        """A minute later; the map as far behind as the question wants it."""
        self.maps.advance(self.now())
        self.held = self.held.later()
        self.house.reader.renew()  # as the clock does when it has built the bars of the minute
        self.late.advance(self.held.end - FRESH_BARS * MINUTE)
        if q.behind == FRESH_BARS:
            self.maps.states |= self.late.states

    def caught_up(self, q: Question) -> None:
        """What the clock does before a map is asked for."""
        if q.behind:
            self.maps.advance(self.now())

    def bare(self, q: Question) -> None:
        """The rows of an answer and nothing else, as the engine gives them."""
        con = self.held.store.cursor()
        try:
            for table, back, names in q.rows:
                con.execute(
                    f"SELECT {', '.join(names)} FROM {table} WHERE instrument_id IN ({self.ids}) "
                    f"AND bucket >= make_timestamp_ms({self.held.end - back})"
                ).fetchnumpy()
        finally:
            con.close()


async def measured(folder: Path) -> dict[str, tuple[Spent, Spent]]:
    """Every question, on a store of one month and on one of ten, in turns: what else the machine does hits both."""
    end = time.time_ns() // 1_000_000 // MINUTE * MINUTE - AHEAD * MINUTE
    with stocked(folder, end, 1, AHEAD) as month, stocked(folder, end, TIMES, AHEAD) as months:
        one, ten = Market(month, folder / "one"), Market(months, folder / "ten")
        async with (
            Client(protocol.build(TOOLS, one.house, "1")) as a,
            Client(protocol.build(TOOLS, ten.house, "1")) as b,
        ):
            return {q.what: await spent(((one, a), (ten, b)), q) for q in QUESTIONS}


async def spent(asked: tuple[tuple[Market, Client], tuple[Market, Client]], q: Question) -> tuple[Spent, Spent]:
    taken: list[dict[str, list[float]]] = [{"bare": [], "function": [], "client": []} for _ in asked]
    for _ in range(ROUNDS):
        for way in taken[0]:
            for (market, client), times in zip(asked, taken, strict=True):
                market.step(q)
                began = time.perf_counter()
                if way == "bare":
                    market.bare(q)
                else:
                    market.caught_up(q)
                    if way == "function":
                        q.tool(market.house, **q.arguments)
                    else:
                        answer = await client.call_tool(q.tool.__name__, dict(q.arguments))
                        assert not answer.is_error, answer.content
                times[way].append((time.perf_counter() - began) * 1e3)
    one, ten = (Spent(**{way: statistics.median(times) for way, times in each.items()}) for each in taken)
    return one, ten


def figures(q: Question, one: Spent, ten: Spent) -> list[Figure]:
    times = one.client / one.bare
    return [
        Figure("tools", f"{q.what}: through an MCP client, median", one.client, "ms", q.limit_ms, "lower", one.bare,
               one.function, f"{times:.1f} times the bare query's {one.bare:.1f} ms; {one.function:.1f} ms in process; "
               f"load average {psutil.getloadavg()[0]:.1f}"),
        Figure("tools", f"{q.what}: with ten times the history", ten.function / one.function, "times", GROWTH, "lower",
               one.function, ten.function, "ms in process"),
    ]  # fmt: skip


def run() -> list[Figure]:
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = anyio.run(measured, Path(folder))
    finally:
        logging.disable(logging.NOTSET)
    return [figure for q in QUESTIONS for figure in figures(q, *found[q.what])]
