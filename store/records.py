"""The shared language of the house: every row we keep, and the words that rows are made of."""

from dataclasses import dataclass, field
from enum import IntFlag, StrEnum
from hashlib import blake2b

import msgspec


class Unit(StrEnum):
    """What a published quantity counts."""

    CONTRACTS = "contracts"
    BASE = "base"
    USD = "usd"


class Payoff(StrEnum):
    LINEAR = "linear"
    INVERSE = "inverse"
    QUANTO = "quanto"


class Kind(StrEnum):
    PERPETUAL = "perpetual"
    DATED = "dated"


class Side(StrEnum):
    """A position's side, never an order's."""

    LONG = "long"
    SHORT = "short"


class Status(StrEnum):
    """How we know how many sides a field counts."""

    DOCUMENTED = "documented"
    MEASURED = "measured"
    DISPUTED = "disputed"


class Source(StrEnum):
    STREAM = "stream"
    POLL = "poll"
    BACKFILL = "backfill"
    IMPORT = "import"


class FeedClass(StrEnum):
    """How much of the truth a liquidation feed shows."""

    FULL = "full"
    THROTTLED = "throttled"
    INFERRED = "inferred"


class Flag(IntFlag):
    """What is odd about a reading that is nevertheless good."""

    NONE = 0
    RECEIVE_TIME = 1  # the venue stated no time: `ts` is when we heard it
    SKEWED = 2  # the venue's time was more than 60 s from ours: `ts` is ours
    STALE_MARK = 4  # the mark that priced it was older than a minute
    RESYNC = 8  # first of a new connection: the change since the last row happened in the gap
    MODELLED_FX = 16  # the quote currency was taken as worth a fixed rate in USD
    CONFIRMED_JUMP = 32  # more than 20 % in one step, confirmed by the readings that followed
    AFFIRMED = 64  # the venue said "unchanged" (a delta without the field); `ts` is when it last stated it
    BORROWED_MARK = 128  # the venue states no price: the other venues' median valued it


@dataclass(frozen=True, slots=True)
class Field:
    """A published open-interest field and what it counts. All of them together are the side-count registry."""

    key: str | int
    unit: Unit
    sides: int = 1  # 2 where longs and shorts are counted apart
    status: Status = Status.DISPUTED
    since: str = ""  # YYYY-MM-DD, empty where it was always so
    evidence: str = ""  # how we know, in one sentence


@dataclass(frozen=True, slots=True)
class Instrument:
    """One contract at one venue, spelled as the venue spells it."""

    venue: str
    segment: str
    symbol: str
    asset: str  # canonical coin: BTC, never XBT; PEPE, never kPEPE
    quote: str
    settle: str
    kind: Kind = Kind.PERPETUAL
    payoff: Payoff = Payoff.LINEAR
    contract_size: float = 1.0  # base coin; USD when inverse; settle coin per quote unit of price when quanto
    base_factor: float = 1.0  # coins in one of the venue's own base units (kPEPE = 1000)
    live: bool = True  # listed and trading
    max_leverage: float | None = None
    funding_interval_h: float | None = None
    funding_kind: str = "current"  # current: the rate of the running interval; settled: of the last one
    valid_from: int = 0  # ms UTC; 0 where the venue does not say
    code: str = field(default="", compare=False)  # what the venue's questions call it beside its symbol; never stored
    expiry: int = field(default=0, compare=False)  # ms UTC; 0 where it has none or the venue does not say; never stored
    id: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", instrument_id(self.venue, self.segment, self.symbol))


def instrument_id(venue: str, segment: str, symbol: str) -> int:
    """A signed 64-bit name that every host agrees on without a counter (decisions.md, 3)."""
    digest = blake2b(f"{venue}|{segment}|{symbol}".encode(), digest_size=64).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class OpenInterest(msgspec.Struct, frozen=True, gc=False):
    """The open interest of one instrument as stated once: as published, and one-sided in base coin and USD.

    A msgspec struct and not a dataclass because one is made for every frame: a tenth of the cost.
    """

    instrument: Instrument
    field: Field
    ts: int  # when the venue stated the open interest, ms UTC
    seen: int  # when the frame reached us, ms UTC
    raw: float  # as published, in field.unit, field.sides counted
    base: float  # one-sided, coins
    usd: float  # one-sided, USD
    mark: float  # USD a coin
    index: float | None  # USD a coin
    funding: float | None  # fraction per interval
    funding_interval_h: float | None
    source: Source
    simulated: bool
    flags: int


