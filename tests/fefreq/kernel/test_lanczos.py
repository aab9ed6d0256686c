"""Lanczos' recurrence against eigen-decompositions, explicit steps and its own bound."""

import numpy as np
import pytest
from scipy.linalg import expm

from fefreq.dynamics import GaussNewton, GradientDescent, GradientFlow, HeavyBall, Nesterov
from fefreq.kernel.lanczos import EPS, ToleranceError, Tridiagonal, evolve

TIMES = np.concatenate([[0.0], np.geomspace(1e-2, 1e4, 25)])
FLOW = GradientFlow().evolution(TIMES)


def matrix(decay, n=300, seed=0):
    """Symmetric positive semi-definite with eigenvalues that fall off at a given pace, and a start."""
    rng = np.random.default_rng(seed)
    modes = np.linalg.qr(rng.standard_normal((n, n)))[0]
    rates = decay(np.arange(n))
    return (modes * rates) @ modes.T, rng.standard_normal(n), rates, modes


SPECTRA = {
    "geometric": lambda k: 3.0 * 0.8**k,
    "algebraic": lambda k: 2.0 / (1.0 + k) ** 2,
    "flat": lambda k: np.linspace(0, 1, len(k)),
    "band": lambda k: np.where(k < 40, 1.0, 1e-9),
}


def run(S, v, evolution, rtol, capacity=None):
    states, integrals = np.empty((2, len(evolution.times), len(v)))
    return evolve(lambda x: S @ x, v, evolution, rtol, states, integrals, capacity), states, integrals


def exact(rates, modes, v, evolution):
    coordinates = modes.T @ v
    return (evolution.decay(rates) * coordinates) @ modes.T, (
        evolution.integral(rates) * coordinates
    ) @ modes.T


def evolutions(largest):
    def stepped(dynamics, last=4000):
        counts = np.unique(np.rint(np.geomspace(1, last, 25)).astype(int))
        return dynamics.evolution(dynamics.times_of([0, *counts]))

    return {
        "flow": FLOW,
        "descent": GradientDescent(0.7 / largest).evolution(TIMES),
        "fast descent": GradientDescent(1.97 / largest).evolution(TIMES[TIMES < 2e3]),
        "heavy ball": stepped(HeavyBall(1.0 / largest, 0.9)),
        "fast heavy ball": stepped(HeavyBall(3.7 / largest, 0.9)),
        "nesterov": stepped(Nesterov(1.2 / largest, 0.8)),
        "gauss-newton": stepped(GaussNewton(0.7, 0.03 * largest), 100),
        "fast gauss-newton": stepped(GaussNewton(1.9, 0.03 * largest), 100),
    }


WAYS = ["flow", "descent", "fast descent", "heavy ball", "fast heavy ball", "nesterov"]
WAYS += ["gauss-newton", "fast gauss-newton"]


@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("capacity", [None, 12])
def test_the_error_is_below_its_bound_and_not_far_below(spectrum, way, capacity):
    """With the whole basis and with a part of it, for every optimiser."""
    S, v, rates, modes = matrix(SPECTRA[spectrum])
    evolution = evolutions(rates.max())[way]
    truth, learned = exact(rates, modes, v, evolution)
    for rtol in (1e-3, 1e-7):
        evolved, states, integrals = run(S, v, evolution, rtol, capacity)
        errors = np.linalg.norm(states - truth, axis=1) / np.linalg.norm(v)
        rounding = 20 * EPS * (1 + rates.max() * evolution.integral(np.zeros(1))[:, 0])
        assert np.all(errors <= evolved.bound + rounding)
        assert np.max(evolved.bound) <= rtol
        # On a flat spectrum what leaks out decays on its own, which the bound does not see; without
        # orthogonality some of it comes back as copies of what is there.
        if way in ("flow", "descent", "fast descent"):
            pessimism = 1000 if spectrum == "flat" else 30 if capacity is None else 100
            assert evolved.bound[-1] <= pessimism * errors[-1]
        else:  # errors swing, so that the last one may happen to be small
            pessimism = (30 if capacity is None else 100) * (300 if spectrum == "flat" else 1)
            assert evolved.bound[-1] <= pessimism * errors.max()
        # S ∫ u = u(0) - u: an error of the integral is one of what has been learned.
        gap = np.linalg.norm((integrals - learned) @ S, axis=1) / np.linalg.norm(v)
        assert np.all(gap <= 2 * evolved.bound + rounding)
        assert evolved.stored <= (capacity or len(v) + 1)


