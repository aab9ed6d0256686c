"""Every optimiser against its own recurrence, taken step by step and in sixty digits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

import fefreq
from fefreq.dynamics import GaussNewton, GradientDescent, GradientFlow, HeavyBall, Nesterov
from fefreq.dynamics.storage import dynamics_from_json, dynamics_to_json

ETA = 0.3
EPS = float(np.finfo(np.float64).eps)


def rates_of(dynamics):
    """Slow ones, those at and around which roots meet, turn complex and leave the unit disc, and others."""
    limit = dynamics.learning_rate * min(dynamics.stable_until, 5.0 / dynamics.learning_rate)
    beta = getattr(dynamics, "momentum", 0.0)
    meet = [(1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2]
    if isinstance(dynamics, Nesterov):
        meet = [((1 - beta) / (1 + beta)) ** 2, 1.0]
    around = [m * (1 + gap) for m in meet for gap in (-1e-4, -1e-9, -1e-14, 0.0, 1e-14, 1e-9, 1e-4)]
    x = np.concatenate(
        [[0.0, 1e-18, 1e-9, 0.4999 * meet[0], 0.5001 * meet[0]], around, np.linspace(0, limit, 40)]
    )
    return np.unique(x[x <= limit]) / dynamics.learning_rate


STEPPED = [
    GradientDescent(ETA),
    HeavyBall(ETA, 0.0),
    HeavyBall(ETA, 0.5),
    HeavyBall(ETA, 0.9),
    HeavyBall(ETA, 0.999),
    Nesterov(ETA, 0.0),
    Nesterov(ETA, 0.5),
    Nesterov(ETA, 0.9),
    GaussNewton(ETA, 0.7),
    GaussNewton(1.8, 1e-3),
]
MOMENTUM = [d for d in STEPPED if isinstance(d, HeavyBall | Nesterov)]


def brute_force(dynamics, rates, counts):
    """Errors and accumulated pushes after counts of steps, as an optimiser's loop would have them."""
    beta, eta = getattr(dynamics, "momentum", 0.0), dynamics.learning_rate
    error, velocity, total = np.ones_like(rates), np.zeros_like(rates), np.zeros_like(rates)
    errors, totals = [], []
    for n in range(counts[-1] + 1):
        if n in counts:
            errors.append(error)
            totals.append(total)
        push = error / (rates + dynamics.damping) if isinstance(dynamics, GaussNewton) else error
        velocity = beta * velocity + push
        direction = push + beta * velocity if isinstance(dynamics, Nesterov) else velocity
        total = total + eta * direction
        error = error - eta * rates * direction
    return np.array(errors), np.array(totals)


@pytest.mark.parametrize("dynamics", STEPPED, ids=repr)
def test_any_number_of_steps_is_what_the_loop_does(dynamics):
    counts, rates = [0, 1, 2, 3, 17, 400, 3001], rates_of(dynamics)
    evolution = dynamics.evolution(dynamics.times_of(counts))
    errors, totals = brute_force(dynamics, rates, counts)
    # Rounding of ηθ counts once a step, and momentum carries it on 1/(1 - β) times.
    rounding = 10 * EPS * (10 + np.array(counts)[:, None]) / (1 - getattr(dynamics, "momentum", 0.0))
    assert evolution.steps.tolist() == counts
    assert np.all(np.abs(evolution.decay(rates) - errors) <= rounding * np.abs(errors).max(axis=0))
    assert np.all(np.abs(evolution.integral(rates) - totals) <= rounding * np.abs(totals).max(axis=0))


@pytest.mark.parametrize("dynamics", MOMENTUM, ids=repr)
def test_a_million_steps_keep_their_digits(dynamics):
    """Against the recurrence in sixty digits, where a loop in double precision would drift."""
    count, rates = 1_000_003, rates_of(dynamics)
    slow = rates[rates * ETA < 1e-3]
    evolution = dynamics.evolution(dynamics.times_of([count]))
    expected = [in_sixty_digits(dynamics, rate, count) for rate in slow]
    np.testing.assert_allclose(evolution.decay(slow)[0], [float(e) for e, _ in expected], rtol=0, atol=2e-12)
    np.testing.assert_allclose(evolution.integral(slow)[0], [float(w) for _, w in expected], rtol=2e-12)


