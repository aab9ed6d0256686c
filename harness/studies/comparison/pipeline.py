"""From an experiment to its outcome: predict, train, compare, judge."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from fefreq.diffusion.problem import FrequencyDiffusion
from fefreq.dynamics import GradientDescent
from fefreq.experiments.experiment import Experiment, Training
from fefreq.fields.coordinates import frequency_coordinates
from fefreq.fields.error_field import ErrorField
from fefreq.fields.half_life import half_life
from fefreq.kernel.flow import KernelFlow
from fefreq.support.progress import NullProgress, Progress
from fefreq.targets.target import Target
from harness.comparison.compare import compare
from harness.comparison.split import error_split
from harness.studies.comparison.judge import judge
from harness.studies.comparison.outcome import Case, Outcome
from harness.training.checkpoints import Checkpoints
from harness.training.runs import Trainer


def run_experiment(
    experiment: Experiment, progress: Progress | None = None, checkpoints: Checkpoints | None = None
) -> Outcome:
    """Carry out an experiment: predict on the whole space and on the data, train, compare, judge.

    Everything is validated for all models before the first network is trained. Without a ``training`` section
    the two predictions are compared with each other.

    Parameters
    ----------
    experiment : Experiment
    progress : Progress, optional
        Hears of the training steps.
    checkpoints : Checkpoints, optional
        Where training is kept, in a folder for each model, and from where it goes on.

    Raises
    ------
    ValueError
        If data, model and training do not go together.
    """
    progress = progress or NullProgress()
    target = experiment.make_target()
    experiment.tones(target.dim)
    prepared = {name: _Prepared.of(experiment, name, target) for name in experiment.named_models()}
    clock = Clock()
    cases = {
        name: one.carry_out(experiment, clock.named(name), progress, checkpoints and checkpoints.named(name))
        for name, one in prepared.items()
    }
    return Outcome(experiment, cases, judge(experiment, cases), clock.seconds)


@dataclass(frozen=True)
class _Prepared:
    """One model of an experiment, checked and ready to begin."""

    problem: FrequencyDiffusion
    flow: KernelFlow
    trainer: Trainer | None

    @classmethod
    def of(cls, experiment: Experiment, name: str, target: Target) -> _Prepared:
        model = experiment.named_models()[name]
        trainer = None
        if experiment.training is not None:
            settings = trainer_settings(experiment.training, name)
            trainer = Trainer(model, target, times=experiment.time_values(), **settings)
        return cls(experiment.pde.problem(model, target), KernelFlow(model, target), trainer)

    def carry_out(
        self, experiment: Experiment, clock: Clock, progress: Progress, checkpoints: Checkpoints | None
    ) -> Case:
        problem, flow, model, target = self.problem, self.flow, self.problem.model, self.problem.target
        frequencies = frequency_grid(target, experiment.frequencies.half_width)
        times = experiment.time_values()
        sources: dict[str, ErrorField] = {}
        run = None
        if self.trainer is not None:
            with clock.during("training"):
                run = self.trainer.train(progress, checkpoints)
            if self.trainer.start == "plain":
                # A plain start has an output of its own: predictions then start from the measured residual.
                target = run.initial
                problem, flow = experiment.pde.problem(model, target), KernelFlow(model, target)
        with clock.during("diffusion equation"):
            solution = problem.solve(experiment.forecast_times(), experiment.pde.rtol)
        sources["pde"] = solution.until(times[-1])
        with clock.during("kernel flow"):
            sources["kernel"] = flow.solve(times)
            if run is not None:
                descent = replace(flow, dynamics=GradientDescent(run.learning_rate))
                sources["descent"] = descent.solve(times)
                sources["network"] = run
        with clock.during("comparison"):
            comparison = compare(sources, frequencies)
            split = error_split(comparison, solution.until(times[-1]).stats)
            tones = tone_table({**sources, "pde": solution}, experiment.tones(target.dim))
        return Case(model, target, solution, run, comparison, split, tones)


@dataclass
class Clock:
    """Seconds by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)
    prefix: str = ""

    def named(self, name: str) -> Clock:
        """A clock that adds its times to this one under a name."""
        return Clock(self.seconds, f"{name}: ")

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Measure a block."""
        start = time.perf_counter()
        yield
        self.seconds[self.prefix + what] = time.perf_counter() - start


def trainer_settings(training: Training, model: str) -> dict[str, Any]:
    """Settings of the training of one model."""
    settings = training.model_dump()
    if isinstance(training.width, dict):
        settings["width"] = training.width[model]
    return settings


def frequency_grid(target: Target, half_width: float | None = None) -> np.ndarray:
    """Frequencies at which sources are compared: a symmetric tensor grid, shape ``(F, d)``.

    Four points per inverse half-length of the data make sums of squares over the grid equal to integrals over
    positions; in one dimension there are eight, for smoother pictures.
    """
    # Beyond the Nyquist frequency the spectrum of samples repeats itself and would count twice.
    band = (
        np.minimum(1.25 * target.bandwidth, target.nyquist)
        if half_width is None
        else np.full(target.dim, half_width)
    )
    step = (1 / 8 if target.dim == 1 else 1 / 4) / np.max(np.abs(target.points), axis=0)
    axes = []
    for width, h in zip(band, step, strict=True):
        n = int(np.floor(width / h * (1 + 1e-12)))
        axes.append(h * np.arange(-n, n + 1))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, target.dim)


def tone_table(sources: dict[str, ErrorField], tones: np.ndarray) -> xr.Dataset:
    """Half-lives (source, frequency) at the tones ``(K, d)``, each source over the times it covers."""
    lives = [half_life(source.times, np.abs(_single(source.at(tones)))) for source in sources.values()]
    covered = [float(source.times[-1]) for source in sources.values()]
    return xr.Dataset(
        {"half_life": (("source", "frequency"), np.stack(lives)), "covered": ("source", covered)},
        coords={"source": list(sources), **frequency_coordinates(tones)},
    )


def _single(values: np.ndarray) -> np.ndarray:
    return values if values.ndim == 2 else np.linalg.norm(values, axis=2)
