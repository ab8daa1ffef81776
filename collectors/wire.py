"""Reading the wire: decoders of typed shapes, numbers as venues write them, names of coins. Pure, for venues' files."""

import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, Literal

import msgspec

GZIP = 31  # zlib's word for gzip with the largest window

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
    return amount(value)


def amount(value: object) -> float:
    """A number of a row that has no typed shape. ValueError where it is none: empty, a word, true or false."""
    return msgspec.convert(value, float, strict=False)


def whole(value: object) -> int:
    """The same for times and counts, which have no fraction."""
    return msgspec.convert(value, int, strict=False)


Day = date
"""A day that a venue writes as ISO 8601; the decoder reads it."""

Moment = datetime
"""A time that a venue writes as ISO 8601; the decoder reads it. `ms` makes of it what we keep."""


def ms(moment: Moment | Day) -> int:
    """ms UTC. A time without a zone is UTC; a day is its first moment."""
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - made UTC below
    return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def iso(moment: int) -> str:
    """ms UTC as venues want to hear it: 2026-01-31T12:00:00.000Z."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(start: int, end: int) -> tuple[int, int]:
    """A span of ms UTC, both inclusive, in whole seconds within it: one before its start would be a point too many."""
    return -(-start // 1000), end // 1000


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

    def channel(frame: str | bytes) -> str:
        return greeting if greeting is not None and frame == greeting else name(frame)

    def read(frame: str | bytes) -> Any:
        try:
            return decode(frame)
        except msgspec.DecodeError:
            if frame == greeting or not ours(name(frame)):
                return None
            raise

    read.channel = channel  # type: ignore[attr-defined]  # for `channel_of`, and for nobody else
    return read


def channel_of(decode: Callable[[str | bytes], Any], frame: str | bytes) -> str:
    """The channel that a frame of a socket is of, as `among` reads it; empty where nobody can tell."""
    channel: Callable[[str | bytes], str] | None = getattr(decode, "channel", None)
    try:
        return "" if channel is None else channel(frame)
    except (msgspec.DecodeError, ValueError, EOFError, zlib.error):
        return ""


def inflate(frame: bytes, limit: int = 16 * 2**20) -> bytes:
    """A gzip frame, unpacked. ValueError past `limit` bytes: a bomb must not fill the memory. EOFError where it is cut.

    zlib itself, because a file object around it costs thirty times as much.
    """
    packed = zlib.decompressobj(GZIP)
    text = packed.decompress(frame, limit + 1)
    if len(text) > limit:
        raise ValueError(f"a frame unpacks to more than {limit} bytes")
    if not packed.eof:
        raise EOFError("a gzip frame that ends too soon")
    rest = packed.unused_data.lstrip(b"\0")  # padding; or another member, as the format allows
    return text + inflate(rest, limit - len(text)) if rest else text


def unpacked(decode: Callable[[str | bytes], Any]) -> Callable[[str | bytes], Any]:
    """The same reader for frames that come as gzip. One that is not packed is read as it stands."""

    def read(frame: str | bytes) -> Any:
        return decode(inflate(frame) if isinstance(frame, bytes) and frame[:2] == b"\x1f\x8b" else frame)

    def channel(frame: str | bytes) -> str:
        return channel_of(decode, inflate(frame) if isinstance(frame, bytes) and frame[:2] == b"\x1f\x8b" else frame)

    read.channel = channel  # type: ignore[attr-defined]  # likewise
    return read
