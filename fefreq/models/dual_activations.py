r"""What a wide layer does to covariances, and the tangent kernel of a stack of such layers.

Two Gaussians of unit variance and covariance ``u`` that pass an activation ``σ`` of unit mean square have the
covariance ``κ_1(u)`` afterwards, and their derivatives ``σ'`` the covariance ``κ_0(u) = κ_1'(u)``. Stacking ``L``
layers on inputs of covariance ``u`` gives

.. math::

    Σ_0 = Θ_0 = u , \qquad Σ_{l+1} = κ_1(Σ_l) , \qquad Θ_{l+1} = Σ_{l+1} + Θ_l \, κ_0(Σ_l) ,

the tangent kernel ``Θ_L`` of a network without biases all of whose weights are trained at rate 1 (arXiv 1806.07572).
Its power series ``Θ_L(u) = Σ a_n uⁿ`` has no negative coefficient, because it is positive definite in any number of
dimensions; and it has a square-root singularity at ``u = 1`` if ``σ`` has a kink, as ReLU has.

**Scaling.** Every layer multiplies its activations by the one number that makes their mean square one,
``(E σ(z)²)^{-1/2}`` for standard Gaussian ``z``: He initialisation for ReLU, and the convention of the networks of
``harness`` for all activations. The variance is therefore one in every layer, and one function of each activation
serves all layers. A network that lets the variance shrink or grow from layer to layer has another kernel.

ReLU, erf and sine have closed forms; all others are power series by their Hermite coefficients
(:mod:`fefreq.models.hermite`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from fefreq.models.hermite import Function, covariance_series
from fefreq.support.arrays import FloatArray

Activation = Literal["relu", "erf", "sine", "tanh", "sigmoid", "gelu", "silu", "softplus"]
AnyActivation = Activation | Function

_ERF_SQUARE = float(np.arcsin(2 / 3))  # of erf, but for the factor 2/π that both kernels share
_SINE_SQUARE = float(np.sinh(1.0))


def _sigmoid(z: FloatArray) -> FloatArray:
    from scipy.special import expit

    return np.asarray(expit(z))


def _gelu(z: FloatArray) -> FloatArray:
    from scipy.special import ndtr

    return np.asarray(z * ndtr(z))


def _silu(z: FloatArray) -> FloatArray:
    return np.asarray(z * _sigmoid(z))


def _softplus(z: FloatArray) -> FloatArray:
    return np.asarray(np.logaddexp(0.0, z))


# Those without a closed form.
FUNCTIONS: Mapping[str, Function] = {
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "gelu": _gelu,
    "silu": _silu,
    "softplus": _softplus,
}


class DualActivation(NamedTuple):
    """Covariances after a layer.

    Attributes
    ----------
    covariance : ndarray
        ``κ_1`` of the activations.
    derivative : ndarray
        ``κ_0 = κ_1'`` of their derivatives.
    """

    covariance: FloatArray
    derivative: FloatArray


def require_activation(activation: object) -> None:
    """Insist on an activation whose covariances can be computed.

    Raises
    ------
    TypeError
        If it is neither a name nor a function.
    ValueError
        If the name is unknown, or the function has no Hermite series that converges.
    """
    if callable(activation):
        covariance_series(activation)
    elif not isinstance(activation, str):
        raise TypeError(f"an activation is a name or a function of arrays, not {activation!r}")
    elif activation not in get_args(Activation):
        *names, last = map(repr, get_args(Activation))
        raise ValueError(
            f"there is no kernel for the activation {activation!r}; there are {', '.join(names)} and {last}"
        )


def derivatives_of(activation: AnyActivation) -> float:
    """How often a wide network with this activation can be differentiated in its input before its kernel diverges."""
    return 0.0 if activation == "relu" else math.inf


class NamedActivation:
    """Lets an activation stand in a schema by its name; a function of one's own has none."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Validate the names."""
        return handler(Activation)


