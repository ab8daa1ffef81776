"""History by the million: readings as columns, from a file or the simulated market. Idempotent like everything else."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from store import columns
from store.patience import Cursors

Given = npt.NDArray[Any] | float | int | str | None

UNLESS_STORED = """
WHERE NOT EXISTS (
    FROM readings r
    WHERE r.ts BETWEEN (SELECT min(ts) FROM batch) AND (SELECT max(ts) FROM batch)
      AND r.instrument_id = batch.instrument_id AND r.field = batch.field AND r.ts = batch.ts AND r.raw = batch.raw
      AND r.flags & 64 = 0
)
"""
KINDS: Mapping[str, Any] = {
    "ts": np.int64, "seen": np.int64, "instrument_id": np.int64, "field": object, "raw": np.float64, "unit": object,
    "sides": np.int8, "base": np.float64, "usd": np.float64, "mark": np.float64, "index": np.float64,
    "funding": np.float64, "funding_interval_h": np.float64, "source": object, "flags": np.int32,
}  # fmt: skip


def write_readings(store: Cursors, given: Mapping[str, Given], simulated: bool) -> int:
    """Insert readings given as columns named as in `schema.sql`; a scalar stands for a column of it, None for NULL.

    ts and seen are ms UTC; `ts` gives the length. `seen` is when it could be known: `as_of` goes by it. Left out,
    `index`, `funding` and `funding_interval_h` are NULL and `flags` 0. Rows are sorted by instrument and time, which
    makes later reads of one instrument fast. Rows already stored are left alone. Gives the number inserted; bars are
    built by `bars.build` afterwards.
    """
    count = len(np.atleast_1d(np.asarray(given["ts"])))
    spelled = {"index": None, "funding": None, "funding_interval_h": None, "flags": 0, **given}
    unknown = spelled.keys() - KINDS.keys()
    if unknown:
        raise ValueError(f"readings have no column {', '.join(sorted(unknown))}")
    whole = {
        name: np.broadcast_to(np.asarray(np.nan if spelled[name] is None else spelled[name], dtype=kind), (count,))
        for name, kind in KINDS.items()
    }
    order = np.lexsort((whole["ts"], whole["instrument_id"]))
    batch = {name: np.ascontiguousarray(column[order]) for name, column in whole.items()}
    for name in columns.TIMES:
        batch[name] = batch[name].view("datetime64[ms]")
    batch["simulated"] = np.full(count, simulated)
    con = store.cursor()
    try:
        done = con.execute(columns.insertion("readings", batch, UNLESS_STORED)).fetchone()
        return 0 if done is None else int(done[0])
    finally:
        con.close()
