"""What was paid: rates of funding as venues settled them, each with the length of its interval. Pure.

The interval comes from the venue: from the row, where it says one, else from the rows beside it (faults.md, F33).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from collectors.venue import Said, Update
from store.records import Funding, Instrument, Quarantined, Source

LEAD_MS = 86_400_000  # so much earlier than wanted it is asked for: an interval is known by the payment before it
WAITING = 2  # payments that wait for older ones, which tell how long their intervals were
MOST = 1.0  # a rate that takes the whole position at once is none
MINUTE_MS = 60_000
NO_INTERVAL = "how long its interval was is not known"


@dataclass(slots=True)
class Payments:
    """What one instrument's history has told so far of one stretch, newest first."""

    instrument: Instrument
    first: int  # of what is wanted, ms UTC, both inclusive; rows beside it only tell of intervals
    last: int
    simulated: bool
    rows: list[Update] = field(default_factory=list[Update])
    done: int = 0  # of `rows`
    untimed: int = 0

    def take(self, said: Iterable[Said], now: int, over: bool) -> list[Funding | Quarantined]:
        """A page, newest first: what can be handed on by it. After the last one (`over`) nothing waits."""
        for one in said:
            if isinstance(one, Update) and one.funding is not None and one.symbol in ("", self.instrument.symbol):
                before = self.rows[-1].ts or 0 if self.rows else math.inf
                if one.ts is not None and one.ts < before:  # the ends of pages may be told twice
                    self.rows.append(one)
        times = [row.ts or 0 for row in self.rows]
        ready = len(times) if over else max(self.done, len(times) - WAITING)
        made = [self.record(times, k, now) for k in range(self.done, ready) if self.first <= times[k] <= self.last]
        self.done = ready
        return [one for one in made if one is not None]

    def record(self, times: Sequence[int], k: int, now: int) -> Funding | Quarantined | None:
        i, row = self.instrument, self.rows[k]
        rate, hours = float(row.funding or 0.0), row.funding_interval_h or interval_h(times, k)
        if not math.isfinite(rate) or abs(rate) >= MOST:
            check, words = "magnitude" if math.isfinite(rate) else "not_finite", f"a funding rate of {rate!r} was paid"
            return Quarantined(i.venue, i.segment, i.symbol, now, check, f"{words}, in the venue's history", repr(rate))
        if hours is None:
            self.untimed += 1
            return None
        return Funding(i, times[k], now, rate, hours, Source.BACKFILL, self.simulated)


def interval_h(times: Sequence[int], k: int) -> float | None:
    """How long the interval was that ended at times[k] (ms UTC, newest first): since the payment before it.

    Of the oldest one only the next tells. Where a payment is missing before it, the distances on both sides agree on a
    shorter one. None where it stands alone.
    """

    def apart(newer: int) -> int | None:
        return times[newer] - times[newer + 1] if 0 <= newer < len(times) - 1 else None

    since, until, before = apart(k), apart(k - 1), apart(k + 1)
    missing = since and until and before and since > max(until, before) + MINUTE_MS
    if since is None or missing:
        since = until
    return None if since is None else round(since / MINUTE_MS) / 60 or None
