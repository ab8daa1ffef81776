"""The contract of venues that show everyone's positions: where holders are met, and what is asked about each."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from collectors.venue import Ask, Heartbeat, Message, plain
from store.records import Instrument, Side, Unit


class Dealt(msgspec.Struct, gc=False):
    """A party to a trade, at a venue that names them."""

    holder: str  # as the venue names it
    symbol: str
    size: float  # in the unit of the venue's own base
    price: float  # quote units a base unit


class Held(msgspec.Struct, gc=False):
    """An open position as a venue shows it to everyone."""

    symbol: str
    side: Side
    size: float  # above zero
    unit: Unit
    entry: float | None = None  # quote units a base unit; None where the venue does not say, as below
    liquidation_price: float | None = None
    leverage: float | None = None


@dataclass(frozen=True, slots=True)
class Positions:
    """How public positions are found: holders' names in the trade feed, and a question about each."""

    url: str  # of the socket with the trades
    subscribe: Callable[[Sequence[Instrument]], Iterable[Message]]
    learn: Callable[[Message], Iterable[Dealt]]
    ask: Callable[[str], Ask]  # about a holder
    held: Callable[[Message], Iterable[Held]]  # all that a holder has open; nothing where nothing is
    decode: Callable[[str | bytes], Message] = plain  # frames
    read: Callable[[str | bytes], Message] = plain  # replies
    heartbeat: Heartbeat | None = None
    pace: float = 0.1  # seconds between our messages
