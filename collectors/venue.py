"""The venue contract: what a venue's file says about its venue. Data first, and a few pure functions.

A venue's file opens no socket, reads no clock, logs nothing and knows no other venue. `docs/venues.md` tells how to
add one. None means "does not say", never zero.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from store.records import FeedClass, Field, Instrument, Kind, Side, Unit

if TYPE_CHECKING:
    from collectors.public import Positions

Message = Any  # one decoded frame; only the venue's own file knows its shape
Gives = Literal["oi", "mark", "index", "funding", "liquidations", "volume", "ratios", "tiers"]
RatioKind = Literal[
    "account", "top_account", "top_position", "taker", "dealers", "asset_managers", "leveraged_funds"
]  # never mixed (analytics.md, 7.4)
VenueClass = Literal["speculative", "institutional", "mixed", "none"]


class Update(msgspec.Struct, gc=False):
    """What one frame says of one instrument, in the venue's own units. One is made for every frame, hence a struct."""

    symbol: str  # empty where a reply names none: the instrument that the question was about
    ts: int | None = None  # when the venue says it was so, ms UTC
    oi: float | None = None  # as published ...
    field: Field | None = None  # ... in this field
    mark: float | None = None  # quote units a venue's base unit
    index: float | None = None
    funding: float | None = None  # fraction per interval
    funding_interval_h: float | None = None
    affirms: bool = False  # a delta that leaves the open interest out, and so says that it has not changed
    usd: float | None = None  # the same open interest in USD, where one statement says it twice; checked, never used


class Liquidated(msgspec.Struct, gc=False):
    """A forced close, as published."""

    symbol: str
    ts: int | None
    side: Side  # the position that died
    size: float
    unit: Unit
    price: float
    feed: FeedClass


class Traded(msgspec.Struct, gc=False):
    """What was traded in one minute, each trade counted once, as published."""

    symbol: str
    ts: int  # start of the minute, ms UTC
    volume: float
    unit: Unit
    taker_buy: float | None = None  # the part in which the buyer was the taker, in the same unit
    price: float | None = None  # of the minute (close or mean), for units that need one
    final: bool = True  # False while the minute runs


class Ratio(msgspec.Struct, gc=False):
    """Longs to shorts, as published: accounts, positions or taker volume, never mixed."""

    symbol: str
    ts: int | None  # ms UTC
    kind: RatioKind
    ratio: float  # long / short


class Tier(msgspec.Struct, gc=False):
    """One step of a leverage ladder. `lower` and `upper` bound a position in `unit`."""

    symbol: str
    tier: int  # from 1
    lower: float
    upper: float | None  # None: no upper bound
    unit: Unit
    maintenance: float  # rate, fraction of notional
    max_leverage: float | None = None
    deduction: float | None = None  # in `unit`; None where the venue does not say


@dataclass(frozen=True, slots=True)
class Acked:
    """The venue took a subscription. `request` is the number we gave it, `symbol` whom it was for, if it says.

    Without a symbol it took the whole request. A symbol's first data counts as its ack: most venues need no `Acked`.
    """

    request: int | None = None
    symbol: str | None = None
    only: frozenset[str] | None = None  # the symbols it took; the others of the request are refused. None: all of them


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue refused a subscription, in its own words. Without a symbol, the request is asked again in halves."""

    words: str
    request: int | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """The venue will close this connection soon: open the next one first."""

    words: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A frame or an event of a kind that we do not read. Not for answers to what we sent."""

    kind: str


Said = Update | Liquidated | Traded | Ratio | Tier | Acked | Refused | Notice | Ignored
Parse = Callable[[Message], Iterable[Said]]


class CatalogueError(ValueError):
    """A positional frame does not fit the catalogue that we have: read the catalogue again, and keep nothing of it."""


class Make(Protocol):
    """A parse from every instrument of the segment, and the symbols that are asked for (None: every live one)."""

    def __call__(self, instruments: Sequence[Instrument], wanted: Collection[str] | None = None, /) -> Parse: ...


