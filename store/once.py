"""What venues say again and again, and is kept once. Most of it is known here, without asking the store.

Two statements for each small batch, ten times a second, were most of what the engine did beside storing readings; and
it remembers the buffers of 30,000 such before it forgets any: 30 MiB.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from store.columns import SHAPES

Row = tuple[Any, ...]
Group = tuple[str, int, str]
"""Table, instrument, and kind where there are several."""

KEYS: Mapping[str, tuple[str, ...]] = {
    "liquidations": ("side", "size", "price"),
    "volumes": ("base", "taker_buy"),
    "ratios": ("kind", "ratio"),
    "fundings": ("rate",),
}
"""By table, what beside instrument and time makes two rows one."""

FRESH_MS = 600_000  # what is told so soon after it happened can have come from nobody but a venue that we hear
KEPT = 16  # rows of each group that are remembered


def unless_stored(table: str) -> str:
    """The condition that keeps rows of `batch` whose key (with instrument and time) is not in the table yet."""
    same = " AND ".join(f"r.{c} IS NOT DISTINCT FROM batch.{c}" for c in KEYS[table])
    return f"""
        WHERE NOT EXISTS (
            FROM {table} r
            WHERE r.ts BETWEEN (SELECT min(ts) FROM batch) AND (SELECT max(ts) FROM batch)
              AND r.instrument_id = batch.instrument_id AND r.ts = batch.ts AND {same}
        )
        QUALIFY row_number() OVER (PARTITION BY instrument_id, ts, {", ".join(KEYS[table])} ORDER BY seen) = 1
    """


ONCE = {table: unless_stored(table) for table in KEYS}


class Once:
    """Owns what is known of the last rows of each group. Of one writer: nobody else stores what is as new as this."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._newest: dict[Group, int] | None = None  # ms UTC; who is missing has no row after `since`
        self._since = 0
        self._rows: dict[Group, dict[Row, None]] = {}  # in the order in which they came

    def forget(self) -> None:
        """A transaction failed: what it told us is not in the store."""
        self._newest = None
        self._rows.clear()

    def sifted(self, table: str, rows: Sequence[Row], now: int) -> tuple[list[Row], list[Row]]:
        """(rows that are new for certain, rows that the store must be asked about); known ones are left out.

        Rows as `store.columns.row` gives them; `now` in ms UTC.
        """
        newest = self._load(now) if self._newest is None else self._newest
        names = list(SHAPES[table])
        ts, seen, places = names.index("ts"), names.index("seen"), [names.index(c) for c in KEYS[table]]
        of, kind = names.index("instrument_id"), names.index("kind") if table == "ratios" else None
        sure: list[Row] = []
        doubtful: list[Row] = []
        for row in rows:
            group = (table, row[of], "" if kind is None else row[kind])
            key = (row[ts], *(row[p] for p in places))
            known = self._rows.setdefault(group, {})
            if key in known:
                continue
            known[key] = None
            if len(known) > KEPT:
                del known[next(iter(known))]
            last = newest.get(group, self._since)
            (sure if row[ts] > last and row[seen] - row[ts] <= FRESH_MS else doubtful).append(row)
            newest[group] = max(last, row[ts])
        return sure, doubtful

    def _load(self, now: int) -> dict[Group, int]:
        """Twice as far back as what is taken without asking, for what has waited for the store."""
        found: dict[Group, int] = {}
        self._since = now - 2 * FRESH_MS
        for table in KEYS:
            kind = "kind" if table == "ratios" else "''"
            for instrument, name, ts in self._con.execute(
                f"SELECT instrument_id, {kind}, epoch_ms(max(ts)) FROM {table} "
                "WHERE ts >= make_timestamp_ms($since) GROUP BY ALL",
                {"since": self._since},
            ).fetchall():
                found[table, instrument, name] = ts
        self._newest = found
        return found
