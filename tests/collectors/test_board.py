"""Merging and units."""

import pytest

from collectors.board import Board
from collectors.venue import Liquidated, Update
from store.records import FeedClass, Field, Flag, Instrument, OpenInterest, Payoff, Quarantined, Side, Source, Unit

COINS = Field("oi", Unit.BASE)
BOTH = Field("both", Unit.BASE, 2)


def board(**changes: object) -> Board:
    return Board([Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", **changes)])  # type: ignore[arg-type]  # a test


def reading(record: OpenInterest | None) -> OpenInterest:
    assert record is not None
    return record


def test_partial_updates_are_merged_into_whole_records() -> None:
    b = board(funding_interval_h=8.0)
    assert b.apply(Update("BTC", 1, mark=100.0, index=99.0), 1) is None
    assert b.apply(Update("BTC", 2, funding=0.0001), 2) is None
    record = reading(b.apply(Update("BTC", 3, 10.0, COINS), 4))
    assert (record.ts, record.seen, record.raw, record.base, record.usd) == (3, 4, 10.0, 10.0, 1000.0)
    assert (record.mark, record.index, record.funding, record.funding_interval_h) == (100.0, 99.0, 0.0001, 8.0)


def test_open_interest_heard_before_a_mark_waits_for_it_and_keeps_its_time() -> None:
    b = board()
    assert b.apply(Update("BTC", 5, 10.0, COINS), 6) is None
    record = reading(b.apply(Update("BTC", 70, mark=2.0), 71))
    assert (record.ts, record.seen, record.usd) == (5, 71, 20.0)


def test_the_field_says_how_many_sides_are_counted_even_when_it_changes() -> None:
    b = board()
    assert reading(b.apply(Update("BTC", 1, 10.0, BOTH, mark=2.0), 1)).base == 5.0
    assert reading(b.apply(Update("BTC", 2, 5.0, COINS), 2)).base == 5.0


def test_a_thousand_coin_unit_scales_coins_up_and_prices_down() -> None:
    b = Board([Instrument("toy", "main", "kPEPE", "PEPE", "USD", "USD", base_factor=1000.0)])
    record = reading(b.apply(Update("kPEPE", 1, 7.0, COINS, mark=0.01, index=0.02), 1))
    assert (record.base, record.mark, record.usd) == pytest.approx((7000.0, 0.00001, 0.07))
    assert record.index == pytest.approx(0.00002)


def test_a_quote_currency_is_worth_what_it_is_told_to_be() -> None:
    b = Board([Instrument("toy", "main", "BTCEUR", "BTC", "EUR", "EUR")], dollars={"EUR": 1.5})
    assert reading(b.apply(Update("BTCEUR", 1, 2.0, COINS, mark=100.0), 1)).usd == 300.0


def test_an_affirmation_is_a_row_after_a_minute_or_when_mark_or_funding_moved() -> None:
    b = board()
    b.apply(Update("BTC", 1000, 10.0, COINS, mark=100.0, funding=0.1), 1000)
    assert b.apply(Update("BTC", 2000, mark=100.04, affirms=True), 2000) is None
    moved = reading(b.apply(Update("BTC", 3000, mark=100.06, affirms=True), 3000))
    assert (moved.ts, moved.seen, moved.flags & Flag.AFFIRMED) == (1000, 3000, Flag.AFFIRMED)
    assert b.apply(Update("BTC", 4000, affirms=True), 4000) is None
    assert reading(b.apply(Update("BTC", 5000, funding=0.2, affirms=True), 5000)).funding == 0.2
    assert reading(b.apply(Update("BTC", 65_000, affirms=True), 65_000)).ts == 1000


def test_an_old_mark_is_flagged() -> None:
    b = board()
    b.apply(Update("BTC", 1000, mark=100.0), 1000)
    assert not reading(b.apply(Update("BTC", 61_000, 1.0, COINS), 61_000)).flags & Flag.STALE_MARK
    assert reading(b.apply(Update("BTC", 61_001, 1.0, COINS), 61_001)).flags & Flag.STALE_MARK


@pytest.mark.parametrize("mark", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_mark_is_no_mark(mark: float) -> None:
    b = board()
    assert b.apply(Update("BTC", 1, 10.0, COINS, mark=mark), 1) is None
    assert reading(b.apply(Update("BTC", 2, 10.0, COINS, mark=5.0), 2)).usd == 50.0


def test_forgetting_an_epoch_forgets_what_it_gave_and_flags_the_next_record() -> None:
    b = board()
    b.apply(Update("BTC", 1, 10.0, COINS, mark=5.0, index=4.0), 1)
    b.forget(["BTC"], frozenset({"oi", "index"}))
    assert b.apply(Update("BTC", 2, mark=9.0, affirms=True), 2) is None
    record = reading(b.apply(Update("BTC", 1, 11.0, COINS), 3))
    assert (record.mark, record.index) == (9.0, None)
    assert record.flags & Flag.RESYNC
    assert not reading(b.apply(Update("BTC", 4, 11.0, COINS), 4)).flags & Flag.RESYNC


def test_a_symbol_nobody_listed_is_counted() -> None:
    b = board()
    assert b.apply(Update("DOGE", 1, 10.0, COINS, mark=5.0), 1) is None
    assert b.unknown == 1


def test_an_open_interest_without_its_field_is_an_error() -> None:
    with pytest.raises(TypeError, match="without its field"):
        board().apply(Update("BTC", 1, 10.0), 1)


def test_a_time_from_the_future_does_not_stay_the_newest() -> None:
    b = board()
    early = reading(b.apply(Update("BTC", 10**15, 10.0, COINS, mark=5.0), 1000, Source.POLL))
    assert (early.ts, early.flags & Flag.SKEWED) == (1000, Flag.SKEWED)
    assert reading(b.apply(Update("BTC", 2000, 11.0, COINS), 2000)).ts == 2000


def test_a_catalogue_read_again_says_what_is_new_and_learns_a_new_multiplier() -> None:
    b = board(contract_size=1.0)
    contracts = Field("n", Unit.CONTRACTS)
    assert reading(b.apply(Update("BTC", 1, 10.0, contracts, mark=5.0), 1)).base == 10.0
    same = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")
    assert b.enlist([same]) == []
    other = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", contract_size=0.1)
    eth = Instrument("toy", "main", "ETH", "ETH", "USDT", "USDT")
    assert b.enlist([other, eth]) == [other, eth]
    assert reading(b.apply(Update("BTC", 2, 100.0, contracts, mark=5.0), 2)).base == pytest.approx(10.0)


def test_a_forced_close_is_valued_at_its_own_price() -> None:
    said = Liquidated("BTC", None, Side.LONG, 300.0, Unit.CONTRACTS, 50.0, FeedClass.FULL)
    linear = board(contract_size=0.1).liquidation(said, 7)
    inverse = board(contract_size=100.0, payoff=Payoff.INVERSE).liquidation(said, 7)
    assert linear is not None
    assert inverse is not None
    assert (linear.ts, linear.base, linear.usd) == pytest.approx((7, 30.0, 1500.0))
    assert (inverse.base, inverse.usd) == (600.0, 30_000.0)


def test_a_statement_that_contradicts_itself_is_set_aside_and_not_kept() -> None:
    aside: list[object] = []
    b = Board([Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")], sink=aside.append)
    b.apply(Update("BTC", 1, mark=60_000.0), 1)
    assert reading(b.apply(Update("BTC", 2, 20.0, BOTH, usd=1_210_000.0), 2)).base == 10.0  # both as published
    assert aside == []
    assert b.apply(Update("BTC", 3, 20.0, BOTH, usd=1_073_930.0), 3) is None  # T4: a unit error
    assert b.apply(Update("BTC", 4, 20.0, BOTH, usd=1_073_930.0), 4) is None
    [told] = aside
    assert isinstance(told, Quarantined)
    assert (told.check, told.raw) == ("implied_price", "20.0")
    assert told.words == "stated as 1.07393e+06 USD too, which is 0.8949 of ours"
    assert b.apply(Update("BTC", 5, mark=50_000.0), 5) is None  # nothing is left to be valued
    assert reading(b.apply(Update("BTC", 6, 20.0, BOTH, usd=1_000_000.0), 6)).usd == 500_000.0


def test_an_old_mark_contradicts_nothing() -> None:
    aside: list[object] = []
    b = Board([Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")], sink=aside.append)
    b.apply(Update("BTC", 1, mark=60_000.0), 1)
    record = reading(b.apply(Update("BTC", 70_000, 20.0, COINS, usd=1_000_000.0), 70_000))
    assert record.flags & Flag.STALE_MARK
    assert aside == []


@pytest.mark.parametrize("mark", [1e-320, 1e308])
def test_a_mark_past_all_bounds_prices_nothing(mark: float) -> None:
    b = board()
    assert b.apply(Update("BTC", 1, 10.0, COINS, mark), 1) is None
    assert reading(b.apply(Update("BTC", 2, 10.0, COINS, 100.0), 2)).usd == 1000.0
    assert reading(b.apply(Update("BTC", 3, 10.0, COINS, mark), 3)).usd == 1000.0


@pytest.mark.parametrize("raw", [1e308, 1e-320])
def test_an_open_interest_past_all_bounds_is_set_aside(raw: float) -> None:
    aside: list[object] = []
    b = Board([Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")], sink=aside.append)
    assert b.apply(Update("BTC", 1, raw, COINS, 100.0), 1) is None
    assert [type(one) for one in aside] == [Quarantined]


@pytest.mark.parametrize("usd", [1e-320, 1e308])
def test_dollars_past_all_bounds_contradict_nothing(usd: float) -> None:
    b = Board([Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")], sink=lambda _: None)
    assert reading(b.apply(Update("BTC", 1, 10.0, COINS, 100.0, usd=usd), 1)).usd == 1000.0


def test_a_time_before_any_coin_is_ours_whoever_says_it() -> None:
    b, now = board(), 1_790_000_000_000
    record = reading(b.apply(Update("BTC", 5, 10.0, COINS, 100.0), now, Source.POLL))
    assert (record.ts, record.flags & Flag.SKEWED) == (now, Flag.SKEWED)
