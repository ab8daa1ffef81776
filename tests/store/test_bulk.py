"""History goes in as columns, sorted, once."""

import numpy as np
import pytest

from store import bulk
from store.records import instrument_id
from tests.store.made import LINEAR, T0, reading, rows, store_of, writing


def history(**more: object) -> dict[str, object]:
    ts = np.array([T0 + 2000, T0, T0 + 1000])
    return {
        "ts": ts, "seen": ts, "instrument_id": LINEAR.id, "field": "openInterest", "raw": np.array([3.0, 1.0, 2.0]),
        "unit": "contracts", "sides": 2, "base": 0.5, "usd": 5.0, "mark": 10.0, "source": "import", **more,
    }  # fmt: skip


def test_columns_and_scalars_become_rows_in_order_of_time() -> None:
    with store_of(mode="demo") as store:
        assert bulk.write_readings(store, history(), True) == 3  # type: ignore[arg-type]
        assert rows(store, "SELECT epoch_ms(ts), raw, sides, funding, source, simulated, flags FROM readings") == [
            (T0 + 1000 * k, 1.0 + k, 2, None, "import", True, 0) for k in range(3)
        ]


def test_what_is_stored_already_is_left_alone() -> None:
    with store_of() as store:
        with writing(store) as writer:
            writer.put(reading(T0, 1.0))
        assert bulk.write_readings(store, history(), False) == 2  # type: ignore[arg-type]
        assert bulk.write_readings(store, history(), False) == 0  # type: ignore[arg-type]
        assert rows(store, "SELECT source FROM readings ORDER BY ts") == [("stream",), ("import",), ("import",)]


def test_an_unknown_column_is_named() -> None:
    with store_of() as store, pytest.raises(ValueError, match="no column volume"):
        bulk.write_readings(store, history(volume=1.0), False)  # type: ignore[arg-type]


def test_rows_of_several_instruments_are_sorted_by_instrument_first() -> None:
    other = instrument_id("there", "linear", "BTCUSD")
    ids = np.array([max(other, LINEAR.id), min(other, LINEAR.id), max(other, LINEAR.id)])
    with store_of() as store:
        bulk.write_readings(store, history(instrument_id=ids), False)  # type: ignore[arg-type]
        assert rows(store, "SELECT instrument_id, raw FROM readings") == [
            (int(ids[1]), 1.0), (int(ids[0]), 2.0), (int(ids[0]), 3.0),
        ]  # fmt: skip
