"""Where a venue began to count otherwise: such a step is nobody's flow (analytics.md, 1.2, 1.3 and 1.7).

A change of unit with known contract sizes is converted exactly (`same_unit`). What is left is a step of the
published number itself, by 2, 1/2, a contract size or a power of ten: it is left out of every change, and history
before it is put into today's counting before a maximum or a percentile is taken.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.provenance import Code, Reason
from analytics.settings import DEFAULTS, Settings

CHANGED = "unit_or_convention_change"  # the kind of the events, and the reason of such an interruption
COLUMNS = ("venue", "segment", "symbol", "start", "end", "reason", "ratio")
SIZES = ("native", "base", "usd", "raw")
LEAP = float(np.log(1.5))  # of what one quanto contract is worth, between two rows
MINUTE_MS = 60_000
SLACK_MINUTES = 2  # of trading before a step: a cadence, and its statement's delay
SAME = 1e-3  # of it otherwise: more is another unit, less is how numbers were rounded
Floats = NDArray[np.float64]


class Counted(Protocol):
    """Of an instrument what matters here; `alignment.Contract` is one."""

    @property
    def id(self) -> int: ...
    @property
    def venue(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def payoff(self) -> str: ...


def breaks(events: pd.DataFrame) -> pd.DataFrame:
    """Events of the kind `CHANGED` (ts, venue, detail as JSON) as interruptions: venue, segment, symbol, start, end
    [ms UTC], reason, ratio (after over before). The step lies in (start, end]. Empty in, empty out.
    """
    rows: list[dict[str, object]] = []
    for at, venue, said in zip(events["ts"], events["venue"], events["detail"], strict=True):
        told = json.loads(said)
        since = min(int(told.get("since", at)), int(at))
        ratio = float(told.get("factor", told.get("ratio", np.nan)))
        rows.append(
            dict(zip(COLUMNS, (str(venue), "", str(told.get("symbol", "")), since - 1, float(at), CHANGED, ratio),
                     strict=True))
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def untraded(events: pd.DataFrame, minutes: pd.DataFrame, settings: Settings = DEFAULTS) -> pd.DataFrame:
    """Of events as `breaks` takes them, those whose step was not traded (1.3, check 3: "with no matching volume").

    `minutes`: bars of a minute with venue, symbol, t [ms UTC, its end] and volume [coins]. A step is traded where the
    minutes from two before it until it was confirmed tell their volume, all of them, and it is enough for the
    coins of the step (check 2). An event that does not say its coins stays.
    """
    keep = [not _traded(str(v), int(at), json.loads(said), minutes, settings)
            for at, v, said in zip(events["ts"], events["venue"], events["detail"], strict=True)]  # fmt: skip
    return events[np.array(keep, bool)].reset_index(drop=True)


def _traded(venue: str, at: int, told: dict[str, Any], minutes: pd.DataFrame, settings: Settings) -> bool:
    first = min(int(told.get("since", at)), at) // MINUTE_MS - SLACK_MINUTES
    last = at // MINUTE_MS + 1
    ends = minutes["t"].to_numpy(np.int64) // MINUTE_MS
    mine = (minutes["venue"] == venue) & (minutes["symbol"] == told.get("symbol")) & (ends > first) & (ends <= last)
    volume = minutes["volume"][mine].to_numpy(float)
    whole = len(volume) == last - first and bool(np.isfinite(volume).all())
    return whole and float(told.get("coins", np.inf)) <= float(volume.sum()) * (1 + settings.feasibility_slack)


def dated(since: Sequence[tuple[str, int]]) -> pd.DataFrame:
    """(venue, ms UTC) from when the registry dates another way of counting, of all symbols, as interruptions.

    Both conventions are known there and both were halved or not as they should be: no ratio, nothing to put right. A
    row at that very moment still tells of what was said before it.
    """
    rows = [(venue, "", "", t, float(t + 1), CHANGED, np.nan) for venue, t in since]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def only(gaps: pd.DataFrame | None) -> pd.DataFrame | None:
    """Of all interruptions the changes of convention; None where there is none."""
    if gaps is None or not len(gaps):
        return None
    mine = (gaps["reason"] == CHANGED).to_numpy(bool) if "reason" in gaps else np.zeros(len(gaps), bool)
    return gaps[mine] if mine.any() else None


def spliced(rows: pd.DataFrame, gaps: pd.DataFrame | None) -> pd.DataFrame:
    """Bars or closes with what was said before a change put into the counting after it; untouched where none is known.

    `gaps` as for `alignment.panel`; `t` of the rows is the end of what they tell of.
    """
    found = only(gaps)
    if found is None or not len(rows) or "ratio" not in found:
        return rows
    factor = np.ones(len(rows))
    t, venue, symbol = rows["t"].to_numpy(float), rows["venue"].astype(str), rows["symbol"].astype(str)
    for row in found.to_dict("records"):
        ratio = float(row["ratio"])
        if np.isfinite(ratio) and ratio > 0:
            mine = (venue == row["venue"]) & ((symbol == row["symbol"]) | (row["symbol"] == ""))
            factor[mine.to_numpy(bool) & (t <= float(row["start"]) + 1)] *= ratio
    if (factor == 1.0).all():
        return rows
    return rows.assign(**{name: rows[name].to_numpy(float) * factor for name in SIZES if name in rows})


def broken_at(gaps: pd.DataFrame | None, contracts: Sequence[Counted], at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[T, I]: whether a change of convention lies between this row and the next."""
    out = np.zeros((len(at), len(contracts)), dtype=bool)
    found = only(gaps)
    if found is None or len(at) < 2:
        return out
    for venue, symbol, start, end in zip(found["venue"], found["symbol"], found["start"], found["end"], strict=True):
        hit = np.array([c.venue == venue and symbol in ("", c.symbol) for c in contracts], dtype=bool)
        out[:-1] |= ((at[:-1] < float(end)) & (at[1:] > float(start)))[:, None] & hit[None, :]
    return out


