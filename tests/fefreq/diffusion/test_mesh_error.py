"""The estimated error of a mesh against exact solutions, and refinement until it is small."""

from itertools import product

import numpy as np
import pytest
import skfem
from numpy.polynomial import legendre
from problems import Given, flat

import fefreq
from fefreq.diffusion.assembly import make_basis
from fefreq.meshes import shapes as meshes
from fefreq.meshes.choice import require_resolution
from fefreq.propagation.propagator import Result

W = 2.0


def wave_target(positions):
    """Mirrored points, whose spectrum is the product of ``cos(2π x_i ξ_i)``."""
    points = np.array(list(product(*[(x, -x) for x in positions])))
    return fefreq.Target(points, np.ones(len(points)), np.full(len(points), 0.5 ** len(positions)))


def true_errors(solution, exact):
    """L2 distance from ``exact(x, t)`` relative to the exact initial field, by scikit-fem's own interpolation."""
    basis = make_basis(solution.mesh, solution.order)
    square = skfem.Functional(lambda w: (w.u - exact(np.asarray(w.x), w.t)) ** 2)
    found = [
        square.assemble(basis, u=basis.interpolate(dofs.real.copy()), t=float(t))
        for t, dofs in zip(solution.times, solution.dofs, strict=True)
    ]
    whole = square.assemble(basis, u=basis.interpolate(np.zeros(basis.N)), t=0.0)
    return np.sqrt(np.array(found) / whole)


TIMES = np.array([0.0, 0.5, 5.0, 20.0])
SPACES = [
    ("line", 1, 0.1),
    ("line", 2, 0.2),
    ("line", 4, 0.4),
    ("triangle", 1, 0.25),
    ("triangle", 2, 0.4),
    ("triangle", 4, 0.8),
    ("quadrilateral", 1, 0.25),
    ("quadrilateral", 2, 0.4),
    ("quadrilateral", 4, 0.8),
    ("tetrahedron", 1, 0.4),
    ("tetrahedron", 2, 0.8),
    ("hexahedron", 1, 0.4),
    ("hexahedron", 2, 0.8),
]


@pytest.mark.parametrize(("cell", "order", "size"), SPACES)
def test_estimate_is_near_the_true_error_at_every_time(cell, order, size):
    dim = {"line": 1, "triangle": 2, "quadrilateral": 2}.get(cell, 3)
    positions = np.array([3, 2, 1])[-dim:] / (2 * W)
    model = fefreq.FourierFeatures(fefreq.Uniform(W, dim=dim), output_std=0.3)
    rate = (2 * W) ** -dim * (1 + 0.09 * np.sum((2 * np.pi * positions) ** 2))
    solution = fefreq.FrequencyDiffusion(
        model,
        wave_target(positions),
        mesh=meshes.box([W] * dim, size, cell=cell),
        order=order,
        mesh_control="estimated",
        mesh_rtol=0.9,
    ).solve(TIMES, rtol=1e-8)

    def exact(x, t):
        waves = [np.cos(2 * np.pi * p * xi) for p, xi in zip(positions, x, strict=True)]
        return np.exp(-rate * t) * np.prod(waves, axis=0)

    effectivity = solution.stats.mesh_error / true_errors(solution, exact)
    assert np.all((effectivity > 0.5) & (effectivity < 5))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_estimate_holds_where_the_diffusion_degenerates(order):
    position, rates = 0.8, 0.75 * np.arange(60) * np.arange(1, 61)
    nodes, weights = legendre.leggauss(200)
    values = weights * np.cos(2 * np.pi * position * nodes)
    series = (np.arange(60) + 0.5) * (legendre.legvander(nodes, 59).T @ values)
    solution = fefreq.FrequencyDiffusion(
        Given(lambda xi: 0.75 * np.maximum(1 - xi[:, 0] ** 2, 0), flat(0.0)),
        wave_target([position]),
        mesh=meshes.interval(1.0, 0.1),
        order=order,
        mesh_control="estimated",
    ).solve([0.0, 0.01, 0.1, 0.5], rtol=1e-10)
    exact = lambda x, t: legendre.legval(x[0], series * np.exp(-rates * t))  # noqa: E731
    effectivity = solution.stats.mesh_error / true_errors(solution, exact)
    assert np.all((effectivity > 0.5) & (effectivity < 5))


