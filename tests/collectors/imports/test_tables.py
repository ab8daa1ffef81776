"""Plain tables: read as declared, refused where the declaration leaves something open."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from collectors.imports.mapping import Mapped, MappingError, load
from collectors.imports.work import NotLive, import_files
from tests.collectors.imports.made import BTC, COIN, NOW, VENUES, imported, knowing, readings, refusals
from tests.store.made import rows, store_of

T = 1_793_491_200_000
WHOLE = """
venue = "acme"
segment = "linear"
symbol = "BTCUSDT"
unit = "base"
sides = 2
time_unit = "s"
resolution_s = 60
[columns]
time = "t"
open_interest = "oi"
mark = "p"
"""
FACTS = """
[[instruments]]
venue = "acme"
segment = "linear"
symbol = "ETHUSDT"
asset = "ETH"
quote = "USDT"
settle = "USDT"
payoff = "linear"
contract_size = 0.1
live = false
"""


def declared(folder: Path, text: str = WHOLE) -> Mapped:
    (folder / "m.toml").write_text(text)
    return load(folder / "m.toml", VENUES)


def table(folder: Path, *lines: str, header: str = "t,oi,p") -> Path:
    (folder / "a.csv").write_text("\n".join([header, *lines, ""]))
    return folder / "a.csv"


def test_a_declared_table_is_read_in_its_own_units(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        path = table(tmp_path, f"{T // 1000},10,1e5", f"{T // 1000 + 60},10,1e5")
        report = imported(store, path, mapping=declared(tmp_path))
        assert report.format == "table"
        assert [row[:10] for row in readings(store)] == [
            ("BTCUSDT", "oi", t, t, 10.0, "base", 2, 5.0, 5e5, 1e5) for t in (T, T + 60_000)
        ]
        told = "SELECT field, unit, sides, status, evidence FROM side_registry WHERE field = 'oi'"
        words = "declared by the mapping of an imported table"
        assert rows(store, told) == [("oi", "base", 2, "disputed", words)]
        assert rows(store, "SELECT DISTINCT source, simulated FROM readings") == [("import", False)]


def test_a_field_of_the_venue_says_unit_and_sides(tmp_path: Path) -> None:
    text = (
        WHOLE.replace('unit = "base"\nsides = 2', 'field = "lots"').replace("linear", "inverse").replace("USDT", "USD")
    )
    with knowing(COIN) as store:
        imported(store, table(tmp_path, f"{T // 1000},30,1e5"), mapping=declared(tmp_path, text))
        assert [row[:9] for row in readings(store)] == [("BTCUSD", "lots", T, T, 30.0, "contracts", 1, 0.03, 3000.0)]


def test_a_contract_that_the_store_does_not_know_is_stated_and_kept(tmp_path: Path) -> None:
    text = WHOLE.replace("BTCUSDT", "ETHUSDT").replace('"base"', '"contracts"').replace("= 2", "= 1") + FACTS
    with knowing() as store:
        imported(store, table(tmp_path, f"{T // 1000},30,4000"), mapping=declared(tmp_path, text))
        assert [row[4:9] for row in readings(store)] == [(30.0, "contracts", 1, 3.0, 12_000.0)]
        kept = "SELECT symbol, asset, contract_size, live, simulated FROM instruments"
        assert rows(store, kept) == [("ETHUSDT", "ETH", 0.1, False, False)]
        wrong = declared(tmp_path, text.replace("contract_size = 0.1", "contract_size = 1"))
        with pytest.raises(ValueError, match=r"contract size 1, .* the store knows it as .* contract size 0.1"):
            imported(store, table(tmp_path), mapping=wrong)


def test_a_contract_that_nobody_states_is_refused(tmp_path: Path) -> None:
    with knowing() as store:
        report = imported(store, table(tmp_path, f"{T // 1000},30,4000"), mapping=declared(tmp_path))
    assert [line for line, _ in refusals(report)] == [2]


def test_a_wrong_unit_of_time_is_noticed(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        report = imported(store, table(tmp_path, f"{T},1,1", "7,1,1"), mapping=declared(tmp_path))
    assert refusals(report) == [
        (2, "time lies in the future: is its unit s?"), (3, "time is before any market: is its unit s?"),
    ]  # fmt: skip


def test_parquet_is_read_like_text_with_symbols_and_times_of_its_own(tmp_path: Path) -> None:
    duckdb.sql(f"""
        COPY (SELECT make_timestamp_ms({T} + 60000 * n::BIGINT) AS at, make_timestamp_ms({T} + 90000 + n) AS heard,
            'linear' AS seg, 'btcusdt' AS sym, 10.0 + n AS oi, 1e5 AS p, NULL::DOUBLE AS i,
            n = 2 AS simulated FROM range(3) t(n))
        TO '{tmp_path / "a.parquet"}' (FORMAT parquet)
    """)  # fmt: skip
    text = """
        venue = "acme"
        unit = "base"
        sides = 1
        time_unit = "iso"
        columns = {time = "at", seen = "heard", segment = "seg", symbol = "sym", open_interest = "oi", mark = "p",
            index = "i", simulated = "simulated"}
    """.replace("\n            index", " index")
    with knowing(BTC) as store:
        report = imported(store, tmp_path / "a.parquet", mapping=declared(tmp_path, text))
        assert refusals(report) == [(3, "a simulated row never enters a live store")]
        assert [row[2:5] for row in readings(store)] == [(T, T + 90_000, 10.0), (T + 60_000, T + 90_001, 11.0)]
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:200])
    with knowing(BTC) as store:
        report = imported(store, tmp_path / "b.parquet", mapping=declared(tmp_path, text))
        assert refusals(report)[0][1].startswith("not a whole Parquet file: ")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    with knowing(BTC) as store:
        report = imported(store, table(tmp_path, "1,2,3", header="t,open,p"), mapping=declared(tmp_path))
    assert refusals(report) == [(1, "the mapping names a column 'oi' that the table does not have")]


def test_real_rows_never_enter_a_demo_store(tmp_path: Path) -> None:
    with store_of(mode="demo") as store, pytest.raises(NotLive, match="never enter a demo store"):
        import_files(store, [table(tmp_path)], VENUES, now_ms=NOW)


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ('venue = "acme"', 'venue = "acne"', "venue 'acne' is none of ours. There are: acme, exchange."),
        ('unit = "base"', "", "unit and sides are both needed where no field of the venue is named"),
        ("sides = 2", "", "unit and sides are both needed"),
        ("sides = 2", "sides = 3", "sides is 3"),
        ('unit = "base"', 'unit = "coins"', "unit 'coins' is none of contracts, base, usd"),
        ('unit = "base"', 'field = "both"\nunit = "usd"', "is not one field of acme. It has both: base, sides 2"),
        ('time_unit = "s"', "", "time_unit is missing: one of s, ms, us, ns, iso"),
        ('open_interest = "oi"', "", "does not say which column is open_interest"),
        ('symbol = "BTCUSDT"', "", "symbol is missing"),
        ('mark = "p"', 'price = "p"', "unknown column 'price' under [columns]"),
        ("sides = 2", "sides = 2\nside = 1", "unknown key 'side'"),
        ("[columns]", "[[columns]]", "[columns] is missing"),
        ("[columns]", "[columns", "at line"),
        ("[columns]", "[[instruments]]\nvenue = 'acme'\n[columns]", "an instrument lacks segment"),
    ],
)
def test_what_a_mapping_leaves_open_or_has_wrong_is_said(tmp_path: Path, was: str, now: str, words: str) -> None:
    with pytest.raises(MappingError) as told:
        declared(tmp_path, WHOLE.replace(was, now))
    assert words in str(told.value)


def test_a_mapping_that_only_states_instruments_serves_every_format(tmp_path: Path) -> None:
    mapping: Any = declared(tmp_path, FACTS)
    assert (mapping.venue, [i.symbol for i in mapping.instruments]) == ("", ["ETHUSDT"])


def test_a_level_that_cannot_be_is_refused_with_its_line_and_one_that_lasts_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the batches end: the rows that follow tell."""
    levels = [1e9, 10, 11, 10, 9e6, 11, 10, 25, 26, 25, 24, 25, 250]
    lines = [f"{T // 1000 + 60 * n},{oi},1e5" for n, oi in enumerate(levels)]
    for batch in (1, 2, 3, 25_000):
        monkeypatch.setattr("collectors.imports.intake.BATCH", batch)
        with knowing(BTC) as store:
            report = imported(store, table(tmp_path, *lines), mapping=declared(tmp_path))
            assert [row[4] for row in readings(store)] == [10, 11, 10, 11, 10, 25, 26, 25, 24, 25]
        told = {r.line: (r.reason.split(", ")[0], r.row.split(":")[0]) for r in report.refusals}
        assert told == {
            2: ("open interest is out of all proportion to the rows beside it", "open interest 1000000000.0"),
            6: ("open interest is out of all proportion to the rows beside it", "open interest 9000000.0"),
            14: ("open interest steps as if counted in another unit", "open interest 250.0"),
        }
        assert (report.rows, report.taken, sum(report.refused.values()), report.stored["readings"]) == (13, 10, 3, 10)


def test_rows_in_no_order_are_not_held_against_each_other(tmp_path: Path) -> None:
    day = 86_400
    lines = [f"{T // 1000 + day * n},{oi},1e5" for n, oi in ((0, 10), (9, 99), (2, 30), (7, 80), (4, 50), (5, 60))]
    text = WHOLE.replace("resolution_s = 60", "resolution_s = 3600")
    with knowing(BTC) as store:
        report = imported(store, table(tmp_path, *lines), mapping=declared(tmp_path, text))
        assert (report.taken, report.refused) == (6, {})
