"""A map as it stood at a UTC close, kept until the day after can judge it: frozen before the window.

The judged day gives the rows that are scored, the distance law that has learned from it, and the calibration.
"""

import io
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.liquidation.calibration import Counts, learned
from analytics.liquidation.prior import CLASSES, Floats, Omega, Policy, Terms, unlearned
from analytics.liquidation.scoring import DistanceLaw, Swept, ladders
from analytics.liquidation.state import BINS, NONE, STEP, MapState
from analytics.settings import DEFAULTS, Settings

BIN = 2 * STEP  # 10 bp of ln price
REACH = 300  # bins either side of the mark: +-30 % in ln
VERSION = 3
LAW_FORGETS = 0.98  # a day
ARRAYS = ("mass", "legacy", "omega", "limit", "ladder")  # of what is kept


@dataclass(frozen=True, slots=True)
class Frozen:
    """USD by venue, side (long, short), distance class and bin. Bin j begins at (first + j) * BIN in ln P."""

    asset: str
    policy: Policy  # of removal
    as_of: int  # ms UTC
    mark: float  # USD a coin
    sigma: float  # of ln P, a day, as known at as_of
    first: int
    venues: tuple[str, ...]
    mass: NDArray[np.float32]  # [V, 2, CLASSES, 2 * REACH], before omega
    legacy: Floats  # [V, 2, CLASSES] share of it whose entry nobody saw
    omega: Floats  # [V, CLASSES] as served
    limit: Floats  # [V, 2] what the served mass was scaled by, to stay within open interest
    ladder: NDArray[np.float32]  # [V, 2, 2 * REACH] USD: baseline B2, the usual fixed ladder; zeros without bars

    def edges(self) -> Floats:
        return np.exp((self.first + np.arange(2 * REACH + 1)) * BIN)

    def served(self) -> Floats:
        """[V, 2, bins] USD: what the map said."""
        factor = self.legacy + (1 - self.legacy) * self.omega[:, None, :]
        return np.einsum("vscn,vsc->vsn", self.mass, factor) * self.limit[..., None]


