r"""Log-uniform density: as many frequencies in every octave, as positional encodings have them.

With ``Ω_d(t)`` the mean of ``cos(t e·z)`` over unit vectors e (``cos t`` in one dimension, ``J_0(t)`` in two,
``sin t / t`` in three), the characteristic function of frequencies whose modulus is log-uniform between a and b is

    κ(z) = 1/log(b/a) ∫_a^b Ω_d(2πr|z|) dr/r = 1 - [I_d(2πb|z|) - I_d(2πa|z|)] / log(b/a) ,
    I_d(x) = ∫_0^x (1 - Ω_d(t)) dt/t .

In one dimension ``I_1(x) = γ + log x - Ci(x)`` with the cosine integral Ci, in two ``I_2`` is an integral of Bessel
functions, and ``t Ω_{d+2}' = d (Ω_d - Ω_{d+2})`` carries both to every dimension:
``I_{d+2}(x) = I_d(x) - (1 - Ω_{d+2}(x)) / d``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from fefreq.densities.base import Density, ball_radius, dimension, draws, positive, probability, squared_norm
from fefreq.support.arrays import FloatArray, as_points

# Closer limits than this would cost the characteristic function its digits.
SMALLEST_RATIO = 1.001
# Below, the series of 1 - cos t is exact to rounding with three terms, and γ + log x - Ci(x) cancels.
SMALL = 0.02


@dataclass(frozen=True)
class LogUniform(Density):
    """Modulus log-uniform between two limits, direction uniform: as many frequencies in every octave between them.

    In one dimension ``ρ(ξ) = 1 / (2|ξ| log(b/a))`` for ``a ≤ |ξ| ≤ b``, a power ``|ξ|^-d`` in d dimensions, and
    ``κ(z) = [Ci(2πb|z|) - Ci(2πa|z|)] / log(b/a)`` in one, Ci the cosine integral. Frequencies below the lower limit
    are not drawn, so that means and slow trends are learned late.

    Parameters
    ----------
    lower, upper : float
        Limits a and b of the modulus, cycles per unit length; b at least 1.001 a.
    dim : int
        Dimension d.

    Raises
    ------
    ValueError
        If a limit is not positive and finite, the upper one is not above the lower one by 0.1 %, or the dimension
        is below 1.

    Examples
    --------
    >>> octaves = LogUniform(lower=1.0, upper=16.0)
    >>> [round(octaves.radius(mass), 6) for mass in (0.25, 0.5, 0.75)]
    [2.0, 4.0, 8.0]
    """

    lower: float
    upper: float
    dim: int = 1
    kind: Literal["log-uniform"] = field(default="log-uniform", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self._store(
            lower=positive(self.lower, "lower"),
            upper=positive(self.upper, "upper"),
            dim=dimension(self.dim),
        )
        if not self.upper >= SMALLEST_RATIO * self.lower:
            raise ValueError(
                f"upper must be at least {SMALLEST_RATIO} times lower, but they are {self.upper} and {self.lower}"
            )

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ, the limits included; see :meth:`Density.pdf`."""
        modulus = np.sqrt(squared_norm(as_points(frequencies, self.dim, "frequencies")))
        inside = (modulus >= self.lower) & (modulus <= self.upper)
        return np.where(inside, self.maximum * (self.lower / np.where(inside, modulus, 1.0)) ** self.dim, 0.0)

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies; see :meth:`Density.sample`."""
        count = draws(count, rng)
        direction = rng.standard_normal((count, self.dim))
        direction /= np.sqrt(squared_norm(direction))[:, None]
        modulus = self.lower * np.exp(self._log_ratio * rng.random((count, 1)))
        return np.asarray(np.clip(modulus, self.lower, self.upper) * direction)

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ; see :meth:`Density.characteristic`."""
        distance = np.sqrt(squared_norm(as_points(separations, self.dim, "separations")))
        lost = _integral(2.0 * math.pi * self.upper * distance, self.dim)
        lost -= _integral(2.0 * math.pi * self.lower * distance, self.dim)
        return 1.0 - lost / self._log_ratio

    def mass_within(self, radius: float) -> float:
        """Mass of a ball: its share of the octaves."""
        radius = ball_radius(radius)
        if radius <= self.lower:
            return 0.0
        return min(1.0, math.log(radius / self.lower) / self._log_ratio) if radius < self.upper else 1.0

    def radius(self, mass: float) -> float:
        """Quantile radius ``a (b/a)^mass``."""
        return self.lower * math.exp(self._log_ratio * probability(mass))

    @property
    def support_radius(self) -> float:
        """The upper limit."""
        return self.upper

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Both limits in one dimension; in more, ρ jumps on spheres."""
        return (self.lower, self.upper) if self.dim == 1 else ()

    @property
    def maximum(self) -> float:
        """Value at the lower limit."""
        sphere = 2.0 * math.pi ** (0.5 * self.dim) / math.gamma(0.5 * self.dim)
        return float(1.0 / (self._log_ratio * sphere * self.lower**self.dim))

    def peak_candidates(self) -> tuple[FloatArray, float]:
        """The lower limit along each axis, where ρ is largest, and the origin, where other densities are."""
        axes = self.lower * np.eye(self.dim)
        return np.concatenate([np.zeros((1, self.dim)), axes, -axes]), 0.0

    @property
    def _log_ratio(self) -> float:
        """Natural logarithm of the ratio of the limits."""
        return math.log(self.upper / self.lower)


def _integral(x: FloatArray, dim: int) -> FloatArray:
    """I_d(x) of the module's docstring for x ≥ 0."""
    if dim % 2:
        positive = np.maximum(x, SMALL)
        square = np.minimum(x, SMALL) ** 2
        series = square / 4.0 * (1.0 - square / 24.0 * (1.0 - square / 45.0))
        total = np.where(x < SMALL, series, np.euler_gamma + np.log(positive) - special.sici(positive)[1])
    else:
        total = special.it2j0y0(x)[0]
    for lower in range(2 - dim % 2, dim, 2):
        total -= (1.0 - special.hyp0f1(0.5 * lower + 1.0, -0.25 * x**2)) / lower
    return np.asarray(total, dtype=np.float64)
