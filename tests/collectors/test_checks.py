"""Checks 3 and 4 of analytics.md 1.3."""

import json
import math

import pytest

from collectors.board import Board
from collectors.checks import Level, judge, unit_like
from collectors.venue import Update
from store.records import Event, Field, Flag, Instrument, OpenInterest, Quarantined, Record, Unit

OI = Field("oi", Unit.BASE)
BTC = Instrument("toy", "main", "BTC", "BTC", "USDT", "USDT", contract_size=0.001)


def through(*values: tuple[float, int]) -> tuple[list[OpenInterest], list[Record]]:
    """What a board with checks makes of (value, seconds) pairs: the readings in their order, and the rest."""
    aside: list[Record] = []
    out: list[OpenInterest] = []

    def sink(record: Record) -> None:
        if isinstance(record, OpenInterest):
            out.append(record)
        else:
            aside.append(record)

    board = Board([BTC], sink=sink)
    for value, at in values:
        record = board.apply(Update("BTC", at * 1000, value, OI, mark=100.0), at * 1000)
        if record is not None:
            out.append(record)
    return out, aside


def test_steps_within_twenty_per_cent_pass() -> None:
    out, aside = through((100, 1), (122, 2), (100, 3), (82, 4))
    assert [r.raw for r in out] == [100, 122, 100, 82]
    assert aside == []


def test_how_far_a_step_may_go_unconfirmed_is_told_to_the_board() -> None:
    def said(*values: float, jump: float) -> list[tuple[float, bool]]:
        board = Board([BTC], sink=lambda _: None, jump=jump)
        board.apply(Update("BTC", 1000, 100.0, OI, mark=100.0), 1000)
        told = [board.apply(Update("BTC", k * 1000, v, OI, mark=100.0), k * 1000) for k, v in enumerate(values, 2)]
        return [(r.raw, bool(r.flags & Flag.CONFIRMED_JUMP)) for r in told if r is not None]

    assert said(150, 151, 152, jump=0.5) == [(150, False), (151, False), (152, False)]
    assert said(100, 100, 150, 151, 152, jump=0.5) == [(v, False) for v in (100, 100, 150, 151, 152)]
    assert said(170, 171, 172, jump=0.5) == [(172, True)]
    assert said(100, 100, 110, 111, 112, jump=0.05)[2:] == [(112, True)]


def test_a_jump_waits_for_two_more_and_is_flagged() -> None:
    out, aside = through((100, 1), (130, 2), (131, 3), (132, 4), (133, 5))
    assert [(r.raw, r.ts, r.flags & Flag.CONFIRMED_JUMP) for r in out] == [
        (100, 1000, 0),
        (130, 2000, Flag.CONFIRMED_JUMP),
        (131, 3000, Flag.CONFIRMED_JUMP),
        (132, 4000, Flag.CONFIRMED_JUMP),
        (133, 5000, 0),
    ]
    assert aside == []


def test_a_jump_that_does_not_last_is_quarantined_raw() -> None:
    out, aside = through((100, 1), (130, 2), (101, 3))
    assert [r.raw for r in out] == [100, 101]
    (kept,) = aside
    assert isinstance(kept, Quarantined)
    assert (kept.check, kept.raw, kept.seen) == ("jump", "130", 2000)
    assert kept.words == "1.3 times the last, not confirmed"


def test_a_jump_is_not_confirmed_by_readings_that_come_too_late() -> None:
    out, aside = through((100, 1), (130, 2), (131, 3), (132, 700), (132, 701), (132, 702))
    assert [r.raw for r in out] == [100, 132, 132, 132]
    assert [q.raw for q in aside if isinstance(q, Quarantined)] == ["130", "131"]


def test_a_second_jump_begins_anew() -> None:
    out, aside = through((100, 1), (130, 2), (300, 3), (301, 4), (302, 5))
    assert [r.raw for r in out] == [100, 300, 301, 302]
    assert [q.raw for q in aside if isinstance(q, Quarantined)] == ["130"]


