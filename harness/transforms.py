r"""Plane waves by non-uniform fast Fourier transforms: a step in ``O(n log n + m)`` instead of ``O(n m)``.

A two-layer network on Fourier features *is* a non-uniform Fourier transform from its neurons to the points.
On a uniform grid ``x_K = x_0 + K h`` with centred index ``K``,

.. math:: ∑_k z_k e^{2πi v_k·x_K} = ∑_k \left( z_k e^{2πi v_k·x_0} \right) e^{i K·y_k} , \quad y_k = 2π v_k h ,

is a transform of type 1 (non-uniform points ``y_k`` to a grid), where ``y`` may be folded into ``[-π, π)``
because ``K`` is a vector of integers. Scattered points take a transform of type 3. The sums in the gradients
are the adjoint of the same plan: once for the residual and once for the residual times each coordinate.

One transform serves one network. With one thread, results repeat to the last bit; with several the order of
summation is not fixed, and they repeat to rounding.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fefreq._arrays import FloatArray
from fefreq.targets import Grid, Target
from harness.descent import PlaneWaves

if TYPE_CHECKING:
    from finufft import Plan

# Relative precision asked of a transform. Over whole runs of a thousand steps the residual then agrees with the
# dense path to 1e-9 of the target (1e-8 is what the tests insist on). Single precision stops at its rounding.
PRECISION = {torch.float64: 1e-10, torch.float32: 1e-6}
# Scattered points are transformed on a grid that grows with (extent of the points) × (range of the
# frequencies) along every axis, huge for heavy-tailed densities in two dimensions and more. With its own
# padding this many complex numbers take a gigabyte or two.
LARGEST_FINE_GRID = 1 << 24
# A step with transforms costs as much as this many products of a neuron and a point on the dense path (a grid
# breaks even earlier, at 1e5), and for scattered points as much as so many, by dimension, per fine grid point.
PRODUCTS_PER_STEP = 300_000
PRODUCTS_PER_FINE_POINT = {1: 15, 2: 40, 3: 100}

# Below this many neurons threads inside a transform cost more than they save.
NEURONS_FOR_THREADS = 200_000

# Real and complex arrays in the precision of the run.
Array = NDArray[Any]


@dataclass(frozen=True)
class PlanOptions:
    """How transforms are planned.

    Attributes
    ----------
    precision : torch.dtype
        ``float64`` or ``float32``.
    threads : int
        Inside one transform.
    eps : float, optional
        Relative precision asked of a transform, by default that of :data:`PRECISION`.
    """

    precision: torch.dtype
    threads: int = 1
    eps: float | None = None

    @property
    def real(self) -> np.dtype[Any]:
        """Type of coordinates."""
        return np.dtype("float32" if self.precision == torch.float32 else "float64")

    @property
    def complex(self) -> np.dtype[Any]:
        """Type of amplitudes."""
        return np.dtype("complex64" if self.precision == torch.float32 else "complex128")

    def plan(self, kind: int, shape_or_dim: int | tuple[int, ...]) -> Plan:
        """Plan transforms of type 1 or 3, one at a time, with the positive exponent."""
        import finufft

        eps = PRECISION[self.precision] if self.eps is None else self.eps
        return finufft.Plan(kind, shape_or_dim, 1, eps, 1, dtype=self.complex.name, nthreads=self.threads)


class TransformedPlaneWaves(PlaneWaves):
    """Plane waves of one network (``S = 1``) by finufft, on the processor."""

    _plan: Plan

    @staticmethod
    def on(target: Target, options: PlanOptions) -> TransformedPlaneWaves:
        """Plane waves on the grid of a target or else on its scattered points, in one to three dimensions."""
        if target.grid is None:
            return ScatteredPlaneWaves(target.points, options)
        return GridPlaneWaves(target.grid, options)

    def place(self, frequencies: Tensor) -> None:
        """Set the frequencies, shape ``(1, d, m)``."""
        self._place(frequencies[0].numpy())

    def synthesise(self, amplitudes: Tensor) -> Tensor:
        """Sum the waves at the points."""
        strengths = self._strengths(amplitudes[0].numpy())
        return torch.from_numpy(np.stack([self._plan.execute(z).real.ravel() for z in strengths]))[None]

    def analyse(self, columns: Tensor) -> Tensor:
        """Correlate columns of data with the waves."""
        # For real data the adjoint, with its negative exponent, is the conjugate of what is wanted.
        sums = [np.conj(self._plan.execute_adjoint(data)) for data in self._data(columns[0].numpy())]
        return torch.from_numpy(self._strengths(np.stack(sums)))[None]

    @abstractmethod
    def _place(self, frequencies: Array) -> None:
        """Give the plan the frequencies ``(d, m)``."""

    @abstractmethod
    def _strengths(self, amplitudes: Array) -> Array:
        """Amplitudes ``(C, m)`` as seen from the origin of the plan's points."""

    @abstractmethod
    def _data(self, columns: Array) -> Array:
        """Columns ``(K, n)`` as complex arrays of the plan's shape."""


