"""Charts of how open interest is spread over venues, and how it moves between them (analytics.md, 3 and 4)."""

import numpy as np

from analytics import concentration as spread
from analytics import rotation as turning
from analytics.alignment import DAY_MS, Floats
from analytics.carry import level
from analytics.chart import Chart, Guide
from analytics.charts.ground import Cells, Drawn, Ground, ratio
from analytics.conviction import INSTITUTIONAL, SPECULATIVE
from analytics.matched import Steps, steps

LEVEL = "derivatives-oi-aggregated-all-exchanges"
NAMED = 10  # venues with a column of their own


def by_venue(g: Ground) -> Cells:
    """The level, and what each of the largest venues holds of it [USD]; `others_usd` the rest."""
    parts = level(g.panel, g.settings).usd
    held = np.where(np.isnan(parts).all(axis=1, keepdims=True), np.nan, g.panel.by_venue(parts))
    last = np.nan_to_num(held[-1]) if len(held) else np.zeros(0)
    order = [int(k) for k in np.argsort(-last, kind="stable")]
    out: dict[str, Floats | tuple[str | None, ...]] = {"oi_usd": held.sum(axis=1)}
    for k in order[:NAMED]:
        out[f"{g.panel.venues[k]}_usd"] = held[:, k]
    out["others_usd"] = held[:, order[NAMED:]].sum(axis=1)
    return out


def rotation(g: Ground) -> Cells:
    """R of each step's flows by venue, the amounts, and VR over six steps. One venue alone cannot rotate."""
    flows = g.panel.by_venue(g.moved.flow)
    alone = (g.panel.by_venue(g.moved.matched.astype(float)) > 0).sum(axis=1) < 2
    flows[alone] = np.nan
    moved, net = turning.rotated(flows), flows.sum(axis=1)
    cells, whole = np.square(flows).sum(axis=1), np.square(net)
    n = g.settings.rotation_windows
    run = np.full(len(net), np.nan)
    if len(net) >= n:
        above, below = (np.convolve(x, np.ones(n), "valid") for x in (whole, cells))
        run[n - 1 :] = ratio(above, below)
    return {
        "rotation_r": g.guarded(ratio(2 * moved, np.abs(flows).sum(axis=1))),
        "rotated_usd": g.guarded(moved),
        "net_usd": g.guarded(net),
        "persistence_vr": g.guarded(run),
    }


def conviction(g: Ground) -> Cells:
    """Native growth of speculative minus that of institutional venues, and both, fractions a step."""
    s, i = parted(g, g.moved)
    out: dict[str, Floats] = {
        "growth_difference": g.guarded(s - i),
        "growth_speculative": g.guarded(s),
        "growth_institutional": g.guarded(i),
    }
    if g.step_ms == DAY_MS and len(g.panel.t) > WEEK:  # reports of the week are in changes of a week only
        long = steps(g.panel, g.settings, WEEK)
        for name, values in zip(("growth_speculative_7d", "growth_institutional_7d"), parted(g, long), strict=True):
            held = np.where(long.guarded(g.settings), values, np.nan)
            out[name] = np.concatenate([np.full(WEEK, np.nan), held])
    return out


WEEK = 7  # days


def parted(g: Ground, moved: Steps) -> tuple[Floats, Floats]:
    """Native growth of the speculative and of the institutional venues."""
    mine = (np.array([c.klass == k for c in g.panel.contracts], bool) for k in (SPECULATIVE, INSTITUTIONAL))
    first, second = (moved.total_growth(m) for m in mine)
    return first, second


def concentration(g: Ground) -> Cells:
    """HHI of the level by venue, what follows from it, and of the step's new positions."""
    held = g.panel.by_venue(level(g.panel, g.settings).usd)
    names = ("hhi", "effective_venues", "exp_entropy_venues", "cr1_share", "cr3_share")
    out = {name: np.full(len(held), np.nan) for name in names}
    for k, row in enumerate(held):
        s = spread.shape(row)
        if s is not None:
            for name, value in zip(names, (s.hhi, s.effective, s.exp_entropy, s.cr1, s.cr3), strict=True):
                out[name][k] = value
    came = np.maximum(g.panel.by_venue(g.moved.flow), 0.0)
    phi = ratio(came, came.sum(axis=1, keepdims=True))
    most = np.full(len(phi), np.nan)
    some = np.asarray(np.isfinite(phi).all(axis=1), bool)
    most[some] = phi[some].max(axis=1)
    largest = [g.panel.venues[int(np.argmax(row))] if ok else None for row, ok in zip(phi, some.tolist(), strict=True)]
    held_ok = np.asarray(g.moved.guarded(g.settings), bool)
    return {
        **out,
        "hhi_new": g.guarded(np.square(phi).sum(axis=1)),
        "inflow_largest_share": g.guarded(most),
        "inflow_largest_venue": (None, *(v if ok else None for v, ok in zip(largest, held_ok.tolist(), strict=True))),
    }


