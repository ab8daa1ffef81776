"""What the command line is asked for, checked before anything is opened, asked or written."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from collectors.imports.cells import Refused, moment
from collectors.imports.mapping import MappingError, load
from collectors.venue import Venue
from server.files import Job
from server.settings import SettingsError, near
from store.export import FORMATS, TABLES

ANY_TIME = 253_402_300_799_000  # ms UTC, the end of 9999


def export_job(table: str, out: Path, start: str | None, end: str | None, assets: tuple[str, ...] | None) -> Job:
    """What `crossoi export` asks for. Raises SettingsError, in words for who asked."""
    if table not in TABLES:
        raise SettingsError(f"unknown table {table!r}. {near(table, tuple(TABLES), 30)}")
    if out.suffix not in FORMATS:
        raise SettingsError(f"--out: {out.name} should end in {' or '.join(FORMATS)}.")
    if not out.absolute().parent.is_dir():
        raise SettingsError(f"--out: there is no folder {out.absolute().parent}.{alike(out.absolute().parent)}")
    if out.exists():
        raise SettingsError(f"--out: {out} is there already; it is not overwritten.")
    since, until = (None if t is None else time_of(name, t) for name, t in (("--from", start), ("--to", end)))
    if since is not None and until is not None and since >= until:
        raise SettingsError(f"--from {start} is not before --to {end}: between them lies nothing.")
    return Job((str(out.absolute()),), table, start=since, end=until, assets=assets)


def import_job(paths: Sequence[Path], mapping: Path | None, dry_run: bool, venues: Mapping[str, Venue]) -> Job:
    """What `crossoi import` asks for. Raises SettingsError, in words for who asked."""
    for path in (*paths, *(() if mapping is None else (mapping,))):
        option = "--mapping: " if path is mapping else ""
        if path.is_dir():
            raise SettingsError(f"{option}{path} is a folder; name the files in it.")
        if not path.exists():
            raise SettingsError(f"{option}there is no file {path}.{alike(path)}")
    try:
        if mapping is not None:
            load(mapping, venues)
    except MappingError as wrong:
        raise SettingsError(str(wrong)) from None
    whole = tuple(str(path.absolute()) for path in paths)
    return Job(whole, mapping=None if mapping is None else str(mapping.absolute()), dry_run=dry_run)


def time_of(name: str, text: str) -> int:
    """ms UTC of a time that the user wrote."""
    try:
        return moment(text, "iso", text, ANY_TIME)
    except Refused:
        raise SettingsError(
            f"{name}: {text!r} is no time of a market; write 2026-01-31 or 2026-01-31T12:30 (UTC)."
        ) from None


def alike(path: Path) -> str:
    """What may have been meant: names beside it that are spelled like it."""
    beside = [other.name for other in path.absolute().parent.iterdir()] if path.absolute().parent.is_dir() else []
    close = get_close_matches(path.name, beside, n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else ""
