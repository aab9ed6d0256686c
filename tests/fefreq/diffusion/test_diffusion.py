"""The diffusion equation against exact solutions (THEORY section 6)."""

import re

import numpy as np
import pytest
import skfem
from numpy.polynomial import Legendre
from problems import Given, flat
from scipy import special

import fefreq
from fefreq.diffusion.assembly import light_basis, make_basis, mass_matrix, operator_matrix
from fefreq.meshes import shapes as meshes
from fefreq.propagation.linear_solvers import factorise


def propagate(model, mesh, order, initial, times, rtol=1e-12):
    """Propagate the L2 projection of a function and return its basis and coefficients at all times."""
    basis = make_basis(mesh, order)
    M, A = mass_matrix(basis), operator_matrix(basis, model, "even")
    load = skfem.LinearForm(lambda v, w: initial(np.asarray(w.x)) * v).assemble(basis)
    start = factorise(M).solve(load)[:, None]
    result = fefreq.RationalKrylov().propagate(M, A, start, np.asarray(times), rtol)
    assert result.result is fefreq.Result.converged
    return basis, result.values[:, :, 0]


def l2_error(basis, dofs, exact):
    difference = skfem.Functional(lambda w: (w.u - exact(np.asarray(w.x))) ** 2)
    return np.sqrt(difference.assemble(basis, u=basis.interpolate(dofs)))


def test_frozen_frequencies_decay_pointwise_at_the_density(tones_target):
    model = fefreq.FourierFeatures(fefreq.Gaussian(3.0), rates=fefreq.Rates(output=2.0, frequency=0.0))
    times = np.array([0.0, 1.0, 10.0])
    solution = fefreq.FrequencyDiffusion(model, tones_target).solve(times, rtol=1e-10)
    xi = np.linspace(-10, 10, 301)[:, None]
    exact = tones_target.spectrum(xi) * np.exp(-2.0 * np.outer(times, model.density.pdf(xi)))
    # The mesh aims at 1e-6 of the initial field in the mean square; at single points a few times that.
    np.testing.assert_allclose(solution.at(xi), exact, atol=1e-5 * np.abs(exact).max())


@pytest.mark.parametrize("k", [0, 1, 4])
def test_cosine_modes_of_a_flat_density_decay_at_their_rates(k):
    W, diffusion, damping = 2.0, 0.3, 0.25
    model = Given(flat(diffusion), flat(damping))
    rate = damping + diffusion * (k * np.pi / (2 * W)) ** 2
    mode = lambda x: np.cos(k * np.pi * (x[0] + W) / (2 * W))  # noqa: E731
    # Quadratic elements leave 3.15e-3 (wavenumber h)³ of a wave; continuity between them up to twice that.
    bound = 2 * 3.15e-3 * (k * np.pi / (2 * W) * 0.02) ** 3 * np.sqrt(2 * W) + 1e-10
    basis, values = propagate(model, meshes.interval(W, 0.02), 2, mode, [0.0, 0.7, 3.0])
    for t, dofs in zip([0.0, 0.7, 3.0], values, strict=True):
        assert l2_error(basis, dofs, lambda x, t=t: np.exp(-rate * t) * mode(x)) < bound


@pytest.mark.parametrize("degree", [1, 2, 5])
def test_legendre_modes_of_the_parabolic_density_decay_at_their_rates(degree):
    polynomial = Legendre.basis(degree)
    model = Given(lambda xi: 0.75 * (1 - xi[:, 0] ** 2), flat(0.0))
    rate = 0.75 * degree * (degree + 1)
    basis, values = propagate(model, meshes.interval(1.0, 0.02), 2, lambda x: polynomial(x[0]), [0.5])
    assert l2_error(basis, values[0], lambda x: np.exp(-0.5 * rate) * polynomial(x[0])) < 1e-5


