import json

import pytest

from collectors.board import Board
from collectors.venue import Acked, Refused, Traded, Update, question, spelled
from collectors.venues.bullish import OI, VENUE
from store.records import Status, Unit

USDC = VENUE.segments[0]
TICKS, INDICES, MINUTES = USDC.feeds
TICK = {
    "createdAtTimestamp": "1790126895654", "symbol": "BTC-USDC-PERP", "markPrice": "65923.9773",
    "fundingRate": "-0.006250", "openInterest": "3063.86533194", "bestBid": "65931.6000",
}  # fmt: skip
LISTED = {
    "symbol": "BTC-USDC-PERP", "marketType": "PERPETUAL", "marketEnabled": True, "underlyingBaseSymbol": "BTC",
    "underlyingQuoteSymbol": "USDC", "settlementAssetSymbol": "USDC", "contractMultiplier": "1",
}  # fmt: skip


def heard(frame: dict[str, object]) -> list[object]:
    return list(TICKS.parse(TICKS.decode(json.dumps(frame))))


def tick(**row: object) -> list[object]:
    return heard({"type": "update", "dataType": "V1TATickerResponse", "data": {**TICK, **row}})


def without(name: str) -> dict[str, object]:
    return {
        "type": "update", "dataType": "V1TATickerResponse", "data": {k: v for k, v in TICK.items() if k != name}
    }  # fmt: skip


def listed(*rows: object) -> list:
    return list(USDC.read(USDC.decode(json.dumps(rows))))


def test_open_interest_is_coins_of_both_sides() -> None:
    [update] = tick()
    assert update == Update(
        "BTC-USDC-PERP", 1790126895654, 3063.86533194, OI, 65_923.9773, funding=-0.0000625, funding_interval_h=1.0
    )
    record = Board(listed(LISTED)).apply(update, 1790126895700)
    assert (record.base, record.usd) == (pytest.approx(1531.93266597), pytest.approx(1531.93266597 * 65923.9773))
    assert (OI.unit, OI.sides, OI.status) == (Unit.BASE, 2, Status.DISPUTED)


def test_funding_is_percent_on_the_wire() -> None:
    assert tick(fundingRate="0.114100")[0].funding == pytest.approx(0.001141)
    assert tick(fundingRate="0")[0].funding == 0.0
    assert tick(fundingRate=None)[0].funding is None


def test_a_million_coins_are_one_unit() -> None:
    row = {**LISTED, "symbol": "SHIB1M-USDC-PERP", "underlyingBaseSymbol": "SHIB1M"}
    [instrument] = listed(row)
    assert (instrument.asset, instrument.base_factor) == ("SHIB", 1e6)
    [update] = tick(symbol="SHIB1M-USDC-PERP", openInterest="1000", markPrice="8")
    record = Board([instrument]).apply(update, 1790126895700)
    assert (record.base, record.usd, record.mark) == (5e8, 4000.0, 8e-6)


def test_zero_is_zero_and_null_is_no_value() -> None:
    assert [tick(openInterest=said)[0].oi for said in ("0.00000000", None, "")] == [0.0, None, None]


