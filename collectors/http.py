"""Questions over HTTP, asked politely: one budget and one patience a venue, for REST and dials together.

What a venue counts apart (`Limits.others`) has a budget of its own; a wait that it asks for holds all of it.

What can come instead of an answer:

    FailedError    the venue did not answer, or answered with an error
    LimitedError   the venue asked us to wait; nobody asks or dials it before `until`
    BlockedError   the venue does not want us here (451, 403, a page instead of data)
"""

import logging
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from statistics import median
from types import TracebackType
from typing import Literal
from urllib.parse import urlsplit

import anyio
import httpx2
import msgspec

from collectors.budget import Budget, Rank
from collectors.venue import Ask, Venue
from store.records import Hold, Record

log = logging.getLogger(__name__)

Address = Callable[[Venue, str], str]
Sink = Callable[[Record], None]
Clock = Callable[[], float]

LOOPBACK = ("127.0.0.1", "localhost", "::1")  # a proxy is never asked for it
BODY_LIMIT = 64 * 2**20  # bytes, unpacked; the largest catalogue known is under 10 MiB
HELD_S = 15.0  # when a venue limits us and does not say for how long; doubled each time ...
HELD_MAX_S = 600.0  # ... up to this
SKEWS, SLOW_MS = 31, 500  # answers that tell how far clocks are apart; a slower one could be off by a second
SPOKEN_WAIT = re.compile(r"(?:banned|blocked|limited|wait|retry)\D{0,40}?until\D{0,10}(\d{13}|\d{10})\b", re.IGNORECASE)
SPOKEN_LIMIT = re.compile(r"too (?:many|frequent)|rate.?limit|access too|banned until", re.IGNORECASE)


class FailedError(Exception):
    """A question without an answer, in words for a reader."""


class BlockedError(Exception):
    """The venue refuses this address, in its own words."""


