"""Every question the tools ask of the store, one method each. Frames out; times in them are int64 ms UTC.

`as_of` (ms UTC, None for now) hides what was heard or computed later. Instruments and venues are spelling, not
observation: where no version is that old, the oldest one stands in, so that imported history can be named.
What is asked of an asset is of one universe: perpetuals and dated contracts are only added up where both are asked for.
"""

from collections.abc import Callable, Collection
from copy import copy
from time import time
from typing import Any, Literal, TypeVar

import duckdb
import pandas as pd

from store import barred, current, daily
from store import questions as q
from store.engine import Store
from store.latest import Latest
from store.minutes import FAR
from store.patience import Cursors, Patience
from store.recent import Recent
from store.spelling import Once, Spelling

TIMEOUT_S = 10.0
Frame = pd.DataFrame
Answer = TypeVar("Answer")
Universe = Literal["perpetual", "dated", "all"]


class Reader:
    """Asks; never writes. Safe to call from many threads: every call has a cursor of its own."""

    def __init__(
        self,
        store: Cursors,
        live: Latest | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        moment: int | None = None,
        spelling: Spelling | Once | None = None,
        patience: Patience | None = None,
        universe: Universe = "perpetual",
        always: Collection[str] = (),
    ) -> None:
        self.store = store
        self.universe: Universe = universe  # what is counted
        self.always = tuple(sorted(always))  # venues that list one kind only, which counts in any universe
        self.live = live if moment is None else None
        self.timeout_s = timeout_s
        self.moment = moment  # ms UTC: no question to this reader sees what came later; None for now
        self.spelling = Spelling() if spelling is None else spelling
        self.patience = Patience() if patience is None else patience
        self.silent = current.Silent()
        self.gone = current.Silent(current.GONE_MS)
        self.recent = Recent()

    def at(self, moment: int) -> "Reader":
        """A reader to whom it is `moment`, ms UTC, whatever it is asked."""
        reader = self.once()
        reader.moment, reader.live = moment, None
        return reader

    def of(self, universe: Universe) -> "Reader":
        """The same of another universe."""
        reader = copy(self)
        reader.universe = universe
        return reader

    def once(self) -> "Reader":
        """The same for the length of one answer: what is listed is looked up once, and all its parts see the same."""
        reader = copy(self)
        reader.spelling = Once(self.spelling) if isinstance(self.spelling, Spelling) else self.spelling
        return reader

    def renew(self) -> None:
        """Read the last hours of the assets that were asked for lately, so that the next answer need not: what the
        clock does when it has built bars.
        """
        if isinstance(self.store, Store):
            for asset in self.recent.lately():
                self.recent.read(self.ask_with, self.store.built, asset, self._spelled(barred.NAMES, None, asset=asset))

    def assets(self, as_of: int | None = None) -> Frame:
        """asset, instruments, venues (counts), in alphabetical order."""
        return self._spelled(q.ASSETS, as_of)

    def venues(self, as_of: int | None = None) -> Frame:
        """venue, name, class, docs, note, closed_on (YYYY-MM-DD or None)."""
        return self._spelled(q.VENUES, as_of)

    def instruments(self, asset: str | None = None, as_of: int | None = None) -> Frame:
        """instrument_id, venue, class, segment, symbol, asset, quote, settle, kind, payoff, contract_size, base_factor,
        live, max_leverage, funding_interval_h, funding_kind, field, unit, sides, side_status.

        The last four are those of the field heard last in the segment; before the first live reading, what all fields
        in the venue's file agree on, else None.
        """
        return self._spelled(q.INSTRUMENTS, as_of, asset=asset)

    def latest(self, asset: str, as_of: int | None = None) -> Frame:
        """One row an instrument heard within two days, and a listed perpetual within 30: columns of `instruments`, and

        raw (as published), native (raw / sides: the instrument's own contract unit, one-sided), base [coins], usd,
        mark, index [USD a coin], funding (fraction an interval), funding_interval_h, ts, seen, last_seen [ms],
        cadence_s (median gap of seen events, NaN while unknown), source, simulated, flags, state (of its
        connection, or None).
        """
        as_of = self.moment if as_of is None else as_of
        known = self.instruments(asset, as_of)
        live = self.live if as_of is None else None
        rows = {} if live is None else {s.current.instrument.id: current.in_memory(s) for s in live.snapshot(asset)}
        moment = time_ms() if as_of is None else as_of
        missing = [int(i) for i in known["instrument_id"] if i not in rows]
        found = self.silent.of(missing, moment, live is not None, lambda: self.ask_with(
            lambda con: current.stored(con, known, missing, moment, self._until(as_of))))  # fmt: skip
        told = self.health(as_of)
        rows, late = current.standing({**found, **rows}, known, told, lambda: self.venues(as_of), moment)
        found = self.gone.of(late, moment, live is not None, lambda: self.ask_with(
            lambda con: current.long_ago(con, late, moment, self._until(as_of))))  # fmt: skip
        frame = current.assembled(known, {**found, **rows}, told)
        return frame if frame["side_status"].notna().all() else current.with_status(frame, self.side_registry(as_of))

    def bars(
        self,
        asset: str,
        start: int,
        end: int,
        step_ms: int,
        as_of: int | None = None,
        columns: Collection[str] | None = None,
    ) -> Frame:
        """instrument_id, venue, class, payoff, symbol, t (the bucket's end, ms), native, base, usd, mark (closes),
        mark_high, mark_low, index (close; NaN where none is stated), opened, closed (gross, native; NaN where no change
        could be seen), readings, volume, taker_buy [coins; NaN where none is collected], liquidated_long,
        liquidated_short [USD; NaN where none was seen], funding, funding_interval_h, covered_s, last_seen, source; by
        instrument and t. Words are categories.

        `step_ms` is whole minutes. A bucket in which nothing was heard has no row; the running one is complete up to
        now, its `t` lies in the future. `columns` picks some of the columns: each costs its share of the time.
        """
        until, built = self._until(as_of), self.store.built if isinstance(self.store, Store) else None
        names = self._spelled(barred.NAMES, as_of, asset=asset)
        if until >= FAR and built is not None:
            kept = self.recent.bars(self.ask_with, built, asset, names, start, end, step_ms, columns)
            if kept is not None:
                return kept
        return self.ask_with(lambda con: barred.bars(con, names, start, end, step_ms, until, columns))

    def closes(self, asset: str, start_day: int, end_day: int, as_of: int | None = None) -> Frame:
        """Daily UTC closes of days in [start_day, end_day), newest revision: instrument_id, venue, class, payoff,
        symbol, day (its first ms), t (its last ms + 1), revision, native, raw, sides, contract_size, mark, base, usd,
        age_s, basis (measured | carried), source, simulated, known_at.
        """
        names = self._spelled(barred.NAMES, as_of, asset=asset)
        return self.ask_with(lambda con: daily.closes(con, names, start_day, end_day, self._until(as_of)))

    def readings(self, asset: str, start: int, end: int, as_of: int | None = None) -> Frame:
        """What live feeds stated in [start, end), by instrument and time: instrument_id, venue, ts, seen [ms], native
        [one-sided contracts], usd.
        """
        return self.ask(q.READINGS, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def liquidations(self, asset: str, start: int, end: int, as_of: int | None = None) -> Frame:
        """instrument_id, venue, class, symbol, ts, seen, side (of the position that died), size, unit, base, usd,
        price, feed (full | throttled | inferred).
        """
        return self.ask(q.LIQUIDATIONS, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def volumes(self, asset: str, start: int, end: int, as_of: int | None = None) -> Frame:
        """Traded volume of minutes that begin in [start, end), as said last: instrument_id, venue, class, symbol, ts
        (of the minute), seen, base [coins], taker_buy (NaN where the venue does not split), source, simulated.
        """
        return self.ask(q.VOLUMES, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def ratios(self, asset: str, start: int, end: int, as_of: int | None = None) -> Frame:
        """Longs to shorts stated in [start, end): instrument_id, venue, class, symbol, kind (account | top_account |
        top_position | taker; never to be mixed), ts, seen, ratio (long / short), source, simulated.
        """
        return self.ask(q.RATIOS, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def ratios_by(self, asset: str, start: int, end: int, step_ms: int, as_of: int | None = None) -> Frame:
        """`ratios`, of each step of `step_ms` only what was stated last: instrument_id, venue, kind, ts, ratio."""
        return self.ask(q.RATIOS_BY, asset=asset, start=start, end=end, step=step_ms, as_of=self._until(as_of))

    def fundings(self, asset: str, start: int, end: int, step_ms: int = 1, as_of: int | None = None) -> Frame:
        """What was paid in [start, end), of each step that ends in whole `step_ms` what was paid last: instrument_id,
        venue, ts, rate (fraction per interval; positive: longs paid), interval_h, kind (settled).
        """
        return self.ask(q.FUNDINGS, asset=asset, start=start, end=end, step=step_ms, as_of=self._until(as_of))

    def traded(self, asset: str, start: int, end: int, step_ms: int, as_of: int | None = None) -> Frame:
        """Volume by steps: instrument_id, t (end, ms), base [coins], taker_buy, minutes (whose volume was told)."""
        return self.ask(q.TRADED, asset=asset, start=start, end=end, step=step_ms, as_of=self._until(as_of))

    def feeds(self, asset: str | None, start: int, end: int, as_of: int | None = None) -> Frame:
        """How forced closes, of one asset or of all, were published: venue, feed (full | throttled | inferred), since
        (its first, ms), count.
        """
        return self.ask(q.FEEDS, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def tiers(self, asset: str, as_of: int | None = None) -> Frame:
        """The leverage ladder of each instrument that has told one: instrument_id, venue, class, symbol, tier, lower,
        upper [USD; NaN: no bound], maintenance (fraction of notional), max_leverage, deduction [USD; NaN where the
        venue does not say], known_at, simulated.
        """
        return self.ask(q.TIERS, asset=asset, as_of=self._until(as_of))

    def gaps(
        self, start: int, end: int, venue: str | None = None, asset: str | None = None, as_of: int | None = None
    ) -> Frame:
        """Gaps that touch [start, end): venue, segment, symbol ('' for the whole segment), start, end (NaN while open),
        reason.
        """
        gaps = self.ask(q.GAPS, start=start, end=end, venue=venue, as_of=self._until(as_of))
        if asset is None or not len(gaps):
            return gaps
        known = self._spelled(q.SYMBOLS, None, asset=asset).to_numpy().tolist()
        mine = {(v, s, symbol) for v, s, symbol in known} | {(v, s, "") for v, s, _ in known}
        spots = zip(gaps["venue"], gaps["segment"], gaps["symbol"], strict=True)
        return gaps[[spot in mine for spot in spots]].reset_index(drop=True)

    def health(self, as_of: int | None = None) -> Frame:
        """The newest word on every venue, segment and symbol ('' for the whole segment): venue, segment, symbol, ts,
        state, since, last_seen, cadence_s, frames, unreadable, detail, ignored, unknown, lag_ms, skew_ms.
        """
        as_of = self.moment if as_of is None else as_of
        if as_of is None and self.live is not None and self.live.told is not None:
            return current.health(list(self.live.told.values()), time_ms())
        return self.ask(q.HEALTH, as_of=time_ms() + 60_000 if as_of is None else as_of)

    def side_registry(self, as_of: int | None = None) -> Frame:
        """venue, segment ('' where the venue's file does not tie the field to one), field, unit, sides, status,
        valid_from, evidence, known_at.
        """
        return self._spelled(q.SIDES, as_of)

    def quarantine_counts(self, start: int, end: int) -> Frame:
        """venue, segment, symbol, check, count, last (ms), words (the newest)."""
        return self.ask(q.QUARANTINE, start=start, end=end)

    def events(
        self,
        kind: str,
        start: int,
        end: int,
        venue: str | None = None,
        asset: str | None = None,
        as_of: int | None = None,
    ) -> Frame:
        """What was noted in [start, end), oldest first: ts, kind, asset, venue ("" where it is of none), detail (JSON),
        known_at.
        """
        return self.ask(q.EVENTS, kind=kind, start=start, end=end, venue=venue, asset=asset, as_of=self._until(as_of))

    def positions(self, asset: str, start: int, end: int, as_of: int | None = None) -> Frame:
        """Public positions as last seen in [start, end), without the closed: instrument_id, venue, symbol, holder,
        seen, side, base [coins], entry, liquidation_price [USD a coin; NaN where unsaid], leverage, simulated.
        """
        return self.ask(q.POSITIONS, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def holds(self) -> Frame:
        """venue, until (ms), reason: the longest wait each venue has asked for."""
        return self.ask(q.HOLDS)

    def meta(self) -> dict[str, str]:
        """schema_version, mode, created, engine."""
        frame = self.ask("SELECT key, value FROM meta")
        return {str(k): str(v) for k, v in zip(frame["key"], frame["value"], strict=True)}

    def thresholds(self, asset: str, window_s: int, as_of: int | None = None) -> Frame:
        """What the clock last found usual for windows of this length: metric, value, n (points of history), version,
        known_at [ms]. One row a metric.
        """
        return self.ask(q.THRESHOLDS, asset=asset, window_s=window_s, as_of=self._until(as_of))

    def episodes(self, asset: str | None, start: int, end: int, as_of: int | None = None) -> Frame:
        """The newest word on each episode opened in [start, end): id, asset, kind, leader, opened [ms], resolved [ms;
        NaN while open], label ('open' while it is), rules (their version), detail (JSON), simulated, known_at.
        """
        return self.ask(q.EPISODES, asset=asset, start=start, end=end, as_of=self._until(as_of))

    def lists(self, asset: str) -> bool:
        """Whether any venue has ever listed it, in whatever universe."""
        return len(self._spelled(q.SYMBOLS, None, asset=asset, universe="all")) > 0

    def counts(self) -> dict[str, int]:
        """Rows in each table, as the engine estimates them."""
        frame = self.ask("SELECT table_name, estimated_size FROM duckdb_tables() WHERE NOT internal")
        return {str(t): int(n) for t, n in zip(frame["table_name"], frame["estimated_size"], strict=True)}

    def size_bytes(self) -> int:
        """What the file holds, its log included [bytes]."""
        frame = self.ask("SELECT database_size, wal_size, block_size, total_blocks FROM pragma_database_size()")
        return int(frame["block_size"].sum() * frame["total_blocks"].sum()) if len(frame) == 1 else 0

    def span(self, asset: str, as_of: int | None = None) -> tuple[int, int] | None:
        """First and last ms for which anything is known of an asset."""
        frame = self.ask(q.SPAN, asset=asset, as_of=self._until(as_of))
        first, last = frame["first"].iloc[0], frame["last"].iloc[0]
        return None if pd.isna(first) or pd.isna(last) else (int(first), int(last))

    def ask(self, sql: str, **values: Any) -> Frame:
        return self.ask_with(lambda con: con.execute(sql, {**self._counted(sql), **values}).df())

    def ask_with(self, question: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """Run one question on a cursor of its own, interrupted when its time is up."""
        return self.patience.ask(self.store, self.timeout_s, question)

    def _until(self, as_of: int | None) -> int:
        asked = [t for t in (as_of, self.moment) if t is not None]
        return min(asked) if asked else FAR

    def _spelled(self, sql: str, as_of: int | None, **values: Any) -> Frame:
        """The answer to a question of what is listed, from memory where it is known."""
        return self.spelling.asked(self.ask_with, sql, self._until(as_of), {**self._counted(sql), **values})

    def _counted(self, sql: str) -> dict[str, str]:
        """What a question of a universe must be told."""
        return {"universe": self.universe, "always": ",".join(self.always)} if "$universe" in sql else {}


def time_ms() -> int:
    return round(time() * 1000)
