"""One file after another into the store, with a report of each: the whole of `crossoi import` but its words.

Formats are known by their header; a plain table wants a mapping. After each file the bars and daily closes of the days
it touched are built, so that the next one may be priced by it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import time
from typing import Any

from collectors.imports import cot, daily_report, metrics_zip, tables, tick_csv
from collectors.imports.book import Book, Refused, Stated, Unneeded, book
from collectors.imports.intake import DAY_MS, Intake
from collectors.imports.lines import CutShort, Part, Row, parts
from collectors.imports.mapping import Mapped
from collectors.imports.prices import Prices
from collectors.imports.report import Report
from collectors.venue import Venue
from store.bars import build
from store.closes import GRACE_MS, SLOWEST_MS, write_closes
from store.engine import Store
from store.registry import Registry, versions

ARCHIVES = {"metrics": metrics_zip, "ticks": tick_csv, "cot": cot}
TOLD = 5000  # rows between two words of progress
STRETCH = 7  # days whose bars are built at once

Told = Callable[[str, float], None]
"""What is being done, and the share of it that is done."""
Read = Callable[[Sequence[Any]], list[Stated]]


class Stopped(Exception):  # noqa: N818 -- named as the sentence it says
    """Whoever asked for the import does not want it any more. What was taken stays; asking again goes on."""


class NotLive(ValueError):  # noqa: N818 -- likewise
    """Real rows never enter a demo store."""


def import_files(
    store: Store,
    paths: Sequence[Path],
    venues: Mapping[str, Venue],
    mapping: Mapped | None = None,
    *,
    dry_run: bool = False,
    told: Told = lambda _, __: None,
    stopped: Callable[[], bool] = lambda: False,
    now_ms: int | None = None,
) -> list[Report]:
    """A report a file. Raises NotLive, Stopped, and ValueError where the mapping contradicts the store."""
    if store.mode != "live":
        raise NotLive("These are real rows, and they never enter a demo store.")
    now = round(time() * 1000) if now_ms is None else now_ms
    reports: list[Report] = []
    for path in paths:
        con = store.cursor()
        try:
            stored, sizes = list(Registry(con).instruments.values()), versions(con)
        finally:
            con.close()
        known = book(venues, stored, mapping.instruments if mapping else (), sizes)
        work = Work(store, known, mapping, dry_run, told, stopped, now)
        reports.append(work.file(path))
    return reports


class Work:
    """Owns the reading of one file."""

    def __init__(
        self,
        store: Store,
        known: Book,
        mapping: Mapped | None,
        dry_run: bool,
        told: Told,
        stopped: Callable[[], bool],
        now: int,
    ) -> None:
        self.store, self.book, self.mapping, self.dry_run = store, known, mapping, dry_run
        self.told, self.stopped, self.now = told, stopped, now

    def file(self, path: Path) -> Report:
        report = Report(path.name, dry_run=self.dry_run)
        intake = Intake(self.store, report, Prices(self.store), self.dry_run)
        try:
            for part in parts(path, self.mapping.delimiter if self.mapping else ","):
                self.part(part, intake, report)
        except CutShort as damage:
            report.refuse(report.rows, str(damage))
        except OSError as missing:
            report.refuse(0, f"the file cannot be read: {missing.strerror}")
        finally:
            intake.close(path.name)
        if report.rows == 0 and not report.refused:
            report.refuse(0, "the file has no rows")
        if not self.dry_run:
            self.settle(intake.days, report)
        return report

    def part(self, part: Part, intake: Intake, report: Report) -> None:
        """One table of the file. A row that cannot be taken is refused, and the next one is read."""
        if not part.header:
            return
        try:
            report.format, begin = self.format(part.header)
        except Refused as unknown:
            report.refuse(1, str(unknown), ",".join(part.header))
            return
        begun = begin(part.header)
        width, days = len(part.header), begun if isinstance(begun, daily_report.Days) else None
        for line, cells in part.rows:
            report.rows += 1
            if report.rows % TOLD == 0:
                self.tell(f"reading {part.name}", part.share())
            try:
                if cells is None or len(cells) != width:
                    raise Refused("the row has not as many cells as the header")
                if days is not None:
                    days.take(line, cells)
                else:
                    assert not isinstance(begun, daily_report.Days)
                    intake.take((line,), begun(cells))
            except Unneeded as reason:
                report.skip(line, str(reason))
            except Refused as reason:
                report.refuse(line, str(reason), spelled(cells))
        if days is not None:
            self.end(days, intake, report)

    def end(self, days: daily_report.Days, intake: Intake, report: Report) -> None:
        """The days of a report, whose rows count together."""
        for lines, told in days.end():
            try:
                if isinstance(told, Refused):
                    raise told
                intake.take(tuple(lines), told)
            except Unneeded as reason:
                for line in lines:
                    report.skip(line, str(reason))
            except Refused as reason:
                for line in lines:
                    report.refuse(line, str(reason))

    def format(self, header: Sequence[str]) -> tuple[str, Callable[[Sequence[str]], Read | daily_report.Days]]:
        """By the header. A mapping of columns goes first. Raises Refused where it is none that we know."""
        mapping = self.mapping
        if mapping is not None and mapping.venue:
            missing = tables.lacks(header, mapping)
            if missing:
                raise Refused(f"the mapping names a column {missing!r} that the table does not have")
            return "table", lambda names: tables.reader(names, mapping, self.book, self.now)
        if daily_report.fits(header):
            return "daily", lambda names: daily_report.Days(names, self.book, self.now)
        for name, format in ARCHIVES.items():
            if format.fits(header):
                return name, partial(format.reader, book=self.book, now=self.now)
        raise Refused("the header is of no archive that we know: state its columns in a mapping (--mapping)")

    def tell(self, words: str, share: float) -> None:
        if self.stopped():
            raise Stopped("stopped")
        self.told(words, share)

    def settle(self, days: set[int], report: Report) -> None:
        """The bars and the daily closes of what was imported, a week at a time."""
        spans = stretches(days, STRETCH)
        for done, (first, end) in enumerate(spans):
            self.tell(f"building bars of {report.file}", done / len(spans))
            report.bars += build(self.store, first * DAY_MS, min(end * DAY_MS, self.now))
        until = self.now - GRACE_MS
        for first, end in spans:  # a slow feed's last row stands for the days after it
            high = min(end * DAY_MS + SLOWEST_MS, until)
            if high > first * DAY_MS + DAY_MS:
                report.closes += write_closes(self.store, first * DAY_MS, high)


def stretches(days: set[int], most: int) -> list[tuple[int, int]]:
    """Days as stretches of neighbours, none longer than `most`: first, and the day after the last."""
    found: list[tuple[int, int]] = []
    for day in sorted(days):
        if found and found[-1][1] == day and day - found[-1][0] < most:
            found[-1] = found[-1][0], day + 1
        else:
            found.append((day, day + 1))
    return found


def spelled(cells: Row | None) -> str:
    return "" if cells is None else ",".join("" if cell is None else str(cell) for cell in cells)
