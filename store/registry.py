"""Instruments, venues and side counts: versions are appended only where something changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import duckdb

from store import columns
from store.ladders import Ladders
from store.once import Once
from store.records import Field, Instrument, Kind, Payoff


class Facts(Protocol):
    """What a venue's file says of itself; the venue contract's `Venue` is one."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def cls(self) -> str: ...
    @property
    def docs(self) -> str: ...
    @property
    def note(self) -> str: ...
    @property
    def closed_on(self) -> str | None: ...
    @property
    def fields(self) -> Sequence[Field]: ...


@dataclass(frozen=True, slots=True)
class Described:
    """A venue's facts on their way to the store."""

    row: tuple[str, ...]  # venue, name, class, docs, note, closed_on
    fields: tuple[Field, ...]


NONE: Mapping[int, Any] = MappingProxyType({})
COLUMNS = (
    "venue, segment, symbol, asset, quote, settle, kind, payoff, contract_size, base_factor, live, max_leverage, "
    "funding_interval_h, funding_kind, epoch_ms(valid_from)"
)
RESIZED = f"""
SELECT {COLUMNS}, epoch_ms(known_at) FROM instruments
WHERE instrument_id IN (
    SELECT instrument_id FROM instruments GROUP BY ALL
    HAVING count(DISTINCT (payoff, contract_size, base_factor)) > 1
) ORDER BY instrument_id, instruments.known_at
"""
Versions = Mapping[int, Sequence[Instrument]]
"""Of instruments whose size has changed: each size, `valid_from` the moment that it held from; 0 for the first."""


def described(v: Facts) -> Described:
    return Described((v.id, v.name, v.cls, v.docs, v.note, v.closed_on or ""), tuple(v.fields))


class Registry:
    """Owns what the store already knows of instruments, venues and fields."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.ladders = Ladders(con)
        self.once = Once(con)
        self._con = con
        self._loaded = False
        self._instruments: dict[int, Instrument] = {}
        self._given: dict[int, Instrument] = {}  # what was taken last of each: it need not be looked at again
        self._fields: dict[tuple[str, ...], tuple[Any, ...]] = {}
        self._venues: dict[str, tuple[Any, ...]] = {}

    def forget(self) -> None:
        """A transaction failed: what it told us is not in the store."""
        self._loaded = False
        self.ladders.forget()
        self.once.forget()

    @property
    def instruments(self) -> Mapping[int, Instrument]:
        """The newest version of each, as stored."""
        if not self._loaded:
            self._load()
        return self._instruments

    def news(
        self,
        instruments: Iterable[Instrument],
        fields: Mapping[tuple[str, str, str, str], Field],
        venues: Iterable[Described],
        simulated: bool,
        now: int,
        attached: Mapping[int, Instrument] = NONE,
    ) -> dict[str, list[tuple[Any, ...]]]:
        """Rows for whatever differs from the newest version stored. `fields` is keyed by venue, segment, name, unit.

        What is only `attached` to other records may be an old version: it is news where nothing is known.
        """
        if not self._loaded:
            self._load()
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for i in (*instruments, *(i for id, i in attached.items() if id not in self._instruments)):
            if self._given.get(i.id) is not i:
                self._given[i.id] = i
                known = self._instruments.get(i.id)
                version = i if known is None else dated(known, i, now)
                if version != known:
                    rows.setdefault("instruments", []).append(columns.row(version, simulated, now)[1])
                    self._instruments[i.id] = version
        fields = dict(fields)
        for venue in venues:
            name = venue.row[0]
            if self._venues.get(name) != venue.row:
                self._venues[name] = venue.row
                rows.setdefault("venues", []).append((*venue.row, now))
            for f in venue.fields:
                fields.setdefault((name, "", str(f.key), f.unit.value), f)
        for key, f in fields.items():
            row = columns.field_row(key[0], key[1], f, now)
            if self._fields.get(key) != row[:-1]:
                self._fields[key] = row[:-1]
                rows.setdefault("side_registry", []).append(row)
        return rows

    def _load(self) -> None:
        stored = self._con.execute(
            f"SELECT {COLUMNS} FROM instruments "
            "QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1"
        ).fetchall()
        self._instruments, self._given = {i.id: i for i in map(instrument, stored)}, {}
        self._fields = {
            (row[0], row[1], row[2], row[3]): row
            for row in self._con.execute(
                "SELECT venue, segment, field, unit, sides, status, valid_from, evidence FROM side_registry "
                "QUALIFY row_number() OVER (PARTITION BY venue, segment, field, unit ORDER BY known_at DESC) = 1"
            ).fetchall()
        }
        self._venues = {
            row[0]: row
            for row in self._con.execute(
                "SELECT venue, name, class, docs, note, closed_on FROM venues "
                "QUALIFY row_number() OVER (PARTITION BY venue ORDER BY known_at DESC) = 1"
            ).fetchall()
        }
        self._loaded = True


def size(i: Instrument) -> tuple[Payoff, float, float]:
    """What one of it is worth: with another one, the same number is another open interest."""
    return i.payoff, i.contract_size, i.base_factor


def dated(known: Instrument, i: Instrument, now: int) -> Instrument:
    """A new version, with the moment [ms UTC] its size holds from: what the venue says, if it says a later one than
    before, else when it was noticed. A version of the same size holds from when the one before did.
    """
    if size(i) == size(known):
        since = max(i.valid_from, known.valid_from)
    else:
        since = i.valid_from if 0 < known.valid_from < i.valid_from <= now else now
    return i if since == i.valid_from else replace(i, valid_from=since)


def versions(con: duckdb.DuckDBPyConnection) -> Versions:
    """The sizes that the store knows of instruments that have had several."""
    found: dict[int, list[Instrument]] = {}
    before = 0
    for *row, known_at in con.execute(RESIZED).fetchall():
        i = instrument(tuple(row))
        held = found.setdefault(i.id, [])
        if not held:
            held.append(replace(i, valid_from=0))
        elif size(i) != size(held[-1]):
            held.append(i if i.valid_from > before else replace(i, valid_from=known_at))
        before = known_at
    return found


def sized(versions: Versions, i: Instrument, ts: int) -> Instrument:
    """An instrument with the size that held at `ts`, ms UTC: what an old number must be converted with."""
    held = [version for version in versions.get(i.id, ()) if version.valid_from <= ts]
    return held[-1] if held and size(held[-1]) != size(i) else i


def instrument(row: tuple[Any, ...]) -> Instrument:
    """An instrument as stored, in the order of the record."""
    venue, segment, symbol, asset, quote, settle, kind, payoff, *sizes, live, leverage, hours, paid, since = row
    return Instrument(
        venue, segment, symbol, asset, quote, settle, Kind(kind), Payoff(payoff), sizes[0], sizes[1], live, leverage,
        hours, paid, 0 if since is None else since,
    )  # fmt: skip
