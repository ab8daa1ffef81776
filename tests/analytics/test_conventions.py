"""Who begins to count otherwise has no flow by it and opens no alert; its past is put into today's counting."""

import json

import numpy as np
import pandas as pd
import pytest

from analytics import change, charts, concentration, divergence, levels, windows, zscore
from analytics.alignment import grid, panel
from analytics.conventions import CHANGED, breaks, changes, dated, only, reasons, spliced, untraded
from analytics.matched import steps, window
from analytics.provenance import Code
from tests.analytics.market import DAY, HOUR, MINUTE, NOW, Line, bars, latest

AT = NOW - 30 * MINUTE
NAMES = ("one", "two", "three", "four", "five", "six")
SIZE = 1000.0


def noted(venue: str = "one", at: int = AT, ratio: float = 2.01, factor: float = 2.0) -> pd.DataFrame:
    """As the checks note it: two minutes after the first statement of the new kind."""
    detail = json.dumps({"symbol": "BTC-linear", "ratio": ratio, "factor": factor, "since": at})
    return breaks(pd.DataFrame({"ts": [at + 2 * MINUTE], "venue": [venue], "detail": [detail]}))


def lines(n: int, step: int, *, doubled: bool = True) -> list[Line]:
    """Six venues that breathe; the first counts twice as much from `AT` on."""
    rng = np.random.default_rng(5)
    t = NOW - np.arange(n)[::-1] * step
    found = [SIZE * (1 + k) * np.exp(np.cumsum(rng.normal(0, 2e-4, n))) for k in range(len(NAMES))]
    found[0] = np.where((t > AT) & doubled, 2 * found[0], found[0])
    return [Line(name, path.tolist(), [100.0] * n) for name, path in zip(NAMES, found, strict=True)]


def test_events_become_interruptions_from_the_first_statement_of_the_new_kind() -> None:
    found = noted()
    assert found.to_dict("records") == [
        {
            "venue": "one", "segment": "", "symbol": "BTC-linear", "start": AT - 1, "end": AT + 2 * MINUTE,
            "reason": CHANGED, "ratio": 2.0,
        }
    ]  # fmt: skip
    assert breaks(pd.DataFrame({"ts": [], "venue": [], "detail": []})).empty
    assert only(pd.concat([found, pd.DataFrame([{"venue": "two", "symbol": "", "reason": "down"}])])).shape[0] == 1  # type: ignore[union-attr]  # one is there
    assert only(None) is None


@pytest.mark.parametrize(
    ("coins", "volume", "stays"),
    [
        (500.0, 100.0, False),  # five minutes of it are enough
        (526.0, 100.0, True),  # beyond them and their slack
        (500.0, np.nan, True),  # nobody knows
        (None, 1e9, True),  # it does not say how much it was
    ],
)
def test_a_step_that_was_traded_is_no_other_way_of_counting(coins: float | None, volume: float, stays: bool) -> None:
    told = {"symbol": "BTC-linear", "ratio": 0.5, "factor": 0.5, "since": AT}
    detail = json.dumps(told if coins is None else {**told, "coins": coins})
    events = pd.DataFrame({"ts": [AT + 2 * MINUTE], "venue": ["one"], "detail": [detail]})
    minutes = pd.DataFrame({"t": AT + MINUTE * np.arange(-5, 9), "venue": "one", "symbol": "BTC-linear"})
    others = minutes.assign(venue="two", volume=1e9)
    assert len(untraded(events, pd.concat([minutes.assign(volume=volume), others]))) == stays


def test_a_window_leaves_out_who_counts_otherwise_and_says_so() -> None:
    seen = windows.recent(bars(lines(121, MINUTE)), latest(lines(121, MINUTE)), NOW, 3600, gaps=noted())
    w = window(seen, 0, len(seen.t) - 1)
    by = dict(zip((c.venue for c in seen.contracts), w.matched.tolist(), strict=True))
    assert by == {name: name != "one" for name in NAMES}
    assert (w.flow[0], w.gap_change[0], w.growth[0]) == (0, 0, 0)
    assert w.panel_share == pytest.approx(20 / 21, rel=1e-3)
    [told] = reasons(changes(seen.contracts, seen.t, seen.broken, noted()))
    assert told.code is Code.CONVENTION_CHANGE_IN_WINDOW
    assert told.words.startswith("one BTC-linear counts otherwise since about 2025-11-21T23:30Z")
    assert set(changes(seen.contracts, seen.t, seen.broken)) == {("one", "2025-11-21", 1)}, "without gaps, by the row"
    unaware = windows.recent(bars(lines(121, MINUTE)), latest(lines(121, MINUTE)), NOW, 3600)
    assert window(unaware, 0, len(unaware.t) - 1).flow[0] == pytest.approx(SIZE * 100, rel=0.01)


