"""Who holds the open interest."""

from collections.abc import Sequence
from typing import Annotated, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from analytics import breakdown
from analytics.provenance import Basis
from analytics.supply import known, share
from server.answers import Answer, Cell, rounded, tenths, usd, utc
from server.tools.arguments import Asset, asset_of, venue_of
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.moment import AsOf, OfUniverse, at, expiring
from server.tools.provenance import coverage, hardly, money, pct, warnings
from server.tools.spans import DAY_MS, WINDOW_S, recent
from server.tools.standins import HELD_MS, held_back, polled_instead
from server.trust import CONTEXT, newest, records

MOST = 200  # rows
SUPPLY_MS = 3 * DAY_MS  # how long a supply from outside stands


def get_open_interest(
    house: House,
    asset: Asset = "BTC",
    venue: Annotated[str | None, Field(description="One venue's id; all if left out")] = None,
    by: Annotated[Literal["venue", "instrument"], Field(description="What a row is")] = "venue",
    limit: Annotated[int, Field(ge=1, le=MOST, description="Most rows")] = 30,
    as_of: AsOf = None,
    universe: OfUniverse = None,
) -> Answer:
    """Open interest now, by venue or by instrument, largest first: one-sided, in USD and coins, with its age.

    Use it for who holds how much at this moment; use get_chart_value for history. Rows by venue: class, oi_usd,
    oi_coins, share (of all venues' total, fraction of 1), growth_24h_pct (of contracts, free of price; unknown where
    the venue was not heard at both ends), funding_per_8h, age_s, cadence_s, state (fresh, stale, carried: silent, at
    its last quantity, excluded: silent too long), sides_disputed (its side count is not established), plausible_share
    (of its changes that traded volume can explain, where measured), basis. By instrument also what was published: raw,
    its unit, the sides it counts and how we know. Figures: total_usd and total_coins over all venues, of which live_usd
    is heard now and carried_usd the last quantity of silent venues, band_usd and band_coins (one sd of how far what is
    not fresh may have moved since), price_usd, supply_share (of all coins that exist, where known). As of now. The
    warning polled_instead names a venue whose stream is silent and whose values come over REST; held_back one whose
    newest value waits for a second source.
    """
    house = at(house, as_of, universe)
    named = asset_of(house, asset)
    only = None if venue is None else venue_of(house, venue)
    now = house.now()
    held = breakdown.venues(
        house.reader.latest(named),
        now,
        bars=recent(house, named, now, WINDOW_S["24h"]),
        gaps=gaps(house, named, now - 2 * DAY_MS, now),
        plausible=house.plausible(named),
        settings=house.thresholds,
    )
    if held.total_usd is None and held.venues:
        raise ToolError(
            f"insufficient_coverage: all {len(held.venues)} venues of {named} have been silent for more than "
            f"{house.thresholds.carry_s / 3600:.0f} h: nothing of it stands. Ask get_status for why."
        )
    if held.total_usd is None:
        raise ToolError(f"no_data: no venue has stated an open interest of {named} yet. Ask get_status for why.")
    venues = [v for v in held.venues if only in (None, v.venue)]
    if not venues:
        raise ToolError(
            f"no_data: {only} lists {named} but has not stated an open interest. Ask get_status(venue={only!r})."
        )
    if by == "venue":
        columns = [
            "venue", "class", "oi_usd", "oi_coins", "share", "growth_24h_pct", "funding_per_8h", "age_s", "cadence_s",
            "state", "sides_disputed", "plausible_share", "basis",
        ]  # fmt: skip
        believed = house.plausible(named)
        rows: list[list[Cell]] = [
            [
                v.venue, v.klass, *stated(v), pct(v.growth), rounded(v.funding_8h), tenths(v.age_s),
                tenths(v.cadence_s), v.state, v.disputed,
                rounded(believed.get(v.venue)), v.basis,
            ]
            for v in venues
        ]  # fmt: skip
    else:
        columns = [
            "venue", "symbol", "payoff", "raw", "raw_unit", "sides", "sides_status", "oi_usd", "oi_coins", "share",
            "mark_usd", "funding", "funding_interval_h", "age_s", "state",
        ]  # fmt: skip
        rows = [
            [
                i.venue, i.symbol, i.payoff, rounded(i.raw, 10), i.unit, i.sides, i.side_status, *stated(i),
                rounded(i.mark, 7), rounded(i.funding),
                rounded(i.funding_interval_h), tenths(i.age_s), i.state,
            ]
            for i in held.instruments
            if only in (None, i.venue)
        ]  # fmt: skip
    top = venues[0]
    shown = None if all(v.state == "excluded" for v in venues) else sum(v.usd for v in venues)
    wide = held.coverage.band_base
    rest = "" if len(rows) <= limit else f"limit={min(len(rows), MOST)} for all {len(rows)} rows; "
    return Answer(
        summary=f"{named} open interest {money(shown)}"
        + (f" on {only}" if only else f" on {len(venues)} venues; most on {top.venue} ({top.share:.0%})")
        + hardly(held.coverage),
        as_of=utc(now),
        simulated=house.simulated,
        asset=named,
        figures={
            "total_usd": usd(held.total_usd),
            "total_coins": rounded(held.total_base),
            "live_usd": usd(held.total_usd - held.carried_usd),
            "carried_usd": usd(held.carried_usd),
            "band_usd": usd(None if wide is None or held.price is None else wide * held.price),
            "band_coins": rounded(wide),
            "price_usd": rounded(held.price, 7),
            **supplied(house, named, now, held.total_base),
            "convention": "one-sided: a long and its short count once",
            "basis": Basis.CARRIED if held.carried_usd > 0 else Basis.DERIVED,
            "method": f"{breakdown.METHOD.name} v{breakdown.METHOD.version}",
        },
        columns=columns,
        rows=rows[:limit],
        coverage=coverage(held.coverage, house.rates),
        warnings=[
            *minded(house, now, held.instruments, only),
            *warnings(held.coverage, held.reasons),
            *expiring(house),
        ],
        truncated=len(rows) > limit,
        next=rest
        + ("get_concentration for how fragile the spread is" if by == "venue" else "get_status for connections"),
    )


def minded(house: House, now: int, instruments: Sequence[breakdown.InstrumentRow], only: str | None) -> list[str]:
    """Whose stream is silent while REST stands in, and whose newest word is held back."""
    spots = {(i.venue, i.segment, i.symbol) for i in instruments if only in (None, i.venue)}
    refused = records(house.reader.quarantine_counts(now - HELD_MS, now + 1))
    said = (row for row in records(house.reader.health()) if row["ts"] >= house.started)
    return [*held_back(refused, now, spots), *polled_instead(said, spots)]


def stated(row: breakdown.VenueRow | breakdown.InstrumentRow) -> tuple[Cell, Cell, Cell]:
    """USD, coins and share; what has been silent for too long is unknown, not zero."""
    return (None, None, None) if row.state == "excluded" else (usd(row.usd), rounded(row.base), rounded(row.share))


def supplied(house: House, asset: str, now: int, coins: float | None) -> dict[str, Cell]:
    """Open interest against what exists of the coin: coins over coins, so that no price is in it."""
    said = house.reader.events(CONTEXT, now - SUPPLY_MS, now + 1, asset=asset)
    found = [row for row in newest(said, "metric") if row["metric"] == "supply"]
    supply, basis = known(asset, now, max(found, key=lambda row: row["ts"])["value"] if found else None)
    of = share(coins, supply, basis)
    return {} if of.share is None else {"supply_share": rounded(of.share), "supply_basis": str(of.basis)}
