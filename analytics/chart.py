"""What a chart says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    what: str
    how_to_read: str
    zones: tuple[str, ...]
    watch: tuple[str, ...]
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`series` names the attribute of `levels.ChartPoint` that the chart draws, or a series of `tracks.SERIES`."""

    id: str  # may hold {venue}
    name: str
    unit: str
    basis: str
    formula: str
    series: str
    guide: Guide
    related: tuple[str, ...]
    log_scale: bool = False  # a matter of display only
