"""What a tool is handed: the store's reader and the few facts of this process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from analytics.settings import Settings as Thresholds
from server.answers import Answer
from store.reader import Reader


@dataclass(frozen=True, slots=True)
class House:
    """All that a tool may know. Tests build one around a store of their own."""

    reader: Reader
    simulated: bool
    version: str
    started: int  # when this process began, ms UTC
    now: Callable[[], int]  # ms UTC
    thresholds: Thresholds = field(default_factory=Thresholds)
    folder: Path | None = None  # where hourly work keeps its state (the liquidation map's); None: nowhere


ToolFunction = Callable[..., Answer]
