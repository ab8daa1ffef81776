"""The demo's past holds what charts are made of besides open interest, and its maps have been judged."""

from functools import partial
from pathlib import Path

import pytest

from collectors.venues import VENUES
from server import pastbeside, scored
from server.past import import_past, settle
from simulator.market import Contract, Market
from simulator.script import contracts, load_all
from store.engine import open_store
from store.reader import Reader
from store.writer import Writer
from tests.server.tools.made import DAY, HOUR, NOW

IDS = ("binance", "kraken")


def test_the_past_has_forced_closes_ratios_and_judged_maps(tmp_path: Path) -> None:
    scripts = {id: script for id, script in load_all().items() if id in IDS}
    listed = [
        Contract(id, c.segment, c.symbol, c.asset, funding_interval_h=8.0)
        for id, s in scripts.items() for c in contracts(s) if c.asset == "BTC"
    ]  # fmt: skip
    market = Market(listed, seed=1, start_ms=NOW)
    beside = partial(pastbeside.told, market, VENUES, scripts, NOW)
    store = open_store(tmp_path / "store.duckdb", "demo")
    try:
        with Writer(store, True, now_ms=NOW) as writer:
            import_past(store, writer, market, VENUES, scripts, NOW - 40 * DAY, NOW, beside=beside)
            for fact in pastbeside.facts(market, range((NOW // DAY - 3) * DAY, NOW, DAY)):
                writer.put(fact)
        settle(store, NOW - 40 * DAY, NOW)
        reader = Reader(store)
        feeds = reader.feeds("BTC", NOW - 40 * DAY, NOW)
        died = reader.liquidations("BTC", NOW - 40 * DAY, NOW)
        hourly = reader.bars("BTC", NOW - 3 * DAY, NOW - DAY, HOUR)
        ratios = reader.ratios_by("BTC", NOW - 40 * DAY, NOW, DAY)
        facts = reader.events("context", NOW - 5 * DAY, NOW, asset="BTC")
        count = pastbeside.judged(reader, store, tmp_path / "maps", "BTC", NOW)
        again = pastbeside.judged(reader, store, tmp_path / "maps", "BTC", NOW)
        rows = scored.ledger(reader, "BTC", scored.WHOLE, NOW - 10 * DAY, NOW, "age_hazard")
    finally:
        store.close()
    assert {str(v): str(f) for v, f in zip(feeds["venue"], feeds["feed"], strict=True)} == {
        "binance": "throttled", "kraken": "full",
    }  # fmt: skip
    assert (died["usd"] > 0).all()
    assert hourly["liquidated_long"].sum() + hourly["liquidated_short"].sum() == pytest.approx(
        died[(died["ts"] > NOW - 3 * DAY) & (died["ts"] < NOW - DAY)]["usd"].sum(), rel=0.05
    ), "every forced close lies in a bar"
    assert "binance" in set(ratios["venue"])
    assert len(facts) in (9, 12)  # of the days that begin within the last three
    assert (count, again, len(rows)) == (pastbeside.JUDGED_DAYS, 0, pastbeside.JUDGED_DAYS)
    assert all(row["score"]["events_usd"] > 0 for row in rows)