def test_no_label_is_raised_in_the_hour_of_the_change_nor_in_the_hours_after_it() -> None:
    hours, rng = 24 * 30, np.random.default_rng(3)
    growth = rng.normal(0, 0.01, (len(NAMES), hours + 4))
    growth[:, -4:] = np.array([0.0, -0.007, 0.0, -0.007, 0.0, 0.0])[:, None]  # institutional venues leave a little
    paths = SIZE * np.exp(np.cumsum(growth, axis=1))
    ends = NOW + (np.arange(hours + 4) - hours) * HOUR  # by the hour; three hours follow the change

    def told(now: int, *, aware: bool) -> set[str]:
        def course(k: int, t: np.ndarray) -> list[float]:
            said = np.interp(t, ends, paths[k]) * np.where((t > AT) & (k == 0), 2.0, 1.0)
            return said.tolist()

        by_minute, by_hour = now - np.arange(121)[::-1] * MINUTE, now - HOUR - np.arange(hours - 8)[::-1] * HOUR
        short, long = (
            [Line(name, course(k, t), [100.0] * len(t)) for k, name in enumerate(NAMES)] for t in (by_minute, by_hour)
        )
        found = divergence.assess(
            latest=latest(short, now=now), recent=bars(short, end=now), history=bars(long, end=now - HOUR, step=HOUR),
            now=now, window_s=3600, gaps=noted() if aware else None,
        )  # fmt: skip
        return {*found.flags, found.label} & {
            "concentrated_inflow", "conviction_speculative", "conviction_institutional", "venue_rotation",
        }  # fmt: skip

    assert [told(NOW + k * HOUR, aware=True) for k in range(4)] == [set()] * 4
    assert "conviction_speculative" in told(NOW, aware=False)


def test_a_day_with_a_change_is_neither_a_fall_nor_a_high() -> None:
    halved = [
        Line("one", [4000.0 if k < 3 else 2000.0 for k in range(6)], [100.0] * 6),
        Line("two", [20_000.0] * 6, [100.0] * 6),
    ]
    ends = bars(halved, step=DAY)
    closes = ends.assign(day=ends["t"] - DAY, revision=0, age_s=1.0, basis="measured", source="stream")
    at = NOW - 3 * DAY + HOUR
    gaps = noted(at=at, ratio=0.5, factor=0.5)

    def shown(given: pd.DataFrame | None) -> levels.ChartSeries:
        return levels.chart(
            latest=latest(halved), now=NOW, start=NOW - 6 * DAY, step_s=86_400, closes=closes, gaps=given
        )

    assert shown(None).points[-1].index == pytest.approx(22 / 24)
    told = shown(gaps)
    assert told.points[-1].index == 1.0
    assert [p.usd for p in told.points] == [p.usd for p in shown(None).points], "what was published is shown"
    assert [r.code for r in told.reasons].count(Code.CONVENTION_CHANGE_IN_WINDOW) == 1
    assert told.change is not None
    assert told.change.growth == 0
    day = panel(bars(halved, step=HOUR), grid(NOW, NOW - 5 * HOUR, 3600), gaps=noted(at=NOW - 3 * HOUR + 1))
    assert change.between(day, 0).drop is None


def test_the_past_is_put_into_todays_counting_by_the_exact_factor() -> None:
    frame = bars([Line("one", [10.0, 10.0, 20.0], [100.0] * 3), Line("two", [5.0] * 3, [100.0] * 3)])
    gaps = noted(at=NOW - MINUTE + 1)
    again = spliced(frame, gaps)
    assert again["native"].tolist() == [20, 20, 20, 5, 5, 5]
    assert again["usd"].tolist() == [2000, 2000, 2000, 500, 500, 500]
    assert spliced(frame, None) is frame
    assert spliced(frame, dated([("one", NOW - MINUTE)])) is frame, "no ratio: both are in the same counting already"


