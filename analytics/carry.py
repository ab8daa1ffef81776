"""What a silent venue is worth: an outage must never look like open interest leaving (analytics.md, 1.5)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.alignment import Floats, Panel, State
from analytics.settings import DEFAULTS, Settings
from analytics.units import revalued


@dataclass(frozen=True, slots=True)
class Level:
    """What each instrument adds to the level A = live + carried, [T, I]; NaN where it adds nothing."""

    base: Floats  # coins
    usd: Floats  # USD
    carried: NDArray[np.bool_]  # at its last quantity, repriced at the reference price
    excluded: NDArray[np.bool_]  # silent for longer than T_carry: left with a universe change, not a decline

    @property
    def total_usd(self) -> Floats:
        return np.nansum(self.usd, axis=1)

    @property
    def total_base(self) -> Floats:
        return np.nansum(self.base, axis=1)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """[T]: whether nothing stands: such a total is unknown, not zero."""
        return np.asarray(~np.isfinite(self.usd).any(axis=1), bool)

    @property
    def carried_usd(self) -> Floats:
        return np.nansum(np.where(self.carried, self.usd, 0.0), axis=1)


def level(panel: Panel, settings: Settings = DEFAULTS) -> Level:
    """The level's parts. A dead instrument keeps its quantity for `carry_s`; an inverse one keeps its dollars."""
    dead = panel.state == State.DEAD
    carried = dead & (panel.age_s <= settings.carry_s)
    base, usd = revalued(panel.payoffs[None, :], panel.base, panel.usd, panel.price[:, None])
    base = np.where(carried, base, np.where(dead, np.nan, panel.base))
    usd = np.where(carried, usd, np.where(dead, np.nan, panel.usd))
    return Level(base, usd, carried, dead & ~carried)
