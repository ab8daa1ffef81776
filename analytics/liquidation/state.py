"""The state of a liquidation map: where in price the open contracts of every book would be closed by force.

A book is what one venue has open under one payoff. Its amount is counted so that only trades change it: coins where
linear, USD where inverse, contracts where quanto. Cells are float32 shapes, `total` holds the mass itself in float64:
mass of a cell = shape * gain, and for each book and side total.sum() = amount after every step. Policies that ask who
came first keep a mass for each age; the others keep one.
"""

import io
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from analytics.liquidation.prior import CLASSES, POLICIES, Floats, Particles, Policy, Terms
from analytics.settings import DEFAULTS, Settings

VERSION = 4  # of the bytes below and of the meaning of the arrays
STEP = 5e-4  # ln price, width of a bin
REACH = 1440  # bins a side: ln 2 and a little, where 2x lies
MARGIN = 60  # bins beyond the centre that a side keeps, so that the mark may wander before the grid scrolls
WANDER = 40  # bins
BINS = REACH + MARGIN
NONE = CLASSES  # index of the class that no price closes

Ints = NDArray[np.int64]
Shapes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Book:
    """What one venue has open under one payoff."""

    venue: str
    payoff: str  # linear | inverse | quanto
    symbol: str  # of a quanto contract, which shares its unit with no other; else empty
    venue_class: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Numbers per book [B]; and per instrument what was last heard [I]."""

    amount: Floats  # one-sided, the book's unit
    unit_usd: Floats  # USD a unit, at the last mark
    mark: Floats  # USD a coin
    seen: Ints  # end of the last bar, ms UTC
    first: Ints  # end of the first bar, ms UTC
    funding_mean: Floats  # of the 8 h rate, exponential over 30 d
    funding_variance: Floats
    swept_usd: Floats  # mass the mark went through, forgotten over a day
    explained_usd: Floats  # fall of open interest and liquidations in the same bars, forgotten over a day
    gap_changes: Ints
    gap_change_usd: Floats
    volume_bars: Ints  # bars that told the traded volume
    instrument: Ints
    instrument_book: Ints
    instrument_amount: Floats
    instrument_seen: Ints


@dataclass(frozen=True, slots=True)
class Mass:
    """B books, two sides (long, short), classes, bins, P particles."""

    shape: Shapes  # [B, 2, CLASSES, BINS, P]
    gain: Floats  # [B, 2, CLASSES, P]
    total: Floats  # [B, 2, CLASSES + 1, P], the book's unit
    identified: Floats  # of total, what was seen to enter


@dataclass(frozen=True, slots=True)
class MapState:
    """Everything the map of one asset knows. A value: `advance` gives a new one and leaves the old as it was."""

    asset: str
    policy: Policy
    terms: Mapping[str, Terms]  # by venue
    as_of: int | None  # end of the last bar, ms UTC
    centre: int  # bin index of the grid's middle; bin j spans [j, j + 1) * STEP in ln price
    books: tuple[Book, ...]
    ledger: Ledger
    cohorts: tuple[Mass, ...]  # by time of entry, youngest first; a single one unless the policy asks for ages
    born: tuple[int, ...]  # when the entries of each cohort begin, ms UTC; 0 for the last: unknown
    rejected: int  # bars that were unusable: not finite, not positive, or not newer than what is known
    settings: Settings = DEFAULTS  # those of the map: what it is made and shown by

    @property
    def mass(self) -> Mass:
        """Of all ages. Worked out anew where there are several: ask once."""
        return self.cohorts[0] if len(self.cohorts) == 1 else summed(self.cohorts)

    def offsets(self) -> tuple[int, int]:
        """The bin index of the first cell of the long and of the short side."""
        return self.centre - REACH, self.centre - MARGIN


def start(
    asset: str,
    terms: Mapping[str, Terms] | None = None,
    policy: Policy = "age_hazard",
    settings: Settings = DEFAULTS,
) -> MapState:
    """A map of nothing; the first bars of a book found it. `terms` by venue, where known; it keeps the `settings` of
    its own, `map_*`. Raises ValueError for a policy that there is not."""
    if policy not in POLICIES:
        raise ValueError(f"no removal policy {policy!r}; there are {', '.join(POLICIES)}")
    numbers, counts = np.zeros(0), np.zeros(0, np.int64)
    ledger = Ledger(
        amount=numbers,
        unit_usd=numbers,
        mark=numbers,
        seen=counts,
        first=counts,
        funding_mean=numbers,
        funding_variance=numbers,
        swept_usd=numbers,
        explained_usd=numbers,
        gap_changes=counts,
        gap_change_usd=numbers,
        volume_bars=counts,
        instrument=counts,
        instrument_book=counts,
        instrument_amount=numbers,
        instrument_seen=counts,
    )
    own = Settings(**settings.of_map())
    return MapState(asset, policy, dict(terms or {}), None, 0, (), ledger, (nothing(0),), (0,), 0, own)


def nothing(books: int) -> Mass:
    """Room for the mass of so many books."""
    count = len(Particles())
    return Mass(
        np.zeros((books, 2, CLASSES, BINS, count), np.float32),
        np.ones((books, 2, CLASSES, count)),
        np.zeros((books, 2, CLASSES + 1, count)),
        np.zeros((books, 2, CLASSES + 1, count)),
    )


def summed(cohorts: Sequence[Mass]) -> Mass:
    """One mass of all, with gains of one."""
    of = nothing(len(cohorts[0].total))
    for mass in cohorts:
        of.shape[...] += mass.shape * mass.gain.astype(np.float32)[:, :, :, None]
        of.total[...] += mass.total
        of.identified[...] += mass.identified
    return of


def copy(state: MapState) -> tuple[Ledger, list[Mass]]:
    """Arrays of their own, to be worked on."""
    ledger = Ledger(*(getattr(state.ledger, f.name).copy() for f in fields(Ledger)))
    return ledger, [Mass(*(getattr(mass, f.name).copy() for f in fields(Mass))) for mass in state.cohorts]


def to_bytes(state: MapState) -> bytes:
    """The state as a compressed npz with a version, for the daemon to keep over a restart."""
    head = {
        "version": VERSION,
        "asset": state.asset,
        "policy": state.policy,
        "terms": {venue: asdict(terms) for venue, terms in state.terms.items()},
        "as_of": state.as_of,
        "centre": state.centre,
        "books": [asdict(book) for book in state.books],
        "born": state.born,
        "rejected": state.rejected,
        "settings": state.settings.of_map(),
    }
    arrays = {f.name: getattr(state.ledger, f.name) for f in fields(Ledger)}
    arrays |= {f"{f.name}_{k}": getattr(mass, f.name) for k, mass in enumerate(state.cohorts) for f in fields(Mass)}
    out = io.BytesIO()
    np.savez_compressed(out, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)
    return out.getvalue()


def from_bytes(data: bytes) -> MapState:
    """The state back. Raises ValueError where bytes, version or grid are not ours: rebuild it from bars then."""
    if not is_zipfile(io.BytesIO(data)):
        raise ValueError("map state is damaged: rebuild it")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as kept:
            head = json.loads(kept["head"].tobytes())
            if head["version"] != VERSION:
                raise ValueError(f"map state has version {head['version']}, this program reads {VERSION}: rebuild it")
            ledger = Ledger(*(kept[f.name] for f in fields(Ledger)))
            cohorts = tuple(Mass(*(kept[f"{f.name}_{k}"] for f in fields(Mass))) for k in range(len(head["born"])))
    except (BadZipFile, EOFError, KeyError, zlib.error) as broken:
        raise ValueError("map state is damaged: rebuild it") from broken
    books = tuple(Book(**book) for book in head["books"])
    if any(mass.shape.shape != (len(books), 2, CLASSES, BINS, len(Particles())) for mass in cohorts):
        raise ValueError("map state has another grid than this program: rebuild it")
    terms = {venue: Terms(**words) for venue, words in head["terms"].items()}
    settings: dict[str, Any] = {
        name: tuple(said) if isinstance(said, list) else said for name, said in head["settings"].items()
    }
    return MapState(
        head["asset"], head["policy"], terms, head["as_of"], head["centre"], books, ledger, cohorts,
        tuple(head["born"]), head["rejected"], Settings(**settings),
    )  # fmt: skip