@dataclass(frozen=True, slots=True)
class Remembering:
    """A parse made anew for each connection, for frames that mean nothing outside it.

    `make` is given every instrument of the segment in the catalogue's order, delisted ones included, because positional
    frames count places in that order; and what this connection is asked for, so that the rest need not be read.
    """

    make: Make


def unasked(instruments: Sequence[Instrument], wanted: Collection[str] | None) -> frozenset[str]:
    """What frames of all instruments name and nobody asked for. A new listing is not among them: it must be noticed."""
    return frozenset[str]() if wanted is None else frozenset(i.symbol for i in instruments) - frozenset(wanted)


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP question. `weight` is what it costs of the venue's budget, or of that of its `others` named here."""

    url: str
    method: Literal["GET", "POST"] = "GET"
    body: Message = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    weight: float = 1.0
    budget: str = ""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What we must send, and how often, for the venue to keep the line open."""

    message: Message
    every: float  # seconds


class SendTime:
    """Stands in a message for the second it is sent, for venues that want one. `spelled` fills it in."""


SEND_TIME = SendTime()


def spelled(message: Message, now: int) -> str:
    """A message of ours as JSON text; a plain text is sent as it stands. `now` is the moment it is sent, ms UTC."""
    if isinstance(message, str):
        return message

    def fill(value: object) -> int:
        if value is SEND_TIME:
            return now // 1000
        raise TypeError(f"{value!r} cannot be sent")

    return msgspec.json.encode(message, enc_hook=fill).decode()


def plain(frame: str | bytes) -> Message:
    """A JSON frame as dicts and lists, for venues that declare no wire struct."""
    return msgspec.json.decode(frame)


@dataclass(frozen=True, slots=True)
class Socket:
    """A WebSocket that pushes updates."""

    url: str
    gives: frozenset[Gives]  # what its frames state; forgotten when its connection ends
    subscribe: Callable[[Sequence[Instrument], int], Iterable[Message]]  # a batch, and the number of our request
    parse: Parse | Remembering
    decode: Callable[[str | bytes], Message] = plain  # None: a frame that is none of ours
    answer: Callable[[Message], Message | None] | None = None  # to a venue's own ping
    heartbeat: Heartbeat | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # of the handshake
    greets: bool = False  # the venue speaks first; we wait for it
    token: Ask | None = None  # asked before every dial; `dial` makes the address of its reply
    dial: Callable[[Message], str] | None = None
    per_socket: int = 100  # instruments on one connection
    batch: int = 50  # instruments in one subscribe call; a refused batch is halved until the culprit is alone
    pace: float = 0.1  # seconds between our messages
    rest: float = 0.0  # seconds from the handshake to our first message
    cadence: float | None = 5.0  # seconds between a quiet symbol's data when all is well; None: silence proves nothing.
    # Of a feed that gives open interest, only what states or affirms it is data: marks prove nothing of it.
    line: float | None = None  # seconds between data of a whole line that has a major coin on it, where that is less
    # than a symbol's cadence. Where a symbol's silence proves nothing, None is a minute; or that silence proves nothing
    # of the line either, where it gives forced closes
    life: float | None = None  # seconds after which the venue ends a connection
    others: tuple[str, ...] = ()  # addresses of the same, tried in turn where one cannot be dialled, or stays mute


@dataclass(frozen=True, slots=True)
class Lately:
    """A question about the last so many seconds of an instrument, where the venue wants to hear from when to when."""

    ask: Callable[[Instrument, int, int], Ask]  # instrument, from and to in ms UTC, both inclusive
    seconds: float


@dataclass(frozen=True, slots=True)
class Poll:
    """A REST question asked again and again, for what the venue does not push."""

    ask: Ask | Callable[[Instrument], Ask] | Lately  # one reply for all, or a question an instrument
    every: float  # seconds
    gives: frozenset[Gives]
    parse: Parse
    decode: Callable[[str | bytes], Message] = plain
    cadence: float | None = None  # seconds between statements, where the venue makes them more seldom than we ask


def question(ask: Callable[[Instrument], Ask] | Lately, instrument: Instrument, now: int, every: float = 0.0) -> Ask:
    """What a poll asks of an instrument at a moment, ms UTC; of no less than two rounds, `every` seconds apart."""
    if isinstance(ask, Lately):
        return ask.ask(instrument, now - round(max(ask.seconds, 2 * every) * 1000), now)
    return ask(instrument)


@dataclass(frozen=True, slots=True)
class History:
    """A REST question about the past."""

    ask: Callable[[Instrument, int, int], Ask]  # instrument, from and to in ms UTC, both inclusive
    parse: Parse
    gives: frozenset[Gives]
    step: float  # seconds between points
    limit: int  # points in one reply
    depth: float  # days the venue keeps
    decode: Callable[[str | bytes], Message] = plain
    bounded: bool = True  # False: the venue hears no from and to, and gives its newest points


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply or frame that no feed asks for but that we can read: for `crossoi decode` and files people have.

    With an `ask` it stands in for the feed of open interest, about whom that stays silent about, or fails.
    """

    parse: Parse | Remembering
    decode: Callable[[str | bytes], Message] = plain
    path: str = ""  # of the url it comes from
    ask: Ask | Callable[[Instrument], Ask] | None = None  # one reply for all, or a question an instrument


