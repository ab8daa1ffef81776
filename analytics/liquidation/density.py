"""The state as cumulative USD over price, with every draw of what is not known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.liquidation.prior import Floats, Omega, Terms, omega_draws, tier_spread, unlearned
from analytics.liquidation.state import BINS, NONE, STEP, MapState, Shapes

LARGE, USUAL = slice(4), slice(4, None)  # of the draws of omega; the mid is the last of the usual


@dataclass(frozen=True, slots=True)
class Density:
    """Cumulative USD over fine bins from the left, [side][n + 1]; draws [side][n + 1, 64]. `start` is the first bin."""

    start: int
    mid: Floats
    draws: Floats

    def at(self, price: Floats) -> tuple[Floats, Floats]:
        """USD below `price`; linear in ln price inside a bin."""
        place = np.clip(np.log(price) / STEP - self.start, 0, self.mid.shape[1] - 1)
        left = np.minimum(place.astype(np.int64), self.mid.shape[1] - 2)
        part = place - left
        mid = self.mid[:, left] + part * (self.mid[:, left + 1] - self.mid[:, left])
        draws = self.draws[:, left] + part[:, None] * (self.draws[:, left + 1] - self.draws[:, left])
        return mid, draws


def cut(shape: Shapes, first: int, last: int) -> Floats:
    """[P, last - first, CLASSES] of one side's cells [CLASSES, BINS, P]; nothing lies beyond the grid."""
    inside = np.ascontiguousarray(shape[:, max(first, 0) : max(last, 0)].transpose(2, 1, 0), np.float64)
    if first >= 0 and last <= BINS:
        return inside
    return np.pad(inside, ((0, 0), (max(-first, 0), max(last - BINS, 0)), (0, 0)))


def density(
    state: MapState, chosen: Sequence[int], mark: float, edges: Floats, omega: Mapping[str, Omega]
) -> tuple[Density, Floats, bool]:
    """USD over the fine bins that the edges span, what each book gives to it [book, side], and whether omega called for
    more than is open. Draws of omega are shared by all venues: what the prior gets wrong, it gets wrong everywhere. In
    half of them all positions are large, and die as much nearer to the mark as the tiers say (analytics.md, 6.4)."""
    start, stop = int(np.floor(np.log(edges[0]) / STEP)), int(np.ceil(np.log(edges[-1]) / STEP))
    fine = np.exp((np.arange(start, stop) + 0.5) * STEP)
    mass = state.mass
    count = mass.gain.shape[-1]
    blind = np.full(NONE, state.settings.map_legacy_alpha)
    legacy_draws, prior = omega_draws(blind, blind), unlearned(state.settings)
    large = np.zeros((2, count, len(fine), len(legacy_draws) // 2))  # USD by side, particle, bin and draw
    usual = np.zeros((2, count, len(fine), len(legacy_draws) // 2 + 1))  # and the mid
    per_book, capped = np.zeros((len(chosen), 2)), False
    offsets = state.offsets()
    for i, b in enumerate(chosen):
        book, ledger = state.books[b], state.ledger
        known = omega.get(book.venue, prior)
        nearer = round(tier_spread(state.terms.get(book.venue, Terms())) / STEP)  # bins
        posterior = omega_draws(np.asarray(known.alpha), np.asarray(known.beta))
        value = np.full(len(fine), ledger.unit_usd[b])
        if book.payoff != "inverse" and ledger.mark[b] > 0:
            value = value * fine / ledger.mark[b]
        for side in (0, 1):
            own = fine < mark if side == 0 else fine > mark
            cells = np.arange(start, stop) - offsets[side]
            use = own & (cells >= 0) & (cells < BINS)
            if not use.any():
                continue
            total = mass.total[b, side, :NONE]  # [CLASSES, P]
            held, seen = total.mean(axis=1), mass.identified[b, side, :NONE].mean(axis=1)
            legacy = 1 - np.divide(seen, held, out=np.zeros_like(held), where=held > 0)
            draws = legacy * legacy_draws + (1 - legacy) * posterior
            every = np.vstack([draws[1::2], draws[::2], legacy + (1 - legacy) * known.mean()])  # the last is the mid
            called = every @ total  # [K, P]
            limit = np.minimum(1.0, np.divide(ledger.amount[b], called, out=np.ones_like(called), where=called > 0))
            capped |= bool((limit[-1] < 1 - 1e-9).any())
            scale = every.T[:, None, :] * mass.gain[b, side][:, :, None] * limit.T[None]  # [CLASSES, P, K]
            first, last = int(cells[use][0]), int(cells[use][-1]) + 1
            weights, n, at = scale.transpose(1, 0, 2), last - first, int(np.flatnonzero(use)[0])
            near = nearer if side == 0 else -nearer  # longs that die higher come from cells further down
            wide = cut(mass.shape[b, side], first - max(near, 0), last + max(-near, 0))
            for part, found, begin in ((LARGE, large, max(-near, 0)), (USUAL, usual, max(near, 0))):
                told = wide[:, begin : begin + n] @ weights[..., part]
                told *= value[use][None, :, None]
                found[side, :, at : at + n] += told
                per_book[i, side] = told[..., -1].mean(axis=0).sum()  # of the mid, which is the last of the last
    mid = np.zeros((2, len(fine) + 1))
    mid[:, 1:] = usual[..., -1].mean(axis=1).cumsum(axis=1)
    every = np.concatenate((large, usual[..., :-1]), axis=3).transpose(0, 2, 1, 3)
    draws = np.zeros((2, len(fine) + 1, count * len(legacy_draws)))
    draws[:, 1:] = every.reshape(2, len(fine), -1).cumsum(axis=1)
    return Density(start, mid, draws), per_book, capped
