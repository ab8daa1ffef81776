"""What a chart says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guide:
    """How a chart is read, in words for people."""

    what: str
    how_to_read: str
    zones: tuple[str, ...]
    watch: tuple[str, ...]
    history: str  # how far back it goes, on what steps, and what breaks its line
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """`series` names the attribute of `levels.ChartPoint` that the chart draws, or a series of `charts.SERIES`."""

    id: str  # may hold {venue}
    name: str
    unit: str
    basis: str
    formula: str
    series: str
    guide: Guide
    related: tuple[str, ...]
    log_scale: bool = False  # a matter of display only
    by_venue: bool = False  # it can be asked of one venue, too
