"""Which bars a question needs. Finished ones only: what runs now is in the latest readings, and is dear to complete."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from analytics import coverage
from analytics.rows import reports
from analytics.usual import VERSION, Usual
from server.tools.conventions import gaps
from server.tools.house import House
from store.recent import COLUMNS

Window = Annotated[Literal["1h", "4h", "24h"], Field(description="How far back to look")]

KEPT_MS = 26 * 3_600_000  # how long what the clock found usual may stand in
REACH = 2.5  # intervals of a report that are looked back for two of it
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
WINDOW_S = {"1h": 3_600, "4h": 14_400, "24h": 86_400}


def given(house: House, asset: str, window: Window, now: int) -> dict[str, Any]:
    """What `divergence.assess` and `concentration.assess` are both told of a window that ends now."""
    known, bars = usual(house, asset, now, window), recent(house, asset, now, WINDOW_S[window])
    reach = max(2 * DAY_MS, house.thresholds.past_ms(WINDOW_S[window]) if known is None else few_ms(house, window))
    return {
        "latest": house.reader.latest(asset),
        "recent": bars,
        "history": history(house, asset, now, window, known, bars),
        "usual": known,
        "now": now,
        "window_s": WINDOW_S[window],
        "gaps": gaps(house, asset, now - reach, now),
        "plausible": house.plausible(asset),
        "sizes": sizes(house, asset, now) if window != "24h" else coverage.sizes(bars, now),
        "settings": house.thresholds,
    }


def recent(house: House, asset: str, now: int, window_s: int) -> pd.DataFrame:
    """Bars of the last `window_s`, by the minute up to an hour and else by five, and of the time before it in which a
    venue that was silent when the window began may have spoken last.
    """
    step = MINUTE_MS if window_s <= WINDOW_S["1h"] else 5 * MINUTE_MS
    start = now - window_s * 1000 - carried_ms(house)
    return house.reader.bars(asset, floor(start, step), floor(now - step, step), step, columns=COLUMNS)


def sizes(house: House, asset: str, now: int) -> Mapping[int, float]:
    """How much each instrument usually holds [coins], by the bars of five minutes of the last day."""
    step = 5 * MINUTE_MS
    start, end = floor(now - DAY_MS, step), floor(now - step, step)
    return coverage.sizes(house.reader.bars(asset, start, end, step, columns=("instrument_id", "t", "base")), now)


def usual(house: House, asset: str, now: int, window: str) -> Usual | None:
    """What the clock last found usual for such windows; None where it has not looked lately, or at another universe."""
    if house.apart:
        return None
    rows = house.reader.thresholds(asset, WINDOW_S[window])
    rows = rows[(rows["known_at"] > now - KEPT_MS) & (rows["version"] == VERSION)]
    if not len(rows):
        return None
    told = zip(rows["metric"], rows["value"].to_numpy(float), rows["n"], strict=True)
    return Usual({str(metric): (float(value), int(n)) for metric, value, n in told})


def history(
    house: House, asset: str, now: int, window: str, known: Usual | None = None, bars: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Bars of the time before the window, which it is held against: all of it, or where what is usual is known the few
    windows that persistence looks at. `bars` are the recent ones: those of an hour reach back far enough for that.
    """
    length, step = house.thresholds.past_ms(WINDOW_S[window]), WINDOW_S[window] * 1000
    if known is not None:
        if window == "1h" and bars is not None:
            return bars
        length = few_ms(house, window)
    end = floor(now - WINDOW_S[window] * 1000, step)
    return house.reader.bars(asset, floor(now - length, step), end, step, columns=COLUMNS)


def with_reports(house: House, asset: str, bars: pd.DataFrame, latest: pd.DataFrame, since: int) -> pd.DataFrame:
    """`bars`, which begin at `since` (ms), and before them what reports by the day or the week said until then: a
    report stands until the next one.
    """
    return joined(reported(house, asset, latest, since, since), bars, since)


def reported(house: House, asset: str, latest: pd.DataFrame, since: int, until: int) -> pd.DataFrame:
    """Days of the instruments that are told by the day or the week, up to `until` and from so long before `since` on
    that two statements are among them. Empty where nothing is told so.
    """
    slow = reports(latest)
    if not slow:
        return latest.iloc[:0]
    far = round(REACH * 1000 * max(slow.values()))
    days = house.reader.bars(asset, floor(since - far, DAY_MS), floor(until, DAY_MS) + DAY_MS, DAY_MS, columns=COLUMNS)
    return days[days["instrument_id"].isin(list(slow))]


def joined(said: pd.DataFrame, bars: pd.DataFrame, since: int) -> pd.DataFrame:
    """Of `reported` what was said before `since`, and `bars` from there on. A day that goes on then ends there."""
    before = said[said["last_seen"] < since] if len(said) else said
    if not len(before) or not len(bars):
        return bars
    names = [name for name in bars.columns if name in before]
    rows = before.assign(t=before["t"].clip(upper=since))[names]
    return pd.concat([rows, bars], ignore_index=True).sort_values(
        ["instrument_id", "t"], kind="stable", ignore_index=True
    )


def past(house: House, window: str) -> str:
    """How much own history such windows are held against, in words."""
    return f"{house.thresholds.past_ms(WINDOW_S[window]) / DAY_MS:g} d"


def few_ms(house: House, window: str) -> int:
    """How long before now those few windows reach."""
    return (house.thresholds.rotation_windows + 2) * WINDOW_S[window] * 1000


def carried_ms(house: House) -> int:
    """How long before a moment a venue may have spoken that still counts in it, and an hour to be safe."""
    return round(house.thresholds.carry_s * 1000) + HOUR_MS


def floor(t: int, step: int) -> int:
    return t - t % step
