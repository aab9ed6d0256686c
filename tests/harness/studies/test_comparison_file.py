"""Files of comparisons: what is accepted beyond a prediction, and how mistakes are named."""

import pytest
from problems import features_table, tones_table

from fefreq.experiments.experiment import Experiment
from fefreq.experiments.schema import ExperimentError
from harness.experiments import preset_names, preset_path
from harness.studies import study_kind, study_kinds
from harness.studies.comparison.study import Comparison
from harness.studies.files import read_file

GOOD = (
    """
title = "Two tones"
times = { first = 0.1, last = 100, count = 3 }
"""
    + tones_table(128, [1, 8.5])
    + features_table(1.0, 3.0)
    + """[training]
width = 64
"""
)


def read(tmp_path, text):
    path = tmp_path / "experiment.toml"
    path.write_text(text, encoding="utf-8")
    return read_file(path)


MISTAKES = {
    "zero width": ("width = 64", "width = 0", r"training\.width: .*greater than 0"),
    "negative learning rate": (
        "width = 64",
        "width = 64\nlearning_rate = -1",
        r"training\.learning_rate: .*greater than 0",
    ),
    "check of an unknown model": (
        "[training]",
        '[[checks]]\nkind = "together"\nmodel = "wide"\ntolerance = 0.1\n[training]',
        "the model 'wide' is named, but there is only model",
    ),
}


MEANINGLESS = {
    "a source that is none": ('kind = "field"\ntolerance = 1\nsource = "netwrk"', r"checks\.0\.source"),
    "itself as reference": ('kind = "field"\ntolerance = 1\nsource = "pde"', "a source agrees with itself"),
    "seeds of a prediction": (
        'kind = "field"\ntolerance = 1\neach_seed = 1\nsource = "kernel"',
        "each_seed is for the source network",
    ),
    "a tone that is none": (
        'kind = "sooner"\nmodel = "model"\nsooner = 0\nlater = 7\nfactor = 2',
        r"checks\.0\.later: there is no tone 7; there are 2",
    ),
}


@pytest.mark.parametrize("mistake", MEANINGLESS)
def test_checks_that_mean_nothing_are_refused_before_any_work(tmp_path, mistake):
    check, message = MEANINGLESS[mistake]
    with pytest.raises(ExperimentError, match=message):
        read(tmp_path, GOOD + f"[[checks]]\n{check}\n")


def test_a_network_cannot_be_checked_without_training(tmp_path):
    text = GOOD.replace("[training]\nwidth = 64\n", "") + '[[checks]]\nkind = "field"\ntolerance = 1\n'
    with pytest.raises(ExperimentError, match=r"without a \[training\] section"):
        read(tmp_path, text)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named_by_their_path(tmp_path, mistake):
    right, wrong, message = MISTAKES[mistake]
    assert right in GOOD
    with pytest.raises(ExperimentError, match=message):
        read(tmp_path, GOOD.replace(right, wrong))


@pytest.mark.parametrize("name", preset_names())
def test_presets_are_valid_and_ask_a_question(name):
    described = read_file(preset_path(name))
    assert described.question.endswith("?")
    assert described.checks
    described.prepare()


def test_a_kind_that_does_not_exist_is_named_with_those_that_do(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('kind = "relu"\ntitle = "?"\n', encoding="utf-8")
    with pytest.raises(ExperimentError, match=r"there is no kind 'relu'; there are .*'relu-dynamics'"):
        read_file(path)


@pytest.mark.parametrize("kind", study_kinds())
def test_a_study_is_found_by_the_name_of_its_folder(kind):
    assert study_kind(kind).model_fields["kind"].annotation.__args__ == (kind,)


def test_a_file_without_a_kind_is_a_comparison(tmp_path):
    study = read(tmp_path, GOOD)
    assert isinstance(study, Comparison)
    assert read(tmp_path, 'kind = "comparison"\n' + GOOD) == study
    assert "kind" not in study.model_dump()  # manifests and labels of earlier runs have no such key


def test_a_comparison_survives_a_round_trip(tmp_path):
    study = read(tmp_path, GOOD)
    assert Comparison.model_validate_json(study.model_dump_json()) == study
    assert isinstance(study, Experiment)
