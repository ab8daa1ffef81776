"""What a coin is worth in USD now, by all boards together: what settles in coins, or has no price of its own."""

from collections.abc import Callable
from statistics import median

from collectors.board import OLD_MARK_MS, Board, Worth
from store.records import Kind, Payoff

KEPT_MS = 1000  # a price is looked up once a second, however many contracts ask


class Coins:
    """Owns the list of boards of one run."""

    def __init__(self, now: Callable[[], int], before: Worth = lambda _: None) -> None:
        self.now = now
        self.before = before  # what a coin was worth before any board tells
        self.boards: dict[str, Board] = {}  # by segment; a segment that is begun again has a new board
        self.kept: dict[str, tuple[int, tuple[float, int] | None]] = {}

    def __call__(self, coin: str) -> tuple[float, int] | None:
        """USD a coin, and when that was heard [ms UTC]: the median mark of its perpetuals, none older than a minute.

        Where there is no perpetual that of dated contracts, whose price has a basis; else what it was worth before.
        None where nobody knows.
        """
        now = self.now()
        at, price = self.kept.get(coin, (-KEPT_MS, None))
        if not 0 <= now - at < KEPT_MS:
            price = self.asked(coin, now)
            self.kept[coin] = (now, price)
        return price

    def asked(self, coin: str, now: int) -> tuple[float, int] | None:
        marks = [
            (known.instrument.kind, known.price * known.dollar)
            for board in self.boards.values()
            for known in board.known.values()
            if known.price is not None
            and known.instrument.asset == coin
            and known.instrument.payoff is not Payoff.QUANTO
            and now - known.mark_seen <= OLD_MARK_MS
        ]
        perpetual = [mark for kind, mark in marks if kind is Kind.PERPETUAL]
        return (median(perpetual or [mark for _, mark in marks]), now) if marks else self.before(coin)
