"""Whom we hear, and how well."""

import json
from difflib import get_close_matches
from typing import Annotated, Any

import pandas as pd
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from server.answers import Answer, Coverage, Table, age_s, rounded, utc
from server.tools.clocks import clocks
from server.tools.house import House
from server.tools.moment import AsOf, at
from server.tools.returned import returned
from server.tools.standins import held_back, polled_instead, stands_in
from server.tools.trusted import trusted
from store.records import STRETCHED
from store.writer import Progress

DAY_MS = 86_400_000
FINE = frozenset({"live", "connecting", "waiting", "closed"})  # states that need no warning
BATCHES = 100  # of the writer: the last ten seconds, when it keeps up
SHOWN = 20  # rows of a table of what went wrong: the newest, or the most frequent
COLUMNS = [
    "venue", "segment", "state", "state_age_s", "last_seen_age_s", "cadence_s", "symbols", "symbols_live",
    "unreadable_frames", "ignored_frames", "unknown_symbols", "lag_ms", "clock_skew_ms", "gaps_24h", "detail",
]  # fmt: skip


def get_status(
    house: House,
    venue: Annotated[str | None, Field(description="One venue's id; all if left out")] = None,
    as_of: AsOf = None,
) -> Answer:
    """Which venues are heard right now, how old their last data are, and what is missing.

    Use it when another answer warns of missing or old venues, or before relying on numbers of this minute.

    Rows, one a venue and segment: state (live, connecting, mute, stale, waiting, limited, refused, blocked, down or
    closed), state_age_s, last_seen_age_s, cadence_s (seconds between data), symbols, symbols_live, counts since the
    start of unreadable_frames, ignored_frames (of kinds that we do not read) and unknown_symbols (statements about
    symbols that the venue's catalogue does not name), lag_ms (median from the time a stream states to its arrival:
    network, publication and clocks together; below zero only a clock can be wrong), clock_skew_ms (our clock less
    that of the venue's HTTP answers, good to 0.75 s), gaps_24h (interruptions begun or open in the last
    day), detail (the reason, in the venue's words). Figure write_lag_s: how long what is heard waited lately until it
    was stored. Warnings say first if the store cannot be written, then whose value is held back until a second
    source agrees (held_back), whose stream is silent while REST stands in (polled_instead), what is asked less often
    than it should be because the venue's limits or answers allow no more (stretched), and which clock is more than a
    second off. Table quarantine: what was not taken as true in the last day, by check. Table
    plausibility: by venue and asset, the share of changes that traded volume can explain; sides_measured: what trades
    say of the sides a field counts (two_sided, consistent_with_one, undecided, implausible_or_delayed), with venue by
    symbol. With venue also tables gaps (newest first), fields (what it
    publishes: unit, sides counted, how we know), positions (public ones seen), reentries (what changed while it was
    silent: nobody's flow) and forced_closes (of a day, by class of feed).
    """
    house = at(house, as_of)
    now = house.now()
    said = [row for row in records(house.reader.health()) if row["ts"] >= house.started]
    venues = sorted({str(row["venue"]) for row in said})
    if venue is not None and venue not in venues:
        near = get_close_matches(venue.lower(), venues, 2)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ToolError(f"Unknown venue {venue!r}.{hint} Heard of in this run: {', '.join(venues) or 'none yet'}.")
    gaps = records(house.reader.gaps(now - DAY_MS, now, venue=venue))
    segments = [row for row in said if row["symbol"] == "" and venue in (None, row["venue"])]
    heard: dict[tuple[str, str], int] = {}  # fresher than the health rows, which are written every ten seconds
    for state in house.reader.live.snapshot() if house.reader.live is not None else []:
        spot = (state.current.instrument.venue, state.current.instrument.segment)
        heard[spot] = max(heard.get(spot, 0), state.last_seen)
    rows = [
        segment_row(now, row, said, gaps, heard.get((row["venue"], row["segment"])))
        for row in sorted(segments, key=lambda r: (r["venue"], r["segment"]))
    ]
    live = {str(row["venue"]) for row in segments if row["state"] == "live"}
    instead = {str(row["venue"]) for row in segments if stands_in(row)} - live
    ok = sorted(live | instead)
    missing = sorted({str(row["venue"]) for row in segments} - set(ok))
    silent = [f"{venue} (polled instead)" if venue in instead else venue for venue in sorted({*instead, *missing})]
    measured, doubts = trusted(house, now, venue)
    refused = [q for q in records(house.reader.quarantine_counts(now - DAY_MS, now)) if venue in (None, q["venue"])]
    told = house.progress()
    lost = unwritten(told)
    return Answer(
        summary=f"{len(live)} of {len(ok) + len(missing)} venues are live"
        + (f"; not: {', '.join(silent)}" if silent else "" if ok else "; none has spoken yet")
        + ("; THE STORE CANNOT BE WRITTEN" if lost and lost[0].startswith("store:") else ""),
        as_of=utc(now),
        simulated=house.simulated,
        figures={
            "uptime_s": age_s(now, house.started),
            "version": house.version,
            "open_gaps": sum(1 for gap in gaps if whole(gap["end"]) is None),
            **lag(told),
        },
        columns=COLUMNS,
        rows=rows,
        tables={
            **tables(house, now, venue, gaps, refused),
            **measured,
            **({} if venue is None else returned(house, now, venue)),
        },
        coverage=Coverage(venues_ok=ok, venues_missing=missing),
        warnings=lost
        + held_back(refused, now)
        + polled_instead(row for row in said if venue in (None, row["venue"]))
        + stretched(house, now, venue)
        + [
            f"{row['venue']} {row['segment']} is {row['state']}: {row['detail'] or 'no reason given'}"
            for row in segments
            if row["state"] not in FINE and not stands_in(row)
        ]
        + clocks(segments)
        + doubts,
        next="get_open_interest for the numbers" if ok else "ask again in some seconds",
    )


