"""The made-up market's past, put into a demo's store as if it had been recorded (decisions.md, 27)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from anyio import to_thread

from collectors.backfill import backfill
from collectors.http import Address, Http
from collectors.missing import Missing, mark_at
from collectors.venue import Gives, Limits, Venue
from simulator.history import DAYS, Past, past
from simulator.market import Market
from simulator.script import Contract, Reading, Script
from store.bars import build
from store.bulk import write_readings
from store.closes import GRACE_MS, write_closes
from store.engine import Store
from store.records import Instrument, Payoff, Record, Unit
from store.writer import Writer

DAY_MS = 86_400_000
STEP_MS = 300_000
AT_ONCE = 2000  # records before the writer is waited for
Array = npt.NDArray[np.float64]


def unhurt(limits: Limits) -> Limits:
    """A simulated venue bears anything."""
    return Limits(weight=1e6, others=dict.fromkeys(limits.others, (1e6, 1.0)))


def import_past(
    store: Store,
    writer: Writer,
    market: Market,
    venues: Mapping[str, Venue],
    scripts: Mapping[str, Script],
    since_ms: int,
    until_ms: int,
    said: Callable[[int, int], None] = lambda _, __: None,
    beside: Callable[[Past], Iterable[Record]] = lambda _: (),
) -> int:
    """Write the readings of the market's past in [since_ms, until_ms). Gives their number.

    A reading is spelled as the venue's own feed would spell it: same field, unit and sides, so that history and stream
    are one series. The last day is left to `ask_for_the_last_day` where the venue can be asked for its history. `said`
    hears (contracts done, contracts in all); `beside` gives what else is to be written of a contract.
    """
    count = 0
    for done, told in enumerate(past(market, until_ms, since_ms)):
        contract = listed(scripts[told.contract.venue], told.contract.segment, told.contract.symbol)
        spelled = reading(scripts[told.contract.venue], contract)
        instrument = instrument_of(told.contract.venue, contract)
        asked = can_be_asked(venues[instrument.venue], instrument.segment)
        keep = told.ts < (until_ms - DAY_MS if asked else until_ms)
        if report := reported_ms(venues[instrument.venue], instrument.segment):
            keep &= told.ts % report == 0
        ts, mark, coins = told.ts[keep], told.mark[keep], told.coins[keep]
        raw = native(contract, spelled, mark, coins)
        columns = {
            "ts": ts, "seen": ts, "instrument_id": instrument.id, "field": key(venues[instrument.venue], spelled),
            "raw": raw, "unit": spelled.unit, "sides": spelled.sides, "base": coins, "usd": coins * mark,
            "mark": mark, "source": "import",
            "funding": told.funding[keep] if gives(venues[instrument.venue], instrument.segment, "funding") else None,
            "funding_interval_h": told.contract.funding_interval_h,
        }  # fmt: skip
        writer.put(instrument)
        count += write_readings(store, columns, simulated=True)
        for n, record in enumerate(beside(told)):
            writer.put(record)
            if n % AT_ONCE == AT_ONCE - 1:
                writer.flush()
        writer.flush()
        said(done + 1, len(market.contracts))
    writer.flush()
    return count


async def ask_for_the_last_day(
    writer: Writer,
    market: Market,
    venues: Mapping[str, Venue],
    scripts: Mapping[str, Script],
    address: Address,
    until_ms: int,
) -> int:
    """Fill the last day through the venues' own history, as after any interruption. Gives the readings.

    Not as politely: the simulated venues bear any number of questions, and a real budget would take half a minute.
    """
    since = until_ms - DAY_MS
    grid = np.arange(since - since % STEP_MS, until_ms, STEP_MS, dtype=np.int64)
    instruments: list[Instrument] = []
    marks: dict[int, list[tuple[int, float]]] = {}
    for venue, segment, symbol in market.contracts:
        if can_be_asked(venues[venue], segment):
            contract = listed(scripts[venue], segment, symbol)
            instrument = instrument_of(venue, contract)
            mark, _ = market.series((venue, segment, symbol), grid)
            instruments.append(instrument)
            marks[instrument.id] = [(int(t), float(m) * contract.base_factor) for t, m in zip(grid, mark, strict=True)]
    async with Http(address=address, sink=writer.put) as http:
        chosen = [replace(venues[id], limits=unhurt(venues[id].limits)) for id in scripts]
        missing = [Missing(instrument, ((since, until_ms),)) for instrument in instruments]
        done = await backfill(
            chosen, missing, writer.put, http, simulated=True, share=1.0,
            marks=lambda instrument, ts: mark_at(marks[instrument.id], ts, STEP_MS / 1000),
        )  # fmt: skip
    await to_thread.run_sync(writer.flush)
    return sum(progress.readings for progress in done)


def can_be_asked(venue: Venue, segment: str) -> bool:
    """Whether it tells more than a number a day of its past: of a weekly report the last day has none."""
    past = [history for s in venue.segments if s.id == segment for history in s.history]
    return any("oi" in history.gives and 1000 * history.step < DAY_MS for history in past)


def reported_ms(venue: Venue, segment: str) -> int:
    """Between two statements of a daily or weekly report; 0 where open interest is told more often."""
    feeds = [feed for s in venue.segments if s.id == segment for feed in s.feeds if "oi" in feed.gives]
    seldom = [1000 * round(feed.cadence) for feed in feeds if feed.cadence is not None]
    return min((ms for ms in seldom if ms >= DAY_MS), default=0)


def gives(venue: Venue, segment: str, what: Gives) -> bool:
    """Whether any feed of a segment states it."""
    return any(what in feed.gives for s in venue.segments if s.id == segment for feed in s.feeds)


def settle(store: Store, since_ms: int, until_ms: int) -> None:
    """The bars and daily closes of what was written."""
    begin = max(since_ms, until_ms - DAYS * DAY_MS) - 2 * DAY_MS
    build(store, begin, until_ms)
    write_closes(store, begin, until_ms - GRACE_MS)


def listed(script: Script, segment: str, symbol: str) -> Contract:
    return next(c for c in script.instruments if (c.segment, c.symbol) == (segment, symbol))


def instrument_of(venue: str, c: Contract) -> Instrument:
    """The instrument as the venue's catalogue will name it."""
    return Instrument(
        venue, c.segment, c.symbol, c.asset, c.quote, c.settle, c.kind, c.payoff, c.contract_size,
        c.base_factor, c.live, c.max_leverage, c.funding_interval_h,
    )  # fmt: skip


def reading(script: Script, contract: Contract) -> Reading:
    """How the venue states this contract's open interest: by its script's own expectation, or that of its neighbour."""
    beside = {c.symbol for c in script.instruments if c.segment == contract.segment}
    own = [r for r in script.expect.readings if r.symbol == contract.symbol]
    near = [r for r in script.expect.readings if r.symbol in beside]
    return (own or near)[0]


def key(venue: Venue, spelled: Reading) -> str:
    """The field's name; a script leaves it out where the venue has one of this unit only."""
    if spelled.field is not None:
        return str(spelled.field)
    return next(str(f.key) for f in venue.fields if (f.unit, f.sides) == (spelled.unit, spelled.sides))


def native(contract: Contract, spelled: Reading, mark: Array, coins: Array) -> Array:
    """One-sided coins in the unit and the sides that the field counts."""
    match Unit(spelled.unit), contract.payoff:
        case Unit.BASE, _:
            amount = coins / contract.base_factor
        case Unit.USD, _:
            amount = coins * mark
        case Unit.CONTRACTS, Payoff.INVERSE:
            amount = coins * mark / contract.contract_size
        case _:
            amount = coins / contract.base_factor / contract.contract_size
    return amount * spelled.sides
