"""Training that is interrupted at any moment, and goes on as if nothing had happened."""

import errno
import json
import multiprocessing
import os
import pickle
import resource
import signal
import time
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from problems import features_table, tones_table
from typer.testing import CliRunner

import fefreq
import harness.commands.app
from fefreq.support.progress import NullProgress, losses_in_words
from harness.commands.run_folder import RunFolder
from harness.networks import DeepFourierFeatureNetwork, TorchNetwork
from harness.studies.files import carry_out, read_file
from harness.training.checkpoint_files import difference, snapshot_file
from harness.training.checkpoints import Checkpoints
from harness.training.learning_rates import Piecewise
from harness.training.module_trainer import ModuleTrainer
from harness.training.optimisers import Adam, Sgd
from harness.training.plane_wave_trainer import PlaneWaveTrainer
from harness.training.run import DivergenceError, Run
from harness.training.train import train, train_module

# Processes that are killed start from one that has loaded everything, and has no threads.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "cloudpickle",
        "dask.array",
        "finufft",
        "h5netcdf.legacyapi",
        "psutil",
        "pytest",
        "sympy",
        "tblib",
        "torch",
        "torch._dynamo",
        "typer.testing",
        "unittest.mock",
        "harness.commands.app",
        "harness.training.plane_wave_engine",
        "harness.studies.files",
        "harness.training.module_trainer",
        "harness.training.recorder",
        "harness.studies.comparison.report",
        "harness.studies.study",
        "harness.training.run",
        "harness.commands.run_folder",
        "harness.training.stacked_networks",
        "harness.training.transforms",
    ]
)

TARGET = fefreq.Target.from_function(
    lambda x: np.exp(-6 * x[:, 0] ** 2) * (1 + np.sin(4 * np.pi * x[:, 0])), [(-1, 1)], 32
)
MODEL = fefreq.FourierFeatures(fefreq.Gaussian(2.0), output_std=0.5)
SPEC = DeepFourierFeatureNetwork(fefreq.Gaussian(1.5), 7, 2, bias_std=0.3)
TIMES = [0.0, 0.3, 0.5, 0.8]

EXPERIMENT = (
    """
title = "Two tones"
times = [0, 1, 4]
"""
    + tones_table(32, [1, 3])
    + features_table(0.5, 2.0, "models.slow")
    + """[models.fast]
kind = "fourier-features"
density = { kind = "uniform", half_width = 4.0 }
[training]
width = 32
seeds = 2
learning_rate = 0.05
"""
)


def dense(rate=0.01, **options):
    return train(
        MODEL,
        TARGET,
        width=40,
        times=TIMES,
        learning_rate=rate,
        seeds=3,
        start="plain",
        method="dense",
        **options,
    )


def transform(rate=0.01, **options):
    return train(
        MODEL, TARGET, width=40, times=TIMES, learning_rate=rate, seeds=3, method="transform", **options
    )


def single_precision(rate=0.01, **options):
    return train(
        MODEL, TARGET, width=40, times=TIMES, learning_rate=rate, seeds=2, precision="float32", **options
    )


def module(steps=(0, 30, 60), optimiser=Adam(), **options):  # noqa: B008 - never changed
    settings = {"steps": list(steps), "learning_rate": 1e-3, "batch": 7, "seeds": 3, "together": 2}
    return train_module(SPEC, TARGET, optimiser=optimiser, **settings, **options)


def momentum(**options):
    return module(optimiser=Sgd(0.9, nesterov=True), **options)


def full_batch(steps=(0, 30, 60), **options):
    return train_module(SPEC, TARGET, steps=list(steps), learning_rate=1e-3, seeds=3, together=2, **options)


TRAININGS = {f.__name__: f for f in (dense, transform, single_precision, module, momentum, full_batch)}
every_training = pytest.mark.parametrize("training", TRAININGS.values(), ids=TRAININGS.keys())


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def content(run, path):
    """Bytes of the file of a run, which does not tell how long it took."""
    return replace(run, seconds=0.0).save(path, overwrite=True).read_bytes()


