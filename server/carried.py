"""What the command line shows of long work: bars meanwhile, and the reports of imports as a table."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any

import anyio
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from collectors.venues import VENUES
from server.daemon import DaemonError
from server.files import Job, Line, carry
from server.settings import Settings

REPORT_COLUMNS = ("file", "format", "what", "rows", "lines", "why")


def carried(settings: Settings, job: Job, quiet: bool = False) -> list[Line]:
    """What became of a job, with a bar and an estimate on standard error meanwhile."""
    console = Console(stderr=True)
    said: list[Line] = []
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(line: Line) -> None:
            if "doing" not in line:
                said.append(line)
                return
            words = line["doing"]
            if words not in tasks:
                tasks[words] = bar.add_task(words, total=1.0)
            bar.update(tasks[words], completed=line["share"])

        try:
            anyio.run(carry, settings, job, list(VENUES.values()), tell)
        except DaemonError as failed:
            said.append({"error": str(failed)})
    return said


@contextmanager
def progress_bar(hidden: bool) -> Generator[Callable[[list[dict[str, Any]], dict[str, Any]], None]]:
    """A bar on standard error over all questions, with an estimate."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}")
    with Progress(*columns, console=console, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task("asking", left="")

        def advance(lines: list[dict[str, Any]], line: dict[str, Any]) -> None:
            done, total = sum(said["done"] for said in lines), sum(said["total"] for said in lines)
            left = f"{max(said['eta_s'] for said in lines if said['done'] < said['total'] or said is line):.0f} s left"
            bar.update(task, description=f"{line['venue']} {line['symbol']}", completed=done, total=total, left=left)

        yield advance


def report_rows(reports: Iterable[Line]) -> list[tuple[Any, ...]]:
    """A row for what was taken of each file, and one for each reason why something was not."""
    rows: list[tuple[Any, ...]] = []
    for r in reports:
        said = r["file"], r["format"] or None
        stored = ", ".join(f"{count} {table}" for table, count in r["stored"].items() if count) or "nothing"
        rows.append((*said, "taken", r["taken"], None, f"{'would store' if r['dry_run'] else 'stored'} {stored}"))
        rows += [(*said, "skipped", s["rows"], first(s["first_lines"], s["rows"]), s["reason"]) for s in r["skipped"]]
        for refused in r["refused"]:
            where = [one["line"] for one in r["refusals"] if one["reason"] == refused["reason"]][:5]
            rows.append((*said, "refused", refused["rows"], first(where, refused["rows"]), refused["reason"]))
    return rows


def first(lines: list[int], count: int) -> str:
    return ", ".join(map(str, lines)) + (", ..." if count > len(lines) else "")
