"""The kernel flow against dense matrices, explicit descent, prolate functions and the diffusion equation."""

import numpy as np
import pytest
from scipy.special import pro_ang1, pro_rad1

import fefreq
from fefreq.dynamics.intervals import schedule
from fefreq.models import FourierFeatures, KernelTerm, MultiScaleSine

BOX = [(-1.0, 1.5), (0.2, 1.0), (-2.0, -1.0)]
TIMES = np.array([0.0, 0.02, 0.5, 7.0, 80.0, 900.0])


class Cusp(FourierFeatures):
    """A stationary kernel with a cusp at the origin, as deep networks have it."""

    def kernel_terms(self):
        def profile(z):
            return np.arccos(-0.999 * self.density.characteristic(z)) / np.pi

        return (KernelTerm(profile, 1.0, 0.0),)


def tabulated(dim):
    axis = np.linspace(-3, 3, 13 if dim < 3 else 7)
    grid = np.meshgrid(*[axis] * dim, indexing="ij")
    return fefreq.Tabulated((axis,) * dim, np.exp(-0.3 * sum(g**2 for g in grid)))


DENSITIES = {
    "gaussian": lambda dim: fefreq.Gaussian(1.2, dim),
    "uniform": lambda dim: fefreq.Uniform(2.0, dim),
    "ball": lambda dim: fefreq.Uniform(2.0, dim, shape="ball"),
    "laplace": lambda dim: fefreq.Laplace(0.6, dim),
    "heavy": lambda dim: fefreq.StudentT(1.0, df=5.0, dim=dim),
    "cauchy": lambda dim: fefreq.StudentT(1.0, df=1.0, dim=dim),
    "tabulated": tabulated,
    "mixture": lambda dim: fefreq.Mixture([fefreq.Gaussian(0.5, dim), fefreq.Uniform(3.0, dim)]),
}


def wild(points):
    """Values with structure at every scale, both parities, and no decay at the edge."""
    phase = points @ np.array([5.0, -9.0, 3.0])[: points.shape[1]]
    return np.sin(phase) + 0.5 * np.cos(7 * phase) + np.sign(points[:, 0] - 0.3) + 0.2


def grid_target(dim, values=wild):
    return fefreq.Target.from_function(values, BOX[:dim], {1: 700, 2: 24, 3: (8, 6, 7)}[dim])


def scattered_target(dim, count, values=wild, seed=0):
    rng = np.random.default_rng(seed)
    low, high = np.array(BOX[:dim]).T
    points = rng.uniform(low, high, (count, dim))
    return fefreq.Target(points, values(points), rng.uniform(0.2, 2.0, count) * np.prod(high - low) / count)


def eigen(model, target):
    root = np.sqrt(target.weights)
    rates, modes = np.linalg.eigh(root[:, None] * model.kernel(target.points, target.points) * root)
    return root, np.maximum(rates, 0.0), modes


def dense_flow(model, target, times):
    """exp(-tKq) u(0) by the full eigen-decomposition."""
    root, rates, modes = eigen(model, target)
    start = modes.T @ (root[:, None] * target.values.reshape(len(root), -1))
    decays = np.exp(-np.outer(times, rates))
    values = np.einsum("nk,tk,kc->tnc", modes, decays, start, optimize=True) / root[:, None]
    return values.reshape(len(times), *target.values.shape)


def dense_prediction(model, target, times, points):
    """K(x, X) (Kq)⁻¹ (1 - exp(-tKq)) y by the full eigen-decomposition."""
    root, rates, modes = eigen(model, target)
    safe = np.where(rates > 0, rates, 1.0)
    factors = np.where(rates > 0, -np.expm1(-np.outer(times, rates)) / safe, np.asarray(times)[:, None])
    integrals = (factors * (modes.T @ (root * target.values))) @ modes.T
    return (integrals * root) @ model.kernel(points, target.points).T


def distance(a, b, target):
    """Largest error over times relative to the start, in the norm of the loss."""
    weights = target.weights if a.ndim == 2 else target.weights[:, None]
    scale = np.sqrt(np.sum(weights * target.values**2))
    return np.max([np.sqrt(np.sum(weights * (x - y) ** 2)) for x, y in zip(a, b, strict=True)]) / scale


