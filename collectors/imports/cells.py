"""Cells of a table as numbers and times. None where a cell is empty; Refused where it is no such thing."""

import math
from datetime import UTC, datetime
from typing import Any

from collectors.board import EARLIEST_MS
from collectors.imports.book import Refused

EMPTY = {"", "null", "none", "na", "n/a", "-"}
UNITS = {"s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 0.000001}


def amount(cell: Any, name: str) -> float | None:
    """A number, or None where the cell is empty. Zero stays zero."""
    try:
        value = float(cell)
    except (TypeError, ValueError):
        if cell is None or str(cell).strip().lower() in EMPTY:
            return None
        raise Refused(f"{name} is not a number") from None
    if not math.isfinite(value):
        raise Refused(f"{name} is not a finite number")
    return value


def above_zero(cell: Any, name: str) -> float | None:
    value = amount(cell, name)
    if value is not None and value <= 0:
        raise Refused(f"{name} is zero" if value == 0 else f"{name} is below zero")
    return value


def needed(value: float | None, name: str) -> float:
    if value is None:
        raise Refused(f"{name} is empty")
    return value


def moment(cell: Any, unit: str, name: str, now: int) -> int:
    """ms UTC of a time in `unit`: s, ms, us, ns, or iso. A text without a zone is UTC."""
    try:
        if isinstance(cell, datetime):
            said = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
            ts = math.floor(said.timestamp() * 1000)
        elif unit == "iso":
            said = datetime.fromisoformat(str(cell).strip())
            ts = math.floor((said if said.tzinfo else said.replace(tzinfo=UTC)).timestamp() * 1000)
        elif unit == "us":
            ts = int(cell) // 1000
        else:
            ts = math.floor(float(cell) * UNITS[unit])
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"{name} is not a time in {unit}") from None
    if not ts >= EARLIEST_MS:
        raise Refused(f"{name} is before any market: is its unit {unit}?")
    if ts > now:
        raise Refused(f"{name} lies in the future: is its unit {unit}?")
    return ts
