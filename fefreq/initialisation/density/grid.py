"""Grids of frequencies on which densities are designed, and the energy of a target on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fefreq.densities.base import positive
from fefreq.densities.hats import node_volumes, symmetric_axis
from fefreq.support.arrays import FloatArray
from fefreq.support.memory import require_memory

if TYPE_CHECKING:
    from fefreq.targets.target import Target

LARGEST_DIM = 3
# Nodes per oscillation: the energy spectrum of data of length S has period 1/S at least. Two are enough for its
# integral, more for its shape.
ENOUGH_NODES = 2.0
NODES_PER_OSCILLATION = {1: 4.0, 2: ENOUGH_NODES, 3: ENOUGH_NODES}
# Energies below this share of the largest are rounding of the transform.
ROUNDING = 1e-24


@dataclass(frozen=True, eq=False)
class SpectrumGrid:
    """Nodes of a density, and the energy ``|f̂|²`` of a target on the same nodes and others between them.

    Attributes
    ----------
    axes : tuple of d arrays
        Nodes of the density along each axis, symmetric about 0.
    parts : tuple of d int
        Into how many the distance between nodes is divided for the energy.
    energy : ndarray
        On the divided grid, summed over channels.
    total : float
        Energy of the target altogether.
    """

    axes: tuple[FloatArray, ...]
    parts: tuple[int, ...]
    energy: FloatArray
    total: float

    @classmethod
    def of(cls, target: Target, distance: float | None, half_width: float | None) -> SpectrumGrid:
        """Lay nodes over the band that the sampling resolves, or the given part of it.

        Raises
        ------
        ValueError
            If distance or half-width are unusable, memory does not suffice, or the target has no finite energy.
        """
        if target.dim > LARGEST_DIM:
            raise ValueError(f"densities are designed in up to {LARGEST_DIM} dimensions, not {target.dim}")
        lengths = np.ptp(target.points, axis=0)
        if not np.all(lengths > 0):
            raise ValueError("all points share a coordinate: give points that span every axis")
        limits = target.nyquist
        if half_width is not None:
            asked = positive(half_width, "half_width")
            if asked > np.max(limits) * (1 + 1e-9):
                raise ValueError(
                    f"half_width is {asked:g}, but the data resolve no more than {np.max(limits):.4g} cycles per "
                    "unit length: give at most that"
                )
            limits = np.minimum(limits, asked)
        if distance is None:
            steps = 1.0 / (NODES_PER_OSCILLATION[target.dim] * lengths)
        else:
            steps = np.full(target.dim, positive(distance, "spacing"))
        if np.any(steps > limits):
            raise ValueError(
                f"nodes {np.max(steps):g} apart do not fit into a band of half-width {np.min(limits):g}: give a "
                "smaller spacing"
            )
        cells = np.ceil(limits / steps - 1e-9)
        parts = np.maximum(np.ceil(ENOUGH_NODES * lengths * limits / cells - 1e-9), 1)
        nodes = float(np.prod(2 * cells * parts + 1))
        # Frequencies, the spectrum of each channel and a few arrays of energies and densities.
        require_memory(
            nodes * (8 * target.dim + 16 * (target.channels or 1) + 64),
            f"the spectrum on {nodes:.3g} frequencies",
            "design for data with fewer points, or a smaller half_width",
        )
        sizes = [(float(limit), int(n), int(p)) for limit, n, p in zip(limits, cells, parts, strict=True)]
        fine = tuple(symmetric_axis(limit, 2 * n * p + 1) for limit, n, p in sizes)
        return cls(
            axes=tuple(symmetric_axis(limit, 2 * n + 1) for limit, n, _ in sizes),
            parts=tuple(p for _, _, p in sizes),
            energy=energies(target, fine),
            total=target.energy,
        )

    @cached_property
    def volumes(self) -> FloatArray:
        """Volume of every node."""
        return node_volumes(self.axes)

    @cached_property
    def node_energy(self) -> FloatArray:
        """Mean energy around every node, weighted by its hat function."""
        return np.asarray(self._gathered(self._fine_volumes * self.energy) / self.volumes)

    def trimmed(self, values: FloatArray, factor: float, nodes: int) -> SpectrumGrid:
        """The grid as far as a density of these values reaches, times a factor, and some nodes farther."""
        axes, region = [], []
        for j, (axis, part) in enumerate(zip(self.axes, self.parts, strict=True)):
            middle = len(axis) // 2
            others = tuple(k for k in range(len(self.axes)) if k != j)
            reach = int(np.max(np.abs(np.flatnonzero(np.any(values > 0, axis=others)) - middle)))
            count = min(middle, int(factor * reach) + nodes)
            axes.append(symmetric_axis(float(axis[middle + count]), 2 * count + 1))
            region.append(slice((middle - count) * part, (middle + count) * part + 1))
        return SpectrumGrid(tuple(axes), self.parts, self.energy[tuple(region)], self.total)

    def damped(self, values: FloatArray, exponent: float) -> tuple[float, FloatArray]:
        """Share of the energy that damping alone leaves, with the derivatives by the node values.

        What lies outside of the grid stays. The density between nodes is the multilinear interpolant.
        """
        shares = self._fine_volumes * self.energy / self.total
        left = shares * np.exp(-exponent * self._spread(values))
        outside = max(1.0 - float(np.sum(shares)), 0.0)
        return outside + float(np.sum(left)), self._gathered(-exponent * left)

    @cached_property
    def _fine_volumes(self) -> FloatArray:
        return node_volumes(
            tuple(
                symmetric_axis(float(axis[-1]), part * (len(axis) - 1) + 1)
                for axis, part in zip(self.axes, self.parts, strict=True)
            )
        )

    def _spread(self, values: FloatArray) -> FloatArray:
        """Interpolate node values to the divided grid."""
        for j, part in enumerate(self.parts):
            if part > 1:
                rows = np.moveaxis(values, j, -1)
                coarse = np.arange(rows.shape[-1])
                fine = np.arange(part * (rows.shape[-1] - 1) + 1) / part
                cell = np.minimum(fine.astype(np.intp), coarse[-1] - 1)
                share = fine - cell
                values = np.moveaxis(rows[..., cell] * (1 - share) + rows[..., cell + 1] * share, -1, j)
        return values

    def _gathered(self, values: FloatArray) -> FloatArray:
        """Adjoint of the interpolation: sums over the divided grid, weighted by the hats of the nodes."""
        for j, part in enumerate(self.parts):
            if part > 1:
                rows = np.moveaxis(values, j, -1)
                count = (rows.shape[-1] - 1) // part + 1
                padded = np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(part, part)])
                hat = 1 - np.abs(np.arange(-part, part + 1)) / part
                sums = [
                    weight * padded[..., k : k + part * (count - 1) + 1 : part]
                    for k, weight in enumerate(hat)
                ]
                values = np.moveaxis(np.sum(sums, axis=0), -1, j)
        return values


def energies(target: Target, axes: tuple[FloatArray, ...]) -> FloatArray:
    """``|f̂|²`` on a grid, summed over channels; what is nothing but rounding is 0.

    Raises
    ------
    ValueError
        If it is zero everywhere, or not finite.
    """
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, target.dim)
    with np.errstate(over="ignore"):
        found = np.sum(np.abs(target.spectrum(nodes).reshape(len(nodes), -1)) ** 2, axis=1)
    largest = float(np.max(found))
    if largest == 0:
        raise ValueError(
            "the target is zero, so there is nothing to learn and no density is better than another"
        )
    if not np.isfinite(largest):
        raise ValueError("the energy of the target is too large for double precision: scale its values")
    table = np.where(found > ROUNDING * largest, found, 0.0).reshape([len(axis) for axis in axes])
    return np.asarray(0.5 * (table + np.flip(table)))
