"""Daily zips of five-minute statistics, one symbol each: open interest, its value, and four long/short ratios.

The price is value over quantity of the same row: the publisher states no other.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from collectors.imports.book import Book, Refused, Stated, Target
from collectors.imports.cells import above_zero, moment, needed
from collectors.venue import Ratio, RatioKind, Update

STEP_S = 300
NEEDED = ("create_time", "symbol", "sum_open_interest", "sum_open_interest_value")
RATIOS: tuple[tuple[str, RatioKind], ...] = (
    ("count_long_short_ratio", "account"),
    ("count_toptrader_long_short_ratio", "top_account"),
    ("sum_toptrader_long_short_ratio", "top_position"),
    ("sum_taker_long_short_vol_ratio", "taker"),
)


def fits(header: Sequence[str]) -> bool:
    return set(NEEDED) <= set(header)


def reader(header: Sequence[str], book: Book, now: int) -> Callable[[Sequence[Any]], list[Stated]]:
    return partial(read, {name: n for n, name in enumerate(header)}, {}, book, now)


def read(place: dict[str, int], targets: dict[str, Target], book: Book, now: int, cells: Sequence[Any]) -> list[Stated]:
    """A row as a level and up to four ratios; an empty cell says nothing."""
    symbol = cells[place["symbol"]]
    target = targets.get(symbol)
    if target is None:
        target = targets[symbol] = book.target("metrics", "", symbol, STEP_S)
    ts = moment(cells[place["create_time"]], "iso", "create_time", now)
    said: list[Stated] = []
    coins = above_zero(cells[place["sum_open_interest"]], "sum_open_interest")
    value = above_zero(cells[place["sum_open_interest_value"]], "sum_open_interest_value")
    if coins is not None:
        mark = needed(value, "sum_open_interest_value") / coins
        said.append((target, Update(symbol, ts, coins, target.field, mark), ts))
    for name, kind in RATIOS:
        ratio = above_zero(cells[place[name]], name) if name in place else None
        if ratio is not None:
            said.append((target, Ratio(symbol, ts, kind, ratio), ts))
    if not said:
        raise Refused("the row states nothing")
    return said