CELLS = {
    "line": lambda n: skfem.MeshLine.init_tensor(np.linspace(-1, 1, n + 1)),
    "quadrilateral": lambda n: skfem.MeshQuad.init_tensor(*[np.linspace(-1, 1, n + 1)] * 2),
    "triangle": lambda n: skfem.MeshTri.init_tensor(*[np.linspace(-1, 1, n + 1)] * 2),
    "tetrahedron": lambda n: skfem.MeshTet.init_tensor(*[np.linspace(-1, 1, n + 1)] * 3),
    "hexahedron": lambda n: skfem.MeshHex.init_tensor(*[np.linspace(-1, 1, n + 1)] * 3),
}
# Halvings until the leading term of the error dominates, coarse enough to take a second.
COUNTS = {
    ("tetrahedron", 1): [10, 14, 20],
    ("tetrahedron", 2): [8, 11, 14],
    ("hexahedron", 1): [8, 12, 18],
    ("hexahedron", 2): [5, 7, 10],
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("order", [1, 2])
def test_error_falls_with_the_order_of_the_elements_plus_one(cell, order):
    dim = {"line": 1, "quadrilateral": 2, "triangle": 2}.get(cell, 3)
    model = Given(flat(0.2), flat(0.5), dim)
    wave = lambda x: np.prod([np.cos(np.pi * (xi + 1)) for xi in x], axis=0)  # noqa: E731
    decay = np.exp(-0.1 * (0.5 + 0.2 * dim * np.pi**2))
    counts = np.array(COUNTS.get((cell, order), [16, 32, 64]))
    errors = []
    for n in counts:
        basis, values = propagate(model, CELLS[cell](n), order, wave, [0.1])
        errors.append(l2_error(basis, values[0], lambda x: decay * wave(x)))
    measured = -np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(measured - (order + 1)) < (0.1 if order == 1 else 0.15)


@pytest.mark.parametrize(("cell", "order"), [("line", 5), ("quadrilateral", 4), ("triangle", 4)])
def test_higher_orders_converge_as_fast(cell, order):
    dim = 1 if cell == "line" else 2
    model = Given(flat(0.2), flat(0.5), dim)
    wave = lambda x: np.prod([np.cos(np.pi * (xi + 1)) for xi in x], axis=0)  # noqa: E731
    decay = np.exp(-0.1 * (0.5 + 0.2 * dim * np.pi**2))
    errors = []
    for n in (4, 8):
        basis, values = propagate(model, CELLS[cell](n), order, wave, [0.1])
        errors.append(l2_error(basis, values[0], lambda x: decay * wave(x)))
    assert abs(np.log2(errors[0] / errors[1]) - (order + 1)) < 0.3


@pytest.mark.parametrize("cell", ["tetrahedron", "hexahedron"])
def test_three_dimensional_modes_of_a_flat_density_decay_at_their_rates(cell):
    W, sigma = 1.5, 0.4
    positions = np.array([1, 2, 1]) / (2 * W)
    signs = np.stack(np.meshgrid(*[[1, -1]] * 3), axis=-1).reshape(-1, 3)
    target = fefreq.Target(signs * positions, np.ones(8), np.full(8, 0.125))
    model = fefreq.FourierFeatures(fefreq.Uniform(W, dim=3), output_std=sigma)
    times = np.array([0.0, 5.0, 40.0])
    mesh = meshes.box([W] * 3, 0.3, cell=cell)
    solution = fefreq.FrequencyDiffusion(model, target, mesh=mesh, order=2).solve(times, rtol=1e-9)
    rate = (1 + sigma**2 * np.sum((2 * np.pi * positions) ** 2)) / (2 * W) ** 3
    xi = np.random.default_rng(0).uniform(-W, W, (200, 3))
    exact = np.exp(-rate * times)[:, None] * np.prod(np.cos(2 * np.pi * positions * xi), axis=1)
    # Waves of phase 1.26 per element: 3.15e-3 · 1.26³ in the mean square of each axis, a few times that at points.
    np.testing.assert_allclose(solution.at(xi).real, exact, atol=0.04)
    np.testing.assert_allclose(solution.at(xi).imag, 0, atol=1e-9)
    error = np.sqrt(np.mean((solution.at(xi).real - exact) ** 2, axis=1) / np.mean(exact[0] ** 2))
    assert error.max() < 0.02


def test_three_dimensional_windowed_target_follows_the_exact_kernel_solution():
    def f(x):
        return np.exp(-np.sum(x**2, axis=1) / (2 * 0.25**2)) * np.cos(2 * np.pi * x[:, 0] + 0.5)

    model = fefreq.FourierFeatures(fefreq.Gaussian(0.8, dim=3), output_std=0.3)
    target = fefreq.Target.from_function(f, [(-1, 1)] * 3, 10)
    times = np.array([0.0, 3.0, 30.0])
    K = model.kernel(target.points, target.points) * target.weights
    rates, modes = np.linalg.eigh((K + K.T) / 2)
    residuals = (modes * np.exp(-np.outer(times, rates))[:, None, :]) @ (modes.T @ target.values)
    axis = np.arange(-2, 2.1, 0.5)
    xi = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    exact = target.with_values(residuals.T).spectrum(xi).T
    mesh = meshes.box([3.0] * 3, 0.5)
    predicted = fefreq.FrequencyDiffusion(model, target, mesh=mesh, order=2).solve(times).at(xi)
    difference = np.linalg.norm(predicted - exact, axis=1) / np.linalg.norm(exact[0])
    assert difference.max() < 0.05


DEGENERATE = {
    "compact support": fefreq.Uniform(half_width=4.0),
    "tails below 1e-12": fefreq.Gaussian(0.6),
    "tails below 1e-300": fefreq.Gaussian(0.2),
    "heavy tails": fefreq.StudentT(scale=0.5, df=1.0),
    "a hole in the middle": fefreq.Tabulated(
        (np.linspace(-6, 6, 13),), np.r_[1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1]
    ),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_densities_agree_with_the_dense_solution(tones_target, name):
    problem = fefreq.FrequencyDiffusion(
        fefreq.FourierFeatures(DEGENERATE[name]), tones_target, mesh=meshes.interval(6.0, 0.1)
    )
    times, xi = [0, 1e-3, 1.0, 1e3, 1e4], np.linspace(-6, 6, 101)
    found = problem.solve(times, rtol=1e-8)
    exact = problem.solve(times, propagator=fefreq.DenseOracle())
    np.testing.assert_allclose(found.at(xi), exact.at(xi), atol=1e-6 * np.abs(exact.at(xi)).max())
    assert np.all(np.diff(found.energy) <= 1e-12 * found.energy[0])


def test_where_the_density_vanishes_the_error_stays(tones_target):
    model = fefreq.FourierFeatures(fefreq.Gaussian(0.2))
    problem = fefreq.FrequencyDiffusion(model, tones_target, mesh=meshes.interval(12.0, 0.05))
    solution = problem.solve([0, 1e6], rtol=1e-10)
    initial, late = solution.at([8.0, -8.0])
    np.testing.assert_allclose(late, initial, rtol=1e-8)


def test_energy_never_increases(gaussian_model, tones_target):
    mesh = meshes.interval(15.0, 0.7)  # far too coarse for accuracy: the property holds all the same
    times = np.concatenate([[0], np.geomspace(1e-3, 1e5, 60)])
    solution = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh=mesh).solve(times)
    assert np.all(np.diff(solution.energy) <= 1e-12 * solution.energy[0])


def test_real_data_keep_conjugate_symmetry(gaussian_model, tones_target):
    solution = fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve([0, 1, 30, 1000], rtol=1e-10)
    xi = np.linspace(0, 12, 101)
    size = np.abs(solution.at(xi)).max()
    np.testing.assert_allclose(solution.at(-xi), np.conj(solution.at(xi)), atol=1e-9 * size)


def test_windowed_targets_follow_the_exact_kernel_solution(gaussian_model):
    from problems import three_tones

    target = fefreq.Target.from_function(three_tones, [(-1, 1)], 400)
    times = np.concatenate([[0], np.geomspace(0.1, 300, 20)])
    K = gaussian_model.kernel(target.points, target.points) * target.weights
    rates, modes = np.linalg.eigh((K + K.T) / 2)
    residuals = (modes * np.exp(-np.outer(times, rates))[:, None, :]) @ (modes.T @ target.values)
    xi = np.arange(-14, 14, 0.125)
    exact = target.with_values(residuals.T).spectrum(xi).T
    predicted = fefreq.FrequencyDiffusion(gaussian_model, target).solve(times).at(xi)
    difference = np.linalg.norm(predicted - exact, axis=1) / np.linalg.norm(exact[0])
    # What the window leaves at the edge, exp(-1 / 2·0.18²) ≈ 2e-7, grows through the truncation to 1e-4.
    assert difference.max() < 1e-4


def test_two_dimensional_windowed_target_follows_the_exact_kernel_solution():
    def f(x):
        window = np.exp(-np.sum(x**2, axis=1) / (2 * 0.2**2))
        return window * np.cos(2 * np.pi * (2 * x[:, 0] + x[:, 1]) + 0.5)

    model = fefreq.FourierFeatures(fefreq.Gaussian(2.0, dim=2), output_std=0.3)
    target = fefreq.Target.from_function(f, [(-1, 1), (-1, 1)], 32)
    times = np.array([0.0, 1.0, 10.0, 100.0])
    K = model.kernel(target.points, target.points) * target.weights
    rates, modes = np.linalg.eigh((K + K.T) / 2)
    residuals = (modes * np.exp(-np.outer(times, rates))[:, None, :]) @ (modes.T @ target.values)
    axis = np.arange(-6, 6.1, 0.5)
    xi = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    exact = target.with_values(residuals.T).spectrum(xi).T
    predicted = fefreq.FrequencyDiffusion(model, target).solve(times).at(xi)
    difference = np.linalg.norm(predicted - exact, axis=1) / np.linalg.norm(exact[0])
    assert difference.max() < 1e-3


def test_channels_are_independent(gaussian_model, tones_target):
    both = tones_target.with_values(np.stack([tones_target.values, 2 * tones_target.values[::-1]], axis=1))
    mesh = meshes.interval(15.0, 0.1)
    times = [0, 5.0]
    solution = fefreq.FrequencyDiffusion(gaussian_model, both, mesh=mesh).solve(times, rtol=1e-10)
    together = solution.at([1.0, 3.0])
    for channel in range(2):
        single = tones_target.with_values(both.values[:, channel])
        alone = fefreq.FrequencyDiffusion(gaussian_model, single, mesh=mesh).solve(times, rtol=1e-10)
        np.testing.assert_allclose(together[:, :, channel], alone.at([1.0, 3.0]), atol=1e-9)


def test_error_outside_the_support_of_the_density_stays(tones_target):
    model = fefreq.FourierFeatures(fefreq.Uniform(half_width=5.0))
    solution = fefreq.FrequencyDiffusion(model, tones_target).solve([0, 1e3])
    assert np.abs(solution.mesh.p).max() == 5.0
    initial, late = solution.at([3.0, 8.0])
    assert abs(late[0]) < 1e-2 * abs(initial[0])
    assert late[1] == tones_target.spectrum([8.0])[0]


def test_saved_solutions_come_back_the_same(tmp_path, gaussian_model, tones_target):
    solution = fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve([0, 1, 10])
    loaded = fefreq.load(solution.save(tmp_path / "run.nc"))
    xi = np.linspace(-20, 20, 50)  # beyond the mesh too
    np.testing.assert_array_equal(loaded.at(xi), solution.at(xi))
    assert loaded.model == solution.model
    assert loaded.stats.mesh == solution.stats.mesh
    assert loaded.target.grid.shape == (512,)
    with pytest.raises(FileExistsError, match="exists already"):
        solution.save(tmp_path / "run.nc")


def test_points_outside_a_given_mesh_are_named(tmp_path, gaussian_model, tones_target):
    solution = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh=meshes.interval(2.0, 0.05)).solve(
        [0, 1e4]
    )
    for field in (solution, fefreq.load(solution.save(tmp_path / "run.nc")), solution.until(1e5)):
        assert field.at([1.0, -2.0]).shape == (2, 2)
        assert field.at(np.zeros((0, 1))).shape == (2, 0)
        with pytest.raises(ValueError, match=r"2 of 3 points .* point 1 at \(7\).* \[-2, 2\].*outside="):
            field.at([1.0, 7.0, -3.0])
    inside = solution.at([1.0])
    for outside, value in ((0.5, 0.5), (np.nan, np.nan), ("initial", tones_target.spectrum([7.0])[0])):
        values = solution.at([7.0, 1.0], outside=outside)
        np.testing.assert_array_equal(values[:, 0], np.full(2, value, dtype=complex))
        np.testing.assert_array_equal(values[:, 1], inside[:, 0])
    with pytest.raises(ValueError, match="outside is 'zero'; it must be"):
        solution.at([1.0], outside="zero")


