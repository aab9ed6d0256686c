"""Networks and their infinite limits: the tangent kernel of many finite networks against that of the model."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import fefreq
from harness.networks import (
    DeepFourierFeatureNetwork,
    LayerRates,
    MultiScaleNetwork,
    Perceptron,
    Siren,
    TorchNetwork,
)
from harness.networks.two_layer import network_for
from harness.training.train import train, train_module

GAUSSIAN = fefreq.Gaussian(1.5)
POINTS = np.array([[-0.4], [-0.1], [0.0], [0.25]])


def tangent_kernels(outputs, draws, rates):
    """``Σ λ_block ∂N(x) ∂N(y)`` of every draw, the outputs of a network a function of its blocks."""
    blocks = {name: torch.tensor(np.array([draw[name] for draw in draws])) for name in draws[0]}
    trained = {name: block for name, block in blocks.items() if rates[name] > 0}
    frozen = {name: block for name, block in blocks.items() if rates[name] == 0}
    slopes = torch.vmap(torch.func.jacrev(lambda some, others: outputs({**others, **some})))(trained, frozen)
    rows = {name: slope.reshape(len(draws), len(POINTS), -1) for name, slope in slopes.items()}
    return sum(rates[name] * row @ row.mT for name, row in rows.items()).numpy()


def module_kernels(spec, count):
    """Tangent kernels ``(count, n, n)`` of independent networks of a specification."""
    factors = {name: torch.as_tensor(factor, dtype=torch.float64) for name, factor in spec.factors().items()}
    points, rng = torch.from_numpy(POINTS)[None], np.random.default_rng(0)

    def outputs(blocks):
        whole = {name: (block * factors.get(name, 1.0))[None] for name, block in blocks.items()}
        return spec.outputs(whole, spec.features(whole, points))[0, :, 0]

    draws = [spec.draw(1, rng) for _ in range(count)]
    return tangent_kernels(outputs, draws, spec.block_rates(draws[0]))


def wave_kernels(network, count):
    """The same of networks that are sums of plane waves."""
    points, rng = torch.from_numpy(POINTS), np.random.default_rng(0)

    def outputs(blocks):
        waves = network.waves({name: block[None] for name, block in blocks.items()})
        phases = 2 * math.pi * points @ waves.frequencies[0]
        amplitudes = waves.amplitudes[0, 0]
        return torch.cos(phases) @ amplitudes.real - torch.sin(phases) @ amplitudes.imag

    return tangent_kernels(outputs, [network.draw(network.width, rng) for _ in range(count)], network.rates)


def deviation(kernels, model):
    """Largest deviation of the mean kernel, in standard errors."""
    error = kernels.std(axis=0, ddof=1) / math.sqrt(len(kernels))
    return np.max(np.abs(kernels.mean(axis=0) - model.kernel(POINTS, POINTS)) / np.maximum(error, 1e-12))


RATES = {"output": 0.7, "frequency": 0.4}
TWO_LAYERS = {
    "features": DeepFourierFeatureNetwork(GAUSSIAN, 20, 0, output_std=0.6, rates=LayerRates(**RATES)),
    "few features": DeepFourierFeatureNetwork(
        fefreq.Uniform(3.0), 4, 0, features_drawn=30, rates=LayerRates(frequency=0.0)
    ),
    "normal biases": MultiScaleNetwork(
        GAUSSIAN,
        (1, 3),
        10,
        0,
        output_std=0.8,
        bias="normal",
        bias_std=0.7,
        rates=LayerRates(**RATES, bias=1.6),
    ),
    "uniform biases": MultiScaleNetwork(GAUSSIAN, (1, 2, 4), 10, 0, prefactor_power=0.5),
    "zero biases": MultiScaleNetwork(GAUSSIAN, (2,), 10, 0, bias="zero"),
}


@pytest.mark.parametrize("spec", TWO_LAYERS.values(), ids=TWO_LAYERS.keys())
def test_mean_kernel_of_two_layers_is_that_of_the_limit_at_any_width(spec):
    # 16 entries of a Gaussian mean: five standard errors are exceeded once in a hundred thousand times.
    assert deviation(module_kernels(spec, 1500), spec.limit()) < 5


@pytest.mark.parametrize(
    "model",
    [
        fefreq.FourierFeatures(GAUSSIAN, 0.6, fefreq.Rates(**RATES)),
        fefreq.MultiScaleSine(GAUSSIAN, (1, 3), 0.8, "normal", 0.7, fefreq.Rates(**RATES, bias=1.6), 0.5),
    ],
)
def test_network_of_a_model_has_it_as_its_limit(model):
    network = network_for(model, 20, 1)
    assert network.limit() is model
    assert deviation(wave_kernels(network, 1500), network.limit()) < 5


@pytest.mark.parametrize(
    ("activation", "layers"), [("relu", 1), ("relu", 2), ("erf", 2), ("tanh", 1), ("gelu", 1)]
)
def test_kernel_of_a_deep_network_tends_to_that_of_the_limit(activation, layers):
    """The mean deviates by O(1/m), a single network by O(m^-1/2): a quarter of the width, twice the scatter."""
    scatter = {}
    for width in (32, 128):
        spec = DeepFourierFeatureNetwork(GAUSSIAN, width, layers, activation)
        kernels, exact = module_kernels(spec, 60), spec.limit().kernel(POINTS, POINTS)
        scatter[width] = np.sqrt(np.mean((kernels - exact) ** 2))
        wrong = fefreq.DeepFourierFeatures(GAUSSIAN, layers + 1, activation).kernel(POINTS, POINTS)
    error = kernels.std(axis=0, ddof=1) / math.sqrt(len(kernels))
    assert np.all(np.abs(kernels.mean(axis=0) - exact) < 5 * error + 4 / 128 * exact.max())
    assert np.max(np.abs(kernels.mean(axis=0) - wrong)) > 0.2 * exact.max()
    assert scatter[32] / scatter[128] == pytest.approx(2, rel=0.35)


@pytest.mark.parametrize(
    "spec",
    [
        DeepFourierFeatureNetwork(GAUSSIAN, 8, 2, parametrisation="standard"),
        DeepFourierFeatureNetwork(GAUSSIAN, 8, 2, bias_std=0.1),
        DeepFourierFeatureNetwork(GAUSSIAN, 8, 2, output_std=0.5),
        DeepFourierFeatureNetwork(GAUSSIAN, 8, 2, rates=LayerRates(frequency=0.0, hidden=0.5)),
        DeepFourierFeatureNetwork(GAUSSIAN, 8, 2, rates=LayerRates()),
        DeepFourierFeatureNetwork(GAUSSIAN, 8, 0, rates=LayerRates(output=0.0, frequency=0.0)),
        MultiScaleNetwork(GAUSSIAN, (1, 2), 8, 1),
        MultiScaleNetwork(GAUSSIAN, (1, 2), 8, 0, "tanh"),
        MultiScaleNetwork(GAUSSIAN, (1, 2), 8, 0, parametrisation="standard"),
        MultiScaleNetwork(GAUSSIAN, (1, 2), 8, 0, output_std=0.0, rates=LayerRates(output=0.0)),
        Perceptron(8),
        Siren(8),
        TorchNetwork(lambda: nn.Linear(1, 1)),
    ],
)
def test_what_the_theory_has_no_model_of_has_no_limit(spec):
    assert spec.limit() is None


# -- trained by their limit


@pytest.fixture(scope="module")
def target():
    return fefreq.Target.from_function(lambda x: np.exp(-6 * x[:, 0] ** 2), [(-1, 1)], 24)


def test_a_deep_model_is_trained_as_its_network(target):
    model = fefreq.DeepFourierFeatures(GAUSSIAN, 2, "tanh")
    spec = DeepFourierFeatureNetwork(GAUSSIAN, 16, 2, "tanh")
    assert spec.limit() == model
    run = train(model, target, width=16, times=[0, 0.5, 2], learning_rate=0.05, seeds=2, seed=3)
    own = train_module(spec, target, times=[0, 0.5, 2], learning_rate=0.05, seeds=2, seed=3)
    assert run.residuals.tobytes() == own.residuals.tobytes()
    assert run.model == spec
    np.testing.assert_allclose(run.residuals[:, 0], np.stack([target.values] * 2), rtol=0, atol=1e-15)


def test_wide_deep_networks_follow_the_kernel_flow(target):
    model, times = fefreq.DeepFourierFeatures(GAUSSIAN, 1), [0, 1, 4]
    exact = fefreq.KernelFlow(model, target).solve(times)
    gaps = {}
    for width in (32, 512):
        run = train(model, target, width=width, times=times, seeds=4)
        gaps[width] = np.abs(run.values - exact.values).max()
    assert gaps[512] < 0.5 * gaps[32]
    assert gaps[512] < 0.07


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"start": "antisymmetric"}, ValueError, "deep networks begin at zero by start='centred'"),
        ({"method": "dense"}, ValueError, "deep networks are differentiated automatically"),
        ({"learning_rate": 50.0}, ValueError, r"stable only below 2 / λ_max"),
        ({"width": 0}, ValueError, "width must be at least 1"),
        (
            {"model": fefreq.DeepFourierFeatures(GAUSSIAN, 1, np.tanh)},
            TypeError,
            "activations that have a name",
        ),
        ({"model": fefreq.DeepFourierFeatures(fefreq.Gaussian(1.0, 2), 1)}, ValueError, "dimension"),
        ({"model": fefreq.FourierFeatures(GAUSSIAN), "start": "centred"}, ValueError, "of deep networks"),
    ],
)
def test_what_deep_networks_cannot_do_is_told(change, error, sentence, target):
    settings = {
        "model": fefreq.DeepFourierFeatures(GAUSSIAN, 1),
        "target": target,
        "width": 8,
        "times": [0, 1],
    }
    with pytest.raises(error, match=sentence):
        train(**{**settings, **change})
