r"""Targets: what the network is to learn, as data on points with quadrature weights.

The loss ``½ Σ_j q_j u(x_j)²`` and the spectrum ``û(ξ) = Σ_j q_j u(x_j) exp(-2πi x_j·ξ)`` see the target only
through its points, values and weights ``q_j``. On a uniform grid the points are the centres of the cells and
``q_j`` is the volume of a cell (the midpoint rule). The residual counts as zero outside the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fefreq.support.arrays import ComplexArray, FloatArray, as_points, read_only, real_array
from fefreq.support.nufft import fourier_sums, grid_sums

Bounds = Sequence[tuple[float, float]]

# Fractions of the energy that may lie outside `extent` (positions) and `bandwidth` (frequencies).
OUTSIDE_EXTENT = 1e-4
OUTSIDE_BANDWIDTH = 1e-6


@dataclass(frozen=True, eq=False)
class Grid:
    """A uniform tensor grid of cell centres.

    Attributes
    ----------
    shape : tuple of int
        Number of points along each axis.
    lower : ndarray, shape (d,)
        First cell centre.
    spacing : ndarray, shape (d,)
        Distance between neighbouring centres.
    """

    shape: tuple[int, ...]
    lower: FloatArray
    spacing: FloatArray

    def __post_init__(self) -> None:
        for name in ("lower", "spacing"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @classmethod
    def over(cls, bounds: Bounds, shape: Sequence[int]) -> Grid:
        """Cell centres of a box ``[(lower, upper), …]`` that is cut into ``shape`` cells.

        Raises
        ------
        ValueError
            If a bound pair is not increasing, or an axis has fewer than two points.
        """
        box = real_array(np.asarray(bounds), "bounds")
        if box.ndim != 2 or box.shape[1] != 2:
            raise ValueError(f"bounds must be one (lower, upper) pair per axis, not {bounds}")
        if len(shape) != len(box):
            raise ValueError(f"{len(box)} bounds need as many axes of the grid, not {tuple(shape)}")
        for axis, (low, high) in enumerate(box):
            if not low < high:
                raise ValueError(f"bounds of axis {axis} are ({low}, {high}): the lower one must be smaller")
        for axis, count in enumerate(shape):
            if count < 2:
                raise ValueError(f"axis {axis} of the grid has {count} point(s); at least 2 are needed")
        spacing = (box[:, 1] - box[:, 0]) / np.asarray(shape)
        return cls(tuple(int(n) for n in shape), box[:, 0] + spacing / 2, spacing)

    @property
    def axes(self) -> tuple[FloatArray, ...]:
        """Coordinates along each axis."""
        return tuple(
            low + h * np.arange(n) for n, low, h in zip(self.shape, self.lower, self.spacing, strict=True)
        )

    @property
    def points(self) -> FloatArray:
        """All points, shape ``(n, d)``, the last axis varying fastest."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1).reshape(-1, len(self.shape))


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Target:
    """Data on points with quadrature weights. Immutable: its arrays are read-only copies.

    Parameters
    ----------
    points : array_like, shape (n, d)
        Positions; ``(n,)`` counts as one dimension.
    values : array_like, shape (n,) or (n, channels)
        The target, or the residual that training starts from.
    weights : array_like, shape (n,), optional
        Quadrature weights ``q_j ≥ 0``, in unit length^d. By default every point stands for the same share
        of the bounding box of the points.
    grid : Grid, optional
        The uniform grid that the points are, in its order: transforms are faster then.

    Raises
    ------
    TypeError
        If the data are not real numbers.
    ValueError
        If shapes do not fit together, entries are not finite, weights are negative or all zero, or the points
        are not those of the grid.

    Examples
    --------
    >>> import numpy as np
    >>> target = Target.from_function(lambda x: np.exp(-np.pi * x[:, 0] ** 2), [(-4, 4)], 256)
    >>> target.spectrum([0.0, 1.0]).real.round(6)
    array([1.      , 0.043214])
    """

    points: FloatArray
    values: FloatArray
    weights: FloatArray
    grid: Grid | None

    def __init__(
        self,
        points: ArrayLike,
        values: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        grid: Grid | None = None,
    ) -> None:
        places = np.asarray(points)
        places = as_points(points, 1 if places.ndim < 2 else places.shape[1], "target points")
        samples = real_array(values, "target values")
        n = len(places)
        if n == 0:
            raise ValueError("the target has no points")
        if samples.ndim not in (1, 2) or len(samples) != n:
            raise ValueError(
                f"target values have shape {samples.shape}; {n} points need ({n},) or ({n}, channels)"
            )
        if weights is None:
            volume = float(np.prod(np.ptp(places, axis=0)))
            if volume == 0:
                raise ValueError("the points do not span a box: give their quadrature weights")
            weights = np.full(n, volume / n)
        shares = real_array(weights, "weights")
        if shares.shape != (n,):
            raise ValueError(f"weights have shape {shares.shape}; {n} points need ({n},)")
        if np.any(shares < 0):
            raise ValueError(
                f"{np.sum(shares < 0)} weight(s) are negative; a quadrature weight is at least 0"
            )
        if not np.any(shares > 0):
            raise ValueError("all weights are zero, so no point would count")
        if grid is not None:
            _require_points_of(grid, places)
        for name, array in (("points", places), ("values", samples), ("weights", shares)):
            object.__setattr__(self, name, read_only(array))
        object.__setattr__(self, "grid", grid)

    @classmethod
    def from_grid(cls, values: ArrayLike, bounds: Bounds) -> Target:
        """Values at the cell centres of a box.

        Parameters
        ----------
        values : array_like, shape (n_1, …, n_d) or (n_1, …, n_d, channels)
            Samples, axis ``i`` of the array along coordinate ``i``.
        bounds : sequence of (lower, upper)
            The box, one pair per coordinate.

        Raises
        ------
        ValueError
            If the array has neither ``d`` nor ``d + 1`` axes, or bounds or values are unusable.
        """
        array = real_array(values, "target values")
        dim = len(bounds)
        if array.ndim not in (dim, dim + 1):
            raise ValueError(
                f"values have {array.ndim} axes; {dim} bounds need {dim}, or {dim + 1} with channels"
            )
        grid = Grid.over(bounds, array.shape[:dim])
        columns = array.reshape(-1, *array.shape[dim:])
        weights = np.full(len(columns), np.prod(grid.spacing))
        return cls(grid.points, columns, weights, grid=grid)

    @classmethod
    def from_function(
        cls, function: Callable[[FloatArray], ArrayLike], bounds: Bounds, shape: int | Sequence[int]
    ) -> Target:
        """Sample a function of points ``(n, d)`` on a grid of cell centres.

        Parameters
        ----------
        function : callable
            Maps points ``(n, d)`` to values ``(n,)`` or ``(n, channels)``.
        bounds : sequence of (lower, upper)
            The box, one pair per coordinate.
        shape : int or sequence of int
            Number of cells along every axis, or along each.
        """
        counts = (shape,) * len(bounds) if isinstance(shape, (int, np.integer)) else tuple(shape)
        grid = Grid.over(bounds, counts)
        values = np.asarray(function(grid.points))
        return cls.from_grid(values.reshape(*grid.shape, *values.shape[1:]), bounds)

    @classmethod
    def from_file(cls, path: str | Path, bounds: Bounds | None = None) -> Target:
        """Read samples from an array (``.npy``), a table (``.csv``) or an image.

        Parameters
        ----------
        path : path
            ``.npy``: samples on a grid, as for :meth:`from_grid`. ``.csv``: one header line, then scattered
            points, columns ``x, y, z`` (as many as there are), value columns, and optionally ``weight``.
            Images: grey or colour; ``x`` runs to the right, ``y`` upwards, values from 0 to 1.
        bounds : sequence of (lower, upper), optional
            The box of a grid; by default ``(-1, 1)`` along the longest axis with square cells.

        Raises
        ------
        ValueError
            If the file cannot be read, holds objects (a pickle), or its contents do not fit.
        """
        from fefreq.targets.readers import read_samples, read_table

        path = Path(path)
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        if path.suffix.lower() == ".csv":
            if bounds is not None:
                raise ValueError(f"{path.name} lists its points itself, so bounds do not apply")
            return cls(*read_table(path))
        samples = read_samples(path, None if bounds is None else len(bounds))
        dim = samples.axes if bounds is None else len(bounds)
        shape = samples.values.shape[:dim]
        box = [(-n / max(shape), n / max(shape)) for n in shape] if bounds is None else bounds
        return cls.from_grid(samples.values, box)

    def with_values(self, values: ArrayLike) -> Target:
        """The same points and weights with other values, for example a measured residual."""
        return Target(self.points, values, self.weights, grid=self.grid)

    @property
    def dim(self) -> int:
        """Dimension of the positions."""
        return int(self.points.shape[1])

    @property
    def channels(self) -> int | None:
        """Number of channels, or None for scalar data."""
        return self.values.shape[1] if self.values.ndim == 2 else None

    @property
    def energy(self) -> float:
        """``∫ |u|²``, summed over channels."""
        return float(np.sum(self._energies()))

    def spectrum(self, frequencies: ArrayLike) -> ComplexArray:
        """Fourier transform ``û(ξ) = Σ_j q_j u_j exp(-2πi x_j·ξ)`` of the data, zero outside the points.

        Parameters
        ----------
        frequencies : array_like, shape (m, d)
            In cycles per unit length.

        Returns
        -------
        ndarray of complex, shape (m,) or (m, channels)
        """
        at = as_points(frequencies, self.dim, "frequencies")
        weighted = self.values * (self.weights if self.values.ndim == 1 else self.weights[:, None])
        if self.grid is not None:
            shape = (*self.grid.shape, *self.values.shape[1:])
            return grid_sums(self.grid.lower, self.grid.spacing, weighted.reshape(shape), at)
        return fourier_sums(self.points, weighted, at)

    @cached_property
    def extent(self) -> FloatArray:
        """Distance from the origin along each axis that holds all but 1e-4 of the energy, shape (d,)."""
        return np.array([_quantile(np.abs(x), self._energies(), 1 - OUTSIDE_EXTENT) for x in self.points.T])

    def mean_distance(self, power: float) -> FloatArray:
        """Power mean ``(∫ |x_i|^p u² / ∫ u²)^(1/p)`` of the distance from the origin along each axis, shape (d,)."""
        energies = self._energies()
        total = energies.sum()
        shares = energies / total if total > 0 else np.full(len(energies), 1 / len(energies))
        largest = np.max(np.abs(self.points), axis=0)
        scale = np.where(largest > 0, largest, 1.0)
        return np.asarray(largest * (shares @ (np.abs(self.points) / scale) ** power) ** (1 / power))

    @cached_property
    def bandwidth(self) -> FloatArray:
        """Frequency along each axis below which lies all but 1e-6 of the energy, shape (d,).

        Never more than the sampling resolves: half a cycle per grid spacing, or half a cycle per mean
        distance of scattered points.
        """
        # The modulus of a spectrum varies over the inverse length of the data: two points for that.
        lengths = np.ptp(self.points, axis=0)
        if not np.all(lengths > 0):
            raise ValueError(
                "all points share a coordinate, so the data have no band along that axis: "
                "give points that span every axis"
            )
        step = 0.5 / lengths
        limit = self.nyquist
        axes = [
            np.arange(0.0, high + h, h) if i == 0 else np.arange(-high, high + h, h)
            for i, (high, h) in enumerate(zip(limit, step, strict=True))
        ]
        frequencies = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.dim)
        spectrum = self.spectrum(frequencies)
        energies = np.sum(np.abs(spectrum.reshape(len(frequencies), -1)) ** 2, axis=1)
        widths = [_quantile(np.abs(xi), energies, 1 - OUTSIDE_BANDWIDTH) for xi in frequencies.T]
        return np.minimum(widths, limit)

    @property
    def nyquist(self) -> FloatArray:
        """Largest frequency along each axis that the sampling resolves, shape (d,)."""
        if self.grid is not None:
            return 0.5 / self.grid.spacing
        lengths = np.ptp(self.points, axis=0)
        return np.asarray(0.5 * len(self.points) ** (1 / self.dim) / lengths)

    def _energies(self) -> FloatArray:
        squares = self.values**2 if self.values.ndim == 1 else np.sum(self.values**2, axis=1)
        return self.weights * squares


def _require_points_of(grid: Grid, points: FloatArray) -> None:
    """Insist that points are as many as those of a grid, and begin and end where it does."""
    last = grid.lower + grid.spacing * (np.asarray(grid.shape) - 1)
    if points.shape != (int(np.prod(grid.shape)), len(grid.shape)) or not np.all(
        np.abs(points[[0, -1]] - [grid.lower, last]) <= 1e-6 * grid.spacing
    ):
        raise ValueError(
            f"the points are not those of the grid of shape {grid.shape} from {grid.lower.tolist()} to "
            f"{last.tolist()}: give grid.points, or no grid"
        )


def _quantile(positions: FloatArray, energies: FloatArray, fraction: float) -> float:
    order = np.argsort(positions)
    cumulative = np.cumsum(energies[order])
    if cumulative[-1] == 0:
        return float(positions.max())
    return float(positions[order[np.searchsorted(cumulative, fraction * cumulative[-1])]])
