"""The liquidation maps of a few assets: advanced by every minute's bars, kept in the home over a restart."""

import logging
import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from analytics.liquidation import MapState, Terms, advance, from_bytes, start, to_bytes
from store.reader import Reader

log = logging.getLogger(__name__)

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
FRESH_BARS = 60  # minutes that are caught up bar by bar; beyond that the map is built anew (decisions.md, 19)
REBUILT = ((30 * DAY_MS, DAY_MS, HOUR_MS), (DAY_MS, HOUR_MS, 5 * MINUTE_MS), (HOUR_MS, 0, MINUTE_MS))
"""Of a rebuild: from and to in ms before now, and the length of the bars: what is long ago needs less detail."""


class Maps:
    """Owns the newest state of each asset's map. `advance` in one thread at a time; anyone may look."""

    def __init__(self, reader: Reader, folder: Path, assets: Iterable[str]) -> None:
        self.reader = reader
        self.folder = folder
        self.states: dict[str, MapState | None] = dict.fromkeys(assets)

    def state(self, asset: str) -> MapState | None:
        """The map's state, or None where none has been built (yet)."""
        return self.states.get(asset)

    def load(self) -> None:
        """Take up what an earlier run kept. One that cannot be read is built anew: it is derived from bars."""
        for asset in self.states:
            try:
                self.states[asset] = from_bytes(self.file(asset).read_bytes())
            except FileNotFoundError:
                continue
            except ValueError as unusable:
                log.warning("%s: %s", self.file(asset), unusable)

    def save(self) -> None:
        """Keep every state, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for asset, state in self.states.items():
            if state is not None:
                draft = self.file(asset).with_suffix(".draft")
                draft.write_bytes(to_bytes(state))
                draft.replace(self.file(asset))

    def file(self, asset: str) -> Path:
        return self.folder / f"{asset}.npz"

    def advance(self, now: int) -> None:
        """Bring every map up to the last full minute before `now`, ms UTC."""
        end = now - now % MINUTE_MS
        for asset, state in self.states.items():
            if state is None or state.as_of is None or end - state.as_of > FRESH_BARS * MINUTE_MS:
                built = self.rebuilt(asset, end)
                self.states[asset] = state if built.as_of is None else built
            elif end > state.as_of:
                bars = self.reader.bars(asset, state.as_of, end, MINUTE_MS)
                self.states[asset] = advance(state, finished(bars, end), step_ms=MINUTE_MS)

    def rebuilt(self, asset: str, end: int) -> MapState:
        """The map out of the last thirty days of bars."""
        state = start(asset, terms(self.reader.instruments(asset)))
        for since, until, step in REBUILT:
            first, last = (end - since) // step * step, (end - until) // step * step
            bars = self.reader.bars(asset, first, last, step)
            state = advance(state, finished(bars, last), step_ms=step)
        log.info("the liquidation map of %s was built from thirty days of bars", asset)
        return state


def finished(bars: pd.DataFrame, end: int) -> pd.DataFrame:
    """The bars that will not change any more."""
    return bars[bars["t"] <= end]


def terms(instruments: pd.DataFrame) -> dict[str, Terms]:
    """What each venue lets its traders do, where it says so."""
    said: dict[str, Terms] = {}
    for row in instruments.to_dict("records"):
        leverage = row["max_leverage"]
        if leverage is not None and not math.isnan(leverage):
            venue = str(row["venue"])
            most = max(leverage, said[venue].max_leverage) if venue in said else leverage
            said[venue] = Terms(max_leverage=float(most))
    return said
