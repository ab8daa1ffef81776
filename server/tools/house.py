"""What a tool is handed: the store's reader and the few facts of this process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from analytics.liquidation import MapState
from analytics.settings import Settings as Thresholds
from server import maps
from server.answers import Answer
from server.settings import RATES
from store.reader import Reader
from store.writer import Progress


def no_map(_: str) -> None:
    """A house without maps."""


def unmeasured(_: str) -> Mapping[str, float]:
    """A house that holds nothing against traded volume."""
    return {}


def no_writer() -> None:
    """A house that only reads."""


@dataclass(frozen=True, slots=True)
class House:
    """All that a tool may know. Tests build one around a store of their own."""

    reader: Reader
    simulated: bool
    version: str
    started: int  # when this process began, ms UTC
    now: Callable[[], int]  # ms UTC
    thresholds: Thresholds = field(default_factory=Thresholds)
    map_state: Callable[[str], MapState | None] = no_map  # by asset; None where no map has been built (yet)
    past_map: Callable[[Reader, str, int], MapState] = maps.then  # of an asset, as it was at a moment, ms UTC
    plausible: Callable[[str], Mapping[str, float]] = unmeasured  # by asset: venues' share of feasible changes
    apart: bool = False  # it counts another universe than the clock does: what that has worked out is not of it
    progress: Callable[[], Progress | None] = no_writer  # of what writes the store
    rates: Mapping[str, float] = field(default_factory=lambda: dict(RATES))  # of quote currencies, USD a unit: modelled


ToolFunction = Callable[..., Answer]
