"""How much sits on few venues."""

import json

from mcp.server.mcpserver.exceptions import ToolError

from analytics import concentration
from analytics.inflow import Inflow
from analytics.provenance import Code
from server.answers import Answer, Cell, Table, rounded, usd, utc
from server.tools.arguments import Asset, asset_of
from server.tools.chance import expected
from server.tools.house import House
from server.tools.moment import AsOf, OfUniverse, at, expiring
from server.tools.provenance import coverage, hardly, money, thresholds, warnings
from server.tools.spans import DAY_MS, Window, given, past

TESTS = ["test", "family_of", "at", "p", "p_adjusted", "significant", "family_size"]


def get_concentration(house: House, asset: Asset = "BTC", window: Window = "24h", as_of: AsOf = None,
                      universe: OfUniverse = None) -> Answer:  # fmt: skip
    """How concentrated open interest is over venues, and whether new positions pile up on one of them.

    Use it for fragility: much on few venues, or most of what is new on one; use get_oi_divergence for who moved which
    way. Figures: hhi (sum of squared shares, 1/k to 1), effective_venues (1/hhi), entropy measures, cr1_share and
    cr3_share (largest, three largest), hhi_percentile (0 to 100, in the own year of daily closes), gross inflow of
    the window, its largest share and its sign-flip p, index_0_to_100 (mean of both percentiles),
    expected_false_alarms_per_day (of the last hourly sweep's sweep_n_tests, were nothing ever the matter), flags
    (concentrated_inflow, fragility, partial_universe). Rows, a venue each: oi_usd, share, share_of_new,
    location_quotient (share_of_new / share), flow_usd (positions opened minus closed; price and outages taken out).
    Tables: tests (the inflow's p, adjusted for its family: in this answer, and in the sweep that raised it last) and
    thresholds (what inflow and concentrations were held against, and where that comes from).
    """
    house = at(house, as_of, universe)
    named = asset_of(house, asset)
    now = house.now()
    told = given(house, named, window, now)
    closes = house.reader.closes(named, now - 367 * DAY_MS, now) if told["usual"] is None else None
    found = concentration.assess(**told, closes=closes)
    if found.shape is None:
        raise ToolError(f"no_data: no venue has stated an open interest of {named} yet. Ask get_status for why.")
    s, top, came = found.shape, found.venues[0], found.inflow
    flags = ", ".join(found.flags)
    false, unswept = expected(house, now)
    return Answer(
        summary=f"{named} open interest behaves like {s.effective:.1f} equal venues of {s.k} (HHI {s.hhi:.3f}); "
        f"{top.venue} holds {top.share:.0%}; {spoken(came, window)}; " + (f"flags: {flags}" if flags else "no flag")
        + hardly(found.coverage),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "flags": flags or "none", "oi_usd": usd(found.level_usd), "hhi": rounded(s.hhi),
            "hhi_percentile": rounded(found.percentile_hhi), "hhi_days": found.days,
            "effective_venues": rounded(s.effective), "venues": s.k,
            "hhi_normalised": rounded(s.normalised), "entropy_nats": rounded(s.entropy),
            "exp_entropy_venues": rounded(s.exp_entropy), "theil_nats": rounded(s.theil), "cr1_share": rounded(s.cr1),
            "cr3_share": rounded(s.cr3), "window": window, **inflow(came),
            "new_percentile": rounded(found.percentile_new), "index_0_to_100": rounded(found.index),
            "windows_of_history": found.windows, "history": past(house, window), **false,
            "basis": found.basis, "method": f"{found.method.name} v{found.method.version}",
        },
        columns=["venue", "oi_usd", "share", "share_of_new", "location_quotient", "flow_usd"],
        rows=[
            [v.venue, usd(v.usd), rounded(v.share), rounded(v.phi), rounded(v.lq), usd(v.flow_usd)]
            for v in found.venues
        ],
        tables={"tests": tests(house, named, found, now), "thresholds": thresholds(found.thresholds)},
        coverage=coverage(found.coverage, house.rates),
        warnings=[*warnings(found.coverage, found.reasons), *shown_only(found), *unswept, *expiring(house)],
        next="get_liquidation_map for what would be force-closed if price moved",
    )  # fmt: skip


def shown_only(found: concentration.Concentration) -> list[str]:
    """That flags of a market that was hardly heard raise nothing."""
    if found.coverage.grade != "D" or set(found.flags) <= {"partial_universe"}:
        return []
    words = "Confidence grade D: flags are shown, nothing is alerted; what is carried may be gone."
    return [f"{Code.INSUFFICIENT_COVERAGE}: {words}"]


def tests(house: House, asset: str, found: concentration.Concentration, now: int) -> Table:
    """The sign flip's p as adjusted alone, and that of the hourly sweep's newest `concentrated_inflow` of a day."""
    rows: list[list[Cell]] = []
    if found.tested is not None:
        t = found.tested
        rows.append(["inflow", "this answer", utc(now), rounded(t.p), rounded(t.adjusted), t.rejected, t.family])
    if house.apart:
        return Table(columns=TESTS, rows=rows)
    raised = house.reader.events("concentrated_inflow", now - DAY_MS, now + 1, asset=asset)
    told = [(int(t), json.loads(str(d))) for t, d in zip(raised["ts"], raised["detail"], strict=True)]
    mine = [(t, d) for t, d in told if d["window_s"] == found.window_s and d["p"] is not None]
    for t, d in mine[-1:]:
        rejected = d["p_adjusted"] <= house.thresholds.fdr
        rows.append(["inflow", "sweep", utc(t), rounded(d["p"]), rounded(d["p_adjusted"]), rejected, d["family"]])
    return Table(columns=TESTS, rows=rows)


def spoken(found: Inflow | None, window: str) -> str:
    """What is new, in words."""
    if found is None:
        return f"what is new in {window} cannot be judged"
    if found.leader is None or found.max_phi is None:
        return f"nothing new in {window}"
    small = "" if found.is_material else ", which is not material"
    return f"{found.leader} took {found.max_phi:.0%} of {money(found.gross_usd)} new in {window}{small}"


def inflow(found: Inflow | None) -> dict[str, Cell]:
    if found is None:
        return {}
    return {
        "gross_inflow_usd": usd(found.gross_usd),
        "inflow_is_material": found.is_material,
        "inflow_largest_venue": found.leader,
        "inflow_largest_share": rounded(found.max_phi),
        "hhi_new": rounded(found.hhi_new),
        "kl_nats": rounded(found.kl),
        "inflow_p": rounded(found.p),
        "inflow_persistent": found.persistent,
        "inflow_unusual": found.unusual,
    }
