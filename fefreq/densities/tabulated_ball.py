"""Mass of a Euclidean ball under a multilinear interpolant on a uniform grid.

Along the first axis the interpolant is integrated exactly over the chord of the ball; the chords are summed
in angles, ξ_2 = r sin θ_2, ξ_3 = r cos θ_2 sin θ_3, ..., in which their lengths vary smoothly.
"""

from __future__ import annotations

import itertools

import numpy as np

from fefreq.densities.hats import locate, spacing
from fefreq.support.arrays import FloatArray

_NODES = 50_000  # of the whole angular rule
_GAUSS = np.polynomial.legendre.leggauss(4)


def table_ball_mass(axes: tuple[FloatArray, ...], values: FloatArray, radius: float) -> float:
    """P(|ξ| ≤ radius) of the interpolant of ``values`` on the grid of ``axes``.

    Parameters
    ----------
    axes : tuple of d arrays
        Uniform nodes, symmetric about 0.
    values : ndarray
        Normalised samples on the grid.
    radius : float
        At least 0.
    """
    if radius == 0.0:
        return 0.0
    nodes, weights = _chords(axes[1:], radius)
    chord = np.sqrt(np.maximum(radius**2 - np.einsum("nd,nd->n", nodes, nodes), 0.0))
    cells, shares = [], []
    for axis, coordinate in zip(axes[1:], nodes.T, strict=True):
        cell, share = locate(axis, coordinate)
        cells.append(cell)
        shares.append(share)
    width = spacing(axes[0])
    before = np.zeros_like(values)  # integral from the lower edge up to each node
    before[1:] = np.cumsum(0.5 * width * (values[1:] + values[:-1]), axis=0)
    total = np.zeros(len(nodes))
    for sign in (1.0, -1.0):
        cell, share = locate(axes[0], sign * chord)
        for corner in itertools.product((0, 1), repeat=len(axes) - 1):
            column = tuple(c + bit for c, bit in zip(cells, corner, strict=True))
            here, there = values[(cell, *column)], values[(cell + 1, *column)]
            part = before[(cell, *column)] + width * share * (here + 0.5 * share * (there - here))
            for s, bit in zip(shares, corner, strict=True):
                part = part * (s if bit else 1.0 - s)
            total += sign * part
    return min(1.0, float(np.sum(total * weights)))


def _chords(axes: tuple[FloatArray, ...], radius: float) -> tuple[FloatArray, FloatArray]:
    """Quadrature over the part of a ball in the grid: nodes ``(n, len(axes))`` and weights ``(n,)``."""
    nodes: list[FloatArray] = []
    rest, weights = np.full(1, radius), np.ones(1)
    for j, axis in enumerate(axes):
        panels = round(_NODES ** (1.0 / len(axes)) / len(_GAUSS[0]))
        place, share = _composite_rule(min(max(panels, 2), 500))
        if j == 0:  # by symmetry one half stands for both
            place = 0.5 * (1.0 + place)
        limit = np.arcsin(np.minimum(axis[-1] / rest, 1.0))
        theta = np.outer(limit, place)
        nodes = [np.repeat(node, len(place)) for node in nodes]
        nodes.append((rest[:, None] * np.sin(theta)).ravel())
        rest = (rest[:, None] * np.cos(theta)).ravel()
        weights = np.outer(weights * limit, share).ravel() * rest
    return np.stack(nodes, axis=1) if nodes else np.zeros((1, 0)), weights


def _composite_rule(panels: int) -> tuple[FloatArray, FloatArray]:
    """Gauss rule on equal panels of [-1, 1]: the integrand has kinks, so panels beat a higher order."""
    centres = (2.0 * np.arange(panels) + 1.0) / panels - 1.0
    place = (centres[:, None] + _GAUSS[0] / panels).ravel()
    return place, np.tile(_GAUSS[1] / panels, panels)
