"""Daily closes as they are asked for. The engine only picks rows: the newest revision and the words come from numpy."""

from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from store.barred import SOURCES, categories, plain

DAY_MS = 86_400_000
BASES = ("measured", "carried")
SPELLED = ("venue", "class", "payoff", "symbol")
NUMBERS = ("native", "raw", "sides", "contract_size", "mark", "base", "usd", "age_s")
COLUMNS = (
    "instrument_id", *SPELLED, "day", "t", "revision", *NUMBERS, "basis", "source", "simulated", "known_at",
)  # fmt: skip

PICKED = f"""
SELECT instrument_id, epoch_ms(day::TIMESTAMP) AS day, revision, raw / sides AS native, raw, sides, contract_size, mark,
    base, usd, age_s, list_position({list(BASES)}, basis) AS basis,
    coalesce(list_position({[str(s) for s in SOURCES]}, source), 0) AS source, simulated, epoch_ms(known_at) AS known_at
FROM closes
WHERE instrument_id IN ({{ids}}) AND day >= make_timestamp_ms($start)::DATE AND day < make_timestamp_ms($end)::DATE
    AND known_at <= make_timestamp_ms($as_of)
"""


def closes(con: duckdb.DuckDBPyConnection, names: pd.DataFrame, start: int, end: int, as_of: int) -> pd.DataFrame:
    """`Reader.closes`, on one cursor, of the instruments that `barred.NAMES` names."""
    ids = ", ".join(str(i) for i in names["instrument_id"].tolist()) or "NULL"
    answer = con.execute(PICKED.format(ids=ids), {"start": start, "end": end, "as_of": as_of}).fetchnumpy()
    rows: dict[str, npt.NDArray[Any]] = {name: plain(np.asanyarray(c)) for name, c in answer.items()}
    named = names.sort_values(["venue", "symbol"]).reset_index(drop=True)
    by_id = np.argsort(named["instrument_id"].to_numpy())
    place = by_id[np.searchsorted(named["instrument_id"].to_numpy(), rows["instrument_id"], sorter=by_id)]
    order = np.lexsort((rows["revision"], place, rows["day"]))
    day, place = rows["day"][order], place[order]
    last = np.append((np.diff(day) != 0) | (np.diff(place) != 0), np.ones(min(len(day), 1), dtype=bool))
    order, place = order[last], place[last]
    made: dict[str, Any] = {name: column[order] for name, column in rows.items()}
    made["t"] = made["day"] + DAY_MS
    made["basis"] = categories(made["basis"] - 1, list(BASES))
    made["source"] = categories(made["source"] - 1, [str(s) for s in SOURCES])
    for name in SPELLED:
        words, codes = np.unique(named[name].to_numpy(dtype=object).astype(str), return_inverse=True)
        made[name] = categories(codes[place], words.tolist())
    return pd.DataFrame({name: made[name] for name in COLUMNS}, copy=False)
