"""A venue's script: what it lists, answers and says. `simulator/README.md` describes the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from simulator.quotes import Forced, Quote
from simulator.template import TemplateError, compiled
from store.records import Kind, Payoff

SCRIPTS = Path(__file__).parent / "venues"
Json = Any
Segments = str | list[str] | None
"""Of whose contracts something speaks: one segment's, several ones', or all."""


class ScriptError(ValueError):
    """A script that cannot be played; the message begins with its file and the place in it."""


class Contract(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a venue lists: the facts that must be read from it, and the words they are read from."""

    symbol: str
    segment: str
    asset: str
    quote: str
    settle: str
    payoff: Payoff
    kind: Kind = Kind.PERPETUAL
    contract_size: float = 1.0
    base_factor: float = 1.0
    max_leverage: float | None = None
    funding_interval_h: float | None = None
    live: bool = True
    collect: bool = True
    says: dict[str, Json] = {}


class Past(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stretch a history reply covers. `start`, `end` and `count` name where the client says them."""

    step_s: float | Literal["funding_interval"]
    limit: int
    count: str | None = None
    start: str | None = None
    end: str | None = None
    unit_ms: int = 1
    newest_first: bool = False
    open: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One HTTP question and its reply."""

    url: str
    reply: Json
    method: Literal["GET", "POST"] = "GET"
    query: dict[str, str] = {}
    body: Json = None
    segment: Segments = None
    past: Past | None = None


class Pulse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Our ping and the venue's answer."""

    ours: Json
    theirs: Json = None
    within_s: float | None = None


class Asks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The venue's ping and the answer it wants."""

    theirs: Json
    every_s: float
    ours: Json
    after: Json = None


class Hear(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message of ours that the venue understands."""

    match: Json
    topics: str | None = None
    whole: bool = False
    channels: list[str] | None = None
    ack: Json = None
    refuse: Json = None
    each: bool = False
    ends: bool = False


class Channel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is pushed to those who subscribed."""

    form: Json
    every_s: float
    first: Json = None
    next: list[Json] = []
    split: bool = False  # what `first` and `next` give is a list, and every item a frame of its own
    forced: Json = None
    each_forced: Json = None


class Socket(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    others: list[str] = []  # addresses of the same
    hear: list[Hear]
    channels: dict[str, Channel]
    segment: Segments = None
    greeting: Json = None
    heartbeat: Pulse | None = None
    asks: Asks | None = None
    packed: Literal["gzip"] | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contract's quote at the fixed moment."""

    mark: float
    index: float
    last: float
    oi_base: float
    funding: float = 0.0
    funding_interval_h: float = 8.0
    next_funding_ms: int = 0
    volume_base: float = 0.0
    taker_buy_base: float = 0.0

    def quote(self) -> Quote:
        return Quote(
            self.mark, self.index, self.last, self.oi_base, self.funding, self.funding_interval_h, self.next_funding_ms,
            self.volume_base, self.taker_buy_base,
        )  # fmt: skip


class Close(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    ts_ms: int
    side: Literal["long", "short"]
    base: float
    price: float

    def forced(self) -> Forced:
        return Forced(self.ts_ms, self.side, self.base, self.price)


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    raw: float
    unit: str
    sides: int
    base: float | None = None
    usd: float | None = None
    mark: float | None = None
    index: float | None = None
    funding: float | None = None
    funding_interval_h: float | None = None
    field: str | int | None = None


class Death(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    side: Literal["long", "short"]
    size: float
    unit: str
    base: float
    usd: float
    price: float
    feed: str


class Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For one fixed moment: what the market says, and what the collectors must make of it."""

    now_ms: int
    quotes: dict[str, Figures]
    readings: list[Reading]
    forced: list[Close] = []
    liquidations: list[Death] = []
    history: list[Reading] = []
    timed: bool = True
    untimed: list[str] = []  # segments that do not say when, where the others do
    lag_ms: int = 0


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    venue: str
    source: list[str]
    instruments: list[Contract]
    http: list[Route]
    expect: Expect
    sockets: list[Socket] = []
    numbered: list[str] = []  # names in `says` under which the venue numbers its contracts


def load(path: Path) -> Script:
    """The script in a file. ScriptError says what is wrong and where."""
    try:
        script = msgspec.json.decode(path.read_bytes(), type=Script)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScriptError(f"{path.name}: {error}") from None
    if script.venue != path.stem:
        raise ScriptError(f"{path.name}: $.venue: {script.venue!r} is not the name of the file")
    try:
        check(script)
    except (TemplateError, ScriptError) as error:
        raise ScriptError(f"{path.name}: {error}") from None
    return script


def load_all(folder: Path = SCRIPTS) -> Mapping[str, Script]:
    """Every script by venue id."""
    return {path.stem: load(path) for path in sorted(folder.glob("*.json"))}


def contracts(script: Script, kind: Kind | None = Kind.PERPETUAL) -> tuple[Contract, ...]:
    """What a market quotes of one kind (None: of any), in the venue's order; all of it where a venue has no such."""
    quoted = tuple(c for c in script.instruments if c.collect)
    kinds = {c.kind for c in quoted}
    return tuple(c for c in quoted if kind is None or c.kind is kind or kind not in kinds)


def check(script: Script) -> None:
    symbols = [c.symbol for c in script.instruments]
    for n, contract in enumerate(script.instruments):
        place = f"$.instruments[{n}]"
        if contract.payoff is Payoff.QUANTO:
            raise ScriptError(f"{place}.payoff: no market quotes quanto contracts yet")
        if symbols.count(contract.symbol) > 1:
            raise ScriptError(f"{place}.symbol: {contract.symbol} is listed twice")
        if contract.collect and not contract.live:
            raise ScriptError(f"{place}.live: a delisted contract needs collect: false")
    segments = {c.segment for c in script.instruments}
    for n, route in enumerate(script.http):
        place = f"$.http[{n}]"
        check_segments(route.segment, segments, place)
        compiled(route.reply, f"{place}.reply")
        compiled(route.url, f"{place}.url")
        compiled(route.query, f"{place}.query")
        compiled(route.body, f"{place}.body")
    for n, socket in enumerate(script.sockets):
        check_segments(socket.segment, segments, f"$.sockets[{n}]")
        check_socket(socket, f"$.sockets[{n}]")
    expect = script.expect
    check_segments(expect.untimed, segments, "$.expect.untimed")
    collected = {c.symbol for c in contracts(script, None)}
    named = [*expect.quotes, *(r.symbol for r in (*expect.readings, *expect.forced, *expect.liquidations))]
    for symbol in named:
        if symbol not in collected:
            raise ScriptError(f"$.expect: {symbol!r} is not among the instruments that are collected")


def check_segments(said: Segments, known: set[str], place: str) -> None:
    for segment in () if said is None else [said] if isinstance(said, str) else said:
        if segment not in known:
            raise ScriptError(f"{place}.segment: no instrument is in {segment!r}")


def check_socket(socket: Socket, place: str) -> None:
    compiled(socket.greeting, f"{place}.greeting")
    if socket.heartbeat is not None:
        compiled(socket.heartbeat.theirs, f"{place}.heartbeat.theirs")
    if socket.asks is not None:
        compiled(socket.asks.theirs, f"{place}.asks.theirs")
        compiled(socket.asks.ours, f"{place}.asks.ours")
    for n, hear in enumerate(socket.hear):
        compiled(hear.ack, f"{place}.hear[{n}].ack")
        compiled(hear.refuse, f"{place}.hear[{n}].refuse")
        for name in hear.channels or ():
            if name not in socket.channels:
                raise ScriptError(f"{place}.hear[{n}].channels: {name!r} is none of {sorted(socket.channels)}")
    for name, channel in socket.channels.items():
        for key in ("form", "first", "next", "forced", "each_forced"):
            compiled(getattr(channel, key), f"{place}.channels.{name}.{key}")
        if channel.every_s <= 0:
            raise ScriptError(f"{place}.channels.{name}.every_s: must be more than 0")
        if all(t is None for t in (channel.first, channel.forced, channel.each_forced)) and not channel.next:
            raise ScriptError(f"{place}.channels.{name}: says nothing (first, next, forced, each_forced)")
