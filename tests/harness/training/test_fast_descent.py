"""The fast path: plane waves by transforms, held against sums written out and against the dense path."""

import sys
from types import SimpleNamespace

import finufft
import numpy as np
import pytest
import torch

import fefreq
from harness.training.plane_wave_trainer import PlaneWaveTrainer
from harness.training.train import train
from harness.training.transform_plans import CudaPlan, PlanOptions
from harness.training.transforms import LARGEST_FINE_GRID, TransformedPlaneWaves, fine_grid_size

BOUNDS = [(-1.0, 1.5), (-0.7, 1.0), (-1.0, 1.0)]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bump(x):
    return np.exp(-4 * np.sum(x**2, axis=1)) * (1 + np.sin(2 * np.pi * 2 * x[:, 0]))


def on_grid(shape):
    return fefreq.Target.from_function(bump, BOUNDS[: len(shape)], shape)


def scattered(count, dim):
    points = np.random.default_rng(2).uniform(-1, 1, (count, dim))
    weights = np.random.default_rng(3).uniform(0.5, 1.5, count) * 2**dim / count
    return fefreq.Target(points, bump(points), weights)


TARGETS = {
    "even grid": on_grid((50,)),
    "odd grid": on_grid((33,)),
    "rectangle": on_grid((9, 14)),
    "box": on_grid((5, 6, 7)),
    "line": scattered(60, 1),
    "plane": scattered(70, 2),
    "space": scattered(50, 3),
}


@pytest.mark.parametrize("name", TARGETS)
def test_transforms_are_the_sums_of_plane_waves_and_their_adjoint(name):
    target = TARGETS[name]
    n, dim = target.points.shape
    m, rng = 40, np.random.default_rng(0)
    # On a grid the frequencies may lie far beyond what it resolves; there they are folded back exactly.
    v = rng.normal(size=(dim, m)) * (100 if target.grid else 5)
    z, r = rng.normal(size=(2, m)) + 1j * rng.normal(size=(2, m)), rng.normal(size=(3, n))
    waves = TransformedPlaneWaves.on(target, PlanOptions(torch.float64, eps=1e-12))
    waves.place(torch.from_numpy(v)[None])
    matrix = np.exp(2j * np.pi * target.points @ v)
    synthesis = waves.synthesise(torch.from_numpy(z)[None])[0].numpy()
    analysis = waves.analyse(torch.from_numpy(r)[None])[0].numpy()
    # finufft promises 1e-12 of the 2-norms of what goes in, up to a small factor; rounding of 2π v·x adds 1e-13.
    np.testing.assert_allclose(synthesis, (z @ matrix.T).real, atol=1e-10)
    np.testing.assert_allclose(analysis, r @ matrix, atol=1e-10)


class DevicePlan:
    """What cufinufft offers: tensors of one precision, contiguous, and no adjoint of a plan."""

    def __init__(self, kind, modes, n_trans, eps, isign, dtype):
        self.plan = finufft.Plan(kind, modes, n_trans, eps, isign, dtype=dtype)
        self.dtype = getattr(torch, dtype)

    def setpts(self, **coordinates):
        assert all(c.is_contiguous() for c in coordinates.values())
        self.plan.setpts(**{name: c.numpy() for name, c in coordinates.items()})

    def execute(self, data):
        assert data.dtype == self.dtype
        assert data.is_contiguous()
        return torch.from_numpy(self.plan.execute(data.numpy()))


