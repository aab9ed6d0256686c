"""Networks of any depth: what they compute, how they are trained, and the run that comes out."""

import math

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from scipy.integrate import quad
from torch import nn

import fefreq
import harness
from harness.networks import (
    AnyModule,
    DeepFourierFeatureNetwork,
    LayerRates,
    MultiScaleNetwork,
    Perceptron,
    Siren,
    TorchNetwork,
    module_from_json,
    module_to_json,
)
from harness.networks.layers import ACTIVATIONS, gain, product
from harness.training.learning_rates import Constant, Cosine, Exponential, Piecewise, steps_to_times
from harness.training.module_trainer import ModuleTrainer
from harness.training.optimisers import Adam, Descent, Sgd, optimiser
from harness.training.run import DivergenceError, Run
from harness.training.train import train, train_module

GAUSSIAN = fefreq.Gaussian(1.5)
SPECS = {
    "fourier": DeepFourierFeatureNetwork(GAUSSIAN, 7, 2, "gelu", bias_std=0.3),
    "trained features": DeepFourierFeatureNetwork(GAUSSIAN, 6, 1, rates=LayerRates(frequency=0.5, hidden=2)),
    "multi-scale": MultiScaleNetwork(GAUSSIAN, (1, 3), 5, 2, bias="normal", bias_std=0.5),
    "frozen multi-scale": MultiScaleNetwork(
        GAUSSIAN, (1, 3), 5, 1, "erf", rates=LayerRates(frequency=0, bias=0)
    ),
    "tanh": Perceptron(8, 2),
    "standard": Perceptron(8, 2, "sine", parametrisation="standard"),
    "encoded": Perceptron(8, 2, "relu", octaves=3, bias_std=0.0),
    "siren": Siren(8, 2, omega=6.0, hidden_omega=3.0),
    "torch": TorchNetwork(lambda: nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 1))),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS.keys())


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def target():
    return fefreq.Target.from_function(
        lambda x: np.exp(-6 * x[:, 0] ** 2) * (1 + np.sin(4 * np.pi * x[:, 0])), [(-1, 1)], 24
    )


def drawn(spec, channels=1, seed=0):
    blocks = spec.draw(channels, np.random.default_rng(seed))
    return {name: torch.from_numpy(np.ascontiguousarray(block)) for name, block in blocks.items()}


def evaluated(spec, blocks, x):
    """One network as its specification computes it."""
    factors = {name: torch.as_tensor(factor, dtype=torch.float64) for name, factor in spec.factors().items()}
    whole = {name: (block * factors.get(name, 1.0))[None] for name, block in blocks.items()}
    return spec.outputs(whole, spec.features(whole, x[None]))[0]


def deep_fourier(spec, blocks, x):
    """Hidden layers on Fourier features, layer by layer, with ReLU."""
    phases = 2 * math.pi * x @ blocks["frequency"]
    h = torch.cat([torch.cos(phases), torch.sin(phases)], 1) / math.sqrt(phases.shape[1])
    for layer in range(1, spec.hidden_layers + 1):
        h = math.sqrt(2 / spec.width) * torch.relu(h @ blocks[f"hidden{layer}"])
    return h @ blocks["output"]


# -- what the networks are


def test_two_layers_on_fourier_features_train_as_by_written_out_gradients(target):
    model = fefreq.FourierFeatures(GAUSSIAN, 0.7, rates=fefreq.Rates(output=0.7, frequency=1.3))
    spec = DeepFourierFeatureNetwork(
        GAUSSIAN, 20, 0, output_std=0.7, rates=LayerRates(output=0.7, frequency=1.3)
    )
    both = target.with_values(np.stack([target.values, target.values**2], axis=1))
    exact = train(
        model,
        both,
        width=20,
        times=[0, 0.33, 2],
        learning_rate=0.1,
        seeds=3,
        seed=4,
        start="plain",
        method="dense",
    )
    run = train_module(spec, both, times=[0, 0.33, 2], learning_rate=0.1, seeds=3, seed=4, start="plain")
    np.testing.assert_array_equal(run.steps, exact.steps)
    np.testing.assert_allclose(run.residuals, exact.residuals, rtol=0, atol=1e-13)
    np.testing.assert_allclose(run.losses, exact.losses, rtol=1e-12)


