"""Numbered steps from one schema to the next. A step is never changed once released; a new one is added.

`schema.sql` is always the newest schema, made with IF NOT EXISTS: a step is needed only where a table that exists must
change.
"""

from dataclasses import dataclass

import duckdb

VERSION = 1  # of schema.sql


@dataclass(frozen=True, slots=True)
class Step:
    """What turns schema `to - 1` into schema `to`."""

    to: int
    sql: str


STEPS: tuple[Step, ...] = ()


def migrate(
    con: duckdb.DuckDBPyConnection, found: int, steps: tuple[Step, ...] = STEPS, version: int = VERSION
) -> None:
    """Run, inside the caller's transaction, every step from `found` to `version`."""
    for number in range(found + 1, version + 1):
        step = next((s for s in steps if s.to == number), None)
        if step is None:
            raise LookupError(f"no migration leads to schema {number}")
        con.execute(step.sql)
        con.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", [str(number)])
