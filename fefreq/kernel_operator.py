r"""Products with the tangent kernel on the data: ``(K q u)_i = Σ_j K(x_i, x_j) q_j u_j``.

Every term of a kernel is ``(constant + linear x·y) κ(x ∓ y)``. On a uniform grid ``κ(x - y)`` is a Toeplitz
and ``κ(x + y)`` a Hankel matrix, so a product is a zero-padded FFT. The factor ``x·y`` multiplies before and
after. On scattered points the matrix is formed in blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fefreq._arrays import FloatArray
from fefreq.models import KernelTerm, Model
from fefreq.targets import Grid, Target

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

BLOCK_ENTRIES = 4_000_000


class KernelOperator:
    """The kernel of a model on the points of a target.

    Parameters
    ----------
    model : Model
    target : Target
        Of the same dimension.

    Raises
    ------
    ValueError
        If the dimensions differ.
    """

    def __init__(self, model: Model, target: Target) -> None:
        require_same_dimension(model, target)
        self.model, self.target = model, target
        grid = target.grid
        self._terms = [] if grid is None else [_GridTerm(term, grid) for term in model.kernel_terms()]

    def apply(self, u: FloatArray) -> FloatArray:
        """``K q u`` of values ``(n,)`` or ``(n, channels)`` at the target's points."""
        columns = u.reshape(len(u), -1)
        weighted = columns * self.target.weights[:, None]
        if self._terms:
            product = sum(
                (term.apply(weighted, self.target.points) for term in self._terms), np.zeros_like(columns)
            )
        else:
            product = self._apply_dense(weighted)
        return product.reshape(u.shape)

    def symmetric(self) -> LinearOperator:
        """``√q K √q`` as a linear operator, symmetric and similar to ``K q``."""
        from scipy.sparse.linalg import LinearOperator

        root = np.sqrt(self.target.weights)
        safe = np.where(root > 0, root, 1.0)

        def matvec(v: FloatArray) -> FloatArray:
            return root * self.apply(v.ravel() / safe)

        n = len(root)
        return LinearOperator((n, n), matvec=matvec, dtype=np.float64)

    def _apply_dense(self, weighted: FloatArray) -> FloatArray:
        x = self.target.points
        rows = max(1, BLOCK_ENTRIES // len(x))
        return np.concatenate(
            [self.model.kernel(x[i : i + rows], x) @ weighted for i in range(0, len(x), rows)]
        )


class _GridTerm:
    """One kernel term on a uniform grid as multiplication in Fourier space."""

    def __init__(self, term: KernelTerm, grid: Grid) -> None:
        import scipy.fft

        self.term, self.shape = term, grid.shape
        self.padded = tuple(scipy.fft.next_fast_len(2 * n - 1, real=True) for n in grid.shape)
        axes = []
        for n, m, low, h in zip(grid.shape, self.padded, grid.lower, grid.spacing, strict=True):
            shift = np.arange(m)
            shift[shift >= m - n + 1] -= m  # differences from -(n-1) to n-1; the rest is padding
            # Reflected: x_i + y_j with y in reversed order has again an index difference.
            offset = 2 * low + (n - 1) * h if term.reflected else 0.0
            axes.append(offset + h * shift)
        separations = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        profile = term.profile(separations).reshape(self.padded)
        self.symbol = scipy.fft.rfftn(profile)

    def apply(self, weighted: FloatArray, points: FloatArray) -> FloatArray:
        product = np.zeros_like(weighted)
        if self.term.constant != 0:
            product += self.term.constant * self._convolve(weighted)
        if self.term.linear != 0:
            for x in points.T:
                product += self.term.linear * x[:, None] * self._convolve(x[:, None] * weighted)
        return product

    def _convolve(self, columns: FloatArray) -> FloatArray:
        import scipy.fft

        axes = tuple(range(len(self.shape)))
        values = columns.reshape(*self.shape, -1)
        if self.term.reflected:
            values = np.flip(values, axes)
        spectrum = scipy.fft.rfftn(values, self.padded, axes=axes, workers=-1) * self.symbol[..., None]
        whole = scipy.fft.irfftn(spectrum, self.padded, axes=axes, workers=-1)
        inside = whole[tuple(slice(n) for n in self.shape)]
        return np.asarray(inside.reshape(columns.shape))


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
    operator = KernelOperator(model, target).symmetric()
    if operator.shape[0] <= 2:
        return float(np.linalg.eigvalsh(operator @ np.eye(operator.shape[0]))[-1])
    from scipy.sparse.linalg import eigsh

    start = np.random.default_rng(0).standard_normal(operator.shape[0])
    (rate,) = eigsh(operator, k=1, which="LA", tol=1e-6, v0=start, return_eigenvectors=False)
    return float(rate)


def require_same_dimension(model: Model, target: Target) -> None:
    """Insist that model and target live in the same space.

    Raises
    ------
    ValueError
        If they do not.
    """
    if model.dim != target.dim:
        raise ValueError(
            f"the density has dimension {model.dim} but the target has {target.dim}: "
            f"give the density dim={target.dim}"
        )
