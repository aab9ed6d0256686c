"""The designed-density study: a tiny one from file to report, and its findings against what they come from."""

import numpy as np
import pytest

from fefreq import Gaussian
from fefreq.experiments.schema import ExperimentError, validated
from fefreq.support.progress import NullProgress
from harness.experiments import preset_path
from harness.studies.designed_density.errors import diffusion_error, flow_error
from harness.studies.designed_density.study import DesignedDensity

TINY = {
    "kind": "designed-density",
    "title": "tiny",
    "exponents": [1.0],
    "samples": 64,
    "tones": 10,
    "window": 0.2,
    "time_budget": 20,
    "beyond": 1.5,
    "output_std": 0.3,
    "search": {"first": 2, "last": 24},
    "training": {"width": 2048, "seeds": 2},
    "checks": {"ratio": 1.0, "gradient": 1e-6},
}


@pytest.fixture(scope="module")
def result():
    return validated(DesignedDensity, TINY, "tiny").carry_out(NullProgress())


def changed(**keys):
    return TINY | keys


def test_all_checks_pass(result):
    assert [verdict.name for verdict in result.verdicts if not verdict.passed] == []
    assert len(result.verdicts) == 4


def test_best_scale_is_no_worse_than_its_neighbours(result):
    study, data = result.study, result.datasets["errors"]
    target = study.target(1.0)
    for source, predict in (("pde", diffusion_error), ("kernel", flow_error)):
        scale = float(data.scale.sel(source=source, density="gaussian", exponent=1.0))
        here, *beside = (
            float(predict(study.model(Gaussian(factor * scale)), target, np.array([20.0]))[0])
            for factor in (1.0, 0.9, 1.1)
        )
        assert here <= min(beside)
        at = data.predicted.sel(source=source, density="gaussian", exponent=1.0, time=20.0)
        assert float(at) == pytest.approx(here, rel=1e-6)


def test_networks_follow_the_kernel_flow(result):
    data = result.datasets["errors"]
    ratio = data.trained.mean("member") / data.predicted.sel(source="kernel")
    assert float(abs(ratio - 1).sel(time=20.0).max()) < 0.15


def test_both_predictions_agree_on_windowed_signals(result):
    left = result.datasets["errors"].predicted
    difference = abs(left.sel(source="pde") / left.sel(source="kernel") - 1).max("time")
    assert float(difference.sel(density=["designed", "gaussian"]).max()) < 1e-3
    # The kernel of a uniform density falls off so slowly that it reaches over the edge of the interval.
    assert float(difference.sel(density="uniform").max()) < 0.05


def test_page_data_and_designs_are_written(result, tmp_path):
    (tmp_path / "out").mkdir()
    report = result.write(tmp_path / "out")
    page = report.read_text(encoding="utf-8")
    assert "Is a designed density worth it?" in page
    assert "at the budget the designed density leaves" in page
    with np.load(tmp_path / "out" / "design-1.npz", allow_pickle=False) as design:
        assert float(design["time_budget"]) == 20.0
    assert {path.name for path in (tmp_path / "out" / "pictures").glob("*.png")} == {
        "densities.png",
        "errors.png",
    }


def test_predictions_alone_need_no_networks():
    study = validated(DesignedDensity, changed(training=None, search={"first": 3, "last": 6}), "tiny")
    result = study.carry_out(NullProgress())
    assert "trained" not in result.datasets["errors"]
    assert [verdict.passed for verdict in result.verdicts] == [True] * 3


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"exponents": [1, 1]}, "exponents must differ"),
        ({"tones": 16}, "are not resolved"),
        ({"rates": {"output": 0}}, r"rates\.output is 0"),
        ({"search": {"first": 5, "last": 5}}, "search: first"),
        ({"time_budget": 0}, "time_budget"),
        ({"windows": 1}, "did you mean 'window'"),
    ],
)
def test_mistakes_are_named(keys, words):
    with pytest.raises(ExperimentError, match=words):
        validated(DesignedDensity, changed(**keys), "tiny")


def test_windows_that_leave_something_at_the_edge_are_refused():
    with pytest.raises(ValueError, match="at the edge of the interval"):
        validated(DesignedDensity, changed(window=0.5), "tiny").prepare()


def test_preset_asks_for_what_it_says():
    from fefreq.experiments.schema import read_toml

    study = validated(DesignedDensity, read_toml(preset_path("designed-density-1d")), "preset")
    study.prepare()
    assert study.exponents == (0.5, 1.0, 1.5)
    assert study.checks.ratio == 1.0
    assert study.checks.gradient == 1e-6
    assert study.training.width >= 16384
