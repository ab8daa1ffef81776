from dataclasses import replace

import pytest

from bench.soak_report import Balance, Minute, Soak

MINUTE = Minute(1, 60.0, 1_200_000, 550_000, 560_000, 515, 0, 0, 0, 0, 0, 3, 15, 120, 260, 500, 500, 80, 2.0)
WHOLE = Balance({"okx": 10}, {"okx": 10}, 100, 20, 70, 10, 10, 78, 0, 0)


def soaked(balance: Balance = WHOLE, slope: float = 0.1, lag_ms: float = 275.0, **other: float) -> Soak:
    minutes = [replace(MINUTE, minute=n, **other) for n in range(1, 31)]  # type: ignore[arg-type]  # fields by name
    memory = [(5.0 * n, 500 + (slope + 4) * n / 12 + (50 if n == 3 else 0), n / 3) for n in range(360)]
    return Soak(20_000, 22, 515, minutes, balance, memory, lag_ms)


def missed(soak: Soak) -> list[str]:
    return [what for what, _, _, ok in soak.checks() if not ok]


def test_a_whole_soak_misses_nothing() -> None:
    assert not missed(soaked())
    assert WHOLE.again == 2, "two of those checked were in the store already"


@pytest.mark.parametrize(
    "wrong",
    [
        {"frames_read": {"okx": 9}},
        {"shed": 1},
        {"refused": 1},
        {"rows": 69},  # a kept reading is no row
        {"rows": 81},  # more rows than readings
        {"checked_found": 9},
    ],
)
def test_what_is_lost_is_seen(wrong: dict[str, int]) -> None:
    assert missed(soaked(replace(WHOLE, **wrong))) == ["nothing lost"]  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"live": 499}, "instruments live"),
        ({"sent": 1_170_000}, "frames a second"),
        ({"gaps": 1}, "interruptions"),
        ({"lag_ms": 500.0}, "lag p99"),
    ],
)
def test_every_figure_is_held_against_its_limit(other: dict[str, float], what: str) -> None:
    assert missed(soaked(**other)) == [what]


def test_memory_that_grows_by_two_mib_a_minute_is_not_flat() -> None:
    found = soaked(slope=2.0)
    assert missed(found) == ["memory"]
    assert found.slopes() == pytest.approx((6.0, 2.0)), "the engine's cache grew by four"


def test_a_short_soak_says_so() -> None:
    found = soaked()
    assert missed(replace(found, minutes=found.minutes[:29])) == ["minutes"]
