"""What venues say beside open interest, as records."""

from dataclasses import replace

import pytest

from collectors.besides import Besides
from collectors.board import Board
from collectors.venue import Liquidated, Ratio, Tier, Traded, Update
from store.records import (
    FeedClass,
    Field,
    Instrument,
    Liquidation,
    LongShort,
    MarginTier,
    Payoff,
    Quarantined,
    Side,
    Source,
    Unit,
    Volume,
)

NOON = 1_790_000_040_000
BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", contract_size=0.01)
STREAM, POLL = Source.STREAM, Source.POLL


def besides(instrument: Instrument = BTC, mark: float | None = 50_000.0) -> Besides:
    board = Board([instrument])
    if mark is not None:
        board.apply(Update(instrument.symbol, mark=mark), NOON)
    return Besides(board)


def minute(n: int, volume: float, unit: Unit = Unit.BASE, final: bool = True, **more: float) -> Traded:
    return Traded("BTC", NOON + n * 60_000, volume, unit, final=final, **more)  # type: ignore[arg-type]  # a test


def volumes(b: Besides, *said: Traded, source: Source = STREAM) -> list[tuple[int, float]]:
    found = [record for word in said for record in b.take(word, NOON, source)]
    assert all(isinstance(record, Volume) for record in found)
    return [((r.ts - NOON) // 60_000, r.base) for r in found if isinstance(r, Volume)]


@pytest.mark.parametrize(
    ("unit", "payoff", "size", "price", "coins"),
    [
        (Unit.BASE, Payoff.LINEAR, 0.01, None, 200.0),
        (Unit.CONTRACTS, Payoff.LINEAR, 0.01, None, 2.0),
        (Unit.CONTRACTS, Payoff.INVERSE, 100.0, 40_000.0, 0.5),
        (Unit.CONTRACTS, Payoff.INVERSE, 100.0, None, 0.4),  # at the mark
        (Unit.USD, Payoff.LINEAR, 0.01, 40_000.0, 0.005),
    ],
)
def test_a_minute_in_coins(unit: Unit, payoff: Payoff, size: float, price: float | None, coins: float) -> None:
    b = besides(replace(BTC, payoff=payoff, contract_size=size))
    (volume,) = b.take(Traded("BTC", NOON, 200.0, unit, 50.0, price), NOON + 61_000, POLL)
    assert isinstance(volume, Volume)
    assert (volume.base, volume.taker_buy) == pytest.approx((coins, coins / 4))
    assert (volume.ts, volume.seen, volume.source) == (NOON, NOON + 61_000, POLL)


def test_a_unit_that_needs_a_price_waits_for_one_and_invents_none() -> None:
    assert volumes(besides(mark=None), minute(0, 5.0, Unit.USD)) == []
    assert volumes(besides(mark=None), minute(0, 5.0)) == [(0, 5.0)]


def test_a_thousand_coin_unit_and_its_price() -> None:
    pepe = besides(Instrument("toy", "main", "BTC", "PEPE", "USDT", "USDT", base_factor=1000.0), mark=None)
    assert volumes(pepe, minute(0, 7.0), minute(1, 8.0, Unit.USD, price=4.0)) == [(0, 7000.0), (1, 2000.0)]


def test_a_quanto_contract_is_counted_by_the_worth_of_its_settle_coin() -> None:
    eth = Instrument("toy", "main", "BTC", "ETH", "USD", "BTC", payoff=Payoff.QUANTO, contract_size=1e-6)
    known = Besides(Board([eth], coin={"BTC": (60_000.0, NOON)}.get))
    assert volumes(known, minute(0, 5000.0, Unit.CONTRACTS)) == [(0, pytest.approx(300.0))]
    (death,) = known.take(
        Liquidated("BTC", NOON, Side.LONG, 5000.0, Unit.CONTRACTS, 3000.0, FeedClass.FULL), NOON, STREAM
    )
    assert isinstance(death, Liquidation)
    assert (death.base, death.usd) == pytest.approx((300.0, 900_000.0))
    assert volumes(Besides(Board([eth])), minute(0, 5000.0, Unit.CONTRACTS)) == []


def test_only_minutes_that_have_ended_are_written_and_each_once() -> None:
    b = besides()
    assert volumes(b, minute(0, 1.0), minute(1, 2.0, final=False)) == [(0, 1.0)]
    assert volumes(b, minute(0, 1.0), minute(1, 2.5, final=False)) == []
    assert volumes(b, minute(1, 3.0), minute(2, 0.5, final=False)) == [(1, 3.0)]


def test_the_running_minute_of_a_stream_is_kept_until_the_next_begins() -> None:
    b = besides()
    assert volumes(b, minute(0, 1.0, final=False), minute(0, 4.0, final=False)) == []
    assert volumes(b, minute(1, 0.0, final=False)) == [(0, 4.0)]
    assert volumes(b, minute(0, 9.0, final=False)) == []


def test_the_running_minute_of_a_poll_is_no_minute_and_nor_is_one_whose_connection_ended() -> None:
    polled = besides()
    assert volumes(polled, minute(0, 4.0, final=False), minute(2, 1.0, final=False), source=POLL) == []
    cut = besides()
    volumes(cut, minute(0, 4.0, final=False))
    cut.forget(["BTC"])
    assert volumes(cut, minute(1, 2.0, final=False)) == []


@pytest.mark.parametrize("volume", [-1.0, float("nan"), float("inf")])
def test_an_impossible_volume_is_none(volume: float) -> None:
    assert volumes(besides(), minute(0, volume)) == []


def test_a_ratio_is_written_once_and_kinds_are_apart() -> None:
    b = besides()
    account = Ratio("BTC", NOON, "account", 1.5)
    found = [*b.take(account, NOON + 9, POLL), *b.take(account, NOON + 99, POLL)]
    found += b.take(Ratio("BTC", NOON, "taker", 1.5), NOON + 9, POLL)
    found += b.take(Ratio("BTC", None, "account", 0.5), NOON + 10, POLL)
    assert found == [
        LongShort(BTC, NOON, NOON + 9, "account", 1.5, POLL, False),
        LongShort(BTC, NOON, NOON + 9, "taker", 1.5, POLL, False),
        LongShort(BTC, NOON + 10, NOON + 10, "account", 0.5, POLL, False),
    ]
    assert list(b.take(Ratio("BTC", NOON, "account", 0.0), NOON, POLL)) == []


def ladder(b: Besides, seen: int, *steps: Tier) -> list[tuple[int, float, float | None]]:
    found = [record for step in steps for record in b.take(step, seen, POLL)]
    assert all(isinstance(r, MarginTier) and r.seen == seen for r in found)
    return [(r.tier, r.lower, r.upper) for r in found if isinstance(r, MarginTier)]


def test_a_ladder_is_written_whole_when_any_step_of_it_changed() -> None:
    b = besides()
    one, two = Tier("BTC", 1, 0.0, 10.0, Unit.BASE, 0.004), Tier("BTC", 2, 10.0, None, Unit.BASE, 0.01)
    assert ladder(b, 1, one, two) == [(1, 0.0, 500_000.0), (2, 500_000.0, None)]
    b.board.apply(Update("BTC", mark=60_000.0), NOON)
    assert ladder(b, 2, one, two) == []  # the mark moved, the ladder did not
    wider = Tier("BTC", 2, 10.0, 50.0, Unit.BASE, 0.01)
    assert ladder(b, 3, one, wider) == [(1, 0.0, 600_000.0), (2, 600_000.0, 3_000_000.0)]


def test_a_ladder_in_coins_waits_for_a_mark() -> None:
    b = besides(mark=None)
    assert ladder(b, 1, Tier("BTC", 1, 0.0, 10.0, Unit.BASE, 0.004)) == []
    assert list(b.priced()) == []
    b.board.apply(Update("BTC", mark=2.0), NOON)
    (step,) = b.priced()
    assert (step.seen, step.upper) == (1, 20.0)
    assert list(b.priced()) == []


def test_a_symbol_that_no_catalogue_named_is_counted_and_one_that_is_not_wanted_is_not() -> None:
    b = besides()
    b.board.named = frozenset({"BTC", "DOGE"})
    for symbol in ("DOGE", "NEW"):
        assert list(b.take(Ratio(symbol, 1, "account", 1.0), 1, POLL)) == []
        assert list(b.take(Liquidated(symbol, 1, Side.LONG, 1.0, Unit.BASE, 1.0, FeedClass.FULL), 1, STREAM)) == []
        assert b.board.apply(Update(symbol, 1, 10.0, Field("oi", Unit.BASE), mark=5.0), 1) is None
    assert b.board.unknown == 3


@pytest.mark.parametrize(
    "wrong",
    [
        Tier("BTC", 1, 5.0, 5.0, Unit.USD, 0.01), Tier("BTC", 1, -1.0, 5.0, Unit.USD, 0.01),
        Tier("BTC", 1, 0.0, 5.0, Unit.USD, -0.01), Tier("BTC", 1, 0.0, 5.0, Unit.USD, float("nan")),
        Tier("BTC", 1, 0.0, 5.0, Unit.USD, 0.01, 0.0), Tier("BTC", 1, 0.0, float("inf"), Unit.USD, 0.01),
        Tier("BTC", 2**40, 0.0, 5.0, Unit.USD, 0.01), Tier("BTC", 1, 0.0, 5.0, Unit.USD, 0.01, 5.0, float("inf")),
        Tier("BTC", 1, 1e308, None, Unit.USD, 0.01), Tier("BTC", 1, 0.0, 1e308, Unit.BASE, 0.01),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_is_set_aside(wrong: Tier) -> None:
    b = besides()
    (aside,) = b.take(wrong, NOON, POLL)
    assert isinstance(aside, Quarantined)
    assert (aside.check, aside.symbol) == ("tier", "BTC")
    assert [type(r) for r in b.take(Tier("BTC", 1, 0.0, 5.0, Unit.USD, 0.01), NOON, POLL)] == [MarginTier]


@pytest.mark.parametrize("ts", [NOON + 86_400_000, 60_000, -1, 2**70])
def test_a_time_that_cannot_be_is_set_aside_and_silences_nobody(ts: int) -> None:
    b = besides()
    for wrong, check in ((Traded("BTC", ts, 9.0, Unit.BASE), "traded"), (Ratio("BTC", ts, "account", 9.0), "ratio")):
        (aside,) = b.take(wrong, NOON, STREAM)
        assert isinstance(aside, Quarantined)
        assert aside.check == check
        assert str(ts) in aside.words
    assert volumes(b, minute(0, 1.0)) == [(0, 1.0)]
