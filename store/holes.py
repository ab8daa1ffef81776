"""Where we know nothing: the stretches between rows, for what is filled from the past; and the marks that price it."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

import duckdb

Subject = Literal["oi", "volume", "ratios"]  # what is known by its moments; what was paid stands for an interval
TABLES: Mapping[Subject, str] = {"oi": "readings", "volume": "volumes", "ratios": "ratios"}
MARK_STEP_MS = 300_000
LATE_MS = 3_600_000
PAID_MS = 86_400_000  # what was paid last before a moment still counts in it: so much earlier it is looked for


def holes(
    con: duckdb.DuckDBPyConnection, subject: Subject, ids: Sequence[int], start: int, end: int, least: int, coarse: int
) -> dict[int, list[tuple[int, int]]]:
    """By instrument: (from, to), ms UTC, both exclusive of what is known, inside [start, end].

    A stretch between what was heard live counts from `least` ms on, one between points of the past from `coarse` on,
    and one between the two from two thirds of that: a step of the past may end in it.
    """
    said = "CASE WHEN flags & 64 != 0 THEN seen ELSE ts END" if subject == "oi" else "ts"  # affirmed when seen
    rows = con.execute(
        f"""
        WITH known AS (
            SELECT instrument_id, epoch_ms({said}) AS heard, source IN ('stream', 'poll') AS live FROM {TABLES[subject]}
            WHERE list_contains($ids, instrument_id) AND seen >= make_timestamp_ms($start)
              AND {said} BETWEEN make_timestamp_ms($start) AND make_timestamp_ms($end)
            UNION ALL SELECT unnest($ids), $start - 1, true
            UNION ALL SELECT unnest($ids), $end + 1, true
        ), stepped AS (
            SELECT instrument_id, heard, live, lag(heard) OVER w AS before, lag(live) OVER w AS live_before
            FROM known WINDOW w AS (PARTITION BY instrument_id ORDER BY heard)
        )
        SELECT instrument_id, before + 1, heard - 1 FROM stepped
        WHERE heard - before > CASE
            WHEN live AND live_before THEN $least WHEN live OR live_before THEN $mixed ELSE $coarse END
        ORDER BY instrument_id, heard
        """,
        {
            "ids": list(ids),
            "start": start,
            "end": end,
            "least": least,
            "coarse": max(least, coarse),
            "mixed": max(least, 2 * coarse // 3),
        },
    ).fetchall()
    found: dict[int, list[tuple[int, int]]] = {}
    for instrument, first, last in rows:
        found.setdefault(instrument, []).append((first, last))
    return found


def unpaid(
    con: duckdb.DuckDBPyConnection, ids: Sequence[int], start: int, end: int
) -> dict[int, list[tuple[int, int]]]:
    """By instrument: (from, to), ms UTC, of [start - PAID_MS, end] in which funding was paid that we do not know.

    A rate says how long its interval was: rows further apart than one and a half of the later one's have a hole
    between them, and so has the end, where an interval and an hour have passed since the last.
    """
    rows = con.execute(
        """
        WITH known AS (
            SELECT instrument_id, epoch_ms(ts) AS paid, interval_h * 3600000 AS every FROM fundings
            WHERE list_contains($ids, instrument_id)
              AND ts BETWEEN make_timestamp_ms($start) AND make_timestamp_ms($end)
            UNION ALL SELECT unnest($ids), $start - 1, NULL
            UNION ALL SELECT unnest($ids), $end + 1, NULL
        ), stepped AS (
            SELECT instrument_id, paid, every, lag(paid) OVER w AS before, lag(every) OVER w AS every_before
            FROM known WINDOW w AS (PARTITION BY instrument_id ORDER BY paid)
        )
        SELECT instrument_id, before + 1, paid - 1 FROM stepped
        WHERE paid - before > coalesce(1.5 * every, every_before + $late, 0)
        ORDER BY instrument_id, paid
        """,
        {"ids": list(ids), "start": start - PAID_MS, "end": end, "late": LATE_MS},
    ).fetchall()
    found: dict[int, list[tuple[int, int]]] = {}
    for instrument, first, last in rows:
        found.setdefault(instrument, []).append((first, last))
    return found


def answered(
    con: duckdb.DuckDBPyConnection, venue: str, since: int
) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
    """By segment, symbol and subject: the stretches that a venue was asked for from `since` on, and told all it had.

    What is missing in one is missing at the venue. Its last hour before the question is left out, because venues write
    their history late.
    """
    rows = con.execute(
        """
        SELECT epoch_ms(ts), detail FROM events
        WHERE kind = 'backfill' AND venue = $venue AND ts >= make_timestamp_ms($since)
        """,
        {"venue": venue, "since": since},
    ).fetchall()
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for ts, detail in rows:
        told = json.loads(detail)
        if told.get("answered"):
            spans = [(start, min(end, ts - LATE_MS)) for start, end in told["spans"]]
            found.setdefault((told["segment"], told["symbol"], told["subject"]), []).extend(spans)
    return found


def without(spans: Sequence[tuple[int, int]], asked: Sequence[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """Spans without the parts that were asked for. What is left of one that was cut counts from `least` ms on."""
    left = list(spans)
    for first, last in asked:
        parts: list[tuple[int, int]] = []
        for start, end in left:
            if last < start or end < first:
                parts.append((start, end))
                continue
            parts += [part for part in ((start, first - 1), (last + 1, end)) if part[1] - part[0] >= least]
        left = parts
    return left


def marks(
    con: duckdb.DuckDBPyConnection, assets: Sequence[str], start: int, end: int
) -> tuple[dict[int, list[tuple[int, float]]], dict[str, list[tuple[int, float]]]]:
    """(ms UTC, USD a coin) every five minutes: by instrument, and by asset the median over all its instruments."""
    rows = con.execute(
        """
        SELECT r.instrument_id, i.asset, epoch_ms(time_bucket(INTERVAL 5 MINUTE, r.ts)) AS t, arg_max(r.mark, r.ts)
        FROM readings r
        JOIN (SELECT DISTINCT instrument_id, asset FROM instruments) i USING (instrument_id)
        WHERE list_contains($assets, i.asset) AND r.flags & 4 = 0
          AND r.ts BETWEEN make_timestamp_ms($start) AND make_timestamp_ms($end)
        GROUP BY ALL ORDER BY t
        """,
        {"assets": list(assets), "start": start, "end": end},
    ).fetchall()
    own: dict[int, list[tuple[int, float]]] = {}
    beside: dict[str, dict[int, list[float]]] = {}
    for instrument, asset, t, mark in rows:
        own.setdefault(instrument, []).append((t, mark))
        beside.setdefault(asset, {}).setdefault(t, []).append(mark)
    return own, {asset: [(t, sorted(m)[len(m) // 2]) for t, m in by.items()] for asset, by in beside.items()}