class GridPlaneWaves(TransformedPlaneWaves):
    """Plane waves on a uniform grid, by transforms of type 1 and their adjoints."""

    def __init__(self, grid: Grid, options: PlanOptions) -> None:
        self._shape, self._spacing, self._options = grid.shape, grid.spacing[:, None], options
        # The transform counts grid index K from -(n // 2).
        self._centre = grid.lower + grid.spacing * (np.asarray(grid.shape) // 2)
        self._plan = options.plan(1, grid.shape)

    def _place(self, frequencies: Array) -> None:
        # Double precision here keeps the digits of the folded angle in single-precision runs.
        v = frequencies.astype(np.float64, copy=False)
        cycles = v * self._spacing
        self._plan.setpts(*(2 * np.pi * (cycles - np.rint(cycles))).astype(self._options.real, copy=False))
        shift = torch.from_numpy(2 * np.pi * (self._centre @ v))
        phase = torch.polar(torch.ones_like(shift), shift).numpy()
        self._phase = phase.astype(self._options.complex, copy=False)

    def _strengths(self, amplitudes: Array) -> Array:
        shifted: Array = amplitudes * self._phase
        return shifted

    def _data(self, columns: Array) -> Array:
        return columns.reshape(-1, *self._shape).astype(self._options.complex)


class ScatteredPlaneWaves(TransformedPlaneWaves):
    """Plane waves at scattered points, by transforms of type 3 and their adjoints."""

    def __init__(self, points: FloatArray, options: PlanOptions) -> None:
        self._points, self._options = points, options
        coordinates = np.ascontiguousarray(points.T, dtype=options.real)
        self._sinks = dict(zip("stu", coordinates, strict=False))
        self._plan = options.plan(3, points.shape[1])

    def _place(self, frequencies: Array) -> None:
        _require_fine_grid(self._points, frequencies)
        sources = dict(zip("xyz", 2 * np.pi * frequencies, strict=False))
        self._plan.setpts(**sources, **self._sinks)

    def _strengths(self, amplitudes: Array) -> Array:
        return np.ascontiguousarray(amplitudes)

    def _data(self, columns: Array) -> Array:
        return columns.astype(self._options.complex)


def transforms_win(target: Target, frequencies: Tensor) -> bool:
    """Whether transforms exist, and are faster than products, for networks with frequencies ``(S, d, m)``."""
    if target.dim > 3:
        return False
    products = frequencies.shape[-1] * len(target.points)
    if target.grid is not None:
        return products >= PRODUCTS_PER_STEP
    fine = max(fine_grid_size(target.points, v) for v in frequencies.cpu().numpy())
    if fine > LARGEST_FINE_GRID:
        return False
    return products >= PRODUCTS_PER_STEP + PRODUCTS_PER_FINE_POINT[target.dim] * fine


def fine_grid_size(points: FloatArray, frequencies: Array) -> float:
    """Size of the internal grid on which scattered points ``(n, d)`` meet frequencies ``(d, m)``."""
    # Per axis 2σ/π times the product of the half-widths (σ = 2 in finufft), plus the width of its kernel.
    extent, band = np.ptp(points, axis=0), 2 * np.pi * np.ptp(frequencies.astype(np.float64), axis=1)
    return float(np.prod(extent * band / np.pi + 16))


def _require_fine_grid(points: FloatArray, frequencies: Array) -> None:
    size = fine_grid_size(points, frequencies)
    if size > LARGEST_FINE_GRID:
        raise ValueError(
            f"the frequencies reach so far that a transform of the scattered points needs {size:.1e} grid "
            f"points, more than {LARGEST_FINE_GRID:.1e}: use method='dense', or data on a grid"
        )
