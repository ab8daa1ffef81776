"""How much sits on few venues; the numbers are those of analytics.md, 9, T7."""

import json
from pathlib import Path

import pytest

from server.tools.concentration import get_concentration
from store.derived import append
from store.records import Gap
from tests.server.tools.made import HOUR, MINUTE, NOW, Held, always, by_name, linear, market, turned

SIZES = dict(zip("abcde", (4000, 2500, 2000, 1000, 500), strict=True))  # millions of USD
FLOWS = dict(zip("abcde", (180, 20, -40, 60, 0), strict=True))


def five() -> list[Held]:
    return [
        Held(linear(v), turned(1e4 * (SIZES[v] - FLOWS[v]), 1e4 * SIZES[v], NOW - 30 * MINUTE), always(100.0))
        for v in SIZES
    ]


def test_the_measures_of_five_venues_and_of_what_is_new(tmp_path: Path) -> None:
    with market(tmp_path, *five()) as house:
        answer = get_concentration(house, window="1h")
    f = answer.figures
    assert (f["hhi"], f["effective_venues"], f["hhi_normalised"]) == (0.275, 3.6364, 0.09375)
    assert (f["entropy_nats"], f["exp_entropy_venues"], f["theil_nats"]) == (1.415, 4.1166, 0.19442)
    assert (f["cr1_share"], f["cr3_share"], f["venues"]) == (0.4, 0.85, 5)
    assert (f["gross_inflow_usd"], f["inflow_largest_venue"], f["inflow_largest_share"]) == (260_000_000, "a", 0.69231)
    assert (f["hhi_new"], f["kl_nats"]) == (0.53846, 0.48209)
    rows = by_name(answer, "venue")
    assert list(rows) == list("abcde")
    assert [rows[v]["share_of_new"] for v in rows] == [0.69231, 0.076923, 0, 0.23077, 0]
    assert [rows[v]["flow_usd"] for v in rows] == [1e6 * FLOWS[v] for v in rows]
    assert rows["a"]["location_quotient"] == 1.7308
    assert sum(float(str(rows[v]["share"])) for v in rows) == pytest.approx(1)
    limit = answer.tables["thresholds"].rows[0]
    assert limit[:4] == ["inflow", 25_000_000, "USD", "default_threshold"]
    assert f["inflow_is_material"] is True
    assert answer.summary == (
        "BTC open interest behaves like 3.6 equal venues of 5 (HHI 0.275); a holds 40%; "
        "a took 69% of 260 M USD new in 1h; no flag"
    )


def test_without_a_year_there_is_no_percentile_and_the_answer_says_so(tmp_path: Path) -> None:
    with market(tmp_path, *five()) as house:
        answer = get_concentration(house)
    assert (answer.figures["hhi_percentile"], answer.figures["index_0_to_100"]) == (None, None)
    assert any(words.startswith("insufficient_history:") and "needs 90" in words for words in answer.warnings)


def test_a_silent_venue_is_neither_new_nor_gone(tmp_path: Path) -> None:
    died = NOW - 20 * MINUTE
    a, b, c, d, e = five()
    with market(
        tmp_path, a, b, c, d, Held(e.of, e.coins, e.mark, end=died), said=[Gap("e", "linear", "", died, None, "down")]
    ) as house:
        answer = get_concentration(house, window="1h")
    rows = by_name(answer, "venue")
    assert answer.figures["hhi"] == 0.275
    assert (rows["e"]["oi_usd"], rows["e"]["flow_usd"]) == (500_000_000, None)
    assert answer.coverage.venues_carried == ["e"]
    assert answer.figures["basis"] == "carried"


def test_p_comes_with_its_families_and_thresholds_with_their_origin(tmp_path: Path) -> None:
    told = {"window_s": 3600, "p": 0.01, "p_adjusted": 0.04, "family": 12}
    with market(tmp_path, *five()) as house:
        kind, row = "concentrated_inflow", json.dumps(told)
        append(house.reader.store, "events", [(NOW - HOUR, kind, "BTC", "a", row, False, NOW - HOUR)])
        tables = get_concentration(house, window="1h").tables
        day = get_concentration(house).tables["tests"]
    tests = [dict(zip(tables["tests"].columns, row, strict=True)) for row in tables["tests"].rows]
    assert [(t["family_of"], t["family_size"]) for t in tests] == [("this answer", 1), ("sweep", 12)]
    assert tests[0]["p"] == tests[0]["p_adjusted"]
    assert (tests[1]["p"], tests[1]["p_adjusted"], tests[1]["significant"]) == (0.01, 0.04, True)
    assert "sweep" not in [row[1] for row in day.rows], "that was of an hour"
    limits = by_name(tables["thresholds"], "threshold")
    assert [limits[name]["value"] for name in ("inflow_largest_share", "location_quotient")] == [0.6, 1.5]
    assert {limits[name]["origin"] for name in ("inflow_largest_share", "location_quotient")} == {"fixed"}


def test_flags_of_a_market_that_was_hardly_heard_say_that_nothing_is_alerted(tmp_path: Path) -> None:
    many = [
        Held(linear(v), always(1000.0), always(100.0), end=NOW - HOUR if v != "a" else NOW + MINUTE) for v in "abcd"
    ]
    said = [Gap(v, "linear", "", NOW - HOUR, None, "down") for v in "bcd"]
    with market(tmp_path, *many, said=said) as house:
        plain = get_concentration(house, window="1h")
        spread = {f"hhi q{k:02d}": (0.1 + 0.001 * k, 300) for k in range(0, 101, 5)}
        rows = [("BTC", name, 3600, value, n, "3", NOW - MINUTE) for name, (value, n) in spread.items()]
        append(house.reader.store, "thresholds", [*rows, ("BTC", "windows", 3600, 300.0, 300, "3", NOW - MINUTE)])
        answer = get_concentration(house, window="1h")
    assert (plain.coverage.grade, plain.figures["flags"]) == ("D", "partial_universe")
    assert not any("nothing is alerted" in words for words in plain.warnings)
    assert answer.figures["flags"] == "partial_universe, fragility"
    assert any("grade D: flags are shown, nothing is alerted" in words for words in answer.warnings)
