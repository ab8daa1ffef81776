"""Charts of what was opened and closed, net and gross, and of what polling hides of it (analytics.md, 1.6 and 2)."""

import json
from typing import Any

import numpy as np

from analytics.alignment import Floats
from analytics.chart import Chart, Guide
from analytics.charts.ground import Cells, Drawn, Ground, Sheet, summed
from analytics.flow import worth
from analytics.gross import blindness_law
from analytics.provenance import Code, Reason

LEVEL = "derivatives-oi-aggregated-all-exchanges"
COMPLETE = 0.95  # of a step's minutes must have told their volume for it to bound anything
POLL_S = 30.0  # the poll whose blindness is charted
PERIODS_S = (2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  # told of each venue
FINER = 3.0  # times the statements in a step, and what it shows is not what others show
FINEST_S = 1.0  # against which our own cadence is held


def flow(g: Ground) -> Cells:
    """Positions opened minus closed [USD a step] on the matched panel, and the revaluation beside it."""
    opened, closed = moves(g)
    p = g.panel
    worth = np.where(g.moved.matched, np.nan_to_num(p.usd[1:] - p.usd[:-1]), 0.0) - g.moved.flow
    return {
        "flow_usd": g.guarded(g.moved.flow.sum(axis=1)),
        "price_effect_usd": g.guarded(worth.sum(axis=1)),
        "opened_usd": summed(opened),
        "closed_usd": summed(closed),
    }


def moves(g: Ground) -> tuple[Floats, Floats]:
    """(opened, closed) [T, I] in USD as the bars saw them, each at its own contract's worth; nothing across a silence
    or another counting.
    """
    whole = np.vstack([np.zeros((1, len(g.panel.contracts)), bool), g.moved.matched])
    each = worth(g.bars) if len(g.bars) else np.empty(0)
    told: list[Floats] = []
    for name in ("opened", "closed"):
        usd = g.bars[name].to_numpy(float) * each if name in g.bars else np.empty(0)
        told.append(np.where(whole, g.each(g.bars.assign(moved=usd) if len(usd) else g.bars, "moved"), np.nan))
    return told[0], told[1]


def gross(g: Ground) -> Cells:
    """[G, V]: opened plus closed at native cadence, the same seen once a step by all, and traded volume above it."""
    opened, closed = moves(g)
    seen = opened + closed
    volume, known = traded(g)
    some = known & np.isfinite(seen)
    held = np.nan_to_num(g.panel.usd)
    whole = held.sum(axis=1)
    share = np.divide((held * some).sum(axis=1), whole, out=np.full(len(whole), np.nan), where=whole > 0)
    bound = np.where(some.any(axis=1), np.where(some, volume, 0.0).sum(axis=1), np.nan)
    inside = np.where(some, volume - seen, 0.0).sum(axis=1)
    return {
        "gross_usd": summed(seen),
        "opened_usd": summed(opened),
        "closed_usd": summed(closed),
        "gross_once_a_step_usd": g.guarded(np.abs(g.moved.flow).sum(axis=1)),
        "statements": summed(g.each(g.bars, "readings")),
        "volume_usd": bound,
        "volume_share": share,
        "transfers_most_usd": np.where(some.any(axis=1), np.maximum(inside, 0.0), np.nan),
    }


def traded(g: Ground) -> tuple[Floats, np.ndarray]:
    """([T, I] traded USD, whether nearly every minute of the step told it)."""
    if not len(g.beside.traded):
        none = np.full(g.panel.native.shape, np.nan)
        return none, np.zeros(none.shape, bool)
    volume = g.each(g.beside.traded, "base") * g.panel.mark
    minutes = g.each(g.beside.traded, "minutes")
    return volume, np.isfinite(volume) & (np.nan_to_num(minutes) >= COMPLETE * g.step_ms / 60_000)


def by_venue(g: Ground, since: int) -> Sheet:
    """What each venue opened and closed over the range, within its bounds, and how often it says so."""
    opened, closed = moves(g)
    volume, known = traded(g)
    late = g.panel.t >= since
    seen = np.where(known, opened + closed, np.nan)
    rows: list[tuple[str | float | None, ...]] = []
    total = g.panel.by_venue(np.where(g.moved.guarded(g.settings)[:, None], g.moved.flow, 0.0))[late[1:]].sum(axis=0)
    for k, venue in enumerate(g.panel.venues):
        mine = g.at([venue])
        up, down = (float(np.nansum(x[late][:, mine])) for x in (opened, closed))
        some = known[late][:, mine] & np.isfinite(seen[late][:, mine])
        bound = float(volume[late][:, mine][some].sum()) if some.any() else None
        inside = float(np.maximum(volume - seen, 0.0)[late][:, mine][some].sum()) if some.any() else None
        cadence = float(np.median(g.panel.cadence_s[-1, mine]))
        rows.append((venue, float(total[k]), up, down, up + down, bound, float(some.mean()) if some.size else 0.0,
                     inside, cadence, blindness_law(cadence, POLL_S)))  # fmt: skip
    rows.sort(key=lambda r: -abs(float(r[1] or 0.0)))
    names = ("venue", "flow_usd", "opened_usd", "closed_usd", "gross_usd", "volume_usd", "volume_known_share",
             "transfers_most_usd", "cadence_s", "blindness_30s_modelled")  # fmt: skip
    return Sheet("venues", names, tuple(rows))


def blind_venues(g: Ground, since: int) -> Sheet:
    """The newest measurement of each venue: G by period over G at its own cadence, of 30 s by offset too."""
    noted = g.beside.noted
    told = {str(v): json.loads(str(d)) for t, v, d in zip(noted["t"], noted["venue"], noted["detail"], strict=True)
            if t >= since}  # fmt: skip
    rows: list[tuple[str | float | None, ...]] = []
    for venue, d in sorted(told.items()):
        seen = {float(period): 1.0 - float(amount) / d["native"] for period, amount, *_ in d["polls"]}
        law = blindness_law(float(d["native_s"]), POLL_S)
        least, most = next((poll[2:4] for poll in d["polls"] if poll[0] == POLL_S), (None, None))
        rows.append((venue, float(d["native_s"]), *(seen.get(p) for p in PERIODS_S), least, most, law, d.get("slope")))
    hidden = (f"hidden_{p:.0f}s" for p in PERIODS_S)
    names = ("venue", "cadence_s", *hidden, "hidden_30s_least", "hidden_30s_most", "law_30s", "slope")
    return Sheet("venues", names, tuple(rows))


def unbounded(g: Ground, since: int) -> tuple[Reason, ...]:
    """What is missing of the upper bound."""
    late = g.panel.t >= since
    known = traded(g)[1][late]
    held = np.nan_to_num(g.panel.usd)[late]
    share = float((held * known).sum() / held.sum()) if held.sum() > 0 else 0.0
    if share >= COMPLETE:
        return ()
    words = (
        f"Traded volume is known for {share:.0%} of the open interest in this range: volume_usd and transfers_most_usd "
        "are of that part (volume_share)."
    )
    return (Reason(Code.VOLUME_UNAVAILABLE, words),)


def bounds(g: Ground, since: int) -> tuple[Reason, ...]:
    """What the lower bound and the upper one lack."""
    return (*seam(g, since), *unbounded(g, since))


def seam(g: Ground, since: int) -> tuple[Reason, ...]:
    """That some steps rest on far more statements than others: history that was filled is coarser than what streams."""
    told = summed(g.each(g.bars, "readings"))[:-1][g.panel.t[:-1] >= since]  # the last one still runs
    told = told[np.isfinite(told) & (told > 0)]
    if not len(told) or (most := float(np.quantile(told, 0.95))) < FINER * (least := float(np.quantile(told, 0.05))):
        return ()
    words = (
        f"Steps rest on {least:.0f} to {most:.0f} statements (column statements): gross_usd is not comparable between "
        "coarse ones and fine ones; gross_once_a_step_usd is."
    )
    return (Reason(Code.UNRESOLVED_BY_SAMPLING, words),)


def blindness(g: Ground) -> Cells:
    """What a poll every 30 s hides of gross change, as measured on venues that state it more often [fraction]."""
    noted = g.beside.noted
    rows = [
        (int(t), {**json.loads(str(d)), "venue": str(v)})
        for t, v, d in zip(noted["t"], noted["venue"], noted["detail"], strict=True)
    ]
    at = np.searchsorted(g.panel.t, [t for t, _ in rows], side="left")
    out = {name: np.full(len(g.panel.t), np.nan) for name in BLIND}
    for k in np.unique(at[at < len(g.panel.t)]):
        newest = {d["venue"]: d for (_, d), row in zip(rows, at, strict=True) if row == k}
        for name, value in blind(list(newest.values())).items():
            out[name][k] = value
    return out


BLIND = (
    "blindness_30s",
    "least_30s",
    "most_30s",
    "law_30s",
    "fitted_30s",
    "slope",
    "our_cadence_s",
    "our_blindness_modelled",
    "venues_measured",
)


def blind(told: list[dict[str, Any]]) -> dict[str, float]:
    """One moment's measurements put together, weighed by the gross change in USD behind each."""
    rows: list[tuple[float, ...]] = []
    every: list[tuple[float, float, float]] = []
    for d in told:
        native, slope = float(d["native_s"]), d.get("slope")
        weight = float(d.get("gross_usd") or 1.0)
        bent = -0.5 if slope is None else min(float(slope), 0.0)
        every.append((weight, native, 1.0 - max(native / FINEST_S, 1.0) ** bent))
        seen = {float(period): tuple(map(float, told)) for period, *told in d["polls"]}
        if POLL_S in seen and d["native"] > 0:
            fitted = 1.0 - (POLL_S / native) ** bent
            law = blindness_law(native, POLL_S)
            amount, least, most = seen[POLL_S]
            hidden = 1.0 - amount / d["native"]
            rows.append((weight, hidden, least, most, law, fitted, np.nan if slope is None else slope))
    found = dict.fromkeys(BLIND, float("nan"))
    if rows:
        table = np.array(rows, float)
        for k, name in enumerate(BLIND[:6]):
            good = np.isfinite(table[:, k + 1])
            if good.any():
                found[name] = float(np.average(table[good, k + 1], weights=table[good, 0]))
    if every:
        table = np.array(every, float)
        found["our_cadence_s"], found["our_blindness_modelled"] = np.average(table[:, 1:], axis=0, weights=table[:, 0])
    return {**found, "venues_measured": float(len(rows))}


CHARTS = (
    Drawn(
        Chart(
            "derivatives-oi-flow", "Flow: opened minus closed", "USD a step", "derived",
            "F = sum of nubar*(n1 - n0) over instruments heard at both ends of the step; price effect = sum of "
            "nbar*(nu1 - nu0); both add up to the change of those instruments", "flow",
            Guide(
                "Positions opened minus closed in each step, with the price taken out.",
                "Above zero, positions were opened on balance. price_effect_usd is what the same positions gained or "
                "lost in dollars because price moved: nobody traded it. opened_usd and closed_usd are its two halves, "
                "as far as statements show them.",
                (), ("steps against the direction of price", "long runs of one sign while the level hardly moves"),
                "One value a finished step, as far back as bars go. A step that less than 80 % of the market was "
                "heard at both ends of is empty.",
                ("adding carried or re-entered venues to it", "reading a step without a value as zero"),
            ),
            (LEVEL, "derivatives-oi-gross-flow", "derivatives-oi-price-quadrant"), by_venue=True,
        ), flow, needs=frozenset({"traded"}), sheet=by_venue,
    ),
    Drawn(
        Chart(
            "derivatives-oi-gross-flow", "Gross flow: opened plus closed", "USD a step", "derived",
            "G = sum of max(dQ, 0) + max(-dQ, 0) between stored statements; G <= true opening plus closing <= V, "
            "traded volume; transfers <= V - G", "gross",
            Guide(
                "How much was opened and how much closed, added up rather than set off.",
                "gross_usd is a lower bound: what opens and closes between two statements is not seen, and slow feeds "
                "hide the most. volume_usd is the upper bound, of the part of the market (volume_share) whose every "
                "minute told its volume; transfers_most_usd is the most that can only have changed hands. "
                "gross_once_a_step_usd looks at every venue once a step: the one to compare venues by.",
                (), ("much gross flow with no net flow: positions change hands or venues",),
                "Lower bounds of different steps are not comparable, and imported history of coarse points shows less "
                "than live feeds: statements says how many stand behind a step. Volume is kept thirty days by the "
                "minute.",
                ("comparing steps of different length: shorter ones see more",
                 "comparing a streaming venue with a polled one by gross_usd"),
            ),
            ("derivatives-oi-flow", "derivatives-oi-blindness"), by_venue=True,
        ), gross, needs=frozenset({"traded"}), mind=bounds, sheet=by_venue,
    ),
    Drawn(
        Chart(
            "derivatives-oi-blindness", "Blindness of a 30 s poll", "fraction", "measured",
            "B = 1 - G(30 s)/G(native), mean over the poll's offsets (least, most: of one offset) and over venues by "
            "gross USD; law: 1 - "
            "sqrt(native/30); fitted: 1 - (30/native)^slope, slope of ln G against ln period", "blindness",
            Guide(
                "How much of what opens and closes nobody sees who asks only every 30 seconds.",
                "Near the law (slope -1/2) changes are like noise; slope 0 is a build in one direction, which no poll "
                "misses; below -1/2 the numbers flicker. least_30s and most_30s are what the luckiest and the "
                "unluckiest moments to ask at would hide. our_cadence_s is how often we hear open interest ourselves, "
                "and our_blindness_modelled what that may hide against one statement a second, by the fitted slope.",
                ("0: nothing is hidden", "0.82: what noise stated every second loses"),
                ("a slope far from -1/2", "our own cadence getting slower"),
                "Measured every hour on the last six hours of raw statements, and for the last quarter of an hour when "
                "you ask; venues that state it less than every 15 s cannot show what 30 s hide.",
                ("taking it for a share of open interest", "using one venue's number for another"),
            ),
            ("derivatives-oi-gross-flow",), by_venue=True,
        ), blindness, needs=frozenset({"noted:blindness"}), stock=True, sheet=blind_venues,
        without="no_data: blindness is measured every hour on raw statements, and there are too few yet.",
    ),
)  # fmt: skip
