"""What is worth a row, and what is the current value (decisions.md, 6; faults.md, F36)."""

from dataclasses import replace

from store.latest import Latest, Verdict
from store.records import Flag, Health, Kind, Source
from tests.store.made import LINEAR, MINUTE, T0, reading


def heard(*readings: object) -> tuple[Latest, list[Verdict]]:
    latest = Latest()
    return latest, [latest.hear(r) for r in readings]  # type: ignore[arg-type]


def test_a_changed_open_interest_is_worth_a_row_and_an_unchanged_one_is_not() -> None:
    _, verdicts = heard(reading(T0, 10.0), reading(T0 + 100, 10.0), reading(T0 + 200, 11.0))
    assert verdicts == [Verdict.CHECK, Verdict.SKIP, Verdict.KEEP]


def test_a_changed_funding_is_worth_a_row() -> None:
    _, verdicts = heard(reading(T0, 10.0, funding=1e-4), reading(T0 + 100, 10.0, funding=2e-4))
    assert verdicts[1] is Verdict.KEEP


def test_a_mark_is_worth_a_row_beyond_five_basis_points() -> None:
    _, verdicts = heard(reading(T0, 10.0), reading(T0 + 1, 10.0, 100_050.0), reading(T0 + 2, 10.0, 100_050.1))
    assert verdicts[1:] == [Verdict.SKIP, Verdict.KEEP]
    _, verdicts = heard(reading(T0, 10.0), reading(T0 + 1, 10.0, 99_950.0), reading(T0 + 2, 10.0, 99_949.9))
    assert verdicts[1:] == [Verdict.SKIP, Verdict.KEEP]


def test_being_heard_is_worth_a_row_every_sixty_seconds() -> None:
    _, verdicts = heard(reading(T0, 10.0), reading(T0 + MINUTE - 1, 10.0), reading(T0 + MINUTE, 10.0))
    assert verdicts[1:] == [Verdict.SKIP, Verdict.KEEP]


def test_the_same_statement_a_minute_later_is_a_repeat() -> None:
    latest, verdicts = heard(reading(T0, 10.0), reading(T0, 10.0, seen=T0 + MINUTE + 40))
    assert verdicts[1] is Verdict.REPEAT
    assert latest.states[LINEAR.id].last_seen == T0 + MINUTE + 40


def test_a_report_read_again_affirms_nothing() -> None:
    day = 24 * 60 * MINUTE
    latest, verdicts = heard(reading(T0 - day, 10.0, seen=T0), reading(T0 - day, 10.0, 110_000.0, seen=T0 + day))
    assert verdicts == [Verdict.CHECK, Verdict.SKIP]
    assert latest.states[LINEAR.id].last_seen == T0 + day


def test_a_late_row_is_checked_and_never_becomes_the_current_value() -> None:
    latest, verdicts = heard(reading(T0, 10.0), reading(T0 - 5000, 9.0, seen=T0 + 60))
    assert verdicts[1] is Verdict.CHECK
    assert latest.states[LINEAR.id].current.raw == 10.0
    assert latest.states[LINEAR.id].last_seen == T0 + 60


def test_a_time_in_the_future_is_not_the_newest_for_ever() -> None:
    latest, _ = heard(reading(T0 + 3_600_000, 9.0, seen=T0), reading(T0 + 100, 10.0))
    assert latest.states[LINEAR.id].current.raw == 10.0


def test_an_affirmed_value_does_not_hide_the_next_statement() -> None:
    latest, verdicts = heard(
        reading(T0, 10.0),
        reading(T0, 10.0, 101_000.0, seen=T0 + 5000, flags=Flag.AFFIRMED),
        reading(T0 + 4990, 12.0, seen=T0 + 5001),
    )
    assert verdicts == [Verdict.CHECK, Verdict.KEEP, Verdict.KEEP]
    assert latest.states[LINEAR.id].current.raw == 12.0


