"""What a soak found: its lines, what is checked of them, the table and bench/soak.json."""

import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

KEPT = Path(__file__).parent / "soak.json"
MINUTES = 30  # of a whole soak; one that is shorter is marked so
INSTRUMENTS = 500
LAG_MS = 500.0  # p99 from socket to queryable
SLOPE_MIB = 1.0  # a minute, after the first third: flat, and room for noise
RATE = 0.98  # of what was asked for


@dataclass(frozen=True, slots=True)
class Minute:
    """One line of the report; times in ms, memory in MiB."""

    minute: int
    seconds: float  # that it really took
    sent: int  # frames of data
    readings: int  # records of open interest that they became
    rows: int  # of all tables
    live: int  # instruments
    shed: int
    refused: int
    gaps: int  # opened
    dials: int
    unreadable: int
    wire_p50_ms: float
    wire_p99_ms: float
    lag_p50_ms: float  # from the venue's socket until it could be asked for
    lag_p99_ms: float
    answer_p99_ms: float  # of a question over REST
    rss_mib: float
    engine_mib: float  # of it, what DuckDB says it holds
    load_average: float


@dataclass(frozen=True, slots=True)
class Balance:
    """What must add up at the end, when all is quiet."""

    frames_sent: Mapping[str, int]  # by venue, over sockets, of any kind
    frames_read: Mapping[str, int]
    readings: int  # given to the writer
    skipped: int  # ... nothing new, so no row by rule
    kept: int  # ... worth a row for certain
    checked: int  # ... a row unless the store has it already
    checked_found: int  # of those, in the store
    rows: int  # readings in the store
    shed: int
    refused: int

    @property
    def missing(self) -> dict[str, int]:
        """Frames sent and not read, by venue."""
        venues = sorted({*self.frames_sent, *self.frames_read})
        apart = {v: self.frames_sent.get(v, 0) - self.frames_read.get(v, 0) for v in venues}
        return {v: n for v, n in apart.items() if n}

    @property
    def again(self) -> int:
        """Checked readings that the store had already. Less than none, or more than were checked: rows are lost."""
        return self.kept + self.checked - self.rows

    @property
    def whole(self) -> bool:
        return (
            not self.missing and not self.shed and not self.refused and 0 <= self.again <= self.checked
            and self.checked_found == self.checked
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Soak:
    """A whole run."""

    rate: float
    venues: int
    instruments: int
    minutes: Sequence[Minute]
    balance: Balance
    memory: Sequence[tuple[float, float, float]]  # seconds, MiB of the process, MiB that its engine holds of them
    lag_ms: float  # p99 of all minutes together, from socket to queryable
    why_gaps: Mapping[str, int] = field(default_factory=dict[str, int])

    def checks(self) -> list[tuple[str, str, str, bool]]:
        """(what, measured, wanted, reached)"""
        b, (whole, slope) = self.balance, self.slopes()
        seconds = sum(m.seconds for m in self.minutes)
        frames = sum(m.sent for m in self.minutes) / seconds if seconds else 0.0
        worst = max((m.lag_p99_ms for m in self.minutes), default=float("nan"))
        lag = f"{self.lag_ms:.0f} ms, in the worst minute {worst:.0f} ms"
        gaps = sum(m.gaps for m in self.minutes)
        lost = f"{b.shed} shed, {b.refused} refused, {sum(b.missing.values())} frames unread, "
        lost += f"{b.readings:,} readings: {b.kept:,} kept, {b.checked:,} checked of which {b.again:,} were there, "
        lost += f"{b.skipped:,} with nothing new; {b.rows:,} rows"
        memory = f"{slope:+.2f} MiB a minute beside what the engine holds, {whole:+.2f} with it"
        if self.minutes:
            last = self.minutes[-1]
            memory += f"; {last.rss_mib:.0f} MiB at the end, {last.engine_mib:.0f} the engine's"
        return [
            ("minutes", f"{seconds / 60:.1f}", str(MINUTES), not self.short),
            ("instruments live", str(self.live), str(INSTRUMENTS), self.live >= INSTRUMENTS),
            ("frames a second", f"{frames:,.0f}", f"{self.rate * RATE:,.0f}", frames >= self.rate * RATE),
            ("nothing lost", lost, "all accounted for", b.whole),
            ("interruptions", f"{gaps} gaps opened", "0", not gaps),
            ("lag p99", lag, f"{LAG_MS:.0f} ms", self.lag_ms < LAG_MS),
            ("memory", memory, f"{SLOPE_MIB:+.1f}", slope < SLOPE_MIB),
        ]  # fmt: skip

    @property
    def short(self) -> bool:
        return len(self.minutes) < MINUTES

    @property
    def live(self) -> int:
        return min((m.live for m in self.minutes), default=0)

    def slopes(self) -> tuple[float, float]:
        """MiB a minute after the first third, by least squares: of the process, and without what its engine holds.

        The engine keeps what it has read up to a bound of its own (`store.engine`), so it grows by design. NaN with
        less than ten samples.
        """
        later = list(self.memory)[len(self.memory) // 3 :]
        if len(later) < 10:
            return float("nan"), float("nan")
        at, mib, held = np.array(later).T
        return float(np.polyfit(at / 60, mib, 1)[0]), float(np.polyfit(at / 60, mib - held, 1)[0])

    def keep(self) -> None:
        kept = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cpus": os.cpu_count(),
            "short": self.short,
            "rate": self.rate,
            "venues": self.venues,
            "instruments": self.instruments,
            "checks": [{"what": w, "measured": m, "wanted": limit, "reached": ok} for w, m, limit, ok in self.checks()],
            "why_gaps": dict(self.why_gaps),
            "balance": asdict(self.balance) | {"missing": self.balance.missing},
            "minutes": [asdict(m) for m in self.minutes],
        }
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")

    def show(self) -> None:
        table = Table("what", "measured", "wanted", "", title="crossoi soak")
        for what, measured, wanted, ok in self.checks():
            table.add_row(what, measured, wanted, "[green]reached[/]" if ok else "[red]missed[/]")
        Console(width=150).print(table)
        if self.balance.missing:
            print(f"frames sent and not read: {self.balance.missing}")
        for words, count in sorted(self.why_gaps.items(), key=lambda item: -item[1])[:10]:
            print(f"gap: {words} ({count})")


def spoken(m: Minute) -> str:
    passed = {"frames": m.sent, "readings": m.readings, "rows": m.rows}
    rates = ", ".join(f"{n / m.seconds:,.0f} {what}/s" for what, n in passed.items())
    lags = f"wire p50/p99 {m.wire_p50_ms:.0f}/{m.wire_p99_ms:.0f} ms, "
    lags += f"lag {m.lag_p50_ms:.0f}/{m.lag_p99_ms:.0f} ms, answer p99 {m.answer_p99_ms:.0f} ms"
    lost = f"{m.shed} shed, {m.refused} refused, {m.gaps} gaps, {m.dials} dials, {m.unreadable} unreadable"
    memory = f"{m.rss_mib:.0f} MiB ({m.engine_mib:.0f} engine)"
    when = f"minute {m.minute} ({m.seconds:.0f} s)"
    return f"{when}: {rates}, {m.live} live; {lags}; {memory}; {lost}; load {m.load_average:.1f}"


def quantile(values: Sequence[float] | Sequence[int], q: int) -> float:
    """The q-th percentile; 0 where there is too little."""
    return statistics.quantiles(values, n=100)[q - 1] if len(values) > 1 else 0.0
