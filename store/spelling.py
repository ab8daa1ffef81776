"""What is listed and how it is spelled, remembered: it changes seldom and is asked several times an answer."""

from bisect import bisect_right
from collections.abc import Mapping
from threading import Lock
from typing import Any

import duckdb
import pandas as pd

TABLES = ("instruments", "venues", "side_registry")
COUNTS = " UNION ALL ".join(f"SELECT count(*) FROM {table}" for table in TABLES)
KNOWN = " UNION ".join(f"SELECT epoch_us(known_at) FROM {table}" for table in TABLES)
MOST = 1000  # frames that are remembered

Counts = tuple[int, ...]


class Spelling:
    """Owns the answers to questions that are of these tables only.

    The tables are append-only, so an answer holds for as long as they have as many rows; and it is the same for every
    `as_of` between two moments at which something became known.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counts = ()
        self._known: list[int] = []  # when each version became known, us UTC, ascending
        self._frames: dict[tuple[object, ...], pd.DataFrame] = {}

    def frame(self, con: duckdb.DuckDBPyConnection, sql: str, as_of: int, values: Mapping[str, Any]) -> pd.DataFrame:
        """The answer to `sql`, which has a parameter $as_of and those in `values`. The caller may change it."""
        counts, known = self._now(con)
        key = (counts, bisect_right(known, as_of * 1000), sql, *values.values())
        with self._lock:
            found = self._frames.get(key)
        if found is None:
            found = con.execute(sql, {**values, "as_of": as_of}).df()
            with self._lock:
                if len(self._frames) >= MOST:
                    self._frames.clear()
                self._frames[key] = found
        return found.copy(deep=False)  # pandas copies what is written to

    def _now(self, con: duckdb.DuckDBPyConnection) -> tuple[Counts, list[int]]:
        """How many rows the tables have, and when each became known."""
        counts = tuple(int(row[0]) for row in con.execute(COUNTS).fetchall())
        with self._lock:
            if counts == self._counts:
                return counts, self._known
        known = sorted(int(row[0]) for row in con.execute(KNOWN).fetchall())
        with self._lock:
            self._counts, self._known = counts, known
            self._frames.clear()
        return counts, known
