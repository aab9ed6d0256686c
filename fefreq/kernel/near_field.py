r"""Kernels with a cusp: the part near the cusp as a sparse matrix, apart from the smooth rest.

The characteristic function of a heavy-tailed density has a cusp at the origin, which no short Fourier series
follows. With a window ``ω`` that falls smoothly from 1 at the origin to 0 at the distance ``ε``

.. math:: g(z) = \underbrace{(1 - ω) g(z) + ω\, g(0)}_{\text{smooth}} + \underbrace{ω\, (g(z) - g(0))}_{|z| < ε} ,

and the second term is a sparse matrix between neighbours (fast summation after Potts and Steidl, SIAM J. Sci.
Comput. 24, 2003, with another window). The smaller ``ε``, the fewer neighbours and the longer the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fefreq.kernel.fourier_expansion import Functions
from fefreq.kernel.products import Part
from fefreq.support.arrays import FloatArray
from fefreq.support.window import window

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

PAIRS = 1 << 20  # that are evaluated together
SAMPLE = 200  # points whose neighbours are counted for an estimate


def smoothed(functions: Functions, radius: float, tolerance: float) -> Functions:
    """The smooth part of functions of separations ``(n, d)`` with values ``(f, n)``."""

    def smooth(separations: FloatArray) -> FloatArray:
        values = functions(separations)
        distance = np.sqrt(np.einsum("nd,nd->n", separations, separations))
        near = distance < radius
        share = window(distance[near], 0.0, radius, tolerance)
        centre = functions(np.zeros((1, separations.shape[1])))
        values[:, near] = (1.0 - share) * values[:, near] + share * centre
        return values

    return smooth


class Neighbours:
    """Neighbours among sources, or among their mirror images where a part of the kernel depends on ``x + s``.

    Parameters
    ----------
    parts : sequence of Part
    sources, points : ndarray, shape (n, d) and (p, d)
    """

    def __init__(self, parts: Sequence[Part], sources: FloatArray, points: FloatArray) -> None:
        from scipy.spatial import cKDTree

        self._parts, self._points = parts, points
        self._source_squares = np.einsum("nd,nd->n", sources, sources)
        self._point_squares = np.einsum("nd,nd->n", points, points)
        self._places = [-sources if part.reflected else sources for part in parts]
        self._trees = [cKDTree(places) for places in self._places]

    def count(self, radius: float) -> float:
        """Estimate the number of pairs within a radius from a sample of the points."""
        chosen = self._points[:: max(1, len(self._points) // SAMPLE)]
        counts = [tree.query_ball_point(chosen, radius, return_length=True) for tree in self._trees]
        return float(np.sum(counts)) * len(self._points) / len(chosen)

    def matrix(self, radius: float, tolerance: float) -> csr_matrix:
        """The kernel minus its smooth part, as a sparse matrix ``(p, n)``."""
        from scipy.sparse import vstack

        height = int(max(1, PAIRS * len(self._points) / max(1.0, self.count(radius))))
        blocks = [
            self._rows(slice(first, first + height), radius, tolerance)
            for first in range(0, len(self._points), height)
        ]
        matrix: csr_matrix = vstack(blocks, format="csr")
        return matrix

    def _rows(self, rows: slice, radius: float, tolerance: float) -> csr_matrix:
        from scipy.sparse import csr_matrix
        from scipy.spatial import cKDTree

        points, squares = self._points[rows], self._point_squares[rows]
        shape = (len(points), len(self._source_squares))
        total = csr_matrix(shape)
        block = cKDTree(points)
        for part, places, tree in zip(self._parts, self._places, self._trees, strict=True):
            pairs = block.sparse_distance_matrix(tree, radius, output_type="ndarray")
            i, j = pairs["i"], pairs["j"]
            centre = part.functions(np.zeros((1, places.shape[1])))
            share = window(pairs["v"], 0.0, radius, tolerance)
            values = share * (part.functions(points[i] - places[j]) - centre)
            entries = values[0]
            if part.linear:
                entries = entries + values[1] * (self._source_squares[j] + squares[i])
            total = total + csr_matrix((entries, (i, j)), shape=shape)
        return total
