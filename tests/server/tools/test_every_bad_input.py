"""Every tool and every chart under every bad input: a reason code with a sentence, never a number that looks fine."""

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue
from analytics.provenance import Code
from server.answers import Answer, Cell, utc
from server.maps import Maps
from server.tools import TOOLS, House
from server.tools.chart_value import get_chart_value
from server.tools.charts import list_charts
from server.tools.concentration import get_concentration
from server.tools.divergence import get_oi_divergence
from server.tools.interest import get_open_interest
from server.tools.status import get_status
from store.records import Event, Gap, Record
from tests.server.tools.made import (
    HOUR,
    MINUTE,
    NOW,
    Course,
    Held,
    always,
    changed,
    inverse,
    linear,
    market,
    turned,
)

PRICE = always(100.0)
CHANGED = NOW - 30 * MINUTE
DIED = NOW - HOUR
CODES = tuple(f"{code}:" for code in Code)
CHANGES = (
    "net_usd", "rotated_usd", "R", "gross_inflow_usd", "change_24h_pct",
    "growth_speculative_pct", "growth_institutional_pct", "drop_24h",
)  # fmt: skip
"""Figures that say what traders did: unknown where the input forbids it."""


def breathing(size: float) -> Course:
    return lambda t: size + 3.0 * ((t - NOW) // HOUR % 5)


def infinite(size: float) -> Course:
    return lambda t: np.where(t < CHANGED, size, np.inf)


@dataclass(frozen=True, slots=True)
class Bad:
    """An input, and what no answer may then do without."""

    held: Sequence[Held]
    said: Sequence[Record] = ()
    now: int = NOW
    timeframe: str = "24h"
    codes: frozenset[str] = frozenset()  # each answer with a warning has one of these, each refusal any code
    silent: frozenset[str] = frozenset()  # tools and charts that the input does not touch: no word of it is needed
    unknown: bool = False  # what traders did cannot be known
    asset: str = "BTC"
    refused: str = ""  # everything that asks for an asset is refused with this
    changes: Sequence[Cell] = field(default=(None,))  # what figures of CHANGES may say where they are known to be odd


def both(course: Course, **more: int) -> list[Held]:
    return [Held(linear(v), course, PRICE, **more) for v in "ab"]  # type: ignore[arg-type]  # start and end are whole


STOCKS = frozenset({"derivatives-oi-concentration", "derivatives-oi-by-venue", "derivatives-cycle"})
STILL = frozenset({"get_open_interest", "derivatives-oi-coverage", "get_liquidation_map", "derivatives-oi-market-cap"})
FLOWS = frozenset({"derivatives-oi-flow", "derivatives-oi-gross-flow"})
SILENT = frozenset({"insufficient_coverage", "stale_reference_price", "undetermined_panel", "no_data"})

BAD = {
    "empty store": Bad((), refused="no_data: No asset is known yet"),
    "an asset nobody lists": Bad(both(PRICE), asset="XYZ", refused="unsupported_symbol: No venue lists 'XYZ'"),
    "one venue": Bad(
        [Held(linear("a"), turned(100.0, 150.0, CHANGED), PRICE)],
        codes=frozenset({"too_few_venues", "insufficient_history", "unvalidated_map", "volume_unavailable"}),
        silent=STOCKS | STILL | FLOWS,
    ),
    "all venues stale": Bad(
        both(turned(100.0, 150.0, DIED - 20 * MINUTE), end=DIED),
        said=[Gap(v, "linear", "", DIED, None, "down") for v in "ab"],
        codes=SILENT,
        unknown=True,
    ),
    "most of it silent for seven hours": Bad(
        [Held(linear("a"), breathing(100.0), PRICE), Held(linear("b"), always(900.0), PRICE, end=NOW - 7 * HOUR)],
        said=[Gap("b", "linear", "", NOW - 7 * HOUR, None, "down")],
        codes=SILENT | {"unvalidated_map"},
        silent=frozenset({"derivatives-oi-a"}),  # the other half
    ),
    "infinity from most venues": Bad(
        [
            Held(linear("a"), infinite(100.0), PRICE),
            Held(linear("b"), breathing(300.0), PRICE),
            Held(linear("c"), always(300.0), infinite(100.0)),
            Held(inverse("d"), infinite(100.0), PRICE),
        ],
        codes=SILENT | {"unvalidated_map"},
        unknown=True,
    ),
    "a convention that changed": Bad(
        [Held(linear("a"), turned(100.0, 200.0, CHANGED), PRICE), Held(linear("b"), always(900.0), PRICE)],
        said=[Event(CHANGED + 2 * MINUTE, "unit_or_convention_change", "BTC", "a", changed("BTCUSDT", CHANGED))],
        codes=frozenset({"convention_change_in_window"}),
        silent=frozenset({"derivatives-cycle"}),  # no open interest is in it
        changes=(None, 0, "none"),
        unknown=True,
    ),
    "our clock stepped back": Bad(
        both(breathing(100.0)),
        now=NOW - 2 * HOUR,
        codes=SILENT,
        silent=frozenset({"get_liquidation_map"}),  # it has been led up to that moment, and is right for it
        unknown=True,
    ),
    "our clock stepped forward": Bad(both(breathing(100.0)), now=NOW + 3 * HOUR, codes=SILENT, unknown=True),
    "a window longer than the history": Bad(
        both(always(100.0), start=NOW - 2 * HOUR),
        timeframe="90d",
        codes=frozenset({"insufficient_history", "no_data", "unvalidated_map"}),
        silent=frozenset({"get_open_interest"}),
    ),
}


@contextmanager
def house_of(bad: Bad, folder: Path) -> Generator[House]:
    with market(folder, *bad.held, said=bad.said) as house:
        maps = Maps(house.reader, folder / "maps", ["BTC"])
        maps.advance(bad.now)
        yield replace(house, map_state=maps.state, now=lambda: bad.now)


def answers(house: House, bad: Bad) -> dict[str, Answer | str]:
    """By tool or chart: its answer, or the words with which it refuses."""
    found: dict[str, Answer | str] = {}
    for function in TOOLS:
        if function not in (get_chart_value, list_charts, get_status):
            found[function.__name__] = asked(lambda function=function: function(house, asset=bad.asset))
    for metric in catalogue.ids(("a",)):
        found[metric] = asked(
            lambda metric=metric: get_chart_value(house, metric, bad.timeframe, bad.asset)  # type: ignore[arg-type]  # a word of the list
        )
    return found


def asked(question: object) -> Answer | str:
    try:
        return question()  # type: ignore[operator]  # a function without arguments
    except ToolError as refused:
        return str(refused)


@pytest.mark.parametrize("name", BAD)
def test_every_answer_gives_a_reason_and_no_number_that_looks_fine(tmp_path: Path, name: str) -> None:
    bad = BAD[name]
    with house_of(bad, tmp_path) as house:
        told = answers(house, bad)
        known, charts = get_status(house), list_charts(house)
    assert len(told) == 5 - 1 + len(catalogue.ids(("a",)))
    assert charts.rows
    assert known.figures["open_gaps"] == len([r for r in bad.said if isinstance(r, Gap)])
    for what, answer in told.items():
        if isinstance(answer, str):
            assert answer.startswith(bad.refused or CODES), (what, answer)
            continue
        assert not bad.refused, what
        assert "NaN" not in answer.model_dump_json(), what
        assert "Infinity" not in answer.model_dump_json(), what
        given = {words.partition(":")[0] for words in answer.warnings}
        assert what in bad.silent or given & bad.codes, (what, answer.summary, answer.warnings)
        if bad.unknown:
            for figure in CHANGES:
                assert answer.figures.get(figure) in bad.changes, (what, figure, answer.figures[figure])


@pytest.mark.parametrize("name", ["all venues stale", "our clock stepped forward"])
def test_a_series_ends_where_nobody_was_heard_any_more(tmp_path: Path, name: str) -> None:
    bad = BAD[name]
    ended = max(h.end for h in bad.held) + 20 * MINUTE
    with house_of(bad, tmp_path) as house:
        for metric in ("derivatives-oi-flow", "derivatives-oi-rotation", "derivatives-oi-gross-flow"):
            answer = get_chart_value(house, metric, "24h", detail="detailed")
            late = [row[1] for row in answer.rows if str(row[0]) > utc(ended)]
            assert late, metric
            assert set(late) == {None}, metric


def test_the_longest_window_says_since_when_there_is_anything(tmp_path: Path) -> None:
    bad = BAD["a window longer than the history"]
    with house_of(bad, tmp_path) as house:
        month = get_chart_value(house, timeframe="30d")
        day = get_chart_value(house, "derivatives-oi-flow", "24h")
        heard = get_chart_value(house, "derivatives-oi-coverage", "24h")
    for answer in (month, day, heard):
        [said] = [w for w in answer.warnings if "has values from" in w]
        assert said.startswith("insufficient_history: BTC has values from 20")
        assert said.endswith(f"the range is that, not {answer.figures['timeframe']}.")


def test_a_summary_says_that_hardly_anything_was_heard(tmp_path: Path) -> None:
    with house_of(BAD["most of it silent for seven hours"], tmp_path) as house:
        for answer in (get_oi_divergence(house), get_concentration(house, window="1h"), get_open_interest(house)):
            assert re.search(r"; grade D: \d+% of the usual open interest is fresh$", answer.summary), answer.summary
    with house_of(BAD["one venue"], tmp_path / "heard") as house:
        assert "grade" not in get_open_interest(house).summary
