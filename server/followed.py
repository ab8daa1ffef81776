"""Divergences as records: opened by a sweep, followed every hour, resolved by rule; each beside placebos.

A placebo is the same rule at a random moment: the same leaders, hour of the week and length, in one of the weeks
before, and so long ago that its life is over, however it ended.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b
from math import ceil
from random import Random
from typing import Any

from analytics import episodes
from analytics.alerts import Raised
from analytics.alignment import Panel, grid, panel
from analytics.divergence import Divergence
from analytics.episodes import PAST_MS, PLACEBO, Opening, Outcome, rules
from server.near import forced
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.spans import DAY_MS, HOUR_MS, MINUTE_MS, WINDOW_S, carried_ms, floor
from store.derived import append
from store.patience import Cursors
from store.recent import COLUMNS

WEEK_MS = 7 * DAY_MS
PLACEBOS = 4  # of an opening
WEEKS = 12  # that they are drawn from
STEP_MS = 5 * MINUTE_MS
KINDS = ("rotation", "conviction")
REMEMBERED_MS = 366 * DAY_MS  # how long ago a record that is still open may have begun


def opened(house: House, store: Cursors, raised: Iterable[Raised], told: Mapping[tuple[str, int], Divergence]) -> None:
    """Open a record for each divergence that a sweep raised, and place its placebos. `told` by asset and window [s]."""
    now = house.now()

    for r in raised:
        s = r.signal
        found = told.get((s.asset, s.window_s))
        if s.kind not in KINDS or r.state != "open" or found is None:
            continue
        o = episodes.opening(found, s.kind, house.thresholds)
        if o is None or standing(house, s.asset, o, now):
            continue
        o = replace(o, sigma=usual_move(house, s.asset, o.t0))
        outcome = outcome_of(house, s.asset, o, path(house, s.asset, o, now), now)
        keep(house, store, s.asset, o, outcome, now)
        note(house, store, s.asset, "divergence_open", o, outcome, now)
        placebos(house, store, s.asset, o, now)


def placebos(house: House, store: Cursors, asset: str, o: Opening, now: int) -> None:
    placed = 0
    for week in weeks(house, asset, o):
        placed += place(house, store, asset, replace(o, kind=PLACEBO + o.kind, t0=o.t0 - week * WEEK_MS), now)
        if placed == PLACEBOS:
            break


def usual_move(house: House, asset: str, t0: int) -> float | None:
    """How far the price usually goes in an hour, by the hours before `t0`."""
    end = floor(t0, HOUR_MS)
    start = floor(t0 - PAST_MS, HOUR_MS) - HOUR_MS
    bars = house.reader.bars(asset, start, end, HOUR_MS, columns=COLUMNS)
    return episodes.usual_move(panel(bars, grid(end, start, 3600), settings=house.thresholds), t0, house.thresholds)


def weeks(house: House, asset: str, o: Opening) -> list[int]:
    """How many weeks before an opening its placebos may stand, in random order that the record itself decides.

    The first is the same for every window, else short ones would have placebos in a young store and long ones none:
    the longest life is over by then. None begins before the store does.
    """
    known = house.reader.span(asset)
    if known is None:
        return []
    longest = 1000.0 * max(house.thresholds.expiry_s(w) for w in WINDOW_S.values())
    first = ceil((longest + HOUR_MS) / WEEK_MS)
    there = [k for k in range(first, first + WEEKS) if o.t0 - k * WEEK_MS - o.window_s * 1000 >= known[0]]
    return Random(name_of(asset, o)).sample(there, len(there))


def place(house: House, store: Cursors, asset: str, p: Opening, now: int) -> bool:
    """The same rule at another moment; not where the market was heard too little then for anything to open, or where
    there was no gap to close. How it ended has no say in it.
    """
    market = path_panel(house, asset, p, now)
    if not episodes.could_open(market, p, house.thresholds):
        return False
    seen = episodes.path(market, p.leaders, house.thresholds)
    p = replace(p, sigma=usual_move(house, asset, p.t0))
    outcome = outcome_of(house, asset, p, seen, now)
    if not outcome.gap0 or outcome.label == "open":
        return False
    keep(house, store, asset, p, outcome, now)
    return True


def followed(house: House, store: Cursors) -> None:
    """Look at every open record again; store what has ended."""
    now = house.now()
    rows = house.reader.episodes(None, now - REMEMBERED_MS, now + 1)
    for row in rows[(rows["label"] == "open") & (rows["rules"] == rules(house.thresholds))].to_dict("records"):
        asset, o = str(row["asset"]), recalled({str(k): v for k, v in row.items()})
        outcome = outcome_of(house, asset, o, path(house, asset, o, now), now)
        if outcome.label != "open":
            keep(house, store, asset, o, outcome, now)
            kind = {"expired": "divergence_expired", "void": "divergence_void"}.get(
                outcome.label, "divergence_resolved"
            )
            note(house, store, asset, kind, o, outcome, now)


def outcome_of(house: House, asset: str, o: Opening, seen: episodes.Path, now: int) -> Outcome:
    return episodes.follow(o, seen, now, forced(house, asset, seen), house.thresholds)


def path(house: House, asset: str, o: Opening, now: int) -> episodes.Path:
    """The market from W before the opening to its end, as two sides."""
    return episodes.path(path_panel(house, asset, o, now), o.leaders, house.thresholds)


def path_panel(house: House, asset: str, o: Opening, now: int) -> Panel:
    """The market from W before the opening to its end, by five minutes."""
    start, end = (
        floor(o.t0 - o.window_s * 1000, STEP_MS),
        floor(min(now, o.expires(house.thresholds) + HOUR_MS), STEP_MS),
    )
    bars = house.reader.bars(asset, start - carried_ms(house), end, STEP_MS)
    silences = gaps(house, asset, start - DAY_MS, end)
    return panel(bars, grid(end, start, STEP_MS / 1000), settings=house.thresholds, gaps=silences)


def standing(house: House, asset: str, o: Opening, now: int) -> bool:
    """Whether such a record is open: one a market, kind and leader."""
    rows = house.reader.episodes(asset, now - REMEMBERED_MS, now + 1)
    mine = (rows["kind"] == o.kind) & (rows["leader"] == o.leader) & (rows["label"] == "open")
    mine &= rows["rules"] == rules(house.thresholds)
    return bool(mine.any())


def recalled(row: Mapping[str, Any]) -> Opening:
    told = json.loads(row["detail"])
    return Opening(
        str(row["kind"]), str(row["leader"]), tuple(told["leaders"]), told["window_s"], int(row["opened"]),
        told.get("sigma"),
    )  # fmt: skip


def keep(house: House, store: Cursors, asset: str, o: Opening, outcome: Outcome, now: int) -> None:
    row = (name_of(asset, o), asset, o.kind, o.leader, o.t0, outcome.resolved, outcome.label,
           rules(house.thresholds), detail(house, o, outcome), house.simulated, now)  # fmt: skip
    append(store, "episodes", [row])


def name_of(asset: str, o: Opening) -> str:
    return blake2b(f"{asset}|{o.kind}|{o.leader}|{o.t0}".encode(), digest_size=8).hexdigest()


def note(house: House, store: Cursors, asset: str, kind: str, o: Opening, outcome: Outcome, now: int) -> None:
    append(store, "events", [(now, kind, asset, o.leader, detail(house, o, outcome), house.simulated, now)])


def detail(house: House, o: Opening, outcome: Outcome) -> str:
    return json.dumps(
        {
            "leaders": o.leaders, "window_s": o.window_s, "gap0": outcome.gap0, "gap": outcome.gap,
            "leader_share": outcome.leader_share, "rest_share": outcome.rest_share, "flags": outcome.flags,
            "label": outcome.label, "opened": o.t0, "sigma": o.sigma, "rules": rules(house.thresholds),
        }
    )  # fmt: skip
