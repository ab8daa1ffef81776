"""Venues that began to count otherwise: a step of a telling factor is one only where no trading explains it."""

import json

import pandas as pd

from analytics.conventions import CHANGED, MINUTE_MS, SLACK_MINUTES, untraded
from store.reader import Reader

VOLUME = ("venue", "symbol", "t", "volume")


def recounts(reader: Reader, asset: str, start: int, end: int) -> pd.DataFrame:
    """Events of [start, end), ms UTC, after which a venue counts otherwise: steps of a telling factor that no trading
    explains.
    """
    noted = reader.events(CHANGED, start, end, asset=asset)
    if noted.empty:
        return noted
    parts: list[pd.DataFrame] = []
    for at, said in zip(noted["ts"], noted["detail"], strict=True):
        since = min(int(json.loads(said).get("since", at)), int(at)) // MINUTE_MS * MINUTE_MS
        first, last = since - SLACK_MINUTES * MINUTE_MS, (int(at) // MINUTE_MS + 1) * MINUTE_MS
        parts.append(reader.bars(asset, first, last, MINUTE_MS, columns=VOLUME))
    return untraded(noted, pd.concat(parts, ignore_index=True).drop_duplicates(["venue", "symbol", "t"]))