def test_doubling_is_labelled_as_a_change_of_convention_when_it_lasts_and_when_it_does_not() -> None:
    _, aside = through((100, 1), (200, 2), (200, 3), (201, 4))
    (event,) = aside
    assert isinstance(event, Event)
    assert (event.kind, event.asset, event.venue) == ("unit_or_convention_change", "BTC", "toy")
    assert json.loads(event.detail)["coins"] == pytest.approx(101), "what would have been traded"
    _, aside = through((100, 1), (200, 2), (100, 3))
    (kept,) = aside
    assert isinstance(kept, Quarantined)
    assert kept.check == "unit_or_convention_change"


@pytest.mark.parametrize(
    ("ratio", "betrays"),
    [(2.0, True), (1.97, True), (0.5, True), (1000.0, True), (0.001, True), (0.1, True), (1.5, False), (3.0, False)],
)
def test_ratios_that_betray_another_unit(ratio: float, betrays: bool) -> None:
    assert (unit_like(ratio, 1.0) is not None) is betrays


def test_the_contract_size_is_such_a_ratio() -> None:
    assert unit_like(0.0251, 0.025) == 0.025
    assert unit_like(40.3, 0.025) == 40.0
    assert unit_like(40.3, 1.0) is None


@pytest.mark.parametrize(
    ("value", "check"),
    [(0.0, "not_positive"), (-5.0, "not_positive"), (math.nan, "not_finite"), (math.inf, "not_finite")],
)
def test_impossible_values_are_quarantined_and_change_nothing(value: float, check: str) -> None:
    out, aside = through((100, 1), (value, 2), (101, 3))
    assert [r.raw for r in out] == [100, 101]
    (kept,) = aside
    assert isinstance(kept, Quarantined)
    assert (kept.check, kept.raw) == (check, repr(value))


def test_the_same_refusal_is_written_down_once_a_minute() -> None:
    _, aside = through((100, 1), *((0.0, at) for at in range(2, 122)))
    assert [q.seen for q in aside if isinstance(q, Quarantined)] == [2000, 62_000]


def test_far_from_the_trailing_median_is_set_aside_unless_three_agree() -> None:
    usual = ((100, 1), (100, 2), (100, 3))
    out, aside = through(*usual, (2.5e6, 4), (2.5e6, 5), (101, 6))
    assert [r.raw for r in out] == [100, 100, 100, 101]
    assert [(q.check, q.raw) for q in aside if isinstance(q, Quarantined)] == [("magnitude", "2500000.0")] * 2
    out, aside = through(*usual, (2.5e6, 4), (2.5e6, 5), (2.5e6, 6), (2.5e6, 7), (0.0, 8), (2.4e6, 9))
    assert [r.raw for r in out] == [100, 100, 100, 2.5e6, 2.5e6, 2.5e6, 2.5e6, 2.4e6]
    assert [bool(r.flags & Flag.CONFIRMED_JUMP) for r in out] == [False] * 3 + [True] * 3 + [False] * 2
    assert [q.check for q in aside if isinstance(q, Quarantined)] == ["not_positive"]


def test_a_wrong_first_value_locks_nobody_out() -> None:
    """Heard by the hour for thirty days, looked at every ten seconds as a running house does, or not at all."""
    for looks in (0, 1):
        board = Board([BTC], sink=(said := list[Record]()).append, confirm_ms=3 * 3_600_000)
        passed = [board.apply(Update("BTC", 1000, 0.001, OI, mark=100.0), 1000)]
        for hour in range(1, 30 * 24):
            for _ in range(looks):
                board.sample(hour * 3_600_000 - 1000)
            passed.append(board.apply(Update("BTC", hour * 3_600_000, 1000.0, OI, mark=100.0), hour * 3_600_000))
        assert [r for r in said if isinstance(r, Quarantined)] == []
        assert [r.raw for r in said if isinstance(r, OpenInterest)] == [1000.0, 1000.0]
        assert [r is None for r in passed] == [False, True, True] + [False] * (30 * 24 - 3)


