"""Charts of the market's state: against what exists of the coin, overheat, cycle, MVRV (1.7, 7.2, 7.5, 7.6)."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np

from analytics import coverage, levels, regime, supply
from analytics.alignment import Floats
from analytics.carry import level
from analytics.chart import Chart, Guide
from analytics.charts.crowd import kinds, ratios
from analytics.charts.forced import full, heaviness
from analytics.charts.ground import Cells, Drawn, Ground, Sheet, own_rank, ratio
from analytics.provenance import Basis, Code, Reason

PARTS = tuple(f"u_{name}" for name in regime.PARTS)
TURNED = frozenset({"u_funding", "u_long_short", "u_basis"})  # high on the long side, low on the short one
NOT_STATED = {
    "u_basis": "No u_basis: no fresh venue states an index price.",
    "u_liquidations": "No u_liquidations: no feed shows every forced close.",
}
LEVEL = "derivatives-oi-aggregated-all-exchanges"
FACT_MS = 3 * 86_400_000  # how long a value from outside stands
MVRV_DAYS = 365  # of market caps behind a z


def facts(g: Ground, metric: str) -> tuple[Floats, tuple[str | None, ...], Floats]:
    """([T] what was said last of a metric, its source, and the moment it is about [ms]); NaN where nobody did."""
    value, at = np.full(len(g.panel.t), np.nan), np.full(len(g.panel.t), np.nan)
    sources: list[str | None] = [None] * len(value)
    rows = said(g, metric)
    when = np.array([t for t, _ in rows], np.int64)
    for k, t in enumerate(g.panel.t.tolist()):
        last = int(np.searchsorted(when, t, side="right")) - 1
        if last >= 0 and t - when[last] <= FACT_MS:
            value[k], at[k], sources[k] = float(rows[last][1]["value"]), when[last], str(rows[last][1].get("source"))
    return value, tuple(sources), at


def said(g: Ground, metric: str) -> list[tuple[int, dict[str, Any]]]:
    """Every fact of a metric, oldest first: the moment it is about [ms], and its words."""
    if not len(g.beside.noted):
        return []
    told = zip(g.beside.noted["t"], g.beside.noted["detail"], strict=True)
    rows = sorted(((int(t), json.loads(str(d))) for t, d in told), key=lambda r: r[0])
    return [r for r in rows if r[1].get("metric") == metric]


def cap_share(g: Ground) -> Cells:
    """Coins open over coins in existence: what somebody outside states, else the block schedule (BTC), else unknown."""
    stands = coverage.standing(g.panel, g.settings, g.listed) >= g.settings.panel_guard  # else it is of another market
    base = np.where(stands, level(g.panel, g.settings).total_base, np.nan)
    said, sources, _ = facts(g, "supply")
    coins, basis = np.full(len(base), np.nan), list(sources)
    for k, t in enumerate(g.panel.t.tolist()):
        found, how = supply.known(g.asset, t, float(said[k]) if np.isfinite(said[k]) else None)
        coins[k] = np.nan if found is None else found
        basis[k] = None if found is None else sources[k] if how is Basis.EXTERNAL else "block schedule"
    share = np.divide(base, coins, out=np.full(len(base), np.nan), where=coins > 0)
    return {"oi_over_market_cap": share, "oi_coins": base, "supply_coins": coins, "supply_from": tuple(basis)}


def overheat(g: Ground) -> Cells:
    """OHI with its parts (fractions), for the long and for the short side."""
    parts, days = zip(*(own_rank(now, g, past) for now, past in paired(g)), strict=True)
    out = {name: np.full(len(g.panel.t), np.nan) for name in ("overheat", "short_side_heat")}
    bands: list[str | None] = [None] * len(g.panel.t)
    for k in range(len(bands)):
        u = [float(p[k]) if np.isfinite(p[k]) else None for p in parts]
        n = tuple(int(d[k]) for d in days)
        found = regime.overheat(*u, days=n, settings=g.settings)
        turned = [x if x is None or name not in TURNED else 1.0 - x for name, x in zip(PARTS, u, strict=True)]
        other = regime.overheat(*turned, days=n, settings=g.settings)
        if found.index is not None and other.index is not None:
            out["overheat"][k], out["short_side_heat"][k], bands[k] = found.index, other.index, found.band
    return {
        "overheat": out["overheat"], "band": tuple(bands), "short_side_heat": out["short_side_heat"],
        **dict(zip(PARTS, parts, strict=True)),
        "days_of_history": np.where(np.max(days, axis=0) > 0, np.max(days, axis=0), np.nan),
    }  # fmt: skip


def parts_now(g: Ground, _: int) -> Sheet:
    """What the last value was made of: each part, what it weighs, and the days of own past behind it."""
    rows: list[tuple[str | float | None, ...]] = []
    for name, weight, (now, past) in zip(PARTS, g.settings.overheat_weights, paired(g), strict=True):
        share, days = own_rank(now, g, past)
        rows.append((name, float(share[-1]) if np.isfinite(share[-1]) else None, weight, float(days[-1])))
    return Sheet("parts", ("part", "percentile_share", "weight", "days"), tuple(rows))


def paired(g: Ground) -> list[tuple[Floats, Floats | None]]:
    """What overheat is made of: each at the moments asked about, and by days."""
    now, past = heats(g), None if g.coarse is None else heats(g.coarse)
    return [(x, None if past is None else past[k]) for k, x in enumerate(now)]


def heats(g: Ground) -> tuple[Floats, ...]:
    """[T] each, in the order of `PARTS`."""
    share = np.asarray(cap_share(g)["oi_over_market_cap"], np.float64)
    crowd = np.log(ratios(g, "account")[0])
    return share, levels.funding(g.panel), crowd, finished(g, basis(g)), finished(g, heaviness(g, full))


def basis(g: Ground) -> Floats:
    """[T]: mark/index - 1 weighted by coins, over fresh instruments that state an index."""
    apart = ratio(g.panel.mark, g.each(g.bars, "index")) - 1.0
    weight = np.where(np.isfinite(apart) & g.fresh(), np.nan_to_num(g.panel.base), 0.0)
    return ratio((weight * np.nan_to_num(apart)).sum(axis=1), weight.sum(axis=1))


def finished(g: Ground, values: Floats) -> Floats:
    """What bars say of whole steps only: this moment, inside a step, has what the step before it had."""
    inside = np.flatnonzero(g.panel.t % g.step_ms != 0)
    out = values.copy()
    out[inside] = np.where(inside > 0, values[inside - 1], np.nan)
    return out


def missing(g: Ground, since: int) -> tuple[Reason, ...]:
    """Which parts of overheat had no value at the end, and why; and which kinds of funding one of them rests on. What
    weighs nothing leaves nothing to scale up."""
    told = overheat(g)
    gone = [name for name in PARTS if not np.isfinite(np.asarray(told[name], float)[-1])]
    weights = {name: w for name, w in zip(PARTS, g.settings.overheat_weights, strict=True) if w > 0}
    out: list[Reason] = []
    if lost := [name for name in weights if name in gone]:
        left = ", ".join(f"{name} {weight:g}" for name, weight in weights.items() if name not in gone) or "none"
        words = f"Without {', '.join(lost)} now; the weights of the parts that are there ({left}) are scaled up."
        out.append(Reason(Code.INSUFFICIENT_HISTORY, words))
    now = dict(zip(PARTS, heats(g), strict=True))
    for name, words in NOT_STATED.items():
        if name in gone and not np.isfinite(now[name]).any():
            out.append(Reason(Code.NO_DATA, words))
    return (*out, *kinds(g, since, past=True))


def cycle(g: Ground) -> Cells:
    """(height - 840,000)/210,000 by the block schedule, and the phase by months since the halving."""
    position, months = np.full(len(g.panel.t), np.nan), np.full(len(g.panel.t), np.nan)
    phases: list[str | None] = [None] * len(position)
    for k, t in enumerate(g.panel.t.tolist()):
        found = regime.cycle(t)
        if found is not None:
            position[k], months[k], phases[k] = found.position, found.months, found.phase
    return {"cycle": position, "phase": tuple(phases), "months_since_halving": months}


def mvrv(g: Ground) -> Cells:
    """Market cap over realised cap as somebody outside states it; its z where a year of market caps is known."""
    value, sources, at = facts(g, "mvrv")
    cap, realised = facts(g, "market_cap")[0], facts(g, "realised_cap")[0]
    told = dict(said(g, "market_cap"))  # one a day
    when, caps = np.array(list(told), np.int64), np.array([d["value"] for d in told.values()], float)
    z = np.full(len(value), np.nan)
    for k, t in enumerate(g.panel.t.tolist()):
        past = caps[when <= t]
        spread = float(past.std()) if len(past) >= MVRV_DAYS else 0.0
        if spread > 0 and np.isfinite(cap[k]) and np.isfinite(realised[k]):
            z[k] = (cap[k] - realised[k]) / spread
    return {
        "mvrv": value, "mvrv_z": z, "market_cap_usd": cap, "realised_cap_usd": realised, "source": sources,
        "said_of": tuple(day(x) for x in at.tolist()),
    }  # fmt: skip


def day(at: float) -> str | None:
    """A moment [ms UTC] as its date; None for NaN."""
    return None if np.isnan(at) else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


CHARTS = (
    Drawn(
        Chart(
            "derivatives-oi-market-cap", "Open interest over market cap", "fraction", "modelled",
            "sum of coins open/coins in existence; the price cancels; supply as stated from outside, else by the block "
            "schedule (BTC)", "cap_share",
            Guide(
                "How large open positions are beside everything there is of the coin.",
                "It compares years in which price and supply differ. It is coins over coins, so free of price; "
                "supply_from says where the supply comes from.",
                (), ("a new high of its own year", "a rise while the level in dollars falls"),
                "As far back as open interest is stored. Of BTC the block schedule is within 0.02 %; other coins need "
                "a source from outside, which is off unless chosen in the configuration.",
                ("reading it for coins whose supply nobody states", "comparing years with other sets of venues"),
            ),
            (LEVEL, "derivatives-oi-coins", "derivatives-overheat"),
        ), cap_share, needs=frozenset({"noted:context"}), stock=True,
        without="external_missing: nobody states a circulating supply of it; switch a source on in [context], or ask "
        "for BTC.",
    ),
    Drawn(
        Chart(
            "derivatives-overheat", "Overheat index", "index, 0 to 100", "derived",
            "100*(0.4 u_OI + 0.4 u_F + 0.2 u_LS)/sum of the weights that are there; u = percentiles of the own year of "
            "OI/market cap, weighted funding and accounts' long/short; two parts at least with ninety days each; "
            "u_basis (mark/index - 1 by coins) and u_liquidations (24 h of forced closes/open interest, full feeds) "
            "weigh 0",
            "overheat",
            Guide(
                "How hot leverage runs, by three percentiles of the market's own year.",
                "u_open_interest, u_funding and u_long_short are its parts, fractions of one; short_side_heat turns "
                "the last two round. u_basis and u_liquidations stand beside them and weigh nothing. It is our open "
                "formula and no copy of anybody's index.",
                ("0-30 calm", "30-50 normal", "50-70 active", "70-85 hot", "85-100 extreme"),
                ("days in the highest band while price stands still", "heat from one part only"),
                "Each part against at most 365 days of its own past, today left out. A part with fewer than ninety "
                "days is missing, and the weights of the others (table parts) are scaled up: days on which one "
                "came or went break the line.",
                ("taking heat for a forecast of direction", "comparing days that rest on different parts"),
            ),
            ("derivatives-funding-oi-weighted", "derivatives-oi-market-cap", "derivatives-long-short-account"),
        ), overheat, needs=frozenset({"ratios", "paid", "feeds", "noted:context"}), stock=True, year=True, mind=missing,
        sheet=parts_now, without="insufficient_history: two of its three parts need ninety days of their own past.",
    ),
    Drawn(
        Chart(
            "derivatives-cycle", "Position in the halving cycle", "fraction", "modelled",
            "(height - 840,000)/210,000, height by ten minutes a block since block 840,000", "cycle",
            Guide(
                "How far Bitcoin is between its last halving and the next.",
                "Zero is the halving, one the next. phase goes by months since the halving.",
                ("before 6 months: early", "6 to 18: middle", "18 to 24: late", "after 24: post"), (),
                "Halvings: 2012-11-28, 2016-07-09, 2020-05-11, 2024-04-20. Shown from the last one on.",
                ("testing anything on it: four cycles are four observations", "asking it for other coins"),
            ),
            ("derivatives-oi-market-cap",),
        ), cycle, stock=True, apart=True,
        without="no_data: the schedule is known from the halving of 2024-04-20 on.",
    ),
    Drawn(
        Chart(
            "market-mvrv", "MVRV, from outside", "ratio", "external",
            "market cap/realised cap; z = (market cap - realised cap)/sd of the market caps known", "mvrv",
            Guide(
                "Market value over what the coins cost their holders when they last moved.",
                "Above one, holders are ahead on average. Each value has its source and its day; nothing of it enters "
                "our own numbers.",
                (), ("what open interest does at extremes of it",),
                "Daily, as far back as a source gave it while it was switched on; the z needs a year of market caps.",
                ("reading a stale day as today: see said_of", "mixing sources"),
            ),
            ("derivatives-oi-market-cap", "derivatives-cycle"),
        ), mvrv, needs=frozenset({"noted:context"}), stock=True, apart=True,
        without="external_missing: no source of MVRV is switched on; see [context] sources in the configuration.",
    ),
)  # fmt: skip
