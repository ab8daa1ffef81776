"""Traded minutes as venues send them: lists that end with the running one, and pushes of it. Pure."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from collectors.venue import Traded


def listed(rows: Iterable[Traded]) -> list[Traded]:
    """A list that reaches up to now, in time's order: its newest minute still runs."""
    minutes = sorted(rows, key=lambda minute: minute.ts)
    return [*minutes[:-1], *(replace(minute, final=False) for minute in minutes[-1:])]


class Running:
    """The running minute of each symbol on one connection. It has ended when the symbol's next one begins."""

    def __init__(self) -> None:
        self.minutes: dict[str, Traded] = {}

    def push(self, minute: Traded) -> Sequence[Traded]:
        """What a push says: the minute it ends, if any, and its own. A minute that has ended is not opened again."""
        before = self.minutes.get(minute.symbol)
        if before is not None and minute.ts < before.ts:
            return ()
        self.minutes[minute.symbol] = now = replace(minute, final=False)
        if before is None or before.ts == now.ts:
            return (now,)
        return (replace(before, final=True), now)
