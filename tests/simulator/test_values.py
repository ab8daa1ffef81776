"""What templates can say of a contract, in the venue's own units."""

from simulator.quotes import Forced, Quote
from simulator.rest import Asked, Desk
from simulator.script import Contract, Expect, Past, Route, Script
from simulator.values import Views, of_quote, reported
from store.records import Payoff


class Still:
    """A market of one quote."""

    def __init__(self, quote: Quote) -> None:
        self.one = quote

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote:
        return self.one

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> list[Forced]:
        return []

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> list[tuple[int, Quote]]:
        return []


def quoted(volume: float, taker_buy: float) -> Quote:
    return Quote(50.0, 50.1, 40.0, 1000.0, 1e-4, 8.0, 0, volume, taker_buy)


def listed(payoff: Payoff, size: float, factor: float = 1.0) -> Contract:
    return Contract(
        symbol="X", segment="s", asset="X", quote="USD", settle="USD", payoff=payoff, contract_size=size,
        base_factor=factor,
    )  # fmt: skip


def test_volume_of_a_linear_contract_counts_its_own_units_and_contracts() -> None:
    seen = of_quote(listed(Payoff.LINEAR, 0.1, 1000.0), quoted(6000.0, 2000.0))
    assert (seen["volume_base"], seen["volume_contracts"], seen["volume_usd"]) == (6.0, 60.0, 240_000.0)
    assert (seen["taker_buy_base"], seen["taker_sell_base"], seen["taker_sell_contracts"]) == (2.0, 4.0, 40.0)


def test_volume_of_an_inverse_contract_counts_dollars_at_the_last_price() -> None:
    seen = of_quote(listed(Payoff.INVERSE, 100.0), quoted(6.0, 2.0))
    assert (seen["volume_base"], seen["volume_contracts"], seen["taker_buy_usd"]) == (6.0, 2.4, 80.0)


def test_a_frame_can_name_the_running_minute() -> None:
    contract = listed(Payoff.LINEAR, 1.0)
    script = Script(
        venue="acme", source=[], instruments=[contract], http=[], expect=Expect(now_ms=1, quotes={}, readings=[])
    )
    seen = Views(script, Still(quoted(1.0, 1.0))).scope("s", 1_789_458_659_999, 1, contract).values
    assert (seen["minute_ms"], seen["minute_s"]) == (1_789_458_600_000, 1_789_458_600)


class Rising(Still):
    """A market whose price is the minute of the hour, and whose open interest falls by a coin a minute."""

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote:
        at = now_ms / 60_000
        return Quote(100 + at, 200 + at, 300 + at, 1000 - at, 0.0, 8.0, 0)

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> list[tuple[int, Quote]]:
        return [(t, self.quote("", "", "", t)) for t in range(start_ms, end_ms + 1, step_ms)]


def test_a_candle_closes_where_the_next_one_opens_and_the_running_one_now() -> None:
    names = ("mark", "high_mark", "low_last", "close_mark", "close_last", "oi_base", "high_oi_base", "close_oi_base")
    past = Past(start="query.from", step_s=300, limit=9)
    route = Route(
        url="u",
        query={"symbol": "{symbol}"},
        segment="s",
        past=past,
        reply={"$each": "past", "of": [{"$": name} for name in names]},
    )
    script = Script(
        venue="acme", source=[], instruments=[listed(Payoff.LINEAR, 1.0)], http=[route],
        expect=Expect(now_ms=1, quotes={}, readings=[]),
    )  # fmt: skip
    desk = Desk(Views(script, Rising(quoted(1.0, 1.0))))
    fits, rows = desk.answer(Asked("GET", "u", {"symbol": "X", "from": "0"}), 420_000)
    assert (fits, rows) == (
        True,
        [
            [100.0, 105.0, 300.0, 105.0, 305.0, 1000.0, 1000.0, 995.0],
            [105.0, 107.0, 305.0, 107.0, 307.0, 995.0, 995.0, 993.0],
        ],
    )


def test_a_weekly_report_is_out_on_the_friday_after_its_tuesday() -> None:
    friday = 1_790_368_200_000  # 2026-09-25 20:30 UTC
    assert reported(friday) == "2026-09-22T00:00:00.000Z"
    assert reported(friday - 1) == "2026-09-15T00:00:00.000Z"
