"""Propagation in time against the dense eigen-decomposition."""

import numpy as np
import pytest

import fefreq
from fefreq import meshes
from fefreq.assembly import make_basis, mass_matrix, operator_matrix, project_spectrum
from fefreq.propagators import choose_poles

FOUR_DECADES = np.concatenate([[0.0], np.geomspace(1, 1e4, 41)])


@pytest.fixture(scope="module")
def system(gaussian_model, tones_target):
    basis = make_basis(meshes.interval(14.0, 0.05), 2)
    M, A = mass_matrix(basis), operator_matrix(basis, gaussian_model, "even")
    u = project_spectrum(basis, M, tones_target)
    return M, A, np.stack([u.real, u.imag], axis=1)


@pytest.fixture(scope="module")
def oracle(system):
    return fefreq.DenseOracle().propagate(*system, FOUR_DECADES, 0).values


def relative_errors(M, initial, values, exact):
    norm = lambda v: np.sqrt(np.einsum("...nc,...nc->...c", v, np.stack([M @ x for x in v])))  # noqa: E731
    return norm(values - exact) / norm(initial[None])


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8, 1e-10])
def test_every_time_over_four_decades_agrees_with_the_dense_oracle(system, oracle, rtol):
    M, _, initial = system
    found = fefreq.RationalKrylov().propagate(*system, FOUR_DECADES, rtol)
    assert found.result is fefreq.Result.converged
    assert found.error_estimate.max() <= rtol
    assert relative_errors(M, initial, found.values, oracle).max() <= rtol


@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("poles", [None, (100.0,), (1.0, 1000.0)])
def test_estimate_bounds_the_true_error(system, oracle, rtol, poles):
    M, _, initial = system
    found = fefreq.RationalKrylov(poles).propagate(*system, FOUR_DECADES, rtol)
    true = relative_errors(M, initial, found.values, oracle).max()
    assert true <= 3 * found.error_estimate.max() + 1e-12


def test_too_small_a_basis_is_admitted_not_hidden(system, gaussian_model, tones_target):
    found = fefreq.RationalKrylov(max_basis=5).propagate(*system, FOUR_DECADES, 1e-8)
    assert found.result is fefreq.Result.basis_exhausted
    problem = fefreq.FrequencyDiffusion(gaussian_model, tones_target)
    with pytest.raises(fefreq.ConvergenceError, match="allow a larger rtol or a larger max_basis"):
        problem.solve(FOUR_DECADES, rtol=1e-8, propagator=fefreq.RationalKrylov(max_basis=5))


def test_zero_initial_error_stays_zero(system):
    M, A, initial = system
    found = fefreq.RationalKrylov().propagate(M, A, 0 * initial, FOUR_DECADES, 1e-8)
    assert not found.values.any()


def test_initial_values_come_back_untouched_at_time_zero(system):
    found = fefreq.RationalKrylov().propagate(*system, np.array([0.0, 1.0]), 1e-8)
    np.testing.assert_array_equal(found.values[0], system[2])


def test_poles_spread_over_the_decades_asked_for():
    assert len(choose_poles(np.array([5.0]))) == 1
    assert len(choose_poles(np.geomspace(1, 1e4, 9))) == 2
    assert len(choose_poles(np.geomspace(1e-3, 1e6, 9))) == 5