def test_points_outside_a_mesh_that_was_chosen_can_be_refused(gaussian_model, tones_target):
    solution = fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve([0, 1.0])
    with pytest.raises(ValueError, match=r"1 of 2 points .* point 1 at \(1e\+06\)"):
        solution.at([0.0, 1e6], outside="raise")


def test_the_statistics_say_how_well_a_given_mesh_resolves_the_target(gaussian_model, tones_target):
    solution = fefreq.FrequencyDiffusion(
        gaussian_model, tones_target, mesh=meshes.interval(15.0, 0.7), mesh_control="estimated"
    ).solve([0.0])
    stated = re.match(
        r"given by the caller; expected error of the initial spectrum ([0-9.e-]+)", solution.stats.mesh
    )
    assert solution.stats.mesh_error[0] / 3 < float(stated[1]) < 3 * solution.stats.mesh_error[0]


def curved_disc(radius, refinements):
    disc = skfem.MeshTri2.init_circle(refinements)
    return skfem.MeshTri2(radius * disc.doflocs, disc.t)


def test_curved_cells_hold_the_order_of_the_elements_on_a_disc():
    # On a disc without flux J0(k r) decays at the rate c + D k², with k R = 3.8317 the first zero of J1.
    R, diffusion, damping, t = 2.0, 0.3, 0.25, 0.7
    k = special.jn_zeros(1, 1)[0] / R
    decay = np.exp(-(damping + diffusion * k**2) * t)
    mode = lambda x: special.j0(k * np.hypot(*x))  # noqa: E731
    errors = {}
    for kind, build in (
        ("curved", curved_disc),
        ("straight", lambda R, n: skfem.MeshTri.init_circle(n).scaled(R)),
    ):
        for refinements in (2, 3):
            basis, values = propagate(
                Given(flat(diffusion), flat(damping), 2), build(R, refinements), 2, mode, [t]
            )
            errors[kind, refinements] = l2_error(basis, values[0], lambda x: decay * mode(x))
    assert abs(np.log2(errors["curved", 2] / errors["curved", 3]) - 3) < 0.3
    assert errors["straight", 3] > 5 * errors["curved", 3]


