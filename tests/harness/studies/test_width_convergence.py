"""Width convergence: the two laws, on networks small enough for seconds."""

import numpy as np
import pytest
import torch
import xarray as xr

import fefreq
from fefreq.experiments.schema import ExperimentError, validated
from fefreq.support.progress import NullProgress
from harness.comparison.checks import judge_all
from harness.experiments import preset_path
from harness.networks.plane_waves import ensemble_parameters
from harness.networks.two_layer import network_for
from harness.studies.files import carry_out, read_file
from harness.studies.width_convergence.laws import fit_laws
from harness.studies.width_convergence.power_laws import power_law, repeated_power_law
from harness.studies.width_convergence.study import WidthConvergence, distance
from harness.training.checkpoints import Checkpoints
from harness.training.run import DivergenceError
from harness.training.wave_descent import WaveDescent

CONTENT = {
    "kind": "width-convergence",
    "title": "Wider and wider",
    "target": {"kind": "tones", "bounds": [[-1, 1]], "shape": [48], "frequencies": [1], "width": 0.2},
    "model": {
        "kind": "fourier-features",
        "output_std": 0.2,
        "density": {"kind": "gaussian", "scale": 1.5},
    },
    "times": {"first": 1.0, "last": 10, "count": 10, "spacing": "linear"},
    "widths": [160, 640, 2560],
    "seeds": [40, 40, 40],
    "learning_rates": [1.0, 0.5],
}


def study(**changes):
    return validated(WidthConvergence, CONTENT | changes, "study")


@pytest.fixture(scope="module")
def result():
    return carry_out(study(), NullProgress())


def test_distance_to_descent_falls_like_the_root_of_the_width(result):
    worst = np.log(result.datasets["distances"].to_descent.max("time"))
    for rate in (0, 1):
        mean, spread = worst.isel(rate=rate).mean("seed"), worst.isel(rate=rate).std("seed", ddof=1)
        ratio = float(mean[-1] - mean[0])
        noise = float(np.sqrt((spread[0] ** 2 + spread[-1] ** 2) / worst.sizes["seed"]))
        # Sixteen times as wide, four times as close: up to three standard errors of the difference of the means, from
        # the measured spread of independent seeds, and terms of the next order, of the size of the distance itself.
        allowed = 3 * noise + float(np.exp(mean[0]))
        assert allowed < 0.15 * np.log(16)  # so that exponents of -0.35 or -0.65 would be noticed
        assert abs(ratio + np.log(4)) < allowed


def test_networks_of_two_widths_share_no_frequency():
    small, drawn = study(), []
    target = small.target.make()
    for width in (160, 640):
        network = network_for(small.model, width, 1)
        seed = small._trainer(target, width, 1.0).seed
        parameters = ensemble_parameters(
            network, "antisymmetric", seed, 10, torch.float64, torch.device("cpu")
        )
        drawn.append(parameters["frequency"].unique().numpy())
    assert [len(frequencies) for frequencies in drawn] == [800, 3200]  # ten networks of pairs
    assert len(np.intersect1d(*drawn)) == 0


def test_the_floor_is_that_of_a_dense_solution(result):
    data, settings = result.datasets["distances"], study()
    target = settings.target.make()
    root = np.sqrt(target.weights)
    matrix = root[:, None] * settings.model.kernel(target.points, target.points) * root
    rates, modes = np.linalg.eigh(matrix)
    start = modes.T @ (root * target.values)
    for at, eta in enumerate(settings.learning_rates):
        steps = np.rint(data.time.values / eta)
        gap = (1 - eta * rates) ** steps[:, None] - np.exp(-np.outer(data.time.values, rates))
        expected = np.linalg.norm(gap * start, axis=1) / np.linalg.norm(start)
        np.testing.assert_allclose(data.floor[at], expected, atol=1e-8)


def test_halving_small_steps_halves_the_floor():
    rates = [0.02, 0.01]
    target = study().target.make()
    times, model = np.arange(11.0), study().model
    flow = fefreq.KernelFlow(model, target).solve(times, rtol=1e-10).values
    floors = [
        distance(
            fefreq.KernelFlow(model, target, dynamics=fefreq.GradientDescent(rate))
            .solve(times, rtol=1e-10)
            .values,
            flow,
            target,
        ).max()
        for rate in rates
    ]
    # The next order is smaller by a factor of the order of η times the largest rate, 0.02 here.
    assert floors[0] / floors[1] == pytest.approx(2, rel=0.02)


def test_flow_descent_and_network_form_a_triangle(result):
    data = result.datasets["distances"]
    assert (abs(data.to_flow - data.floor) <= data.to_descent + 1e-8).all()


def test_every_seed_is_measured_and_no_more():
    few = study(seeds=[3, 2, 4], widths=[8, 10, 12], learning_rates=[1.0, 0.5])
    data = carry_out(few, NullProgress()).datasets["distances"]
    assert data.to_flow.isel(rate=0, time=-1).notnull().sum("seed").values.tolist() == [3, 2, 4]
    assert (data.to_flow.isel(time=0).fillna(0) < 1e-12).all()  # an antisymmetric start knows nothing