class DeviceOptions(PlanOptions):
    """Plans of a CUDA device, with tensors on the processor."""

    def plan(self, kind, shape_or_dim):
        return CudaPlan(kind, shape_or_dim, self.eps, str(self.complex).removeprefix("torch."))


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", TARGETS)
def test_two_plans_of_a_device_are_a_plan_of_the_processor_and_its_adjoint(monkeypatch, name, precision):
    monkeypatch.setitem(sys.modules, "cufinufft", SimpleNamespace(Plan=DevicePlan))
    target, rng = TARGETS[name], np.random.default_rng(1)
    eps = {torch.float64: 1e-12, torch.float32: 1e-6}[precision]
    v = torch.as_tensor(rng.normal(size=(1, target.dim, 40)), dtype=precision)
    z = torch.view_as_complex(torch.as_tensor(rng.normal(size=(1, 2, 40, 2)), dtype=precision))
    r = torch.as_tensor(rng.normal(size=(1, 3, len(target.points))), dtype=precision)
    found = []
    for options in (PlanOptions(precision, eps=eps), DeviceOptions(precision, eps=eps)):
        waves = TransformedPlaneWaves.on(target, options)
        waves.place(v)
        found.append((waves.synthesise(z), waves.analyse(r)))
    allowed = 10 * eps * np.sqrt(40 * len(target.points))  # eps is relative to the 2-norm of what goes in
    for expected, measured in zip(*found, strict=True):
        torch.testing.assert_close(measured, expected, rtol=0, atol=allowed)


@pytest.mark.parametrize("start", ["antisymmetric", "plain"])
@pytest.mark.parametrize("name", TARGETS)
def test_fast_run_is_the_dense_run(name, start):
    target = TARGETS[name]
    # Points in space are slow, for the fine grid of their transform: a shorter run there.
    scale, end = (0.3, 0.1) if name == "space" else (1.5, 10)
    model = fefreq.FourierFeatures(fefreq.Gaussian(scale, dim=target.dim), output_std=0.8)
    settings = {"width": 100, "times": [0, 0.1 * end, end], "seeds": 2, "start": start}
    dense = train(model, target, **settings, method="dense")
    fast = train(model, target, **settings, method="transform")
    assert (dense.method, fast.method) == ("dense", "transform")
    np.testing.assert_array_equal(fast.steps, dense.steps)
    scale = np.linalg.norm(dense.initial_residuals)
    assert np.linalg.norm(fast.residuals - dense.residuals) < 1e-8 * scale
    np.testing.assert_allclose(fast.losses, dense.losses, rtol=1e-7)


def test_channels_and_single_precision_go_the_fast_way_too():
    target = TARGETS["rectangle"]
    target = target.with_values(np.stack([target.values, target.points[:, 1], target.values**2], axis=1))
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=2))
    dense = train(model, target, width=60, times=[0, 2], seeds=2, method="dense")
    fast = train(model, target, width=60, times=[0, 2], seeds=2, method="transform")
    assert np.abs(fast.residuals - dense.residuals).max() < 1e-8
    single = train(model, target, width=60, times=[0, 2], seeds=2, method="transform", precision="float32")
    assert np.abs(single.residuals - dense.residuals).max() < 1e-4


@pytest.mark.parametrize("frozen", ["output", "frequency"])
def test_frozen_blocks_agree(frozen):
    rates = fefreq.Rates(**{frozen: 0.0})
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.5), rates=rates)
    dense, fast = (
        train(model, TARGETS["line"], width=80, times=[3.0], method=method, start="plain")
        for method in ("dense", "transform")
    )
    np.testing.assert_allclose(fast.residuals, dense.residuals, atol=1e-8)


@pytest.mark.parametrize("name", ["even grid", "line"])
def test_networks_side_by_side_are_those_alone_to_the_last_bit(name):
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.5))
    settings = {"width": 300, "times": [0.5, 2.0], "seed": 4, "method": "transform"}
    alone = train(model, TARGETS[name], **settings, seeds=1)
    in_turn = train(model, TARGETS[name], **settings, seeds=6)
    torch.set_num_threads(3)
    at_once = train(model, TARGETS[name], **settings, seeds=6)
    assert torch.get_num_threads() == 3
    assert at_once.residuals.tobytes() == in_turn.residuals.tobytes()
    assert at_once.residuals[:1].tobytes() == alone.residuals.tobytes()


