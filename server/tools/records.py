"""Open divergence records and how such records ended before, for an answer."""

import json

import pandas as pd

from analytics import baserates
from analytics.baserates import BaseRates, Ended
from analytics.episodes import LABELS, PLACEBO, rules
from server.answers import Cell, Table, age_s, rounded, utc
from server.tools.house import House
from server.tools.provenance import pct
from server.tools.spans import DAY_MS

YEAR_MS = 366 * DAY_MS
OPEN_COLUMNS = ["kind", "leader", "leaders", "window_s", "opened", "age_s", "gap_at_opening_pct"]
RATE_COLUMNS = [
    "kind", "ended", "share", "low_share", "high_share", "placebo_share", "difference_pct", "difference_low_pct",
    "difference_high_pct", "n", "placebo_n", "words",
]  # fmt: skip


def recorded(house: House, asset: str, now: int) -> tuple[dict[str, Cell], dict[str, Table], list[str]]:
    """Figures, tables and warnings; nothing of another universe than the clock's."""
    if house.apart:
        return {"open_records": None, "ended_records": None}, {}, []
    rows = house.reader.episodes(asset, now - YEAR_MS, now + 1)
    rows = rows[rows["rules"] == rules(house.thresholds)]
    standing = rows[(rows["label"] == "open") & ~rows["kind"].astype(str).str.startswith(PLACEBO)]
    tables: dict[str, Table] = {}
    warnings: list[str] = []
    if len(standing):
        tables["open_records"] = Table(columns=OPEN_COLUMNS, rows=[open_row(row, now) for row in told(standing)])
    rates: list[list[Cell]] = []
    for kind in sorted({str(k).removeprefix(PLACEBO) for k in rows["kind"]}):
        found = baserates.of(lives(rows, kind, now), lives(rows, PLACEBO + kind, now))
        rates += rate_rows(kind, found)
        warnings += [f"{r.code}: {kind}: {r.words}" for r in found.reasons]
    if rates:
        tables["base_rates"] = Table(columns=RATE_COLUMNS, rows=rates)
    figures: dict[str, Cell] = {"open_records": len(standing), "ended_records": len(rows) - len(standing)}
    return figures, tables, warnings


def told(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def lives(rows: pd.DataFrame, kind: str, now: int) -> list[Ended]:
    """Records of one kind and how long they lasted, those that are open until now; void ones say nothing."""
    mine = rows[(rows["kind"] == kind) & (rows["label"] != "void")]
    until = mine["resolved"].where(mine["label"] != "open", float(now))
    spans = (until - mine["opened"]).to_numpy(float) / 1000.0
    return [
        Ended(float(s), str(label) if label in LABELS else None) for s, label in zip(spans, mine["label"], strict=True)
    ]


def open_row(row: dict[str, object], now: int) -> list[Cell]:
    detail, opened = json.loads(str(row["detail"])), int(str(row["opened"]))
    return [
        str(row["kind"]), str(row["leader"]), ", ".join(detail["leaders"]), detail["window_s"], utc(opened),
        age_s(now, opened), pct(detail["gap0"]),
    ]  # fmt: skip


def rate_rows(kind: str, found: BaseRates) -> list[list[Cell]]:
    return [
        [
            kind, r.label, rounded(r.share), rounded(r.low), rounded(r.high), rounded(r.placebo), pct(r.difference),
            pct(r.difference_low), pct(r.difference_high), found.n, found.placebo_n, r.words,
        ]
        for r in found.rates
    ]  # fmt: skip
