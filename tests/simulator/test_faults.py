from pathlib import Path

import pytest

from simulator.faults import KINDS, Fault, FaultError, parse_fault

VENUES = ("alpha", "beta")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("alpha=down@120s", Fault("alpha", "down", 120.0)),
        ("beta=mute", Fault("beta", "mute", 0.0)),
        (" beta=drop@1.5 ", Fault("beta", "drop", 1.5)),
    ],
)
def test_a_fault_is_read_from_words(text: str, fault: Fault) -> None:
    assert parse_fault(text, VENUES) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("alpa=down", "no venue is called 'alpa'; did you mean alpha"),
        ("alpha=dwn@3s", "no fault is called 'dwn'; did you mean down"),
        ("alpha down", "say venue=kind@seconds"),
        ("alpha=down@soon", "say venue=kind@seconds"),
    ],
)
def test_a_misspelt_fault_is_answered_with_what_is_near(text: str, words: str) -> None:
    with pytest.raises(FaultError, match=words):
        parse_fault(text, VENUES)


def test_every_fault_is_described() -> None:
    described = (Path(__file__).parents[2] / "simulator" / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"| {kind} | " not in described] == []
