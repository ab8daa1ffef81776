"""How far the numbers can be believed, for the status: tables of what was measured, and what to mind."""

from collections.abc import Iterator, Mapping
from typing import Any

from server.answers import Cell, Table, age_s, rounded
from server.tools.house import House
from server.tools.standins import some
from server.trust import AGGREGATE, PLAUSIBILITY, POSITIONS, SAME_SOURCE, SIDES, newest

DAY_MS = 86_400_000
PLAUSIBLE_COLUMNS = ["venue", "asset", "plausible_share", "windows_24h", "worst_unexplained_share", "age_s"]
SIDES_COLUMNS = [
    "segment", "symbol", "field", "sides", "status", "measured", "windows", "above_1.05", "above_2.05", "largest",
    "age_s",
]  # fmt: skip
FIELDS_COLUMNS = ["venue", "field", "sides", "status", "measured", "instruments", "windows"]
TELLING = ("two_sided", "implausible_or_delayed", "consistent_with_one", "undecided")  # the first that holds is told
POSITIONS_COLUMNS = [
    "symbol", "holders", "long_coins", "short_coins", "published_raw", "sides", "covered_share", "says", "age_s",
]  # fmt: skip


def trusted(house: House, now: int, venue: str | None) -> tuple[dict[str, Table], list[str]]:
    """Tables and warnings of the last day; of one venue, or of all."""
    told: dict[str, Table] = {}
    weighed = newest(house.reader.events(PLAUSIBILITY, now - DAY_MS, now + 1, venue=venue))
    if weighed:
        told["plausibility"] = Table(columns=PLAUSIBLE_COLUMNS, rows=[plausible(now, w) for w in in_order(weighed)])
    sided = newest(house.reader.events(SIDES, now - DAY_MS, now + 1, venue=venue), "symbol", "segment")
    seen = newest(house.reader.events(POSITIONS, now - DAY_MS, now + 1, venue=venue), "symbol")
    if venue is None and sided:
        told["sides_measured"] = Table(columns=FIELDS_COLUMNS, rows=list(by_field(in_order(sided))))
    if venue is not None and sided:
        told["sides_measured"] = Table(columns=SIDES_COLUMNS, rows=[measured(now, s) for s in in_order(sided)])
    if venue is not None and seen:
        told["positions"] = Table(columns=POSITIONS_COLUMNS, rows=[positions(now, s) for s in in_order(seen)])
    doubts = [f"{name}: {words}" for name, words in sides_in_doubt(in_order(sided))]
    doubts += [
        f"{s['asset']}: {s['venues'][0]} and {s['venues'][1]} state the same numbers: one source under two names?"
        for s in newest(house.reader.events(SAME_SOURCE, now - DAY_MS, now + 1))
        if venue in (None, *s["venues"])
    ]
    doubts += [
        f"{a['venue']}: an independent aggregate has {a['ratio']:.3g} times our open interest in {a['assets']} assets."
        for a in newest(house.reader.events(AGGREGATE, now - DAY_MS, now + 1, venue=venue))
    ]
    return told, doubts


def by_field(sided: list[dict[str, Any]]) -> Iterator[list[Cell]]:
    """One row a venue and field: the most telling answer of its instruments, and of how many."""
    for venue, name in dict.fromkeys((s["venue"], s["field"]) for s in sided):
        mine = [s for s in sided if (s["venue"], s["field"]) == (venue, name)]
        answer = next(a for a in TELLING if any(s["answer"] == a for s in mine))
        same = [s for s in mine if s["answer"] == answer]
        yield [
            venue, name, same[0]["sides"], same[0]["status"], answer, f"{len(same)} of {len(mine)}",
            sum(int(s["windows"]) for s in same),
        ]  # fmt: skip


def sides_in_doubt(sided: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """One sentence a venue for each way in which its changes go beyond its trading."""
    for venue in dict.fromkeys(s["venue"] for s in sided):
        mine = [s for s in sided if s["venue"] == venue]
        doubled = [s["symbol"] for s in mine if s["contradicts"]]
        beyond = [s["symbol"] for s in mine if s["answer"] == "implausible_or_delayed"]
        if doubled:
            yield venue, f"{some(doubled, 1)} may count both sides, where the registry has one: see sides_measured."
        if beyond:
            yield venue, f"{some(beyond, 1)} changes by more than twice what is traded: implausible, or stated late."


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["venue"], row["asset"], str(row.get("symbol", ""))))


def plausible(now: int, w: Mapping[str, Any]) -> list[Cell]:
    return [w["venue"], w["asset"], rounded(w["share"]), w["windows"], rounded(w["worst"]), age_s(now, w["ts"])]


def measured(now: int, s: Mapping[str, Any]) -> list[Cell]:
    return [
        s["segment"], s["symbol"], s["field"], s["sides"], s["status"], s["answer"], s["windows"], s["above_one"],
        s["above_two"], rounded(s["largest"]), age_s(now, s["ts"]),
    ]  # fmt: skip


def positions(now: int, s: Mapping[str, Any]) -> list[Cell]:
    return [
        s["symbol"], s["holders"], rounded(s["long"]), rounded(s["short"]), rounded(s["raw"]), s["sides"],
        rounded(s["covered"]), s["says"], age_s(now, s["ts"]),
    ]  # fmt: skip
