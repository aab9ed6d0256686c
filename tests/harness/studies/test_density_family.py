"""Studies of density families: signals, comparable scales, predictions against linear algebra and training."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from fefreq import LogUniform
from fefreq.support.progress import NullProgress
from harness.experiments import preset_path
from harness.studies.density_family.checks import BandsOfErrors
from harness.studies.density_family.families import density_of, power_law_signals
from harness.studies.density_family.findings import Findings
from harness.studies.density_family.study import DensityFamily
from harness.studies.files import read_file
from harness.training.checkpoints import Checkpoints
from harness.training.run import DivergenceError
from harness.training.wave_descent import WaveDescent

FAMILIES = ("gaussian", "uniform", "log-uniform", "laplace")
SMALL = {
    "kind": "density-family",
    "title": "Small",
    "samples": 24,
    "exponents": [0.5, 1.5],
    "signals": 2,
    "scales": {"first": 1.5, "last": 12, "count": 3},
    "time": 300,
}
TRAINED = {"training": {"scales": [4], "width": 2048, "seeds": 2}, "checks": {"agreement": 0.11}}


@pytest.fixture(scope="module")
def trained():
    """Held to √(n / m), how far the features of m neurons are from their mean on n points."""
    return DensityFamily.model_validate(SMALL | TRAINED).carry_out(NullProgress())


@pytest.mark.parametrize("exponent", [0.0, 0.5, 2.0])
def test_signals_have_a_power_law_spectrum_random_phases_and_mean_square_one(exponent):
    signals = power_law_signals(101, exponent, 200, np.random.default_rng(0))
    np.testing.assert_allclose(np.mean(signals**2, axis=0), 1.0)
    modes = np.fft.rfft(signals, axis=0)
    assert abs(modes[0]).max() < 1e-12
    slopes = np.diff(np.log(abs(modes[1:])), axis=0) / np.diff(np.log(np.arange(1, 51)))[:, None]
    np.testing.assert_allclose(slopes, -exponent, atol=1e-9)
    # Means over 200 independent phases are about 200^-1/2.
    assert abs(np.mean(modes / abs(modes), axis=1))[1:].max() < 4 / np.sqrt(200)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("scale", [0.6, 3.0, 50.0])
def test_scale_of_every_family_is_the_standard_deviation_of_its_frequencies(family, scale):
    density = density_of(family, scale, lowest=0.5)
    # E ξ² is minus the curvature of κ at 0, over 4π².
    z = 1e-4 / scale
    variance = (1 - density.characteristic([z])[0]) / (2 * np.pi**2 * z**2)
    assert np.sqrt(variance) == pytest.approx(scale, rel=1e-5)
    samples = density.sample(100_000, np.random.default_rng(1))
    assert samples.std() == pytest.approx(scale, rel=0.02)


def test_held_out_error_is_that_of_kernel_regression_stopped_in_time():
    study = DensityFamily.model_validate(SMALL)
    data = study.carry_out(NullProgress()).datasets["held-out"]
    assert data.predicted.shape == (4, 3, 2)
    x = (np.arange(47) - 23) / 47
    y = study.target().values
    seen = x[::2]
    for family in FAMILIES:
        for scale in data.scale.values:
            density = density_of(family, float(scale), study.lowest)
            kernel = density.characteristic(np.subtract.outer(x, seen).ravel()).reshape(47, 24)
            rates, modes = np.linalg.eigh(kernel[::2] / 24)
            done = -np.expm1(-300 * rates) / np.where(abs(rates) > 1e-14, rates, 1.0)
            learned = kernel[1::2] / 24 @ modes @ (done[:, None] * (modes.T @ y[::2]))
            squares = ((y[1::2] - learned) ** 2).mean(axis=0).reshape(2, 2).mean(axis=1)
            np.testing.assert_allclose(
                data.predicted.sel(family=family, scale=scale), np.sqrt(squares), rtol=1e-3
            )


def test_wide_networks_have_the_predicted_error_at_unseen_points(trained):
    (verdict,) = trained.verdicts
    assert verdict.passed, verdict
    assert trained.datasets["held-out"].trained.shape == (4, 1, 2, 2)


def test_deep_networks_have_the_predicted_error_too():
    deep = SMALL | {
        "families": ["gaussian"],
        "hidden_layers": 1,
        "scales": {"first": 2, "last": 6, "count": 2},
        "time": 50,
        "training": {"scales": [4], "width": 512, "seeds": 2},
        "checks": {"agreement": 0.22},
    }
    (verdict,) = DensityFamily.model_validate(deep).carry_out(NullProgress()).verdicts
    assert verdict.passed, verdict


def made_up():
    """Two families, three scales: best errors 0.1 and 0.2, worst ones 0.8 and 0.4."""
    study = DensityFamily.model_validate(
        SMALL
        | {
            "families": ["gaussian", "uniform"],
            "exponents": [1.0],
            "checks": {"shape": 1.9, "outweighs": 1.01},
        }
    )
    errors = np.array([[0.8, 0.1, 0.3], [0.4, 0.2, 0.3]])[:, :, None]
    coords = {"family": ["gaussian", "uniform"], "scale": study.all_scales(), "exponent": [1.0]}
    return Findings(study, xr.Dataset({"predicted": (("family", "scale", "exponent"), errors)}, coords))


def test_shape_is_judged_at_the_best_scale_of_each_family_and_scale_by_its_worst():
    found = made_up()
    assert found.best_scale.values.ravel() == pytest.approx([found.study.all_scales()[1]] * 2)
    assert found.same_scale_ratio.item() == pytest.approx(2)
    assert [v.measured for v in BandsOfErrors().judge(found)] == [
        "2",
        "factors of 2 or more against 2, 1 times in the logarithm",
    ]
    assert [v.passed for v in BandsOfErrors().judge(found)] == [False, False]
    lenient = found.study.model_copy(
        update={"checks": found.study.checks.model_copy(update={"shape": 2.1, "outweighs": 0.99})}
    )
    assert [v.passed for v in BandsOfErrors().judge(dataclasses.replace(found, study=lenient))] == [
        True,
        True,
    ]


def test_a_study_leaves_data_picture_report_and_manifest(trained, tmp_path):
    report = trained.write(tmp_path).read_text(encoding="utf-8")
    assert "Shape or scale?" in report
    assert "log-uniform" in report
    with xr.open_dataset(tmp_path / "held-out.nc") as data:
        assert set(data.dims) == {"family", "scale", "exponent", "marked", "member"}
    assert (tmp_path / "pictures" / "held-out.png").stat().st_size > 10_000
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["passed"] is True


def test_the_preset_sweeps_four_shapes_over_three_exponents():
    study = read_file(preset_path("density-family-1d"))
    assert isinstance(study, DensityFamily)
    assert study.families == FAMILIES
    assert study.exponents == (0.5, 1, 1.5)
    assert len(study.scales.values()) >= 12
    assert isinstance(study.model("log-uniform", 8.0).density, LogUniform)


def test_networks_of_nearly_equal_scales_have_checkpoints_of_their_own(tmp_path):
    training = {"scales": [4, 4.000001], "width": 8}
    study = DensityFamily.model_validate(SMALL | {"families": ["gaussian"], "time": 1, "training": training})
    first = study.carry_out(NullProgress(), Checkpoints(tmp_path)).datasets["held-out"].trained
    assert len(list(tmp_path.iterdir())) == 2
    assert float(abs(first[:, 0] - first[:, 1]).max()) > 0
    again = study.carry_out(NullProgress(), Checkpoints(tmp_path)).datasets["held-out"].trained
    xr.testing.assert_identical(again, first)


def test_training_that_diverges_names_family_and_scale(monkeypatch):
    def diverge(*_):
        raise DivergenceError("the loss grew without bound")

    monkeypatch.setattr(WaveDescent, "step", diverge)
    study = DensityFamily.model_validate(SMALL | {"time": 1} | TRAINED)
    with pytest.raises(DivergenceError, match="gaussian, scale 4: the loss grew"):
        study.carry_out(NullProgress())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"families": ["gaussian", "gaussian"]}, "families must differ from one another"),
        (
            {"training": {"scales": [4, 8, 4.0], "width": 8}},
            r"training.scales must differ from one another, but \[4.0, 8.0, 4.0\] repeats one",
        ),
        ({"families": ["cauchy"]}, "'gaussian', 'uniform', 'log-uniform' or 'laplace'"),
        ({"lowest": 1.5}, "lowest is 1.5, but a log-uniform density has a standard deviation above"),
        ({"scales": {"first": 3, "last": 2, "count": 4}}, r"first \(3\) must be smaller than last \(2\)"),
        ({"checks": {"agreement": 0.1}}, r"checks.agreement needs networks .*: give a \[training\] table"),
        ({"families": ["laplace"], "checks": {"shape": 2}}, "checks.shape compares families"),
        ({"hidden_layers": -1}, "greater than or equal to 0"),
        ({"training": {"scales": [2], "width": 0}}, "greater than 0"),
        ({"time": 0}, "greater than 0"),
        ({"scale": 3}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValidationError, match=message):
        DensityFamily.model_validate(SMALL | change)
