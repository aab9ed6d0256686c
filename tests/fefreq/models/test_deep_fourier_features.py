"""Deep networks on frozen Fourier features: kernel, spectrum, flow, and what finite networks say."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from scipy import integrate, linalg, special

import fefreq
from fefreq import DeepFourierFeatures, FrequencyDiffusion, Gaussian, KernelFlow, PositionalEncoding, Target
from fefreq.models.dual_activations import deep_kernel, dual_activation, kernel_at_zero
from harness.networks import DeepFourierFeatureNetwork
from harness.networks.layers import positional_features

U = np.array([-0.95, -0.5, -0.1, 0.0, 0.2, 0.6, 0.9, 0.999])


def relu_depth_one(u: np.ndarray, terms: int = 4000) -> np.ndarray:
    """Power series of ``Θ_1`` for ReLU, from those of ``√(1-u²)`` and ``arcsin u``."""
    return sum(a * u**n for n, a in relu_series(terms))


def relu_series(terms: int) -> list[tuple[int, float]]:
    """Exponents and coefficients of ``Θ_1(u) = [√(1-u²) + 2u (π/2 + arcsin u)] / π``."""
    k = np.arange(1, terms)
    # binom(2k, k) / 4^k without overflow
    central = np.exp(special.gammaln(2 * k + 1) - 2 * special.gammaln(k + 1) - 2 * k * np.log(2))
    root = -central / (2 * k - 1)
    arcsine = np.concatenate([[1.0], central[:-1]]) / (2 * k - 1)
    return [
        (0, 1 / np.pi),
        (1, 1.0),
        *((int(2 * n), float(a)) for n, a in zip(k, (root + 2 * arcsine) / np.pi, strict=True)),
    ]


# The kernel


@pytest.mark.parametrize("u", U)
def test_relu_covariance_is_an_integral_over_the_angle_where_both_are_active(u):
    theta = np.arccos(u)
    # Two Gaussians of covariance u are r cos φ and r cos(φ - θ); the integral over r is elementary.
    both = integrate.quad(lambda phi: np.cos(phi) * np.cos(phi - theta), theta - np.pi / 2, np.pi / 2)[0]
    dual = dual_activation("relu", np.array([u]))
    assert dual.covariance[0] == pytest.approx(2 / np.pi * both, abs=1e-12)
    assert dual.derivative[0] == pytest.approx((np.pi - theta) / np.pi, abs=1e-12)


@pytest.mark.parametrize(("activation", "function"), [("erf", special.erf), ("sine", np.sin)])
def test_covariances_of_smooth_activations_are_gaussian_means(activation, function):
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    x, z = np.meshgrid(nodes, nodes, indexing="ij")
    both = np.outer(weights, weights)
    power = weights @ function(nodes) ** 2
    means = [np.sum(both * function(x) * function(u * x + np.sqrt(1 - u**2) * z)) / power for u in U]
    np.testing.assert_allclose(dual_activation(activation, U).covariance, means, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "erf", "sine", "tanh", "softplus"])
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_derivatives_of_the_kernel_are_those_of_its_values(activation, layers):
    step = 1e-4
    u = U[:-1]
    dual = dual_activation(activation, u)
    above, below = (dual_activation(activation, u + h).covariance for h in (step, -step))
    np.testing.assert_allclose(dual.derivative, (above - below) / (2 * step), atol=1e-6)
    constant, slope = kernel_at_zero(layers, activation)
    low, middle, high = deep_kernel(np.array([-step, 0.0, step]), layers, activation)
    assert constant == pytest.approx(middle, abs=1e-14)
    assert slope == pytest.approx((high - low) / (2 * step), abs=1e-6)


def test_relu_kernel_of_depth_one_is_its_power_series():
    u = U[np.abs(U) < 0.99]
    closed = (np.sqrt(1 - u**2) + 2 * u * (np.pi - np.arccos(u))) / np.pi
    np.testing.assert_allclose(deep_kernel(u, 1), closed, atol=1e-14)
    np.testing.assert_allclose(relu_depth_one(u), closed, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "erf", "sine"])
def test_without_hidden_layers_the_model_is_the_two_layer_one_with_frozen_frequencies(activation):
    deep = DeepFourierFeatures(fefreq.Laplace(2.0, 2), 0, activation)
    two = fefreq.FourierFeatures(fefreq.Laplace(2.0, 2), rates=fefreq.Rates(frequency=0.0))
    x = np.random.default_rng(0).uniform(-1, 1, (7, 2))
    np.testing.assert_allclose(deep.kernel(x, x), two.kernel(x, x), atol=1e-14)
    np.testing.assert_array_equal(deep.coefficients(x).damping, two.coefficients(x).damping)


@pytest.mark.parametrize("activation", ["relu", "erf", "sine", "tanh"])
def test_tangent_kernels_of_networks_approach_it_like_one_over_root_width(activation):
    model = DeepFourierFeatures(Gaussian(1.0, 2), 2, activation)
    points = np.random.default_rng(1).uniform(-0.4, 0.4, (5, 2))
    exact = model.kernel(points, points)
    widths = [32, 64, 128, 256]
    errors = []
    for width in widths:
        kernels = np.stack([empirical_kernel(model, width, seed, points) for seed in range(24)])
        errors.append(np.sqrt(np.mean((kernels - exact) ** 2)))
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
    mean = kernels.mean(axis=0)
    spread = kernels.std(axis=0) / np.sqrt(len(kernels))
    # Bias is of higher order than the spread of one network, but not than that of their mean.
    assert np.all(np.abs(mean - exact) < 4 * spread + 4 / width)


def empirical_kernel(model: DeepFourierFeatures, width: int, seed: int, points: np.ndarray) -> np.ndarray:
    spec = DeepFourierFeatureNetwork(model.density, width, model.hidden_layers, model.activation)
    drawn = spec.draw(1, np.random.default_rng(seed))
    blocks = {name: torch.from_numpy(values)[None] for name, values in drawn.items()}
    factors = spec.factors()
    trained = {name: block for name, block in blocks.items() if spec.block_rates(blocks)[name] > 0}
    at = torch.from_numpy(points)[None]

    def outputs(some: dict[str, torch.Tensor]) -> torch.Tensor:
        scaled = {name: factors.get(name, 1.0) * block for name, block in {**blocks, **some}.items()}
        return spec.outputs(scaled, spec.features(scaled, at))[0, :, 0]

    slopes = torch.func.jacrev(outputs)(trained)
    flat = torch.cat([slope.flatten(1) for slope in slopes.values()], dim=1)
    return (flat @ flat.T).numpy()


# Its spectrum


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_relu_damping_of_a_gaussian_is_a_series_of_gaussians(dim):
    scale = 1.5
    radii = np.array([0.0, 0.5, 1.0, 2.0, 4.0]) * scale
    xi = radii[:, None] * np.eye(dim)[0]
    terms = 200_000
    exact = np.zeros(len(radii))
    for n, a in relu_series(60):
        if n:
            exact += a * Gaussian(scale * np.sqrt(n), dim).pdf(xi)
    # The rest of the series as an integral: a_n → c n^(-3/2), by Euler and Maclaurin at the ends.
    k = np.arange(60, terms, dtype=np.float64)
    central = np.exp(special.gammaln(2 * k + 1) - 2 * special.gammaln(k + 1) - 2 * k * np.log(2))
    before = central * 2 * k / (2 * k - 1)  # binom(2k-2, k-1) / 4^(k-1)
    weights = (2 * before - central) / (2 * k - 1) / np.pi
    variance = 2 * k * scale**2
    exact += [
        weights @ (np.exp(-(r**2) / (2 * variance)) / (2 * np.pi * variance) ** (dim / 2)) for r in radii
    ]
    # Beyond, Gaussians are flat: weights fall as k^(-3/2).
    last, power = k[-1] + 0.5, 1.5 + dim / 2
    exact += (
        weights[-1] * k[-1] ** 1.5 * last ** (1 - power) / (power - 1) / (4 * np.pi * scale**2) ** (dim / 2)
    )
    damping = DeepFourierFeatures(Gaussian(scale, dim), 1).coefficients(xi).damping
    tolerance = {1: 1e-7, 2: 1e-6, 3: 1e-4}[dim]
    np.testing.assert_allclose(damping, exact, atol=tolerance * exact[0])


@pytest.mark.parametrize(
    ("density", "layers", "activation", "tolerance"),
    [
        (fefreq.Laplace(2.0), 2, "relu", 2e-6),
        (fefreq.StudentT(1.0, 3.0), 3, "relu", 2e-6),
        (fefreq.StudentT(1.0, 3.0), 2, "erf", 2e-6),
        (Gaussian(2.0), 1, "sine", 1e-9),
        (fefreq.Uniform(2.0), 2, "relu", 1e-3),  # ρ*ρ has a kink at 0
    ],
)
def test_damping_is_the_cosine_transform_of_the_kernel_without_its_constant(
    density, layers, activation, tolerance
):
    model = DeepFourierFeatures(density, layers, activation)
    xi = np.array([0.0, 0.7, 1.9, 6.0])
    constant, slope = kernel_at_zero(layers, activation)

    def rest(z: float) -> float:
        kappa = density.characteristic([z])[0]
        return float(model.profile(np.array([[z]]))[0] - constant - slope * kappa)

    # Graded panels, and Gauss rules fine enough for the waves.
    edges = np.concatenate([[0.0], np.geomspace(1e-7, 0.05, 30), np.arange(0.1, 40, 0.05)])
    nodes, weights = np.polynomial.legendre.leggauss(16)
    half = 0.5 * np.diff(edges)[:, None]
    z = (edges[:-1, None] + half * (1 + nodes)).ravel()
    kappa = density.characteristic(z)
    values = (half * weights).ravel() * (model.profile(z[:, None]) - constant - slope * kappa)
    assert values[3] == pytest.approx((half * weights).ravel()[3] * rest(z[3]))
    exact = slope * density.pdf(xi) + 2 * np.cos(2 * np.pi * np.outer(xi, z)) @ values
    damping = model.coefficients(xi).damping
    np.testing.assert_allclose(damping, exact, atol=tolerance * exact[0])


def test_damping_is_smooth_in_two_dimensions_whichever_way_it_is_reached():
    """A product of Laplace axes, against a plain quadrature over a quarter of the plane."""
    density, layers = fefreq.Laplace(1.0, 2), 2
    model = DeepFourierFeatures(density, layers)
    constant, slope = kernel_at_zero(layers)
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 0.1, 10), np.geomspace(0.15, 30.0, 40)])
    nodes, weights = np.polynomial.legendre.leggauss(12)
    half = 0.5 * np.diff(edges)[:, None]
    z, q = (edges[:-1, None] + half * (1 + nodes)).ravel(), (half * weights).ravel()
    grid = np.stack(np.meshgrid(z, z, indexing="ij"), axis=-1).reshape(-1, 2)
    kappa = density.characteristic(grid)
    rest = (model.profile(grid) - constant - slope * kappa).reshape(len(z), -1)
    xi = np.array([[0.0, 0.0], [0.4, 0.1], [1.0, 1.0]])
    waves = [2 * q * np.cos(2 * np.pi * np.outer(axis, z)) for axis in xi.T]
    exact = slope * density.pdf(xi) + np.einsum("fi,ij,fj->f", waves[0], rest, waves[1])
    np.testing.assert_allclose(model.coefficients(xi).damping, exact, atol=1e-3 * exact[0])


def test_the_diffusion_equation_only_damps(windowed):
    model = DeepFourierFeatures(Gaussian(3.0), 2)
    xi = np.linspace(-6, 6, 33)  # within the band of the data, where the mesh ends
    times = np.array([0.0, 1.0, 30.0])
    solution = FrequencyDiffusion(model, windowed).solve(times)
    rates = model.coefficients(xi)
    assert np.all(rates.diffusion == 0)
    expected = np.exp(-np.outer(times, rates.damping)) * windowed.spectrum(xi)
    np.testing.assert_allclose(solution.at(xi), expected, atol=2e-5 * np.abs(expected).max())


def test_the_flow_on_windowed_data_follows_the_equation_where_the_constant_does_not_act(windowed):
    """Odd erf networks have no constant; the data vanish at the edge."""
    model = DeepFourierFeatures(Gaussian(3.0), 2, "erf")
    assert kernel_at_zero(2, "erf")[0] == 0
    times = [0.0, 1.0, 30.0]
    xi = np.linspace(-8, 8, 65)
    equation = FrequencyDiffusion(model, windowed).solve(times).at(xi)
    flow = KernelFlow(model, windowed).solve(times).at(xi)
    assert np.abs(equation - flow).max() < 1e-3 * np.abs(flow).max()


@pytest.fixture
def windowed() -> Target:
    return Target.from_function(
        lambda x: np.exp(-20 * x[:, 0] ** 2) * (1 + np.cos(2 * np.pi * 4 * x[:, 0] + 1)), [(-1, 1)], 160
    )


# The flow on data


def dense_flow(
    model: DeepFourierFeatures, target: Target, times: np.ndarray, unseen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and predictions at unseen points from an eigen-decomposition."""
    kernel, q = model.kernel(target.points, target.points), target.weights
    root = np.sqrt(q)
    rates, modes = linalg.eigh(root[:, None] * kernel * root)
    start = modes.T @ (root[:, None] * target.values.reshape(len(q), -1))
    residuals, predictions = [], []
    for t in times:
        residuals.append((modes @ (np.exp(-rates * t)[:, None] * start)) / root[:, None])
        grown = np.where(np.abs(rates * t) < 1e-12, t, -np.expm1(-rates * t) / rates)
        integral = (modes @ (grown[:, None] * start)) / root[:, None]
        predictions.append(model.kernel(unseen, target.points) @ (q[:, None] * integral))
    return np.array(residuals), np.array(predictions)


