"""The arithmetic of many networks at once: features of points, and layers on top of them.

Leading axes count networks (and their sub-networks), the last two are points and units, so that one batched
product serves all networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sine": torch.sin,
    "erf": torch.erf,
    "sigmoid": torch.sigmoid,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "softplus": torch.nn.functional.softplus,
}


# Libraries multiply many thin matrices up to ten times slower than their transposes; below this many columns the
# transposed product is taken.
THIN = 8


def _product(a: Tensor, b: Tensor) -> Tensor:
    if a.shape[-1] == 1:
        return a * b
    if b.shape[-1] <= THIN:
        return torch.bmm(b.mT, a.mT).mT
    return torch.bmm(a, b)


class _Product(torch.autograd.Function):
    """Batched product whose derivatives, too, take the fast way round."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        return _product(a, b)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b = ctx.needs_input_grad
        return _product(slope, b.mT) if needs_a else None, _product(a.mT, slope) if needs_b else None

    @staticmethod
    def jvp(ctx: Any, da: Tensor | None, db: Tensor | None) -> Tensor | None:
        a, b = ctx.saved_tensors
        if da is None:
            return None if db is None else _product(a, db)
        return _product(da, b) if db is None else _product(da, b) + _product(a, db)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Matrices ``(…, n, K)`` times matrices ``(…, K, m)``, leading axes of length 1 broadcast."""
    leading = [max(sizes) for sizes in zip(a.shape[:-2], b.shape[:-2], strict=True)]
    if math.prod(leading) == 1 or min(a.shape[-1], b.shape[-1]) > THIN:
        return a @ b
    left = a.expand(*leading, *a.shape[-2:]).flatten(0, -3)
    right = b.expand(*leading, *b.shape[-2:]).flatten(0, -3)
    result: Tensor = _Product.apply(left, right)  # type: ignore[no-untyped-call]
    return result.reshape(*leading, *result.shape[-2:])


@cache
def gain(activation: str) -> float:
    """Factor ``(E σ(z)²)^{-1/2}``, ``z ~ N(0, 1)``, that keeps the mean square of units from layer to layer.

    >>> round(gain("relu") ** 2, 6), round(gain("sine") ** 2 * (1 - math.exp(-2)), 6)
    (2.0, 2.0)
    """
    if activation == "relu":
        return math.sqrt(2.0)
    # The trapezoidal rule is exact to rounding for a smooth function under a Gaussian.
    z = torch.linspace(-12, 12, 961, dtype=torch.float64)
    squares = ACTIVATIONS[activation](z) ** 2 * torch.exp(-(z**2) / 2)
    return float((squares.sum() * 0.025 / math.sqrt(2 * math.pi)) ** -0.5)


def fourier_features(points: Tensor, angular: Tensor) -> Tensor:
    """``[cos ω·x, sin ω·x]``: points ``(…, n, d)`` and angular frequencies ``(S, d, m)`` to ``(S, n, 2m)``."""
    phases = product(points, angular)
    return torch.cat((torch.cos(phases), torch.sin(phases)), dim=-1)


def positional_features(points: Tensor, octaves: int) -> Tensor:
    """Encode points ``(…, n, d)`` to ``(…, n, 2 d octaves)`` by a positional encoding."""
    from harness.networks.encoding import PositionalEncoding

    encoded: Tensor = PositionalEncoding(points.shape[-1], octaves)(points.flatten(0, -2))
    return encoded.reshape(*points.shape[:-1], -1)


def layers(
    features: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activation: str
) -> Tensor:
    """Affine layers with activations between them, none behind the last.

    Parameters
    ----------
    features : Tensor, shape (…, n, K)
    weights : sequence of Tensor, shapes (…, K, m_1), (…, m_1, m_2), …
        As they act, every factor included.
    biases : sequence of (Tensor or None), shapes (…, 1, m_1), …
    activation : str

    Returns
    -------
    Tensor, shape (…, n, m_L)
    """
    act = ACTIVATIONS[activation]
    h = features
    for position, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        h = product(act(h) if position else h, weight)
        if bias is not None:
            h = h + bias
    return h