def test_what_a_venue_states_twice_in_one_millisecond_is_known_without_asking_the_store() -> None:
    latest, verdicts = heard(
        reading(T0, 10.0),  # what the store holds of this moment we cannot know
        reading(T0, 11.0),
        reading(T0 + 1000, 12.0),
        reading(T0 + 1000, 13.0),
        reading(T0 + 1000, 12.0),  # replayed
        reading(T0 + 1000, 14.0, seen=T0 + 1040),
    )
    keep, check, skip = Verdict.KEEP, Verdict.CHECK, Verdict.SKIP
    assert verdicts == [check, check, keep, keep, skip, keep]
    assert latest.states[LINEAR.id].current.raw == 14.0


def test_ties_with_history_are_checked() -> None:
    _, verdicts = heard(
        reading(T0, 10.0),
        reading(T0 + 1000, 11.0, source=Source.BACKFILL),
        reading(T0 + 1000, 12.0, seen=T0 + 1001),
    )
    assert verdicts[2] is Verdict.CHECK


def test_an_affirmed_value_is_not_the_statement_of_its_moment() -> None:
    _, verdicts = heard(
        reading(T0, 10.0),
        reading(T0 + 1000, 11.0),
        reading(T0 + 1000, 11.0, 101_000.0, seen=T0 + 5000, flags=Flag.AFFIRMED),
        reading(T0 + 1000, 12.0, seen=T0 + 5001),
        reading(T0 + 1000, 11.0, seen=T0 + 5002),
    )
    assert verdicts[2:] == [Verdict.KEEP, Verdict.KEEP, Verdict.SKIP]


def test_history_is_checked_and_is_no_sign_of_life() -> None:
    latest, verdicts = heard(reading(T0, 10.0), reading(T0 - MINUTE, 9.0, seen=T0 + 9000, source=Source.BACKFILL))
    assert verdicts[1] is Verdict.CHECK
    assert latest.states[LINEAR.id].last_seen == T0 + 40


def test_cadence_is_the_median_gap_between_seen_events() -> None:
    steps = (0, 1000, 2000, 3000, 4000, 14_000)
    latest, _ = heard(*(reading(T0 + s, 10.0) for s in steps))
    assert latest.states[LINEAR.id].cadence_s == 1.0


def test_a_connection_that_hears_more_than_it_says_counts_too() -> None:
    latest, _ = heard(reading(T0, 10.0))
    assert latest.states[LINEAR.id].cadence_s is None
    latest.note(Health("here", "linear", "BTCUSDT", T0 + 9000, "live", T0, T0 + 8990, 0.1, 80, 0), LINEAR.id)
    assert (latest.states[LINEAR.id].last_seen, latest.states[LINEAR.id].cadence_s) == (T0 + 8990, 0.1)


def test_a_coin_is_worth_the_median_of_the_newest_marks_and_says_when_they_were_heard() -> None:
    latest, _ = heard(reading(T0, 10.0, seen=T0))
    assert latest.worth(LINEAR.asset, T0 + 1) is None
    assert latest.worth(LINEAR.asset, T0) == (100_000.0, T0)
    assert latest.worth("ELSE", T0) is None
    for k, (mark, ago, flags) in enumerate(
        [(101_000.0, 0, 0), (103_000.0, MINUTE, 0), (5.0, MINUTE + 1, 0), (7.0, 0, Flag.BORROWED_MARK)]
    ):
        at = T0 + MINUTE - ago
        latest.hear(reading(at, 10.0, mark, seen=at, of=replace(LINEAR, symbol=f"other{k}"), flags=flags))
    assert latest.worth(LINEAR.asset, T0) == (101_000.0, T0 + MINUTE)
    for k in range(5):
        dated = replace(LINEAR, symbol=f"dated{k}", kind=Kind.DATED)
        latest.hear(reading(T0 + MINUTE, 10.0, 120_000.0, seen=T0 + MINUTE, of=dated))
    assert latest.worth(LINEAR.asset, T0) == (101_000.0, T0 + MINUTE), "their price has a basis"