# --- exact on the data


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("density", DENSITIES)
def test_on_grids_the_flow_is_that_of_the_dense_matrix(dim, density):
    model, target = FourierFeatures(DENSITIES[density](dim), output_std=0.7), grid_target(dim)
    solution = fefreq.KernelFlow(model, target).solve(TIMES, rtol=1e-9)
    assert "by FFT" in solution.stats.method
    assert distance(solution.values, dense_flow(model, target, TIMES), target) < 1e-8


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("density", DENSITIES)
def test_on_scattered_points_the_flow_is_that_of_the_dense_matrix(dim, density):
    model, target = FourierFeatures(DENSITIES[density](dim), output_std=0.7), scattered_target(dim, 500)
    solution = fefreq.KernelFlow(model, target, products="nufft").solve(TIMES, rtol=1e-9)
    assert "non-uniform" in solution.stats.method
    assert distance(solution.values, dense_flow(model, target, TIMES), target) < 1e-8


@pytest.mark.parametrize(
    "model",
    [
        MultiScaleSine(fefreq.Gaussian(1.0), scales=(1, 2, 4)),
        MultiScaleSine(
            fefreq.Laplace(0.7), (1, 3), 0.6, "normal", 0.5, fefreq.Rates(0.5, 2.0, 3.0), prefactor_power=0.5
        ),
        MultiScaleSine(fefreq.Gaussian(0.5, 2), scales=(1, 2), bias="uniform"),
        MultiScaleSine(fefreq.StudentT(1.0, df=3.0), (1, 2), 0.6, "normal", 0.5),
        FourierFeatures(fefreq.Gaussian(2.0), output_std=0.0),
        FourierFeatures(fefreq.Gaussian(2.0), rates=fefreq.Rates(output=0.0, frequency=0.1)),
        Cusp(fefreq.Gaussian(1.0, 2)),
    ],
)
@pytest.mark.parametrize("place", ["grid", "scattered"])
def test_every_model_flows_as_its_dense_matrix(model, place):
    target = grid_target(model.dim) if place == "grid" else scattered_target(model.dim, 500)
    flow = fefreq.KernelFlow(model, target, products="auto" if place == "grid" else "nufft")
    solution = flow.solve(TIMES, rtol=1e-9)
    assert distance(solution.values, dense_flow(model, target, TIMES), target) < 1e-8


def test_few_scattered_points_in_three_and_four_dimensions():
    three = FourierFeatures(fefreq.Gaussian(0.8, 3)), scattered_target(3, 300)
    points = np.random.default_rng(1).uniform(-1, 1, (200, 4))
    four = FourierFeatures(fefreq.Gaussian(0.5, 4)), fefreq.Target(points, np.sin(points.sum(axis=1)))
    for model, target in (three, four):
        solution = fefreq.KernelFlow(model, target).solve(TIMES, rtol=1e-9)
        assert "the points are few" in solution.stats.method
        assert distance(solution.values, dense_flow(model, target, TIMES), target) < 1e-8


def test_three_dimensions_without_the_matrix():
    model, target = FourierFeatures(fefreq.Gaussian(0.4, 3)), scattered_target(3, 200)
    solution = fefreq.KernelFlow(model, target, products="nufft").solve([0, 1, 3], rtol=1e-5)
    assert distance(solution.values, dense_flow(model, target, [0, 1, 3]), target) < 1e-5


@pytest.mark.parametrize("place", ["grid", "scattered"])
def test_the_error_estimate_is_honoured(place, gaussian_model):
    target = grid_target(1) if place == "grid" else scattered_target(1, 500)
    flow = fefreq.KernelFlow(gaussian_model, target, products="auto" if place == "grid" else "nufft")
    times = np.geomspace(1e-3, 1e5, 25)
    exact = dense_flow(gaussian_model, target, times)
    for rtol in (1e-2, 1e-5, 1e-8):
        solution = flow.solve(times, rtol=rtol)
        weights = target.weights / np.sum(target.weights * target.values**2)
        errors = np.sqrt(np.square(solution.values - exact) @ weights)
        assert np.all(errors <= solution.stats.error_estimate + 1e-13 * (1 + times))
        assert solution.stats.error_estimate.max() <= rtol


