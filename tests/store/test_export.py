"""A table as a file: sorted, cut by time and asset, with every version and whether it is simulated."""

from pathlib import Path

import duckdb
import pytest

from store import bars
from store.export import TABLES, export
from store.records import Instrument
from tests.store.made import HOUR, INVERSE, LINEAR, MINUTE, T0, reading, store_of, writing

OTHER = Instrument("here", "linear", "ETHUSDT", "ETH", "USDT", "USDT", contract_size=0.1)


def test_rows_of_a_stretch_and_an_asset_are_sorted_and_named(tmp_path: Path) -> None:
    with store_of(mode="demo") as store:
        with writing(store) as writer:
            for k in (0, 1, 2):
                for i in (LINEAR, INVERSE, OTHER):
                    writer.put(reading(T0 + k * MINUTE, 200.0 + 2 * k, of=i, simulated=True))
        expected = sorted(
            (i.id, k, i.venue, i.symbol, 200.0 + 2 * k, True) for i in (LINEAR, INVERSE) for k in (0, 1)
        )  # fmt: skip
        for name in ("it's.parquet", "it.csv"):
            path = tmp_path / "new" / name
            assert export(store, "readings", path, T0, T0 + 2 * MINUTE, ["BTC"]) == 4
            file = duckdb.read_parquet(str(path)) if path.suffix == ".parquet" else duckdb.read_csv(str(path))
            minute = "(epoch_ms(ts::TIMESTAMP) - 1795046400000) // 60000"
            found = file.project(f"instrument_id, {minute}, venue, symbol, raw, simulated").fetchall()
            assert found == expected
        assert export(store, "readings", tmp_path / "all.parquet") == 9
        assert export(store, "instruments", tmp_path / "eth.csv", assets=["ETH"]) == 1
        assert [p.name for p in tmp_path.rglob("*.draft")] == []


def test_every_version_of_a_bar_is_exported(tmp_path: Path) -> None:
    with store_of() as store:
        for k in (0, 1):
            with writing(store) as writer:
                writer.put(reading(T0 + k, 200.0 + 2 * k, seen=T0 + 50 + k * HOUR))
            bars.build(store, T0, T0 + MINUTE)
        assert export(store, "bars_1m", tmp_path / "bars.parquet") == 2
        said = duckdb.read_parquet(str(tmp_path / "bars.parquet")).project("raw_close, epoch_ms(known_at)").fetchall()
        assert said == [(100.0, T0 + MINUTE), (101.0, T0 + HOUR + 50)]


def test_every_table_that_can_be_exported_says_whether_it_is_simulated(tmp_path: Path) -> None:
    with store_of() as store:
        for table in TABLES:
            path = tmp_path / f"{table}.parquet"
            assert export(store, table, path, T0, T0 + 1, ["BTC"]) == 0
            assert "simulated" in duckdb.read_parquet(str(path)).columns


def test_what_cannot_be_exported_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with store_of() as store:
        with pytest.raises(ValueError, match=r"no table meta to export; there are bars_1d, .*volumes\."):
            export(store, "meta", tmp_path / "a.csv")
        with pytest.raises(ValueError, match=r"a\.xlsx should end in \.parquet or \.csv"):
            export(store, "readings", tmp_path / "a.xlsx")
        (tmp_path / "a.csv").write_text("mine")
        with pytest.raises(FileExistsError, match="is there already"):
            export(store, "readings", tmp_path / "a.csv")
        assert (tmp_path / "a.csv").read_text() == "mine"
