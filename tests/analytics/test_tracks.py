import math

import numpy as np
import pandas as pd
import pytest

from analytics import tracks
from tests.analytics.market import DAY, HOUR, MINUTE, NOW, Line, bars, walk

LINES = [
    Line("one", [100.0, 110.0, 105.0], [10.0] * 3),
    Line("two", [200.0, 190.0, 195.0], [10.0] * 3),
]


def values(series: str, lines: list[Line], step: int = 5 * MINUTE, **more: object) -> list[float | None]:
    frame = bars(lines, step=step)
    for name, given in more.pop("also", {}).items():  # type: ignore[attr-defined]  # columns of a test
        frame[name] = given
    start = int(frame["t"].min())
    found = tracks.of(series, "BTC", bars=frame, start=start, end=NOW, step_s=step // 1000, **more)  # type: ignore[arg-type]
    return list(found.values)


def test_flow_sets_off_what_gross_flow_adds_up():
    assert values("flow", LINES) == [None, pytest.approx(0.0), pytest.approx(0.0)]
    assert values("gross", LINES) == [0.0, pytest.approx(200.0), pytest.approx(100.0)]
    assert values("rotation", LINES) == [None, pytest.approx(1.0), pytest.approx(1.0)]


def test_classes_are_set_against_each_other():
    assert values("conviction", LINES)[1] == pytest.approx(0.10 + 0.05)


def test_an_outage_is_no_flow():
    lines = [Line("one", [100.0, None, None, 40.0, 40.0], [10.0] * 5), Line("two", [900.0] * 5, [10.0] * 5)]
    assert all(v is None or v == pytest.approx(0.0) for v in values("flow", lines, HOUR))


def test_long_short_is_weighted_and_geometric_and_of_one_kind():  # T21
    lines = [Line("one", [75.0] * 3, [10.0] * 3), Line("two", [25.0] * 3, [10.0] * 3)]
    rows = [(1, "account", 2.0), (2, "account", 0.8), (1, "taker", 9.0)]
    ratios = pd.DataFrame(
        [{"instrument_id": i, "venue": "x", "kind": k, "ts": NOW - MINUTE, "ratio": r} for i, k, r in rows]
    )
    assert values("long_short_account", lines, ratios=ratios)[-1] == pytest.approx(1.590541, rel=1e-6)
    assert values("long_short_taker", lines, ratios=ratios) == [None, None, pytest.approx(9.0)]
    assert values("long_short_top_account", lines, ratios=ratios) == [None] * 3


def test_forced_closes_are_summed_and_silence_is_not_zero():
    also = {"liquidated_long": [np.nan, 5.0, np.nan] * 2, "liquidated_short": [np.nan, 2.0, np.nan] * 2}
    assert values("liquidations", LINES, also=also) == [None, 14.0, None]


def test_supply_and_cycle_follow_the_block_schedule():
    share, place = values("cap_share", LINES), values("cycle", LINES)
    assert share[-1] == pytest.approx(300.0 / 19_945_000, rel=2e-3)
    assert place[-1] == pytest.approx(0.3995, abs=0.01)


def test_what_is_held_against_a_year_needs_ninety_days_of_it():
    def days(n: int) -> list[Line]:
        return [Line(v, walk(k, n), walk(9, n, 0.02, 100.0)) for k, v in enumerate(("one", "two"))]

    assert values("overheat", days(80), DAY) == [None] * 80
    late = values("overheat", days(140), DAY)
    assert late[:89] == [None] * 89
    assert all(v is not None and 0 <= v <= 100 for v in late[100:])
    z = values("zscore", days(140), DAY)
    assert z[:30] == [None] * 30
    assert z[-1] is not None


@pytest.mark.parametrize("series", tracks.SERIES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_never_leave(series: str, bad: float):
    frame = bars([Line(v, walk(k, 200), walk(9, 200, 0.02, 100.0)) for k, v in enumerate(("one", "two"))], step=DAY)
    frame.loc[frame.index[::5], ["base", "mark", "opened", "funding"]] = bad
    frame["liquidated_long"] = bad
    frame["liquidated_short"] = 1.0
    ratios = pd.DataFrame([{"instrument_id": 1, "venue": "one", "kind": "account", "ts": NOW - HOUR, "ratio": bad}])
    found = tracks.of(series, "BTC", bars=frame, start=NOW - 200 * DAY, end=NOW, step_s=86_400, ratios=ratios)
    assert all(v is None or math.isfinite(v) for v in found.values)
    nothing = tracks.of(series, "BTC", bars=frame.iloc[:0], start=NOW - DAY, end=NOW, step_s=3600)
    assert nothing == tracks.Track((), ())
