"""Recorded streams by day, one file a channel: `derivative_ticker` and `liquidations`, times in microseconds.

A ticker row is written whenever anything changed and repeats the rest. A forced close names the side of its order: a
buy closes a short. `local_timestamp` is when the recorder heard it, which is when it could be known. What an exchange's
numbers count, and what the archive lacks of it, is said in its venue's file (`Archive`).
"""

from collections.abc import Callable, Sequence
from typing import Any

from collectors.imports.book import Book, Refused, Stated, Target, Unneeded
from collectors.imports.cells import above_zero, amount, moment, needed
from collectors.venue import Liquidated, Update
from collectors.wire import Day, ms
from store.records import Side

TICKER = ("exchange", "symbol", "timestamp", "local_timestamp", "open_interest")
DEATHS = ("exchange", "symbol", "timestamp", "local_timestamp", "side", "price", "amount")
SIDES = {"buy": Side.SHORT, "sell": Side.LONG}  # of the order, to that of the position that died
Read = Callable[[Sequence[Any]], list[Stated]]


def fits(header: Sequence[str]) -> bool:
    return set(TICKER) <= set(header) or set(DEATHS) <= set(header)


def reader(header: Sequence[str], book: Book, now: int) -> Read:
    place = {name: n for n, name in enumerate(header)}
    targets: dict[tuple[str, str], Target] = {}
    spans: dict[int, tuple[int, int]] = {}  # from when on funding, and until when open interest, is understood, ms UTC
    exchange, symbol = place["exchange"], place["symbol"]
    stated, heard = place["timestamp"], place["local_timestamp"]

    def target(cells: Sequence[Any]) -> Target:
        key = cells[exchange], cells[symbol]
        found = targets.get(key)
        if found is None:
            found = targets[key] = book.target("ticks", *key, 0.0)
            assert found.archive is not None
            since, until = found.archive.funding_since, found.archive.until
            spans[found.instrument.id] = (
                FAR if since is None else moment_of(since) if since else 0,
                moment_of(until) if until else FAR,
            )
        return found

    def times(cells: Sequence[Any]) -> tuple[int, int]:
        seen = moment(cells[heard], "us", "local_timestamp", now)
        return (moment(cells[stated], "us", "timestamp", now) if cells[stated] else seen), seen

    def ticker(cells: Sequence[Any]) -> list[Stated]:
        of = target(cells)
        ts, seen = times(cells)
        funded, understood = spans[of.instrument.id]
        if of.field is None or ts >= understood:
            raise lacking(of, "what this open interest counts")
        said = Update(of.instrument.symbol, ts, above_zero(cells[place["open_interest"]], "open_interest"), of.field)
        for name, number in OPTIONAL.items():
            if name in place:
                setattr(said, ATTRIBUTES[name], number(cells[place[name]], name))
        if ts < funded:
            said.funding = None
        return [(of, said, seen)]

    def death(cells: Sequence[Any]) -> list[Stated]:
        of = target(cells)
        deaths = None if of.archive is None else of.archive.deaths
        if deaths is None:
            raise lacking(of, "what the amount of a forced close counts")
        side = SIDES.get(cells[place["side"]])
        if side is None:
            if cells[place["side"]] == "unknown":
                raise Unneeded("the side is unknown")
            raise Refused("side is neither buy nor sell")
        ts, seen = times(cells)
        size = needed(above_zero(cells[place["amount"]], "amount"), "amount")
        price = needed(above_zero(cells[place["price"]], "price"), "price")
        return [(of, Liquidated(of.instrument.symbol, ts, side, size, deaths[0], price, deaths[1]), seen)]

    return ticker if "open_interest" in place else death


def lacking(of: Target, what: str) -> Refused:
    """Why the rows of a channel cannot be taken, and which can."""
    venue, archive = of.instrument.venue, of.archive
    assert archive is not None
    known = f"the file of {venue} does not say {what}"
    why = f"the archive has no {archive.lacks} of {venue}" if archive.lacks else known
    channels = {"derivative_ticker": archive.field, "liquidations": archive.deaths}
    there = [name for name, counts in channels.items() if counts is not None]
    until = f" until {archive.until}" if archive.until else ""
    return Refused(f"{why}: {f'import its {there[0]}{until}' if there else 'nothing of it can be imported'}")


def moment_of(day: str) -> int:
    return ms(Day.fromisoformat(day))


FAR = 2**62
OPTIONAL = {"mark_price": above_zero, "index_price": above_zero, "funding_rate": amount}
ATTRIBUTES = {"mark_price": "mark", "index_price": "index", "funding_rate": "funding"}
