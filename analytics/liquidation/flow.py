"""From bars to flows: what every book opened and closed in every bar, and what changed while nobody looked."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analytics.liquidation.prior import Floats
from analytics.liquidation.state import Book, Ints, Ledger

Flags = NDArray[np.bool_]
GAP_STEPS = 2  # a bar whose forerunner is more than two steps old stands after a gap
DEFAULT_STEP_MS = 60_000
DUST = 1e-12  # of a unit: nothing, and below what ratios of doubles can carry
REQUIRED = ("instrument_id", "venue", "class", "payoff", "symbol", "t", "native", "base", "usd", "mark")
OPTIONAL = (
    *("mark_high", "mark_low", "opened", "closed", "funding", "funding_interval_h", "covered_s", "readings"),
    *("volume", "taker_buy", "taker_sell", "liquidated_long", "liquidated_short"),
)


@dataclass(frozen=True, slots=True)
class Flows:
    """Per bar end [T] and book [B], in the book's unit unless said; rows in order of time."""

    t: Ints  # [T] ms UTC
    opened: Floats
    closed: Floats
    jump: Floats  # change across a gap, or of an instrument heard for the first time
    jumps: Ints
    recount: Floats  # what another way of counting adds to the amounts before the bar, which nobody traded
    joined: Flags  # at least one instrument continues an unbroken row of bars
    heard: Flags
    unit_usd: Floats  # USD a unit
    mark: Floats  # USD a coin, weighted by open interest; so are low, high, funding
    low: Floats
    high: Floats
    funding: Floats  # 8 h rate, NaN where unsaid
    imbalance: Floats  # (buy - sell) / (buy + sell) of takers, 0 where unsaid
    volume: Floats  # NaN where unsaid
    liquidated_usd: Floats


@dataclass(frozen=True, slots=True)
class Heard:
    """The last amount of every instrument after these bars, to be kept."""

    instrument: Ints
    book: Ints
    amount: Floats
    seen: Ints


def read(
    bars: pd.DataFrame,
    books: tuple[Book, ...],
    ledger: Ledger,
    step_ms: int | None,
    breaks: pd.DataFrame | None = None,
) -> tuple[Flows, Heard, tuple[Book, ...], int]:
    """Flows, what was last heard, all books (new ones at the end), and how many bars were unusable.

    `bars` and `breaks` as `advance` describes them; `step_ms` None takes the usual distance of an instrument's bars.
    """
    rows, rejected = _usable(bars, ledger)
    known = {book: i for i, book in enumerate(books)}
    named = [
        Book(str(v), str(p), str(s) if p == "quanto" else "", str(c))
        for v, p, s, c in zip(rows["venue"], rows["payoff"], rows["symbol"], rows["class"], strict=True)
    ]
    for book in dict.fromkeys(named):
        known.setdefault(book, len(known))
    b = np.array([known[book] for book in named], np.int64)
    x = {name: rows[name].to_numpy(np.float64) for name in (*REQUIRED[6:], *OPTIONAL)}
    t, instrument = rows["t"].to_numpy(np.int64), rows["instrument_id"].to_numpy(np.int64)
    payoff = rows["payoff"].to_numpy(dtype=object)
    amount = np.select([payoff == "inverse", payoff == "quanto"], [x["usd"], x["native"]], x["base"])
    amount[amount < DUST] = 0.0

    before, before_t = _forerunners(instrument, t, amount, ledger)
    if step_ms is None:
        distance = (t - before_t)[np.concatenate(([False], instrument[1:] == instrument[:-1]))] if len(t) else t
        step_ms = int(np.median(distance)) if len(distance) else DEFAULT_STEP_MS
    factor = _recounted(rows, before_t, t, breaks)
    unknown = np.isnan(factor)
    recount = np.where(np.isnan(before) | unknown, 0.0, before * (factor - 1.0))
    before = before + recount
    joined = ~np.isnan(before) & (t - before_t <= GAP_STEPS * step_ms) & ~unknown
    net = np.where(joined, amount - before, 0.0)
    a_native = np.divide(amount, x["native"], out=np.zeros_like(amount), where=x["native"] > 0)
    gross = joined & (factor == 1.0)  # else the step itself is in what the bar calls opened or closed
    opened = np.where(gross, np.nan_to_num(x["opened"]) * a_native, 0.0)
    closed = np.where(gross, np.nan_to_num(x["closed"]) * a_native, 0.0)
    slack = net - (opened - closed)  # what moved between the bars, or all of it where gross flow is unsaid
    opened, closed = opened + np.maximum(slack, 0.0), closed + np.maximum(-slack, 0.0)
    fresh = np.where(np.isnan(before), 0.0, before)

    times, ti = np.unique(t, return_inverse=True)
    size, slot = len(times) * len(known), ti * len(known) + b

    def total(values: Floats) -> Floats:
        sums = np.bincount(slot, weights=values, minlength=size).astype(np.float64)
        return sums.reshape(len(times), len(known))

    weight = x["usd"] + 1e-9  # a book whose open interest is zero still has a mark
    weights = total(weight)

    def mean(values: Floats) -> Floats:
        said = ~np.isnan(values)
        below = total(np.where(said, weight, 0.0))
        return np.divide(
            total(np.where(said, values * weight, 0.0)), below, out=np.full_like(below, np.nan), where=below > 0
        )

    taker = x["taker_buy"] + x["taker_sell"]
    imbalance = np.divide(x["taker_buy"] - x["taker_sell"], taker, out=np.full_like(taker, np.nan), where=taker > 0)
    a_coin = np.divide(amount, x["base"], out=np.zeros_like(amount), where=x["base"] > 0)
    amounts = total(amount)
    flows = Flows(
        t=times,
        opened=total(opened),
        closed=total(closed),
        jump=total(np.where(joined, 0.0, amount - fresh)),
        jumps=total(~joined * 1.0).astype(np.int64),
        recount=total(recount),
        joined=total(joined * 1.0) > 0,
        heard=weights > 0,
        unit_usd=np.divide(total(x["usd"]), amounts, out=np.full_like(amounts, np.nan), where=amounts > 0),
        mark=mean(x["mark"]),
        low=mean(np.fmin(x["mark_low"], x["mark"])),
        high=mean(np.fmax(x["mark_high"], x["mark"])),
        funding=mean(x["funding"] * 8.0 / x["funding_interval_h"]),
        imbalance=np.nan_to_num(mean(imbalance)),
        volume=np.where(weights > 0, total(x["volume"] * a_coin), np.nan),
        liquidated_usd=total(np.nan_to_num(x["liquidated_long"]) + np.nan_to_num(x["liquidated_short"])),
    )
    return flows, _heard(instrument, b, amount, t, ledger), tuple(known), rejected


