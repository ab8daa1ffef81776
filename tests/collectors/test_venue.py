import json

import msgspec
import pytest

from collectors.subscriptions import Subscriptions
from collectors.venue import SEND_TIME, Acked, among, spelled, wire
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
