r"""Predictions held against two-layer networks: the study of files without a key ``kind``.

Every model is predicted on the whole space (the diffusion equation) and on the data (the kernel flow), networks are
trained, and all are compared at common frequencies and times. Without a ``[training]`` table the two predictions are
compared with each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import xarray as xr
from pydantic import Field, model_validator

from fefreq.diffusion.problem import FrequencyDiffusion
from fefreq.dynamics import GradientDescent
from fefreq.experiments.experiment import Experiment
from fefreq.fields.coordinates import frequency_points
from fefreq.fields.error_field import ErrorField
from fefreq.kernel.flow import KernelFlow
from fefreq.models.model import require_same_dimension
from fefreq.support.progress import NullProgress, Progress
from fefreq.targets.target import Target
from harness.comparison.checks import judge_all, require_all
from harness.comparison.compare import compare
from harness.comparison.grid import frequency_grid
from harness.comparison.split import error_split
from harness.comparison.tones import tone_table
from harness.reports.facts import run_facts
from harness.reports.series import write_series
from harness.studies.comparison.case import Case
from harness.studies.comparison.check import ComparisonPlan, require_models
from harness.studies.comparison.checks import AnyCheck
from harness.studies.frame import Frame, digest_of_arrays
from harness.studies.study import Study, StudyResult
from harness.studies.timings import Timings
from harness.studies.training_table import Training
from harness.training.checkpoints import Checkpoints
from harness.training.plane_wave_trainer import PlaneWaveTrainer
from harness.training.run import Run


class Comparison(Experiment, Study):
    """Predictions, networks, and what must come out when they are held against one another."""

    shares_times: ClassVar[bool] = True
    kind: Literal["comparison"] = Field("comparison", exclude=True, description="may be left out")
    training: Training | None = Field(None, description="needed by the harness, not by `fefreq solve`")
    checks: tuple[AnyCheck, ...] = Field((), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        models = tuple(self.named_models())
        start = None if self.training is None else self.training.start
        require_all(self.checks, ComparisonPlan(models, self.tone_count(), start))
        if self.training is not None and isinstance(self.training.width, dict):
            for name in models:
                if name not in self.training.width:
                    raise ValueError(f"training.width has no entry for the model {name!r}")
            require_models(tuple(self.training.width), models)
        return self

    def prepare(self) -> None:
        """Make the data, and hold their dimension against tones and models."""
        target = self.make_target()
        self.tones(target.dim)
        for model in self.named_models().values():
            require_same_dimension(model, target)

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Predict, train and compare every model; all are validated before the first network is trained."""
        from harness.studies.comparison.report import sections

        timings = Timings()
        cases = {
            name: one.carry_out(self, timings.named(name), progress, checkpoints and checkpoints.named(name))
            for name, one in self._prepared().items()
        }
        data = self._together(cases)
        runs = {name: case.run for name, case in cases.items() if case.run is not None}
        networks = {f"network-{name}.nc": _saver(run) for name, run in runs.items()}
        return StudyResult(
            study=self,
            verdicts=judge_all(self.checks, cases),
            sections=sections(cases, self.checks),
            datasets={"comparison": data, **{f"split-{name}": case.split for name, case in cases.items()}},
            seconds=timings.seconds,
            files={**networks, "comparison.pvd": partial(write_series, data)},
            details={
                "predictions": {name: case.solution.stats.to_dict() for name, case in cases.items()},
                "training": {name: run_facts(run) for name, run in runs.items()},
            },
            findings=cases,
        )

    def summary(self, result: StudyResult) -> xr.Dataset:
        """The comparison with ``loss`` (model, seed, time) of networks and ``tone_half_life`` (model, source, tone)."""
        data, cases = result.datasets["comparison"].copy(), list(result.findings.values())
        losses = [case.run.losses for case in cases if case.run is not None]
        if losses:
            told = {"long_name": "½ Σ q |u|² of every network"}
            data["loss"] = (("model", "seed", "time"), np.stack(losses), told)
        tones = cases[0].tones
        if tones.sizes["frequency"]:
            lives = np.stack([case.tones.half_life.values for case in cases])
            told = {"long_name": "time at which half of the error at a tone is left"}
            data["tone_half_life"] = (("model", "source", "tone"), lives, told)
            columns = enumerate(frequency_points(tones).T)
            data = data.assign_coords({f"tone_{axis}": ("tone", column) for axis, column in columns})
        return data

    def frame(self) -> Frame:
        """Grid of frequencies, tones and names of models, which the cells of a sweep share; digest of the data."""
        target = self.make_target()
        tones = self.tones(target.dim)
        return Frame(
            data=digest_of_arrays(target.points, target.values, target.weights),
            shared={"frequencies": frequency_grid(target, self.frequencies.half_width), "tones": tones},
            models=tuple(self.named_models()),
        )

    def _together(self, cases: dict[str, Case]) -> xr.Dataset:
        """All comparisons as one dataset with the dimension ``model``."""
        comparisons = [case.comparison for case in cases.values()]
        together = xr.concat(comparisons, dim=xr.Variable("model", np.array(list(cases))), join="exact")
        reference = comparisons[0].attrs["reference"]
        together.attrs = {"title": self.title, "question": self.question, "reference": reference}
        return together

    def _prepared(self) -> dict[str, _Prepared]:
        target = self.make_target()
        self.tones(target.dim)
        return {name: _Prepared.of(self, name, target) for name in self.named_models()}


