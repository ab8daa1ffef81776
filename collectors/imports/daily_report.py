"""The neutral CSV of an exchange's daily report, which its operator writes: a row a product, expiry and trade date.

A trade date's rows count together, so they are kept until the file ends. `report_type` P is preliminary, F final; a
final row replaces a preliminary one, and is known a business day later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from collectors.imports.book import Book, Refused, Stated, Target, Unneeded
from collectors.imports.cells import amount, moment, needed
from collectors.imports.venue_rows import reading

NEEDED = ("trade_date", "product", "expiry", "report_type", "settle", "volume", "open_interest_contracts", "source")
DAY_MS, DAY_S = 86_400_000, 86_400
MORNING_MS = DAY_MS // 2  # a preliminary report is out by noon UTC of the next day; the exact hour is not established


def fits(header: Sequence[str]) -> bool:
    return set(NEEDED[:-1]) <= set(header)


@dataclass(slots=True)
class Day:
    """What a file says of one product on one trade date."""

    lines: list[int] = field(default_factory=list[int])
    rows: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    final: bool = False


class Days:
    """Owns the rows of one file until its end."""

    def __init__(self, header: Sequence[str], book: Book, now: int) -> None:
        self.names, self.book, self.now = header, book, now
        self.days: dict[tuple[int, str], Day] = {}
        self.targets: dict[str, Target] = {}

    def take(self, line: int, cells: Sequence[Any]) -> None:
        """Keep a row that can be read alone. Raises Refused, and Unneeded for products of no venue of ours."""
        row = {name: str(cell).strip().replace(",", "") for name, cell in zip(self.names, cells, strict=True)}
        ts = moment(row["trade_date"], "iso", "trade_date", self.now)
        held = needed(amount(row["open_interest_contracts"], "open_interest_contracts"), "open_interest_contracts")
        settle = amount(row["settle"], "settle")
        if held < 0:
            raise Refused("open_interest_contracts is below zero")
        if settle is not None and settle <= 0:
            raise Refused("settle is not above zero")
        if not reading("daily", [row], self.book, self.targets, DAY_S):
            raise Unneeded("a product of no venue of ours")
        day = self.days.setdefault((ts, row["product"]), Day())
        day.lines.append(line)
        day.rows.append(row)
        day.final |= row["report_type"] == "F"

    def end(self) -> list[tuple[list[int], list[Stated] | Refused]]:
        """Of each product's trade date, the lines it was said in and what they say together, in time's order."""
        told: list[tuple[list[int], list[Stated] | Refused]] = []
        for (ts, _), day in sorted(self.days.items()):
            seen = known(ts, day.final)
            try:
                if seen > self.now:
                    raise Refused("it was not published yet")
                found = reading("daily", day.rows, self.book, self.targets, DAY_S)
                told.append((day.lines, [(target, said, seen) for target, said in found]))
            except Refused as refused:
                told.append((day.lines, refused))
        return told


def known(ts: int, final: bool) -> int:
    """When a trade date's report could be known, ms UTC: the preliminary next noon, the final a business day on."""
    if not final:
        return ts + DAY_MS + MORNING_MS
    ts += DAY_MS
    while datetime.fromtimestamp(ts / 1000, UTC).weekday() > 4:
        ts += DAY_MS
    return ts + DAY_MS
