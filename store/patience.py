"""Interrupts questions whose time is up. One thread watches all: one each would cost as much as a short question."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Condition, Thread
from time import monotonic
from typing import Protocol, TypeVar

import duckdb

IDLE_S = 60.0  # without a question for so long, the thread ends
Answer = TypeVar("Answer")


class TooSlow(Exception):  # noqa: N818 -- named as the sentence it says
    """A question took longer than its limit and was interrupted."""


class Cursors(Protocol):
    """What gives a connection of its own to whoever asks: the engine's `Store`, or a DuckDB connection."""

    def cursor(self) -> duckdb.DuckDBPyConnection: ...


class Interruptible(Protocol):
    """A connection."""

    def interrupt(self) -> None: ...


class Patience:
    """Owns the thread that watches. It runs while there are questions, and a while longer."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._open: dict[int, tuple[float, Interruptible]] = {}  # by number: until when, and who
        self._number = 0
        self._wakes: float | None = None  # when the thread looks next; None: there is none

    def ask(self, store: Cursors, seconds: float, question: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """Runs one question on a cursor of its own. Raises TooSlow when its time is up."""
        con = store.cursor()
        try:
            with self.within(seconds, con):
                return question(con)
        except duckdb.InterruptException as error:
            raise TooSlow(f"A question to the store took longer than {seconds:g} s; ask for less.") from error
        finally:
            con.close()

    @contextmanager
    def within(self, seconds: float, con: Interruptible) -> Generator[None]:
        """Interrupts `con` if the block takes longer."""
        until = monotonic() + seconds
        with self._changed:
            self._number += 1
            mine = self._number
            self._open[mine] = (until, con)
            if self._wakes is None:
                self._wakes = until
                Thread(target=self._watch, name="store-patience", daemon=True).start()
            elif until < self._wakes:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:  # so that nothing is interrupted after its end
                self._open.pop(mine, None)

    def _watch(self) -> None:
        idle_until = monotonic() + IDLE_S
        with self._changed:
            while True:
                now = monotonic()
                for number, (until, con) in list(self._open.items()):
                    if until <= now:
                        con.interrupt()
                        del self._open[number]
                if self._open:
                    idle_until = now + IDLE_S
                elif now >= idle_until:
                    self._wakes = None
                    return
                self._wakes = min([until for until, _ in self._open.values()], default=idle_until)
                self._changed.wait(self._wakes - now)
