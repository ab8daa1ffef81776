"""Soak: every venue under load for a long time: is anything lost, does memory grow, how late are the data?

`python -m bench.soak [--minutes 30] [--rate 20000]`. A line a minute, a table at the end, figures in bench/soak.json.
Nothing lost means: no reading shed, none refused, no gap opened. Venues that are asked (polls, catalogues) are asked at
their own pace beside the frames.
"""

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import anyio
import psutil
from anyio import to_thread
from rich.console import Console
from rich.table import Table

from bench.load import Venues, under_load
from collectors import supervisor
from collectors.venues import VENUES
from simulator.script import load_all
from store.engine import open_store
from store.records import Gap, Health, OpenInterest, Record
from store.writer import Writer

KEPT = Path(__file__).parent / "soak.json"
WARM_S = 15.0
SAMPLE = 50  # one reading in so many is timed on the wire
WANTED_MS = 500.0


@dataclass(slots=True)
class Heard:
    """What one minute brought."""

    readings: int = 0
    gaps: int = 0
    wire_ms: list[int] = field(default_factory=list[int])
    commits_ms: list[float] = field(default_factory=list[float])
    why: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True)
class Minute:
    """One line of the report; times in ms, memory in MiB."""

    minute: int
    seconds: float  # that it really took
    sent: int
    readings: int
    rows: int
    shed: int
    gaps: int
    wire_p99_ms: float
    commit_p99_ms: float
    rss_mib: float
    load_average: float


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m bench.soak", description="Every venue under load for a long time.")
    asked.add_argument("--minutes", type=int, default=30)
    asked.add_argument("--rate", type=float, default=20_000, help="frames a second over all connections")
    said = asked.parse_args()
    logging.disable(logging.WARNING)
    chosen = [id for id in load_all() if id in VENUES and VENUES[id].closed_on is None]
    with tempfile.TemporaryDirectory() as folder, under_load(said.rate, chosen) as load:
        minutes, instruments, why = anyio.run(soak, load, Path(folder), chosen, said.minutes)
    show(minutes)
    for words, count in why.most_common(5):
        print(f"gap: {words} ({count})")
    keep(minutes, said.rate, len(chosen), instruments, why)
    return int(
        any(m.shed or m.gaps for m in minutes) or minutes[-1].wire_p99_ms + minutes[-1].commit_p99_ms > WANTED_MS
    )


async def soak(load: Venues, folder: Path, chosen: list[str], minutes: int) -> tuple[list[Minute], int, Counter[str]]:
    """The minutes one by one; how many instruments were heard; why there were gaps."""
    store = open_store(folder / "store.duckdb", "demo")
    writer = Writer(store, simulated=True)
    heard, names, why = Heard(), set[tuple[str, str, str]](), Counter[str]()

    def sink(record: Record) -> None:
        if isinstance(record, OpenInterest):
            heard.readings += 1
            if heard.readings % SAMPLE == 0 and not record.flags:
                heard.wire_ms.append(record.seen - record.ts)
        elif isinstance(record, Gap):
            heard.gaps += record.end is None
            heard.why[f"{record.venue} {record.reason}"] += record.end is None
        elif isinstance(record, Health) and record.symbol:
            names.add((record.venue, record.segment, record.symbol))
        writer.put(record)

    collecting = supervisor.Collecting(assets=None, simulated=True)
    done: list[Minute] = []
    me = psutil.Process()
    async with anyio.create_task_group() as tasks:

        async def collect() -> None:
            await supervisor.run([VENUES[id] for id in chosen], sink, collecting=collecting, address=load.address)

        tasks.start_soon(collect)
        await anyio.sleep(WARM_S)
        heard = Heard()
        before, sent = writer.progress(), load.sent()
        for n in range(1, minutes + 1):
            start = time.monotonic()
            while (took := time.monotonic() - start) < 60:  # on a starved machine a second's sleep takes several
                await anyio.sleep(1)
                heard.commits_ms += writer.progress().commit_ms[-10:]
            after, more = writer.progress(), await to_thread.run_sync(load.sent)
            line = Minute(
                n, took, more - sent, heard.readings, after.rows - before.rows, after.shed - before.shed, heard.gaps,
                p99(heard.wire_ms), p99(heard.commits_ms), me.memory_info().rss / 2**20, os.getloadavg()[0],
            )  # fmt: skip
            print(spoken(line), flush=True)
            done.append(line)
            why += heard.why
            before, sent, heard = after, more, Heard()
        tasks.cancel_scope.cancel()
    writer.close()
    store.close()
    return done, len(names), why


def p99(values: list[int] | list[float]) -> float:
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else 0.0


def spoken(m: Minute) -> str:
    return (
        f"minute {m.minute}: {m.sent:,} frames sent, {m.readings:,} readings, {m.rows:,} rows, {m.shed} shed, "
        f"{m.gaps} gaps opened, p99 wire {m.wire_p99_ms:.0f} ms, commit {m.commit_p99_ms:.0f} ms, "
        f"{m.rss_mib:.0f} MiB, load average {m.load_average:.1f}"
    )


def show(minutes: list[Minute]) -> None:
    table = Table(*(name.replace("_", " ") for name in asdict(minutes[0])), title="crossoi soak")
    for minute in minutes:
        table.add_row(
            *(f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" for value in asdict(minute).values())
        )
    Console(width=150).print(table)


def keep(minutes: list[Minute], rate: float, venues: int, instruments: int, why: Counter[str]) -> None:
    seconds = sum(m.seconds for m in minutes)
    kept = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "wanted_frames_s": rate,
        "venues": venues,
        "instruments": instruments,
        "frames_s": round(sum(m.sent for m in minutes) / seconds),
        "readings_s": round(sum(m.readings for m in minutes) / seconds),
        "why_gaps": dict(why.most_common(10)),
        "minutes": [asdict(m) for m in minutes],
    }
    KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
