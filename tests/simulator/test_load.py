import gzip
import json
import multiprocessing
from pathlib import Path

import anyio
import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from simulator.conversation import Conversation, Speech
from simulator.exchange import exchange, utc_ms
from simulator.fixed import Fixed
from simulator.load import STAMP_MS, STAMPS, Canned, Load, address, canned, flood, serve_load, told, wire
from simulator.script import load, load_all
from simulator.values import Views
from tests.simulator.acme import NOW_MS, WS, acme, loaded, written

SUBSCRIBE = msgspec.json.encode({"op": "sub", "args": ["book.btc-p"], "id": 1}).decode()


def test_canned_frames_move_from_round_to_round(tmp_path: Path) -> None:
    script = loaded(tmp_path)
    talk = Conversation(Speech(script.sockets[0], Views(script, Fixed({"acme": script}))))
    talk.hear(b'{"op":"each","args":["deaths",{"ch":"index","of":"BTC"}]}', 0.0, NOW_MS)
    frames = [msgspec.json.decode(frame) for frames in canned(talk, NOW_MS, 3) for frame in frames]
    assert frames == pytest.approx([90_000.0, 90_000.9, 90_001.8])


def test_what_comes_first_comes_once_and_every_kind_of_time_is_that_of_the_sending() -> None:
    times = b'{"ms":9000000012345,"s":9000000012,"minute":9000000000000,"ns":9000000012345000000}'
    for packed in (False, True):
        said = Canned([b"first"], [times, b"second"], STAMPS, packed, 2.0)
        frames = [said.burst(n, 1, 1_795_305_599_123) for n in range(4)]
        if packed:
            frames = [gzip.decompress(frame[2:]) for frame in frames]
        assert frames[0] == b"first"
        assert frames[1] == frames[3]
        assert frames[2] == b"second"
        assert json.loads(frames[1]) == {
            "ms": 1_795_305_599_123, "s": 1_795_305_599, "minute": 1_795_305_540_000, "ns": 1_795_305_599_123_000_000,
        }  # fmt: skip


def test_a_burst_goes_on_where_the_last_one_ended() -> None:
    said = Canned([b"a", b"b"], [b"c", b"d", b"e"], (), False, 3.0)
    assert said.burst(0, 9, 0) == b"abcdecdec"
    assert said.burst(0, 1, 0) + said.burst(1, 3, 0) + said.burst(4, 5, 0) == b"abcdecdec"


@pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536])
def test_a_packed_frame_is_what_the_library_would_send(size: int) -> None:
    assert wire("x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
    assert wire(b"x" * size) == Frame(Opcode.BINARY, b"x" * size).serialize(mask=False)


@pytest.mark.anyio
async def test_a_load_keeps_its_rate_and_stamps_what_it_sends(tmp_path: Path) -> None:
    spelled = acme()
    spelled["sockets"][0]["channels"]["book"]["next"] = [{"at": {"$": "now_ms"}}]
    script = {"acme": load(written(tmp_path, spelled))}
    sent = Load(rate=2000, rounds=5)

    async def pusher(line):
        await flood(sent, line)

    with anyio.fail_after(30):
        async with exchange(script, Fixed(script), pusher=pusher) as it:
            async with connect(it.address("acme", WS), proxy=None, close_timeout=0.1) as line:
                await line.send(SUBSCRIBE)
                frames = [await line.recv() for _ in range(600)]
            assert sent.sent >= 598
    assert frames[0:3] == ["hello", '{"ok":["book.btc-p"],"id":1}', '{"full":"BTC-P","oi":100.0}']
    at = [msgspec.json.decode(frame)["at"] for frame in frames[3:7]]
    assert all(abs(utc_ms() - ms) < 10_000 for ms in at)
    assert str(STAMP_MS) not in "".join(map(str, frames))
    stamps = [ms for frame in frames if (ms := msgspec.json.decode(frame).get("at") if frame[:1] == "{" else None)]
    later = sum(ms > stamps[0] for ms in stamps)
    assert later <= 2 * (stamps[-1] - stamps[0]) + 40, "2,000 a second, of any time however long a busy machine made it"


@pytest.mark.anyio
@pytest.mark.parametrize("args", [["deaths"], ["deaths", "book.btc-p"]], ids=["alone", "beside data"])
async def test_forced_closes_trickle_and_every_frame_is_counted(tmp_path: Path, args: list[str]) -> None:
    script = {"acme": loaded(tmp_path)}
    sent = Load(rate=100, every_s=0.05, rounds=3)

    async def pusher(line):
        await flood(sent, line)

    with anyio.fail_after(30):
        async with (
            exchange(script, Fixed(script), pusher=pusher) as it,
            connect(it.address("acme", WS), proxy=None, close_timeout=0.1) as line,
        ):
            await line.send(msgspec.json.encode({"op": "each", "args": args}).decode())
            frames = [await line.recv()]
            while sum('"short"' in str(f) for f in frames) < 3:
                frames.append(await line.recv())
            sent.over = True
            while len(frames) < told(sent, it)["venues"]["acme"]:
                frames.append(await line.recv())
            with pytest.raises(TimeoutError), anyio.fail_after(0.2):
                frames.append(await line.recv())
    died = [msgspec.json.decode(f) for f in frames if '"long"' in str(f) or '"short"' in str(f)]
    turns = [(symbol, side) for ((symbol, side, _),) in died]
    assert turns[:6] == [(symbol, side) for side in ("long", "short") for symbol in ("BTC-P", "kPEPE-P", "BTC-I")]
    assert len(died) == sent.closes
    assert (sent.sent > 0) == (len(args) > 1), "a connection of forced closes alone is no part of the rate"


@pytest.mark.anyio
async def test_a_process_of_its_own_serves_every_venue() -> None:
    here, there = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve_load, args=(there, 100.0))
    process.start()
    try:
        ports = await anyio.to_thread.run_sync(here.recv)
        venue, script = next(iter(load_all().items()))
        async with connect(address(ports, venue, script.sockets[0].url), proxy=None):
            here.send("how much?")
            said = await anyio.to_thread.run_sync(here.recv)
            assert said == {"sent": 0, "closes": 0, "late": 0, "lines": 0, "venues": {}, "waiting": 0}
        here.send(None)
        await anyio.to_thread.run_sync(process.join, 10)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join(5)
