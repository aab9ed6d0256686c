"""What an experiment has found: prediction, training and comparison of every model, and the verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.diffusion.solution import MeshSolution
from fefreq.experiments.experiment import Experiment
from fefreq.models import Model
from fefreq.targets.target import Target

if TYPE_CHECKING:
    from harness.training.runs import Run


@dataclass(frozen=True)
class Case:
    """One model of an experiment.

    Attributes
    ----------
    model : Model
    target : Target
    solution : MeshSolution
        Prediction at the training times and, beyond them, up to the horizon.
    run : Run or None
        The trained networks, if there was training.
    comparison : xarray.Dataset
        Fields of all sources on a grid of frequencies (see :func:`harness.compare`).
    split : xarray.Dataset
        Where the difference between prediction and networks comes from (see :mod:`harness.comparison.split`).
    tones : xarray.Dataset
        ``half_life`` (source, frequency) at the tones; predictions reach to the horizon.
    """

    model: Model
    target: Target
    solution: MeshSolution
    run: Run | None
    comparison: xr.Dataset
    split: xr.Dataset
    tones: xr.Dataset


@dataclass(frozen=True)
class Verdict:
    """One check: what was measured, what was allowed.

    Attributes
    ----------
    name : str
        What is checked, in words.
    measured, allowed : str
        Numbers with their meaning.
    passed : bool
    """

    name: str
    measured: str
    allowed: str
    passed: bool


@dataclass(frozen=True)
class Outcome:
    """An experiment with its cases by model name, and the verdicts on its checks."""

    experiment: Experiment
    cases: dict[str, Case]
    verdicts: tuple[Verdict, ...]
    seconds: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(verdict.passed for verdict in self.verdicts)

    def write(self, folder: str | Path) -> Path:
        """Write data, ParaView series, pictures, manifest and report."""
        from harness.studies.comparison.results import write_outcome

        return write_outcome(self, folder)

    def to_xarray(self) -> xr.Dataset:
        """All comparisons as one dataset with the dimension ``model``."""
        names = list(self.cases)
        merged = xr.concat(
            [case.comparison for case in self.cases.values()], dim=xr.Variable("model", np.array(names))
        )
        merged.attrs = {
            "title": self.experiment.title,
            "question": self.experiment.question,
            "reference": self.cases[names[0]].comparison.attrs["reference"],
        }
        return merged