def test_two_layers_of_sines_train_as_by_written_out_gradients(target):
    rates = {"output": 0.7, "frequency": 0.4, "bias": 1.6}
    shared = {"output_std": 0.9, "bias": "normal", "bias_std": 0.8, "prefactor_power": 0.5}
    model = fefreq.MultiScaleSine(GAUSSIAN, (1, 2, 4), rates=fefreq.Rates(**rates), **shared)
    spec = MultiScaleNetwork(GAUSSIAN, (1, 2, 4), 10, 0, rates=LayerRates(**rates), **shared)
    exact = train(
        model,
        target,
        width=10,
        times=[0, 0.5],
        learning_rate=0.01,
        seeds=2,
        seed=4,
        start="plain",
        method="dense",
    )
    run = train_module(spec, target, times=[0, 0.5], learning_rate=0.01, seeds=2, seed=4, start="plain")
    np.testing.assert_allclose(run.residuals, exact.residuals, rtol=0, atol=1e-13)


@pytest.mark.parametrize("parametrisation", ["tangent-kernel", "standard"])
def test_deep_network_is_the_written_out_one_at_the_start(parametrisation):
    spec = DeepFourierFeatureNetwork(
        fefreq.Gaussian(1.5, 2), 9, 3, features_drawn=5, parametrisation=parametrisation
    )
    x = torch.rand(6, 2, dtype=torch.float64)
    reference = DeepFourierFeatureNetwork(fefreq.Gaussian(1.5, 2), 9, 3, features_drawn=5)
    expected = deep_fourier(reference, drawn(reference, 2), x)
    torch.testing.assert_close(evaluated(spec, drawn(spec, 2), x), expected, rtol=1e-12, atol=1e-13)


def test_multi_scale_network_is_the_sum_of_its_sub_networks():
    spec = MultiScaleNetwork(GAUSSIAN, (1, 3), 5, 1, "tanh", prefactor_power=1.0)
    blocks, x = drawn(spec, 2), torch.rand(6, 1, dtype=torch.float64)
    total = 0.0
    for j, scale in enumerate(spec.scales):
        h = torch.tanh(2 * math.pi * scale * x @ blocks["frequency"][j] + blocks["bias0"][j])
        h = gain("tanh") * torch.tanh(h @ blocks["hidden1"][j] / math.sqrt(5))
        total = total + scale * h @ blocks["output"][j] / math.sqrt(5 * 2)
    torch.testing.assert_close(evaluated(spec, blocks, x), total, rtol=1e-12, atol=1e-13)


def test_siren_is_the_written_out_one():
    spec = Siren(8, 2, omega=6.0, hidden_omega=3.0, dim=2)
    blocks, x = drawn(spec, 2), torch.rand(6, 2, dtype=torch.float64)
    h = torch.sin(6.0 * (x @ blocks["hidden1"] + blocks["bias1"]))
    h = torch.sin(3.0 * (h @ blocks["hidden2"] + blocks["bias2"]))
    expected = h @ blocks["output"] + blocks["bias"]
    torch.testing.assert_close(evaluated(spec, blocks, x), expected, rtol=1e-12, atol=1e-13)
    assert blocks["hidden1"].abs().max() <= 1 / 2
    assert blocks["hidden2"].abs().max() <= math.sqrt(6 / 8) / 3


def test_positional_encoding_repeats_with_its_lowest_octave():
    spec = Perceptron(8, 2, octaves=3)
    blocks, x = drawn(spec), torch.rand(6, 1, dtype=torch.float64)
    torch.testing.assert_close(
        evaluated(spec, blocks, x), evaluated(spec, blocks, x + 2), rtol=1e-9, atol=1e-9
    )
    plain = Perceptron(8, 2)
    assert (evaluated(plain, drawn(plain), x) - evaluated(plain, drawn(plain), x + 2)).abs().max() > 1e-3


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gain_keeps_the_mean_square(activation):
    def density(z):
        return math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)

    def square(z):
        return float(ACTIVATIONS[activation](torch.tensor(z, dtype=torch.float64))) ** 2

    mean = sum(quad(lambda z: square(z) * density(z), *ends)[0] for ends in ((-12, 0), (0, 12)))
    assert gain(activation) ** 2 * mean == pytest.approx(1, rel=1e-7)


