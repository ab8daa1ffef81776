"""What a bench found, how it is shown and how it is kept."""

import json
import os
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Literal

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"
PACKAGES = ("duckdb", "msgspec", "websockets", "numpy", "pandas", "mcp")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `value` is held against `limit`; `floor` and `ours` are what the value is made of."""

    bench: str
    what: str
    value: float
    unit: str
    limit: float | None = None
    better: Literal["higher", "lower"] = "higher"
    floor: float | None = None
    ours: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value >= self.limit if self.better == "higher" else self.value <= self.limit


def fastest(work: Callable[[], object], rounds: int, clock: Callable[[], int] = perf_counter_ns) -> float:
    """The least time of several rounds, in seconds: the machine's noise only ever adds."""
    best = None
    for _ in range(rounds):
        start = clock()
        work()
        took = clock() - start
        best = took if best is None else min(best, took)
    assert best is not None
    return best / 1e9


def cpu() -> float:
    """CPU seconds of this process so far."""
    return process_time_ns() / 1e9


def show(figures: list[Figure]) -> None:
    table = Table("bench", "what", "value", "wanted", "floor", "ours", "", title="crossoi benches")
    for f in figures:
        sign = "≥" if f.better == "higher" else "≤"
        wanted = "" if f.limit is None else f"{sign} {f.limit:g}"
        mark = {None: "", True: "[green]reached[/]", False: "[red]missed[/]"}[f.reached]
        parts = ["" if p is None else f"{p:.4g}" for p in (f.floor, f.ours)]
        table.add_row(
            f.bench, f.what, f"{f.value:.3g} {f.unit}", wanted, *parts, " ".join(w for w in (mark, f.note) if w)
        )
    Console(width=150).print(table)


def keep(figures: list[Figure]) -> None:
    """Write bench/results.json, replacing the figures of the benches that ran and keeping the others."""
    ran = {f.bench for f in figures}
    old = json.loads(RESULTS.read_text())["figures"] if RESULTS.exists() else []
    machine = {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        **{name: version(name) for name in PACKAGES},
    }
    rows = [f for f in old if f["bench"] not in ran] + [asdict(f) | {"reached": f.reached} for f in figures]
    kept = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine, "figures": rows}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