CHARTS = (
    Drawn(
        Chart(
            "derivatives-oi-by-venue", "Open interest by exchange", "USD", "derived",
            "N_v = one-sided notional of the venue's contracts; a silent venue at its last quantity for 6 h (carried)",
            "by_venue",
            Guide(
                "Who holds how much of the open interest, and how that changed.",
                "oi_usd is the whole; a column each for the ten that hold most at the end of the range, others_usd the "
                "rest. Compare shapes, not only sizes: a line that stands still while the others move may be silent.",
                (), ("one line rising while the whole stands still: rotation", "a line that ends: look at coverage"),
                "As far back as anything is stored of a venue; one that was added later begins later, and the whole "
                "rises by it without anybody opening a position.",
                ("reading a new venue's arrival as new positions", "comparing a venue whose side count is disputed"),
            ),
            (LEVEL, "derivatives-oi-concentration", "derivatives-oi-rotation"), log_scale=True,
        ), by_venue, stock=True,
    ),
    Drawn(
        Chart(
            "derivatives-oi-rotation", "Rotation between venues (R)", "fraction", "derived",
            "R = 2*min(P+, M-)/(P+ + M-) of the venues' flows in the step; VR = sum (sum F)^2 / sum sum F^2 over six "
            "steps", "rotation",
            Guide(
                "How well inflow at some venues and outflow at others cancel in each step.",
                "One: as much came as went. High values are common by chance; rotated_usd says how much moved, net_usd "
                "what was really added, persistence_vr below one that it goes on over six steps. get_oi_divergence has "
                "the exact test.",
                ("independent flows of 20 venues: median 0.81",),
                ("long runs near one while the level stands still and rotated_usd is large",),
                "One value a finished step in which 80 % of the market was heard at both ends.",
                ("taking one high value for evidence", "comparing markets with different numbers of venues"),
            ),
            (LEVEL, "derivatives-oi-conviction", "derivatives-oi-by-venue"),
        ), rotation, without="too_few_venues: two must be heard at both ends of a step, and contracts must change.",
    ),
    Drawn(
        Chart(
            "derivatives-oi-conviction", "Conviction: speculative minus institutional growth", "fraction a step",
            "derived", "g_S - g_I: growth of contracts at speculative venues minus that at institutional ones",
            "conviction",
            Guide(
                "Which class of venues builds faster.",
                "Above zero the speculative venues do. growth_speculative and growth_institutional say whether they "
                "part or only differ in speed. Which venue belongs to which class is configuration; get_oi_divergence "
                "with detail=detailed shows what their behaviour says of it.",
                (), ("values far outside the usual range, of opposite sign in both classes",),
                "One value a finished step. A venue that states itself less often than the step is in neither class; "
                "over days also the growth of seven days, which reports of the week are part of.",
                ("reading classes as people: the same trader may use both",
                 "forgetting which institutional venues were heard at all"),
            ),
            (LEVEL, "derivatives-oi-rotation"),
        ), conviction, without="too_few_venues: a venue of each class must be heard at both ends of a step.",
    ),
    Drawn(
        Chart(
            "derivatives-oi-concentration", "Concentration of open interest (HHI)", "HHI, 1/k to 1", "derived",
            "sum of squared venue shares of the level; effective venues = 1/HHI; phi = max(F, 0)/sum max(F, 0)",
            "concentration",
            Guide(
                "How unevenly open interest is spread over venues; its inverse is the number of equal venues it "
                "resembles.",
                "Higher is more concentrated. exp_entropy_venues weighs small venues more, cr1 and cr3 are the largest "
                "and the three largest. hhi_new and inflow_largest_share are of the positions opened in the step.",
                ("0.60 and more of what is new on one venue: flagged if it is material and not chance",),
                ("the 95th percentile of its own year (fragility)", "a single venue taking most of the new positions"),
                "Depends on which venues were covered at the time: a venue that was added later lowers it.",
                ("comparing values from different sets of venues", "taking 60 % of a tiny inflow for a signal"),
            ),
            (LEVEL, "derivatives-oi-by-venue", "derivatives-oi-coverage"),
        ), concentration, stock=True,
    ),
)  # fmt: skip
