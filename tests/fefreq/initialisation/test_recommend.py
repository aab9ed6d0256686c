"""Recommendations of a scale: right for known signals, honest about gaps, one sentence for bad input."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from typer.testing import CliRunner

import fefreq
from fefreq.experiments.commands import app
from fefreq.experiments.recommend import read_data
from fefreq.fields.error_curves import ErrorCurves
from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.initialisation.scale.report import code, flatness
from fefreq.initialisation.scale.search import AliasWarning, recommend_scale
from fefreq.support.progress import NullProgress
from fefreq.targets.split import split_grid, split_points

UNIT = [(0, 1), (0, 1)]
EVEN = np.arange(8) % 2 == 0


def waves(frequency: float, n: int = 48) -> np.ndarray:
    """An image with detail up to a frequency."""
    x = (np.arange(n) + 0.5) / n
    return np.sin(2 * np.pi * frequency * x)[:, None] * np.cos(2 * np.pi * 0.7 * frequency * x) + x[:, None]


# The split


def test_alternate_samples_are_a_grid_and_all_others_are_held_out():
    values = np.arange(35.0).reshape(5, 7)
    split = split_grid(values, [(0, 5), (0, 7)])
    assert split.trained.grid is not None
    np.testing.assert_array_equal(split.trained.values, values[::2, ::2].ravel())
    np.testing.assert_allclose(split.trained.points[:2], [[0.5, 0.5], [0.5, 2.5]])
    assert (split.count, len(split.points)) == (12, 23)
    everything = np.concatenate([split.trained.points, split.points])
    assert len(np.unique(everything, axis=0)) == 35
    np.testing.assert_array_equal(values[tuple((split.points - 0.5).astype(int).T)], split.values)
    assert split.resolution == 0.25


@pytest.mark.parametrize("holdout", ["alternate", 0.3])
def test_missing_samples_are_on_neither_side(holdout):
    rng = np.random.default_rng(0)
    values, mask = rng.standard_normal((12, 14, 3)), rng.random((12, 14)) < 0.8
    values[3, 4, 1] = np.nan
    mask[3, 4] = True
    split = split_grid(values, [(0, 12), (0, 14)], mask, holdout)
    seen = split.trained.points[split.trained.weights > 0]
    places = np.concatenate([seen, split.points]).astype(int)
    assert len(places) == len(np.unique(places, axis=0)) == mask.sum() - 1
    assert np.all(mask[tuple(places.T)])
    assert not np.any(np.all(places == [3, 4], axis=1))
    assert np.all(np.isfinite(split.trained.values))


def test_a_random_share_depends_on_the_seed_alone():
    points = np.random.default_rng(1).uniform(size=(40, 2))
    first, again, other = (split_points(points, points[:, 0], seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.points, again.points)
    assert not np.array_equal(first.points, other.points)
    assert len(first.points) == 10


# The recommendation


def test_embedding_gaps_in_a_grid_changes_nothing_but_speed():
    """Weights of zero on a grid against the same samples as scattered points."""
    values = waves(3.0, 20)
    mask = np.random.default_rng(2).random(values.shape) < 0.7
    times = [1.0, 100.0]
    split = split_grid(values, UNIT, mask)
    seen = split.trained.weights > 0
    scattered = fefreq.Target(
        split.trained.points[seen], split.trained.values[seen], split.trained.weights[seen]
    )
    model = fefreq.DeepFourierFeatures(fefreq.Gaussian(3.0, 2), 3)
    gridded, listed = (
        fefreq.KernelFlow(model, target)
        .solve(times, rtol=1e-8)
        .held_out(split.points, split.values, extrapolate=True)
        for target in (split.trained, scattered)
    )
    # Solutions to 1e-8 of the data, of which a thousandth of the energy is left at the end.
    np.testing.assert_allclose(gridded.held_out, listed.held_out, rtol=1e-6)
    np.testing.assert_allclose(gridded.trained, listed.trained, rtol=1e-6)
    advice = recommend_scale(values, UNIT, mask=mask, scales=[3], times=times)
    # Its solutions are good to RTOL of the data, here up to 2e-3 √(0.56 / 0.001) = 5e-2 of what is left.
    np.testing.assert_allclose(advice.table.heldout_mse.values[0, 0], listed.held_out, rtol=5e-2)
    np.testing.assert_allclose(advice.table.train_mse.values[0, 0], listed.trained, rtol=5e-2)


def test_the_best_scale_grows_with_the_detail_of_the_data():
    scales = [0.5, 1, 2, 4, 8]
    best = [recommend_scale(waves(f), UNIT, scales=scales).best.scale for f in (1.0, 4.0)]
    assert best[0] < best[1]


def test_scales_count_cycles_per_unit_of_the_box():
    values = waves(2.0)
    unit = recommend_scale(values, UNIT, scales=[1, 2, 4, 8])
    wide = recommend_scale(values, [(-10, 10)] * 2, scales=[0.05, 0.1, 0.2, 0.4])
    np.testing.assert_allclose(unit.table.heldout_psnr, wide.table.heldout_psnr, atol=1e-3)
    np.testing.assert_allclose(unit.table.time.values, 400 * wide.table.time.values, rtol=1e-12)


def test_noise_makes_stopping_early_pay_and_a_clean_signal_does_not():
    x = (np.arange(256) + 0.5) / 256
    clean = np.sin(2 * np.pi * 2 * x)
    noisy = clean + 0.3 * np.random.default_rng(3).standard_normal(256)
    ends = {}
    for name, values in (("clean", clean), ("noisy", noisy)):
        advice = recommend_scale(values, [(0, 1)], scales=[8])
        ends[name] = advice.best.early_stopping_time / float(advice.table.time[-1])
    assert ends["clean"] == 1.0
    assert ends["noisy"] < 0.5


def test_the_best_choice_is_the_largest_of_the_table_and_its_neighbourhood_is_within_half_a_decibel():
    advice = recommend_scale(waves(3.0), UNIT, scales=[1, 2, 3, 4, 6, 8], family=["gaussian", "uniform"])
    last = advice.table.heldout_psnr.isel(time=-1)
    best = advice.best
    assert best.psnr == pytest.approx(float(last.max()))
    assert float(last.sel(family=best.family, scale=best.scale)) == best.psnr
    low, high = best.nearly_as_good
    near = last.sel(family=best.family, scale=slice(low, high))
    assert low <= best.scale <= high
    assert float(near.min()) >= best.psnr - 0.5
    assert advice.prediction.model.density == advice.density
    assert advice.best_of("uniform").family == "uniform"
    with pytest.raises(ValueError, match="'laplace' was not tried; there are gaussian, uniform"):
        advice.best_of("laplace")


def table_of(**decibels: list[float]) -> xr.Dataset:
    """Held-out PSNRs at the last time, by family, over scales 1, 2, 3, …"""
    values = np.array(list(decibels.values()))[..., None]
    return xr.Dataset(
        {
            "heldout_psnr": (("family", "scale", "time"), values),
            "early_stopping_time": (("family", "scale"), values[..., 0]),
        },
        coords={"family": list(decibels), "scale": np.arange(1.0, values.shape[1] + 1), "time": [1.0]},
    )


def test_a_flat_family_that_is_better_is_not_beaten_by_a_steep_one():
    """Families are held against each other before the smaller scale is taken."""
    table = table_of(finer=[30.76, 31.05, 31.26], steep=[21.09, 21.67, 31.20])
    best = Recommendation(table, None, None).best  # type: ignore[arg-type]
    assert (best.family, best.scale, best.psnr, best.nearly_as_good) == ("finer", 1.0, 30.76, (1.0, 3.0))


@pytest.mark.parametrize(
    ("decibels", "sentence"),
    [
        ([20.0], None),
        ([20.0, 30.0, 20.0], None),
        ([30.0, 20.0, 10.0], "It is the smallest that was tried: try smaller ones."),
        (
            [10.0, 20.0, 30.0],
            "It is the largest that was tried: try larger ones, if the samples resolve them.",
        ),
        ([10.0, 29.9, 30.0], "The scale of the largest PSNR is the largest that was tried: try larger ones"),
    ],
)
def test_a_best_scale_at_an_end_asks_for_more_and_a_single_one_has_no_neighbours(decibels, sentence):
    text = flatness(Recommendation(table_of(gaussian=decibels), None, None))  # type: ignore[arg-type]
    assert ("try" in text) == (sentence is not None)
    assert (sentence or "") in text
    assert (text == "") == (len(decibels) == 1)


def test_of_scales_that_are_as_good_as_one_another_the_smallest_is_carried_through():
    """Density, code and prediction are those of the smallest scale, not those of the largest PSNR."""
    x = (np.arange(128) + 0.5) / 128
    chirp = np.sin(2 * np.pi * (3 * x + 4 * x**2))
    advice = recommend_scale(chirp, [(0, 1)], scales=[1, 3.9, 4, 4.02, 4.04, 4.06, 4.08, 8])
    last = advice.table.heldout_psnr.isel(family=0, time=-1)
    assert float(last.scale[int(np.argmax(last.values))]) == 4.08
    assert advice.best.scale == 3.9
    assert advice.density == fefreq.Gaussian(3.9)
    assert "scale=3.9" in code(advice)
    left = np.mean((advice.predicted() - chirp)[1::2] ** 2)
    assert left == pytest.approx(float(advice.table.heldout_mse.sel(scale=3.9)[0, -1]), rel=1e-9)


def test_table_and_picture_of_the_prediction_agree_with_the_flow_of_the_best_density():
    values = np.stack([waves(2.0), waves(3.0), waves(1.0)], axis=-1)
    advice = recommend_scale(values, UNIT, scales=[2, 4])
    image = advice.predicted()
    assert image.shape == values.shape
    held = np.ones(values.shape[:2], dtype=bool)
    held[::2, ::2] = False
    mse = np.mean((image - values)[held] ** 2)
    assert mse == pytest.approx(float(advice.table.heldout_mse.sel(scale=advice.best.scale)[0, -1]), rel=1e-6)
    peak = values.max() - values.min()
    assert advice.best.psnr == pytest.approx(10 * np.log10(peak**2 / mse), abs=1e-5)


def test_scattered_data_and_families_of_ones_own():
    points = np.random.default_rng(4).uniform(size=(300, 2))
    values = np.stack([np.sin(6 * points[:, 0]), points[:, 1]], axis=1)
    encodings = {"positional": lambda octaves, dim: fefreq.PositionalEncoding(int(octaves), dim)}
    advice = recommend_scale(values, points=points, family=encodings, scales=[2, 6])
    assert advice.best.scale == 2
    assert advice.split.grid is None
    with pytest.raises(ValueError, match=r"use prediction\.predict"):
        advice.predicted()


def test_scales_that_alias_are_warned_of_with_the_limit():
    with pytest.warns(AliasWarning, match=r"gaussian scales 64 alias.*above 12 cycles per unit length"):
        recommend_scale(waves(2.0), UNIT, scales=[2, 64])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recommend_scale(waves(2.0), UNIT)


def test_progress_hears_of_every_prediction():
    heard: list[object] = []

    class Noted(NullProgress):
        def start(self, description, total):
            heard.append((description, total))

        def advance(self, count=1):
            heard.append(count)

        def finish(self):
            heard.append("end")

    recommend_scale(waves(1.0, 16), UNIT, scales=[1, 2], progress=Noted())
    assert heard == [("predicting", 2), 1, 1, "end"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": np.ones((8, 8))}, "one value 1, so that there is nothing to learn"),
        (
            {"values": np.ones((8, 8, 4))},
            r"transparency: pass its colours alone, such as values\[\.\.\., :3\]",
        ),
        ({"values": np.full((8, 8), np.nan)}, "no sample is left"),
        ({"values": np.full((8, 8), np.inf)}, "64 of 64 values are infinite"),
        ({"values": np.full((8, 8), 1j)}, "real numbers"),
        ({"values": waves(1, 8), "mask": np.zeros((8, 8), bool)}, "no sample is left"),
        ({"values": waves(1, 8), "mask": np.ones((8, 8))}, "mask must be boolean"),
        (
            {"values": waves(1, 8), "mask": np.ones((4, 4), bool)},
            r"mask has shape \(4, 4\), the samples \(8, 8\)",
        ),
        (
            {"values": waves(1, 8), "mask": np.arange(64).reshape(8, 8) % 2 == 1},
            "0 samples remain for training; at least 4",
        ),
        (
            {"values": waves(1, 8), "mask": np.outer(EVEN, EVEN)},
            "0 samples remain for judging",
        ),
        ({"values": waves(1, 8), "holdout": 1.5}, "a share between 0 and 1"),
        ({"values": waves(1, 8), "holdout": "random"}, "alternate"),
        ({"values": waves(1, 8)[:2]}, "too short to leave out every second one"),
        ({"values": waves(1, 8), "scales": [1, -2]}, "positive numbers"),
        ({"values": waves(1, 8), "scales": []}, "one or more positive numbers"),
        ({"values": waves(1, 8), "family": "cauchy"}, "no family 'cauchy'; there are gaussian, uniform"),
        ({"values": waves(1, 8), "family": []}, "no family of densities was given"),
        ({"values": waves(1, 8), "hidden_layers": -1}, "hidden_layers must be at least 0"),
        (
            {"values": waves(1, 8), "activation": "elu"},
            "'relu', 'erf', 'sine', 'tanh', 'sigmoid', 'gelu', 'silu' and 'softplus'",
        ),
        ({"values": waves(1, 8), "times": [-1.0], "scales": [1]}, "times must be at least 0"),
        ({"values": waves(1, 8), "peak": 0}, "peak must be positive and finite, but it is 0"),
        ({"values": waves(1, 8), "points": np.zeros((8, 1))}, "give either the bounds"),
        ({"values": waves(1, 8), "weights": np.ones(64)}, "weights are those of scattered points"),
        ({"values": np.zeros(8)}, "2 bounds need 2, or 3 with channels"),
        ({"values": waves(1, 8), "peak": "a"}, "peak must be a positive number, not 'a'"),
        ({"values": waves(1, 8), "seed": -1}, "seed is -1; it must be an integer of at least 0"),
        ({"values": waves(1, 8), "holdout": [0.2]}, r"holdout is \[0\.2\]; it must be"),
        ({"values": waves(1, 8), "family": fefreq.Gaussian}, "family must be a name such as"),
        ({"values": waves(1, 8), "family": {"a": 3}}, "family 'a' must be a function of scale and dimension"),
        (
            {"values": waves(1, 8), "family": {"a": lambda s, d: 3}},
            r"family 'a' must make densities such as fefreq.Gaussian\(1, 2\), but made 3",
        ),
        (
            {"values": waves(1, 8), "family": {"a": lambda s, d: fefreq.Gaussian(s)}},
            r"made a density in 1 dimension\(s\) for data in 2",
        ),
    ],
)
def test_bad_input_is_refused_in_a_sentence(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        recommend_scale(bounds=UNIT, **arguments)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (np.arange(9.0), {}, "one row each"),
        (np.arange(8.0), {"holdout": "alternate"}, "scattered points give a share"),
        (np.arange(8.0), {"holdout": 0.1}, "1 sample remains for judging"),
        (
            np.arange(8.0),
            {"holdout": 0.5, "weights": np.ones(3)},
            r"weights have shape \(3,\); 8 points need",
        ),
        (np.arange(8.0), {"holdout": 0.5, "weights": -np.ones(8)}, "negative"),
    ],
)
def test_bad_scattered_data_are_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        recommend_scale(values, points=np.linspace(0, 1, 8), **options)


def test_bounds_are_pairs():
    with pytest.raises(ValueError, match=r"a pair per axis, such as \[\(0, 1\)\], not \(0, 1\)"):
        recommend_scale(np.arange(8.0), bounds=(0, 1))


def test_error_curves_find_the_first_of_equal_minima():
    curves = ErrorCurves(np.array([1.0, 2.0, 3.0]), np.ones(3), np.array([2.0, 1.0, 1.0]))
    assert curves.early_stopping_time == 2.0


# The command


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    values = np.stack([waves(2.0, 32), waves(3.0, 32), waves(1.0, 32)], axis=-1)
    Image.fromarray((255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)).save(path)
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["recommend", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_leaves_table_picture_report_and_image(picture, tmp_path):
    out = tmp_path / "out"
    status, printed, _ = run(picture, "-o", out, "--bounds", "0,1", "--scales", "1,2,4,64")
    assert status == 0
    assert "Draw the frequencies from the gaussian density of scale" in printed
    assert sorted(p.name for p in out.iterdir()) == [
        "predicted.vti",
        "recommendation.nc",
        "recommendation.png",
        "report.html",
    ]
    with xr.open_dataset(out / "recommendation.nc", engine="h5netcdf") as table:
        assert table.heldout_psnr.dims == ("family", "scale", "time")
        assert table.attrs["hidden_layers"] == 3
        best = float(table.scale[int(np.argmax(table.heldout_psnr.values[0, :, -1]))])
    assert f"of scale {best:g}" in printed
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/png;base64,") == 2
    assert "64 alias" in page
    assert f"fefreq.Gaussian(scale={best}" in page


def test_the_image_for_paraview_is_what_was_predicted(picture, tmp_path):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    from fefreq.targets.readers import read_image

    advice = recommend_scale(read_image(picture), UNIT, scales=[2])
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(advice.write_image(tmp_path / "image.vti")))
    reader.Update()
    data = reader.GetOutput()
    assert data.GetDimensions() == (32, 32, 1)
    green = vtk_to_numpy(data.GetPointData().GetArray("predicted_1")).reshape(32, 32).T
    np.testing.assert_allclose(green, advice.predicted()[..., 1], atol=1e-12)


@pytest.mark.parametrize("kind", ["signal", "gaps", "volume", "table", "masked"])
def test_the_command_reads_what_it_is_given(kind, picture, tmp_path):
    options: list[object] = ["--scales", "0.5,0.8", "--until", "100"]
    path = tmp_path / "data.npy"
    if kind == "signal":
        np.save(path, waves(2.0)[:, 0])
    elif kind == "gaps":
        values = waves(2.0, 16)
        values[3:5] = np.nan
        np.save(path, values)
        options += ["--bounds", "0,1", "--bounds", "0,2", "--holdout", "0.3", "--seed", "1"]
    elif kind == "volume":
        x = np.linspace(0, 1, 10)
        np.save(path, np.sin(x[:, None, None] + 2 * x[:, None] + 3 * x))
    elif kind == "table":
        path = tmp_path / "data.csv"
        rows = np.random.default_rng(5).uniform(size=(40, 2))
        text = "\n".join(f"{x},{y},{np.sin(5 * x) + y}" for x, y in rows)
        path.write_text("x,y,value\n" + text, encoding="utf-8")
    else:
        path = picture
        mask = np.full((32, 32), 255, np.uint8)
        mask[5:9] = 0
        Image.fromarray(mask).save(tmp_path / "mask.png")
        options += ["--mask", tmp_path / "mask.png", "--family", "laplace", "--family", "log-uniform"]
    out = tmp_path / "out"
    status, _, error = run(path, "-o", out, *options)
    assert (status, error) == (0, "")
    assert (out / "predicted.vti").exists() == (kind != "table")


def test_a_mask_in_colour_is_dark_where_all_colours_are(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4, :, 1] = 200
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "data.png")
    mask = read_data(tmp_path / "data.png", mask=tmp_path / "mask.png")["mask"]
    np.testing.assert_array_equal(mask, np.arange(8) >= np.full((8, 1), 4))  # y runs upwards


@pytest.mark.parametrize(
    ("case", "options", "message"),
    [
        ("missing", [], "there is no file"),
        ("text", [], "no .npy array, .csv table or readable image"),
        ("alpha", [], "transparency: save it without an alpha channel"),
        ("flat", [], "nothing to learn"),
        ("pickle", [], "holds objects"),
        ("empty", [], "bad.npy holds no samples"),
        ("number", [], "bad.npy is a single number; samples need at least one axis"),
        ("good", ["--bounds", "1,0"], "bounds must be LOW,HIGH"),
        ("good", ["--bounds", "0,1"] * 3, "has 2 axes, but there are 3 bounds"),
        ("good", ["--scales", "1;2"], "numbers with commas between"),
        ("good", ["--holdout", "half"], '--holdout must be "alternate" or a share'),
        ("good", ["--until", "-3"], "a training time must be positive"),
        (
            "good",
            ["--activation", "elu"],
            "'relu', 'erf', 'sine', 'tanh', 'sigmoid', 'gelu', 'silu' and 'softplus'",
        ),
    ],
)
def test_bad_input_ends_with_status_2_and_one_sentence(case, options, message, picture, tmp_path):
    path = tmp_path / "bad.png"
    if case == "text":
        path.write_text("no image", encoding="utf-8")
    elif case == "alpha":
        Image.fromarray(np.zeros((8, 8, 4), np.uint8)).save(path)
    elif case == "flat":
        Image.fromarray(np.full((8, 8), 3, np.uint8)).save(path)
    elif case == "pickle":
        path = tmp_path / "bad.npy"
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif case in ("empty", "number"):
        path = tmp_path / "bad.npy"
        np.save(path, np.zeros((0, 5)) if case == "empty" else np.float64(3.0))
    elif case == "good":
        path = picture
    status, _, error = run(path, "-o", tmp_path / "out", *options)
    assert status == 2
    assert message in error
    assert error.startswith("fefreq: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_command_does_not_load_torch(picture, tmp_path):
    program = (
        "import sys; sys.argv[1:] = %r\nfrom fefreq.experiments.commands import app\n"
        "try:\n    app()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    arguments = ["recommend", str(picture), "-o", str(tmp_path / "out"), "--scales", "2"]
    subprocess.run([sys.executable, "-c", program % arguments], check=True, capture_output=True)


# Pictures


def test_pictures_show_the_best_scale_and_the_data():
    values = waves(2.0, 24)
    values[4:6] = np.nan
    advice = recommend_scale(values, UNIT, scales=[1, 2, 4])
    figure = advice.plot()
    best = advice.best
    assert figure.axes[0].get_title() == f"gaussian scale {best.scale:g}: {best.psnr:.1f} dB"
    shown = advice.plot_image()
    assert shown is not None
    data, predicted = (ax.get_images()[0].get_array() for ax in shown.axes)
    assert data.shape == predicted.shape == (24, 24)
    assert np.isnan(np.ma.getdata(data)[:, 4]).all() or np.ma.getmaskarray(data)[:, 4].all()
    several = recommend_scale(waves(2.0, 24), UNIT, scales=[1, 2], family=["gaussian", "uniform"]).plot()
    labels = [text.get_text() for text in several.legends[0].get_texts()]
    assert labels == ["gaussian", "uniform"]
    assert recommend_scale(waves(2.0)[0], [(0, 1)], scales=[2]).plot_image() is None
