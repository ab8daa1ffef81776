"""Nothing that arrives later changes an answer about an earlier instant: every tool and chart, all kinds of news."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from mcp.server.mcpserver.exceptions import ToolError

from analytics import catalogue, usual
from analytics.episodes import RULES
from server.answers import Answer, utc
from server.tools import TOOLS, House
from server.tools.chart_value import get_chart_value
from server.tools.interest import get_open_interest
from server.tools.moment import at
from store.bars import build
from store.bulk import write_readings
from store.closes import GRACE_MS, write_closes
from store.derived import append
from store.engine import Store
from store.records import (
    Event,
    FeedClass,
    Field,
    Funding,
    Gap,
    Health,
    Instrument,
    Liquidation,
    LongShort,
    MarginTier,
    Position,
    Quarantined,
    Record,
    Side,
    Source,
    Status,
    Unit,
    Volume,
)
from store.writer import Writer
from tests.server.tools.made import DAY, HOUR, MINUTE, NOW, Facts, Held, changed, columns, linear, market

THEN = NOW - 3 * HOUR
SPANS = ("24h", "30d")
NORTH, SOUTH = linear("north"), linear("south")
KINDS = ("account", "top_account", "top_position", "taker")


def breathing(size: float, every: int) -> Callable[..., np.ndarray]:
    return lambda t: size + 7.0 * ((t - NOW) // HOUR % every) + (t - NOW) // (5 * MINUTE) % 3


def held(of: Instrument, size: float, every: int, klass: str, funding: float | None) -> Held:
    return Held(of, breathing(size, every), breathing(100.0, 7), start=NOW - 6 * DAY, klass=klass, funding=funding)


HELD = [held(NORTH, 1000.0, 5, "speculative", 1e-4), held(SOUTH, 700.0, 3, "institutional", None)]


def besides(since: int, until: int, lag: int, size: float) -> list[Record]:
    """What venues say beside open interest: by the hour in [since, until), heard `lag` ms later, or at `NOW`."""
    said: list[Record] = []
    for t in range(since, until, HOUR):
        seen = t + lag if lag else NOW
        for i in (NORTH, SOUTH):
            said += [LongShort(i, t, seen, kind, size, Source.POLL, False) for kind in KINDS]
            said.append(Volume(i, t - t % MINUTE, seen, 50.0 * size, 20.0, Source.POLL, False))
            said.append(Funding(i, t, seen, 1e-5 * size, 1.0, Source.BACKFILL, False))
            dead = Liquidation(
                i, t + 1, seen, Side.LONG, size, Unit.BASE, size, 100 * size, 100.0, FeedClass.FULL, False
            )
            said.append(dead)
    return said


def answers(house: House) -> dict[str, Answer | str]:
    """By tool and arguments: the answer about `THEN`, or the words with which it is refused."""
    found: dict[str, Answer | str] = {}
    for function in TOOLS:
        if function is not get_chart_value:
            found[function.__name__] = asked(lambda function=function: function(house, as_of=utc(THEN)))
    found["get_status of one"] = asked(lambda: named("get_status")(house, venue="north", as_of=utc(THEN)))
    found["get_liquidation_map detailed"] = asked(
        lambda: named("get_liquidation_map")(house, venue="south", detail="detailed", as_of=utc(THEN))
    )
    for window in ("1h", "4h", "24h"):
        for tool in ("get_oi_divergence", "get_concentration"):
            found[f"{tool} {window}"] = asked(
                lambda tool=tool, window=window: named(tool)(house, window=window, as_of=utc(THEN))
            )
    for metric in catalogue.ids(("north",)):
        for span in SPANS:
            found[f"{metric} {span}"] = asked(
                lambda metric=metric, span=span: get_chart_value(house, metric, span, as_of=utc(THEN))  # type: ignore[arg-type]  # a word of the list
            )
    return found


def named(name: str) -> Callable[..., Answer]:
    return next(f for f in TOOLS if f.__name__ == name)


def asked(question: Callable[[], Answer]) -> Answer | str:
    try:
        return question()
    except ToolError as refused:
        return str(refused)


def written(store: Store, *records: Record | Facts) -> None:
    with Writer(store, False, now_ms=NOW) as writer:
        for record in records:
            if isinstance(record, Facts):
                writer.register([record])
            else:
                writer.put(record)


def late_readings(source: str, k: int) -> Callable[[Store], None]:
    def arrive(store: Store) -> None:
        late = columns(Held(SOUTH, lambda t: 900.0 + t % 11, start=NOW - 5 * DAY, end=NOW, step=7 * MINUTE))
        ts = np.asarray(late["ts"]) + k
        assert write_readings(store, {**late, "ts": ts, "seen": np.full(len(ts), NOW), "source": source}, False)

    return arrive


def late_gap(store: Store) -> None:
    known, before, open_now = (THEN - 5 * HOUR, THEN - 4 * HOUR), (THEN - 30 * MINUTE, THEN + HOUR), THEN - 9 * MINUTE
    for start, end in (known, before, (open_now, None)):
        written(store, Gap("south", "linear", "", start, None, "down"))
        if end is not None:
            written(store, Gap("south", "linear", "", start, end, "down"))


def late_registry(store: Store) -> None:
    """Another field of both sides, dated inside the window; a contract of another size; a venue of another class."""
    date = utc(THEN)[:10]
    fields = (Field("total", Unit.USD, sides=2, status=Status.MEASURED, since=date, evidence="told later"),)
    size = Instrument("south", "linear", "BTCUSDT", "BTC", "USDT", "USDT", contract_size=0.1, max_leverage=9.0)
    told = columns(Held(SOUTH, breathing(700.0, 3), field=fields[0], start=NOW - MINUTE, end=NOW))
    assert write_readings(store, told, False)
    written(store, Facts("south", "speculative", fields, "South", closed_on=date), size)
    written(store, MarginTier(SOUTH, NOW, 1, 0.0, None, 0.5, 2.0, None, False))


def late_words(store: Store) -> None:
    """What the clock, the checks and the samplers say later of the time before."""
    t = THEN - HOUR
    written(
        store,
        Event(t, "unit_or_convention_change", "BTC", "south", changed("BTCUSDT", t)),
        Event(t, "plateau", "BTC", "", "{}"),
        Event(t, "lead_lag", "BTC", "", '{"leader": "south", "resolved": 3, "reasons": []}'),
        Event(t, "context", "BTC", "", '{"metric": "supply", "value": 1.0, "unit": "coins", "source": "late"}'),
        Quarantined("south", "linear", "BTCUSDT", NOW, "jump", "late", "{}"),
        Health("south", "linear", "", NOW, "down", NOW, None, 60.0, 9, 0),
        Position(SOUTH, NOW, "x", Side.LONG, 5.0, 100.0, 90.0, 5.0, False),
    )
    rows = [
        ("BTC", name, 3600, 1.0, 999, usual.VERSION, NOW)
        for name in ("rotated", "contracts_scale", "growth_scale south")
    ]
    append(store, "thresholds", rows)
    said = '{"leaders": [], "window_s": 3600, "gap0": 0.1}'
    append(store, "episodes", [("x", "BTC", "rotation", "", t, None, "open", RULES, said, False, NOW)])
    append(store, "map_scores", [("BTC", "", THEN - THEN % DAY - DAY, "{}", False, NOW)])


LATER: dict[str, Callable[[Store], None]] = {
    "late data": late_readings("stream", 1),
    "a backfill": late_readings("backfill", 2),
    "an import": late_readings("import", 3),
    "what is said beside open interest": lambda store: written(store, *besides(THEN - 2 * DAY, THEN, 0, 3.0)),
    "a gap": late_gap,
    "a registry change": late_registry,
    "words": late_words,
}


ROUNDS = (
    ("late data", "a backfill", "an import"), ("what is said beside open interest", "a gap"),
    ("a registry change", "words"),
)  # fmt: skip
"""Asking everything takes seconds, so some news arrive together."""


def test_no_answer_about_then_changes(tmp_path: Path) -> None:
    live = Health("south", "linear", "", THEN - MINUTE, "live", THEN - DAY, THEN, 60.0, 9, 0)
    with market(tmp_path, *HELD, said=[*besides(NOW - 5 * DAY, THEN, 2000, 1.5), live]) as house:
        store = house.reader.store
        assert isinstance(store, Store)
        with store.cursor() as con:  # what is listed was so before the moment that is asked about
            for table in ("instruments", "venues", "side_registry"):
                con.execute(f"UPDATE {table} SET known_at = make_timestamp_ms({THEN - 13 * DAY})")
        before = answers(house)
        now = get_open_interest(house)
        for some in ROUNDS:
            for news in some:
                LATER[news](store)
            build(store, NOW - 6 * DAY, NOW)  # bars and closes are corrected by it
            write_closes(store, NOW - 6 * DAY, NOW - GRACE_MS)
            after = answers(house)
            for what, answer in before.items():
                assert after[what] == answer, (some, what)
        assert get_open_interest(house) != now
    told = [what for what, answer in before.items() if isinstance(answer, Answer)]
    assert len(told) > 45, "most of it has an answer at all"
    assert {"get_liquidation_map", "get_liquidation_map detailed"} <= set(told)
    assert {news for some in ROUNDS for news in some} == set(LATER)
    assert at(house, utc(THEN)).now() == THEN