def test_channels_are_independent(gaussian_model):
    values = [wild, lambda x: np.cos(20 * x[:, 0]), lambda x: 0.0 * x[:, 0]]
    target = grid_target(1, lambda x: np.stack([f(x) for f in values], axis=1))
    together = fefreq.KernelFlow(gaussian_model, target).solve(TIMES, rtol=1e-8)
    assert together.values.shape == (len(TIMES), 700, 3)
    for channel, f in enumerate(values):
        alone = fefreq.KernelFlow(gaussian_model, grid_target(1, f)).solve(TIMES, rtol=1e-8)
        np.testing.assert_allclose(together.values[..., channel], alone.values, atol=1e-12)
        np.testing.assert_allclose(
            together.predict([0.1, 0.7])[..., channel], alone.predict([0.1, 0.7]), atol=1e-10
        )
        np.testing.assert_allclose(together.at([0.0, 3.0])[..., channel], alone.at([0.0, 3.0]), atol=1e-12)


# --- other truths


@pytest.mark.parametrize("mode", [0, 3, 8, 11])
def test_a_flat_density_lets_prolate_functions_decay_at_slepian_rates(mode):
    """λ_n = (2c/π) R_0n(c, 1)² of sin c(x-y) / π(x-y) on [-1, 1], with c = 2πW; the density is 1 / 2W."""
    W = 2.0
    c = 2 * np.pi * W
    points, weights = np.polynomial.legendre.leggauss(80)
    eigenvalue = 2 * c / np.pi * pro_rad1(0, mode, c, 1 + 1e-13)[0] ** 2
    function = pro_ang1(0, mode, c, points)[0]
    model = FourierFeatures(fefreq.Uniform(W), output_std=0.0)
    target = fefreq.Target(points, function, weights)
    times = np.array([0.0, 1.0, 10.0, 40.0])
    solution = fefreq.KernelFlow(model, target, products="nufft").solve(times, rtol=1e-9)
    expected = np.exp(-times * eigenvalue / (2 * W))[:, None] * function
    np.testing.assert_allclose(solution.values, expected, atol=1e-8 * np.abs(function).max())


@pytest.mark.parametrize("share", [0.4, 1.9])
def test_gradient_descent_equals_explicit_steps(share, gaussian_model):
    target = scattered_target(1, 150)
    eta = share / fefreq.largest_rate(gaussian_model, target)
    times = np.array([0.3, 2.0, 30.0])
    dynamics = fefreq.GradientDescent(eta)
    solution = fefreq.KernelFlow(gaussian_model, target, dynamics=dynamics).solve(times, rtol=1e-10)
    K = gaussian_model.kernel(target.points, target.points) * target.weights
    u = target.values
    for interval, values in zip(schedule(times, eta), solution.values, strict=True):
        for _ in range(interval.steps):
            u = u - interval.rate * (K @ u)
        np.testing.assert_allclose(values, u, atol=1e-8)
    np.testing.assert_allclose(
        solution.predict(target.points, extrapolate=True), target.values - solution.values, atol=1e-8
    )


def test_small_learning_rates_approach_the_flow(gaussian_model, tones_target):
    flow, *descents = (
        fefreq.KernelFlow(gaussian_model, tones_target, dynamics=dynamics).solve([5.0], rtol=1e-10).values
        for dynamics in (fefreq.GradientFlow(), fefreq.GradientDescent(0.02), fefreq.GradientDescent(0.01))
    )
    gaps = [np.abs(descent - flow).max() for descent in descents]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.1)


def test_windowed_targets_follow_the_diffusion_in_one_dimension(gaussian_model, tones_target):
    times, frequencies = np.array([0.0, 1.0, 10.0, 100.0]), np.linspace(-12, 12, 97)
    pde = fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve(times).at(frequencies)
    flow = fefreq.KernelFlow(gaussian_model, tones_target).solve(times).at(frequencies)
    assert np.linalg.norm(flow - pde, axis=1).max() < 1e-3 * np.linalg.norm(pde[0])


def test_windowed_targets_follow_the_diffusion_in_two_dimensions():
    def bump(x):
        return np.exp(-12 * (x**2).sum(axis=1)) * (1 + np.cos(2 * np.pi * (x[:, 0] + 2 * x[:, 1])))

    model = FourierFeatures(fefreq.Gaussian(2.0, 2), output_std=0.3)
    target = fefreq.Target.from_function(bump, [(-1, 1)] * 2, 48)
    times, axis = np.array([0.0, 3.0, 30.0, 300.0]), np.linspace(-4, 4, 17)
    frequencies = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    pde = fefreq.FrequencyDiffusion(model, target).solve(times).at(frequencies)
    flow = fefreq.KernelFlow(model, target).solve(times).at(frequencies)
    assert np.linalg.norm(flow - pde, axis=1).max() < 1e-3 * np.linalg.norm(pde[0])


