"""What rows say becomes records: checked, priced, thinned as the live feed is, and inserted once, batch after batch."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from time import time
from typing import Any

import numpy as np
import numpy.typing as npt

from collectors.board import MARK_STEP, factor
from collectors.imports.book import Refused, Stated, Target, Unneeded
from collectors.imports.doubts import REASONS, Doubts, Key, Told
from collectors.imports.prices import Prices
from collectors.imports.report import Report
from collectors.venue import Liquidated, Ratio, Update
from store import bulk
from store import columns as store_columns
from store.buffer import Batch
from store.engine import Store
from store.inserts import insert, put
from store.records import Event, Field, Flag, Instrument, Liquidation, LongShort, Payoff, Source
from store.registry import Registry

BATCH = 25_000  # rows in one insert
STALE_MS = 60_000  # of a mark
KEPT_MS = 60_000  # of a feed that repeats itself, a row a minute is kept (decisions.md, 6)
CARRIED_MS = 3_600_000  # a mark of the rows before stands in for so long
DAY_MS = 86_400_000
COLUMNS = (
    "ts", "seen", "instrument_id", "field", "raw", "unit", "sides", "base", "usd", "mark", "index", "funding",
    "funding_interval_h", "flags",
)  # fmt: skip
STORED: Mapping[str, tuple[str, ...]] = {
    "readings": ("instrument_id", "field", "ts", "raw"),
    "liquidations": ("instrument_id", "side", "ts", "size", "price"),
    "ratios": ("instrument_id", "kind", "ts", "ratio"),
}
"""The logical keys, as in `schema.sql`."""


class Intake:
    """Owns the batch that fills up, and what was learnt of one file. Real rows only: the store is a live one."""

    def __init__(self, store: Store, report: Report, prices: Prices, dry_run: bool) -> None:
        self.store, self.report, self.prices, self.dry_run = store, report, prices, dry_run
        self.con = store.cursor()
        self.registry = Registry(self.con)
        self.lines: dict[tuple[int, ...], list[Key]] = {}  # what each row of the batch says, or a day's rows together
        self.records: dict[Key, Any] = {}
        self.days: set[int] = set()
        self.instruments: dict[int, Instrument] = {}
        self.fields: dict[tuple[str, str, str, str], Field] = {}
        self.doubts = Doubts()
        self.waiting: set[Key] = set()  # for the rows that follow
        self.steps: dict[int, float] = {}  # the declared resolution of each instrument
        self.spans: dict[int, tuple[int, int, int]] = {}  # of what is new of each: first, last, readings

    def take(self, lines: tuple[int, ...], stated: Sequence[Stated]) -> None:
        """All that a row says, or nothing of it. Raises Refused and Unneeded."""
        made = [(one[0], record) for one in stated if (record := self.record(*one)) is not None]
        if not made:
            raise Unneeded("nothing changed within a minute")
        new = [(target, key, record) for target, (key, record) in made if key not in self.records]
        if not new:
            raise Unneeded("the same as another row")
        for _, key, record in new:
            self.records[key] = record
        self.lines[lines] = [key for _, key, _ in new]
        for target, _, _ in stated:
            self.instruments[target.instrument.id] = target.instrument
            self.steps[target.instrument.id] = target.resolution_s
        for target, key, _ in new:
            if key[0] == "readings" and (doubts := self.doubts.judge(target, lines, key)) is not None:
                self.waiting.add(key)
                self.settle(doubts)
        if len(self.lines) >= BATCH:
            self.write()

    def settle(self, told: Iterable[Told]) -> None:
        for passed, refused in told:
            self.waiting.difference_update(key for _, (_, key) in passed)
            for one in refused:
                lines, key = one.row
                words = self.lines.pop(lines, ())  # all that a row says, or nothing of it
                for other in words:
                    del self.records[other]
                    self.waiting.discard(other)
                for line in lines if words else ():
                    self.report.refuse(line, REASONS[one.check], f"open interest {key[4]!r}: {one.words}")

    def write(self) -> None:
        """Insert the batch. What the store has already is left alone, and its rows are counted as skipped.

        What waits for the rows that follow it is of the next batch.
        """
        kept = {lines: keys for lines, keys in self.lines.items() if not self.waiting.isdisjoint(keys)}
        later = {key: self.records.pop(key) for keys in kept.values() for key in keys}
        for lines in kept:
            del self.lines[lines]
        stored = {key for table in STORED for key in self.known(table)}
        for lines, keys in self.lines.items():
            self.days.update(key[3] // DAY_MS for key in keys)  # of stored ones too: an import may have been cut short
            if all(key in stored for key in keys):
                for line in lines:
                    self.report.skip(line, "in the store already")
                continue
            self.report.taken += len(lines)
            for key in keys:
                if key not in stored:
                    self.count(key)
        new = {
            table: [r for key, r in self.records.items() if key[0] == table and key not in stored] for table in STORED
        }
        self.lines, self.records = kept, later
        for table, rows in new.items():
            self.report.stored[table] += len(rows)
        if self.dry_run:
            return
        listed = [i for i in self.instruments.values() if i.id not in self.registry.instruments]
        self.con.execute("BEGIN")
        try:
            insert(self.con, self.registry, Batch(others=[*listed, *new["liquidations"], *new["ratios"]]), False)
            described = self.registry.news((), self.fields, (), False, round(time() * 1000))
            for name, rows in described.items():
                put(self.con, store_columns.table(rows, store_columns.SHAPES[name]), name)
            self.con.execute("COMMIT")
        except BaseException:
            self.con.execute("ROLLBACK")
            self.registry.forget()
            raise
        if new["readings"]:
            bulk.write_readings(self.store, columns(new["readings"]), False)

    def known(self, table: str) -> list[Key]:
        """The keys of the batch that the table has."""
        keys = [key[1:] for key in self.records if key[0] == table]
        if not keys:
            return []
        names = STORED[table]
        batch = {name: column(name, values) for name, values in zip(names, zip(*keys, strict=True), strict=True)}
        assert batch  # DuckDB reads it by its name
        stated = f"AND flags & {Flag.AFFIRMED.value} = 0" if table == "readings" else ""
        spelled = ", ".join("epoch_ms(ts)" if name == "ts" else name for name in names)
        found = self.con.execute(f"""
            SELECT {spelled} FROM {table}
            WHERE ts BETWEEN (SELECT min(ts) FROM batch) AND (SELECT max(ts) FROM batch) {stated}
                AND ({", ".join(names)}) IN (SELECT ({", ".join(names)}) FROM batch)
        """).fetchall()
        return [(table, *row) for row in found]

    def count(self, key: Key) -> None:
        ts, id = key[3], key[1]
        self.report.cover(ts)
        if key[0] == "readings":
            first, last, count = self.spans.get(id, (ts, ts, 0))
            self.spans[id] = min(first, ts), max(last, ts), count + 1

    def record(self, target: Target, said: Update | Liquidated | Ratio, seen: int) -> Any:
        """A logical key and a record; None for a level that only repeats the last."""
        if not target.since <= said.ts < target.until:  # type: ignore[operator]  # rows of files state their time
            target.size(said.ts)  # type: ignore[arg-type]  # likewise
        i = target.sized
        if said.__class__ is Update:
            return self.level(target, said, seen)  # type: ignore[arg-type]  # narrowed by class, for speed
        assert said.ts is not None
        if isinstance(said, Ratio):
            ratio = LongShort(i, said.ts, seen, said.kind, said.ratio, Source.IMPORT, False)
            return ("ratios", i.id, said.kind, said.ts, said.ratio), ratio
        assert isinstance(said, Liquidated)
        native_usd, scale = factor(i, said.unit)
        price = said.price / i.base_factor
        amount = said.size * scale
        if native_usd:
            base, usd = amount / price, amount
        else:
            base = amount * self.settled(target, said.ts)
            usd = base * price * dollar(target)
        if not (0 < base < math.inf and 0 < usd < math.inf):
            raise Refused("it is worth no finite number of coins or of dollars")
        key = "liquidations", i.id, said.side.value, said.ts, said.size, price
        return key, Liquidation(i, said.ts, seen, said.side, said.size, said.unit, base, usd, price, said.feed, False)

    def level(self, target: Target, said: Update, seen: int) -> tuple[Key, tuple[Any, ...]] | None:
        i, ts, oi = target.sized, said.ts, said.oi
        assert ts is not None
        if said.mark is not None:
            target.price, target.marked = said.mark / i.base_factor, ts
        if said.index is not None:
            target.index = said.index / i.base_factor
        if said.funding is not None:
            target.funding = said.funding
        if oi is None:
            raise Unneeded("it states no open interest")
        field, price, flags = target.field, target.price, 0
        if field is None:
            raise Refused(f"the file of {i.venue} does not say what this open interest counts")
        age = abs(ts - target.marked)
        if age > STALE_MS:
            flags = int(Flag.STALE_MARK)
        if price is None or age > CARRIED_MS:
            worth = self.prices.at(i.asset, ts)
            if worth is None:
                raise Refused(f"no price: the row states none, and the store knows none of {i.asset} at that time")
            price, flags = worth / dollar(target), int(Flag.BORROWED_MARK)
        if (
            oi == target.kept_raw
            and not target.resolution_s
            and 0 <= ts - target.kept_ts < KEPT_MS
            and target.funding == target.kept_funding
            and abs(price - target.kept_price) <= MARK_STEP * target.kept_price
        ):
            return None
        amount = oi * target.factor
        if target.native_usd:
            base, usd = amount / price, amount
        else:
            base = amount * self.settled(target, ts)
            usd = base * price * dollar(target)
        if not target.started:
            target.started = True
            flags |= Flag.RESYNC  # the change before the first row happened unseen
        if ts >= target.kept_ts:
            target.kept_raw, target.kept_ts, target.kept_price = oi, ts, price
            target.kept_funding = target.funding
        key = str(field.key)
        self.fields[i.venue, i.segment, key, field.unit.value] = field
        row = (
            ts, seen, i.id, key, oi, field.unit.value, field.sides, base, usd, price, target.index, target.funding,
            target.funding_interval_h, flags,
        )  # fmt: skip
        return ("readings", i.id, key, ts, oi), row

    def settled(self, target: Target, ts: int) -> float:
        """USD of the settle coin of a quanto contract, else 1."""
        i = target.instrument
        if i.payoff is not Payoff.QUANTO:
            return 1.0
        worth = self.prices.at(i.settle, ts)
        if worth is None:
            raise Refused(f"no price: a quanto contract needs that of {i.settle}, which the store does not know then")
        return worth

    def close(self, file: str) -> None:
        """Write the rest, and keep what was imported and how coarse it is: a row of the past does not say so."""
        self.settle(self.doubts.end())
        self.write()
        now = round(time() * 1000)
        events: list[object] = []
        for id, (first, last, count) in self.spans.items():
            step = self.steps[id] or ((last - first) / 1000 / (count - 1) if count > 1 else None)
            i = self.instruments[id]
            detail = {
                "segment": i.segment, "symbol": i.symbol, "subject": "oi", "file": file, "rows": count,
                "resolution_s": step, "spans": [[first, last]],
            }  # fmt: skip
            events.append(Event(now, "import", i.asset, i.venue, json.dumps(detail)))
        if not self.dry_run:
            insert(self.con, self.registry, Batch(others=events), False)
        self.con.close()


def dollar(target: Target) -> float:
    if target.dollar is None:
        raise Refused(f"nobody says what a {target.instrument.quote} is worth in USD")
    return target.dollar


def column(name: str, values: Sequence[Any]) -> npt.NDArray[Any]:
    """None becomes not-a-number, which is stored as NULL; times become times."""
    if name == "ts":
        return np.array(values, dtype=np.int64).view("datetime64[ms]")
    kind = bulk.KINDS.get(name, object if name in {"side", "kind"} else np.float64)
    if kind is np.float64:
        return np.array([math.nan if value is None else value for value in values], dtype=kind)
    return np.array(values, dtype=kind)


def columns(rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    made: dict[str, Any] = {"source": Source.IMPORT.value}
    for name, values in zip(COLUMNS, zip(*rows, strict=True), strict=True):
        made[name] = np.array(values, dtype=np.int64) if name == "ts" else column(name, values)
    return made
