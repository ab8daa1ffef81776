"""Frames as each venue's script would send them, in the order and the mix in which they come."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from collectors.board import Board
from collectors.venue import Ask, Parse, Poll, Remembering, Segment, Socket, Venue, question, spelled
from collectors.venues import VENUES
from collectors.wire import inflate
from simulator.conversation import Conversation, Speech
from simulator.market import Contract, Market
from simulator.rest import Asked, Desk
from simulator.script import Script, contracts, load_all
from simulator.values import Views
from store.records import Instrument

START_MS = 1_795_305_600_000  # a fixed moment: the same frames in every run
STEP_MS = 250
SELDOM = 60  # seconds
GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed's data frames and what reads them."""

    venue: Venue
    segment: Segment
    gives: frozenset[str]
    frames: tuple[bytes, ...]
    rate: float  # frames a second, as the venue sends them or we ask
    seen: tuple[int, ...]  # when each is heard, ms UTC
    bare: Callable[[bytes], object]  # the same frames through bare typed structs
    decode: Callable[[bytes], Any]
    parse: Parse
    instruments: tuple[Instrument, ...]

    def board(self) -> Board:
        return Board(self.instruments, simulated=True, sink=lambda _: None)


def market(scripts: dict[str, Script]) -> Market:
    return Market(
        (Contract(v, c.segment, c.symbol, c.asset) for v, s in scripts.items() for c in contracts(s)),
        seed=1,
        start_ms=START_MS,
    )


def feeds(count: int) -> Iterator[Feed]:
    """Every feed that has to do with open interest, marks or funding, with `count` frames each.

    Without those that we ask for more seldom than once a minute: what is read four times an hour is no hot path.
    """
    scripts = dict(load_all())
    quotes = market(scripts)
    for id, venue in VENUES.items():
        if id not in scripts:
            continue
        views = Views(scripts[id], quotes)
        desk = Desk(views)
        for segment in (s for s in venue.segments if s.lists is None):
            listing = tuple(segment.read(segment.decode(reply(desk, segment.catalogue, START_MS))))
            wanted = tuple(i for i in listing if any(c.symbol == i.symbol for c in contracts(scripts[id])))
            for feed in segment.feeds:
                if not feed.gives & {"oi", "mark", "funding"} or (isinstance(feed, Poll) and feed.every > SELDOM):
                    continue
                if isinstance(feed, Socket):
                    parse = parser(feed, listing, wanted)
                    talk, opening = opened(views, feed, wanted)
                    for frame in opening:
                        parse(feed.decode(frame))  # frames that mean nothing outside their connection need this
                    heard = tuple(streamed(talk, count))
                    bare = bare_decoder(id, feed, packed=heard[0][1][:2] == GZIP)
                    rate = len(heard) * 1000 / (heard[-1][0] - START_MS + STEP_MS)
                else:
                    bare, parse = bare_decoder(id, feed), feed.parse
                    heard = tuple(polled(desk, feed, wanted, count))
                    rate = (1 if isinstance(feed.ask, Ask) else len(wanted)) / feed.every
                seen, frames = zip(*heard, strict=True)
                yield Feed(venue, segment, feed.gives, frames, rate, seen, bare, feed.decode, parse, wanted)


def bare_decoder(id: str, feed: Socket | Poll, packed: bool = False) -> Callable[[bytes], object]:
    """The venue's wire shape through msgspec and nothing else; packed frames are unpacked first.

    Bare means that every value which becomes part of a record is read with its type. A venue's `Frame` is that shape;
    where it leaves a part unread until later (rows under a header), the file has a `Floor` beside it, the same frame
    or reply typed throughout. Other replies over REST are held against their own decoder, which is typed and no more.
    """
    module = sys.modules[f"collectors.venues.{id}"]
    shape = getattr(module, "Floor", None) or getattr(module, "Frame", None)
    if shape is None or (isinstance(feed, Poll) and not hasattr(module, "Floor")):
        return feed.decode
    decode = msgspec.json.Decoder(shape, strict=False).decode
    return (lambda frame: decode(inflate(frame))) if packed else decode


def parser(feed: Socket, listing: tuple[Instrument, ...], wanted: tuple[Instrument, ...]) -> Parse:
    if isinstance(feed.parse, Remembering):
        return feed.parse.make(listing, {i.symbol for i in wanted})
    return feed.parse


def opened(views: Views, feed: Socket, wanted: tuple[Instrument, ...]) -> tuple[Conversation, list[str | bytes]]:
    """A connection that has subscribed to everything, and what the venue has said so far."""
    talk = Conversation(next(Speech(s, views) for s in views.script.sockets if s.url == feed.url))
    said = list(talk.open(0.0, START_MS))
    for message in feed.subscribe(wanted, 1):
        said += talk.hear(spelled(message, START_MS), 0.0, START_MS)
    return talk, said


def streamed(talk: Conversation, count: int) -> Iterator[tuple[int, bytes]]:
    """Its data frames from then on."""
    sent = 0
    for tick in range(1_000_000):
        for frame in talk.due(tick * STEP_MS / 1000, START_MS + tick * STEP_MS):
            yield START_MS + tick * STEP_MS, frame if isinstance(frame, bytes) else frame.encode()
            sent += 1
            if sent == count:
                return


def polled(desk: Desk, feed: Poll, wanted: tuple[Instrument, ...], count: int) -> Iterator[tuple[int, bytes]]:
    """Replies to one question asked again and again."""
    for n in range(count):
        ask = (
            feed.ask
            if isinstance(feed.ask, Ask)
            else question(feed.ask, wanted[n % len(wanted)], START_MS + n * STEP_MS)
        )
        yield START_MS + n * STEP_MS, reply(desk, ask, START_MS + n * STEP_MS)


def listed(venue: Venue, segment: Segment) -> tuple[Instrument, ...]:
    """The instruments that the venue's script lists and quotes."""
    script = load_all()[venue.id]
    desk = Desk(Views(script, market({venue.id: script})))
    symbols = {c.symbol for c in contracts(script)}
    return tuple(
        i for i in segment.read(segment.decode(reply(desk, segment.catalogue, START_MS))) if i.symbol in symbols
    )


def reply(desk: Desk, ask: Any, now_ms: int) -> bytes:
    parts = urlsplit(ask.url)
    url = f"https://{parts.netloc}{parts.path}"
    fits, answer = desk.answer(Asked(ask.method, url, dict(parse_qsl(parts.query)), ask.body), now_ms)
    if not fits:
        raise LookupError(f"no script answers {ask.method} {ask.url}")
    return msgspec.json.encode(answer)
