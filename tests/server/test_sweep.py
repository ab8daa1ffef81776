"""What the clock finds by the hour is stored, read back by the tools, and not said twice."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analytics import usual
from analytics.multiplicity import expected_false
from server.sweep import Sweep
from server.tools.chart_value import get_chart_value
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from store.derived import append
from store.records import Event, FeedClass, Gap, Liquidation, Side, Unit
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, Table, by_name, changed, linear, market, turned


def held(name: str, before: float, after: float, at: int, days: int = 12) -> Held:
    """A venue that breathes a little every hour, and turns once."""
    said = turned(before, after, at)
    return Held(linear(name), lambda t: said(t) + 3.0 * ((t - NOW) // HOUR % (2 + len(name))), start=NOW - days * DAY)


def limits(answer: object) -> dict[str, object]:
    table = answer.tables["thresholds"]  # type: ignore[attr-defined]  # an Answer
    assert isinstance(table, Table)
    return {str(name): dict(row) for name, row in by_name(table, "threshold").items()}


def test_what_is_usual_is_stored_and_gives_the_same_answer_as_the_history(tmp_path: Path) -> None:
    with market(tmp_path, held("a", 1000, 1100, NOW - 20 * MINUTE), held("bb", 800, 800, 0)) as house:
        computed = get_oi_divergence(house), get_concentration(house, window="1h")
        Sweep(house, house.reader.store, ["BTC"]).run()
        rows = house.reader.thresholds("BTC", 3600)
        read = get_oi_divergence(house), get_concentration(house, window="1h")
        again = len(house.reader.ask("FROM thresholds"))
        Sweep(house, house.reader.store, ["BTC"]).run()
        assert len(house.reader.ask("FROM thresholds")) == again, "what did not change is not stored again"
    assert {"rotated", "net_flow", "inflow", "growth_scale a", "hhi_new q95"} <= set(rows["metric"])
    assert limits(read[0]) == limits(computed[0])
    for one, other in zip(
        read, computed, strict=True
    ):  # the windows before this one end where it begins, or by the hour
        apart = {"persistence_vr": 0, "sweep_n_tests": 0, "expected_false_alarms_per_day": 0}
        assert one.figures | apart == other.figures | apart
    assert read[0].rows == computed[0].rows


def test_answers_tell_how_many_false_alarms_the_sweep_gives(tmp_path: Path) -> None:
    with market(tmp_path, held("a", 1000, 1100, NOW - 20 * MINUTE), held("bb", 800, 800, 0)) as house:
        before = get_oi_divergence(house)
        Sweep(house, house.reader.store, ["BTC"]).run()
        told, spread = get_oi_divergence(house, detail="detailed"), get_concentration(house)
        [row] = house.reader.events("swept", NOW - HOUR, NOW + 1)["detail"]
        later = get_oi_divergence(replace(house, now=lambda: NOW + 3 * HOUR))
    swept = json.loads(row)
    assert (before.figures["sweep_n_tests"], before.figures["expected_false_alarms_per_day"]) == (None, None)
    assert any(w.startswith("no_data: no sweep") for w in before.warnings)
    assert not any(w.startswith("no_data: no sweep") for w in told.warnings)
    assert swept["family"] > 0
    for answer in (told, spread):
        assert answer.figures["sweep_n_tests"] == swept["family"]
        a_day = 24 * expected_false(swept["family"])
        assert answer.figures["expected_false_alarms_per_day"] == pytest.approx(a_day, rel=1e-4)
    assert told.figures["n_tests"] == len(told.tables["tests"].rows)
    assert later.figures["sweep_n_tests"] is None, "an old sweep says nothing of now"
    rules = by_name(told.tables["false_alarms"], "rule")
    assert rules["60 % of inflow alone"]["chance_high_share"] == 0.662
    assert rules["deleveraging, price_effect_drop"]["chance_high_share"] is None


def test_tools_go_by_the_stored_threshold_of_the_moment(tmp_path: Path) -> None:
    with market(tmp_path, held("a", 1000, 1100, NOW - 20 * MINUTE), held("bb", 800, 800, 0)) as house:
        store = house.reader.store
        append(store, "thresholds", [("BTC", "rotated", 3600, 7e9, 500, usual.VERSION, NOW - HOUR)])
        append(store, "thresholds", [("BTC", "rotated", 3600, 9e9, 501, usual.VERSION, NOW - MINUTE)])
        now, then = get_oi_divergence(house), get_oi_divergence(house, as_of=NOW - 2 * MINUTE)
    assert limits(now)["rotated"] == {
        "threshold": "rotated", "value": 9_000_000_000, "unit": "USD", "origin": "own_history", "n": 501,
    }  # fmt: skip
    assert limits(then)["rotated"]["value"] == 7_000_000_000  # type: ignore[index]  # a row


def test_a_fall_is_an_event_once_and_a_silent_venue_is_no_fall(tmp_path: Path) -> None:
    died = NOW - 2 * HOUR
    silent = Held(linear("c"), turned(100.0, 100.0, 0), start=NOW - 2 * DAY, end=died)
    lines = [held("a", 1000, 700, NOW - 5 * HOUR, 2), held("bb", 800, 600, NOW - 5 * HOUR, 2), silent]
    with market(tmp_path, *lines, said=[Gap("c", "linear", "", died, None, "down")]) as house:
        first = Sweep(house, house.reader.store, ["BTC"]).run()
        second = Sweep(house, house.reader.store, ["BTC"]).run()
        events = house.reader.ask("SELECT kind, venue, detail FROM events WHERE kind <> 'swept' ORDER BY kind, venue")
    told = {(r.signal.kind, r.signal.leader, r.state) for r in first}
    assert {("deleveraging", "", "open"), ("venue_dead", "c", "open")} <= told
    assert second == ()
    assert list(zip(events["kind"], events["venue"], strict=True)) == [("deleveraging", ""), ("venue_dead", "c")]
    breath = 15  # coins, of both
    assert json.loads(events["detail"][0])["value"] == pytest.approx(500 / 1800, abs=breath / 1800)


def test_what_volume_cannot_explain_raises_nothing(tmp_path: Path) -> None:
    lines = [held("a", 1000, 700, NOW - 5 * HOUR, 2), held("bb", 800, 600, NOW - 5 * HOUR, 2)]
    with market(tmp_path, *lines) as house:
        doubted = replace(house, plausible=lambda _: {"a": 0.3, "bb": 0.4})
        sweep = Sweep(doubted, house.reader.store, ["BTC"])
        assert sweep.run() == ()
        assert {d.coverage.grade for d in sweep.told.values()} == {"D"}
        raised = Sweep(house, house.reader.store, ["BTC"]).run()
    assert [r.signal.kind for r in raised] == ["deleveraging"]


def test_a_fall_says_how_much_of_it_was_forced(tmp_path: Path) -> None:
    lines = [held("a", 1000, 700, NOW - 5 * HOUR, 2), held("bb", 800, 600, NOW - 5 * HOUR, 2)]
    at = NOW - 5 * HOUR + MINUTE
    died = Liquidation(linear("a"), at, at, Side.LONG, 20.0, Unit.BASE, 20.0, 2e6, 1e5, FeedClass.FULL, False)
    told: list[dict[str, object]] = []
    for name, said in (("forced", [died]), ("unknown", [])):
        with market(tmp_path / name, *lines, said=said) as house:
            Sweep(house, house.reader.store, ["BTC"]).run()
            events = house.reader.events("deleveraging", NOW - HOUR, NOW + HOUR)
            usd = house.reader.latest("BTC").set_index("venue")["usd"]["a"]
        told.append(json.loads(events["detail"].iloc[0]))
    names = ("liquidated_24h_share", "liquidation_intensity_percentile", "liquidation_reason")
    assert [told[0][n] for n in names] == [pytest.approx(2e6 / usd, rel=0.01), None, "insufficient_history"]
    assert [told[1][n] for n in names] == [None, None, "no_data"]


def test_a_venue_that_is_late_is_noted_once_until_it_is_heard_again(tmp_path: Path) -> None:
    late = Held(linear("c"), turned(100.0, 100.0, 0), start=NOW - 2 * DAY, end=NOW - 8 * MINUTE)
    with market(tmp_path, held("a", 1000, 1000, 0, 2), late) as house:
        sweep = Sweep(house, house.reader.store, ["BTC"])
        first, second = sweep.run(), sweep.run()
        anew = Sweep(house, house.reader.store, ["BTC"]).run()
        events = house.reader.ask("SELECT kind, venue, detail FROM events WHERE kind <> 'swept'")
    assert [(r.signal.kind, r.signal.leader, r.state) for r in first] == [("venue_stale", "c", "open")]
    assert (second, anew) == ((), ())
    assert list(zip(events["kind"], events["venue"], strict=True)) == [("venue_stale", "c")]


def test_a_venue_that_counts_otherwise_raises_nothing_now_or_later(tmp_path: Path) -> None:
    at = NOW - 40 * MINUTE
    lines = [held(name, 1000, 1000, 0) for name in ("bb", "ccc", "dddd", "ee", "fff")]
    lines.append(held("a", 1200, 120, at))
    odd = Event(at + 2 * MINUTE, "unit_or_convention_change", "BTC", "a", changed("BTCUSDT", at, 0.1))
    for name, said in (("aware", [odd]), ("unaware", [])):
        with market(tmp_path / name, *lines, said=said) as house:
            told = {r.signal.kind for r in Sweep(house, house.reader.store, ["BTC"]).run()}
            usual = house.reader.thresholds("BTC", 3600)
        assert told == (set() if name == "aware" else {"deleveraging"})
        assert len(usual)


def test_what_is_usual_leaves_out_what_was_silent_long_ago(tmp_path: Path) -> None:
    lines = [held("a", 1000, 1000, 0, 11), held("bb", 800, 800, 0, 11)]
    at = NOW - 9 * DAY
    gap = Gap("a", "linear", "", at, at + 20 * MINUTE, "down")
    counts: list[tuple[int, int]] = []
    for name, said in (("whole", []), ("silent", [gap])):
        with market(tmp_path / name, *lines, said=said) as house:
            Sweep(house, house.reader.store, ["BTC"]).run()
            n = house.reader.thresholds("BTC", 3600).set_index("metric")["n"]
            by_hand = get_chart_value(house, "derivatives-oi-zscore", timeframe="24h").tables["venues"]
        counts.append((int(n["growth_far a"]), int(n["growth_far bb"])))
        assert {v: row["windows"] for v, row in by_name(by_hand, "venue").items()} == {
            "a": n["growth_far a"], "bb": n["growth_far bb"],
        }  # fmt: skip
    whole, silent = counts
    assert (whole[0] - silent[0], whole[1] - silent[1]) == (1, 0)
