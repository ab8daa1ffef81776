"""Perpetuals and dated contracts are separate universes: dated ones are in no answer that did not ask for them."""

import json
from collections.abc import Callable, Generator
from dataclasses import replace

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue, usual
from analytics.episodes import RULES
from server.tools.chart_value import get_chart_value
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from server.tools.house import House
from server.tools.interest import get_open_interest
from store.derived import append
from store.records import (
    FeedClass,
    Funding,
    Gap,
    Instrument,
    Kind,
    Liquidation,
    LongShort,
    MarginTier,
    Side,
    Source,
    Unit,
    Volume,
)
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, always, by_name, inverse, linear, market, turned

DATED = [
    replace(of, symbol=f"{of.symbol}-27DEC30", segment=f"{of.segment}-dated", kind=Kind.DATED)
    for of in (linear("north"), inverse("south"))
]
REPORT = Instrument("report", "futures", "BTC", "BTC", "USD", "USD", kind=Kind.DATED, contract_size=5.0)
SINCE = NOW - 40 * DAY


def held(*more: Held) -> list[Held]:
    return [
        Held(
            linear("north"),
            turned(60_000.0, 66_000.0, NOW - 30 * MINUTE),
            start=SINCE,
            step=5 * MINUTE,
            klass="speculative",
        ),
        Held(inverse("south"), always(24_000.0), start=SINCE, step=5 * MINUTE, klass="speculative"),
        Held(linear("west"), always(10_000.0), start=SINCE, step=5 * MINUTE, klass="institutional"),
        Held(REPORT, always(5_000.0), start=SINCE, step=5 * MINUTE, klass="institutional"),
        *more,
    ]


