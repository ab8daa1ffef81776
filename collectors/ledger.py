"""What we know of each symbol of one feed, since when, and where we could not know: health and gap rows."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from collectors.http import Clock, Sink, utc_ms
from store.records import INSTEAD, Event, Gap, Health

LIVE = "live"
SPARED = f"; {INSTEAD}"
STATES = (LIVE, "stale", "connecting", "limited", "blocked", "mute", "refused", "waiting", "down", "closed")
"""From the best to the worst."""


class Standing:
    """One symbol of one feed. A plain class with slots, because `at` is written for every frame."""

    __slots__ = ("asked", "at", "cadence", "detail", "frames", "gap", "since", "state", "symbol")

    def __init__(self, symbol: str, cadence: float | None, since: int) -> None:
        self.symbol = symbol
        self.cadence = cadence
        self.state = "connecting"
        self.detail = ""
        self.since = since
        self.at: float | None = None  # monotonic, the last data of the feed
        self.asked: float | None = None  # monotonic, the last answer over REST in place of a silent socket
        self.frames = 0
        self.gap: Gap | None = None


class Ledger:
    """Owns the standing of every symbol of one feed, and says through the sink what changes."""

    def __init__(
        self,
        venue: str,
        segment: str,
        sink: Sink,
        *,
        about: str = "",  # what a secondary feed gives; the feed of open interest has none and speaks for the symbol
        gaps: Sequence[Gap] = (),  # left open by an earlier run
        spare: float = 60.0,  # seconds between questions in place of a silent socket
        changed: Callable[[], None] = lambda: None,
        clock: Clock = time.monotonic,
        now: Callable[[], int] = utc_ms,
    ) -> None:
        self.changed = changed
        self.venue = venue
        self.segment = segment
        self.sink = sink
        self.about = about
        self.blinds = not about or "oi" in about.split(", ") or "mark" in about.split(", ")
        self.spare = spare
        self.clock = clock
        self.now = now
        self.began = now()
        self.left: dict[str, list[Gap]] = {}
        for gap in gaps:
            mine = gap.reason.startswith(f"{about}: ") if about else gap.reason.partition(":")[0] in STATES
            if mine and gap.end is None and (gap.venue, gap.segment) == (venue, segment):
                self.left.setdefault(gap.symbol, []).append(gap)
        self.standings: dict[str, Standing] = {}

    def expect(self, symbols: Iterable[str], cadence: float | None) -> None:
        """Symbols that should be heard from now on."""
        for symbol in symbols:
            known = self.standings.get(symbol)
            if known is None or known.state == "closed":
                standing = self.standings[symbol] = Standing(symbol, cadence, self.now())
                self.sink_health(standing)

    def seen_ms(self, standing: Standing) -> int | None:
        """When the last data came, ms UTC. Kept on the monotonic clock, so that a step of the wall clock cannot lie."""
        known = [at for at in (standing.at, standing.asked) if at is not None]
        return self.now() - int(1000 * (self.clock() - max(known))) if known else None

    def spared(self, standing: Standing) -> bool:
        """Whether answers over REST stand in for a silent socket."""
        return standing.asked is not None and self.clock() - standing.asked <= 3 * self.spare

    def answered(self, standing: Standing, at: float) -> None:
        """An answer over REST: we know again, if more seldom, so the gap ends; but the line is as silent as it was."""
        words = standing.detail.removesuffix(SPARED)
        standing.asked = at
        self.end_gaps(standing)
        self.turn(standing, "mute", words + SPARED)
        self.changed()

    def cadence(self, standing: Standing) -> float | None:
        """Seconds between data when all is as well as it can be now."""
        return self.spare if self.spared(standing) else standing.cadence

    def revive(self, standing: Standing) -> None:
        """Data flows again. What is closed stays so: a venue may go on for a while with what it lists no more."""
        if standing.state == "closed":
            return
        standing.asked = None
        self.end_gaps(standing)
        self.turn(standing, LIVE, "")

    def end_gaps(self, standing: Standing) -> None:
        """The gap that is open now, and what an earlier run left open."""
        open_now = [] if standing.gap is None else [standing.gap]
        standing.gap = None
        for gap in (*self.left.pop(standing.symbol, ()), *open_now):
            self.tell(Gap(gap.venue, gap.segment, gap.symbol, gap.start, self.now(), gap.reason))

    def open(self) -> list[Gap]:
        """The gaps that have not ended, also those of an earlier ledger."""
        mine = [standing.gap for standing in self.standings.values() if standing.gap is not None]
        return [*(gap for gaps in self.left.values() for gap in gaps), *mine]

    def tell(self, gap: Gap) -> None:
        """A gap in what makes a reading is a `Gap`; one in forced closes or funding alone must not look like it."""
        if self.blinds:
            self.sink(gap)
        else:
            self.sink(Event(self.now(), "feed_gap", "", self.venue, json.dumps(asdict(gap))))

    def lost(self, symbols: Iterable[str], state: str, words: str, proved: float | None = None) -> None:
        """We do not know any more: a gap opens at the last moment we knew, which `proved` (monotonic) can be too."""
        for symbol in symbols:
            standing = self.standings.get(symbol)
            if standing is None or standing.state == "closed":
                continue
            if self.spared(standing) and state != "closed":
                standing.detail = words.removesuffix(SPARED) + SPARED
                continue
            if standing.gap is None and symbol not in self.left:
                seen = self.seen_ms(standing)
                if proved is not None:
                    seen = max(seen or 0, self.now() - int(1000 * (self.clock() - proved)))
                reason = f"{self.about}: {state}: {words}" if self.about else f"{state}: {words}"
                start = self.began if seen is None else seen
                standing.gap = Gap(self.venue, self.segment, symbol, start, None, reason)
                self.tell(standing.gap)
            self.turn(standing, state, words)

    def close(self, symbols: Iterable[str]) -> None:
        """Delisted: an end, not a gap."""
        for symbol in symbols:
            standing = self.standings.get(symbol)
            if standing is not None and standing.state != "closed":
                self.end_gaps(standing)
                self.turn(standing, "closed", "no longer listed")

    def stop(self) -> None:
        """A clean stop is an interruption like any other; the next run is told of it and ends it."""
        for standing in self.standings.values():
            if standing.gap is None and standing.state != "closed" and self.seen_ms(standing) is not None:
                self.lost([standing.symbol], "closed", "stopped")

    def turn(self, standing: Standing, state: str, detail: str) -> None:
        if standing.state != state:
            standing.state = state
            standing.since = self.now()
            standing.detail = detail
            self.sink_health(standing)
            self.changed()
        standing.detail = detail

    def sink_health(self, standing: Standing) -> None:
        if self.about:
            return
        seen = self.seen_ms(standing)
        health = Health(
            self.venue, self.segment, standing.symbol, self.now(), standing.state, standing.since, seen,
            self.cadence(standing), standing.frames, 0, standing.detail,
        )  # fmt: skip
        self.sink(health)

    def report(self) -> None:
        """Every symbol's health, whether it changed or not."""
        for standing in self.standings.values():
            self.sink_health(standing)

    def best(self) -> Standing | None:
        """The best-off symbol speaks for all: a segment is live while anything of it is."""
        return min(self.standings.values(), key=lambda standing: STATES.index(standing.state), default=None)
