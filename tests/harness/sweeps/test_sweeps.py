"""Sweeps: every combination once, whatever happens to some of them."""

import json
import os
import shutil
import sys
from typing import Literal

import numpy as np
import pytest
import xarray as xr
from problems import features_table, tones_table
from typer.testing import CliRunner

import harness
import harness.commands.app
from fefreq.support.progress import NullProgress
from harness.comparison.verdicts import Verdict
from harness.reports.page import Section
from harness.studies import Study, StudyResult
from harness.studies.comparison.study import Comparison
from harness.studies.files import read_file
from harness.sweeps import engines, report
from harness.sweeps.cells import make_cells, read_axis
from harness.sweeps.engines import Cluster, Computed, Here, Processes, Task
from harness.sweeps.progress import CellBar

EXPERIMENT = (
    """
title = "A slow tone and a fast one"
question = "Does a wider network follow the prediction more closely?"
times = { first = 1, last = 20, count = 4 }
"""
    + tones_table(48, [1, 3])
    + features_table(0.3, 2.0)
    + """[training]
width = 64
learning_rate = 0.5
seeds = 2
"""
)
OVER = {"training.width": [32, 128], "training.learning_rate": [0.5, 1.0]}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


@pytest.fixture
def experiment(path):
    return read_file(path)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Four cells, computed in this process."""
    folder = tmp_path_factory.mktemp("sweep")
    path = folder / "experiment.toml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return folder / "out", harness.sweep(path, OVER, folder / "out")


@pytest.fixture
def undrawn(monkeypatch):
    """A report without pictures, which take longer than all the rest."""
    monkeypatch.setattr(report, "_section", lambda data, key: Section(key))


def computed_cells(monkeypatch):
    """A list to which experiments are added as they are computed."""
    run, computed = Here.run, []

    def noted(self, tasks, progress):
        computed.extend(task.study for task in tasks)
        return run(self, tasks, progress)

    monkeypatch.setattr(Here, "run", noted)
    return computed


@pytest.fixture
def finished(swept, tmp_path):
    """A copy of the folder of those cells."""
    return shutil.copytree(swept[0], tmp_path / "out")


def test_a_cell_holds_what_its_experiment_alone_gives(experiment, swept):
    folder, data = swept
    assert data.remaining.dims == ("training.width", "training.learning_rate", "model", "source", "time")
    content = experiment.model_dump(mode="json")
    content["training"] |= {"width": 128, "learning_rate": 0.5}
    alone = harness.run_experiment(Comparison.model_validate(content))
    cell = data.sel({"training.width": 128, "training.learning_rate": 0.5, "model": "model"})
    one = alone.findings["model"]
    np.testing.assert_array_equal(cell.remaining, one.comparison.remaining)
    np.testing.assert_array_equal(cell.member_difference, one.comparison.member_difference)
    np.testing.assert_array_equal(cell.loss, one.run.losses)
    np.testing.assert_array_equal(cell.tone_half_life, one.tones.half_life)
    np.testing.assert_array_equal(data.tone_0, [1, 3])
    stored = xr.load_dataset(next(folder.glob("cells/training.width=128*rate=0.5-*/comparison.nc")))
    np.testing.assert_array_equal(stored.error_re[0], one.comparison.error.real)


def test_folder_has_everything_gathered_and_readable(swept):
    folder, data = swept
    xr.testing.assert_identical(xr.load_dataset(folder / "sweep.nc", engine="h5netcdf"), data)
    cells = json.loads((folder / "sweep.json").read_text())["cells"]
    assert [cell["state"] for cell in cells] == ["computed"] * 4
    assert all((folder / cell["folder"] / "comparison.nc").is_file() for cell in cells)
    assert "Against training.width" in (folder / "report.html").read_text(encoding="utf-8")
    assert len(list((folder / "pictures").glob("*.png"))) == 4


def test_finished_cells_are_not_run_again_and_the_missing_one_is(path, finished, swept, monkeypatch, undrawn):
    lost = next(finished.glob("cells/training.width=32*rate=1.0-*"))
    (lost / "cell.json").unlink()
    computed = computed_cells(monkeypatch)
    again = harness.sweep(path, OVER, finished)
    assert [(cell.training.width, cell.training.learning_rate) for cell in computed] == [(32, 1.0)]
    xr.testing.assert_identical(again, swept[1])


def test_an_interrupted_sweep_keeps_what_was_finished(path, tmp_path, monkeypatch):
    run = Here.run

    def interrupted(self, tasks, progress):
        yield next(run(self, tasks, progress))
        raise KeyboardInterrupt

    monkeypatch.setattr(Here, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        harness.sweep(path, OVER, tmp_path / "out")
    assert len(list(tmp_path.glob("out/cells/*/cell.json"))) == 1


class Interrupting(NullProgress):
    """Interrupts training after so many steps, and remembers what it was told."""

    def __init__(self, after):
        self.left, self.told, self.watched = after, [], 0

    def start(self, description, total):
        self.told.append((description, total))

    def watch(self, losses):
        self.watched += len(losses())

    def advance(self, count=1):
        self.left -= count
        if self.left < 0:
            raise KeyboardInterrupt


def test_a_cell_that_was_interrupted_goes_on_with_its_checkpoints(path, tmp_path, swept, undrawn):
    over = {"training.width": [128], "training.learning_rate": [0.5]}
    with pytest.raises(KeyboardInterrupt):  # 40 steps altogether
        harness.sweep(path, over, tmp_path / "out", progress=Interrupting(25))
    progress = Interrupting(10**6)
    data = harness.sweep(path, over, tmp_path / "out", progress=progress)
    description, steps = progress.told[1]
    assert description == "cell 1 of 1, training, resumed"
    assert steps < 40
    assert progress.watched == 2  # losses of both networks
    expected = swept[1].sel({"training.width": [128], "training.learning_rate": [0.5]})
    np.testing.assert_allclose(data.loss, expected.loss, rtol=1e-12)
    assert not list(tmp_path.rglob("checkpoints"))


def test_processes_keep_checkpoints_too(path, tmp_path):
    experiment = read_file(path)
    task = Task(experiment, tmp_path / "checkpoints")
    ((_, computed),) = Processes(2).run([task], NullProgress())
    assert not computed.failure
    kept = harness.Run.load(tmp_path / "checkpoints" / "model")
    np.testing.assert_array_equal(kept.losses, computed.dataset.loss[0])


def test_a_bar_of_cells_gives_way_to_training_and_comes_back():
    progress = Interrupting(10**6)
    bar = CellBar(progress, 3)
    bar.next()
    bar.start("training", 40)
    bar.finish()
    assert progress.told == [("cells", 3), ("cell 2 of 3, training", 40), ("cells", 3)]
    assert 10**6 - progress.left == 2  # one cell, told again as the bar is new


def test_further_values_use_the_cells_that_are_there(path, finished, monkeypatch, undrawn):
    computed = computed_cells(monkeypatch)
    data = harness.sweep(path, {"training.width": [32, 64, 128], "training.learning_rate": [0.5]}, finished)
    assert [cell.training.width for cell in computed] == [64]
    assert data.sizes["training.width"] == 3


def test_a_cell_of_other_settings_or_other_data_is_another_cell(experiment):
    def prints(changed):
        return {cell.fingerprint for cell in make_cells(changed, {"training.width": [32, 64]})}

    content = experiment.model_dump(mode="json")
    renamed = Comparison.model_validate(content | {"title": "Two tones", "question": ""})
    assert prints(renamed) == prints(experiment)
    content["target"]["width"] = 0.21
    assert not prints(Comparison.model_validate(content)) & prints(experiment)


def test_data_count_and_not_where_they_lie(tmp_path, experiment):
    content = experiment.model_dump(mode="json")
    prints = []
    for name, scale in (("a", 1.0), ("b", 1.0), ("c", 2.0)):
        np.save(tmp_path / f"{name}.npy", scale * np.sin(np.arange(48.0)))
        content["target"] = {"kind": "file", "path": str(tmp_path / f"{name}.npy"), "bounds": [[-1, 1]]}
        prints.append(make_cells(Comparison.model_validate(content), {"training.width": [32]})[0].fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_a_failed_cell_says_why_and_the_others_finish(path, tmp_path, swept, undrawn):
    data = harness.sweep(path, {"training.width": [32, 33, 128]}, tmp_path / "out", jobs=2)
    assert "antisymmetric start pairs the neurons" in str(data.failure.values[1])
    assert data.remaining[1].isnull().all()
    # Two processes and one agree: the same seeds, and one thread in each.
    expected = swept[1].remaining.isel({"training.learning_rate": 0}, drop=True)
    np.testing.assert_allclose(data.remaining[::2], expected, rtol=1e-12, atol=1e-14)
    states = [cell["state"] for cell in json.loads((tmp_path / "out" / "sweep.json").read_text())["cells"]]
    assert states == ["computed", "failed", "computed"]


def test_a_process_that_is_killed_takes_only_its_own_cell_along():
    def die_of_one(number, _):  # local, so that the processes need not load this module
        return os._exit(9) if number == 1 else Computed(seconds=number)

    found = dict(Processes(2, die_of_one).run([0, 1, 2, 3], NullProgress()))
    assert "was killed" in found[1].failure
    assert [found[i].seconds for i in (0, 2, 3)] == [0, 2, 3]


# The command


def invoke(*arguments):
    return CliRunner().invoke(harness.commands.app.app, ["sweep", *map(str, arguments)])


def test_command_reports_a_failed_cell_and_its_status_says_so(path, tmp_path, undrawn):
    result = invoke(path, "--over", "training.width=32,33", "--seeds", 1, "-o", tmp_path / "out")
    assert result.exit_code == 1, result.output
    assert "training.width = 33" in result.output
    assert "1 computed, 0 found finished, 1 failed" in result.output
    assert xr.load_dataset(tmp_path / "out" / "sweep.nc").sizes["seed"] == 1


@pytest.mark.parametrize(("after", "keeps"), [(25, True), (None, False)])
def test_command_says_what_is_left_of_an_interrupted_sweep(path, tmp_path, monkeypatch, after, keeps):
    def interrupt(*_):
        raise KeyboardInterrupt

    if after is None:
        monkeypatch.setattr("harness.sweeps.run.make_cells", interrupt)
    else:
        monkeypatch.setattr(Here, "run", interrupt)
    result = invoke(path, "--over", "training.width=32,64", "-o", tmp_path / "out")
    assert result.exit_code == 130
    assert ("keeps what was done" in result.stderr) is keeps
    assert (tmp_path / "out").exists() is keeps


def test_command_lists_the_cells_and_stops(path, tmp_path):
    result = invoke(
        path,
        "--over",
        "training.width=32,64",
        "--over",
        "training.seed=1,2,3",
        "--dry-run",
        "-o",
        tmp_path / "out",
    )
    assert result.exit_code == 0
    assert "6 cells" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--over", "network.width=64", "-o", "out"], "no key 'network.width'"),
        (["--over", "training.width=64"], "say where the results go"),
        (["--over", "training.width=64", "--over", "training.width=32"], "swept twice"),
        (
            ["--over", "training.width=64", "-j", "2", "--cluster", "tcp://a:1", "-o", "out"],
            "the cluster computes",
        ),
    ],
)
def test_command_says_in_one_sentence_what_is_wrong(path, tmp_path, arguments, sentence):
    result = invoke(path, *arguments)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1


class Halving(Study):
    """A study of one number, whose check fails where it is large."""

    kind: Literal["halving"] = "halving"
    number: float = 1.0

    def carry_out(self, progress, checkpoints=None):
        half = self.number / 2
        return StudyResult(self, (Verdict("half is small", f"{half:g}", "≤ 1", half <= 1),))


def test_any_study_is_swept_and_its_checks_are_gathered(tmp_path):
    study = Halving(title="Halves", question="How small?")
    data = harness.sweep(study, {"number": [1.0, 2.0, 3.0]}, tmp_path / "out")
    assert data.passed.dims == ("number", "check")
    np.testing.assert_array_equal(data.passed.sel(check="half is small"), [1, 1, 0])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "0 of 1" in page
    assert {path.name for path in (tmp_path / "out" / "cells").glob("*/*")} == {"halving.nc", "cell.json"}
    again = harness.sweep(study, {"number": [1.0, 2.0, 3.0]}, tmp_path / "out")
    xr.testing.assert_identical(again.passed, data.passed)


def test_seeds_of_a_study_without_any_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there are no networks to have seeds"):
        harness.sweep(Halving(title="Halves"), {"number": [1.0]}, tmp_path / "out", seeds=2)


# On a cluster


def test_the_same_sweep_on_a_cluster(path, tmp_path, swept, undrawn):
    over = {"training.width": [32, 128]}
    with local_cluster(workers=1) as cluster:
        data = harness.sweep(path, over, tmp_path / "out", cluster=cluster.scheduler_address)
    expected = swept[1].remaining.isel({"training.learning_rate": 0}, drop=True)
    np.testing.assert_allclose(data.remaining, expected, rtol=1e-12, atol=1e-14)


def local_cluster(workers):
    from distributed import LocalCluster  # here, so that processes which load this module need not load it

    return LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None)


def test_a_cluster_without_workers_is_refused(path, tmp_path):
    with local_cluster(workers=0) as cluster, pytest.raises(ValueError, match="has no workers"):
        harness.sweep(path, OVER, tmp_path / "out", cluster=cluster.scheduler_address)


def test_a_cluster_that_does_not_answer_is_told_so_in_seconds(path, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ValueError, match="no Dask scheduler answers at tcp://127"):
        harness.sweep(path, OVER, tmp_path / "out", cluster="tcp://127.0.0.1:9")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1", "localhost", "http://host:80", "tcp://:8786", "a b:1", ""]
)
def test_an_address_without_host_or_port_is_refused_at_once(path, tmp_path, address):
    with pytest.raises(ValueError, match=r"has a host and a port: give the one .* such as tcp://host:8786"):
        harness.sweep(path, OVER, tmp_path / "out", cluster=address)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["tcp://host:8786", "tls://[::1]:8786", "10.0.0.1:1", "inproc://a/1/2"])
def test_addresses_as_schedulers_print_them_are_taken(address):
    assert Cluster(address).address == address


def test_without_dask_a_sentence_says_how_to_get_it(path, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"pip install 'fefreq\[cluster\]'"):
        harness.sweep(path, OVER, tmp_path / "out", cluster="tcp://127.0.0.1:9")


# Keys and values


def test_values_are_read_as_in_a_file():
    key, values = read_axis('model.density={kind="gaussian", scale=1.0}, {kind="laplace", scale=2.0}')
    assert key == "model.density"
    assert values == [{"kind": "gaussian", "scale": 1.0}, {"kind": "laplace", "scale": 2.0}]
    assert read_axis("training.width = 1_024,4096 ") == ("training.width", [1024, 4096])


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("training.width", "write KEY=VALUES"),
        ("training.width=", "write KEY=VALUES"),
        ("training.start=plain", "text in double quotes"),
        ("training.width=__import__('os')", "write them as in a TOML file"),
        ("training.width=1]\nother=[2", "hold more than the values"),
    ],
)
def test_values_that_are_none_are_refused(argument, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_axis(argument)


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({}, "nothing to sweep"),
        (
            {"network.width": [64]},
            "no key 'network.width' in this experiment; did you mean .*'training.width'",
        ),
        ({"training.learning_rte": [0.1]}, "did you mean 'training.learning_rate'"),
        ({"training.width": 64}, "give a list of values"),
        ({"training.width": [64, "wide"]}, "training.width = wide: training.width: input should be"),
        ({"training.width": [64, 0]}, "training.width = 0: training.width: input should be greater than 0"),
        ({"training.width": [64, 64]}, "two cells are the same"),
        ({"times.last": [10, 20]}, "share their times"),
        ({"target.shape": [[48], [96]]}, "different frequencies .*frequencies.half_width"),
        ({"target.frequencies": [[1, 3], [1]], "frequencies.half_width": [5.0]}, "different tones"),
        ({"model": [{"kind": "fourier-features"}]}, "whole models cannot be swept"),
        ({"model.density": [{"kind": "gaussian", "scale": 1.0}], "model.density.scale": [1.0]}, "contains"),
        ({"target.width": [0.2, -1.0]}, "must be above 0"),
    ],
)
def test_sweeps_that_cannot_be_are_refused_before_any_work(experiment, over, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_cells(experiment, over)


def test_seeds_need_networks_and_are_given_once(experiment):
    predicted = experiment.model_copy(update={"training": None})
    with pytest.raises(ValueError, match="no \\[training\\] section"):
        make_cells(predicted, {"model.output_std": [1.0]}, seeds=4)
    with pytest.raises(ValueError, match="no \\[training\\] section"):
        make_cells(predicted, {"training.width": [64]})
    with pytest.raises(ValueError, match="give no other number"):
        make_cells(experiment, {"training.seeds": [1, 2]}, seeds=4)
    cells = make_cells(experiment, {"training.width": [64]}, seeds=5)
    assert cells[0].study.training.seeds == 5


def test_ensembles_of_several_sizes_fill_one_array(path, tmp_path, undrawn):
    data = harness.sweep(path, {"training.seeds": [1, 3]}, tmp_path / "out")
    assert data.loss.dims == ("training.seeds", "model", "seed", "time")
    assert data.loss.isnull().sum(["model", "time"]).values.astype(bool).tolist() == [
        [False, True, True],
        [False, False, False],
    ]


@pytest.mark.parametrize("content", ["pictures/cat.png", "cells/a.txt", "sweep.nc", "sweep.json"])
def test_a_folder_that_holds_something_else_is_refused_and_left_alone(path, tmp_path, content):
    for name in {content, "cells/one/b.txt", "report.html"}:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text('{"mine": true}', encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(FileExistsError, match="holds another run already"):
        harness.sweep(path, OVER, tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "out" / content).read_text(encoding="utf-8") == '{"mine": true}'


def test_a_tone_that_is_never_half_learned_is_left_out_of_the_finding(swept):
    data = swept[1].copy(deep=True)
    lives = data.tone_half_life
    lives[...] = np.inf
    assert "Half-lives of the networks" not in report._half_life_finding(data, "training.width")
    lives.loc[{"tone": 0}] = 2.0
    lives.loc[{"tone": 0, "source": "network"}] = 2.2
    finding = report._half_life_finding(data, "training.width")  # warnings are errors
    assert "Half-lives of the networks differ from these by up to 10 %" in finding
