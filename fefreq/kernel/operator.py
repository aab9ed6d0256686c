r"""The neural tangent kernel (NTK) on the data: ``(K q u)_i = Σ_j K(x_i, x_j) q_j u_j``, and the ways to compute it.

``√q K √q`` is symmetric, positive semi-definite and similar to ``K q``; its eigenvalues are the rates at which
training can reduce the error.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from fefreq.kernel.grid_products import GridProducts, lattice_products
from fefreq.kernel.products import DenseProducts, Products, parts_of
from fefreq.kernel.scattered_products import SMALLEST_EPS, ScatteredProducts, UnresolvedError, plan_products
from fefreq.models import Model
from fefreq.models.model import require_same_dimension
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Grid, Target

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Method = Literal["auto", "fft", "nufft", "dense"]

MAX_BYTES = 1 << 30
SMALL_MATRIX = 1 << 25  # bytes: below, the matrix is as fast as anything
# Nanoseconds per entry of a matrix that is kept, or formed anew for every product.
KEPT_ENTRY, FORMED_ENTRY = 3.0, 100.0
SAMPLED_ENTRIES = 1 << 21  # that are spent on a comparison with the matrix itself


class KernelOperator:
    """The kernel of a model on the points of a target.

    Parameters
    ----------
    model : Model
    target : Target
        Of the same dimension.
    tolerance : float
        Error of products on scattered points, relative to the largest values of the kernel.
    max_bytes : int
        Memory that the products may use.
    method : {"auto", "fft", "nufft", "dense"}
        How products are computed.

    Raises
    ------
    ValueError
        If the dimensions differ, or the method does not apply.
    """

    def __init__(
        self,
        model: Model,
        target: Target,
        tolerance: float = SMALLEST_EPS,
        max_bytes: int = MAX_BYTES,
        method: Method = "auto",
    ) -> None:
        require_same_dimension(model, target)
        self.model, self.target = model, target
        self.products = make_products(
            model, target.points, target.grid, target.points, tolerance, max_bytes, method
        )
        self._root = np.sqrt(target.weights)

    def apply(self, u: FloatArray) -> FloatArray:
        """``K q u`` of values ``(n,)`` or ``(n, channels)`` at the target's points."""
        columns = u.reshape(len(u), -1).T * self.target.weights
        return np.ascontiguousarray(self.products.apply(columns).T).reshape(u.shape)

    def symmetric_product(self, v: FloatArray) -> FloatArray:
        """``√q K √q v`` of a vector ``(n,)``."""
        return np.asarray(self._root * self.products.apply((self._root * v)[None])[0])

    def symmetric(self) -> LinearOperator:
        """``√q K √q`` as a linear operator."""
        from scipy.sparse.linalg import LinearOperator

        n = len(self._root)
        return LinearOperator((n, n), matvec=lambda v: self.symmetric_product(np.ravel(v)), dtype=np.float64)

    def product_error(self, vectors: FloatArray) -> float:
        """Norm of the error of ``√q K √q v`` relative to that of ``v``, from some rows of the matrix itself.

        Parameters
        ----------
        vectors : ndarray, shape (c, n)
            The largest of their errors counts.
        """
        n = vectors.shape[1]
        count = min(n, max(4, min(64, SAMPLED_ENTRIES // n)))
        rows = np.random.default_rng(0).choice(n, count, replace=False)
        matrix = self._root[rows, None] * self.model.kernel(self.target.points[rows], self.target.points)
        largest = 0.0
        for v in vectors:
            size = float(np.linalg.norm(v))
            if size > 0:
                difference = self.symmetric_product(v)[rows] - matrix @ (self._root * v)
                largest = max(largest, float(np.linalg.norm(difference)) * math.sqrt(n / count) / size)
        return largest


def make_products(
    model: Model,
    sources: FloatArray,
    grid: Grid | None,
    points: FloatArray,
    tolerance: float = SMALLEST_EPS,
    max_bytes: int = MAX_BYTES,
    method: Method = "auto",
) -> Products:
    """Choose how to multiply with the kernel between two sets of points.

    Parameters
    ----------
    model : Model
    sources : ndarray, shape (n, d)
    grid : Grid or None
        The sources, if they are a grid.
    points : ndarray, shape (p, d)
    tolerance : float
        Relative to the largest values of the kernel; products by FFT and by the matrix are exact.
    max_bytes : int
    method : {"auto", "fft", "nufft", "dense"}

    Raises
    ------
    ValueError
        If a method is asked for that does not apply.
    """
    parts = parts_of(model)
    if method in ("auto", "fft") and grid is not None:
        on_grid = (
            GridProducts(parts, grid, grid) if points is sources else lattice_products(parts, grid, points)
        )
        if on_grid is not None:
            return on_grid
    if method == "fft":
        raise ValueError('products by "fft" need data and points on one uniform grid: use "auto" or "nufft"')
    size = 8 * len(sources) * len(points)
    if method == "dense":
        return DenseProducts(model, sources, points, max_bytes, "that was asked for")
    if method == "auto" and size <= min(SMALL_MATRIX, max_bytes):
        return DenseProducts(model, sources, points, max_bytes, "the points are few")
    if model.dim > 3:
        reason = f"non-uniform transforms exist for up to 3 dimensions, not {model.dim}"
    else:
        dense = size / 8 * (KEPT_ENTRY if size <= max_bytes else FORMED_ENTRY)
        slowest = dense if method == "auto" else math.inf
        reason = "a Fourier series of the kernel would need more memory or time"
        for cusp in (True, False):
            plan = plan_products(parts, sources, points, tolerance, max_bytes, slowest, cusp)
            if plan is None:
                break
            try:
                return ScatteredProducts(parts, sources, points, plan, tolerance)
            except UnresolvedError:
                reason = "the kernel is not smooth away from the origin"
    if method == "nufft":
        raise ValueError(f'products by "nufft" are not possible: {reason}; use "auto" or "dense"')
    return DenseProducts(model, sources, points, max_bytes, reason)


def largest_rate(model: Model, target: Target) -> float:
    """Largest eigenvalue ``λ_max`` of the kernel on the data: the fastest rate at which any error decays.

    Full-batch gradient descent is stable for learning rates below ``2 / λ_max``.

    Parameters
    ----------
    model : Model
    target : Target

    Raises
    ------
    ValueError
        If the dimensions differ.
    """
    return largest_eigenvalue(KernelOperator(model, target))


def largest_eigenvalue(operator: KernelOperator) -> float:
    """Largest eigenvalue of ``√q K √q``, to about six digits."""
    symmetric = operator.symmetric()
    n = symmetric.shape[0]
    if n <= 2:
        return float(np.linalg.eigvalsh(np.stack([symmetric @ e for e in np.eye(n)]))[-1])
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).standard_normal(n)
    (rate,) = eigsh(symmetric, k=1, which="LA", tol=1e-6, v0=start, return_eigenvectors=False)
    return float(rate)
