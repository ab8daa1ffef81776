"""Leverage ladders: a whole ladder is a version, kept only where it differs from the one before."""

from collections.abc import Sequence
from typing import Any

import duckdb

from store import columns
from store.records import MarginTier

Steps = dict[int, tuple[Any, ...]]  # by tier: the row without `known_at` and `simulated`


class Ladders:
    """Owns the newest ladder stored of every instrument, and the one being heard.

    The steps of one ladder share their `seen`, which becomes `known_at`, so a ladder may be split over two batches.
    That a ladder has fewer steps than before shows when a batch brings no more of it.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._stored: dict[int, tuple[int, Steps]] | None = None  # by instrument: known_at, ms UTC, and the steps
        self._heard: dict[int, tuple[int, Steps]] = {}

    def forget(self) -> None:
        """A transaction failed: what it told us is not in the store."""
        self._stored = None

    def news(self, tiers: Sequence[MarginTier], simulated: bool) -> list[tuple[Any, ...]]:
        """Rows to add, given the steps of one batch."""
        if not tiers and not self._heard:
            return []
        stored = self._load() if self._stored is None else self._stored
        told: set[int] = set()
        for step in tiers:
            i = step.instrument.id
            seen, steps = self._heard.get(i, (step.seen, {}))
            if step.seen < max(seen, stored.get(i, (step.seen, {}))[0]):
                continue  # an old ladder that came late changes nothing
            if step.seen > seen:
                seen, steps = step.seen, {}
            steps[step.tier] = columns.row(step, simulated, seen)[1][:-2]
            self._heard[i] = seen, steps
            told.add(i)
        rows: list[tuple[Any, ...]] = []
        for i, (seen, steps) in list(self._heard.items()):
            known_at, known = stored.get(i, (0, {}))
            complete = i not in told
            if any(known.get(tier) != row for tier, row in steps.items()) or (
                complete and steps.keys() != known.keys()
            ):
                before = known if known_at == seen else {}
                rows += [(*row, seen, simulated) for tier, row in steps.items() if before.get(tier) != row]
                stored[i] = seen, dict(steps)
            if complete:
                del self._heard[i]
        return rows

    def _load(self) -> dict[int, tuple[int, Steps]]:
        self._stored = {}
        for known_at, *row in self._con.execute(
            "SELECT epoch_ms(known_at), instrument_id, tier, lower, upper, maintenance, max_leverage, deduction "
            "FROM tiers QUALIFY known_at = max(known_at) OVER (PARTITION BY instrument_id)"
        ).fetchall():
            self._stored.setdefault(row[0], (known_at, {}))[1][row[1]] = tuple(row)
        return self._stored