@pytest.mark.parametrize("activation", ["relu", "erf", "sine"])
@pytest.mark.parametrize("case", ["grid-1", "grid-2", "scattered-1", "scattered-2", "scattered-3"])
def test_flow_and_prediction_agree_with_the_dense_oracle(case, activation):
    kind, dim = case.split("-")
    rng = np.random.default_rng(5)
    density = Gaussian(1.5, int(dim))
    model = DeepFourierFeatures(density, 3, activation)

    def field(x: np.ndarray) -> np.ndarray:
        return np.stack([np.sin(5 * x.sum(axis=1)), np.cos(9 * x[:, 0])], axis=1)

    if kind == "grid":
        target = Target.from_function(field, [(0, 1)] * int(dim), {1: 150, 2: 14}[int(dim)])
    else:
        points = rng.uniform(0, 1, (200, int(dim)))
        target = Target(points, field(points))
    unseen = rng.uniform(0.1, 0.9, (9, int(dim)))
    times = np.array([0.0, 0.3, 10.0, 300.0])
    solution = KernelFlow(model, target).solve(times, rtol=1e-8)
    residuals, predictions = dense_flow(model, target, times, unseen)
    scale = np.abs(target.values).max()
    np.testing.assert_allclose(solution.values, residuals, atol=1e-7 * scale)
    np.testing.assert_allclose(solution.predict(unseen), predictions, atol=1e-5 * scale)


