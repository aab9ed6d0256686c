"""Deep networks on random Fourier features (arXiv 2006.10739; two layers: arXiv 2405.14957)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from fefreq.densities.base import Density
from fefreq.models import DeepFourierFeatures, FourierFeatures, Model, Rates
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


@dataclass(frozen=True)
class DeepFourierFeatureNetwork(ModuleSpec):
    """Hidden layers on ``h_0 = [cos 2πw_k·x, sin 2πw_k·x]``, ``w_k ~ ρ``, ``k = 1 … m_0``.

    Without hidden layers it is the two-layer network that :func:`harness.train` trains. With frozen
    frequencies and infinite width its tangent kernel is a function of ``κ(x - y)`` alone, ``κ`` the
    characteristic function of the density.

    Parameters
    ----------
    density : Density
        Distribution ``ρ`` of the frequencies, in cycles per unit length.
    width : int
        Units of every hidden layer.
    hidden_layers : int
        Number ``L ≥ 0`` of hidden layers between features and output.
    activation : {'relu', 'tanh', 'sine', 'erf', 'sigmoid', 'gelu', 'silu', 'softplus'}
        Of the hidden layers.
    features_drawn : int, optional
        Number ``m_0`` of frequencies, by default ``width``; there are twice as many features.
    output_std : float
        Standard deviation ``σ_a`` of the output weights.
    bias_std : float
        Standard deviation of the biases of hidden layers; 0 means that there are none.
    rates : LayerRates
        By default everything but the frequencies is trained.
    parametrisation : {'tangent-kernel', 'standard'}
        See :mod:`harness.networks.spec`.

    Raises
    ------
    TypeError
        If a count is no integer.
    ValueError
        If a size, a standard deviation or a name is impossible.
    """

    density: Density
    width: int
    hidden_layers: int = 3
    activation: Activation = "relu"
    features_drawn: int | None = None
    output_std: float = 1.0
    bias_std: float = 0.0
    rates: LayerRates = field(default_factory=lambda: LayerRates(frequency=0.0))
    parametrisation: Parametrisation = "tangent-kernel"
    kind: Literal["deep-fourier-features"] = field(default="deep-fourier-features", kw_only=True, repr=False)

    feature_blocks: ClassVar[tuple[str, ...]] = ("frequency",)

    def __post_init__(self) -> None:
        require_count("width", self.width, 1)
        require_count("hidden_layers", self.hidden_layers, 0)
        require_count("features_drawn", self._drawn, 1)
        require_choice("activation", self.activation, Activation)
        require_choice("parametrisation", self.parametrisation, Parametrisation)
        require_number("output_std", self.output_std, 0.0)
        require_number("bias_std", self.bias_std, 0.0)

    @classmethod
    def of(cls, model: DeepFourierFeatures, width: int) -> DeepFourierFeatureNetwork:
        """The network of finite width whose limit is a model.

        Raises
        ------
        TypeError
            If the activation of the model is a function and not a name.
        """
        if not isinstance(model.activation, str):
            raise TypeError(
                "networks are trained with activations that have a name, such as 'relu' or 'tanh'; a function of "
                "your own can be predicted alone"
            )
        return cls(model.density, width, model.hidden_layers, model.activation)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.density.dim

    def limit(self) -> Model | None:
        """Two-layer Fourier features without hidden layers; with them, deep Fourier features.

        The theory of hidden layers is that of frozen frequencies, rates of 1, output weights of variance 1 and no
        biases, in the tangent-kernel parametrisation; frequencies are drawn without end, too, in this limit.
        """
        rates = self.rates
        if self.parametrisation != "tangent-kernel":
            return None
        if self.hidden_layers == 0:
            if rates.output == rates.frequency == 0:
                return None
            return FourierFeatures(self.density, self.output_std, Rates(rates.output, rates.frequency))
        described = rates.frequency == 0 and rates.hidden == rates.output == self.output_std == 1
        if not described or self.bias_std > 0:
            return None
        return DeepFourierFeatures(self.density, self.hidden_layers, self.activation)

    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Frequencies ``(d, m_0)``, hidden layers, output weights ``(m_L, C)``; features are cosines, then sines."""
        frequency = np.ascontiguousarray(self.density.sample(self._drawn, rng).T)
        hidden = self._hidden.draw(rng)
        if self.hidden_layers:
            output = rng.standard_normal((self.width, channels))
        else:
            # In the order of the two-layer network, so that equal seeds give equal networks.
            output = rng.standard_normal((2, channels, self._drawn)).swapaxes(1, 2).reshape(-1, channels)
        return {"frequency": frequency, **hidden, "output": self._hidden.output(output)}

    def block_rates(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """Rates by the kind of block."""
        return self.rates.of(blocks)

    def factors(self) -> dict[str, FloatArray | float]:
        """``2π`` for the frequencies, and those of the hidden layers."""
        return {"frequency": 2 * math.pi, **self._hidden.factors()}

    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """Cosines and sines, ``(S, n, 2 m_0)``."""
        from harness.networks.layers import fourier_features

        return fourier_features(points, blocks["frequency"])

    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """Hidden layers and output."""
        return self._hidden(blocks, features)

    def units(self) -> int:
        """Units of the widest layer."""
        return max(2 * self._drawn, self.width)

    @property
    def _drawn(self) -> int:
        return self.width if self.features_drawn is None else self.features_drawn

    @property
    def _hidden(self) -> HiddenLayers:
        drawn = self._drawn
        return HiddenLayers(
            2 * drawn,
            drawn,
            self.width,
            self.hidden_layers,
            self.activation,
            self.output_std,
            self.bias_std,
            self.parametrisation,
        )