def _usable(bars: pd.DataFrame, ledger: Ledger) -> tuple[pd.DataFrame, int]:
    """Rows that can be believed, by instrument and time, one for each; and how many could not."""
    missing = [name for name in REQUIRED if name not in bars.columns]
    if missing:
        raise ValueError(f"bars lack {', '.join(missing)}")
    rows = bars.reindex(columns=[*REQUIRED, *OPTIONAL])
    silent = (rows["covered_s"].astype(float) <= 0) & ~(rows["readings"].astype(float) > 0)  # backfill reads in gaps
    rows = rows[~silent].sort_values(["instrument_id", "t"], kind="stable")
    rows = rows.drop_duplicates(["instrument_id", "t"], keep="last")
    numbers = rows[["native", "base", "usd", "mark"]].to_numpy(np.float64)
    good = np.isfinite(numbers).all(axis=1) & (numbers[:, :3] >= 0).all(axis=1) & (numbers[:, 3] > 0)
    seen = pd.Series(ledger.instrument_seen, index=ledger.instrument)
    good &= ~(rows["t"].to_numpy(np.float64) <= rows["instrument_id"].map(seen).to_numpy(np.float64))
    rest = rows[good].copy()
    for name in OPTIONAL:  # infinite is as good as unsaid; negative only where a sign has a meaning
        values = rest[name].to_numpy(np.float64, na_value=np.nan)
        fine = np.isfinite(values) & ((values > 0) if name in ("mark_high", "mark_low", "funding_interval_h") else True)
        fine &= (values >= 0) | (name == "funding")
        rest[name] = np.where(fine, values, np.nan)
    return rest, int((~good).sum())


def _forerunners(instrument: Ints, t: Ints, amount: Floats, ledger: Ledger) -> tuple[Floats, Ints]:
    """The amount and time of the bar before, of the same instrument; NaN and 0 where there is none."""
    before, before_t = np.full(len(t), np.nan), np.zeros(len(t), np.int64)
    if not len(t):
        return before, before_t
    same = instrument[1:] == instrument[:-1]
    before[1:][same], before_t[1:][same] = amount[:-1][same], t[:-1][same]
    firsts = np.flatnonzero(np.concatenate(([True], ~same)))
    place = {int(name): i for i, name in enumerate(ledger.instrument)}
    for first in firsts:
        i = place.get(int(instrument[first]))
        if i is not None:
            before[first], before_t[first] = ledger.instrument_amount[i], ledger.instrument_seen[i]
    return before, before_t


def _recounted(rows: pd.DataFrame, before_t: Ints, t: Ints, breaks: pd.DataFrame | None) -> Floats:
    """How many times what the bar before said a venue counts since: 1 almost everywhere, NaN where nobody knows."""
    factor = np.ones(len(t))
    if breaks is None or not len(breaks):
        return factor
    venue, symbol = (rows[name].to_numpy(dtype=object) for name in ("venue", "symbol"))
    for said in breaks.to_dict("records"):
        since, ratio = int(said["start"]) + 1, float(said["ratio"])
        holds = (venue == said["venue"]) & (before_t <= since) & (t > since)
        if said["symbol"]:
            holds &= symbol == said["symbol"]
        factor[holds] *= ratio if np.isfinite(ratio) and ratio > 0 else np.nan
    return factor


def _heard(instrument: Ints, book: Ints, amount: Floats, t: Ints, ledger: Ledger) -> Heard:
    every = pd.DataFrame(
        {
            "instrument": np.concatenate((ledger.instrument, instrument)),
            "book": np.concatenate((ledger.instrument_book, book)),
            "amount": np.concatenate((ledger.instrument_amount, amount)),
            "seen": np.concatenate((ledger.instrument_seen, t)),
        }
    ).drop_duplicates("instrument", keep="last")
    return Heard(*(every[name].to_numpy() for name in ("instrument", "book", "amount", "seen")))
