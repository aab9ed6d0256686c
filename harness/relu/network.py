r"""ReLU multilayer perceptrons, built and read.

``N(x) = W_{L+1} a_L + b_{L+1}``, ``a_l = max(z_l, 0)``, ``z_l = W_l a_{l-1} + b_l``, with ``a_0 = x`` or,
behind an encoding, ``a_0 = γ(x)``. The space of ``a_0`` is called network-input space: there, and there only,
every pre-activation is piecewise affine.

Every diagnostic takes the ``torch.nn.Sequential`` that is being trained; :class:`ReluNetwork` reads its
layers, shares its memory, and refuses what the theory does not cover (other activations, shared or
reparametrised layers) with a sentence that names the offender.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.utils import parametrize

from fefreq.support.arrays import FloatArray, as_points, real_array
from harness.networks.encoding import Encoding, PositionalEncoding


@dataclass(frozen=True, eq=False)
class ReluNetwork:
    """The layers of a ReLU multilayer perceptron; a view, nothing is copied.

    Attributes
    ----------
    encoding : Encoding or None
        The map in front of the first layer.
    layers : tuple of torch.nn.Linear
        All affine layers; the last one is the output.
    """

    encoding: Encoding | None
    layers: tuple[nn.Linear, ...]

    @classmethod
    def of(cls, module: nn.Module | ReluNetwork) -> ReluNetwork:
        """Read a network.

        Parameters
        ----------
        module : torch.nn.Sequential or ReluNetwork
            An optional :class:`Encoding`, then ``Linear`` and ``ReLU`` alternately, ending with ``Linear``;
            nested ``Sequential`` containers are opened.

        Raises
        ------
        TypeError
            If the module is no ``Sequential``, or holds anything else; another activation is named.
        ValueError
            If widths do not fit together, a layer is used twice, or its weights are reparametrised.
        """
        if isinstance(module, ReluNetwork):
            return module
        if not isinstance(module, nn.Sequential):
            raise TypeError(
                f"{type(module).__name__} does not say in which order its layers act: "
                "pass the torch.nn.Sequential of Linear and ReLU layers"
            )
        modules = list(_flattened(module))
        encoding = modules[0] if modules and isinstance(modules[0], Encoding) else None
        layers = _alternating(modules[1:] if encoding else modules)
        _check_layers(encoding, layers)
        return cls(encoding, layers)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.encoding.dim if self.encoding else self.layers[0].in_features

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of units of every hidden layer."""
        return tuple(layer.out_features for layer in self.layers[:-1])

    @property
    def units(self) -> int:
        """Number ``M`` of hidden units."""
        return sum(self.widths)

    @property
    def outputs(self) -> int:
        """Number of channels."""
        return self.layers[-1].out_features

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.layers[0].weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.layers[0].weight.device

    @property
    def head(self) -> ReluNetwork:
        """The network without its encoding: a function on network-input space."""
        return ReluNetwork(None, self.layers)

    def inputs(self, points: ArrayLike | Tensor) -> Tensor:
        """Bring points to the shape ``(n, dim)``, precision and device of the network.

        Raises
        ------
        ValueError
            If their dimension is not the network's, there are none, or one is not finite.
        """
        checked = as_points(
            host_array(points, "points"), self.dim, f"points of a network on {self.dim} coordinate(s)"
        )
        if len(checked) == 0:
            raise ValueError("there are no points to evaluate the network at: give at least one")
        return torch.tensor(checked).to(self.device, self.dtype)

    def encode(self, points: Tensor) -> Tensor:
        """Map checked points ``(n, dim)`` to network-input space."""
        encoded: Tensor = self.encoding(points) if self.encoding else points
        return encoded

    def preactivations(self, points: Tensor) -> Iterator[Tensor]:
        """Yield ``z_1, …, z_L`` ``(n, width)`` at checked points, one hidden layer at a time."""
        a = self.encode(points)
        for layer in self.layers[:-1]:
            z = layer(a)
            yield z
            a = torch.relu(z)

    def outputs_at(self, points: ArrayLike | Tensor) -> FloatArray:
        """Evaluate the network without gradients, ``(n, outputs)`` in float64."""
        with torch.no_grad():
            a = self.encode(self.inputs(points))
            for layer in self.layers[:-1]:
                a = torch.relu(layer(a))
            return np.asarray(self.layers[-1](a).double().cpu().numpy())

    def weights(self) -> list[FloatArray]:
        """Weight matrices ``(out, in)`` of all layers in float64, the output layer last."""
        return [layer.weight.detach().double().cpu().numpy() for layer in self.layers]

    def biases(self) -> list[FloatArray]:
        """Biases ``(out,)`` of all layers in float64; zeros for a layer that has none."""
        return [
            np.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().double().cpu().numpy()
            for layer in self.layers
        ]


