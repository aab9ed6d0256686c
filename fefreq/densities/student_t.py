"""Student's t density: a Gaussian core with power-law tails.

The characteristic function of the isotropic multivariate t with ν degrees of freedom and scale s is, with
x = 2π s √ν |z| and μ = ν/2,

    κ(z) = 2^(1-μ) / Γ(μ) · x^μ K_μ(x),

K the modified Bessel function of the second kind. Two regions need care: K_μ overflows near x = 0, and far
from it once μ is large. There the ascending series and Olver's uniform expansion (DLMF 10.41.4) take over.
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

_LARGE_ORDER = 100.0
# Olver's polynomials u_k(p) / p^k in powers of p², lowest first (DLMF 10.41.10).
_OLVER = (
    (3 / 24, -5 / 24),
    (81 / 1152, -462 / 1152, 385 / 1152),
    (30375 / 414720, -369603 / 414720, 765765 / 414720, -425425 / 414720),
    (
        4465125 / 39813120,
        -94121676 / 39813120,
        349922430 / 39813120,
        -446185740 / 39813120,
        185910725 / 39813120,
    ),
)


@dataclass(frozen=True)
class StudentT(Density):
    """Isotropic multivariate t, ``ρ(ξ) ∝ (1 + |ξ|²/νs²)^(-(ν+d)/2)``.

    The ratio of a Gaussian of standard deviation s to the root of an independent χ²/ν variable: ν = 1 is the
    Cauchy density, ν → ∞ the Gaussian.

    Parameters
    ----------
    scale : float
        Scale s, cycles per unit length.
    df : float
        Degrees of freedom ν > 0; the smaller, the heavier the tails.
    dim : int
        Dimension d.

    Raises
    ------
    ValueError
        If scale or df is not positive and finite, or the dimension below 1.

    Examples
    --------
    >>> round(StudentT(scale=2.0, df=1.0).radius(0.5), 6)
    2.0
    """

    scale: float
    df: float
    dim: int = 1
    kind: Literal["student-t"] = field(default="student-t", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        self._store(scale=positive(self.scale, "scale"), df=positive(self.df, "df"), dim=dimension(self.dim))

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ; see :meth:`Density.pdf`."""
        xi = as_points(frequencies, self.dim, "frequencies") / self.scale
        return self.maximum * np.exp(-0.5 * (self.df + self.dim) * np.log1p(squared_norm(xi) / self.df))

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies; see :meth:`Density.sample`."""
        count = draws(count, rng)
        normal = rng.standard_normal((count, self.dim))
        return self.scale * normal / np.sqrt(rng.chisquare(self.df, (count, 1)) / self.df)

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ; see :meth:`Density.characteristic`."""
        z = as_points(separations, self.dim, "separations")
        x = 2.0 * math.pi * self.scale * math.sqrt(self.df) * np.sqrt(squared_norm(z))
        order = 0.5 * self.df
        return _matern_large_order(order, x) if order > _LARGE_ORDER else _matern(order, x)

    def mass_within(self, radius: float) -> float:
        """Mass of a ball: ``|ξ|²/ds²`` has the F distribution with d and ν degrees of freedom."""
        square = (ball_radius(radius) / self.scale) ** 2
        return float(special.betainc(0.5 * self.dim, 0.5 * self.df, square / (self.df + square)))

    def radius(self, mass: float) -> float:
        """Quantile radius, by the inverse of the regularised beta function."""
        mass, a, b = probability(mass), 0.5 * self.dim, 0.5 * self.df
        # y = r²/(νs² + r²); each branch keeps the digits of the smaller of y and 1 - y.
        if mass < 0.5:
            y = float(special.betaincinv(a, b, mass))
            odds = y / (1.0 - y)
        else:
            rest = float(special.betaincinv(b, a, 1.0 - mass))
            if rest < 1e-290:
                raise ValueError(
                    f"the radius of mass {mass} overflows for df={self.df}; lower the mass or raise df"
                )
            odds = (1.0 - rest) / rest
        return self.scale * math.sqrt(self.df * odds)

    @property
    def maximum(self) -> float:
        """Value at the origin."""
        gamma_ratio = special.poch(0.5 * self.df, 0.5 * self.dim)
        return float(gamma_ratio * (self.df * math.pi * self.scale**2) ** (-0.5 * self.dim))


def _matern(order: float, x: FloatArray) -> FloatArray:
    """2^(1-μ)/Γ(μ) x^μ K_μ(x) for moderate μ; 1 at x = 0."""
    tiny = np.finfo(np.float64).tiny
    with np.errstate(over="ignore"):
        bessel = special.kve(order, np.maximum(x, tiny))
    direct = np.isfinite(bessel) & (x > tiny)
    result = np.empty_like(x)
    far = x[direct]
    log_bessel = np.log(np.maximum(bessel[direct], tiny)) - far
    result[direct] = np.exp(math.log(2.0) - special.gammaln(order) + order * np.log(0.5 * far) + log_bessel)
    # K overflows only where x^μ is so small that two terms of 0F1(1-μ, x²/4) are exact to rounding.
    near = 0.25 * x[~direct] ** 2
    result[~direct] = 1.0 - near / (order - 1.0) * (1.0 - 0.5 * near / (order - 2.0)) if order > 2.0 else 1.0
    return result


def _matern_large_order(order: float, x: FloatArray) -> FloatArray:
    """Evaluate the same by Olver's expansion, arranged so that nothing large cancels and κ(0) = 1."""
    t = x / order
    root = np.sqrt(1.0 + t**2)
    rise = t**2 / (1.0 + root)  # root - 1
    expansion = _olver(1.0 / root, order) / _olver(np.ones(1), order)
    return np.asarray(
        np.exp(order * (np.log1p(0.5 * rise) - rise)) / np.sqrt(root) * expansion, dtype=np.float64
    )


def _olver(p: FloatArray, order: float) -> FloatArray:
    """Σ_k (-1)^k u_k(p) / μ^k."""
    total = np.ones_like(p)
    for k, coefficients in enumerate(_OLVER, start=1):
        total += (-p / order) ** k * np.polynomial.polynomial.polyval(p**2, coefficients)
    return total
