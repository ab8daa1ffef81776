"""Context from outside, over loopback: kept with source and time, once; and an alarm that is never mixed in."""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

import anyio
import pytest

from collectors.context import (
    AGGREGATE,
    SOURCES,
    Context,
    aggregate,
    disagreements,
    market_facts,
    network_facts,
)  # fmt: skip
from collectors.http import Http
from store.records import Event, Field, Instrument, Kind, OpenInterest, Source, Unit
from tests.collectors.toy import Exchange, Peer, Records

pytestmark = pytest.mark.anyio

DAY, LATER = 1_769_731_200_000, 1_769_817_600_000  # 2026-01-30 and 31


def row(asset: str, day: str, **said: str | None) -> dict[str, str | None]:
    return {"asset": asset, "time": f"2026-01-{day}T00:00:00.000000000Z", **said}


NETWORK = {
    "data": [
        row("btc", "30", CapMrktCurUSD="1600000000000", CapMVRVCur="1.6", SplyCur="19990000.5"),
        row("btc", "31", CapMrktCurUSD="1500000000000", CapMVRVCur="1.5", SplyCur=None),
    ],
    "next_page_token": "0.abc",
}
COINS = [
    {"id": "bitcoin", "symbol": "btc", "market_cap": 9e11, "circulating_supply": 19580668,
     "last_updated": "2026-01-30T00:00:00.740Z", "roi": None},
    {"id": "batcat", "symbol": "btc", "market_cap": 9e5, "circulating_supply": 1.0,
     "last_updated": "2026-01-30T00:00:00.740Z"},
    {"id": "unsaid", "symbol": "eth", "market_cap": None, "circulating_supply": 0, "last_updated": None},
]  # fmt: skip


def contract(market: str, asset: str, usd: object, kind: str = "perpetual") -> dict[str, object]:
    return {"market": market, "symbol": f"{asset}USDT", "index_id": asset, "price": "60000", "contract_type": kind,
            "open_interest": usd, "volume_24h": 1.0, "last_traded_at": 1, "expired_at": None}  # fmt: skip


def test_the_newest_day_counts_and_the_realised_cap_is_worked_out() -> None:
    facts = {f.metric: (f.asset, f.value, f.at, f.unit) for f in network_facts(json.dumps(NETWORK).encode())}
    assert facts == {
        "market_cap": ("BTC", 1.5e12, LATER, "usd"),
        "mvrv": ("BTC", 1.5, LATER, "ratio"),
        "supply": ("BTC", 19_990_000.5, DAY, "coins"),
        "realised_cap": ("BTC", 1e12, LATER, "usd"),
    }
    apart = [row("btc", "30", CapMVRVCur="2"), row("btc", "31", CapMrktCurUSD="4")]
    assert "realised_cap" not in {f.metric for f in network_facts(json.dumps({"data": apart}).encode())}


def test_of_coins_of_one_symbol_the_largest_is_meant() -> None:
    facts = [(f.asset, f.metric, f.value, f.at) for f in market_facts(json.dumps(COINS).encode())]
    assert facts == [("BTC", "market_cap", 9e11, DAY), ("BTC", "supply", 19_580_668.0, DAY)]


def test_an_aggregate_is_summed_by_venue_and_asset_and_only_where_it_is_whole() -> None:
    rows = [
        contract("Northern (Futures)", "BTC", 100.0), contract("Northern (Futures)", "BTC", "50.5"),
        contract("Northern (Futures)", "BTC", 9.0, "futures"), contract("Northern (Futures)", "ETH", None),
        contract("Southern.com Exchange (Derivatives)", "BTC", 7.0), contract("Elsewhere", "BTC", 1.0),
    ]  # fmt: skip
    got = aggregate(json.dumps(rows).encode(), {"northern": "Northern", "south": "Southern.com"})
    assert got == {("northern", "BTC"): 150.5, ("south", "BTC"): 7.0}


