"""One socket's talk, without any IO: what a venue says to what it hears, and what it pushes when."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from simulator.script import Channel, Contract, Hear, Socket
from simulator.template import Make, Scope, compiled, contains, names, value
from simulator.values import Views, of_contract

Json = Any


def spelled(frame: Json) -> str:
    """A frame as it goes over the wire: a text as it is, anything else as JSON."""
    return frame if isinstance(frame, str) else msgspec.json.encode(frame).decode()


def packed(frame: str, how: str | None) -> str | bytes:
    """A frame as the socket sends it: plain text, or packed into a binary frame."""
    return frame if how is None else gzip.compress(frame.encode(), 1, mtime=0)


def understood(frame: str | bytes) -> Json:
    """What we sent: JSON, or a plain text such as `ping`."""
    try:
        return msgspec.json.decode(frame)
    except msgspec.DecodeError:
        return frame if isinstance(frame, str) else frame.decode()


def key(topic: Json) -> str:
    return json.dumps(topic, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Meant:
    """What a topic means: a channel, and for whom. `contract` None: for all of them."""

    name: str
    contract: Contract | None
    contracts: tuple[Contract, ...]


class Speech:
    """What a socket can say, compiled once for all its connections."""

    def __init__(self, socket: Socket, views: Views) -> None:
        self.socket = socket
        self.views = views
        self.makes: dict[int, Make] = {}

    def make(self, template: Json) -> Make:
        """The compiled template, by identity: scripts are never changed."""
        made = self.makes.get(id(template))
        if made is None:
            made = self.makes[id(template)] = compiled(template)
        return made

    @cached_property
    def topics(self) -> dict[str, list[Meant]]:
        """Every topic that can be subscribed. Delisted contracts have none."""
        live = [c for c in self.views.contracts(self.socket.segment) if c.live]
        found: dict[str, list[Meant]] = {}
        for name, channel in self.socket.channels.items():
            form = compiled(channel.form)
            if not names(channel.form):
                found.setdefault(key(channel.form), []).append(Meant(name, None, tuple(live)))
                continue
            for contract in live:
                known = found.setdefault(key(form(Scope(of_contract(contract)))), [])
                if all(meant.name != name for meant in known):  # contracts may share an index: the first speaks for it
                    known.append(Meant(name, contract, (contract,)))
        return found


@dataclass(slots=True)
class Subscription:
    meant: Meant
    channel: Channel
    said: dict[str, Json]  # the request it came with
    due: float  # monotonic seconds
    heard_ms: int  # forced closes up to here were told
    sent: int = 0


@dataclass(slots=True)
class Conversation:
    """One connection. Times: `now` is monotonic seconds, `now_ms` the market's UTC milliseconds."""

    speech: Speech
    haste: float = 1.0
    subscriptions: dict[tuple[str, str], Subscription] = field(default_factory=dict[Any, Any])
    beats: int = 0  # our heartbeats
    answers: int = 0  # our answers to the venue's
    unheard: list[str] = field(default_factory=list[str])  # what no script understands
    seq: int = 0
    last_heard: float | None = None
    ask_due: float | None = None
    ask_open: bool = False
    asked: Json = None  # its last ping

    def open(self, now: float, now_ms: int) -> list[str | bytes]:
        socket = self.speech.socket
        self.last_heard = now
        if socket.asks is not None and socket.asks.after is None:
            self.ask_due = now + socket.asks.every_s / self.haste
        return [] if socket.greeting is None else [self.say(socket.greeting, now_ms, {})]

    def say(self, template: Json, now_ms: int, more: dict[str, Json], contract: Contract | None = None) -> str | bytes:
        return self.sent(self.fill(self.speech.make(template), now_ms, more, contract))

    def fill(self, make: Make, now_ms: int, more: dict[str, Json], contract: Contract | None = None) -> Json:
        self.seq += 1
        return make(self.speech.views.scope(self.speech.socket.segment, now_ms, self.seq, contract, more))

    def sent(self, frame: Json) -> str | bytes:
        return packed(spelled(frame), self.speech.socket.packed)

    def hear(self, frame: str | bytes, now: float, now_ms: int) -> list[str | bytes]:
        """What the venue answers to a message of ours."""
        message = understood(frame)
        socket, said = self.speech.socket, {"request": message}
        self.last_heard = now
        asks = socket.asks
        if asks is not None and asks.after is not None and contains(asks.after, message):
            self.ask_due = now + asks.every_s / self.haste
        elif asks is not None and contains(self.speech.make(asks.ours)(Scope({"asked": self.asked})), message):
            self.answers += 1
            self.ask_open = False
            return []
        if socket.heartbeat is not None and contains(socket.heartbeat.ours, message):
            self.beats += 1
            return [] if socket.heartbeat.theirs is None else [self.say(socket.heartbeat.theirs, now_ms, said)]
        for hear in socket.hear:
            if contains(hear.match, message):
                return list(self.reply(hear, said, now, now_ms))
        self.unheard.append(spelled(message))
        return []

    def reply(self, hear: Hear, said: dict[str, Json], now: float, now_ms: int) -> Iterator[str | bytes]:
        topics = listed(hear, said)
        meant = [self.meant(hear, topic) for topic in topics]
        if hear.each:
            for topic, found in zip(topics, meant, strict=True):
                self.take(hear, topic, found, said, now, now_ms)
                answer = hear.ack if found else hear.refuse
                if answer is not None:
                    yield self.say(answer, now_ms, {**said, "topic": topic}, about(found))
            return
        bad = [topic for topic, found in zip(topics, meant, strict=True) if not found]
        if bad and hear.refuse is not None:
            yield self.say(hear.refuse, now_ms, {**said, "topic": bad[0]})
            return
        for topic, found in zip(topics, meant, strict=True):
            self.take(hear, topic, found, said, now, now_ms)
        if hear.ack is not None:
            accepted = [topic for topic in topics if topic not in bad]
            more = {**said, "accepted": accepted, "topic": topics[0] if topics else None}
            yield self.say(hear.ack, now_ms, more, about([m for found in meant for m in found]))

    def meant(self, hear: Hear, topic: Json) -> list[Meant]:
        found = self.speech.topics.get(key(topic), [])
        return [m for m in found if hear.channels is None or m.name in hear.channels]

    def take(self, hear: Hear, topic: Json, found: list[Meant], said: dict[str, Json], now: float, now_ms: int) -> None:
        for meant in found:
            place = (meant.name, key(topic))
            if hear.ends:
                self.subscriptions.pop(place, None)
            else:
                channel = self.speech.socket.channels[meant.name]
                said = {**said, "topic": topic}
                self.subscriptions[place] = Subscription(meant, channel, said, now, now_ms)

    def next_due(self) -> float | None:
        """When there is something to say or to check; None while nobody has subscribed."""
        times = [s.due for s in self.subscriptions.values()]
        if self.ask_due is not None:
            times.append(self.ask_due)
        if (limit := self.quiet_until()) is not None:
            times.append(limit)
        return min(times, default=None)

    def quiet_until(self) -> float | None:
        pulse = self.speech.socket.heartbeat
        if pulse is None or pulse.within_s is None or self.last_heard is None:
            return None
        return self.last_heard + pulse.within_s / self.haste

    def over(self, now: float) -> str | None:
        """Why the venue ends this connection, if it does."""
        limit = self.quiet_until()
        if limit is not None and now >= limit:
            return "no heartbeat"
        if self.ask_due is not None and now >= self.ask_due and self.ask_open:
            return "no answer"
        return None

    def ask(self, now: float, now_ms: int) -> list[str | bytes]:
        """The venue's own ping, if it is time."""
        asks = self.speech.socket.asks
        if asks is None or self.ask_due is None or now < self.ask_due:
            return []
        self.ask_due = now + asks.every_s / self.haste
        self.ask_open = True
        self.asked = self.fill(self.speech.make(asks.theirs), now_ms, {})
        return [self.sent(self.asked)]

    def due(self, now: float, now_ms: int, silent: bool = False) -> list[str | bytes]:
        """The data frames whose time has come. `silent`: their time passes, and they are not said."""
        frames: list[str | bytes] = []
        for sub in list(self.subscriptions.values()):
            if sub.due <= now:
                sub.due = now + sub.channel.every_s / self.haste
                if not silent:
                    frames += self.push(sub, now_ms)
        return frames

    def push(self, sub: Subscription, now_ms: int) -> Iterator[str | bytes]:
        if sub.channel.forced is not None or sub.channel.each_forced is not None:
            yield from self.deaths(sub, now_ms)
            return
        contract, channel = sub.meant.contract, sub.channel
        if contract is not None and self.speech.views.quote(contract, now_ms) is None:
            return
        turns = ([] if channel.first is None else [channel.first]) + channel.next
        skip = len(turns) - len(channel.next) if channel.next else 0
        turn = sub.sent if sub.sent < len(turns) else skip + (sub.sent - skip) % (len(turns) - skip)
        sub.sent += 1
        self.seq += 1
        scope = self.speech.views.scope(self.speech.socket.segment, now_ms, self.seq, contract, sub.said)
        made = self.speech.make(turns[turn])(scope)
        yield from map(self.sent, made if channel.split else [made])

    def deaths(self, sub: Subscription, now_ms: int) -> Iterator[str | bytes]:
        views, channel = self.speech.views, sub.channel
        found = [
            (contract, forced)
            for contract in sub.meant.contracts
            if views.quote(contract, now_ms) is not None
            for forced in views.quotes.forced(
                views.script.venue, contract.segment, contract.symbol, sub.heard_ms, now_ms
            )
        ]
        sub.heard_ms = now_ms
        if not found:
            return
        segment = self.speech.socket.segment
        if channel.forced is not None:
            self.seq += 1
            scope = views.scope(segment, now_ms, self.seq, sub.meant.contract, sub.said, found)
            yield self.sent(self.speech.make(channel.forced)(scope))
        if channel.each_forced is not None:
            for one in views.scope(segment, now_ms, self.seq, None, sub.said, found).groups["forced"]():
                self.seq += 1
                yield self.sent(self.speech.make(channel.each_forced)(one.within({"seq": self.seq})))


def about(found: list[Meant]) -> Contract | None:
    """The one contract that topics are about, if it is one."""
    contracts = [m.contract for m in found]
    return contracts[0] if contracts and all(c is contracts[0] for c in contracts) else None


def listed(hear: Hear, said: dict[str, Json]) -> list[Json]:
    """The topics of a request."""
    if hear.topics is None:
        return []
    found = value(Scope(said), f"request.{hear.topics}")
    return found if isinstance(found, list) and not hear.whole else [found]
