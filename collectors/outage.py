"""What the log says of segments: a line for a new state, and one line for all when no venue can be reached (F14)."""

import json
import logging
from collections.abc import Callable

import anyio

from collectors.http import Clock, Sink
from store.records import Event

log = logging.getLogger(__name__)

SPEAK_S = 600.0  # between two lines about one segment in one state
QUIET = frozenset({"live", "connecting", "closed"})  # states that are no warning
REACHING = frozenset({"live", "connecting", "mute", "stale"})  # states of whom a connection or a first try may stand


class Outage:
    """Owns what is said of all segments of a run. That one is down is told a moment later: by then it may be all."""

    def __init__(self, sink: Sink, grace: float, clock: Clock, now: Callable[[], int]) -> None:
        self.sink = sink
        self.grace = grace  # seconds in which all notice one and the same fault, and after which it is one
        self.clock = clock
        self.now = now
        self.states: dict[tuple[str, str], str] = {}  # by venue and segment
        self.spoken: dict[tuple[str, str, str], float] = {}
        self.waiting: dict[tuple[str, str], tuple[float, str]] = {}  # who went down, when, and the words
        self.alone: float | None = None  # monotonic: since when no venue can be reached
        self.since: int | None = None  # the same, ms UTC, once it has been told

    def turn(self, venue: str, segment: str, state: str, words: str) -> None:
        """A segment is in a new state."""
        spot = (venue, segment)
        self.states[spot] = state
        self.waiting.pop(spot, None)
        if state == "down":
            self.waiting[spot] = (self.clock(), words)
        else:
            self.say(venue, segment, state, words)
        if len(self.down()) < 2 or not REACHING.isdisjoint(self.states.values()):
            self.alone = None
            if self.since is not None:
                lasted = (self.now() - self.since) / 1000
                log.info("network: %s can be reached again, after %.0f s", venue, lasted)
                self.tell({"until": self.now()})
                self.since = None
        elif self.alone is None:
            self.alone = self.clock()

    def down(self) -> list[str]:
        """Venues of which a segment is down."""
        return sorted({venue for (venue, _), state in self.states.items() if state == "down"})

    def look(self) -> None:
        """Tells of whom went down alone that it did, and once of all that they did."""
        now = self.clock()
        if self.alone is not None and self.since is None and now - self.alone >= self.grace:
            words = next((words for _, words in reversed(self.waiting.values())), "")
            self.since = self.now() - int(1000 * (now - self.alone))
            log.warning("network: none of %d venues can be reached: %s", len(self.down()), words)
            self.tell({"venues": self.down(), "words": words})
        for (venue, segment), (at, words) in list(self.waiting.items()):
            if self.since is not None or (self.alone is None and now - at >= self.grace):
                del self.waiting[venue, segment]
                if self.since is None:
                    self.say(venue, segment, "down", words)

    def tell(self, detail: dict[str, object]) -> None:
        """One incident: an event when it begins, and another with the same `since` when it ends."""
        self.sink(Event(self.now(), "network_down", "", "", json.dumps({"since": self.since, **detail})))

    def say(self, venue: str, segment: str, state: str, words: str) -> None:
        clock = self.clock()
        if clock - self.spoken.get((venue, segment, state), -SPEAK_S) >= SPEAK_S:  # who flaps does not fill the log
            self.spoken[venue, segment, state] = clock
            level = logging.INFO if state in QUIET else logging.WARNING
            log.log(level, "%s %s: %s %s", venue, segment, state, words)

    async def keep(self) -> None:
        while True:
            await anyio.sleep(self.grace / 5)
            self.look()
