"""Equal steps on the way from one requested time to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class Interval:
    """Equal steps of size ``rate`` that lead from one requested time to the next."""

    steps: int
    rate: float


def schedule(times: FloatArray, learning_rate: float) -> list[Interval]:
    """Split the way to every time into the fewest equal steps that do not exceed the learning rate.

    >>> schedule(np.array([0.0, 1.0, 2.5]), learning_rate=0.4)
    [Interval(steps=0, rate=0.0), Interval(steps=3, rate=0.3333333333333333), Interval(steps=4, rate=0.375)]
    """
    intervals = []
    for span in np.diff(times, prepend=0.0):
        # Times such as 0.3 = 3 · 0.1 may exceed a whole number of steps by rounding.
        steps = int(np.ceil(span / learning_rate * (1 - 1e-12)))
        intervals.append(Interval(steps, float(span / steps) if steps else 0.0))
    return intervals
