"""Open interest against what exists of the coin (analytics.md, 1.7; decisions 20)."""

from dataclasses import dataclass

from analytics.provenance import Basis, Code, Reason

ERA_START, ERA_END = 840_000, 1_050_000  # blocks of 3.125 BTC each
ERA_SUPPLY, SUBSIDY = 19_687_500.0, 3.125
ERA_BEGAN_MS = 1_713_571_767_000  # block 840,000: 2024-04-20 00:09:27 UTC
BLOCK_MS = 600_000  # the schedule; real blocks run a little fast or slow, by some 0.02 % of the supply since then


@dataclass(frozen=True, slots=True)
class Supplied:
    """OI over market cap: the price cancels, so coins over coins."""

    share: float | None  # fraction of 1
    supply: float | None  # coins
    basis: str
    reasons: tuple[Reason, ...]


def bitcoin_supply(height: int) -> float | None:
    """BTC in existence once block `height` is mined (included); None outside the era the formula holds for."""
    if not ERA_START <= height < ERA_END:
        return None
    return ERA_SUPPLY + SUBSIDY * (height + 1 - ERA_START)


def estimated_height(now: int) -> int | None:
    """The newest block by the schedule at `now`, ms UTC; None before this era."""
    return None if now < ERA_BEGAN_MS else ERA_START + (now - ERA_BEGAN_MS) // BLOCK_MS


def known(asset: str, now: int, said: float | None = None) -> tuple[float | None, Basis]:
    """Coins in existence: what somebody outside `said`, else of BTC what the block schedule models, else unknown."""
    if said is not None and said > 0:
        return said, Basis.EXTERNAL
    height = estimated_height(now) if asset == "BTC" else None
    supply = None if height is None else bitcoin_supply(height)
    return supply, Basis.EXTERNAL if supply is None else Basis.MODELLED


def share(base: float | None, supply: float | None, basis: Basis = Basis.EXTERNAL) -> Supplied:
    """`base` coins open against `supply` coins. Without a supply `external_missing`."""
    if base is None or supply is None or not supply > 0:
        words = "No circulating supply is known for this asset."
        return Supplied(None, None, basis, (Reason(Code.EXTERNAL_MISSING, words),))
    return Supplied(base / supply, supply, basis, ())
