"""How long readings took from a venue's socket until they could be asked for: of single readings, not of batches."""

from collections import deque
from time import monotonic, time

from store.records import OpenInterest
from store.writer import Progress

EVERY = 20  # one reading in so many is timed


class Lags:
    """Samples what is put, and finds the batch that each sample went into.

    The simulator stamps a reading with the wall clock as it sends it, so what the network took is part of the figure.
    """

    def __init__(self) -> None:
        self.wire_ms: list[float] = []
        self.queryable_ms: list[float] = []
        self._count = 0
        self._waiting: deque[tuple[float, int]] = deque()  # put at, monotonic s; sent at, ms UTC

    def put(self, r: OpenInterest) -> None:
        """Before the reading is given to the writer."""
        self._count += 1
        if self._count % EVERY == 0 and not r.flags:
            self._waiting.append((monotonic(), r.ts))
            self.wire_ms.append(r.seen - r.ts)

    def look(self, progress: Progress) -> None:
        """Several times in as many seconds as the writer remembers batches of (100)."""
        wall = time() - monotonic()
        for (_, done), (following, _) in zip(progress.written, progress.written[1:], strict=False):
            while self._waiting and self._waiting[0][0] < following:
                _, sent = self._waiting.popleft()
                self.queryable_ms.append((done + wall) * 1000 - sent)

    def clear(self) -> None:
        """Forget all samples."""
        self.wire_ms, self.queryable_ms = [], []
        self._waiting.clear()