@dataclass(frozen=True, slots=True)
class Archive:
    """What a public archive holds of a segment: for `crossoi import`, which never guesses what a number counts."""

    format: Literal["metrics", "ticks", "cot", "daily"]  # see collectors/imports
    name: str = ""  # what the archive calls this exchange; empty where it names none
    field: Field | None = None  # which published field its open interest is; None: it states none that we know
    deaths: tuple[Unit, FeedClass] | None = None  # what a forced close's amount counts, and how many of them are shown
    rows: Callable[[Sequence[Mapping[str, str]]], Iterable[Said]] | None = None  # of rows only the venue understands
    symbol: Callable[[str], str] | None = None  # ours, of the archive's own; None: the same, perhaps in upper case
    funding_since: str | None = ""  # YYYY-MM-DD from which its funding is as our feeds say it; None: in no known unit
    until: str = ""  # YYYY-MM-DD from which its open interest is in no known unit
    lacks: str = ""  # what it does not have, or in no known unit, for whoever tries: "forced closes"
    evidence: str = ""  # how we know what its numbers are


@dataclass(frozen=True, slots=True)
class Segment:
    """Instruments listed together and fed alike: linear, inverse, ..."""

    id: str
    catalogue: Ask
    read: Callable[[Message], Iterable[Instrument]]  # every instrument, in the venue's order; `live` says which trade
    owns: Callable[[str], bool]  # a symbol rule, for frames that do not say whence they came
    feeds: tuple[Socket | Poll, ...]
    history: tuple[History, ...] = ()
    answers: tuple[Answer, ...] = ()
    decode: Callable[[str | bytes], Message] = plain  # the catalogue
    more: Callable[[Message], Ask | None] | None = None  # the catalogue's next page
    positions: "Positions | None" = None  # where the venue shows everyone's
    archives: tuple[Archive, ...] = ()
    lists: Kind | None = None  # all that it lists: where the universe is without it, the segment is not even asked


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue lets one address do."""

    weight: float = 10.0  # REST weight ...
    per: float = 1.0  # ... in so many seconds
    dials: int = 20  # connections ...
    dials_per: float = 60.0  # ... in so many seconds
    used_header: str = ""  # a reply header that tells the weight used so far
    # weight in so many seconds, by name, of questions that the venue counts apart and not in the weight above
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def rate(self, budget: str = "") -> float:
        """Weight a second. Raises KeyError where the venue has no such budget."""
        weight, per = self.others[budget] if budget else (self.weight, self.per)
        return weight / per


@dataclass(frozen=True, slots=True)
class Venue:
    id: str
    name: str
    cls: VenueClass
    docs: str
    fields: tuple[Field, ...]
    segments: tuple[Segment, ...]
    limits: Limits = Limits()
    closed_on: str | None = None  # YYYY-MM-DD; a closed venue is never carried forward
    only: Kind | None = None  # it lists nothing else, and is collected in this kind whatever the universe
    note: str = ""  # what a reader of its numbers must know
