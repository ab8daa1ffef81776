"""Sign patterns: what the same moves would look like if each venue had flipped a coin (analytics.md, 3.1)."""

from functools import lru_cache

import numpy as np

from analytics.settings import DEFAULTS, Settings
from analytics.units import Floats

SEED = 20_120_614  # any constant: the same question must get the same answer


def patterns(k: int, settings: Settings = DEFAULTS) -> tuple[Floats, bool]:
    """(±1 patterns [M, k], exact): all 2^k up to `exact_flips`, beyond that a fixed sample. Not to be written to."""
    return drawn(k, settings.exact_flips, settings.flip_samples)


@lru_cache(maxsize=6)  # of constants: the same few counts of venues come again and again, and a draw costs 30 ms
def drawn(k: int, most: int, samples: int) -> tuple[Floats, bool]:
    exact = k <= most
    if exact:
        bits = (np.arange(2**k)[:, None] >> np.arange(k)[None, :]) & 1
    else:
        noise = np.frombuffer(np.random.default_rng(SEED).bytes(samples * k // 8 + 1), np.uint8)
        bits = np.unpackbits(noise)[: samples * k].reshape(samples, k)
    signs = np.asarray(1.0 - 2.0 * bits, np.float64)
    signs.flags.writeable = False
    return signs, exact


def share(hits: np.ndarray, exact: bool) -> float:
    """p-value of a set of patterns; a sample counts the observed pattern itself, so that it never gives zero."""
    n = int(hits.sum())
    return n / len(hits) if exact else (n + 1) / (len(hits) + 1)
