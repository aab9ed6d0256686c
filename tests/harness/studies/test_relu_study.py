"""Studies of ReLU networks: what their files must say, what checks measure, and what they leave."""

import json
import re
import tomllib
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from problems import tones_table
from pydantic import ValidationError

import fefreq
from fefreq.experiments.schema import ExperimentError, read_toml, validated
from fefreq.support.progress import NullProgress
from harness.experiments import FOLDER
from harness.relu import Recording, Schedule, activation_patterns, relu_network, track
from harness.studies.files import carry_out
from harness.studies.relu_dynamics import field_pictures, pictures, region_pictures
from harness.studies.relu_dynamics.checks import ReluBandCheck, ReluDepthCheck, ReluEarlyCheck, ReluOrderCheck
from harness.studies.relu_dynamics.numbers import told
from harness.studies.relu_dynamics.study import ReluDynamics
from harness.studies.relu_dynamics.targets import Photograph
from harness.studies.relu_vs_fourier_features.checks import BiasCheck, LeftCheck
from harness.studies.relu_vs_fourier_features.study import ReluVsFourierFeatures

LINE = (
    """
title = "Tiny"
kind = "relu-dynamics"
"""
    + tones_table(64, [2, 5], bounds=(0, 1), width=None)
    + """[network]
width = 8
hidden_layers = 2
[conditions.unit]
[conditions.encoded]
octaves = 3
[training]
epochs = 4
seeds = 2
[pairs]
count = 50
window = 10
[schedule]
hamming = { every = 2 }
confusion = { every = 2 }
patterns = { every = 2 }
regions = [0, 4]
width = [0, 4]
dead = [0, 1, 4]
norms = { every = 2 }
angles = { every = 2 }
in_sphere = [0, 4]
[[checks]]
kind = "order"
quantity = "hamming-local"
conditions = ["unit", "encoded"]
[[expected]]
kind = "band"
quantity = "mean-squared-error"
condition = "unit"
at_least = 100
"""
)

PLANE = """
title = "Tiny image"
kind = "relu-dynamics"
snapshots = [1]
[target]
kind = "photograph"
samples = 16
averaged = 2
[network]
width = 8
hidden_layers = 2
[conditions.encoded]
octaves = 2
[training]
epochs = 2
batch = 50
held_out = 0.1
[pairs]
count = 50
window = 4
[schedule]
hamming = { every = 1 }
patterns = { every = 1 }
regions = [0, 2]
[spectrum]
largest = 4
step = 2
"""

BESIDE = """
title = "Tiny comparison"
kind = "relu-vs-fourier-features"
times = { first = 0.1, last = 1.0, count = 4 }
[target]
kind = "tones"
bounds = [[-1, 1]]
shape = [64]
frequencies = [1, 3]
width = 0.2
[network]
width = 8
hidden_layers = 2
[conditions.coordinates]
coordinates = [-1, 1]
[descent]
learning_rate = 0.05
[pairs]
count = 50
window = 10
[model]
kind = "fourier-features"
output_std = 0.3
density = { kind = "gaussian", scale = 3.0 }
[training]
width = 2000
[[checks]]
kind = "predicted"
tolerance = 0.5
[[checks]]
kind = "left"
source = "coordinates"
tone = 1
at_least = 0.5
[[checks]]
kind = "left"
source = "coordinates"
tone = 0
at_most = 1e-6
"""


def line(**changes) -> ReluDynamics:
    return ReluDynamics.model_validate(tomllib.loads(LINE) | changes)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    result = line().carry_out(NullProgress())
    folder = tmp_path_factory.mktemp("line")
    result.page.write(folder / "report.html")
    for name, write in result.files.items():
        write(folder / name)
    return result, folder


# What a study leaves


def test_all_conditions_are_in_one_dataset_with_the_error_on_the_same_times(written) -> None:
    data = written[0].datasets["dynamics"]
    assert data.condition.values.tolist() == ["unit", "encoded"]
    assert data.epoch.values.tolist() == [0, 1, 2, 4]
    assert data.error.dims == ("condition", "seed", "time", "frequency")
    assert data.alignment.dims == ("condition", "seed", "time", "pairs")
    assert data.hamming.sizes["seed"] == 2