def test_tangent_kernel_of_a_deep_network_tends_to_the_recursion():
    """``Σ' = κ_1(Σ)``, ``Θ' = Σ' + Θ κ_0(Σ)`` from ``Σ = Θ = κ``: the arc-cosine kernels of ReLU layers."""
    depth, x = 2, np.array([-0.3, -0.25, 0.0, 0.1, 0.3])
    sigma = theta = GAUSSIAN.characteristic((x[:, None] - x).ravel()).reshape(5, 5)
    for _ in range(depth):
        angle = np.arccos(np.clip(sigma, -1, 1))
        derivative = (np.pi - angle) / np.pi
        sigma = (np.sqrt(1 - np.minimum(sigma**2, 1)) + sigma * (np.pi - angle)) / np.pi
        theta = sigma + theta * derivative
    errors = {}
    for width, count in ((32, 60), (512, 8)):
        spec = DeepFourierFeatureNetwork(GAUSSIAN, width, depth)
        kernels = []
        for seed in range(count):
            blocks = drawn(spec, seed=seed)
            frequency = blocks.pop("frequency")
            points = torch.from_numpy(x[:, None])
            slopes = torch.func.jacrev(
                lambda trained: evaluated(spec, {**trained, "frequency": frequency}, points)[:, 0]  # noqa: B023
            )(blocks)
            kernels.append(sum(s.reshape(5, -1) @ s.reshape(5, -1).T for s in slopes.values()).numpy())
        errors[width] = np.sqrt(np.mean((np.array(kernels) - theta) ** 2))
    # m^{-1/2}: a factor 4 between the widths; the estimates are good to some ten per cent.
    assert errors[32] / errors[512] == pytest.approx(4, rel=0.35)
    assert errors[512] < 0.1 * theta[0, 0]


