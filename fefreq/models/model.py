r"""What every model offers: the coefficients of its diffusion equation and its tangent kernel.

In the limit of infinite width, gradient descent on a network moves the residual ``u`` by its tangent
kernel ``K`` (positions) or, on the whole space, by a damped diffusion (frequencies):

.. math::

    ∂_t u(x) = -∫_Ω K(x, y)\, u(y)\, dy , \qquad
    ∂_t û_p = ∇·(D_p ∇û_p) - c_p û_p , \quad p ∈ \{even, odd\} .

The even part of ``û`` is its real part and the odd part its imaginary part, because ``u`` is real. All
kernels of this package are sums of :class:`KernelTerm`, and that is what makes fast products possible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities import AnyDensity
from fefreq.support.arrays import FloatArray, as_points
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
    ValueError
        If a factor is negative or not finite, or if all are zero.
    """

    output: float = 1.0
    frequency: float = 1.0
    bias: float = 1.0

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name in ("output", "frequency", "bias"):
            value = getattr(self, name)
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


class Model(ABC):
    """A network architecture with its initialisation and block rates, at infinite width."""

    density: AnyDensity
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
    ValueError
        If it is negative or not finite.
    """
    if not (np.isfinite(output_std) and output_std >= 0):
        raise ValueError(f"output_std must be finite and at least 0, not {output_std}")


def require_same_dimension(model: Model, target: Target) -> None:
    """Insist that model and target live in the same space.

    Raises
    ------
    ValueError
        If they do not.
    """
    if model.dim != target.dim:
        raise ValueError(
            f"the density has dimension {model.dim} but the target has {target.dim}: "
            f"give the density dim={target.dim}"
        )
