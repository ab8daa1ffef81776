"""Charts of what holding costs and of who leans which way: funding, and longs to shorts by kind (7.1, 7.4)."""

import numpy as np

from analytics import levels, regime, settled
from analytics.alignment import DAY_MS, Floats, State
from analytics.chart import Chart, Guide
from analytics.charts.ground import HOUR_MS, Cells, Drawn, Ground, Sheet
from analytics.provenance import Code, Reason, finite

LEVEL = "derivatives-oi-aggregated-all-exchanges"
WEEKLY = ("dealers", "asset_managers", "leveraged_funds")
KINDS = {
    "account": "accounts that are long to accounts that are short",
    "top_account": "the same among the accounts a venue calls its largest",
    "top_position": "the largest accounts' long positions to their short ones",
    "taker": "volume bought by takers to volume sold by them",
    "dealers": "long to short futures of dealers, from the weekly report on US futures",
    "asset_managers": "long to short futures of asset managers, from the weekly report on US futures",
    "leveraged_funds": "long to short futures of leveraged funds, from the weekly report on US futures",
}


def funding(g: Ground) -> Cells:
    """Weighted by one-sided coins: per 8 h and a year; the least and the most that a venue asks."""
    rate = levels.funding(g.panel)
    alive = np.isfinite(g.panel.funding_8h) & (g.panel.state < State.DEAD) & (np.nan_to_num(g.panel.base) > 0)
    weight = g.panel.by_venue(np.where(alive, g.panel.base, 0.0))
    paid = g.panel.by_venue(np.where(alive, g.panel.base * np.nan_to_num(g.panel.funding_8h), 0.0))
    each = np.divide(paid, weight, out=np.full_like(weight, np.nan), where=weight > 0)
    some = np.isfinite(each).any(axis=1)
    least, most = np.full(len(rate), np.nan), np.full(len(rate), np.nan)
    least[some], most[some] = np.nanmin(each[some], axis=1), np.nanmax(each[some], axis=1)
    mixed = np.zeros(len(rate)) if g.settled is None else settled.shares(g.panel, g.settled)
    return {
        "funding_per_8h": rate,
        "funding_annual": rate * 3 * regime.DAYS_A_YEAR,
        "lowest_venue_per_8h": least,
        "highest_venue_per_8h": most,
        "venues": np.where(some, np.isfinite(each).sum(axis=1), np.nan),
        "settled_share": np.where(some, mixed, np.nan),
    }


def kinds(g: Ground, since: int, past: bool = False) -> tuple[Reason, ...]:
    """How much of the rates from a moment [ms] on was paid; and of the days before, if they are held against those."""
    told = [("the rates shown", resting(g, since))]
    if past:
        told += [("those of the days before", resting(g if g.coarse is None else g.coarse, until=since))]
    if not any(share > 0 for _, share in told):
        return ()
    words = " and ".join(f"{100 * share:.3g} % of {of}" for of, share in told)
    words += (
        ", by coins, are what was settled last, as no reading carried a rate; the others are of intervals that ran."
    )
    return (Reason(Code.FUNDING_KIND, words),)


def resting(g: Ground, since: int = 0, until: int | None = None) -> float:
    """The part of the rates in [since, until) ms that was settled, by coins and moments."""
    if g.settled is None:
        return 0.0
    rows = (g.panel.t >= since) & (g.panel.t < (until or np.inf))
    weight = settled.weights(g.panel)[rows]
    return float(weight[g.settled[rows]].sum() / whole) if (whole := float(weight.sum())) > 0 else 0.0


def payers(g: Ground, _: int) -> Sheet:
    """What each venue asks now, or where it says none was paid last; the kind is that of most of its coins."""
    last, p = len(g.panel.t) - 1, g.panel
    rows: list[tuple[str | float | None, ...]] = []
    for venue in p.venues:
        mine = g.at([venue]) & np.isfinite(p.funding_8h[last]) & (np.nan_to_num(p.base[last]) > 0)
        if mine.any():
            rate = float(np.average(p.funding_8h[last, mine], weights=p.base[last, mine]))
            usd = float(np.nansum(p.usd[last, mine]))
            own = 0.0 if g.settled is None else float(p.base[last, mine & g.settled[last]].sum())
            kind = "settled" if own > float(p.base[last, mine].sum()) / 2 else "running"
            age = float(np.median(p.age_s[last, mine]))
            rows.append((venue, rate, rate * 3 * regime.DAYS_A_YEAR, kind, usd, age))
    rows.sort(key=lambda r: -float(r[4] or 0.0))
    columns = ("venue", "funding_per_8h", "funding_annual", "kind", "oi_usd", "age_s")
    return Sheet("venues", columns, tuple(rows))


