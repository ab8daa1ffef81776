"""Instruments, venues and side counts: versions are appended only where something changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    ) -> dict[str, list[tuple[Any, ...]]]:
        """Rows for whatever differs from the newest version stored. `fields` is keyed by venue, segment, name, unit."""
        if not self._loaded:
            self._load()
        rows: dict[str, list[tuple[Any, ...]]] = {}
        for i in instruments:
            known = self._instruments.get(i.id)
            if known is not i:
                if known != i:
                    rows.setdefault("instruments", []).append(columns.row(i, simulated, now)[1])
                self._instruments[i.id] = i
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
            "SELECT venue, segment, symbol, asset, quote, settle, kind, payoff, contract_size, base_factor, live, "
            "max_leverage, funding_interval_h, funding_kind, epoch_ms(valid_from) FROM instruments "
            "QUALIFY row_number() OVER (PARTITION BY instrument_id ORDER BY known_at DESC) = 1"
        ).fetchall()
        self._instruments = {i.id: i for i in map(instrument, stored)}
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


def instrument(row: tuple[Any, ...]) -> Instrument:
    """An instrument as stored, in the order of the record."""
    venue, segment, symbol, asset, quote, settle, kind, payoff, *sizes, live, leverage, hours, paid, since = row
    return Instrument(
        venue, segment, symbol, asset, quote, settle, Kind(kind), Payoff(payoff), sizes[0], sizes[1], live, leverage,
        hours, paid, 0 if since is None else since,
    )  # fmt: skip
