"""Who holds the open interest, through the real store."""

from dataclasses import replace
from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics.provenance import VERSION
from server.maps import Maps
from server.tools.chart_value import get_chart_value
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from server.tools.interest import get_open_interest
from server.tools.liquidation_map import get_liquidation_map
from store.records import Event, Field, Gap, Health, Quarantined, Status, Unit
from tests.server.tools.made import HOUR, MINUTE, NOW, Held, always, by_name, inverse, linear, market, turned

PUBLISHED_USD = Field("value", Unit.USD, sides=2, status=Status.DISPUTED)


def test_totals_shares_and_growth_by_venue(tmp_path: Path) -> None:
    with market(
        tmp_path,
        Held(linear("north"), turned(60_000.0, 66_000.0, NOW - HOUR), funding=1e-4),
        Held(inverse("south"), always(24_000.0), field=PUBLISHED_USD),
        Held(linear("west"), always(10_000.0), klass="speculative"),
    ) as house:
        answer = get_open_interest(house)
    assert answer.figures["total_usd"] == 10_000_000_000
    assert (answer.figures["total_coins"], answer.figures["price_usd"]) == (100_000, 100_000)
    rows = by_name(answer, "venue")
    assert list(rows) == ["north", "south", "west"]
    assert rows["north"] == {
        "venue": "north", "class": "mixed", "oi_usd": 6_600_000_000, "oi_coins": 66_000, "share": 0.66,
        "growth_24h_pct": 10, "funding_per_8h": 1e-4, "age_s": 0, "cadence_s": 60, "state": "fresh",
        "sides_disputed": False, "plausible_share": None, "basis": "derived",
    }  # fmt: skip
    assert (rows["south"]["share"], rows["south"]["growth_24h_pct"]) == (0.24, 0)
    assert rows["south"]["sides_disputed"] is True
    assert rows["west"]["class"] == "speculative"
    assert sum(float(str(row["share"])) for row in rows.values()) == pytest.approx(1.0)
    assert answer.summary == "BTC open interest 10 bn USD on 3 venues; most on north (66%)"
    assert (answer.coverage.share, answer.coverage.grade) == (1, "A")
    assert answer.warnings[0].startswith("disputed_units: Side count not established: south")
    assert (answer.figures["live_usd"], answer.figures["carried_usd"]) == (10_000_000_000, 0)
    assert (answer.figures["basis"], answer.figures["method"]) == ("derived", f"level.carry v{VERSION}")


def test_what_has_been_silent_for_too_long_is_unknown_and_never_zero(tmp_path: Path) -> None:
    gone = Held(linear("south"), always(24_000.0), start=NOW - 60 * HOUR, end=NOW - 10 * HOUR)
    with market(tmp_path / "one", Held(linear("north"), always(36_000.0)), gone) as house:
        answer, alone = get_open_interest(house), get_open_interest(house, venue="south")
    row = by_name(answer, "venue")["south"]
    assert (row["oi_usd"], row["oi_coins"], row["share"], row["state"]) == (None, None, None, "excluded")
    assert alone.summary.startswith("BTC open interest an unknown amount of USD on south")
    with market(tmp_path / "none", gone) as house:
        with pytest.raises(ToolError, match="insufficient_coverage: all 1 venues of BTC have been silent for more"):
            get_open_interest(house)
        drawn = get_chart_value(house, timeframe="24h")
    assert drawn.figures["last_oi_usd"] is None
    assert drawn.figures["lowest_oi_usd"] == 2_400_000_000
    assert (drawn.figures["change_range_total_usd"], drawn.figures["high_share"]) == (None, None)


def test_all_answers_of_a_moment_weigh_the_market_alike(tmp_path: Path) -> None:
    """South was three times as large for most of the day, and is silent for some minutes now."""
    fallen = Held(linear("south"), turned(30_000.0, 10_000.0, NOW - 5 * HOUR), end=NOW - 4 * MINUTE)
    with market(tmp_path, Held(linear("north"), always(30_000.0)), fallen) as house:
        answers = [
            get_open_interest(house), get_concentration(house), get_oi_divergence(house),
            get_oi_divergence(house, window="4h"), get_chart_value(house, timeframe="24h"),
            get_chart_value(house, "derivatives-oi-flow", "24h"),
        ]  # fmt: skip
    assert [(a.coverage.share, a.coverage.grade) for a in answers] == [(0.5, "D")] * len(answers)


