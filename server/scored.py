"""Liquidation maps judged by the day after: frozen at each UTC close, scored at the next, kept in a ledger.

The ledger's rows hold everything that the next day needs: what was swept, what the distance law and the calibration
learned. Losing the home loses one frozen map and nothing else.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analytics.liquidation import MapState, Omega, Policy
from analytics.liquidation.calibration import Counts, omegas
from analytics.liquidation.frozen import Day, Frozen, Judged, freeze, from_bytes, judge, to_bytes
from analytics.liquidation.scoring import DistanceLaw, Score, Swept, score
from analytics.provenance import VERSION
from analytics.settings import DEFAULTS, Settings
from store.derived import append
from store.patience import Cursors
from store.reader import Reader

log = logging.getLogger(__name__)

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LATE_MS = HOUR_MS  # a frozen map may be so far from its midnight, for a clock that slept
WINDOW_DAYS = 30  # of a score
PAST_DAYS = 30  # of the price's volatility, and of the openings behind the fixed ladder
PAST = ("t", "venue", "instrument_id", "opened", "closed", "native", "usd", "mark", "mark_low", "mark_high")
SCORED = "map_scored"  # the kind of its events
WHOLE = ""  # the ledger's word for all venues with full feeds together

LEDGER = """
SELECT asset, epoch_ms(day::TIMESTAMP) AS day, detail, epoch_ms(known_at) AS known_at FROM map_scores
WHERE asset = $asset AND venue = $venue AND known_at <= make_timestamp_ms($as_of) AND day >= make_timestamp_ms($since)
    AND coalesce(json_extract_string(detail, '$.policy'), 'age_hazard') = $policy