def test_kept_networks_are_not_trained_again(tmp_path, monkeypatch):
    few = study(seeds=[2, 2, 2], widths=[8, 10, 12], times=CONTENT["times"] | {"first": 5, "count": 2})
    first = carry_out(few, NullProgress(), Checkpoints(tmp_path))
    monkeypatch.setattr(WaveDescent, "step", lambda *_: pytest.fail("a step was taken"))
    again = carry_out(few, NullProgress(), Checkpoints(tmp_path))
    xr.testing.assert_identical(again.datasets["distances"], first.datasets["distances"])


def test_intervals_of_exponents_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    widths = np.repeat([100.0, 1e3, 1e4, 1e5], 6)
    scattered = [power_law(widths, widths**-0.5 * np.exp(0.3 * rng.standard_normal(24))) for _ in range(400)]
    held = np.mean([abs(fit.slope + 0.5) <= fit.uncertainty for fit in scattered])
    assert abs(held - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)
    rates = np.array([0.1, 0.2, 0.4])
    tilts = 1 + 0.05 * rng.standard_normal((400, 5))
    repeated = [repeated_power_law(rates, rates ** tilt[:, None]) for tilt in tilts]
    held = np.mean([abs(fit.slope - 1) <= fit.uncertainty for fit in repeated])
    assert abs(held - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 400)


def test_laws_are_those_of_the_data():
    width, rate, seed = np.array([10.0, 100.0, 1000.0]), np.array([0.4, 0.2]), np.ones(3)
    floor = 0.3 * rate
    to_descent = 2 * width[:, None, None] ** -0.5 * np.ones((3, 2, 1)) * seed
    to_flow = np.broadcast_to(floor[None, :, None], (3, 2, 3)) * seed
    data = xr.Dataset(
        {
            "to_descent": (("width", "rate", "seed", "time"), to_descent[..., None]),
            "to_flow": (("width", "rate", "seed", "time"), to_flow[..., None]),
        },
        coords={"width": width, "rate": rate, "time": [1.0]},
    )
    laws = fit_laws(data)
    assert laws.floor.slope == pytest.approx(1)
    assert laws.floor.factor == pytest.approx(0.3)
    assert [law.slope for law in laws.widths.values()] == pytest.approx([-0.5, -0.5])


def test_report_and_data_are_written(result, tmp_path):
    report = result.write(tmp_path)
    text = report.read_text(encoding="utf-8")
    assert "falls with the width like a power" in text
    assert xr.load_dataset(tmp_path / "distances.nc").sizes == result.datasets["distances"].sizes
    assert {path.stem for path in (tmp_path / "pictures").glob("*.png")} == {"widths", "floor", "times"}


def test_verdicts_follow_the_bands(result):
    assert [verdict.passed for verdict in result.verdicts[:2]] == [True, True]
    strict = study(checks={"width": {"expected": -2.0, "tolerance": 0.1}})
    again = judge_all(strict.checks.all(strict.widths[-1]), fit_laws(result.datasets["distances"]))
    assert not again[0].passed
    assert again[0].allowed == "-2 ± 0.1"


def test_the_preset_can_be_carried_out():
    preset = read_file(preset_path("width-convergence-1d"))
    preset.prepare()
    assert preset.widths[0] == 100
    assert preset.widths[-1] == 1_000_000


class Watching(NullProgress):
    """Asks for losses at once."""

    def __init__(self):
        self.losses = []

    def watch(self, losses):
        self.losses.append(losses())


def test_losses_of_every_training_can_be_watched():
    few = study(seeds=[2, 3, 4], widths=[8, 10, 12], times=CONTENT["times"] | {"first": 5, "count": 2})
    progress = Watching()
    few.carry_out(progress)
    assert [len(losses) for losses in progress.losses] == [2, 2, 3, 3, 4, 4]


def test_training_that_diverges_names_width_and_learning_rate(monkeypatch):
    def diverge(*_):
        raise DivergenceError("the loss grew without bound")

    monkeypatch.setattr(WaveDescent, "step", diverge)
    with pytest.raises(DivergenceError, match="width 8, learning rate 1: the loss grew"):
        carry_out(study(seeds=[2, 2, 2], widths=[8, 10, 12]), NullProgress())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": [4, 4]}, "seeds has 2 numbers, but there are 3 widths"),
        ({"seeds": [4, 4, 1]}, "greater than or equal to 2"),
        ({"widths": [640, 160, 40]}, "widths must increase"),
        ({"learning_rates": [0.5, 1.0]}, "learning_rates must decrease"),
        ({"learning_rates": [0.7, 0.5]}, "0.7 does not fit into the intervals"),
        ({"times": {"first": 1, "last": 10, "count": 10}}, "choose linear times"),
        ({"wdiths": [40]}, "there is no such key; did you mean 'widths'"),
    ],
)
def test_a_study_that_cannot_be_is_refused(changes, sentence):
    with pytest.raises(ExperimentError, match=sentence):
        study(**changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"widths": [41, 160, 640]}, "width must be even, not 41"),
        (
            {"learning_rates": [10.0, 5.0], "times": {**CONTENT["times"], "first": 10, "last": 100}},
            "stable only below",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused_before_any_training(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        study(**changes).prepare()