@pytest.mark.parametrize("shape", [(3, 1, 4), (3, 5, 1), (6, 4, 1), (1, 5, 2), (4, 20, 12)])
def test_thin_products_are_products_with_their_derivatives(shape):
    n, inner, columns = shape
    a = torch.randn(2, n, inner, dtype=torch.float64, requires_grad=True)
    b = torch.randn(2, inner, columns, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(product(a, b), a @ b, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(product(a[:1], b), a[:1] @ b, rtol=1e-13, atol=1e-13)
    assert torch.autograd.gradcheck(product, (a, b), check_forward_ad=True)


# -- training


@every_spec
def test_step_follows_the_gradient_of_the_loss(spec, target):
    run = train_module(spec, target, steps=[0, 1], learning_rate=1e-3, seeds=2, seed=3, start="plain")
    x = torch.tensor(target.points)
    values, weights = torch.tensor(target.values), torch.tensor(target.weights)
    for member, sequence in enumerate(np.random.SeedSequence(3).spawn(2)):
        blocks = {
            name: torch.from_numpy(np.ascontiguousarray(block))
            for name, block in spec.draw(1, np.random.default_rng(sequence)).items()
        }

        def loss(blocks):
            return 0.5 * (weights * (values - evaluated(spec, blocks, x)[:, 0]) ** 2).sum()

        slopes, rates = torch.func.grad(loss)(blocks), spec.block_rates(blocks)
        moved = {name: block - 1e-3 * rates[name] * slopes[name] for name, block in blocks.items()}
        for time, state in enumerate((blocks, moved)):
            expected = target.values - evaluated(spec, state, x)[:, 0].numpy()
            np.testing.assert_allclose(run.residuals[member, time], expected, rtol=0, atol=1e-13)


@every_spec
def test_member_does_not_depend_on_its_company(spec, target):
    options = {"learning_rate": 1e-3, "batch": 10, "optimiser": Sgd(0.5), "seed": 2}
    three = train_module(spec, target, steps=[0, 5], seeds=3, **options)
    for run in (
        train_module(spec, target, steps=[0, 5], seeds=1, **options),
        train_module(spec, target, steps=[0, 5], seeds=3, together=2, **options),
    ):
        np.testing.assert_allclose(run.residuals, three.residuals[: run.seeds], rtol=0, atol=1e-12)
    assert np.abs(three.residuals[0, 1] - three.residuals[1, 1]).max() > 1e-6


def torch_run(make, schedule, steps, target):
    """Residuals of the member of seed 0 trained by ``torch.optim``."""
    spec = SPECS["torch"]
    rng = np.random.default_rng(np.random.SeedSequence(0).spawn(1)[0])
    network = spec.build().double()
    network.load_state_dict({name: torch.from_numpy(block) for name, block in spec.draw(1, rng).items()})
    points, values = torch.tensor(target.points), torch.tensor(target.values)[:, None]
    weights = torch.tensor(target.weights)[:, None]
    optimiser = make(network.parameters())
    scheduler = schedule(optimiser)
    residuals = []
    for _ in range(steps + 1):
        residual = values - network(points)
        residuals.append(residual.detach().numpy()[:, 0])
        optimiser.zero_grad()
        (0.5 * (weights * residual**2).sum()).backward()
        optimiser.step()
        scheduler.step()
    return np.array(residuals)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Descent(), lambda p: torch.optim.SGD(p, lr=0.05)),
        (Sgd(), lambda p: torch.optim.SGD(p, lr=0.05)),
        (Sgd(0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
        (Sgd(0.8, nesterov=True), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True)),
        (Adam(), lambda p: torch.optim.Adam(p, lr=0.05)),
        (Adam(0.7, 0.95, 1e-4), lambda p: torch.optim.Adam(p, lr=0.05, betas=(0.7, 0.95), eps=1e-4)),
    ],
)
def test_optimisers_step_as_those_of_torch(ours, theirs, target):
    expected = torch_run(theirs, lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0), 12, target)
    run = train_module(
        SPECS["torch"], target, steps=range(13), learning_rate=0.05, optimiser=ours, start="plain"
    )
    np.testing.assert_allclose(run.residuals[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Cosine(0.05, 8, 0.01), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8, 0.01)),
        (Exponential(0.05, 0.7), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.7)),
        (
            Piecewise((0.05, 0.02, 0.008), (2, 5)),
            lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [2, 5], 0.4),
        ),
    ],
)
def test_schedules_are_those_of_torch(ours, theirs, target):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.05)
    scheduler, expected = theirs(optimiser), []
    for _ in range(8):
        expected.append(scheduler.get_last_lr()[0])
        optimiser.step()
        scheduler.step()
    np.testing.assert_allclose(ours.rates(0, 8), expected, rtol=1e-12)
    np.testing.assert_array_equal(ours.rates(3, 5), ours.rates(0, 8)[3:])
    assert ours.peak == 0.05
    if np.isfinite(ours.reach):
        assert ours.reach == pytest.approx(ours.rates(0, 1000).sum())
    run = train_module(SPECS["torch"], target, steps=[0, 3, 8], learning_rate=ours, start="plain")
    residuals = torch_run(lambda p: torch.optim.SGD(p, lr=0.05), theirs, 8, target)
    np.testing.assert_allclose(run.residuals[0], residuals[[0, 3, 8]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.times, [0, sum(expected[:3]), sum(expected)], rtol=1e-12)


def test_cosine_to_zero_reaches_half_its_rate():
    assert Cosine(0.2, 7).reach == pytest.approx(Cosine(0.2, 7).rates(0, 100).sum())


@pytest.mark.parametrize(
    "schedule",
    [Constant(0.03), Cosine(0.05, 100, 0.001), Exponential(0.05, 0.99), Piecewise((0.05, 0.01), (7,))],
)
def test_snapshots_fall_exactly_on_the_times(schedule, target):
    times = np.array([0.0, 0.1, 0.4, 1.37])
    run = train_module(SPECS["torch"], target, times=times, learning_rate=schedule)
    np.testing.assert_array_equal(run.times, times)
    np.testing.assert_allclose(np.cumsum(np.diff(run.steps, prepend=0) * run.rates), times, rtol=1e-12)
    first = 0
    for sizes, span in zip(steps_to_times(schedule, times), np.diff(times, prepend=0.0), strict=True):
        allowed = schedule.rates(first, len(sizes))
        assert np.all(sizes <= allowed * (1 + 1e-8))
        # Fewest steps: one fewer would not do.
        assert allowed[:-1].sum() < span or len(sizes) == 0
        first += len(sizes)
    assert first == run.steps[-1]


def test_time_is_the_sum_of_rates_whatever_the_schedule(target):
    spec = SPECS["fourier"]
    flow = train_module(spec, target, times=[0, 1.0], learning_rate=0.002)
    for schedule in (Exponential(0.02, 0.99), Cosine(0.02, 200)):
        run = train_module(spec, target, times=[0, 1.0], learning_rate=schedule)
        assert np.abs(run.residuals - flow.residuals).max() < 0.02


def test_centred_start_begins_at_the_target(target):
    run = train_module(SPECS["siren"], target, times=[0, 0.1], learning_rate=1e-3, seeds=2)
    np.testing.assert_allclose(run.residuals[:, 0], np.tile(target.values, (2, 1)), atol=1e-15)
    plain = train_module(SPECS["siren"], target, times=[0, 0.1], learning_rate=1e-3, seeds=2, start="plain")
    assert np.abs(plain.initial_residuals - target.values).max() > 1e-2


def test_full_mini_batch_is_the_full_batch(target):
    for name in ("fourier", "trained features", "multi-scale", "frozen multi-scale"):
        whole = train_module(SPECS[name], target, steps=[4], learning_rate=1e-2)
        batch = train_module(SPECS[name], target, steps=[4], learning_rate=1e-2, batch=24)
        np.testing.assert_allclose(batch.residuals, whole.residuals, rtol=0, atol=1e-13)


@pytest.mark.parametrize("frequency", [0.0, 1.0])
def test_mini_batches_run_through_seeded_permutations(frequency, target):
    spec = DeepFourierFeatureNetwork(GAUSSIAN, 6, 0, rates=LayerRates(frequency=frequency))
    run = train_module(spec, target, steps=range(8), learning_rate=0.05, batch=7, seed=9, start="plain")
    blocks = {
        name: torch.from_numpy(np.ascontiguousarray(block))
        for name, block in spec.draw(1, np.random.default_rng(np.random.SeedSequence(9).spawn(1)[0])).items()
    }
    x, values = torch.tensor(target.points), torch.tensor(target.values)
    weights = torch.tensor(target.weights) * 24 / 7
    orders = [np.random.default_rng([9, 0, epoch]).permutation(24)[:21].reshape(3, 7) for epoch in range(3)]
    for step, index in enumerate(np.concatenate(orders)[:8]):
        left = target.values - evaluated(spec, blocks, x)[:, 0].numpy()
        np.testing.assert_allclose(run.residuals[0, step], left, rtol=0, atol=1e-12)

        def loss(blocks):
            residual = values[index] - evaluated(spec, blocks, x[index])[:, 0]  # noqa: B023
            return 0.5 * (weights[index] * residual**2).sum()  # noqa: B023

        slopes, rates = torch.func.grad(loss)(blocks), spec.block_rates(blocks)
        blocks = {name: block - 0.05 * rates[name] * slopes[name] for name, block in blocks.items()}


def test_same_seed_gives_the_same_bytes(target):
    options = {"steps": [0, 9], "learning_rate": 0.01, "optimiser": Adam(), "batch": 5, "seeds": 3}
    runs = [train_module(SPECS["multi-scale"], target, **options) for _ in range(2)]
    assert runs[0].residuals.tobytes() == runs[1].residuals.tobytes()


def test_frozen_features_stay_and_are_computed_once(target, monkeypatch):
    calls = []
    original = DeepFourierFeatureNetwork.features
    monkeypatch.setattr(
        DeepFourierFeatureNetwork,
        "features",
        lambda spec, blocks, points: calls.append(1) or original(spec, blocks, points),
    )
    train_module(SPECS["fourier"], target, steps=[5], learning_rate=0.01)
    assert len(calls) == 1
    train_module(SPECS["trained features"], target, steps=[5], learning_rate=0.01)
    assert len(calls) > 5


def test_default_rate_is_a_tenth_of_the_stability_limit(target):
    spec = DeepFourierFeatureNetwork(GAUSSIAN, 12, 1, rates=LayerRates(hidden=0.5, frequency=0))
    trainer = ModuleTrainer(spec, target, [0.0], seeds=2)
    blocks = {
        name: torch.from_numpy(np.ascontiguousarray(block))
        for name, block in spec.draw(1, np.random.default_rng(np.random.SeedSequence(0).spawn(1)[0])).items()
    }
    x = torch.tensor(target.points)
    slopes = torch.func.jacrev(lambda blocks: evaluated(spec, blocks, x)[:, 0])(blocks)
    rates = spec.block_rates(blocks)
    kernel = sum(rates[name] * s.reshape(24, -1) @ s.reshape(24, -1).T for name, s in slopes.items())
    largest = np.linalg.eigvals(kernel.numpy() * target.weights).real.max()
    assert trainer.schedule.peak == pytest.approx(0.1 * 2 / largest, rel=0.01)


def test_single_precision_agrees_to_its_rounding(target):
    spec = SPECS["fourier"]
    double, single = (
        train_module(spec, target, times=[0, 1.0], learning_rate=0.05, precision=precision)
        for precision in ("float64", "float32")
    )
    assert single.residuals.dtype == np.float64
    assert 0 < np.abs(single.residuals - double.residuals).max() < 300 * np.finfo(np.float32).eps


def test_compiled_network_is_the_same_network(target, monkeypatch):
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: compiled(function, backend="eager"))
    plain, run = (
        train_module(SPECS["trained features"], target, steps=[0, 2], learning_rate=0.05, compile=compile)
        for compile in (False, True)
    )
    np.testing.assert_allclose(run.residuals, plain.residuals, rtol=0, atol=1e-13)


