r"""Deep networks on frozen random Fourier features: a stationary kernel, hence pure damping.

The first layer ``φ(x) = [cos 2πBx, sin 2πBx]`` (rows of ``B`` from ρ) is not trained and has constant norm, so
the network on top of it sees two points only through ``κ(x - y)``, the characteristic function of ρ. With
weights scaled so that every layer keeps variance one, and without biases, the tangent kernel after ``L`` hidden
layers is

.. math:: K(x, y) = Θ_L(κ(x - y)) = a_0 + a_1 \, κ(x - y) + a_2 \, κ(x - y)² + … , \qquad a_n \ge 0 ,

with the function ``Θ_L`` of :mod:`fefreq.models.dual_activations`. Over frequency every ``ξ`` decays at a rate of its
own,

.. math:: ∂_t û = -c \, û , \qquad c = a_1 \, ρ + a_2 \, ρ*ρ + … ,

so that the density controls the bias of deep networks, too: depth widens it by convolutions of ρ with itself, and
the kink of ReLU adds a tail ``|ξ|^{-(d+1)}`` (arXiv 1806.07572, 2006.10739).

**The constant.** ``a_0 = Θ_L(0)`` is there for ReLU and other activations that have a mean. On bounded data it learns
the mean of the data, fast, and the kernel flow has it. On the whole space its transform is ``a_0 δ(ξ)``, which acts on
no square-integrable error: the coefficients here are those of ``Θ_L(κ) - a_0``, and the diffusion equation
learns frequencies around 0, within the inverse length of the data, more slowly than a network does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density
from fefreq.models.dual_activations import (
    AnyActivation,
    NamedActivation,
    deep_kernel,
    derivatives_of,
    kernel_at_zero,
    require_activation,
)
from fefreq.models.kernel_spectrum import KernelSpectrum
from fefreq.models.model import Coefficients, KernelTerm, Model, Parity, require_density
from fefreq.support.arrays import FloatArray, as_points


@dataclass(frozen=True)
class DeepFourierFeatures(Model):
    """Deep network on frozen Fourier features at infinite width.

    All weights behind the features are trained at rate 1; there are no biases.

    Parameters
    ----------
    density : Density
        Distribution ``ρ`` of the frozen frequencies, in cycles per unit length.
    hidden_layers : int
        Number of hidden layers ``L`` between the features and the output; with 0 only output weights are trained.
    activation : {"relu", "erf", "sine", "tanh", "sigmoid", "gelu", "silu", "softplus"} or callable
        Of every hidden layer, times the number that makes its mean square one under a standard Gaussian. A function of
        your own maps arrays to arrays, elementwise, and is smooth; a model that has one cannot be saved.

    Raises
    ------
    TypeError
        If ``hidden_layers`` is no integer, the density none, or the activation neither name nor function.
    ValueError
        If ``hidden_layers`` is negative, or the activation unknown or not smooth enough.

    Examples
    --------
    >>> import fefreq
    >>> model = DeepFourierFeatures(fefreq.Gaussian(2.0), hidden_layers=2)
    >>> float(model.kernel([[0.0]], [[0.0]])[0, 0])  # one from each layer that is trained
    3.0
    """

    density: Density
    hidden_layers: int
    activation: Annotated[AnyActivation, NamedActivation()] = "relu"
    kind: Literal["deep-fourier-features"] = field(default="deep-fourier-features", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_density(self.density)
        if isinstance(self.hidden_layers, bool) or not isinstance(self.hidden_layers, (int, np.integer)):
            raise TypeError(f"hidden_layers must be an integer, not {self.hidden_layers!r}")
        if self.hidden_layers < 0:
            raise ValueError(f"hidden_layers must be at least 0, not {self.hidden_layers}")
        require_activation(self.activation)

    def coefficients(self, frequencies: ArrayLike, parity: Parity = "even") -> Coefficients:
        """No diffusion, and the same damping for both parities: the transform of the kernel but for its constant.

        Raises
        ------
        ValueError
            If the density has no pdf, or the transform cannot be computed: dimensions above 3, or
            jumps of the density in three dimensions.
        """
        xi = as_points(frequencies, self.dim, "frequencies")
        if self.hidden_layers == 0:
            damping = self.density.pdf(xi)
        else:
            damping = self._spectrum(float(np.max(np.abs(xi), initial=0.0)))(xi)
        return Coefficients(np.zeros(len(xi)), damping)

    def kernel_terms(self) -> tuple[KernelTerm, ...]:
        """The single stationary summand ``Θ_L(κ(x - y))``."""
        return (KernelTerm(self.profile, 1.0, 0.0),)

    def profile(self, separations: FloatArray) -> FloatArray:
        """``Θ_L(κ(z))`` of separations ``(n, d)``."""
        return self._function(self.density.characteristic(separations))

    @property
    def differentiability(self) -> float:
        """Infinite for smooth activations; a kink in a hidden layer leaves no derivative of the kernel."""
        return derivatives_of(self.activation) if self.hidden_layers else np.inf

    @property
    def support_box(self) -> tuple[float, ...]:
        """Infinite with hidden layers: convolutions of the density with itself reach any frequency."""
        return self.density.support_box if self.hidden_layers == 0 else (np.inf,) * self.dim

    def _function(self, kappa: FloatArray) -> FloatArray:
        return deep_kernel(kappa, self.hidden_layers, self.activation)

    @cached_property
    def _spectra(self) -> dict[float, KernelSpectrum]:
        return {}

    def _spectrum(self, largest: float) -> KernelSpectrum:
        """Transform up to a frequency; meshes ask again and again for nearly the same one."""
        base = self.density.radius(0.7)
        limit = base * 2.0 ** np.ceil(np.log2(max(largest / base, 1.0)))
        if limit not in self._spectra:
            constant, slope = kernel_at_zero(self.hidden_layers, self.activation)
            self._spectra[limit] = KernelSpectrum(self._function, constant, slope, self.density, limit)
        return self._spectra[limit]