@pytest.mark.parametrize(
    ("ratios", "factor"),
    [((2.05, 1.95), 2.0), ((0.5, 0.52), 0.5), ((0.001, 0.00099), 0.001), ((10.5, 9.6, 10.0), 10.0),
     ((1.02, 0.97), None), ((2.0, 1.0), None), ((2.0,), None), ((1.4, 1.4), None)],
)  # fmt: skip
def test_only_a_tell_tale_factor_in_all_assets_is_a_disagreement(
    ratios: tuple[float, ...], factor: float | None
) -> None:
    theirs = {("north", f"A{n}"): 100.0 * ratio for n, ratio in enumerate(ratios)}
    ours = dict.fromkeys(theirs, 100.0) | {("north", "OTHER"): 1.0}
    found = disagreements(theirs, ours)
    assert [d.factor for d in found] == ([] if factor is None else [pytest.approx(factor)])


def reading(asset: str, usd: float, kind: Kind = Kind.PERPETUAL) -> OpenInterest:
    i = Instrument("northern", "main", f"{asset}-{kind}", asset, "USDT", "USDT", kind)
    field = Field("oi", Unit.BASE)
    return OpenInterest(i, field, 0, 0, 1.0, 1.0, usd, usd, None, None, None, Source.STREAM, False, 0)


async def nobody(_: Peer) -> None:
    return


async def test_context_is_kept_with_its_source_and_time_and_not_twice() -> None:
    exchange = Exchange(nobody)
    exchange.replies["/v4/timeseries/asset-metrics"] = lambda: (200, {}, json.dumps(NETWORK))
    records = Records()
    async with exchange.open(), Http(address=exchange.address) as http:
        context = Context(["coinmetrics"], ["BTC", "ETH"], {}, http, records, list)
        await context.gather(SOURCES["coinmetrics"])
        await context.gather(SOURCES["coinmetrics"])
    asked = [urlsplit(path).query.split("&")[0] for _, path in exchange.requests]
    assert asked == ["assets=btc", "assets=eth"] * 2
    events = {json.loads(e.detail)["metric"]: e for e in records.of(Event)}
    assert len(records.of(Event)) == len(events) == 4
    told = events["mvrv"]
    assert (told.ts, told.kind, told.asset, told.venue) == (LATER, "context", "BTC", "")
    assert json.loads(told.detail) == {
        "metric": "mvrv", "unit": "ratio", "value": 1.5, "source": "coinmetrics", "basis": "external",
    }  # fmt: skip


async def test_the_aggregate_is_an_alarm_and_nothing_of_it_is_kept() -> None:
    exchange = Exchange(nobody)
    rows = [contract("Northern (Futures)", "BTC", 200.0), contract("Northern (Futures)", "ETH", 41.0)]
    exchange.replies["/api/v3/derivatives"] = lambda: (200, {}, json.dumps(rows))
    records = Records()
    ours = [reading("BTC", 60.0), reading("BTC", 900.0, Kind.DATED), reading("ETH", 20.0)]
    ours.append(OpenInterest(*[getattr(reading("BTC", 40.0), f) for f in OpenInterest.__struct_fields__]))
    async with exchange.open(), Http(address=exchange.address) as http, anyio.create_task_group() as tasks:
        context = Context([AGGREGATE], ["BTC"], {"northern": "Northern"}, http, records, lambda: ours, now=lambda: 77)
        tasks.start_soon(context.keep)
        [event] = await records.until(lambda: records.of(Event))
        tasks.cancel_scope.cancel()
    assert (event.ts, event.kind, event.venue) == (77, "aggregate_disagrees", "northern")
    said: Mapping[str, object] = json.loads(event.detail)
    assert (said["near"], said["assets"], said["ratio"]) == (2.0, 2, pytest.approx(2.05))
    assert disagreements({("a", "X"): 2.0, ("a", "Y"): 2.0}, {}) == []


async def test_nothing_is_asked_unless_it_was_chosen() -> None:
    exchange = Exchange(nobody)
    async with exchange.open(), Http(address=exchange.address) as http:
        with anyio.fail_after(30):
            await Context([], ["BTC"], {}, http, Records(), list).keep()
    assert exchange.requests == []


async def test_a_source_that_fails_is_asked_again_later_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    exchange = Exchange(nobody)
    exchange.replies["/api/v3/coins/markets"] = lambda: (200, {}, '{"status": "not a list"}')
    records = Records()
    async with exchange.open(), Http(address=exchange.address) as http, anyio.create_task_group() as tasks:
        tasks.start_soon(Context(["coingecko"], ["BTC"], {}, http, records, list).keep)
        await records.until(lambda: "no context" in caplog.text)
        tasks.cancel_scope.cancel()
    assert records.all == []
