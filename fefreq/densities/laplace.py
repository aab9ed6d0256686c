"""Laplace density: independent axes, each with exponential tails."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density, ball_radius, dimension, draws, positive
from fefreq.densities.product_ball import laplace_ball_mass
from fefreq.support.arrays import FloatArray, as_points


@dataclass(frozen=True)
class Laplace(Density):
    """Product of Laplace axes, ρ(ξ) = (2b)^-d exp(-Σ_j|ξ_j|/b) and κ(z) = Π_j 1 / (1 + (2πb z_j)²).

    The axes are independent on purpose. The isotropic multivariate Laplace law of statistics, with κ(z) =
    1/(1 + (2πb|z|)²), is unbounded at the origin as soon as d ≥ 2, and with it would be the diffusion and
    the damping of the equation over frequency.

    Parameters
    ----------
    scale : float
        Scale b of every axis, cycles per unit length; the standard deviation of a component is √2 b.
    dim : int
        Dimension d.

    Raises
    ------
    ValueError
        If the scale is not positive and finite, or the dimension below 1.

    Examples
    --------
    >>> Laplace(scale=0.5, dim=2).maximum
    1.0
    """

    scale: float
    dim: int = 1
    kind: Literal["laplace"] = field(default="laplace", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self._store(scale=positive(self.scale, "scale"), dim=dimension(self.dim))

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ; see :meth:`Density.pdf`."""
        xi = as_points(frequencies, self.dim, "frequencies") / self.scale
        return np.asarray(self.maximum * np.exp(-np.sum(np.abs(xi), axis=1)), dtype=np.float64)

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies; see :meth:`Density.sample`."""
        count = draws(count, rng)
        return rng.laplace(0.0, self.scale, (count, self.dim))

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ; see :meth:`Density.characteristic`."""
        angle = 2.0 * math.pi * self.scale * as_points(separations, self.dim, "separations")
        return np.asarray(1.0 / np.prod(1.0 + angle**2, axis=1), dtype=np.float64)

    def mass_within(self, radius: float) -> float:
        """Mass of a ball, by inversion of a Laplace transform."""
        share = ball_radius(radius) / self.scale
        return -math.expm1(-share) if self.dim == 1 else laplace_ball_mass(share, self.dim)

    @property
    def maximum(self) -> float:
        """Value at the origin."""
        return (2.0 * self.scale) ** (-self.dim)
