"""Bars go on where the last run that succeeded ended."""

import duckdb
import pytest

from server.jobs import Kept
from store.reader import Reader
from store.records import Source
from tests.store.made import MINUTE, T0, reading, rows, store_of, writing

BUILT = "SELECT list(epoch_ms(bucket) - 1795046400000 ORDER BY bucket) FROM bars_1m"


def test_bars_go_on_where_the_last_run_that_succeeded_ended() -> None:
    with store_of() as store:
        kept = Kept(store, Reader(store))
        with writing(store) as writer:
            for k in range(4):
                writer.put(reading(T0 + k * MINUTE, 200.0 + k))
        kept.up(T0 + MINUTE + 4000)
        assert rows(store, BUILT) == [([0],)]
        rows(store, "ALTER TABLE gaps RENAME TO away")
        with pytest.raises(duckdb.CatalogException):
            kept.up(T0 + 2 * MINUTE + 4000)
        rows(store, "ALTER TABLE away RENAME TO gaps")
        with writing(store, now_ms=T0 + 3 * MINUTE) as writer:  # heard while the bars stood still
            writer.put(reading(T0 + 1, 300.0, seen=T0 + MINUTE + 5000, source=Source.BACKFILL))
        kept.up(T0 + 3 * MINUTE + 4000)
        assert rows(store, BUILT) == [([0, 0, MINUTE, 2 * MINUTE],)]
