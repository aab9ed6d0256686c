"""A binary tree of bounding boxes, descended by many points at once.

The boxes are halved at medians, so the depth is logarithmic however unequal the sizes of the cells are. All points
go down together, one level at a time, in blocks that bound the memory.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray

IndexArray = NDArray[np.intp]

_LEAF = 4  # cells in a leaf of the tree
_BLOCK = 1 << 15  # pairs of a point and a box (or cell) treated at once: bounds the memory
_STRETCHED = 10.0  # aspect ratio of the mean cell from which turning the axes pays


class BoxTree:
    """Tree over boxes given as lower and upper corners.

    Parameters
    ----------
    lower, upper : ndarray
        Shape ``(dim, boxes)``.
    """

    def __init__(self, lower: FloatArray, upper: FloatArray) -> None:
        self._order, self._levels = _build(lower, upper)

    def candidates(self, x: FloatArray, cells: IndexArray) -> Iterator[tuple[IndexArray, IndexArray]]:
        """Yield pairs of points and cells whose box holds the point, until ``cells`` knows them all.

        Parameters
        ----------
        x : ndarray
            Shape ``(dim, n)``.
        cells : ndarray
            Shape ``(n,)``: -1 as long as a point is not found; the caller writes into it between two pairs.
        """
        pending = [(0, np.arange(len(cells)), np.zeros(len(cells), dtype=np.intp))]
        while pending:
            level, which, boxes = pending.pop()
            if len(which) > _BLOCK:  # the halves wait their turn, and points found meanwhile drop out
                half = len(which) // 2
                pending += [(level, which[half:], boxes[half:]), (level, which[:half], boxes[:half])]
                continue
            unknown = cells[which] < 0
            which, boxes = which[unknown], boxes[unknown]
            if level == len(self._levels):
                yield which, self._order[boxes]
                continue
            fan = self._levels[level][0].shape[1] // (self._levels[level - 1][0].shape[1] if level else 1)
            boxes = (boxes[:, None] * fan + np.arange(fan)).ravel()
            which = np.repeat(which, fan)
            inside = np.ones(len(which), dtype=bool)
            for lower, upper, coordinate in zip(*self._levels[level], x, strict=True):
                place = coordinate.take(which)
                inside &= (lower.take(boxes) <= place) & (place <= upper.take(boxes))
            pending.append((level + 1, which[inside], boxes[inside]))


def principal_axes(places: FloatArray, nodes: NDArray[Any]) -> FloatArray:
    """Rotation to the principal axes of the mean cell if it is thin, else the identity."""
    dim = len(places)
    moment = np.zeros((dim, dim))
    for start in range(0, nodes.shape[1], _BLOCK):
        cells = places[:, nodes[:, start : start + _BLOCK]]
        spread = cells - cells.mean(axis=1, keepdims=True)
        size = np.einsum("ivn,ivn->n", spread, spread)
        moment += np.einsum("ivn,jvn->ij", spread / np.maximum(size, np.finfo(np.float64).tiny), spread)
    squares, axes = np.linalg.eigh(moment)
    if squares[-1] < _STRETCHED**2 * squares[0]:
        return np.eye(dim)
    return np.ascontiguousarray(axes.T)


def _build(lower: FloatArray, upper: FloatArray) -> tuple[IndexArray, list[tuple[FloatArray, FloatArray]]]:
    """Order cells for a binary tree of boxes; return the order and the boxes of every level, root to cells.

    Boxes are given and returned as lower and upper corners, ``(dim, boxes)``. Each level halves the cells of
    a box at the median of their centres along its longest side. The number of cells is filled up with empty
    boxes, which no point enters.
    """
    count = lower.shape[1]
    depth = max(0, int(np.ceil(np.log2(count / _LEAF))))
    width = -(-count // 2**depth)
    order = np.minimum(np.arange(width << depth), count)
    centre = (lower + upper) / 2
    nearest, lower, farthest, upper = (
        np.pad(corner, ((0, 0), (0, 1)), constant_values=nowhere)
        for corner, nowhere in ((centre, np.inf), (lower, np.inf), (centre, -np.inf), (upper, -np.inf))
    )
    for level in range(depth):
        rows = order.reshape(2**level, -1)
        size = rows.shape[1]
        length = _fold(np.maximum, farthest[:, order], size) - _fold(np.minimum, nearest[:, order], size)
        key = nearest[length.argmax(axis=0)[:, None], rows]
        order = np.take_along_axis(rows, np.argpartition(key, size // 2, axis=1), axis=1).ravel()
    levels = [(lower[:, order], upper[:, order])]
    for size in [width] + [2] * depth:
        low, high = levels[0]
        levels.insert(0, (_fold(np.minimum, low, size), _fold(np.maximum, high, size)))
    return order, levels


def _fold(extreme: np.ufunc, values: FloatArray, size: int) -> FloatArray:
    """Extreme of each ``size`` consecutive columns; numpy's own reduction is slow over short rows."""
    while size % 2 == 0:
        values = extreme(values[:, ::2], values[:, 1::2])
        size //= 2
    folded: FloatArray = functools.reduce(extreme, (values[:, i::size] for i in range(size)))
    return folded
