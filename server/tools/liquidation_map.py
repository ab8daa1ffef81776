"""What would be force-closed if price moved."""

from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from analytics.liquidation import LiquidationMap, view
from server.answers import Answer, Cell, Coverage, Table, rounded, utc
from server.tools.arguments import Asset, Detail, asset_of, venue_of
from server.tools.house import House
from server.tools.provenance import money

ROWS = 40  # 1 % bins within +-20 %


def get_liquidation_map(
    house: House,
    asset: Asset = "BTC",
    step_usd: Annotated[
        float | None, Field(gt=0, description="Width of a bin in USD; left out: 1 % of the mark")
    ] = None,
    venue: Annotated[str | None, Field(description="One venue's id; all if left out")] = None,
    detail: Detail = "concise",
) -> Answer:
    """Estimated notional that would be force-closed if the mark traded at each price within 20 % of it.

    Use it for where leverage is fragile; it says nothing about where price will go. Rows, a bin each, low to
    high: price_low, price_high, distance_pct from mark, long_usd, short_usd, their p10 and p90, cumulative from
    mark outward. Tables: within (totals within 1, 2, 5, 10 %), clusters (neighbouring heavy bins), venues.
    Figures: mark_usd, status (unvalidated: no score against real liquidations yet), identified_share (of open
    interest whose entry was observed), residual_usd (swept by the map but not seen in open interest). All
    masses are modelled.
    """
    named = asset_of(house, asset)
    only = None if venue is None else venue_of(house, venue)
    now = house.now()
    state = house.map_state(named)
    if state is None:
        raise ToolError(
            f"unsupported_symbol: no liquidation map of {named} is kept yet. Maps are built for the assets collected, "
            "some minutes after the start; BTC comes first. Ask get_status, then ask again."
        )
    coarse = step_usd is None and detail == "concise"
    venues = None if only is None else {only}
    first = view(state, now=now, step_usd=step_usd, venues=venues)
    if first.mark is None:
        raise ToolError(
            f"no_data: the map of {named}{f' on {only}' if only else ''} holds nothing yet. Ask get_status."
        )
    try:
        found = view(state, now=now, step_usd=first.mark / 100, venues=venues) if coarse else first
    except ValueError as unfit:
        raise ToolError(f"{unfit}. Leave step_usd out for 1 % bins.") from None
    bins = found.bins
    limit = len(bins) if detail == "detailed" else 2 * ROWS
    nearest = sorted(sorted(range(len(bins)), key=lambda k: abs(bins[k].distance_pct))[:limit])
    rows: list[list[Cell]] = [
        [
            rounded(b.price_low, 7), rounded(b.price_high, 7), rounded(b.distance_pct, 4), rounded(b.long_usd),
            rounded(b.long_band.p10), rounded(b.long_band.p90), rounded(b.short_usd), rounded(b.short_band.p10),
            rounded(b.short_band.p90), rounded(b.long_cumulative_usd), rounded(b.short_cumulative_usd),
        ]
        for b in (bins[k] for k in nearest)
    ]  # fmt: skip
    return Answer(
        summary=spoken(named, found),
        as_of=utc(found.as_of if found.as_of is not None else now),
        simulated=house.simulated,
        asset=named,
        figures={
            "status": found.status, "mark_usd": rounded(found.mark, 7), "age_s": rounded(found.age_s),
            "open_interest_usd": rounded(found.open_interest_usd), "long_usd": rounded(found.long_usd),
            "short_usd": rounded(found.short_usd), "identified_share": rounded(found.identified_share),
            "legacy_share": rounded(found.legacy_share), "swept_24h_usd": rounded(found.swept_usd),
            "explained_24h_usd": rounded(found.explained_usd), "residual_24h_usd": rounded(found.residual_usd),
            "map_score": None, "basis": found.basis, "policy": found.policy, "method": found.method,
        },
        columns=[
            "price_low", "price_high", "distance_pct", "long_usd", "long_p10", "long_p90", "short_usd", "short_p10",
            "short_p90", "long_cumulative_usd", "short_cumulative_usd",
        ],
        rows=rows,
        tables=tables(found, detail),
        coverage=Coverage(
            venues_ok=sorted({b.venue for b in found.books if not b.silent}),
            venues_carried=sorted({b.venue for b in found.books if b.silent}),
            age_s={b.venue: round(b.age_s, 1) for b in found.books},
        ),
        warnings=[found.status_words, *(f"{code}" for code in found.reasons), *found.caveats],
        truncated=len(nearest) < len(bins),
        next="step_usd for other bins, detail=detailed for 10 bp bins; get_concentration for where it sits",
    )  # fmt: skip


def tables(found: LiquidationMap, detail: Detail) -> dict[str, Table]:
    clusters = found.clusters if detail == "detailed" else found.clusters[:6]
    return {
        "within": Table(
            columns=["distance_pct", "long_usd", "long_p10", "long_p90", "short_usd", "short_p10", "short_p90"],
            rows=[
                [
                    w.distance_pct, rounded(w.long_usd), rounded(w.long_band.p10), rounded(w.long_band.p90),
                    rounded(w.short_usd), rounded(w.short_band.p10), rounded(w.short_band.p90),
                ]
                for w in found.within
            ],
        ),
        "clusters": Table(
            columns=["side", "price_low", "price_high", "distance_pct", "usd", "p10", "p90"],
            rows=[
                [
                    c.side, rounded(c.price_low, 7), rounded(c.price_high, 7), rounded(c.distance_pct, 4),
                    rounded(c.usd),
                    rounded(c.band.p10), rounded(c.band.p90),
                ]
                for c in clusters
            ],
        ),
        "venues": Table(
            columns=["venue", "payoff", "open_interest_usd", "long_usd", "short_usd", "identified_share", "age_s"],
            rows=[
                [
                    b.venue, b.payoff, rounded(b.open_interest_usd), rounded(b.long_usd), rounded(b.short_usd),
                    rounded(b.identified_share), round(b.age_s, 1),
                ]
                for b in found.books
            ],
        ),
    }  # fmt: skip


def spoken(asset: str, found: LiquidationMap) -> str:
    near = next((w for w in found.within if w.distance_pct == 5.0), None)
    if near is None:
        return f"{asset}: the map is empty"
    return (
        f"{asset} at {found.mark:,.6g} USD: within 5 % an estimated {money(near.long_usd)} of longs below and "
        f"{money(near.short_usd)} of shorts above would be force-closed; {found.status}"
    )
