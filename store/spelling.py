"""What is listed and how it is spelled, remembered: it changes seldom and is asked several times an answer."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import duckdb
import pandas as pd

TABLES = ("instruments", "venues", "side_registry")
COUNTS = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in TABLES)
KNOWN = " UNION ".join(f"SELECT epoch_us(known_at) FROM {table}" for table in TABLES)
MOST = 1000  # frames that are remembered

Ask = Callable[[Callable[[duckdb.DuckDBPyConnection], pd.DataFrame]], pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Listed:
    """How many rows the tables had, and when each became known [us UTC], ascending."""

    counts: tuple[int, ...]
    known: Sequence[int]


class Spelling:
    """Owns the answers to questions that are of these tables only.

    The tables are append-only, so an answer holds for as long as they have as many rows; and it is the same for every
    `as_of` between two moments at which something became known.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._listed = Listed((), ())
        self._frames: dict[tuple[object, ...], pd.DataFrame] = {}

    def asked(self, ask: Ask, sql: str, as_of: int, values: Mapping[str, Any]) -> pd.DataFrame:
        """The answer to `sql`, which has a parameter $as_of and those in `values`. The caller may change it."""
        return ask(lambda con: self.frame(con, self.listed(con), sql, as_of, values))

    def frame(
        self, con: duckdb.DuckDBPyConnection, listed: Listed, sql: str, as_of: int, values: Mapping[str, Any]
    ) -> pd.DataFrame:
        """`asked`, on a connection."""
        found = self.remembered(listed, sql, as_of, values)
        if found is not None:
            return found
        found = con.execute(sql, {**values, "as_of": as_of}).df()
        with self._lock:
            if len(self._frames) >= MOST:
                self._frames.clear()
            self._frames[key(listed, sql, as_of, values)] = found
        return found.copy(deep=False)  # pandas copies what is written to

    def remembered(self, listed: Listed, sql: str, as_of: int, values: Mapping[str, Any]) -> pd.DataFrame | None:
        """The same without a connection; None where it is not known."""
        with self._lock:
            found = self._frames.get(key(listed, sql, as_of, values))
        return None if found is None else found.copy(deep=False)

    def listed(self, con: duckdb.DuckDBPyConnection) -> Listed:
        """What the tables hold now."""
        counts = tuple(int(row[0]) for row in con.execute(COUNTS).fetchall())
        with self._lock:
            if counts == self._listed.counts:
                return self._listed
        found = Listed(counts, sorted(int(row[0]) for row in con.execute(KNOWN).fetchall()))
        with self._lock:
            self._listed = found
            self._frames.clear()
        return found


class Once:
    """A spelling for the length of one answer: what the tables hold is looked up once."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.listed: Listed | None = None

    def asked(self, ask: Ask, sql: str, as_of: int, values: Mapping[str, Any]) -> pd.DataFrame:
        """`Spelling.asked`."""
        if self.listed is not None:
            found = self.spelling.remembered(self.listed, sql, as_of, values)
            if found is not None:
                return found

        def afresh(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
            self.listed = self.spelling.listed(con)
            return self.spelling.frame(con, self.listed, sql, as_of, values)

        return ask(afresh)


def key(listed: Listed, sql: str, as_of: int, values: Mapping[str, Any]) -> tuple[object, ...]:
    return (listed.counts, bisect_right(listed.known, as_of * 1000), sql, *values.values())