def test_solutions_on_curved_cells_are_evaluated_and_come_back_from_files(tmp_path):
    def f(x):
        return np.exp(-np.sum(x**2, axis=1) / (2 * 0.15**2)) * np.cos(2 * np.pi * x[:, 0])

    target = fefreq.Target.from_function(f, [(-1, 1)] * 2, 24)
    model = fefreq.FourierFeatures(fefreq.Gaussian(2.0, dim=2), rates=fefreq.Rates(frequency=0.0))
    mesh, times = curved_disc(3.0, 4), np.array([0.0, 20.0])
    solution = fefreq.FrequencyDiffusion(model, target, mesh=mesh).solve(times, rtol=1e-8)
    angles = np.linspace(0, 2 * np.pi, 73)
    rim = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    xi = np.concatenate(
        [2.999 * rim, 1.5 * rim]
    )  # between the chords of 64 sides and the circle, and well inside
    assert np.min(np.abs(mesh.p[:, mesh.boundary_nodes()]).max(axis=0)) > 2
    exact = target.spectrum(xi) * np.exp(-np.outer(times, model.density.pdf(xi)))
    np.testing.assert_allclose(solution.at(xi), exact, atol=0.01 * np.abs(exact).max())
    loaded = fefreq.load(solution.save(tmp_path / "run.nc"))
    assert type(loaded.mesh) is skfem.MeshTri2
    np.testing.assert_array_equal(loaded.at(xi), solution.at(xi))
    with pytest.raises(ValueError, match=r"1 of 1 points .* \(3\.01, 0\)"):
        loaded.at([[3.01, 0.0]])
    with pytest.raises(ValueError, match="lose their curves"):
        fefreq.FrequencyDiffusion(model, target, mesh=mesh, mesh_control="refined")