def test_the_report_has_every_section_with_numbers_and_no_loose_ends(written) -> None:
    result, folder = written
    page = (folder / "report.html").read_text(encoding="utf-8")
    titles = [section.title for section in result.sections]
    assert len(titles) == len(set(titles)) == 6
    for section in result.sections:
        assert section.title in page
        for picture in section.pictures:
            assert any(character.isdigit() for character in picture.finding)
    for word in (">nan", " nan", "None"):
        assert word not in page


def test_expected_numbers_are_reported_without_being_insisted_on(written) -> None:
    result, _ = written
    table = result.sections[-1].tables[0]
    assert table.rows[0][1] == "≥ 100"
    assert table.rows[0][3] == "NOT MET"
    assert len(result.verdicts) == 1


def test_networks_can_be_loaded_and_are_those_that_were_measured(written) -> None:
    result, folder = written
    recording = Recording.load(folder / "networks-encoded.nc")
    points = recording.seen(recording.target.points)
    patterns = activation_patterns(recording.network(4, member=1), points)
    counted = len(np.unique(patterns.unpacked(), axis=0))
    assert counted == int(result.datasets["dynamics"].distinct_patterns.sel(condition="encoded")[1, -1])


def test_the_error_series_lists_every_time(written) -> None:
    result, folder = written
    listed = ET.parse(folder / "error.pvd").getroot().iter("DataSet")
    times = [float(item.attrib["timestep"]) for item in listed]
    assert times == pytest.approx(result.datasets["dynamics"].time.values)


def test_what_the_manifest_gets_is_plain_data(written) -> None:
    details = json.loads(json.dumps(written[0].details))
    assert details["warnings"] == []
    assert [expected["passed"] for expected in details["expected"]] == [False]


def test_region_maps_for_paraview_separate_exactly_what_patterns_separate(tmp_path) -> None:
    from vtk import vtkXMLImageDataReader
    from vtk.util.numpy_support import vtk_to_numpy

    result = ReluDynamics.model_validate(tomllib.loads(PLANE)).carry_out(NullProgress())
    result.page.write(tmp_path / "report.html")
    for name, write in result.files.items():
        write(tmp_path / name)
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "regions-encoded.vti"))
    reader.Update()
    image = reader.GetOutput()
    arrays = image.GetPointData()
    names = {arrays.GetArrayName(i) for i in range(arrays.GetNumberOfArrays())}
    assert names == {f"{kind}_0000{epoch}" for kind in ("region", "active") for epoch in (0, 1, 2)}
    labels = vtk_to_numpy(arrays.GetArray("region_00002"))
    recording = Recording.load(tmp_path / "networks-encoded.nc")
    points = np.array([image.GetPoint(i)[:2] for i in range(0, len(labels), 101)])
    on = activation_patterns(recording.network(2), recording.seen(points)).unpacked()
    together = labels[::101, None] == labels[::101]
    assert np.array_equal(together, (on[:, None] == on).all(axis=2))


def test_three_kinds_of_networks_lie_on_one_axis_of_time_and_one_is_predicted(tmp_path) -> None:
    study = ReluVsFourierFeatures.model_validate(tomllib.loads(BESIDE))
    study.prepare()
    result = study.carry_out(NullProgress())
    result.page.write(tmp_path / "report.html")
    for name, write in result.files.items():
        write(tmp_path / name)
    comparison, dynamics = result.datasets["comparison"], result.datasets["dynamics"]
    assert np.allclose(comparison.time, dynamics.time)
    assert comparison.source.values.tolist() == ["pde", "network", "coordinates"]
    assert np.isnan(comparison.difference.sel(source="coordinates")).all()
    assert not np.isnan(comparison.difference.sel(source="network")).any()
    assert np.allclose(comparison.error.sel(source="coordinates"), dynamics.error[0].mean("seed"))
    assert [verdict.passed for verdict in result.verdicts] == [True, True, False]
    assert result.verdicts[2].name == "coordinates: error left at 1 cycle"