# -- the run


@pytest.mark.parametrize("name", ["fourier", "multi-scale", "encoded", "siren"])
def test_run_survives_its_file_and_is_compared(name, target, tmp_path):
    run = train_module(SPECS[name], target, times=[0, 0.1], learning_rate=1e-3, seeds=2)
    back = Run.load(run.save(tmp_path / "run.nc"))
    assert back.model == SPECS[name]
    np.testing.assert_array_equal(back.residuals, run.residuals)
    data = harness.compare({"saved": back, "run": run}, [0.0, 1.0])
    assert float(data.difference.max()) == 0
    assert back.metadata["optimiser"] == '{"kind": "descent"}'


def test_modules_of_torch_have_no_file(target, tmp_path):
    run = train_module(SPECS["torch"], target, steps=[0, 1], learning_rate=0.1)
    with pytest.raises(TypeError, match="made by a Python function"):
        run.save(tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in SPECS if name != "torch"])
def test_specification_survives_as_text(name):
    assert module_from_json(module_to_json(SPECS[name])) == SPECS[name]


def test_specification_stands_in_an_experiment_file():
    adapter = TypeAdapter(AnyModule)
    density = {"kind": "gaussian", "scale": 2.0}
    content = {"kind": "deep-fourier-features", "density": density, "width": 8, "rates": {"frequency": 1.0}}
    spec = adapter.validate_python(content)
    assert spec == DeepFourierFeatureNetwork(fefreq.Gaussian(2.0), 8, rates=LayerRates())
    with pytest.raises(ValidationError, match="depth"):
        adapter.validate_python({**content, "depth": 3})