# --- optimisers


def stepped(model, target, dynamics, last):
    """Residual after a number of steps of an optimiser, and what it predicts elsewhere, by the matrix itself."""
    root, rates, modes = eigen(model, target)
    beta, eta = getattr(dynamics, "momentum", 0.0), dynamics.learning_rate
    error, velocity, total = np.ones_like(rates), np.zeros_like(rates), np.zeros_like(rates)
    for _ in range(last):
        push = error / (rates + dynamics.damping) if isinstance(dynamics, fefreq.GaussNewton) else error
        velocity = beta * velocity + push
        direction = push + beta * velocity if isinstance(dynamics, fefreq.Nesterov) else velocity
        total = total + eta * direction
        error = error - eta * rates * direction
    start = modes.T @ (root * target.values)
    return (modes @ (error * start)) / root, (modes @ (total * start)) * root


@pytest.mark.parametrize("place", ["grid", "scattered"])
@pytest.mark.parametrize(
    "make",
    [
        lambda largest: fefreq.GradientDescent(1.9 / largest),
        lambda largest: fefreq.HeavyBall(0.5 / largest, 0.9),
        lambda largest: fefreq.HeavyBall(3.7 / largest, 0.9),
        lambda largest: fefreq.HeavyBall(0.2 / largest, 0.99),
        lambda largest: fefreq.Nesterov(1.2 / largest, 0.9),
        lambda largest: fefreq.GaussNewton(0.5, 0.01 * largest),
        lambda largest: fefreq.GaussNewton(1.7, 0.1 * largest),
    ],
    ids=["descent", "ball", "fast-ball", "heavy-ball", "nesterov", "newton", "fast-newton"],
)
def test_every_optimiser_is_that_of_the_dense_matrix(place, make):
    """On the data and, through what is accumulated, elsewhere."""
    model = FourierFeatures(fefreq.Gaussian(3.0), output_std=0.7)
    target = grid_target(1) if place == "grid" else scattered_target(1, 400)
    dynamics = make(fefreq.largest_rate(model, target))
    counts = [0, 1, 2, 30, 100]
    solution = fefreq.KernelFlow(model, target, dynamics=dynamics).solve(steps=counts, rtol=1e-10)
    assert np.array_equal(solution.steps, counts)
    np.testing.assert_allclose(solution.times, dynamics.learning_rate * np.array(counts), rtol=1e-14)
    elsewhere = np.linspace(-0.9, 1.4, 37)
    predicted = solution.predict(elsewhere)
    scale = np.linalg.norm(target.values)
    for count, values, learned in zip(counts, solution.values, predicted, strict=True):
        exact, total = stepped(model, target, dynamics, count)
        assert np.linalg.norm(values - exact) < 1e-10 * scale
        there = model.kernel(elsewhere, target.points) @ total
        assert np.linalg.norm(learned - there) < 1e-9 * scale


def test_the_plateau_of_momentum_learns_all_frequencies_at_one_pace():
    """Rates that differ by a factor of 6 under the flow; with momentum all tones fall by √β a step."""
    model = FourierFeatures(fefreq.Gaussian(3.0), output_std=0.0)
    tones = np.array([0.5, 2.0, 4.0, 6.0])
    target = fefreq.Target.from_function(
        lambda x: np.cos(2 * np.pi * x * tones).sum(axis=1) * np.exp(-3 * x[:, 0] ** 2), [(-2, 2)], 256
    )
    beta, counts = 0.9, np.arange(81)
    largest = fefreq.largest_rate(model, target)
    left = fefreq.KernelFlow(model, target, dynamics=fefreq.HeavyBall(1 / largest, beta)).solve(steps=counts)
    spectra = np.abs(left.at(tones))
    # The largest of a period of steps, since errors swing.
    envelope = np.array([spectra[n : n + 20].max(axis=0) for n in (20, 60)])
    np.testing.assert_allclose(np.log(envelope[0] / envelope[1]) / 40, -0.5 * np.log(beta), rtol=0.15)
    flow = np.abs(fefreq.KernelFlow(model, target).solve([0, 1 / largest]).at(tones))
    paces = np.log(flow[0] / flow[1])
    assert paces.max() > 4 * paces.min()


# --- unseen points


