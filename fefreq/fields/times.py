"""Training times as arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fefreq.support.arrays import FloatArray, real_array


def check_times(times: ArrayLike) -> FloatArray:
    """Bring times to shape ``(T,)`` and insist that they increase from 0 or later.

    Raises
    ------
    ValueError
        If there are none, one is negative or not finite, or they are not strictly increasing.
    """
    array = np.atleast_1d(real_array(times, "times"))
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"times must be a list of at least one number, not of shape {np.shape(times)}")
    if array[0] < 0:
        raise ValueError(f"times must be at least 0, but the first is {array[0]}")
    steps = np.diff(array)
    if np.any(steps <= 0):
        at = int(np.argmax(steps <= 0))
        raise ValueError(f"times must increase, but {array[at + 1]} follows {array[at]}")
    return array
