"""Charts of how unusual a change is for its own past, and of open interest against price (analytics.md, 1.7 and 5)."""

import numpy as np

from analytics import quadrant, zscore
from analytics.alignment import DAY_MS, Floats
from analytics.chart import Chart, Guide
from analytics.charts.ground import Cells, Drawn, Ground
from analytics.matched import steps
from analytics.thresholds import centre_and_scale, rank

LEVEL = "derivatives-oi-aggregated-all-exchanges"
LINES = 8  # Theil-Sen lines fitted along a chart: each serves the points after it
HOUR_MS = 3_600_000
WEEKS = 26  # earlier windows of seven days that scales may rest on: a year has 52


def held_against(g: Ground) -> Ground:
    """The windows that a step is held against: those of `coarse` where there are any."""
    return g if g.coarse is None else g.coarse


def changes(g: Ground) -> Floats:
    """[T]: growth of contracts over each step, ln; NaN where it cannot be judged."""
    growth = g.guarded(g.moved.total_growth())
    return np.log1p(np.where(growth > -1.0, growth, np.nan))


def grown(g: Ground, window_ms: int) -> Floats:
    """[T]: growth of contracts over the window that ends at each row, ln; NaN where it cannot be judged."""
    n = max(1, round(window_ms / g.step_ms))
    if n == 1:
        return changes(g)
    out = np.full(len(g.panel.t), np.nan)
    if len(out) > n:
        long = steps(g.panel, g.settings, n)
        growth = np.where(long.guarded(g.settings), long.total_growth(), np.nan)
        out[n:] = np.log1p(np.where(growth > -1.0, growth, np.nan))
    return out


def over(g: Ground, window_ms: int) -> Floats:
    """[T]: d ln of the reference price over the window that ends at each row."""
    n = max(1, round(window_ms / g.step_ms))
    log = np.log(np.where(g.panel.price > 0, g.panel.price, np.nan))
    out = np.full(len(log), np.nan)
    out[n:] = log[n:] - log[:-n]
    return out


