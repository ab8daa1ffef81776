from collectors.minutes import Running, listed
from collectors.venue import Traded
from store.records import Unit

NOON = 1790000040000


def minute(n: int, volume: float, symbol: str = "A", final: bool = False) -> Traded:
    return Traded(symbol, NOON + n * 60_000, volume, Unit.BASE, final=final)


def test_the_newest_of_a_list_still_runs_whatever_the_order() -> None:
    rows = [minute(2, 3.0, final=True), minute(0, 1.0, final=True), minute(1, 2.0, final=True)]
    assert listed(rows) == [minute(0, 1.0, final=True), minute(1, 2.0, final=True), minute(2, 3.0)]
    assert listed([]) == []


def test_a_minute_has_ended_when_the_next_begins() -> None:
    running = Running()
    assert running.push(minute(0, 1.0, final=True)) == (minute(0, 1.0),)
    assert running.push(minute(0, 4.5)) == (minute(0, 4.5),)
    assert running.push(minute(1, 0.0)) == (minute(0, 4.5, final=True), minute(1, 0.0))


def test_symbols_have_minutes_of_their_own() -> None:
    running = Running()
    running.push(minute(0, 1.0))
    assert running.push(minute(1, 2.0, "B")) == (minute(1, 2.0, "B"),)


def test_a_minute_that_has_ended_is_not_opened_again() -> None:
    running = Running()
    running.push(minute(1, 2.0))
    assert running.push(minute(0, 9.0)) == ()
    assert running.push(minute(2, 0.5)) == (minute(1, 2.0, final=True), minute(2, 0.5))
