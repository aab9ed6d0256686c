"""Covariances behind smooth activations: closed forms, integrals, and sampled networks."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from scipy import special

import fefreq
from fefreq import DeepFourierFeatures, Gaussian
from fefreq.models.dual_activations import FUNCTIONS, Activation, deep_kernel, dual_activation, kernel_at_zero
from fefreq.models.hermite import covariance_series
from harness.networks import DeepFourierFeatureNetwork
from harness.networks.layers import ACTIVATIONS, gain

U = np.array([-1.0, -0.95, -0.5, 0.0, 0.2, 0.6, 0.9, 0.999, 1.0])
NAMES = get_args(Activation)


def wave(z: np.ndarray) -> np.ndarray:
    return np.sin(2 * z + 0.3)


def growth(z: np.ndarray) -> np.ndarray:
    return np.exp(0.7 * z)


@pytest.mark.parametrize(("function", "name"), [(special.erf, "erf"), (np.sin, "sine")])
def test_series_of_activations_with_closed_forms_are_these(function, name):
    series, closed = dual_activation(function, U), dual_activation(name, U)
    np.testing.assert_allclose(series.covariance, closed.covariance, atol=1e-13)
    np.testing.assert_allclose(series.derivative, closed.derivative, atol=1e-11)
    np.testing.assert_allclose(deep_kernel(U, 3, function), deep_kernel(U, 3, name), atol=1e-10)
    np.testing.assert_allclose(kernel_at_zero(3, function), kernel_at_zero(3, name), atol=1e-12)


def test_series_of_exponential_types_and_polynomials_are_known():
    np.testing.assert_allclose(dual_activation(growth, U).covariance, np.exp(0.49 * (U - 1)), atol=1e-13)
    # E sin(2a + φ) sin(2b + φ) = ½ [exp(4(u - 1)) - cos 2φ exp(-4(u + 1))]
    both = np.exp(4 * (U - 1)) - np.cos(0.6) * np.exp(-4 * (U + 1))
    one = 1 - np.cos(0.6) * np.exp(-8)
    np.testing.assert_allclose(dual_activation(wave, U).covariance, both / one, atol=1e-13)
    cube = dual_activation(lambda z: z**3, U)  # E a³b³ = 9 u + 6 u³
    np.testing.assert_allclose(cube.covariance, (9 * U + 6 * U**3) / 15, atol=1e-13)
    np.testing.assert_allclose(cube.derivative, (9 + 18 * U**2) / 15, atol=1e-12)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_covariances_are_integrals_over_the_plane(name):
    """The trapezoidal rule, exact to rounding for analytic functions under a Gaussian."""
    function = FUNCTIONS[name]
    z = np.arange(-10, 10.05, 0.1)
    density = 0.1 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    power = density @ function(z) ** 2
    for u, covariance in zip(U, dual_activation(name, U).covariance, strict=True):
        second = function(u * z[:, None] + np.sqrt(1 - u**2) * z)
        assert covariance == pytest.approx((density * function(z)) @ second @ density / power, abs=1e-10)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_second_kernel_is_that_of_the_slopes(name):
    z = np.arange(-10, 10.05, 0.1)
    h = 1e-3
    density = 0.1 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    function = FUNCTIONS[name]

    def slope(x: np.ndarray) -> np.ndarray:
        near, far = (function(x + s * h) - function(x - s * h) for s in (1, 2))
        return (8 * near - far) / (12 * h)

    for u, derivative in zip(U, dual_activation(name, U).derivative, strict=True):
        both = (density * slope(z)) @ slope(u * z[:, None] + np.sqrt(1 - u**2) * z) @ density
        assert derivative == pytest.approx(both / (density @ function(z) ** 2), abs=1e-8)


def network_activation(name: str):
    return lambda z: ACTIVATIONS[name](torch.from_numpy(z)).numpy()


@pytest.mark.parametrize("activation", [*NAMES, wave], ids=[*NAMES, "own"])
def test_covariances_are_means_over_sampled_units(activation):
    function = activation if callable(activation) else network_activation(activation)
    rng = np.random.default_rng(0)
    a, c = rng.standard_normal((2, 400_000))
    power = np.mean(function(np.random.default_rng(1).standard_normal(4_000_000)) ** 2)
    for u in (-0.6, 0.0, 0.7):
        samples = function(a) * function(u * a + np.sqrt(1 - u**2) * c) / power
        exact = dual_activation(activation, np.array([u])).covariance[0]
        assert abs(samples.mean() - exact) < 5 * samples.std() / np.sqrt(len(samples)) + 2e-3 * abs(exact)


@pytest.mark.parametrize("name", NAMES)
def test_networks_know_every_activation_and_keep_its_mean_square_at_one(name):
    z = np.arange(-12, 12, 0.001)
    values = gain(name) * ACTIVATIONS[name](torch.from_numpy(z)).numpy()
    mean_square = 0.001 * np.sum(values**2 * np.exp(-(z**2) / 2)) / np.sqrt(2 * np.pi)
    assert mean_square == pytest.approx(1.0, abs=1e-8)
    assert dual_activation(name, np.ones(1)).covariance[0] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("activation", ["sigmoid", "gelu", "softplus"])
def test_tangent_kernels_of_wide_networks_are_those_of_the_series(activation):
    width, draws = 128, 30
    model = DeepFourierFeatures(Gaussian(1.0), 2, activation)
    points = np.array([[-0.3], [0.05], [0.4]])
    exact = model.kernel(points, points)
    kernels = np.stack([sampled_kernel(model, width, seed, points) for seed in range(draws)])
    spread = kernels.std(axis=0) / np.sqrt(draws)
    assert np.all(np.abs(kernels.mean(axis=0) - exact) < 4 * spread + 4 / width)
    assert np.all(spread < 0.1 * exact.max())


def sampled_kernel(model: DeepFourierFeatures, width: int, seed: int, points: np.ndarray) -> np.ndarray:
    assert isinstance(model.activation, str)
    spec = DeepFourierFeatureNetwork(model.density, width, model.hidden_layers, model.activation)
    blocks = {n: torch.from_numpy(b)[None] for n, b in spec.draw(1, np.random.default_rng(seed)).items()}
    factors, at = spec.factors(), torch.from_numpy(points)[None]
    trained = {name: block for name, block in blocks.items() if spec.block_rates(blocks)[name] > 0}

    def outputs(some: dict[str, torch.Tensor]) -> torch.Tensor:
        scaled = {name: factors.get(name, 1.0) * block for name, block in {**blocks, **some}.items()}
        return spec.outputs(scaled, spec.features(scaled, at))[0, :, 0]

    slopes = torch.func.jacrev(outputs)(trained)
    flat = torch.cat([slope.flatten(1) for slope in slopes.values()], dim=1)
    return (flat @ flat.T).numpy()


def test_smooth_activations_damp_high_frequencies_faster_than_any_power():
    """The kink of ReLU leaves |ξ|^-2 in one dimension."""
    xi = np.array([10.0, 20.0])
    kinked = DeepFourierFeatures(Gaussian(1.0), 1).coefficients(xi).damping
    smooth = DeepFourierFeatures(Gaussian(1.0), 1, "gelu").coefficients(xi).damping
    assert kinked[0] / kinked[1] == pytest.approx(4.0, rel=0.05)
    assert smooth[1] < 1e-3 * smooth[0] < 1e-3 * kinked[0]


def test_flows_with_smooth_activations_run_by_fast_products():
    x = np.random.default_rng(3).uniform(-1, 1, 3000)
    target = fefreq.Target(x, np.sin(7 * x))
    solution = fefreq.KernelFlow(DeepFourierFeatures(Gaussian(2.0), 2, "tanh"), target).solve([0, 10.0])
    assert "non-uniform FFT" in solution.stats.method
    assert solution.energy[1] < 0.01 * solution.energy[0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (np.abs, "not smooth enough"),
        (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), "not smooth enough"),
        (np.sign, "not smooth enough"),
        (lambda z: 0 * z, "zero everywhere"),
        (lambda z: 1 / (z - z), "not finite"),
        (lambda z: z[:3], "write it with functions of numpy"),
        (lambda z: z + 0j, "real numbers"),
    ],
)
def test_functions_without_a_series_are_refused(function, message):
    with np.errstate(all="ignore"), pytest.raises((TypeError, ValueError), match=message):
        covariance_series(function)
