"""The diffusion model of multi-scale sine networks (THEORY section 3, arXiv 2212.03416)."""

import numpy as np
import pytest

import fefreq

UNEQUAL = fefreq.Rates(output=0.7, frequency=0.4, bias=1.6)


def both_parities(x):
    x = x[:, 0]
    window = np.exp(-(x**2) / (2 * 0.2**2))
    return window * (np.cos(2 * np.pi * x + 0.4) + np.sin(2 * np.pi * 3 * x + 0.9))


@pytest.mark.parametrize("bias", [{"bias": "zero"}, {"bias": "normal", "bias_std": 1.0}, {"bias": "uniform"}])
def test_diffusion_follows_the_exact_kernel_solution_for_both_parities(bias):
    model = fefreq.MultiScaleSine(fefreq.Gaussian(1.5), (1, 2, 4), 0.8, rates=UNEQUAL, **bias)
    target = fefreq.Target.from_function(both_parities, [(-1, 1)], 400)
    times = np.array([0.0, 0.5, 3.0, 20.0, 100.0])
    K = model.kernel(target.points, target.points) * target.weights
    rates, modes = np.linalg.eigh((K + K.T) / 2)
    residuals = (modes * np.exp(-np.outer(times, rates))[:, None, :]) @ (modes.T @ target.values)
    xi = np.arange(-10, 10, 0.25)
    exact = target.with_values(residuals.T).spectrum(xi).T
    predicted = fefreq.FrequencyDiffusion(model, target).solve(times, rtol=1e-9).at(xi)
    scale = np.linalg.norm(exact[0])
    for part in (np.real, np.imag):
        difference = np.linalg.norm(part(predicted) - part(exact), axis=1) / scale
        assert difference.max() < 1e-5


def test_biases_that_stay_zero_move_only_the_odd_part():
    model = fefreq.MultiScaleSine(fefreq.Gaussian(1.5), (1, 2), rates=fefreq.Rates(bias=0.0))
    target = fefreq.Target.from_function(both_parities, [(-1, 1)], 256)
    field = fefreq.FrequencyDiffusion(model, target).solve([0, 50]).at([1.0, 3.0])
    np.testing.assert_allclose(field[1].real, field[0].real, rtol=1e-12)
    assert np.all(np.abs(field[1].imag) < 0.3 * np.abs(field[0].imag))


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("count", [1, 3])
def test_published_coefficients_are_this_model(dim, count):
    """A_s^± and B_s^± of the paper, with the transform of G_j(x) = exp(-4^j |x|² / 2) in ordinary frequency."""
    model = fefreq.MultiScaleSine.as_published(count, dim)
    xi = np.random.default_rng(0).uniform(-1, 1, (20, dim))
    alphas = 2.0 ** np.arange(count)
    # ∫ exp(-α² |x|² / 2) exp(-2πi x·ξ) dx
    G = [
        (2 * np.pi) ** (dim / 2) * a**-dim * np.exp(-2 * np.pi**2 * np.sum(xi**2, axis=1) / a**2)
        for a in alphas
    ]
    A = sum(a ** (2 * (dim + 1)) * g for a, g in zip(alphas, G, strict=True)) / (8 * np.pi**2 * count)
    B = sum(a ** (2 * dim) * g for a, g in zip(alphas, G, strict=True)) / (2 * count)
    for parity, sign in (("even", -1), ("odd", 1)):
        c = model.coefficients(xi, parity)
        np.testing.assert_allclose(c.diffusion, (1 + sign * np.exp(-2)) * A, rtol=1e-12)
        np.testing.assert_allclose(c.damping, (1 - sign * np.exp(-2)) * B, rtol=1e-12)


def test_damping_is_the_same_for_both_parities_when_all_blocks_train_alike():
    model = fefreq.MultiScaleSine(fefreq.Gaussian(1.0), (1, 2, 4), bias="normal", bias_std=1.0)
    xi = np.linspace(0, 9, 30)
    densities = [fefreq.Gaussian(scale).pdf(xi) for scale in (1.0, 2.0, 4.0)]
    for parity in ("even", "odd"):
        np.testing.assert_allclose(
            model.coefficients(xi, parity).damping, np.mean(densities, axis=0), rtol=1e-12
        )


def test_every_scale_added_learns_the_fastest_tone_sooner():
    rates = [
        fefreq.MultiScaleSine(fefreq.Gaussian(1.0), scales).coefficients([8.0], "odd").damping[0]
        for scales in [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 8)]
    ]
    assert np.all(np.diff(rates) > 0)


def test_radius_holds_the_mass_of_all_scales():
    model = fefreq.MultiScaleSine(fefreq.Gaussian(1.0), (1, 2, 4))
    rng = np.random.default_rng(6)
    drawn = np.concatenate([scale * model.density.sample(40_000, rng) for scale in model.scales])
    inside = np.mean(np.abs(drawn) <= model.radius(0.8))
    assert abs(inside - 0.8) < 4 * np.sqrt(0.8 * 0.2 / len(drawn))
    assert fefreq.MultiScaleSine(fefreq.Uniform(2.0), (1, 3)).breakpoints == (2.0, 6.0)
    alone = fefreq.MultiScaleSine(fefreq.Gaussian(1.0), (3,))
    assert alone.radius(0.5) == pytest.approx(3 * alone.density.radius(0.5), rel=1e-9)


