"""Traded minutes as venues tell them: lists that end with the running one, pushes of it, single trades. Pure."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from collectors.venue import Traded
from store.records import Unit

MINUTE_MS = 60_000
WRONG_MS = 3_600_000  # a minute so far ahead of what is told after it was never true: it must not silence the rest


def listed(rows: Iterable[Traded]) -> list[Traded]:
    """A list that reaches up to now, in time's order: its newest minute still runs."""
    minutes = sorted(rows, key=lambda minute: minute.ts)
    return [*minutes[:-1], *(replace(minute, final=False) for minute in minutes[-1:])]


class Running:
    """The running minute of each symbol on one connection. It has ended when the symbol's next one begins."""

    def __init__(self) -> None:
        self.minutes: dict[str, Traded] = {}

    def push(self, minute: Traded) -> Sequence[Traded]:
        """What a push says: the minute it ends, if any, and its own. A minute that has ended is not opened again."""
        before = self.minutes.get(minute.symbol)
        if before is not None and minute.ts < before.ts <= minute.ts + WRONG_MS:
            return ()
        self.minutes[minute.symbol] = now = replace(minute, final=False)
        if before is None or before.ts == now.ts:
            return (now,)
        return (replace(before, final=True), now)


class Tally:
    """Minutes summed from trades, for venues whose candles do not tell who took. Of one connection.

    The minute of a symbol's first trade is left out: what came before it was not heard.
    """

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.first: dict[str, int] = {}
        self.running = Running()

    def trade(
        self, symbol: str, ts: int, size: float, taker_buys: bool, price: float | None = None
    ) -> Sequence[Traded]:
        """What a trade (ms UTC) makes of its minute, and the minute it ends, if any.

        With prices, for units that need one, the minute has the one at which its coins are those of its trades.
        """
        start = ts // MINUTE_MS * MINUTE_MS
        if start <= (first := self.first.setdefault(symbol, start)):
            if first > start + WRONG_MS:
                self.first[symbol] = start
            return ()
        before = self.running.minutes.get(symbol)
        volume, bought = size, size if taker_buys else 0.0
        if before is not None and before.ts == start and before.taker_buy is not None:
            price = mean(before, size, price)
            volume, bought = volume + before.volume, bought + before.taker_buy
        return self.running.push(Traded(symbol, start, volume, self.unit, bought, price))


def mean(before: Traded, size: float, price: float | None) -> float | None:
    """Of a minute so far and one more trade: the harmonic mean, weighted by size, so that coins add up."""
    if price is None or before.price is None or min(before.volume, before.price, size, price) <= 0:
        return price
    return (before.volume + size) / (before.volume / before.price + size / price)
