"""The CFTC's Commitments of Traders as CSV: the weekly file, or the columns of its API. A row is a market's Tuesday.

Which market is whose, and what it counts, is said by the venues' files. The report of a Tuesday is published on the
Friday after at 15:30 in Washington (later after a holiday: then it says so in `available_at`, an ISO time, if the file
has that column). It is known from then on and not before.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from collectors.imports.book import Book, Refused, Stated, Target, Unneeded
from collectors.imports.cells import moment
from collectors.imports.venue_rows import reading
from collectors.venue import Update

CODE, DAY = "cftc_contract_market_code", "report_date_as_yyyy_mm_dd"
PUBLISHED_MS = 3 * 86_400_000 + 20 * 3_600_000 + 1_800_000  # after Tuesday 00:00 UTC; in winter, the later of the two
WEEK_S = 604_800


def spelled(name: str) -> str:
    """`Report_Date_as_YYYY-MM-DD` and `report_date_as_yyyy_mm_dd` are one."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def fits(header: Sequence[str]) -> bool:
    return {CODE, DAY} <= {spelled(name) for name in header}


def reader(header: Sequence[str], book: Book, now: int) -> Callable[[Sequence[Any]], list[Stated]]:
    names = [spelled(name) for name in header]
    targets: dict[str, Target] = {}

    def read(cells: Sequence[Any]) -> list[Stated]:
        row = {name: str(cell).strip() for name, cell in zip(names, cells, strict=True)}
        row[CODE] = row[CODE].removesuffix("+")
        day = moment(row[DAY], "iso", DAY, now)
        seen = day - day % 86_400_000 + PUBLISHED_MS
        if row.get("available_at"):
            seen = moment(row["available_at"], "iso", "available_at", now)
        if seen > now:
            raise Refused("it was not published yet")
        found = reading("cot", [row], book, targets, WEEK_S)
        if not found:
            raise Unneeded("no venue of ours")
        if not any(isinstance(said, Update) and said.oi is not None for _, said in found):
            raise Refused("the row states no open interest")
        return [(target, said, seen) for target, said in found]

    return read
