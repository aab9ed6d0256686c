r"""Multi-scale sine networks (MscaleDNN, two layers; arXiv 2212.03416).

``S`` sub-networks of width ``m`` see the input at scales ``α_j``:

.. math::

    N(x) = S^{-1/2} ∑_j α_j^p \, m^{-1/2} ∑_k a_{jk} \sin(2π α_j w_{jk}·x + b_{jk}), \quad w ∼ ρ, \; a ∼ (0, σ_a²) .

The bias enters through ``γ = E cos 2b`` alone, as long as ``E sin 2b = 0``. Sines of phases add up to terms in
``x - y`` and in ``x + y``, so the even part (real) and the odd part (imaginary) of the error obey equations of
their own, with ``ρ_j`` the density of ``α_j w`` and ``∓`` for even and odd:

.. math::

    D = λ_{freq} σ_a² \frac{1 ∓ γ}{2} ∑_j α_j^{2+2p} ρ_j / S , \qquad
    c = ∑_j α_j^{2p} ρ_j / S \left[ λ_{out} \frac{1 ∓ γ}{2} + λ_{bias} σ_a² \frac{1 ± γ}{2} \right] .

Every scale widens the support of both: that is how more scales reduce the spectral bias.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density
from fefreq.densities.gaussian import Gaussian
from fefreq.models.model import (
    Coefficients,
    KernelTerm,
    Model,
    Parity,
    Rates,
    require_density,
    require_output_std,
    require_rates,
)
from fefreq.support.arrays import FloatArray, as_points, real_number

BiasLaw = Literal["zero", "normal", "uniform"]


@dataclass(frozen=True)
class MultiScaleSine(Model):
    """Two-layer multi-scale sine network at infinite width.

    Parameters
    ----------
    density : Density
        Distribution ``ρ`` of the frequencies ``w`` before scaling, in cycles per unit length.
    scales : tuple of float
        The ``α_j > 0``, all different.
    output_std : float
        Standard deviation ``σ_a`` of the output weights.
    bias : {"zero", "normal", "uniform"}
        Law of the biases ``b`` in radians at the start: all zero, normal with ``bias_std``, or uniform on a
        period. Zero biases that are not trained (``rates.bias = 0``) leave the even part untouched for ever.
    bias_std : float
        Standard deviation of normal biases; 0 for the other laws.
    rates : Rates
        Block learning rates of output weights, frequencies and biases.
    prefactor_power : float
        The power ``p`` of the prefactor ``α_j^p``.

    Raises
    ------
    TypeError
        If the density is none, the rates are none, or a number is none.
    ValueError
        If scales are missing, not positive or repeated, the bias law is unknown or does not go with
        ``bias_std``, or nothing would be trained.

    Examples
    --------
    >>> import fefreq
    >>> one = MultiScaleSine(fefreq.Gaussian(1.0), scales=(1,))
    >>> four = MultiScaleSine(fefreq.Gaussian(1.0), scales=(1, 2, 4, 8))
    >>> fast = [float(m.coefficients([6.0], "odd").damping[0]) for m in (one, four)]
    >>> fast[1] > 1e5 * fast[0]
    True
    """

    density: Density
    scales: tuple[float, ...]
    output_std: float = 1.0
    bias: BiasLaw = "zero"
    bias_std: float = 0.0
    rates: Rates = field(default_factory=Rates)
    prefactor_power: float = 0.0
    kind: Literal["multi-scale-sine"] = field(default="multi-scale-sine", kw_only=True, repr=False)

    parity_dependent: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_density(self.density)
        require_rates(self.rates)
        given: object = self.scales
        if not isinstance(given, Iterable) or isinstance(given, str):
            raise TypeError(f"scales must be several numbers such as (1, 2, 4), not {given!r}")
        object.__setattr__(self, "scales", tuple(real_number(scale, "a scale") for scale in self.scales))
        if not self.scales:
            raise ValueError("a multi-scale network needs at least one scale")
        for scale in self.scales:
            if not (np.isfinite(scale) and scale > 0):
                raise ValueError(f"scales must be positive and finite, but one is {scale:g}")
        if len(set(self.scales)) < len(self.scales):
            raise ValueError(f"scales must differ from one another, but {list(self.scales)} repeats one")
        if self.bias not in ("zero", "normal", "uniform"):
            raise ValueError(
                f"there is no bias law {self.bias!r}; there are 'zero', 'normal' and 'uniform', for which the mean "
                "of sin 2b is 0, as the decoupling of even and odd part needs"
            )
        if not (np.isfinite(real_number(self.bias_std, "bias_std")) and self.bias_std >= 0):
            raise ValueError(f"bias_std must be finite and at least 0, not {self.bias_std}")
        if (self.bias == "normal") != (self.bias_std > 0):
            raise ValueError(
                f"bias_std = {self.bias_std:g} does not go with bias = {self.bias!r}: "
                "normal biases need bias_std above 0, the other laws have none"
            )
        if not np.isfinite(real_number(self.prefactor_power, "prefactor_power")):
            raise ValueError(f"prefactor_power must be finite, not {self.prefactor_power}")
        require_output_std(self.output_std)
        if self.rates.output == 0 and self.output_std == 0:
            raise ValueError("nothing is trained: give rates.output or output_std a value above 0")
        if self.rates.output == self.rates.frequency == self.rates.bias == 0:
            raise ValueError("all rates are zero, so nothing would be trained: set at least one above 0")

    @classmethod
    def as_published(cls, scale_count: int, dim: int = 1) -> MultiScaleSine:
        """The convention of arXiv 2212.03416.

        Angular frequencies and biases are standard normal and trained with the same step, output weights
        have variance one and are frozen, scales are ``1, 2, 4, …`` and ``p = d``.

        Parameters
        ----------
        scale_count : int
            Number of sub-networks, ``s + 1`` in the paper.
        dim : int
        """
        return cls(
            density=Gaussian(1 / (2 * np.pi), dim),
            scales=tuple(2.0**j for j in range(scale_count)),
            bias="normal",
            bias_std=1.0,
            rates=Rates(output=0.0, frequency=1 / (4 * np.pi**2), bias=1.0),
            prefactor_power=float(dim),
        )

    @property
    def gamma(self) -> float:
        """``γ = E cos 2b``."""
        return {"zero": 1.0, "normal": float(np.exp(-2 * self.bias_std**2)), "uniform": 0.0}[self.bias]

    def coefficients(self, frequencies: ArrayLike, parity: Parity = "even") -> Coefficients:
        """Coefficients for one parity, with ``ρ_j(ξ) = α_j^{-d} ρ(ξ / α_j)``."""
        xi = as_points(frequencies, self.dim, "frequencies")
        sign = -1 if parity == "even" else 1
        against, along = (1 + sign * self.gamma) / 2, (1 - sign * self.gamma) / 2
        variance = self.output_std**2
        diffusion, damping = np.zeros(len(xi)), np.zeros(len(xi))
        for scale in self.scales:
            rho = (
                scale ** (2 * self.prefactor_power - self.dim)
                * self.density.pdf(xi / scale)
                / len(self.scales)
            )
            diffusion += scale**2 * rho
            damping += rho
        return Coefficients(
            self.rates.frequency * variance * against * diffusion,
            (self.rates.output * against + self.rates.bias * variance * along) * damping,
        )

    def kernel_terms(self) -> tuple[KernelTerm, ...]:
        """For every scale one term in ``x - y`` and, unless ``γ = 0``, one in ``x + y``."""
        variance, gamma = self.output_std**2, self.gamma
        terms = []
        for scale in self.scales:
            weight = scale ** (2 * self.prefactor_power) / (2 * len(self.scales))
            linear = self.rates.frequency * (2 * np.pi * scale) ** 2 * variance

            def profile(z: FloatArray, scale: float = scale) -> FloatArray:
                return self.density.characteristic(scale * z)

            terms.append(
                KernelTerm(
                    profile, weight * (self.rates.output + self.rates.bias * variance), weight * linear
                )
            )
            if gamma != 0:
                reflected = weight * gamma * (self.rates.bias * variance - self.rates.output)
                terms.append(KernelTerm(profile, reflected, weight * gamma * linear, reflected=True))
        return tuple(terms)

    def radius(self, mass: float) -> float:
        """Radius that holds the fraction ``mass`` of the scaled frequencies of all sub-networks."""
        from scipy.optimize import brentq

        def excess(radius: float) -> float:
            return float(np.mean([self.density.mass_within(radius / scale) for scale in self.scales])) - mass

        # The bracket holds the root with room for the rounding of the radii themselves.
        base = self.density.radius(mass)
        low, high = 0.999 * min(self.scales) * base, 1.001 * max(self.scales) * base
        return float(brentq(excess, low, high, xtol=1e-12 * high))

    @property
    def support_box(self) -> tuple[float, ...]:
        """Half-width along each axis of the support at the widest scale."""
        return tuple(max(self.scales) * width for width in self.density.support_box)

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Jumps of the density at every scale."""
        return tuple(sorted({scale * point for scale in self.scales for point in self.density.breakpoints}))
