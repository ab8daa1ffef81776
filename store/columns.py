"""Records as columns: a dict of numpy arrays a table, in the order of `schema.sql`. DuckDB inserts those fastest."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from store.records import (
    Event,
    Field,
    Funding,
    Gap,
    Health,
    Hold,
    Instrument,
    Liquidation,
    LongShort,
    MarginTier,
    OpenInterest,
    Position,
    Quarantined,
    Volume,
)

Columns = Mapping[str, npt.NDArray[Any]]
MISSING = np.iinfo(np.int64).min  # numpy's "not a time"

READINGS = (
    "ts", "seen", "instrument_id", "field", "raw", "unit", "sides", "base", "usd", "mark", "index", "funding",
    "funding_interval_h", "source", "simulated", "flags",
)  # fmt: skip
TIMES = frozenset({"ts", "seen"})
SETTLED = "settled"  # the kind of a rate that was paid


def times(values: Iterable[int | None]) -> npt.NDArray[np.datetime64]:
    """ms UTC, None for unknown."""
    return np.array([MISSING if v is None else v for v in values], dtype=np.int64).view("datetime64[ms]")


def words(values: Iterable[str]) -> npt.NDArray[np.object_]:
    return np.array(list(values), dtype=object)


def numbers(values: Iterable[float | None]) -> npt.NDArray[np.float64]:
    """None becomes NaN, which DuckDB takes for NULL."""
    return np.array(list(values), dtype=np.float64)


def readings(rows: Sequence[OpenInterest]) -> Columns:
    names = {id(f): str(f.key) for f in {id(r.field): r.field for r in rows}.values()}
    return {
        "ts": np.array([r.ts for r in rows], dtype=np.int64).view("datetime64[ms]"),
        "seen": np.array([r.seen for r in rows], dtype=np.int64).view("datetime64[ms]"),
        "instrument_id": np.array([r.instrument.id for r in rows], dtype=np.int64),
        "field": words(names[id(r.field)] for r in rows),
        "raw": np.array([r.raw for r in rows], dtype=np.float64),
        "unit": words(r.field.unit.value for r in rows),
        "sides": np.array([r.field.sides for r in rows], dtype=np.int8),
        "base": np.array([r.base for r in rows], dtype=np.float64),
        "usd": np.array([r.usd for r in rows], dtype=np.float64),
        "mark": np.array([r.mark for r in rows], dtype=np.float64),
        "index": numbers(r.index for r in rows),
        "funding": numbers(r.funding for r in rows),
        "funding_interval_h": numbers(r.funding_interval_h for r in rows),
        "source": words(r.source.value for r in rows),
        "simulated": np.array([r.simulated for r in rows], dtype=np.bool_),
        "flags": np.array([r.flags for r in rows], dtype=np.int32),
    }


def table(rows: Sequence[tuple[Any, ...]], shape: Mapping[str, Callable[[Iterable[Any]], npt.NDArray[Any]]]) -> Columns:
    return {name: make(column) for (name, make), column in zip(shape.items(), zip(*rows, strict=True), strict=True)}


def flags(values: Iterable[bool]) -> npt.NDArray[np.bool_]:
    return np.array(list(values), dtype=np.bool_)


def whole(values: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


SHAPES: Mapping[str, Mapping[str, Callable[[Iterable[Any]], npt.NDArray[Any]]]] = {
    "liquidations": {
        "ts": times, "seen": times, "instrument_id": whole, "side": words, "size": numbers, "unit": words,
        "base": numbers, "usd": numbers, "price": numbers, "feed": words, "simulated": flags,
    },
    "volumes": {
        "ts": times, "seen": times, "instrument_id": whole, "base": numbers, "taker_buy": numbers, "source": words,
        "simulated": flags,
    },
    "ratios": {
        "ts": times, "seen": times, "instrument_id": whole, "kind": words, "ratio": numbers, "source": words,
        "simulated": flags,
    },
    "fundings": {
        "ts": times, "seen": times, "instrument_id": whole, "rate": numbers, "interval_h": numbers, "kind": words,
        "source": words, "simulated": flags,
    },
    "tiers": {
        "instrument_id": whole, "tier": whole, "lower": numbers, "upper": numbers, "maintenance": numbers,
        "max_leverage": numbers, "deduction": numbers, "known_at": times, "simulated": flags,
    },
    "positions": {
        "seen": times, "instrument_id": whole, "holder": words, "side": words, "base": numbers, "entry": numbers,
        "liquidation_price": numbers, "leverage": numbers, "simulated": flags,
    },
    "gaps": {
        "venue": words, "segment": words, "symbol": words, "start": times, "end": times, "reason": words,
        "simulated": flags, "known_at": times,
    },
    "health": {
        "venue": words, "segment": words, "symbol": words, "ts": times, "state": words, "since": times,
        "last_seen": times, "cadence_s": numbers, "frames": whole, "unreadable": whole, "detail": words,
        "simulated": flags, "ignored": whole, "unknown": whole, "lag_ms": numbers, "skew_ms": numbers,
    },
    "holds": {"venue": words, "until": times, "reason": words},
    "quarantine": {
        "seen": times, "venue": words, "segment": words, "symbol": words, "check": words, "words": words, "raw": words,
        "simulated": flags,
    },
    "events": {
        "ts": times, "kind": words, "asset": words, "venue": words, "detail": words, "simulated": flags,
        "known_at": times,
    },
    "instruments": {
        "instrument_id": whole, "venue": words, "segment": words, "symbol": words, "asset": words, "quote": words,
        "settle": words, "kind": words, "payoff": words, "contract_size": numbers, "base_factor": numbers,
        "live": flags, "max_leverage": numbers, "funding_interval_h": numbers, "funding_kind": words,
        "valid_from": times, "known_at": times, "simulated": flags,
    },
    "side_registry": {
        "venue": words, "segment": words, "field": words, "unit": words, "sides": whole, "status": words,
        "valid_from": words, "evidence": words, "known_at": times,
    },
    "venues": {
        "venue": words, "name": words, "class": words, "docs": words, "note": words, "closed_on": words,
        "known_at": times,
    },
}  # fmt: skip


def row(record: object, simulated: bool, now: int) -> tuple[str, tuple[Any, ...]]:
    """The table and the row of any record that is not a reading."""
    match record:
        case Liquidation() as r:
            return "liquidations", (
                r.ts, r.seen, r.instrument.id, r.side.value, r.size, r.unit.value, r.base, r.usd, r.price,
                r.feed.value, r.simulated,
            )  # fmt: skip
        case Volume() as v:
            return "volumes", (v.ts, v.seen, v.instrument.id, v.base, v.taker_buy, v.source.value, v.simulated)
        case LongShort() as r:
            return "ratios", (r.ts, r.seen, r.instrument.id, r.kind, r.ratio, r.source.value, r.simulated)
        case Funding() as f:
            return "fundings", (
                f.ts, f.seen, f.instrument.id, f.rate, f.interval_h, SETTLED, f.source.value, f.simulated,
            )  # fmt: skip
        case MarginTier() as m:
            return "tiers", (
                m.instrument.id, m.tier, m.lower, m.upper, m.maintenance, m.max_leverage, m.deduction, m.seen,
                m.simulated,
            )  # fmt: skip
        case Position() as p:
            return "positions", (
                p.seen, p.instrument.id, p.holder, p.side.value, p.base, p.entry, p.liquidation_price, p.leverage,
                p.simulated,
            )  # fmt: skip
        case Gap() as g:
            return "gaps", (g.venue, g.segment, g.symbol, g.start, g.end, g.reason, simulated, now)
        case Health() as h:
            return "health", (
                h.venue, h.segment, h.symbol, h.ts, h.state, h.since, h.last_seen, h.cadence_s, h.frames, h.unreadable,
                h.detail, simulated, h.ignored, h.unknown, h.lag_ms, h.skew_ms,
            )  # fmt: skip
        case Hold() as h:
            return "holds", (h.venue, h.until, h.reason)
        case Quarantined() as q:
            return "quarantine", (q.seen, q.venue, q.segment, q.symbol, q.check, q.words, q.raw[:2000], simulated)
        case Event() as e:
            return "events", (e.ts, e.kind, e.asset, e.venue, e.detail, simulated, now)
        case Instrument() as i:
            return "instruments", (
                i.id, i.venue, i.segment, i.symbol, i.asset, i.quote, i.settle, i.kind.value, i.payoff.value,
                i.contract_size, i.base_factor, i.live, i.max_leverage, i.funding_interval_h, i.funding_kind,
                None if i.valid_from == 0 else i.valid_from, now, simulated,
            )  # fmt: skip
        case _:
            raise TypeError(f"no table for {type(record).__name__}")


def field_row(venue: str, segment: str, f: Field, now: int) -> tuple[Any, ...]:
    return (venue, segment, str(f.key), f.unit.value, f.sides, f.status.value, f.since, f.evidence, now)


def insertion(name: str, columns: Iterable[str], unless: str = "") -> str:
    """The statement that inserts the columns of the Python variable `batch`."""
    quoted = ", ".join(f'"{c}"' for c in columns)
    return f"INSERT INTO {name} ({quoted}) SELECT {quoted} FROM batch {unless}"
