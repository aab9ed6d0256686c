"""The architectures that can be trained by transforms: Fourier features and multi-scale sines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from fefreq.models import FourierFeatures, Model, MultiScaleSine
from fefreq.support.arrays import FloatArray
from harness.networks.plane_waves import Network, Parameters, Waves


class FourierFeatureNetwork(Network):
    """``N(x) = m^{-1/2} Σ_k a_k cos(2π w_k·x) + b_k sin(2π w_k·x)`` (arXiv 2405.14957).

    Blocks: ``frequency`` holds ``w``, ``output`` holds ``a`` and ``b`` of every channel.
    """

    limit_class = FourierFeatures
    model: FourierFeatures

    @property
    def rates(self) -> Mapping[str, float]:
        """Rates of the output weights and of the frequencies."""
        return {"output": self.model.rates.output, "frequency": self.model.rates.frequency}

    def draw(self, count: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Frequencies from the density, output weights from a normal distribution."""
        frequency = np.ascontiguousarray(self.model.density.sample(count, rng).T)
        output = self.model.output_std * rng.standard_normal((2, self.channels, count))
        return {"frequency": frequency, "output": output}

    def waves(self, parameters: Parameters) -> Waves:
        """``v = w`` and ``z = (a - ib) / √m``."""
        a, b = parameters["output"].unbind(1)
        return Waves(parameters["frequency"], torch.complex(a, -b).mul_(self.width**-0.5))

    def pullback(
        self, parameters: Parameters, amplitude_gradient: Tensor, frequency_gradient: Tensor | None
    ) -> Parameters:
        """``∂R/∂a = Re G / √m``, ``∂R/∂b = Im G / √m``, ``∂R/∂w = ∂R/∂v``."""
        gradients = {}
        if self.model.rates.output > 0:
            both = torch.stack((amplitude_gradient.real, amplitude_gradient.imag), dim=1)
            gradients["output"] = both.mul_(self.width**-0.5)
        if frequency_gradient is not None:
            gradients["frequency"] = frequency_gradient
        return gradients


class MultiScaleSineNetwork(Network):
    """``N(x) = S^{-1/2} Σ_j α_j^p m^{-1/2} Σ_k a_jk sin(2π α_j w_jk·x + b_jk)`` (arXiv 2212.03416).

    Every one of the ``S`` sub-networks has ``width`` neurons. The neurons of the sub-networks alternate, so
    that neuron ``k`` has the scale ``k mod S``, whatever part of the network is drawn.

    Blocks: ``frequency`` holds ``w``, ``bias`` holds ``b``, ``output`` holds ``a`` of every channel.
    """

    limit_class = MultiScaleSine
    model: MultiScaleSine

    @property
    def rates(self) -> Mapping[str, float]:
        """Rates of the output weights, the frequencies and the biases."""
        rates = self.model.rates
        return {"output": rates.output, "frequency": rates.frequency, "bias": rates.bias}

    def draw(self, count: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Frequencies from the density, biases from their law, output weights from a normal distribution."""
        neurons = count * len(self.model.scales)
        frequency = np.ascontiguousarray(self.model.density.sample(neurons, rng).T)
        output = self.model.output_std * rng.standard_normal((self.channels, neurons))
        if self.model.bias == "uniform":
            bias = rng.uniform(0.0, 2 * math.pi, neurons)
        else:
            bias = self.model.bias_std * rng.standard_normal(neurons)
        return {"frequency": frequency, "output": output, "bias": bias}

    def waves(self, parameters: Parameters) -> Waves:
        """``v = α w`` and ``z = -i α^p a exp(ib) / √(S m)``, since ``sin θ = Re(-i exp(iθ))``."""
        scale, prefactor = self._scale(parameters["bias"])
        bias = parameters["bias"]
        turned = torch.complex(torch.sin(bias), torch.cos(bias).neg()) * prefactor  # -i exp(ib)
        return Waves(scale * parameters["frequency"], parameters["output"] * turned.unsqueeze(1))

    def pullback(
        self, parameters: Parameters, amplitude_gradient: Tensor, frequency_gradient: Tensor | None
    ) -> Parameters:
        """``∂R/∂a = c Im(e^{ib} G)``, ``∂R/∂b = c Σ a Re(e^{ib} G)``, ``∂R/∂w = α ∂R/∂v`` with ``c = α^p / √(S m)``."""
        scale, prefactor = self._scale(parameters["bias"])
        turned = amplitude_gradient * (self._turn(parameters["bias"]) * prefactor).unsqueeze(1)
        gradients = {}
        if self.model.rates.output > 0:
            gradients["output"] = turned.imag
        if self.model.rates.bias > 0:
            gradients["bias"] = (parameters["output"] * turned.real).sum(dim=1)
        if frequency_gradient is not None:
            gradients["frequency"] = scale * frequency_gradient
        return gradients

    def _scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and prefactor of every neuron, shape ``(m,)``."""
        scales = torch.tensor(self.model.scales, dtype=like.dtype, device=like.device)
        each = scales.repeat(like.shape[-1] // len(scales))
        return each, each**self.model.prefactor_power / math.sqrt(len(scales) * self.width)

    @staticmethod
    def _turn(bias: Tensor) -> Tensor:
        return torch.polar(torch.ones_like(bias), bias)


def network_for(model: Model, width: int, channels: int) -> Network:
    """Build the network of finite width that a model describes in the limit.

    It is the :class:`~harness.networks.plane_waves.Network` that names the class of the model, or the nearest of its
    parents, as its ``limit_class``, among all that the program has defined or imported.

    Raises
    ------
    TypeError
        If there is no such network.
    """
    known = {network.limit_class: network for network in _networks(Network)}  # type: ignore[type-abstract]
    for kind in type(model).__mro__:
        if kind in known:
            return known[kind](model, width, channels)
    names = ", ".join(kind.__name__ for kind in known)
    raise TypeError(
        f"{type(model).__name__} has no network that can be trained; models that have one: {names}, "
        "and DeepFourierFeatures by harness.train"
    )


def _networks(parent: type[Network]) -> Iterator[type[Network]]:
    for network in parent.__subclasses__():
        if "limit_class" in vars(network):
            yield network
        yield from _networks(network)
