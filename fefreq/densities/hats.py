"""Uniform grids and the hat functions on them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.support.arrays import FloatArray, real_array


def checked_grid(axes: object, values: ArrayLike) -> tuple[tuple[FloatArray, ...], FloatArray]:
    """Copy nodes and samples, and insist on uniform axes, matching shapes and no negative values."""
    if not isinstance(axes, Iterable) or isinstance(axes, (str, bytes)):
        raise TypeError(f"axes must be a sequence of arrays, one per dimension, not {axes!r}")
    checked = tuple(real_array(axis, f"axes[{i}]").copy() for i, axis in enumerate(axes))
    if not checked:
        raise ValueError("axes must hold one array of nodes per dimension, but there is none")
    for i, axis in enumerate(checked):
        if np.ndim(axis) != 1 or len(axis) < 2:
            raise ValueError(
                f"axes[{i}] must be an array of at least two nodes, but its shape is {axis.shape}; "
                "in one dimension write axes=(nodes,)"
            )
        steps = np.diff(axis)
        if not np.all(steps > 0.0) or np.ptp(steps) > 1e-6 * steps.mean():
            raise ValueError(
                f"axes[{i}] must be increasing and equally spaced, but its steps run from {steps.min():g} "
                f"to {steps.max():g}"
            )
    table = real_array(values, "values").copy()
    shape = tuple(len(axis) for axis in checked)
    if table.shape != shape:
        raise ValueError(f"values must have the shape of the grid {shape}, but theirs is {table.shape}")
    if np.any(table < 0.0):
        raise ValueError(f"values of a density must be at least 0, but the smallest is {table.min():g}")
    if not np.any(table):
        raise ValueError("values are all zero; a density needs a positive one")
    return checked, table


def spacing(axis: FloatArray) -> float:
    """Distance between neighbouring nodes."""
    return float(axis[-1] - axis[0]) / (len(axis) - 1)


def symmetric_axis(edge: float, count: int) -> FloatArray:
    """``count`` equally spaced nodes from ``-edge`` to ``edge``, symmetric to the bit."""
    return edge * ((2.0 * np.arange(count) - (count - 1)) / (count - 1))


def node_volumes(axes: tuple[FloatArray, ...]) -> FloatArray:
    """Integrals of the hats: the trapezoidal weights of the grid."""
    volumes = np.ones(())
    for axis in axes:
        weights = np.full(len(axis), spacing(axis))
        weights[[0, -1]] *= 0.5
        volumes = np.multiply.outer(volumes, weights)
    return volumes


def locate(axis: FloatArray, coordinate: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Cell of every coordinate, clipped to the grid, and the place in that cell between 0 and 1."""
    place = np.clip((coordinate - axis[0]) / spacing(axis), 0.0, len(axis) - 1.0)
    cell = np.minimum(place.astype(np.intp), len(axis) - 2)
    return cell, place - cell
