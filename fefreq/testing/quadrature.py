"""Quadrature over frequency whose panels end where a density has its edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fefreq.support.arrays import FloatArray

Edges = Sequence[FloatArray]


def gauss(edges: FloatArray, order: int = 6) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights of a composite Gauss-Legendre rule, exact for polynomials of degree 11 on each panel.

    >>> nodes, weights = gauss(np.array([0.0, 1.0, 3.0]))
    >>> round(float(weights @ nodes**3), 12)
    20.25
    """
    place, weight = np.polynomial.legendre.leggauss(order)
    half = 0.5 * np.diff(edges)[:, None]
    return (edges[:-1, None] + half * (1.0 + place)).ravel(), (half * weight).ravel()


def box_rule(edges: Edges) -> tuple[FloatArray, FloatArray]:
    """Nodes ``(k, d)`` and weights on a box; by symmetry half of the first axis stands for all of it.

    Parameters
    ----------
    edges : sequence of d arrays
        Ends of the panels along each axis, from 0 upwards; the panels are mirrored.
    """
    rules = [gauss(edges[0]), *(gauss(np.concatenate([-e[:0:-1], e])) for e in edges[1:])]
    nodes = np.stack(np.meshgrid(*(rule[0] for rule in rules), indexing="ij"), axis=-1)
    weights = 2.0 * np.ones(1)
    for rule in rules:
        weights = np.outer(weights, rule[1]).ravel()
    return nodes.reshape(-1, len(edges)), weights


def polar_rule(edges: FloatArray, dim: int, angles: int = 64) -> tuple[FloatArray, FloatArray]:
    """Nodes ``(k, d)`` and weights on a ball, panels along the radius; in up to three dimensions."""
    radius, weight = gauss(edges)
    turn = 2.0 * np.pi * (np.arange(angles) + 0.5) / angles
    if dim == 1:
        direction, share = np.array([[1.0], [-1.0]]), np.ones(2)
    elif dim == 2:
        direction = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        share = np.full(angles, 2.0 * np.pi / angles)
    else:
        height, shares = np.polynomial.legendre.leggauss(angles // 2)
        across = np.sqrt(1.0 - height**2)[:, None]
        direction = np.stack(
            [across * np.cos(turn), across * np.sin(turn), height[:, None] + 0.0 * turn], axis=-1
        ).reshape(-1, 3)
        share = np.repeat(shares, angles) * 2.0 * np.pi / angles
    nodes = (radius[:, None, None] * direction).reshape(-1, dim)
    return nodes, np.outer(weight * radius ** (dim - 1), share).ravel()