@pytest.mark.parametrize(
    ("place", "dim", "density", "heldout"),
    [
        ("grid", 1, "gaussian", "scattered"),
        ("grid", 2, "gaussian", "scattered"),
        ("grid", 2, "cauchy", "halves"),
        ("scattered", 1, "cauchy", "scattered"),
        ("scattered", 2, "laplace", "scattered"),
    ],
)
def test_predictions_at_unseen_points_are_those_of_the_dense_formula(place, dim, density, heldout):
    model = FourierFeatures(DENSITIES[density](dim), output_std=0.7)
    target = grid_target(dim) if place == "grid" else scattered_target(dim, 400)
    if heldout == "halves":
        grid = target.grid
        points = (target.points + 0.5 * grid.spacing)[
            np.all(target.points < target.points.max(axis=0), axis=1)
        ]
    else:
        points = scattered_target(dim, 130, seed=5).points
    solution = fefreq.KernelFlow(model, target).solve(TIMES[:-1], rtol=1e-10)
    expected = dense_prediction(model, target, TIMES[:-1], points)
    np.testing.assert_allclose(solution.predict(points, extrapolate=True), expected, atol=1e-8)


def test_predictions_by_nonuniform_transforms_are_those_of_the_matrix(gaussian_model):
    """Enough points that the automatic choice leaves the matrix."""
    target = grid_target(1)
    points = np.sort(np.random.default_rng(2).uniform(-1, 1.5, 12_000))
    solution = fefreq.KernelFlow(gaussian_model, target).solve([0.0, 20.0], rtol=1e-9)
    expected = dense_prediction(gaussian_model, target, [0.0, 20.0], points[:, None])
    np.testing.assert_allclose(solution.predict(points), expected, atol=1e-8)


def test_learned_part_and_residual_make_up_the_target(gaussian_model):
    target = grid_target(1)
    solution = fefreq.KernelFlow(gaussian_model, target).solve(TIMES, rtol=1e-9)
    np.testing.assert_allclose(solution.predict(target.points), target.values - solution.values, atol=1e-8)


@pytest.mark.parametrize("place", ["grid", "scattered"])
def test_points_of_weight_zero_are_held_out_exactly(place, gaussian_model):
    """They change nothing at the others, and their residual is target minus prediction."""
    full = grid_target(1) if place == "grid" else scattered_target(1, 300)
    weights = np.where(np.arange(len(full.points)) % 3 == 0, 0.0, full.weights)
    held, mixed = weights == 0, fefreq.Target(full.points, full.values, weights, grid=full.grid)
    alone = fefreq.Target(full.points[~held], full.values[~held], weights[~held])
    a = fefreq.KernelFlow(gaussian_model, mixed).solve(TIMES, rtol=1e-9)
    b = fefreq.KernelFlow(gaussian_model, alone).solve(TIMES, rtol=1e-9)
    np.testing.assert_allclose(a.values[:, ~held], b.values, atol=1e-7)
    unseen = full.values[held] - b.predict(full.points[held], extrapolate=True)
    np.testing.assert_allclose(a.values[:, held], unseen, atol=1e-7)
    np.testing.assert_allclose(a.predict([0.3, 0.4]), b.predict([0.3, 0.4]), atol=1e-7)


def test_no_points_give_no_predictions(gaussian_model, tones_target):
    solution = fefreq.KernelFlow(gaussian_model, tones_target).solve([0.0, 1.0])
    assert solution.predict(np.zeros((0, 1))).shape == (2, 0)


# --- memory


@pytest.mark.parametrize("channels", [None, 2])
def test_a_basis_that_does_not_fit_changes_only_the_number_of_products(channels):
    model = FourierFeatures(fefreq.StudentT(6.0, df=3.0), output_std=0.2)
    n = 4096
    target = fefreq.Target.from_function(
        lambda x: wild(x) if channels is None else np.stack([wild(x), wild(-x)], axis=1), [(-1, 1)], n
    )
    problem = fefreq.KernelFlow(model, target)
    whole = problem.solve(TIMES, rtol=1e-8)
    result = 16 * len(TIMES) * n * (channels or 1)
    limited = problem.solve(TIMES, rtol=1e-8, max_memory=result + 60 * 8 * n)
    assert whole.stats.stored > whole.stats.basis_size
    assert limited.stats.stored < whole.stats.basis_size
    assert limited.stats.products > whole.stats.products
    assert limited.stats.error_estimate.max() < 1e-8
    assert distance(limited.values, whole.values, target) < 2e-8
    np.testing.assert_allclose(limited.predict([0.2]), whole.predict([0.2]), atol=1e-6)


