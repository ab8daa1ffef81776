"""Numbered steps from one schema to the next. A step is never changed once released; a new one is added.

`schema.sql` is always the newest schema, made with IF NOT EXISTS: a step is needed only where a table that exists must
change.
"""

from dataclasses import dataclass

import duckdb

VERSION = 4  # of schema.sql


@dataclass(frozen=True, slots=True)
class Step:
    """What turns schema `to - 1` into schema `to`."""

    to: int
    sql: str


STEPS: tuple[Step, ...] = (
    # Volumes, ratios, tiers, positions. Schema 1 named the last three and nothing ever wrote to them; should a file
    # hold rows nevertheless, they stay, under another name.
    Step(
        2,
        """
        ALTER TABLE ratios RENAME TO ratios_1;
        ALTER TABLE tiers RENAME TO tiers_1;
        ALTER TABLE positions RENAME TO positions_1;
        """,
    ),
    # Gaps say when they were recorded. Of older rows nothing tells: an end was known when it came, an opening at best
    # from its start.
    Step(
        3,
        """
        ALTER TABLE gaps RENAME TO gaps_2;
        CREATE TABLE gaps (
            venue VARCHAR NOT NULL, segment VARCHAR NOT NULL, symbol VARCHAR NOT NULL,
            start TIMESTAMP NOT NULL, "end" TIMESTAMP, reason VARCHAR NOT NULL, simulated BOOLEAN NOT NULL,
            known_at TIMESTAMP NOT NULL
        );
        INSERT INTO gaps SELECT *, coalesce("end", start) FROM gaps_2;
        DROP TABLE gaps_2;
        """,
    ),
    # Health counts what was ignored, and says how far clocks are apart. Nobody knows it of older rows.
    Step(
        4,
        """
        ALTER TABLE health ADD COLUMN IF NOT EXISTS ignored BIGINT;
        ALTER TABLE health ADD COLUMN IF NOT EXISTS unknown BIGINT;
        ALTER TABLE health ADD COLUMN IF NOT EXISTS lag_ms DOUBLE;
        ALTER TABLE health ADD COLUMN IF NOT EXISTS skew_ms DOUBLE;
        """,
    ),
)


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
