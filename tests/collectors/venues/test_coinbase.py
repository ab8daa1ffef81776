import json
from typing import Any

import pytest

from collectors.board import Board
from collectors.missing import pages
from collectors.venue import Traded, Update, question
from collectors.venues.coinbase import OI, VENUE
from store.records import Flag, Kind, Source, Status, Unit

CDE = VENUE.segments[0]
ALL, MINUTES = CDE.feeds
DETAILS = {
    "contract_size": "0.01", "contract_root_unit": "BTC", "contract_expiry_type": "EXPIRING",
    "perpetual_details": {"open_interest": "183283", "funding_rate": ""}, "funding_interval": "3600s",
    "open_interest": "183283", "funding_rate": "0.000013", "index_price": "68899.882564",
    "settlement_price": "69735", "futures_asset_type": "FUTURES_ASSET_TYPE_CRYPTO",
}  # fmt: skip
PRODUCT = {
    "product_id": "BIP-20DEC30-CDE", "product_venue": "FCM", "quote_currency_id": "USD", "is_disabled": False,
    "trading_disabled": False, "mid_market_price": "68925", "price": "68930",
}  # fmt: skip


def product(details: dict[str, Any] | None = None, **row: object) -> dict[str, Any]:
    return {**PRODUCT, "future_product_details": {**DETAILS, **(details or {})}, **row}


def without(name: str) -> dict[str, Any]:
    return {**PRODUCT, "future_product_details": {k: v for k, v in DETAILS.items() if k != name}}


def heard(*rows: object) -> list[Any]:
    return list(ALL.parse(ALL.decode(json.dumps({"products": rows, "num_products": len(rows), "pagination": None}))))


def listed(*rows: object) -> list[Any]:
    return list(CDE.read(CDE.decode(json.dumps({"products": rows}))))


def test_open_interest_is_contracts_of_a_hundredth_coin() -> None:
    [update] = heard(product())
    assert update == Update(
        "BIP-20DEC30-CDE", None, 183_283.0, OI, 68_925.0, 68_899.882564, 0.000013, funding_interval_h=1.0
    )
    record = Board(listed(product())).apply(update, 1790000000000, Source.POLL)
    assert record is not None
    assert (record.base, record.usd) == (pytest.approx(1832.83), pytest.approx(126_327_807.75))
    assert (record.ts, record.flags & Flag.RECEIVE_TIME) == (1790000000000, Flag.RECEIVE_TIME)
    assert (OI.unit, OI.sides, OI.status) == (Unit.CONTRACTS, 1, Status.DOCUMENTED)


def test_a_dated_contract_has_no_funding_and_is_no_perpetual() -> None:
    row = product({"funding_interval": None, "funding_rate": "", "index_price": ""}, product_id="BIT-24APR26-CDE")
    assert heard(row) == [Update("BIT-24APR26-CDE", None, 183_283.0, OI, 68_925.0)]
    assert [i.kind for i in listed(row, product())] == [Kind.DATED, Kind.PERPETUAL]
    assert listed(product({"contract_expiry_type": "PERPETUAL", "funding_interval": None}))[0].kind is Kind.PERPETUAL


def test_rows_of_the_exchange_that_moved_and_of_other_goods_are_not_ours() -> None:
    gone = product({}, product_id="BTC-PERP-INTX", product_venue="INTX", future_product_details={"venue": "intx"})
    gold = product({"futures_asset_type": "FUTURES_ASSET_TYPE_METALS"}, product_id="GOL-29JAN27-CDE")
    assert heard(gone, gold) == []
    assert listed(gone, gold) == []


def test_what_may_not_be_traded_is_not_live() -> None:
    rows = [product(), product(is_disabled=True), product(trading_disabled=True)]
    assert [i.live for i in listed(*rows)] == [True, False, False]
    first = listed(product())[0]
    assert (first.asset, first.quote, first.settle, first.contract_size) == ("BTC", "USD", "USD", 0.01)
    assert (first.funding_interval_h, first.max_leverage) == (1.0, None)


def test_zero_is_zero_and_empty_is_no_value() -> None:
    rows = [product({"open_interest": said}) for said in ("0", "")]
    assert [update.oi for update in heard(*rows)] == [0.0, None]
    assert [update.mark for update in heard(product(mid_market_price=""), product(mid_market_price=None))] == [None] * 2


@pytest.mark.parametrize("name", ["open_interest", "contract_size", "funding_interval", "futures_asset_type"])
def test_a_row_without_what_it_must_say_is_unreadable(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        heard(without(name))


def test_minutes_are_contracts_and_the_newest_still_runs() -> None:
    rows = [
        {"start": "1790000040", "low": "1", "high": "3", "open": "1", "close": "68940", "volume": "12"},
        {"start": "1789999980", "low": "1", "high": "3", "open": "1", "close": "68930", "volume": "301"},
    ]
    assert list(MINUTES.parse(MINUTES.decode(json.dumps({"candles": rows})))) == [
        Traded("", 1789999980000, 301.0, Unit.CONTRACTS, None, 68_930.0),
        Traded("", 1790000040000, 12.0, Unit.CONTRACTS, None, 68_940.0, final=False),
    ]


def test_minutes_are_asked_for_by_the_second() -> None:
    [instrument] = listed(product())
    assert question(MINUTES.ask, instrument, 1790000000999).url.endswith(
        "/products/BIP-20DEC30-CDE/candles?start=1789999701&end=1790000000&granularity=ONE_MINUTE"
    )


def test_the_minutes_of_the_past_are_asked_for_300_at_a_time_and_have_ended() -> None:
    [past] = CDE.history
    [(first, last), *_] = pages(past, (0, 1790000040000))
    assert past.ask(listed(product())[0], first, last).url.endswith(
        "/products/BIP-20DEC30-CDE/candles?start=1789982041&end=1790000040&granularity=ONE_MINUTE"
    )
    row = {"start": "1790000040", "low": "1", "high": "3", "open": "1", "close": "68940", "volume": "12"}
    assert list(past.parse(past.decode(json.dumps({"candles": [row]})))) == [
        Traded("", 1790000040000, 12.0, Unit.CONTRACTS, None, 68_940.0)
    ]


def test_nothing_is_taken_from_the_gateway_to_another_exchange() -> None:
    frame = {"jsonrpc": "2.0", "id": 1, "result": {"instrument_name": "BTC_USDC-PERPETUAL", "open_interest": 1000.0}}
    [answer] = CDE.answers
    assert list(answer.parse(answer.decode(json.dumps(frame)))) == []


def test_only_us_contracts_are_owned() -> None:
    assert [CDE.owns(s) for s in ("BIP-20DEC30-CDE", "BTC-PERP-INTX", "BTC_USDC-PERPETUAL")] == [True, False, False]