class StopsAt(NullProgress):
    """Does something when so many steps have been taken."""

    def __init__(self, step, action):
        self.step, self.action, self.done = step, action, 0

    def advance(self, count=1):
        self.done += count
        if self.done == self.step:
            self.action()


class Stop(Exception):  # noqa: N818 - no error
    pass


def stop():
    raise Stop


# -- interrupted and gone on


@every_training
def test_stopped_after_any_step_training_ends_with_the_same_bytes(training, tmp_path):
    expected = content(training(), tmp_path / "expected.nc")
    for step in (1, 5, 40):
        with pytest.raises(Stop):
            training(checkpoints=Checkpoints(tmp_path / "kept", interval=0), progress=StopsAt(step, stop))
    run = training(checkpoints=Checkpoints(tmp_path / "kept"))
    assert content(run, tmp_path / "found.nc") == expected


def test_with_rare_checkpoints_training_goes_on_from_the_last_snapshot(tmp_path):
    checkpoints = Checkpoints(tmp_path, interval=1e6)
    for _ in range(2):  # first after 40 steps, 30 of which are kept; then after 70, of which 50
        with pytest.raises(Stop):
            dense(checkpoints=checkpoints, progress=StopsAt(40, stop))
    progress = StopsAt(10**6, stop)
    run = dense(checkpoints=checkpoints, progress=progress)
    assert run.steps.tolist() == [0, 30, 50, 80]
    assert progress.done == 80 - 50


@every_training
def test_finished_training_is_not_repeated(training, tmp_path):
    run = training(checkpoints=Checkpoints(tmp_path))
    again = training(checkpoints=Checkpoints(tmp_path), progress=StopsAt(1, stop))
    assert content(again, tmp_path / "again.nc") == content(run, tmp_path / "run.nc")
    assert again.seconds >= run.seconds


@pytest.mark.parametrize("kind", ["two layers", "any layers"])
def test_chosen_rate_does_not_depend_on_the_last_bits_of_an_eigenvalue(kind, monkeypatch):
    def chosen(factor):
        name = "kernel.operator.largest_rate" if kind == "two layers" else "StackedNetworks.largest_rate"
        module = "fefreq" if kind == "two layers" else "harness.training.stacked_networks"
        with monkeypatch.context() as patch:
            patch.setattr(f"{module}.{name}", lambda *arguments: 1.2345678 * factor)
            if kind == "two layers":
                return PlaneWaveTrainer(MODEL, TARGET, 40, np.array(TIMES)).rate
            return ModuleTrainer(SPEC, TARGET, times=TIMES).schedule.peak

    assert chosen(1.0) == chosen(1 + 1e-12) == 0.162  # 0.2 / 1.2345678 = 0.16200001
    assert chosen(3.0) == 0.0540000


def test_threads_that_train_members_at_once_are_stopped_between_steps(tmp_path):
    torch.set_num_threads(3)
    expected = transform()
    for step in (3, 40):
        with pytest.raises(Stop):
            transform(checkpoints=Checkpoints(tmp_path, interval=0), progress=StopsAt(step, stop))
    assert transform(checkpoints=Checkpoints(tmp_path)).residuals.tobytes() == expected.residuals.tobytes()


def work(name, folder, out, begun):
    torch.set_num_threads(1)
    begun.send("now")
    run = TRAININGS[name](checkpoints=Checkpoints(folder, interval=0.02), **LONGER[name])
    content(run, Path(out))


def test_threads_inside_a_transform_end_with_the_same_to_rounding(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.training.plane_wave_engine.NEURONS_FOR_THREADS", 0)
    torch.set_num_threads(2)  # and one network
    settings = {"width": 400, "times": [0, 0.04, 0.08], "learning_rate": 0.01, "method": "transform"}
    with pytest.raises(Stop):
        train(MODEL, TARGET, **settings, checkpoints=Checkpoints(tmp_path), progress=StopsAt(6, stop))
    resumed = train(MODEL, TARGET, **settings, checkpoints=Checkpoints(tmp_path))
    assert np.abs(resumed.residuals - train(MODEL, TARGET, **settings).residuals).max() < 1e-9


LONGER = {"dense": {"rate": 0.003}, "transform": {"rate": 0.005}, "module": {"steps": (0, 50, 200)}}


def kill_at_random(target, arguments, moments):
    """Start a process again and again, and kill it after so many seconds; return how many were killed in time."""
    killed = 0
    for moment in moments:
        listening, begun = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=target, args=(*arguments, begun))
        process.start()
        listening.recv()
        time.sleep(moment)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        killed += process.exitcode == -signal.SIGKILL
    return killed


