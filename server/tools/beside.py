"""What a chart needs besides open interest: ratios, paid funding, traded volume, classes of feeds, what was noted."""

import json

import pandas as pd

from analytics.charts.ground import YEAR_MS, Beside, Drawn
from server import scored
from server.tools.house import House
from server.tools.paths import blindness, paths
from server.tools.spans import DAY_MS, MINUTE_MS
from server.trust import CONTEXT

BLIND = "blindness"
LIVE_MS = 15 * MINUTE_MS  # of raw statements behind the newest measurement of blindness
WEEK_MS = 8 * DAY_MS


def beside(
    house: House, asset: str, drawn: Drawn, since: int, end: int, now: int, step: int, venue: str | None
) -> Beside:
    """As much of it as `drawn` needs, of [since, now)."""
    kinds = {need.partition(":")[2] for need in drawn.needs if need.startswith("noted:")}
    classes, first = dict[str, frozenset[str]](), dict[str, int]()
    if "feeds" in drawn.needs:
        classes, first = feeds(house, asset, since - YEAR_MS if drawn.year else since, now)
    return Beside(
        ratios=ratios(house, asset, drawn, since, now, step) if "ratios" in drawn.needs else pd.DataFrame(),
        paid=paid(house, asset, drawn, since, now, step) if "paid" in drawn.needs else pd.DataFrame(),
        traded=house.reader.traded(asset, since, end, step) if "traded" in drawn.needs else pd.DataFrame(),
        noted=noted(house, asset, kinds.pop(), since, now, venue) if kinds else pd.DataFrame(),
        feeds=classes,
        since=first,
    )


def ratios(house: House, asset: str, drawn: Drawn, since: int, now: int, step: int) -> pd.DataFrame:
    """What was stated last in each step, and in each day of the year before where the chart is held against one."""
    fine = house.reader.ratios_by(asset, since - WEEK_MS, now + 1, step)
    if not drawn.year or step >= DAY_MS:
        return fine
    before = house.reader.ratios_by(asset, since - YEAR_MS, since - WEEK_MS, DAY_MS)
    return pd.concat([before, fine], ignore_index=True) if len(before) else fine


def paid(house: House, asset: str, drawn: Drawn, since: int, now: int, step: int) -> pd.DataFrame:
    """The same of funding that was paid; what was paid a day before the first moment may still count in it."""
    first = since - (YEAR_MS if drawn.year and step < DAY_MS else 0) - DAY_MS
    fine = house.reader.fundings(asset, since - DAY_MS, now + 1, step)
    if first == since - DAY_MS:
        return fine
    before = house.reader.fundings(asset, first, since - DAY_MS, DAY_MS)
    return pd.concat([before, fine], ignore_index=True) if len(before) else fine


def feeds(house: House, asset: str, since: int, now: int) -> tuple[dict[str, frozenset[str]], dict[str, int]]:
    """By venue: how its forced closes are published, and when the first of them came [ms]."""
    rows = house.reader.feeds(asset, since, now).groupby("venue")
    classes = {str(v): frozenset(str(f) for f in own) for v, own in rows["feed"]}
    return classes, {str(v): int(t) for v, t in rows["since"].min().items()}


def noted(house: House, asset: str, kind: str, since: int, now: int, venue: str | None) -> pd.DataFrame:
    """Rows t, venue, detail (JSON): measurements of blindness, judged maps, or facts from outside."""
    if kind == "map":
        policy = house.thresholds.removal_policy
        told = scored.ledger(house.reader, asset, venue or scored.WHOLE, since - DAY_MS, now, policy)
        rows = [
            {"t": int(row["day"]) + DAY_MS, "venue": venue or "", "detail": json.dumps({"score": row["score"]})}
            for row in told
        ]
    elif kind == BLIND:
        events = house.reader.events(BLIND, since, now + 1, asset=asset, venue=venue)
        rows = [{"t": int(t), "venue": str(v), "detail": str(d)}
                for t, v, d in zip(events["ts"], events["venue"], events["detail"], strict=True)]  # fmt: skip
        live = blindness(paths(house, asset, now - LIVE_MS, now))
        rows += [{"t": now, "venue": v, "detail": json.dumps(d)} for v, d in live.items() if venue in (None, v)]
    else:
        events = house.reader.events(CONTEXT, since - YEAR_MS, now + 1, asset=asset)
        rows = [{"t": int(t), "venue": "", "detail": str(d)}
                for t, d in zip(events["ts"], events["detail"], strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["t", "venue", "detail"])
