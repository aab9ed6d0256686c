r"""The tangent kernel of a deep ReLU network on frozen Fourier features, weight tensor by weight tensor.

An optimiser that scales every parameter by its own gradients sees the parametrisation: the same function may have
weights of another size. Here ``z_l = W_l h_{l-1} + b_l``, ``h_l = relu(z_l)`` with entries of variance ``c_w`` and
``c_b`` over the fan-in. With ``G_l = h_l·h_l'`` and ``D_l`` the sum over the units of a layer of the products of their
derivatives, at infinite width

.. math::

    G_l = \tfrac n2 q_l(x,x) \, κ_1(r_l) , \quad q_l = \frac{c_w G_{l-1} + c_b}{fan} , \quad
    D_l = \tfrac n2 κ_0(r_l) \, \frac{c_w}{n} D_{l+1} , \qquad K_{W_l} = D_l \, G_{l-1} , \quad K_{b_l} = D_l ,

where ``r_l`` is the correlation of pre-activations, from ``G_0 = m κ(x - y)`` of ``m`` frequencies up and from
``D_{L+1} = 1`` down (arXiv 1806.07572). All are functions of ``κ(x - y)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from fefreq.models.dual_activations import dual_activation
from fefreq.support.arrays import FloatArray

Initialisation = Literal["torch", "he", "tangent-kernel"]

# Variances of weights and biases, times the fan-in.
_VARIANCES = {"torch": (1 / 3, 1 / 3), "he": (2.0, 0.0), "tangent-kernel": (2.0, 0.0)}


@dataclass(frozen=True)
class Layers:
    """Sizes and initialisation of a fully connected ReLU network on ``2 m`` Fourier features.

    Parameters
    ----------
    hidden_layers : int
        ``L ≥ 0``.
    width : int
        Units ``n`` of each.
    features_drawn : int, optional
        Number ``m`` of frequencies; half the width by default, so that all hidden layers have one size.
    biases : bool
        Whether layers have biases, all of them trained.
    initialisation : {"torch", "he", "tangent-kernel"}
        As ``torch.nn.Linear`` has it: weights and biases uniform on ``±1/√fan``; He's: weights of variance ``2/fan``,
        biases 0; or standard normal weights with the factor ``√(2/fan)`` in front of them.

    Raises
    ------
    TypeError
        If a size is no integer.
    ValueError
        If a size or a name is impossible.
    """

    hidden_layers: int
    width: int = 256
    features_drawn: int | None = None
    biases: bool = True
    initialisation: Initialisation = "torch"
    drawn: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        drawn = max(1, self.width // 2) if self.features_drawn is None else self.features_drawn
        for name, value, lowest in (
            ("hidden_layers", self.hidden_layers, 0),
            ("width", self.width, 1),
            ("features_drawn", drawn, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{name} must be an integer, not {value!r}")
            if value < lowest:
                raise ValueError(f"{name} must be at least {lowest}, not {value}")
        if self.initialisation not in get_args(Initialisation):
            names = ", ".join(map(repr, get_args(Initialisation)))
            raise ValueError(f"initialisation must be one of {names}, not {self.initialisation!r}")
        object.__setattr__(self, "drawn", drawn)


@dataclass(frozen=True, eq=False)
class TensorKernel:
    """The part of the tangent kernel that comes from one tensor.

    Attributes
    ----------
    name : str
        ``W1``, ``b1``, … up to the output layer.
    entries : int
        Parameters of the tensor that one output depends on.
    shared : bool
        Whether all outputs depend on the same ones.
    values : ndarray
        The kernel at the separations whose ``κ`` was given.
    """

    name: str
    entries: int
    shared: bool
    values: FloatArray


def tensor_kernels(kappa: FloatArray, layers: Layers) -> list[TensorKernel]:
    """All tensors of a network, from the output down.

    Parameters
    ----------
    kappa : ndarray
        The characteristic function ``κ(x - y)`` of the density of the frequencies.
    layers : Layers

    Examples
    --------
    >>> kernels = tensor_kernels(np.ones(1), Layers(hidden_layers=2, width=64, initialisation="tangent-kernel"))
    >>> [(kernel.name, kernel.entries, round(float(kernel.values[0]), 3)) for kernel in kernels[::2]]
    [('W3', 64, 1.0), ('W2', 4096, 1.0), ('W1', 4096, 1.0)]
    """
    weights, biases = _VARIANCES[layers.initialisation]
    if not layers.biases:
        biases = 0.0
    count, width = layers.hidden_layers, layers.width
    fans = [2 * layers.drawn, *[width] * count]
    grams, squares, slopes = [layers.drawn * kappa], [float(layers.drawn)], []
    for layer in range(count):
        variance = (weights * squares[layer] + biases) / fans[layer]
        dual = dual_activation("relu", (weights * grams[layer] + biases) / fans[layer] / variance)
        squares.append(0.5 * width * variance)
        grams.append(squares[-1] * dual.covariance)
        slopes.append(0.5 * width * dual.derivative)
    kernels: list[TensorKernel] = []
    flow = np.ones_like(kappa)
    for layer in range(count, -1, -1):
        hidden = layer < count
        if hidden:
            flow = slopes[layer] * weights / fans[layer + 1] * flow
        factor = weights / fans[layer] if layers.initialisation == "tangent-kernel" else 1.0
        units = width if hidden else 1
        name = str(layer + 1)
        kernels.append(TensorKernel("W" + name, fans[layer] * units, hidden, factor * flow * grams[layer]))
        if layers.biases:
            kernels.append(TensorKernel("b" + name, units, hidden, flow))
    return kernels
