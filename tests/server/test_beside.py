"""What is asked beside the venues' own feeds: only what was switched on, and nothing of a made-up market."""

import json
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from collectors.context import NAMES
from collectors.http import Http
from collectors.venues import VENUES
from server.beside import together, watchers
from server.settings import CONTEXT, load
from store.latest import Latest
from store.records import Event
from tests.collectors.toy import Exchange, Peer, Records

pytestmark = pytest.mark.anyio
SHOWN = [v for v in VENUES.values() if any(s.positions is not None for s in v.segments)]


async def nobody(_: Peer) -> None:
    return


def test_the_settings_name_every_source() -> None:
    assert set(CONTEXT) == set(NAMES)


def test_a_venue_that_shows_its_positions_is_sampled_and_a_made_up_one_is_not(tmp_path: Path) -> None:
    settings = load("live", env={"CROSSOI_HOME": str(tmp_path)})
    assert len(SHOWN) == 1
    assert len(list(watchers(settings, SHOWN, Latest(), Records(), False))) == 2
    closed = [replace(venue, closed_on="2026-01-01") for venue in SHOWN]
    assert len(list(watchers(settings, closed, Latest(), Records(), False))) == 1
    assert list(watchers(settings, SHOWN, Latest(), Records(), True)) == []


@pytest.mark.parametrize("chosen", [(), ("coingecko",)])
async def test_only_chosen_sources_are_asked(tmp_path: Path, chosen: tuple[str, ...]) -> None:
    settings = replace(load("live", env={"CROSSOI_HOME": str(tmp_path)}), context_sources=chosen)
    exchange, records, done = Exchange(nobody), Records(), anyio.Event()
    coin = {"symbol": "btc", "market_cap": 1e12, "circulating_supply": 2e7, "last_updated": "2026-01-30T00:00:00Z"}
    exchange.replies["/api/v3/coins/markets"] = lambda: (200, {}, json.dumps([coin]))

    async def other(_: Http) -> None:
        if chosen:
            await records.until(lambda: records.of(Event))
        done.set()

    async with exchange.open(), Http(address=exchange.address) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(together, [*watchers(settings, [], Latest(), records, False), other], http)
        with anyio.fail_after(30):
            await done.wait()
        tasks.cancel_scope.cancel()
    assert [e.asset for e in records.of(Event)] == ["BTC", "BTC"] * len(chosen)
    assert len(exchange.requests) == len(chosen)