def dual_activation(activation: AnyActivation, covariance: FloatArray) -> DualActivation:
    """Pass covariances of Gaussians of unit variance through an activation that keeps the variance at one.

    Parameters
    ----------
    activation : {"relu", "erf", "sine", "tanh", "sigmoid", "gelu", "silu", "softplus"} or callable
        Divided by its root mean square under a standard Gaussian.
    covariance : ndarray
        Between -1 and 1; what rounding adds is cut off.

    Raises
    ------
    ValueError
        If the activation is unknown or not smooth enough.
    """
    require_activation(activation)
    u = np.clip(covariance, -1.0, 1.0)
    if activation == "relu":
        angle = np.pi - np.arccos(u)
        return DualActivation((np.sqrt((1.0 - u) * (1.0 + u)) + u * angle) / np.pi, angle / np.pi)
    if activation == "erf":
        return DualActivation(np.arcsin(2 * u / 3) / _ERF_SQUARE, 2 / np.sqrt(9 - 4 * u**2) / _ERF_SQUARE)
    if activation == "sine":
        return DualActivation(np.sinh(u) / _SINE_SQUARE, np.cosh(u) / _SINE_SQUARE)
    series = _series(activation)
    return DualActivation(_sum(series, u), _sum(_derived(series), u))


def deep_kernel(covariance: FloatArray, hidden_layers: int, activation: AnyActivation = "relu") -> FloatArray:
    """Tangent kernel ``Θ_L`` of inputs of unit variance and given covariance.

    Parameters
    ----------
    covariance : ndarray
        Between -1 and 1.
    hidden_layers : int
        ``L``; 0 gives the covariance itself.
    activation : str or callable

    Examples
    --------
    >>> deep_kernel(np.array([0.0, 1.0]), hidden_layers=3).round(6)
    array([1.060388, 4.      ])
    """
    forward, tangent = covariance, covariance
    for _ in range(hidden_layers):
        dual = dual_activation(activation, forward)
        forward, tangent = dual.covariance, dual.covariance + tangent * dual.derivative
    return tangent


def kernel_at_zero(hidden_layers: int, activation: AnyActivation = "relu") -> tuple[float, float]:
    """The first two coefficients of the power series, ``Θ_L(0)`` and ``Θ_L'(0)``."""
    u, tangent, du, dtangent = np.zeros(1), np.zeros(1), np.ones(1), np.ones(1)
    for _ in range(hidden_layers):
        dual = dual_activation(activation, u)
        curvature = _second_derivative(activation, u)
        dtangent = dual.derivative * du + dtangent * dual.derivative + tangent * curvature * du
        tangent = dual.covariance + tangent * dual.derivative
        u, du = dual.covariance, dual.derivative * du
    return float(tangent[0]), float(dtangent[0])


def _second_derivative(activation: AnyActivation, u: FloatArray) -> FloatArray:
    """``κ_1''``, away from ``u = 1``."""
    if activation == "relu":
        return np.asarray(1 / (np.pi * np.sqrt(1 - u**2)))
    if activation == "erf":
        return np.asarray(8 * u / (9 - 4 * u**2) ** 1.5 / _ERF_SQUARE)
    if activation == "sine":
        return np.asarray(np.sinh(u) / _SINE_SQUARE)
    return _sum(_derived(_derived(_series(activation))), u)


def _series(activation: AnyActivation) -> FloatArray:
    return covariance_series(FUNCTIONS[activation] if isinstance(activation, str) else activation)


def _derived(series: FloatArray) -> FloatArray:
    return series[1:] * np.arange(1, len(series)) if len(series) > 1 else np.zeros(1)


def _sum(series: FloatArray, u: FloatArray) -> FloatArray:
    """The power series, by Horner's rule."""
    total = np.full(np.shape(u), series[-1])
    for coefficient in series[-2::-1]:
        total *= u
        total += coefficient
    return total