def zscores(g: Ground) -> Cells:
    """The variants of section 5 at each step, for the whole market or one venue, over windows before it only."""
    w = held_against(g)
    past_d, past_x, past_t = changes(w), logs(w), w.panel.t
    now_d, now_x = grown(g, w.step_ms), logs(g)
    need = g.settings.min_history(w.step_ms // 1000)
    span = g.settings.past_ms(w.step_ms // 1000)
    names = ("z_chg", "percentile", "z_level", "z_level_rob", "z_detr", "windows")
    out = {name: np.full(len(g.panel.t), np.nan) for name in names}
    starts = np.unique(np.linspace(0, len(g.panel.t) - 1, min(LINES, len(g.panel.t))).astype(int))
    line: tuple[float, float, float] | None = None
    for k, t in enumerate(g.panel.t.tolist()):
        before = (past_t <= t - w.step_ms) & (past_t > t - w.step_ms - span)
        d, x = past_d[before], past_x[before]
        d, when, x = d[np.isfinite(d)], past_t[before][np.isfinite(x)].astype(float), x[np.isfinite(x)]
        out["windows"][k] = len(d)
        if k in starts:
            line = zscore.line(when, x) if len(x) >= need else None
        far = len(when) > 1 and (when[-1] - when[0]) / 1000 >= g.settings.z_min_span_s
        slots = (when[-1] - when[0]) / w.step_ms + 1 if len(when) else 0
        if len(d) < need or not far or len(x) < g.settings.z_observed * slots:
            continue
        if np.isfinite(now_d[k]):
            middle, scale = centre_and_scale(d)
            out["z_chg"][k] = np.nan if scale is None else (now_d[k] - middle) / scale
            out["percentile"][k] = rank(np.abs(d - middle), abs(float(now_d[k]) - middle))
        if np.isfinite(now_x[k]):
            for name, found in (
                ("z_level", zscore.classical(x, float(now_x[k]))),
                ("z_level_rob", zscore.robust(x, float(now_x[k]))),
                ("z_detr", None if line is None else (float(now_x[k]) - line[1] - line[0] * t) / line[2]),
            ):
                out[name][k] = np.nan if found is None else found
    return out


def logs(g: Ground) -> Floats:
    """[T]: ln of coins open, where nearly all of it was heard."""
    base = np.nan_to_num(g.panel.base)
    whole = base.sum(axis=1)
    heard = np.where(g.fresh(), base, 0.0).sum(axis=1)
    good = (whole > 0) & (heard >= g.settings.panel_guard * whole)
    return np.log(whole, out=np.full(len(whole), np.nan), where=good)


def quadrants(g: Ground) -> Cells:
    """Growth of contracts and of price over a window, each in own robust scales of earlier windows."""
    w = held_against(g)
    q, p = changes(w), moved(w)
    now_q, now_p = grown(g, w.step_ms), over(g, w.step_ms)
    need = g.settings.conviction_min_history
    numbers = {name: np.full(len(g.panel.t), np.nan) for name in ("zq", "zp", "contracts_change", "price_change")}
    names: list[str | None] = [None] * len(g.panel.t)
    for k, t in enumerate(g.panel.t.tolist()):
        before = w.panel.t <= t - w.step_ms
        qs, ps = q[before][np.isfinite(q[before])], p[before][np.isfinite(p[before])]
        if not np.isfinite(now_q[k]) or not np.isfinite(now_p[k]):
            continue
        price = float(np.exp(now_p[k]))
        found = quadrant.of(
            float(np.expm1(now_q[k])), 1.0, price, centre_and_scale(qs)[1], centre_and_scale(ps)[1], len(qs),
            min(need, WEEKS) if w.step_ms > DAY_MS else need, g.settings,
        )  # fmt: skip
        for name, value in (("zq", found.zq), ("zp", found.zp), ("contracts_change", found.growth),
                            ("price_change", found.price_growth)):  # fmt: skip
            numbers[name][k] = np.nan if value is None else value
        names[k] = "build_against_price" if found.opposite_sign else found.name
    return {**numbers, "quadrant": tuple(names)}


def moved(g: Ground) -> Floats:
    """[T]: d ln of the reference price over each step."""
    price = np.where(g.panel.price > 0, g.panel.price, np.nan)
    return np.concatenate([[np.nan], np.diff(np.log(price))])


CHARTS = (
    Drawn(
        Chart(
            "derivatives-oi-zscore", "Z-score of the change of open interest", "own scales", "derived",
            "z_chg = (d ln n - median)/(1.4826 MAD); percentile of |d ln n - median|; z_level = (ln Q - mean)/sd; "
            "z_level_rob by median and MAD; z_detr off a Theil-Sen line; all against earlier windows only", "zscore",
            Guide(
                "How unusual the growth of contracts is for this market, and for each venue.",
                "+2.5 means two and a half own scales above the median; tails are heavy, so it is no probability. The "
                "percentile decides, z_chg only ranks. Levels wander: z_level beyond 2.5 is nothing special. Table "
                "venues has the same for each exchange, and z_gap, how far it is from the others (gap_alert by its own "
                "percentile). interrupted: a contract was silent within the window and is left out of its change.",
                ("percentile 98.76 and more: unusual, 1.4 % of windows by chance",),
                ("several far steps in one direction", "a venue whose z_gap is far while the market is calm"),
                "Windows of 1 h against 30 days, of 4 h against 90, of a day against a year; 200 of them (90 of a day) "
                "over a week at least, 60 % of the slots heard. The window itself is never in its own reference.",
                ("reading it as a normal z: 6.5 % of hours pass 2.5", "calling a high z_level an event"),
            ),
            (LEVEL, "derivatives-oi-index", "derivatives-oi-price-quadrant"), by_venue=True,
        ), zscores, windows={HOUR_MS // 12: HOUR_MS},
        without="insufficient_history: 200 earlier windows are needed (90 of a day), and the change itself must be "
        "judged.",
    ),
    Drawn(
        Chart(
            "derivatives-oi-price-quadrant", "Open interest against price", "own scales", "derived",
            "zq = d ln n/sigma_q(W), zp = d ln P/sigma_p(W), robust; neutral within 0.5; opposite sign: zq >= 1 and "
            "zp <= 0; W = 1 h, 4 h, 24 h or 7 d by timeframe", "quadrant",
            Guide(
                "Whether positions build or leave, with price or against it.",
                "build_with_price: both up. build_against_price: contracts up, price not: leverage leans against it. "
                "covering: contracts down, price up. unwind: both down. It is made of contracts: in dollars open "
                "interest rises with price by construction.",
                ("within 0.5 own scales on either axis: neutral",),
                ("days of build_against_price near the year's high",),
                "24h shows windows of 1 h, 7d of 4 h, 30d of a day, the longer ones of seven days.",
                ("doing this in dollars: it hides what goes against price", "taking it for a forecast"),
            ),
            (LEVEL, "derivatives-oi-flow", "derivatives-oi-index"), by_venue=True,
        ), quadrants, windows={HOUR_MS // 12: HOUR_MS, HOUR_MS: 4 * HOUR_MS, 4 * HOUR_MS: DAY_MS, DAY_MS: 7 * DAY_MS},
        without="insufficient_history: sixty earlier windows (26 of a week) give its scales; ask another timeframe.",
    ),
)  # fmt: skip
