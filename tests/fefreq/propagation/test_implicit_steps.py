"""Implicit time stepping: orders of convergence, damping, error control."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.linalg import expm

import fefreq
from fefreq.propagation.implicit_steps import SCHEMES
from fefreq.propagation.propagator import Result

TIMES = np.array([0.0, 0.3, 1.0, 5.0])


@pytest.fixture(scope="module")
def system():
    """A small mass and operator matrix without structure, and two columns."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 12, 12))
    M = sp.csr_matrix(a @ a.T + 12 * np.eye(12))
    A = sp.csr_matrix(b @ b.T)
    return M, A, rng.standard_normal((12, 2))


@pytest.fixture(scope="module")
def exact(system):
    M, A, u = system
    generator = -np.linalg.solve(M.toarray(), A.toarray())
    return np.stack([expm(t * generator) @ u for t in TIMES])


def errors(system, values, exact):
    M, _, u = system
    norm = lambda v: np.sqrt(np.einsum("nc,nc->c", v, M @ v))  # noqa: E731
    return np.array([np.max(norm(v - e) / norm(u)) for v, e in zip(values, exact, strict=True)])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_error_falls_with_the_order_of_the_scheme(system, exact, scheme):
    counts = np.array([32, 64, 128])
    found = [
        errors(system, fefreq.ImplicitSteps(scheme, steps=int(n)).propagate(*system, TIMES, 0).values, exact)
        for n in counts
    ]
    measured = -np.polyfit(np.log(counts), np.log(np.max(found, axis=1)), 1)[0]
    assert abs(measured - SCHEMES[scheme].order) < 0.1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_rows_meet_the_conditions_of_their_order(scheme):
    rows = SCHEMES[scheme].rows
    a = np.array([[*row, *[0.0] * (len(rows) - len(row))] for row in rows])
    weights, nodes = a[-1], a.sum(axis=1)
    assert weights.sum() == pytest.approx(1)
    assert (abs(weights @ nodes - 0.5) < 1e-14) == (SCHEMES[scheme].order == 2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_only_l_stable_schemes_remove_the_fastest_modes_in_one_step(scheme):
    M, A = sp.identity(1, format="csr"), sp.csr_matrix([[1e12]])
    found = fefreq.ImplicitSteps(scheme, steps=1).propagate(M, A, np.ones((1, 1)), np.array([1.0]), 0)
    assert (abs(found.values[0, 0, 0]) < 1e-9) == SCHEMES[scheme].l_stable


@pytest.mark.parametrize("steps", [1, 2, 3, 20])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_estimate_of_fixed_steps_is_near_the_true_error(system, exact, scheme, steps):
    found = fefreq.ImplicitSteps(scheme, steps=steps).propagate(*system, TIMES, 0)
    true = errors(system, found.values, exact)[1:]
    ratio = found.error_estimate[1:] / true
    assert np.all((ratio > 0.3) & (ratio < 5))


@pytest.mark.parametrize("rtol", [1e-2, 1e-4])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_adapted_steps_meet_the_tolerance_at_every_time(system, exact, scheme, rtol):
    if scheme == "backward-euler":
        rtol = max(rtol, 1e-3)
    found = fefreq.ImplicitSteps(scheme).propagate(*system, TIMES, rtol)
    assert found.result is Result.converged
    assert np.all(errors(system, found.values, exact) <= rtol)
    assert np.all(found.error_estimate <= rtol)


def test_adapted_steps_grow_as_the_solution_slows_down(gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh_rtol=1e-2)
    early, late = (
        problem.solve([0, t], rtol=1e-3, propagator=fefreq.ImplicitSteps()).stats.solves for t in (10, 1e4)
    )
    assert late < 10 * early  # for a thousand times the time


def test_both_propagators_solve_the_same_problem(gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh_rtol=1e-2)
    times, xi = [0, 1.0, 100.0], np.linspace(-9, 9, 31)
    stepped = problem.solve(times, rtol=1e-4, propagator=fefreq.ImplicitSteps("sdirk2")).at(xi)
    krylov = problem.solve(times, rtol=1e-8).at(xi)
    np.testing.assert_allclose(stepped, krylov, atol=1e-3 * np.abs(krylov).max())


def test_fixed_steps_do_not_claim_a_tolerance_that_they_miss(gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh_rtol=1e-2)
    one = fefreq.ImplicitSteps("backward-euler", steps=1)
    missed, met = (problem.solve([1.0, 10.0], rtol=rtol, propagator=one) for rtol in (1e-6, 0.5))
    assert missed.stats.error_estimate.max() > 1e-6
    assert missed.result is Result.steps_given
    assert met.result is Result.converged


def test_too_few_steps_are_admitted_not_hidden(gaussian_model, tones_target):
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target, mesh_rtol=1e-2)
    with pytest.raises(fefreq.ConvergenceError, match="more max_steps"):
        problem.solve([0, 100.0], rtol=1e-6, propagator=fefreq.ImplicitSteps(max_steps=5))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"scheme": "euler"}, "there are backward-euler, crank-nicolson, sdirk2"),
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"max_steps": 0}, "max_steps is 0"),
    ],
)
def test_impossible_settings_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        fefreq.ImplicitSteps(**arguments)
