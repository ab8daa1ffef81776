"""What the clock works out and keeps: thresholds, episodes, events. Append-only; a later row is a later word."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from store import columns
from store.patience import Cursors

Column = Callable[[Iterable[Any]], npt.NDArray[Any]]
SHAPES: Mapping[str, Mapping[str, Column]] = {
    "thresholds": {
        "asset": columns.words, "metric": columns.words, "window_s": columns.whole, "value": columns.numbers,
        "n": columns.whole, "version": columns.words, "known_at": columns.times,
    },
    "episodes": {
        "id": columns.words, "asset": columns.words, "kind": columns.words, "leader": columns.words,
        "opened": columns.times, "resolved": columns.times, "label": columns.words, "rules": columns.words,
        "detail": columns.words, "simulated": columns.flags, "known_at": columns.times,
    },
    "map_scores": {
        "asset": columns.words, "venue": columns.words, "day": columns.times, "detail": columns.words,
        "simulated": columns.flags, "known_at": columns.times,
    },
    "events": columns.SHAPES["events"],
}  # fmt: skip
"""Each table's columns, in the order in which a row gives them; times are ms UTC, None for unknown."""


def append(store: Cursors, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Add rows to one of the tables above, all or none. Gives their number."""
    if not rows:
        return 0
    batch = {name: np.ascontiguousarray(c) for name, c in columns.table(rows, SHAPES[table]).items()}
    con = store.cursor()
    try:
        done = con.execute(columns.insertion(table, batch)).fetchone()
        return 0 if done is None else int(done[0])
    finally:
        con.close()