@dataclass(frozen=True)
class _Prepared:
    """One model, checked and ready to begin."""

    problem: FrequencyDiffusion
    flow: KernelFlow
    trainer: PlaneWaveTrainer | None

    @classmethod
    def of(cls, study: Comparison, name: str, target: Target) -> _Prepared:
        model = study.named_models()[name]
        trainer = None
        if study.training is not None:
            trainer = PlaneWaveTrainer(
                model, target, times=study.time_values(), **study.training.settings(name)
            )
        return cls(study.pde.problem(model, target), KernelFlow(model, target), trainer)

    def carry_out(
        self, study: Comparison, timings: Timings, progress: Progress, checkpoints: Checkpoints | None
    ) -> Case:
        problem, flow, model, target = self.problem, self.flow, self.problem.model, self.problem.target
        times, rtol = study.time_values(), study.kernel.rtol
        sources: dict[str, ErrorField] = {}
        run = None
        if self.trainer is not None:
            with timings.during("training"):
                run = self.trainer.train(progress, checkpoints)
            if self.trainer.start == "plain":
                # A plain start has an output of its own: predictions then start from the measured residual.
                target = run.initial
                problem, flow = study.pde.problem(model, target), KernelFlow(model, target)
        with timings.during("diffusion equation"):
            solution = problem.solve(study.forecast_times(), rtol=study.pde.rtol)
        sources["pde"] = solution
        with timings.during("kernel flow"):
            sources["kernel"] = flow.solve(times, rtol=rtol)
            if run is not None:
                descent = dataclasses.replace(flow, dynamics=GradientDescent(run.learning_rate))
                sources["descent"] = descent.solve(times, rtol=rtol)
                sources["network"] = run
        with timings.during("comparison"):
            trained = solution.until(times[-1])
            grid = frequency_grid(target, study.frequencies.half_width)
            comparison = compare({**sources, "pde": trained}, grid)
            split = error_split(comparison, trained.stats)
            tones = tone_table(sources, study.tones(target.dim))
        return Case(model, target, sources, comparison, split, tones)


def run_experiment(
    experiment: Experiment, *, progress: Progress | None = None, checkpoints: Checkpoints | None = None
) -> StudyResult:
    """Carry out a comparison.

    Parameters
    ----------
    experiment : Comparison or Experiment
        A plain experiment has no training: its predictions are compared with each other.
    progress : Progress, optional
        Hears of the training steps.
    checkpoints : Checkpoints, optional
        Where training is kept, in a folder for each model, and from where it goes on.

    Returns
    -------
    StudyResult
        Its ``findings`` are a :class:`~harness.studies.comparison.case.Case` by model name.

    Raises
    ------
    ValueError
        If data, model and training do not go together.
    """
    if not isinstance(experiment, Comparison):
        experiment = Comparison.model_validate(experiment.model_dump())
    return experiment.carry_out(progress or NullProgress(), checkpoints)


def _saver(run: Run) -> Callable[[Path], Path]:
    # Data do not tell how long they took, so that interrupted and undisturbed runs leave the same files.
    return dataclasses.replace(run, seconds=0.0).save
