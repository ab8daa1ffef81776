"""Plain tables, CSV or Parquet, read as their mapping declares."""

from collections.abc import Callable, Sequence
from typing import Any

from collectors.imports.book import Book, Refused, Stated, Target
from collectors.imports.cells import above_zero, amount, moment, needed
from collectors.imports.mapping import Mapped
from collectors.venue import Update


def lacks(header: Sequence[str], mapping: Mapped) -> str:
    """The first column that the mapping names and the table does not have; empty if none."""
    return next((name for name in mapping.columns.values() if name not in header), "")


def reader(header: Sequence[str], mapping: Mapped, book: Book, now: int) -> Callable[[Sequence[Any]], list[Stated]]:
    place = {word: list(header).index(name) for word, name in mapping.columns.items()}
    targets: dict[tuple[str, str], Target] = {}

    def cell(cells: Sequence[Any], word: str) -> Any:
        return cells[place[word]] if word in place else None

    def read(cells: Sequence[Any]) -> list[Stated]:
        if str(cell(cells, "simulated")).strip().lower() in {"true", "1", "t", "yes"}:
            raise Refused("a simulated row never enters a live store")
        key = str(cell(cells, "segment") or mapping.segment), str(cell(cells, "symbol") or mapping.symbol)
        target = targets.get(key)
        if target is None:
            found = book.find(mapping.venue, *key)
            target = targets[key] = Target(found, mapping.field, None, mapping.resolution_s, book.sizes)
        ts = moment(cell(cells, "time"), mapping.time_unit, "time", now)
        seen = moment(cell(cells, "seen"), mapping.time_unit, "seen", now) if "seen" in place else ts
        said = Update(
            target.instrument.symbol, ts,
            needed(above_zero(cell(cells, "open_interest"), "open_interest"), "open_interest"), target.field,
            above_zero(cell(cells, "mark"), "mark"), above_zero(cell(cells, "index"), "index"),
            amount(cell(cells, "funding"), "funding"),
        )  # fmt: skip
        return [(target, said, seen)]

    return read