def relu_network(
    dim: int,
    width: int,
    hidden_layers: int,
    outputs: int = 1,
    *,
    octaves: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> nn.Sequential:
    """Build a ReLU multilayer perceptron, plain or behind a positional encoding.

    Parameters
    ----------
    dim : int
        Number of coordinates.
    width, hidden_layers : int
        Units of a hidden layer, and number of hidden layers.
    outputs : int
        Number of channels.
    octaves : int, optional
        Octaves of the positional encoding; without it the coordinates are the input.
    seed : int
        Seeds the weights and biases, which are uniform on ``±(fan-in)^(-½)`` (torch's own default).
    dtype : torch.dtype
        Precision of the weights; the same numbers are drawn for each.

    Raises
    ------
    ValueError
        If a size is not positive.

    Examples
    --------
    >>> network = relu_network(dim=1, width=128, hidden_layers=4, octaves=4)
    >>> ReluNetwork.of(network).widths
    (128, 128, 128, 128)
    """
    for name, size in {
        "dim": dim,
        "width": width,
        "hidden_layers": hidden_layers,
        "outputs": outputs,
    }.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; a network needs at least 1")
    encoding = None if octaves is None else PositionalEncoding(dim, octaves)
    sizes = [encoding.features if encoding else dim, *[width] * hidden_layers, outputs]
    generator = torch.Generator().manual_seed(seed)
    modules: list[nn.Module] = [encoding] if encoding else []
    for fan_in, fan_out in pairwise(sizes):
        # Made without values: torch's own initialisation would draw from its global generator.
        layer = nn.Linear(fan_in, fan_out, dtype=dtype, device="meta").to_empty(device="cpu")
        bound = 1 / math.sqrt(fan_in)
        with torch.no_grad():
            for parameter in layer.parameters():
                drawn = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(bound * (2 * drawn - 1))
        modules += [layer, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def host_array(values: ArrayLike | Tensor, name: str) -> FloatArray:
    """Bring numbers or a tensor to a checked numpy array in float64."""
    return real_array(values.numpy(force=True) if isinstance(values, Tensor) else values, name)


def _flattened(module: nn.Sequential) -> Iterator[nn.Module]:
    for child in module:
        if isinstance(child, nn.Sequential):
            yield from _flattened(child)
        else:
            yield child


def _alternating(modules: list[nn.Module]) -> tuple[nn.Linear, ...]:
    for position, module in enumerate(modules):
        expected = nn.ReLU if position % 2 else nn.Linear
        if isinstance(module, expected):
            continue
        name = type(module).__name__
        if not isinstance(module, (nn.Linear, nn.ReLU)):
            raise TypeError(
                f"the network has a {name} module; activation regions are defined for torch.nn.Linear and "
                "torch.nn.ReLU alternately, behind an optional Encoding"
            )
        raise TypeError(
            f"module {position} behind the encoding is {name} where {expected.__name__} is expected: "
            "Linear and ReLU must alternate"
        )
    if len(modules) < 3 or len(modules) % 2 == 0:
        raise TypeError("the network must have at least one hidden ReLU layer and end with a Linear layer")
    return tuple(module for module in modules if isinstance(module, nn.Linear))


def _check_layers(encoding: Encoding | None, layers: tuple[nn.Linear, ...]) -> None:
    if len(set(map(id, layers))) < len(layers):
        raise ValueError(
            "a Linear layer is used twice; gradients layer by layer need a layer of its own each time"
        )
    if any(parametrize.is_parametrized(layer) for layer in layers):
        raise ValueError(
            "a Linear layer is reparametrised; remove the parametrisation to measure its weights"
        )
    if encoding and next(encoding.parameters(), None) is not None:
        raise ValueError("the encoding has trainable parameters; make them buffers, it must be a fixed map")
    widths = [
        encoding.features if encoding else layers[0].in_features,
        *[layer.out_features for layer in layers],
    ]
    for position, (layer, width) in enumerate(zip(layers, widths, strict=False)):
        if layer.in_features != width:
            raise ValueError(f"layer {position} takes {layer.in_features} inputs, but {width} come in")