def ratios(g: Ground, kind: str) -> tuple[Floats, Floats]:
    """([T] exp(sum w ln ratio) over what venues said last of this kind, how many venues that are).

    What was said longer ago than a step, at least an hour (of a weekly report eight days), counts no more.
    """
    out, venues = np.full(len(g.panel.t), np.nan), np.full(len(g.panel.t), np.nan)
    rows = g.beside.ratios
    rows = rows[(rows["kind"] == kind) & (rows["ratio"] > 0)] if len(rows) else rows
    if not len(rows) or not g.panel.contracts:
        return out, venues
    old = 8 * DAY_MS if kind in WEEKLY else max(g.step_ms, HOUR_MS)
    said = np.full(g.panel.native.shape, np.nan)
    ids, ts, value = (rows[c].to_numpy() for c in ("instrument_id", "ts", "ratio"))
    order = np.argsort(ts, kind="stable")
    for i, c in enumerate(g.panel.contracts):
        mine = order[ids[order] == c.id]
        if len(mine):
            last = np.searchsorted(ts[mine], g.panel.t, side="right") - 1
            known = (last >= 0) & (g.panel.t - ts[mine][np.maximum(last, 0)] < old)
            said[known, i] = value[mine][last[known]].astype(float)
    for k in range(len(out)):
        some = np.isfinite(said[k])
        found = regime.long_short(said[k, some].tolist(), np.nan_to_num(g.panel.usd[k, some]).tolist())
        if found is not None:
            out[k] = found
            venues[k] = len({c.venue for c, s in zip(g.panel.contracts, some, strict=True) if s})
    return out, venues


def sayers(g: Ground, kind: str, since: int) -> Sheet:
    """What each contract's venue said last in the range."""
    rows = g.beside.ratios
    rows = rows[(rows["kind"] == kind) & (rows["ts"] >= since)] if len(rows) else rows
    told: list[tuple[str | float | None, ...]] = []
    if len(rows) and g.panel.contracts:
        ids, last = rows["instrument_id"].to_numpy(np.int64), rows["ts"].to_numpy(np.int64)
        for i, c in enumerate(g.panel.contracts):
            mine = np.flatnonzero(ids == c.id)
            if len(mine):
                k = int(mine[np.argmax(last[mine])])
                age = (int(g.panel.t[-1]) - int(last[k])) / 1000
                told.append((c.venue, c.symbol, float(rows["ratio"].iloc[k]), finite(g.panel.usd[-1, i]), age))
    told.sort(key=lambda r: -float(r[3] or 0.0))
    return Sheet("venues", ("venue", "symbol", "ratio", "oi_usd", "age_s"), tuple(told))


def long_short(kind: str, words: str) -> Drawn:
    """One kind of ratio: kinds count different things and are never mixed."""

    def series(g: Ground) -> Cells:
        found, venues = ratios(g, kind)
        return {f"long_short_{kind}": found, "venues": venues}

    def said(g: Ground, since: int) -> Sheet:
        return sayers(g, kind, since)

    weekly = kind in WEEKLY
    return Drawn(
        Chart(
            f"derivatives-long-short-{kind.replace('_', '-')}", f"Long/short, {kind.replace('_', ' ')}", "ratio",
            "derived", "exp(sum w*ln ratio), w = share of one-sided open interest among those that state it",
            f"long_short_{kind}",
            Guide(
                f"{words[0].upper()}{words[1:]}, over the venues that publish it.",
                "Above one: more longs. It counts heads or trades, never contracts: every contract has one long and "
                "one short." if not weekly else
                "Above one: this group is long on balance, and the other groups hold the other side: every contract "
                "has one long and one short.",
                (), ("a ratio far from its usual range while open interest builds",),
                "A Tuesday's positions, published the Friday after; known to us from then on." if weekly else
                "As long as venues were asked; most publish it every five minutes and keep a month of it.",
                ("taking it for a split of open interest into longs and shorts", "mixing kinds or averaging ratios"),
            ),
            (LEVEL, "derivatives-overheat"), by_venue=True,
        ), series, needs=frozenset({"ratios"}), stock=True, sheet=said,
        without="no_data: no venue that is collected publishes this kind of ratio lately; ask get_status for what is "
        "heard.",
    )  # fmt: skip


CHARTS = (
    Drawn(
        Chart(
            "derivatives-funding-oi-weighted", "Funding, weighted by open interest", "fraction per 8 h", "derived",
            "sum of f8*Q/sum of Q, f8 = rate*8/interval in hours; a year = f8*3*365", "funding",
            Guide(
                "What longs pay shorts per eight hours, averaged over venues by what is open there.",
                "Positive: longs pay. 0.0001 per 8 h is about 10.95 % a year. Compare with its own past rather than "
                "with a fixed number; lowest and highest venue say whether all agree.",
                ("0.0001 per 8 h: where many venues' formulas rest when nothing pulls",),
                ("funding far from its usual range while open interest is near its high",
                 "venues that disagree: a premium of one crowd only"),
                "The rate of the running interval as stated at each moment; where no reading carried one, what was "
                "settled last: settled_share says how much of it, by coins. Venues have changed their caps and "
                "intervals over the years: compare eras by the yearly figure and with care.",
                ("mixing intervals: an hourly rate is eight times as heavy as it looks beside an 8 h one",
                 "adding up every stated rate: it is paid once an interval"),
            ),
            (LEVEL, "derivatives-overheat"), by_venue=True,
        ), funding, needs=frozenset({"paid"}), stock=True, mind=kinds, sheet=payers,
        without="no_data: no venue that is heard states a funding rate.",
    ),
    *(long_short(kind, words) for kind, words in KINDS.items()),
)  # fmt: skip
