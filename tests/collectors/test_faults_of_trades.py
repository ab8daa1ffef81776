"""Faults of sockets that give trades, candles and forced closes, where a symbol's silence proves nothing."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.venue import Said, Traded
from store.records import Event, Unit
from tests.collectors.toy import SOCKET, Exchange, Frame, Peer, Records, collecting, parse, venue

pytestmark = pytest.mark.anyio


def told(frame: Frame) -> Iterable[Said]:
    """Trades: the minute that runs."""
    return parse(frame) if frame.kind != "snap" else [Traded(frame.symbol, 0, 1.0, Unit.BASE, final=False)]


TRADES = replace(SOCKET, gives=frozenset({"volume"}), cadence=None, line=0.2, parse=told)


def gaps_of(records: Records) -> list[dict[str, Any]]:
    """Gaps of a feed that gives no reading: they are events."""
    return [json.loads(e.detail) for e in records.of(Event) if e.kind == "feed_gap"]


@pytest.mark.parametrize("deaf", [False, True], ids=["acked", "deaf"])
async def test_f01_f04_a_mute_socket_of_trades_is_dialled_again_whatever_it_answers(deaf: bool) -> None:
    """Pongs and acknowledgements prove the line, and no minute: the feed of volume has a gap, and says so."""

    async def talk(peer: Peer) -> None:
        await (peer.said() if deaf else peer.take())
        if peer.place < 2:
            await peer.listen()
        await peer.flow("BTC")

    exchange = Exchange(talk, [("BTC", "BTC"), ("RARE", "RARE")])
    async with collecting(exchange, venue(TRADES)) as records:
        await records.until(lambda: gaps_of(records))
        assert gaps_of(records)[0]["reason"].startswith("volume: mute: no data")
        await records.until(lambda: len([gap for gap in gaps_of(records) if gap["end"]]) == 2)
        assert {gap["symbol"] for gap in gaps_of(records) if gap["end"]} == {"BTC", "RARE"}
        assert len(exchange.dials) == 3


async def test_f03_trades_that_stop_are_a_gap_since_the_last_one() -> None:
    stop = anyio.Event()

    async def talk(peer: Peer) -> None:
        await peer.take()
        while peer.place > 0 or not stop.is_set():
            await peer.snap()
            await anyio.sleep(0.02)
        await peer.listen()

    exchange = Exchange(talk)
    async with collecting(exchange, venue(TRADES)) as records:
        await anyio.sleep(1.0)
        assert gaps_of(records) == []
        stop.set()
        at = exchange.clock.ms()
        await records.until(lambda: gaps_of(records))
        assert gaps_of(records)[0]["reason"].startswith("volume: stale: no data for")
        assert abs(gaps_of(records)[0]["start"] - at) < 150, "since the last trade, and not the last pong"
        await records.until(lambda: gaps_of(records)[-1]["end"])


@pytest.mark.parametrize(
    ("gives", "coin"), [("volume", "RARE"), ("liquidations", "BTC")], ids=["rare coins", "forced closes"]
)
async def test_f06_silence_that_proves_nothing_ends_no_line(gives: Any, coin: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.take()
        await peer.listen()

    exchange = Exchange(talk, [(coin, coin)])
    line = 0.2 if gives == "volume" else None
    async with collecting(exchange, venue(replace(TRADES, gives=frozenset({gives}), line=line))) as records:
        await anyio.sleep(2.0)
        assert gaps_of(records) == []
    assert len(exchange.dials) == 1
