"""Multi-scale sine networks of finite width against autograd and against their diffusion model."""

import math

import numpy as np
import pytest
import torch

import fefreq
from harness.networks.plane_waves import ensemble_parameters, gradients
from harness.networks.two_layer import MultiScaleSineNetwork
from harness.training.train import train
from harness.training.wave_sums import DensePlaneWaves

RATES = fefreq.Rates(output=0.7, frequency=0.4, bias=1.6)


def written_out(model, width, parameters, x):
    """The network of arXiv 2212.03416, sub-network by sub-network; ``(n, C)``."""
    count = len(model.scales)
    total = 0.0
    for j, alpha in enumerate(model.scales):
        a = parameters["output"][:, j::count]
        phases = 2 * math.pi * alpha * x @ parameters["frequency"][:, j::count] + parameters["bias"][j::count]
        total = total + alpha**model.prefactor_power * torch.sin(phases) @ a.T / math.sqrt(width * count)
    return total


@pytest.mark.parametrize("bias", [{"bias": "zero"}, {"bias": "normal", "bias_std": 0.7}, {"bias": "uniform"}])
def test_gradients_are_those_of_the_written_out_network(bias):
    model = fefreq.MultiScaleSine(
        fefreq.Gaussian(1.0, 2), (1, 2, 5), 0.9, rates=RATES, prefactor_power=0.5, **bias
    )
    network = MultiScaleSineNetwork(model, 6, 2)
    parameters = ensemble_parameters(network, "plain", 3, 1, torch.float64, torch.device("cpu"))
    x = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    r = torch.rand(9, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    single = {name: block[0].clone().requires_grad_() for name, block in parameters.items()}
    output = written_out(model, 6, single, x)
    (output * r).sum().backward()

    waves = DensePlaneWaves(x.T.contiguous())
    frequencies, amplitudes = network.waves(parameters)
    waves.place(frequencies)
    torch.testing.assert_close(waves.synthesise(amplitudes)[0].T, output.detach(), rtol=1e-12, atol=1e-12)
    found = gradients(
        network, parameters, amplitudes, waves.analyse, x.T.contiguous(), r.T.contiguous()[None]
    )
    for name, block in found.items():
        torch.testing.assert_close(block[0], single[name].grad, rtol=1e-11, atol=1e-12)


def test_frozen_blocks_stay():
    rates = fefreq.Rates(output=0.0, frequency=1.0, bias=0.0)
    network = MultiScaleSineNetwork(fefreq.MultiScaleSine(fefreq.Gaussian(1.0), (1, 2), rates=rates), 4, 1)
    parameters = ensemble_parameters(network, "plain", 0, 1, torch.float64, torch.device("cpu"))
    ones = torch.ones(1, 1, 8, dtype=torch.complex128)
    assert set(network.pullback(parameters, ones, torch.ones(1, 1, 8, dtype=torch.float64))) == {"frequency"}


def both_parities(x):
    x = x[:, 0]
    window = np.exp(-(x**2) / (2 * 0.2**2))
    return window * (np.cos(2 * np.pi * x) + np.sin(2 * np.pi * 3 * x + 0.9))


@pytest.mark.parametrize("method", ["dense", "transform"])
def test_both_paths_start_at_zero_and_agree(method):
    model = fefreq.MultiScaleSine(fefreq.Gaussian(1.0), (1, 2), bias="uniform", rates=RATES)
    target = fefreq.Target.from_function(both_parities, [(-1, 1)], 64)
    options = {"width": 40, "times": [0.0, 1.0, 5.0], "learning_rate": 0.1, "seeds": 2}
    run = train(model, target, method=method, **options)
    np.testing.assert_array_equal(run.residuals[:, 0], np.stack([target.values] * 2))
    other = train(model, target, method="dense", **options)
    np.testing.assert_allclose(run.residuals, other.residuals, atol=1e-8)


def test_wide_networks_follow_the_diffusion_model_for_both_parities():
    model = fefreq.MultiScaleSine(
        fefreq.Gaussian(1.0), (1, 2, 4), 0.5, bias="normal", bias_std=0.6, rates=RATES
    )
    target = fefreq.Target.from_function(both_parities, [(-1, 1)], 128)
    times = [0.0, 2.0, 10.0, 30.0]
    xi = np.arange(-8, 8.1, 0.25)
    predicted = fefreq.FrequencyDiffusion(model, target).solve(times).at(xi)
    run = train(model, target, width=16384, times=times, learning_rate=0.1, seeds=2)
    difference = run.at(xi) - predicted
    # A frequency cell holds about 3 · 8192 · 0.5 · ρ ≈ 800 independent neurons; two seeds, both parities: 2.5 %.
    for part in (np.real, np.imag):
        error = np.linalg.norm(part(difference), axis=1) / np.linalg.norm(predicted[0])
        assert error.max() < 0.03
