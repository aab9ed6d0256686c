"""From an experiment to its outcome: predict, train, compare, judge."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import xarray as xr

from fefreq.diffusion import FrequencyDiffusion
from fefreq.experiment import Experiment, Training
from fefreq.fields import ErrorField, frequency_coordinates, half_life
from fefreq.targets import Target
from harness.checks import judge
from harness.comparison import compare
from harness.outcome import Case, Outcome
from harness.progress import NullProgress, Progress
from harness.runs import Trainer


def run_experiment(experiment: Experiment, progress: Progress | None = None) -> Outcome:
    """Carry out an experiment.

    Everything is validated for all models before the first network is trained.

    Parameters
    ----------
    experiment : Experiment
        With a ``training`` section.
    progress : Progress, optional
        Hears of the training steps.

    Raises
    ------
    ValueError
        If the experiment has no training section, or its data, model and training do not go together.
    """
    settings = experiment.training
    if settings is None:
        raise ValueError("this experiment has no [training] section, so there is no network to train")
    progress = progress or NullProgress()
    target = experiment.target.make()
    times = experiment.time_values()
    frequencies = frequency_grid(target, experiment.frequencies.half_width)
    tones = experiment.tones(target.dim)
    prepared = [
        (
            name,
            FrequencyDiffusion(model, target, order=experiment.pde.order, mesh_rtol=experiment.pde.mesh_rtol),
            Trainer(model, target, times=times, **trainer_settings(settings, name)),
        )
        for name, model in experiment.named_models().items()
    ]
    seconds: dict[str, float] = {}
    cases = {}
    for name, problem, trainer in prepared:
        start = time.perf_counter()
        run = trainer.train(progress)
        seconds[f"{name}: training"] = time.perf_counter() - start

        start = time.perf_counter()
        # A plain start has an output of its own: then the prediction starts from the measured residual.
        if settings.start == "plain":
            problem = FrequencyDiffusion(
                problem.model, run.initial, mesh=problem.choice.mesh, order=problem.choice.order
            )
        solution = problem.solve(experiment.forecast_times(), experiment.pde.rtol)
        seconds[f"{name}: diffusion equation"] = time.perf_counter() - start

        start = time.perf_counter()
        sources: dict[str, ErrorField] = {"pde": solution.until(times[-1]), "network": run}
        comparison = compare(sources, frequencies)
        table = tone_table({"pde": solution, "network": run}, tones)
        seconds[f"{name}: comparison"] = time.perf_counter() - start
        cases[name] = Case(problem.model, target, solution, run, comparison, table)
    return Outcome(experiment, cases, judge(experiment, cases), seconds)


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
    band = target.bandwidth * 1.25 if half_width is None else np.full(target.dim, half_width)
    step = (1 / 8 if target.dim == 1 else 1 / 4) / np.max(np.abs(target.points), axis=0)
    axes = []
    for width, h in zip(band, step, strict=True):
        n = int(np.ceil(width / h))
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
