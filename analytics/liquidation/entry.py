"""How mass enters: openings at the mark of their bar, and the stock that was there before anyone looked."""

import numpy as np

from analytics.liquidation.prior import CLASSES, Floats, Particles
from analytics.liquidation.state import BINS, MARGIN, NONE, REACH, STEP, Mass
from analytics.settings import DEFAULTS, Settings

KERNEL_REACH = 3.0  # standard deviations


def enter(
    mass: Mass,
    amount: Floats,
    tilt: Floats,
    mixes: Floats,
    distances: Floats,
    particles: Particles,
    mark: Floats,
    width: Floats,
    centre: int,
) -> None:
    """Add `amount` [B, P] on both sides at `mark` [B], in equal parts at each of the `distances` [B, 2, CLASSES, M],
    smeared by a Gaussian of `width` [B, ln]. The exposed share is clip(l0 + l1 b) of longs and clip(l0 - l1 b) of
    shorts, l1 b = `tilt` [B]; the rest is "none". Books that open nothing may have a NaN mark."""
    rows = np.flatnonzero(amount.max(axis=1) > 0)
    if not len(rows):
        return
    signed = tilt[rows, None] * np.array([[1.0, -1.0]])
    exposed = np.clip(particles.exposed[None, None, :] + signed[:, :, None], 0.0, 1.0)
    opening = amount[rows, None, :]
    added = (opening * exposed)[:, :, None, :] * mixes[rows, None, :, None]  # [n, 2, CLASSES, P]
    at = np.log(mark[rows])
    h = np.maximum(width[rows], STEP)
    reach = int(np.ceil(KERNEL_REACH * h.max() / STEP))
    middle = (at[:, None, None, None] + distances[rows]) / STEP - 0.5 - _offsets(centre)[None, :, None, None]
    lost = np.isnan(middle)
    cell = np.rint(np.where(lost, 0.0, middle)).astype(np.int64)[..., None] + np.arange(-reach, reach + 1)
    weight = np.exp(
        -0.5 * ((cell - np.where(lost, 0.0, middle)[..., None]) * (STEP / h)[:, None, None, None, None]) ** 2
    )
    edge = at[:, None] / STEP - 0.5 - _offsets(centre)[None, :]  # the mark in cells: nothing is added beyond it
    beyond = cell - edge[:, :, None, None, None]
    own = np.stack((beyond[:, 0] < 0, beyond[:, 1] > 0), axis=1)
    use = own & (cell >= 0) & (cell < BINS) & ~lost[..., None] & (mixes[rows] > 0)[:, None, :, None, None]
    weight = np.where(use, weight, 0.0)
    norm = weight.sum(axis=-1, keepdims=True)
    alive = np.maximum((norm > 0).sum(axis=3, keepdims=True), 1)
    weight = np.divide(weight, norm * alive, out=np.zeros_like(weight), where=norm > 0)
    added *= (norm > 0).any(axis=3)
    book = rows[:, None, None, None, None]
    side = np.arange(2)[None, :, None, None, None]
    rung = np.arange(CLASSES)[None, None, :, None, None]
    flat = ((book * 2 + side) * CLASSES + rung) * BINS + cell
    smeared = weight[..., None] * (added / mass.gain[rows])[..., None, None, :]
    view = mass.shape.reshape(-1, mass.shape.shape[-1])
    for m in range(flat.shape[3]):  # parts of a rung may share cells
        some = use[:, :, :, m]
        view[flat[:, :, :, m][some]] += smeared[:, :, :, m][some].astype(np.float32)
    both = np.concatenate((added, (opening - added.sum(axis=2))[:, :, None, :]), axis=2)
    mass.total[rows] += both
    mass.identified[rows] += both


def found(
    mass: Mass,
    book: int,
    amount: float,
    mix: Floats,
    distance: Floats,
    particles: Particles,
    mark: float,
    centre: int,
    settings: Settings = DEFAULTS,
) -> None:
    """The stock of a book at first sight. A class that is held for tau days was entered as far from here as prices walk
    in tau days; what would be dead by now is not there."""
    walked = np.maximum(settings.map_daily_volatility * np.sqrt(np.asarray(settings.map_holding_days)), STEP)
    cells = np.arange(BINS)[None, :] + _offsets(centre)[:, None] + 0.5  # [2, BINS]
    off = cells[:, None, :] * STEP - (np.log(mark) + distance)[:, :, None]
    weight = np.nan_to_num(np.exp(-0.5 * (off / walked[None, :, None]) ** 2))
    alive = np.stack((cells[0] * STEP < np.log(mark), cells[1] * STEP > np.log(mark)))
    weight *= alive[:, None, :]
    norm = weight.sum(axis=2, keepdims=True)
    weight = np.divide(weight, norm, out=np.zeros_like(weight), where=norm > 0)
    shares = (mix[None, :] * (norm[..., 0] > 0))[:, :, None]
    added = amount * particles.exposed[None, None, :] * shares  # [2, CLASSES, P]
    mass.gain[book] = 1.0
    mass.shape[book] = weight[..., None] * added[:, :, None, :]
    mass.total[book, :, :NONE] = added
    mass.total[book, :, NONE] = amount - added.sum(axis=1)
    mass.identified[book] = 0.0


def _offsets(centre: int) -> Floats:
    return np.array([centre - REACH, centre - MARGIN], np.float64)