class Heard:
    def __init__(self):
        self.total, self.done, self.finished = None, 0, False

    def start(self, description, total):
        self.total = total

    def advance(self, count=1):
        self.done += count

    def finish(self):
        self.finished = True


def test_progress_hears_of_every_step(target):
    heard = Heard()
    train_module(SPECS["tanh"], target, steps=[2, 5], learning_rate=0.01, seeds=3, together=2, progress=heard)
    assert (heard.total, heard.done, heard.finished) == (10, 10, True)


@pytest.mark.parametrize("options", [{}, {"optimiser": Sgd(0.9)}, {"batch": 8}])
def test_divergence_names_the_step_and_keeps_the_snapshots(options, target):
    schedule, heard = Piecewise((1e-3, 1e6), (4,)), Heard()
    with pytest.raises(
        DivergenceError, match=r"step \d+, at t = .*snapshots are kept, the last one is at t = 0.004"
    ) as caught:
        train_module(
            SPECS["tanh"], target, steps=[0, 4, 500], learning_rate=schedule, progress=heard, **options
        )
    np.testing.assert_array_equal(caught.value.run.steps, [0, 4])
    assert np.isfinite(caught.value.run.at([0.0, 1.0])).all()
    assert heard.finished


# -- bad input

SMALL = {"density": GAUSSIAN, "width": 4}


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: DeepFourierFeatureNetwork(GAUSSIAN, 0), ValueError, "width must be at least 1, not 0"),
        (lambda: DeepFourierFeatureNetwork(GAUSSIAN, 4.5), TypeError, "width must be an integer"),
        (lambda: DeepFourierFeatureNetwork(GAUSSIAN, 4, -1), ValueError, "hidden_layers must be at least 0"),
        (
            lambda: DeepFourierFeatureNetwork(**SMALL, activation="swish"),
            ValueError,
            "'relu', 'tanh', 'sine'",
        ),
        (lambda: DeepFourierFeatureNetwork(**SMALL, features_drawn=0), ValueError, "features_drawn must be"),
        (lambda: DeepFourierFeatureNetwork(**SMALL, bias_std=-1), ValueError, "bias_std must be finite"),
        (lambda: DeepFourierFeatureNetwork(**SMALL, parametrisation="ntk"), ValueError, "'standard'"),
        (lambda: LayerRates(hidden=-1.0), ValueError, "the hidden rate must be finite and at least 0"),
        (lambda: LayerRates(0, 0, 0, 0), ValueError, "all rates are zero"),
        (lambda: MultiScaleNetwork(GAUSSIAN, (), 4), ValueError, "at least one scale"),
        (
            lambda: MultiScaleNetwork(GAUSSIAN, (1, -2), 4),
            ValueError,
            "every scale must be finite and above 0",
        ),
        (lambda: MultiScaleNetwork(GAUSSIAN, (1, 1), 4), ValueError, "repeats one"),
        (lambda: MultiScaleNetwork(GAUSSIAN, (1,), 4, bias="normal"), ValueError, "does not go with"),
        (
            lambda: MultiScaleNetwork(GAUSSIAN, (1,), 4, prefactor_power=math.nan),
            ValueError,
            "prefactor_power",
        ),
        (lambda: Perceptron(4, 0), ValueError, "hidden_layers must be at least 1"),
        (lambda: Perceptron(4, octaves=0), ValueError, "octaves must be at least 1"),
        (lambda: Siren(4, omega=0.0), ValueError, "omega must be finite and above 0"),
        (lambda: TorchNetwork(nn.Linear(1, 1)), TypeError, "missing|must return"),
        (lambda: TorchNetwork(3), TypeError, "build must be a function"),
        (lambda: TorchNetwork(lambda: 3), TypeError, "must return a torch.nn.Module"),
        (lambda: TorchNetwork(nn.Tanh), TypeError, "no parameters"),
        (lambda: TorchNetwork(lambda: nn.BatchNorm1d(1)), TypeError, "BatchNorm1d module"),
        (lambda: Constant(-0.1), ValueError, "the rate of a schedule must be finite and above 0, not -0.1"),
        (lambda: Cosine(0.1, 0), ValueError, "steps of a cosine schedule must be at least 1"),
        (
            lambda: Cosine(0.1, 5, -0.1),
            ValueError,
            "final rate of a cosine schedule must be finite and at least 0",
        ),
        (lambda: Cosine(0.1, 5, 0.2), ValueError, "falls from rate = 0.1 to final = 0.2"),
        (lambda: Exponential(0.1, 1.5), ValueError, "decay of an exponential schedule"),
        (lambda: Piecewise((0.1, -0.1), (3,)), ValueError, "every rate of a schedule"),
        (lambda: Piecewise((0.1,), (3,)), ValueError, "1 boundaries needs 2 rates, not 1"),
        (lambda: Piecewise((0.1, 0.2, 0.3), (3, 3)), ValueError, "must increase"),
        (lambda: Sgd(1.0), ValueError, "momentum must be at least 0 and below 1"),
        (lambda: Sgd(nesterov=True), ValueError, "needs momentum above 0"),
        (lambda: Adam(beta2=1.0), ValueError, "beta2 must be"),
        (lambda: Adam(epsilon=0.0), ValueError, "epsilon must be"),
        (lambda: Sgd("x"), TypeError, "momentum must be a number, not 'x'"),
        (lambda: Sgd(float("nan")), ValueError, "momentum must be finite"),
        (lambda: Adam(beta1=None), TypeError, "beta1 must be a number, not None"),
        (
            lambda: Exponential(0.1, "x"),
            TypeError,
            "decay of an exponential schedule must be a number, not 'x'",
        ),
        (
            lambda: optimiser("adam", momentum=0.9),
            ValueError,
            "adam has no option 'momentum'; its options are beta1",
        ),
        (
            lambda: optimiser("descent", momentum=0.9),
            ValueError,
            "descent has no option 'momentum'; it has none",
        ),
        (lambda: optimiser("lbfgs"), ValueError, "no optimiser 'lbfgs'; there are 'descent', 'sgd', 'adam'"),
        (
            lambda: steps_to_times(Cosine(0.1, 9), np.array([0.6])),
            ValueError,
            "add up to 0.5, so the time 0.6",
        ),
        (lambda: steps_to_times(Exponential(0.1, 0.5), np.array([0.21])), ValueError, "never reached"),
        (
            lambda: steps_to_times(Constant(1e-9), np.array([0.0, 1.0])),
            ValueError,
            "more than 1e\\+08 steps away",
        ),
    ],
)
def test_bad_parts_are_named(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        (
            {"spec": fefreq.FourierFeatures(GAUSSIAN)},
            TypeError,
            "models of the theory are trained by harness.train",
        ),
        ({"spec": Perceptron(4, dim=2)}, ValueError, "2 coordinate.s., but the target has 1"),
        ({"spec": TorchNetwork(lambda: nn.Linear(1, 2))}, ValueError, "this target needs"),
        ({"times": None}, ValueError, "either the times or the steps"),
        ({"steps": [1]}, ValueError, "either the times or the steps"),
        ({"times": [1, 0]}, ValueError, "times must increase"),
        ({"times": None, "steps": [3, 3]}, ValueError, "steps must increase"),
        ({"times": None, "steps": [10**9]}, ValueError, "no more than 1e\\+08 can be planned"),
        ({"times": None, "steps": [0.5]}, TypeError, "steps must be an integer"),
        ({"learning_rate": -1.0}, ValueError, "learning_rate must be finite and above 0"),
        ({"learning_rate": None, "optimiser": Adam()}, ValueError, "give learning_rate for adam"),
        ({"learning_rate": None, "batch": 3}, ValueError, "descent in mini-batches"),
        ({"times": None, "steps": [3, 9], "learning_rate": Cosine(0.1, 2)}, ValueError, "falls to 0"),
        ({"optimiser": "adam"}, TypeError, "must be a Descent, Sgd or Adam"),
        ({"batch": 25}, ValueError, "batch is 25, but the target has only 24 points"),
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"seeds": 0}, ValueError, "seeds must be at least 1"),
        ({"together": 0}, ValueError, "together must be at least 1"),
        ({"start": "antisymmetric"}, ValueError, "'centred', 'plain'"),
        ({"precision": "half"}, ValueError, "'float64', 'float32'"),
        ({"device": "tpu"}, ValueError, "'cpu', 'cuda'"),
        (
            {"spec": DeepFourierFeatureNetwork(GAUSSIAN, 4, 0, rates=LayerRates(0, 1, 0, 0))},
            ValueError,
            "nothing would be trained",
        ),
    ],
)
def test_bad_input_is_named(change, error, sentence, target):
    arguments = {"spec": Perceptron(4), "target": target, "times": [0, 1], "learning_rate": 0.1, **change}
    with pytest.raises(error, match=sentence):
        train_module(**arguments)


def test_absent_cuda_is_named(target, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="CUDA was asked for"):
        train_module(Perceptron(4), target, times=[0.0], device="cuda")