# --- the solution as an object


def test_the_solution_is_an_error_field_with_the_spectrum_of_its_residual(gaussian_model):
    target = scattered_target(1, 200)
    solution = fefreq.KernelFlow(gaussian_model, target).solve(TIMES)
    assert isinstance(solution, fefreq.ErrorField)
    xi = np.array([0.0, 1.5, -1.5, 7.0])
    waves = np.exp(-2j * np.pi * target.points * xi)
    np.testing.assert_allclose(solution.at(xi), (solution.values * target.weights) @ waves, atol=1e-11)
    np.testing.assert_allclose(solution.at(xi)[:, 1], solution.at(xi)[:, 2].conj(), atol=1e-11)


def test_the_loss_never_increases_and_rates_are_those_of_the_matrix(gaussian_model):
    target = scattered_target(1, 200)
    solution = fefreq.KernelFlow(gaussian_model, target).solve(np.geomspace(1e-3, 1e4, 40), rtol=1e-9)
    assert np.all(np.diff(solution.energy) <= 1e-9 * solution.energy[0])
    start = fefreq.KernelFlow(gaussian_model, target).solve([0.0])
    assert start.energy[0] == pytest.approx(0.5 * np.sum(target.weights * target.values**2), rel=1e-14)
    assert solution.largest_rate == pytest.approx(eigen(gaussian_model, target)[1][-1], rel=1e-5)
    assert solution.stability_limit == 2 / solution.largest_rate


def test_time_zero_gives_the_data_back_to_the_bit(gaussian_model):
    target = scattered_target(1, 200)
    solution = fefreq.KernelFlow(gaussian_model, target).solve([0.0, 1.0])
    assert np.array_equal(solution.values[0], target.values)


def test_until_keeps_the_earlier_times(gaussian_model, tones_target):
    solution = fefreq.KernelFlow(gaussian_model, tones_target).solve(TIMES)
    early = solution.until(7.0)
    assert early.times.tolist() == [0.0, 0.02, 0.5, 7.0]
    assert np.array_equal(early.values, solution.values[:4])
    assert np.array_equal(early.predict([0.1]), solution.predict([0.1])[:4])
    assert len(early.stats.error_estimate) == len(early.energy) == 4


@pytest.mark.parametrize(
    ("place", "dynamics"),
    [("grid", fefreq.HeavyBall(0.01, 0.5)), ("scattered", fefreq.GradientDescent(0.01))],
)
def test_a_saved_solution_is_read_back(place, dynamics, tmp_path):
    model = FourierFeatures(fefreq.Gaussian(1.0, 2))

    def two(x):
        return np.stack([wild(x), wild(-x)], axis=1)

    target = grid_target(2, two) if place == "grid" else scattered_target(2, 100, two)
    solution = fefreq.KernelFlow(model, target, dynamics=dynamics).solve([0, 1, 9])
    back = fefreq.load(solution.save(tmp_path / "flow.nc"))
    assert isinstance(back, fefreq.PointSolution)
    assert np.array_equal(back.values, solution.values)
    assert np.array_equal(back.integrals, solution.integrals)
    assert back.model == model
    assert back.dynamics == dynamics
    assert np.array_equal(back.steps, [0, 100, 900])
    assert back.result is solution.result
    assert back.stats.to_dict() == solution.stats.to_dict()
    assert (back.target.grid is None) == (target.grid is None)
    inside = target.points[:3]
    np.testing.assert_allclose(back.predict(inside), solution.predict(inside), atol=1e-12)
    assert back.largest_rate == pytest.approx(solution.largest_rate, rel=1e-9)


def test_datasets_have_steps_beside_times():
    model, target = FourierFeatures(fefreq.Gaussian(1.0)), scattered_target(1, 30)
    ball = fefreq.KernelFlow(model, target, dynamics=fefreq.HeavyBall(0.01, 0.5)).solve(steps=[0, 7, 20])
    for dataset in (ball.to_xarray(), ball.to_xarray([0.0, 1.0])):
        assert dataset.step.values.tolist() == [0, 7, 20]
        assert dataset.time.values == pytest.approx([0, 0.07, 0.2])
    assert "step" not in fefreq.KernelFlow(model, target).solve([0, 1]).to_xarray().coords


