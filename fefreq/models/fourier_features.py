r"""Two-layer networks on random Fourier features, both layers trained (arXiv 2405.14957).

.. math::

    N(x) = m^{-1/2} ∑_k a_k \cos(2π w_k·x) + b_k \sin(2π w_k·x), \quad
    w_k ∼ ρ, \; a_k, b_k ∼ (0, σ_a²) .

With the characteristic function ``κ(z) = ∫ ρ(ξ) cos(2π ξ·z) dξ`` the tangent kernel is

.. math:: K(x, y) = [ λ_{out} + λ_{freq} (2πσ_a)² x·y ] \, κ(x - y) ,

and over frequency the error obeys ``∂_t û = ∇·(λ_freq σ_a² ρ ∇û) - λ_out ρ û``: training the output
weights damps each frequency at the rate of the density there, training the frequencies lets the error
diffuse between neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density
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
from fefreq.support.arrays import as_points


@dataclass(frozen=True)
class FourierFeatures(Model):
    """Two-layer Fourier-feature network at infinite width.

    Parameters
    ----------
    density : Density
        Distribution ``ρ`` of the first-layer frequencies at the start, in cycles per unit length.
    output_std : float
        Standard deviation ``σ_a`` of the output weights at the start.
    rates : Rates
        Block learning rates; this model has no biases, so ``rates.bias`` is not used.

    Raises
    ------
    TypeError
        If the density is none, the rates are none, or ``output_std`` is no number.
    ValueError
        If ``output_std`` is negative or nothing can be learned with these rates.

    Examples
    --------
    >>> import fefreq
    >>> model = FourierFeatures(fefreq.Gaussian(scale=3.0), output_std=0.5)
    >>> c = model.coefficients([0.0, 3.0])
    >>> [round(float(ratio), 3) for ratio in c.damping / c.damping[0]]
    [1.0, 0.607]
    """

    density: Density
    output_std: float = 1.0
    rates: Rates = field(default_factory=Rates)
    kind: Literal["fourier-features"] = field(default="fourier-features", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_density(self.density)
        require_output_std(self.output_std)
        require_rates(self.rates)
        if self.rates.output == 0 and self.rates.frequency * self.output_std == 0:
            raise ValueError(
                "nothing is trained: give rates.output, or rates.frequency with output_std, above 0"
            )

    def coefficients(self, frequencies: ArrayLike, parity: Parity = "even") -> Coefficients:
        """Coefficients ``D = λ_freq σ_a² ρ`` and ``c = λ_out ρ``, the same for both parities."""
        rho = self.density.pdf(as_points(frequencies, self.dim, "frequencies"))
        return Coefficients(self.rates.frequency * self.output_std**2 * rho, self.rates.output * rho)

    def kernel_terms(self) -> tuple[KernelTerm, ...]:
        """The single summand ``[λ_out + λ_freq (2πσ_a)² x·y] κ(x - y)``."""
        linear = self.rates.frequency * (2 * np.pi * self.output_std) ** 2
        return (KernelTerm(self.density.characteristic, self.rates.output, linear),)