@pytest.mark.parametrize("hours", [10, 72])
def test_a_venue_that_died_stays_in_the_universe(tmp_path: Path, hours: int) -> None:
    gone = Held(linear("south"), always(24_000.0), start=NOW - 100 * HOUR, end=NOW - hours * HOUR)
    with market(tmp_path, Held(linear("north"), always(36_000.0)), gone) as house:
        answers = [get_open_interest(house), get_concentration(house), get_chart_value(house)]
    for told in (a.coverage for a in answers):
        assert (told.grade, told.venues_ok, told.venues_missing) == ("D", ["north"], ["south"])
        assert told.share == pytest.approx(0.6, abs=1e-3)
    assert answers[0].figures["total_coins"] == 36_000
    assert any(f"south has been silent for {hours}.0 h" in w for w in answers[0].warnings)


def test_concentration_and_the_chart_say_it_too(tmp_path: Path) -> None:
    with market(
        tmp_path,
        Held(linear("north"), always(60_000.0)),
        Held(inverse("south"), always(24_000.0), field=PUBLISHED_USD),
    ) as house:
        told = [get_concentration(house).warnings, get_chart_value(house).warnings]
        north = get_chart_value(house, venue="north").warnings
    assert all(sum("Side count not established: south" in w for w in warnings) == 1 for warnings in told)
    assert not any("Side count" in w for w in north)


def test_an_instrument_says_what_was_published_and_whose_sides_it_counts(tmp_path: Path) -> None:
    with market(
        tmp_path,
        Held(inverse("south"), always(24_000.0), field=PUBLISHED_USD),
        Held(linear("west"), always(10_000.0), funding=1e-4),
    ) as house:
        rows = by_name(get_open_interest(house, by="instrument"), "venue")
        first = get_open_interest(house, by="instrument", limit=1)
    assert rows["south"]["raw"] == 4_800_000_000
    assert (rows["south"]["raw_unit"], rows["south"]["sides"], rows["south"]["sides_status"]) == ("usd", 2, "disputed")
    assert (rows["south"]["oi_usd"], rows["south"]["payoff"]) == (2_400_000_000, "inverse")
    assert (rows["west"]["mark_usd"], rows["west"]["funding"], rows["west"]["funding_interval_h"]) == (100_000, 1e-4, 8)
    assert (len(first.rows), first.truncated) == (1, True)
    assert first.next.startswith("limit=2 for all 2 rows")


def test_a_venue_whose_stream_is_silent_while_rest_answers_is_fresh_and_named(tmp_path: Path) -> None:
    """analytics.md 1.4: a polled value is a seen value; so it counts, and the answer says what it rests on."""
    words = "no data 20.0 s after subscribing; asked over REST instead"
    health = Health("north", "linear", "BTCUSDT", NOW - 5000, "mute", NOW - HOUR, NOW - 5000, 60.0, 9, 0, words)
    waits = "10 times the last: held until REST says the same"
    held = Quarantined("south", "inverse", "BTCUSD", NOW - 5000, "held", waits, "1")
    others = (replace(health, symbol="ETHUSDT"), replace(held, symbol="ETHUSD"))  # of another asset
    with market(
        tmp_path,
        Held(linear("north"), always(60_000.0)),
        Held(inverse("south"), always(24_000.0)),
        said=[health, held, *others],
    ) as house:
        answer = get_open_interest(house)
        south = get_open_interest(house, venue="south")
        before = get_open_interest(house, as_of=NOW - MINUTE)
    assert by_name(answer, "venue")["north"]["state"] == "fresh"
    assert answer.coverage.venues_ok == ["north", "south"]
    assert answer.warnings[:2] == [
        f"held_back: south inverse BTCUSD stands at its last value: what it says now is {waits}.",
        "polled_instead: north linear streams nothing of BTCUSDT (1 of 1 here); REST is asked every 60 s instead, and "
        "what it says counts as heard.",
    ]
    assert [w for w in south.warnings if "polled_instead" in w or "held_back" in w] == answer.warnings[:1]
    assert [w for w in before.warnings if "polled_instead" in w or "held_back" in w] == []


