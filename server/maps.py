"""The liquidation maps of a few assets: advanced by every minute's bars, kept in the home over a restart."""

import logging
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pandas as pd

from analytics import conventions
from analytics.liquidation import MapState, Terms, advance, from_bytes, start, to_bytes
from analytics.liquidation.prior import MAX_LEVERAGE, of_ladder
from analytics.settings import DEFAULTS, Settings
from server.recounts import recounts
from store.reader import Reader

log = logging.getLogger(__name__)

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
PAST_MAPS = 3  # some 40 MB each
FRESH_BARS = 60  # minutes that are caught up bar by bar; beyond that the map is built anew (decisions.md, 19)
REBUILT = ((30 * DAY_MS, DAY_MS, HOUR_MS), (DAY_MS, HOUR_MS, 5 * MINUTE_MS), (HOUR_MS, 0, MINUTE_MS))
"""Of a rebuild: from and to in ms before now, and the length of the bars: what is long ago needs less detail."""


class Maps:
    """Owns the newest state of each asset's map. `advance` in one thread at a time; anyone may look."""

    def __init__(self, reader: Reader, folder: Path, assets: Iterable[str], settings: Settings = DEFAULTS) -> None:
        self.reader = reader
        self.settings = settings
        self.folder = folder
        self.states: dict[str, MapState | None] = dict.fromkeys(assets)

    def state(self, asset: str) -> MapState | None:
        """The map's state, or None where none has been built (yet)."""
        return self.states.get(asset)

    def load(self) -> None:
        """Take up what an earlier run kept. One that cannot be read, or was made by other settings, is built anew."""
        for asset in self.states:
            try:
                kept = from_bytes(self.file(asset).read_bytes())
            except FileNotFoundError:
                continue
            except ValueError as unusable:
                log.warning("%s: %s", self.file(asset), unusable)
                continue
            if (kept.policy, kept.settings.of_map()) == (self.settings.removal_policy, self.settings.of_map()):
                self.states[asset] = kept
            else:
                log.info("the liquidation map of %s was made by other settings and is built anew", asset)

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
        """Bring every map up to the last full minute before `now`, ms UTC. One that took a change of counting for trade
        is built anew once that is known.
        """
        end = now - now % MINUTE_MS
        for asset, state in self.states.items():
            noted = recounts(self.reader, asset, *around(end))
            known = None if state is None else state.as_of
            if state is None or known is None or end - known > FRESH_BARS * MINUTE_MS or mistaken(known, noted):
                built = rebuilt(self.reader, asset, end, self.settings)
                self.states[asset] = state if built.as_of is None else built
            elif end > known:
                bars = self.reader.bars(asset, known, end, MINUTE_MS)
                breaks = conventions.breaks(noted)
                if end % HOUR_MS == 0:  # ladders are heard, and change, while we run
                    state = replace(state, terms=terms(self.reader, asset, self.settings))
                self.states[asset] = advance(state, finished(bars, end), step_ms=MINUTE_MS, breaks=breaks)


class Past:
    """Owns maps of past minutes, built when they are asked for: the last few, so that the next question is quick."""

    def __init__(self, settings: Settings = DEFAULTS, most: int = PAST_MAPS) -> None:
        self.settings = settings
        self.most = most
        self.lock = Lock()  # building takes seconds: whoever asks for the same waits for it
        self.states: dict[tuple[str, int], MapState] = {}

    def state(self, reader: Reader, asset: str, moment: int) -> MapState:
        """`then`, remembered."""
        key = (asset, moment - moment % MINUTE_MS)
        with self.lock:
            found = self.states.pop(key, None)
            if found is None:
                found = then(reader, asset, moment, self.settings)
            self.states[key] = found  # the newest stand last
            while len(self.states) > self.most:
                del self.states[next(iter(self.states))]
            return found


def then(reader: Reader, asset: str, moment: int, settings: Settings = DEFAULTS) -> MapState:
    """The map at the last full minute before `moment`, ms UTC, out of what was known in that minute. It is coarser than
    the one that was kept then, which had passed every minute.
    """
    minute = moment - moment % MINUTE_MS
    state = rebuilt(reader.at(minute), asset, minute, settings)
    return replace(state, cohorts=(state.mass,), born=(0,))  # it never advances: ages are of no use any more


def rebuilt(reader: Reader, asset: str, end: int, settings: Settings) -> MapState:
    """The map out of the last thirty days of bars."""
    state = start(asset, terms(reader, asset, settings), settings.removal_policy, settings)
    breaks = conventions.breaks(recounts(reader, asset, *around(end)))
    first = end - REBUILT[0][0]
    for _, until, step in REBUILT:
        first, last = first // step * step, (end - until) // step * step
        bars = reader.bars(asset, first, last, step)
        state, first = advance(state, finished(bars, last), step_ms=step, breaks=breaks), last
    log.info("the liquidation map of %s was built from thirty days of bars", asset)
    return state


def finished(bars: pd.DataFrame, end: int) -> pd.DataFrame:
    """The bars that will not change any more."""
    return bars[bars["t"] <= end]


def around(end: int) -> tuple[int, int]:
    """Where a change of counting matters to a map that ends there, ms UTC: as far as known, after it too."""
    return end - REBUILT[0][0], end + DAY_MS


def mistaken(as_of: int, noted: pd.DataFrame) -> bool:
    """Whether such a step lies in bars up to `as_of`, but was noted only after it: three readings must confirm one."""
    steps = conventions.breaks(noted)["start"].to_numpy(float)
    return bool(((steps + 1 < as_of) & (noted["known_at"].to_numpy(float) > as_of)).any())


def terms(reader: Reader, asset: str, settings: Settings = DEFAULTS) -> dict[str, Terms]:
    """What each venue lets its traders do, where it says so: the highest leverage of its instruments, and the ladder of
    the one that asks the least maintenance, which is its main one.
    """
    most: dict[str, float] = {}
    for row in reader.instruments(asset).to_dict("records"):
        leverage = row["max_leverage"]
        if leverage is not None and not math.isnan(leverage):
            most[str(row["venue"])] = max(float(leverage), most.get(str(row["venue"]), 0.0))
    ladders: dict[str, list[tuple[float, float]]] = {}
    for (venue, _), rows in reader.tiers(asset).groupby(["venue", "instrument_id"], observed=True):
        steps = [(float(lower), float(rate)) for lower, rate in zip(rows["lower"], rows["maintenance"], strict=True)]
        ladders[str(venue)] = min(steps, ladders.get(str(venue), steps), key=lambda known: known[0][1])
    large = settings.map_large_usd
    return {v: of_ladder(most.get(v, MAX_LEVERAGE), ladders.get(v, []), large) for v in {*most, *ladders}}
