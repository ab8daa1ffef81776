"""Where a venue began to count otherwise inside a window: that change is nobody's flow."""

from datetime import UTC, datetime

import pandas as pd

from server.answers import utc
from server.tools.house import House

CHECK = "unit_or_convention_change"
MARGIN_MS = 61_000  # either side of it: longer than what an interruption must last to count


def gaps(house: House, asset: str, start: int, now: int, window_ms: int) -> tuple[pd.DataFrame, list[str]]:
    """The interruptions of [start, now), with a changed convention as one more, and a sentence for each that lies in
    the window. Known from the registry's dates and from readings that were set aside for it.
    """
    known = house.reader.gaps(start, now, asset=asset)
    mine = house.reader.instruments(asset)[["venue", "segment", "symbol"]].drop_duplicates()
    spots = {(str(v), str(s), str(y)) for v, s, y in mine.to_numpy().tolist()}
    refused = house.reader.quarantine_counts(start, now)
    odd = refused[refused["check"] == CHECK].to_dict("records")
    found = [
        (str(row["venue"]), str(row["symbol"]), int(row["last"]))
        for row in odd
        if (str(row["venue"]), str(row["segment"]), str(row["symbol"])) in spots
    ]
    venues = {v for v, _, _ in spots}
    for row in house.reader.side_registry().to_dict("records"):
        since = began(row["valid_from"])
        if str(row["venue"]) in venues and since is not None and start <= since < now:
            found.append((str(row["venue"]), "", since))
    if not found:
        return known, []
    rows = [
        {"venue": v, "segment": "", "symbol": y, "start": t - MARGIN_MS, "end": float(t + MARGIN_MS), "reason": CHECK}
        for v, y, t in dict.fromkeys(found)
    ]
    words = [
        f"convention_change_in_window: {v}{f' {y}' if y else ''} began to count otherwise at {utc(t)}; the step across "
        "it is booked as gap, not as flow."
        for v, y, t in dict.fromkeys(found)
        if t >= now - window_ms
    ]
    return pd.concat([known, pd.DataFrame(rows)], ignore_index=True) if len(known) else pd.DataFrame(rows), words


def began(date: object) -> int | None:
    """ms UTC of a day's beginning; None where no day is given."""
    if not isinstance(date, str) or not date:
        return None
    return round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000)
