"""Kernel and coefficients of every model are those of the network that it is the limit of."""

import numpy as np
import pytest

import fefreq
from fefreq.testing import check_model

UNEQUAL = fefreq.Rates(output=0.7, frequency=0.4, bias=1.6)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("block", ["output", "frequency"])
def test_fourier_features_are_the_mean_over_neurons(dim, block):
    rates = fefreq.Rates(**{"output": 0.0, "frequency": 0.0, block: 0.7})
    model = fefreq.FourierFeatures(fefreq.Laplace(1.5, dim), 0.8, rates)

    def gradients(count, rng, points):
        w, (a, b) = model.density.sample(count, rng), 0.8 * rng.standard_normal((2, count, 1, 1))
        phase = 2 * np.pi * w @ points.T
        cos, sin = np.cos(phase), np.sin(phase)
        if block == "output":
            return np.sqrt(0.7) * np.stack([cos, sin], axis=1)
        return np.sqrt(0.7) * 2 * np.pi * points.T * (b * cos[:, None] - a * sin[:, None])

    check_model(model, gradients=gradients)


LAWS = {
    "zero": lambda rng, n: np.zeros(n),
    "normal": lambda rng, n: rng.normal(0, 0.6, n),
    "uniform": lambda rng, n: rng.uniform(0, 2 * np.pi, n),
}


@pytest.mark.parametrize("bias", LAWS)
@pytest.mark.parametrize("block", ["output", "frequency", "bias"])
def test_multi_scale_sines_are_the_mean_over_neurons_block_by_block(bias, block):
    rates = fefreq.Rates(**{"output": 0.0, "frequency": 0.0, "bias": 0.0, block: 1.0})
    deviation = {"bias_std": 0.6} if bias == "normal" else {}
    model = fefreq.MultiScaleSine(
        fefreq.Gaussian(0.8, 2), (1, 3), 0.9, bias=bias, rates=rates, prefactor_power=0.5, **deviation
    )

    def gradients(count, rng, points):
        parts = []
        for alpha in model.scales:  # one neuron of each sub-network
            w, a, b = model.density.sample(count, rng), rng.normal(0, 0.9, count), LAWS[bias](rng, count)
            phase = 2 * np.pi * alpha * (w @ points.T) + b[:, None]
            along = {
                "output": np.sin(phase)[:, None],
                "bias": (a[:, None] * np.cos(phase))[:, None],
                "frequency": 2 * np.pi * alpha * points.T * (a[:, None] * np.cos(phase))[:, None],
            }[block]
            parts.append(np.sqrt(alpha / len(model.scales)) * along)
        return np.concatenate(parts, axis=1)

    check_model(model, gradients=gradients)


@pytest.mark.parametrize(
    "density", [fefreq.Uniform(2.0), fefreq.StudentT(1.0, 3.0, 2), fefreq.LogUniform(0.5, 4.0)]
)
@pytest.mark.parametrize("bias", [{"bias": "zero"}, {"bias": "normal", "bias_std": 0.5}, {"bias": "uniform"}])
def test_coefficients_of_many_scales_are_transforms_of_the_kernel(density, bias):
    check_model(fefreq.MultiScaleSine(density, (1, 2), 0.8, rates=UNEQUAL, **bias))


@pytest.mark.parametrize("activation", ["erf", "sine", "tanh"])
@pytest.mark.parametrize("layers", [0, 2])
def test_coefficients_of_deep_models_are_transforms_of_the_kernel(layers, activation):
    model = fefreq.DeepFourierFeatures(fefreq.Gaussian(2.0), layers, activation)
    check_model(model, edges=(np.linspace(0, 80, 161),))