def freeze(state: MapState, sigma: float, omega: Mapping[str, Omega] | None = None,
           past: pd.DataFrame | None = None) -> Frozen | None:  # fmt: skip
    """The map's masses as of its last bar. None for a map of nothing. `past`: bars up to it, for baseline B2."""
    if state.as_of is None or not state.books:
        return None
    ledger, whole = state.ledger, state.mass
    mark = float(np.median(ledger.mark[state.as_of - ledger.seen <= 1000 * state.settings.map_silent_s]))
    first = round(np.log(mark) / BIN) - REACH
    venues = tuple(sorted({book.venue for book in state.books}))
    mass = np.zeros((len(venues), 2, CLASSES, 2 * REACH))
    unseen, held = np.zeros((len(venues), 2, CLASSES)), np.zeros((len(venues), 2, CLASSES))
    amounts = np.zeros(len(venues))
    for b, book in enumerate(state.books):
        v = venues.index(book.venue)
        unit = ledger.unit_usd[b]
        amounts[v] += ledger.amount[b] * unit
        total = whole.total[b, :, :NONE].mean(axis=2) * unit
        seen = whole.identified[b, :, :NONE].mean(axis=2) * unit
        held[v] += total
        unseen[v] += np.maximum(total - seen, 0)
        for side in (0, 1):
            cells = np.einsum("cjp,cp->cj", whole.shape[b, side], whole.gain[b, side]) / len(whole.gain[b, side, 0])
            at = np.exp((state.offsets()[side] + np.arange(BINS) + 0.5) * STEP)
            own = at < mark if side == 0 else at > mark
            value = unit * (1.0 if book.payoff == "inverse" else at / ledger.mark[b])
            place = (state.offsets()[side] + np.arange(BINS)) // 2 - first
            use = own & (place >= 0) & (place < 2 * REACH)
            for row, usd in zip(mass[v, side], cells * value, strict=True):
                row += np.bincount(place[use], usd[use], 2 * REACH)
    legacy = np.divide(unseen, held, out=np.zeros_like(held), where=held > 0)
    means = np.array([(omega or {}).get(venue, unlearned(state.settings)).mean() for venue in venues])
    called = ((legacy + (1 - legacy) * means[:, None, :]) * held).sum(axis=2)
    limit = np.minimum(1.0, np.divide(amounts[:, None], called, out=np.ones_like(called), where=called > 0))
    fixed = np.zeros((len(venues), 2, 2 * REACH))
    if past is not None and len(past):
        rates = [state.terms.get(venue, Terms()).rate() for venue in venues]
        fixed = ladders(past, venues, rates, np.exp((first + np.arange(2 * REACH + 1)) * BIN))
    return Frozen(
        state.asset, state.policy, state.as_of, mark, sigma, first, venues, mass.astype(np.float32), legacy, means,
        limit, fixed.astype(np.float32),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Day:
    """What followed a freeze: extremes of the mark, and every forced close of feeds that show amounts."""

    low: float
    high: float
    venue: NDArray[np.object_]
    side: NDArray[np.int64]  # 0 long, 1 short: who died
    price: Floats
    usd: Floats


@dataclass(frozen=True, slots=True)
class Judged:
    swept: tuple[Swept, ...]  # of all venues with full feeds, a row a side
    by_venue: Mapping[str, tuple[Swept, ...]]
    law: DistanceLaw
    counts: Mapping[str, Counts]


def judge(frozen: Frozen, day: Day, law: DistanceLaw, counts: Mapping[str, Counts], full: Collection[str],
          settings: Settings = DEFAULTS) -> Judged:  # fmt: skip
    """Hold a frozen map against the day after it. `law` and `counts` of before that day; given back with it learned.

    A side's bins are those between the mark of the freeze and the day's extreme on that side: where the map could
    speak, and the mark went. `full`: venues whose feed shows every forced close; only they are judged and learned from.
    """
    edges, served = frozen.edges(), frozen.served()
    middle = np.sqrt(edges[:-1] * edges[1:])
    away = np.abs(np.log(middle / frozen.mark)) / frozen.sigma
    number = int(frozen.as_of // 86_400_000)
    rows: list[Swept] = []
    own: dict[str, list[Swept]] = {venue: [] for venue in frozen.venues if venue in full}
    new_law, after = law, dict(counts)
    told = {venue: np.zeros((2, len(middle))) for venue in own}
    for venue, values in told.items():
        for side in (0, 1):
            mine = (day.venue == venue) & (day.side == side)
            values[side] = np.histogram(day.price[mine], bins=edges, weights=day.usd[mine])[0]
    learned_from = {venue: [np.zeros(0), np.zeros((CLASSES, 0)), np.zeros(0)] for venue in own}
    usual = frozen.ladder[[venue in own for venue in frozen.venues]].sum(axis=0, dtype=np.float64)
    for side in (0, 1):
        into = swept_bins(frozen, day.low, day.high, side)
        if not into.any() or not own:
            continue
        base = {"uniform": np.ones(int(into.sum())), "distance": law.at(away[into])}
        if usual.any():
            base["ladder"] = usual[side, into]
        realised = sum((told[v][side, into] for v in own), np.zeros(int(into.sum())))
        mapped = sum((served[frozen.venues.index(v), side, into] for v in own), np.zeros(int(into.sum())))
        rows.append(Swept(number, side, realised, mapped, base))
        new_law = new_law.learned(away[into], realised)
        for venue in own:
            v = frozen.venues.index(venue)
            own[venue].append(Swept(number, side, told[venue][side, into], served[v, side, into], base))
            mass = frozen.mass[v, side][:, into].astype(np.float64)
            share = frozen.legacy[v, side][:, None]
            parts = (told[venue][side, into], mass * (1 - share), (mass * share).sum(axis=0))
            learned_from[venue] = [
                np.concatenate((a, b), axis=-1) for a, b in zip(learned_from[venue], parts, strict=True)
            ]
    for venue, (realised, seen, unseen) in learned_from.items():
        after[venue] = learned(counts.get(venue, Counts()), realised, seen, unseen, settings=settings)
    faded = DistanceLaw(new_law.usd * LAW_FORGETS, new_law.bins * LAW_FORGETS)
    return Judged(tuple(rows), {v: tuple(s) for v, s in own.items()}, faded, after)


def swept_bins(frozen: Frozen, low: float, high: float, side: int) -> NDArray[np.bool_]:
    """Bins of a side whose middle lies between the mark of the freeze and where the mark went."""
    edges = frozen.edges()
    middle = np.sqrt(edges[:-1] * edges[1:])
    if side == 0:
        return (middle < frozen.mark) & (middle > low)
    return (middle > frozen.mark) & (middle < high)


def to_bytes(frozen: Frozen) -> bytes:
    head = {k: v for k, v in asdict(frozen).items() if not isinstance(v, np.ndarray)} | {"version": VERSION}
    arrays = {k: getattr(frozen, k) for k in ARRAYS}
    out = io.BytesIO()
    np.savez_compressed(out, head=np.frombuffer(json.dumps(head).encode(), np.uint8), **arrays)
    return out.getvalue()


def from_bytes(data: bytes) -> Frozen:
    """Raises ValueError where the bytes are not a frozen map of this version."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as kept:
            head = json.loads(kept["head"].tobytes())
            if head.pop("version") != VERSION:
                raise ValueError("a frozen map of another version")
            head["venues"] = tuple(head["venues"])
            return Frozen(**head, **{k: kept[k] for k in ARRAYS})
    except (BadZipFile, EOFError, KeyError) as broken:
        raise ValueError("a frozen map that cannot be read") from broken
