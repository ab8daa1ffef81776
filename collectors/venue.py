"""The venue contract: what a venue's file says about its venue. Data first, and a few pure functions.

A venue's file opens no socket, reads no clock, logs nothing and knows no other venue. `docs/venues.md` tells how to
add one. None means "does not say", never zero.
"""

import gzip
import io
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

import msgspec

from store.records import FeedClass, Field, Instrument, Side, Unit

Message = Any  # one decoded frame; only the venue's own file knows its shape
Gives = Literal["oi", "mark", "index", "funding", "liquidations"]
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


class Liquidated(msgspec.Struct, gc=False):
    """A forced close, as published."""

    symbol: str
    ts: int | None
    side: Side  # the position that died
    size: float
    unit: Unit
    price: float
    feed: FeedClass


@dataclass(frozen=True, slots=True)
class Acked:
    """The venue took a subscription. `request` is the number we gave it, `symbol` whom it was for, if it says."""

    request: int | None = None
    symbol: str | None = None
    only: frozenset[str] | None = None  # the symbols it took; the others of the request are refused. None: all of them


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue refused a subscription, in its own words."""

    words: str
    request: int | None = None
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """The venue will close this connection soon: open the next one first."""

    words: str


Said = Update | Liquidated | Acked | Refused | Notice
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


@dataclass(frozen=True, slots=True)
class Ask:
    """One HTTP question. `weight` is what it costs of the venue's budget."""

    url: str
    method: Literal["GET", "POST"] = "GET"
    body: Message = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    weight: float = 1.0


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
    decode: Callable[[str | bytes], Message] = plain
    answer: Callable[[Message], Message | None] | None = None  # to a venue's own ping
    heartbeat: Heartbeat | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # of the handshake
    greets: bool = False  # the venue speaks first; we wait for it
    token: Ask | None = None  # asked before every dial; `dial` makes the address of its reply
    dial: Callable[[Message], str] | None = None
    per_socket: int = 100  # instruments on one connection
    batch: int = 50  # instruments in one subscribe call; a refused batch is halved until the culprit is alone
    pace: float = 0.1  # seconds between our messages
    cadence: float | None = 5.0  # seconds between data for one symbol when all is well; None: silence proves nothing
    life: float | None = None  # seconds after which the venue ends a connection


@dataclass(frozen=True, slots=True)
class Poll:
    """A REST question asked again and again, for what the venue does not push."""

    ask: Ask | Callable[[Instrument], Ask]  # one reply for all, or a question an instrument
    every: float  # seconds
    gives: frozenset[Gives]
    parse: Parse
    decode: Callable[[str | bytes], Message] = plain


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


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply or frame that we never ask for but can read: for `crossoi decode` and files people have."""

    parse: Parse
    decode: Callable[[str | bytes], Message] = plain
    path: str = ""  # of the url it comes from


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


@dataclass(frozen=True, slots=True)
class Limits:
    """What the venue lets one address do."""

    weight: float = 10.0  # REST weight ...
    per: float = 1.0  # ... in so many seconds
    dials: int = 20  # connections ...
    dials_per: float = 60.0  # ... in so many seconds
    used_header: str = ""  # a reply header that tells the weight used so far


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
    note: str = ""  # what a reader of its numbers must know


Number = float | Literal[""] | None
"""How venues write a number: a number, a text of one, or an empty text. Decoders are made with `strict=False`."""

Stated = Number | msgspec.UnsetType
"""A number that some frames of a struct leave out: it defaults to UNSET, which tells "left out" from "no value", and
`number` of it raises, so that a venue which drops a field is heard."""


def number(value: Stated) -> float | None:
    """A published number, or None where the venue sent it empty. Zero stays zero; ValueError where it was left out."""
    if value.__class__ is float:
        return value  # type: ignore[return-value]  # the class was just looked at; isinstance costs twice as much
    if value is None or value == "":
        return None
    if value is msgspec.UNSET:
        raise ValueError("a number that this frame must state was left out")
    return float(value)


ALIASES: Mapping[str, str] = MappingProxyType({"XBT": "BTC"})
MULTIPLIED = re.compile(
    r"(?P<zeros>10{3,})(?P<a>[A-Z].*)|(?P<b>[A-Z]+)(?P<after>10{3,})|1M(?P<c>[A-Z].*)|k(?P<d>[A-Z].*)"
)


def coin(name: str) -> tuple[str, float]:
    """The coin behind a venue's base unit, and how many of it one unit holds: 1000PEPE and kPEPE are 1,000 PEPE."""
    said = MULTIPLIED.fullmatch(name)
    if said is None:
        return ALIASES.get(name, name), 1.0
    zeros = said["zeros"] or said["after"]
    factor = float(zeros) if zeros else 1e6 if said["c"] else 1e3
    return said["a"] or said["b"] or said["c"] or said["d"], factor


def wire(shape: Any, *at: str) -> Callable[[str | bytes], Any]:
    """A decoder of frames of one typed shape: numbers may be texts, unknown fields are ignored, the rest is strict.

    `at` is the path to the shape inside its envelope: `wire(list[Row], "result", "list")` gives the rows.
    """
    if not at:
        return msgspec.json.Decoder(shape, strict=False).decode
    for key in reversed(at):
        shape = msgspec.defstruct("Envelope", [("inside", shape)], rename={"inside": key})
    decode = msgspec.json.Decoder(shape, strict=False).decode

    def inside(frame: str | bytes) -> Any:
        value: Any = decode(frame)
        for _ in at:
            value = value.inside
        return value

    return inside


def among(
    decode: Callable[[str | bytes], Any], ours: Callable[[str], bool], *at: str, greeting: str | None = None
) -> Callable[[str | bytes], Any]:
    """Strict with frames whose text at `at` is one of `ours`; None for a frame of a channel that we never ask for.

    None too for the venue's `greeting`, where that is a plain text.
    """
    name = wire(str, *at)

    def read(frame: str | bytes) -> Any:
        try:
            return decode(frame)
        except msgspec.DecodeError:
            if frame == greeting or not ours(name(frame)):
                return None
            raise

    return read


def inflate(frame: bytes, limit: int = 16 * 2**20) -> bytes:
    """A gzip frame, unpacked. ValueError past `limit` bytes: a bomb must not fill the memory."""
    with gzip.GzipFile(fileobj=io.BytesIO(frame)) as packed:
        text = packed.read(limit + 1)
    if len(text) > limit:
        raise ValueError(f"a frame unpacks to more than {limit} bytes")
    return text
