"""What an operator annihilates: bounded functions that its residual cannot see."""

from __future__ import annotations

import numpy as np

from fefreq.operators.differential_operator import DifferentialOperator
from fefreq.support.arrays import FloatArray

DIRECTIONS = 64
SMALL = 1e-6  # double roots are known to half the digits


def annihilated(operator: DifferentialOperator) -> str | None:
    """Name functions that a operator maps to zero, or None if none is found.

    A plane wave is one of them where the symbol vanishes; zeros are looked for along the axes, the diagonals and some
    other directions, which finds every surface of zeros that closes around the origin or passes through it.

    >>> from fefreq.operators import helmholtz, laplacian
    >>> annihilated(laplacian(2))
    'constants'
    >>> annihilated(helmholtz(np.pi, 1))
    'plane waves of |ξ| = 0.5, as along (1)'
    """
    if operator.constant == 0.0:
        return "constants"
    for direction in _directions(operator.dim):
        radius = _zero_along(operator, direction)
        if radius is not None:
            along = ", ".join(f"{entry:.3g}" for entry in direction)
            return f"plane waves of |ξ| = {radius:.3g}, as along ({along})"
    return None


def _directions(dim: int) -> FloatArray:
    corners = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * min(dim, 4), indexing="ij"), axis=-1).reshape(
        -1, min(dim, 4)
    )
    corners = np.pad(corners[np.any(corners != 0, axis=1)], ((0, 0), (0, max(dim - 4, 0))))
    others = np.random.default_rng(0).standard_normal((DIRECTIONS if dim > 1 else 0, dim))
    rows = np.concatenate([np.eye(dim), corners, others])
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _zero_along(operator: DifferentialOperator, direction: FloatArray) -> float | None:
    """Smallest positive ``r`` with ``p(r e) = 0``, from the roots of real and imaginary part."""
    parts = np.zeros((2, operator.order + 1))
    for index, value in operator.coefficients.items():
        order = sum(index)
        power = value * float(np.prod((2 * np.pi * direction) ** np.array(index)))
        parts[order % 2, order] += power * (-1) ** (order // 2)
    scale = np.abs(parts).max()
    parts[np.abs(parts) < 1e-14 * scale] = 0.0
    kinds = [part for part in parts if np.any(part)]
    roots = np.roots(kinds[0][::-1])
    real = np.sort(roots.real[(np.abs(roots.imag) < SMALL * np.abs(roots)) & (roots.real > 0)])
    for radius in real:
        powers = float(radius) ** np.arange(operator.order + 1)
        if all(abs(part @ powers) < SMALL * (np.abs(part) @ powers) for part in kinds):
            return float(radius)
    return None
