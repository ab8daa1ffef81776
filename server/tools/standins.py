"""Whose stream is silent while questions over REST stand in for it, and what is held back until REST agrees.

A polled value is a seen value: its age and its cadence count like any other (analytics.md, 1.4). So such a venue is
fresh, and an answer says besides that its stream is not what it rests on.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.answers import rounded
from store.records import HELD, INSTEAD

Row = Mapping[str, Any]
Spot = tuple[str, str, str]
"""Venue, segment, symbol."""

HELD_MS = 5 * 60_000  # what is held is said again every minute, or with its venue's next statement
NAMED = 3  # symbols of one segment that are named


def stands_in(row: Row) -> bool:
    """Whether a row of `Reader.health` tells of a silent stream that questions stand in for."""
    return INSTEAD in str(row["detail"] or "")


def polled_instead(health: Iterable[Row], only: Iterable[Spot] | None = None) -> list[str]:
    """A warning a segment with silent streams; of the symbols in `only` alone, if given."""
    wanted = None if only is None else frozenset(only)
    symbols = [
        row
        for row in health
        if row["symbol"] and (wanted is None or (row["venue"], row["segment"], row["symbol"]) in wanted)
    ]
    found: dict[tuple[str, str], list[Row]] = {}
    for row in filter(stands_in, symbols):
        found.setdefault((row["venue"], row["segment"]), []).append(row)
    told: list[str] = []
    for (venue, segment), rows in sorted(found.items()):
        listed = sum(1 for row in symbols if (row["venue"], row["segment"]) == (venue, segment))
        every = rounded(max(float(row["cadence_s"]) for row in rows))
        told.append(
            f"polled_instead: {venue} {segment} streams nothing of {some([row['symbol'] for row in rows])} "
            f"({len(rows)} of {listed} here); REST is asked every {every} s instead, and what it says counts as heard."
        )
    return told


def held_back(quarantine: Iterable[Row], now: int, only: Iterable[Spot] | None = None) -> list[str]:
    """A warning a symbol whose newest open interest waits for a second source, out of `Reader.quarantine_counts`."""
    wanted = None if only is None else frozenset(only)
    return [
        f"held_back: {row['venue']} {row['segment']} {row['symbol']} stands at its last value: what it says now is "
        f"{row['words']}."
        for row in quarantine
        if row["check"] == HELD
        and now - row["last"] <= HELD_MS
        and (wanted is None or (row["venue"], row["segment"], row["symbol"]) in wanted)
    ]


def some(symbols: Sequence[str], named: int = NAMED) -> str:
    """The first of them, and how many more there are."""
    shown = ", ".join(sorted(symbols)[:named])
    return shown if len(symbols) <= named else f"{shown} and {len(symbols) - named} more"
