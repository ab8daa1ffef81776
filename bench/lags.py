"""How long readings took from a venue's socket until they could be asked for: of single readings, not of batches."""

from collections import deque
from time import monotonic, time

from store.records import Flag, OpenInterest, Source
from store.writer import Progress

EVERY = 20  # one reading in so many is timed, unless said otherwise
UNTIMED = (Flag.RECEIVE_TIME | Flag.SKEWED | Flag.AFFIRMED).value


class Lags:
    """Samples what is put, and finds the batch that each sample went into.

    The simulator stamps a reading with the wall clock as it sends it, so what the network took is part of the figure.
    """

    def __init__(self, every: int = EVERY) -> None:
        self.every = every
        self.wire_ms: list[float] = []
        self.queryable_ms: list[float] = []
        self._count = 0
        self._waiting: deque[tuple[float, int]] = deque()  # put at, monotonic s; sent at, ms UTC

    def put(self, r: OpenInterest) -> None:
        """Before the reading is given to the writer."""
        self._count += 1
        if self._count % self.every == 0 and timed(r):
            self._waiting.append((monotonic(), r.ts))
            self.wire_ms.append(r.seen - r.ts)

    def look(self, progress: Progress) -> None:
        """Several times in as many seconds as the writer remembers batches of (100)."""
        wall = time() - monotonic()
        for (_, done), (following, _) in zip(progress.written, progress.written[1:], strict=False):
            while self._waiting and self._waiting[0][0] < following:
                _, sent = self._waiting.popleft()
                self.queryable_ms.append((done + wall) * 1000 - sent)

    def take(self) -> tuple[list[float], list[float]]:
        """(wire, queryable) ms since the last call. What is not yet queryable stays for the next one."""
        wire, queryable = self.wire_ms, self.queryable_ms
        self.wire_ms, self.queryable_ms = [], []
        return wire, queryable


def timed(r: OpenInterest) -> bool:
    """Whether it tells how long it was under way: pushed, with a time of the venue's own, not of whole seconds."""
    return r.source is Source.STREAM and not r.flags & UNTIMED and r.ts % 1000 != 0
