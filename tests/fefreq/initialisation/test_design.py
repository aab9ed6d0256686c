"""Designed densities: water-filling is the convex minimum, the gradient is exact, descent never loses."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.optimize import minimize

import fefreq
import harness
from fefreq.densities.hats import node_volumes, symmetric_axis
from fefreq.initialisation.density.design import design_density
from fefreq.initialisation.density.gradient import BudgetError, divided_differences, interpolation_matrix
from fefreq.initialisation.density.result import DensityDesign, DesignResult
from fefreq.initialisation.density.steps import descend, nearest_density, stationarity_gap, water_filling


@pytest.fixture(scope="module")
def target():
    """A windowed signal of both parities with a falling spectrum, of 96 points."""
    rng = np.random.default_rng(3)
    k, phases = np.arange(1, 13), rng.uniform(0, 2 * np.pi, 12)

    def signal(x):
        return np.exp(-(x[:, 0] ** 2) / (2 * 0.2**2)) * (np.cos(2 * np.pi * x * k + phases) @ (1.0 / k))

    return fefreq.Target.from_function(signal, [(-1, 1)], 96)


@pytest.fixture(scope="module")
def model():
    return fefreq.FourierFeatures(fefreq.Gaussian(4.0), output_std=0.5)


@pytest.fixture(scope="module")
def design(target, model):
    return design_density(model, target, time_budget=30.0)


@pytest.fixture(scope="module")
def functional(target):
    axis = symmetric_axis(16.0, 65)
    return axis, BudgetError(target, (axis,), damping=0.8, diffusion=0.2, time=25.0, order=3)


# Water-filling


def some_energies(seed=0, shape=(9,)):
    rng = np.random.default_rng(seed)
    return np.exp(rng.normal(0, 2, shape)), rng.uniform(0.2, 1.0, shape)


@pytest.mark.parametrize("exponent", [0.3, 3.0, 100.0])
def test_water_filling_is_the_minimum_that_a_general_optimiser_finds(exponent):
    energy, volumes = some_energies()
    values, _ = water_filling(energy, volumes, exponent)

    def left(v):
        return np.sum(volumes * energy * np.exp(-exponent * v))

    found = minimize(
        lambda v: left(v) / left(values),
        np.full(9, 1 / volumes.sum()),
        method="SLSQP",
        bounds=[(0, None)] * 9,
        constraints={"type": "eq", "fun": lambda v: volumes @ v - 1},
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert found.fun >= 1 - 1e-9
    assert found.fun == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("exponent", [1e-3, 1.0, 50.0, 1e6])
def test_water_filling_meets_the_conditions_of_a_minimum(exponent):
    energy, volumes = some_energies(1, (40, 3))
    values, log_level = water_filling(energy, volumes, exponent)
    log_slope = np.log(exponent * energy) - exponent * values
    drawn = values > 0
    assert np.sum(volumes * values) == pytest.approx(1.0, rel=1e-12)
    assert np.allclose(log_slope[drawn], log_level, rtol=0, atol=1e-9 * max(exponent, 1))
    assert np.all(log_slope[~drawn] <= log_level + 1e-12)


def test_nothing_is_drawn_where_there_is_no_energy():
    values, _ = water_filling(np.array([0.0, 1.0, 0.0, 2.0]), np.ones(4), 1e9)
    assert values[[0, 2]].tolist() == [0.0, 0.0]
    assert values[[1, 3]] == pytest.approx([0.5, 0.5], rel=1e-6)


@pytest.mark.parametrize("exponent", [1e-12, 1e-300, 1e-308])
def test_the_shortest_budgets_draw_the_strongest_frequency_alone(exponent):
    """The limit of water-filling, where logarithms over the budget exceed all numbers."""
    energy, volumes = some_energies(2, (20,))
    values, log_level = water_filling(energy, volumes, exponent)
    largest = int(np.argmax(energy))
    assert np.flatnonzero(values).tolist() == [largest]
    assert values[largest] == pytest.approx(1 / volumes[largest], rel=1e-12)
    assert log_level == pytest.approx(np.log(exponent) + np.log(energy[largest]), rel=1e-12)


def test_short_budgets_go_to_the_strongest_frequency_and_long_ones_are_even():
    energy, volumes = some_energies(2, (20,))
    short, _ = water_filling(energy, volumes, 1e-6)
    long, _ = water_filling(energy, volumes, 1e6)
    assert np.flatnonzero(short).tolist() == [int(np.argmax(energy))]
    assert np.allclose(long * volumes.sum(), 1, atol=1e-3)


def test_projection_is_the_nearest_density():
    rng = np.random.default_rng(4)
    heights, volumes = rng.normal(size=30), rng.uniform(0.1, 1, 30)
    nearest, _ = nearest_density(heights, volumes)
    distance = np.sum(volumes * (nearest - heights) ** 2)
    for _ in range(200):
        other = rng.dirichlet(np.full(30, 0.3)) / volumes
        assert np.sum(volumes * (other - heights) ** 2) >= distance
        # The obtuse angle that characterises a projection onto a convex set.
        assert np.sum(volumes * (heights - nearest) * (other - nearest)) <= 1e-12


def test_descent_alone_comes_to_water_filling():
    energy, volumes = some_energies(5, (50,))
    volumes = volumes / volumes.sum()
    expected, _ = water_filling(energy, volumes, 3.0)

    def left(v):
        share = volumes * energy * np.exp(-3.0 * v)
        return float(np.sum(share)), -3.0 * share

    found = descend(left, np.ones(50), volumes, exponent=3.0, rtol=1e-12, max_steps=20)
    assert found.values == pytest.approx(expected, abs=1e-9)
    assert stationarity_gap(found.values, left(found.values)[1], volumes) <= 1e-10


# The functional and its gradient


def test_gradient_is_that_of_finite_differences(functional):
    axis, error = functional
    rng = np.random.default_rng(0)
    values = fefreq.Gaussian(5.0).pdf(axis)
    _, gradient = error.value_and_gradient(values)
    for _ in range(3):
        direction = values * rng.standard_normal(len(axis))
        above, below = (error.value_and_gradient(values + s * direction)[0] for s in (1e-4, -1e-4))
        assert (above - below) / 2e-4 == pytest.approx(gradient @ direction, rel=1e-6)


def test_gradient_is_right_where_no_frequency_is_drawn(functional):
    axis, error = functional
    values = np.maximum(fefreq.Gaussian(3.0).pdf(axis) - 0.02, 0.0)
    node = 45
    assert values[node] == 0
    value, gradient = error.value_and_gradient(values)
    step = np.zeros(len(axis))
    step[node] = 1e-5
    once, twice = (error.value_and_gradient(values + n * step)[0] for n in (1, 2))
    one_sided = (4 * once - twice - 3 * value) / 2e-5  # second order
    assert one_sided == pytest.approx(gradient[node], rel=1e-4)


def test_error_at_the_budget_is_that_of_a_dense_matrix_exponential(functional):
    axis, error = functional
    values = fefreq.Uniform(9.0).pdf(axis)
    rates, modes = eigh(error.operator(values).toarray(), error.mass.toarray())
    amplitudes = modes.T @ (error.mass @ error.initial)
    left = np.sum(amplitudes**2 * np.exp(-2 * error.time * rates)[:, None])
    assert error.value_and_gradient(values)[0] == pytest.approx(left / error.energy, rel=1e-8)


def test_without_diffusion_the_gradient_is_known_in_closed_form(target):
    axis = symmetric_axis(16.0, 129)
    error = BudgetError(target, (axis,), damping=1.0, diffusion=0.0, time=20.0, order=4)
    values = fefreq.Gaussian(5.0).pdf(axis)
    xi = np.linspace(-16, 16, 20 * 128 + 1)
    weights = node_volumes((xi,))
    table = interpolation_matrix((axis,), xi[:, None])
    left = weights * np.abs(target.spectrum(xi)) ** 2 * np.exp(-40.0 * (table @ values)) / target.energy
    value, gradient = error.value_and_gradient(values)
    assert value == pytest.approx(left.sum(), rel=1e-3)
    assert gradient == pytest.approx(-40.0 * (table.T @ left), abs=1e-3 * np.abs(gradient).max())


def test_error_is_linear_in_no_density_but_its_operator_is(functional):
    axis, error = functional
    one, other = fefreq.Gaussian(3.0).pdf(axis), fefreq.Uniform(9.0).pdf(axis)
    difference = error.operator(one + 2 * other) - error.operator(one) - 2 * error.operator(other)
    assert abs(difference).max() < 1e-14


def test_divided_differences_are_integrals_of_products():
    rates = np.array([0.0, 1e-9, 0.3, 0.3, 40.0, 1e4])
    s = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 20001)])
    s = np.unique(np.concatenate([s, 2.0 - s]))
    waves = np.exp(-np.outer(rates, s))
    expected = np.trapezoid(waves[:, None] * waves[:, ::-1], s)
    assert divided_differences(rates, 2.0) == pytest.approx(expected, rel=1e-5, abs=1e-12)


def test_gradient_in_the_plane_is_that_of_finite_differences():
    def field(x):
        return np.exp(-np.sum(x**2, axis=1) / 0.08) * np.cos(2 * np.pi * (2 * x[:, 0] + x[:, 1]) + 1)

    target = fefreq.Target.from_function(field, [(-1, 1)] * 2, 24)
    axes = (symmetric_axis(6.0, 13), symmetric_axis(5.0, 11))
    error = BudgetError(target, axes, damping=1.0, diffusion=0.3, time=40.0, order=2)
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    values = fefreq.Gaussian(2.0, dim=2).pdf(nodes).reshape(13, 11)
    _, gradient = error.value_and_gradient(values)
    direction = values * np.random.default_rng(0).standard_normal(values.shape)
    above, below = (error.value_and_gradient(values + s * direction)[0] for s in (1e-4, -1e-4))
    assert (above - below) / 2e-4 == pytest.approx(np.sum(gradient * direction), rel=1e-6)


# Designs


def test_design_is_a_density(design):
    axes, values = design.density.axes, design.density.values
    assert np.sum(values * node_volumes(axes)) == pytest.approx(1.0, rel=1e-12)
    assert values.min() >= 0
    assert np.array_equal(values, values[::-1])


def test_descent_never_loses_and_here_it_gains(design):
    assert np.all(np.diff(design.history) <= 0)
    assert design.history[-1] < 0.995 * design.history[0]
    assert design.predicted_error == design.history[-1]
    assert design.result is DesignResult.refined


def test_predicted_error_is_that_of_the_diffusion_equation(target, design):
    solution = fefreq.FrequencyDiffusion(design.model, target).solve([0, 30.0], rtol=1e-8)
    outside = 0.5 * target.energy - solution.energy[0]
    left = np.sqrt((solution.energy[1] + outside) / (0.5 * target.energy))
    assert design.predicted_error == pytest.approx(left, rel=1e-3)


def test_predicted_error_is_that_of_the_kernel_flow_on_windowed_data(target, design):
    energy = fefreq.KernelFlow(design.model, target).solve([30.0]).energy[0]
    assert design.predicted_error == pytest.approx(np.sqrt(2 * energy / target.energy), rel=0.01)


@pytest.mark.parametrize(
    "density", [*map(fefreq.Gaussian, (2, 3, 4, 6, 8)), *map(fefreq.Uniform, (4, 6, 8, 12))]
)
def test_no_gaussian_and_no_uniform_density_leaves_less(target, design, density):
    model = fefreq.FourierFeatures(density, output_std=0.5)
    energy = fefreq.KernelFlow(model, target).solve([30.0]).energy[0]
    assert np.sqrt(2 * energy / target.energy) > design.predicted_error


def test_frozen_frequencies_need_no_descent(target):
    frozen = fefreq.FourierFeatures(fefreq.Gaussian(1.0), output_std=0.5, rates=fefreq.Rates(frequency=0.0))
    design = design_density(frozen, target, time_budget=30.0)
    assert design.result is DesignResult.exact
    assert design.evaluations == 1
    assert design.gap < 1e-9
    energy = fefreq.KernelFlow(design.model, target).solve([30.0]).energy[0]
    assert design.predicted_error == pytest.approx(np.sqrt(2 * energy / target.energy), rel=0.01)


@pytest.mark.parametrize("refine", [True, False, None])
@pytest.mark.parametrize(("output_std", "rate"), [(0.5, 0.0), (0.0, 1.0)])
def test_without_diffusion_any_design_is_exact(target, refine, output_std, rate):
    """Gradients with and without diffusion are the same then, whichever are asked for."""
    still = fefreq.FourierFeatures(fefreq.Gaussian(1.0), output_std, fefreq.Rates(frequency=rate))
    design, plain = (
        design_density(still, target, time_budget=30.0, refine=asked) for asked in (refine, None)
    )
    assert design.result is DesignResult.exact
    assert design.density == plain.density
    assert design.predicted_error == plain.predicted_error


@pytest.mark.parametrize("output_std", [0.0, 0.5])
def test_a_tiny_budget_leaves_the_whole_error(target, output_std):
    still = fefreq.FourierFeatures(fefreq.Gaussian(1.0), output_std)
    design = design_density(still, target, time_budget=1e-300)
    assert design.predicted_error == pytest.approx(1.0, abs=1e-12)
    drawn = design.density.values > 0
    assert np.all(design.energy[drawn] >= design.energy.max() * (1 - 1e-12))


def test_only_the_product_of_rate_and_budget_matters_without_diffusion(target):
    designs = [
        design_density(
            fefreq.FourierFeatures(fefreq.Gaussian(1.0), 0.0, fefreq.Rates(rate)), target, time_budget=budget
        )
        for budget, rate in ((10.0, 1.0), (40.0, 0.25))
    ]
    assert np.allclose(designs[0].density.values, designs[1].density.values, rtol=1e-12)


def test_channels_count_by_their_energy(target, model):
    both = target.with_values(np.stack([target.values, target.values], axis=1))
    one, two = (design_density(model, t, time_budget=20.0, refine=False) for t in (target, both))
    assert np.allclose(one.density.values, two.density.values, atol=1e-12)
    assert two.predicted_error == pytest.approx(one.predicted_error, rel=1e-9)


def test_large_meshes_are_left_at_water_filling_unless_asked(model):
    def field(x):
        return np.exp(-4 * np.sum(x**2, axis=1)) * np.cos(2 * np.pi * (3 * x[:, 0] - x[:, 1]))

    target = fefreq.Target.from_function(field, [(-1, 1)] * 2, 24)
    flat = fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=2), output_std=0.3)
    design = design_density(flat, target, time_budget=200.0)
    assert design.result is DesignResult.too_large
    assert design.density.dim == 2
    refined = design_density(
        flat, target, time_budget=200.0, refine=True, spacing=1.0, half_width=6.0, max_steps=2
    )
    assert refined.history[-1] < refined.history[0]
    # The field is made of two bumps, and the density follows.
    peak = np.unravel_index(np.argmax(design.density.values), design.density.values.shape)
    found = np.array([axis[i] for axis, i in zip(design.density.axes, peak, strict=True)])
    assert np.abs(found * np.sign(found[0])) == pytest.approx([3, 1], abs=0.5)


# What a design is for


def test_frequencies_are_drawn_as_designed(design):
    drawn = design.density.sample(200_000, np.random.default_rng(0))[:, 0]
    edges = np.linspace(-design.density.support_radius, design.density.support_radius, 41)
    counts, _ = np.histogram(drawn, edges)
    fine = np.linspace(edges[0], edges[-1], 40 * 200 + 1)
    cells = (design.density.pdf(0.5 * (fine[1:] + fine[:-1])) * np.diff(fine)).reshape(40, 200).sum(axis=1)
    expected = cells * len(drawn)
    assert np.all(np.abs(counts - expected) <= 4.5 * np.sqrt(expected + 1))


def test_a_layer_is_filled_with_the_same_frequencies(design):
    layer = torch.nn.Linear(1, 50, bias=False)
    assert harness.fourier_frequencies_(layer.weight, design.density, seed=7) is layer.weight
    expected = design.density.sample(50, np.random.default_rng(7))
    assert layer.weight.detach().numpy() == pytest.approx(expected, rel=1e-6)
    assert layer.weight.requires_grad
    angular = harness.fourier_frequencies_(
        torch.empty(50, 1, dtype=torch.float64), design.density, 7, angular=True
    )
    assert angular.numpy() == pytest.approx(2 * np.pi * expected, rel=1e-14)


def test_a_design_survives_its_file(tmp_path, design):
    path = design.save(tmp_path / "design.npz")
    back = DensityDesign.load(path)
    assert back.density == design.density
    assert back.model == design.model
    for name in ("time_budget", "water_level", "predicted_error", "gap", "evaluations", "result"):
        assert getattr(back, name) == getattr(design, name)
    assert np.array_equal(back.history, design.history)
    assert np.array_equal(back.energy, design.energy)
    with np.load(path, allow_pickle=False) as plain:
        assert np.array_equal(plain["values"], design.density.values)
    with pytest.raises(FileExistsError):
        design.save(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rates", np.ones(2)),
        ("rates", None),
        ("values", np.ones(3)),
        ("result", "marvellous"),
        ("gap", np.ones(2)),
        ("axis_0", None),
    ],
)
def test_damaged_designs_are_refused_by_name(tmp_path, design, name, value):
    with np.load(design.save(tmp_path / "good.npz")) as file:
        arrays = {key: file[key] for key in file.files if key != name}
    np.savez(tmp_path / "bad.npz", **arrays, **({} if value is None else {name: value}))
    with pytest.raises(ValueError, match=r"bad\.npz is a damaged DensityDesign \("):
        DensityDesign.load(tmp_path / "bad.npz")


def test_the_legend_does_not_cover_the_spectrum(design):
    figure = design.plot()
    assert [ax.get_legend() for ax in figure.axes] == [None, None]
    assert len(figure.legends) == 1


def test_pictures_are_drawn_in_one_and_two_dimensions(tmp_path, design):
    design.plot().savefig(tmp_path / "line.png", dpi=40)
    waves = fefreq.Target.from_function(lambda x: np.exp(-9 * np.sum(x**2, axis=1)), [(-1, 1)] * 2, 16)
    plane = design_density(fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=2), 0.0), waves, time_budget=5.0)
    plane.plot().savefig(tmp_path / "plane.png", dpi=40)
    solid = fefreq.Target.from_function(lambda x: np.exp(-9 * np.sum(x**2, axis=1)), [(-1, 1)] * 3, 8)
    three = design_density(fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=3), 0.0), solid, time_budget=5.0)
    with pytest.raises(ValueError, match="one and two dimensions"):
        three.plot()


# Bad input


@pytest.mark.parametrize("budget", [0.0, -1.0, np.inf, np.nan])
def test_budgets_must_be_positive(target, model, budget):
    with pytest.raises(ValueError, match="time_budget must be positive and finite"):
        design_density(model, target, time_budget=budget)


def test_only_fourier_features_can_be_designed(target):
    with pytest.raises(TypeError, match="FourierFeatures"):
        design_density(fefreq.MultiScaleSine(fefreq.Gaussian(1.0), (1, 2)), target, time_budget=1.0)


def test_data_must_be_a_target(model):
    with pytest.raises(TypeError, match=r"must be a fefreq\.Target, such as Target\.from_grid.*not ndarray"):
        design_density(model, np.zeros(5), time_budget=1.0)


def test_output_weights_must_be_trained(target):
    frozen = fefreq.FourierFeatures(fefreq.Gaussian(1.0), rates=fefreq.Rates(output=0.0))
    with pytest.raises(ValueError, match=r"rates\.output is 0"):
        design_density(frozen, target, time_budget=1.0)


@pytest.mark.parametrize(("factor", "words"), [(0.0, "the target is zero"), (1e200, "too large for double")])
def test_energies_must_be_usable(target, model, factor, words):
    with pytest.raises(ValueError, match=words):
        design_density(model, target.with_values(factor * target.values), time_budget=1.0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"half_width": 100.0}, "resolve no more than 24 cycles"),
        ({"spacing": 30.0}, "do not fit into a band"),
        ({"spacing": -1.0}, "spacing must be positive"),
        ({"rtol": 2.0}, "rtol is 2.0"),
        ({"max_steps": -1}, "max_steps -1"),
    ],
)
def test_grids_and_tolerances_must_be_usable(target, model, settings, words):
    with pytest.raises(ValueError, match=words):
        design_density(model, target, time_budget=1.0, **settings)


def test_dimensions_must_agree(target):
    with pytest.raises(ValueError, match="dimension"):
        design_density(fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=2)), target, time_budget=1.0)


def test_other_files_are_refused(tmp_path, design):
    missing, text, other = (tmp_path / name for name in ("none.npz", "text.npz", "other.npz"))
    text.write_text("no archive")
    np.savez(other, values=np.ones(3))
    for path in missing, text, other:
        with pytest.raises(ValueError, match=path.name):
            DensityDesign.load(path)
    single = tmp_path / "single.npy"
    np.save(single, np.ones(3))
    with pytest.raises(ValueError, match=r"single\.npy is a single array"):
        DensityDesign.load(single)
    whole = bytearray(design.save(tmp_path / "whole.npz").read_bytes())
    whole[200:400] = bytes(200)
    (tmp_path / "spoiled.npz").write_bytes(whole)
    with pytest.raises(ValueError, match=r"spoiled\.npz is no readable"):
        DensityDesign.load(tmp_path / "spoiled.npz")
    (tmp_path / "empty.npz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty\.npz is no readable"):
        DensityDesign.load(tmp_path / "empty.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        design.save(tmp_path / "design.nc")


@pytest.mark.parametrize(
    ("tensor", "density", "error", "words"),
    [
        (torch.empty(5, 2), fefreq.Gaussian(1.0), ValueError, r"need \(m, 1\)"),
        (torch.empty(5), fefreq.Gaussian(1.0), ValueError, r"need \(m, 1\)"),
        (torch.empty(5, 1, dtype=torch.int64), fefreq.Gaussian(1.0), TypeError, "floating-point"),
        (torch.empty(5, 1), 3.0, TypeError, "must be a density"),
        (np.empty((5, 1)), fefreq.Gaussian(1.0), TypeError, "one of torch.*not ndarray"),
    ],
)
def test_initialiser_names_what_does_not_fit(tensor, density, error, words):
    with pytest.raises(error, match=words):
        harness.fourier_frequencies_(tensor, density)


def test_initialiser_refuses_negative_seeds():
    with pytest.raises(ValueError, match="seed is -1; it must be an integer of at least 0"):
        harness.fourier_frequencies_(torch.empty(5, 1), fefreq.Gaussian(1.0), seed=-1)


def test_coarse_nodes_are_the_best_among_coarse_densities(target):
    """Nodes farther apart than the spectrum oscillates: the minimum is no longer water-filling node by node."""
    frozen = fefreq.FourierFeatures(fefreq.Gaussian(1.0), output_std=0.0)
    fine = design_density(frozen, target, time_budget=40.0)
    coarse = design_density(frozen, target, time_budget=40.0, spacing=1.0, rtol=1e-9)
    assert coarse.result is DesignResult.exact
    assert len(coarse.history) > 1
    energy = fefreq.KernelFlow(coarse.model, target).solve([40.0]).energy[0]
    assert coarse.predicted_error == pytest.approx(np.sqrt(2 * energy / target.energy), rel=0.01)
    assert coarse.predicted_error > fine.predicted_error
    axis = coarse.density.axes[0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        other = coarse.density.values * np.exp(0.1 * rng.standard_normal(len(axis)))
        xi = np.linspace(axis[0], axis[-1], 8 * (len(axis) - 1) + 1)
        rho = fefreq.Tabulated.symmetrised((axis,), other).pdf(xi)
        left = (
            np.sum(node_volumes((xi,)) * np.abs(target.spectrum(xi)) ** 2 * np.exp(-80 * rho)) / target.energy
        )
        assert left > coarse.predicted_error**2 * (1 - 1e-4)
