"""The study of scale choice: what it reads, how it judges, what it writes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from PIL import Image
from pydantic import ValidationError

import fefreq
import harness
from fefreq.experiments.schema import read_toml
from fefreq.support.progress import NullProgress
from harness.experiments import is_quick, preset_path
from harness.studies.scale_choice.checks import BandsOfScales
from harness.studies.scale_choice.findings import Findings
from harness.studies.scale_choice.images import image_named
from harness.studies.scale_choice.report import pairs, scales_figure, sections
from harness.studies.scale_choice.study import ScaleChoice
from harness.studies.scale_choice.training import Network, Trained, train_on
from harness.training.checkpoints import Checkpoints

SMALL = {
    "kind": "scale-choice",
    "title": "small",
    "images": ["terrain", "mri"],
    "samples": 16,
    "scales": [1, 2, 3],
    "hidden_layers": 1,
    "training": {"width": 16, "features": 16, "steps": 60, "batch": 16, "learning_rate": 0.01},
    "checks": {"neighbours": 1, "loss": 0.5, "apart": 2.5},
}


def study(**changes: object) -> ScaleChoice:
    return ScaleChoice.model_validate({**SMALL, **changes})


@pytest.mark.parametrize("name", ["terrain", "mri", "photograph"])
def test_sample_images_are_squares_from_zero_to_one(name):
    image = image_named(name, 64)
    assert image.shape == (64, 64)
    assert (image.min(), image.max()) == (0.0, 1.0)


def test_images_are_upright_and_averaged(tmp_path):
    pixels = np.zeros((8, 12), np.uint8)
    pixels[:4, 2:6] = 200  # the upper left quarter of the middle square
    pixels[:, :2] = 99  # cut off
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    np.testing.assert_array_equal(image_named(str(tmp_path / "corner.png"), 2), [[0, 1], [0, 0]])


@pytest.mark.parametrize(
    ("name", "samples", "message"),
    [
        ("terrain", 4096, "the terrain has only 244"),
        ("mri", 512, "has only 256 pixels"),
        ("nowhere.png", 16, "there is no image nowhere.png.*terrain, mri, photograph"),
    ],
)
def test_images_that_cannot_be_are_refused(name, samples, message):
    with pytest.raises(ValueError, match=message):
        image_named(name, samples)


def test_the_network_is_what_the_file_says():
    network = Network(fefreq.Gaussian(2.0, 2), 10, 3, 7, 1, 4, 1e-3, seed=5)
    layers = network.build(channels=2)
    shapes = [tuple(p.shape) for p in layers.parameters()]
    assert shapes == [(7, 20), (7,), (7, 7), (7,), (7, 7), (7,), (2, 7), (2,)]
    torch.testing.assert_close(layers[0].weight, network.build(2)[0].weight)
    x = np.random.default_rng(0).uniform(size=(5, 2))
    features = network.features()(x).double()
    np.testing.assert_allclose(
        (features**2).sum(axis=1), 10.0, rtol=1e-5
    )  # constant norm: a stationary kernel
    np.testing.assert_allclose(network.features()(x).double(), features)


def test_training_lowers_the_error_and_depends_on_the_seed_alone():
    small = study(images=["mri"])
    split = small.split("mri")
    network = small.network(2.0)
    first, again = train_on(split, network), train_on(split, network)
    assert (first.train_mse, first.heldout_mse) == (again.train_mse, again.heldout_mse)
    untrained = train_on(split, Network(**{**vars(network), "learning_rate": 1e-12}))
    assert first.train_mse < 0.2 * untrained.train_mse
    counted = Counted()
    train_on(split, Network(**{**vars(network), "steps": 3}), counted)
    assert counted.steps == 3
    with pytest.raises(FloatingPointError, match="choose a smaller one"):
        train_on(split, Network(**{**vars(network), "learning_rate": 1e30}))


class Counted(NullProgress):
    """Counts steps, and stops training after so many."""

    def __init__(self, last: int | None = None) -> None:
        self.steps, self.last = 0, last

    def advance(self, count: int = 1) -> None:
        self.steps += count
        if self.steps == self.last:
            raise KeyboardInterrupt


def test_training_is_the_plain_loop_of_torch():
    small = study(images=["mri"])
    split, network = small.split("mri"), small.network(2.0)
    kept = split.trained.weights > 0
    layers, features = network.build(1), network.features()
    x = features(split.trained.points[kept])
    y = torch.from_numpy(split.trained.values[kept]).float()[:, None]
    optimiser = torch.optim.Adam(layers.parameters(), lr=network.learning_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, network.steps)
    rng, taken = np.random.default_rng([network.seed, 1]), 0
    while taken < network.steps:
        order = rng.permutation(len(x))
        for first in range(0, len(x) - network.batch + 1, network.batch):
            if taken == network.steps:
                break
            rows = order[first : first + network.batch]
            optimiser.zero_grad()
            torch.mean((layers(x[rows]) - y[rows]) ** 2).backward()
            optimiser.step()
            falling.step()
            taken += 1
    with torch.no_grad():
        held = layers(features(split.points))[:, 0].double().numpy()
    done = train_on(split, network)
    # Sums of float32 in another order, 60 steps long.
    assert done.heldout_mse == pytest.approx(np.mean((held - split.values) ** 2), rel=1e-3)


def test_stopped_anywhere_training_ends_with_the_same_errors(tmp_path):
    small = study(images=["mri"])
    split, network = small.split("mri"), small.network(2.0)
    expected = train_on(split, network)
    for last in (1, 7, 30):
        with pytest.raises(KeyboardInterrupt):
            train_on(split, network, Counted(last), Checkpoints(tmp_path, interval=0))
    counted = Counted()
    found = train_on(split, network, counted, Checkpoints(tmp_path))
    assert counted.steps == network.steps - 35  # a step whose news stopped training was not kept
    assert (found.train_mse, found.heldout_mse) == (expected.train_mse, expected.heldout_mse)


def findings(predicted: list[float], trained: list[float], **changes: object) -> Findings:
    described = study(images=["mri"], scales=[1, 2, 4, 8], **changes)
    data = xr.Dataset(
        {"predicted": (("image", "scale"), [predicted]), "trained": (("image", "scale"), [trained])},
        coords={"image": ["mri"], "scale": [1.0, 2.0, 4.0, 8.0]},
    )
    return Findings(described, data, {})


def test_checks_measure_what_they_say():
    found = findings([20.0, 25.0, 24.0, 10.0], [21.0, 24.0, 24.3, 2.0])
    neighbours, loss, apart = BandsOfScales().judge(found)
    assert neighbours.measured == "predicted 2, trained 4"
    assert loss.measured == "0.30 dB"
    # Up to scale 8, twice the larger of both best ones.
    assert apart.measured == "8.00 dB at scale 8"
    assert [v.passed for v in (neighbours, loss, apart)] == [True, True, False]
    same = BandsOfScales().judge(findings([20.0, 25.0, 24.0, 10.0], [21.0, 26.0, 24.3, 2.0]))
    assert same[1].measured == "0.00 dB"
    assert same[2].measured == "1.00 dB at scale 1"
    far = BandsOfScales().judge(findings([20.0, 25.0, 24.0, 26.0], [21.0, 24.0, 20.0, 2.0]))
    assert [v.passed for v in far] == [False, False, False]


def test_a_small_study_leaves_data_images_and_a_report(tmp_path):
    small = study()
    small.prepare()
    result = small.carry_out(NullProgress(), Checkpoints(tmp_path / "kept"))
    assert len(result.verdicts) == 6
    data = result.datasets["scale-choice"]
    assert data.predicted.shape == data.trained.shape == (2, 3)
    advice = fefreq.recommend_scale(image_named("mri", 16), [(0, 1)] * 2, scales=[1, 2, 3], hidden_layers=1)
    np.testing.assert_allclose(data.predicted.sel(image="mri"), advice.table.heldout_psnr.values[0, :, -1])
    assert np.all(data.trained_fit > data.trained - 1)
    rows = result.sections[0].tables[0].rows
    assert len(rows) == 6
    assert rows[0][0] == "terrain"
    folder = tmp_path / "out"
    folder.mkdir()
    page = result.write(folder)
    assert page.name == "report.html"
    written = {path.name for path in folder.iterdir()}
    assert {"scale-choice.nc", "predicted-mri.nc", "predicted-mri.vti", "manifest.json"} <= written
    # What was kept is not trained again, and not taken for something else.
    again = small.carry_out(_Silent(), Checkpoints(tmp_path / "kept"))
    np.testing.assert_array_equal(again.datasets["scale-choice"].trained, data.trained)
    other = study(training={**SMALL["training"], "steps": 61})
    with pytest.raises(ValueError, match="another experiment or version: network"):
        other.carry_out(NullProgress(), Checkpoints(tmp_path / "kept"))
    run = harness.Run.load(tmp_path / "kept" / "mri-2-0")
    held = run.residuals[0, -1][run.target.weights == 0]
    assert np.mean(held**2) == pytest.approx(10 ** (-float(data.trained.sel(image="mri", scale=2)) / 10))


class _Silent(NullProgress):
    def start(self, description: str, total: int) -> None:
        raise AssertionError(f"{description} should not be trained again")


def test_the_picture_rings_the_best_of_each_source():
    found = findings([20.0, 25.0, 24.0, 10.0], [21.0, 24.0, 24.3, 2.0])
    (ax,) = scales_figure(found).axes
    rings = [(line.get_xdata(), line.get_ydata()) for line in ax.lines[2:]]
    assert [(float(x[0]), float(y[0])) for x, y in rings] == [(2.0, 25.0), (4.0, 24.3)]


def test_the_table_marks_what_is_recommended_and_the_largest_prediction():
    found = findings([20.0, 24.7, 25.0, 10.0], [21.0, 24.0, 24.3, 2.0])
    one = found.data.predicted
    filled = Findings(found.study, found.data.assign(predicted_fit=one, trained_fit=one), {})
    assert [row[-1] for row in pairs(filled).rows] == [
        "",
        "best predicted",
        "best trained, largest predicted",
        "",
    ]


def test_the_page_says_what_the_rule_changes():
    found = findings([20.0, 24.7, 25.0, 10.0], [21.0, 24.0, 24.3, 2.0])
    cost = xr.full_like(found.data.predicted, 2.0)
    data = found.data.assign(
        predicted_fit=cost, trained_fit=cost, prediction_seconds=cost, training_seconds=10 * cost
    ).assign_attrs(time=1.0)
    (section,) = sections(Findings(found.study, data, {}))
    assert "smallest scale within 0.5 dB of the largest PSNR, a rule made after a first run" in section.text
    assert "by the largest PSNR alone it would be 4 for mri." in section.text


def test_seconds_of_training_are_those_of_one_network_a_scale(monkeypatch):
    spent = iter(range(1, 7))

    def trained(*_: object) -> Trained:
        return Trained(train_mse=0.01, heldout_mse=0.02, seconds=float(next(spent)))

    monkeypatch.setattr("harness.studies.scale_choice.training.train_on", trained)
    several = study(images=["mri"], training={**SMALL["training"], "seeds": 2})
    result = several.carry_out(NullProgress())
    np.testing.assert_allclose(result.datasets["scale-choice"].training_seconds, [[1.5, 3.5, 5.5]])
    table = result.sections[0].tables[1]
    assert table.rows[0][2] == "10 s"
    assert "one network a scale, the mean over 2" in table.caption
    assert "mean of 2 for each scale" in result.sections[0].pictures[0].legend


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scales": [2, 1]}, "scales must increase"),
        ({"images": ["mri", "mri"]}, "repeats one"),
        ({"images": ["a/x.png", "mri", "b/x.jpg"]}, "a/x.png and b/x.jpg would both be called x"),
        ({"images": ["mri", "mri.png"]}, "mri and mri.png would both be called mri"),
        ({"surprise": 1}, "surprise"),
        ({"hidden_layers": 0}, "greater than or equal to 1"),
        ({"checks": {"apart": -1}}, "greater than 0"),
    ],
)
def test_impossible_studies_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        study(**changes)


def test_paths_of_images_are_relative_to_the_file(tmp_path):
    placed = study(images=["terrain", "mine.png"]).located(tmp_path)
    assert placed.images == ("terrain", str(tmp_path / "mine.png"))
    with pytest.raises(ValueError, match="there is no image"):
        placed.prepare()


def test_the_preset_asks_for_the_published_figures():
    preset = ScaleChoice.model_validate(read_toml(preset_path("scale-choice-images")))
    assert not is_quick("scale-choice-images")
    assert preset.scales == (1, 2, 4, 6, 8, 12, 16, 24)
    assert preset.images == ("terrain", "mri", "photograph")
    assert (preset.samples, preset.hidden_layers, preset.training.width) == (128, 3, 256)
    assert (preset.checks.neighbours, preset.checks.loss, preset.checks.apart) == (1, 0.5, 2.5)


@pytest.mark.parametrize(("scale", "theory"), [(4, 40.3), (8, 36.8), (16, 25.0), (24, 17.8)])
def test_late_predictions_on_terrain_are_those_of_the_theory(scale, theory):
    rows = image_named("terrain", 128).T[::-1]  # the order of the file, which decides what is trained on
    advice = fefreq.recommend_scale(rows, [(0, 1)] * 2, scales=[scale], times=[1e5])
    assert advice.best.psnr == pytest.approx(theory, abs=0.05)
