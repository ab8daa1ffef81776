import json
import math

import numpy as np
import pandas as pd
import pytest

from analytics import charts
from analytics.charts import Beside
from tests.analytics.market import DAY, HOUR, MINUTE, NOW, Line, bars, walk

NOTED = pd.DataFrame(columns=["t", "venue", "detail"])
LINES = [
    Line("one", [100.0, 110.0, 105.0], [10.0] * 3),
    Line("two", [200.0, 190.0, 195.0], [10.0] * 3),
]


def values(series: str, lines: list[Line], step: int = 5 * MINUTE, **more: object) -> list[float | None]:
    frame = bars(lines, step=step)
    for name, given in more.pop("also", {}).items():  # type: ignore[attr-defined]  # columns of a test
        frame[name] = given
    start = int(frame["t"].min())
    return list(drawn(series, frame, start, step, **more).values)


def drawn(series: str, frame: pd.DataFrame, start: int, step: int, **more: object) -> charts.Track:
    given = {name: more[name] for name in ("ratios", "paid", "traded", "noted", "feeds", "since") if name in more}
    found = charts.of(series, "BTC", bars=frame, start=start, end=NOW, step_s=step // 1000, beside=Beside(**given))  # type: ignore[arg-type]
    if found.t:
        assert {len(column) for column in found.columns.values()} == {len(found.t)}
    return found


def test_flow_sets_off_what_gross_flow_adds_up():
    assert values("flow", LINES) == [None, pytest.approx(0.0), pytest.approx(0.0)]
    assert values("gross", LINES) == [None, pytest.approx(200.0), pytest.approx(100.0)]
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
    assert z[:90] == [None] * 90
    assert all(x is not None for x in z[92:])


def test_a_change_is_held_against_the_windows_before_it_only():
    """The chart's last value is what section 5 says by hand; the window itself is not in its own reference."""
    path = [*walk(3, 200), 0.0]
    path[-1] = path[-2] * 1.2
    line = Line("one", path, [100.0] * 201)
    found = drawn("zscore", bars([line], step=DAY), NOW - DAY, DAY)
    steps = np.diff(np.log(path))
    middle = np.median(steps[:-1])
    mad = 1.4826 * np.median(np.abs(steps[:-1] - middle))
    assert found.columns["z_chg"][-1] == pytest.approx((steps[-1] - middle) / mad, rel=1e-9)
    assert found.columns["percentile"][-1] == 100.0
    logs = np.log(path)
    assert found.columns["z_level"][-1] == pytest.approx((logs[-1] - logs[:-1].mean()) / logs[:-1].std(ddof=1))


def test_an_hour_is_held_against_hours_on_a_chart_of_minutes():
    hours = walk(5, 24 * 20)
    whole = bars([Line("one", hours, [100.0] * len(hours))], step=HOUR)
    path = [hours[-2]] * 12 + [hours[-2] * 1.5]
    fine = bars([Line("one", path, [100.0] * 13)], step=5 * MINUTE)
    found = charts.of(
        "zscore", "BTC", bars=fine, start=NOW - HOUR, end=NOW, step_s=300, coarse=whole[whole["t"] < NOW],
        coarse_s=3600,
    )  # fmt: skip
    assert found.columns["windows"][-1] == 24 * 20 - 2  # not the running hour; a step is between two values
    assert found.values[-1] is not None
    assert found.values[-1] > 10


def test_price_and_contracts_name_their_quadrant():
    path, price = list(walk(1, 120)), list(walk(2, 120, 0.02, 100.0))
    path[-1], price[-1] = path[-2] * 1.3, price[-2] * 0.9
    found = drawn("quadrant", bars([Line("one", path, price)], step=DAY), NOW - DAY, DAY)
    assert found.columns["quadrant"][-1] == "build_against_price"
    assert found.columns["contracts_change"][-1] == pytest.approx(0.3)
    assert found.columns["price_change"][-1] == pytest.approx(-0.1)


def test_a_full_feed_that_is_silent_saw_nothing_and_a_throttled_one_is_bounded_by_what_closed():
    also = {"liquidated_long": [np.nan] * 5 + [3.0], "liquidated_short": [np.nan] * 6}
    frame = bars(LINES, step=5 * MINUTE)
    for name, given in also.items():
        frame[name] = given
    feeds = {"one": frozenset({"full"}), "two": frozenset({"throttled"})}
    since = {"one": NOW - 5 * MINUTE}
    found = drawn("liquidations", frame, int(frame["t"].min()), 5 * MINUTE, feeds=feeds, since=since)
    assert found.columns["full_feeds_usd"] == (None, 0.0, 0.0)  # before its first one nobody may have listened
    assert found.columns["liquidated_usd"] == (None, 0.0, 3.0)
    assert found.columns["most_usd"] == (0.0, 100.0, 3.0)  # ten contracts of two closed: any of them may have died
    assert [r.code for r in found.reasons] == ["throttled_feed_only"]
    assert found.sheet is not None
    assert found.sheet.rows[0] == ("two", "throttled", 3.0, None)


def test_gross_flow_is_bounded_where_every_minute_told_its_volume():
    frame = bars(LINES, step=5 * MINUTE)
    t = NOW - np.array([0, 0, 5 * MINUTE, 5 * MINUTE])
    traded = pd.DataFrame({"instrument_id": [1, 2, 1, 2], "t": t, "base": [30.0, 40.0, 50.0, 60.0],
                           "minutes": [5, 5, 5, 4]})  # fmt: skip
    found = drawn("gross", frame, int(frame["t"].min()), 5 * MINUTE, traded=traded)
    assert found.columns["volume_usd"] == (None, 500.0, 700.0)  # of the second contract a minute is not known
    assert found.columns["volume_share"] == (0.0, pytest.approx(110 / 300), 1.0)
    assert found.columns["transfers_most_usd"] == (None, 400.0, 600.0)
    assert [r.code for r in found.reasons] == ["volume_unavailable"]


def test_blindness_puts_venues_together_by_what_moved():
    def told(
        venue: str, native_s: float, usd: float, polls: list[list[float]], slope: float | None
    ) -> dict[str, object]:
        detail = {"native_s": native_s, "native": 10.0, "polls": polls, "slope": slope, "gross_usd": usd}
        return {"t": NOW, "venue": venue, "detail": json.dumps(detail)}

    noted = pd.DataFrame(
        [
            told("one", 1.0, 300.0, [[5, 6.0, 0, 0], [30, 2.0, 0.7, 0.9]], -0.5),
            told("two", 1.0, 100.0, [[30, 6.0, 0.3, 0.5]], -0.2),
            told("three", 60.0, 100.0, [], None),
        ]
    )
    found = drawn("blindness", bars(LINES, step=5 * MINUTE), NOW - 15 * MINUTE, 5 * MINUTE, noted=noted)
    last = {name: column[-1] for name, column in found.columns.items()}
    assert last["blindness_30s"] == pytest.approx((300 * 0.8 + 100 * 0.4) / 400)
    assert last["least_30s"] == pytest.approx((300 * 0.7 + 100 * 0.3) / 400)
    assert last["most_30s"] == pytest.approx((300 * 0.9 + 100 * 0.5) / 400)
    assert last["law_30s"] == pytest.approx(0.817426, rel=1e-6)  # T16
    assert last["fitted_30s"] == pytest.approx((300 * 0.817426 + 100 * (1 - 30**-0.2)) / 400, rel=1e-6)
    assert last["venues_measured"] == 2
    assert last["our_cadence_s"] == pytest.approx((400 + 100 * 60) / 500)
    assert found.sheet is not None
    assert found.sheet.rows[0] == ("one", 1.0, None, pytest.approx(0.4), None, pytest.approx(0.8), None, None,
                                   0.7, 0.9, pytest.approx(0.817426, rel=1e-6), -0.5)  # fmt: skip


def test_heat_of_the_short_side_turns_funding_and_ratio_round():
    n = 140
    lines = [Line(v, walk(k, n), walk(9, n, 0.02, 100.0)) for k, v in enumerate(("one", "two"))]
    frame = bars(lines, step=DAY)
    frame["funding"] = 1e-4 * (1 + np.sin(frame["t"].to_numpy() / DAY))
    found = drawn("overheat", frame, NOW - 10 * DAY, DAY)
    u, f = (float(str(found.columns[name][-1])) for name in ("u_open_interest", "u_funding"))
    assert found.columns["overheat"][-1] == pytest.approx(100 * (0.4 * u + 0.4 * f) / 0.8)
    assert found.columns["short_side_heat"][-1] == pytest.approx(100 * (0.4 * u + 0.4 * (1 - f)) / 0.8)
    assert found.columns["u_long_short"][-1] is None
    assert found.columns["band"][-1] in ("calm", "normal", "active", "hot", "extreme")
    (said,) = [r.words for r in found.reasons if r.code == "insufficient_history"]
    assert said.startswith("Without u_long_short now;")
    assert "(u_open_interest 0.4, u_funding 0.4)" in said, "what weighs nothing is not scaled up"
    assert found.sheet is not None
    assert [(row[0], row[2]) for row in found.sheet.rows] == [
        ("u_open_interest", 0.4), ("u_funding", 0.4), ("u_long_short", 0.2), ("u_basis", 0.0), ("u_liquidations", 0.0),
    ]  # fmt: skip
    assert [row[1] for row in found.sheet.rows[:3]] == [u, f, None]
    assert [row[3] for row in found.sheet.rows[:3]] == [n - 1, n - 1, 0.0]


def test_coins_of_half_a_market_are_set_against_no_supply():
    lines = [Line("one", [60.0] * 12, [10.0] * 12), Line("two", [40.0] * 3 + [None] * 9, [10.0] * 12)]
    found = drawn("cap_share", bars(lines, step=HOUR), NOW - 11 * HOUR, HOUR)
    share = found.columns["oi_over_market_cap"]
    assert all(isinstance(x, float) for x in share[:8]), "for six hours its last quantity stands in"
    assert share[-2:] == (None, None)


def paying(instrument: int, hours: int, rate: float, until: int = NOW) -> pd.DataFrame:
    """Paid every 8 h before `until`."""
    made = [{"instrument_id": instrument, "ts": until - k * HOUR, "rate": rate, "interval_h": 8.0}
            for k in range(0, hours, 8)]  # fmt: skip
    return pd.DataFrame(made)


def test_funding_of_stretches_without_a_rate_is_what_was_paid_and_the_chart_says_how_much():
    lines = [Line("one", [100.0] * 48, [10.0] * 48), Line("two", [300.0] * 48, [10.0] * 48)]
    frame = bars(lines, step=HOUR, funding=2e-4)
    frame.loc[(frame["venue"] == "two") | (frame["t"] <= NOW - DAY), "funding"] = np.nan
    start = int(frame["t"].min())
    plain = drawn("funding", frame, start, HOUR)
    assert plain.columns["funding_per_8h"] == (*[None] * 24, *[2e-4] * 24)
    assert plain.columns["settled_share"] == (*[None] * 24, *[0.0] * 24)
    assert plain.reasons == ()
    assert plain.sheet is not None
    assert [row[:2] + row[3:4] for row in plain.sheet.rows] == [("one", 2e-4, "running")]
    found = drawn("funding", frame, start, HOUR, paid=paying(2, 64, 1e-4))
    assert found.columns["funding_per_8h"][:24] == (1e-4,) * 24, "of two alone: nothing of one was paid that we know"
    assert found.columns["funding_per_8h"][24:] == (pytest.approx((100 * 2e-4 + 300 * 1e-4) / 400),) * 24
    assert found.columns["settled_share"] == (*[1.0] * 24, *[0.75] * 24)
    assert found.columns["venues"] == (*[1.0] * 24, *[2.0] * 24)
    (reason,) = found.reasons
    assert reason.code == "funding_kind"
    assert reason.words.startswith("85.7 % of the rates shown, by coins, are what was settled last")
    assert found.sheet is not None
    assert [(row[0], row[3]) for row in found.sheet.rows] == [("two", "settled"), ("one", "running")]


def test_heat_is_held_against_what_was_paid_where_no_day_carried_a_rate():
    n, step = 140, NOW - 10 * DAY
    lines = [Line("one", walk(1, n), walk(9, n, 0.02, 100.0))]
    frame = bars(lines, step=DAY)
    frame["funding"] = np.where(frame["t"] >= step, 3e-4, np.nan)
    short = drawn("overheat", frame, step, DAY)
    assert short.columns["u_funding"][-1] is None
    paid = paying(1, n * 24, 1e-4)
    found = drawn("overheat", frame, step, DAY, paid=paid)
    assert found.columns["u_funding"][-1] == pytest.approx(129 / 139, abs=0.05)
    (said,) = [r for r in found.reasons if r.code == "funding_kind"]
    assert said.words.startswith("0 % of the rates shown and 100 % of those of the days before, by coins,")


def test_basis_and_forced_closes_stand_beside_the_heat_and_weigh_nothing():
    n = 140
    lines = [Line("one", [100.0] * n, walk(9, n, 0.02, 100.0)), Line("two", [300.0] * n, walk(9, n, 0.02, 100.0))]
    frame = bars(lines, step=DAY)
    plain = drawn("overheat", frame, NOW - 10 * DAY, DAY)
    assert (plain.columns["u_basis"][-1], plain.columns["u_liquidations"][-1]) == (None, None)
    assert {"No u_basis", "No u_liquidations"} <= {r.words.split(":")[0] for r in plain.reasons if r.code == "no_data"}
    day = (frame["t"].to_numpy() - NOW) / DAY + n  # 1 .. n; both rise up to the last day, which lies in the middle
    high = np.where(day == n, (n - 1) / 2 + 0.5, day)
    frame["index"] = frame["mark"] / (1 + 1e-6 * high)
    frame["liquidated_long"], frame["liquidated_short"] = frame["usd"] * 1e-6 * high, 0.0
    found = drawn("overheat", frame, NOW - 10 * DAY, DAY, feeds={"one": frozenset({"full"})}, since={"one": 0})
    below = int(((n - 1) / 2 + 0.5 > np.arange(1, n)).sum()) / (n - 1)
    assert found.columns["u_basis"][-1] == pytest.approx(below, abs=0.01)
    assert found.columns["u_liquidations"][-1] == pytest.approx(below, abs=0.01)
    assert found.columns["overheat"] == plain.columns["overheat"]


def test_what_comes_from_outside_keeps_its_source_and_its_day():
    facts = pd.DataFrame(
        [
            {"t": NOW - DAY, "venue": "", "detail": json.dumps({"metric": m, "value": v, "source": "somebody"})}
            for m, v in (("mvrv", 1.7), ("supply", 30_000.0), ("market_cap", 2e9), ("realised_cap", 1.2e9))
        ]
    )
    frame = bars(LINES, step=HOUR)
    outside = drawn("mvrv", frame, NOW - HOUR, HOUR, noted=facts)
    assert (outside.values[-1], outside.columns["source"][-1], outside.columns["said_of"][-1]) == (
        1.7, "somebody", "2025-11-21",
    )  # fmt: skip
    assert outside.columns["mvrv_z"][-1] is None
    share = drawn("cap_share", frame, NOW - HOUR, HOUR, noted=facts)
    assert share.values[-1] == pytest.approx(0.01)
    assert share.columns["supply_from"][-1] == "somebody"


@pytest.mark.parametrize("series", charts.DRAWN)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_numbers_never_leave(series: str, bad: float):
    frame = bars([Line(v, walk(k, 200), walk(9, 200, 0.02, 100.0)) for k, v in enumerate(("one", "two"))], step=DAY)
    frame.loc[frame.index[::5], ["base", "mark", "opened", "funding"]] = bad
    frame["liquidated_long"] = bad
    frame["liquidated_short"] = 1.0
    ratios = pd.DataFrame([{"instrument_id": 1, "venue": "one", "kind": "account", "ts": NOW - HOUR, "ratio": bad}])
    found = charts.of(
        series,
        "BTC",
        bars=frame,
        start=NOW - 200 * DAY,
        end=NOW,
        step_s=86_400,
        beside=Beside(ratios=ratios, noted=NOTED),
    )
    assert all(v is None or math.isfinite(v) for v in found.values)
    nothing = charts.of(series, "BTC", bars=frame.iloc[:0], start=NOW - DAY, end=NOW, step_s=3600)
    assert nothing == charts.Track((), {})
