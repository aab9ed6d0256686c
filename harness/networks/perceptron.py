"""Layers on the coordinates: perceptrons, with or without a positional encoding, and sine networks (SIREN)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from fefreq.support.arrays import FloatArray
from harness.networks.spec import (
    Activation,
    Blocks,
    HiddenLayers,
    ModuleSpec,
    Parametrisation,
    require_choice,
    require_count,
    require_number,
)

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Perceptron(ModuleSpec):
    """A multilayer perceptron on the coordinates, or on sines and cosines of octaves of them.

    Parameters
    ----------
    width : int
        Units of every hidden layer.
    hidden_layers : int
        At least 1.
    activation : {'tanh', 'relu', 'sine', 'erf', 'sigmoid', 'gelu', 'silu', 'softplus'}
        Of the hidden layers.
    octaves : int, optional
        Octaves of the positional encoding ``[sin 2^l π x_i, cos 2^l π x_i]``; without it the coordinates come in.
    dim : int
        Number of coordinates.
    input_std : float
        Factor on the first layer: how steep the units are. Large values make the kernel narrower.
    output_std, bias_std : float
        Standard deviations of output weights and of the biases of hidden layers; 0 means no biases.
    parametrisation : {'tangent-kernel', 'standard'}
        See :mod:`harness.networks.spec`.

    Raises
    ------
    TypeError
        If a count is no integer.
    ValueError
        If a size, a standard deviation or a name is impossible.
    """

    width: int
    hidden_layers: int = 3
    activation: Activation = "tanh"
    octaves: int | None = None
    dim: int = 1
    input_std: float = 1.0
    output_std: float = 1.0
    bias_std: float = 1.0
    parametrisation: Parametrisation = "tangent-kernel"
    kind: Literal["perceptron"] = field(default="perceptron", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        for name in ("width", "hidden_layers", "dim"):
            require_count(name, getattr(self, name), 1)
        if self.octaves is not None:
            require_count("octaves", self.octaves, 1)
        require_choice("activation", self.activation, Activation)
        require_choice("parametrisation", self.parametrisation, Parametrisation)
        require_number("input_std", self.input_std, 0.0, above=True)
        require_number("output_std", self.output_std, 0.0)
        require_number("bias_std", self.bias_std, 0.0)

    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Hidden layers and output weights."""
        hidden = self._hidden.draw(rng)
        return {**hidden, "output": self._hidden.output(rng.standard_normal((self.width, channels)))}

    def block_rates(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """Everything is trained at rate 1."""
        return dict.fromkeys(blocks, 1.0)

    def factors(self) -> dict[str, FloatArray | float]:
        """Those of the hidden layers."""
        return self._hidden.factors()

    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """The coordinates or their encoding."""
        if self.octaves is None:
            return points
        from harness.networks.layers import positional_features

        return positional_features(points, self.octaves)

    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """Hidden layers and output."""
        return self._hidden(blocks, features)

    @property
    def _hidden(self) -> HiddenLayers:
        inputs = self.dim if self.octaves is None else 2 * self.dim * self.octaves
        # Sines and cosines of one octave have squares that add up to 1.
        squares = self.dim if self.octaves is None else self.dim * self.octaves
        return HiddenLayers(
            inputs,
            squares / self.input_std**2,
            self.width,
            self.hidden_layers,
            self.activation,
            self.output_std,
            self.bias_std,
            self.parametrisation,
        )


@dataclass(frozen=True)
class Siren(ModuleSpec):
    """Sine network ``h_l = sin ω_l (W_l h_{l-1} + b_l)`` with the initialisation of arXiv 2006.09661.

    First-layer weights are uniform on ``±1/d``, the others on ``±√(6/m)/ω``, biases on ``±1/√(fan in)``.

    Parameters
    ----------
    width : int
        Units of every hidden layer.
    hidden_layers : int
        At least 1.
    omega : float
        Factor ``ω_1`` of the first layer: a unit has at most ``ω_1 / 2π`` cycles per unit length in one dimension.
    hidden_omega : float
        Factor of the other layers.
    dim : int
        Number of coordinates.

    Raises
    ------
    TypeError
        If a count is no integer.
    ValueError
        If a size or a factor is impossible.
    """

    width: int
    hidden_layers: int = 3
    omega: float = 30.0
    hidden_omega: float = 30.0
    dim: int = 1
    kind: Literal["siren"] = field(default="siren", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        for name in ("width", "hidden_layers", "dim"):
            require_count(name, getattr(self, name), 1)
        require_number("omega", self.omega, 0.0, above=True)
        require_number("hidden_omega", self.hidden_omega, 0.0, above=True)

    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Uniform weights and biases of all layers, the output included."""
        blocks = {}
        sizes = [self.dim, *[self.width] * self.hidden_layers, channels]
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            last = layer == len(sizes) - 1
            bound = 1 / fan_in if layer == 1 else math.sqrt(6 / fan_in) / self.hidden_omega
            blocks["output" if last else f"hidden{layer}"] = rng.uniform(-bound, bound, (fan_in, fan_out))
            spread = fan_in**-0.5
            blocks["bias" if last else f"bias{layer}"] = rng.uniform(-spread, spread, (1, fan_out))
        return blocks

    def block_rates(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """Everything is trained at rate 1."""
        return dict.fromkeys(blocks, 1.0)

    def factors(self) -> dict[str, FloatArray | float]:
        """``ω`` for the weights and biases of hidden layers."""
        omegas = [self.omega, *[self.hidden_omega] * (self.hidden_layers - 1)]
        return {
            f"{name}{layer}": omega
            for layer, omega in enumerate(omegas, start=1)
            for name in ("hidden", "bias")
        }

    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """The coordinates."""
        return points

    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """All layers."""
        layers = HiddenLayers(self.dim, 1.0, self.width, self.hidden_layers, "sine", 1.0, 1.0, "standard")
        return layers(blocks, features)
