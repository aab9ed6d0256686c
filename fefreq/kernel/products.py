r"""Products with a neural tangent kernel (NTK) between two sets of points: ``y_i = Σ_j K(x_i, s_j) w_j``.

Every term of a kernel is ``(a + b x·s) κ(x ∓ s)``. The factor ``x·s`` is removed by

.. math:: x·s = ±½ ( |x|^2 + |s|^2 - |x ∓ s|^2 ) ,

so that with the two functions ``m(z) = Σ (a ∓ ½ b |z|²) κ(z)`` and ``l(z) = Σ ±½ b κ(z)`` of the separation

.. math:: K w = m * w + l * (|s|^2 w) + |x|^2 \, (l * w)

takes two convolutions there and two back, in any dimension. How a convolution is computed depends on the
points: by zero-padded FFT where both sets lie on one lattice (:mod:`fefreq.kernel.grid_products`), by non-uniform FFT
where the kernel is smooth but for a cusp (:mod:`fefreq.kernel.scattered_products`), else with the matrix itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fefreq.models import KernelTerm, Model
from fefreq.support.arrays import FloatArray

BLOCK_ENTRIES = 1 << 20


@dataclass(frozen=True)
class Part:
    """The terms of a kernel that depend on ``x - s``, or those that depend on ``x + s``.

    Attributes
    ----------
    terms : tuple of KernelTerm
    reflected : bool
    """

    terms: tuple[KernelTerm, ...]
    reflected: bool

    @property
    def linear(self) -> bool:
        """Whether a term has a factor ``x·s``."""
        return any(term.linear != 0 for term in self.terms)

    def functions(self, separations: FloatArray) -> FloatArray:
        """``m`` and, where there is a linear term, ``l`` at separations ``(n, d)``; shape ``(1 or 2, n)``."""
        result = np.zeros((2 if self.linear else 1, len(separations)))
        squares = np.einsum("nd,nd->n", separations, separations)
        for term in self.terms:
            half = -0.5 * term.linear if self.reflected else 0.5 * term.linear
            profile = term.profile(separations)
            result[0] += (term.constant - half * squares) * profile
            if self.linear:
                result[1] += half * profile
        return result


def parts_of(model: Model) -> list[Part]:
    """Sort the terms of a kernel by their kind of separation; terms that are zero are left out."""
    terms = [term for term in model.kernel_terms() if term.constant != 0 or term.linear != 0]
    groups = [Part(tuple(t for t in terms if t.reflected is kind), kind) for kind in (False, True)]
    return [part for part in groups if part.terms]


class Products(ABC):
    """Products with the kernel between fixed points.

    Attributes
    ----------
    method : str
        How they are computed, in words.
    workspace : int
        Bytes that a product needs besides its argument and result.
    """

    method: str
    workspace: int

    @abstractmethod
    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply by columns ``(c, n)``, one per row of the array; shape ``(c, p)``."""


class DenseProducts(Products):
    """Products with the matrix, kept if it fits into memory and formed in blocks anew if not.

    Parameters
    ----------
    model : Model
    sources, points : ndarray, shape (n, d) and (p, d)
    kept_bytes : int
        Largest matrix that is kept.
    reason : str
        Why no faster way was taken.
    """

    def __init__(
        self, model: Model, sources: FloatArray, points: FloatArray, kept_bytes: int, reason: str
    ) -> None:
        self._model, self._sources, self._points = model, sources, points
        size = 8 * len(sources) * len(points)
        self._matrix = self._formed() if size <= kept_bytes else None
        self.workspace = size if self._matrix is not None else 64 * BLOCK_ENTRIES
        kept = "kept" if self._matrix is not None else "formed in blocks for every product"
        self.method = f"products with the dense matrix, {kept}, because {reason}"

    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply by columns ``(c, n)``."""
        if self._matrix is not None:
            return columns @ self._matrix.T
        result = np.empty((len(columns), len(self._points)))
        for rows in self._blocks():
            result[:, rows] = columns @ self._model.kernel(self._points[rows], self._sources).T
        return result

    def _formed(self) -> FloatArray:
        matrix = np.empty((len(self._points), len(self._sources)))
        for rows in self._blocks():
            matrix[rows] = self._model.kernel(self._points[rows], self._sources)
        return matrix

    def _blocks(self) -> list[slice]:
        height = max(1, BLOCK_ENTRIES // len(self._sources))
        return [slice(i, i + height) for i in range(0, len(self._points), height)]


class SummedProducts(Products):
    """Products whose results go to interleaved sets of points.

    Parameters
    ----------
    pieces : sequence of (Products, ndarray of int)
        Each with the places of its points among all.
    count : int
        Number of all points.
    """

    def __init__(self, pieces: Sequence[tuple[Products, np.ndarray]], count: int) -> None:
        self._pieces, self._count = pieces, count
        self.method = pieces[0][0].method
        self.workspace = max(products.workspace for products, _ in pieces)

    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply by columns ``(c, n)``."""
        result = np.empty((len(columns), self._count))
        for products, places in self._pieces:
            result[:, places] = products.apply(columns)
        return result
