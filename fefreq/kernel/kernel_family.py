"""Products with several stationary kernels at once: what each makes of a vector, and sums of them.

A residual is brought into a form on which all kernels act, and which is linear in it, so that running means may be
taken of the form itself: on grids the zero-padded Fourier transform, on which every kernel is a multiplication, on
scattered points the products with all matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray
from fefreq.support.memory import gigabytes, require_memory
from fefreq.targets.target import Grid, Target

Form = NDArray[Any]
Profiles = Callable[[FloatArray], FloatArray]  # separations (s, d) to values (kernels, s)

MAX_BYTES = 1 << 30
SEPARATIONS = 1 << 18  # at which profiles are evaluated together


class KernelFamily(ABC):
    """Kernels ``K_l`` on the points of a target, for columns ``(c, n)``."""

    @abstractmethod
    def form(self, columns: FloatArray) -> Form:
        """Bring columns into the form on which the kernels act."""

    @abstractmethod
    def squares(self, form: Form, columns: FloatArray) -> FloatArray:
        """``Σ_c columnᵀ K_l column`` of every kernel."""

    @abstractmethod
    def combined(self, weights: FloatArray, form: Form) -> FloatArray:
        """``Σ_l weight_l K_l column`` of all columns, shape ``(c, n)``."""


def kernel_family(profiles: Profiles, target: Target) -> KernelFamily:
    """Choose how to multiply.

    Raises
    ------
    ValueError
        If the kernels do not fit into memory.
    """
    count = len(profiles(np.zeros((1, target.dim))))
    if target.grid is not None:
        size = 16 * count * prod(2 * n for n in target.grid.shape)  # values and transforms
        what = f"the {count} kernels on a grid of {len(target.points):,} points"
        require_memory(size, what, "give a coarser grid")
        return GridFamily(profiles, target.grid)
    size = 8 * count * len(target.points) ** 2
    if size > MAX_BYTES:
        most = int((MAX_BYTES / (8 * count)) ** 0.5)
        raise ValueError(
            f"the {count} kernels of {len(target.points):,} scattered points take {gigabytes(size)}: give values on a "
            f"grid, or at most {most:,} points"
        )
    return DenseFamily(profiles, target.points)


class DenseFamily(KernelFamily):
    """All matrices."""

    def __init__(self, profiles: Profiles, points: FloatArray) -> None:
        rows = [profiles(point - points) for point in points]
        self._matrices = np.ascontiguousarray(np.stack(rows, axis=1))  # (l, n, n)

    def form(self, columns: FloatArray) -> Form:
        """All products ``(l, c, n)``."""
        return np.asarray(columns @ self._matrices)

    def squares(self, form: Form, columns: FloatArray) -> FloatArray:
        """Of every kernel, shape ``(l,)``."""
        return np.asarray(np.einsum("lcn,cn->l", form, columns))

    def combined(self, weights: FloatArray, form: Form) -> FloatArray:
        """A sum of products."""
        return np.asarray(np.einsum("l,lcn->cn", weights, form))


class GridFamily(KernelFamily):
    """Multiplications on the zero-padded Fourier transform of a grid."""

    def __init__(self, profiles: Profiles, grid: Grid) -> None:
        import scipy.fft

        self._shape = grid.shape
        self._axes = tuple(range(1, len(grid.shape) + 1))
        self._padded = tuple(scipy.fft.next_fast_len(2 * n - 1, real=True) for n in grid.shape)
        axes = []
        for n, m, h in zip(self._shape, self._padded, grid.spacing, strict=True):
            shift = np.arange(m)
            shift[shift >= n] -= m  # differences from -(n - 1) to n - 1; what lies between is padding
            axes.append(h * np.maximum(shift, 1 - n))
        separations = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        parts = [
            profiles(separations[first : first + SEPARATIONS])
            for first in range(0, len(separations), SEPARATIONS)
        ]
        table = np.concatenate(parts, axis=1).reshape(-1, *self._padded)
        # Even in every separation, so that the transforms are real.
        self._symbols = np.ascontiguousarray(scipy.fft.rfftn(table, axes=self._axes, workers=-1).real)
        # Parseval: the last axis of a real transform holds one half of the conjugate pairs.
        last = self._padded[-1]
        pairs = np.full(last // 2 + 1, 2.0)
        pairs[0] = 1.0
        if last % 2 == 0:
            pairs[-1] = 1.0
        self._pairs = pairs / prod(self._padded)

    def form(self, columns: FloatArray) -> Form:
        """Transforms ``(c, …)``."""
        import scipy.fft

        grids = columns.reshape(-1, *self._shape)
        return np.asarray(scipy.fft.rfftn(grids, self._padded, axes=self._axes, workers=-1))

    def squares(self, form: Form, columns: FloatArray) -> FloatArray:
        """Of every kernel, shape ``(l,)``, by Parseval."""
        power = np.sum(form.real**2 + form.imag**2, axis=0) * self._pairs
        return np.asarray(self._symbols.reshape(len(self._symbols), -1) @ power.ravel())

    def combined(self, weights: FloatArray, form: Form) -> FloatArray:
        """One transform back."""
        import scipy.fft

        symbol = np.tensordot(weights, self._symbols, axes=1)
        whole = scipy.fft.irfftn(form * symbol, self._padded, axes=self._axes, workers=-1)
        inside = (slice(None), *(slice(n) for n in self._shape))
        return np.ascontiguousarray(whole[inside]).reshape(len(form), -1)
