from collectors.minutes import Running, Tally, listed
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


def traded(n: int, volume: float, bought: float, final: bool = False) -> Traded:
    return Traded("A", NOON + n * 60_000, volume, Unit.BASE, bought, final=final)


def test_trades_sum_to_minutes_after_the_one_that_was_not_heard_from_its_start() -> None:
    tally = Tally(Unit.BASE)
    assert tally.trade("A", NOON + 59_000, 9.0, taker_buys=True) == ()
    assert tally.trade("A", NOON + 60_000, 2.0, taker_buys=True) == (traded(1, 2.0, 2.0),)
    assert tally.trade("A", NOON + 119_999, 0.5, taker_buys=False) == (traded(1, 2.5, 2.0),)
    assert tally.trade("A", NOON + 180_000, 1.0, taker_buys=False) == (
        traded(1, 2.5, 2.0, final=True),
        traded(3, 1.0, 0.0),
    )


def test_a_trade_of_a_minute_that_has_ended_comes_too_late() -> None:
    tally = Tally(Unit.BASE)
    for at in (0, 60_000, 120_000):
        tally.trade("A", NOON + at, 1.0, taker_buys=True)
    assert tally.trade("A", NOON + 90_000, 5.0, taker_buys=True) == ()
    assert tally.trade("A", NOON - 60_000, 5.0, taker_buys=True) == ()
    assert tally.trade("A", NOON + 121_000, 0.25, taker_buys=True) == (traded(2, 1.25, 1.25),)


def test_a_minute_of_prices_has_the_one_at_which_its_coins_are_those_of_its_trades() -> None:
    tally = Tally(Unit.USD)
    tally.trade("A", NOON, 1.0, taker_buys=True, price=1.0)
    tally.trade("A", NOON + 60_000, 100.0, taker_buys=True, price=50.0)
    [minute] = tally.trade("A", NOON + 60_001, 300.0, taker_buys=False, price=100.0)
    assert (minute.volume, minute.taker_buy, minute.price) == (400.0, 100.0, 80.0), "2 coins and 3"
    [minute] = tally.trade("A", NOON + 60_002, 0.0, taker_buys=False, price=80.0)
    assert minute.price == 80.0


def test_each_symbol_has_its_own_first_minute() -> None:
    tally = Tally(Unit.BASE)
    tally.trade("A", NOON, 1.0, taker_buys=True)
    assert tally.trade("B", NOON + 60_000, 1.0, taker_buys=True) == ()


def test_a_minute_of_a_wrong_time_does_not_silence_those_that_follow() -> None:
    running = Running()
    running.push(minute(10**6, 9.0))
    assert running.push(minute(0, 1.0))[-1] == minute(0, 1.0)
    assert running.push(minute(1, 2.0)) == (minute(0, 1.0, final=True), minute(1, 2.0))


def test_a_trade_of_a_wrong_time_does_not_silence_those_that_follow() -> None:
    tally = Tally(Unit.BASE)
    assert [list(tally.trade("A", NOON + n * 60_000, 1.0, True)) for n in (10**6, 0)] == [[], []]
    assert list(tally.trade("A", NOON + 60_000, 2.0, True)) == [traded(1, 2.0, 2.0)]
