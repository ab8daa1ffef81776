"""Charts of forced closes: how much, how heavy for its own year, and how well the map foresaw them (6.7, 6.8, 7.3)."""

import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from analytics.alignment import DAY_MS, Floats
from analytics.carry import level
from analytics.chart import Chart, Guide
from analytics.charts.flows import moves
from analytics.charts.ground import Cells, Drawn, Ground, Sheet, own_rank, ratio, summed
from analytics.provenance import Code, Reason, finite

LEVEL = "derivatives-oi-aggregated-all-exchanges"
FULL = "full"
NEVER = np.iinfo(np.int64).max
Bools = NDArray[np.bool_]


def died(g: Ground) -> tuple[Floats, Floats]:
    """(longs, shorts) [T, I] in USD. None is zero where a feed shows every forced close, once it has shown one."""
    heard = np.array([g.beside.since.get(c.venue, NEVER) for c in g.panel.contracts], np.int64)
    quiet = g.fresh() & full(g)[None, :] & (g.panel.t[:, None] >= heard[None, :])
    out: list[Floats] = []
    for name in ("liquidated_long", "liquidated_short"):
        seen = g.each(g.bars, name)
        out.append(np.where(np.isnan(seen) & quiet, 0.0, seen))
    return out[0], out[1]


def full(g: Ground) -> Bools:
    """[I]: contracts whose venue shows every forced close."""
    return g.at([v for v, kinds in g.beside.feeds.items() if kinds == {FULL}])


def part(g: Ground) -> Bools:
    """[I]: contracts whose venue shows some of them."""
    return g.at([v for v, kinds in g.beside.feeds.items() if kinds != {FULL}])


def liquidations(g: Ground) -> Cells:
    """Force-closed [USD a step] as feeds show it, and the fall of open interest, which nothing forced can exceed."""
    longs, shorts = died(g)
    both = np.where(np.isnan(longs), shorts, longs + np.nan_to_num(shorts))
    closed = moves(g)[1]
    whole = full(g)[None, :]
    most = np.where(whole, np.nan_to_num(both), np.fmax(closed, both))
    return {
        "liquidated_usd": summed(both),
        "long_usd": summed(longs),
        "short_usd": summed(shorts),
        "full_feeds_usd": summed(np.where(whole, both, np.nan)),
        "most_usd": summed(most),
    }


def by_venue(g: Ground, since: int) -> Sheet:
    """What each venue's feed showed over the range, and how much it shows."""
    longs, shorts = died(g)
    late = g.panel.t >= since
    rows: list[tuple[str | float | None, ...]] = []
    for venue in g.panel.venues:
        mine = g.at([venue])
        sums = [finite(np.nansum(x[late][:, mine])) if np.isfinite(x[late][:, mine]).any() else None
                for x in (longs, shorts)]  # fmt: skip
        feed = ", ".join(sorted(g.beside.feeds.get(venue, ()))) or "none heard"
        rows.append((venue, feed, *sums))
    rows.sort(key=lambda r: -sum(float(x) for x in r[2:] if x is not None))
    return Sheet("venues", ("venue", "feed", "long_usd", "short_usd"), tuple(rows))


def throttled(g: Ground, _: int) -> tuple[Reason, ...]:
    """Which venues show less than all of it."""
    some = sorted(v for v, kinds in g.beside.feeds.items() if kinds != {FULL} and g.venue in (None, v))
    if not some:
        return ()
    words = f"Only a part of the forced closes is published by {', '.join(some)}: amounts are lower bounds."
    return (Reason(Code.THROTTLED_FEED_ONLY, words),)


def intensity(g: Ground) -> Cells:
    """Percentile (0-100) among the days of the own year of 24 h of forced closes over what is open."""
    whole, rest = heaviness(g, full), heaviness(g, part)
    place, n = own_rank(whole, g, None if g.coarse is None else heaviness(g.coarse, full))
    other, _ = own_rank(rest, g, None if g.coarse is None else heaviness(g.coarse, part))
    return {
        "intensity_percentile": 100.0 * place,
        "liquidated_24h_share": whole,
        "throttled_percentile": 100.0 * other,
        "throttled_24h_share": rest,
        "days_of_history": np.where(n > 0, n, np.nan),
    }


def heaviness(g: Ground, among: Callable[[Ground], Bools]) -> Floats:
    """[T]: 24 h of forced closes over the level of the same contracts."""
    longs, shorts = died(g)
    keep = among(g)
    both = summed(np.where(keep[None, :], np.where(np.isnan(longs), shorts, longs + np.nan_to_num(shorts)), np.nan))
    n = max(1, round(DAY_MS / g.step_ms))
    if n > 1:
        sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(both))])
        back = np.maximum(np.arange(len(both)) + 1 - n, 0)
        known = np.concatenate([[0.0], np.cumsum(np.isfinite(both))])
        day = sums[np.arange(len(both)) + 1] - sums[back]
        some = known[np.arange(len(both)) + 1] - known[back] > 0
        both = np.where(some & (np.arange(len(both)) + 1 >= n), day, np.nan)
    held = np.nansum(np.where(keep[None, :], level(g.panel, g.settings).usd, np.nan), axis=1)
    return ratio(both, held)


