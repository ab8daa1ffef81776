"""Whose rows they are: an archive's name and symbol to an instrument, and to what the number counts. Never a guess."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from collectors.board import DOLLARS, factor
from collectors.venue import Archive, Liquidated, Ratio, Segment, Update, Venue
from store.records import Field, Instrument, Payoff
from store.registry import NONE, Versions

Format = Literal["metrics", "ticks", "cot", "daily"]


class Refused(ValueError):  # noqa: N818 -- named as the sentence it says
    """Why a row cannot be taken."""


class Unneeded(ValueError):  # noqa: N818 -- likewise
    """Why a row is left out although nothing is wrong with it."""


class Target:
    """One instrument's open interest as one archive states it, and what its rows have said so far."""

    __slots__ = (
        "archive", "dollar", "factor", "field", "funding", "funding_interval_h", "index", "instrument", "kept_funding",
        "kept_price", "kept_raw", "kept_ts", "marked", "native_usd", "price", "resolution_s", "since", "sized", "sizes",
        "started", "until",
    )  # fmt: skip

    def __init__(
        self,
        instrument: Instrument,
        field: Field | None,
        archive: Archive | None,
        resolution_s: float,
        sizes: Versions = NONE,
    ) -> None:
        self.instrument = self.sized = instrument
        self.sizes = sizes.get(instrument.id, ())
        self.since, self.until = (0, 0) if self.sizes else (-math.inf, math.inf)  # ms UTC, in which `sized` holds
        self.field = field
        self.archive = archive
        self.native_usd, self.factor = (False, 0.0) if field is None else factor(instrument, field.unit, field.sides)
        self.dollar = DOLLARS.get(instrument.quote)  # None: nobody said what the quote currency is worth
        self.resolution_s = resolution_s  # between rows; 0 where a row is written whenever something changes
        self.price: float | None = None  # the mark, quote units a coin ...
        self.marked = 0  # ... of this moment, ms UTC
        self.index: float | None = None
        self.funding: float | None = None
        self.funding_interval_h = instrument.funding_interval_h
        self.kept_raw = self.kept_price = 0.0
        self.kept_ts = 0
        self.kept_funding: float | None = None
        self.started = False

    def size(self, ts: int) -> None:
        """From now on rows are of another time, at which one contract was perhaps worth something else."""
        ends = [*(version.valid_from for version in self.sizes[1:]), math.inf]
        place = next(n for n, end in enumerate(ends) if ts < end)
        self.sized, self.until = self.sizes[place], ends[place]
        self.since = self.sized.valid_from or -math.inf
        if self.field is not None:
            self.native_usd, self.factor = factor(self.sized, self.field.unit, self.field.sides)


Stated = tuple[Target, Update | Liquidated | Ratio, int]
"""Of whom, what, and when it could be known, ms UTC."""


@dataclass(frozen=True, slots=True)
class Book:
    """What can be named: the venues' own files, the instruments of the store, those of the mapping."""

    venues: Mapping[str, Venue]
    instruments: Mapping[tuple[str, str, str], Instrument]  # by venue, segment and symbol in upper case
    sizes: Versions  # of instruments that had several
    codes: Mapping[tuple[str, str, str], str]  # the symbol, by venue, segment and what an archive calls it instead

    def find(self, venue: str, segment: str, symbol: str) -> Instrument:
        """An instrument by its symbol; archives write some in upper case. Raises Refused."""
        found = self.instruments.get((venue, segment, symbol.upper()))
        if found is None:
            raise Refused(
                f"nothing is known of {symbol} at {venue} {segment}: let `crossoi serve` list it once, "
                "or state it under [[instruments]] of a mapping"
            )
        return found

    def archived(self, format: Format, name: str, symbol: str) -> tuple[Venue, Segment, Archive, str]:
        """The one segment whose file says that this archive's symbol is its own, and our symbol. Raises Refused."""
        held = [
            (venue, segment, archive, self.ours(venue, segment, archive, symbol))
            for venue in self.venues.values()
            for segment in venue.segments
            for archive in segment.archives
            if archive.format == format
        ]
        named = [h for h in held if h[2].name == name]
        if not named:
            names = ", ".join(sorted({archive.name for _, _, archive, _ in held if archive.name}))
            there = f"; there are: {names}" if names else ""
            raise Refused(f"no venue's file says what {name or 'this archive'!r} is{there}")
        known = [n for n in named if (n[0].id, n[1].id, n[3].upper()) in self.instruments]
        found = known or [n for n in named if n[3] and n[1].owns(n[3])]
        if len(found) != 1:
            listed = ", ".join(f"{venue.id} {segment.id}" for venue, segment, _, _ in found) or "none"
            raise Refused(f"{symbol} is of {listed} of the segments that {name or 'this archive'!r} holds")
        return found[0]

    def ours(self, venue: Venue, segment: Segment, archive: Archive, symbol: str) -> str:
        """What we call it; empty where nobody knows."""
        if archive.symbol is None:
            return symbol
        return self.codes.get((venue.id, segment.id, symbol)) or archive.symbol(symbol)

    def target(self, format: Format, name: str, symbol: str, resolution_s: float) -> Target:
        venue, segment, archive, ours = self.archived(format, name, symbol)
        if archive.lacks and archive.field is None and archive.deaths is None:
            raise Refused(f"the archive has no {archive.lacks} of {venue.id}: nothing of it can be imported")
        return Target(self.find(venue.id, segment.id, ours), archive.field, archive, resolution_s, self.sizes)


def book(
    venues: Mapping[str, Venue], stored: Iterable[Instrument], stated: Iterable[Instrument] = (), sizes: Versions = NONE
) -> Book:
    """The store's word goes first. Raises ValueError where a mapping contradicts it."""
    found = {(i.venue, i.segment, i.symbol.upper()): i for i in stored}
    codes = dict[tuple[str, str, str], str]()
    for i in stated:
        if i.code:
            codes[i.venue, i.segment, i.code] = i.symbol
        known = found.setdefault((i.venue, i.segment, i.symbol.upper()), i)
        if shape(known) != shape(i):
            raise ValueError(
                f"The mapping says of {i.venue} {i.symbol}: {words(i)}; the store knows it as {words(known)}. "
                "Correct the mapping, or leave the instrument out of it."
            )
    return Book(venues, found, sizes, codes)


def shape(i: Instrument) -> tuple[str, str, Payoff, float, float]:
    return i.asset, i.quote, i.payoff, i.contract_size, i.base_factor


def words(i: Instrument) -> str:
    return f"{i.asset}/{i.quote}, {i.payoff.value}, contract size {i.contract_size:g}, base factor {i.base_factor:g}"
