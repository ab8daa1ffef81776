"""A table, or a stretch of it, as one sorted file for other tools. Reads the store, never writes to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from store.patience import Cursors

ROW_GROUP = 122_880  # rows; what the engine reads at once


@dataclass(frozen=True, slots=True)
class Kept:
    """How a table is cut and sorted."""

    time: str  # the column that `start` and `end` go by
    order: str
    named: bool = True  # has an instrument_id: venue, segment, symbol and asset are put before it


BAR = Kept("bucket", "instrument_id, bucket, known_at")
SAID = Kept("ts", "instrument_id, ts, seen")
TABLES: Mapping[str, Kept] = {
    "readings": SAID, "volumes": SAID, "ratios": SAID, "fundings": SAID, "liquidations": SAID,
    "bars_1m": BAR, "bars_1h": BAR, "bars_1d": BAR,
    "closes": Kept("day", "instrument_id, day, revision"),
    "tiers": Kept("known_at", "instrument_id, known_at, tier"),
    "positions": Kept("seen", "instrument_id, seen, holder"),
    "instruments": Kept("known_at", "asset, venue, segment, symbol, known_at", named=False),
    "events": Kept("ts", "ts, kind", named=False),
}  # fmt: skip
"""What can be exported."""
FORMATS: Mapping[str, str] = {
    ".parquet": f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}",
    ".csv": "FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%gZ'",
}


class UnlistedError(ValueError):
    """An asset that the store has not listed."""

    def __init__(self, asset: str, listed: Sequence[str]) -> None:
        super().__init__(f"The store lists no {asset}.")
        self.asset = asset
        self.listed = listed


def export(
    store: Cursors,
    table: str,
    path: Path,
    start_ms: int | None = None,
    end_ms: int | None = None,
    assets: Sequence[str] | None = None,
) -> int:
    """Write the rows of `table` with a time in [start, end) ms UTC, of these assets (None: all), to `path`.

    The name's ending says the format: .parquet or .csv. All versions of a row are there, with `known_at`, and whether
    it is `simulated`. Whoever wants bars as they are now takes the greatest `known_at`. Gives the number of rows.
    Raises UnlistedError for an asset that nothing is known of, ValueError for what it cannot do, FileExistsError where
    the file is there already, and OSError or duckdb.IOException where it cannot be written.
    """
    kept = TABLES.get(table)
    if kept is None:
        raise ValueError(f"There is no table {table} to export; there are {', '.join(sorted(TABLES))}.")
    form = FORMATS.get(path.suffix)
    if form is None:
        raise ValueError(f"{path.name} should end in {' or '.join(FORMATS)}.")
    if path.exists():
        raise FileExistsError(f"{path} is there already.")
    path.parent.mkdir(parents=True, exist_ok=True)
    values: dict[str, object] = {"start": start_ms, "end": end_ms}
    if assets is not None:
        values["assets"] = list(assets)
    draft = path.with_name(f".{path.name}.draft")
    con = store.cursor()
    try:
        if assets is not None:
            listed = [str(row[0]) for row in con.execute("SELECT DISTINCT asset FROM instruments").fetchall()]
            if unknown := [asset for asset in assets if listed and asset not in listed]:
                raise UnlistedError(unknown[0], listed)
        target = str(draft).replace("'", "''")
        row = con.execute(f"COPY ({rows(table, kept, assets is not None)}) TO '{target}' ({form})", values).fetchone()
        draft.replace(path)
        return 0 if row is None else int(row[0])
    finally:
        draft.unlink(missing_ok=True)
        con.close()


def rows(table: str, kept: Kept, some: bool) -> str:
    """SELECT with the parameters $start, $end and, where only `some` assets are wanted, $assets."""
    spelled, joined = "", ""
    if kept.named:
        spelled = "i.venue, i.segment, i.symbol, i.asset, "
        joined = """JOIN (
            FROM instruments QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1
        ) i USING (instrument_id)"""
    where = [
        f"($start IS NULL OR t.{kept.time} >= make_timestamp_ms($start))",
        f"($end IS NULL OR t.{kept.time} < make_timestamp_ms($end))",
    ]
    if some:
        where.append(f"list_contains($assets, {'i' if kept.named else 't'}.asset)")
    order = ", ".join(f"t.{c}" for c in kept.order.split(", "))
    return f"SELECT {spelled}t.* FROM {table} t {joined} WHERE {' AND '.join(where)} ORDER BY {order}"
