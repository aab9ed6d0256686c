"""Experiment files: what is accepted, and how mistakes are named."""

import numpy as np
import pytest
from problems import features_table, tones_table

from fefreq.experiments.experiment import Experiment, read_experiment
from fefreq.experiments.schema import ExperimentError
from harness.experiments import preset_path

GOOD = (
    """
title = "Two tones"
times = { first = 0.1, last = 100, count = 3 }
"""
    + tones_table(128, [1, 8.5])
    + features_table(1.0, 3.0)
)


def read(tmp_path, text):
    path = tmp_path / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return read_experiment(path)


def test_experiment_holds_what_the_file_says(tmp_path):
    experiment = read(tmp_path, GOOD)
    assert experiment.named_models()["model"].density.scale == 3.0
    np.testing.assert_allclose(experiment.time_values(), [0, 0.1, 10**0.5, 100])
    np.testing.assert_array_equal(experiment.tones(1), [[1], [8.5]])
    target = experiment.target.make()
    x = target.points[:, 0]
    window = np.exp(-(x**2) / (2 * 0.2**2))
    np.testing.assert_allclose(
        target.values, window * (np.cos(2 * np.pi * x) + np.cos(17 * np.pi * x)), atol=1e-14
    )


MISTAKES = {
    "misspelt key": (
        "output_std",
        "ouput_std",
        r"model\.ouput_std: there is no such key; did you mean 'output_std'\?",
    ),
    "misspelt key, deeper": (
        "scale",
        "scal",
        r"model\.density\.scal: there is no such key; did you mean 'scale'\?",
    ),
    "key of another table": (
        'kind = "gaussian"',
        'kind = "gaussian", half_width = 1',
        r"model\.density\.half_width: there is no such key; there are dim, kind, scale",
    ),
    "unknown kind": (
        '"gaussian"',
        '"gauss"',
        r"model\.density: there is no kind 'gauss'; there are 'gaussian'",
    ),
    "missing kind": ('kind = "tones"', "", "target: the key 'kind' is missing"),
    "missing key": ('title = "Two tones"', "", "title: this key is missing"),
    "wrong type": ("[128]", '["many"]', r"target\.shape\.0: .*valid integer"),
    "NaN": ("scale = 3.0", "scale = nan", r"model\.density: scale must be positive and finite"),
    "negative scale": ("scale = 3.0", "scale = -3.0", r"model\.density: scale must be positive"),
    "unsorted times": (
        "{ first = 0.1, last = 100, count = 3 }",
        "[0, 2, 1]",
        "times must increase, but 1.0 follows 2.0",
    ),
    "negative times": (
        "{ first = 0.1, last = 100, count = 3 }",
        "[-1, 0, 1]",
        "at least 0, but the first is -1.0",
    ),
    "times without 0": ("{ first = 0.1, last = 100, count = 3 }", "[1, 2]", "times must begin with 0"),
    "reversed range": ("first = 0.1", "first = 200", r"times: first \(200\) must be smaller than last"),
    "infinite time": ("last = 100", "last = inf", r"times\.last: .*finite"),
    "tone of another dimension": ("[1, 8.5]", "[[1, 2]]", r"target: tone \(1\.0, 2\.0\) needs 1 component"),
    "no model": ("[model]", "[unused]", "unused: there is no such key"),
    "no TOML": ("[target]", "[target", "is no TOML file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_by_their_path(tmp_path, mistake):
    right, wrong, message = MISTAKES[mistake]
    assert right in GOOD
    with pytest.raises(ExperimentError, match=message):
        read(tmp_path, GOOD.replace(right, wrong))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ExperimentError, match=r"cannot read .*absent\.toml"):
        read_experiment(tmp_path / "absent.toml")


def test_data_files_lie_beside_the_experiment(tmp_path):
    np.save(tmp_path / "signal.npy", np.sin(np.linspace(0, 9, 64)))
    start, end = GOOD.index("[target]"), GOOD.index("[model]")
    experiment = read(
        tmp_path, GOOD[:start] + '[target]\nkind = "file"\npath = "signal.npy"\ntaper = 0.5\n' + GOOD[end:]
    )
    target = experiment.target.make()
    assert target.grid.shape == (64,)
    assert abs(target.values[0]) < 0.01 * np.abs(target.values).max()


def test_a_study_is_no_prediction_alone():
    with pytest.raises(ExperimentError, match="carry it out with `harness run`"):
        read_experiment(preset_path("relu-1d"))


def test_terrain_is_standardised_and_vanishes_at_the_edge():
    target = read_experiment(preset_path("terrain-2d")).target.make()
    field = target.values.reshape(target.grid.shape)
    edge = np.concatenate([field[0], field[-1], field[:, 0], field[:, -1]])
    assert np.abs(edge).max() < 0.01 * np.abs(field).max()
    assert np.abs(field).max() > 0.5


def test_experiments_survive_a_round_trip(tmp_path):
    experiment = read(tmp_path, GOOD)
    again = Experiment.model_validate_json(experiment.model_dump_json())
    assert again.named_models() == experiment.named_models()
    np.testing.assert_array_equal(again.time_values(), experiment.time_values())


def test_the_settings_of_the_solver_reach_the_problem(tmp_path):
    settings = '[pde]\norder = 2\nmesh_rtol = 1e-3\nmesh_control = "estimated"\ncell = "line"\n'
    experiment = read(tmp_path, GOOD + settings)
    problem = experiment.pde.problem(experiment.named_models()["model"], experiment.target.make())
    assert (problem.order, problem.mesh_rtol, problem.mesh_control, problem.cell) == (
        2,
        1e-3,
        "estimated",
        "line",
    )
    with pytest.raises(ExperimentError, match=r"pde\.mesh_control"):
        read(tmp_path, GOOD + settings.replace("estimated", "guessed"))


def test_what_harness_reads_is_left_to_it(tmp_path):
    of_the_harness = '[training]\nwidth = "many"\n[[checks]]\nkind = "unheard of"\n'
    experiment = read(tmp_path, "on_request = true\n" + GOOD + of_the_harness)
    assert experiment == read(tmp_path, GOOD)


def test_the_tolerance_of_the_kernel_flow_is_a_table(tmp_path):
    assert read(tmp_path, GOOD).kernel.rtol == 1e-6
    assert read(tmp_path, GOOD + "[kernel]\nrtol = 1e-3\n").kernel.rtol == 1e-3
    with pytest.raises(ExperimentError, match=r"kernel\.rtol: .*less than 1"):
        read(tmp_path, GOOD + "[kernel]\nrtol = 2\n")
