"""Training of finite networks: gradients, starts, schedules, and the run that comes out."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import fefreq
from fefreq.fields.error_field import ErrorField
from fefreq.support.progress import ProgressBar
from harness.networks.plane_waves import Network, Waves, ensemble_parameters, generators, initial_parameters
from harness.networks.two_layer import network_for
from harness.training.run import DivergenceError, Run
from harness.training.train import train
from harness.training.wave_descent import WaveDescent
from harness.training.wave_sums import DensePlaneWaves

RATES = fefreq.Rates(output=0.7, frequency=1.3)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bump(x):
    return np.exp(-6 * np.sum(x**2, axis=1)) * (1 + np.sin(2 * np.pi * 2 * x[:, 0]))


@pytest.fixture(scope="module")
def target():
    return fefreq.Target.from_function(bump, [(-1, 1)], 96)


@pytest.fixture(scope="module")
def model():
    return fefreq.FourierFeatures(fefreq.Gaussian(2.0), output_std=0.8, rates=RATES)


@pytest.fixture(scope="module")
def run(model, target):
    torch.set_num_threads(1)
    return train(model, target, width=60, times=[0.0, 0.5, 2.0], seeds=3, seed=5)


def written_out(parameters, x):
    """The network of arXiv 2405.14957, as the paper has it, for one member; ``(n, C)``."""
    a, b = parameters["output"]
    phases = 2 * math.pi * x @ parameters["frequency"]
    return (torch.cos(phases) @ a.T + torch.sin(phases) @ b.T) / phases.shape[1] ** 0.5


class SineNetwork(Network):
    """``m^{-1/2} Σ_k a_k sin(2π w_k·x + b_k)`` with trained biases: a second architecture."""

    @property
    def rates(self) -> Mapping[str, float]:
        return {"output": 0.7, "frequency": 1.3, "bias": 0.4}

    def draw(self, count, rng):
        return {
            "frequency": self.model.density.sample(count, rng).T,
            "output": rng.standard_normal((self.channels, count)),
            "bias": rng.standard_normal((1, count)),
        }

    def waves(self, parameters):
        turn = torch.polar(torch.ones_like(parameters["bias"]), parameters["bias"])
        return Waves(parameters["frequency"], -1j * turn * parameters["output"] * self.width**-0.5)

    def pullback(self, parameters, amplitude_gradient, frequency_gradient):
        turn = torch.polar(torch.ones_like(parameters["bias"]), parameters["bias"])
        slope = (turn * amplitude_gradient) * self.width**-0.5
        return {
            "output": slope.imag,
            "bias": (slope.real * parameters["output"]).sum(1, keepdim=True),
            "frequency": frequency_gradient,
        }


def sine_written_out(parameters, x):
    phases = 2 * math.pi * x @ parameters["frequency"] + parameters["bias"]
    return torch.sin(phases) @ parameters["output"].T / phases.shape[1] ** 0.5


@pytest.mark.parametrize("kept_bytes", [0, 1 << 30])
@pytest.mark.parametrize("architecture", ["fourier features", "sine"])
def test_step_follows_the_gradient_of_the_written_out_loss(architecture, kept_bytes, monkeypatch):
    monkeypatch.setattr("harness.training.wave_sums.BLOCK_ENTRIES", {"cpu": 100})
    model = fefreq.FourierFeatures(fefreq.Gaussian(1.5, dim=2), rates=RATES)
    if architecture == "sine":
        network, output = SineNetwork(model, 10, 3), sine_written_out
    else:
        network, output = network_for(model, 10, 3), written_out
    rng = np.random.default_rng(0)
    points = torch.from_numpy(rng.uniform(-1, 1, (17, 2)))
    values, weights = torch.from_numpy(rng.normal(size=(17, 3))), torch.from_numpy(rng.uniform(0.1, 1, 17))
    parameters = ensemble_parameters(network, "plain", 3, 2, torch.float64, torch.device("cpu"))
    expected = []
    for member in range(2):
        blocks = {name: block[member].clone() for name, block in parameters.items()}

        def loss(blocks):
            return 0.5 * (weights[:, None] * (values - output(blocks, points)) ** 2).sum()

        slopes = torch.func.grad(loss)(blocks)
        expected.append({k: blocks[k] - 0.01 * network.rates[k] * slopes[k] for k in blocks})
    waves = DensePlaneWaves(points.T.contiguous(), kept_bytes)
    descent = WaveDescent(network, parameters, waves, points.T, values.T, weights, starts_at_zero=False)
    descent.step(0.01)
    for member in range(2):
        for name, block in expected[member].items():
            torch.testing.assert_close(parameters[name][member], block, rtol=1e-12, atol=1e-13)
        left = values - output(expected[member], points)
        torch.testing.assert_close(descent.residual[member].T, left, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("frozen", ["output", "frequency"])
def test_frozen_block_stays(frozen, target):
    rates = fefreq.Rates(**{frozen: 0.0})
    network = network_for(fefreq.FourierFeatures(fefreq.Gaussian(2.0), rates=rates), 20, 1)
    parameters = ensemble_parameters(network, "plain", 0, 1, torch.float64, torch.device("cpu"))
    before = {name: block.clone() for name, block in parameters.items()}
    points = torch.tensor(target.points.T.copy())
    values, weights = torch.tensor(target.values[None]), torch.tensor(target.weights)
    descent = WaveDescent(network, parameters, DensePlaneWaves(points), points, values, weights, False)
    descent.step(0.1)
    assert {name for name in before if torch.equal(before[name], parameters[name])} == {frozen}


@pytest.mark.parametrize("start", ["antisymmetric", "plain"])
def test_tangent_kernel_of_a_network_tends_to_the_kernel_of_the_model(start):
    model = fefreq.FourierFeatures(fefreq.Gaussian(0.7, dim=2), output_std=0.6, rates=RATES)
    x = np.random.default_rng(1).uniform(-1, 1, (6, 2))
    exact = model.kernel(x, x)
    errors = {}
    for width, count in ((50, 200), (800, 200)):
        network = network_for(model, width, 1)
        kernels = []
        for rng in generators(0, count):
            blocks = {k: torch.from_numpy(v) for k, v in initial_parameters(network, start, rng).items()}
            jacobian = torch.func.jacrev(lambda p: written_out(p, torch.from_numpy(x))[:, 0])(blocks)
            flat = {k: v.reshape(6, -1) for k, v in jacobian.items()}
            kernels.append(sum(network.rates[k] * v @ v.T for k, v in flat.items()).numpy())
        deviations = np.array(kernels) - exact
        # 21 different entries: no mean beyond 4 standard errors.
        assert np.all(np.abs(deviations.mean(0)) < 4 * deviations.std(0) / math.sqrt(count))
        errors[width] = np.sqrt(np.mean(deviations**2))
    # m^{-1/2}: a factor 4 between the widths; the estimate itself is good to a few per cent.
    assert errors[50] / errors[800] == pytest.approx(4, rel=0.15)


def test_antisymmetric_start_begins_at_zero(model, target, run):
    np.testing.assert_array_equal(run.residuals[:, 0], np.tile(target.values, (3, 1)))
    np.testing.assert_allclose(run.initial.values, target.values, atol=1e-15)
    network = network_for(model, 60, 1)
    blocks = {
        k: torch.from_numpy(v)
        for k, v in initial_parameters(network, "antisymmetric", generators(5, 1)[0]).items()
    }
    # Away from the data too; what is left is rounding.
    output = written_out(blocks, torch.from_numpy(np.random.default_rng(0).uniform(-3, 3, (50, 1))))
    assert output.abs().max() < 1e-14


def test_plain_start_is_measured(model, target):
    run = train(model, target, width=50, times=[1.0], seeds=200, start="plain", seed=9)
    network = network_for(model, 50, 1)
    blocks = {
        k: torch.from_numpy(v) for k, v in initial_parameters(network, "plain", generators(9, 4)[3]).items()
    }
    output = written_out(blocks, torch.tensor(target.points))[:, 0].numpy()
    np.testing.assert_allclose(run.initial_members[3].values, target.values - output, atol=1e-13)
    np.testing.assert_allclose(run.initial.values, run.initial_residuals.mean(0), atol=0)
    # Var N(x) = σ_a² at every x; at one x the squares of a nearly normal variable spread by √2 of their mean.
    squares = (run.initial_residuals[:, 0] - target.values[0]) ** 2
    assert abs(squares.mean() / 0.8**2 - 1) < 4 * math.sqrt(2 / 200)


def test_snapshots_fall_exactly_on_the_times(model, target):
    times = [0.0, 0.1, 0.3, 1.0, 1.25]
    run = train(model, target, width=10, times=times, learning_rate=0.1)
    np.testing.assert_array_equal(run.times, times)
    np.testing.assert_array_equal(run.steps, [0, 1, 3, 10, 13])
    np.testing.assert_allclose(np.cumsum(np.diff(run.steps, prepend=0) * run.rates), times, rtol=1e-14)
    assert np.all(run.rates <= 0.1 * (1 + 1e-12))
    late = train(model, target, width=10, times=times[3:], learning_rate=0.1)
    np.testing.assert_allclose(late.residuals, run.residuals[:, 3:], rtol=1e-12, atol=1e-13)


def test_member_does_not_depend_on_the_number_of_members(model, target, run):
    alone = train(model, target, width=60, times=run.times, seeds=1, seed=5)
    two = train(model, target, width=60, times=run.times, seeds=2, seed=5)
    np.testing.assert_allclose(two.residuals, run.residuals[:2], rtol=0, atol=1e-13)
    np.testing.assert_allclose(alone.residuals, run.residuals[:1], rtol=0, atol=1e-13)
    assert np.abs(run.residuals[0, -1] - run.residuals[1, -1]).max() > 1e-3


def test_same_seed_gives_the_same_bytes(model, target, run):
    again = train(model, target, width=60, times=run.times, seeds=3, seed=5)
    assert again.residuals.tobytes() == run.residuals.tobytes()


def test_finite_steps_cost_an_error_of_first_order(model, target):
    ends = [
        train(model, target, width=200, times=[4.0], learning_rate=rate).residuals[0, 0]
        for rate in (0.2, 0.1, 0.05)
    ]
    coarse, fine = np.linalg.norm(ends[0] - ends[1]), np.linalg.norm(ends[1] - ends[2])
    assert coarse / fine == pytest.approx(2, rel=0.1)
    assert coarse < 0.05 * np.linalg.norm(target.values)


def test_heavier_weights_only_shorten_time(model, target):
    heavy = fefreq.Target(target.points, target.values, 4 * target.weights)
    light = train(model, target, width=40, times=[1.0, 2.0], learning_rate=0.1)
    fast = train(model, heavy, width=40, times=[0.25, 0.5], learning_rate=0.025)
    np.testing.assert_allclose(fast.residuals, light.residuals, rtol=1e-12, atol=1e-13)


def test_loss_is_half_the_weighted_square_of_the_residual_and_falls(run, target):
    np.testing.assert_allclose(
        run.losses, 0.5 * np.sum(target.weights * run.residuals**2, axis=2), rtol=1e-12
    )
    assert np.all(np.diff(run.losses, axis=1) < 0)


def test_single_precision_agrees_to_its_rounding(model, target, run):
    single = train(model, target, width=60, times=run.times, seeds=3, seed=5, precision="float32")
    assert single.residuals.dtype == np.float64
    # Phases of some 50 radians carry 50 ε; the descent contracts errors instead of amplifying them.
    assert np.abs(single.residuals - run.residuals).max() < 50 * 2 * np.finfo(np.float32).eps


def test_untrained_frequencies_decouple_the_channels(target):
    model = fefreq.FourierFeatures(fefreq.Gaussian(2.0), output_std=0.0, rates=fefreq.Rates(frequency=0))
    other = np.cos(3 * target.points[:, 0])
    both = target.with_values(np.stack([target.values, other], axis=1))
    run = train(model, both, width=40, times=[1.0, 3.0], learning_rate=0.3)
    for channel, values in enumerate((target.values, other)):
        alone = train(model, target.with_values(values), width=40, times=[1.0, 3.0], learning_rate=0.3)
        np.testing.assert_allclose(run.residuals[..., channel], alone.residuals, rtol=1e-12, atol=1e-13)
    assert run.at([0.0, 1.0, 2.0]).shape == (2, 3, 2)
    assert run.members_at([0.0, 1.0, 2.0]).shape == (1, 2, 3, 2)


def test_field_is_the_transform_of_the_mean_residual(run, target, monkeypatch):
    assert isinstance(run, ErrorField)
    xi = np.linspace(-4, 4, 11)
    waves = np.exp(-2j * np.pi * np.outer(xi, target.points[:, 0])) * target.weights
    members = np.einsum("fn,stn->stf", waves, run.residuals)
    np.testing.assert_allclose(run.members_at(xi), members, atol=1e-12)
    np.testing.assert_allclose(run.at(xi), members.mean(0), atol=1e-12)
    monkeypatch.setattr("fefreq.fields.residuals.BATCH", 1)
    np.testing.assert_allclose(run.at(xi), members.mean(0), atol=1e-12)


def test_fefreq_reads_runs_of_this_and_of_the_last_version(run, tmp_path):
    back = fefreq.load(run.save(tmp_path / "run.nc"))
    assert isinstance(back, Run)
    np.testing.assert_array_equal(back.residuals, run.residuals)
    early = back.until(run.times[0])
    np.testing.assert_array_equal(early.losses, run.losses[:, :1])
    np.testing.assert_array_equal(early.steps, run.steps[:1])
    last_version = Path(__file__).parents[2] / "fefreq" / "fields" / "data" / "run.nc"
    old = fefreq.load(last_version)
    assert isinstance(old, Run)
    assert old.members.shape == (old.seeds, len(old.times), *old.target.values.shape)


@pytest.mark.parametrize("channels", [None, 2])
def test_run_survives_its_file(channels, target, model, tmp_path):
    values = target.values if channels is None else np.stack([target.values] * channels, axis=1)
    run = train(model, target.with_values(values), width=10, times=[0, 1], seeds=2)
    path = run.save(tmp_path / "run.nc")
    back = Run.load(path)
    for name in ("times", "residuals", "initial_residuals", "losses", "steps", "rates"):
        np.testing.assert_array_equal(getattr(back, name), getattr(run, name))
    for name in ("model", "width", "seeds", "learning_rate", "method", "seconds", "metadata"):
        assert getattr(back, name) == getattr(run, name)
    np.testing.assert_array_equal(back.at([0.0, 1.5]), run.at([0.0, 1.5]))
    assert [file.name for file in tmp_path.iterdir()] == ["run.nc"]
    with pytest.raises(FileExistsError, match="exists already"):
        run.save(path)
    run.save(path, overwrite=True)


def test_other_files_are_no_runs(tmp_path, target, model):
    with pytest.raises(ValueError, match="no readable NetCDF"):
        Run.load(tmp_path / "absent.nc")
    solution = fefreq.FrequencyDiffusion(model, target).solve([0, 1])
    with pytest.raises(ValueError, match="holds no Run, but a MeshSolution"):
        Run.load(solution.save(tmp_path / "solution.nc"))


class Heard:
    """Remembers what it was told."""

    def __init__(self):
        self.total, self.done, self.finished = None, 0, False

    def start(self, description, total):
        self.total = total

    def advance(self, count=1):
        self.done += count

    def finish(self):
        self.finished = True


def test_progress_hears_of_every_step(model, target):
    heard = Heard()
    run = train(model, target, width=10, times=[0, 1.0], learning_rate=0.1, progress=heard)
    assert (heard.total, heard.done, heard.finished) == (run.steps[-1], 10, True)


def test_bar_is_silent_off_a_terminal(model, target, capfd):
    train(model, target, width=10, times=[0, 1.0], learning_rate=0.1, progress=ProgressBar())
    assert capfd.readouterr() == ("", "")


def test_divergence_says_when_and_keeps_the_snapshots(model, target, monkeypatch):
    monkeypatch.setattr("fefreq.kernel.operator.largest_rate", lambda model, target: 1e-3)
    heard = Heard()
    with pytest.raises(DivergenceError, match=r"step \d+, at t = .*smaller learning rate") as caught:
        train(model, target, width=100, times=[0.1, 1e3], learning_rate=100.0, progress=heard)
    assert isinstance(caught.value, FloatingPointError)
    np.testing.assert_array_equal(caught.value.run.times, [0.1])
    assert np.isfinite(caught.value.run.at([0.0, 1.0])).all()
    assert heard.finished


def test_learning_rate_must_be_below_the_stability_limit(model, target):
    kernel = model.kernel(target.points, target.points) * target.weights
    limit = 2 / np.linalg.eigvals(kernel).real.max()
    with pytest.raises(ValueError, match=f"2 / λ_max = {limit:.4g}"):
        train(model, target, width=10, times=[1.0], learning_rate=1.001 * limit)
    assert (
        train(model, target, width=10, times=[0.0], learning_rate=0.999 * limit).learning_rate
        == 0.999 * limit
    )
    assert train(model, target, width=10, times=[0.0]).learning_rate == pytest.approx(0.1 * limit, rel=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"width": 0}, ValueError, "width must be at least 1, not 0"),
        ({"width": 7}, ValueError, "width must be even, not 7: use 8, or start='plain'"),
        ({"width": 7.0}, TypeError, "width must be an integer, not 7.0"),
        ({"seeds": 0}, ValueError, "seeds must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"times": [1.0, 0.5]}, ValueError, "times must increase"),
        ({"times": [-1.0, 0.5]}, ValueError, "times must be at least 0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be positive"),
        ({"learning_rate": math.nan}, ValueError, "learning_rate must be positive and finite"),
        ({"start": "zero"}, ValueError, "'antisymmetric', 'plain'"),
        ({"method": "fft"}, ValueError, "'auto', 'dense', 'transform'"),
        ({"precision": "half"}, ValueError, "'float64', 'float32'"),
        ({"device": "tpu"}, ValueError, "'cpu', 'cuda'"),
        ({"device": "cuda", "method": "transform"}, ValueError, "cufinufft, which is not installed"),
        ({"model": fefreq.FourierFeatures(fefreq.Gaussian(1.0, dim=2))}, ValueError, "dim=1"),
    ],
)
def test_bad_input_is_named(change, error, sentence, model, target):
    arguments = {"model": model, "target": target, "width": 8, "times": [1.0], **change}
    with pytest.raises(error, match=sentence):
        train(**arguments)


def test_absent_cuda_is_named(model, target, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="CUDA was asked for"):
        train(model, target, width=8, times=[1.0], device="cuda")


def test_model_without_a_network_is_named():
    with pytest.raises(TypeError, match=r"object has no network that can be trained.*FourierFeatures"):
        network_for(object(), 8, 1)
