"""Kill training at random moments, let it go on, and compare the bytes with those of an undisturbed run.

    python benchmarks/kill_and_resume.py [--kills 20] [--seed 0] [--command]

Each training runs in a process of its own, which is killed by SIGKILL after a random time and started again, until it
has been killed so many times; then it may finish. The bytes of its file are held against those of a run that nobody
disturbed. With ``--command`` it is ``harness run --resume`` as a whole that is killed, while it loads, trains,
predicts, draws and writes alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import fefreq
from harness.networks import DeepFourierFeatureNetwork
from harness.training.checkpoints import Checkpoints
from harness.training.optimisers import Adam
from harness.training.run import Run
from harness.training.train import train, train_module

TARGET = fefreq.Target.from_function(
    lambda x: np.exp(-6 * x[:, 0] ** 2) * (1 + np.sin(4 * np.pi * x[:, 0])), [(-1, 1)], 128
)
MODEL = fefreq.FourierFeatures(fefreq.Gaussian(3.0), output_std=0.5)
SPEC = DeepFourierFeatureNetwork(fefreq.Gaussian(3.0), 32, 2)
TIMES = np.linspace(0, 10, 11)
SECONDS_BETWEEN_CHECKPOINTS = 0.05

EXPERIMENT = """
title = "Two tones"
times = { first = 0.5, last = 20, count = 6 }
[target]
kind = "tones"
bounds = [[-1, 1]]
shape = [96]
frequencies = [1, 4]
width = 0.2
[models.gaussian]
kind = "fourier-features"
output_std = 0.5
density = { kind = "gaussian", scale = 2.0 }
[models.uniform]
kind = "fourier-features"
output_std = 0.5
density = { kind = "uniform", half_width = 6.0 }
[training]
width = 256
seeds = 2
learning_rate = 0.02
"""


def dense(checkpoints: Checkpoints | None = None) -> Run:
    return train(
        MODEL,
        TARGET,
        width=128,
        times=TIMES,
        learning_rate=0.005,
        seeds=3,
        method="dense",
        checkpoints=checkpoints,
    )


def transform(checkpoints: Checkpoints | None = None) -> Run:
    return train(
        MODEL,
        TARGET,
        width=4000,
        times=TIMES,
        learning_rate=0.02,
        seeds=2,
        method="transform",
        checkpoints=checkpoints,
    )


def module(checkpoints: Checkpoints | None = None) -> Run:
    return train_module(
        SPEC,
        TARGET,
        steps=list(range(0, 2001, 200)),
        learning_rate=1e-3,
        optimiser=Adam(),
        batch=24,
        seeds=5,
        together=2,
        checkpoints=checkpoints,
    )


PATHS: dict[str, Callable[..., Run]] = {f.__name__: f for f in (dense, transform, module)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--command", action="store_true", help="kill the command as a whole, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"killed {arguments.kills} times at random moments, one thread, {TARGET.values.size} points")
    for name in PATHS:
        with tempfile.TemporaryDirectory() as folder:
            report(name, *killed_training(name, Path(folder), arguments.kills, arguments.seed))
    if arguments.command:
        with tempfile.TemporaryDirectory() as folder:
            report("harness run", *killed_command(Path(folder), arguments.kills, arguments.seed))


def report(name: str, same: bool, kills: int, undisturbed: float, total: float) -> None:
    print(
        f"{name:<12} {'identical bytes' if same else 'OTHER BYTES'} after {kills} kills; "
        f"{undisturbed:.1f} s undisturbed, {total:.1f} s with all kills",
        flush=True,
    )


def killed_training(name: str, folder: Path, kills: int, seed: int) -> tuple[bool, int, float, float]:
    """Whether a training ends with the same bytes, the kills it took, and seconds without and with them."""
    start = time.perf_counter()
    save(PATHS[name](), folder / "undisturbed.nc")
    undisturbed = time.perf_counter() - start
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "harness.training.module_engine",
            "harness.training.plane_wave_engine",
            "harness.training.train",
            "sympy",
            "torch._dynamo",
        ]
    )
    # Short enough that the training is not over before its last kill.
    moments = np.random.default_rng(seed).uniform(0, 2 / kills, kills) * undisturbed
    taken, start = 0, time.perf_counter()
    for moment in (*moments, None):
        listening, begun = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(name, folder / "kept", folder / "killed.nc", begun))
        process.start()
        listening.recv()
        if moment is not None:
            time.sleep(moment)
            process.kill()
        process.join()
        taken += process.exitcode == -signal.SIGKILL
    total = time.perf_counter() - start
    return (
        (folder / "killed.nc").read_bytes() == (folder / "undisturbed.nc").read_bytes(),
        taken,
        undisturbed,
        total,
    )


def work(name: str, kept: Path, out: Path, begun: multiprocessing.connection.Connection) -> None:
    torch.set_num_threads(1)
    begun.send("now")
    save(PATHS[name](Checkpoints(kept, SECONDS_BETWEEN_CHECKPOINTS)), out)


def save(run: Run, path: Path) -> None:
    replace(run, seconds=0.0).save(path, overwrite=True)


def killed_command(folder: Path, kills: int, seed: int) -> tuple[bool, int, float, float]:
    """The same for the command line, and all its data."""
    (folder / "experiment.toml").write_text(EXPERIMENT, encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    program = "import sys; from harness.commands.app import main; sys.argv[0] = 'harness'; main()"
    command = [sys.executable, "-c", program, "run", "experiment.toml", "--resume", "--output"]

    def begin(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, out], cwd=folder, env=environment, stdout=subprocess.DEVNULL)

    def data(out: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / out).glob("*.nc")}

    start = time.perf_counter()
    begin("undisturbed").wait()
    undisturbed = time.perf_counter() - start
    expected, rng = data("undisturbed"), np.random.default_rng(seed)
    same, taken, run, start = bool(expected), 0, 0, time.perf_counter()
    while taken < kills:
        process = begin(f"killed-{run}")
        try:
            process.wait(rng.uniform(0, undisturbed))
        except subprocess.TimeoutExpired:
            process.kill()
            taken += process.wait() == -signal.SIGKILL
        else:  # it came to its end: the next kills are for a run in a new folder
            same &= data(f"killed-{run}") == expected
            run += 1
    begin(f"killed-{run}").wait()
    same &= data(f"killed-{run}") == expected
    return same, taken, undisturbed, time.perf_counter() - start


if __name__ == "__main__":
    main()