@pytest.mark.parametrize(
    ("learning_rate", "dynamics"), [("null", fefreq.GradientFlow()), ("0.04", fefreq.GradientDescent(0.04))]
)
def test_files_from_before_there_were_optimisers_are_read(learning_rate, dynamics, tmp_path):
    import xarray as xr

    solution = fefreq.KernelFlow(
        FourierFeatures(fefreq.Gaussian(1.0)), scattered_target(1, 30), dynamics=dynamics
    ).solve([0.03, 0.2])
    solution.save(tmp_path / "new.nc")
    with xr.load_dataset(tmp_path / "new.nc", engine="h5netcdf") as dataset:
        del dataset.attrs["dynamics"]
        dataset.attrs["learning_rate"] = learning_rate
        dataset.drop_vars("steps", errors="ignore").to_netcdf(tmp_path / "old.nc", engine="h5netcdf")
    back = fefreq.load(tmp_path / "old.nc")
    assert back.dynamics == dynamics
    assert np.array_equal(back.steps, solution.steps)
    # Steps were shortened to hit both times, and stay counted when only the last is kept.
    assert solution.steps is None or solution.at_last().steps.tolist() == [6]


def test_the_dataset_is_labelled_by_place_or_by_frequency():
    model = FourierFeatures(fefreq.Gaussian(1.0, 2))
    grid, points = grid_target(2), scattered_target(2, 50)
    on_grid = fefreq.KernelFlow(model, grid).solve([0, 1]).to_xarray()
    assert on_grid.residual.dims == ("time", "x", "y")
    np.testing.assert_allclose(on_grid.residual.sel(time=0).values.ravel(), grid.values)
    assert on_grid.x.values == pytest.approx(grid.grid.axes[0])
    solution = fefreq.KernelFlow(model, points).solve([0, 1])
    scattered = solution.to_xarray()
    assert scattered.residual.dims == ("time", "point")
    assert scattered.y.values == pytest.approx(points.points[:, 1])
    spectrum = solution.to_xarray([[0.0, 1.0], [2.0, 0.0]])
    assert spectrum.error.shape == (2, 2)
    assert np.array_equal(spectrum.energy.values, solution.energy)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_image_series_show_the_residual_where_the_samples_are(dim, tmp_path):
    from vtk import vtkXMLImageDataReader

    target = grid_target(dim)
    solution = fefreq.KernelFlow(FourierFeatures(fefreq.Gaussian(1.0, dim)), target).solve([0, 2])
    assert solution.write(tmp_path / "flow.pvd").is_file()
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "flow" / "flow_0001.vti"))
    reader.Update()
    image = reader.GetOutput()
    residual = image.GetPointData().GetArray("residual")
    learned = image.GetPointData().GetArray("learned")
    assert image.GetNumberOfPoints() == len(target.points)
    for point in range(0, len(target.points), 37):
        at = image.GetPoint(point)[:dim]
        nearest = np.argmin(np.abs(target.points - at).sum(axis=1))
        assert target.points[nearest] == pytest.approx(at, abs=1e-12)
        assert residual.GetValue(point) == solution.values[1, nearest]
        assert learned.GetValue(point) == target.values[nearest] - solution.values[1, nearest]


def test_compressed_images_of_any_size_are_read_back(tmp_path):
    from vtk import vtkXMLImageDataReader
    from vtk.util.numpy_support import vtk_to_numpy

    from fefreq.output.image_data import BLOCK, ImageGrid
    from fefreq.output.paraview import SeriesWriter
    from fefreq.targets.target import Grid

    for count in (5, BLOCK // 8, BLOCK // 8 + 3):
        grid = ImageGrid(Grid.over([(0, 1)], (count,)))
        values = np.random.default_rng(3).standard_normal(count).round(1)
        with SeriesWriter(tmp_path / f"{count}.pvd", grid, compress=True) as series:
            series.write(0.0, {"a": values, "b": np.arange(count, dtype=np.int32)})
        reader = vtkXMLImageDataReader()
        reader.SetFileName(str(tmp_path / str(count) / f"{count}_0000.vti"))
        reader.Update()
        data = reader.GetOutput().GetPointData()
        assert np.array_equal(vtk_to_numpy(data.GetArray("a")), values)
        assert np.array_equal(vtk_to_numpy(data.GetArray("b")), np.arange(count))


def test_scattered_series_show_bare_points_and_all_channels(tmp_path):
    from vtk import vtkXMLUnstructuredGridReader

    target = scattered_target(2, 40, lambda x: np.stack([wild(x), wild(-x)], axis=1))
    solution = fefreq.KernelFlow(FourierFeatures(fefreq.Gaussian(1.0, 2)), target).solve([0, 2])
    solution.write(tmp_path / "flow.pvd")
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(tmp_path / "flow" / "flow_0001.vtu"))
    reader.Update()
    points = reader.GetOutput()
    assert points.GetNumberOfCells() == points.GetNumberOfPoints() == 40
    assert points.GetPoint(7)[:2] == pytest.approx(target.points[7])
    assert points.GetPointData().GetArray("residual_1").GetValue(7) == solution.values[1, 7, 1]


