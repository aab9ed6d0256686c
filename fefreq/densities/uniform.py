"""Uniform density on a box or a ball: one rate of learning for a whole band."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fefreq.densities.base import Density, ball_radius, dimension, draws, positive, probability, squared_norm
from fefreq.densities.product_ball import cube_ball_mass
from fefreq.support.arrays import FloatArray, as_points


@dataclass(frozen=True)
class Uniform(Density):
    """Constant on the box ``[-W, W]^d`` or on the ball of radius W, zero outside.

    κ(z) = Π_j sin(2πW z_j) / (2πW z_j) for the box and 0F1(d/2 + 1; -(πW|z|)²), that is
    Γ(d/2+1) J_{d/2}(x) (2/x)^(d/2) with x = 2πW|z|, for the ball. In one dimension they are the same.

    Parameters
    ----------
    half_width : float
        Half-width W of the box or radius of the ball, cycles per unit length.
    dim : int
        Dimension d.
    shape : {"box", "ball"}
        Which of the two.

    Raises
    ------
    ValueError
        If the half-width is not positive and finite, the dimension below 1 or the shape unknown.

    Examples
    --------
    >>> Uniform(half_width=8.0, dim=2).breakpoints
    (8.0,)
    """

    half_width: float
    dim: int = 1
    shape: Literal["box", "ball"] = "box"
    kind: Literal["uniform"] = field(default="uniform", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self._store(half_width=positive(self.half_width, "half_width"), dim=dimension(self.dim))
        if self.shape not in ("box", "ball"):
            raise ValueError(f'shape must be "box" or "ball", but it is {self.shape!r}')

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ, the edge included; see :meth:`Density.pdf`."""
        xi = as_points(frequencies, self.dim, "frequencies")
        inside = np.max(np.abs(xi), axis=1) if self._is_box else np.sqrt(squared_norm(xi))
        return np.where(inside <= self.half_width, self.maximum, 0.0)

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies; see :meth:`Density.sample`."""
        count = draws(count, rng)
        if self._is_box:
            return rng.uniform(-self.half_width, self.half_width, (count, self.dim))
        direction = rng.standard_normal((count, self.dim))
        direction /= np.sqrt(squared_norm(direction))[:, None]
        return self.half_width * rng.random((count, 1)) ** (1.0 / self.dim) * direction

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ; see :meth:`Density.characteristic`."""
        z = as_points(separations, self.dim, "separations") * self.half_width
        if self._is_box:
            return np.asarray(np.prod(np.sinc(2.0 * z), axis=1), dtype=np.float64)
        return np.asarray(
            special.hyp0f1(0.5 * self.dim + 1.0, -(math.pi**2) * squared_norm(z)), dtype=np.float64
        )

    def mass_within(self, radius: float) -> float:
        """Mass of a ball; in a box, the ball is cut by the faces."""
        if ball_radius(radius) >= self.support_radius:
            return 1.0
        share = radius / self.half_width
        return cube_ball_mass(share, self.dim) if self._is_box else share**self.dim

    def radius(self, mass: float) -> float:
        """Quantile radius, in closed form for the ball."""
        return (
            super().radius(mass) if self._is_box else self.half_width * probability(mass) ** (1.0 / self.dim)
        )

    @property
    def support_radius(self) -> float:
        """Distance from the origin to the corners of the box, or the radius of the ball."""
        return self.half_width * (math.sqrt(self.dim) if self._is_box else 1.0)

    @property
    def support_box(self) -> tuple[float, ...]:
        """The half-width, once per axis."""
        return (self.half_width,) * self.dim

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """The half-width; a ball in two or more dimensions jumps on no plane."""
        return (self.half_width,) if self._is_box else ()

    @property
    def maximum(self) -> float:
        """Inverse volume of the support."""
        unit = (
            2.0**self.dim if self._is_box else math.pi ** (0.5 * self.dim) / math.gamma(0.5 * self.dim + 1.0)
        )
        return 1.0 / (unit * self.half_width**self.dim)

    @property
    def _is_box(self) -> bool:
        return self.shape == "box" or self.dim == 1
