"""Sign patterns: what the same moves would look like if each venue had flipped a coin (analytics.md, 3.1)."""

import numpy as np

from analytics.settings import DEFAULTS, Settings
from analytics.units import Floats

SEED = 20_120_614  # any constant: the same question must get the same answer


def patterns(k: int, settings: Settings = DEFAULTS) -> tuple[Floats, bool]:
    """(±1 patterns [M, k], exact): all 2^k up to `exact_flips`, beyond that a fixed sample."""
    if k <= settings.exact_flips:
        bits = (np.arange(2**k)[:, None] >> np.arange(k)[None, :]) & 1
        return np.asarray(1.0 - 2.0 * bits, np.float64), True
    noise = np.frombuffer(np.random.default_rng(SEED).bytes(settings.flip_samples * k // 8 + 1), np.uint8)
    draws = np.unpackbits(noise)[: settings.flip_samples * k].reshape(settings.flip_samples, k)
    return np.asarray(1.0 - 2.0 * draws, np.float64), False


def share(hits: np.ndarray, exact: bool) -> float:
    """p-value of a set of patterns; a sample counts the observed pattern itself, so that it never gives zero."""
    n = int(hits.sum())
    return n / len(hits) if exact else (n + 1) / (len(hits) + 1)
