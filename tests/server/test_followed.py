"""A divergence becomes a record, the record ends by rule, and the tool tells of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analytics.episodes import RULES, Opening, rules
from analytics.settings import Settings
from server import followed
from server.sweep import Sweep
from server.tools.divergence import get_oi_divergence
from store.derived import append
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Held, Times, Values, always, by_name, linear, market

AT = NOW - 5 * HOUR


def course(k: int, up: float):
    """Breathes by the hour; parts from its class at AT, and comes back two hours later."""

    def of(t: Times) -> Values:
        away = (t >= AT) & (t < AT + 2 * HOUR)
        return (1000.0 + 2.0 * (((t - AT) // HOUR + k) % 3)) * (1.0 + up * away)

    return of


LINES = [
    Held(linear(name), course(k, 0.05 if k % 2 else -0.05), always(100.0), start=NOW - 12 * DAY,
         klass="speculative" if k % 2 else "institutional")
    for k, name in enumerate("abcdefgh")
]  # fmt: skip


def test_a_divergence_is_opened_followed_and_resolved_by_rule(tmp_path: Path) -> None:
    with market(tmp_path, *LINES) as house:
        store = house.reader.store
        then = replace(house, reader=house.reader.at(AT + 30 * MINUTE), now=lambda: AT + 30 * MINUTE)
        raised = Sweep(then, store, ["BTC"]).run()
        assert ("conviction", "open") in {(r.signal.kind, r.state) for r in raised}
        during = get_oi_divergence(house, as_of=AT + 31 * MINUTE)
        Sweep(
            replace(then, now=lambda: AT + 40 * MINUTE, reader=house.reader.at(AT + 40 * MINUTE)), store, ["BTC"]
        ).run()
        kept = house.reader.episodes("BTC", AT, NOW)
        assert sorted(kept["kind"]) == ["conviction", "rotation"], "one record a market, kind and leader"
        followed.followed(house, store)
        strict = Settings(episode_share=0.9)
        raised_again = Sweep(replace(then, thresholds=strict), store, ["BTC"]).run()
        versions = set(house.reader.episodes("BTC", AT, NOW)["rules"])
        after = get_oi_divergence(house)
        rows = house.reader.episodes("BTC", AT, NOW)
        rows = rows[rows["rules"] == RULES]
        events = house.reader.events("divergence_resolved", AT, NOW + 1)
    assert during.figures["open_records"] == 2
    told = by_name(during.tables["open_records"], "kind")["conviction"]
    assert (told["leader"], told["age_s"]) == ("speculative", 60)
    assert told["gap_at_opening_pct"] == pytest.approx(10.0, abs=0.3)  # the course itself steps by 0.2 % an hour
    mine = rows[rows["kind"] == "conviction"]
    assert (mine["label"].tolist(), mine["resolved"].tolist()) == (["mixed"], [AT + 2 * HOUR + 5 * MINUTE])
    ended = next(json.loads(d) for d, v in zip(events["detail"], events["venue"], strict=True) if v == "speculative")
    assert ended["leader_share"] == pytest.approx(0.5, abs=0.05)
    assert raised_again
    assert versions == {RULES, rules(strict)}, "other thresholds make records of their own, beside those there are"
    assert after.figures["open_records"] == 0
    assert "open_records" not in after.tables
    assert any("1 records of this kind; base rates are shown from 20 on" in w for w in after.warnings)


@pytest.mark.parametrize(
    ("longs", "label", "flags"),
    [
        ([[98.0, 3e6], [96.0, 1e6]], "price_resolved_cascade", []),  # the mark went through three quarters of them
        ([[98.0, 1e5], [93.5, 9e6]], "mixed", []),
        (None, "mixed", ["cascade_unconfirmed"]),
    ],
)
def test_a_fall_through_the_maps_mass_is_a_cascade(
    tmp_path: Path, longs: list[list[float]] | None, label: str, flags: list[str]
) -> None:
    fell = AT + 2 * HOUR

    def price(t: Times) -> Values:
        return (100.0 + 0.02 * np.sin(t / MINUTE)) * np.where(t < fell, 1.0, 0.97)

    lines = [
        Held(h.of, course(k, 0.08 if k % 2 else -0.08), price, h.start, klass=h.klass) for k, h in enumerate(LINES)
    ]
    with market(tmp_path, *lines) as house:
        store = house.reader.store
        if longs is not None:
            seen = json.dumps({"as_of": fell - HOUR, "mark": 100.0, "longs": longs, "shorts": []})
            append(store, "events", [(fell - HOUR, "map_near", "BTC", "", seen, False, fell - HOUR)])
        then = replace(house, reader=house.reader.at(AT + 30 * MINUTE), now=lambda: AT + 30 * MINUTE)
        Sweep(then, store, ["BTC"]).run()
        followed.followed(house, store)
        rows = house.reader.episodes("BTC", AT, NOW)
    mine = rows[rows["kind"] == "conviction"]
    assert mine["label"].tolist() == [label]
    told = json.loads(mine["detail"].iloc[0])
    assert told["flags"] == flags
    hours = 0.02 * np.sin(np.arange(AT - 12 * DAY, AT + 1, HOUR) / MINUTE) / 100  # the fall itself comes after them
    moves = np.diff(hours)
    assert told["sigma"] == pytest.approx(1.4826 * np.median(np.abs(moves - np.median(moves))), rel=0.1)


def test_a_record_that_outlived_a_long_stop_is_closed_when_its_time_was_up(tmp_path: Path) -> None:
    began = NOW - 15 * DAY
    lines = [
        Held(linear("a"), lambda t: np.where(t < began, 1000.0, 1100.0), start=NOW - 16 * DAY, end=NOW - 13 * DAY),
        Held(linear("b"), always(1000.0), start=NOW - 16 * DAY, end=NOW - 13 * DAY),
    ]
    said = json.dumps({"leaders": ["a"], "window_s": 3600, "sigma": 0.01})
    with market(tmp_path, *lines) as house:
        rows = [
            (version, "BTC", "rotation", "a", began + 30 * MINUTE, None, "open", version, said, False, began + HOUR)
            for version in (RULES, "1")
        ]
        append(house.reader.store, "episodes", rows)
        followed.followed(house, house.reader.store)
        kept = house.reader.episodes("BTC", began, NOW)
    ended = kept[kept["label"] == "expired"]
    assert (ended["rules"].tolist(), ended["resolved"].tolist()) == ([RULES], [began + 30 * MINUTE + DAY])
    assert set(kept.loc[kept["rules"] == "1", "label"]) == {"open"}, "what another version opened is not its business"


def test_base_rates_are_told_beside_the_placebos(tmp_path: Path) -> None:
    ends = {"rotation": ["mixed"] * 15 + ["leader_reversed"] * 10, "placebo_rotation": ["mixed"] * 40}
    said = '{"leaders": []}'
    rows = [
        (f"{kind}{k}", "BTC", kind, "a", NOW - (k + 2) * HOUR, NOW - (k + 1) * HOUR, label, RULES, said, False,
         NOW - HOUR)
        for kind, labels in ends.items()
        for k, label in enumerate(labels)
    ]  # fmt: skip
    with market(tmp_path, Held(linear("a"), always(1.0)), Held(linear("b"), always(1.0))) as house:
        append(house.reader.store, "episodes", rows)
        table = by_name(get_oi_divergence(house).tables["base_rates"], "ended")
    assert (table["leader_reversed"]["share"], table["leader_reversed"]["placebo_share"]) == (0.4, 0)
    assert table["leader_reversed"]["words"] == "differs from chance"
    assert (table["mixed"]["n"], table["mixed"]["placebo_n"]) == (25, 40)


def test_placebos_are_drawn_from_weeks_whose_lives_are_over_however_they_ended(tmp_path: Path) -> None:
    """One venue parts for good every other week: half of all lives resolve, half expire, and both are placed."""
    week = 7 * DAY

    def back(t: Times) -> Values:
        along = (t - AT) % week
        for_good = ((t - AT) // week) % 2 == 0
        away = (along > week - HOUR) | ((along < 2 * HOUR) | (along < 6 * DAY) & for_good)
        return 1000.0 * (1.0 + 0.1 * away)

    step = 5 * MINUTE
    lines = [Held(linear("a"), back, always(100.0), start=NOW - 68 * DAY, step=step)]
    lines += [Held(linear(v), always(1000.0), always(100.0), start=NOW - 68 * DAY, step=step) for v in "bcd"]
    lines.append(Held(linear("young"), always(10.0), always(100.0), start=NOW - 5 * DAY, step=step))
    o = Opening("rotation", "a", ("a",), 3600, AT)
    with market(tmp_path, *lines) as house:
        weeks = followed.weeks(house, "BTC", o)
        for leaders in (("a",), ("young",)):
            followed.placebos(house, house.reader.store, "BTC", replace(o, leader=leaders[0], leaders=leaders), NOW)
        rows = house.reader.episodes("BTC", NOW - 200 * DAY, NOW)
        again = followed.weeks(house, "BTC", o)
        long = followed.weeks(house, "BTC", replace(o, window_s=86_400))
        none = followed.weeks(house, "ETH", o)
    assert sorted(weeks) == sorted(long) == list(range(2, 10)), "ten days, the longest life, are over two weeks ago"
    assert weeks == again != sorted(weeks), "at random, and the same whenever it is asked"
    assert none == []
    assert set(rows["kind"]) == {"placebo_rotation"}
    assert set(rows["leader"]) == {"a"}, "nobody heard of the young one then"
    placed = [(AT - int(t)) // week for t in rows["opened"]]
    assert sorted(placed) == sorted(weeks[:4])
    ends = dict(zip(placed, rows["label"], strict=True))
    assert ends == {k: "leader_reversed" if k % 2 else "expired" for k in weeks[:4]}
    assert all((AT - int(t)) % week == 0 for t in rows["opened"])
