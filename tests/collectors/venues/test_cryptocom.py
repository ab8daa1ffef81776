"""Crypto.com, frame by frame. Shapes from its documents and from probes of September 2026; the numbers are made up."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from collectors.venue import Acked, Ask, CatalogueError, Parse, Refused, Remembering, Said, Socket, Traded, Update
from collectors.venues.cryptocom import OI, VENUE
from store.records import Instrument, Kind, Status, Unit

(LINEAR,) = VENUE.segments
MINUTES, PAID = LINEAR.history
(SOCKET,) = (feed for feed in LINEAR.feeds if isinstance(feed, Socket))
BTC, ETH, MINI = (
    Instrument("cryptocom", "linear", symbol, asset, "USD", "USD", funding_interval_h=1.0, code=f"{asset}USD-INDEX")
    for symbol, asset in (("BTCUSD-PERP", "BTC"), ("ETHUSD-PERP", "ETH"), ("BTCMINI-PERP", "BTC"))
)
DATED = replace(BTC, symbol="BTCUSD-261225", kind=Kind.DATED, funding_interval_h=None)


def parser(listed: Sequence[Instrument], wanted: Sequence[str] | None = None) -> Parse:
    assert isinstance(SOCKET.parse, Remembering)
    return SOCKET.parse.make(listed, wanted)


def said(frame: object, listed: Sequence[Instrument] = (), wanted: Sequence[str] | None = None) -> list[Said]:
    return list(parser(listed, wanted)(SOCKET.decode(json.dumps(frame))))


def pushed(channel: str, name: str, *rows: dict[str, object], id: int = -1) -> dict[str, object]:
    result = {"instrument_name": name, "subscription": f"{channel}.{name}", "channel": channel, "data": rows}
    return {"id": id, "method": "subscribe", "code": 0, "result": result}


def ticker(oi: object) -> dict[str, object]:
    return {"h": "1", "l": "1", "a": "1", "c": None, "b": None, "k": None, "i": "BTCUSD-PERP", "oi": oi, "t": 7}


@pytest.mark.parametrize("id", [1, -1], ids=["the first, which is the ack", "a later one"])
def test_open_interest_is_coins_at_the_venues_time(id: int) -> None:
    frame = pushed("ticker", "BTCUSD-PERP", ticker("318.5162"), id=id)
    assert said(frame) == [Update("BTCUSD-PERP", 7, 318.5162, OI)]
    assert (OI.unit, OI.sides, OI.status) == (Unit.BASE, 1, Status.DISPUTED)


@pytest.mark.parametrize(("oi", "value"), [(None, None), ("", None), ("0", 0.0)])
def test_an_empty_open_interest_is_none_and_zero_is_zero(oi: object, value: float | None) -> None:
    assert said(pushed("ticker", "BTCUSD-PERP", ticker(oi))) == [Update("BTCUSD-PERP", 7, value, OI)]


def test_a_ticker_without_open_interest_is_heard() -> None:
    with pytest.raises(ValueError, match="left out"):
        said(pushed("ticker", "BTCUSD-PERP", {"i": "BTCUSD-PERP", "t": 7}))


def test_marks_and_funding_an_hour_have_channels_of_their_own() -> None:
    assert said(pushed("mark", "BTCUSD-PERP", {"v": "86240.1", "t": 8})) == [Update("BTCUSD-PERP", 8, mark=86240.1)]
    assert said(pushed("funding", "BTCUSD-PERP", {"v": "-0.00001", "t": 9})) == [
        Update("BTCUSD-PERP", 9, funding=-0.00001, funding_interval_h=1.0)
    ]


def test_an_index_speaks_for_every_instrument_that_follows_it_and_is_asked_for() -> None:
    frame, listed = pushed("index", "BTCUSD-INDEX", {"v": "86250", "t": 8}), [BTC, ETH, MINI]
    assert said(frame, listed) == [Update("BTCUSD-PERP", 8, index=86250.0), Update("BTCMINI-PERP", 8, index=86250.0)]
    assert said(frame, listed, ["BTCUSD-PERP", "ETHUSD-PERP"]) == [Update("BTCUSD-PERP", 8, index=86250.0)]
    with pytest.raises(CatalogueError):
        said(frame, [ETH])


def test_another_channel_is_not_ours() -> None:
    assert said(pushed("book", "BTCUSD-PERP", {"bids": [], "asks": []})) == []


def test_five_channels_an_instrument_a_common_index_once_and_no_funding_of_what_expires() -> None:
    assert list(SOCKET.subscribe([BTC, DATED], 3)) == [
        {
            "id": 3,
            "method": "subscribe",
            "params": {
                "channels": [
                    "ticker.BTCUSD-PERP", "mark.BTCUSD-PERP", "trade.BTCUSD-PERP", "funding.BTCUSD-PERP",
                    "ticker.BTCUSD-261225", "mark.BTCUSD-261225", "trade.BTCUSD-261225", "index.BTCUSD-INDEX",
                ]
            },
        }
    ]  # fmt: skip
    assert SOCKET.batch * 5 <= 100, "so many channels in a frame were accepted"
    assert SOCKET.per_socket * 5 <= 400
    assert SOCKET.rest >= 1


def test_a_heartbeat_is_answered_with_its_own_number() -> None:
    assert SOCKET.answer is not None
    assert SOCKET.answer(SOCKET.decode('{"id":1790114290000,"method":"public/heartbeat","code":0}')) == {
        "id": 1790114290000, "method": "public/respond-heartbeat",
    }  # fmt: skip
    assert SOCKET.answer(SOCKET.decode('{"id":1,"method":"subscribe","code":0}')) is None


def test_control_frames() -> None:
    assert said({"id": 3, "method": "subscribe", "code": 0, "channel": "ticker.BTCUSD-PERP"}) == [
        Acked(3, "BTCUSD-PERP")
    ]
    assert said({"id": 3, "method": "subscribe", "code": 40003, "message": "Unknown symbol"}) == [
        Refused("40003: Unknown symbol", 3)
    ]
    assert said({"id": -1, "method": "ERROR", "code": 40001, "message": "Bad request", "original": "x"}) == [
        Refused("40001: Bad request", None)
    ]


def test_the_list_of_tickers_has_spot_too_which_is_left_out() -> None:
    (every, _) = LINEAR.answers
    rows = [{"i": "AVAXUSD-PERP", "a": "13.2", "oi": "10888.9", "t": 5}, {"i": "BTC_USD", "a": "1", "t": 5}]
    reply = json.dumps({"id": -1, "method": "public/get-tickers", "code": 0, "result": {"data": rows}})
    assert list(every.parse(every.decode(reply))) == [Update("AVAXUSD-PERP", 5, 10888.9, OI)]


def test_minutes_of_the_past_are_coins_without_the_takers_side() -> None:
    assert MINUTES.ask(BTC, 60_000, 180_000) == Ask(
        "https://api.crypto.com/exchange/v1/public/get-candlestick"
        "?instrument_name=BTCUSD-PERP&timeframe=1m&count=300&start_ts=60000&end_ts=180000"
    )
    rows = [{"o": "1", "h": "1", "l": "1", "c": "9", "v": v, "t": t} for v, t in (("2.5", 120_000), ("0", 60_000))]
    reply = json.dumps({"code": 0, "result": {"interval": "1m", "data": rows}})
    assert list(MINUTES.parse(MINUTES.decode(reply))) == [
        Traded("", 120_000, 2.5, Unit.BASE, price=9.0), Traded("", 60_000, 0.0, Unit.BASE, price=9.0),
    ]  # fmt: skip


def trade(name: str, t: int, size: str, side: str = "BUY") -> dict[str, object]:
    return {"d": name, "t": t, "q": size, "p": "9", "s": side, "i": "BTCUSD-PERP"}


def test_trades_make_minutes_and_none_counts_twice() -> None:
    parse = parser([BTC])

    def told(*rows: dict[str, object]) -> list[Said]:
        return list(parse(SOCKET.decode(json.dumps(pushed("trade", "BTCUSD-PERP", *rows)))))

    old = told(trade("3", 125_000, "2", "SELL"), trade("2", 61_000, "1"), trade("1", 59_000, "4"))  # newest first
    assert old == [
        Traded("BTCUSD-PERP", 60_000, 1.0, Unit.BASE, 1.0, final=False),
        Traded("BTCUSD-PERP", 60_000, 1.0, Unit.BASE, 1.0),
        Traded("BTCUSD-PERP", 120_000, 2.0, Unit.BASE, 0.0, final=False),
    ], "the first minute is left out: its beginning was not heard"
    assert told(trade("3", 125_000, "2", "SELL"), trade("2", 61_000, "1")) == [], "old trades told again"
    assert told(trade("4", 125_000, "0.5")) == [Traded("BTCUSD-PERP", 120_000, 2.5, Unit.BASE, 0.5, final=False)]
    with pytest.raises(KeyError):
        told(trade("5", 125_000, "1", "buy"))


def catalogue(*rows: dict[str, object]) -> list[Instrument]:
    reply = json.dumps({"code": 0, "result": {"data": rows}})
    return list(LINEAR.read(LINEAR.decode(reply)))


PERP: dict[str, object] = {
    "symbol": "BTCUSD-PERP", "inst_type": "PERPETUAL_SWAP", "product_type": "DIGITAL_CURRENCIES", "base_ccy": "BTC",
    "quote_ccy": "USD", "max_leverage": "50", "tradable": True, "expiry_timestamp_ms": 0, "contract_size": "1",
    "underlying_symbol": "BTCUSD-INDEX",
}  # fmt: skip


def test_the_catalogue_has_perpetuals_on_coins() -> None:
    found = catalogue(
        PERP,
        {**PERP, "symbol": "OLDUSD-PERP", "base_ccy": "OLD", "tradable": False},
        {**PERP, "symbol": "BTCUSD-261225", "inst_type": "FUTURE"},
        {**PERP, "symbol": "TSLAUSD-PERP", "product_type": "EQUITY"},
        {name: PERP[name] for name in PERP if name not in ("contract_size", "underlying_symbol", "product_type")}
        | {"symbol": "BTC_USD", "inst_type": "CCY_PAIR"},
    )
    assert found == [
        replace(BTC, max_leverage=50.0),
        Instrument(
            "cryptocom", "linear", "OLDUSD-PERP", "OLD", "USD", "USD", max_leverage=50.0, funding_interval_h=1.0,
            live=False,
        ),
        replace(DATED, max_leverage=50.0),
    ]  # fmt: skip
    assert found[0].code == "BTCUSD-INDEX"


def test_a_perpetual_without_its_size_is_heard() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        catalogue({name: value for name, value in PERP.items() if name != "contract_size"})


def test_what_was_paid_is_a_fraction_of_the_hour() -> None:
    i = Instrument("cryptocom", "linear", "BTCUSD-PERP", "BTC", "USD", "USD")
    assert PAID.ask(i, 10, 20).url.endswith(
        "/get-valuations?instrument_name=BTCUSD-PERP&valuation_type=funding_hist&count=100&start_ts=10&end_ts=20"
    )
    reply = {"result": {"data": [{"v": "-0.000001884", "t": 1687892400000}], "instrument_name": "BTCUSD-PERP"}}
    assert list(PAID.parse(PAID.decode(json.dumps(reply)))) == [
        Update("BTCUSD-PERP", 1687892400000, funding=-0.000001884)
    ]
    tickers = {"result": {"data": [{"i": "BTCUSD-PERP", "v": "1109.8", "oi": "7", "t": 5}]}}
    candles = {"result": {"instrument_name": "BTCUSD-PERP", "data": [{"o": "1", "c": "1", "v": "1109.8", "t": 5}]}}
    for other in (tickers, candles):  # a volume is no rate
        with pytest.raises(ValueError):
            list(PAID.parse(PAID.decode(json.dumps(other))))


@pytest.mark.parametrize("empty", ["", None, "null"])
def test_a_minute_that_does_not_say_what_was_traded_says_nothing(empty: str | None) -> None:
    rows = [{"o": "1", "h": "1", "l": "1", "c": "9", "v": v, "t": t} for v, t in (("2.5", 120_000), (empty, 60_000))]
    reply = json.dumps({"code": 0, "result": {"interval": "1m", "data": rows}})
    assert [word.ts for word in MINUTES.parse(MINUTES.decode(reply))] == [120_000]


def test_a_trade_without_its_size_is_unreadable() -> None:
    with pytest.raises(ValueError):
        list(
            parser([BTC])(SOCKET.decode(json.dumps(pushed("trade", "BTCUSD-PERP", {**trade("1", 5, "1"), "q": None}))))
        )
