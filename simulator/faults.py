"""What can be wrong with a simulated venue, and how to say so: `<venue>=down@120s`."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

KINDS = MappingProxyType(
    {
        "down": "every connection is cut, new ones are refused",
        "mute": "subscriptions are acked, heartbeats answered, no data comes",
        "stall": "sockets stay open and say nothing at all; HTTP does not answer",
        "babble": "frames and replies that nobody can read",
        "limited": "HTTP and handshakes are answered 429 with Retry-After",
        "drop": "every connection is cut once",
    }
)
FORM = re.compile(r"(?P<venue>[^=@]+)=(?P<kind>[^=@]+)(?:@(?P<after>\d+(?:\.\d+)?)s?)?")


class FaultError(ValueError):
    """A fault that cannot be understood; the message names what can."""


@dataclass(frozen=True, slots=True)
class Fault:
    venue: str
    kind: str
    after_s: float = 0.0


def parse_fault(text: str, venues: Collection[str] = ()) -> Fault:
    """A fault in words. Where `venues` are given, no other is taken."""
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise FaultError(f"cannot read fault {text!r}: say venue=kind@seconds, kind one of {', '.join(KINDS)}")
    if venues:
        known(found["venue"], venues, "venue")
    known(found["kind"], KINDS, "fault")
    return Fault(found["venue"], found["kind"], float(found["after"] or 0))


def known(word: str, words: Collection[str], what: str) -> None:
    """FaultError with near matches for a word that is none of them."""
    if word in words:
        return
    near = get_close_matches(word, list(words), 2)
    hint = f" did you mean {' or '.join(near)}?" if near else ""
    raise FaultError(f"no {what} is called {word!r};{hint} known: {', '.join(sorted(words))}")
