"""Questions whose time is up are interrupted, and no others."""

from threading import Event, active_count
from time import monotonic, sleep

import pytest

from store import patience
from store.patience import Patience


class Asked:
    """A connection that notes when it was interrupted."""

    def __init__(self) -> None:
        self.stopped = Event()

    def interrupt(self) -> None:
        self.stopped.set()


def test_a_question_is_interrupted_when_its_time_is_up_and_another_is_not() -> None:
    watch, slow, quick, patient = Patience(), Asked(), Asked(), Asked()
    with watch.within(60.0, patient), watch.within(0.4, slow):
        with watch.within(0.3, quick):
            pass
        assert slow.stopped.wait(30)  # by when the time of the quick one is up, too
    assert not quick.stopped.is_set()
    assert not patient.stopped.is_set()


def test_a_shorter_limit_is_kept_although_the_thread_waits_for_a_longer_one() -> None:
    watch, slow = Patience(), Asked()
    with watch.within(60.0, Asked()):
        sleep(0.05)
        began = monotonic()
        with watch.within(0.1, slow):
            assert slow.stopped.wait(30)
        assert monotonic() - began < 30


def test_the_thread_ends_when_nobody_asks_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "IDLE_S", 0.05)
    before, watch = active_count(), Patience()
    for _ in range(2):
        with watch.within(0.02, Asked()):
            assert active_count() == before + 1
        deadline = monotonic() + 30
        while active_count() > before and monotonic() < deadline:
            sleep(0.02)
        assert active_count() == before