@pytest.mark.parametrize("dim", [1, 2])
def test_products_on_scattered_points_by_non_uniform_transforms_are_those_of_the_matrix(dim):
    """The kink of ReLU gives the kernel a cusp, which goes to a sparse matrix."""
    from fefreq.kernel.operator import make_products

    model = DeepFourierFeatures(Gaussian(2.0, dim), 2)
    points = np.random.default_rng(6).uniform(0, 1, (700, dim))
    column = np.random.default_rng(7).standard_normal((1, 700))
    fast = make_products(model, points, None, points, tolerance=1e-8, method="nufft")
    exact = column @ model.kernel(points, points)
    np.testing.assert_allclose(fast.apply(column), exact, atol=1e-6 * np.abs(exact).max())


def test_held_out_errors_are_those_of_the_prediction_and_say_when_to_stop():
    rng = np.random.default_rng(8)
    x = np.sort(rng.uniform(0, 1, 60))
    clean = np.sin(2 * np.pi * 2 * x)
    target = Target(x, np.stack([clean + 0.4 * rng.standard_normal(60), clean], axis=1), np.full(60, 1 / 60))
    unseen = np.linspace(0.05, 0.95, 40)
    wanted = np.stack([np.sin(2 * np.pi * 2 * unseen)] * 2, axis=1)
    times = np.geomspace(0.1, 1e5, 25)
    solution = KernelFlow(DeepFourierFeatures(Gaussian(8.0), 2), target).solve(times)
    curves = solution.held_out(unseen, wanted)
    direct = np.mean((solution.predict(unseen) - wanted) ** 2, axis=(1, 2))
    np.testing.assert_allclose(curves.held_out, direct, rtol=1e-12)
    np.testing.assert_allclose(curves.trained, np.mean(solution.values**2, axis=(1, 2)), rtol=1e-12)
    assert np.all(np.diff(curves.trained) < 0)
    # Noise is fitted last: stopping early pays.
    assert times[0] < curves.early_stopping_time < times[-1]
    assert curves.held_out.min() < 0.8 * curves.held_out[-1]
    data = curves.to_xarray()
    assert data.attrs["early_stopping_time"] == curves.early_stopping_time
    with pytest.raises(ValueError, match=r"shape \(40,\); 40 points need \(40, 2\)"):
        solution.held_out(unseen, wanted[:, 0])


