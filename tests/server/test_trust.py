"""What the clock measures of the venues' truth, and what becomes of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from server.tools.interest import get_open_interest
from server.tools.status import get_status
from server.trust import Trust
from store.records import Event, Health, Quarantined, Record, Source, Volume
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, by_name, linear, market

TRADED = NOW - 26 * HOUR
RISING = Held(linear("northern"), lambda t: 100_000 + np.arange(len(t)) * 8.0)
DOUBTED = Held(linear("southern"), lambda t: 50_000 + np.arange(len(t)) * 8.0)
UNTRADED = Held(linear("western"), lambda t: 1000 + (t % 7))


def volumes(held: Held, coins: float) -> list[Record]:
    return [
        Volume(held.of, t, t + MINUTE, coins, None, Source.STREAM, False) for t in range(TRADED, NOW - MINUTE, MINUTE)
    ]


def live(held: Held) -> Health:
    return Health(held.of.venue, "linear", "", NOW - 1000, "live", NOW - HOUR, NOW - 1000, 60.0, 9, 0)


def test_what_trading_cannot_explain_lowers_the_confidence(tmp_path: Path) -> None:
    said: list[Record] = []
    given = [*volumes(RISING, 10.0), *volumes(DOUBTED, 5.0), live(RISING), live(DOUBTED)]
    with market(tmp_path, RISING, DOUBTED, UNTRADED, said=given) as house:
        clock = [NOW]
        trust = Trust(house.reader, said.append, ["BTC"], now=lambda: clock[0])
        before = get_open_interest(house)
        assert before.coverage.plausibility == "not_measured"
        trust.measure(NOW)
        assert trust.plausible("BTC") == {"northern": 1.0, "southern": 0.0}
        after = get_open_interest(replace(house, plausible=trust.plausible))
        assert (after.coverage.plausibility, after.coverage.share) == ("measured", before.coverage.share)
        north, south = 100_000 + 27 * 60 * 8, 50_000 + 27 * 60 * 8
        assert after.coverage.confidence == pytest.approx(north / (north + south), rel=0.05)
        assert after.coverage.grade == "D"
        clock[0] = NOW + 3 * HOUR + 1
        assert trust.plausible("BTC") == {}
        for event in said:
            assert isinstance(event, Event)
        told = {(e.kind, e.venue): json.loads(e.detail) for e in said if isinstance(e, Event)}
    assert told["plausibility", "southern"]["worst"] == pytest.approx(5 / 40)
    assert told["side_evidence", "northern"]["answer"] == "consistent_with_one"
    doubt = told["side_evidence", "southern"]
    assert (doubt["answer"], doubt["sides"], doubt["contradicts"]) == ("two_sided", 1, True)
    # three minutes of 8 coins against four of 5: stated as a minute begins, that minute counts as well
    assert doubt["largest"] == pytest.approx(24 / 20)
    assert ("side_evidence", "western") not in told


def test_days_of_the_side_test_are_taken_together_if_they_do_not_overlap(tmp_path: Path) -> None:
    def day(ago: int, above: int, **more: object) -> Event:
        told = {"segment": "linear", "symbol": "BTCUSDT", "field": "oi", "unit": "base", "sides": 1, "minutes": 3}
        told |= {"rules": "2"}
        detail = json.dumps({**told, "day": [480, above, 0, 1.5], **more})
        return Event(NOW - ago, "side_evidence", "BTC", "northern", detail)

    past = [
        day(DAY, 2), day(DAY + HOUR, 2), day(2 * DAY + HOUR, 3), day(3 * DAY + HOUR, 9, sides=2), day(40 * DAY, 9),
        day(4 * DAY + 2 * HOUR, 9, rules="1"),
    ]  # fmt: skip
    said: list[Record] = []
    with market(tmp_path, RISING, said=[*volumes(RISING, 10.0), live(RISING), *past]) as house:
        Trust(house.reader, said.append, ["BTC"], now=house.now).measure(NOW)
    [told] = [json.loads(e.detail) for e in said if isinstance(e, Event) and e.kind == "side_evidence"]
    assert (told["answer"], told["above_one"], told["days"], told["largest"]) == ("two_sided", 5, 3, 1.5)
    assert told["day"][1] == 0
    assert told["windows"] == told["day"][0] + 2 * 480


def test_what_was_measured_is_kept_told_and_forgotten_in_time(tmp_path: Path) -> None:
    measured: list[Record] = [
        Event(NOW - HOUR, "plausibility", "BTC", "northern", '{"windows": 280, "share": 0.5, "worst": 0.3}'),
        Event(NOW - 2 * HOUR, "plausibility", "BTC", "northern", '{"windows": 9, "share": null, "worst": 0}'),
        Event(
            NOW - HOUR, "side_evidence", "BTC", "northern",
            json.dumps(
                {"segment": "linear", "symbol": "BTCUSDT", "field": "oi", "unit": "base", "sides": 1, "minutes": 1,
                 "status": "disputed", "answer": "two_sided", "windows": 1400, "above_one": 9, "above_two": 0,
                 "largest": 1.97, "contradicts": True}
            ),
        ),
    ]  # fmt: skip
    with market(tmp_path, RISING, said=[*measured, live(RISING)]) as house:
        assert Trust(house.reader, lambda _: None, ["BTC"], now=house.now).plausible("BTC") == {"northern": 0.5}
        late = Trust(house.reader, lambda _: None, ["BTC"], now=lambda: NOW + 3 * HOUR)
        assert late.plausible("BTC") == {}
        every, one = get_status(house), get_status(house, venue="northern")
    assert every.tables["plausibility"].rows == [["northern", "BTC", 0.5, 280, 0.3, 3600]]
    assert every.tables["sides_measured"].rows == [["northern", "oi", 1, "disputed", "two_sided", "1 of 1", 1400]]
    row = by_name(one.tables["sides_measured"], "symbol")["BTCUSDT"]
    assert (row["measured"], row["sides"], row["largest"], row["above_1.05"]) == ("two_sided", 1, 1.97, 9)
    assert [w for w in every.warnings if "both sides" in w] == [
        "northern: BTCUSDT may count both sides, where the registry has one: see sides_measured."
    ]


def test_one_source_under_two_names_and_a_price_off_the_others_are_noted_once(tmp_path: Path) -> None:
    said: list[Record] = []
    copied = Held(linear("copy"), RISING.coins)
    off = Held(linear("off"), lambda t: 7.0 + t % 11, lambda t: np.full(len(t), 88_000.0))
    with market(tmp_path, RISING, DOUBTED, UNTRADED, copied, off, said=[live(RISING)]) as house:
        trust = Trust(house.reader, said.append, ["BTC"], now=house.now)
        trust.look(NOW)
        trust.look(NOW + 5 * MINUTE)
        with house.reader.store.cursor() as con:
            con.execute("INSERT INTO events SELECT make_timestamp_ms(?), 'same_source', 'BTC', 'copy', ?, false, "
                        "make_timestamp_ms(?)", [NOW - DAY // 2, said[-1].detail, NOW])  # type: ignore[union-attr]  # fmt: skip
        warned = [w for w in get_status(house).warnings if "one source" in w]
    [price, same] = said
    assert isinstance(price, Quarantined)
    assert (price.venue, price.check, price.segment) == ("off", "implied_price", "linear")
    assert price.words == "implies 88000 USD a coin, the others' median is 100000"
    assert isinstance(same, Event)
    assert (same.kind, sorted(json.loads(same.detail)["venues"])) == ("same_source", ["copy", "northern"])
    assert len(warned) == 1
