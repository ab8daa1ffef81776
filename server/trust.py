"""How far the venues' numbers can be believed: measured by the clock from the store, kept as events, told by the tools.

Nothing here changes a number. A venue's plausibility weighs the confidence of answers; what contradicts the registry of
sides is a warning for people.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from analytics import evidence
from analytics.integrity import judged, pooled
from analytics.settings import DEFAULTS, Settings
from store.reader import Reader
from store.records import Event, Quarantined, Record

log = logging.getLogger(__name__)

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
LATE_MS = 10 * MINUTE_MS  # traded minutes are told late; what is younger is left to the next hour
AGAIN_MS = 12 * HOUR_MS  # a standing fact is noted so often
POOLED_MS = 30 * DAY_MS  # days of the side test that are taken together
BELIEVED_MS = 3 * HOUR_MS  # how long a measured plausibility stands in for the next one
PLAUSIBILITY, SIDES, SAME_SOURCE, OFF_PRICE = "plausibility", "side_evidence", "same_source", "implied_price"
COUNTS = ("windows", "above_one", "above_two", "largest")  # of one day's side test
POSITIONS, AGGREGATE, CONTEXT = "positions_seen", "aggregate_disagrees", "context"  # noted by the collectors


class Trust:
    """Owns what was measured last. One thread at a time may measure; anyone may ask."""

    def __init__(
        self,
        reader: Reader,
        put: Callable[[Record], None],
        assets: Sequence[str],
        settings: Settings = DEFAULTS,
        *,
        every: bool = False,
        now: Callable[[], int],
    ) -> None:
        self.reader = reader
        self.put = put
        self.assets = assets  # what is looked at every five minutes
        self.settings = settings
        self.every = every  # the hourly measurements are of all assets
        self.now = now  # ms UTC
        self.shares: dict[str, tuple[int, Mapping[str, float]]] = {}  # by asset: when measured, by venue
        self.noted: dict[str, int] = {}

    def plausible(self, asset: str) -> Mapping[str, float]:
        """Share of feasible windows by venue, as measured within three hours; what an earlier run measured counts."""
        now = self.now()
        if asset not in self.shares:
            rows = self.reader.events(PLAUSIBILITY, now - BELIEVED_MS, now + 1, asset=asset)
            self.shares[asset] = (
                int(rows["ts"].max()) if len(rows) else 0,
                {
                    str(v): d["share"]
                    for v, d in zip(rows["venue"], details(rows), strict=True)
                    if d["share"] is not None
                },
            )
        at, shares = self.shares[asset]
        return shares if now - at <= BELIEVED_MS else {}

    def look(self, due: int) -> None:
        """Every five minutes: prices off those of the other venues, and one source under two names."""
        for asset in self.assets:
            latest = self.reader.latest(asset)
            for off in evidence.off_price(latest[latest["seen"] > due - HOUR_MS], self.settings):
                if self.news(f"{OFF_PRICE} {off.instrument_id}", due, HOUR_MS):
                    words = f"implies {off.found.implied:.6g} USD a coin, the others' median is {off.peers:.6g}"
                    segment = self.segment(asset, off.instrument_id)
                    raw = json.dumps({"implied": off.found.implied, "log_ratio": off.found.log_ratio})
                    self.put(Quarantined(off.venue, segment, off.symbol, due, OFF_PRICE, words, raw))
            bars = self.reader.bars(asset, due - 20 * MINUTE_MS, due, 5 * MINUTE_MS, columns=evidence.COLUMNS)
            for same in evidence.same_source(bars[bars["t"] <= due]):
                if self.news(f"{SAME_SOURCE} {same}", due, AGAIN_MS):
                    log.warning(
                        "%s: %s and %s state the same numbers: one source under two names?", asset, *same.venues
                    )
                    self.put(Event(due, SAME_SOURCE, asset, same.venues[0], json.dumps(asdict(same))))

    def measure(self, due: int) -> None:
        """Every hour: plausibility against traded volume, and the measured side test, over the last 24 hours.

        The side test of a day is taken together with those of the thirty days before it.
        """
        end = (due - LATE_MS) // (5 * MINUTE_MS) * 5 * MINUTE_MS
        for asset in self.reader.assets()["asset"] if self.every else self.assets:
            bars = self.reader.bars(str(asset), end - DAY_MS, end, MINUTE_MS, columns=evidence.COLUMNS)
            if not len(bars):
                continue
            latest = self.reader.latest(str(asset))
            cadence = {int(i): float(c) for i, c in zip(latest["instrument_id"], latest["cadence_s"], strict=True)}
            self.weigh(str(asset), due, bars, latest, cadence)
            self.count_sides(str(asset), due, bars, latest, cadence)

    def weigh(
        self, asset: str, due: int, bars: pd.DataFrame, latest: pd.DataFrame, cadence: Mapping[int, float]
    ) -> None:
        found = evidence.feasibility(bars, cadence_s=cadence, lots=lots(latest), settings=self.settings)
        told = evidence.plausibility(found)
        for one in told:
            detail = {"windows": one.windows, "share": one.share, "worst": one.worst, "hours": 24}
            self.put(Event(due, PLAUSIBILITY, asset, one.venue, json.dumps(detail)))
        self.shares[asset] = (due, {one.venue: one.share for one in told if one.share is not None})

    def count_sides(
        self, asset: str, due: int, bars: pd.DataFrame, latest: pd.DataFrame, cadence: Mapping[int, float]
    ) -> None:
        fields = {int(row["instrument_id"]): row for row in records(latest)}
        sides = {i: int(row["sides"]) for i, row in fields.items() if not pd.isna(row["sides"])}
        before = self.reader.events(SIDES, due - POOLED_MS, due - DAY_MS + 1, asset=asset)
        for today in evidence.side_tests(bars, sides, cadence_s=cadence, settings=self.settings):
            row = fields[today.instrument_id]
            same = {"segment": row["segment"], "symbol": today.symbol, "field": row["field"], "unit": row["unit"],
                    "sides": today.sides, "minutes": today.minutes, "rules": evidence.SIDE_RULES}  # fmt: skip
            days = earlier(before[before["venue"] == today.venue], same, due)
            one = replace(today, test=pooled([today.test, *(judged(*day) for day in days)]))
            detail = {
                **same, "status": row["side_status"], **asdict(one.test), "contradicts": one.contradicts,
                "days": 1 + len(days), "day": [getattr(today.test, name) for name in COUNTS],
            }  # fmt: skip
            self.put(Event(due, SIDES, asset, one.venue, json.dumps(detail)))
            if one.contradicts and self.news(f"{SIDES} {one.instrument_id}", due, AGAIN_MS):
                log.warning("%s %s changes by more than is traded: it may count both sides", one.venue, one.symbol)

    def segment(self, asset: str, instrument: int) -> str:
        known = self.reader.instruments(asset)
        return str(known.loc[known["instrument_id"] == instrument, "segment"].iloc[0])

    def news(self, key: str, due: int, again: int) -> bool:
        """Whether a fact was not noted lately."""
        fresh = due - self.noted.get(key, -again) >= again
        if fresh:
            self.noted[key] = due
        return fresh


def earlier(rows: pd.DataFrame, same: Mapping[str, object], due: int) -> list[list[Any]]:
    """`COUNTS` of days before the last one that do not overlap, of a field counted the same; newest first."""
    found: list[list[Any]] = []
    until = due - DAY_MS
    for at, said in sorted(zip(rows["ts"], rows["detail"], strict=True), reverse=True):
        if at <= until and said.find(f'"{same["symbol"]}"') >= 0:
            told = json.loads(said)
            if all(told.get(name) == value for name, value in same.items()) and "day" in told:
                found.append(told["day"])
                until = at - DAY_MS
    return found


def lots(latest: pd.DataFrame) -> dict[int, float]:
    """One contract of each instrument that is counted in contracts, in coins."""
    found: dict[int, float] = {}
    for row in records(latest):
        if row["unit"] == "contracts":
            size = row["contract_size"]
            found[int(row["instrument_id"])] = (
                size / row["mark"] if row["payoff"] == "inverse" else size * row["base_factor"]
            )
    return found


def newest(events: pd.DataFrame, *keys: str) -> list[dict[str, Any]]:
    """The last event of each venue and asset, and of each value of `keys` in its detail; detail and row as one."""
    rows = [{**row, **detail} for row, detail in zip(records(events), details(events), strict=True)]
    last = {(row["venue"], row["asset"], *(row.get(key) for key in keys)): row for row in rows}
    return list(last.values())


def details(events: pd.DataFrame) -> Iterable[dict[str, Any]]:
    return [json.loads(str(text)) for text in events["detail"]]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