def told() -> list[Liquidation | Volume | LongShort | Funding | MarginTier | Gap]:
    """Whatever else may be said of a dated contract."""
    of, at = DATED[0], NOW - 10 * MINUTE
    return [
        Liquidation(of, at, at, Side.LONG, 5.0, Unit.BASE, 5.0, 5e5, 1e5, FeedClass.FULL, False),
        Volume(of, at, at, 500.0, 100.0, Source.POLL, False),
        LongShort(of, at, at, "account", 9.0, Source.POLL, False),
        Funding(of, at, at, 0.5, 8.0, Source.BACKFILL, False),
        MarginTier(of, at, 1, 0.0, None, 0.01, 20.0, None, False),
        Gap(of.venue, of.segment, "", NOW - 3 * HOUR, NOW - 2 * HOUR, "down"),
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    with market(tmp_path_factory.mktemp("plain"), *held()) as made:
        yield made


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    dated = [
        Held(of, turned(9_000.0, 1_000.0, NOW - 20 * MINUTE), always(104_000.0), start=SINCE, step=5 * MINUTE)
        for of in DATED
    ]
    with market(tmp_path_factory.mktemp("both"), *held(*dated), said=told()) as made:
        yield made


@pytest.mark.parametrize(
    "ask",
    [
        get_open_interest,
        lambda house: get_open_interest(house, by="instrument"),
        lambda house: get_open_interest(house, venue="north"),
        lambda house: get_open_interest(house, universe="perpetual"),
        get_concentration,
        get_oi_divergence,
        lambda house: get_oi_divergence(house, window="24h", detail="detailed"),
        lambda house: get_oi_divergence(house, universe="perpetual"),
        lambda house: get_concentration(house, universe="perpetual"),
        lambda house: get_chart_value(house, timeframe="24h"),
        get_chart_value,
        lambda house: get_chart_value(house, timeframe="1y"),
        lambda house: get_chart_value(house, "derivatives-oi-north"),
    ],
)  # fmt: skip
def test_dated_contracts_do_not_leak_into_what_counts_perpetuals(
    plain: House, both: House, ask: Callable[[House], object]
) -> None:
    assert ask(both) == ask(plain)


def test_nor_into_any_chart(plain: House, both: House) -> None:
    def drawn(house: House, chart: str) -> object:
        try:
            return get_chart_value(house, chart, timeframe="24h")
        except ToolError as nothing:
            return str(nothing)

    for chart in (c.id for c in catalogue.CHARTS if "{venue}" not in c.id):
        assert drawn(both, chart) == drawn(plain, chart), chart


def test_whoever_asks_for_them_gets_them(both: House) -> None:
    perpetual, dated, everything = (
        by_name(get_open_interest(both, universe=universe), "venue") for universe in ("perpetual", "dated", "all")
    )
    assert {v: row["oi_coins"] for v, row in perpetual.items()} == {
        "north": 66_000, "south": 24_000, "west": 10_000, "report": 5_000,
    }  # fmt: skip
    assert {v: row["oi_coins"] for v, row in dated.items()} == {"north": 1_000, "south": 1_000, "report": 5_000}
    assert everything["north"]["oi_coins"] == 67_000
    assert everything["report"]["class"] == "institutional", "it lists nothing else, so it counts in any universe"
    asked = get_open_interest(both), get_open_interest(both, universe="all")
    assert [any(w.startswith("expiry:") for w in answer.warnings) for answer in asked] == [False, True]
    chart = get_chart_value(both, "derivatives-oi-north", timeframe="24h", universe="dated")
    assert any(w.startswith("expiry:") for w in chart.warnings)
    assert chart.figures["highest_oi_usd"] == 9_000 * 104_000


def test_who_moves_and_how_much_sits_where_can_be_asked_of_them(both: House) -> None:
    perpetual, dated, everything = (get_oi_divergence(both, universe=u) for u in ("perpetual", "dated", "all"))
    assert set(by_name(perpetual, "venue")) == {"north", "south", "west", "report"}
    flows = {v: row["flow_usd"] for v, row in by_name(dated, "venue").items()}
    assert flows == {"north": -8_000 * 104_000, "south": -8_000 * 104_000, "report": 0}
    assert dated.figures["net_usd"] == -16_000 * 104_000
    assert everything.figures["net_usd"] == 6_000 * 100_000 - 16_000 * 104_000
    spread = get_concentration(both, window="1h", universe="dated")
    assert {v: row["oi_usd"] for v, row in by_name(spread, "venue").items()} == {
        "north": 104_000_000, "south": 104_000_000, "report": 500_000_000,
    }  # fmt: skip
    for answer, there in ((dated, True), (everything, True), (spread, True), (perpetual, False)):
        assert any(w.startswith("expiry:") for w in answer.warnings) == there


def test_what_the_clock_worked_out_is_of_its_own_universe(both: House) -> None:
    store = both.reader.store
    said = json.dumps({"family": 9, "expected_false_a_day": 2.5})
    lead = {"leader": "north", "resolved": 3, "reasons": [], "note": None, "growth": []}
    append(store, "events", [(NOW, "swept", "", "", said, False, NOW),
                             (NOW, "lead_lag", "BTC", "", json.dumps(lead), False, NOW)])  # fmt: skip
    append(store, "thresholds", [("BTC", "rotated", 3600, 7e12, 500, usual.VERSION, NOW - 1)])
    told = json.dumps({"leaders": ["north"], "window_s": 3600, "gap0": 0.1})
    append(store, "episodes", [("x", "BTC", "rotation", "north", NOW - HOUR, None, "open", RULES, told, False, NOW)])
    own, other = get_oi_divergence(both), get_oi_divergence(both, universe="dated")
    for name, value in (("sweep_n_tests", 9), ("leader", "north"), ("open_records", 1)):
        assert (own.figures[name], other.figures[name]) == (value, None)
    limits = [by_name(a.tables["thresholds"], "threshold")["rotated"]["value"] for a in (own, other)]
    assert limits[0] == 7e12
    assert float(str(limits[1])) < 1e9, "by its own history, or a share of its own level"
    assert sum("universe is left out" in w for w in other.warnings) == 1
    assert not any("universe is left out" in w for w in own.warnings)


def test_no_question_to_the_store_names_one_that_is_not_of_the_universe(both: House) -> None:
    reader, ids = both.reader, {of.id for of in DATED}
    start, end = NOW - HOUR, NOW + 1
    for universe, there in (("perpetual", False), ("dated", True), ("all", True)):
        asked = reader.of(universe)  # type: ignore[arg-type]  # the words of a literal
        frames = [
            asked.instruments("BTC"), asked.latest("BTC", NOW), asked.bars("BTC", start, NOW, MINUTE),
            asked.closes("BTC", NOW - 9 * DAY, NOW), asked.readings("BTC", start, end),
            asked.liquidations("BTC", start, end), asked.volumes("BTC", start, end), asked.ratios("BTC", start, end),
            asked.ratios_by("BTC", start, end, HOUR), asked.traded("BTC", start, end, HOUR), asked.tiers("BTC"),
            asked.fundings("BTC", start, end),
        ]  # fmt: skip
        assert [bool(ids & set(frame["instrument_id"])) for frame in frames] == [there] * len(frames)
        assert bool(len(asked.feeds("BTC", start, end))) == there
        assert bool(len(asked.gaps(NOW - DAY, NOW, asset="BTC"))) == there
    assert reader.lists("BTC")
