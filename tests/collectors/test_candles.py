"""Rows of candles, and questions asked of the past as of the present."""

import msgspec
import pytest

from collectors.candles import Rows, marks, minutes, series, settled
from collectors.venue import Ask, Lately, Ratio, Traded, Update
from collectors.wire import wire
from store.records import Instrument, Unit

ROWS: Rows = [[120_000, 10.0, 12.0, 9.0, 11.0, 7.0, 77.0, 3.0], [60_000, 9.0, 10.0, 8.0, 10.0, 5.0, 50.0, 2.0]]
BTC = Instrument("acme", "linear", "BTCUSD", "BTC", "USD", "USD")


def ask(i: Instrument, start: int, end: int) -> Ask:
    return Ask(f"https://acme.example/{i.symbol}?from={start}&to={end}")


def test_a_minute_is_worth_its_close_and_its_columns_are_chosen() -> None:
    assert minutes(Unit.BASE)(ROWS[:1]) == [Traded("", 120_000, 7.0, Unit.BASE, price=11.0)]
    assert minutes(Unit.USD, 6, 7)(ROWS[:1]) == [Traded("", 120_000, 77.0, Unit.USD, 3.0, 11.0)]


def test_a_bar_of_the_mark_is_its_close_at_its_end() -> None:
    assert marks(300)(ROWS[:1]) == [Update("", 420_000, mark=11.0)]


def test_of_now_the_newest_minute_still_runs_and_of_the_past_none_does() -> None:
    poll, history = series("volume", ask, minutes(Unit.BASE), wire(Rows), 60, 500, 30)
    told = [(m.ts, m.final) for m in poll.parse(ROWS) if isinstance(m, Traded)]
    assert told == [(60_000, True), (120_000, False)]
    assert {m.final for m in history.parse(ROWS) if isinstance(m, Traded)} == {True}
    assert (poll.every, poll.gives, history.step, history.limit, history.depth) == (60, {"volume"}, 60, 500, 30)
    assert isinstance(poll.ask, Lately)
    assert poll.ask.ask(BTC, 1, 2) == history.ask(BTC, 1, 2)
    assert poll.decode(msgspec.json.encode([["60000", "1.5"]])) == [[60_000.0, 1.5]]


def test_of_now_the_newest_ratios_are_enough() -> None:
    found = [Ratio("", 600, "account", 2.0), Ratio("", 600, "taker", 1.0), Ratio("", 300, "account", 3.0)]
    poll, history = series("ratios", ask, lambda _: found, wire(Rows), 300, 500, 30)
    assert list(poll.parse([])) == found[:2]
    assert list(history.parse([])) == found


def test_a_reply_of_nothing_says_nothing() -> None:
    poll, _ = series("volume", ask, minutes(Unit.BASE), wire(Rows), 60, 500, 30)
    assert list(poll.parse([])) == []


def test_what_was_paid_is_read_by_the_names_of_its_cells() -> None:
    history = settled(ask, "t", "r", 100, 30, "result", "rows", unit_ms=1000)
    reply = history.decode(b'{"result": {"rows": [{"t": "1700000000", "r": "-0.0001"}, {"t": 1699996400, "r": ""}]}}')
    assert list(history.parse(reply)) == [
        Update("", 1_700_000_000_000, funding=-0.0001), Update("", 1_699_996_400_000),
    ]  # fmt: skip
    assert (history.gives, history.step, history.limit, history.depth) == ({"funding"}, 3600, 100, 30)
    with pytest.raises(KeyError):
        list(history.parse([{"t": 1}]))
    named = settled(ask, "t", "r", 100, 30, of="name")
    assert list(named.parse([{"t": 1, "r": 0.1, "name": "BTCUSD"}])) == [Update("BTCUSD", 1, funding=0.1)]
    told = settled(ask, "t", "r", 100, 30, every=("seconds", 1 / 3600))
    row = {"t": 1_700_000_000_000, "r": 0.0001}
    assert list(told.parse([row | {"seconds": "14400"}, row | {"seconds": None}])) == [
        Update("", 1_700_000_000_000, funding=0.0001, funding_interval_h=4.0),
        Update("", 1_700_000_000_000, funding=0.0001),
    ]


@pytest.mark.parametrize("place", [1, 2])
def test_a_column_put_in_is_noticed_and_one_put_at_the_end_is_none_of_ours(place: int) -> None:
    for read in (minutes(Unit.BASE), marks(60)):
        shifted = [[*row[:place], 7.5, *row[place:]] for row in ROWS]
        with pytest.raises(ValueError, match="columns"):
            read(shifted)
        assert read([[*row, 7.5] for row in ROWS]) == read(ROWS)


def test_a_single_candle_that_cannot_be_is_left_out() -> None:
    assert minutes(Unit.BASE)([ROWS[0], [60_000, 9.0, 10.0, 8.0, 11.0, 5.0]]) == minutes(Unit.BASE)(ROWS[:1])