def in_sixty_digits(dynamics, rate, count):
    """Error and accumulated push by squaring the matrix of one step."""
    with localcontext() as context:
        context.prec = 60
        x, beta = Decimal(dynamics.learning_rate) * Decimal(rate), Decimal(dynamics.momentum)
        # State (error, sum of errors with momentum, accumulated push); ahead, the push is error + β sum.
        ahead = isinstance(dynamics, Nesterov)
        push = [1 + beta, beta * beta, Decimal(0)] if ahead else [Decimal(1), beta, Decimal(0)]
        step = [
            [1 - x * push[0], -x * push[1], Decimal(0)],
            [Decimal(1), beta, Decimal(0)],
            [push[0], push[1], Decimal(1)],
        ]
        state = [Decimal(1), Decimal(0), Decimal(0)]
        while count:
            if count % 2:
                state = [sum(a * b for a, b in zip(row, state, strict=True)) for row in step]
            columns = list(zip(*step, strict=True))
            step = [[sum(a * b for a, b in zip(row, c, strict=True)) for c in columns] for row in step]
            count //= 2
        return state[0], Decimal(dynamics.learning_rate) * state[2]


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99])
def test_on_the_plateau_all_errors_decay_at_one_rate(beta):
    """For (1 - √β)² < ηθ < (1 + √β)² the error turns in a plane and shrinks by √β a step, whatever θ."""
    low, high = (1 - np.sqrt(beta)) ** 2, (1 + np.sqrt(beta)) ** 2
    ball, x = HeavyBall(ETA, beta), np.linspace(1.01 * low, 0.999 * high, 200)
    errors = ball.evolution(ball.times_of(range(int(20 / (1 - beta))))).decay(x / ETA)
    # e_n = Re A rⁿ with |r|² = β: the square of |A rⁿ| but for a factor.
    sooner, later = errors[:-1], errors[1:]
    sizes = later**2 - (1 + beta - x) * later * sooner + beta * sooner**2
    np.testing.assert_allclose(sizes[1:] / sizes[:-1], beta, rtol=1e-6)
    below = ball.evolution(ball.times_of([len(errors)])).decay(np.array([0.3 * low / ETA]))
    assert below[0, 0] > 3 * np.sqrt(beta) ** len(errors)


@pytest.mark.parametrize("dynamics", [d for d in STEPPED if np.isfinite(d.stable_until)], ids=repr)
def test_errors_stay_at_the_stability_limit_and_grow_above_it(dynamics):
    counts = np.arange(2000, 2100)
    limit = dynamics.stable_until
    left = np.abs(
        dynamics.evolution(dynamics.times_of(counts)).decay(np.array([limit, 0.999 * limit, 1.01 * limit]))
    )
    start = 2 / (1 - getattr(dynamics, "momentum", 0.0))
    assert left[:, 0].max() < start
    assert left[-1, 1] < left[:, 0].max()
    assert left[-1, 2] > 1.01 * left[-50, 2]


def test_without_momentum_both_are_gradient_descent():
    rates, counts = np.linspace(0, 6, 50), [0, 1, 7, 30]
    descent = GradientDescent(ETA).evolution(ETA * np.array(counts))
    for dynamics in (HeavyBall(ETA, 0.0), Nesterov(ETA, 0.0)):
        evolution = dynamics.evolution(dynamics.times_of(counts))
        np.testing.assert_allclose(evolution.decay(rates), descent.decay(rates), atol=1e-14)
        np.testing.assert_allclose(evolution.integral(rates), descent.integral(rates), rtol=1e-13)


@pytest.mark.parametrize("kind", [HeavyBall, Nesterov])
def test_small_steps_with_momentum_approach_the_flow_at_a_time_that_runs_faster(kind):
    """By 1 / (1 - β), at first order."""
    rates, time, beta = np.array([0.05, 0.2, 1.0]), 3.0, 0.8
    flow = GradientFlow().evolution(np.array([time / (1 - beta)])).decay(rates)
    gaps = [
        np.abs(kind(eta, beta).evolution(np.array([time])).decay(rates) - flow).max() for eta in (1e-3, 5e-4)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.02)


