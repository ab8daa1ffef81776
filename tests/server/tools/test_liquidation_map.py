"""The map as a tool; what it computes is tested in tests/analytics/liquidation."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics.liquidation import Policy
from analytics.liquidation.answer import UNVALIDATED
from analytics.settings import Settings
from server.answers import utc
from server.maps import Maps, Past
from server.tools.house import House
from server.tools.liquidation_map import BANDS, BIN, get_liquidation_map
from store.derived import append
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, always, by_name, linear, market, turned


def two() -> tuple[Held, Held]:
    return (
        Held(linear("north"), turned(60_000.0, 66_000.0, NOW - 200 * MINUTE)),
        Held(linear("south"), always(4_000.0)),
    )


def mapped(house: House, folder: Path, policy: Policy = "age_hazard") -> House:
    maps = Maps(house.reader, folder, ["BTC"], Settings(removal_policy=policy))
    maps.advance(NOW)
    return replace(house, map_state=maps.state, now=lambda: NOW + 30_000)


def total(rows: list[float]) -> float:
    return pytest.approx(sum(rows), rel=1e-4)


def test_bins_add_up_and_are_summed_outward_from_mark(tmp_path: Path) -> None:
    with market(tmp_path, *two()) as house:
        answer = get_liquidation_map(mapped(house, tmp_path))
    f = answer.figures
    assert (f["status"], f["mark_usd"], f["age_s"], f["basis"]) == ("unvalidated", 100_000, 30, "modelled")
    assert f["open_interest_usd"] == 7_000_000_000
    assert answer.columns == list(BIN)
    bins = list(by_name(answer, "price_low").values())
    longs, shorts = ([float(str(b[f"{side}_usd"])) for b in bins] for side in ("long", "short"))
    assert (float(str(f["long_usd"])), float(str(f["short_usd"]))) == (total(longs), total(shorts))
    assert sum(longs) > 0
    assert sum(shorts) > 0
    below = [b for b in bins if float(str(b["price_high"])) <= 100_000]
    assert float(str(below[0]["long_cumulative_usd"])) == total(longs)
    assert all(b["short_usd"] == 0 for b in below)
    assert [float(str(b["distance_pct"])) for b in bins] == pytest.approx([k - 19.5 for k in range(40)], abs=1e-3)
    near = by_name(answer.tables["within"], "distance_pct")
    assert list(near) == [1, 2, 5, 10]
    assert near[5]["long_usd"] == total(longs[15:])  # a little of what is at mark lies above it
    assert 0 < float(str(near[5]["long_p10_usd"])) < float(str(near[5]["long_p90_usd"]))
    assert answer.truncated is False


def test_the_answer_says_that_it_is_unvalidated_and_why_it_is_weak(tmp_path: Path) -> None:
    with market(tmp_path, *two()) as house:
        answer = get_liquidation_map(mapped(house, tmp_path))
    assert answer.warnings[0] == f"unvalidated_map: {UNVALIDATED}"
    assert any(words.startswith("volume_unavailable: ") for words in answer.warnings)
    assert answer.summary.endswith("unvalidated")
    assert (answer.coverage.share, answer.coverage.grade) == (1, "A")


def test_a_map_that_was_shown_to_know_something_is_called_validated(tmp_path: Path) -> None:
    score = {"skill": {"gain": 0.1, "low": 0.05, "high": 0.2, "baseline": "distance"}, "ratio": 1.1, "days": 20}
    none = {"usd": [0.0] * 80, "bins": [0.0] * 80}
    words = json.dumps({"score": score, "events": 7, "law": none, "counts": {}, "swept": []})
    with market(tmp_path, *two()) as house:
        append(house.reader.store, "map_scores", [("BTC", "", NOW - NOW % DAY - DAY, words, False, NOW - HOUR)])
        answer = get_liquidation_map(mapped(house, tmp_path))
    assert (answer.figures["status"], answer.summary.endswith("; validated")) == ("validated", True)
    assert "20 days, 7 forced closes" in str(answer.figures["map_score"])
    assert not any("unvalidated" in w for w in answer.warnings)


def test_bins_by_dollars_by_tenths_of_a_percent_and_of_one_venue(tmp_path: Path) -> None:
    with market(tmp_path, *two()) as house:
        known = mapped(house, tmp_path)
        dollars = get_liquidation_map(known, step_usd=5000)
        fine = get_liquidation_map(known, detail="detailed")
        south = get_liquidation_map(known, venue="south")
        with pytest.raises(ToolError, match=r"step_usd 0.01 does not fit: between .* Leave step_usd out"):
            get_liquidation_map(known, step_usd=0.01)
    assert [row[:2] for row in dollars.rows] == [[80_000 + 5000 * k, 85_000 + 5000 * k] for k in range(8)]
    assert fine.columns == [*BIN, *BANDS]
    assert (len(fine.rows) > 380, fine.truncated) == (True, False)
    assert south.figures["open_interest_usd"] == 400_000_000
    assert [row[0] for row in south.tables["venues"].rows] == ["south"]
    assert south.coverage.venues_ok == ["south"]


def test_the_answer_says_which_policy_removes(tmp_path: Path) -> None:
    fell = Held(linear("north"), turned(66_000.0, 60_000.0, NOW - 100 * MINUTE))
    with market(tmp_path, fell, Held(linear("south"), always(4_000.0))) as house:
        told = [get_liquidation_map(mapped(house, tmp_path, policy)) for policy in ("age_hazard", "lifo")]
    assert [a.figures["policy"] for a in told] == ["age_hazard", "lifo"]
    assert told[0].figures["open_interest_usd"] == told[1].figures["open_interest_usd"]
    assert told[0].rows != told[1].rows


def test_a_past_map_is_built_again_from_what_was_known_then_and_says_so(tmp_path: Path) -> None:
    grew = Held(linear("north"), turned(60_000.0, 66_000.0, NOW - 20 * MINUTE))
    with market(tmp_path, grew, Held(linear("south"), always(4_000.0))) as house:
        then, now = get_liquidation_map(house, as_of=NOW - HOUR), get_liquidation_map(mapped(house, tmp_path))
        with pytest.raises(ToolError, match="no_data: the map of BTC holds nothing"):
            get_liquidation_map(house, as_of=NOW - 90 * DAY)
    assert (then.figures["open_interest_usd"], now.figures["open_interest_usd"]) == (6_400_000_000, 7_000_000_000)
    assert (then.as_of, then.figures["age_s"]) == (utc(NOW - HOUR), 0)
    assert then.warnings[-1].startswith("Rebuilt from stored bars as known then")
    assert not any(words.startswith("Rebuilt") for words in now.warnings)


def test_the_second_question_about_a_past_minute_builds_nothing(tmp_path: Path) -> None:
    with market(tmp_path, *two()) as house:
        past = Past(most=2)
        first = past.state(house.reader, "BTC", NOW - HOUR)
        by_age = Past(Settings(removal_policy="fifo")).state(house.reader, "BTC", NOW - HOUR)
        assert (by_age.policy, len(by_age.cohorts)) == ("fifo", 1), "eight times the memory, for nothing"
        assert past.state(house.reader, "BTC", NOW - HOUR + 59_999) is first
        past.state(house.reader, "BTC", NOW - 2 * HOUR)
        assert past.state(house.reader, "BTC", NOW - HOUR) is first
        past.state(house.reader, "BTC", NOW - 3 * HOUR)
        assert list(past.states) == [("BTC", NOW - HOUR), ("BTC", NOW - 3 * HOUR)], "the one asked for longest ago goes"


def test_without_a_map_the_way_onward_is_told(tmp_path: Path) -> None:
    with (
        market(tmp_path, *two()) as house,
        pytest.raises(ToolError, match="unsupported_symbol: no liquidation map of BTC"),
    ):
        get_liquidation_map(house)