class LimitedError(Exception):
    """The venue asked us to wait until `until`, ms UTC."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(hold.reason)
        self.until = hold.until


def real(_: Venue, url: str) -> str:
    return url


def proxy(url: str) -> Literal[True] | None:
    """Whose proxy a connection takes: the environment's (True), or nobody's."""
    return None if urlsplit(url).hostname in LOOPBACK else True


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Standing:
    """How we stand with one venue."""

    weight: Budget
    dials: Budget
    others: Mapping[str, Budget]  # what the venue counts apart
    hold: Hold | None = None
    refusals: int = 0  # in a row, without a stated wait
    skews: deque[float] = field(default_factory=lambda: deque[float](maxlen=SKEWS))  # ms, ours less theirs

    def budget(self, name: str) -> Budget:
        """The one that a question names. Raises KeyError where the venue has no such budget."""
        return self.others[name] if name else self.weight

    def forget(self, key: int) -> None:
        """A poll that asks no more leaves its share to the others."""
        for budget in (self.weight, *self.others.values()):
            budget.want(key, None)


@dataclass(slots=True)
class Http:
    """Owns the HTTP client of one run, and what every venue has asked of us."""

    address: Address = real
    sink: Sink | None = None
    holds: Iterable[Hold] = ()
    timeout: float = 10.0
    now: Callable[[], int] = utc_ms
    clock: Clock = time.monotonic
    standings: dict[str, Standing] = field(default_factory=dict[str, Standing])
    client: httpx2.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx2.AsyncClient(
            timeout=self.timeout,
            headers={"User-Agent": "crossoi"},
            mounts={f"all://[{host}]" if ":" in host else f"all://{host}": None for host in LOOPBACK},
        )
        self.holds = {hold.venue: hold for hold in sorted(self.holds, key=lambda hold: hold.until)}.values()

    async def __aenter__(self) -> "Http":
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.__aexit__(kind, error, trace)

    async def ask(self, venue: Venue, ask: Ask, rank: Rank = Rank.NOW) -> bytes:
        """The body of the reply; `rank` says who waits where the budget is short. Raises FailedError, LimitedError or
        BlockedError."""
        standing = self.standing(venue)
        self.check(venue)
        await standing.budget(ask.budget).spend(ask.weight, rank)
        self.check(venue)  # the wait for the budget may have brought a hold
        body = None if ask.body is None else msgspec.json.encode(ask.body)
        headers = dict(ask.headers) if body is None else {"Content-Type": "application/json", **ask.headers}
        url, sent = self.address(venue, ask.url), self.now()
        try:
            with anyio.fail_after(self.timeout * 3):  # the client's own limit is on each read, not on the whole
                async with self.client.stream(ask.method, url, content=body, headers=headers) as reply:
                    skew = apart(reply.headers, sent, self.now())
                    text = await whole(reply)
        except httpx2.HTTPError as broken:
            raise FailedError(f"{urlsplit(url).netloc}: {broken.__class__.__name__} {broken}".strip()) from broken
        except TimeoutError as broken:
            raise FailedError(f"{urlsplit(url).netloc}: no whole answer within {self.timeout * 3:g} s") from broken
        if skew is not None:
            standing.skews.append(skew)
        counted = "" if ask.budget else venue.limits.used_header  # it tells of the weight, and not of what is apart
        if counted and (used := reply.headers.get(counted)):
            standing.weight.observe(float(used) if used.replace(".", "", 1).isdigit() else 0.0)
        trouble = self.judge(venue, reply.status_code, reply.headers, text)
        if trouble is not None:
            raise trouble
        standing.refusals = 0
        return text

    def skew_ms(self, venue: Venue) -> float | None:
        """Our clock less that of whoever answers for the venue, ms: the median of the last answers that say a time."""
        skews = self.standing(venue).skews
        return median(skews) if skews else None

    async def dial(self, venue: Venue) -> None:
        """Wait for a place in the venue's budget of connections. Raises LimitedError while the venue is on hold."""
        self.check(venue)
        await self.standing(venue).dials.spend()
        self.check(venue)

    def check(self, venue: Venue) -> None:
        hold = self.standing(venue).hold
        if hold is not None and hold.until > self.now():
            raise LimitedError(hold)

    def standing(self, venue: Venue) -> Standing:
        standing = self.standings.get(venue.id)
        if standing is None:
            limits = venue.limits
            standing = self.standings[venue.id] = Standing(
                Budget(limits.weight, limits.per, self.clock),
                Budget(limits.dials, limits.dials_per, self.clock),
                {name: Budget(amount, per, self.clock) for name, (amount, per) in limits.others.items()},
                next((hold for hold in self.holds if hold.venue == venue.id), None),
            )
        return standing

    def judge(
        self, venue: Venue, status: int, headers: Mapping[str, str], body: bytes
    ) -> FailedError | LimitedError | BlockedError | None:
        """What a reply or a refused handshake is, if it is not an answer. A wait asked for holds the whole venue."""
        words = body[:300].decode(errors="replace").strip()
        page = "html" in headers.get("content-type", "") or body[:200].lstrip().lower().startswith((b"<!doc", b"<html"))
        limited = status in (429, 418) or (status in (400, 403, 503) and not page and SPOKEN_LIMIT.search(words))
        if limited or (status == 503 and "retry-after" in headers):
            return LimitedError(self.hold(venue, status, headers, words))
        if status in (451, 403):
            return BlockedError(f"HTTP {status}: {'a page, not data' if page else words or 'no words'}")
        if page and status < 400:
            return BlockedError(f"HTTP {status}: a page, not data")
        if not 200 <= status < 300:
            return FailedError(f"HTTP {status}: {'a page, not data' if page else words or 'no words'}")
        return None

    def hold(self, venue: Venue, status: int, headers: Mapping[str, str], words: str) -> Hold:
        standing = self.standing(venue)
        now = self.now()
        until = stated_wait(headers.get("retry-after", ""), words, now)
        if until is None and standing.hold is not None and standing.hold.until > now:
            return standing.hold  # of questions that were out at once, the first refusal speaks for all
        if until is None:
            until = now + int(1000 * min(HELD_S * 2**standing.refusals, HELD_MAX_S))
            standing.refusals += 1
        hold = Hold(venue.id, until, f"HTTP {status}: {words or 'no words'}")
        if standing.hold is None or until > standing.hold.until:
            standing.hold = hold
            log.warning("%s: asked to wait %.0f s: %s", venue.id, (until - now) / 1000, hold.reason)
            if self.sink is not None:
                self.sink(hold)
        return standing.hold


async def whole(reply: httpx2.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in reply.aiter_bytes():
        parts.append(part)
        size += len(part)
        if size > BODY_LIMIT:
            raise FailedError(f"an answer of more than {BODY_LIMIT} bytes")
    return b"".join(parts)


def apart(headers: Mapping[str, str], sent: int, heard: int) -> float | None:
    """ms between our clock and that of an answer's `Date`, which is cut to the second. A kept answer tells nothing."""
    try:
        stated = parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000
    except (TypeError, ValueError):
        return None
    kept = headers.get("age", "0").strip() not in ("", "0")
    return None if kept or heard - sent > SLOW_MS else (sent + heard) / 2 - (stated + 500)


def stated_wait(header: str, words: str, now: int) -> int | None:
    """Until when a venue asks us to wait, ms UTC: `Retry-After` in seconds or as a date, or "banned until" in words."""
    spoken = SPOKEN_WAIT.search(words)
    stated = None
    if spoken:
        digits = spoken.group(1)
        stated = int(digits) if len(digits) == 13 else int(digits) * 1000
    header = header.strip()
    if header.replace(".", "", 1).isdigit():
        after = now + int(float(header) * 1000)
    else:
        try:
            after = int(parsedate_to_datetime(header).timestamp() * 1000) if header else None
        except ValueError:
            after = None
    found = [at for at in (stated, after) if at is not None and at > now]
    return max(found) if found else None