def stretched(house: House, now: int, venue: str | None) -> list[str]:
    """A warning a segment of which something is asked less often than it should be, by the newest word on each."""
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for event in records(house.reader.events(STRETCHED, house.started, now + 1, venue=venue)):
        told = json.loads(event["detail"])
        newest[str(event["venue"]), told["segment"], told["what"]] = told
    found: dict[str, list[str]] = {}
    for (name, segment, what), told in sorted(newest.items()):
        if told["real_s"] > told["wanted_s"]:
            words = f"{what} every {told['real_s']:.0f} s, not {told['wanted_s']:.0f} ({told['why']})"
            found.setdefault(f"{name} {segment}, {told['instruments']} instruments", []).append(words)
    return [f"stretched: {who}: {'; '.join(words)}." for who, words in found.items()]


def lag(told: Progress | None) -> dict[str, float | None]:
    """How long what is heard waits until it is in the store [s]: the worst of the last batches, and of what waits."""
    if told is None:
        return {}
    waits = [done - began for began, done in told.written[-BATCHES:]]
    return {"write_lag_s": rounded(max([told.lag_ms / 1000, *waits]))}


def unwritten(told: Progress | None) -> list[str]:
    """What to mind of the store itself: that it cannot be written now, and what was lost since the start."""
    found: list[str] = []
    if told is not None and told.trouble:
        words = " ".join(told.trouble.split())[:300].rstrip(".")
        found.append(
            f"store: nothing can be written ({words}). {told.waiting} records wait in memory, the oldest for "
            f"{told.lag_ms / 1000:.0f} s: answers about now hold, history stops there. Free space on the disk of the "
            "home, or see that it may be written; crossoi goes on by itself."
        )
    if told is not None and told.shed:
        found.append(
            f"shed: {told.shed} records were given up since the start, because they could not be written fast enough; "
            "the stretches are gaps with the reason shed."
        )
    return found


def tables(
    house: House, now: int, venue: str | None, gaps: list[dict[str, Any]], refused: list[dict[str, Any]]
) -> dict[str, Table]:
    """The quality of the data: what was refused, and of one venue what it counts and when it was not heard."""
    told: dict[str, Table] = {}
    if refused:
        told["quarantine"] = Table(
            columns=["venue", "segment", "symbol", "check", "count_24h", "last_age_s", "words"],
            rows=[
                [
                    q["venue"],
                    q["segment"],
                    q["symbol"],
                    q["check"],
                    q["count"],
                    age_s(now, whole(q["last"])),
                    q["words"],
                ]
                for q in refused[:SHOWN]
            ],
        )
    if venue is not None:
        told["gaps"] = Table(
            columns=["segment", "symbol", "start", "end", "reason"],
            rows=[
                [g["segment"], g["symbol"] or "all", utc(g["start"]), moment(whole(g["end"])), g["reason"]]
                for g in sorted(gaps, key=lambda g: -g["start"])[:SHOWN]
            ],
        )
        told["fields"] = Table(
            columns=["segment", "field", "unit", "sides", "status", "since", "evidence"],
            rows=[
                [
                    f["segment"] or "any",
                    f["field"],
                    f["unit"],
                    int(f["sides"]),
                    f["status"],
                    word(f["valid_from"]),
                    f["evidence"],
                ]
                for f in records(house.reader.side_registry())
                if f["venue"] == venue
            ],
        )
    return told


def moment(ms: int | None) -> str | None:
    return None if ms is None else utc(ms)


def segment_row(
    now: int, row: dict[str, Any], said: list[dict[str, Any]], gaps: list[dict[str, Any]], heard: int | None
) -> list[Any]:
    """One row of the answer, in the order of COLUMNS."""

    def mine(other: dict[str, Any]) -> bool:
        return (other["venue"], other["segment"]) == (row["venue"], row["segment"])

    states = [other["state"] for other in said if mine(other) and other["symbol"] != ""]
    return [
        row["venue"],
        row["segment"],
        row["state"],
        age_s(now, whole(row["since"])),
        age_s(now, heard if heard is not None else whole(row["last_seen"])),
        rounded(row["cadence_s"]),
        len(states),
        states.count("live"),
        int(row["unreadable"]),
        int(row["ignored"]),
        int(row["unknown"]),
        whole(row["lag_ms"]),
        whole(row["skew_ms"]),
        sum(1 for gap in gaps if mine(gap)),
        row["detail"] or None,
    ]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A frame's rows."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def word(value: object) -> str | None:
    """A text out of a frame, in which an unknown is NaN or None."""
    return value if isinstance(value, str) else None


def whole(value: float | None) -> int | None:
    """A count or a time out of a frame, in which an unknown is NaN or None."""
    return None if value is None or pd.isna(value) else int(value)