@pytest.mark.parametrize("order", [1, 2, 4])
def test_estimate_holds_where_every_frequency_decays_at_its_own_rate(order):
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.0), rates=fefreq.Rates(frequency=0.0))
    solution = fefreq.FrequencyDiffusion(
        model,
        wave_target([0.6]),
        mesh=meshes.interval(4.0, 0.125 * order),
        order=order,
        mesh_control="estimated",
        mesh_rtol=0.9,
    ).solve([0.0, 3.0, 30.0, 1000.0], rtol=1e-8)

    def exact(x, t):
        return np.cos(2 * np.pi * 0.6 * x[0]) * np.exp(-t * np.exp(-(x[0] ** 2) / 2) / np.sqrt(2 * np.pi))

    effectivity = solution.stats.mesh_error / true_errors(solution, exact)
    assert np.all((effectivity > 0.5) & (effectivity < 5))


@pytest.mark.parametrize("order", [1, 2])
def test_refined_line_meets_the_tolerance_it_states(order):
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.0), rates=fefreq.Rates(frequency=0.0))
    solution = fefreq.FrequencyDiffusion(
        model,
        wave_target([0.6]),
        mesh=meshes.interval(4.0, 1.0),
        order=order,
        mesh_control="refined",
        mesh_rtol=1e-4,
    ).solve([0.0, 30.0, 1000.0], rtol=1e-8)

    def exact(x, t):
        return np.cos(2 * np.pi * 0.6 * x[0]) * np.exp(-t * np.exp(-(x[0] ** 2) / 2) / np.sqrt(2 * np.pi))

    assert solution.result is Result.converged
    assert "mesh_rtol 0.0001 met" in solution.stats.mesh
    assert true_errors(solution, exact).max() < 1.2e-4
    assert np.all(np.diff(solution.mesh.p[0]) > 0)


def test_refinement_goes_where_the_density_has_a_cusp():
    model = fefreq.FourierFeatures(fefreq.Laplace(0.05), output_std=0.2)
    mesh = meshes.interval(4.0, 0.5)
    solution = fefreq.FrequencyDiffusion(
        model, wave_target([0.2]), mesh=mesh, order=1, mesh_control="refined", mesh_rtol=1e-3
    ).solve([0.0, 1.0, 10.0])
    sizes, middles = np.diff(solution.mesh.p[0]), solution.mesh.p[0, :-1]
    assert solution.result is Result.converged
    assert sizes[np.abs(middles) < 0.2].max() <= 0.25 * sizes[np.abs(middles) > 3].min()


@pytest.mark.parametrize(
    ("cell", "rtol"), [("triangle", 0.02), ("quadrilateral", 0.02), ("tetrahedron", 0.3)]
)
def test_refined_meshes_in_two_and_three_dimensions_meet_the_tolerance(cell, rtol):
    dim = 3 if cell == "tetrahedron" else 2
    positions = np.full(dim, 0.25)
    model = fefreq.FourierFeatures(fefreq.Gaussian(0.7, dim), rates=fefreq.Rates(frequency=0.0))
    solution = fefreq.FrequencyDiffusion(
        model,
        wave_target(positions),
        mesh=meshes.box([2.0] * dim, 1.0, cell=cell),
        order=1,
        mesh_control="refined",
        mesh_rtol=rtol,
    ).solve([0.0, 3.0, 30.0], rtol=1e-6)

    def exact(x, t):
        waves = [np.cos(2 * np.pi * p * xi) for p, xi in zip(positions, x, strict=True)]
        rate = model.density.pdf(x.reshape(dim, -1).T).reshape(x.shape[1:])
        return np.exp(-rate * t) * np.prod(waves, axis=0)

    assert solution.result is Result.converged
    assert solution.stats.mesh_error.max() <= rtol
    # Elements of order 2 halve the size of the error at least (q = 1/2): the estimate is at least half of it.
    assert true_errors(solution, exact).max() < 2 * rtol


