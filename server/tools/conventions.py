"""What interrupted a market: silences, and where a venue began to count otherwise. Every analysis is handed both."""

from datetime import UTC, datetime

import pandas as pd

from analytics.conventions import breaks, dated
from server.recounts import recounts
from server.tools.house import House
from store.reader import Reader

YEAR_MS = 400 * 86_400_000  # how far back a changed convention still matters: highs and percentiles look at a year


def gaps(house: House, asset: str, start: int, end: int) -> pd.DataFrame:
    """The interruptions of [start, end), ms UTC, and among them, with a ratio, the changes of convention of the year
    before `end` too: what is usual rests on that. Known from what the checks noted and from the registry's dates.
    """
    reader = house.reader
    known = reader.gaps(start, end, asset=asset)
    first = min(start, end - YEAR_MS)
    noted = breaks(recounts(reader, asset, first, end))
    more = [rows for rows in (noted, dated(begun(reader, asset, first, end))) if len(rows)]
    if not more:
        return known
    return pd.concat([*([known] if len(known) else []), *more], ignore_index=True)


def begun(reader: Reader, asset: str, start: int, end: int) -> list[tuple[str, int]]:
    """(venue, ms UTC) where the registry dates a field of a venue that lists the asset inside [start, end)."""
    venues = {str(v) for v in reader.instruments(asset)["venue"]}
    rows = reader.side_registry()
    told = zip(rows["venue"], rows["valid_from"], strict=True)
    found = {(str(venue), since) for venue, date in told if str(venue) in venues and (since := began(date)) is not None}
    return sorted((venue, since) for venue, since in found if start <= since < end)


def began(date: object) -> int | None:
    """ms UTC of a day's beginning; None where no day is given."""
    if not isinstance(date, str) or not date:
        return None
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)
