"""Files as people have them: with a mark at their start, foreign line ends, cut short, empty."""

import gzip
import zipfile
from pathlib import Path

import pytest

from collectors.imports.lines import LONGEST, CutShort, parts
from tests.collectors.imports.made import BTC, imported, knowing, readings, refusals
from tests.collectors.imports.test_metrics_zip import HEADER, LINES, zipped
from tests.collectors.imports.test_tick_csv import TICKER, packed, tick


def cells(path: Path) -> list[tuple[int, object]]:
    return [row for part in parts(path) for row in part.rows]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_byte_order_mark_and_foreign_line_ends_are_no_part_of_a_cell(
    tmp_path: Path, start: bytes, end: bytes
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(start + end.join([b"a,b", b'1,"x, y"', b"", b"2,z", b""]))
    told = [(part.header, list(part.rows)) for part in parts(path)]
    assert told == [(("a", "b"), [(2, ["1", "x, y"]), (4, ["2", "z"])])]


def test_an_open_quote_costs_one_line_and_so_does_one_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'a,b\n"1,2\n3,4\n{"5" * (LONGEST + 9)},6\n7,8\n')
    assert cells(path) == [(2, None), (3, ["3", "4"]), (4, None), (5, ["7", "8"])]


def test_every_table_of_a_zip_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one.csv", "a\n1\n")
        archive.writestr("in/two.csv", "b\n2\n")
    assert [(part.name, part.header, list(part.rows)) for part in parts(tmp_path / "a.zip")] == [
        ("a.zip/one.csv", ("a",), [(2, ["1"])]), ("a.zip/in/two.csv", ("b",), [(2, ["2"])]),
    ]  # fmt: skip


def test_what_stands_before_the_end_of_a_truncated_gzip_is_taken(tmp_path: Path) -> None:
    whole = packed(tmp_path / "t.csv.gz", *(tick(100 * n, 10 + n % 3, 1e5) for n in range(20_000))).read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    with knowing(BTC) as store:
        report = imported(store, tmp_path / "cut.csv.gz")
        taken = len(readings(store))
        assert 5000 < taken == report.taken < 19_000
        ((line, reason),) = refusals(report)
        assert line == report.rows
        assert reason.startswith(f"the file is cut short or damaged after line {line + 1}:")
        (tmp_path / "cut.csv.gz").write_bytes(whole)
        again = imported(store, tmp_path / "cut.csv.gz")
        assert (again.taken, again.skipped["in the store already"]) == (20_000 - taken, taken)


def test_a_cut_zip_is_told(tmp_path: Path) -> None:
    whole = zipped(tmp_path / "m.zip", *LINES).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:100])
    with knowing(BTC) as store:
        assert refusals(imported(store, tmp_path / "cut.zip"))[0][1].startswith("not a whole zip: ")
    with pytest.raises(CutShort):
        cells(tmp_path / "cut.zip")


@pytest.mark.parametrize("text", ["", "\n\n", f"{HEADER}\n"], ids=["nothing", "blank", "a header alone"])
def test_an_empty_file_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "empty.csv").write_text(text)
    with gzip.open(tmp_path / "empty.csv.gz", "wt") as file:
        file.write(text)
    with knowing(BTC) as store:
        for name in ("empty.csv", "empty.csv.gz"):
            assert refusals(imported(store, tmp_path / name)) == [(0, "the file has no rows")]


def test_a_wrong_header_is_told_and_the_next_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("when,what\n1,2\n")
    with knowing(BTC) as store:
        report = imported(store, tmp_path / "a.csv")
        assert refusals(report) == [
            (1, "the header is of no archive that we know: state its columns in a mapping (--mapping)")
        ]
        assert report.refusals[0].row == "when,what"
        assert imported(store, tmp_path / "a.csv", zipped(tmp_path / "m.zip", *LINES)).taken == 2


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with knowing() as store:
        assert refusals(imported(store, tmp_path / "a.csv")) == [
            (0, "the file cannot be read: No such file or directory")
        ]


def test_bytes_that_are_no_text_make_a_symbol_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(f"{TICKER}\n{tick(0, 1, 1)}\n".encode().replace(b"BTCUSDT", b"BT\xff\x00USDT"))
    with knowing(BTC) as store:
        ((line, reason),) = refusals(imported(store, tmp_path / "a.csv"))
    assert (line, reason.startswith("nothing is known of BT\ufffd\0USDT")) == (2, True)
