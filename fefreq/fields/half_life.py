"""When a frequency is learned: half-lives, and times to any level."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fefreq.fields.times import check_times
from fefreq.support.arrays import FloatArray


def half_life(times: ArrayLike, moduli: ArrayLike) -> FloatArray:
    """First time at which a modulus has fallen to half of its first value; see :func:`time_to_level`."""
    return time_to_level(times, moduli, 0.5)


def time_to_level(times: ArrayLike, moduli: ArrayLike, level: float) -> FloatArray:
    """First time at which a modulus has fallen to a share of its first value, by log-linear interpolation.

    Parameters
    ----------
    times : array_like, shape (T,)
    moduli : array_like, shape (T, …)
        Non-negative values at these times.
    level : float
        The share, between 0 and 1.

    Returns
    -------
    ndarray, shape (…)
        Infinite where the modulus stays above the level, NaN where it begins at zero.
    """
    t, y = check_times(times), np.asarray(moduli, dtype=np.float64)
    flat = y.reshape(len(t), -1)
    result = np.full(flat.shape[1], np.inf)
    start = flat[0]
    result[start == 0] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log(flat / start) - np.log(level)
    for column in np.flatnonzero(start > 0):
        below = np.flatnonzero(excess[:, column] <= 0)
        if len(below):
            k = below[0]
            a, b = excess[k - 1, column], excess[k, column]
            share = 1.0 if np.isinf(b) else a / (a - b)
            result[column] = t[k - 1] + share * (t[k] - t[k - 1])
    return result.reshape(y.shape[1:])
