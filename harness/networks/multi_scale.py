r"""Deep multi-scale networks (MscaleDNN, arXiv 2007.11207; two layers with sines: arXiv 2212.03416).

``J`` sub-networks see the input at scales ``α_j``,

.. math:: N(x) = J^{-1/2} ∑_j α_j^p \, N_j(α_j x) , \qquad h_0 = σ(2π α_j w_{jk}·x + b_{jk}) , \quad w ∼ ρ ,

with ``L`` more hidden layers in each. A narrow density and several scales cover a band of frequencies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from fefreq.densities.base import Density
from fefreq.models import Model, MultiScaleSine, Rates
from fefreq.support.arrays import FloatArray
from harness.networks.spec import (
    Activation,
    Blocks,
    HiddenLayers,
    LayerRates,
    ModuleSpec,
    Parametrisation,
    require_choice,
    require_count,
    require_number,
)

if TYPE_CHECKING:
    from torch import Tensor

BiasLaw = Literal["zero", "normal", "uniform"]


@dataclass(frozen=True)
class MultiScaleNetwork(ModuleSpec):
    """Parallel sub-networks, one for every scale, each of several layers.

    Without hidden layers behind the first and with sines it is the network of :class:`fefreq.MultiScaleSine`.

    Parameters
    ----------
    density : Density
        Distribution of the frequencies before scaling, in cycles per unit length.
    scales : tuple of float
        The ``α_j > 0``, all different.
    width : int
        Units of every layer of one sub-network.
    hidden_layers : int
        Number ``L ≥ 0`` of hidden layers behind the first.
    activation : {'sine', 'relu', 'tanh', 'erf', 'sigmoid', 'gelu', 'silu', 'softplus'}
        Of all layers.
    output_std : float
        Standard deviation of the output weights.
    bias : {'zero', 'normal', 'uniform'}
        Law of the biases of the first layer: zero, normal with ``bias_std``, or uniform on ``[0, 2π]``.
    bias_std : float
        Standard deviation of normal biases, there and in hidden layers, which have none if it is 0.
    rates : LayerRates
    prefactor_power : float
        The power ``p``.
    parametrisation : {'tangent-kernel', 'standard'}
        See :mod:`harness.networks.spec`.

    Raises
    ------
    TypeError
        If a count is no integer.
    ValueError
        If scales are missing, not positive or repeated, or a size, a standard deviation or a name is impossible.
    """

    density: Density
    scales: tuple[float, ...]
    width: int
    hidden_layers: int = 1
    activation: Activation = "sine"
    output_std: float = 1.0
    bias: BiasLaw = "uniform"
    bias_std: float = 0.0
    rates: LayerRates = field(default_factory=LayerRates)
    prefactor_power: float = 0.0
    parametrisation: Parametrisation = "tangent-kernel"
    kind: Literal["deep-multi-scale"] = field(default="deep-multi-scale", kw_only=True, repr=False)

    feature_blocks: ClassVar[tuple[str, ...]] = ("frequency", "bias0")

    def __post_init__(self) -> None:
        self._store(scales=tuple(float(scale) for scale in self.scales))
        if not self.scales:
            raise ValueError("a multi-scale network needs at least one scale")
        for scale in self.scales:
            require_number("every scale", scale, 0.0, above=True)
        if len(set(self.scales)) < len(self.scales):
            raise ValueError(f"scales must differ from one another, but {list(self.scales)} repeats one")
        require_count("width", self.width, 1)
        require_count("hidden_layers", self.hidden_layers, 0)
        require_choice("activation", self.activation, Activation)
        require_choice("bias", self.bias, BiasLaw)
        require_choice("parametrisation", self.parametrisation, Parametrisation)
        require_number("output_std", self.output_std, 0.0)
        require_number("bias_std", self.bias_std, 0.0)
        if (self.bias == "normal") != (self.bias_std > 0):
            raise ValueError(
                f"bias_std = {self.bias_std:g} does not go with bias = {self.bias!r}: "
                "normal biases need bias_std above 0, the other laws have none"
            )
        if not math.isfinite(self.prefactor_power):
            raise ValueError(f"prefactor_power must be finite, not {self.prefactor_power}")

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.density.dim

    def limit(self) -> Model | None:
        """Multi-scale sines, of two layers of sines in the tangent-kernel parametrisation."""
        rates = self.rates
        two_layers = self.hidden_layers == 0 and self.activation == "sine"
        if not two_layers or self.parametrisation != "tangent-kernel":
            return None
        if rates.output == rates.frequency == rates.bias == 0 or rates.output == self.output_std == 0:
            return None
        return MultiScaleSine(
            self.density,
            self.scales,
            self.output_std,
            self.bias,
            self.bias_std,
            Rates(rates.output, rates.frequency, rates.bias),
            self.prefactor_power,
        )

    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Blocks, the sub-networks on the first axis: frequencies ``(J, d, m)``, biases ``(J, 1, m)`` and so on."""
        count, m = len(self.scales), self.width
        # Scales alternate, in the order of the two-layer network, so that equal seeds give equal networks.
        frequency = self.density.sample(m * count, rng).reshape(m, count, self.dim).transpose(1, 2, 0)
        output = rng.standard_normal((channels, m, count)).transpose(2, 1, 0)
        bias = np.zeros((m, count))
        if self.bias == "normal":
            bias = self.bias_std * rng.standard_normal((m, count))
        elif self.bias == "uniform":
            bias = rng.uniform(0.0, 2 * math.pi, (m, count))
        hidden = self._hidden.draw(rng)
        return {
            "frequency": frequency,
            "bias0": bias.T[:, None, :],
            **hidden,
            "output": self._hidden.output(output),
        }

    def block_rates(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """Rates by the kind of block."""
        return self.rates.of(blocks)

    def factors(self) -> dict[str, FloatArray | float]:
        """``2π α_j`` for frequencies, ``α_j^p / √J`` on top of the factor of the output."""
        scales = np.array(self.scales)[:, None, None]
        factors = self._hidden.factors()
        prefactor = scales**self.prefactor_power / math.sqrt(len(self.scales))
        return {
            **factors,
            "frequency": 2 * math.pi * scales,
            "output": factors.get("output", 1.0) * prefactor,
        }

    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """First layers, ``(S, J, n, m)``."""
        from harness.networks.layers import ACTIVATIONS, product

        phases = product(points.unsqueeze(-3), blocks["frequency"]) + blocks["bias0"]
        return ACTIVATIONS[self.activation](phases)

    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """Hidden layers, and the sum over sub-networks."""
        return self._hidden(blocks, features).sum(dim=1)

    def units(self) -> int:
        """Units of one layer of all sub-networks."""
        return self.width * len(self.scales)

    @property
    def _hidden(self) -> HiddenLayers:
        return HiddenLayers(
            self.width,
            self.width,
            self.width,
            self.hidden_layers,
            self.activation,
            self.output_std,
            self.bias_std,
            self.parametrisation,
            (len(self.scales),),
        )