def finish(target, arguments):
    """Let a process come to its end; return how many seconds it worked."""
    listening, begun = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=target, args=(*arguments, begun))
    process.start()
    listening.recv()
    start = time.perf_counter()
    process.join()
    assert process.exitcode == 0
    return time.perf_counter() - start


@pytest.mark.parametrize("name", LONGER)
def test_killed_at_random_moments_training_ends_with_the_same_bytes(name, tmp_path):
    expected = content(TRAININGS[name](**LONGER[name]), tmp_path / "expected.nc")
    undisturbed = finish(work, (name, tmp_path / "undisturbed", tmp_path / "undisturbed.nc"))
    moments = np.random.default_rng(1).uniform(0, 0.5, 4) * undisturbed
    arguments = (name, tmp_path / "kept", tmp_path / "found.nc")
    assert kill_at_random(work, arguments, moments) >= 1
    finish(work, arguments)
    assert (tmp_path / "found.nc").read_bytes() == expected


# -- the folder of an experiment


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "two-tones.toml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def interruptible():
    """Ctrl-C reaches the command, even where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr("harness.reports.page.Page.save_figures", lambda page, folder: None)
    monkeypatch.setattr(
        "harness.reports.page.Page.write", lambda page, path: path.write_text("<html>") and path
    )


def invoke(*arguments):
    return CliRunner().invoke(harness.commands.app.app, [str(argument) for argument in arguments])


def data(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.nc"))}


def stop_command_at(monkeypatch, step, action):
    monkeypatch.setattr("fefreq.support.progress.ProgressBar.advance", StopsAt(step, action).advance)


def run_and_write(experiment, out, begun):
    torch.set_num_threads(1)
    no_pictures_in_this_process()
    begun.send("now")
    described = read_file(experiment)
    with closing(RunFolder.open(Path(out), described, resume=True)) as folder:
        if not folder.finished:
            folder = replace(folder, checkpoints=replace(folder.checkpoints, interval=0.01))
            folder.publish(carry_out(described, NullProgress(), folder.checkpoints).write)


def no_pictures_in_this_process():
    import harness.reports.page

    harness.reports.page.Page.save_figures = lambda page, folder: None
    harness.reports.page.Page.write = lambda page, path: path.write_text("<html>") and path


def test_killed_at_random_moments_a_whole_run_leaves_the_same_data(experiment, tmp_path):
    undisturbed = finish(run_and_write, (experiment, tmp_path / "expected"))
    moments = np.random.default_rng(2).uniform(0.2, 0.7, 4) * undisturbed
    expected = data(tmp_path / "expected")
    assert set(expected) == {"comparison.nc"} | {
        f"{kind}-{name}.nc" for kind in ("network", "split") for name in ("slow", "fast")
    }
    arguments = (experiment, tmp_path / "out")
    assert kill_at_random(run_and_write, arguments, moments) >= 1
    for name, found in data(tmp_path / "out").items():  # complete or absent
        assert found == expected[name]
    finish(run_and_write, arguments)
    assert data(tmp_path / "out") == expected
    assert not (tmp_path / "out" / "checkpoints").exists()


def test_interrupt_is_a_sentence_and_resume_goes_on(experiment, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_command_at(patch, 50, lambda: signal.raise_signal(signal.SIGINT))
        result = invoke("run", experiment, "-o", out)
    assert result.exit_code == 130
    assert result.stderr.strip() == f"harness: interrupted; {out} keeps what was done: go on with --resume"
    assert [path.name for path in out.iterdir()] == ["checkpoints"]
    assert Run.load(out / "checkpoints" / "slow").times.tolist() == [0, 1]

    refused = invoke("run", experiment, "-o", out)
    assert refused.exit_code == 2
    assert "interrupted: let it go on with --resume, or choose a new folder" in refused.stderr

    experiment.write_text(EXPERIMENT.replace("seeds = 2", "seeds = 3"))
    refused = invoke("run", experiment, "-o", out, "--resume")
    assert refused.exit_code == 2
    assert "another experiment: training.seeds is 2 there and 3 here" in refused.stderr
    experiment.write_text(EXPERIMENT)

    assert invoke("run", experiment, "-o", out, "--resume").exit_code == 0
    assert json.loads((out / "manifest.json").read_text())["resumed"] == 1
    assert invoke("run", experiment, "-o", tmp_path / "undisturbed").exit_code == 0
    assert data(out) == data(tmp_path / "undisturbed")

    with monkeypatch.context() as patch:
        stop_command_at(patch, 1, stop)
        finished = invoke("run", experiment, "-o", out, "--resume")
    assert finished.exit_code == 0
    assert "finished already" in finished.stdout
    experiment.write_text(EXPERIMENT.replace("seeds = 2", "seeds = 3"))
    refused = invoke("run", experiment, "-o", out, "--resume")
    assert "training.seeds is 2 there and 3 here" in refused.stderr


def test_resume_begins_where_nothing_is(experiment, tmp_path):
    assert invoke("run", experiment, "-o", tmp_path / "out", "--resume").exit_code == 0
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious.txt").write_text("mine")
    refused = invoke("run", experiment, "-o", other, "--resume")
    assert refused.exit_code == 2
    assert "holds another run already" in refused.stderr


def test_bad_input_leaves_no_folder(experiment, tmp_path):
    experiment.write_text(EXPERIMENT.replace("width = 32", "width = 31"))
    assert "width must be even" in invoke("run", experiment, "-o", tmp_path / "out").stderr
    assert not (tmp_path / "out").exists()


def test_results_that_cannot_be_written_can_be_written_later(experiment, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def full(outcome, folder):
        (folder / "comparison.nc").write_text("half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("harness.studies.study.write_outcome", full)
        result = invoke("run", experiment, "-o", out)
    assert result.exit_code == 2
    assert "cannot be written (No space left on device): what was written before is kept" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert [path.name for path in out.iterdir()] == ["checkpoints"]
    with monkeypatch.context() as patch:
        stop_command_at(patch, 1, stop)  # no step is taken again
        assert invoke("run", experiment, "-o", out, "--resume").exit_code == 0
    assert len(data(out)) == 5


# -- what is somebody else's


def tree(folder):
    """All files of a folder with their content."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def interrupted(experiment, tmp_path, monkeypatch):
    """The folder of a run that was interrupted half-way."""
    with monkeypatch.context() as patch:
        stop_command_at(patch, 50, lambda: signal.raise_signal(signal.SIGINT))
        assert invoke("run", experiment, "-o", tmp_path / "out").exit_code == 130
    return tmp_path / "out"


