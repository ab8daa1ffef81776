"""What the simulated exchange asks of a market: one contract's figures at a moment, its forced closes, its past.

Prices in USD a coin, sizes one-sided in coins of the canonical asset (PEPE, never kPEPE): the exchange turns them into
each venue's own units.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Quote:
    """One contract at one moment."""

    mark: float  # USD a coin
    index: float
    last: float
    oi_base: float  # one-sided, coins
    funding: float  # fraction per interval
    funding_interval_h: float
    next_funding_ms: int
    volume_base: float = 0.0  # traded in the minute that holds the moment, coins, each trade counted once
    taker_buy_base: float = 0.0  # the part of it in which the buyer was the taker


@dataclass(frozen=True, slots=True)
class Forced:
    """A forced close."""

    ts_ms: int
    side: Literal["long", "short"]  # the position that died
    base: float  # coins
    price: float  # USD a coin


class Quotes(Protocol):
    """`quote` gives None for a contract that does not trade at that moment."""

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote | None: ...

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> Sequence[Forced]: ...

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[tuple[int, Quote]]: ...
