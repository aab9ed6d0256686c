r"""Transforms between points and the modes of a series, ``Σ_j v_j e^{-2πi k·(x_j - c)/P}`` and back.

By non-uniform FFT between scattered points and modes. On a grid whose spacing divides the period both ways are ordinary
FFTs of zero-padded data, exact to rounding; modes beyond the resolution of the grid are wrapped around.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import prod

import numpy as np

from fefreq.kernel.row_series import RowSeries
from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.targets.target import Grid

SINGLE_THREAD = 1 << 17  # modes; threads that wait for one another cost more than they save


class Transform(ABC):
    """Sums over points at modes, and over modes at points."""

    @abstractmethod
    def to_modes(self, columns: FloatArray) -> ComplexArray:
        """Columns ``(c, n)`` at the points to ``(c, N_1, …, N_d)``."""

    @abstractmethod
    def to_points(self, modes: ComplexArray) -> FloatArray:
        """Modes ``(c, N_1, …, N_d)`` to the real part of their sums ``(c, n)``."""


class ScatteredTransform(Transform):
    """For points anywhere in the domain.

    Parameters
    ----------
    points : ndarray, shape (n, d)
    series : RowSeries
    columns : int
        Number of columns that are transformed together.
    eps : float
        Relative error.
    """

    def __init__(self, points: FloatArray, series: RowSeries, columns: int, eps: float) -> None:
        import finufft

        self._packs, self._modes = (columns + 1) // 2, series.modes
        threads = 1 if prod(series.modes) < SINGLE_THREAD else 0
        angles = 2 * np.pi * (points - series.centre) / series.period
        axes = [np.ascontiguousarray(axis) for axis in angles.T]
        self._plans = []
        for kind, sign in ((1, -1), (2, 1)):
            plan = finufft.Plan(
                kind, series.modes, n_trans=self._packs, eps=eps, isign=sign, nthreads=threads
            )
            plan.setpts(*axes)
            self._plans.append(plan)

    def to_modes(self, columns: FloatArray) -> ComplexArray:
        """Transform of type 1, two real columns at once as real and imaginary part."""
        packed = columns[::2].astype(np.complex128)
        packed[: len(columns) // 2] += 1j * columns[1::2]
        sums = np.reshape(self._execute(0, packed), (len(packed), *self._modes))
        if len(columns) == 1:
            return sums
        mirrored = sums[(slice(None), *(slice(None, None, -1),) * len(self._modes))].conj()
        result = np.empty((2 * len(packed), *self._modes), dtype=np.complex128)
        result[::2], result[1::2] = 0.5 * (sums + mirrored), -0.5j * (sums - mirrored)
        return result[: len(columns)]

    def to_points(self, modes: ComplexArray) -> FloatArray:
        """Transform of type 2, again two at once: sums over modes of real functions are real."""
        packed = modes[::2].copy()
        packed[: len(modes) // 2] += 1j * modes[1::2]
        sums = np.reshape(self._execute(1, packed), (len(packed), -1))
        result = np.empty((2 * len(packed), sums.shape[1]))
        result[::2], result[1::2] = sums.real, sums.imag
        return result[: len(modes)]

    def _execute(self, way: int, packed: ComplexArray) -> ComplexArray:
        array = np.ascontiguousarray(packed)
        return np.asarray(self._plans[way].execute(array[0] if self._packs == 1 else array))


class GridTransform(Transform):
    """For a grid whose spacing divides the periods.

    Parameters
    ----------
    grid : Grid
    series : RowSeries
    """

    def __init__(self, grid: Grid, series: RowSeries) -> None:
        self._shape = grid.shape
        self._samples = [round(p / h) for p, h in zip(series.period, grid.spacing, strict=True)]
        self._modes = [np.arange(-(n // 2), n // 2 + 1) for n in series.modes]
        self._phases = [
            np.exp(-2j * np.pi * k * (low - centre) / p)
            for k, low, centre, p in zip(self._modes, grid.lower, series.centre, series.period, strict=True)
        ]

    def to_modes(self, columns: FloatArray) -> ComplexArray:
        """Zero-padded FFT, axis by axis."""
        import scipy.fft

        table = columns.reshape(len(columns), *self._shape).astype(np.complex128)
        for axis, (m, k, phase) in enumerate(zip(self._samples, self._modes, self._phases, strict=True)):
            table = scipy.fft.fft(table, m, axis=axis + 1)
            table = np.take(table, k % m, axis=axis + 1) * self._along(phase, axis)
        return np.asarray(table)

    def to_points(self, modes: ComplexArray) -> FloatArray:
        """Inverse FFT of modes that are wrapped around, axis by axis."""
        import scipy.fft

        table = modes
        for axis, (m, k, phase, n) in enumerate(
            zip(self._samples, self._modes, self._phases, self._shape, strict=True)
        ):
            turned = np.moveaxis(table * self._along(phase.conj(), axis), axis + 1, 0)
            wrapped = np.zeros((m, *turned.shape[1:]), dtype=np.complex128)
            for first in range(0, len(k), m):
                wrapped[k[first : first + m] % m] += turned[first : first + m]
            summed = scipy.fft.ifft(wrapped, axis=0, norm="forward")[:n]
            table = np.moveaxis(summed, 0, axis + 1)
        return np.ascontiguousarray(table.real).reshape(len(modes), -1)

    def _along(self, phase: ComplexArray, axis: int) -> ComplexArray:
        return phase.reshape(-1, *(1,) * (len(self._shape) - 1 - axis))
