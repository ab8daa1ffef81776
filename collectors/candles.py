"""What is asked of the past as of the present: rows of candles, and series of them; and what was paid. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from collectors.minutes import listed
from collectors.venue import Ask, Gives, History, Lately, Message, Poll, Ratio, Said, Traded, Update
from collectors.wire import amount, number, wire
from store.records import Instrument, Unit

Rows = list[list[float]]
"""Candles as most venues send them: start [ms], open, high, low, close, and what was traded."""
LATELY = 5  # steps that a question about now reaches back


def candles(rows: Rows) -> Rows:
    """Those that close between their low and their high. ValueError where none does: the columns have moved (F27)."""
    found = [row for row in rows if row[3] <= row[4] <= row[2]]
    if rows and not found:
        raise ValueError("no candle closes between its low and its high: the columns have moved")
    return found


def minutes(unit: Unit, volume: int = 5, bought: int | None = None) -> Callable[[Rows], list[Traded]]:
    """A reader of minutes. `volume` and `bought` are the places of what was traded, and of what takers bought."""

    def read(rows: Rows) -> list[Traded]:
        return [
            Traded("", int(row[0]), row[volume], unit, None if bought is None else row[bought], row[4])
            for row in candles(rows)
        ]

    return read


def marks(step: int) -> Callable[[Rows], Sequence[Said]]:
    """A reader of bars of the mark, `step` seconds long: the close of each, at its end."""

    def read(rows: Rows) -> Sequence[Said]:
        return [Update("", int(row[0]) + step * 1000, mark=row[4]) for row in candles(rows)]

    return read


def series(
    gives: Literal["volume", "ratios"],
    ask: Callable[[Instrument, int, int], Ask],
    parse: Callable[[Message], Sequence[Traded] | Sequence[Ratio]],
    decode: Callable[[str | bytes], Message],
    step: float,
    limit: int,
    depth: float,
) -> tuple[Poll, History]:
    """One question for now and for the past. Of now, the newest minute still runs, and the newest ratios are enough."""

    def latest(reply: Message) -> Iterable[Said]:
        said = parse(reply)
        minutes = listed(one for one in said if isinstance(one, Traded))
        newest = max((one.ts or 0 for one in said), default=0)
        return minutes or [one for one in said if (one.ts or 0) == newest]

    words = frozenset[Gives]({gives})
    return (
        Poll(Lately(ask, LATELY * step), step, words, latest, decode),
        History(ask, parse, words, step, limit, depth, decode),
    )


HOUR_S = 3600.0  # nobody settles funding more often


def settled(
    ask: Callable[[Instrument, int, int], Ask], when: str, rate: str, limit: int, depth: float, *at: str,
    unit_ms: int = 1, bounded: bool = True, every: tuple[str, float] | None = None, of: str = "",
) -> History:  # fmt: skip
    """The past of funding as most venues tell it: rows with cells so named, inside an envelope (`at`, see `wire`).

    `when` is in units of `unit_ms`, `rate` a fraction of the interval that ended then. `every` names the cell that says
    how long it was, and hours in its unit; without one the payments beside it tell. `of` names the cell that says whose
    it is, for a reply that comes alone. Longer intervals than an hour leave pages less than full.
    """

    def read(rows: Sequence[dict[str, Any]]) -> Sequence[Said]:
        return [
            Update(
                str(row[of]) if of else "", int(amount(row[when]) * unit_ms), funding=number(row[rate]),
                funding_interval_h=hours(row),
            )
            for row in rows
        ]  # fmt: skip

    def hours(row: Mapping[str, Any]) -> float | None:
        return None if every is None or row[every[0]] in (None, "") else amount(row[every[0]]) * every[1]

    gives = frozenset[Gives]({"funding"})
    return History(ask, read, gives, HOUR_S, limit, depth, wire(list[dict[str, Any]], *at), bounded)
