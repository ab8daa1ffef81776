"""What the simulated exchange asks of a market: one contract's figures at a moment, its forced closes, its past."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol


class Quote(NamedTuple):
    mark: float  # quote units a venue's base unit
    index: float
    last: float
    oi_base: float  # one-sided, in the venue's base units
    funding: float  # fraction per interval
    funding_interval_h: float
    next_funding_ms: int


class Forced(NamedTuple):
    """A forced close."""

    ts_ms: int
    side: Literal["long", "short"]  # the position that died
    base: float  # one-sided, in the venue's base units
    price: float


class Quotes(Protocol):
    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote: ...

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> Sequence[Forced]: ...

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[tuple[int, Quote]]: ...