def test_solutions_of_two_operators_can_be_saved_and_seen(tmp_path):
    model = fefreq.MultiScaleSine(fefreq.Gaussian(1.5), (1, 2), bias="uniform")
    target = fefreq.Target.from_function(both_parities, [(-1, 1)], 128)
    solution = fefreq.FrequencyDiffusion(model, target, mesh_rtol=1e-3).solve([0, 1])
    assert fefreq.load(solution.save(tmp_path / "s.nc")).model == model
    solution.write(tmp_path / "s.pvd")
    text = next((tmp_path / "s").glob("*.vtu")).read_text(encoding="utf-8", errors="replace")
    for name in ("diffusion_even", "diffusion_odd", "damping_even", "damping_odd", "error_re"):
        assert f'Name="{name}"' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scales": ()}, "at least one scale"),
        ({"scales": (1, -2)}, "positive and finite, but one is -2"),
        ({"scales": (1, 2, 1)}, "repeats one"),
        ({"scales": (1,), "bias": "cauchy"}, "there is no bias law 'cauchy'"),
        ({"scales": (1,), "bias_std": 1.0}, "does not go with bias = 'zero'"),
        ({"scales": (1,), "bias": "normal"}, "need bias_std above 0"),
        ({"scales": (1,), "rates": fefreq.Rates(output=0.0), "output_std": 0.0}, "nothing is trained"),
    ],
)
def test_unusable_networks_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        fefreq.MultiScaleSine(fefreq.Gaussian(1.0), **arguments)


def test_jumps_that_agree_up_to_rounding_are_one_node():
    """Scales 0.1 · 3 and 0.3 · 1 meet at 0.3 up to rounding; two nodes there would leave a cell without size."""
    density = fefreq.Mixture((fefreq.Uniform(3.0), fefreq.Uniform(1.0)), (0.5, 0.5))
    model = fefreq.MultiScaleSine(density, scales=(0.1, 0.3, 1.0), bias="uniform")
    target = fefreq.Target.from_function(both_parities, [(-1, 1)], 64)
    problem = fefreq.FrequencyDiffusion(model, target)
    nodes = np.sort(problem.choice.mesh.p[0])
    assert np.diff(nodes).min() > 1e-6
    assert np.min(np.abs(nodes - 0.3)) < 1e-12


@pytest.mark.parametrize("block", ["output", "frequency", "bias"])
@pytest.mark.parametrize("parity", ["even", "odd"])
def test_coefficients_are_what_finite_networks_do_to_each_parity(parity, block):
    """A neuron moves φ by its squared overlaps; on average they make ∫ D |∇φ̂|² + c |φ̂|²."""
    rates = fefreq.Rates(**{"output": 0.0, "frequency": 0.0, "bias": 0.0, block: 1.0})
    model = fefreq.MultiScaleSine(
        fefreq.Gaussian(1.0), (1, 2), 0.8, bias="normal", bias_std=0.5, rates=rates, prefactor_power=0.5
    )
    x = np.linspace(-1.5, 1.5, 241)
    h = x[1] - x[0]
    phi = np.exp(-(x**2) / (2 * 0.25**2)) * (np.cos if parity == "even" else np.sin)(2 * np.pi * 2 * x)

    xi = np.linspace(-9, 9, 3601)
    waves = np.exp(-2j * np.pi * np.outer(xi, x)) * h
    spectrum, gradient = waves @ phi, waves @ (-2j * np.pi * x * phi)
    c = model.coefficients(xi, parity)
    expected = np.sum(c.diffusion * np.abs(gradient) ** 2 + c.damping * np.abs(spectrum) ** 2) * (
        xi[1] - xi[0]
    )

    rng, n = np.random.default_rng(11), 40_000
    mean, variance = 0.0, 0.0
    for alpha in model.scales:
        w, a, b = rng.normal(0, 1.0, n), rng.normal(0, 0.8, n), rng.normal(0, 0.5, n)
        phases = 2 * np.pi * alpha * np.outer(w, x) + b[:, None]
        overlaps = {
            "output": lambda: np.sin(phases) @ phi,  # noqa: B023
            "bias": lambda: a * (np.cos(phases) @ phi),  # noqa: B023
            "frequency": lambda: 2 * np.pi * alpha * a * (np.cos(phases) @ (x * phi)),  # noqa: B023
        }[block]()
        squares = (h * overlaps) ** 2 * alpha / len(model.scales)
        mean += squares.mean()
        variance += squares.var() / n
    assert abs(mean - expected) <= 3 * np.sqrt(variance)