def test_signs_of_the_last_component_never_change():
    """What the bound rests on: (exp(-sT))_{k1} has the sign of (-1)^(k-1) at every s."""
    rng = np.random.default_rng(1)
    for k in (2, 3, 6, 7):
        diagonal, beyond = rng.uniform(0, 2, k), rng.uniform(0.1, 1, k - 1)
        T = np.diag(diagonal) + np.diag(beyond, 1) + np.diag(beyond, -1)
        for s in np.geomspace(1e-2, 30, 20):
            assert expm(-s * T)[-1, 0] * (-1) ** (k - 1) > 0


@pytest.mark.parametrize("rate", [0.5, 1.9])
def test_the_leak_is_the_sum_of_moduli_over_all_steps(rate):
    rng = np.random.default_rng(2)
    diagonal, beyond = rng.uniform(0.3, 0.6, 7), rng.uniform(0.05, 0.2, 6)
    T = Tridiagonal(diagonal, beyond)
    full = np.diag(diagonal) + np.diag(beyond, 1) + np.diag(beyond, -1)
    descent = GradientDescent(rate / T.rates.max()).evolution(np.array([0.0, 3.0, 2500.0, 2600.5]))
    state, total, expected = np.eye(7)[0], 0.0, []
    for interval in descent.intervals:
        for _ in range(interval.steps):
            total += interval.rate * abs(state[-1])
            state = state - interval.rate * (full @ state)
        expected.append(total)
    np.testing.assert_allclose(T.leak(descent), expected, rtol=1e-9, atol=1e-15)


def test_descent_equals_explicit_steps():
    S, v, rates, _ = matrix(SPECTRA["algebraic"], n=60)
    for share in (0.3, 1.0, 1.9):
        descent = GradientDescent(share / rates.max()).evolution(np.array([0.5, 7.0, 50.0]))
        _, states, integrals = run(S, v, descent, 1e-11)
        u, w = v.copy(), np.zeros_like(v)
        for interval, state, integral in zip(descent.intervals, states, integrals, strict=True):
            for _ in range(interval.steps):
                w += interval.rate * u
                u = u - interval.rate * (S @ u)
            np.testing.assert_allclose(state, u, atol=1e-10 * np.linalg.norm(v))
            np.testing.assert_allclose(S @ integral, S @ w, atol=1e-10 * np.linalg.norm(v))


def test_an_eigenvector_needs_one_product():
    S, _, rates, modes = matrix(SPECTRA["geometric"])
    evolved, states, _ = run(S, modes[:, 3], FLOW, 1e-8)
    assert evolved.basis_size <= 2
    np.testing.assert_allclose(states, np.exp(-np.outer(TIMES, rates[3:4])) * modes[:, 3], atol=1e-13)


def test_a_zero_start_stays_zero_without_work():
    evolved, states, integrals = run(np.eye(5), np.zeros(5), FLOW, 1e-8)
    assert evolved.products == 0
    assert not states.any()
    assert not integrals.any()


def test_a_matrix_that_vanishes_leaves_everything():
    v = np.arange(5.0)
    _, states, integrals = run(np.zeros((5, 5)), v, FLOW, 1e-8)
    np.testing.assert_allclose(states, np.tile(v, (len(TIMES), 1)), rtol=1e-15)
    np.testing.assert_allclose(integrals, np.outer(TIMES, v), rtol=1e-14)


def test_a_tolerance_below_rounding_is_refused_with_what_is_possible():
    S, v, _, _ = matrix(SPECTRA["flat"])
    with pytest.raises(ToleranceError, match=r"rounding leaves .*: allow a larger rtol or end earlier"):
        run(S, v, GradientFlow().evolution(np.array([1e9])), 1e-8)


@pytest.mark.parametrize("capacity", [2, 3, 16, 17, 40])
def test_any_capacity_gives_the_same_states(capacity):
    S, v, _, _ = matrix(SPECTRA["algebraic"])
    _, whole, _ = run(S, v, FLOW, 1e-9)
    evolved, states, _ = run(S, v, FLOW, 1e-9, capacity)
    assert evolved.stored == min(capacity, evolved.basis_size + 1)
    assert evolved.products > evolved.basis_size
    np.testing.assert_allclose(states, whole, atol=3e-9 * np.linalg.norm(v))
