"""edgeX, frame by frame. Shapes from live frames of September 2026; most numbers are made up."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from collectors.venue import (
    Acked,
    Ask,
    Lately,
    Poll,
    Refused,
    Remembering,
    Said,
    Socket,
    Tier,
    Traded,
    Update,
    question,
)
from collectors.venues.edgex import OI, VENUE
from store.records import Instrument, Status, Unit

(LINEAR,) = VENUE.segments
SOCKET, MINUTES, TIERS = LINEAR.feeds
BTC, ETH = (
    Instrument("edgex", "linear", f"{asset}USDC", asset, "USDC", "USDC", funding_interval_h=4.0, code=code)
    for asset, code in (("BTC", "30000001"), ("ETH", "30000002"))
)
ROW: dict[str, object] = {
    "contractId": "30000001", "contractName": "BTCUSDC", "lastPrice": "79031.2", "indexPrice": "79076.6724223198",
    "oraclePrice": "79025.030809853284955708", "markPrice": "79025.030809853284955708", "openInterest": "3478.949",
    "fundingRate": "-0.00005754", "fundingTime": "1789128000000", "nextFundingTime": "1789142400000",
    "endTime": "1789136100000", "marketOpen": True,
}  # fmt: skip


def said(frame: object, listed: Sequence[Instrument] = (), wanted: Sequence[str] | None = None) -> list[Said]:
    assert isinstance(SOCKET, Socket)
    assert isinstance(SOCKET.parse, Remembering)
    return list(SOCKET.parse.make(listed, wanted)(SOCKET.decode(json.dumps(frame))))


def tickers(*rows: dict[str, object], kind: str = "changed") -> dict[str, object]:
    content = {"channel": "ticker.all.1s", "dataType": kind, "data": rows}
    return {"type": "quote-event", "channel": "ticker.all.1s", "content": content}


@pytest.mark.parametrize("kind", ["Snapshot", "changed", "Changed"])
def test_a_row_is_whole_whatever_its_kind_in_coins_and_without_a_time(kind: str) -> None:
    assert said(tickers(ROW, kind=kind)) == [
        Update("BTCUSDC", None, 3478.949, OI, 79025.03080985328, 79076.6724223198, -0.00005754)
    ]
    assert (OI.unit, OI.sides, OI.status) == (Unit.BASE, 1, Status.DISPUTED)


def test_what_is_empty_is_none_and_zero_is_zero() -> None:
    row = {**ROW, "openInterest": "0", "indexPrice": "", "fundingRate": "", "markPrice": "1"}
    assert said(tickers(row)) == [Update("BTCUSDC", None, 0.0, OI, 1.0)]


@pytest.mark.parametrize("field", ["openInterest", "markPrice", "contractName"])
def test_a_field_left_out_is_heard(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        said(tickers({name: value for name, value in ROW.items() if name != field}))


def test_listed_contracts_that_nobody_asked_for_are_left_out_and_new_ones_are_not() -> None:
    frame = tickers(ROW, {**ROW, "contractName": "ETHUSDC"}, {**ROW, "contractName": "NEWUSDC"})
    assert [one.symbol for one in said(frame, [BTC, ETH], ["BTCUSDC"]) if isinstance(one, Update)] == [
        "BTCUSDC", "NEWUSDC",
    ]  # fmt: skip


def test_one_subscription_carries_every_contract_and_who_is_absent_from_a_frame_is_well() -> None:
    assert isinstance(SOCKET, Socket)
    assert (SOCKET.cadence, SOCKET.line) == (30, 5)
    assert list(SOCKET.subscribe([BTC, ETH], 1)) == [{"type": "subscribe", "channel": "ticker.all.1s"}]


def test_a_ping_is_answered_with_its_own_time() -> None:
    assert isinstance(SOCKET, Socket)
    assert SOCKET.answer is not None
    assert SOCKET.answer(SOCKET.decode('{"type":"ping","time":"1789136310001"}')) == {
        "type": "pong", "time": "1789136310001",
    }  # fmt: skip
    assert SOCKET.answer(SOCKET.decode('{"type":"pong","time":"1"}')) is None


def test_control_frames() -> None:
    assert said({"sid": "e86b41b9", "type": "connected"}) == []
    assert said({"type": "subscribed", "channel": "ticker.all.1s", "request": "{}"}) == [Acked()]
    error = {"type": "error", "content": {"code": "INVALID_CONTRACT_ID", "msg": "invalid contractId:100000001"}}
    assert said(error) == [Refused("INVALID_CONTRACT_ID: invalid contractId:100000001")]


def test_a_trade_is_not_ours() -> None:
    trade = {"ticketId": "1", "time": "1789136310088", "price": "79031.2", "size": "0.007", "isBuyerMaker": False}
    frame = {"type": "quote-event", "channel": "trades.30000001", "content": {"dataType": "changed", "data": [trade]}}
    assert said(frame) == []


def test_minutes_are_asked_for_between_two_moments_and_takers_sold_what_makers_bought() -> None:
    assert isinstance(MINUTES, Poll)
    assert isinstance(MINUTES.ask, Lately)
    assert question(MINUTES.ask, BTC, 1_800_000_000_000) == Ask(
        "https://edgex-prod-v2.edgex.exchange/api/v2/public/quote/getKline"
        "?contractId=30000001&priceType=LAST_PRICE&klineType=MINUTE_1&size=1000"
        "&filterBeginKlineTimeInclusive=1799999700000&filterEndKlineTimeExclusive=1800000000001"
    )
    rows = [
        {"contractName": "BTCUSDC", "klineTime": start, "size": size, "value": "1", "makerBuySize": bought}
        for start, size, bought in (("120000", "1.5", "1.5"), ("60000", "4.5", "1.25"))  # newest first
    ]
    reply = json.dumps({"code": "SUCCESS", "data": {"dataList": rows}})
    assert list(MINUTES.parse(MINUTES.decode(reply))) == [
        Traded("BTCUSDC", 60_000, 4.5, Unit.BASE, 3.25),
        Traded("BTCUSDC", 120_000, 1.5, Unit.BASE, 0.0, final=False),
    ]


def test_the_minutes_of_the_past_end_before_the_moment_that_is_named() -> None:
    past, *_ = LINEAR.history
    whose = "contractId=30000001&priceType=LAST_PRICE&klineType=MINUTE_1&size=1000"
    span = "filterBeginKlineTimeInclusive=60000&filterEndKlineTimeExclusive=120001"
    assert past.ask(BTC, 60_000, 120_000).url.endswith(f"/getKline?{whose}&{span}")
    row = {"contractName": "BTCUSDC", "klineTime": "60000", "size": "4.5", "makerBuySize": "1.25"}
    reply = json.dumps({"code": "SUCCESS", "data": {"dataList": [row]}})
    assert list(past.parse(past.decode(reply))) == [Traded("BTCUSDC", 60_000, 4.5, Unit.BASE, 3.25)]


def metadata(**more: object) -> dict[str, object]:
    steps = (("1", "800000", "100", "0.005"), ("2", "2000000", "75", "0.0065"))
    steps = (*steps, ("3", "79228162514264337593543", "6", "0.1"))
    names = ("tier", "positionValueUpperBound", "maxLeverage", "maintenanceMarginRate")
    contract = {
        "contractId": "30000001", "contractName": "1000PEPEUSDC", "baseCoinId": "1001", "quoteCoinId": "1000",
        "enableTrade": True, "riskTierList": [dict(zip(names, step, strict=True)) for step in steps],
        "fundingRateIntervalMin": "240", **more,
    }  # fmt: skip
    coins = [{"coinId": "1000", "coinName": "USDC"}, {"coinId": "1001", "coinName": "1000PEPE"}]
    return {"coinList": coins, "contractList": [contract]}


@pytest.mark.parametrize("wrap", [lambda meta: meta, lambda meta: [meta]], ids=["an object", "a list of one"])
def test_the_catalogue_joins_names_to_numbers(wrap: object) -> None:
    assert callable(wrap)
    reply = json.dumps({"code": "SUCCESS", "data": wrap(metadata())})
    (found,) = LINEAR.read(LINEAR.decode(reply))
    assert found == Instrument(
        "edgex", "linear", "1000PEPEUSDC", "PEPE", "USDC", "USDC", base_factor=1000.0, max_leverage=100.0,
        funding_interval_h=4.0,
    )  # fmt: skip
    assert found.code == "30000001"


def test_a_contract_that_cannot_be_traded_is_not_live() -> None:
    (found,) = LINEAR.read(LINEAR.decode(json.dumps({"data": metadata(enableTrade=False)})))
    assert not found.live


def test_tiers_stand_on_one_another_and_the_highest_is_open() -> None:
    assert isinstance(TIERS, Poll)
    assert list(TIERS.parse(TIERS.decode(json.dumps({"data": metadata()})))) == [
        Tier("1000PEPEUSDC", 1, 0.0, 800_000.0, Unit.USD, 0.005, 100.0),
        Tier("1000PEPEUSDC", 2, 800_000.0, 2_000_000.0, Unit.USD, 0.0065, 75.0),
        Tier("1000PEPEUSDC", 3, 2_000_000.0, None, Unit.USD, 0.1, 6.0),
    ]


def test_what_was_paid_says_its_interval_and_rows_of_running_rates_are_filtered_out() -> None:
    _, paid = LINEAR.history
    i = Instrument("edgex", "linear", "BTCUSDC", "BTC", "USDC", "USDC", code="30000001")
    assert paid.ask(i, 10, 20).url.endswith(
        "getFundingRatePage?contractId=30000001&size=100&filterSettlementFundingRate=true&filterBeginTimeInclusive=10"
        "&filterEndTimeExclusive=21"
    )
    row = {"fundingTime": "1733702400000", "fundingRate": "0.00005000", "fundingRateIntervalMin": "240"}
    reply = {"code": "SUCCESS", "data": {"dataList": [row], "nextPageOffsetData": "0880A08A97B532"}}
    assert list(paid.parse(paid.decode(json.dumps(reply)))) == [
        Update("", 1733702400000, funding=5e-05, funding_interval_h=4.0)
    ]
