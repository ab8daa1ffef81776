"""The exchange over the loopback: its addresses and its faults."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from simulator.exchange import NOISE, Exchange, exchange
from simulator.faults import Fault, FaultError
from simulator.fixed import Fixed
from tests.simulator.acme import NOW_MS, REST, WS, loaded

pytestmark = pytest.mark.anyio
SUBSCRIBE = json.dumps({"op": "sub", "args": ["book.btc-p"], "id": 1})
ACK = '{"ok":["book.btc-p"],"id":1}'
FULL = '{"full":"BTC-P","oi":100.0}'


@asynccontextmanager
async def market(folder: Path, **more: Any) -> AsyncIterator[Exchange]:
    scripts = {"acme": loaded(folder)}
    with anyio.fail_after(30):
        async with exchange(scripts, Fixed(scripts), clock=lambda: NOW_MS, haste=50, **more) as it:
            yield it


def dial(it: Exchange) -> connect:
    return connect(it.address("acme", WS), proxy=None, close_timeout=0.1)


async def subscribed(line: ClientConnection) -> list[str | bytes]:
    """The venue's greeting, its ack and its first frame."""
    await line.send(SUBSCRIBE)
    return [await line.recv() for _ in range(3)]


async def heard(line: ClientConnection, frame: str) -> None:
    while await line.recv() != frame:
        pass


async def asked(it: Exchange, url: str, patience: float = 30, **body: Any) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=patience) as client:
        address = it.address("acme", url)
        return await (client.post(address, json=body) if body else client.get(address))


