"""What the newest row of each instrument is made of: memory where we have it, else the store."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from store import questions as q
from store.latest import State
from store.records import Health

Row = Mapping[str, Any]
Rows = Mapping[int, Row]  # by instrument

DENSE_MS = 15_000  # who was heard often enough in this tells its cadence by it; all others are looked for further back
LOOK_BACK_MS = (600_000, 7_200_000, 48 * 3_600_000)  # ... widening until all are found
RECENT_MS = LOOK_BACK_MS[-1]
SLOWEST_MS = 16 * 86_400_000  # two statements of a weekly report, to know that it is one
SLOW_S = 72_000.0
MOST = 1000  # answers that are remembered
SILENT_MS = 60_000  # how long it is believed that who was not in memory has no news in the store either
LONG_MS = 30 * 86_400_000  # raw readings are kept so long, where nothing else is configured
GONE_MS = 3_600_000  # the same of who said nothing for two days
HEALTH_MS = 7 * 86_400_000
TELLING = tuple(f.name for f in fields(Health))
HEARD = ("live", "waiting")  # states of a segment whose catalogue was read
TOLD = ("state", "last_seen", "cadence_s")  # of a connection
SAID = ["field", "unit", "sides", "funding_interval_h"]  # of an instrument, and of its reading, which counts


class Silent:
    """Owns what the store had of the instruments that memory knows nothing of.

    Whatever is heard comes into memory first, so the store has news of them only after an import.
    """

    def __init__(self, believed_ms: int = SILENT_MS) -> None:
        self._asked: dict[tuple[int, ...], tuple[int, Rows]] = {}
        self._believed_ms = believed_ms

    def of(self, missing: Collection[int], moment: int, remembers: bool, ask: Callable[[], Rows]) -> Rows:
        """What the store has of exactly these; asked anew unless that was done lately (and `remembers`)."""
        if not missing:
            return {}
        at, rows = self._asked.get(tuple(missing), (0, {}))
        if not remembers or not 0 <= moment - at < self._believed_ms:
            rows = ask()
            if len(self._asked) > MOST:
                self._asked.clear()
            self._asked[tuple(missing)] = (moment, rows)
        return rows


def stored(
    con: duckdb.DuckDBPyConnection, known: pd.DataFrame, missing: Collection[int], moment: int, as_of: int
) -> Rows:
    """The newest row of each that was heard within two days of `moment`, as far as `as_of` knows.

    Of dated contracts also one that was heard before, if it is stated by the day or by the week: it still stands.
    """
    rows: dict[int, Row] = {}
    sought: list[int] = list(missing)
    for back in (DENSE_MS, *LOOK_BACK_MS):
        if not sought:
            break
        for row in newest(con, sought, moment - back, as_of):
            if back > DENSE_MS or row["rows"] == q.CADENCE_ROWS:
                rows[row["instrument_id"]] = row
        sought = [i for i in sought if i not in rows]
    slow = {int(i) for i in known["instrument_id"][known["kind"] == "dated"]} if sought else set[int]()
    late = [i for i in sought if i in slow]
    if late:
        found = newest(con, late, moment - SLOWEST_MS, as_of)
        rows |= {row["instrument_id"]: row for row in found if (row["cadence_s"] or 0.0) >= SLOW_S}
    return rows


def newest(con: duckdb.DuckDBPyConnection, ids: Collection[int], since: int, as_of: int) -> list[dict[str, Any]]:
    """The newest row of each that was stated after `since` (ms UTC), as far as `as_of` knows."""
    answer = con.execute(q.LATEST.format(ids=", ".join(str(i) for i in ids)), {"as_of": as_of, "since": since})
    names = [str(d[0]) for d in answer.description or ()]
    return [dict(zip(names, values, strict=True)) for values in answer.fetchall()]


def long_ago(con: duckdb.DuckDBPyConnection, ids: Collection[int], moment: int, as_of: int) -> Rows:
    """The newest row of each within thirty days of `moment`: an outage does not end with time (decisions 14).

    Their last times first: what is looked at of a row costs too much over a month of rows.
    """
    last = con.execute(
        q.LAST.format(ids=", ".join(str(i) for i in ids)), {"as_of": as_of, "since": moment - LONG_MS}
    ).fetchall()
    return {i: row for i, at in last for row in newest(con, [i], at - LOOK_BACK_MS[1], as_of)}


def standing(
    rows: Rows, known: pd.DataFrame, told: pd.DataFrame, venues: Callable[[], pd.DataFrame], moment: int
) -> tuple[Rows, list[int]]:
    """(`rows` without what was said more than two days ago of what has ended since, and whose row is still missing
    although it may stand: perpetuals that are listed, on a venue that is not closed, and that are collected).

    Where anything is collected at all, there is a word on each symbol that is; without one it stands only while its
    segment is not heard, because then nobody knows what that lists.
    """
    late = {i for i, row in rows.items() if row["last_seen"] <= moment - RECENT_MS}
    if not late and len(rows) >= len(known):
        return rows, []
    today = datetime.fromtimestamp(moment / 1000, UTC).date().isoformat()
    days = zip(*(venues()[c] for c in ("venue", "closed_on")), strict=True)
    closed = {venue for venue, day in days if isinstance(day, str) and day <= today}
    words = {
        spot[:3]: spot[3] for spot in zip(*(told[c] for c in ("venue", "segment", "symbol", "state")), strict=True)
    }
    listed, missing = set[int](), list[int]()
    spots = zip(*(known[c] for c in ("instrument_id", "venue", "segment", "symbol", "kind", "live")), strict=True)
    for i, venue, segment, symbol, kind, live in spots:
        if not live or venue in closed:
            continue
        listed.add(int(i))
        collected = (venue, segment, symbol) in words or words.get((venue, segment, ""), "live") not in HEARD
        if i not in rows and kind == "perpetual" and (collected or not words):
            missing.append(int(i))
    return {i: row for i, row in rows.items() if i not in late or i in listed}, missing


def in_memory(state: State) -> Row:
    """The newest reading of one instrument as a row of `latest`."""
    r = state.current
    return {
        "field": str(r.field.key),
        "unit": r.field.unit.value,
        "sides": r.field.sides,
        "raw": r.raw,
        "native": r.raw / r.field.sides,
        "base": r.base,
        "usd": r.usd,
        "mark": r.mark,
        "index": r.index,
        "funding": r.funding,
        "funding_interval_h": r.funding_interval_h,
        "ts": r.ts,
        "seen": r.seen,
        "last_seen": state.last_seen,
        "cadence_s": state.cadence_s,
        "source": r.source.value,
        "simulated": r.simulated,
        "flags": r.flags,
    }


def assembled(known: pd.DataFrame, rows: Rows, health: pd.DataFrame) -> pd.DataFrame:
    """`Reader.latest`: what is listed, its newest row, and the state of its connection.

    That is its segment's where the segment is not live, else its own. A connection hears of a symbol more often than it
    has something new to say, so its word on last_seen and cadence counts too.
    """
    ids: list[int] = known["instrument_id"].tolist()
    heard = np.array([i in rows for i in ids], dtype=bool)
    kept = {str(name): known[name].array[heard] for name in known.columns if name not in SAID}
    taken = [rows[i] for i in ids if i in rows]
    made: dict[str, Any] = {name: [row[name] for row in taken] for name in q.READING_COLUMNS}
    numbers = (health[c].to_numpy(dtype=float, na_value=np.nan).tolist() for c in TOLD[1:])
    said = zip(*(health[c].tolist() for c in ("venue", "segment", "symbol", "state")), *numbers, strict=True)
    told: dict[tuple[str, ...], tuple[Any, ...]] = {row[:3]: row[3:] for row in said}
    states: list[str | None] = []
    spots = zip(*(kept[name].tolist() for name in ("venue", "segment", "symbol")), strict=True)
    for k, (venue, segment, symbol) in enumerate(spots):
        whole, own = told.get((venue, segment, "")), told.get((venue, segment, symbol))
        counts = whole if own is None or (whole is not None and whole[0] != "live") else own
        states.append(None if counts is None else str(counts[0]))
        if own is not None:
            _, last_seen, cadence_s = own
            made["last_seen"][k] = int(np.fmax(last_seen, made["last_seen"][k]))
            made["cadence_s"][k] = np.fmin(cadence_s, np.nan if made["cadence_s"][k] is None else made["cadence_s"][k])
    for name in q.UNSTATED:
        made[name] = np.array(made[name], dtype=float)  # None is NaN in a column of numbers
    for name in ("ts", "seen", "last_seen"):
        made[name] = np.array(made[name], dtype=np.int64)
    return pd.DataFrame({**kept, **made, "state": states}, copy=False)


def with_status(frame: pd.DataFrame, registry: pd.DataFrame) -> pd.DataFrame:
    """Fill in how the sides of an imported reading's field are known: the venue's file says it of all segments."""
    first = registry.drop_duplicates(["venue", "field", "unit"])
    status = {(v, f, u): s for v, f, u, s in first[["venue", "field", "unit", "status"]].to_numpy().tolist()}
    spots = zip(frame["venue"], frame["field"], frame["unit"], strict=True)
    own = pd.Series([status.get(spot) for spot in spots], index=frame.index, dtype=object)
    return frame.assign(side_status=own.where(frame["side_status"].isna(), frame["side_status"]))


def health(told: Sequence[Health], moment: int) -> pd.DataFrame:
    """`Reader.health` from memory: the words of the last seven days."""
    lately = [h for h in told if moment - HEALTH_MS < h.ts <= moment + 60_000]
    lately.sort(key=lambda h: (h.venue, h.segment, h.symbol))
    made = {name: [getattr(h, name) for h in lately] for name in TELLING}
    frame = pd.DataFrame(made, columns=list(TELLING))
    measured = dict.fromkeys(("cadence_s", "lag_ms", "skew_ms"), float)
    return frame.astype({**measured, **({} if frame["last_seen"].dtype != object else {"last_seen": float})})