def skill(g: Ground) -> Cells:
    """The map's score as it stood after each judged day (analytics.md, 6.8)."""
    names = ("skill_nats_per_usd", "skill_p05", "skill_p95", "predicted_over_realised", "gain_over_ladder",
             "spearman", "top_bins_precision", "top_bins_lift", "liquidated_usd", "days_judged")  # fmt: skip
    out = {name: np.full(len(g.panel.t), np.nan) for name in names}
    status: list[str | None] = [None] * len(g.panel.t)
    at = np.searchsorted(g.panel.t, g.beside.noted["t"].to_numpy(np.int64), side="left")
    for k, text in zip(at, g.beside.noted["detail"], strict=True):
        if k < len(g.panel.t):
            s = json.loads(str(text))["score"]
            best = s["skill"] or {}
            fixed = next((g["gain"] for g in s["gains"] if g["baseline"] == "ladder"), None)
            told = (best.get("gain"), best.get("low"), best.get("high"), s["ratio"], fixed, s["spearman"],
                    s.get("precision"), s["lift"], s["events_usd"], s["days"])  # fmt: skip
            for name, value in zip(names, told, strict=True):
                out[name][k] = np.nan if value is None else value
            status[k] = "validated" if (best.get("low") or 0.0) > 0 else "unvalidated"
    return {**out, "status": tuple(status)}


CHARTS = (
    Drawn(
        Chart(
            "derivatives-liquidations", "Liquidations", "USD a step", "measured",
            "sum of forced closes, longs and shorts, as the venues' feeds show them; upper bound: elsewhere "
            "the gross fall of open interest", "liquidations",
            Guide(
                "What was closed by force.",
                "long_usd are longs that died (price fell), short_usd shorts. Where a venue publishes at most one a "
                "second, its part is a lower bound; most_usd puts the fall of its open interest in its place. "
                "full_feeds_usd are the venues that show everything.",
                (), ("spikes that meet a fall of contracts", "one side only, while price hardly moved"),
                "As long as feeds were listened to. Years of full feeds are no longer than our own: what venues "
                "published before was throttled, off by a factor of six on the worst day known.",
                ("comparing venues whose feeds are throttled", "adding it to flow: it is part of what closed"),
            ),
            ("derivatives-liquidation-intensity", "derivatives-map-skill", LEVEL), by_venue=True,
        ), liquidations, needs=frozenset({"feeds"}), mind=throttled, sheet=by_venue,
    ),
    Drawn(
        Chart(
            "derivatives-liquidation-intensity", "Liquidation intensity", "percentile, 0 to 100", "derived",
            "percentile of (24 h of forced closes / open interest of the same venues) among the days of the year "
            "before; full feeds, throttled ones apart; needs ninety days", "liquidation_intensity",
            Guide(
                "How heavy forced closing is beside what is open, by its own year.",
                "95 and more: among the heaviest days of the year. liquidated_24h_share is the share that died within "
                "24 hours; the throttled venues have columns of their own and are no part of the first.",
                ("95 and more: heavy",), ("days above 95 that end a plateau", "a high value while price stands still"),
                "Against at most 365 days of own history, the day itself left out; below ninety there is no value.",
                ("reading zero feeds as calm", "mixing full and throttled feeds in one percentile"),
            ),
            ("derivatives-liquidations", "derivatives-overheat"), by_venue=True,
        ), intensity, needs=frozenset({"feeds"}), year=True, mind=throttled,
        without="insufficient_history: it is held against the own year, of which ninety days with full feeds are "
        "needed.",
    ),
    Drawn(
        Chart(
            "derivatives-map-skill", "Skill of the liquidation map", "nats per liquidated USD", "derived",
            "IG = sum y*ln(m/q)/sum y over the bins that the mark swept, against the better of the even and the "
            "distance law; 90 % interval by redrawing days", "map_skill",
            Guide(
                "Whether the map knew where forced closes would come, better than distance alone does.",
                "Above zero it did. It is shown to (status validated) only where skill_p05 is above zero, too. "
                "predicted_over_realised near one says that its amounts are right, whatever their places. "
                "gain_over_ladder is that over the usual fixed ladder; top_bins_precision what share of USD died "
                "in the map's heaviest tenth of bins, top_bins_lift that over the share in those of distance alone.",
                ("skill_p05 above 0: validated", "else: unvalidated", "0.75 to 1.33 predicted over realised: level"),
                ("a ratio drifting away from one", "skill that lives from a single day"),
                "One judged day after another: frozen at the UTC close, judged by the 24 hours after it, over the last "
                "thirty judged days. Rows are appended and never withdrawn.",
                ("hit rates against random places: marking what is near price earns them for nothing",
                 "reading skill into one day"),
            ),
            ("derivatives-liquidations", "derivatives-liquidation-intensity"), by_venue=True,
        ), skill, needs=frozenset({"noted:map"}), apart=True,
        without="no_data: no map of it has been judged yet; one is frozen at each UTC close and judged a day later, "
        "never of a venue whose feed shows only a part of its forced closes.",
    ),
)  # fmt: skip
