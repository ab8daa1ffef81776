"""What was paid, and for how long an interval: the venue says it, or the rows beside it."""

import pytest

from collectors.settled import Payments, interval_h
from collectors.venue import Said, Traded, Update
from store.records import Funding, Instrument, Quarantined, Source, Unit

HOUR = 3_600_000
NOW = 1_800_000_000_000
BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT")


def paid(hours: float, rate: float | None = 1e-4, *, symbol: str = "", interval_h: float | None = None) -> Update:
    return Update(symbol, NOW - round(hours * HOUR), funding=rate, funding_interval_h=interval_h)


@pytest.mark.parametrize(
    ("ago", "hours"),
    [
        ((0, 8, 16, 24), [8, 8, 8, 8]),
        ((0, 1, 2, 10, 18), [1, 1, 8, 8, 8]),  # from 8 h to 1 h: what was paid then was for 8
        ((0, 8, 16, 17, 18), [8, 8, 1, 1, 1]),
        ((0, 4, 8, 20, 24, 28), [4, 4, 4, 4, 4, 4]),  # two payments are missing in the 12 h
        ((0, 24), [24, 24]),
        ((0,), [None]),
    ],
)
def test_an_interval_is_known_by_the_payments_beside_it(ago: tuple[int, ...], hours: list[float | None]) -> None:
    times = [NOW - h * HOUR + n for n, h in enumerate(ago)]  # venues are some ms late
    assert [interval_h(times, k) for k in range(len(ago))] == hours


def test_payments_are_handed_on_once_the_older_ones_tell_their_intervals() -> None:
    payments = Payments(BTC, NOW - 40 * HOUR, NOW - HOUR, simulated=True)

    def told(*said: Said, over: bool = False) -> list[tuple[int, float]]:
        made = payments.take(said, NOW + 5, over)
        assert all(isinstance(f, Funding) for f in made)
        return [((NOW - f.ts) // HOUR, f.interval_h) for f in made if isinstance(f, Funding)]

    minute, others = Traded("", NOW, 1.0, Unit.BASE), (paid(12, symbol="ETH"), paid(14, None))
    assert told(paid(0), paid(8), minute, *others, paid(16)) == [], "nobody wants the first"
    assert told(paid(16), paid(24), paid(25), paid(26)) == [(8, 8.0), (16, 8.0), (24, 1.0)]
    assert told(paid(27), paid(41), over=True) == [(25, 1.0), (26, 1.0), (27, 14.0)]
    assert payments.untimed == 0


def test_what_the_row_says_of_its_interval_counts_and_one_that_stands_alone_has_none() -> None:
    alone = Payments(BTC, 0, NOW, simulated=False)
    assert alone.take([paid(0)], NOW, True) == []
    assert alone.untimed == 1
    said = Payments(BTC, 0, NOW, simulated=False)
    (made,) = said.take([paid(0, -2e-4, interval_h=4.0)], NOW + 5, True)
    assert made == Funding(BTC, NOW, NOW + 5, -2e-4, 4.0, Source.BACKFILL, False)


@pytest.mark.parametrize(("rate", "check"), [(float("nan"), "not_finite"), (1.0, "magnitude"), (-12.0, "magnitude")])
def test_a_rate_that_cannot_be_is_set_aside(rate: float, check: str) -> None:
    payments = Payments(BTC, 0, NOW, simulated=False)
    bad, good = payments.take([paid(0, rate), paid(8, 0.0)], NOW, True)
    assert isinstance(bad, Quarantined)
    assert (bad.check, bad.symbol, bad.raw) == (check, "BTC", repr(rate))
    assert isinstance(good, Funding)
    assert good.rate == 0.0
