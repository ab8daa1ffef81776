"""A trickle of forced closes for a load: on a connection that tells of them, one contract after another has one."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Literal

from simulator.conversation import Conversation, Speech
from simulator.quotes import Forced, Quote, Quotes
from simulator.values import Views

EVERY_S = 2.0  # between two on one connection
SHARE = 1e-4  # of a contract's open interest, so that whole contracts are left of it
Side = Literal["long", "short"]
SIDES: tuple[Side, Side] = ("long", "short")


@dataclass(slots=True)
class Dying:
    """Another market, in which one contract has one forced close, now."""

    market: Quotes
    of: tuple[str, str] = ("", "")  # segment, symbol
    side: Side = "long"

    def quote(self, venue: str, segment: str, symbol: str, now_ms: int) -> Quote | None:
        return self.market.quote(venue, segment, symbol, now_ms)

    def forced(self, venue: str, segment: str, symbol: str, since_ms: int, now_ms: int) -> Sequence[Forced]:
        quote = self.quote(venue, segment, symbol, now_ms) if (segment, symbol) == self.of else None
        return () if quote is None else (Forced(now_ms, self.side, quote.oi_base * SHARE, quote.mark),)

    def past(
        self, venue: str, segment: str, symbol: str, start_ms: int, end_ms: int, step_ms: int
    ) -> Sequence[tuple[int, Quote]]:
        return self.market.past(venue, segment, symbol, start_ms, end_ms, step_ms)


class Trickle:
    """Owns the turns of what a connection has subscribed by now, in the venue's own frames."""

    def __init__(self, talk: Conversation, now: float, now_ms: int, every_s: float = EVERY_S) -> None:
        views = talk.speech.views
        self.every_s = every_s
        self.at = now + random.uniform(0, every_s)  # not all connections at the same moment
        self.dying = Dying(views.quotes)
        self.talk = Conversation(Speech(talk.speech.socket, Views(views.script, self.dying)))
        turns = [
            (replace(sub), contract)
            for sub in talk.subscriptions.values()
            if sub.channel.forced is not None or sub.channel.each_forced is not None
            for contract in sub.meant.contracts
            if contract.live and views.quote(contract, now_ms) is not None
        ]
        self.turns = cycle(turns)
        sides: list[Side] = [side for side in SIDES for _ in turns]
        self.sides = cycle(sides)
        self.tells = bool(turns)

    def due(self, now: float, now_ms: int) -> list[str | bytes]:
        """The frames of the next forced close, if it is time. One that is late is not made up for."""
        if not self.tells or now < self.at:
            return []
        self.at = now + self.every_s
        sub, contract = next(self.turns)
        self.dying.side = next(self.sides)
        self.dying.of = (contract.segment, contract.symbol)
        return list(self.talk.deaths(sub, now_ms))
