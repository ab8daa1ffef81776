"""Whether the venues agree on where open interest is going."""

from mcp.server.mcpserver.exceptions import ToolError

from analytics import divergence
from analytics.conviction import Conviction
from analytics.quadrant import Quadrant
from analytics.rotation import Rotation
from server.answers import Answer, Cell, Table, rounded, utc
from server.tools.arguments import HISTORY, HOUR_MS, WINDOW_S, Asset, Detail, Window, asset_of
from server.tools.house import House
from server.tools.provenance import coverage, money, pct, thresholds, warnings

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


def get_oi_divergence(house: House, asset: Asset = "BTC", window: Window = "1h", detail: Detail = "concise") -> Answer:
    """Is open interest new, leaving, or only moving between venues; and do speculative and institutional venues
    agree?

    Use it after a change was seen, to learn what kind it is. label: concentrated_inflow,
    conviction_speculative, conviction_institutional, venue_rotation, rotation_like, broad_build, broad_unwind,
    relative_tilt, quiet or insufficient_data. Figures: net and rotated USD, R (0 to 1; high R alone is no
    evidence, see rotation_p and persistence_p), growth of both classes, the price quadrant, p-values adjusted
    for the family. Rows, a venue each: flow_usd (price and outages taken out), growth_pct of contracts,
    own_scales (robust z), share. Measures, no forecast.
    """
    named = asset_of(house, asset)
    now, window_s = house.now(), WINDOW_S[window]
    length, step = HISTORY[window]
    found = divergence.assess(
        latest=house.reader.latest(named),
        recent=house.reader.bars(
            named, now - window_s * 1000 - HOUR_MS, now, 60_000 if window_s <= WINDOW_S["1h"] else 300_000
        ),
        history=house.reader.bars(named, now - length, now, step),
        now=now,
        window_s=window_s,
        gaps=house.reader.gaps(now - length, now, asset=named),
        settings=house.thresholds,
    )
    if not found.venues and found.level_usd is None and not found.coverage.universe:
        raise ToolError(f"no_data: no venue has stated an open interest of {named} yet. Ask get_status for why.")
    tables: dict[str, Table] = {}
    if detail == "detailed":
        tables["class_evidence"] = Table(
            columns=["venue", "class", "abs_funding_per_8h", "rank", "parts", "disagrees"],
            rows=[
                [e.venue, e.klass, rounded(e.abs_funding_8h), rounded(e.rank), ", ".join(e.parts), e.disagrees]
                for e in found.evidence
            ],
        )
    return Answer(
        summary=f"{named}, last {window}: {WORDS.get(found.label, found.label)} ({found.label}); net "
        f"{money(found.net_usd)}" + (f", {money(found.rotation.rotated_usd)} changed venues" if found.rotation else ""),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "label": found.label,
            "flags": ", ".join(found.flags) or None,
            "window": window,
            "level_usd": rounded(found.level_usd),
            "net_usd": rounded(found.net_usd),
            "gap_change_usd": rounded(found.gap_usd),
            "sources": ", ".join(found.sources) or None,
            "destinations": ", ".join(found.destinations) or None,
            **rotation(found.rotation),
            **conviction(found.conviction),
            **quadrant(found.quadrant),
            **{f"{t.name}_p_adjusted": rounded(t.result.adjusted) for t in found.tests},
            "family_size": len(found.tests),
            "panel_share": rounded(found.panel_share),
            "windows_of_history": found.windows,
            **thresholds(found.thresholds),
            "leader": "unresolved_by_sampling",
            "basis": found.basis,
            "method": f"{found.method.name} v{found.method.version}",
        },
        columns=["venue", "class", "flow_usd", "growth_pct", "own_scales", "share"],
        rows=[
            [v.venue, v.klass, rounded(v.flow_usd), pct(v.growth), rounded(v.x), rounded(v.share)] for v in found.venues
        ],
        tables=tables,
        coverage=coverage(found.coverage),
        warnings=warnings(found.coverage, found.reasons),
        next="get_concentration for where new positions went; get_chart_value for the level over time",
    )


def rotation(found: Rotation | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "R": rounded(found.R),
        "rotated_usd": rounded(found.rotated_usd),
        "inflow_usd": rounded(found.inflow_usd),
        "outflow_usd": rounded(found.outflow_usd),
        "rotation_p": rounded(found.p),
        "rotation_p_exact": found.exact,
        "venues_moved": found.moved,
        "persistence_vr": rounded(found.vr),
        "persistence_p": rounded(found.vr_p),
    }


def conviction(found: Conviction | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "growth_speculative_pct": pct(found.g_speculative),
        "growth_institutional_pct": pct(found.g_institutional),
        "growth_difference_pct": pct(found.diff),
        "conviction_own_scales": rounded(found.cd),
        "conviction_p": rounded(found.p),
        "speculative_live": ", ".join(found.speculative) or None,
        "institutional_live": ", ".join(found.institutional) or None,
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