# --- bad input: one sentence each


def held_out_twice():
    points = np.array([0.0, 0.5, 1.0, 0.5])
    return fefreq.KernelFlow(
        FourierFeatures(fefreq.Gaussian(1.0)), fefreq.Target(points, np.ones(4), [1.0, 1.0, 1.0, 0.0])
    )


def problem(count=64, **options):
    target = fefreq.Target.from_function(wild, [(-1, 1)], count)
    return fefreq.KernelFlow(FourierFeatures(fefreq.Gaussian(3.0)), target, **options)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (held_out_twice, r"1 points of weight zero repeat other points, the first at \[0.5\]: drop them"),
        (
            lambda: problem().solve([0, 1]).predict([0.0, 1.2, -3.0]),
            r"2 of 3 points lie outside the bounds \[\(-1.0, 1.0\)\].* first at \[1.2\]: .*extrapolate=True",
        ),
        (
            lambda: fefreq.Target([0.0, 1.0], [1, 1], [1, -1]),
            "1 weight.* negative; a quadrature weight is at least",
        ),
        (lambda: fefreq.Target.from_grid(np.ones((4, 1)), [(0, 1)] * 2), "axis 1 of the grid has 1 point"),
        (
            lambda: problem(dynamics=fefreq.GradientDescent(9)).solve([1]),
            r"9 is above the stability limit 2/λ_max = 0\.\d+ .*gradient descent would diverge: .*smaller one",
        ),
        (
            lambda: problem(dynamics=fefreq.HeavyBall(9, 0.5)).solve(steps=[1]),
            r"above the stability limit 2 \(1 \+ momentum\)/λ_max = \d\.\d+ .*heavy ball would diverge",
        ),
        (
            lambda: problem(dynamics=fefreq.Nesterov(9, 0.5)).solve(steps=[1]),
            r"above the stability limit 2 \(1 \+ momentum\)/\(\(1 \+ 2 momentum\) λ_max\) = \d\.\d+",
        ),
        (lambda: problem().solve(steps=[1]), "gradient flow has no steps: give times"),
        (lambda: problem().solve(), "give either the times or the steps"),
        (lambda: problem().solve([1], steps=[1]), "give either the times or the steps"),
        (lambda: problem().solve([1], rtol=1e-15), "rtol is 1e-15; it must be below 1 and at least 1e-13"),
        (
            lambda: problem().solve([1e12], rtol=1e-8),
            "finer than double precision allows at time 1e.12.*larger rtol",
        ),
        (lambda: problem().solve([1, 1]), "times must increase, but 1.0 follows 1.0"),
        (lambda: problem().solve([-1]), "times must be at least 0"),
        (
            lambda: problem(4096).solve(np.arange(500), max_memory=8e6),
            r"500 times of 4096 points in 1 channel.*: \d+ of the times fit; ask for fewer times or raise max_memory",
        ),
        (lambda: problem(4096).solve([0, 1], max_memory=1e5), "not even one time fits"),
        (
            lambda: fefreq.KernelFlow(FourierFeatures(fefreq.Gaussian(1.0, 2)), problem().target),
            "the density has dimension 2 but the target has 1: give the density dim=1",
        ),
        (
            lambda: fefreq.KernelFlow(
                FourierFeatures(fefreq.Gaussian(1.0)), problem().target, products="fast"
            ),
            "products must be one of auto, fft, nufft, dense, not 'fast'",
        ),
        (
            lambda: fefreq.KernelFlow(problem().model, scattered_target(1, 50), products="fft").solve([1]),
            "need data and points on one uniform grid",
        ),
    ],
)
def test_bad_input_is_answered_by_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    import xarray as xr

    path = tmp_path / "other.nc"
    xr.Dataset({"a": ("x", [1.0])}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match="plain arrays \(a, …\) that say no format"):
        fefreq.load(path)
