"""Payloads that go by places (faults.md, F27), in the venues' own frames, played over a loopback socket."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from collectors.venue import Ask, Venue
from collectors.venues.bitfinex import VENUE as BITFINEX
from collectors.venues.hyperliquid import VENUE as HYPERLIQUID
from collectors.venues.phemex import VENUE as PHEMEX
from store.records import Quarantined
from tests.collectors.toy import QUICK, Exchange, Peer, Records, collecting
from tests.collectors.venues import test_bitfinex as bitfinex
from tests.collectors.venues import test_hyperliquid as hyperliquid
from tests.collectors.venues import test_phemex as phemex

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def hearing(venue: Venue, exchange: Exchange, catalogue: Callable[[], str]) -> AsyncIterator[Records]:
    """The venue's first segment and its first feed, against a server that speaks raw frames."""
    segment = venue.segments[0]
    get = Ask("https://toy/catalogue")  # the server of the toy takes no POST
    one = replace(venue, segments=(replace(segment, feeds=segment.feeds[:1], catalogue=get),))
    exchange.replies["/catalogue"] = lambda: (200, {"Content-Type": "application/json"}, catalogue())

    def address(at: Venue, url: str) -> str:
        return exchange.address(at, "wss://toy/ws" if url.startswith("wss") else "https://toy/catalogue")

    async with collecting(exchange, one, address=address, rhythm=replace(QUICK, unknown=0.02)) as records:
        yield records


async def tell(peer: Peer, *frames: Any) -> None:
    for frame in frames:
        await peer.ws.send(json.dumps(frame))


async def heard(peer: Peer) -> None:
    while True:
        await peer.ws.recv()


def values(records: Records, symbol: str) -> list[tuple[float, float]]:
    return [(r.raw, r.mark) for r in records.readings(symbol)]


async def test_f27_columns_go_by_the_header_wherever_they_stand_then() -> None:
    """Reversed and one more, then back: the same values. A row that does not fit its header is set aside."""
    frame = {"method": "perp_market24h_pack_p.update", "type": "x"}

    async def talk(peer: Peer) -> None:
        await peer.ws.recv()
        for oi, fields, turn in (
            ("1848.0", phemex.FIELDS, 1), ("1849.0", [*phemex.FIELDS[::-1], "askRp"], -1), ("1850.0", None, -1),
            ("bad", None, 1), ("1851.0", phemex.FIELDS, 1), ("1852.0", None, 1),
        ):  # fmt: skip
            row = ["BTCUSDT", "3388.5", oi, "60010", "60000", "-0.0001"][::turn]
            row = row if turn == 1 else [*row, "60001"]
            header = {} if fields is None else {"fields": fields}
            await tell(peer, {**frame, **header, "timestamp": exchange.clock.ms() * 1_000_000, "data": [row]})
        await heard(peer)

    exchange = Exchange(talk)
    async with hearing(PHEMEX, exchange, lambda: phemex.products(v2=[phemex.V2])) as records:
        await records.until(lambda: len(records.readings("BTCUSDT")) == 5)
        assert records.gaps("BTCUSDT") == []
    assert values(records, "BTCUSDT") == [(1848.0 + k, 60_000.0) for k in range(5)]
    assert [q.check for q in records.of(Quarantined)] == ["unreadable"]
    assert len(exchange.dials) == 1


async def test_f27_without_a_header_length_and_plausible_values_decide() -> None:
    """A column put in before, cut off, or a number in the place of open interest: none of them is ever a reading."""
    at = bitfinex.ROW.index(5775.25)

    def row(oi: float) -> list[object]:
        return [exchange.clock.ms(), *bitfinex.ROW[1:at], oi, *bitfinex.ROW[at + 1 :]]

    async def talk(peer: Peer) -> None:
        await tell(peer, {"event": "info", "version": 2, "platform": {"status": 1}})
        await peer.ws.recv()
        await tell(peer, {"event": "subscribed", "channel": "status", "chanId": 17, "key": f"deriv:{bitfinex.BTC}"})
        good = [row(5775.0 + k) for k in range(5)]
        moved = [["new", *row(5775.0)], row(5775.0)[:15], [*row(1.0)[:at], 0.5, *row(1.0)[at:]]]
        for one in (*good[:3], *moved, *good[3:]):
            await tell(peer, [17, one])
        await heard(peer)

    exchange = Exchange(talk)
    async with hearing(BITFINEX, exchange, lambda: json.dumps([bitfinex.LISTED[:1]])) as records:
        await records.until(lambda: len(records.readings(bitfinex.BTC)) == 5)
        await records.until(lambda: len(records.of(Quarantined)) == 3)
        assert records.gaps(bitfinex.BTC) == []
    assert values(records, bitfinex.BTC) == [(5775.0 + k, 60_000.0) for k in range(5)]
    assert [(q.check, q.raw) for q in records.of(Quarantined)][2:] == [("magnitude", "0.5")]
    assert [q.check for q in records.of(Quarantined)][:2] == ["unreadable"] * 2


async def test_f27_a_universe_with_one_more_in_the_middle_is_read_again_before_anything_counts() -> None:
    """Values by index: no coin ever has its neighbour's, and the new one has its own."""
    coins = [{"name": name, "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56} for name in ("BTC", "ETH")]
    new = {"name": "NEW", "szDecimals": 5, "maxLeverage": 5, "marginTableId": 5}
    universe = list(coins)

    async def talk(peer: Peer) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(heard, peer)
            while True:
                contexts = [hyperliquid.context(oi, "60000") for oi in ("30000", *["7"] * (len(universe) - 2), "500")]
                await tell(peer, {"channel": "allDexsAssetCtxs", "data": {"ctxs": [["", contexts]]}})
                await anyio.sleep(0.03)

    exchange = Exchange(talk)
    async with hearing(
        HYPERLIQUID, exchange, lambda: json.dumps({"universe": universe, "marginTables": []})
    ) as records:
        await records.until(lambda: len(records.readings("ETH")) > 3)
        universe[:] = [coins[0], new, coins[1]]
        await records.until(lambda: records.readings("NEW"))
        count = len(records.readings("ETH"))
        await records.until(lambda: len(records.readings("ETH")) > count + 3)
    assert {r.raw for r in records.readings("BTC")} == {30_000.0}
    assert {r.raw for r in records.readings("NEW")} == {7.0}
    assert {r.raw for r in records.readings("ETH")} == {500.0}
    assert {q.words[:14] for q in records.of(Quarantined)} == {"CatalogueError"}