def test_one_reading_alone_is_no_level_to_hold_later_ones_against() -> None:
    board = Board([BTC], sink=lambda _: None)
    board.apply(Update("BTC", 1000, 100.0, OI, mark=100.0), 1000)
    board.sample(2000)
    assert list(board.known["BTC"].level.samples) == []
    for at in (3000, 4000):
        board.apply(Update("BTC", at, 100.0, OI, mark=100.0), at)
    assert [value for _, value in board.known["BTC"].level.samples] == [100.0]


def test_what_is_refused_does_not_keep_the_old_level_in_the_median() -> None:
    board = Board([BTC], sink=lambda _: None)
    for at in (1000, 2000, 3000):
        board.apply(Update("BTC", at, 100.0, OI, mark=100.0), at)
    board.apply(Update("BTC", 4000, 0.0, OI, mark=100.0), 4000)
    for hour in range(1, 8 * 24):
        board.sample(hour * 3_600_000)
    assert len(board.known["BTC"].level.samples) == 1


def test_a_level_that_nothing_confirmed_for_seven_days_is_no_measure_any_more() -> None:
    day = 86_400
    out, aside = through((100, 1), (100, 2), (100, 3), (150, 4), (400, 5 + 7 * day), (401, 6 + 7 * day))
    assert [r.raw for r in out] == [100, 100, 100, 400, 401]
    assert [(q.check, q.raw) for q in aside if isinstance(q, Quarantined)] == [("jump", "150")]


def test_a_magnitude_waits_for_a_second_source_where_one_can_be_asked() -> None:
    said: list[Record] = []
    board = Board([BTC], sink=said.append, verifies=True)
    for at, value in enumerate((100.0, 100.0, 100.0, 2.5e6, 2.5e6, 2.5e6, 2.5e6), 1):
        board.apply(Update("BTC", at * 1000, value, OI, mark=100.0), at * 1000)
    assert board.enlist([BTC]) == []
    assert board.asking() == board.doubted == {"BTC"}
    board.told_again(Update("BTC", None, 100.0, OI), 9000)
    assert [q.check for q in said if isinstance(q, Quarantined)] == ["held", *["magnitude"] * 3]
    assert board.apply(Update("BTC", 10_000, 100.0, OI, mark=100.0), 10_000) is not None
    assert board.doubted == set()


def test_the_median_forgets_after_seven_days() -> None:
    level = Level()
    level.last = 100.0
    level.sample(0)
    level.sample(1000)
    assert list(level.samples) == [(0, 100.0)]
    level.sample(8 * 86_400_000)
    assert list(level.samples) == [(8 * 86_400_000, 100.0)]


def test_an_affirmation_does_not_confirm_a_jump() -> None:
    aside: list[Record] = []
    board = Board([BTC], sink=aside.append)
    assert board.apply(Update("BTC", 1000, 100.0, OI, mark=100.0), 1000) is not None
    assert board.apply(Update("BTC", 2000, 150.0, OI), 2000) is None
    for at in range(3, 9):
        assert board.apply(Update("BTC", at * 1000, mark=100.0 * at, affirms=True), at * 1000) is None
    assert aside == []


def test_without_a_sink_nothing_is_held() -> None:
    board = Board([BTC])
    for value in (100.0, 500.0):
        record = board.apply(Update("BTC", 1000, value, OI, mark=100.0), 1000)
        assert record is not None
        assert record.raw == value


def test_the_first_reading_passes_and_is_the_level() -> None:
    level = Level()
    reading = Board([BTC]).apply(Update("BTC", 1000, 100.0, OI, mark=1.0), 1000)
    assert reading is not None
    assert judge(level, 100.0, reading).passed == (reading,)
    assert level.last == 100.0


