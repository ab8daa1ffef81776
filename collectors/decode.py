"""`crossoi decode VENUE`: what a frame says, without a network.

    def decode(venue: Venue, lines: Iterable[str]) -> Iterator[str]

takes JSON lines `{"raw", "encoding": "text" | "base64", "transport": "ws" | "rest", "url": optional}` and gives one for
each, never an exception. What an earlier line said is remembered as on one connection: a catalogue reply names the
instruments from then on. A url selects the reader; without one every reader of the venue is tried, strictly, and the
symbol rules of the segments decide. `ignored` is true of a frame that is well-formed and says nothing of a market.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from collectors.connection import UNREADABLE
from collectors.venue import (
    Answer,
    Ask,
    CatalogueError,
    History,
    Liquidated,
    Message,
    Parse,
    Poll,
    Remembering,
    Segment,
    Socket,
    Update,
    Venue,
    question,
)  # fmt: skip
from store.records import Instrument

PROBE = "PROBE-X_Y"  # stands for a symbol in the urls of questions about one instrument
NO_CATALOGUE = "no catalogue"
NO_NAME = "the reply names no instrument; the url it came from would"


class Line(msgspec.Struct):
    raw: str
    encoding: Literal["text", "base64"] = "text"
    transport: Literal["ws", "rest"] | None = None  # None: either
    url: str | None = None


@dataclass(slots=True)
class Door:
    """One reader of a venue: what types a frame, what reads it, and where such frames come from."""

    segment: Segment
    transport: Literal["ws", "rest", "any"]
    decode: Callable[[str | bytes], Message]
    parse: Parse | Remembering | None  # None: a catalogue
    url: str = ""  # with `PROBE` for a symbol; a bare path where the contract knows no more ...
    ask: str = ""  # ... and how we would ask for it, if we would
    made: Parse | None = None  # of a `Remembering`, from the catalogue that we have


def doors(venue: Venue) -> list[Door]:
    """Every reader, those that we use before those that we only can."""
    made = list[Door]()
    for segment in venue.segments:
        probe = Instrument(venue.id, segment.id, PROBE, "X", "Y", "Y")
        made.append(Door(segment, "rest", segment.decode, None, segment.catalogue.url))
        for feed in segment.feeds:
            if isinstance(feed, Socket):
                made.append(Door(segment, "ws", feed.decode, feed.parse, feed.url))
            else:
                made.append(Door(segment, "rest", feed.decode, feed.parse, asked(feed, probe)))
        made += [Door(segment, "rest", past.decode, past.parse, asked(past, probe)) for past in segment.history]
        for it in segment.answers:
            made.append(Door(segment, "any", it.decode, it.parse, it.path, asked(it, probe)))
    return made


def asked(it: Poll | History | Answer, probe: Instrument) -> str:
    """The url of its question; empty where it has none."""
    if isinstance(it, History):
        return it.ask(probe, 0, 0).url
    if it.ask is None:
        return ""
    return it.ask.url if isinstance(it.ask, Ask) else question(it.ask, probe, 0).url


def fit(door: Door, url: str) -> int:
    """How well a url fits a door: 0 not at all, more for the same host and for each equal word of the query."""
    ours, theirs = urlsplit(door.url), urlsplit(url)
    if not ours.scheme:
        return int(bool(door.url) and door.url in theirs.path)
    steps, taken = ours.path.rstrip("/").split("/"), theirs.path.rstrip("/").split("/")
    if len(steps) != len(taken) or any(a not in (PROBE, b) for a, b in zip(steps, taken, strict=True)):
        return 0
    return 1 + 100 * (ours.netloc == theirs.netloc) + len(set(parse_qsl(ours.query)) & set(parse_qsl(theirs.query)))


def named(door: Door, url: str) -> str:
    """The symbol in a url, at the place where the door's own has the probe."""
    ours, theirs = urlsplit(door.ask or door.url), urlsplit(url)
    keys = {key for key, value in parse_qsl(ours.query) if value == PROBE}
    places = [n for n, step in enumerate(ours.path.split("/")) if step == PROBE]
    found = [value for key, value in parse_qsl(theirs.query) if key in keys]
    found += [theirs.path.split("/")[n] for n in places if n < len(theirs.path.split("/"))]
    return found[0] if found else ""


def says(said: object) -> bool:
    """Whether it is of a market: an update that states or affirms something, or a forced close."""
    if isinstance(said, Update):
        stated = (said.oi, said.mark, said.index, said.funding, said.funding_interval_h)
        return said.affirms or any(value is not None for value in stated)
    return isinstance(said, Liquidated)