def test_transforms_are_chosen_where_they_win():
    def method(target, width, density):
        model = fefreq.FourierFeatures(density)
        return PlaneWaveTrainer(model, target, width, np.array([1.0]), learning_rate=1e-6).engine().method

    gaussian = fefreq.Gaussian(2.0)
    assert method(TARGETS["even grid"], 100, gaussian) == "dense"
    assert method(TARGETS["even grid"], 10_000, gaussian) == "transform"
    assert method(TARGETS["line"], 10_000, gaussian) == "transform"
    # The fine grid of scattered points in space outweighs this many products.
    assert method(TARGETS["space"], 10_000, fefreq.Gaussian(2.0, dim=3)) == "dense"
    assert method(TARGETS["box"], 10_000, fefreq.Gaussian(2.0, dim=3)) == "transform"


def test_heavy_tails_over_scattered_points_are_refused_before_memory_runs_out():
    density = fefreq.StudentT(scale=1.0, df=1.0, dim=2)
    model, target = fefreq.FourierFeatures(density), TARGETS["plane"]
    frequencies = density.sample(20_000, np.random.default_rng(0)).T
    assert fine_grid_size(target.points, frequencies) > LARGEST_FINE_GRID
    with pytest.raises(ValueError, match="use method='dense', or data on a grid"):
        train(model, target, width=20_000, times=[1e-6], learning_rate=1e-6, method="transform")
    assert (
        PlaneWaveTrainer(model, target, 20_000, np.array([1.0]), learning_rate=1e-6).engine().method
        == "dense"
    )


def test_four_dimensions_need_the_dense_path():
    target = fefreq.Target.from_function(bump, [(-1, 1)] * 4, 3)
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=4))
    with pytest.raises(ValueError, match="up to 3 dimensions, but the target has 4: use method='dense'"):
        train(model, target, width=10, times=[1.0], method="transform")
    assert train(model, target, width=10, times=[1.0]).method == "dense"


def kernel_flow(model, target, residual, times):
    """``exp(-tK) u`` by diagonalisation of the kernel on equally weighted points."""
    rates, modes = np.linalg.eigh(model.kernel(target.points, target.points) * target.weights[0])
    return np.exp(-np.outer(times, rates)) * (modes.T @ residual) @ modes.T


@pytest.mark.parametrize("start", ["antisymmetric", "plain"])
def test_wide_network_follows_the_kernel(tones_target, gaussian_model, start):
    target = fefreq.Target.from_grid(tones_target.values.reshape(256, 2).mean(1), [(-1, 1)])
    times = np.array([1.0, 4.0, 20.0])
    run = train(
        gaussian_model, target, width=20_000, times=times, learning_rate=0.1, start=start, method="transform"
    )
    exact = kernel_flow(gaussian_model, target, run.initial.values, times)
    size = np.linalg.norm(run.initial.values)
    errors = np.linalg.norm(run.residuals[0] - exact, axis=1) / size
    # Finite width: the neurons fill some 2 · 6s = 36 frequency cells (of size 1/2R, R = 1), in independent pairs, so
    # the rate of a cell fluctuates by √(36 / 10⁴) = 6 %, and λ |d/dλ exp(-λt)| <= 1/e turns that into 2.2 %.
    # Finite steps: at most 0.18 · 0.1 · λ_max of the fastest modes, λ_max = 3.7: 7 % of what is a tenth of the
    # windowed tones and a fourth of a random initial output. Together, as squares: below 3 %.
    assert np.all(errors < 0.03)


def test_distance_to_the_kernel_falls_like_the_root_of_the_width(tones_target, gaussian_model):
    target = fefreq.Target.from_grid(tones_target.values.reshape(256, 2).mean(1), [(-1, 1)])
    times, rate = np.array([2.0, 8.0]), 0.1
    rates, modes = np.linalg.eigh(gaussian_model.kernel(target.points, target.points) * target.weights[0])
    # The same explicit steps taken with the kernel leave finite width as the only difference.
    steps = np.round(times / rate)
    stepped = (1 - rate * rates) ** steps[:, None] * (modes.T @ target.values) @ modes.T
    errors = []
    for width in (1000, 16_000):
        run = train(
            gaussian_model, target, width=width, times=times, learning_rate=rate, seeds=4, method="transform"
        )
        errors.append(np.sqrt(np.mean((run.residuals - stepped) ** 2)))
    # A factor 4 in the mean over members; eight sampled fields spread by a sixth or so.
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.3)
