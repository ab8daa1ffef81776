"""Who holds the open interest: one row a venue, one row an instrument (analytics.md, 10.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analytics import conventions, coverage, windows
from analytics.alignment import Panel, State, snapshot
from analytics.carry import level
from analytics.coverage import Coverage
from analytics.matched import window
from analytics.provenance import Basis, Method, Reason, finite
from analytics.settings import DAY_S, DEFAULTS, Settings

METHOD = Method("level.carry")


@dataclass(frozen=True, slots=True)
class VenueRow:
    venue: str
    klass: str
    state: str  # fresh | stale | carried | excluded
    usd: float  # one-sided
    base: float  # coins, one-sided
    share: float  # of the level, fraction of 1
    growth: float | None  # of contracts over the last 24 h, fraction; None where it was not heard at both ends
    funding_8h: float | None  # weighted by coins, fraction
    age_s: float
    cadence_s: float
    disputed: bool  # a field of it whose side count is not established
    basis: str


@dataclass(frozen=True, slots=True)
class InstrumentRow:
    venue: str
    segment: str
    symbol: str
    payoff: str
    raw: float | None  # as published, in `unit`, `sides` counted
    unit: str
    sides: int | None
    side_status: str  # documented | measured | disputed
    base: float
    usd: float
    share: float
    mark: float | None
    funding: float | None  # fraction per interval
    funding_interval_h: float | None
    age_s: float
    state: str
    basis: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    total_usd: float | None
    total_base: float | None
    carried_usd: float  # of it, at the last quantity of venues that are silent
    price: float | None
    venues: tuple[VenueRow, ...]  # largest first
    instruments: tuple[InstrumentRow, ...]  # largest first
    coverage: Coverage
    reasons: tuple[Reason, ...]


def venues(
    latest: pd.DataFrame,
    now: int,
    *,
    bars: pd.DataFrame | None = None,
    gaps: pd.DataFrame | None = None,
    plausible: Mapping[str, float] | None = None,
    settings: Settings = DEFAULTS,
) -> Breakdown:
    """The level by venue and instrument as of `now` (ms), from store.reader.latest.

    `bars` of the last 24 h give each venue's growth and the band of the level, without what happened inside their
    `gaps`. Empty in, `no_data` out.
    """
    last = snapshot(latest, now, settings)
    fine = (
        None
        if bars is None or not len(bars)
        else windows.recent(bars, latest, now, DAY_S, gaps=gaps, settings=settings)
    )
    sigma = {} if fine is None else coverage.hourly_sd(fine, settings)
    heard = coverage.of(
        last, settings=settings, plausible=plausible, sigma_h=sigma,
        sizes=None if bars is None else coverage.sizes(bars, now),
    )  # fmt: skip
    parts = level(last, settings)
    if not last.contracts:
        return Breakdown(None, None, 0.0, None, (), (), heard, heard.reasons)
    usd, base = np.nan_to_num(parts.usd[0]), np.nan_to_num(parts.base[0])
    stands = not parts.empty[0]
    total = float(usd.sum())
    share = usd / total if total > 0 else np.zeros(len(usd))
    words = [
        "excluded" if gone else "carried" if kept else State(s).name.lower()
        for s, gone, kept in zip(last.state[0], parts.excluded[0], parts.carried[0], strict=True)
    ]
    rows = latest.drop_duplicates("instrument_id", keep="last").set_index("instrument_id")
    instruments: list[InstrumentRow] = []
    for i, c in enumerate(last.contracts):
        r = rows.loc[c.id]
        sides = finite(r.get("sides"))
        instruments.append(
            InstrumentRow(
                c.venue, str(r.get("segment", "")), c.symbol, c.payoff, finite(r.get("raw")), str(r.get("unit", "")),
                None if sides is None else int(sides), coverage.known_status(r.get("side_status")), float(base[i]),
                float(usd[i]), float(share[i]), finite(last.mark[0, i]), finite(r.get("funding")),
                finite(r.get("funding_interval_h")), float(last.age_s[0, i]), words[i],
                Basis.CARRIED if words[i] == "carried" else Basis.DERIVED,
            )
        )  # fmt: skip
    growth, changed = day_growth(fine, gaps, settings)
    by_venue: list[VenueRow] = []
    for heard_as, group in (("fresh", heard.fresh), ("stale", heard.stale), ("carried", heard.carried),
                            ("excluded", heard.excluded)):  # fmt: skip
        for h in group:
            mine = [i for i, c in enumerate(last.contracts) if c.venue == h.venue]
            paid = [i for i in mine if np.isfinite(last.funding_8h[0, i]) and base[i] > 0]
            weight = float(base[paid].sum())
            funding = float((last.funding_8h[0, paid] * base[paid]).sum()) / weight if weight > 0 else None
            by_venue.append(
                VenueRow(
                    h.venue, last.contracts[mine[0]].klass, heard_as, float(usd[mine].sum()), float(base[mine].sum()),
                    float(share[mine].sum()), growth.get(h.venue), funding, h.age_s, h.cadence_s,
                    any(instruments[i].side_status == "disputed" for i in mine),
                    Basis.CARRIED if any(words[i] == "carried" for i in mine) else Basis.DERIVED,
                )
            )  # fmt: skip
    return Breakdown(
        total if stands else None, float(base.sum()) if stands else None, float(parts.carried_usd[0]),
        finite(last.price[0]),
        tuple(sorted(by_venue, key=lambda v: -v.usd)), tuple(sorted(instruments, key=lambda r: -r.usd)), heard,
        (*heard.reasons, *changed, *coverage.disputed(latest)),
    )  # fmt: skip


def day_growth(
    fine: Panel | None, gaps: pd.DataFrame | None, settings: Settings
) -> tuple[dict[str, float], tuple[Reason, ...]]:
    """Native growth per venue over the last 24 h; only venues heard at both ends, and counting alike at both."""
    if fine is None or len(fine.t) < 2 or not fine.contracts:
        return {}, ()
    seen = window(fine, 0, -1 % len(fine.t), settings)
    weight, moved = fine.by_venue(seen.usd0), fine.by_venue(seen.usd0 * seen.growth)
    told = {v: float(m / w) for v, w, m in zip(fine.venues, weight, moved, strict=True) if w > 0}
    return told, conventions.reasons(conventions.changes(fine.contracts, fine.t, fine.broken, gaps))