def test_what_was_not_measured_at_the_end_is_told_with_its_last_epoch(tmp_path) -> None:
    content = tomllib.loads(LINE)
    content["training"]["epochs"] = 10
    content["schedule"] |= {"hamming": [0, 5], "confusion": [0, 5], "angles": [5], "regions": [0, 3]}
    study = ReluDynamics.model_validate(content | {"checks": []})
    result = study.carry_out(NullProgress())
    result.page.write(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for word in (">nan", " nan", "None"):
        assert word not in page
    data = result.datasets["dynamics"]
    local = float(data.hamming.sel(condition="unit", pairs="local", time=data.time[data.epoch == 5]).mean())
    findings = " ".join(picture.finding for section in result.sections for picture in section.pictures)
    assert f"local and global pairs are after epoch 5 {local:.3g} and" in findings
    assert "(negative cosine) after epoch 5 for" in findings
    assert "there are after epoch 3" in findings
    rows = [row[0] for row in result.sections[0].tables[0].rows]
    assert "Local Hamming distance, after epoch 5" in rows
    assert "Mean squared error" in rows


@pytest.mark.parametrize(
    ("layers", "said"), [(1, None), (2, "hyperplanes of layer 2 is"), (3, "of layers 2 to 3")]
)
def test_hyperplanes_are_spoken_of_from_the_second_layer_on(layers: int, said: str | None) -> None:
    study = line(network={"width": 8, "hidden_layers": layers}, training={"epochs": 4, "seeds": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sections = study.carry_out(NullProgress()).sections
    finding = next(section for section in sections if section.title == "Weights").pictures[0].finding
    assert "nan" not in finding
    assert ("hyperplanes" in finding) == (said is not None)
    assert (said or "") in finding


# Pictures


def test_the_map_of_the_error_is_the_root_mean_square_over_networks(written) -> None:
    data = written[0].datasets["dynamics"].sel(condition="unit")
    frequencies, moduli = pictures.spectrum_map(data)
    assert np.array_equal(frequencies, data.frequency)
    assert np.allclose(moduli, np.sqrt((np.abs(data.error) ** 2).mean("seed")))


def test_a_region_has_one_colour_and_its_neighbours_have_others() -> None:
    labels = np.array([0, 1, 0, 2, 1])
    colours = region_pictures.random_colours(labels)
    same = (colours[:, None] == colours).all(axis=2)
    assert np.array_equal(same, labels[:, None] == labels)
    assert colours.min() >= 0
    assert colours.max() <= 1


def test_dynamics_share_one_axis_of_time_with_the_spectrum(written) -> None:
    data = written[0].datasets["dynamics"]
    for over in ("epoch", "time"):
        axes = [ax for ax in pictures.dynamics_figure(data, over).axes if ax.get_label() != "<colorbar>"]
        assert len(axes) == 6 * data.sizes["condition"]
        assert {ax.get_xlim() for ax in axes} == {(0.0, float(data[over][-1]))}


def test_every_condition_has_half_lives_and_a_look_of_its_own() -> None:
    sources = ["pde", "network", *"abcdef"]
    error = np.exp(-np.outer(np.arange(5.0), [1.0, 0.5]))
    data = xr.Dataset(
        {"error": (("source", "time", "frequency"), np.broadcast_to(error, (len(sources), 5, 2)) + 0j)},
        coords={"source": sources, "time": np.arange(5.0), "frequency": [1.0, 2.0]},
        attrs={"reference": "pde"},
    )
    drawn = field_pictures.half_lives_figure(data, "pde", "network").axes[0].get_lines()
    looks = {curve.get_label(): (curve.get_color(), curve.get_marker()) for curve in drawn}
    assert set(sources) <= set(looks)
    assert len({looks[name] for name in sources}) == len(sources)


def test_what_was_learned_is_shown_over_the_range_of_the_data() -> None:
    x = np.linspace(-1, 1, 12)
    values = 5 + 3 * np.broadcast_to(x[:, None], (12, 8))
    target = fefreq.Target.from_grid(values, [(0, 3), (0, 2)])
    recording = track(lambda seed: relu_network(2, 8, 1, seed=seed), target, Schedule(), epochs=1, window=4)
    outputs = np.array([[2.0], [5.0], [8.0], [9.0]])
    assert np.allclose(region_pictures._as_image(outputs, values)[:, 0], [0, 0.5, 1, 1])
    figure = region_pictures.region_maps_figure({"a": recording}, (0, 1), resolution=16, enlarged=4)
    extents = [ax.images[0].get_extent() for ax in figure.axes]
    assert np.allclose(extents[:3], [0, 3, 0, 2])
    assert np.allclose(extents[3], [1.125, 1.875, 0.75, 1.25])


# The shipped files


@pytest.mark.parametrize("path", sorted(FOLDER.glob("relu-*.toml")), ids=lambda path: path.stem)
def test_shipped_studies_go_together_without_a_warning(path: Path) -> None:
    content = read_toml(path)
    table = ReluDynamics if content["kind"] == "relu-dynamics" else ReluVsFourierFeatures
    study = validated(table, content, path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.prepare()
    assert study.on_request
    assert study.checks


# Checks on numbers made for them


@pytest.fixture
def numbers() -> xr.Dataset:
    """Two networks, times 0, 50, 500; dead units rise early in ``a`` and late in ``b``."""
    dead = np.array([[[10, 0], [28, 0], [30, 0]], [[10, 2], [26, 2], [30, 2]]], dtype=float)
    late = np.array([[[1, 0], [2, 0], [11, 0]]] * 2, dtype=float)
    cosines = np.array([[0.5, 0.2, 0.3], [0.5, 0.2, 0.1]])
    return xr.Dataset(
        {
            "dead_units": (("condition", "seed", "time", "layer"), np.stack([dead, late])),
            "hyperplane_cosine": (
                ("condition", "seed", "time", "layer3"),
                np.broadcast_to(cosines[:, None, None], (2, 2, 3, 3)).copy(),
            ),
        },
        coords={"condition": ["a", "b"], "epoch": ("time", [0, 50, 500]), "layer": [1, 2]},
    )


def test_a_band_holds_the_mean_over_networks(numbers) -> None:
    def check(**band) -> ReluBandCheck:
        return ReluBandCheck(kind="band", quantity="dead-units", condition="a", **band)

    verdict = check(at_least=30, at_most=31).of(numbers)  # 30 and 32 units
    assert verdict.passed
    assert verdict.measured == "31 (30–32)"
    assert not check(at_most=30.9).of(numbers).passed
    assert check(at_most=12, epoch=0).of(numbers).passed
    assert check(at_most=1, layer=2).of(numbers).passed


def test_a_failed_band_is_told_with_digits_that_fail(numbers) -> None:
    def measured(**band) -> str:
        check = ReluBandCheck(kind="band", quantity="dead-units", condition="a", **band)
        return check.of(numbers + 99.98).measured

    # 31 + 2 · 99.98, as both layers are moved.
    assert measured(at_least=230, at_most=260) == "231 (230–232)"
    assert measured(at_least=231, at_most=260) == "230.96 (230–232)"
    assert measured(at_least=230.9, at_most=230.97) == "230.96 (230–232)"


@pytest.mark.parametrize(
    ("lives", "band", "measured", "passed"),
    [
        ((2.0, 10.0), {"at_least": 4, "at_most": 6}, "5", True),
        ((2.0, 10.0), {"at_least": 6}, "5", False),
        ((2.0, 10.0), {"at_most": 4}, "5", False),
        ((2.0, 9.999), {"at_least": 5}, "4.9995", False),
        ((2.0, np.inf), {"at_least": 40}, "> 50", True),
        ((2.0, np.inf), {"at_least": 60}, "> 50", False),  # it may be more, but that is not known
        ((2.0, np.inf), {"at_most": 60}, "> 50", False),
        ((np.inf, np.inf), {"at_least": 0.5}, None, False),
        ((np.inf, 10.0), {"at_most": 4}, None, False),
    ],
)
def test_a_bias_is_a_ratio_of_half_lives(lives, band: dict, measured: str | None, passed: bool) -> None:
    tones = xr.Dataset(
        {"half_life": (("source", "frequency"), [lives]), "covered": ("source", [100.0])},
        coords={"source": ["a"], "frequency": [1.0, 8.0]},
    )
    verdict = BiasCheck(kind="bias", source="a", slow=0, fast=1, **band).of(xr.Dataset(), tones)
    assert verdict.passed is passed
    assert measured is None or verdict.measured == measured


@pytest.mark.parametrize(
    ("check", "changes", "message"),
    [
        (
            BiasCheck,
            {"kind": "bias", "slow": 0, "fast": 1, "at_least": 5, "at_most": 2},
            "no number is at least 5",
        ),
        (BiasCheck, {"kind": "bias", "slow": 1, "fast": 1, "at_least": 5}, "both tone 1"),
        (
            LeftCheck,
            {"kind": "left", "tone": 0, "at_least": 0.9, "at_most": 0.1},
            "no number is at least 0.9",
        ),
        (LeftCheck, {"kind": "left", "tone": 0}, "at_least, at_most or both"),
    ],
)
def test_checks_that_cannot_hold_are_refused(check, changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        check(source="a", **changes)


def test_steps_longer_than_the_training_are_refused_with_its_end() -> None:
    with pytest.raises(ValidationError, match=r"steps of 5 are too long .* times.last = 1"):
        ReluVsFourierFeatures.model_validate(tomllib.loads(BESIDE) | {"descent": {"learning_rate": 5.0}})


def test_an_order_compares_means_or_all_networks(numbers) -> None:
    def check(conditions, **more) -> bool:
        order = ReluOrderCheck(kind="order", quantity="dead-units", conditions=conditions, **more)
        return order.of(numbers).passed

    assert check(("b", "a"))
    assert not check(("a", "b"))
    assert check(("b", "a"), each_seed=True, factor=2.7)  # 30 over 11
    assert not check(("b", "a"), each_seed=True, factor=2.8)


def test_an_early_rise_is_followed_by_little_change(numbers) -> None:
    def check(condition: str, later: float) -> bool:
        early = ReluEarlyCheck(
            kind="early", quantity="dead-units", condition=condition, epoch=50, later=later
        )
        return early.of(numbers).passed

    assert check("a", 0.18)  # from 11 to 28, then 3 more
    assert not check("a", 0.17)
    assert not check("b", 1.0)  # from 1 to 2, then 9 more
    falling = numbers.assign(dead_units=-numbers.dead_units)
    early = ReluEarlyCheck(kind="early", quantity="dead-units", condition="a", epoch=50, later=1.0)
    assert not early.of(falling).passed


def test_depth_asks_for_an_increase_from_layer_to_layer(numbers) -> None:
    data = numbers.drop_vars("dead_units").rename(layer3="layer").assign_coords(layer=[1, 2, 3])

    def check(condition: str) -> bool:
        depth = ReluDepthCheck(kind="depth", quantity="hyperplane-cosine", condition=condition, layers=(2, 3))
        return depth.of(data).passed

    assert check("a")
    assert not check("b")


def test_numbers_are_told_with_their_range() -> None:
    assert told(np.array([2.0, 2.0])) == "2"
    assert told(np.array([0.0004, 0.0006])) == "0.0005 (0.0004–0.0006)"


# What files are refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"width": 8, "hidden_layers": 2, "activation": "tanh"}}, "activation 'tanh'"),
        ({"conditions": {"a b": {}}}, "letters, digits"),
        ({"conditions": {"a": {"coordinates": [1, 0]}}, "checks": [], "expected": []}, "no interval"),
        (
            {
                "checks": [
                    {"kind": "band", "quantity": "regions", "condition": "unit", "epoch": 2, "at_most": 9}
                ]
            },
            "checks.0: regions is read after epoch 2, where it is not measured",
        ),
        (
            {"checks": [{"kind": "band", "quantity": "regions", "condition": "other", "at_most": 9}]},
            "'other' is named, but there is only unit, encoded",
        ),
        (
            {"checks": [{"kind": "band", "quantity": "psnr-test", "condition": "unit", "at_least": 9}]},
            "needs samples that are held out",
        ),
        (
            {
                "checks": [
                    {"kind": "band", "quantity": "dead-units", "condition": "unit", "layer": 3, "at_least": 9}
                ]
            },
            "no hidden layer 3",
        ),
        (
            {"checks": [{"kind": "band", "quantity": "regions", "condition": "unit"}]},
            "at_least, at_most or both",
        ),
        (
            {
                "checks": [
                    {"kind": "early", "quantity": "dead-units", "condition": "unit", "epoch": 2, "later": 0.5}
                ]
            },
            "after epoch 2, where it is not measured",
        ),
        (
            {
                "checks": [
                    {"kind": "early", "quantity": "dead-units", "condition": "unit", "epoch": 4, "later": 0.5}
                ]
            },
            "nothing comes after epoch 4",
        ),
        ({"schedule": {"hammming": [0]}}, "hammming"),
        ({"pairs": {"count": 0}}, "greater than or equal to 1|greater than 0"),
    ],
)
def test_files_that_cannot_be_meant_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        line(**changes)


def test_mistakes_are_named_by_their_path() -> None:
    content = tomllib.loads(LINE)
    content["training"]["epochs"] = "many"
    with pytest.raises(ExperimentError, match=r"tiny.toml: training.epochs: "):
        validated(ReluDynamics, content, "tiny.toml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": {"window": 65}}, "window of 65 samples does not fit"),
        ({"training": {"epochs": 3}}, None),
        (
            {"target": {"kind": "photograph", "samples": 8, "averaged": 1}},
            "window of 10 samples does not fit",
        ),
    ],
)
def test_what_data_refuse_is_found_before_training(changes: dict, message: str | None) -> None:
    if message is None:
        with pytest.raises(ValidationError, match="after epoch 4, but training ends after 3"):
            line(**changes)
        return
    with pytest.raises(ValueError, match=message):
        line(**changes).prepare()


