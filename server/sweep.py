"""What the clock works out by the hour for every asset: what is usual, what stands out, and the events of both."""

import json
import logging
import math
from collections.abc import Mapping, Sequence

import pandas as pd

from analytics import alerts, concentration, coverage, divergence, flow, levels, usual
from analytics.alerts import Key, Raised, Signal
from analytics.divergence import Divergence
from analytics.provenance import VERSION, Code
from analytics.usual import Usual
from server.followed import followed, opened
from server.near import intensities
from server.tools.chance import SWEPT
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.spans import DAY_MS, WINDOW_S, few_ms, history, recent
from store.derived import append
from store.patience import Cursors

log = logging.getLogger(__name__)

REMEMBERED_MS = 400 * DAY_MS  # how long ago a thing that still stands may have begun
KINDS = (
    "concentrated_inflow", "fragility", "deleveraging", "price_effect_drop", "near_high", "plateau", "venue_stale",
    "venue_dead", "universe_change",
)  # fmt: skip
"""Signals that are events of their own name; rotation and conviction open episodes (server.followed)."""
SHARE = "liquidated_24h_share"
BACK = {"venue_dead": "venue_reentry"}  # what the end of one is called, where it has a name of its own


class Sweep:
    """Owns what stands at the moment. `run` in one thread at a time."""

    def __init__(self, house: House, store: Cursors, assets: Sequence[str]) -> None:
        self.house = house
        self.store = store
        self.assets = assets
        self.standing: frozenset[Key] | None = None
        self.told: dict[tuple[str, int], Divergence] = {}  # of this sweep, by asset and window [s]

    def run(self, _: int = 0) -> tuple[Raised, ...]:
        """One sweep as of now. Gives what opened and closed."""
        now = self.house.now()
        if self.standing is None:
            self.standing = self.remembered(now)
        signals: list[Signal] = []
        self.told = {}
        followed(self.house, self.store)
        returned: dict[tuple[str, str], float] = {}
        for asset in self.assets:
            known = {window: self.keep_usual(asset, window, now) for window in WINDOW_S}
            silences = gaps(self.house, asset, now - few_ms(self.house, "24h"), now)
            signals += self.signals(asset, known, silences, now)
            returned |= self.gap_changes(asset, silences, now)
        found = alerts.swept(signals, self.standing, self.house.thresholds)
        self.standing = found.standing
        rows = [
            self.event(raised, found, returned, now)
            for raised in found.raised
            if raised.signal.kind in KINDS
        ]  # fmt: skip
        said = {
            "family": found.family, "expected_false_a_day": found.expected_false_a_day,
            "adjusted_by": self.house.thresholds.multiplicity, "fdr": self.house.thresholds.fdr, "version": VERSION,
        }  # fmt: skip
        rows.append((now, SWEPT, "", "", json.dumps(said), self.house.simulated, now))
        append(self.store, "events", rows)
        opened(self.house, self.store, found.raised, self.told)
        return found.raised

    def keep_usual(self, asset: str, window: str, now: int) -> Usual:
        """Work out what is usual for windows of this length, and store what changed of it."""
        reader, window_s = self.house.reader, WINDOW_S[window]
        before, reach = now - window_s * 1000, self.house.thresholds.past_ms(window_s)
        found = usual.of(
            history(self.house, asset, now, window), before, window_s,
            closes=reader.closes(asset, now - 367 * DAY_MS, now),
            gaps=gaps(self.house, asset, now - reach, now), settings=self.house.thresholds,
        )  # fmt: skip
        rows = reader.thresholds(asset, window_s)
        rows = rows[(rows["version"] == usual.VERSION) & (rows["known_at"] > now - DAY_MS)]
        told = zip(rows["metric"], rows["value"].to_numpy(float), rows["n"], strict=True)
        kept: Mapping[str, tuple[float, int]] = {str(m): (float(v), int(n)) for m, v, n in told}
        append(
            self.store, "thresholds",
            [
                (asset, metric, window_s, None if math.isnan(value) else value, n, usual.VERSION, now)
                for metric, (value, n) in found.values.items()
                if metric not in kept or not same(kept[metric], (value, n))
            ],
        )  # fmt: skip
        return found

    def signals(self, asset: str, known: Mapping[str, Usual], silences: pd.DataFrame, now: int) -> list[Signal]:
        """Everything this sweep looks at of one asset."""
        reader, terms, plausible = self.house.reader, self.house.thresholds, self.house.plausible(asset)
        latest = reader.latest(asset)
        closes = reader.closes(asset, now - 367 * DAY_MS, now)
        out: list[Signal] = []
        day = recent(self.house, asset, now, WINDOW_S["24h"])
        sizes = coverage.sizes(day, now)
        for window, window_s in WINDOW_S.items():
            bars = day if window == "24h" else recent(self.house, asset, now, window_s)
            past = history(self.house, asset, now, window, known[window])
            told = divergence.assess(
                latest=latest, recent=bars, history=past, now=now, window_s=window_s, gaps=silences,
                plausible=plausible, usual=known[window], sizes=sizes, settings=terms,
            )  # fmt: skip
            self.told[asset, window_s] = told
            out += alerts.of_divergence(asset, told, terms)
            if window == "24h":
                spread = concentration.assess(
                    latest=latest, recent=bars, closes=closes, history=past, now=now, window_s=window_s,
                    gaps=silences, plausible=plausible, usual=known[window], sizes=sizes, settings=terms,
                )  # fmt: skip
                out += alerts.of_concentration(asset, spread, terms)
        shown = levels.chart(
            latest=latest, now=now, start=now - DAY_MS, step_s=300, bars=day, recent=day, closes=closes, gaps=silences,
            plausible=plausible, settings=terms,
        )  # fmt: skip
        return [*out, *alerts.of_level(asset, shown, terms)]

    def gap_changes(self, asset: str, silences: pd.DataFrame, now: int) -> dict[tuple[str, str], float]:
        """USD by (asset, venue) that changed over the last day while the venue was silent."""
        found = flow.assess(
            latest=self.house.reader.latest(asset), recent=recent(self.house, asset, now, WINDOW_S["24h"]), now=now,
            window_s=WINDOW_S["24h"], gaps=silences, settings=self.house.thresholds,
        )  # fmt: skip
        return {(asset, v.venue): v.gap_usd for v in found.venues}

    def event(
        self, raised: Raised, found: alerts.Sweep, returned: Mapping[tuple[str, str], float], now: int
    ) -> tuple[object, ...]:
        """A row of `events`: with what is needed to judge it again."""
        s = raised.signal
        kind = BACK.get(s.kind, s.kind) if raised.state == "closed" else s.kind
        detail: dict[str, object] = {
            "state": raised.state, "window_s": s.window_s, "value": s.value, "threshold": s.threshold, "unit": s.unit,
            "p": s.p, "p_adjusted": raised.adjusted.adjusted if raised.adjusted else None, "family": found.family,
            "expected_false_a_day": found.expected_false_a_day, "adjusted_by": self.house.thresholds.multiplicity,
            "version": VERSION,
        }  # fmt: skip
        if kind == "venue_reentry":
            detail["gap_change_usd"] = returned.get((s.asset, s.leader))
        if kind == "deleveraging":
            detail |= self.forced(s.asset, now)
        return (now, kind, s.asset, s.leader, json.dumps(detail), self.house.simulated, now)

    def forced(self, asset: str, now: int) -> dict[str, object]:
        """How heavy forced closes of full feeds were beside a fall (7.3): the 24 h up to the last five minutes."""
        seen = intensities(self.house, asset, now, now).columns
        place, share = (seen[name][-1] if seen.get(name) else None for name in ("intensity_percentile", SHARE))
        why = None if place is not None else Code.NO_DATA if share is None else Code.INSUFFICIENT_HISTORY
        return {"liquidation_intensity_percentile": place, SHARE: share, "liquidation_reason": why}

    def remembered(self, now: int) -> frozenset[Key]:
        """What an earlier run left standing."""
        standing: set[Key] = set()
        for kind in KINDS:
            rows = self.house.reader.events(kind, now - REMEMBERED_MS, now + 1)
            if kind in BACK:
                more = self.house.reader.events(BACK[kind], now - REMEMBERED_MS, now + 1)
                told = [*rows.to_dict("records"), *more.to_dict("records")]
            else:
                told = rows.to_dict("records")
            for row in sorted(told, key=lambda r: (r["ts"], r["known_at"])):
                key = (str(row["asset"]), kind, str(row["venue"]))
                (standing.add if json.loads(row["detail"]).get("state") == "open" else standing.discard)(key)
        return frozenset(standing)


def same(a: tuple[float, int], b: tuple[float, int]) -> bool:
    """Whether a stored value still holds."""
    return a[1] == b[1] and (math.isclose(a[0], b[0], rel_tol=1e-12) or (math.isnan(a[0]) and math.isnan(b[0])))
