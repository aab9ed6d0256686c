"""Adam's clock against its own recurrence with dense matrices, and the kernels of tensors against the whole."""

import numpy as np
import pytest

import fefreq
from fefreq.models.dual_activations import deep_kernel
from fefreq.models.tensor_kernels import Layers, tensor_kernels

MODEL = fefreq.DeepFourierFeatures(fefreq.Gaussian(3.0), hidden_layers=2)


def signal(x):
    return np.sin(2 * np.pi * x[:, 0]) + 0.5 * np.cos(2 * np.pi * 5 * x[:, 0])


def grid(count=48):
    return fefreq.Target.from_function(signal, [(0, 1)], count)


def brute_force(target, training, layers):
    """Losses at trained and at untrained points, with the matrix of every tensor."""
    kappa = MODEL.density.characteristic(
        (target.points[:, None] - target.points).reshape(-1, target.dim)
    ).reshape(len(target.points), -1)
    tensors = tensor_kernels(kappa, layers)
    trained = target.weights > 0
    w = target.weights / target.weights.sum()
    u, m, v = target.values.copy(), np.zeros(len(w)), np.zeros(len(tensors))
    losses = [(w @ u**2, np.mean(u[~trained] ** 2) if not trained.all() else np.nan)]
    for k, rate in enumerate(training.rates(), start=1):
        m = training.beta1 * m + (1 - training.beta1) * u
        step = np.zeros_like(u)
        for i, tensor in enumerate(tensors):
            square = 4 * (w * u) @ tensor.values @ (w * u) / tensor.entries
            v[i] = training.beta2 * v[i] + (1 - training.beta2) * square
            root = np.sqrt(v[i] / (1 - training.beta2**k)) + training.epsilon
            step += 2 * tensor.values @ (w * m) / (1 - training.beta1**k) / root
        u = u - rate * step
        losses.append((w @ u**2, np.mean(u[~trained] ** 2) if not trained.all() else np.nan))
    return np.array(losses).T


@pytest.mark.parametrize("place", ["grid", "scattered", "half of a grid", "half of scattered"])
@pytest.mark.parametrize(
    "training", [fefreq.Adam(1e-3, 60), fefreq.Adam(3e-3, 40, "constant", 0.8, 0.9, 1e-4)]
)
def test_the_clock_is_the_recurrence_of_the_dense_matrices(place, training):
    target = grid()
    if "half" in place:
        shares = target.weights * (np.arange(48) % 2 == 0)
        target = fefreq.Target(target.points, target.values, shares, grid=target.grid)
    if "scattered" in place:
        target = fefreq.Target(target.points, target.values, target.weights)
    layers = Layers(hidden_layers=2, width=64)
    clock = fefreq.training_clock(MODEL, target, training, width=64)
    losses, heldout = brute_force(target, training, layers)
    np.testing.assert_allclose(clock.losses, losses, rtol=1e-8)
    if "half" in place:
        np.testing.assert_allclose(clock.heldout_losses, heldout, rtol=1e-8)
    else:
        assert clock.heldout_losses is None


def test_two_dimensions_on_a_grid_and_scattered_agree():
    model = fefreq.DeepFourierFeatures(fefreq.Laplace(1.0, 2), hidden_layers=1)
    on_grid = fefreq.Target.from_function(
        lambda x: np.sin(4 * x[:, 0]) * np.cos(7 * x[:, 1]), [(0, 1), (-1, 1)], (7, 10)
    )
    scattered = fefreq.Target(on_grid.points, on_grid.values, on_grid.weights)
    a, b = (fefreq.training_clock(model, t, fefreq.Adam(1e-3, 50)) for t in (on_grid, scattered))
    np.testing.assert_allclose(a.losses, b.losses, rtol=1e-9)


@pytest.mark.parametrize("hidden_layers", [0, 1, 3])
def test_tensors_of_the_tangent_parametrisation_add_up_to_the_tangent_kernel(hidden_layers):
    kappa = np.linspace(-1, 1, 21)
    layers = Layers(hidden_layers, 64, 17, biases=False, initialisation="tangent-kernel")
    total = sum(tensor.values for tensor in tensor_kernels(kappa, layers))
    np.testing.assert_allclose(total, deep_kernel(kappa, hidden_layers), rtol=1e-13)


def test_outputs_of_their_own_weights_do_not_disturb_one_another():
    model = fefreq.DeepFourierFeatures(fefreq.Gaussian(3.0), hidden_layers=0)
    one = grid()
    two = fefreq.Target.from_grid(np.stack([one.values, one.values], axis=1), [(0, 1)])
    a, b = (
        fefreq.training_clock(model, t, fefreq.Adam(1e-3, 30, epsilon=1e-18), biases=False)
        for t in (one, two)
    )
    np.testing.assert_allclose(a.losses, b.losses, rtol=1e-12)


