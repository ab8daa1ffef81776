import gzip
import json
import zlib
from typing import Any

import msgspec
import pytest

from collectors.subscriptions import Subscriptions
from collectors.venue import SEND_TIME, Acked, Ask, Lately, question, spelled, unasked
from collectors.wire import Moment, Stated, among, amount, coin, inflate, iso, ms, number, unpacked, whole, wire
from store.records import Instrument


class Tick(msgspec.Struct):
    channel: str
    size: float


def test_a_message_carries_the_second_it_is_sent() -> None:
    message = {"time": SEND_TIME, "payload": ["BTC_USDT"]}
    assert json.loads(spelled(message, 1790000000999)) == {"time": 1790000000, "payload": ["BTC_USDT"]}


def test_nothing_else_stands_in_a_message() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        spelled({"time": object()}, 0)


def test_frames_of_channels_nobody_asked_for_are_none_and_ours_are_read_strictly() -> None:
    read = among(wire(Tick), {"ticks"}.__contains__, "channel")
    assert read('{"channel":"ticks","size":"1.5"}') == Tick("ticks", 1.5)
    assert read('{"channel":"books"}') is None
    with pytest.raises(msgspec.ValidationError, match="size"):
        read('{"channel":"ticks"}')
    with pytest.raises(msgspec.ValidationError, match="channel"):
        read('{"size":"1.5"}')


def test_what_an_ack_leaves_out_is_refused() -> None:
    instruments = [Instrument("v", "s", symbol, symbol, "USD", "USD") for symbol in ("A", "B", "C")]
    subscriptions = Subscriptions(instruments, 50, {})
    request = subscriptions.next()
    assert request is not None
    assert subscriptions.ack(Acked(request.number, only=frozenset({"A", "C"}))) == {
        "B": "left out of the acknowledgement"
    }
    assert (subscriptions.acked, set(subscriptions.aside)) == ({"A", "C"}, {"B"})
    assert subscriptions.ack(Acked(request.number)) == {}


def test_a_poll_may_ask_about_the_last_minutes() -> None:
    instrument = Instrument("v", "s", "A", "A", "USD", "USD")

    def between(i: Instrument, start: int, end: int) -> Ask:
        return Ask(f"https://v/{i.symbol}?from={start}&to={end}")

    assert question(Lately(between, 300), instrument, 1790000000999).url == (
        "https://v/A?from=1789999700999&to=1790000000999"
    )
    assert question(lambda i: Ask(f"https://v/{i.symbol}"), instrument, 0).url == "https://v/A"


def test_a_plain_text_is_sent_as_it_stands() -> None:
    assert spelled("ping", 0) == "ping"


@pytest.mark.parametrize("said", ["2026-09-22T00:00:00.000", "2026-09-22T00:00:00Z", "2026-09-22T02:00:00+02:00"])
def test_a_time_without_a_zone_is_utc(said: str) -> None:
    assert ms(wire(Moment)(json.dumps(said))) == 1790035200000
    assert iso(1790035200001) == "2026-09-22T00:00:00.001Z"


@pytest.mark.parametrize(("said", "value"), [(0.0, 0.0), (1.5, 1.5), ("", None), (None, None)])
def test_zero_is_a_number_and_empty_is_none(said: Stated, value: float | None) -> None:
    assert number(said) == value


def test_a_number_left_out_where_it_must_be_is_an_error() -> None:
    with pytest.raises(ValueError, match="left out"):
        number(msgspec.UNSET)


@pytest.mark.parametrize(
    ("name", "asset", "factor"),
    [
        ("BTC", "BTC", 1.0), ("XBT", "BTC", 1.0), ("1INCH", "1INCH", 1.0), ("1000PEPE", "PEPE", 1e3),
        ("kPEPE", "PEPE", 1e3),
        ("1000000MOG", "MOG", 1e6), ("1MBABYDOGE", "BABYDOGE", 1e6), ("SHIB1000", "SHIB", 1e3), ("KAVA", "KAVA", 1.0),
    ],
)  # fmt: skip
def test_a_unit_of_many_coins_is_undone(name: str, asset: str, factor: float) -> None:
    assert coin(name) == (asset, factor)


def test_a_greeting_in_plain_text_is_none_and_other_garbage_is_an_error() -> None:
    read = among(wire(Tick), {"ticks"}.__contains__, "channel", greeting="Welcome.")
    assert read("Welcome.") is None
    with pytest.raises(msgspec.DecodeError, match="malformed"):
        read("Welcome!")


def test_a_packed_frame_reads_like_a_plain_one() -> None:
    read, text = unpacked(wire(Tick)), '{"channel":"ticks","size":"1.5"}'
    assert read(gzip.compress(text.encode())) == read(text) == read(text.encode()) == Tick("ticks", 1.5)
    with pytest.raises(EOFError):
        read(gzip.compress(text.encode())[:-9])


def test_a_packed_frame_may_have_several_members_and_none_may_be_a_bomb() -> None:
    one, two = gzip.compress(b"[1,"), gzip.compress(b"2]")
    assert inflate(one + two + b"\0\0") == b"[1,2]"
    assert inflate(one + two, limit=5) == b"[1,2]"
    with pytest.raises(ValueError, match="more than"):
        inflate(one + two, limit=4)
    with pytest.raises(zlib.error):
        inflate(one + b"junk")


def test_what_nobody_asked_for_is_listed_and_unwanted_and_never_a_new_listing() -> None:
    listed = [Instrument("acme", "linear", name, name, "USD", "USD") for name in ("BTC", "ETH", "OLD")]
    assert unasked(listed, ["BTC", "NEW"]) == {"ETH", "OLD"}
    assert unasked(listed, None) == frozenset()


def test_a_venues_own_number_for_an_instrument_is_no_news() -> None:
    one, other = (Instrument("acme", "linear", "BTC", "BTC", "USD", "USD", code=code) for code in ("1", "2"))
    assert one == other


@pytest.mark.parametrize("said", [True, False, "x", " ", [], {"a": 1}])
def test_what_is_no_number_is_no_number_wherever_it_stands(said: Any) -> None:
    for read in (number, amount, whole):
        with pytest.raises(ValueError):
            read(said)


def test_rows_without_a_typed_shape_are_read_strictly() -> None:
    assert (amount("1.5"), amount(2), whole("1790000000123"), whole(5.0)) == (1.5, 2.0, 1790000000123, 5)
    for wrong in ("", None, "1_000"):
        with pytest.raises(ValueError):
            amount(wrong)
    with pytest.raises(ValueError):
        whole(1.5)
