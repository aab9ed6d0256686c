r"""The arithmetic of stacked networks: features of points, and layers on top of them.

Everything here acts on all members of an ensemble at once. Leading axes count members (and sub-networks), the
last two are points and units, so one batched product serves all members.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Activation = Literal["relu", "tanh", "sine", "erf", "gelu"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sine": torch.sin,
    "erf": torch.erf,
    "gelu": torch.nn.functional.gelu,
}


def fourier_features(points: Tensor, angular: Tensor) -> Tensor:
    """``[cos ω·x, sin ω·x]``: points ``(…, n, d)`` and angular frequencies ``(S, d, m)`` to ``(S, n, 2m)``."""
    phases = points @ angular
    return torch.cat((torch.cos(phases), torch.sin(phases)), dim=-1)


def scaled_features(points: Tensor, angular: Tensor, bias: Tensor, activation: Activation) -> Tensor:
    """``σ(ω·x + b)`` of every sub-network.

    Parameters
    ----------
    points : Tensor, shape (n, d) or (S, n, d)
    angular : Tensor, shape (S, J, d, m)
        First-layer weights, scale included.
    bias : Tensor, shape (S, J, m)
    activation : str

    Returns
    -------
    Tensor, shape (S, J, n, m)
    """
    return ACTIVATIONS[activation](points.unsqueeze(-3) @ angular + bias.unsqueeze(-2))


def layers(
    features: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activation: Activation
) -> Tensor:
    """Affine layers with activations between them, none behind the last.

    Parameters
    ----------
    features : Tensor, shape (…, n, K)
    weights : sequence of Tensor, shapes (…, K, m_1), (…, m_1, m_2), …
        As they act, every factor included.
    biases : sequence of (Tensor or None), shapes (…, m_1), …
    activation : str

    Returns
    -------
    Tensor, shape (…, n, m_L)
    """
    act = ACTIVATIONS[activation]
    h = features
    for position, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        h = h @ weight if position == 0 else act(h) @ weight
        if bias is not None:
            h = h + bias.unsqueeze(-2)
    return h


def positional_features(points: Tensor, octaves: int) -> Tensor:
    """Sines and cosines of octaves, ``(…, n, d)`` to ``(…, n, 2 d octaves)``; see :mod:`harness.relu.encoding`."""
    from harness.relu.encoding import PositionalEncoding

    encoding = PositionalEncoding(points.shape[-1], octaves)
    encoded: Tensor = encoding(points.flatten(0, -2))
    return encoded.unflatten(0, points.shape[:-1])


def gain(activation: Activation) -> float:
    """Factor ``(E σ(z)²)^{-1/2}``, ``z ~ N(0, 1)``, that keeps the mean square of units from layer to layer.

    >>> round(gain("relu") ** 2, 12)
    2.0
    """
    if activation == "relu":
        return math.sqrt(2.0)
    if activation == "sine":
        return math.sqrt(2.0 / (1.0 - math.exp(-2.0)))
    if activation == "erf":
        return math.sqrt(math.pi / (2.0 * math.asin(2.0 / 3.0)))
    # The trapezoidal rule is exact to rounding for a smooth function under a Gaussian.
    z = torch.linspace(-12, 12, 961, dtype=torch.float64)
    square = ACTIVATIONS[activation](z) ** 2 * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float((square.sum() * 0.025) ** -0.5)
