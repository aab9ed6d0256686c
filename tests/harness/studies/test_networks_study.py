"""Studies of networks: trained as asked, held against predictions only where times mean the same."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError
from scipy.stats import spearmanr

import fefreq
from fefreq.experiments.schema import ExperimentError, validated
from fefreq.kernel.operator import largest_rate
from fefreq.support.progress import NullProgress
from harness.comparison.compare import relative_difference
from harness.experiments import preset_path
from harness.networks import DeepFourierFeatureNetwork, Siren
from harness.studies.files import carry_out, read_file
from harness.studies.networks.checks import EvenerCheck, SoonerCheck
from harness.studies.networks.file import StepRange
from harness.studies.networks.orders import rank_correlation
from harness.studies.networks.study import NetworkStudy
from harness.training.checkpoints import Checkpoints
from harness.training.learning_rates import Cosine
from harness.training.optimisers import Adam
from harness.training.run import DivergenceError, Run
from harness.training.train import train_module

TARGET = {"kind": "tones", "bounds": [[-1, 1]], "shape": [48], "frequencies": [1, 4], "width": 0.2}
NARROW = {"kind": "deep-fourier-features", "density": {"kind": "gaussian", "scale": 2.0}}
WIDE = {**NARROW, "hidden_layers": 0, "width": 8192}
THEORY = {
    "kind": "fourier-features",
    "density": {"kind": "gaussian", "scale": 2.0},
    "rates": {"frequency": 0.0},
}
BASE = {
    "kind": "networks",
    "title": "Small",
    "target": TARGET,
    "networks": {"wide": WIDE},
    "times": {"first": 1, "last": 60, "count": 8},
}
PREDICTED = BASE | {"predictions": {"wide": THEORY}}
ADAM = {"optimiser": {"kind": "adam"}, "learning_rate": 0.003}


def carried_out(*changes):
    content = dict(BASE)
    for change in changes:
        content |= change
    return NetworkStudy.model_validate(content).carry_out(NullProgress())


@pytest.mark.parametrize("by", ["kernel", "pde"])
def test_wide_networks_follow_their_prediction_and_its_order(by):
    result = carried_out(
        PREDICTED,
        {
            "predicted_by": by,
            "horizon": 200,
            "training": {"seeds": 2},
            "checks": [
                {"kind": "follows", "tolerance": 0.04},  # twice (2m)^-1/2 of what two networks leave
                {"kind": "rank", "at_least": 1},
                {"kind": "sooner", "network": "wide", "sooner": 0, "later": 1, "factor": 4},
            ],
        },
    )
    assert [verdict.passed for verdict in result.verdicts] == [True] * 3, result.verdicts
    tones = result.datasets["tones-wide"]
    # Little diffusion: the half-life at a frequency is ln 2 over the density there.
    density = fefreq.Gaussian(2.0).pdf([1.0, 4.0])
    np.testing.assert_allclose(tones.predicted, np.log(2) / density, rtol=0.3)


def test_deep_networks_follow_the_deep_prediction_and_not_that_of_two_layers():
    network = {**NARROW, "width": 256, "hidden_layers": 1, "features_drawn": 2048}
    model = {"kind": "deep-fourier-features", "density": NARROW["density"], "hidden_layers": 1}
    result = carried_out(
        {
            "networks": {"deep": network},
            "predictions": {"deep": model},
            "times": [0, 1, 3, 10],
            "training": {"share": 0.2},
        }
    )
    data = result.datasets["comparison-deep"]
    two_layers = fefreq.FourierFeatures(fefreq.Gaussian(2.0), rates=fefreq.Rates(frequency=0))
    target = NetworkStudy.model_validate(BASE).target.make()
    flow = fefreq.KernelFlow(two_layers, target).solve(data.time.values)
    network_field = data.error.sel(source="network").values
    other = relative_difference(network_field, flow.at(data.frequency.values)).max()
    own = data.difference.sel(source="network").max()
    assert own < 0.06
    assert other > 2 * own


def test_networks_are_predicted_by_their_own_limits_unless_others_are_given():
    networks = {"wide": WIDE, "deep": {**NARROW, "width": 8}, "siren": {"kind": "siren", "width": 8}}
    study = NetworkStudy.model_validate(BASE | {"networks": networks})
    assert study.predicted == {
        "wide": fefreq.FourierFeatures(fefreq.Gaussian(2.0), rates=fefreq.Rates(frequency=0.0)),
        "deep": fefreq.DeepFourierFeatures(fefreq.Gaussian(2.0), hidden_layers=3),
    }
    assert NetworkStudy.model_validate(BASE | {"networks": networks, "predictions": {}}).predicted == {}
    assert NetworkStudy.model_validate(BASE | {"networks": networks, "training": ADAM}).predicted == {}


@pytest.mark.parametrize(
    "network",
    [
        {**NARROW, "width": 8},
        {**WIDE, "density": {"kind": "gaussian", "scale": 2.5}},
        {**WIDE, "rates": {"frequency": 0.1}},
        {"kind": "perceptron", "width": 8},
    ],
)
def test_a_prediction_of_another_network_is_refused_by_name(network):
    paired = PREDICTED | {"networks": {"wide": network}}
    with pytest.raises(
        ValidationError,
        match=r"predictions.wide: FourierFeatures.* another network than networks.wide, whose",
    ):
        NetworkStudy.model_validate(paired)
    assert NetworkStudy.model_validate(paired | {"of_others": True}).predicted["wide"].rates.frequency == 0


def test_training_that_diverges_names_the_network():
    with pytest.raises(
        DivergenceError, match=r"networks\.wide: training diverged in step .*smaller learning rate"
    ):
        carried_out({"training": {"learning_rate": 30}, "times": [0, 3000]})


def test_networks_are_those_of_train_module_to_the_bit():
    spec = DeepFourierFeatureNetwork(fefreq.Gaussian(2.0), width=16, hidden_layers=2)
    study = NetworkStudy.model_validate(
        BASE
        | {
            "networks": {"deep": {**NARROW, "width": 16, "hidden_layers": 2}},
            "times": [0, 1, 5],
            "training": {
                "optimiser": {"kind": "sgd", "momentum": 0.9},
                "learning_rate": {"kind": "cosine", "rate": 0.5, "steps": 100},
                "batch": 12,
                "seeds": 3,
                "seed": 7,
                "start": "plain",
            },
        }
    )
    expected = train_module(
        spec,
        study.target.make(),
        times=[0, 1, 5],
        learning_rate=Cosine(0.5, 100),
        optimiser=study.training.optimiser,
        batch=12,
        seeds=3,
        seed=7,
        start="plain",
    )
    (trainer,) = study._trainers.values()
    np.testing.assert_array_equal(trainer.train().residuals, expected.residuals)


def test_share_is_of_the_stability_limit_of_the_network():
    study = NetworkStudy.model_validate(BASE | {"training": {"share": 0.3}})
    (trainer,) = study._trainers.values()
    model = fefreq.FourierFeatures(fefreq.Gaussian(2.0), rates=fefreq.Rates(frequency=0))
    limit = 2 / largest_rate(model, study.target.make())
    assert trainer.schedule.peak == pytest.approx(0.3 * limit, rel=0.1)


def test_share_is_the_same_whether_times_or_steps_are_asked_for():
    networks = {"deep": {**NARROW, "width": 16, "hidden_layers": 1}}
    training = {"share": 0.2, "seeds": 2}
    by_steps = carried_out({"networks": networks, "training": training, "times": None, "steps": [0, 5, 20]})
    data = by_steps.datasets["comparison-deep"]
    by_times = carried_out({"networks": networks, "training": training, "times": data.time.values.tolist()})
    np.testing.assert_allclose(by_times.datasets["comparison-deep"].error, data.error, rtol=0, atol=1e-12)
    study = NetworkStudy.model_validate(BASE | {"networks": networks, "training": {"share": 0.1}})
    tenth = study._trainers["deep"].schedule.peak
    np.testing.assert_allclose(data.time, np.array([0, 5, 20]) * 2 * tenth, rtol=1e-12)


def test_every_kind_of_network_is_trained_by_adam():
    result = carried_out(
        {
            "networks": {
                "deep": {**NARROW, "width": 24, "parametrisation": "standard"},
                "scales": {
                    "kind": "deep-multi-scale",
                    "density": {"kind": "uniform", "half_width": 2.0},
                    "scales": [1, 2],
                    "width": 16,
                },
                "perceptron": {"kind": "perceptron", "width": 24, "octaves": 3},
                "siren": {"kind": "siren", "width": 24, "omega": 12},
            },
            "times": None,
            "steps": {"first": 5, "last": 200, "count": 4},
            "training": ADAM,
            "checks": [{"kind": "learned", "at_most": 0.5}],
        }
    )
    assert [verdict.passed for verdict in result.verdicts] == [True] * 4, result.verdicts
    assert "counts steps and is not the time of the tangent kernel" in result.sections[0].text
    assert [section.name for section in result.sections] == ["", "deep", "scales", "perceptron", "siren"]


def test_a_study_leaves_runs_fields_series_pictures_and_a_report(tmp_path):
    study = {"networks": {"siren": {"kind": "siren", "width": 8}}, "times": None, "steps": [0, 3, 9]}
    carried_out(study, {"training": ADAM}).write(tmp_path)
    assert "siren" in (tmp_path / "report.html").read_text(encoding="utf-8")
    pictures = {path.stem for path in (tmp_path / "pictures").iterdir()}
    assert pictures == {"losses", "tones", "siren-spectra", "siren-maps"}
    assert (tmp_path / "siren.pvd").read_text(encoding="utf-8").count("<DataSet") == 3
    assert Run.load(tmp_path / "network-siren.nc").steps.tolist() == [0, 3, 9]
    with xr.open_dataset(tmp_path / "comparison-siren.nc") as data:
        assert data.source.values.tolist() == ["network"]
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["training"]["siren"]["steps"] == 9


def test_finished_training_is_taken_from_checkpoints(tmp_path):
    networks = {"one": {**WIDE, "width": 64}, "two": {**NARROW, "width": 8, "hidden_layers": 1}}
    study = NetworkStudy.model_validate(BASE | {"networks": networks})
    first, again = (study.carry_out(NullProgress(), Checkpoints(tmp_path)) for _ in range(2))
    for name in networks:
        field = f"comparison-{name}"
        np.testing.assert_array_equal(again.datasets[field].error, first.datasets[field].error)
        assert Run.load(tmp_path / name).times[-1] == 60


def test_plain_starts_are_predicted_from_their_measured_error():
    result = carried_out(PREDICTED, {"training": {"start": "plain"}})
    data = result.datasets["comparison-wide"]
    np.testing.assert_allclose(data.error[0, 0], data.error[1, 0], atol=1e-9)
    target = NetworkStudy.model_validate(BASE).target.make()
    own = target.spectrum(data.frequency.values)
    assert np.abs(data.error.values[0, 0] - own).max() > 0.1 * np.abs(own).max()


def test_steps_are_whole_and_increase():
    assert StepRange(first=1, last=6, count=20).values() == [0, 1, 2, 3, 4, 5, 6]
    assert StepRange(first=10, last=1000, count=3).values() == [0, 10, 100, 1000]


def test_rank_correlation_is_spearmans_and_what_is_never_learned_comes_last():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 12))
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert rank_correlation(np.array([1, np.inf, 2]), np.array([10, 90, 20])) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.ones(4), np.arange(4.0)))


def learned(*lives):
    """A network whose tones have these half-lives, trained until t = 100."""
    return SimpleNamespace(
        lives=np.array(lives), run=SimpleNamespace(times=np.array([0.0, 100.0])), prediction=None
    )


@pytest.mark.parametrize(
    ("networks", "passed"),
    [
        ({"a": learned(1, 50), "b": learned(2, 20), "c": learned(5, 5)}, True),
        ({"a": learned(1, np.inf), "b": learned(2, 20), "c": learned(5, 5)}, True),  # at least 100, 10, 1
        ({"a": learned(1, 5), "b": learned(2, 20), "c": learned(5, 5)}, False),
        ({"a": learned(1, 5), "b": learned(60, np.inf), "c": learned(5, 5)}, False),  # b may be anything
    ],
)
def test_tones_are_learned_closer_together_only_if_that_is_certain(networks, passed):
    (verdict,) = EvenerCheck(kind="evener", networks=("a", "b", "c")).judge(networks)
    assert verdict.passed is passed


def test_a_tone_that_is_never_learned_is_at_least_as_late_as_the_end():
    check = {"kind": "sooner", "network": "a", "factor": 20}
    (sooner,) = SoonerCheck(**check, sooner=0, later=1).judge({"a": learned(4, np.inf)})
    assert (sooner.passed, sooner.measured) == (True, "at least 25 times")
    (never,) = SoonerCheck(**check, sooner=1, later=0).judge({"a": learned(4, np.inf)})
    assert not never.passed


def test_the_preset_holds_three_depths_under_three_densities_against_two_layers():
    study = read_file(preset_path("deep-fourier-features-1d"))
    assert isinstance(study, NetworkStudy)
    assert set(study.networks) == {f"depth-{d}-{n}" for d in (2, 3, 4) for n in ("narrow", "wide", "uniform")}
    for name, network in study.networks.items():
        assert network.hidden_layers + 2 == int(name.split("-")[1])
        assert study.predictions[name].density == network.density
        assert study.predictions[name].rates.frequency == network.rates.frequency


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"training": ADAM},
            "predictions.wide: predictions live in the time of full-batch .* of adam do not",
        ),
        (
            {"training": {"batch": 8, "learning_rate": 0.1}},
            "the learning rates of descent in mini-batches do not add up to",
        ),
        (
            {"training": {"optimiser": {"kind": "sgd", "momentum": 0.9}, "learning_rate": 0.1}},
            "of sgd do not add up to",
        ),
        ({"networks": {"wide": {"kind": "siren", "width": 8}}}, "not in the tangent-kernel parametrisation"),
        ({"networks": {"wide": {**WIDE, "parametrisation": "standard"}}}, "tangent-kernel parametrisation"),
        (
            {"predictions": {"other": THEORY}},
            "predictions.other: there is no network 'other'; there are wide",
        ),
        ({"predictions": {}, "horizon": 9}, "horizon is for predictions"),
        ({"steps": [0, 5]}, "give either the times or the steps"),
        ({"times": None}, "give either the times or the steps"),
        ({"times": [1, 2]}, "times must begin with 0"),
        ({"times": None, "steps": [3, 5]}, "steps must begin with 0"),
        ({"times": None, "steps": {"first": 9, "last": 3, "count": 2}}, r"first \(9\) must be smaller"),
        ({"networks": {"a b": WIDE}, "predictions": {}}, "'a b' may hold letters"),
        ({"training": {"share": 0.1, "learning_rate": 0.1}}, "give one of them"),
        ({"predictions": {}, "training": {"share": 0.1, "batch": 4}}, "share is of the stability limit"),
        ({"training": {"learning_rate": -1}}, "greater than 0"),
        ({"training": {"learning_rate": {"kind": "cosine", "rate": -1.0, "steps": 5}}}, "rate of a schedule"),
        ({"training": {"optimiser": {"kind": "adam", "momentum": 0.9}}}, "momentum"),
        ({"checks": [{"kind": "together", "network": "deep", "tolerance": 1}]}, "no network 'deep'"),
        ({"checks": [{"kind": "rank", "at_least": 1}], "predictions": {}}, "no network has a prediction"),
        (
            {"checks": [{"kind": "sooner", "network": "wide", "sooner": 0, "later": 2}]},
            "checks.0.later: there is no tone 2; there are 2, counted from 0",
        ),
        (
            {"checks": [{"kind": "rank", "at_least": 1}], "frequencies": {"tones": [3]}},
            "it takes two tones",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_schema(change, message):
    with pytest.raises(ValidationError, match=message):
        NetworkStudy.model_validate(PREDICTED | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"optimiser": {"kind": "adam"}}}, "networks.wide: .*give learning_rate for adam"),
        ({"networks": {"wide": {"kind": "siren", "width": 8, "dim": 2}}}, "networks.wide: .*2 coordinate"),
        ({"training": {"batch": 99, "learning_rate": 0.1}}, "networks.wide: batch is 99"),
        ({"frequencies": {"tones": [[1, 2]]}}, "tone .* needs 1 component"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_training(change, message):
    study = NetworkStudy.model_validate(BASE | change)
    with pytest.raises(ValueError, match=message):
        study.prepare()
    with pytest.raises(ValueError, match=message):
        carry_out(study, NullProgress())


@pytest.mark.parametrize(
    ("training", "message"),
    [
        (
            {"optimiser": {"kind": "adam", "momentum": 0.9}},
            "training.optimiser.momentum: there is no such key; there are beta1, beta2, epsilon, kind",
        ),
        ({"optimiser": {"kind": "adam", "beta": 0.9}}, "did you mean 'beta[12]'"),
        ({"optimiser": {"kind": "sgd", "beta1": 0.9}}, "there are kind, momentum, nesterov"),
        ({"optimiser": {"kind": "descent", "rate": 1}}, "there is only kind"),
        ({"learning_rate": "fast"}, "training.learning_rate: a learning rate is a number, .* or a schedule"),
        ({"learning_rate": True}, "training.learning_rate: a learning rate is a number"),
        ({"learning_rate": {"kind": "cosine", "rates": 1, "steps": 5}}, "rates: .* did you mean 'rate'"),
    ],
)
def test_mistakes_in_training_say_what_would_be_right(training, message):
    with pytest.raises(ExperimentError, match=message):
        validated(NetworkStudy, BASE | {"training": ADAM | training}, "networks.toml")


def test_specifications_and_options_come_as_they_are_from_the_file():
    study = NetworkStudy.model_validate(
        BASE | {"networks": {"siren": {"kind": "siren", "width": 8}}, "training": ADAM}
    )
    assert study.networks == {"siren": Siren(8)}
    assert study.training.optimiser == Adam()
    assert NetworkStudy.model_validate_json(study.model_dump_json()) == study


def test_the_file_in_the_documentation_is_carried_out(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "networks.md").read_text(encoding="utf-8")
    (content,) = re.findall(r"^```toml\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    path = tmp_path / "networks.toml"
    path.write_text(content, encoding="utf-8")
    result = carry_out(read_file(path), NullProgress())
    assert result.passed, result.verdicts