def test_a_silent_venue_is_carried_at_its_last_quantity_and_a_new_price(tmp_path: Path) -> None:
    died = NOW - 20 * MINUTE
    with market(
        tmp_path,
        Held(linear("north"), always(58_000.0), turned(100_000.0, 98_000.0, died)),
        Held(linear("south"), always(30_000.0), end=died),
        said=[Gap("south", "linear", "", died, None, "down")],
    ) as house:
        answer = get_open_interest(house)
    rows = by_name(answer, "venue")
    assert (rows["south"]["state"], rows["south"]["basis"], rows["south"]["oi_usd"]) == (
        "carried",
        "carried",
        2_940_000_000,
    )
    assert rows["south"]["growth_24h_pct"] is None
    assert rows["south"]["age_s"] == 21 * 60  # its last word was a minute before it died
    assert answer.figures["total_usd"] == 8_624_000_000
    assert (answer.figures["live_usd"], answer.figures["carried_usd"]) == (5_684_000_000, 2_940_000_000)
    assert answer.figures["basis"] == "carried"
    assert (answer.figures["band_usd"], answer.figures["band_coins"]) == (0, 0)  # it never moved while it was heard
    assert answer.coverage.venues_carried == ["south"]
    assert answer.coverage.share == 0.65909
    assert answer.warnings[0] == (
        "south has been silent for 1260 s; its last quantity is carried, no flow of it is counted."
    )


def test_what_happened_inside_a_gap_is_no_growth(tmp_path: Path) -> None:
    down, up, of = NOW - 120 * MINUTE, NOW - 103 * MINUTE, linear("south")
    with market(
        tmp_path,
        Held(of, always(10_000.0), end=down),
        Held(of, turned(4_000.0, 4_400.0, NOW - HOUR), start=up),
        said=[Gap("south", "linear", "", down - MINUTE, up, "down")],
    ) as house:
        answer = get_open_interest(house)
    assert by_name(answer, "venue")["south"]["growth_24h_pct"] == 4


def test_one_venue_alone_keeps_its_share_of_all(tmp_path: Path) -> None:
    with market(tmp_path, Held(linear("north"), always(75.0)), Held(linear("south"), always(25.0))) as house:
        answer = get_open_interest(house, asset="btc-perp", venue="South")
        with pytest.raises(ToolError, match=r"Unknown venue 'sout'. Did you mean south\? There is: north, south\."):
            get_open_interest(house, venue="sout")
    assert [(row[0], row[4]) for row in answer.rows] == [("south", 0.25)]
    assert answer.figures["total_usd"] == 10_000_000
    assert answer.summary == "BTC open interest 2.5 M USD on south"


def test_open_interest_is_a_share_of_what_exists_of_the_coin(tmp_path: Path) -> None:
    said = '{"metric": "supply", "unit": "coins", "value": 2e6, "source": "somebody", "basis": "external"}'
    other = '{"metric": "mvrv", "unit": "ratio", "value": 1.5, "source": "somebody", "basis": "external"}'
    told = [Event(NOW - HOUR, "context", "ETH", "", words) for words in (said, other)]
    held = [Held(linear("north", asset), always(20_000.0)) for asset in ("BTC", "ETH", "SOL")]
    with market(tmp_path, *held, said=told) as house:
        btc, eth, sol = (get_open_interest(house, asset).figures for asset in ("BTC", "ETH", "SOL"))
    assert btc["supply_basis"] == "modelled"
    assert btc["supply_share"] == pytest.approx(20_000 / 20.1e6, rel=0.01)
    assert (eth["supply_share"], eth["supply_basis"]) == (0.01, "external")
    assert "supply_share" not in sol


def test_whatever_rests_on_sizes_says_whose_sides_are_disputed(tmp_path: Path) -> None:
    lines = (
        Held(linear("north"), always(1000.0), always(100.0)),
        Held(linear("south"), turned(1000.0, 1010.0, NOW - HOUR), always(100.0), field=PUBLISHED_USD),
    )
    with market(tmp_path, *lines) as house:
        maps = Maps(house.reader, tmp_path / "maps", ["BTC"])
        maps.advance(NOW)
        house = replace(house, map_state=maps.state)
        sizes = [get_oi_divergence(house), get_concentration(house), get_liquidation_map(house)]
        sizes += [
            get_chart_value(house, f"derivatives-oi-{name}", "24h") for name in ("by-venue", "flow", "market-cap")
        ]
        index = get_chart_value(house, "derivatives-cycle", "24h")
    for answer in sizes:
        assert [w.partition(";")[0] for w in answer.warnings if w.startswith("disputed_units")] == [
            "disputed_units: Side count not established: south"
        ]
    assert not any(w.startswith("disputed_units") for w in index.warnings)