async def test_a_real_url_keeps_its_host_path_and_query_here(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        assert it.address("acme", f"{REST}/oi?symbol=BTC-P") == (
            f"http://127.0.0.1:{it.http_port}/acme/api.acme.example/v1/oi?symbol=BTC-P"
        )
        assert it.address("acme", WS) == f"ws://127.0.0.1:{it.ws_port}/acme/ws.acme.example/v1"


async def test_questions_are_answered_over_http(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        assert (await asked(it, f"{REST}/oi?symbol=BTC-P")).json() == {"oi": 100.0, "asked": "BTC-P"}
        assert (await asked(it, f"{REST}/info", type="marks")).json() == {"BTC-P": "60000.0000", "kPEPE-P": "12.5000"}
        assert it.asked["acme"] == 2


async def test_one_http_connection_serves_many_questions(tmp_path: Path) -> None:
    async with market(tmp_path) as it, httpx2.AsyncClient(timeout=30) as client:
        address = it.address("acme", f"{REST}/list")
        assert [(await client.get(address)).status_code for _ in range(3)] == [200, 200, 200]


async def test_an_answer_says_when_it_was_given(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        before = time.time()
        stated = parsedate_to_datetime((await asked(it, f"{REST}/list")).headers["date"]).timestamp()
        assert before - 1 <= stated <= time.time()


async def test_what_no_script_knows_is_404_and_remembered(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        assert (await asked(it, f"{REST}/nowhere")).status_code == 404
        with pytest.raises(InvalidStatus, match="404"):
            async with connect(it.address("acme", WS + "/x"), proxy=None):
                pass
        assert it.unheard == [f"acme: GET {REST}/nowhere {{}} None", f"acme: no socket at {WS}/x"]


async def test_a_socket_greets_acks_and_pushes(tmp_path: Path) -> None:
    async with market(tmp_path) as it, dial(it) as line:
        assert await subscribed(line) == ["hello", ACK, FULL]
        assert await line.recv() == '{"delta":1}'
        await line.send("ping")
        await it.until(lambda: it.beats["acme"] == 1)


async def test_down_cuts_and_refuses_until_it_is_well_again(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        async with dial(it) as line:
            await subscribed(line)
            it.fault("acme", "down")
            with pytest.raises(ConnectionClosed):
                await heard(line, "never said")
        with pytest.raises((InvalidMessage, ConnectionClosed, OSError, InvalidStatus)):
            async with dial(it):
                pass
        with pytest.raises(httpx2.TransportError):
            await asked(it, f"{REST}/list")
        it.fault("acme", None)
        assert (await asked(it, f"{REST}/list")).status_code == 200
        async with dial(it) as line:
            assert await subscribed(line) == ["hello", ACK, FULL]


async def test_drop_cuts_once(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        async with dial(it) as line:
            await subscribed(line)
            it.fault("acme", "drop")
            with pytest.raises(ConnectionClosed):
                await heard(line, "never said")
        async with dial(it) as line:
            assert await subscribed(line) == ["hello", ACK, FULL]


async def test_mute_acks_and_answers_heartbeats_and_sends_no_data(tmp_path: Path) -> None:
    async with market(tmp_path) as it, dial(it) as line:
        it.fault("acme", "mute")
        await line.send(SUBSCRIBE)
        await line.send("ping")
        assert [await line.recv() for _ in range(3)] == ["hello", ACK, "pong"]
        with pytest.raises(TimeoutError), anyio.fail_after(0.1):
            await line.recv()
        it.fault("acme", None)
        assert await line.recv() == FULL


async def test_stall_says_nothing_at_all_on_an_open_socket(tmp_path: Path) -> None:
    async with market(tmp_path) as it, dial(it) as line:
        await subscribed(line)
        it.fault("acme", "stall")
        await line.send("ping")
        await it.until(lambda: it.beats["acme"] == 1)
        with pytest.raises(TimeoutError), anyio.fail_after(0.1):
            await heard(line, "pong")
        with pytest.raises(httpx2.TimeoutException):
            await asked(it, f"{REST}/list", patience=0.1)
        await (await line.ping())  # the protocol's own ping is answered


async def test_babble_sends_what_nobody_can_read(tmp_path: Path) -> None:
    async with market(tmp_path) as it, dial(it) as line:
        it.fault("acme", "babble")
        await line.send(SUBSCRIBE)
        frames = [await line.recv() for _ in range(5)]
        assert frames == ["hello", ACK, *NOISE[:3]]
        assert (await asked(it, f"{REST}/list")).text.startswith("<html>")


async def test_limited_answers_429_and_says_how_long(tmp_path: Path) -> None:
    async with market(tmp_path, retry_after_s=7) as it:
        it.fault("acme", "limited")
        reply = await asked(it, f"{REST}/list")
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, "7")
        with pytest.raises(InvalidStatus) as refused:
            async with dial(it):
                pass
        assert (refused.value.response.status_code, refused.value.response.headers["Retry-After"]) == (429, "7")


async def test_a_fault_may_come_later(tmp_path: Path) -> None:
    async with market(tmp_path, faults=[Fault("acme", "mute", 0.05)]) as it:
        assert it.faults == {}
        await it.until(lambda: it.faults == {"acme": "mute"})


async def test_a_fault_of_an_unknown_venue_names_those_there_are(tmp_path: Path) -> None:
    async with market(tmp_path) as it:
        with pytest.raises(FaultError, match=r"no venue is called 'acne'; did you mean acme\? known: acme"):
            it.fault("acne", "down")


async def test_faults_are_switched_over_http(tmp_path: Path) -> None:
    async with market(tmp_path) as it, httpx2.AsyncClient(timeout=30) as client:
        url = f"http://127.0.0.1:{it.http_port}/fault"
        reply = await client.post(url, json={"venue": "acme", "fault": "mute"})
        assert (reply.status_code, reply.json()) == (200, {"faults": {"acme": "mute"}})
        reply = await client.post(url, json={"venue": "acme", "fault": None})
        assert (reply.status_code, it.faults) == (200, {})
        reply = await client.post(url, json={"venue": "acme", "fault": "mut"})
        assert reply.status_code == 400
        assert "did you mean mute" in reply.json()["error"]
        assert (await client.post(url, json=["acme"])).status_code == 400
