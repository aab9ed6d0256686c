"""What holds for every density, every rate and every target, tried on random ones."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fefreq
from fefreq.diffusion.assembly import make_basis, mass_matrix
from fefreq.meshes import shapes as meshes

few = settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
positive = st.floats(0.05, 5.0)


@st.composite
def densities(draw):
    kind = draw(st.sampled_from(["gaussian", "laplace", "uniform", "student-t", "mixture"]))
    scale = draw(positive)
    simple = {
        "gaussian": lambda: fefreq.Gaussian(scale),
        "laplace": lambda: fefreq.Laplace(scale),
        "uniform": lambda: fefreq.Uniform(scale),
        "student-t": lambda: fefreq.StudentT(scale, df=draw(st.floats(1.0, 8.0))),
        "mixture": lambda: fefreq.Mixture((fefreq.Gaussian(scale), fefreq.Uniform(2.0)), (0.3, 0.7)),
    }
    return simple[kind]()


@st.composite
def models(draw):
    rates = fefreq.Rates(draw(st.floats(0.1, 3.0)), draw(st.floats(0.0, 3.0)), draw(st.floats(0.0, 2.0)))
    if draw(st.booleans()):
        return fefreq.FourierFeatures(draw(densities()), draw(positive), rates)
    return fefreq.MultiScaleSine(
        draw(densities()), (1.0, 2.0), draw(positive), bias="normal", bias_std=draw(positive), rates=rates
    )


@st.composite
def targets(draw):
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    points = rng.uniform(-0.4, 0.4, 12)
    return fefreq.Target(points, rng.standard_normal(12), rng.uniform(0.1, 1.0, 12))


MESH = meshes.interval(6.0, 0.15, breakpoints=(2.0,))
TIMES = np.array([0.0, 0.01, 1.0, 30.0, 1e4])


def solve(model, target, **options):
    return fefreq.FrequencyDiffusion(model, target, mesh=MESH).solve(TIMES, **options)


@few
@given(models(), targets())
def test_bound_holds_and_energy_never_increases(model, target):
    found, exact = solve(model, target, rtol=1e-6), solve(model, target, propagator=fefreq.DenseOracle())
    M = mass_matrix(make_basis(MESH, 2))
    gap = found.dofs - exact.dofs
    distance = np.sqrt([np.real(np.vdot(g, M @ g)) for g in gap])
    assert np.all(distance <= (found.stats.error_estimate + 1e-11) * np.sqrt(2 * exact.energy[0]))
    assert np.all(np.diff(found.energy) <= 1e-12 * found.energy[0])


@few
@given(models(), targets())
def test_real_data_keep_conjugate_symmetry(model, target):
    solution = solve(model, target, rtol=1e-10)
    xi = np.linspace(0.1, 5.9, 20)
    np.testing.assert_allclose(
        solution.at(-xi), np.conj(solution.at(xi)), atol=1e-8 * np.abs(solution.at(xi)).max()
    )


@few
@given(models(), targets(), st.floats(-3, 3))
def test_the_solution_is_linear_in_the_data(model, target, factor):
    other = target.with_values(np.roll(target.values, 3))
    combined = target.with_values(target.values + factor * other.values)
    xi = np.linspace(-5, 5, 21)
    parts = [solve(model, t, rtol=1e-10).at(xi) for t in (target, other, combined)]
    size = max(np.abs(p).max() for p in parts)
    np.testing.assert_allclose(parts[0] + factor * parts[1], parts[2], atol=1e-8 * (1 + abs(factor)) * size)


@few
@given(densities(), targets(), st.floats(0.2, 5.0))
def test_rates_and_time_enter_as_their_product(density, target, factor):
    slow = fefreq.FourierFeatures(density, rates=fefreq.Rates(0.7, 0.3))
    fast = fefreq.FourierFeatures(density, rates=fefreq.Rates(0.7 * factor, 0.3 * factor))
    xi = np.linspace(-5, 5, 21)
    a = fefreq.FrequencyDiffusion(slow, target, mesh=MESH).solve(factor * TIMES, rtol=1e-10).at(xi)
    b = fefreq.FrequencyDiffusion(fast, target, mesh=MESH).solve(TIMES, rtol=1e-10).at(xi)
    np.testing.assert_allclose(a, b, atol=1e-8 * np.abs(a).max())


@few
@given(densities(), targets())
def test_propagation_composes(density, target):
    problem = fefreq.FrequencyDiffusion(fefreq.FourierFeatures(density), target, mesh=MESH)
    direct = problem.solve([0.0, 5.0, 50.0], rtol=1e-10)
    alone = problem.solve([50.0], rtol=1e-10)
    np.testing.assert_allclose(direct.dofs[-1], alone.dofs[0], atol=1e-8 * np.abs(direct.dofs).max())