# Positional encoding


def test_positional_encoding_is_the_one_of_the_networks():
    dim, octaves = 2, 5
    density = PositionalEncoding(octaves, dim)
    x = np.random.default_rng(9).uniform(-1, 1, (6, dim))
    features = positional_features(torch.from_numpy(x), octaves).numpy()
    kernel = DeepFourierFeatures(density, 0).kernel(x, x)
    np.testing.assert_allclose(features @ features.T / (dim * octaves), kernel, atol=1e-12)


def test_samples_of_a_positional_encoding_are_its_frequencies_with_equal_shares():
    density = PositionalEncoding(3, 2)
    drawn = density.sample(60_000, np.random.default_rng(10))
    found, counts = np.unique(drawn, axis=0, return_counts=True)
    expected = np.unique(np.concatenate([density.frequencies, -density.frequencies]), axis=0)
    np.testing.assert_array_equal(found, expected)
    assert np.all(np.abs(counts - 5000) < 5 * np.sqrt(5000))
    z = np.array([[0.13, -0.4]])
    assert np.cos(2 * np.pi * drawn @ z[0]).mean() == pytest.approx(
        density.characteristic(z)[0], abs=5 / np.sqrt(len(drawn))
    )
    assert [density.radius(m) for m in (0.1, 0.34, 0.9)] == [0.5, 1.0, 2.0]
    assert density.mass_within(1.0) == pytest.approx(2 / 3)
    assert density.support_box == (2.0, 2.0)


