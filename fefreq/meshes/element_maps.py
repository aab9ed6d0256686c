"""The maps from reference cells to cells, for many points at once: values, derivatives, small linear systems."""

from __future__ import annotations

from typing import Any

import numpy as np

from fefreq.support.arrays import FloatArray


def map_points(element: Any, nodes: FloatArray, local: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Image ``(dim, n)`` and Jacobian ``(dim, dim, n)`` of element maps with ``nodes (dim, nodes, n)``."""
    dim, count, n = nodes.shape
    image = np.zeros((dim, n))
    jacobian = np.zeros((dim, dim, n))
    for i in range(count):
        value, gradient = element.lbasis(local, i)
        image += nodes[:, i] * value
        jacobian += nodes[:, None, i] * np.reshape(gradient, (1, dim, -1))
    return image, jacobian


def solve_columns(jacobian: FloatArray, residual: FloatArray) -> FloatArray:
    """Solve one system of ``dim`` equations per column by cofactors; not finite where singular."""
    columns = [jacobian[:, j] for j in range(len(residual))]
    if len(columns) == 1:
        return residual / columns[0]
    if len(columns) == 2:
        a, b = columns
        cofactors = np.array([[b[1], -b[0]], [-a[1], a[0]]])
    else:
        a, b, c = columns
        cofactors = np.array([np.cross(u, v, axis=0) for u, v in ((b, c), (c, a), (a, b))])
    determinant = (cofactors[0] * columns[0]).sum(axis=0)
    solution: FloatArray = np.einsum("ijn,jn->in", cofactors, residual) / determinant
    return solution


def into_cell(local: FloatArray, simplex: bool) -> FloatArray:
    """Bring coordinates that left the reference cell back to its boundary."""
    if not simplex:
        return np.clip(local, 0.0, 1.0)
    local = np.maximum(local, 0.0)
    local /= np.maximum(local.sum(axis=0), 1.0)
    return local
