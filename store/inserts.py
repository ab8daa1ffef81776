"""One batch into its tables: columns in, nothing stored twice."""

from time import time
from typing import Any

import duckdb
import msgspec

from store import columns
from store.buffer import Batch, gaps
from store.latest import Verdict
from store.once import ONCE
from store.records import (
    Field,
    Flag,
    Funding,
    Instrument,
    Liquidation,
    LongShort,
    MarginTier,
    OpenInterest,
    Position,
    Volume,
)
from store.registry import Described, Registry

UNLESS_STORED = """
WHERE NOT EXISTS (
    FROM readings r
    WHERE r.ts BETWEEN (SELECT min(ts) FROM batch) AND (SELECT max(ts) FROM batch)
      AND r.instrument_id = batch.instrument_id AND r.field = batch.field AND r.ts = batch.ts AND r.raw = batch.raw
      AND r.flags & 64 = batch.flags & 64  -- an affirmed row does not stand for the statement it affirms
)
QUALIFY row_number() OVER (PARTITION BY instrument_id, field, ts, raw ORDER BY seen) = 1
"""


def insert(con: duckdb.DuckDBPyConnection, registry: Registry, batch: Batch, simulated: bool) -> int:
    """Insert a batch inside the caller's transaction. Gives the number of rows added, of all tables."""
    now = round(time() * 1000)
    tables: dict[str, list[tuple[Any, ...]]] = {}
    told: dict[int, Instrument] = {}
    seen: dict[int, Instrument] = {}
    fields: dict[tuple[str, str, str, str], Field] = {}
    sure: list[OpenInterest] = []
    check: list[OpenInterest] = []
    for r, verdict in batch.readings:
        i = r.instrument
        seen[i.id] = i
        if verdict is Verdict.KEEP:
            sure.append(r)
        elif verdict is Verdict.CHECK:
            check.append(r)
            fields[i.venue, i.segment, str(r.field.key), r.field.unit] = r.field
        else:
            sure.append(msgspec.structs.replace(r, flags=r.flags | Flag.AFFIRMED.value))
    venues: list[Described] = []
    tiers: list[MarginTier] = []
    for record in [*batch.others, *gaps(batch.skipped)]:
        if isinstance(record, Instrument):
            told[record.id] = record
            continue
        if isinstance(record, Described):
            venues.append(record)
            continue
        if isinstance(record, Liquidation | Volume | LongShort | Funding | MarginTier | Position):
            seen.setdefault(record.instrument.id, record.instrument)
        if isinstance(record, MarginTier):
            tiers.append(record)
            continue
        name, row = columns.row(record, simulated, now)
        tables.setdefault(name, []).append(row)
    tables |= registry.news(told.values(), fields, venues, simulated, now, seen)
    ladders = registry.ladders.news(tiers, simulated)
    if ladders:
        tables["tiers"] = ladders
    count = 0
    if sure:
        count += put(con, columns.readings(sure), "readings")
    if check:
        count += put(con, columns.readings(check), "readings", UNLESS_STORED)
    for name, rows in tables.items():
        new, doubtful = registry.once.sifted(name, rows, now) if name in ONCE else (rows, [])
        if new:
            count += put(con, columns.table(new, columns.SHAPES[name]), name)
        if doubtful:
            count += put(con, columns.table(doubtful, columns.SHAPES[name]), name, ONCE[name])
    return count


def put(con: duckdb.DuckDBPyConnection, batch: columns.Columns, name: str, unless: str = "") -> int:
    """`batch` is read by its name: DuckDB finds the variable of this frame."""
    done = con.execute(columns.insertion(name, batch, unless)).fetchone()
    return 0 if done is None else int(done[0])