def test_the_estimate_at_a_time_does_not_depend_on_the_others(gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(
        gaussian_model,
        tones_target,
        mesh=meshes.interval(15.0, 0.2),
        mesh_rtol=1e-3,
        mesh_control="estimated",
    )
    among, alone = problem.solve([0.0, 30.0, 1000.0]), problem.solve([1000.0])
    # Both fields are propagated to a tenth of what the mesh must reach or better, here to 1e-6.
    np.testing.assert_allclose(alone.stats.mesh_error[0], among.stats.mesh_error[2], atol=3e-6)


def test_loose_times_do_not_drive_the_mesh(gaussian_model, tones_target):
    """Errors in time must stay out of the estimate of the mesh, or it would be refined for ever."""
    problem = fefreq.FrequencyDiffusion(
        gaussian_model, tones_target, order=2, mesh_control="refined", mesh_rtol=1e-4, max_unknowns=4000
    )
    loose, tight = (problem.solve([0.0, 1.0, 10.0], rtol=rtol) for rtol in (1e-2, 1e-8))
    assert loose.result is tight.result is Result.converged
    assert loose.stats.unknowns <= 1.2 * tight.stats.unknowns


def test_a_limit_of_unknowns_is_kept_and_told():
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.0))
    solution = fefreq.FrequencyDiffusion(
        model,
        wave_target([1.5]),
        mesh=meshes.interval(4.0, 0.5),
        mesh_control="refined",
        mesh_rtol=1e-8,
        max_unknowns=60,
    ).solve([0.0, 3.0])
    assert solution.result is Result.mesh_too_coarse
    assert solution.stats.unknowns <= 60
    assert "not met" in solution.stats.mesh


def test_the_estimate_survives_a_file(tmp_path, gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(
        gaussian_model, tones_target, mesh_control="estimated", mesh_rtol=1e-3
    )
    solution = problem.solve([0.0, 1.0])
    loaded = fefreq.load(solution.save(tmp_path / "run.nc"))
    np.testing.assert_array_equal(loaded.stats.mesh_error, solution.stats.mesh_error)


def test_automatic_choice_keeps_its_promise(gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh_control="estimated")
    assert problem.solve([0.0, 1.0, 30.0, 1e3], rtol=1e-9).result is Result.converged


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"mesh_control": "adaptive"}, "one of chosen, estimated, refined"),
        ({"mesh_rtol": 0.0}, "below 1 and at least 1e-12"),
        ({"mesh_rtol": 0.1, "mesh": meshes.interval(5.0, 0.1)}, "give either it or a mesh"),
        (
            {"mesh_rtol": 2.0, "mesh": meshes.interval(5, 0.1), "mesh_control": "refined"},
            "below 1 and at least 1e-12",
        ),
        ({"cell": "triangle"}, "use line"),
        ({"cell": "line", "mesh": meshes.interval(5.0, 0.1)}, "give either it or a mesh"),
        ({"order": 0}, "order of at least 1"),
        ({"mesh": skfem.MeshTri()}, "the mesh has dimension 2, the model 1"),
    ],
)
def test_contradictory_settings_are_refused(gaussian_model, tones_target, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        fefreq.FrequencyDiffusion(gaussian_model, tones_target, **arguments)


def test_targets_wider_than_the_mesh_resolves_are_told_the_size_they_need(gaussian_model):
    target = fefreq.Target.from_function(lambda x: np.cos(x[:, 0]), [(-8, 8)], 256)
    with pytest.raises(ValueError, match=r"must be no longer than 0\.0\d+ for a relative error of 1e-06"):
        fefreq.FrequencyDiffusion(gaussian_model, target, mesh=meshes.interval(10.0, 0.5))
    require_resolution(meshes.interval(10.0, 0.05), 2, target)
