"""What became of a file's rows: taken, skipped, refused, each with its reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMED = 100  # refused rows that are named one by one, of each reason; all are counted
SHOWN = 120  # characters of a row


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken."""

    line: int
    reason: str
    row: str


@dataclass(slots=True)
class Report:
    """Of one file. A row may make several records (a level and ratios): rows are counted here, records in `stored`."""

    file: str
    format: str = ""
    dry_run: bool = False
    rows: int = 0
    taken: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])  # by reason
    skipped_lines: dict[str, list[int]] = field(default_factory=dict[str, list[int]])  # the first few of each reason
    refused: Counter[str] = field(default_factory=Counter[str])
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    stored: Counter[str] = field(default_factory=Counter[str])  # records that are new in the store, by table
    bars: int = 0
    closes: int = 0
    first: int | None = None  # ms UTC, of what was taken
    last: int | None = None

    def skip(self, line: int, reason: str) -> None:
        self.skipped[reason] += 1
        lines = self.skipped_lines.setdefault(reason, [])
        if len(lines) < 5:
            lines.append(line)

    def refuse(self, line: int, reason: str, row: str = "") -> None:
        self.refused[reason] += 1
        if self.refused[reason] <= NAMED:
            self.refusals.append(Refusal(line, reason, row[:SHOWN]))

    def cover(self, ts: int) -> None:
        self.first = ts if self.first is None else min(self.first, ts)
        self.last = ts if self.last is None else max(self.last, ts)


def plain(report: Report) -> dict[str, Any]:
    """As JSON."""
    return {
        "file": report.file,
        "format": report.format,
        "dry_run": report.dry_run,
        "rows": report.rows,
        "taken": report.taken,
        "skipped": [
            {"reason": reason, "rows": count, "first_lines": report.skipped_lines[reason]}
            for reason, count in report.skipped.most_common()
        ],
        "refused": [{"reason": reason, "rows": count} for reason, count in report.refused.most_common()],
        "refusals": [{"line": r.line, "reason": r.reason, "row": r.row} for r in report.refusals],
        "stored": dict(report.stored),
        "bars": report.bars,
        "closes": report.closes,
        "from_ms": report.first,
        "until_ms": report.last,
    }


def clean(told: Mapping[str, Any]) -> bool:
    """Whether nothing was refused."""
    return not told["refused"]