class Liquidation(msgspec.Struct, frozen=True, gc=False):
    """A position that was closed by force."""

    instrument: Instrument
    ts: int
    seen: int
    side: Side  # of the position that died
    size: float  # as published
    unit: Unit
    base: float
    usd: float
    price: float
    feed: FeedClass
    simulated: bool


class Volume(msgspec.Struct, frozen=True, gc=False):
    """What was traded of one instrument in one minute, each trade counted once."""

    instrument: Instrument
    ts: int  # start of the minute, ms UTC
    seen: int
    base: float  # coins
    taker_buy: float | None  # coins; None where the venue does not split
    source: Source
    simulated: bool


class LongShort(msgspec.Struct, frozen=True, gc=False):
    """Longs to shorts of one instrument at one moment. Kinds are never mixed."""

    instrument: Instrument
    ts: int
    seen: int
    kind: str  # account | top_account | top_position | taker
    ratio: float  # long / short
    source: Source
    simulated: bool


class Funding(msgspec.Struct, frozen=True, gc=False):
    """What longs paid shorts of one instrument: settled, never the rate of an interval that still runs."""

    instrument: Instrument
    ts: int  # when it was paid, ms UTC
    seen: int
    rate: float  # fraction per interval; positive: longs paid
    interval_h: float  # the interval that it was paid for, which ended at `ts`
    source: Source
    simulated: bool


class MarginTier(msgspec.Struct, frozen=True, gc=False):
    """One step of an instrument's leverage ladder; bounds in USD. All steps of a ladder share one `seen`."""

    instrument: Instrument
    seen: int
    tier: int
    lower: float
    upper: float | None
    maintenance: float  # fraction of notional
    max_leverage: float | None
    deduction: float | None  # USD
    simulated: bool


class Position(msgspec.Struct, frozen=True, gc=False):
    """An open position that its venue shows to everyone, as it was at one moment."""

    instrument: Instrument
    seen: int
    holder: str  # as the venue names it
    side: Side
    base: float  # coins
    entry: float | None  # USD a coin
    liquidation_price: float | None  # USD a coin; None where the venue does not say
    leverage: float | None
    simulated: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch in which we could not know. "No rows" and "nothing changed" are told apart by these."""

    venue: str
    segment: str
    symbol: str  # empty: every symbol of the segment
    start: int  # ms UTC, the last moment we knew
    end: int | None  # None while it lasts
    reason: str


INSTEAD = "asked over REST instead"
"""Ends the detail of a `Health` whose stream says nothing while questions stand in for it."""
HELD = "held"
"""The check of a `Quarantined` that waits for a second source; said again and again while it does."""
STRETCHED = "stretched"
"""The kind of an `Event` that tells how often a poll really asks, where that is less often than it should."""


@dataclass(frozen=True, slots=True)
class Health:
    """What we know of one venue, or of one symbol of it, at one moment."""

    venue: str
    segment: str
    symbol: str  # empty: the venue's segment as a whole
    ts: int
    state: str  # connecting | live | mute | stale | waiting | limited | refused | blocked | down | closed
    since: int  # of this state, ms UTC
    last_seen: int | None
    cadence_s: float | None
    frames: int
    unreadable: int
    detail: str = ""
    ignored: int = 0  # frames of kinds that we do not read
    unknown: int = 0  # statements about symbols that no catalogue names
    lag_ms: float | None = None  # median from a stated time to its arrival over a stream: network, publication, clocks
    skew_ms: float | None = None  # median of our clock less that of whoever answers over HTTP; good to half a second


@dataclass(frozen=True, slots=True)
class Hold:
    """A venue asked us to wait. Kept, because a restart must not forget it."""

    venue: str
    until: int  # ms UTC
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A frame or a reading that we could not take as true: kept, counted, not used."""

    venue: str
    segment: str
    symbol: str
    seen: int
    check: str  # unreadable | not_finite | magnitude | jump | unit_or_convention_change | implied_price | ...
    words: str
    raw: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something the analytics layer or the collectors want remembered; append-only."""

    ts: int
    kind: str
    asset: str
    venue: str
    detail: str  # JSON


Record = (
    OpenInterest | Liquidation | Volume | LongShort | Funding | MarginTier | Position
    | Gap | Health | Hold | Quarantined | Event | Instrument
)  # fmt: skip
