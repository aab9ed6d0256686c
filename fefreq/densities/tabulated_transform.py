"""Fourier transform of a multilinear interpolant on a uniform grid.

A hat of width h at node ξ_k has the transform h sinc²(hz) exp(-2πi ξ_k z). At the ends of an axis only the
inner half of the hat is left, and with θ = 2πhz its transform is

    h [½ sinc²(hz) ∓ i q(θ)] exp(-2πi ξ_k z),   q(θ) = (θ - sin θ)/θ²   (- at the lower end, + at the upper
    one).

Summed over the nodes, the terms with sinc² and with q are each a trigonometric sum on a uniform grid, which a
non-uniform fast Fourier transform evaluates at many z at once.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from fefreq.densities.hats import spacing
from fefreq.support.arrays import ComplexArray, FloatArray

_CHUNK_BYTES = 2**26
_FAST_FROM = 3e8  # products of one node and one z, about a tenth of a second
_EXPONENTIAL = 100  # products that take the time of one complex exponential


def table_transform(axes: tuple[FloatArray, ...], values: FloatArray, z: FloatArray) -> FloatArray:
    """∫ ρ(ξ) cos(2π ξ·z) dξ of the symmetric interpolant ρ of ``values``.

    Parameters
    ----------
    axes : tuple of d arrays
        Uniform nodes, symmetric about 0.
    values : ndarray
        Samples on the grid.
    z : ndarray
        Shape ``(n, d)``.

    Returns
    -------
    ndarray
        Shape ``(n,)``; exact to rounding, or to 1e-12 of the mass where the fast transform takes over.
    """
    work = len(z) * (values.size + _EXPONENTIAL * sum(values.shape))
    if len(axes) <= 3 and work > _FAST_FROM:
        return fast_transform(axes, values, z)
    return direct_transform(axes, values, z)


def direct_transform(axes: tuple[FloatArray, ...], values: FloatArray, z: FloatArray) -> FloatArray:
    """Evaluate the sum node by node, in chunks of bounded memory."""
    result = np.empty(len(z))
    rows = max(1, _CHUNK_BYTES // (16 * (max(values.shape) + values[0].size)))
    for start in range(0, len(z), rows):
        part = z[start : start + rows]
        table = _hats(axes[0], part[:, 0]) @ values.reshape(len(axes[0]), -1)
        for axis, coordinate in zip(axes[1:], part.T[1:], strict=True):
            table = table.reshape(len(part), len(axis), -1)
            table = (_hats(axis, coordinate)[:, None, :] @ table)[:, 0, :]
        result[start : start + rows] = table[:, 0].real
    return result


def fast_transform(axes: tuple[FloatArray, ...], values: FloatArray, z: FloatArray) -> FloatArray:
    """Evaluate the sum by one non-uniform FFT per choice of sinc² or q on each of at most three axes."""
    import finufft

    transform = (finufft.nufft1d2, finufft.nufft2d2, finufft.nufft3d2)[len(axes) - 1]
    shift = np.ones(len(z), dtype=np.complex128)
    angles, factors = [], []
    for axis, coordinate in zip(axes, z.T, strict=True):
        turns = spacing(axis) * coordinate
        angles.append(np.ascontiguousarray(2.0 * math.pi * (turns - np.rint(turns))))
        factors.append([spacing(axis) * factor for factor in _inner_and_edge(turns)])
        if len(axis) % 2 == 0:  # nodes lie half-way between the integer modes of the transform
            shift *= np.exp(-1j * math.pi * turns)
    total = np.zeros(len(z))
    for choice in itertools.product((0, 1), repeat=len(axes)):
        modes = values.astype(np.complex128)
        for j, edge in enumerate(choice):
            moved = np.moveaxis(modes, j, 0)  # a view
            if edge:
                moved[1:-1] = 0.0
            moved[0] *= -1j if edge else 0.5
            moved[-1] *= 1j if edge else 0.5
        if np.any(modes):
            factor = np.prod([factors[j][edge] for j, edge in enumerate(choice)], axis=0)
            total += factor * (shift * transform(*angles, modes, isign=-1, eps=1e-13)).real
    return total


def _hats(axis: FloatArray, z: FloatArray) -> ComplexArray:
    """Transform of every hat (columns) at every z (rows)."""
    inner, edge = _inner_and_edge(spacing(axis) * z)
    result = np.asarray(spacing(axis) * np.exp(-2j * math.pi * np.outer(z, axis)), dtype=np.complex128)
    result[:, 1:-1] *= inner[:, None]
    result[:, 0] *= 0.5 * inner - 1j * edge
    result[:, -1] *= 0.5 * inner + 1j * edge
    return result


def _inner_and_edge(turns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """sinc² and q at θ = 2π · turns."""
    theta = 2.0 * math.pi * turns
    small = np.abs(theta) < 0.02
    safe = np.where(small, 1.0, theta)
    series = theta / 6.0 * (1.0 - theta**2 / 20.0 * (1.0 - theta**2 / 42.0))
    return np.sinc(turns) ** 2, np.where(small, series, (safe - np.sin(safe)) / safe**2)
