"""Open interest against price: who is building, who is leaving (analytics.md, 1.7)."""

from dataclasses import dataclass
from math import log, log1p

from analytics.provenance import Code, Reason
from analytics.settings import DEFAULTS, Settings


@dataclass(frozen=True, slots=True)
class Quadrant:
    """Always on contracts: dollars move with price by construction."""

    growth: float | None  # of contracts, fraction
    price_growth: float | None
    zq: float | None  # d ln Q in own scales of this window
    zp: float | None
    name: str | None  # build_with_price | build_against_price | covering | unwind | neutral
    opposite_sign: bool  # zq >= 1 and zp <= 0: leverage builds against price
    n: int
    reasons: tuple[Reason, ...]


def of(growth: float | None, price0: float, price1: float, sq: float | None, sp: float | None, n: int, need: int,
       settings: Settings = DEFAULTS) -> Quadrant:  # fmt: skip
    """`sq`, `sp`: robust sd of d ln Q (native) and of d ln P over `n` earlier windows of the same length."""
    moved = price1 / price0 - 1.0 if price0 > 0 and price1 > 0 else None
    if growth is None or moved is None or growth <= -1.0:
        why = Reason(Code.NO_DATA, "Growth or price is not known over this window.")
        return Quadrant(growth, moved, None, None, None, False, n, (why,))
    if n < need:
        why = Reason(Code.INSUFFICIENT_HISTORY, f"{n} earlier windows of this length; own scales need {need}.")
        return Quadrant(growth, moved, None, None, None, False, n, (why,))
    if sq is None or sp is None:
        why = Reason(Code.INSUFFICIENT_HISTORY, "The past windows hold no movement to scale by.")
        return Quadrant(growth, moved, None, None, None, False, n, (why,))
    zq, zp = log1p(growth) / sq, log(price1 / price0) / sp
    return Quadrant(growth, moved, zq, zp, named(zq, zp, settings), zq >= settings.opposite_sign_z and zp <= 0, n, ())


def named(zq: float, zp: float, settings: Settings = DEFAULTS) -> str:
    if abs(zq) < settings.quadrant_neutral or abs(zp) < settings.quadrant_neutral:
        return "neutral"
    if zq > 0:
        return "build_with_price" if zp > 0 else "build_against_price"
    return "covering" if zp > 0 else "unwind"