def test_positional_encoding_is_for_the_kernel_flow_alone(windowed):
    model = DeepFourierFeatures(PositionalEncoding(5), 2)
    times = np.array([0.0, 10.0])
    solution = KernelFlow(model, windowed).solve(times, rtol=1e-8)
    residuals, _ = dense_flow(model, windowed, times, np.zeros((1, 1)))
    np.testing.assert_allclose(solution.values, residuals[..., 0], atol=1e-7)
    with pytest.raises(ValueError, match=r"finitely many frequencies.*use the kernel flow"):
        FrequencyDiffusion(model, windowed).solve(times)


# Bad input, files


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_layers": -1}, "at least 0"),
        ({"hidden_layers": 2.5}, "integer"),
        ({"hidden_layers": True}, "integer"),
        ({"hidden_layers": 1, "activation": "swish"}, "there are 'relu', 'erf', .* and 'softplus'"),
        ({"hidden_layers": 1, "activation": 3.0}, "name or a function"),
        ({"hidden_layers": 1, "activation": np.abs}, "not smooth enough.*'tanh' or 'gelu', or 'relu'"),
    ],
)
def test_impossible_models_are_refused(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        DeepFourierFeatures(Gaussian(1.0), **arguments)


def test_models_need_a_density():
    with pytest.raises(TypeError, match=r"must be a Density such as fefreq\.Gaussian\(scale=2\.0\), not 'x'"):
        DeepFourierFeatures("x", 1)


def test_high_octaves_repeat_after_whole_cycles():
    """z = 3/8 + 2^-40 leaves 2^58 z an integer for the highest octaves, where cosines are one."""
    z = 0.375 + 2.0**-40
    octaves = 2.0 ** (np.arange(60) - 1.0)
    exact = [np.cos(2 * np.pi * float(Fraction(w) * Fraction(z) % 1)) for w in octaves]
    assert PositionalEncoding(60).characteristic([z])[0] == pytest.approx(np.mean(exact), abs=1e-14)


@pytest.mark.parametrize("octaves", [0, 61, 2.0, True])
def test_impossible_encodings_are_refused(octaves):
    with pytest.raises((ValueError, TypeError), match="octaves must be"):
        PositionalEncoding(octaves)


def test_four_dimensions_are_for_the_kernel_flow_alone():
    model = DeepFourierFeatures(Gaussian(1.0, 4), 1)
    with pytest.raises(ValueError, match="up to 3 dimensions, not 4; the kernel flow"):
        model.coefficients(np.zeros((1, 4)))


def test_models_survive_json_even_after_their_spectrum_was_computed():
    model = DeepFourierFeatures(PositionalEncoding(4, 2), 2, "sine")
    assert fefreq.models.Model.from_json(model.to_json()) == model
    gaussian = DeepFourierFeatures(Gaussian(1.0), 2)
    gaussian.coefficients([0.5])
    assert fefreq.models.Model.from_json(gaussian.to_json()) == gaussian
    smooth = DeepFourierFeatures(Gaussian(1.0), 2, "softplus")
    assert fefreq.models.Model.from_json(smooth.to_json()) == smooth
    with pytest.raises(ValueError, match=r"activation of your own cannot be written.*by name"):
        DeepFourierFeatures(Gaussian(1.0), 2, np.tanh).to_json()