def test_a_step_by_a_power_of_ten_waits_for_a_second_source_where_one_can_be_asked() -> None:
    said: list[Record] = []
    board = Board([BTC], sink=said.append, verifies=True)

    def tell(value: float, at: int) -> OpenInterest | None:
        return board.apply(Update("BTC", at * 1000, value, OI, mark=100.0), at * 1000)

    def ask(value: float | None, at: int, field: Field = OI) -> None:
        board.told_again(Update("BTC", None, value, field), at * 1000)

    assert tell(100, 1) is not None
    assert [tell(value, at) for at, value in enumerate((1050, 1051, 1052, 1053, 1054), 2)] == [None] * 5
    assert board.steps == board.unknown == 1  # the catalogue is read again ...
    assert board.asking() == frozenset()
    ask(1060, 7)  # who asked for another reason is told so too soon
    assert board.enlist([BTC]) == []
    assert board.asking() == {"BTC"}  # ... before anything is asked: perhaps a contract is worth another size now
    ask(None, 8)
    ask(105_400.0, 8, Field("usd", Unit.USD))  # in another unit it says nothing
    assert [(q.check, q.raw, q.seen) for q in said if isinstance(q, Quarantined)] == [("held", "1052", 4000)]
    assert len(said) == 1
    ask(1060, 9)
    assert board.asking() == frozenset()
    readings = [r for r in said if isinstance(r, OpenInterest)]
    assert [(r.raw, r.seen, bool(r.flags & Flag.CONFIRMED_JUMP)) for r in readings] == [
        (1050, 9000, True), (1051, 9000, True), (1054, 9000, True),
    ]  # fmt: skip
    assert tell(1055, 10) is not None
    said.clear()
    for at in (11, 12, 13, 72, 73):
        assert tell(100, at) is None
    assert tell(1056, 74) is not None  # what was held did not last
    assert [(q.check, q.raw) for q in said if isinstance(q, Quarantined)] == [
        ("held", "100"), ("jump", "100"), ("jump", "100"), ("jump", "100"),
    ]  # fmt: skip
    assert board.asking() == frozenset()


def test_a_step_that_nobody_verifies_is_said_to_wait_and_counts_after_its_time() -> None:
    """Named, so that no analysis takes it for a flow; however far from the power of ten it is by then."""
    said: list[Record] = []
    board = Board([BTC], sink=said.append, verifies=True, alone_ms=3_600_000)

    def tell(value: float, at: int) -> OpenInterest | None:
        return board.apply(Update("BTC", at * 1000, value, OI, mark=100.0), at * 1000)

    assert tell(100, 0) is not None
    waiting = range(10, 3610, 10)
    assert [tell(950 + at / 100, at) for at in waiting] == [None] * len(waiting)
    board.enlist([BTC])
    assert board.asking() == {"BTC"}
    told = [q for q in said if isinstance(q, Quarantined)]
    assert said == told
    assert {q.check for q in told} == {"held"}
    assert [q.seen // 1000 for q in told[:3]] == [30, 90, 150], "once a minute"
    assert told[0].words == (
        "9.501 times the last: held until REST says the same, or until 1970-01-01T01:00:10Z if it gives no answer"
    )
    said.clear()
    last = tell(1000, 3610)
    assert last is not None
    (event,) = [r for r in said if isinstance(r, Event)]
    detail = json.loads(event.detail)
    assert (event.kind, detail["factor"], detail["since"], detail["confirmed_by"]) == (
        "unit_or_convention_change", 10.0, 10_000, "readings, REST gave no answer",
    )  # fmt: skip
    passed = [*(r for r in said if isinstance(r, OpenInterest)), last]
    assert [(r.raw, r.seen, bool(r.flags & Flag.CONFIRMED_JUMP)) for r in passed] == [
        (950.1, 3_610_000, True), (950.2, 3_610_000, True), (1000, 3_610_000, True),
    ]  # fmt: skip
    assert board.asking() == frozenset()
    assert tell(1001, 3611) is not None