ORDER BY day, known_at
"""

NEWEST = LEDGER.replace("ORDER BY day, known_at", "ORDER BY day DESC, known_at DESC LIMIT 1")

EVENTS = f"""
SELECT coalesce(sum(events), 0)::BIGINT AS events FROM (
    SELECT arg_max(json_extract_string(detail, '$.events')::BIGINT, known_at) AS events FROM ({LEDGER}) GROUP BY day
)
"""  # in the store, since each row has some thousand numbers beside it


class Scores:
    """Owns the frozen maps. `daily` in one thread at a time."""

    def __init__(
        self, reader: Reader, store: Cursors, folder: Path, states: Mapping[str, MapState | None], simulated: bool,
        now: Callable[[], int], settings: Settings = DEFAULTS,
    ) -> None:  # fmt: skip
        self.reader = reader
        self.store = store
        self.folder = folder
        self.states = states  # by asset, as the clock advances them
        self.simulated = simulated
        self.now = now
        self.settings = settings

    def daily(self, due: int) -> None:
        """Shortly after midnight UTC: judge what was frozen a day ago, then freeze what stands now."""
        midnight = due - due % DAY_MS
        for asset, state in self.states.items():
            self.judged(asset, midnight)
            if state is not None and state.as_of is not None and abs(state.as_of - midnight) <= LATE_MS:
                past = self.reader.bars(asset, midnight - PAST_DAYS * DAY_MS, midnight, HOUR_MS, columns=PAST)
                held = freeze(state, volatility(past), self.omegas(asset, state), past)
                if held is not None:
                    self.keep(held)

    def judged(self, asset: str, midnight: int) -> bool:
        """Append the score of the day that ended. False where no map was frozen before it."""
        held = self.frozen(asset)
        if held is None or abs(held.as_of + DAY_MS - midnight) > LATE_MS:
            return False
        before = newest(self.reader, asset, midnight, held.policy)
        law, counts = learned(before)
        day, full = self.day_after(held)
        found = judge(held, day, law, counts, full, settings=self.settings)
        now = self.now()
        past = swept(ledger(self.reader, asset, WHOLE, held.as_of - WINDOW_DAYS * DAY_MS, now, held.policy))
        told = score([*past, *found.swept])
        rows = [self.row(asset, WHOLE, held, detail(told, found, len(day.usd)), now)]
        for venue, own in found.by_venue.items():
            rows.append(self.row(asset, venue, held, {"score": asdict(score(own))}, now))
        append(self.store, "map_scores", rows)
        said = {
            "as_of": held.as_of, "policy": held.policy, "days": told.days, "ratio": told.ratio,
            "validated": told.validated, "skill": None if told.skill is None else asdict(told.skill),
            "version": VERSION,
        }  # fmt: skip
        append(self.store, "events", [(now, SCORED, asset, WHOLE, json.dumps(said), self.simulated, now)])
        log.info("the map of %s was scored: %s", asset, told.skill)
        return True

    def row(self, asset: str, venue: str, held: Frozen, words: Mapping[str, Any], now: int) -> tuple[Any, ...]:
        day = (held.as_of + LATE_MS) // DAY_MS * DAY_MS
        return asset, venue, day, json.dumps({"policy": held.policy, **words}), self.simulated, now

    def day_after(self, held: Frozen) -> tuple[Day, set[str]]:
        """Extremes and forced closes of the 24 hours after a freeze, and the venues that showed all of theirs."""
        end = held.as_of + DAY_MS
        bars = self.reader.bars(held.asset, held.as_of, end, HOUR_MS // 12, columns=("t", "mark_high", "mark_low"))
        by_time = bars.groupby("t")[["mark_high", "mark_low"]].median()  # one venue's spike is not the mark
        died = self.reader.liquidations(held.asset, held.as_of, end)
        feeds = died.groupby("venue")["feed"].agg(set) if len(died) else pd.Series(dtype=object)
        full = {str(venue) for venue, kinds in feeds.items() if kinds == {"full"}} & set(held.venues)
        some = died[died["venue"].isin(full)]
        sides = np.array([side == "short" for side in some["side"]], np.int64)
        low = float(by_time["mark_low"].min()) if len(by_time) else held.mark
        high = float(by_time["mark_high"].max()) if len(by_time) else held.mark
        return Day(
            low, high, some["venue"].to_numpy(object), sides, some["price"].to_numpy(float), some["usd"].to_numpy(float)
        ), full

    def omegas(self, asset: str, state: MapState) -> dict[str, Omega]:
        """What the map of an asset is scaled by, as learned until now."""
        return calibrated(self.reader, asset, state, self.now())

    def frozen(self, asset: str) -> Frozen | None:
        try:
            return from_bytes(self.file(asset).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as unusable:
            log.warning("%s: %s", self.file(asset), unusable)
            return None

    def keep(self, held: Frozen) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.file(held.asset).with_suffix(".draft")
        draft.write_bytes(to_bytes(held))
        draft.replace(self.file(held.asset))

    def file(self, asset: str) -> Path:
        return self.folder / f"{asset}.frozen.npz"


def volatility(past: pd.DataFrame) -> float:
    """Sd of ln P a day, from the hours of a month; 2.5 % before there are two days of them."""
    moves = np.diff(np.log(past.groupby("t")["mark"].median().dropna().to_numpy(float)))
    return max(float(moves.std()) * 24**0.5, 1e-3) if len(moves) >= 48 else 0.025


def detail(told: Score, found: Judged, events: int) -> dict[str, Any]:
    """What the ledger keeps of a day: the score so far, and what the next day goes on from."""
    return {
        "score": asdict(told),
        "events": events,
        "law": {"usd": numbers(found.law.usd), "bins": numbers(found.law.bins)},
        "counts": {
            v: {"observed": numbers(c.observed), "expected": numbers(c.expected)} for v, c in found.counts.items()
        },
        "swept": [
            {
                "day": s.day, "side": s.side, "realised": numbers(s.realised), "mapped": numbers(s.mapped),
                "baselines": {name: numbers(values) for name, values in s.baselines.items()},
            }
            for s in found.swept
        ],
    }  # fmt: skip


def numbers(values: np.ndarray) -> list[float]:
    """Six digits: what a ledger of many days can carry, and a score does not feel."""
    return [float(f"{x:.6g}") for x in values]


def ledger(
    reader: Reader, asset: str, venue: str, since: int, as_of: int, policy: Policy
) -> Sequence[Mapping[str, Any]]:
    """The details of the days from `since` on, oldest first, the newest word on each. Each policy has its own."""
    rows = reader.ask(LEDGER, asset=asset, venue=venue, since=max(since, 0), as_of=as_of, policy=policy)
    by_day = {int(row["day"]): json.loads(str(row["detail"])) for row in rows.to_dict("records")}
    return [{**words, "day": day} for day, words in sorted(by_day.items())]


def newest(reader: Reader, asset: str, as_of: int, policy: Policy) -> Mapping[str, Any] | None:
    """The last day in the ledger, all venues together."""
    rows = reader.ask(NEWEST, asset=asset, venue=WHOLE, since=max(as_of - WINDOW_DAYS * DAY_MS, 0), as_of=as_of,
                      policy=policy)  # fmt: skip
    return json.loads(str(rows["detail"].iloc[0])) if len(rows) else None


def learned(row: Mapping[str, Any] | None) -> tuple[DistanceLaw, dict[str, Counts]]:
    if row is None:
        return DistanceLaw(), {}
    law = DistanceLaw(np.array(row["law"]["usd"]), np.array(row["law"]["bins"]))
    counts = {v: Counts(np.array(c["observed"]), np.array(c["expected"])) for v, c in row["counts"].items()}
    return law, counts


def swept(rows: Sequence[Mapping[str, Any]]) -> list[Swept]:
    return [
        Swept(s["day"], s["side"], np.array(s["realised"]), np.array(s["mapped"]),
              {name: np.array(values) for name, values in s["baselines"].items()})
        for row in rows for s in row["swept"]
    ]  # fmt: skip


def calibrated(reader: Reader, asset: str, state: MapState, as_of: int) -> dict[str, Omega]:
    """Omega by venue, as known at `as_of`; venues that were never judged borrow from those of their class."""
    _, counts = learned(newest(reader, asset, as_of, state.policy))
    classes = {book.venue: book.venue_class for book in state.books}
    return omegas(counts, classes, set(classes) - set(counts), state.settings) if counts else {}


def map_score(reader: Reader, asset: str, as_of: int, policy: Policy) -> dict[str, Any] | None:
    """What is published with every map: {information gain, interval, ratio, n_events, window, baseline, status}.

    None before any day was judged. `status` is `unvalidated` while the lower bound of skill is not above 0.
    """
    row = newest(reader, asset, as_of, policy)
    if row is None:
        return None
    since = max(as_of - WINDOW_DAYS * DAY_MS, 0)
    events = reader.ask(EVENTS, asset=asset, venue=WHOLE, since=since, as_of=as_of, policy=policy)["events"]
    told, skill = row["score"], row["score"]["skill"]
    return {
        "skill_nats_per_usd": None if skill is None else skill["gain"],
        "interval_90": None if skill is None else [skill["low"], skill["high"]],
        "baseline": None if skill is None else skill["baseline"],
        "predicted_over_realised": told["ratio"],
        "n_events": int(events.iloc[0]),
        "window_days": told["days"],
        "status": "validated" if skill is not None and skill["low"] > 0 else "unvalidated",
    }