@pytest.mark.parametrize("options", [(), ("--resume",)], ids=["new", "resumed"])
@pytest.mark.parametrize(
    "files",
    [
        {"checkpoints/epoch1.pt": "precious", "pictures/cat.png": "x"},
        {"checkpoints/epoch1.pt": "precious"},
        {"checkpoints/label.json": "[]"},
        {"checkpoints/label.json": '{"name": "mine"}', "checkpoints/epoch1.pt": "precious"},
        {"checkpoints/label.json": '{"experiment": {}, "format": "mine"}'},
        {"checkpoints/run.lock": "", "pictures/cat.png": "x"},
        {"manifest.json": "[]", "checkpoints/epoch1.pt": "precious"},
        {"manifest.json": '{"experiment": "x"}'},
        {"manifest.json": '{"resumed": 1}'},
    ],
    ids=lambda files: " ".join(files),
)
def test_files_of_others_survive(files, options, experiment, tmp_path):
    out = tmp_path / "out"
    put(out, files)
    before = tree(out)
    refused = invoke("run", experiment, "-o", out, *options)
    assert refused.exit_code == 2
    assert "choose a new folder" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert tree(out) == before


@pytest.mark.parametrize("options", [(), ("--resume",)], ids=["new", "resumed"])
def test_files_of_others_beside_an_interrupted_run_survive(options, interrupted, experiment):
    put(interrupted, {"pictures/cat.png": "x"})
    before = tree(interrupted)
    refused = invoke("run", experiment, "-o", interrupted, *options)
    assert refused.exit_code == 2
    assert "holds something that is no run of ours" in refused.stderr
    assert "pictures: choose a new folder" in refused.stderr
    assert tree(interrupted) == before