def test_steps_are_found_by_the_share_of_the_loss():
    clock = fefreq.training_clock(MODEL, grid(), fefreq.Adam(1e-3, 100))
    step = clock.step_of(0.1)
    assert clock.losses[step] <= 0.1 * clock.losses[0] < clock.losses[:step].min()
    assert clock.step_of(1.0) == 0
    assert clock.step_of(1e-30) is None


def test_times_of_the_flow_have_the_loss_of_the_steps():
    target = grid()
    clock = fefreq.training_clock(MODEL, target, fefreq.Adam(1e-3, 60))
    problem = fefreq.KernelFlow(MODEL, target)
    times = clock.flow_times(problem.solve([0, *np.geomspace(1e-3, 1e3, 400)]))
    assert times[0] == 0
    assert np.all(np.diff(times) >= 0)
    reached = np.unique(times[np.isfinite(times) & (times > 0)])
    losses = 2 * problem.solve(reached).energy / target.weights.sum()
    expected = np.unique(np.minimum.accumulate(clock.losses)[np.isfinite(times) & (times > 0)])[::-1]
    np.testing.assert_allclose(losses, expected[: len(losses)], rtol=2e-3)
    assert np.isinf(clock.flow_times(problem.solve([0, 1e-3]))[-1])


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: fefreq.Adam(0.0), ValueError, "learning_rate must be above 0"),
        (lambda: fefreq.Adam(steps=0), ValueError, "steps must be at least 1 and at most 1,000,000, not 0"),
        (lambda: fefreq.Adam(steps=2.5), TypeError, "steps must be an integer, not 2.5"),
        (lambda: fefreq.Adam(schedule="linear"), ValueError, "must be 'cosine' or 'constant', not 'linear'"),
        (lambda: fefreq.Adam(beta2=1.0), ValueError, "beta2 must be at least 0 and below 1"),
        (lambda: fefreq.Adam(epsilon=0.0), ValueError, "epsilon must be above 0"),
        (
            lambda: fefreq.training_clock(MODEL, grid(), fefreq.HeavyBall(0.1, 0.9)),
            TypeError,
            "must be a fefreq.Adam, not HeavyBall.*: descent and momentum are dynamics of fefreq.KernelFlow",
        ),
        (
            lambda: fefreq.training_clock(
                fefreq.FourierFeatures(fefreq.Gaussian(1.0)), grid(), fefreq.Adam()
            ),
            TypeError,
            "has a clock for fefreq.DeepFourierFeatures",
        ),
        (
            lambda: fefreq.training_clock(
                fefreq.DeepFourierFeatures(fefreq.Gaussian(1.0), 2, "tanh"), grid(), fefreq.Adam()
            ),
            ValueError,
            "knows networks with 'relu', not with 'tanh'",
        ),
        (
            lambda: fefreq.training_clock(MODEL, grid(), fefreq.Adam(), initialisation="xavier"),
            ValueError,
            "initialisation must be one of 'torch', 'he', 'tangent-kernel', not 'xavier'",
        ),
        (
            lambda: fefreq.training_clock(MODEL, grid(), fefreq.Adam(), width=0),
            ValueError,
            "width must be at",
        ),
        (
            lambda: fefreq.training_clock(
                MODEL, fefreq.Target(np.linspace(0, 1, 9000) ** 2, np.ones(9000)), fefreq.Adam()
            ),
            ValueError,
            r"kernels of 9,000 scattered points take .*: give values on a grid, or at most \d,\d+ points",
        ),
        (
            lambda: fefreq.training_clock(MODEL, grid(), fefreq.Adam(steps=5)).step_of(0.0),
            ValueError,
            "share must be above 0 and at most 1",
        ),
        (
            lambda: fefreq.training_clock(MODEL, grid(), fefreq.Adam(steps=5)).flow_times(
                fefreq.KernelFlow(MODEL, grid()).solve([1, 2])
            ),
            ValueError,
            "give a flow without dynamics, solved from time 0",
        ),
        (
            lambda: fefreq.training_clock(MODEL, grid(), fefreq.Adam(steps=5)).flow_times(
                fefreq.KernelFlow(MODEL, grid().with_values(np.ones(48))).solve([0, 2])
            ),
            ValueError,
            "use the same data",
        ),
        (
            lambda: fefreq.KernelFlow(MODEL, grid(), dynamics=fefreq.Adam()),
            TypeError,
            r"dynamics must be an optimiser such as .*fefreq.training_clock",
        ),
    ],
)
def test_bad_input_is_answered_by_one_sentence(call, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)