@pytest.mark.parametrize("mesh", ["a.msh", skfem.MeshWedge1()])
def test_what_is_no_mesh_is_refused_at_once(gaussian_model, tones_target, mesh):
    with pytest.raises(TypeError, match="mesh"):
        fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh=mesh)


@pytest.mark.parametrize("name", ["x.vtu", "x"])
def test_series_of_another_ending_are_refused(tmp_path, gaussian_model, tones_target, name):
    solution = fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve([0, 1])
    with pytest.raises(ValueError, match=r"must end in \.pvd or \.xdmf"):
        solution.write(tmp_path / name)


def test_dataset_has_labels_and_units(gaussian_model, tones_target):
    data = fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve([0, 1]).to_xarray([0.0, 1.0, 2.0])
    assert data.error.dims == ("time", "frequency")
    assert data.frequency.attrs["units"] == "cycles per unit length"
    assert np.all(np.diff(data.energy) < 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [-1, 2]}, "at least 0"),
        ({"times": [0, 2, 1]}, "must increase"),
        ({"times": []}, "at least one"),
        ({"times": [0, np.nan]}, "finite"),
        ({"times": [0, 1], "rtol": 0}, "at least 1e-12"),
        ({"times": [0, 1], "rtol": 1e-16}, "at least 1e-12"),
    ],
)
def test_unusable_times_and_tolerances_are_named(gaussian_model, tones_target, arguments, message):
    with pytest.raises(ValueError, match=message):
        fefreq.FrequencyDiffusion(gaussian_model, tones_target).solve(**arguments)


