"""Venues under load in a process of their own, and what collects from them here."""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

from collectors.venue import Socket, Venue
from collectors.venues import VENUES
from simulator.load import address, serve_load


@dataclass(frozen=True, slots=True)
class Venues:
    """The other process: where its venues are, and how many frames it has sent."""

    pipe: Connection
    ports: dict[str, int]

    def address(self, venue: Venue, url: str) -> str:
        return address(self.ports, venue.id, url)

    def told(self, word: str = "how much") -> dict[str, Any]:
        """What it has sent so far (`simulator.load.told`). After the word "over" it sends no more data."""
        self.pipe.send(word)
        return self.pipe.recv()

    def sent(self) -> int:
        return int(self.told()["sent"])


@contextmanager
def under_load(rate: float, venues: Sequence[str], further: int = 0) -> Iterator[Venues]:
    """`rate` frames a second over all connections, by venues that list `further` made-up assets besides."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve_load, args=(theirs, rate, venues, 20, further), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard here
    try:
        yield Venues(ours, ours.recv())
    finally:
        with suppress(OSError):
            ours.send(None)
        process.join(5)
        if process.is_alive():
            process.terminate()


def streaming() -> list[Venue]:
    """Venues whose every segment streams its open interest, without the sockets that carry nothing else."""
    found: list[Venue] = []
    for venue in VENUES.values():
        segments = tuple(
            replace(s, feeds=tuple(f for f in s.feeds if isinstance(f, Socket) and "oi" in f.gives))
            for s in venue.segments
            if s.lists is None
        )
        if all(s.feeds for s in segments):
            found.append(replace(venue, segments=segments))
    return found
