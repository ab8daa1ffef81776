"""What else the made-up market's past held: forced closes, ratios, facts from outside, and maps that were judged.

The shapes are those of the live feeds; the numbers are drawn from the seed and stand for nothing but the shape.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from analytics.liquidation import MapState, advance, start
from analytics.settings import DEFAULTS, Settings
from collectors.venue import Venue
from server.maps import HOUR_MS, finished, terms
from server.past import gives, instrument_of, listed, reported_ms
from server.scored import Scores, newest
from simulator.history import Past
from simulator.market import Contract, Market
from simulator.script import Script
from store.engine import Store
from store.reader import Reader
from store.records import Event, FeedClass, Instrument, Liquidation, LongShort, Record, Side, Source, Unit

DAY_MS = 86_400_000
FINE_DAYS = 7  # forced closes by the hour so long ago, by the day before
JUDGED_DAYS = 7  # maps of so many closes are judged
LEARNED_DAYS = 21  # of bars by the day before the first of them
MADE_UP = "made up"


def told(market: Market, venues: Mapping[str, Venue], scripts: Mapping[str, Script], until_ms: int,
         of: Past) -> Iterator[Record]:  # fmt: skip
    """Forced closes and ratios of one contract, where its venue's feeds have any."""
    key = (of.contract.venue, of.contract.segment, of.contract.symbol)
    instrument = instrument_of(key[0], listed(scripts[key[0]], key[1], key[2]))
    feed = feed_of(scripts[key[0]])
    if feed is not None:
        yield from forced(market, of, instrument, feed, until_ms)
    if gives(venues[key[0]], key[1], "ratios") and not reported_ms(venues[key[0]], key[1]):  # of kinds of its own
        days = of.ts[of.ts % DAY_MS == 0]
        mood = 0.25 + 0.2 * np.sin(days / DAY_MS / 17) + noise(market, "ratio", of.contract, len(days)) * 0.05
        for t, x in zip(days.tolist(), np.exp(mood).tolist(), strict=True):
            yield LongShort(instrument, t, t, "account", round(x, 4), Source.BACKFILL, True)


def forced(market: Market, of: Past, instrument: Instrument, feed: FeedClass, until_ms: int) -> Iterator[Liquidation]:
    """One a step and contract: the more, the further the mark moved; longs where it fell."""
    step = np.where(of.ts >= until_ms - FINE_DAYS * DAY_MS, HOUR_MS, DAY_MS)
    keep = np.flatnonzero((of.ts % step == 0) & (of.ts > of.ts[0]))
    before = np.searchsorted(of.ts, of.ts[keep] - step[keep])
    move = np.log(of.mark[keep] / of.mark[before])
    share = (2e-5 + 0.01 * np.abs(move)) * np.exp(0.6 * noise(market, "forced", of.contract, len(keep)))
    along = dict(zip(keep.tolist(), np.abs(np.sin(1000 * noise(market, "way", of.contract, len(keep)))), strict=True))
    moved = dict(zip(keep.tolist(), move.tolist(), strict=True))
    for k, died, fell in zip(keep.tolist(), share.tolist(), (move < 0).tolist(), strict=True):
        t, base = int(of.ts[k]), float(of.coins[k]) * died
        mark = float(of.mark[k]) * math.exp(-along[k] * moved[k])  # somewhere on its way there
        yield Liquidation(
            instrument, t, t, Side.LONG if fell else Side.SHORT, base, Unit.BASE, base, base * mark, mark, feed, True
        )


def noise(market: Market, what: str, of: Contract, count: int) -> np.ndarray:
    """Standard normal numbers that a seed, a contract and a subject always give."""
    words = "|".join((str(market.seed), what, of.venue, of.segment, of.symbol))
    return np.random.default_rng(list(words.encode())).normal(size=count)


def feed_of(script: Script) -> FeedClass | None:
    """How the venue publishes forced closes, by its script's own expectation."""
    return FeedClass(script.expect.liquidations[0].feed) if script.expect.liquidations else None


def facts(market: Market, days: Sequence[int]) -> Iterator[Event]:
    """A day's market cap, realised cap, MVRV and supply of Bitcoin, as a source from outside would state them."""
    line = 1.9 + 0.3 * np.sin(np.array(days) / DAY_MS / 60)
    for t, mvrv in zip(days, line.tolist(), strict=True):
        cap = 1.8e12 * mvrv / 1.9
        for metric, unit, value in (
            ("mvrv", "ratio", mvrv), ("market_cap", "usd", cap), ("realised_cap", "usd", cap / mvrv),
        ):  # fmt: skip
            detail = {"metric": metric, "unit": unit, "value": value, "source": MADE_UP, "basis": "external"}
            yield Event(t, "context", "BTC", "", json.dumps(detail))


def judged(reader: Reader, store: Store, folder: Path, asset: str, until_ms: int,
           said: Callable[[int], None] = lambda _: None, settings: Settings = DEFAULTS) -> int:  # fmt: skip
    """Maps of the last closes, each built from what came before it, frozen, and judged by the day after. Gives how many
    were; none where maps of this asset have been judged before.
    """
    midnight = until_ms - until_ms % DAY_MS
    if newest(reader, asset, until_ms, settings.removal_policy) is not None:
        return 0
    first = midnight - JUDGED_DAYS * DAY_MS
    state = start(asset, terms(reader, asset, settings), settings.removal_policy, settings)
    state = grown(reader, state, first - LEARNED_DAYS * DAY_MS, first, DAY_MS)
    states: dict[str, MapState | None] = {asset: state}
    count = 0
    for close in range(first, midnight + 1, DAY_MS):
        if close > first:
            states[asset] = state = grown(reader, state, close - DAY_MS, close, HOUR_MS)
        scores = Scores(reader, store, folder, states, True, now=lambda at=close: at + 90_000, settings=settings)
        scores.daily(close)
        count += close > first
        said(count)
    return count


def grown(reader: Reader, state: MapState, since: int, until: int, step: int) -> MapState:
    return advance(state, finished(reader.bars(state.asset, since, until, step), until), step_ms=step)