def test_a_folder_stands_before_relative_paths(tmp_path) -> None:
    study = line(target={"kind": "file", "path": "data.npy", "bounds": [[0, 1]]})
    assert study.located(tmp_path).target.path == tmp_path / "data.npy"
    np.save(tmp_path / "data.npy", np.sin(np.arange(64.0)))
    study.located(tmp_path).prepare()


def test_aliasing_is_one_sentence_on_the_command_line_and_in_the_report(capsys) -> None:
    study = line(conditions={"unit": {}, "encoded": {"octaves": 8}}, training={"epochs": 4, "seeds": 1})
    with pytest.warns(UserWarning, match="octaves beyond the first 6 alias"):
        study.prepare()
    result = carry_out(study, NullProgress())
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert re.fullmatch("harness: warning: the encoding has 8 octaves, .*beyond the first 6 alias", told[0])
    assert result.sections[0].text.count("octaves beyond the first 6 alias.") == 1
    assert len(result.details["warnings"]) == 1


def test_a_photograph_is_averaged_and_stands_upright() -> None:
    from matplotlib.cbook import get_sample_data

    pixels = Photograph(samples=64, averaged=8).pixels()
    assert pixels.shape == (64, 64, 3)
    with Image.open(str(get_sample_data("grace_hopper.jpg", asfileobj=False))) as image:
        smaller = image.convert("RGB").crop((0, 22, 512, 534)).reduce(8)
    expected = np.asarray(smaller, dtype=float) / 255
    # Right and up in coordinates; rows of an image go down.
    assert np.allclose(pixels.transpose(1, 0, 2)[::-1], expected, atol=1 / 255)
    with pytest.raises(ValueError, match="at most 512"):
        Photograph(samples=512, averaged=2)


def test_an_interrupted_study_goes_on_from_the_conditions_that_were_done(tmp_path, monkeypatch) -> None:
    from harness.training.checkpoints import Checkpoints
    from harness.training.single_module import SingleModule

    study, checkpoints = line(), Checkpoints(tmp_path / "kept")
    first = study.carry_out(NullProgress(), checkpoints)

    def untouched(self, rate):
        raise AssertionError("nothing is trained again")

    monkeypatch.setattr(SingleModule, "step", untouched)
    again = study.carry_out(NullProgress(), checkpoints)
    assert again.datasets["dynamics"].identical(first.datasets["dynamics"])
    longer = line(training={"epochs": 4, "seeds": 3})
    with pytest.raises(ValueError, match="of another experiment or version: seeds is 2 there and 3 here"):
        longer.carry_out(NullProgress(), checkpoints)