def test_files_of_others_that_come_while_a_run_goes_on_survive(experiment, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_command_at(patch, 50, lambda: put(out, {"pictures/cat.png": "x"}))
        assert invoke("run", experiment, "-o", out).exit_code == 2
    assert (out / "pictures" / "cat.png").read_text() == "x"
    assert (out / "checkpoints" / "label.json").is_file()


def test_checkpoints_of_others_beside_a_finished_run_survive(experiment, tmp_path):
    out = tmp_path / "out"
    assert invoke("run", experiment, "-o", out).exit_code == 0
    put(out, {"checkpoints/epoch1.pt": "precious"})
    before = tree(out)
    assert "finished already" in invoke("run", experiment, "-o", out, "--resume").stdout
    assert tree(out) == before


def test_run_that_is_stopped_while_its_results_are_moved_goes_on(experiment, tmp_path, monkeypatch):
    out = tmp_path / "out"
    move = os.replace

    def interrupt_at(name):
        def moved(source, place):
            if Path(place) == out / name:
                raise KeyboardInterrupt
            move(source, place)

        return moved

    for name in ("network-fast.nc", "pictures", "manifest.json"):
        with monkeypatch.context() as patch:
            patch.setattr("harness.commands.run_folder.os.replace", interrupt_at(name))
            assert invoke("run", experiment, "-o", out, "--resume").exit_code == 130
        assert (out / "comparison.nc").is_file()
        assert not (out / "manifest.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr("harness.commands.run_folder._remove", lambda folder: stop())
        assert isinstance(invoke("run", experiment, "-o", out, "--resume").exception, Stop)
    assert (out / "checkpoints" / "label.json").is_file()
    assert "finished already" in invoke("run", experiment, "-o", out, "--resume").stdout
    assert not (out / "checkpoints").exists()
    assert invoke("run", experiment, "-o", tmp_path / "undisturbed").exit_code == 0
    assert data(out) == data(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    "content", ["[]", "{}", "1", "", '{"experiment": []}', '{"experiment": {}, "resumed": "x"}']
)
@pytest.mark.parametrize("name", ["checkpoints/label.json", "manifest.json"])
def test_damaged_labels_are_a_sentence(name, content, interrupted, experiment):
    put(interrupted, {name: content})
    refused = invoke("run", experiment, "-o", interrupted, "--resume")
    assert refused.exit_code == 2
    assert f"{Path(name).name} is damaged or of another program" in refused.stderr


def test_two_processes_do_not_work_in_one_folder(interrupted, experiment):
    described = read_file(experiment)
    with closing(RunFolder.open(interrupted, described, resume=True)):
        refused = invoke("run", experiment, "-o", interrupted, "--resume")
    assert refused.exit_code == 2
    assert f"another process is at work in {interrupted / 'checkpoints'}" in refused.stderr
    assert invoke("run", experiment, "-o", interrupted, "--resume").exit_code == 0
    assert json.loads((interrupted / "manifest.json").read_text())["resumed"] == 2


def test_of_two_processes_that_begin_at_once_one_is_refused(experiment, tmp_path):
    described = read_file(experiment)
    first, second = (RunFolder.open(tmp_path / "out", described) for _ in range(2))
    with closing(first), closing(second):
        first.checkpoints.make()
        with pytest.raises(FileExistsError, match="another process is at work"):
            second.checkpoints.named("slow").make()


# -- data from a file


@pytest.fixture
def from_file(tmp_path):
    """An experiment with data from a file beside it."""
    start, end = EXPERIMENT.index("[target]"), EXPERIMENT.index("[models.slow]")
    target = '[target]\nkind = "file"\npath = "field.npy"\nbounds = [[-1, 1]]\n'
    folder = tmp_path / "here"
    put(folder, {"two-tones.toml": EXPERIMENT[:start] + target + EXPERIMENT[end:]})
    np.save(folder / "field.npy", TARGET.values)
    return folder / "two-tones.toml"


@pytest.mark.parametrize("state", ["interrupted", "finished"])
def test_changed_data_are_refused_and_moved_data_are_not(state, from_file, tmp_path, monkeypatch):
    out, field = tmp_path / "out", from_file.parent / "field.npy"
    with monkeypatch.context() as patch:
        if state == "interrupted":
            stop_command_at(patch, 50, lambda: signal.raise_signal(signal.SIGINT))
        invoke("run", from_file, "-o", out)
    np.save(field, 2 * TARGET.values)
    refused = invoke("run", from_file, "-o", out, "--resume")
    assert refused.exit_code == 2
    assert "another experiment: the data in the file of the target have changed" in refused.stderr
    field.unlink()
    assert f"cannot read {field}: No such file" in invoke("run", from_file, "-o", out, "--resume").stderr
    np.save(field, TARGET.values)
    moved = from_file.parent.rename(tmp_path / "there") / from_file.name
    assert invoke("run", moved, "-o", out, "--resume").exit_code == 0


# -- disks and their moods


@pytest.fixture
def synced(monkeypatch):
    """What was synchronised, as inodes in order."""
    found, fsync = [], os.fsync

    def noted(handle):
        found.append(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr("os.fsync", noted)
    return found


def test_checkpoints_are_on_the_disk_and_so_are_their_folders(synced, tmp_path):
    folder = tmp_path / "new" / "kept"
    dense(checkpoints=Checkpoints(folder))
    written = {path.stat().st_ino for path in folder.iterdir()}
    assert written | {place.stat().st_ino for place in (folder, tmp_path / "new", tmp_path)} <= set(synced)
    assert synced[-1] == folder.stat().st_ino


def test_results_are_on_the_disk_before_checkpoints_go(synced, experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("harness.commands.run_folder._remove", lambda folder: stop())
    out = tmp_path / "out"
    assert isinstance(invoke("run", experiment, "-o", out).exception, Stop)
    results = [path for path in out.rglob("*") if "checkpoints" not in path.parts]
    assert {"comparison.nc", "manifest.json", "report.html", "pictures"} <= {path.name for path in results}
    assert {path.stat().st_ino for path in results} <= set(synced)
    assert synced[-1] == out.stat().st_ino


@pytest.fixture
def small_files():
    """Lets files grow to so many bytes only, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_is_a_sentence_and_the_snapshots_are_readable(
    experiment, tmp_path, monkeypatch, small_files
):
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        stop_command_at(patch, 50, lambda: small_files(100))
        result = invoke("run", experiment, "-o", out)
    small_files(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    assert result.exit_code == 2
    assert "cannot be written (File too large): what was written before is kept" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert Run.load(out / "checkpoints" / "slow").times.tolist() == [0, 1]
    assert not list((out / "checkpoints").rglob(".*"))
    assert invoke("run", experiment, "-o", out, "--resume").exit_code == 0


def test_data_that_do_not_fit_leave_nothing_behind(tmp_path, small_files):
    run = dense()
    small_files(1000)
    with pytest.raises(OSError, match="File too large"):
        run.save(tmp_path / "run.nc")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OSError, match=r"file/kept cannot be written \(Not a directory\).*resume"):
        dense(checkpoints=Checkpoints(tmp_path / "file" / "kept"))


def test_folder_that_may_not_be_written_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(OSError, match=r"start.nc cannot be written \(Permission denied\)"):
        dense(checkpoints=Checkpoints(tmp_path))


# -- what is refused


@pytest.fixture
def kept(tmp_path):
    """Training that was stopped half-way."""
    checkpoints = Checkpoints(tmp_path / "kept")
    with pytest.raises(Stop):
        dense(checkpoints=checkpoints, progress=StopsAt(70, stop))
    return checkpoints


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"width": 42}, "width is 40 there and 42 here"),
        ({"seeds": 4}, "seeds is 3 there and 4 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"learning_rate": 0.02}, "learning_rate is 0.01 there and 0.02 here"),
        ({"times": [0, 5]}, "times differs"),
        ({"target": TARGET.with_values(2 * TARGET.values)}, "target differs"),
        ({"precision": "float32"}, 'precision is "float64" there and "float32" here'),
        ({"method": "transform"}, 'method is "dense" there and "transform" here'),
        (
            {"model": fefreq.FourierFeatures(fefreq.Gaussian(2.5), output_std=0.5)},
            "model.density.scale is 2.0 there and 2.5 here",
        ),
    ],
)
def test_checkpoints_of_another_experiment_are_refused(other, sentence, kept):
    same = {"model": MODEL, "target": TARGET, "width": 40, "times": TIMES, "learning_rate": 0.01, "seeds": 3}
    with pytest.raises(ValueError, match=f"of another experiment or version: {sentence}"):
        train(**{**same, "start": "plain", "method": "dense", **other}, checkpoints=kept)
    with pytest.raises(ValueError, match="of another experiment or version"):
        module(checkpoints=kept)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (
            "harness.training.journal.FORMAT",
            "fefreq checkpoint 3",
            'format is "fefreq checkpoint 2" there',
        ),
        (
            "harness.training.trainer.version",
            lambda name: "99.0",
            "fefreq version is .* there and .99.0. here",
        ),
    ],
)
def test_checkpoints_of_another_version_are_refused(place, value, sentence, kept, monkeypatch):
    monkeypatch.setattr(place, value)
    with pytest.raises(ValueError, match=sentence):
        dense(checkpoints=kept)


def test_state_of_another_training_is_refused(kept, tmp_path):
    other = Checkpoints(tmp_path / "other")
    dense(rate=0.02, checkpoints=other)
    (other.folder / "state.npz").replace(kept.folder / "state.npz")
    with pytest.raises(ValueError, match=r"state.npz is a checkpoint of another experiment"):
        dense(checkpoints=kept)


@pytest.mark.parametrize("name", ["state.npz", "snapshot-00001.npz", "start.nc"])
@pytest.mark.parametrize("damage", ["cut", "emptied", "garbled"])
def test_damaged_checkpoints_are_refused(name, damage, kept):
    path = kept.folder / name
    whole = path.read_bytes()
    changed = {"cut": whole[: len(whole) // 2], "emptied": b"", "garbled": bytes(len(whole))}
    path.write_bytes(changed[damage])
    with pytest.raises(
        ValueError, match=rf"{name} is .*damaged.*: remove the folder .* to train from the start"
    ):
        dense(checkpoints=kept)


def test_flipped_bytes_are_noticed_or_do_no_harm(kept):
    expected = Run.load(kept.folder)
    path = snapshot_file(kept.folder, 1)
    whole = path.read_bytes()
    noticed = 0
    for place in np.random.default_rng(0).integers(len(whole), size=12):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            found = Run.load(kept.folder)
        except ValueError:
            noticed += 1
        else:
            np.testing.assert_array_equal(found.residuals, expected.residuals)
            np.testing.assert_array_equal(found.times, expected.times)
    assert noticed > 6


def test_pickles_are_never_loaded(kept):
    path = kept.folder / "state.npz"

    class Bomb:
        def __reduce__(self):
            return os.abort, ()

    with zipfile.ZipFile(path, "a") as file:
        array = np.array([None])
        file.writestr("bomb.npy", pickled_array(array, Bomb()))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        dense(checkpoints=kept)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="damaged or no checkpoint"):
        dense(checkpoints=kept)


def pickled_array(array, content):
    """An .npy file of objects, as ``numpy.load`` would unpickle it."""
    import io

    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    return file.getvalue() + pickle.dumps(content)


def test_networks_made_by_python_functions_have_no_checkpoints(tmp_path):
    spec = TorchNetwork(lambda: torch.nn.Linear(1, 1))
    with pytest.raises(TypeError, match="made by a Python function"):
        train_module(spec, TARGET, steps=[1], learning_rate=0.1, checkpoints=Checkpoints(tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("interval", [-1.0, float("inf"), float("nan")])
def test_interval_is_a_number_of_seconds(interval, tmp_path):
    with pytest.raises(ValueError, match="at least 0 seconds"):
        Checkpoints(tmp_path, interval)


def test_folder_without_checkpoints_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoints of a training"):
        Run.load(tmp_path)


def test_differences_are_named_by_their_path():
    assert difference({"a": 1}, {"a": 1}) == ""
    assert difference({"a": {"b": [1]}}, {"a": {"b": [2]}}) == "a.b is [1] there and [2] here"
    assert difference({}, {"a": "x" * 100}) == "a differs"


# -- what can be read, and seen, on the way


@every_training
def test_what_was_recorded_can_be_read(training, tmp_path):
    whole = training()
    with pytest.raises(Stop):
        training(checkpoints=Checkpoints(tmp_path), progress=StopsAt(55, stop))
    run = Run.load(tmp_path)
    done = len(run.times)
    assert 1 <= done < len(whole.times)
    for name in ("times", "steps", "rates"):
        np.testing.assert_array_equal(getattr(run, name), getattr(whole, name)[:done])
    np.testing.assert_array_equal(run.residuals, whole.residuals[:, :done])
    np.testing.assert_array_equal(run.losses, whole.losses[:, :done])
    np.testing.assert_array_equal(run.initial_residuals, whole.initial_residuals)
    assert run.at([0.0, 1.0]).shape == (done, 2)


def test_divergence_says_where_the_snapshots_are(tmp_path):
    schedule = Piecewise((1e-3, 1e6), (4,))
    with pytest.raises(DivergenceError, match=rf"step \d+, .* in {tmp_path}, the last one is at t = 0.004"):
        train_module(
            SPEC,
            TARGET,
            steps=[0, 4, 500],
            learning_rate=schedule,
            checkpoints=Checkpoints(tmp_path),
        )
    assert Run.load(tmp_path).steps.tolist() == [0, 4]


def test_divergence_of_a_two_layer_network_says_where_the_snapshots_are(tmp_path, monkeypatch):
    monkeypatch.setattr("fefreq.kernel.operator.largest_rate", lambda model, target: 1e-3)
    with pytest.raises(DivergenceError, match=rf"step \d+, .* in {tmp_path}, the last one is at t = 0.1"):
        train(
            MODEL, TARGET, width=100, times=[0.1, 1e3], learning_rate=100.0, checkpoints=Checkpoints(tmp_path)
        )
    assert Run.load(tmp_path).times.tolist() == [0.1]


class Watching(NullProgress):
    def watch(self, losses):
        self.losses = losses


@every_training
def test_losses_are_shown_for_every_seed(training):
    progress = Watching()
    run = training(progress=progress)
    shown = progress.losses()
    assert shown.shape == (run.seeds,)
    if training not in (module, momentum):  # their last losses are those of a mini-batch
        np.testing.assert_allclose(shown, run.losses[:, -1], rtol=0.02)


def test_losses_of_many_networks_are_summed_up():
    assert losses_in_words(np.array([1.0, 0.25])) == "loss 1.0e+00 2.5e-01"
    assert losses_in_words(np.arange(9) / 8) == "loss of 9: 0.0e+00 to 1.0e+00, median 5.0e-01"


def test_bar_shows_remaining_time_and_losses_on_a_terminal(monkeypatch):
    import io

    from rich.console import Console

    from fefreq.support.progress import ProgressBar

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(
        "rich.console.Console", lambda stderr: Console(file=screen, force_terminal=True, width=150)
    )
    bar = ProgressBar()
    bar.start("training", 10)
    bar.watch(lambda: np.array([0.5, 0.125]))
    bar.advance(3)
    bar._bars.refresh()
    bar.finish()
    assert "loss 5.0e-01 1.2e-01" in screen.getvalue()
    assert "3/10" in screen.getvalue()