def test_other_dimension_than_the_target_is_named(tones_target):
    model = fefreq.FourierFeatures(fefreq.Gaussian(3.0, dim=2))
    with pytest.raises(ValueError, match="dimension 2 but the target has 1"):
        fefreq.FrequencyDiffusion(model, tones_target)


def test_negative_coefficients_are_located(tones_target):
    model = Given(flat(1.0), lambda xi: np.where(xi[:, 0] > 4, -1.0, 1.0))
    with pytest.raises(ValueError, match=r"damping coefficient is -1.0 at frequency \[4\.0"):
        fefreq.FrequencyDiffusion(model, tones_target, mesh=meshes.interval(5.0, 0.1)).solve([0, 1])


def test_density_that_vanishes_on_the_mesh_is_refused(tones_target):
    model = fefreq.FourierFeatures(fefreq.Uniform(half_width=2.0))
    away = skfem.MeshLine.init_tensor(np.linspace(3, 5, 20))
    with pytest.raises(ValueError, match="vanishes on the whole mesh"):
        fefreq.FrequencyDiffusion(model, tones_target, mesh=away).solve([0, 1])


def test_targets_too_fine_for_any_mesh_are_refused_before_work():
    target = fefreq.Target.from_function(lambda x: np.sign(x[:, 0]), [(1e6, 1e6 + 1)], 256)
    with pytest.raises(ValueError, match="allow a larger mesh_rtol"):
        fefreq.FrequencyDiffusion(fefreq.FourierFeatures(fefreq.Gaussian(3.0)), target)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coefficients_that_are_not_numbers_are_located(tones_target, value):
    model = Given(lambda xi: np.where(xi[:, 0] < -2, value, 1.0), flat(1.0))
    with pytest.raises(ValueError, match=r"diffusion coefficient is (nan|inf) at frequency \[-"):
        fefreq.FrequencyDiffusion(model, tones_target, mesh=meshes.interval(5.0, 0.1)).solve([0, 1])


def test_four_dimensions_are_refused_with_a_way_out():
    target = fefreq.Target.from_function(lambda x: x[:, 0], [(-1, 1)] * 4, 3)
    with pytest.raises(ValueError, match="1, 2 and 3 dimensions, not 4; the kernel flow"):
        fefreq.FrequencyDiffusion(fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=4)), target)


@pytest.mark.parametrize("order", [1, 2])
def test_blocks_of_elements_assemble_the_same_matrices(monkeypatch, order):
    import fefreq.diffusion.assembly

    model = fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=3))
    mesh = meshes.box([1.0] * 3, 0.4)
    whole, parts = make_basis(mesh, order), light_basis(mesh, order)
    assert len(list(fefreq.diffusion.assembly.blocks(whole))) == 1
    monkeypatch.setattr(fefreq.diffusion.assembly, "_BLOCK", 50_000)
    assert len(list(fefreq.diffusion.assembly.blocks(parts))) > 3
    for build in (mass_matrix, lambda basis: operator_matrix(basis, model, "even")):
        a, b = build(whole), build(parts)
        assert abs(a - b).max() <= 1e-14 * abs(a).max()


def test_fields_that_do_not_fit_into_memory_are_refused_before_work(
    monkeypatch, gaussian_model, tones_target
):
    monkeypatch.setattr("fefreq.support.memory.available_memory", lambda: 10**6)
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target)
    with pytest.raises(ValueError, match=r"at 1000 times would take .* of memory, but 0.8 MB can be used"):
        problem.solve(np.arange(1000))
