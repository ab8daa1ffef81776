"""How mass leaves: swept by the mark, closed by traders, scaled to what is open. All of it works in place on arrays
that `advance` owns."""

from collections.abc import Sequence

import numpy as np

from analytics.liquidation.prior import Floats
from analytics.liquidation.state import BINS, MARGIN, NONE, REACH, STEP, WANDER, Mass

PRO_RATA_SHARE = 0.5  # of a closure that does not ask for holding times
NEWTON = 3  # from the left on a concave curve: never beyond the root; the rescale takes what is left
FAINT = 1e-9  # a gain below it is folded into its shape, before float32 would suffer


def recentred(cohorts: Sequence[Mass], centre: int, mark: float, first: bool) -> int:
    """The grid's middle, moved with the mark; mass that leaves the grid joins "none"."""
    target = round(np.log(mark) / STEP)
    by = target - centre
    if first:
        return target
    if abs(by) <= WANDER:
        return centre
    for mass in cohorts:
        scroll(mass, by)
    return target


def scroll(mass: Mass, by: int) -> None:
    """The cells `by` bins further up."""
    shift = min(abs(by), BINS)
    lost = mass.shape[..., :shift, :] if by > 0 else mass.shape[..., BINS - shift :, :]
    take(mass, slice(None), lost.sum(axis=3, dtype=np.float64) * mass.gain, keep=True)
    moved = np.zeros_like(mass.shape)
    if by > 0:
        moved[..., : BINS - shift, :] = mass.shape[..., shift:, :]
    else:
        moved[..., shift:, :] = mass.shape[..., : BINS - shift, :]
    mass.shape[...] = moved


def take(mass: Mass, where: int | slice, amount: Floats, keep: bool) -> Floats:
    """Take `amount` out of the rungs, observed entries in proportion; `keep` gives it to "none". What left, by side."""
    total, identified = mass.total[where], mass.identified[where]  # basic slices: changed in place
    rungs = total[..., :NONE, :]
    out = np.minimum(amount, rungs)
    part = np.divide(out, rungs, out=np.zeros_like(out), where=rungs > 0) * identified[..., :NONE, :]
    rungs -= out
    identified[..., :NONE, :] -= part
    if keep:
        total[..., NONE, :] += out.sum(axis=-2)
        identified[..., NONE, :] += part.sum(axis=-2)
    return out.sum(axis=-2)


def sweep(mass: Mass, book: int, low: float, high: float, centre: int, before: float) -> Floats:
    """Remove what the mark went through: longs that die above `low`, shorts that die below `high`, judged by the middle
    of their bin. Nothing is looked for beyond `before`, the last mark, where no entry lies. Gives what left [2, P]."""
    first = min(max(int(np.ceil(np.log(low) / STEP - 0.5)) - (centre - REACH), 0), BINS)
    last = min(max(int(np.floor(np.log(high) / STEP - 0.5)) + 1 - (centre - MARGIN), 0), BINS)
    edge = np.log(before) / STEP
    most = min(max(int(np.ceil(edge)) + 1 - (centre - REACH), first), BINS)
    least = max(min(int(np.floor(edge)) - 1 - (centre - MARGIN), last), 0)
    longs, shorts = mass.shape[book, 0, :, first:most], mass.shape[book, 1, :, least:last]
    if not (longs.any() or shorts.any()):  # most bars of most books, and nearly all that is old
        return np.zeros((2, mass.gain.shape[-1]))
    hit = np.stack((longs.sum(axis=1, dtype=np.float64), shorts.sum(axis=1, dtype=np.float64)))
    longs[...] = 0.0
    shorts[...] = 0.0
    return take(mass, book, hit * mass.gain[book], keep=False)


def close(mass: Mass, weights: Floats, amount: Floats) -> None:
    """Remove `amount` [B, 2, P] from the classes in competition: a contract of class d survives with exp(-theta w_d),
    w_d half pro rata and half by `weights` [CLASSES + 1, P]; theta makes the removal add up."""
    if not amount.any():
        return
    held = mass.total.sum(axis=2)
    share = np.minimum(np.divide(amount, held, out=np.zeros_like(held), where=held > 0), 1 - FAINT)
    part = np.divide(mass.total, held[:, :, None], out=np.zeros_like(mass.total), where=held[:, :, None] > 0)
    mean = (part * weights).sum(axis=2, keepdims=True)
    w = PRO_RATA_SHARE + (1 - PRO_RATA_SHARE) * np.divide(
        weights[None, None], mean, out=np.ones_like(mass.total), where=mean > 0
    )
    theta = -np.log1p(-share)  # exact where all weights are equal, below the root otherwise (Jensen)
    for _ in range(NEWTON):
        alive = part * np.exp(-theta[:, :, None] * w)
        slope = (w * alive).sum(axis=2)
        missing = share - (1 - alive.sum(axis=2)) * (share > 0)
        theta += np.divide(np.maximum(missing, 0.0), slope, out=np.zeros_like(slope), where=slope > FAINT)
    survives = np.exp(-theta[:, :, None] * w)
    mass.total[...] *= survives
    mass.identified[...] *= survives
    mass.gain[...] *= survives[:, :, :NONE]


def in_turn(cohorts: Sequence[Mass], amount: Floats) -> None:
    """Remove `amount` [B, 2, P] from the cohorts in the order given: all of one before any of the next, pro rata inside
    each. A breath of the whole is left, as `close` leaves it."""
    if not amount.any():
        return
    held = [mass.total.sum(axis=2) for mass in cohorts]
    left = np.minimum(amount, (1 - FAINT) * np.sum(held, axis=0))
    for mass, own in zip(cohorts, held, strict=True):
        out = np.minimum(left, own)
        survives = (1 - np.divide(out, own, out=np.zeros_like(own), where=own > 0))[:, :, None]
        mass.total[...] *= survives
        mass.identified[...] *= survives
        mass.gain[...] *= survives
        left -= out


def rescale(cohorts: Sequence[Mass], amount: Floats, books: np.ndarray, observed: bool) -> None:
    """Each side of the given books [B bool] scaled to `amount` [B], pro rata. Growth that nobody observed is legacy."""
    held = np.sum([mass.total.sum(axis=2, keepdims=True) for mass in cohorts], axis=0)
    wanted = np.where(books[:, None, None, None], amount[:, None, None, None], held)
    ratio = np.divide(wanted, held, out=np.ones_like(held), where=held > 0)
    for mass in cohorts:
        mass.total[...] *= ratio
        mass.identified[...] *= ratio if observed else np.minimum(ratio, 1.0)
        mass.gain[...] *= ratio
    cohorts[-1].total[:, :, NONE : NONE + 1] += np.where(held > 0, 0.0, wanted)


def fold(mass: Mass) -> None:
    """Bring gains that faded back to one, so that openings divided by them stay within float32."""
    if mass.gain.size and mass.gain.min() < FAINT:
        for b, side, rung in np.argwhere((mass.gain < FAINT).any(axis=-1)):
            mass.shape[b, side, rung] *= mass.gain[b, side, rung].astype(np.float32)
            mass.gain[b, side, rung] = 1.0
