"""What else is known of one venue's data: what changed while it was silent, and how it publishes forced closes."""

import json

from server.answers import Cell, Table, rounded, usd, utc
from server.tools.house import House
from server.tools.spans import DAY_MS

BACK_MS = 30 * DAY_MS
SHOWN = 50
REENTRY = "venue_reentry"  # events of server.sweep
RETURNS = ["asset", "noted", "gap_change_usd"]
FEEDS = ["feed", "forced_closes_24h", "full_amounts"]


def returned(house: House, now: int, venue: str) -> dict[str, Table]:
    """Tables `reentries` (30 days: a change across a silence is nobody's flow) and `forced_closes` (a day, by class of
    feed: only of `full` ones are amounts whole); those that have no row are missing.
    """
    told: dict[str, Table] = {}
    events = house.reader.events(REENTRY, now - BACK_MS, now + 1, venue=venue)
    rows: list[list[Cell]] = [
        [str(asset), utc(int(ts)), usd(json.loads(str(detail)).get("gap_change_usd"))]
        for ts, asset, detail in zip(events["ts"], events["asset"], events["detail"], strict=True)
    ]
    if rows:
        told["reentries"] = Table(columns=RETURNS, rows=rows[::-1][:SHOWN])
    feeds = house.reader.feeds(None, now - DAY_MS, now + 1)
    mine = feeds[feeds["venue"] == venue]
    if len(mine):
        told["forced_closes"] = Table(
            columns=FEEDS,
            rows=[[str(f), rounded(int(n), 12), f == "full"] for f, n in zip(mine["feed"], mine["count"], strict=True)],
        )
    return told
