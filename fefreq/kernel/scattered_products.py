r"""Kernel products between scattered points by non-uniform FFT.

With ``g(z) = Σ_k c_k exp(2πi k·z/P)`` on the box of all separations (:mod:`fefreq.kernel.fourier_expansion`)

.. math:: Σ_j g(x_i - s_j) w_j = Σ_k c_k \, e^{2πi k·x_i/P} \, Σ_j e^{-2πi k·s_j/P} w_j ,

a transform from points to modes, a multiplication and a transform back: ``O(n + N log N)`` for ``N`` modes. The
two real columns that a linear term needs, ``w`` and ``|s|² w``, travel as real and imaginary part of one complex
column. A cusp of the kernel is a sparse matrix of its own (:mod:`fefreq.kernel.near_field`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from fefreq.kernel.fourier_expansion import Functions, Resolution, expand, largest_error, resolve
from fefreq.kernel.near_field import Neighbours, smoothed
from fefreq.kernel.products import Part, Products
from fefreq.support.arrays import ComplexArray, FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Nanoseconds, on one core of 2024, to weigh one way of computing against another.
SPREAD = {1: 60.0, 2: 150.0, 3: 1500.0}  # per point and transform
BUTTERFLY = 2.0  # per point of the fine grid and power of two
NEAR_PAIR = 8.0  # its share of being set up included
SMALLEST_EPS = 1e-14  # that the non-uniform FFT attains
EPS = float(np.finfo(np.float64).eps)
ACCEPTED = 1e3  # times the tolerance, at random separations
SINGLE_THREAD = 3e7  # nanoseconds
RADII = tuple(2.0**-k for k in range(2, 14))  # of the near field, in units of the box


@dataclass(frozen=True, eq=False)
class Plan:
    """How the products between two sets of points are going to be computed.

    Parameters
    ----------
    resolutions : list of Resolution
    radius : float
        Of the near field; 0 if there is none.
    nanoseconds : float
        Estimated time of a product.
    workspace : int
        Bytes.
    """

    resolutions: list[Resolution]
    radius: float
    nanoseconds: float
    workspace: int


class UnresolvedError(ArithmeticError):
    """The series does not represent the kernel."""


def plan_products(
    parts: Sequence[Part],
    sources: FloatArray,
    points: FloatArray,
    tolerance: float,
    max_bytes: int,
    slowest: float = math.inf,
    cusp: bool = True,
) -> Plan | None:
    """Choose the near field and the number of modes.

    Parameters
    ----------
    parts : sequence of Part
    sources, points : ndarray, shape (n, d) and (p, d), d at most 3
    tolerance : float
        Relative to the largest values of the kernel.
    max_bytes : int
    slowest : float
        Nanoseconds that a product may take.
    cusp : bool
        Whether to consider a near field.

    Returns
    -------
    Plan or None
        None if no choice stays within the limits.
    """
    costs = _Costs(parts, sources, points)
    half_widths = _half_widths(sources, points)
    offsets = [_offset(part, sources, points) for part in parts]

    def attempt(radius: float, pairs: float, limit: float) -> Plan | None:
        functions = [
            (_far(part, radius, tolerance), offset) for part, offset in zip(parts, offsets, strict=True)
        ]
        most_modes = costs.most_modes(max_bytes, limit)
        # A smoothed cusp looks like a cusp until the near field is resolved.
        resolutions = resolve(functions, half_widths, tolerance, most_modes, patient=radius > 0)
        if resolutions is None:
            return None
        plan = costs.plan(resolutions, radius, pairs)
        return plan if plan.workspace <= max_bytes and plan.nanoseconds <= slowest else None

    plan = attempt(0.0, 0.0, min(slowest, 4 * costs.spread))
    if plan is not None or not cusp:
        return plan or attempt(0.0, 0.0, slowest)
    neighbours = Neighbours(parts, sources, points)
    guesses = []
    for share in RADII:
        radius = share * float(np.min(half_widths))
        # The window of the near field decides how far the spectrum reaches.
        reach = math.log(1 / tolerance) / (math.pi * radius)
        pairs = neighbours.count(radius)
        guesses.append((costs.of([4.4 * reach * width for width in half_widths], pairs), radius, pairs))
    guesses.sort()
    plan = attempt(0.0, 0.0, min(slowest, 2 * guesses[0][0]))
    for guess, radius, pairs in guesses[:3]:
        if guess > slowest or (plan is not None and guess > plan.nanoseconds):
            break
        near = attempt(radius, pairs, min(slowest, 4 * guess))
        if near is not None:
            return near if plan is None else min(plan, near, key=lambda choice: choice.nanoseconds)
    return plan


class _Costs:
    """Time and memory of products as functions of their parameters."""

    def __init__(self, parts: Sequence[Part], sources: FloatArray, points: FloatArray) -> None:
        self.dim = sources.shape[1]
        self.spread = SPREAD[self.dim] * (len(sources) + len(points))
        series = len(parts) * (2 if any(part.linear for part in parts) else 1)
        self.bytes_per_mode = 16 * (series + 4 + 2 * 2**self.dim)

    def of(self, modes: Sequence[float], pairs: float) -> float:
        """Nanoseconds of a product."""
        fine = 2.0**self.dim * prod(modes)
        return float(self.spread + 2 * BUTTERFLY * fine * math.log2(max(fine, 2)) + NEAR_PAIR * pairs)

    def most_modes(self, max_bytes: int, slowest: float) -> int:
        """Largest number of modes per axis that memory and time allow."""
        most = min(max_bytes / self.bytes_per_mode, slowest / (2 * BUTTERFLY * 2.0**self.dim * 10))
        return int(most ** (1 / self.dim))

    def plan(self, resolutions: list[Resolution], radius: float, pairs: float) -> Plan:
        """Put a choice and its costs together."""
        modes = tuple(r.modes for r in resolutions)
        return Plan(
            resolutions, radius, self.of(modes, pairs), int(self.bytes_per_mode * prod(modes) + 12 * pairs)
        )


class ScatteredProducts(Products):
    """Products between scattered points with a kernel that is smooth but for a cusp.

    Parameters
    ----------
    parts : sequence of Part
    sources, points : ndarray, shape (n, d) and (p, d), d at most 3
    plan : Plan
    tolerance : float

    Raises
    ------
    UnresolvedError
        If the kernel has features that the axes do not show.
    """

    def __init__(
        self, parts: Sequence[Part], sources: FloatArray, points: FloatArray, plan: Plan, tolerance: float
    ) -> None:
        import finufft

        centres = _centre(sources), _centre(points)
        half_widths = _half_widths(sources, points)
        squares = [np.einsum("nd,nd->n", x, x) for x in (sources, points)]
        self._scale = max(float(np.max(squares[0])), np.finfo(float).tiny)
        self._linear = any(part.linear for part in parts)
        self._source_squares, self._point_squares = squares[0] / self._scale, squares[1]
        self._count = len(points)
        self._series: list[tuple[bool, ComplexArray]] = []
        for part in parts:
            functions = _far(part, plan.radius, tolerance)
            offset = _offset(part, sources, points)
            expansion = expand(functions, offset, half_widths, plan.resolutions, tolerance)
            if largest_error(expansion, functions, offset, half_widths) > ACCEPTED * max(tolerance, EPS):
                raise UnresolvedError("the Fourier series differs from the kernel at random separations")
            self._series.append((part.reflected, expansion.coefficients))
        self._near: csr_matrix | None = None
        if plan.radius:
            self._near = Neighbours(parts, sources, points).matrix(plan.radius, tolerance)
        modes = tuple(r.modes for r in plan.resolutions)
        period = np.array([r.period for r in plan.resolutions])
        # Threads that wait for one another cost more than they save on small transforms.
        threads = 1 if plan.nanoseconds < SINGLE_THREAD else 0
        options = {"eps": max(tolerance, SMALLEST_EPS), "nthreads": threads}
        self._to_modes = finufft.Plan(1, modes, isign=-1, **options)
        self._to_points = finufft.Plan(2, modes, isign=1, **options)
        for transform, x, centre in zip(
            (self._to_modes, self._to_points), (sources, points), centres, strict=True
        ):
            angles = 2 * np.pi * (x - centre) / period
            transform.setpts(*[np.ascontiguousarray(axis) for axis in angles.T])
        self.workspace = plan.workspace
        near = f" and {self._near.nnz} pairs of neighbours" if self._near is not None else ""
        self.method = f"products by non-uniform FFT with {' × '.join(map(str, modes))} modes{near}"

    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply by columns ``(c, n)``."""
        result = np.empty((len(columns), self._count))
        if self._linear:
            for column, out in zip(columns, result, strict=True):
                out[:] = self._with_linear(column)
        else:
            for first in range(0, len(columns), 2):
                self._pair(columns[first : first + 2], result[first : first + 2])
        if self._near is not None:
            result += (self._near @ columns.T).T
        return result

    def _pair(self, columns: FloatArray, out: FloatArray) -> None:
        """Two columns at once, as real and imaginary part: all matrices are real."""
        packed = columns[0] + (1j * columns[1] if len(columns) == 2 else 0.0)
        modes = self._to_modes.execute(packed.astype(np.complex128))
        total = np.zeros_like(modes)
        for reflected, series in self._series:
            total += series[0] * (_mirrored(modes) if reflected else modes)
        values = self._to_points.execute(total)
        out[0] = values.real
        if len(columns) == 2:
            out[1] = values.imag

    def _with_linear(self, column: FloatArray) -> FloatArray:
        modes = self._to_modes.execute(column * (1.0 + 1j * self._source_squares))
        mirrored = _mirrored(modes).conj()
        plain = 0.5 * (modes + mirrored)
        squared = -0.5j * self._scale * (modes - mirrored)
        main, linear = np.zeros_like(modes), np.zeros_like(modes)
        for reflected, series in self._series:
            # Real columns: at mirrored modes stands the conjugate.
            first = plain.conj() if reflected else plain
            main += series[0] * first
            if len(series) == 2:
                main += series[1] * (squared.conj() if reflected else squared)
                linear += series[1] * first
        linear *= 1j
        main += linear
        values = self._to_points.execute(main)
        return np.asarray(values.real + self._point_squares * values.imag)


def _mirrored(modes: ComplexArray) -> ComplexArray:
    """The modes ``-k``; their numbers are odd, so that reversal is all."""
    return modes[(slice(None, None, -1),) * modes.ndim]


def _centre(x: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (x.min(axis=0) + x.max(axis=0)))


def _half_widths(sources: FloatArray, points: FloatArray) -> FloatArray:
    """Half-widths of the box of all separations between two sets of points with centres moved together."""
    widths = 0.5 * (np.ptp(sources, axis=0) + np.ptp(points, axis=0))
    return np.asarray(np.maximum(widths, 1e-3 * np.max(widths) if np.max(widths) > 0 else 1.0))


def _far(part: Part, radius: float, tolerance: float) -> Functions:
    return smoothed(part.functions, radius, tolerance) if radius else part.functions


def _offset(part: Part, sources: FloatArray, points: FloatArray) -> FloatArray:
    """Middle of the box of separations."""
    return np.asarray(_centre(points) + (_centre(sources) if part.reflected else -_centre(sources)))
