"""Mini-batches: permutations of the points, cut into pieces of one size.

Points that do not fill a last piece wait for the next permutation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def minibatches(
    points: int, size: int, order: Callable[[int], IntArray], taken: int = 0
) -> Iterator[IntArray]:
    """Indices of one mini-batch after another, without end.

    Parameters
    ----------
    points, size : int
        Number of points, and how many of them a mini-batch has.
    order : callable
        Permutation ``(..., points)`` of an epoch, the epochs asked for one after another.
    taken : int
        Mini-batches that have been taken before.

    Yields
    ------
    ndarray of int, shape (..., size)

    Examples
    --------
    >>> batches = minibatches(5, 2, lambda epoch: np.roll(np.arange(5), epoch), taken=1)
    >>> [next(batches).tolist() for _ in range(3)]
    [[2, 3], [4, 0], [1, 2]]
    """
    starts = range(0, points - size + 1, size)
    epoch, done = divmod(taken, len(starts))
    while True:
        permuted = order(epoch)
        for first in starts[done:]:
            yield permuted[..., first : first + size]
        epoch, done = epoch + 1, 0


def consecutive(rng_seed: Any, points: int) -> Callable[[int], IntArray]:
    """Permutations that one generator draws one after another; those of epochs that are passed over are drawn, too."""
    rng, drawn = np.random.default_rng(rng_seed), 0

    def order(epoch: int) -> IntArray:
        nonlocal drawn
        for _ in range(epoch - drawn):
            rng.permutation(points)
        drawn = epoch + 1
        return rng.permutation(points)

    return order
