"""Gaussian density, the usual initialisation of random Fourier features."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fefreq.densities.base import Density, ball_radius, dimension, draws, positive, probability, squared_norm
from fefreq.support.arrays import FloatArray, as_points


@dataclass(frozen=True)
class Gaussian(Density):
    """Isotropic Gaussian, ``ρ(ξ) = (2πs²)^(-d/2) exp(-|ξ|²/2s²)`` and ``κ(z) = exp(-2π²s²|z|²)``.

    Parameters
    ----------
    scale : float
        Standard deviation s of each component, cycles per unit length.
    dim : int
        Dimension d.

    Raises
    ------
    ValueError
        If the scale is not positive and finite, or the dimension below 1.

    Examples
    --------
    >>> round(Gaussian(scale=3.0).radius(0.9544997), 4)
    6.0
    """

    scale: float
    dim: int = 1
    kind: Literal["gaussian"] = field(default="gaussian", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self._store(scale=positive(self.scale, "scale"), dim=dimension(self.dim))

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ; see :meth:`Density.pdf`."""
        xi = as_points(frequencies, self.dim, "frequencies") / self.scale
        return self.maximum * np.exp(-0.5 * squared_norm(xi))

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies; see :meth:`Density.sample`."""
        count = draws(count, rng)
        return self.scale * rng.standard_normal((count, self.dim))

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ; see :meth:`Density.characteristic`."""
        z = as_points(separations, self.dim, "separations")
        return np.exp(-2.0 * (math.pi * self.scale) ** 2 * squared_norm(z))

    def mass_within(self, radius: float) -> float:
        """Mass of a ball: the regularised gamma function P(d/2, r²/2s²)."""
        return float(special.gammainc(0.5 * self.dim, 0.5 * (ball_radius(radius) / self.scale) ** 2))

    def radius(self, mass: float) -> float:
        """Quantile radius, by the inverse of the regularised gamma function."""
        mass, shape = probability(mass), 0.5 * self.dim
        # The complement keeps the digits of masses close to one.
        half = special.gammaincinv(shape, mass) if mass < 0.5 else special.gammainccinv(shape, 1.0 - mass)
        return float(self.scale * math.sqrt(2.0 * half))

    @property
    def maximum(self) -> float:
        """Value at the origin."""
        return float((2.0 * math.pi * self.scale**2) ** (-0.5 * self.dim))
