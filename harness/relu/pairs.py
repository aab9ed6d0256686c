r"""Pairs of samples: near ones and far ones.

Local diagnostics look at pairs within a small window of a grid, global ones at pairs from opposite ends
(Lazzari and Liu, arXiv 2301.05816): in 1-D windows of 50 consecutive samples, and the first 40 % of the
samples against the last 40 %; in an image patches of 50 × 50 pixels, and opposite quadrants. Both rules are
stated here for grids of any dimension, points in the order of ``array.reshape(-1)`` (last axis fastest).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]

LOCAL_WINDOW = 50
# Share of a 1-D grid at either end; in higher dimensions an orthant takes half of every axis.
END_SHARE = 0.4


def local_pairs(
    shape: int | Sequence[int], count: int, rng: np.random.Generator, window: int = LOCAL_WINDOW
) -> IntArray:
    """Draw pairs of different samples from a common window of the grid.

    Windows are uniform over all positions inside the grid; within a window every pair is equally likely.

    Parameters
    ----------
    shape : int or sequence of int
        Samples along each axis.
    count : int
        Number of pairs.
    rng : numpy.random.Generator
        Source of the draws.
    window : int
        Samples along each edge of a window.

    Returns
    -------
    ndarray of int, shape (count, 2)
        Indices into the flattened grid, never twice the same in a pair.

    Raises
    ------
    ValueError
        If no pair can be drawn: no pair is asked for, or the window holds one sample or exceeds the grid.

    Examples
    --------
    >>> pairs = local_pairs(2048, 1000, np.random.default_rng(0))
    >>> int(abs(pairs[:, 0] - pairs[:, 1]).max()) < 50
    True
    """
    axes = _checked_shape(shape, count)
    if window < 2:
        raise ValueError(f"a window of {window} sample(s) holds no pair; it needs at least 2")
    if window > min(axes):
        raise ValueError(
            f"a window of {window} samples does not fit into a grid of shape {axes}; take {min(axes)}"
        )
    dim, size = len(axes), window ** len(axes)
    corner = rng.integers(0, np.asarray(axes) - window + 1, size=(count, dim))
    first = rng.integers(0, size, size=count)
    second = (first + rng.integers(1, size, size=count)) % size
    members = [
        np.ravel_multi_index(tuple((corner + np.stack(np.unravel_index(inside, (window,) * dim), 1)).T), axes)
        for inside in (first, second)
    ]
    return np.stack(members, axis=1).astype(np.int64)


def global_pairs(shape: int | Sequence[int], count: int, rng: np.random.Generator) -> IntArray:
    """Draw pairs of samples from opposite ends of the grid.

    Parameters
    ----------
    shape : int or sequence of int
        Samples along each axis. One axis: its first 40 % against its last 40 %. Several: an orthant (quadrant
        of an image), drawn anew for every pair, against the opposite one; a middle line belongs to neither.
    count : int
        Number of pairs.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    ndarray of int, shape (count, 2)
        Indices into the flattened grid.

    Raises
    ------
    ValueError
        If no pair can be drawn: no pair is asked for, or an end holds no sample.
    """
    axes = _checked_shape(shape, count)
    dim = len(axes)
    ends = np.array([int(END_SHARE * axes[0])] if dim == 1 else [n // 2 for n in axes])
    if np.any(ends < 1):
        raise ValueError(
            f"the ends of a grid of shape {axes} hold no sample: take at least 3 samples along each axis"
        )
    upper = (
        rng.integers(0, 2, size=(count, dim)).astype(bool) if dim > 1 else np.zeros((count, 1), dtype=bool)
    )
    members = []
    for far in (upper, ~upper):
        inside = rng.integers(0, ends, size=(count, dim))
        members.append(
            np.ravel_multi_index(tuple(np.where(far, np.asarray(axes) - ends + inside, inside).T), axes)
        )
    return np.stack(members, axis=1).astype(np.int64)


def checked_pairs(pairs: ArrayLike, points: int) -> IntArray:
    """Insist on at least one pair of valid indices.

    Raises
    ------
    TypeError
        If the entries are not integers.
    ValueError
        If the shape is not ``(m, 2)`` with ``m > 0``, or an index is outside ``0 … points-1``.
    """
    index = np.asarray(pairs)
    if index.size == 0:
        raise ValueError("there are no pairs to compare: draw at least one with local_pairs or global_pairs")
    if index.dtype.kind not in "iu":
        raise TypeError(f"pairs are indices of points, integers, not {index.dtype}")
    if index.ndim != 2 or index.shape[1] != 2:
        raise ValueError(f"pairs have shape {index.shape}; they must be (m, 2)")
    if index.min() < 0 or index.max() >= points:
        raise ValueError(
            f"pairs refer to points {index.min()} … {index.max()}, but there are 0 … {points - 1}"
        )
    return index.astype(np.int64, copy=False)


def _checked_shape(shape: int | Sequence[int], count: int) -> tuple[int, ...]:
    axes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)
    if not axes or min(axes) < 1:
        raise ValueError(f"a grid of shape {axes} has no samples to draw pairs from")
    if count < 1:
        raise ValueError(f"{count} pairs are asked for; draw at least 1")
    return axes
