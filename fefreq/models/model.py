r"""The interface of models: coefficients of the diffusion equation, and the neural tangent kernel (NTK).

In the limit of infinite width, gradient descent on a network moves the residual ``u`` by its tangent
kernel ``K`` (positions) or, on the whole space, by a damped diffusion (frequencies):

.. math::

    ∂_t u(x) = -∫_Ω K(x, y)\, u(y)\, dy , \qquad
    ∂_t û_p = ∇·(D_p ∇û_p) - c_p û_p , \quad p ∈ \{even, odd\} .

The even part of ``û`` is its real part and the odd part its imaginary part, because ``u`` is real. All
kernels of this package are sums of :class:`KernelTerm`, and that is what makes fast products possible.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density
from fefreq.support.arrays import FloatArray, as_points, real_number
from fefreq.support.families import Family, require_member
from fefreq.targets.target import Target

Parity = Literal["even", "odd"]


@dataclass(frozen=True)
class Rates:
    """Block learning rates: factors on the step of each group of parameters; 0 freezes the group.

    Attributes
    ----------
    output, frequency, bias : float
        Factors ``λ_out``, ``λ_freq``, ``λ_bias`` for the output weights, the first-layer frequencies (in
        cycles per unit length) and the biases. Training angular frequencies instead is
        ``frequency = 1 / (4 π²)``.

    Raises
    ------
    TypeError
        If a factor is no number.
    ValueError
        If a factor is negative or not finite, or if all are zero.
    """

    output: float = 1.0
    frequency: float = 1.0
    bias: float = 1.0

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name in ("output", "frequency", "bias"):
            value = real_number(getattr(self, name), f"the {name} rate")
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"the {name} rate must be finite and at least 0, not {value}")
        if self.output == self.frequency == self.bias == 0:
            raise ValueError("all rates are zero, so nothing would be trained: set at least one above 0")


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of the diffusion equation at given frequencies.

    Attributes
    ----------
    diffusion, damping : ndarray, shape (n,)
        ``D`` in cycles² per unit length² and time, and ``c`` per time.
    """

    diffusion: FloatArray
    damping: FloatArray


@dataclass(frozen=True)
class KernelTerm:
    """One summand ``(constant + linear x·y) profile(x ∓ y)`` of a tangent kernel.

    Attributes
    ----------
    profile : callable
        Maps separations ``(n, d)`` to ``(n,)``; even in its argument.
    constant, linear : float
        Weights of the plain product and of the product with ``x·y``.
    reflected : bool
        Whether the profile is taken at ``x + y`` (Hankel) instead of ``x - y`` (Toeplitz).
    """

    profile: Callable[[FloatArray], FloatArray]
    constant: float
    linear: float
    reflected: bool = False


class Model(Family):
    """A network architecture with its initialisation and block rates, at infinite width.

    A model of your own is a frozen dataclass that derives from this class, has a field ``density``, and gives
    :meth:`coefficients` and :meth:`kernel_terms`; where the frequencies that it reaches are not those of the density,
    :meth:`radius`, :attr:`support_box` and :attr:`breakpoints` say so. :func:`fefreq.testing.check_model` tests
    that the two describe the same network. It can be saved and loaded, see :mod:`fefreq.support.families`.

    Attributes
    ----------
    density : Density
        How the frequencies of the first layer are drawn.
    parity_dependent : bool
        Whether even and odd part of the error have coefficients of their own.
    """

    density: Density
    parity_dependent: ClassVar[bool] = False

    @property
    def dim(self) -> int:
        """Dimension of positions and frequencies."""
        return self.density.dim

    @abstractmethod
    def coefficients(self, frequencies: ArrayLike, parity: Parity = "even") -> Coefficients:
        """Coefficients ``D`` and ``c`` that act on one parity of the error at ``(n, d)`` frequencies."""

    @abstractmethod
    def kernel_terms(self) -> tuple[KernelTerm, ...]:
        """The summands of the tangent kernel."""

    @property
    def differentiability(self) -> float:
        """Highest order of a differential operator that can act on the network, as far as its activation goes."""
        return math.inf

    def kernel(self, x: ArrayLike, y: ArrayLike) -> FloatArray:
        """Tangent kernel ``K(x_i, y_j)``, shape ``(n, m)``, of points ``(n, d)`` and ``(m, d)``."""
        x, y = as_points(x, self.dim), as_points(y, self.dim)
        total = np.zeros((len(x), len(y)))
        products = x @ y.T
        for term in self.kernel_terms():
            separations = x[:, None, :] + (y if term.reflected else -y)[None, :, :]
            profile = term.profile(separations.reshape(-1, self.dim)).reshape(total.shape)
            total += (term.constant + term.linear * products) * profile
        return total

    # What a mesh must know about the frequencies that the model reaches.

    def radius(self, mass: float) -> float:
        """Radius that holds the fraction ``mass`` of the frequencies of the network."""
        return self.density.radius(mass)

    @property
    def support_box(self) -> tuple[float, ...]:
        """Half-width along each axis beyond which no frequency is drawn; infinite for unbounded densities."""
        return self.density.support_box

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Positive coordinates along the axes at which the coefficients jump."""
        return self.density.breakpoints


def require_output_std(output_std: float) -> None:
    """Insist on a finite, non-negative standard deviation of the output weights.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is negative or not finite.
    """
    if not (np.isfinite(real_number(output_std, "output_std")) and output_std >= 0):
        raise ValueError(f"output_std must be finite and at least 0, not {output_std}")


def require_density(density: object) -> None:
    """Insist that the frequencies of a model are drawn from a density.

    Raises
    ------
    TypeError
        If they are not.
    """
    require_member(density, Density, "density", "fefreq.Gaussian(scale=2.0)")


def require_rates(rates: object) -> None:
    """Insist on block learning rates.

    Raises
    ------
    TypeError
        If they are something else.
    """
    if not isinstance(rates, Rates):
        raise TypeError(f"rates must be Rates such as fefreq.Rates(frequency=0.0), not {rates!r}")


def require_same_dimension(model: Model, target: Target) -> None:
    """Insist that model and target are what they should be and live in the same space.

    Raises
    ------
    TypeError
        If the model is no :class:`Model` or the target no :class:`fefreq.Target`.
    ValueError
        If they do not live in the same space.
    """
    require_member(model, Model, "model", "fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0))")
    if not isinstance(target, Target):
        raise TypeError(f"target must be a fefreq.Target, not {target!r}")
    if model.dim != target.dim:
        raise ValueError(
            f"the density has dimension {model.dim} but the target has {target.dim}: "
            f"give the density dim={target.dim}"
        )
