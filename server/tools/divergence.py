"""Whether the venues agree on where open interest is going."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from analytics import classes, divergence
from analytics.conviction import Conviction
from analytics.coverage import disputed
from analytics.divergence import Divergence
from analytics.quadrant import Quadrant
from analytics.rotation import Rotation
from server.answers import Answer, Cell, Table, age_s, rounded, usd, utc
from server.tools.arguments import Asset, Detail, asset_of
from server.tools.beside import feeds
from server.tools.chance import expected, rules
from server.tools.house import House
from server.tools.moment import AsOf, OfUniverse, at, expiring
from server.tools.provenance import coverage, hardly, money, pct, thresholds, warnings
from server.tools.records import recorded
from server.tools.spans import DAY_MS, HOUR_MS, WINDOW_S, Window, floor, given, past

WORDS = {
    "insufficient_data": "cannot be judged",
    "concentrated_inflow": "new positions concentrate on one venue",
    "conviction_speculative": "speculative venues build while institutional ones leave",
    "conviction_institutional": "institutional venues build while speculative ones leave",
    "relative_tilt": "both classes move the same way, but unusually far apart",
    "venue_rotation": "positions rotate between venues, little is new",
    "rotation_like": "looks like rotation between venues, but chance explains it as well",
    "broad_build": "positions build broadly",
    "broad_unwind": "positions unwind broadly",
    "quiet": "nothing unusual",
}


BEHAVIOUR = ("venue", "volume", "liquidated_long", "liquidated_short")  # of bars
LEADERLESS = "no_data: who moves first was not measured within two hours; the clock does it every hour."
LAGS = [
    "first", "second", "lag_s", "rho", "limit", "p", "p_adjusted", "family_size", "step_s", "leads", "reason",
]  # fmt: skip  # lag_s > 0: the first leads
LED_MS = 2 * 3_600_000  # how long what was measured of the leader stands in


TICKS = frozenset({"1h", "4h"})  # windows whose lags the clock reads from ticks; a longer one's are read from bars


def leader(
    house: House, asset: str, now: int, window_s: int
) -> tuple[dict[str, Cell], list[str], list[dict[str, Any]]]:
    """Who moves first, as the clock measured it last, why nobody is named, and the lags of growth over this window."""
    if house.apart:
        return {"leader": None}, [], []
    rows = house.reader.events("lead_lag", now - LED_MS, now + 1, asset=asset)
    if not len(rows):
        return {"leader": None}, [LEADERLESS], []
    told = json.loads(rows["detail"].iloc[-1])
    age = age_s(now, int(rows["ts"].iloc[-1]))
    figures: dict[str, Cell] = {
        "leader": told["leader"],
        "leader_age_s": age,
        "leader_pairs_resolved": told["resolved"],
    }
    lags = [g for g in told.get("growth", ()) if g["window_s"] == window_s]
    why = [f"{code}: {words}" for code, words in told["reasons"]]
    return figures, why + ([told["note"]] if told.get("note") else []), lags


def lagging(lags: Iterable[Mapping[str, Any]]) -> Table:
    """Whose growth follows whose, a pair of venues a row: p of white noise over all lags, adjusted over all pairs."""
    rows: list[list[Cell]] = [
        [g["first"], g["second"], g["lag_s"], rounded(g["rho"]), rounded(g["limit"]), rounded(g.get("p")),
         rounded(g.get("p_adjusted")), g.get("family", 0), g["step_s"], g["leader"], g["reason"]]
        for g in lags
    ]  # fmt: skip
    return Table(columns=LAGS, rows=rows)


def get_oi_divergence(
    house: House,
    asset: Asset = "BTC",
    window: Window = "1h",
    detail: Detail = "concise",
    as_of: AsOf = None,
    universe: OfUniverse = None,
) -> Answer:
    """Is open interest new, leaving, or only moving between venues; and do speculative and institutional venues
    agree?

    Use it after a change was seen, to learn what kind it is; use get_concentration for how much sits where. label:
    concentrated_inflow, conviction_speculative, conviction_institutional, venue_rotation, rotation_like, broad_build,
    broad_unwind, relative_tilt, quiet or insufficient_data; flags: all that hold. Figures: net_usd (positions opened
    minus closed), rotated_usd, R (0 to 1: how well inflow and outflow cancel; no evidence alone), growth of both
    classes' contracts, the price quadrant (over seven days: chart derivatives-oi-price-quadrant, timeframe 90d),
    gap_change_usd (happened while a venue was silent, in no flow), n_tests of this answer, sweep_n_tests (of all assets
    and windows in the last hourly sweep), expected_false_alarms_per_day (of those, were nothing ever the matter; table
    false_alarms, detailed: of rules without a test too). Rows, a venue each: flow_usd (price and outages
    taken out), growth_pct of contracts, own_scales (robust z), share. Tables: tests (p, and p adjusted for their
    family), thresholds (and where they come from), open_records (divergences still open) and base_rates (how such
    ended before, beside chance). Measures, no forecast.
    """
    house = at(house, as_of, universe)
    named = asset_of(house, asset)
    now = house.now()
    long = detail == "detailed" and window not in TICKS
    told = given(house, named, window, now)
    found = divergence.assess(**told, lags=long)
    if not found.venues and found.level_usd is None and not found.coverage.universe:
        raise ToolError(f"no_data: no venue has stated an open interest of {named} yet. Ask get_status for why.")
    turned = found.rotation
    first, leaderless, noted = leader(house, named, now, WINDOW_S[window])
    lags = [asdict(g) for g in found.lags] if long else noted
    counted, records, unsaid = recorded(house, named, now)
    false, unswept = expected(house, now)
    return Answer(
        summary=f"{named}, last {window}: {WORDS.get(found.label, found.label)} ({found.label})"
        + (f"; net {money(found.net_usd)}" if found.net_usd is not None else "")
        + (f", {money(turned.rotated_usd)} changed venues" if turned else "")
        + hardly(found.coverage),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "label": found.label,
            "flags": ", ".join(found.flags) or "none",
            "window": window,
            "from": None if found.t0 is None else utc(found.t0),
            "level_usd": usd(found.level_usd),
            "net_usd": usd(found.net_usd),
            "gap_change_usd": usd(found.gap_usd),
            "sources": None if turned is None else ", ".join(found.sources) or "none",
            "destinations": None if turned is None else ", ".join(found.destinations) or "none",
            **rotation(turned),
            **conviction(found.conviction),
            **quadrant(found.quadrant),
            "panel_share": rounded(found.panel_share),
            "windows_of_history": found.windows,
            "history": past(house, window),
            **first,
            **counted,
            "n_tests": len(found.tests),
            **false,
            "basis": found.basis,
            "method": f"{found.method.name} v{found.method.version}",
        },
        columns=["venue", "class", "flow_usd", "growth_pct", "own_scales", "share"],
        rows=[[v.venue, v.klass, usd(v.flow_usd), pct(v.growth), rounded(v.x), rounded(v.share)] for v in found.venues],
        tables={
            **tables(found),
            **(beside(house, named, now, lags) if detail == "detailed" else {}),
            **records,
        },
        coverage=coverage(found.coverage, house.rates),
        warnings=[
            *warnings(found.coverage, (*found.reasons, *disputed(told["latest"]))),
            *leaderless,
            *unsaid,
            *unswept,
            *expiring(house),
        ],
        next="get_concentration for where new positions went; get_chart_value for the level over time",
    )


def beside(house: House, asset: str, now: int, lags: Iterable[Mapping[str, Any]]) -> dict[str, Table]:
    """What only a detailed answer has."""
    return {"class_evidence": behaviour(house, asset, now), "lags": lagging(lags), "false_alarms": rules()}


def tables(found: Divergence) -> dict[str, Table]:
    told: dict[str, Table] = {}
    if found.tests:
        told["tests"] = Table(
            columns=["test", "p", "p_adjusted", "significant", "family_size"],
            rows=[
                [t.name, rounded(t.result.p), rounded(t.result.adjusted), t.result.rejected, t.result.family]
                for t in found.tests
            ],
        )
    if found.thresholds:
        told["thresholds"] = thresholds(found.thresholds)
    return told


def behaviour(house: House, asset: str, now: int) -> Table:
    """What each venue's behaviour over a day says of its class."""
    start, end = floor(now - DAY_MS, HOUR_MS), floor(now, HOUR_MS)
    day = house.reader.bars(asset, start, end, HOUR_MS, columns=BEHAVIOUR)
    full = [venue for venue, kinds in feeds(house, asset, start, end)[0].items() if kinds == frozenset({"full"})]
    return Table(
        columns=["venue", "class", "abs_funding_per_8h", "liquidated_24h_share", "turnover_24h", "max_leverage", "rank",
                 "parts", "disagrees"],
        rows=[
            [
                e.venue, e.klass, rounded(e.abs_funding_8h), rounded(e.liquidated_share), rounded(e.turnover),
                rounded(e.max_leverage), rounded(e.rank), ", ".join(e.parts), e.disagrees,
            ]
            for e in classes.evidence(house.reader.latest(asset), day, full)
        ],
    )  # fmt: skip


def rotation(found: Rotation | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "R": rounded(found.R),
        "rotated_usd": usd(found.rotated_usd),
        "inflow_usd": usd(found.inflow_usd),
        "outflow_usd": usd(found.outflow_usd),
        "venues_moved": found.moved,
        "persistence_vr": rounded(found.vr),
    }


def conviction(found: Conviction | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "growth_speculative_pct": pct(found.g_speculative),
        "growth_institutional_pct": pct(found.g_institutional),
        "growth_difference_pct": pct(found.diff),
        "conviction_own_scales": rounded(found.cd),
        "speculative_live": ", ".join(found.speculative) or "none",
        "institutional_live": ", ".join(found.institutional) or "none",
    }


def quadrant(found: Quadrant | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "price_change_pct": pct(found.price_growth),
        "contracts_change_pct": pct(found.growth),
        "price_quadrant": found.name,
        "quantity_own_scales": rounded(found.zq),
        "price_own_scales": rounded(found.zp),
        "builds_against_price": found.opposite_sign,
    }
