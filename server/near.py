"""What is known of forced closes when a divergence ends: hourly maps near the mark, and how heavy liquidations were."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache

import numpy as np
import pandas as pd

from analytics import charts
from analytics.charts import Beside
from analytics.charts.ground import YEAR_MS
from analytics.episodes import Forced, Path
from analytics.liquidation import view
from analytics.liquidation.near import Near, crossed, near
from analytics.liquidation.truth import against
from analytics.provenance import VERSION
from server import scored
from server.tools.beside import feeds
from server.tools.conventions import gaps
from server.tools.house import House
from server.tools.spans import DAY_MS, HOUR_MS, MINUTE_MS, carried_ms, floor
from store.derived import append
from store.reader import Cursors

MAP, TRUTH = "map_near", "map_against_positions"  # kinds of events
STEP_MS = 5 * MINUTE_MS
STANDS_MS = 2 * HOUR_MS  # how long before a move a map may have been kept


def keep(house: House, store: Cursors, assets: Sequence[str]) -> None:
    """One event an asset whose map is kept: what of it lies within 5 % of the mark now."""
    now = house.now()
    rows: list[tuple[object, ...]] = []
    for asset in assets:
        state = house.map_state(asset)
        if state is None:
            continue
        found = near(view(state, now=now, omega=scored.calibrated(house.reader, asset, state, now)))
        if found is not None:
            short = asdict(found)
            for side in ("longs", "shorts"):
                short[side] = [[float(f"{price:.7g}"), float(f"{usd:.5g}")] for price, usd in short[side]]
            rows.append((now, MAP, asset, "", json.dumps(short), house.simulated, now))
    append(store, "events", rows)


def blind(house: House, store: Cursors, assets: Sequence[str]) -> None:
    """One event a venue that shows positions to everyone: its map, which never saw them, against those of the hour."""
    now = house.now()
    rows: list[tuple[object, ...]] = []
    for asset in assets:
        state, seen = house.map_state(asset), house.reader.positions(asset, now - HOUR_MS, now + 1)
        if state is None or not len(seen):
            continue
        omega = scored.calibrated(house.reader, asset, state, now)
        for venue, own in seen.groupby("venue"):
            found = view(state, now=now, venues={str(venue)}, omega=omega)
            base, price = own["base"].to_numpy(float), own["liquidation_price"].to_numpy(float)
            told = [asdict(a) for a in against(found, own["side"].astype(str).tolist(), base, price)]
            if told:
                detail = json.dumps({"sides": told, "holders": int(own["holder"].nunique()), "version": VERSION})
                rows.append((now, TRUTH, asset, str(venue), detail, house.simulated, now))
    append(store, "events", rows)


def forced(house: House, asset: str, path: Path) -> Forced:
    """What is known of forced closes along a path. Nothing is read before it is asked for."""
    if not len(path.t):
        return Forced(lambda _: None, lambda _, __: None)
    first, last = int(path.t[0]), int(path.t[-1])

    @lru_cache(maxsize=1)
    def maps() -> list[Near]:
        rows = house.reader.events(MAP, first - STANDS_MS, last + 1, asset=asset)
        told = [json.loads(str(d)) for d in rows["detail"]]
        return [
            Near(d["as_of"], d["mark"], tuple(map(tuple, d["longs"])), tuple(map(tuple, d["shorts"]))) for d in told
        ]

    @lru_cache(maxsize=1)
    def heavy() -> pd.Series:
        found = intensities(house, asset, first, last)
        return pd.Series(found.values, index=list(found.t), dtype=float)

    def went_through(start: int, end: int) -> float | None:
        before = [m for m in maps() if start - STANDS_MS <= m.as_of <= start]
        inside = path.price[(path.t >= start) & (path.t <= end)]
        if not before or not np.isfinite(inside).any():
            return None
        low, high = float(np.nanmin(inside)), float(np.nanmax(inside))
        return crossed(before[-1], low, high, falling=bool(inside[-1] < inside[0]))

    def intensity(at: int) -> float | None:
        known = heavy()
        value = known.get(floor(at, STEP_MS)) if len(known) else None
        return None if value is None or np.isnan(value) else float(value)

    return Forced(intensity, went_through)


def intensities(house: House, asset: str, start: int, end: int) -> charts.Track:
    """Liquidation intensity by five minutes (analytics.md, 7.3)."""
    start, end = floor(start, STEP_MS), floor(end, STEP_MS)
    since = start - DAY_MS - carried_ms(house)
    year = house.reader.bars(asset, floor(start - YEAR_MS, DAY_MS), floor(end, DAY_MS), DAY_MS)
    classes, first = feeds(house, asset, start - YEAR_MS, end)
    return charts.of(
        "liquidation_intensity", asset, bars=house.reader.bars(asset, since, end, STEP_MS), start=start, end=end,
        step_s=STEP_MS // 1000, coarse=year,
        gaps=gaps(house, asset, since, end), beside=Beside(feeds=classes, since=first),
        settings=house.thresholds,
    )  # fmt: skip
