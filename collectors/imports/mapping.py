"""The declared mapping of a plain table: a small TOML. Whatever it leaves unsaid is refused, not assumed.

venue = "..."                 # whose numbers they are; `segment` and `symbol` likewise, or a column under [columns]
field = "openInterest"        # a field of the venue's file says unit and sides; or say both:
unit = "base"                 # contracts | base | usd
sides = 1                     # 2 where longs and shorts are counted apart
time_unit = "ms"              # s | ms | us | ns | iso
resolution_s = 300            # seconds between rows; left out: a row whenever something changed
[columns]
time = "t"                    # and open_interest, mark; if there are any: seen, index, funding, symbol, segment
[[instruments]]               # what the store does not know yet; every key but base_factor, code, kind, live is needed
venue = "..."
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made
from pathlib import Path
from typing import Any

from collectors.venue import Venue
from store.records import Field, Instrument, Kind, Payoff, Status, Unit

KEYS = {"venue", "segment", "symbol", "field", "unit", "sides", "time_unit", "resolution_s", "delimiter"}
COLUMNS = {"time", "seen", "symbol", "segment", "open_interest", "mark", "index", "funding", "simulated"}
TIMES = ("s", "ms", "us", "ns", "iso")
FACTS = ("venue", "segment", "symbol", "asset", "quote", "settle", "payoff", "contract_size")
MORE = {"base_factor", "code", "kind", "live"}  # code: what an archive calls it, where not by its symbol


class MappingError(ValueError):
    """What the mapping lacks or has wrong, in a sentence."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping as read. `venue` is empty where it only states instruments."""

    venue: str = ""
    segment: str = ""
    symbol: str = ""
    field: Field | None = None
    time_unit: str = ""
    resolution_s: float = 0.0
    delimiter: str = ","
    columns: Mapping[str, str] = made(default_factory=dict[str, str])
    instruments: tuple[Instrument, ...] = ()


def load(path: Path, venues: Mapping[str, Venue]) -> Mapped:
    """The mapping at `path`. Raises MappingError."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise MappingError(f"{path}: {wrong}") from None
    try:
        return mapped(tree, venues)
    except MappingError as wrong:
        raise MappingError(f"{path}: {wrong}") from None


def mapped(tree: Mapping[str, Any], venues: Mapping[str, Venue]) -> Mapped:
    strange = sorted(set(tree) - KEYS - {"columns", "instruments"})
    if strange:
        raise MappingError(f"unknown key {strange[0]!r}. There are: {', '.join(sorted(KEYS))}, columns, instruments.")
    listed: Any = tree.get("instruments", [])
    if not isinstance(listed, list):
        raise MappingError("instruments are written as [[instruments]] tables.")
    instruments = tuple(instrument(facts, venues) for facts in listed)  # type: ignore[unknown-variable-type]  # checked inside
    if not set(tree) - {"instruments"}:
        return Mapped(instruments=instruments)
    venue = known(tree.get("venue"), venues)
    columns = tree.get("columns")
    if not isinstance(columns, dict) or not all(isinstance(name, str) for name in columns.values()):  # type: ignore[unknown-variable-type]
        raise MappingError("[columns] is missing: it names the columns of the table.")
    wrong = sorted(set(columns) - COLUMNS)  # type: ignore[unknown-argument-type]  # keys of TOML are texts
    if wrong:
        raise MappingError(f"unknown column {wrong[0]!r} under [columns]. There are: {', '.join(sorted(COLUMNS))}.")
    for name in ("time", "open_interest"):
        if name not in columns:
            raise MappingError(f"[columns] does not say which column is {name}.")
    for name in ("symbol", "segment"):
        if name not in columns and not isinstance(tree.get(name), str):
            raise MappingError(f"{name} is missing: state it, or name its column under [columns].")
    if tree.get("time_unit") not in TIMES:
        raise MappingError(f"time_unit is missing: one of {', '.join(TIMES)}.")
    return Mapped(
        venue.id, str(tree.get("segment", "")), str(tree.get("symbol", "")), counted(tree, venue, dict(columns)),  # type: ignore[unknown-argument-type]
        tree["time_unit"], float(tree.get("resolution_s", 0.0)), str(tree.get("delimiter", ",")), dict(columns),  # type: ignore[unknown-argument-type]
        instruments,
    )  # fmt: skip


def known(name: Any, venues: Mapping[str, Venue]) -> Venue:
    if name not in venues:
        raise MappingError(f"venue {name!r} is none of ours. There are: {', '.join(sorted(venues))}.")
    return venues[name]


def counted(tree: Mapping[str, Any], venue: Venue, columns: Mapping[str, str]) -> Field:
    """What the number counts: by the venue's own field, which the mapping may not contradict, else as declared."""
    unit, sides = tree.get("unit"), tree.get("sides")
    if unit is not None and unit not in set(Unit):
        raise MappingError(f"unit {unit!r} is none of {', '.join(Unit)}.")
    if sides is not None and sides not in (1, 2):
        raise MappingError(f"sides is {sides!r}; it is 1, or 2 where longs and shorts are counted apart.")
    if (name := tree.get("field")) is not None:
        own = [f for f in venue.fields if str(f.key) == name]
        fit = [f for f in own if unit in (None, f.unit) and sides in (None, f.sides)]
        if len({(f.unit, f.sides) for f in fit}) != 1:
            spelled = "; ".join(f"{f.key}: {f.unit.value}, sides {f.sides}" for f in own or venue.fields)
            raise MappingError(
                f"field {name!r} with this unit and sides is not one field of {venue.id}. It has {spelled}."
            )
        return fit[0]
    if unit is None or sides is None:
        raise MappingError("unit and sides are both needed where no field of the venue is named.")
    words = "declared by the mapping of an imported table"
    return Field(columns["open_interest"], Unit(unit), sides, Status.DISPUTED, evidence=words)


def instrument(facts: Any, venues: Mapping[str, Venue]) -> Instrument:
    if not isinstance(facts, dict):
        raise MappingError("instruments are written as [[instruments]] tables.")
    given: dict[str, Any] = facts  # type: ignore[unknown-variable-type]  # a TOML table
    missing = [key for key in FACTS if key not in given]
    strange = sorted(set(given) - set(FACTS) - MORE)
    if missing or strange:
        word = f"lacks {missing[0]}" if missing else f"has an unknown key {strange[0]!r}"
        raise MappingError(f"an instrument {word}. Needed: {', '.join(FACTS)}; possible: {', '.join(sorted(MORE))}.")
    venue = known(given["venue"], venues)
    if given["segment"] not in {segment.id for segment in venue.segments}:
        raise MappingError(f"{venue.id} has no segment {given['segment']!r}.")
    try:
        size, factor = float(given["contract_size"]), float(given.get("base_factor", 1.0))
        payoff, kind = Payoff(given["payoff"]), Kind(given.get("kind", "perpetual"))
    except (TypeError, ValueError) as wrong:
        raise MappingError(f"the instrument {given['symbol']}: {wrong}.") from None
    if size <= 0 or factor <= 0:
        raise MappingError(f"the instrument {given['symbol']}: contract_size and base_factor are above zero.")
    return Instrument(
        venue.id, given["segment"], str(given["symbol"]), str(given["asset"]), str(given["quote"]),
        str(given["settle"]), kind, payoff, size, factor, live=bool(given.get("live", True)),
        code=str(given.get("code", "")),
    )  # fmt: skip
