"""A model of one's own trains with the network that names it as its limit."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import fefreq
import harness
from harness.networks.plane_waves import Network, Waves
from harness.networks.two_layer import FourierFeatureNetwork, network_for


@dataclass(frozen=True)
class Readout(fefreq.Model):
    """Output weights alone, from zero."""

    density: fefreq.Density
    speed: float = 1.0

    def coefficients(self, frequencies, parity="even"):
        rho = self.density.pdf(frequencies)
        return fefreq.Coefficients(0 * rho, self.speed * rho)

    def kernel_terms(self):
        return (fefreq.KernelTerm(self.density.characteristic, self.speed, 0.0),)


class ReadoutNetwork(Network):
    limit_class = Readout

    @property
    def rates(self):
        return {"output": self.model.speed, "frequency": 0.0}

    def draw(self, count, rng):
        frequency = np.ascontiguousarray(self.model.density.sample(count, rng).T)
        return {"frequency": frequency, "output": np.zeros((2, self.channels, count))}

    def waves(self, parameters):
        a, b = parameters["output"].unbind(1)
        return Waves(parameters["frequency"], torch.complex(a, -b) * self.width**-0.5)

    def pullback(self, parameters, amplitude_gradient, frequency_gradient):
        both = torch.stack((amplitude_gradient.real, amplitude_gradient.imag), dim=1)
        return {"output": both * self.width**-0.5}


class Silent(Readout):
    pass


def test_it_trains_towards_its_kernel_flow_and_comes_back_from_a_file(tmp_path):
    target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), [(-1, 1)], 64)
    model, times = Readout(fefreq.Gaussian(2.0), speed=2.0), [0.0, 1.0, 5.0]
    descent = fefreq.GradientDescent(learning_rate=0.25)
    flow = fefreq.KernelFlow(model, target, dynamics=descent).solve(times)
    errors = []
    for width in (256, 4096):
        run = harness.train(model, target, width=width, times=times, seeds=4, learning_rate=0.25)
        errors.append(np.sqrt(np.mean((run.residuals - flow.values) ** 2)))
    assert errors[1] < errors[0] / 2  # a quarter, by the square root of the width
    assert errors[1] < 0.02
    back = fefreq.load(run.save(tmp_path / "run.nc"))
    assert back.model == model
    np.testing.assert_array_equal(back.residuals, run.residuals)


def test_the_nearest_class_decides():
    density = fefreq.Gaussian(2.0)
    assert type(network_for(Silent(density), 8, 1)) is ReadoutNetwork
    assert type(network_for(fefreq.FourierFeatures(density), 8, 1)) is FourierFeatureNetwork


def test_a_model_without_a_network_is_refused():
    class Alone(fefreq.Model):
        density = fefreq.Gaussian(1.0)
        coefficients = kernel_terms = None

    with pytest.raises(
        TypeError, match=r"Alone has no network that can be trained; models .*FourierFeatures"
    ):
        network_for(Alone(), 8, 1)