def test_concentration_and_scores_rest_on_a_past_that_counts_alike() -> None:
    days = [
        Line("one", [1000.0] * 400, [100.0] * 400),
        Line("two", [1000.0 + k % 7 for k in range(400)], [100.0] * 400),
    ]
    now = [Line("one", [2000.0], [100.0]), Line("two", [1003.0], [100.0])]
    ends = bars(days, step=DAY)
    closes = ends.assign(day=ends["t"] - DAY, revision=0, age_s=1.0, basis="measured", source="stream")

    def spread(gaps: pd.DataFrame | None) -> concentration.Concentration:
        recent = bars([Line("one", [1000.0] * 30, [100.0] * 30), Line("two", [1003.0] * 30, [100.0] * 30)], end=AT)
        return concentration.assess(latest=latest(now), recent=recent, closes=closes, now=NOW, gaps=gaps)

    assert "fragility" in spread(None).flags
    assert "fragility" not in spread(noted()).flags
    hours = lines(24 * 20, HOUR)
    recent = bars(lines(121, MINUTE))
    found = zscore.assess(
        latest=latest(lines(121, MINUTE)), recent=recent, history=bars(hours, end=NOW - HOUR), now=NOW, window_s=3600,
        gaps=noted(),
    )  # fmt: skip
    [one] = [v for v in found.venues if v.venue == "one"]
    assert (one.growth, one.z_chg, one.alert) == (None, None, False)


def test_a_venue_and_a_date_are_told_once_however_many_symbols_and_ranges() -> None:
    frame = pd.concat([
        bars([Line("one", [10.0] * 3, [100.0] * 3), Line("one", [10.0] * 3, [100.0] * 3, "inverse"),
              Line("two", [10.0] * 3, [100.0] * 3)], step=DAY)
    ])  # fmt: skip
    at = NOW - DAY
    gaps = pd.concat([noted(at=at - HOUR), dated([("one", at), ("two", at)])])
    seen = panel(frame, grid(NOW, NOW - 2 * DAY, 86_400), gaps=gaps)
    found = changes(seen.contracts, seen.t, seen.broken, gaps)
    said = [r.words.partition(":")[0] for r in reasons(found, found)]
    assert said == [
        "one BTC-linear counts otherwise since about 2025-11-20T23",
        "one counts 2 symbols otherwise since about 2025-11-21T00",
        "two BTC-linear counts otherwise since about 2025-11-21T00",
    ]


def test_a_date_lies_after_the_row_of_its_midnight() -> None:
    """A row at midnight is of the day before: what is new shows in the next one, by the day as by five minutes."""
    for step in (DAY, 5 * MINUTE):
        day = NOW - 2 * step
        frame = bars([Line("one", [10.0, 10.0, 10.0, 20.0, 20.0], [100.0] * 5)], step=step)
        frame.loc[frame["t"] > day, ["native", "base", "usd"]] = [20.0, 20.0, 2000.0]
        seen = panel(frame, grid(NOW, NOW - 4 * step, step / 1000), gaps=dated([("one", day)]))
        assert seen.broken[:, 0].tolist() == [False, False, True, False, False]
        assert steps(seen).flow.sum() == 0


def test_a_chart_of_flows_has_no_step_across_a_change() -> None:
    frame = bars(lines(121, MINUTE))
    told = {
        name: charts.of(name, "BTC", bars=frame, start=NOW - 2 * HOUR, end=NOW, step_s=300, gaps=noted())
        for name in ("flow", "gross", "conviction", "rotation")
        if name in charts.DRAWN
    }
    assert {"flow", "gross"} <= set(told)
    for track in told.values():
        assert Code.CONVENTION_CHANGE_IN_WINDOW in [r.code for r in track.reasons]
    for name in ("flow", "gross"):
        assert max(abs(v) for v in told[name].values if v is not None) < 0.2 * SIZE * 100
    unaware = charts.of("flow", "BTC", bars=frame, start=NOW - 2 * HOUR, end=NOW, step_s=300)
    assert max(v for v in unaware.values if v is not None) > 0.9 * SIZE * 100


def test_another_unit_or_contract_size_is_converted_and_no_change() -> None:
    frame = bars([Line("one", [10.0, 10.0, 10.5], [100.0] * 3), Line("two", [5e3] * 3, [90.0, 95.0, 99.0], "inverse")])
    for venue, factor in (("one", 1000.0), ("two", 0.01)):  # from the second bar on in contracts of another size
        mine = (frame["venue"] == venue) & (frame["t"] >= NOW - MINUTE)
        frame.loc[mine, "native"] *= factor
    moved = steps(panel(frame, grid(NOW, NOW - 2 * MINUTE, 60)))
    assert moved.matched.all()
    assert moved.growth.tolist() == [[0, 0], [pytest.approx(0.05), 0]]
    quanto = bars([Line("one", [10.0, 10.0, 10.0], [100.0] * 3)]).assign(payoff="quanto")
    quanto.loc[2, "native"] = 1e4
    seen = panel(quanto, grid(NOW, NOW - 2 * MINUTE, 60))
    assert seen.broken[:, 0].tolist() == [False, True, False]
