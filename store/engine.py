"""Opening the store's one file: who may, what version it is, what to do when it is damaged. Nothing is ever deleted."""

import logging
import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Literal

import duckdb
import psutil

from store.migrations import STEPS, VERSION, Step, migrate

log = logging.getLogger(__name__)

Mode = Literal["live", "demo"]
MEMORY = Path(":memory:")
# Of the engine's memory. It keeps what it has read until this is full, so the daemon grows to about as much, however
# large the machine: a larger one would only hide how much is read again.
LIMIT_MIB = 1024
PORTABLE = "v1.5.0"  # the storage both supported engines read and write (storage.md, 0)
DAMAGE = re.compile(
    r"not a valid DuckDB|corrupt|checksum|replaying WAL|deserializ|Failed to decode|INTERNAL Error", re.IGNORECASE
)


class Locked(Exception):  # noqa: N818 -- named as the sentence it says
    """Another process owns the file."""


class TooNew(Exception):  # noqa: N818 -- named as the sentence it says
    """A later crossoi, or a later DuckDB, wrote the file."""


class WrongMode(Exception):  # noqa: N818 -- named as the sentence it says
    """A demo store was opened as a live one, or the reverse."""


class Unusable(Exception):  # noqa: N818 -- named as the sentence it says
    """The file cannot be opened, and not because it is damaged: a missing folder, no permission, a full disk."""


REFUSALS = (Locked, TooNew, WrongMode, Unusable)


class Store:
    """Owns the one connection to the file. Every thread and every request takes its own `cursor()`."""

    def __init__(self, path: Path, mode: Mode, con: duckdb.DuckDBPyConnection, replaced: Path | None = None) -> None:
        self.path = path
        self.mode: Mode = mode
        self.replaced = replaced  # where a damaged file was moved to, if this store stands in for one
        self._con = con
        self.built: object = self  # another object each time bars were added by this process

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._con.cursor()

    def reopen(self) -> None:
        """After an error that invalidated the engine, such as a disk that filled up during a commit."""
        self._con.close()
        self._con = prepared(connect(self.path), self.mode, self.path)

    def close(self) -> None:
        self._con.close()


def open_store(path: Path | str, mode: Mode, *, steps: tuple[Step, ...] = STEPS, version: int = VERSION) -> Store:
    """The store at `path`, made if there is none. Raises one of `REFUSALS`, in a sentence that says what to do."""
    path = Path(path)
    if path != MEMORY:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unusable(f"The store's folder {path.parent} cannot be made: {error}.") from error
    replaced = None
    try:
        con = connect(path)
    except duckdb.Error as error:
        if not DAMAGE.search(str(error)):
            raise refusal(path, error) from error
        replaced = set_aside(path)
        log.critical(
            "The store %s is damaged (%s). It was moved to %s and a new one was started; nothing was deleted.",
            path, error, replaced,
        )  # fmt: skip
        con = connect(path)
    try:
        return Store(path, mode, prepared(con, mode, path, steps, version), replaced)
    except BaseException:
        con.close()
        raise


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    if path != MEMORY and not path.exists():
        with duckdb.connect() as maker:
            maker.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS made (STORAGE_VERSION '{PORTABLE}')")
            maker.execute("DETACH made")
    quarter = psutil.virtual_memory().total // 4
    con = duckdb.connect(
        str(path),
        config={
            "threads": 2,
            "memory_limit": f"{min(quarter // 2**20, LIMIT_MIB)}MiB",
            "checkpoint_threshold": "32MB",  # a larger one stalls the writer for as long as its log is (storage.md, 2)
            "asof_loop_join_threshold": 0,  # the default makes as-of joins quadratic (storage.md, 4c)
        },
    )
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")
    return con


def prepared(
    con: duckdb.DuckDBPyConnection, mode: Mode, path: Path, steps: tuple[Step, ...] = STEPS, version: int = VERSION
) -> duckdb.DuckDBPyConnection:
    """Schema, migrations and mode, in one transaction: a file is either ready or as it was."""
    con.execute("BEGIN")
    try:
        known = meta(con)
        found = int(known["schema_version"]) if known else version
        if found > version:
            raise TooNew(
                f"The store {path} was written by schema {found}; this crossoi knows schema {version}. "
                "Upgrade crossoi, or give it another home with CROSSOI_HOME."
            )
        if known and known["mode"] != mode:
            raise WrongMode(
                f"The store {path} is a {known['mode']} store and was opened as {mode}. Simulated and real "
                "readings are never mixed: use another home or the other command."
            )
        migrate(con, found, steps, version)
        con.execute(files("store").joinpath("schema.sql").read_text(encoding="utf-8"))
        if not known:
            made = datetime.now(UTC).isoformat(timespec="seconds")
            for key, value in (("schema_version", str(version)), ("mode", mode), ("created", made)):
                con.execute("INSERT INTO meta VALUES (?, ?)", [key, value])
        con.execute("DELETE FROM meta WHERE key = 'engine'")
        con.execute("INSERT INTO meta VALUES ('engine', ?)", [duckdb.__version__])
        con.execute("COMMIT")
    except BaseException:
        con.execute("ROLLBACK")
        raise
    return con


def meta(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the file says of itself; empty for a new one."""
    if not con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'meta'").fetchall():
        return {}
    return dict(con.execute("SELECT key, value FROM meta").fetchall())


def refusal(path: Path, error: duckdb.Error) -> Exception:
    words = str(error)
    if "lock on file" in words:
        return Locked(f"The store {path} is in use by {holder(words)}. Stop it, or ask it: `crossoi status`.")
    if "version number" in words:
        return TooNew(
            f"The store {path} was written by a later DuckDB than this {duckdb.__version__}. Upgrade duckdb in this "
            f"environment, or give crossoi another home with CROSSOI_HOME. DuckDB says: {words}"
        )
    return Unusable(f"The store {path} cannot be opened. {words}")


def holder(words: str) -> str:
    """The process that DuckDB names as the holder of a lock: its number and its command."""
    said = re.search(r"PID (\d+)", words)
    if said is None:
        return "another process"
    pid = int(said.group(1))
    try:
        command = " ".join(psutil.Process(pid).cmdline()[:3])
    except psutil.Error:
        return f"process {pid}"
    return f"process {pid} ({command})" if command else f"process {pid}"


def set_aside(path: Path) -> Path:
    """Move a damaged file and its log out of the way, keeping both."""
    stem = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    aside = path.with_name(stem)
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{stem}-{count}")
    path.rename(aside)
    wal = path.with_name(f"{path.name}.wal")
    if wal.exists():
        wal.rename(aside.with_name(f"{aside.name}.wal"))
    return aside
