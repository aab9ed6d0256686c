"""Density from samples on a grid.

The multilinear interpolant of node values is a mixture of products of hat functions, one per node. Hats have
closed Fourier transforms and triangular laws, so the characteristic function and the sampling (a node, then a
triangular offset per axis) are exact for the interpolant.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density, ball_radius, draws
from fefreq.densities.hats import checked_grid, locate, node_volumes, spacing, symmetric_axis
from fefreq.densities.tabulated_ball import table_ball_mass
from fefreq.densities.tabulated_transform import table_transform
from fefreq.support.arrays import FloatArray, as_points
from fefreq.support.schema import ArrayField

_SYMMETRY_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Tabulated(Density):
    """Multilinear interpolant of samples on a uniform grid, zero outside it, scaled to mass one.

    Parameters
    ----------
    axes : sequence of d arrays
        Nodes along each axis: at least two, increasing, equally spaced, symmetric about 0; cycles per unit
        length.
    values : array_like
        Samples of ρ up to a factor, on the grid: at least 0, not all 0, unchanged under ξ → -ξ.

    Raises
    ------
    TypeError
        If an array is not of real numbers.
    ValueError
        If shapes do not fit, an axis is not uniform or not symmetric, or values are negative, not finite, all
        zero or not symmetric.

    Examples
    --------
    >>> triangle = Tabulated(axes=([-2.0, 0.0, 2.0],), values=[0.0, 7.0, 0.0])
    >>> triangle.pdf([0.0, 1.0, 3.0])
    array([0.5 , 0.25, 0.  ])
    """

    axes: tuple[Annotated[FloatArray, ArrayField], ...]
    values: Annotated[FloatArray, ArrayField]
    kind: Literal["tabulated"] = field(default="tabulated", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        axes, values = checked_grid(self.axes, self.values)
        for i, axis in enumerate(axes):
            if abs(axis[0] + axis[-1]) > _SYMMETRY_TOLERANCE * (axis[-1] - axis[0]):
                raise ValueError(
                    f"axes[{i}] must be symmetric about 0, but it runs from {axis[0]:g} to {axis[-1]:g}; "
                    "Tabulated.symmetrised(axes, values) completes a grid"
                )
        mirrored = np.flip(values)
        asymmetry, largest = float(np.max(np.abs(values - mirrored))), float(np.max(values))
        if asymmetry > _SYMMETRY_TOLERANCE * largest:
            raise ValueError(
                f"values must not change under ξ -> -ξ, but they differ by up to {asymmetry:g} "
                f"(largest value {largest:g}); Tabulated.symmetrised(axes, values) averages the two"
            )
        axes = tuple(symmetric_axis(0.5 * (axis[-1] - axis[0]), len(axis)) for axis in axes)
        values = 0.5 * (values + mirrored)
        mass = float(np.sum(values * node_volumes(axes)))
        # A table that is normalised already is kept to the bit, so that a stored one is read back unchanged.
        if abs(mass - 1.0) > 1e-13:
            values = values / mass
        for array in (*axes, values):
            array.flags.writeable = False
        self._store(axes=axes, values=values)

    @classmethod
    def symmetrised(cls, axes: Iterable[ArrayLike], values: ArrayLike) -> Self:
        """Build the density ½ (ρ(ξ) + ρ(-ξ)) from samples that need not be symmetric.

        A grid that is not symmetric, such as the shifted frequencies of an even-sized discrete transform, is
        completed with nodes of value 0.

        Parameters
        ----------
        axes, values
            As for the class, without the demand for symmetry.

        Raises
        ------
        ValueError
            As for the class, and if the mirror image of a node would fall between nodes.

        Examples
        --------
        >>> Tabulated.symmetrised(([-1.0, 0.0],), [2.0, 2.0]).values
        array([0.33333333, 0.66666667, 0.33333333])
        """
        grid, samples = checked_grid(axes, values)
        completed = []
        padding = []
        for i, axis in enumerate(grid):
            shift = (axis[0] + axis[-1]) / spacing(
                axis
            )  # missing nodes: below if positive, above if negative
            missing = round(shift)
            if abs(shift - missing) > 1e-6:
                raise ValueError(
                    f"axes[{i}] must have 0 on a node or half-way between two, so that it mirrors onto itself"
                )
            below, above = max(missing, 0), max(-missing, 0)
            count = len(axis) + below + above
            completed.append(symmetric_axis(0.5 * spacing(axis) * (count - 1), count))
            padding.append((below, above))
        padded = np.pad(samples, padding)
        return cls(tuple(completed), 0.5 * (padded + np.flip(padded)))

    def __eq__(self, other: object) -> bool:
        """Compare nodes and values entry by entry."""
        if not isinstance(other, Tabulated):
            return NotImplemented
        mine, theirs = (*self.axes, self.values), (*other.axes, other.values)
        return len(mine) == len(theirs) and all(map(np.array_equal, mine, theirs))

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((self.values.shape, self.values.tobytes()))

    @property
    def dim(self) -> int:
        """Number of axes of the grid."""
        return len(self.axes)

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ by multilinear interpolation, the edge included; see :meth:`Density.pdf`."""
        xi = as_points(frequencies, self.dim, "frequencies")
        inside = np.ones(len(xi), dtype=bool)
        cells, shares = [], []
        for axis, coordinate in zip(self.axes, xi.T, strict=True):
            # Rounding must not push a point on the edge out of the grid.
            inside &= np.abs(coordinate) <= axis[-1] * (1.0 + 1e-13)
            cell, share = locate(axis, coordinate)
            cells.append(cell)
            shares.append(share)
        result = np.zeros(len(xi))
        for corner in itertools.product((0, 1), repeat=self.dim):
            part = self.values[tuple(cell + bit for cell, bit in zip(cells, corner, strict=True))]
            for share, bit in zip(shares, corner, strict=True):
                part = part * (share if bit else 1.0 - share)
            result += part
        return result * inside

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies: a node by its mass, then a triangular offset; see :meth:`Density.sample`."""
        count = draws(count, rng)
        masses = (self.values * node_volumes(self.axes)).ravel()
        node = np.unravel_index(rng.choice(masses.size, count, p=masses / masses.sum()), self.values.shape)
        result = np.empty((count, self.dim))
        for j, (axis, index) in enumerate(zip(self.axes, node, strict=True)):
            offset = rng.random(count) + rng.random(count) - 1.0
            # Hats at the edge of the grid are cut: their offsets point inwards.
            offset = np.where(index == 0, np.abs(offset), offset)
            offset = np.where(index == len(axis) - 1, -np.abs(offset), offset)
            result[:, j] = axis[index] + spacing(axis) * offset
        return result

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ from the transforms of the hats; see :meth:`Density.characteristic`."""
        return table_transform(self.axes, self.values, as_points(separations, self.dim, "separations"))

    def mass_within(self, radius: float) -> float:
        """Mass of a ball: exact in one dimension, by quadrature to about five digits in more."""
        radius = ball_radius(radius)
        return 1.0 if radius >= self.support_radius else table_ball_mass(self.axes, self.values, radius)

    @property
    def support_radius(self) -> float:
        """Distance of the farthest corner of a cell in which ρ is not zero."""
        grid = np.meshgrid(*self.axes, indexing="ij", sparse=True)
        square = sum((coordinate**2 for coordinate in grid), np.zeros(()))
        return math.sqrt(float(np.max(np.where(self._touched(), square, 0.0))))

    @property
    def support_box(self) -> tuple[float, ...]:
        """Half-widths of the smallest box of cells in which ρ is not zero."""
        touched = self._touched()
        widths = []
        for j, axis in enumerate(self.axes):
            others = tuple(k for k in range(self.dim) if k != j)
            widths.append(float(np.max(np.abs(axis[np.any(touched, axis=others)]))))
        return tuple(widths)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Edges of the grid on which ρ does not vanish."""
        edges = {
            float(axis[-1]) for j, axis in enumerate(self.axes) if np.any(np.take(self.values, -1, axis=j))
        }
        return tuple(sorted(edges))

    @property
    def maximum(self) -> float:
        """Largest node value, which no interpolated value exceeds."""
        return float(np.max(self.values))

    def peak_candidates(self) -> tuple[FloatArray, float]:
        """All nodes, with the widest spacing of an axis."""
        grid = np.meshgrid(*self.axes, indexing="ij")
        return np.stack(grid, axis=-1).reshape(-1, self.dim), max(map(spacing, self.axes))

    def _touched(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Nodes that are corners of a cell in which ρ is not zero."""
        mask = self.values > 0.0
        for j in range(self.dim):
            moved = np.moveaxis(mask, j, 0)
            grown = moved.copy()
            grown[1:] |= moved[:-1]
            grown[:-1] |= moved[1:]
            mask = np.moveaxis(grown, 0, j)
        return mask
