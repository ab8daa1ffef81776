"""How much sits on few venues."""

from mcp.server.mcpserver.exceptions import ToolError

from analytics import concentration
from analytics.inflow import Inflow
from server.answers import Answer, Cell, rounded, utc
from server.tools.arguments import DAY_MS, HISTORY, HOUR_MS, WINDOW_S, Asset, Window, asset_of
from server.tools.house import House
from server.tools.provenance import coverage, thresholds, warnings


def get_concentration(house: House, asset: Asset = "BTC", window: Window = "24h") -> Answer:
    """How concentrated open interest is, and whether new positions pile up on one venue.

    Use it for fragility: much on few venues, or most of what is new on one. Figures: hhi (sum of squared
    shares, 1/k to 1), effective_venues (1/hhi), entropy measures, cr1 and cr3 (largest, three largest), inflow
    of the window with its largest share and sign-flip p, percentiles of the own year, index 0 to 100 with both
    parts, flags (concentrated_inflow, fragility, partial_universe). Rows, a venue each: oi_usd, share,
    share_of_new, location_quotient (share_of_new / share), flow_usd.
    """
    named = asset_of(house, asset)
    now, window_s = house.now(), WINDOW_S[window]
    length, step = HISTORY[window]
    found = concentration.assess(
        latest=house.reader.latest(named),
        recent=house.reader.bars(
            named, now - window_s * 1000 - HOUR_MS, now, 60_000 if window_s <= WINDOW_S["1h"] else 300_000
        ),
        closes=house.reader.closes(named, now - 367 * DAY_MS, now),
        history=house.reader.bars(named, now - length, now, step),
        now=now,
        window_s=window_s,
        gaps=house.reader.gaps(now - length, now, asset=named),
        settings=house.thresholds,
    )
    if found.shape is None:
        raise ToolError(f"no_data: no venue has stated an open interest of {named} yet. Ask get_status for why.")
    s, top = found.shape, found.venues[0]
    flags = ", ".join(found.flags)
    return Answer(
        summary=f"{named} open interest behaves like {s.effective:.1f} equal venues of {s.k} (HHI {s.hhi:.3f}); "
        f"{top.venue} holds {top.share:.0%}" + (f"; flags: {flags}" if flags else "; no flag"),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "flags": flags or None, "hhi": rounded(s.hhi), "effective_venues": rounded(s.effective), "venues": s.k,
            "hhi_normalised": rounded(s.normalised), "entropy_nats": rounded(s.entropy),
            "exp_entropy_venues": rounded(s.exp_entropy), "theil_nats": rounded(s.theil), "cr1_share": rounded(s.cr1),
            "cr3_share": rounded(s.cr3), "hhi_percentile": rounded(found.percentile_hhi), "hhi_days": found.days,
            "window": window, **inflow(found.inflow), "new_percentile": rounded(found.percentile_new),
            "index_0_to_100": rounded(found.index), "windows_of_history": found.windows,
            **(thresholds([found.inflow.material]) if found.inflow else {}), "basis": found.basis,
            "method": f"{found.method.name} v{found.method.version}",
        },
        columns=["venue", "oi_usd", "share", "share_of_new", "location_quotient", "flow_usd"],
        rows=[
            [v.venue, rounded(v.usd), rounded(v.share), rounded(v.phi), rounded(v.lq), rounded(v.flow_usd)]
            for v in found.venues
        ],
        coverage=coverage(found.coverage),
        warnings=warnings(found.coverage, found.reasons),
        next="get_liquidation_map for what would be force-closed if price moved",
    )  # fmt: skip


def inflow(found: Inflow | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "gross_inflow_usd": rounded(found.gross_usd),
        "inflow_is_material": found.is_material,
        "inflow_leader": found.leader,
        "largest_share_of_new": rounded(found.max_phi),
        "hhi_new": rounded(found.hhi_new),
        "kl_nats": rounded(found.kl),
        "inflow_p": rounded(found.p),
        "inflow_persistent": found.persistent,
    }
