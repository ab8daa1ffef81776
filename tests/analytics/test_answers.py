"""What every answer promises, whatever the question."""

import math
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pytest

from analytics import breakdown, concentration, divergence, flow, levels, zscore
from tests.analytics.market import DAY, HOUR, NOW, Line, bars, closes, latest, walk

NAMES = ("one", "two", "three", "four", "five")
QUESTIONS: dict[str, Callable[..., object]] = {
    "chart": lambda f: levels.chart(
        latest=f["latest"], bars=f["recent"], closes=f["closes"], now=NOW, start=NOW - HOUR, step_s=60
    ),
    "year": lambda f: levels.chart(
        latest=f["latest"], recent=f["recent"], closes=f["closes"], now=NOW, start=NOW - 365 * DAY, step_s=86_400
    ),
    "venues": lambda f: breakdown.venues(f["latest"], NOW, bars=f["recent"]),
    "flow": lambda f: flow.assess(latest=f["latest"], recent=f["recent"], now=NOW, window_s=3600),
    "divergence": lambda f: divergence.assess(
        latest=f["latest"], recent=f["recent"], history=f["history"], now=NOW, window_s=3600
    ),
    "concentration": lambda f: concentration.assess(
        latest=f["latest"], recent=f["recent"], closes=f["closes"], history=f["history"], now=NOW, window_s=3600
    ),
    "zscore": lambda f: zscore.assess(
        latest=f["latest"], recent=f["recent"], history=f["history"], now=NOW, window_s=3600
    ),
}


def market(silent: tuple[str, ...] = ()) -> dict[str, pd.DataFrame]:
    def lines(n: int, seed: int) -> list[Line]:
        price = walk(77, n, 0.002, 90_000.0)
        return [
            Line(v, walk(seed + k, n, 0.003), price, "inverse" if k == 1 else "linear") for k, v in enumerate(NAMES)
        ]

    now = [
        Line(x.venue, [*x.native[:10], *([None] * 51 if x.venue in silent else x.native[10:])], x.mark, x.payoff)
        for x in lines(61, 1)
    ]
    return {
        "latest": latest(now, ages=dict.fromkeys(silent, 3060.0)),
        "recent": bars(now),
        "history": bars(lines(300, 20), end=NOW - HOUR, step=HOUR),
        "closes": closes(lines(220, 40), end=NOW - HOUR),
    }


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if is_dataclass(value):
        for f in fields(value):
            yield from leaves(getattr(value, f.name), f"{path}.{f.name}")
    elif isinstance(value, tuple):
        for k, item in enumerate(value):
            yield from leaves(item, f"{path}[{k}]")
    else:
        yield path, value


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("silent", [(), ("two",), NAMES])
@pytest.mark.parametrize("damage", ["none", "nan", "inf"])
def test_answers_hold_plain_finite_values(question: str, silent: tuple[str, ...], damage: str):
    frames = market(silent)
    if damage != "none":
        bad = np.nan if damage == "nan" else np.inf
        for frame in frames.values():
            frame.loc[frame.index[::7], ["base", "mark"]] = bad
            if "funding" in frame:
                frame["funding"] = frame["funding"].where(frame.index % 5 > 0, bad)
    for path, value in leaves(QUESTIONS[question](frames)):
        assert value is None or type(value) in (int, float, bool) or isinstance(value, str), (path, type(value))
        assert not isinstance(value, float) or math.isfinite(value), path


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_empty_store_says_no_data(question: str):
    answer = QUESTIONS[question](dict.fromkeys(("latest", "recent", "history", "closes"), pd.DataFrame()))
    assert "no_data" in [r.code for r in answer.reasons]  # type: ignore[attr-defined]  # every answer has reasons


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_same_question_gets_the_same_answer(question: str):
    frames = market()
    assert QUESTIONS[question](frames) == QUESTIONS[question](frames)