def same_unit(
    native: Floats, base: Floats, usd: Floats, contracts: Sequence[Counted]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Contracts [T, I] in the unit of the last row, and where that cannot be worked out (a break).

    A published unit or a contract size that changes is exact arithmetic: what one contract is worth is constant, in
    coins (linear) or in USD (inverse). A quanto contract's moves with the settle coin; only a leap by half is a break.
    """
    broken = np.zeros(native.shape, dtype=bool)
    if not native.size:
        return native, broken
    payoffs = np.array([c.payoff for c in contracts], dtype=np.str_)
    worth = np.where((payoffs == "inverse")[None, :], usd, base)
    unit = np.divide(worth, native, out=np.full_like(native, np.nan), where=(native > 0) & (worth > 0))
    if np.isnan(unit).any():
        unit = pd.DataFrame(unit).ffill().to_numpy(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = unit / unit[-1][None, :]
        leap = np.abs(np.diff(np.log(unit), axis=0)) > LEAP
    quanto = (payoffs == "quanto")[None, :]
    broken[:-1] = leap & quanto
    other = np.isfinite(scale) & (np.abs(scale - 1.0) > SAME) & ~quanto
    return (np.where(other, native * scale, native) if other.any() else native), broken


Changes = Mapping[tuple[str, str, int], tuple[int, str]]
"""By (venue, UTC date, id of the instrument): since when it counts otherwise [ms UTC], and its symbol."""


def changes(contracts: Sequence[Counted], t: NDArray[np.int64], broken: NDArray[np.bool_],
            gaps: pd.DataFrame | None = None) -> Changes:  # fmt: skip
    """Which instruments [I] changed between two of the moments `t` [T], and when. `broken` [T, I] as in a panel.

    The moment is what `gaps` say, else that of the first row that counts otherwise.
    """
    told: list[tuple[str, str, float, float]] = []
    if (said := only(gaps)) is not None:
        told = [(str(v), str(s), float(a), float(b)) for v, s, a, b in zip(
            said["venue"], said["symbol"], said["start"], said["end"], strict=True)]  # fmt: skip
    found: dict[tuple[str, str, int], tuple[int, str]] = {}
    for k, i in zip(*np.nonzero(broken[:-1]), strict=True) if len(t) > 1 else ():
        c, before, after = contracts[i], int(t[k]), int(t[k + 1])
        known = [a + 1 for v, s, a, b in told if v == c.venue and s in ("", c.symbol) and a < after and b > before]
        for at in known or [after - 1]:
            day = f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d}"
            key = (c.venue, day, c.id)
            found[key] = min((int(at), c.symbol), found.get(key, (int(at), c.symbol)))
    return found


def reasons(*found: Changes) -> tuple[Reason, ...]:
    """A sentence for every venue and date on which instruments of it began to count otherwise."""
    by_day: dict[tuple[str, str], dict[int, tuple[int, str]]] = {}
    for (venue, day, name), since in ((key, since) for several in found for key, since in several.items()):
        mine = by_day.setdefault((venue, day), {})
        mine[name] = min(since, mine.get(name, since))
    out: list[Reason] = []
    for (venue, _), mine in sorted(by_day.items(), key=lambda item: (item[0][1], item[0][0])):
        at = f"{datetime.fromtimestamp(min(mine.values())[0] / 1000, UTC):%Y-%m-%dT%H:%MZ}"
        one = next(iter(mine.values()))[1] if len(mine) == 1 else ""
        words = (
            f"{venue} {one} counts otherwise since about {at}: it is in no change across it"
            if one
            else f"{venue} counts {len(mine)} symbols otherwise since about {at}: they are in no change across it"
        )
        out.append(Reason(Code.CONVENTION_CHANGE_IN_WINDOW, f"{words}; levels are as published."))
    return tuple(out)