@pytest.mark.parametrize("name", ["openInterest", "markPrice", "createdAtTimestamp"])
def test_a_tick_without_what_it_must_say_is_unreadable(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        heard(without(name))


def test_what_is_neither_data_nor_an_answer_is_unreadable() -> None:
    with pytest.raises(ValueError, match="neither"):
        heard({"jsonrpc": "2.0"})
    with pytest.raises(ValueError):
        heard({"type": "update", "dataType": "V1TATickerResponse"})


def test_the_index_comes_for_an_asset_and_is_the_perpetuals() -> None:
    frame = {"type": "update", "dataType": "V1TAIndexPrice", "data": {"price": "86610.0000", "assetSymbol": "BTC"}}
    assert list(INDICES.parse(INDICES.decode(json.dumps(frame)))) == [Update("BTC-USDC-PERP", index=86_610.0)]


def test_other_channels_say_nothing() -> None:
    assert heard({"type": "snapshot", "dataType": "V1TALevel1", "data": {"symbol": "BTC-USDC-PERP"}}) == []


def test_answers_to_subscriptions_and_pings() -> None:
    done = {"responseCode": "200", "responseCodeName": "OK", "message": "Successfully subscribed ( BTC-USDC-PERP 2)"}
    assert heard({"jsonrpc": "2.0", "id": "7", "result": done}) == [Acked(7)]
    assert heard({"jsonrpc": "2.0", "id": "0", "result": {"responseCode": 200, "message": "Keep alive pong"}}) == []
    fault = {"code": "-32602", "errorCode": "29013", "errorCodeName": "'NOPE-USDC-PERP' is not a valid symbol"}
    assert heard({"jsonrpc": "2.0", "id": "12", "error": fault}) == [
        Refused("29013 'NOPE-USDC-PERP' is not a valid symbol", 12)
    ]
    assert heard({"jsonrpc": "2.0", "id": "", "error": {**fault, "errorCode": 29012}}) == [
        Refused("29012 'NOPE-USDC-PERP' is not a valid symbol", None)
    ]


def test_a_subscription_names_one_market_or_one_asset() -> None:
    instruments = listed(LISTED)
    [of_ticks], [of_index] = TICKS.subscribe(instruments, 3), INDICES.subscribe(instruments, 4)
    assert json.loads(spelled(of_ticks, 0)) == {
        "jsonrpc": "2.0", "type": "command", "method": "subscribe", "id": "3",
        "params": {"topic": "tick", "symbol": "BTC-USDC-PERP"},
    }  # fmt: skip
    assert json.loads(spelled(of_index, 0))["params"] == {"topic": "indexPrice", "assetSymbol": "BTC"}


def test_only_enabled_perpetuals_are_live() -> None:
    dated = {"symbol": "BTC-USDC-20261225", "marketType": "DATED_FUTURE", "marketEnabled": True}
    assert [(i.symbol, i.live) for i in listed(LISTED, {**LISTED, "marketEnabled": False}, dated)] == [
        ("BTC-USDC-PERP", True),
        ("BTC-USDC-PERP", False),
    ]
    first = listed(LISTED)[0]
    assert (first.quote, first.settle, first.contract_size, first.funding_interval_h) == ("USDC", "USDC", 1.0, 1.0)
    with pytest.raises(ValueError, match="without its coins"):
        listed({**LISTED, "contractMultiplier": None})


def test_minutes_are_coins_asked_for_between_two_times() -> None:
    [instrument] = listed(LISTED)
    assert question(MINUTES.ask, instrument, 1746720720999).url.endswith(
        "/BTC-USDC-PERP/candle?createdAtDatetime%5Bgte%5D=2025-05-08T16:07:00.999Z"
        "&createdAtDatetime%5Blte%5D=2025-05-08T16:12:00.999Z&timeBucket=1m"
    )
    row = {"open": "1", "high": "2", "low": "1", "createdAtDatetime": "2025-05-08T16:09:00.000Z"}
    rows = [
        {**row, "close": "100972.2602", "volume": "30.56064890", "createdAtTimestamp": "1746720540000"},
        {**row, "close": "100900", "volume": "0", "createdAtTimestamp": "1746720600000"},
    ]
    assert list(MINUTES.parse(MINUTES.decode(json.dumps(rows)))) == [
        Traded("", 1746720540000, 30.5606489, Unit.BASE, None, 100_972.2602),
        Traded("", 1746720600000, 0.0, Unit.BASE, None, 100_900.0, final=False),
    ]


def test_the_rest_tick_reads_like_the_pushed_one() -> None:
    [answer] = USDC.answers
    row = {k: v for k, v in TICK.items() if k != "symbol"}
    [update] = answer.parse(answer.decode(json.dumps(row)))
    assert (update.symbol, update.oi, update.funding) == ("", 3063.86533194, -0.0000625)
