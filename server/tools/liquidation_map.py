"""What would be force-closed if price moved."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import pandas as pd
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from analytics import conventions
from analytics.coverage import disputed, grade
from analytics.liquidation import LiquidationMap, view
from analytics.liquidation.answer import Bin
from analytics.provenance import Code
from server import scored
from server.answers import Answer, Cell, Coverage, Table, age_s, rounded, tenths, usd, utc
from server.recounts import recounts
from server.tools.arguments import Asset, Detail, asset_of, venue_of
from server.tools.house import House
from server.tools.moment import AsOf, at
from server.tools.provenance import money
from server.tools.spans import DAY_MS

BLIND, BLIND_MS = "map_against_positions", 3 * 3_600_000  # events of server.near; how long one stands
ROWS = 80  # bins of a concise answer: 1 % bins within +-20 % are 40
WIDTH = 0.01  # of mark: a bin, unless step_usd or detail says otherwise


def get_liquidation_map(
    house: House,
    asset: Asset = "BTC",
    step_usd: Annotated[
        float | None, Field(gt=0, description="Width of a bin in USD; left out: 1 % of the mark")
    ] = None,
    venue: Annotated[str | None, Field(description="One venue's id; all if left out")] = None,
    detail: Detail = "concise",
    as_of: AsOf = None,
) -> Answer:
    """Estimated notional that would be force-closed if the mark traded at each price within 20 % of it.

    Use it for where leverage is fragile; it says nothing about where price will go. Rows, a bin each, low to high:
    price_low, price_high, distance_pct (of its middle from mark), long_usd, short_usd, and both cumulative from mark
    outward; detailed adds p10 and p90 and 10 bp bins. Tables: within (totals within 1, 2, 5, 10 %, with p10 and p90),
    clusters (neighbouring heavy bins), venues, against_positions (its shape beside positions that a venue shows to
    everyone, which it never saw). Figures: mark_usd, status (unvalidated until map_score, the skill on real
    liquidations, is above 0 at its lower bound), identified_share (of open interest whose entry was observed),
    legacy_share (the rest), residual_24h_usd (swept by price in the map, but not seen to leave open interest). Renewed
    every minute: see age_s. With as_of it is built again from bars as known then, which takes seconds the first time.
    All masses are modelled.
    """
    house = at(house, as_of)
    named = asset_of(house, asset)
    only = None if venue is None else venue_of(house, venue)
    now = house.now()
    state = house.map_state(named) if as_of is None else house.past_map(house.reader, named, now)
    if state is None:
        raise ToolError(
            f"unsupported_symbol: no liquidation map of {named} is kept (yet). Maps are built within a minute after "
            "the start, for the assets that are collected. Ask get_status, then ask again, or ask for BTC."
        )
    venues = None if only is None else {only}
    omega = scored.calibrated(house.reader, named, state, now)
    score = scored.map_score(house.reader, named, now, state.policy)
    status = "unvalidated" if score is None else str(score["status"])
    latest = house.reader.latest(named)
    paces = {str(v): float(s) for v, s in latest.groupby("venue", observed=True)["cadence_s"].min().items() if s > 0}
    share = WIDTH if detail == "concise" else None
    try:
        found = view(state, now=now, step_usd=step_usd, step_share=share, venues=venues, omega=omega, cadence_s=paces)
    except ValueError as unfit:
        raise ToolError(f"{unfit}. Leave step_usd out for 1 % bins.") from None
    if found.mark is None:
        raise ToolError(
            f"no_data: the map of {named}{f' on {only}' if only else ''} holds nothing yet. Ask get_status."
        )
    whole = sum(b.open_interest_usd for b in found.books)
    heard = sum(b.open_interest_usd for b in found.books if not b.silent) / whole if whole > 0 else None
    bins = found.bins
    limit = len(bins) if detail == "detailed" else ROWS
    nearest = sorted(sorted(range(len(bins)), key=lambda k: abs(bins[k].distance_pct))[:limit])
    return Answer(
        summary=spoken(named, only, found, status),
        as_of=utc(found.as_of if found.as_of is not None else now),
        simulated=house.simulated,
        asset=named,
        figures={
            "status": status, "mark_usd": rounded(found.mark, 7),
            "age_s": None if found.age_s is None else tenths(found.age_s),
            "open_interest_usd": usd(found.open_interest_usd), "long_usd": usd(found.long_usd),
            "short_usd": usd(found.short_usd), "identified_share": rounded(found.identified_share),
            "legacy_share": rounded(found.legacy_share), "swept_24h_usd": usd(found.swept_usd),
            "explained_24h_usd": usd(found.explained_usd), "residual_24h_usd": usd(found.residual_usd),
            "map_score": spoken_score(score), "basis": found.basis, "policy": found.policy, "method": found.method,
        },
        columns=[*BIN, *(BANDS if detail == "detailed" else ())],
        rows=[row(bins[k], detail) for k in nearest],
        tables={**tables(found, detail), **positions(house, named, now, only)},
        coverage=Coverage(
            share=rounded(heard),
            grade=grade(heard, house.thresholds),
            venues_ok=sorted({b.venue for b in found.books if not b.silent}),
            venues_carried=sorted({b.venue for b in found.books if b.silent}),
            age_s={b.venue: tenths(b.age_s) for b in sorted(found.books, key=lambda b: b.venue)},
            cadence_s={b.venue: tenths(paces[b.venue]) for b in found.books if b.venue in paces},
            usd_rates=dict(house.rates),
        ),
        warnings=[
            *warnings(found, score), *sided(latest, only), *counted_otherwise(house, named, now),
            *again(as_of is not None),
        ],
        truncated=len(nearest) < len(bins),
        next="step_usd for other bins, detail=detailed for 10 bp bins with bands; get_concentration for where it sits",
    )  # fmt: skip


BIN = (
    "price_low", "price_high", "distance_pct", "long_usd", "short_usd", "long_cumulative_usd", "short_cumulative_usd",
)  # fmt: skip
BANDS = ("long_p10_usd", "long_p90_usd", "short_p10_usd", "short_p90_usd")


def row(b: Bin, detail: Detail) -> list[Cell]:
    """A bin, in the order of BIN and BANDS."""
    cells: list[Cell] = [
        rounded(b.price_low, 7), rounded(b.price_high, 7), rounded(b.distance_pct), usd(b.long_usd), usd(b.short_usd),
        usd(b.long_cumulative_usd), usd(b.short_cumulative_usd),
    ]  # fmt: skip
    if detail == "detailed":
        cells += [usd(x) for band in (b.long_band, b.short_band) for x in (band.p10, band.p90)]
    return cells


def warnings(found: LiquidationMap, score: Mapping[str, Any] | None) -> list[str]:
    """Every reason and caveat as a sentence."""
    if score is None:
        return [f"{found.status}_map: {found.status_words}", *found.caveats]
    if score["status"] == "unvalidated":
        words = "unvalidated_map: scored against realised liquidations, but not shown to know more than distance does."
        return [words, *found.caveats]
    return list(found.caveats)


def sided(latest: pd.DataFrame, only: str | None) -> list[str]:
    """Whose open interest, and with it the mass here, may be off by two."""
    mine = latest if only is None else latest[latest["venue"] == only]
    return [f"{r.code}: {r.words}" for r in disputed(mine)]


def counted_otherwise(house: House, asset: str, now: int) -> list[str]:
    """Where a venue only began to count otherwise, and what the map made of it."""
    rows = conventions.breaks(recounts(house.reader, asset, now - 30 * DAY_MS, now + 1))
    told: list[str] = []
    for r in rows.to_dict("records"):
        ratio, whose = float(r["ratio"]), f"{Code.CONVENTION_CHANGE_IN_WINDOW}: {r['venue']} {r['symbol']} counts"
        how = f"{ratio:g} times as much" if ratio > 0 else "otherwise, nobody knows by how much,"
        what = "its part of the map was scaled by it" if ratio > 0 else "the step was booked as a gap"
        told.append(f"{whose} {how} since {utc(int(r['start']) + 1)}: {what}; nothing of that step was traded.")
    return told


def again(past: bool) -> list[str]:
    """Where the map is not the one that was kept."""
    words = (
        "Rebuilt from stored bars as known then: by the hour, the last day by five minutes, the last hour by minutes. "
        "The map that was served then had passed every minute."
    )
    return [words] if past else []


def spoken_score(score: Mapping[str, Any] | None) -> str | None:
    """The score in one line; None before any day was judged."""
    if score is None:
        return None
    if score["skill_nats_per_usd"] is None:
        return f"no liquidations of full feeds in {score['window_days']} days"
    low, high = score["interval_90"]
    return (
        f"skill {score['skill_nats_per_usd']:.3g} nats/USD (90 %: {low:.3g} to {high:.3g}) over {score['baseline']}, "
        f"predicted/realised {score['predicted_over_realised']:.3g}, {score['window_days']} days, "
        f"{score['n_events']} forced closes"
    )


def tables(found: LiquidationMap, detail: Detail) -> dict[str, Table]:
    clusters = found.clusters if detail == "detailed" else found.clusters[:6]
    return {
        "within": Table(
            columns=[
                "distance_pct", "long_usd", "long_p10_usd", "long_p90_usd", "short_usd", "short_p10_usd",
                "short_p90_usd",
            ],
            rows=[
                [
                    rounded(w.distance_pct), usd(w.long_usd), usd(w.long_band.p10), usd(w.long_band.p90),
                    usd(w.short_usd), usd(w.short_band.p10), usd(w.short_band.p90),
                ]
                for w in found.within
            ],
        ),
        "clusters": Table(
            columns=["side", "price_low", "price_high", "distance_pct", "usd", "p10_usd", "p90_usd"],
            rows=[
                [
                    c.side, rounded(c.price_low, 7), rounded(c.price_high, 7), rounded(c.distance_pct),
                    usd(c.usd),
                    usd(c.band.p10), usd(c.band.p90),
                ]
                for c in clusters
            ],
        ),
        "venues": Table(
            columns=["venue", "payoff", "open_interest_usd", "long_usd", "short_usd", "identified_share", "age_s"],
            rows=[
                [
                    b.venue, b.payoff, usd(b.open_interest_usd), usd(b.long_usd), usd(b.short_usd),
                    rounded(b.identified_share), tenths(b.age_s),
                ]
                for b in sorted(found.books, key=lambda b: -b.open_interest_usd)
            ],
        ),
    }  # fmt: skip


def positions(house: House, asset: str, now: int, venue: str | None) -> dict[str, Table]:
    """The map against positions that a venue shows to everyone, where any were seen lately."""
    rows = house.reader.events(BLIND, now - BLIND_MS, now + 1, asset=asset, venue=venue)
    newest = {str(v): (int(t), json.loads(str(d)))
              for t, v, d in zip(rows["ts"], rows["venue"], rows["detail"], strict=True)}  # fmt: skip
    told: list[list[Cell]] = [
        [
            v, s["side"], s["positions"], rounded(s["covered"]), rounded(s["wasserstein_bp"]),
            rounded(s["jensen_shannon"]), rounded(s["mass_ratio_5pct"]), age_s(now, t),
        ]
        for v, (t, d) in newest.items()
        for s in d["sides"]
    ]  # fmt: skip
    names = ["venue", "side", "positions", "covered_share", "wasserstein_bp", "jensen_shannon", "mass_ratio_5pct",
             "age_s"]  # fmt: skip
    return {"against_positions": Table(columns=names, rows=told)} if told else {}


def spoken(asset: str, venue: str | None, found: LiquidationMap, status: str) -> str:
    near = next((w for w in found.within if w.distance_pct == 5.0), None)
    where = f"{asset}{f' on {venue}' if venue else ''}"
    if near is None:
        return f"{where}: the map is empty"
    return (
        f"{where} at {found.mark:,.6g} USD: within 5 % an estimated {money(near.long_usd)} of longs below and "
        f"{money(near.short_usd)} of shorts above would be force-closed; {status}"
    )
