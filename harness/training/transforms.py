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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Grid, Target
from harness.training.transform_plans import PlanOptions, TransformPlan, folded
from harness.training.wave_sums import PlaneWaves

# Scattered points are transformed on a grid that grows with (extent of the points) × (range of the
# frequencies) along every axis, huge for heavy-tailed densities in two dimensions and more. With its own
# padding this many complex numbers take a gigabyte or two.
LARGEST_FINE_GRID = 1 << 24
# A step with transforms costs as much as this many products of a neuron and a point on the dense path, on a grid (for
# 16 networks side by side; for one alone less) and for scattered points, and for these as much as so many more, by
# dimension, per fine grid point.
PRODUCTS_PER_GRID_STEP = 100_000
PRODUCTS_PER_STEP = 300_000
PRODUCTS_PER_FINE_POINT = {1: 15, 2: 40, 3: 100}

# Below this many neurons threads inside a transform cost more than they save.
NEURONS_FOR_THREADS = 200_000


class TransformedPlaneWaves(PlaneWaves):
    """Plane waves of one network (``S = 1``) by transforms, on the device of the options."""

    _plan: TransformPlan

    @staticmethod
    def on(target: Target, options: PlanOptions) -> TransformedPlaneWaves:
        """Plane waves on the grid of a target or else on its scattered points, in one to three dimensions."""
        if target.grid is None:
            return ScatteredPlaneWaves(target.points, options)
        return GridPlaneWaves(target.grid, options)

    def place(self, frequencies: Tensor) -> None:
        """Set the frequencies, shape ``(1, d, m)``."""
        self._place(frequencies[0])

    def synthesise(self, amplitudes: Tensor) -> Tensor:
        """Sum the waves at the points."""
        strengths = self._strengths(amplitudes[0])
        return torch.stack([self._plan.execute(z).real.flatten() for z in strengths])[None]

    def analyse(self, columns: Tensor) -> Tensor:
        """Correlate columns of data with the waves."""
        # For real data the adjoint, with its negative exponent, is the conjugate of what is wanted.
        sums = [self._plan.execute_adjoint(data).conj() for data in self._data(columns[0])]
        return self._strengths(torch.stack(sums))[None]

    @abstractmethod
    def _place(self, frequencies: Tensor) -> None:
        """Give the plan the frequencies ``(d, m)``."""

    @abstractmethod
    def _strengths(self, amplitudes: Tensor) -> Tensor:
        """Amplitudes ``(C, m)`` as seen from the origin of the plan's points."""

    @abstractmethod
    def _data(self, columns: Tensor) -> Tensor:
        """Columns ``(K, n)`` as complex tensors of the plan's shape."""


class GridPlaneWaves(TransformedPlaneWaves):
    """Plane waves on a uniform grid, by transforms of type 1 and their adjoints."""

    def __init__(self, grid: Grid, options: PlanOptions) -> None:
        self._shape, self._options = grid.shape, options
        self._spacing = torch.tensor(grid.spacing[:, None], device=options.device)
        # The transform counts grid index K from -(n // 2).
        centre = grid.lower + grid.spacing * (np.asarray(grid.shape) // 2)
        self._centre = torch.tensor(centre, device=options.device)
        self._plan = options.plan(1, grid.shape)

    def _place(self, frequencies: Tensor) -> None:
        # Double precision here keeps the digits of the folded angle in single-precision runs.
        v = frequencies.double()
        self._plan.place(folded(v * self._spacing, self._options.precision).unbind())
        shift = 2 * torch.pi * (self._centre @ v)
        self._phase = torch.polar(torch.ones_like(shift), shift).to(self._options.complex)

    def _strengths(self, amplitudes: Tensor) -> Tensor:
        return amplitudes * self._phase

    def _data(self, columns: Tensor) -> Tensor:
        return columns.reshape(-1, *self._shape).to(self._options.complex)


class ScatteredPlaneWaves(TransformedPlaneWaves):
    """Plane waves at scattered points, by transforms of type 3 and their adjoints."""

    def __init__(self, points: FloatArray, options: PlanOptions) -> None:
        self._points, self._options = points, options
        coordinates = np.ascontiguousarray(points.T)
        self._sinks = torch.tensor(coordinates, dtype=options.precision, device=options.device).unbind()
        self._plan = options.plan(3, points.shape[1])

    def _place(self, frequencies: Tensor) -> None:
        _require_fine_grid(self._points, frequencies.cpu().numpy())
        self._plan.place((2 * torch.pi * frequencies).unbind(), self._sinks)

    def _strengths(self, amplitudes: Tensor) -> Tensor:
        return amplitudes.contiguous()

    def _data(self, columns: Tensor) -> Tensor:
        return columns.to(self._options.complex)


def transforms_win(target: Target, frequencies: Tensor) -> bool:
    """Whether transforms exist, and are faster than products, for networks with frequencies ``(S, d, m)``."""
    if target.dim > 3:
        return False
    products = frequencies.shape[-1] * len(target.points)
    if target.grid is not None:
        return products >= PRODUCTS_PER_GRID_STEP
    fine = max(fine_grid_size(target.points, v) for v in frequencies.cpu().numpy())
    if fine > LARGEST_FINE_GRID:
        return False
    return products >= PRODUCTS_PER_STEP + PRODUCTS_PER_FINE_POINT[target.dim] * fine


def fine_grid_size(points: FloatArray, frequencies: NDArray[Any]) -> float:
    """Size of the internal grid on which scattered points ``(n, d)`` meet frequencies ``(d, m)``."""
    # Per axis 2σ/π times the product of the half-widths (σ = 2 in finufft), plus the width of its kernel.
    extent, band = np.ptp(points, axis=0), 2 * np.pi * np.ptp(frequencies.astype(np.float64), axis=1)
    return float(np.prod(extent * band / np.pi + 16))


def _require_fine_grid(points: FloatArray, frequencies: NDArray[Any]) -> None:
    size = fine_grid_size(points, frequencies)
    if size > LARGEST_FINE_GRID:
        raise ValueError(
            f"the frequencies reach so far that a transform of the scattered points needs {size:.1e} grid "
            f"points, more than {LARGEST_FINE_GRID:.1e}: use method='dense', or data on a grid"
        )
