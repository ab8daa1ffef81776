"""The state as an answer: bins, cumulative sums, clusters, totals near the mark, bands, and what it rests on."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import numpy as np

from analytics.liquidation.answer import UNVALIDATED, Band, Bin, BookView, Cluster, LiquidationMap, Within
from analytics.liquidation.density import Density, density
from analytics.liquidation.prior import Floats, Omega
from analytics.liquidation.state import STEP, MapState

METHOD = "liquidation map 2: 5 bp bins, 11 distance rungs, maintenance tiers, 8 particles x 8 omega draws"
BIN_STEP = 2 * STEP  # 10 bp
MOST_BINS = 2000
LATE = 3.0  # cadences after which a venue that speaks seldom is silent, as it is no longer fresh then (1.4)
NEAR_PCT = (1.0, 2.0, 5.0, 10.0)


def view(
    state: MapState,
    *,
    now: int,
    step_usd: float | None = None,
    step_share: float | None = None,
    venues: Collection[str] | None = None,
    omega: Mapping[str, Omega] | None = None,
    cadence_s: Mapping[str, float] | None = None,
) -> LiquidationMap:
    """The map as of the state's last bar. `now` [ms UTC] only for ages; bins of `step_usd`, or of the part `step_share`
    of the mark, else of 10 bp; `venues` None takes all; `omega` by venue, None is uncalibrated: mean 1. `cadence_s` by
    venue: a report is not silent until the next one is late. A state without books gives `no_data`. Raises ValueError
    where `step_usd` would give no sensible number of bins.
    """
    chosen = [b for b, book in enumerate(state.books) if venues is None or book.venue in venues]
    if state.as_of is None or not chosen:
        return _nothing(state)
    rows, ledger, s = np.array(chosen), state.ledger, state.settings
    silent_ms = 1000 * s.map_silent_s
    speaking = rows[state.as_of - ledger.seen[rows] <= silent_ms]
    mark = float(np.median(ledger.mark[speaking if len(speaking) else rows]))
    edges = _edges(mark, mark * step_share if step_usd is None and step_share is not None else step_usd, s.map_range)
    spread, per_book, capped = density(state, chosen, mark, edges, omega or {})
    mid, draws = spread.at(edges)
    mid, draws = np.diff(mid, axis=1), np.diff(draws, axis=1)
    bins = _bins(mark, edges, mid, draws)

    open_usd = ledger.amount * ledger.unit_usd
    whole = float(open_usd[rows].sum())
    seen = sum(mass.identified.sum(axis=(1, 2)).mean(axis=1) for mass in state.cohorts)
    share = seen / np.maximum(2 * ledger.amount, 1e-300)
    identified = float((share[rows] * open_usd[rows]).sum() / whole) if whole > 0 else None
    residual = ledger.swept_usd - ledger.explained_usd
    books = tuple(
        BookView(
            venue=state.books[b].venue,
            payoff=state.books[b].payoff,
            open_interest_usd=float(open_usd[b]),
            long_usd=float(per_book[i, 0]),
            short_usd=float(per_book[i, 1]),
            identified_share=float(share[b]),
            as_of=int(ledger.seen[b]),
            age_s=max(now - int(ledger.seen[b]), 0) / 1000,
            silent=now - int(ledger.seen[b])
            > max(silent_ms, LATE * 1000 * (cadence_s or {}).get(state.books[b].venue, 0)),
            gap_changes=int(ledger.gap_changes[b]),
            gap_change_usd=float(ledger.gap_change_usd[b]),
            residual_usd=float(residual[b]),
        )
        for i, b in enumerate(chosen)
    )
    reasons, caveats = _doubts(state, rows, books, identified, capped, now)
    return LiquidationMap(
        asset=state.asset,
        as_of=state.as_of,
        age_s=max(now - state.as_of, 0) / 1000,
        mark=mark,
        status="unvalidated",
        status_words=UNVALIDATED,
        basis="modelled",
        reasons=reasons,
        caveats=caveats,
        bins=bins,
        clusters=_clusters(mark, edges, mid, draws, s.map_cluster_percentile),
        within=_within(mark, spread),
        long_usd=float(mid[0].sum()),
        short_usd=float(mid[1].sum()),
        long_band=_band(draws[0].sum(axis=0)),
        short_band=_band(draws[1].sum(axis=0)),
        open_interest_usd=whole,
        identified_share=identified,
        legacy_share=None if identified is None else 1 - identified,
        swept_usd=float(ledger.swept_usd[rows].sum()),
        explained_usd=float(ledger.explained_usd[rows].sum()),
        residual_usd=float(residual[rows].sum()),
        books=books,
        policy=state.policy,
        method=METHOD,
    )


def _edges(mark: float, step_usd: float | None, reach: float) -> Floats:
    low, high = mark * (1 - reach), mark * (1 + reach)
    if step_usd is None:
        first, last = np.floor(np.log(low) / BIN_STEP), np.ceil(np.log(high) / BIN_STEP)
        return np.exp(np.arange(first, last + 1) * BIN_STEP)
    if not 0 < step_usd <= high - low or (high - low) / step_usd > MOST_BINS:
        least = (high - low) / MOST_BINS
        raise ValueError(
            f"step_usd {step_usd:g} does not fit: between {least:.5g} and {high - low:.5g} USD at this mark"
        )
    first, last = max(np.floor(low / step_usd), 1.0), np.ceil(high / step_usd)
    return np.arange(first, last + 1) * step_usd


def _bins(mark: float, edges: Floats, mid: Floats, draws: Floats) -> tuple[Bin, ...]:
    bands = np.quantile(draws, (0.1, 0.5, 0.9), axis=2)  # [3, side, n]
    bands = np.maximum(bands, 0.0)  # differences of sums may end at -1e-9
    down, up = mid[0, ::-1].cumsum()[::-1], mid[1].cumsum()
    middle = (edges[:-1] + edges[1:]) / 2
    return tuple(
        Bin(
            price_low=float(edges[i]),
            price_high=float(edges[i + 1]),
            distance_pct=float((middle[i] / mark - 1) * 100),
            long_usd=float(mid[0, i]),
            short_usd=float(mid[1, i]),
            long_band=Band(*map(float, bands[:, 0, i])),
            short_band=Band(*map(float, bands[:, 1, i])),
            long_cumulative_usd=float(down[i]) if edges[i] < mark else 0.0,
            short_cumulative_usd=float(up[i]) if edges[i + 1] > mark else 0.0,
        )
        for i in range(len(middle))
    )


def _clusters(mark: float, edges: Floats, mid: Floats, draws: Floats, percentile: float) -> tuple[Cluster, ...]:
    names: tuple[Literal["long", "short"], ...] = ("long", "short")
    found: list[Cluster] = []
    for side, name in enumerate(names):
        own = edges[:-1] < mark if side == 0 else edges[1:] > mark
        if not own.any():
            continue
        above = own & (mid[side] > np.percentile(mid[side, own], percentile))
        turns = np.flatnonzero(np.diff(np.concatenate(([0], above.astype(np.int8), [0]))))
        for a, z in turns.reshape(-1, 2):
            peak = int(a + np.argmax(mid[side, a:z]))
            price = float((edges[peak] + edges[peak + 1]) / 2)
            found.append(
                Cluster(
                    side=name,
                    price_low=float(edges[a]),
                    price_high=float(edges[z]),
                    peak_price=price,
                    distance_pct=(price / mark - 1) * 100,
                    usd=float(mid[side, a:z].sum()),
                    band=_band(draws[side, a:z].sum(axis=0)),
                )
            )
    return tuple(sorted(found, key=lambda cluster: -cluster.usd))


def _within(mark: float, spread: Density) -> tuple[Within, ...]:
    rows: list[Within] = []
    for pct in NEAR_PCT:
        mid, draws = spread.at(np.array([mark * (1 - pct / 100), mark * (1 + pct / 100)]))
        longs = spread.mid[0, -1] - mid[0, 0]
        long_draws = spread.draws[0, -1] - draws[0, 0]
        rows.append(Within(pct, float(longs), float(mid[1, 1]), _band(long_draws), _band(draws[1, 1])))
    return tuple(rows)


def _band(draws: Floats) -> Band:
    return Band(*(float(x) for x in np.maximum(np.quantile(draws, (0.1, 0.5, 0.9)), 0.0)))


def _doubts(
    state: MapState,
    rows: np.ndarray,
    books: Sequence[BookView],
    identified: float | None,
    capped: bool,
    now: int,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Reason codes that apply now, and the sentences: `code: words` where a code goes with it."""
    silent = sorted({book.venue for book in books if book.silent})
    minutes = state.settings.map_silent_s / 60
    doubts = [
        (True, "unvalidated_map", ""),
        (
            not state.ledger.volume_bars[rows].any(),
            "volume_unavailable",
            "No traded volume is collected, so transfers between holders are 0 and old entries refresh too slowly.",
        ),
        (
            identified is not None and 1 - identified > state.settings.map_thin_history,
            "insufficient_history",
            "Most open interest was entered before it was observed; its place is a wide guess around the first mark.",
        ),
        (
            state.as_of is not None and now - state.as_of > 1000 * state.settings.map_silent_s,
            "stale_reference_price",
            f"The last bar is older than {minutes:g} minutes.",
        ),
        (bool(silent), "", f"Silent for more than {minutes:g} minutes, frozen: {', '.join(silent)}."),
        (capped, "", "Calibrated mass exceeded open interest on a side and was scaled down to it."),
        (bool(state.rejected), "", f"{state.rejected} bars were unusable or late and left out."),
    ]
    reasons = tuple(code for applies, code, _ in doubts if applies and code)
    said = [(code, words) for applies, code, words in doubts if applies and words]
    return reasons, tuple(f"{code}: {words}" if code else words for code, words in said)


def _nothing(state: MapState) -> LiquidationMap:
    return LiquidationMap(
        asset=state.asset,
        as_of=state.as_of,
        age_s=None,
        mark=None,
        status="no_data",
        status_words="No open interest of this asset and these venues has been observed yet.",
        basis="modelled",
        reasons=("no_data",),
        caveats=(),
        bins=(),
        clusters=(),
        within=(),
        long_usd=None,
        short_usd=None,
        long_band=None,
        short_band=None,
        open_interest_usd=None,
        identified_share=None,
        legacy_share=None,
        swept_usd=None,
        explained_usd=None,
        residual_usd=None,
        books=(),
        policy=state.policy,
        method=METHOD,
    )
