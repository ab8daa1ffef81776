"""Rows out of a file of any size: plain, gzip or zip, read line by line and never as a whole. Also Parquet.

A damaged file ends its reading with `CutShort`; what stood before the damage has been given by then.
"""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

LONGEST = 1_000_000  # characters of a line; a file without line ends must not fill the memory
AT_ONCE = 10_000  # rows of Parquet
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, OSError)

Row = Sequence[Any]  # texts of a CSV, values of a Parquet


class CutShort(Exception):  # noqa: N818 -- named as the sentence it says
    """The file ends before its end, or cannot be read any further."""


@dataclass(frozen=True, slots=True)
class Part:
    """One table of a file: a zip may hold several."""

    name: str
    header: tuple[str, ...]
    rows: Iterator[tuple[int, Row | None]]  # line number, and cells; None: a line that cannot be split
    share: Callable[[], float]  # of the file that has been read


def parts(path: Path, delimiter: str = ",") -> Iterator[Part]:
    """The tables of a file, one after another. Raises CutShort, and OSError where there is no such file."""
    with path.open("rb") as file:
        magic = file.read(4)
        file.seek(0)
        size = max(path.stat().st_size, 1)

        def share() -> float:
            return min(1.0, file.tell() / size)

        if magic == b"PAR1":
            yield parquet(path)
        elif magic[:2] == b"PK":
            yield from zipped(file, path.name, delimiter, share)
        elif magic[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=file) as packed:
                yield table(packed, path.name, delimiter, share)  # type: ignore[arg-type]  # a GzipFile reads like any file
        else:
            yield table(file, path.name, delimiter, share)


def zipped(file: BinaryIO, name: str, delimiter: str, share: Callable[[], float]) -> Iterator[Part]:
    with ExitStack() as open_ones:
        try:
            archive = open_ones.enter_context(zipfile.ZipFile(file))
        except zipfile.BadZipFile as damage:
            raise CutShort(f"not a whole zip: {damage}") from damage
        for member in archive.infolist():
            if not member.is_dir():
                try:
                    packed = open_ones.enter_context(archive.open(member))
                except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as damage:
                    raise CutShort(f"{member.filename} cannot be unpacked: {damage}") from damage
                yield table(packed, f"{name}/{member.filename}", delimiter, share)  # type: ignore[arg-type]  # likewise


def table(file: BinaryIO, name: str, delimiter: str, share: Callable[[], float]) -> Part:
    """A CSV with a header. An empty file has none."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline=None)
    lines = numbered(text)
    header = next((split(line, delimiter) for _, line in lines if line is not None and line.strip()), None)
    rows = ((n, None if line is None else split(line, delimiter)) for n, line in lines if line is None or line.strip())
    return Part(name, tuple(cell.strip() for cell in header or ()), rows, share)


def numbered(text: io.TextIOWrapper) -> Iterator[tuple[int, str | None]]:
    """Lines from number 1; None for one that is longer than any of ours."""
    number = 0
    try:
        while line := text.readline(LONGEST):
            number += 1
            whole = line.endswith("\n") or len(line) < LONGEST
            yield number, line.rstrip("\n") if whole else None
            while not whole:
                rest = text.readline(LONGEST)
                whole = rest.endswith("\n") or len(rest) < LONGEST
        text.detach()  # the file is closed by whoever opened it
    except DAMAGE as damage:
        raise CutShort(f"the file is cut short or damaged after line {number}: {damage}") from damage


def split(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line; None where it cannot be split. A quote left open must not swallow the lines that follow."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return None


def parquet(path: Path) -> Part:
    """A Parquet file; its rows are numbered from 1."""
    con = duckdb.connect(config={"threads": 1})
    try:
        con.execute("SET enable_progress_bar = false")
        con.execute("SET TimeZone = 'UTC'")
        counted = con.execute("SELECT sum(num_rows) FROM parquet_file_metadata(?)", [str(path)]).fetchone()
        total = max(1, int(counted[0])) if counted and counted[0] is not None else 1
        con.execute("SELECT * FROM read_parquet(?)", [str(path)])
    except duckdb.Error as damage:
        con.close()
        raise CutShort(f"not a whole Parquet file: {damage}") from damage
    header = tuple(str(column[0]) for column in con.description or ())
    done = 0

    def rows() -> Iterator[tuple[int, Row | None]]:
        nonlocal done
        try:
            while found := con.fetchmany(AT_ONCE):
                for row in found:
                    done += 1
                    yield done, row
        except duckdb.Error as damage:
            raise CutShort(f"the file is damaged after row {done}: {damage}") from damage
        finally:
            con.close()

    return Part(path.name, header, rows(), lambda: done / total)
