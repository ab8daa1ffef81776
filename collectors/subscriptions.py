"""What one connection should carry and what it does: wanted, sent, acked and flowing are four different things."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import anyio

from collectors.venue import Acked, Refused
from store.records import Instrument


@dataclass(slots=True)
class Request:
    """One subscribe call."""

    number: int
    group: tuple[Instrument, ...]
    careful: bool  # sent alone, so that an answer without a number is an answer to it
    answered: anyio.Event = field(default_factory=anyio.Event)


class Subscriptions:
    """Owns the subscription sets of one connection. No IO: the connection sends what `todo` holds."""

    def __init__(self, instruments: Sequence[Instrument], batch: int, aside: dict[str, str]) -> None:
        self.wanted = {i.symbol: i for i in instruments}
        self.aside = aside  # symbols the venue refused, with its words; outlives the connection
        self.acked: set[str] = set()
        self.flowing: set[str] = set()
        self.requests: dict[int, Request] = {}
        self.waiting = anyio.Event()  # set when `todo` has something
        self.todo: deque[tuple[tuple[Instrument, ...], bool]] = deque()
        self.batch = batch
        self.again(s for s in self.wanted if s not in aside)

    @property
    def sent(self) -> set[str]:
        return {i.symbol for request in self.requests.values() for i in request.group}

    def asked(self, symbol: str) -> int:
        """How often a symbol has been asked for on this connection."""
        return sum(any(i.symbol == symbol for i in request.group) for request in self.requests.values())

    def again(self, symbols: Iterable[str]) -> None:
        """Ask for these symbols, in batches."""
        group = [self.wanted[s] for s in symbols if s in self.wanted]
        for start in range(0, len(group), self.batch):
            self.todo.append((tuple(group[start : start + self.batch]), False))
        self.waiting.set()

    def next(self) -> Request | None:
        if not self.todo:
            self.waiting = anyio.Event()
            return None
        group, careful = self.todo.popleft()
        request = Request(len(self.requests) + 1, group, careful)
        self.requests[request.number] = request
        return request

    def flows(self, symbol: str) -> None:
        """First data of a symbol. Data before the ack counts as an ack."""
        self.flowing.add(symbol)
        self.aside.pop(symbol, None)
        for request in self.requests.values():
            if request.careful and not request.answered.is_set() and self.served(request):
                request.answered.set()

    def served(self, request: Request) -> bool:
        return all(i.symbol in self.flowing or i.symbol in self.acked for i in request.group)

    def ack(self, said: Acked) -> dict[str, str]:
        """Gives the symbols now set aside, because an ack that names those it took left them out."""
        request = self.meant(said)
        found: dict[str, str] = {}
        if said.only is not None:
            group = {i.symbol for i in request.group} & self.wanted.keys() if request is not None else set[str]()
            self.acked |= said.only & self.wanted.keys()
            found = dict.fromkeys(group - said.only - self.flowing, "left out of the acknowledgement")
            self.aside.update(found)
            if request is not None:
                request.answered.set()
        elif said.symbol is not None:
            self.acked.add(said.symbol)
        elif request is not None:
            self.acked.update(i.symbol for i in request.group)
        if request is not None and self.served(request):
            request.answered.set()
        return found

    def refuse(self, said: Refused) -> dict[str, str]:
        """Halve a refused batch until the culprit is alone. Gives the symbols now set aside, with the venue's words."""
        request = self.meant(said)
        group = () if request is None else request.group
        if request is not None:
            request.answered.set()
        culprits: list[str] = []
        if said.symbol is not None and said.symbol in self.wanted:
            if said.symbol not in self.flowing:
                culprits.append(said.symbol)
            rest = [i for i in group if i.symbol != said.symbol]
        else:
            rest = list(group)
        lacking = self.wanted.keys() - self.flowing - self.aside.keys()
        rest = [i for i in rest if i.symbol in lacking]
        if len(group) == 1 and rest:
            culprits, rest = [s.symbol for s in rest if s.symbol not in self.acked], []
        middle = (len(rest) + 1) // 2
        for half in (rest[:middle], rest[middle:]):
            if half:
                self.todo.append((tuple(half), True))
        if rest:
            self.waiting.set()
        found = dict.fromkeys(culprits, said.words)
        self.aside.update(found)
        return found

    def meant(self, said: Acked | Refused) -> Request | None:
        """Which request an answer is to: by number, by symbol, else the one that waits alone, else the oldest."""
        if said.request is not None:
            return self.requests.get(said.request)
        waiting = [r for r in self.requests.values() if not r.answered.is_set() and not self.served(r)]
        if said.symbol is not None:
            waiting = [r for r in waiting if any(i.symbol == said.symbol for i in r.group)]
        careful = [r for r in waiting if r.careful]
        return (careful or waiting or [None])[0]