def test_small_steps_of_descent_approach_the_flow_at_first_order():
    rates, times = np.array([0.0, 0.1, 1.0]), np.array([1.0, 3.0])
    flow = GradientFlow().evolution(times)
    errors = [
        np.abs(GradientDescent(eta).evolution(times).decay(rates) - flow.decay(rates)).max()
        for eta in (0.02, 0.01)
    ]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


def test_integrals_keep_their_digits_at_slow_rates():
    """(1 - (1 - ηθ)^n) / θ = t (1 - (t - η) θ / 2 + …)."""
    times, eta = np.array([8.0]), 0.5
    slow = np.array([0.0, 1e-14, 1e-10])
    series = times * (1 - slow * (times - eta) / 2)
    np.testing.assert_allclose(GradientDescent(eta).evolution(times).integral(slow)[0], series, rtol=1e-15)
    np.testing.assert_allclose(
        GradientFlow().evolution(times).integral(slow)[0], times * (1 - slow * times / 2), rtol=1e-15
    )


def test_gauss_newton_is_descent_below_the_damping_and_has_one_pace_above_it():
    newton = GaussNewton(0.5, damping=1e-3).evolution(np.array([0.0, 2.0, 20.0]))
    descent = GradientDescent(0.5 / 1e-3).evolution(np.array([0.0, 2.0, 20.0]) / 1e-3)
    slow, fast = np.array([1e-9, 1e-8]), np.array([1e5, 1e7])
    np.testing.assert_allclose(newton.decay(slow), descent.decay(slow), rtol=1e-6)
    np.testing.assert_allclose(newton.decay(fast), 0.5 ** np.array([[0, 0], [4, 4], [40, 40]]), rtol=1e-6)


@pytest.mark.parametrize("dynamics", [GradientFlow(), *STEPPED], ids=repr)
def test_dynamics_survive_as_text(dynamics):
    assert dynamics_from_json(dynamics_to_json(dynamics)) == dynamics


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: GradientDescent(0.0), ValueError, "learning_rate must be above 0, not 0.0"),
        (lambda: HeavyBall(np.nan, 0.5), ValueError, "learning_rate must be finite, not nan"),
        (lambda: HeavyBall("fast", 0.5), TypeError, "learning_rate must be a number, not 'fast'"),
        (lambda: HeavyBall(0.1, 1.0), ValueError, "momentum must be at least 0 and below 1, not 1.0"),
        (lambda: Nesterov(0.1, -0.1), ValueError, "momentum must be at least 0 and below 1, not -0.1"),
        (lambda: GaussNewton(2.5, 0.1), ValueError, "at most 2, not 2.5, or errors would grow"),
        (lambda: GaussNewton(1.0, 0.0), ValueError, "damping must be above 0, not 0.0"),
        (
            lambda: GradientFlow().times_of([1]),
            ValueError,
            r"no steps: give times, or .*fefreq.GradientDescent\(0.1\)",
        ),
        (lambda: HeavyBall(0.1, 0.5).times_of([0, 2.5]), TypeError, "steps must be a list of integers"),
        (lambda: HeavyBall(0.1, 0.5).times_of([]), TypeError, "at least one"),
        (lambda: HeavyBall(0.1, 0.5).times_of([3, 3]), ValueError, "steps must increase from 0 or later"),
        (lambda: HeavyBall(0.1, 0.5).times_of([10**10]), ValueError, "no more than 1e.09 can be counted"),
        (
            lambda: HeavyBall(0.1, 0.5).evolution(np.array([0.2, 0.77])),
            ValueError,
            "the time 0.77 is no whole number of steps of 0.1, .* give steps, or times such as 0.8",
        ),
    ],
)
def test_bad_input_is_answered_by_one_sentence(call, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_dynamics_are_public():
    for dynamics in (GradientFlow, GradientDescent, HeavyBall, Nesterov, GaussNewton):
        assert getattr(fefreq, dynamics.__name__) is dynamics
