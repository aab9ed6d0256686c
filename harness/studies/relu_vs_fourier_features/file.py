"""The file of a study of the kind relu-vs-fourier-features: its tables, and what it describes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from fefreq.diffusion.problem import FrequencyDiffusion
from fefreq.experiments.experiment import Times
from fefreq.experiments.schema import Section as Keys
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import Tones
from fefreq.targets.target import Target
from harness.comparison.grid import frequency_grid
from harness.comparison.verdicts import Verdict
from harness.relu.schedule import Schedule
from harness.relu.tracker import Tracker
from harness.studies.relu_dynamics.file import InputCondition, PairSampling, ReluPerceptron, require_names
from harness.studies.relu_dynamics.numbers import cycles, in_band, require_band, short, telling_digits
from harness.studies.study import Study
from harness.studies.training_table import Training
from harness.training.plane_wave_trainer import PlaneWaveTrainer

PREDICTED, FOURIER = "pde", "network"


class ReluDescent(Keys):
    """How the ReLU networks are trained: by full-batch gradient descent, as the others."""

    learning_rate: PositiveFloat = Field(description="size of a step; times are rounded to whole steps")
    seeds: PositiveInt = Field(1, description="number of networks of each condition")
    seed: NonNegativeInt = Field(0, description="where all random numbers begin")


class PredictedCheck(Keys):
    """The mean field of the networks on Fourier features stays close to its prediction at every time."""

    kind: Literal["predicted"]
    tolerance: PositiveFloat = Field(description="largest L2 difference, relative to the initial error")

    def judge(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """Compare at all times."""
        difference = float(comparison.difference.sel(source=FOURIER).max())
        return Verdict(
            "Fourier features follow the diffusion equation",
            f"{100 * difference:.2g} %",
            f"at most {100 * self.tolerance:g} % of the initial error",
            difference <= self.tolerance,
        )


class BiasCheck(Keys):
    """The half-life of a fast tone exceeds that of a slow one by a factor, for networks of one source."""

    kind: Literal["bias"]
    source: str = Field(description="`network` for Fourier features, or the name of a condition")
    slow: NonNegativeInt = Field(description="index of the slow tone")
    fast: NonNegativeInt = Field(description="index of the fast tone")
    at_least: PositiveFloat | None = Field(None, description="smallest ratio of the half-lives")
    at_most: PositiveFloat | None = Field(None, description="largest ratio of the half-lives")

    @model_validator(mode="after")
    def _can_hold(self) -> BiasCheck:
        require_band(self.at_least, self.at_most)
        if self.slow == self.fast:
            raise ValueError(f"slow and fast are both tone {self.slow}: name two tones")
        return self

    def judge(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """Divide the half-lives."""
        lives = tones.half_life.sel(source=self.source).values
        covered = float(tones.covered.sel(source=self.source))
        endless = not np.isfinite(lives[self.fast])
        ratio = float((covered if endless else lives[self.fast]) / lives[self.slow])
        # Beyond the end of the run the ratio is only known to be larger.
        known = self.at_most is None or not endless
        digits = telling_digits(ratio, self.at_least, self.at_most)
        xi = tones.frequency.values
        return Verdict(
            f"{self.source}: half-life of {cycles(xi[self.fast])} over that of {xi[self.slow]:g}",
            f"{'> ' if endless else ''}{short(ratio, digits)}",
            _allowed(self.at_least, self.at_most),
            bool(known and np.isfinite(lives[self.slow]) and in_band(ratio, self.at_least, self.at_most)),
        )


class LeftCheck(Keys):
    """How much of a tone is left at the end."""

    kind: Literal["left"]
    source: str = Field(description="`network` for Fourier features, or the name of a condition")
    tone: NonNegativeInt = Field(description="index of the tone")
    at_least: float | None = Field(None, ge=0, description="smallest share of its start")
    at_most: float | None = Field(None, ge=0, description="largest share of its start")

    @model_validator(mode="after")
    def _can_hold(self) -> LeftCheck:
        require_band(self.at_least, self.at_most)
        return self

    def judge(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """Compare the modulus at the end with that at the start."""
        percent = 100 * float(tones.left.sel(source=self.source)[self.tone])
        ends = (
            None if self.at_least is None else 100 * self.at_least,
            None if self.at_most is None else 100 * self.at_most,
        )
        return Verdict(
            f"{self.source}: error left at {cycles(float(tones.frequency[self.tone]))}",
            f"{short(percent, telling_digits(percent, *ends))} %",
            _allowed(*ends, " %"),
            in_band(percent, *ends),
        )


def _allowed(at_least: float | None, at_most: float | None, unit: str = "") -> str:
    ends = {"at least": at_least, "at most": at_most}
    return " and ".join(f"{words} {end:g}{unit}" for words, end in ends.items() if end is not None)


AnyBiasCheck = Annotated[PredictedCheck | BiasCheck | LeftCheck, Field(discriminator="kind")]


class ReluVsFourierFeaturesFile(Study):
    """The keys of the file, and what they mean together."""

    kind: Literal["relu-vs-fourier-features"]
    target: Tones = Field(description="what is learned, in one dimension")
    times: Times = Field(description="training times of all networks")
    network: ReluPerceptron = Field(description="size of the ReLU networks")
    conditions: dict[str, InputCondition] = Field(
        min_length=1, description="what ReLU networks see of the data, by name"
    )
    descent: ReluDescent = Field(description="how the ReLU networks are trained")
    pairs: PairSampling = Field(PairSampling(), description="which pairs of samples are compared")
    model: Model = Field(description="the two-layer model that is predicted and trained")
    training: Training = Field(description="how the networks of the model are trained")
    checks: tuple[AnyBiasCheck, ...] = Field((), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.target.bounds) != 1:
            raise ValueError("target: the study is about data on one coordinate: give one pair of bounds")
        require_names(self.conditions, taken=(PREDICTED, FOURIER))
        if self.epochs()[-1] == 0:
            raise ValueError(
                f"descent.learning_rate: steps of {self.descent.learning_rate:g} are too long for training up to "
                f"times.last = {self.times.last:g}: take smaller steps, or train longer"
            )
        tones = len(self.target.frequencies)
        for number, check in enumerate(self.checks):
            for key in ("slow", "fast", "tone"):
                index = getattr(check, key, 0)
                if index >= tones:
                    raise ValueError(f"checks.{number}.{key}: there is no tone {index}; there are {tones}")
            source = getattr(check, "source", FOURIER)
            if source not in (FOURIER, *self.conditions):
                known = ", ".join((FOURIER, *self.conditions))
                raise ValueError(f"checks.{number}.source: there is no {source!r}; there are {known}")
        if isinstance(self.training.width, dict):
            raise ValueError("training.width: there is one model, so give a number")
        return self

    def epochs(self) -> tuple[int, ...]:
        """Steps of the ReLU networks at which everything is measured, from 0."""
        steps = np.rint(self.times.values() / self.descent.learning_rate).astype(np.int64)
        return tuple(np.unique(np.append(0, steps[steps > 0])).tolist())

    def time_values(self) -> FloatArray:
        """Training times that are whole steps of the ReLU networks, ``(T,)``."""
        return self.descent.learning_rate * np.array(self.epochs(), dtype=np.float64)

    def prepare(self) -> None:
        """Make data and networks, and find out whether they go together."""
        target = self.target.make()
        self.trackers(target)
        self._trainer(target)
        FrequencyDiffusion(self.model, target)

    def trackers(self, target: Target) -> dict[str, Tracker]:
        """Training of the ReLU networks, checked and ready to begin."""
        epochs = self.epochs()
        schedule = Schedule(
            error=epochs, hamming=epochs, confusion=epochs, patterns=epochs, width=epochs, dead=epochs
        )
        return {
            name: Tracker(
                self.network.build(1, target.channels or 1, condition.octaves),
                target,
                schedule,
                epochs=epochs[-1],
                learning_rate=self.descent.learning_rate,
                optimiser="descent",
                seeds=self.descent.seeds,
                seed=self.descent.seed,
                coordinates=condition.coordinates,
                frequencies=frequency_grid(target),
                pair_count=self.pairs.count,
                window=self.pairs.window,
            )
            for name, condition in self.conditions.items()
        }

    def _trainer(self, target: Target) -> PlaneWaveTrainer:
        return PlaneWaveTrainer(
            self.model, target, times=self.time_values(), **self.training.settings("model")
        )
