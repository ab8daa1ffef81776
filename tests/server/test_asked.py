"""What the command line is asked for is checked before anything is opened or written."""

from pathlib import Path

import pytest

from collectors.venues import VENUES
from server.asked import export_job, import_job
from server.files import Job
from server.settings import SettingsError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("readme.md", "map.toml", "old.csv"):
        (tmp_path / name).write_text("neither = this nor that")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("table", "out", "start", "end", "words"),
    [
        ("readngs", "a.csv", None, None, "unknown table 'readngs'. Did you mean readings? There is: bars_1d, "),
        ("readings", "a.txt", None, None, "--out: a.txt should end in .parquet or .csv."),
        ("readings", "none/a.csv", None, None, "--out: there is no folder "),
        ("readings", "old.csv", None, None, "--out: old.csv is there already; it is not overwritten."),
        ("readings", "a.csv", "2026-13-01", None, "--from: '2026-13-01' is no time of a market; write 2026-01-31"),
        ("readings", "a.csv", None, "1900-01-01", "--to: '1900-01-01' is no time of a market"),
        ("readings", "a.csv", "2026-11-02", "2026-11-02", "--from 2026-11-02 is not before --to 2026-11-02"),
    ],
)
def test_a_wrong_export_is_told(
    here: Path, table: str, out: str, start: str | None, end: str | None, words: str
) -> None:
    with pytest.raises(SettingsError) as wrong:
        export_job(table, Path(out), start, end, None)
    assert str(wrong.value).startswith(words)


def test_a_right_export_is_a_job_with_whole_paths(here: Path) -> None:
    job = export_job("bars_1h", Path("a.parquet"), "2026-11-01", "2026-11-02T12:30", ("BTC",))
    times = 1_793_491_200_000, 1_793_622_600_000
    assert job == Job((str(here / "a.parquet"),), "bars_1h", start=times[0], end=times[1], assets=("BTC",))


@pytest.mark.parametrize(
    ("path", "mapping", "words"),
    [
        ("redme.md", None, "there is no file redme.md. Did you mean readme.md?"),
        ("zzz", None, "there is no file zzz."),
        (".", None, ". is a folder; name the files in it."),
        ("readme.md", "map.tml", "--mapping: there is no file map.tml. Did you mean map.toml?"),
        ("readme.md", "map.toml", "map.toml: "),
    ],
)
def test_a_wrong_import_is_told(here: Path, path: str, mapping: str | None, words: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        import_job([Path(path)], None if mapping is None else Path(mapping), False, VENUES)
    assert str(wrong.value).startswith(words)


def test_a_right_import_is_a_job_with_whole_paths(here: Path) -> None:
    job = import_job([Path("old.csv"), here / "readme.md"], None, True, VENUES)
    assert job == Job((str(here / "old.csv"), str(here / "readme.md")), dry_run=True)