class Decoder:
    """Owns what a venue has said so far."""

    def __init__(self, venue: Venue) -> None:
        self.doors = doors(venue)
        self.listed: dict[str, dict[str, Instrument]] = {segment.id: {} for segment in venue.segments}

    def read(self, text: str) -> dict[str, Any]:
        """One input line as one answer."""
        try:
            line = msgspec.json.decode(text, type=Line)
            frame = b64decode(line.raw, validate=True) if line.encoding == "base64" else line.raw
        except ValueError as fault:
            return answer(error=f"malformed line: {fault}")
        tried, sole = self.chosen(line)
        found, deaths = list[dict[str, Any]](), list[dict[str, Any]]()
        faults, accepted, unlisted = list[BaseException](), False, False
        for segment, group in groupby(tried, key=lambda door: door.segment.id):
            for door in group:
                try:
                    said = self.said(door, frame, sole)
                except CatalogueError as fault:
                    if self.listed[segment]:
                        return answer(error=words([fault]))
                    unlisted = True
                    continue
                except UNREADABLE as fault:
                    faults.append(fault)
                    continue
                accepted = True
                for one in said:
                    one.symbol = one.symbol or named(door, line.url or "")
                ours = [one for one in said if sole or not one.symbol or door.segment.owns(one.symbol)]
                for one in ours:
                    if isinstance(one, Update):
                        found.append(self.update(one, door.segment))
                    else:
                        deaths.append(death(one))
                if ours:
                    break
            if any(row["symbol"] is None for row in found):
                return answer(found, error=NO_NAME)  # every segment would claim it
        if found or deaths:
            return answer(found, deaths)
        if unlisted:
            return answer(error=NO_CATALOGUE)
        return answer(ignored=True) if accepted else answer(error=words(faults))

    def chosen(self, line: Line) -> tuple[list[Door], bool]:
        """The doors to try, and whether the url leaves no doubt about the segment."""
        tried = [door for door in self.doors if line.transport is None or door.transport in (line.transport, "any")]
        best = max((fit(door, line.url) for door in tried), default=0) if line.url else 0
        if not best:
            return tried, False
        fits = [(fit(door, line.url or ""), door) for door in tried]
        segments = {door.segment.id for how, door in fits if how == best}
        return [door for how, door in fits if how and door.segment.id in segments], len(segments) == 1

    def said(self, door: Door, frame: str | bytes, sole: bool) -> list[Update | Liquidated]:
        """What a frame says of markets, read through this door."""
        message = door.decode(frame)
        if door.parse is None:
            self.learn(door.segment, message, sole)
            return []
        if not isinstance(door.parse, Remembering):
            parse = door.parse
        else:
            if door.made is None:
                door.made = door.parse.make(list(self.listed[door.segment.id].values()))
            parse = door.made
        found = [one for one in parse(message) if isinstance(one, Update | Liquidated) and says(one)]
        if not all(isinstance(one.symbol, str) for one in found):  # type: ignore  # of a row without a typed shape
            raise TypeError("a symbol that is no text")
        return found

    def learn(self, segment: Segment, reply: Message, sole: bool) -> None:
        """Take in a catalogue reply: a page more where the venue gives pages, else the whole list anew."""
        rows = {i.symbol: i for i in segment.read(reply) if sole or segment.owns(i.symbol)}
        if not rows:
            return
        self.listed[segment.id] = rows if segment.more is None else self.listed[segment.id] | rows
        for door in self.doors:
            if door.segment is segment:
                door.made = None

    def update(self, one: Update, segment: Segment) -> dict[str, Any]:
        hours, known = one.funding_interval_h, self.listed[segment.id].get(one.symbol)
        if hours is None and one.funding is not None and known is not None:
            hours = known.funding_interval_h
        field = None if one.oi is None else one.field
        return {
            "symbol": one.symbol or None,
            "ts_ms": one.ts,
            "oi_raw": one.oi,
            "oi_unit": None if field is None else field.unit,
            "oi_sides": None if field is None else field.sides,
            "mark": one.mark,
            "index": one.index,
            "funding": one.funding,
            "funding_interval_h": hours,
        }


def death(one: Liquidated) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "ts_ms": one.ts,
        "side": one.side,
        "size": one.size,
        "size_unit": one.unit,
        "price": one.price,
    }


def words(faults: Sequence[BaseException]) -> str:
    """Why no reader took it. The first one is of the reader that we ourselves use."""
    if not faults:
        return "this venue has no reader for this transport"
    return f"unreadable: {faults[0].__class__.__name__}: {faults[0]}"


def answer(
    updates: Sequence[dict[str, Any]] = (),
    liquidations: Sequence[dict[str, Any]] = (),
    *,
    ignored: bool = False,
    error: str | None = None,
) -> dict[str, Any]:
    return {"updates": list(updates), "liquidations": list(liquidations), "ignored": ignored, "error": error}


def decode(venue: Venue, lines: Iterable[str]) -> Iterator[str]:
    """A JSON line for every line that is not blank."""
    decoder = Decoder(venue)
    for text in lines:
        if text.strip():
            yield msgspec.json.encode(decoder.read(text)).decode()
