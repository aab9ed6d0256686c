"""Propagation in time against the dense eigen-decomposition."""

import tracemalloc

import numpy as np
import pytest

import fefreq
from fefreq.diffusion.assembly import make_basis, mass_matrix, operator_matrix, project_spectrum
from fefreq.meshes import shapes as meshes
from fefreq.propagation.linear_solvers import plan
from fefreq.propagation.rational_krylov import choose_poles
from fefreq.support.memory import USABLE_SHARE

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
    """Of all columns together at every time."""
    norm = lambda v: np.sqrt(np.einsum("tnc,tnc->t", v, np.stack([M @ x for x in v])))  # noqa: E731
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


def test_the_estimate_is_that_of_all_columns_together(system):
    """Equal columns have equal relative errors, so the estimate must not depend on how many there are."""
    M, A, initial = system
    one, nine = (
        fefreq.RationalKrylov(max_basis=20).propagate(M, A, np.tile(initial[:, :1], n), FOUR_DECADES, 1e-14)
        for n in (1, 9)
    )
    np.testing.assert_allclose(nine.error_estimate, one.error_estimate, rtol=1e-6, atol=1e-15)


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


@pytest.mark.parametrize(
    "times",
    [
        np.geomspace(1e-6, 1e8, 40),
        np.array([1e-6, 1e8]),
        np.array([30.0]),
        np.array([0.0, 1e-9]),
        np.linspace(0, 50, 26),
        np.array([1.0, 1.0 + 1e-9, 7.0]),
    ],
    ids=["14 decades", "two far apart", "one", "tiny", "linear", "close"],
)
def test_times_of_any_spread_meet_the_tolerance_within_the_bound(system, times):
    M, _, initial = system
    exact = fefreq.DenseOracle().propagate(*system, times, 0).values
    found = fefreq.RationalKrylov().propagate(*system, times, 1e-8)
    true = relative_errors(M, initial, found.values, exact)
    assert found.result is fefreq.Result.converged
    # The oracle itself is right to the rounding of the fastest mode, 1e-15 of its rate times the time.
    assert np.all(true <= 3 * found.error_estimate + 3e-11)


@pytest.mark.parametrize("name", ["legendre", "indicator", "noise"])
@pytest.mark.parametrize("rtol", [1e-3, 1e-6, 1e-9])
def test_bound_holds_at_every_time_for_stiff_and_rough_problems(name, rtol):
    from problems import Given, flat

    basis = make_basis(meshes.interval(1.0, 0.01), 2)
    model = Given(lambda xi: 0.75 * np.maximum(1 - xi[:, 0] ** 2, 0), flat(0.0))
    if name != "legendre":
        model = Given(lambda xi: np.exp(-20 * xi[:, 0] ** 2), lambda xi: 1e-3 + (xi[:, 0] > 0))
    M, A = mass_matrix(basis), operator_matrix(basis, model, "even")
    x = np.linspace(-1, 1, basis.N)
    starts = {
        "legendre": x**3,
        "indicator": (x > 0.2).astype(float),
        "noise": np.random.default_rng(0).normal(size=basis.N),
    }
    initial = np.stack([starts[name], 0 * x], axis=1)
    times = np.geomspace(1e-4, 10, 25)  # later, the rounding of the oracle's fastest rate shows
    exact = fefreq.DenseOracle().propagate(M, A, initial, times, 0).values
    found = fefreq.RationalKrylov().propagate(M, A, initial, times, rtol)
    true = relative_errors(M, initial, found.values, exact)
    assert found.result is fefreq.Result.converged
    assert np.all(true <= found.error_estimate + 1e-10)


@pytest.mark.parametrize("max_basis", [4, 8, 14])
def test_bound_holds_long_before_convergence(system, oracle, max_basis):
    M, _, initial = system
    found = fefreq.RationalKrylov(poles=(100.0,), max_basis=max_basis).propagate(*system, FOUR_DECADES, 1e-12)
    true = relative_errors(M, initial, found.values, oracle)
    assert found.result is fefreq.Result.basis_exhausted
    assert np.all(true <= found.error_estimate + 1e-12)


def test_more_columns_cost_solves_but_no_factorisations(system):
    M, A, initial = system
    one = fefreq.RationalKrylov().propagate(M, A, initial[:, :1], FOUR_DECADES, 1e-8)
    six = fefreq.RationalKrylov().propagate(M, A, np.tile(initial[:, :1], 6), FOUR_DECADES, 1e-8)
    assert six.factorisations == one.factorisations
    assert six.solves == 6 * one.solves
    np.testing.assert_allclose(six.values, np.tile(one.values, 6), atol=1e-12)


@pytest.mark.parametrize("backend", ["superlu", "cholmod", "amg"])
def test_every_backend_meets_the_tolerance(system, oracle, backend):
    M, _, initial = system
    found = fefreq.RationalKrylov(backend=backend).propagate(*system, FOUR_DECADES, 1e-6)
    assert relative_errors(M, initial, found.values, oracle).max() <= 1e-6


def test_memory_that_will_not_do_is_refused_before_it_is_taken(monkeypatch, system):
    monkeypatch.setattr("fefreq.support.memory.available_memory", lambda: 10**5)
    with pytest.raises(
        ValueError, match=r"42 times and a basis of 24 vectors for 2 column\(s\).*fewer times at once"
    ):
        fefreq.RationalKrylov().propagate(*system, FOUR_DECADES, 1e-8)


@pytest.fixture(scope="module")
def large(gaussian_model, tones_target):
    """So many unknowns that columns outweigh all small arrays."""
    basis = make_basis(meshes.interval(14.0, 0.002), 2)
    M, A = mass_matrix(basis), operator_matrix(basis, gaussian_model, "even")
    u = project_spectrum(basis, M, tones_target)
    return M, A, np.stack([u.real, u.imag], axis=1)


def propagate_in_memory(propagator, system, times, rtol):
    """The propagation and the most memory that it took at once, in columns of all right-hand sides."""
    propagator.propagate(*system, times[:2], 1e-3)  # what is imported and cached counts elsewhere
    tracemalloc.start()
    found = propagator.propagate(*system, times, rtol)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return found, peak / system[2].nbytes


def test_a_basis_cut_short_by_memory_says_so_and_keeps_to_it(monkeypatch, large):
    room, times = 80, np.geomspace(1, 1e4, 21)
    factors = plan(large[0]).memory
    available = (factors + room * large[2].nbytes) / USABLE_SHARE
    monkeypatch.setattr("fefreq.support.memory.available_memory", lambda: available)
    found, peak = propagate_in_memory(fefreq.RationalKrylov(poles=(0.01,)), large, times, 1e-10)
    assert found.result is fefreq.Result.memory_exhausted
    assert found.memory <= room * large[2].nbytes
    # Beside basis and values there are the matrices and a few columns, not another basis.
    assert peak <= room + 20


def test_the_basis_of_one_window_is_gone_before_the_next(large):
    times = np.geomspace(1, 1e4, 21)
    found, peak = propagate_in_memory(fefreq.RationalKrylov(), large, times, 1e-10)
    assert found.factorisations == 2
    assert peak <= len(times) + 16 * (found.basis_size // 16 + 1) + 20


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"poles": ()}, "positive and finite, at least one"),
        ({"poles": (1.0, -2.0)}, "positive and finite"),
        ({"max_basis": 1}, "at least 2"),
    ],
)
def test_impossible_settings_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        fefreq.RationalKrylov(**arguments)
