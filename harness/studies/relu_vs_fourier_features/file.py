"""The file of a study of the kind relu-vs-fourier-features: its tables, and what it describes."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from fefreq.diffusion.problem import FrequencyDiffusion
from fefreq.experiments.experiment import Times
from fefreq.experiments.schema import Section as Keys
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import Tones
from fefreq.targets.target import Target
from harness.comparison.checks import require_all
from harness.comparison.grid import frequency_grid
from harness.relu.schedule import Schedule
from harness.relu.tracker import Tracker
from harness.studies.relu_dynamics.file import InputCondition, PairSampling, ReluPerceptron, require_names
from harness.studies.relu_vs_fourier_features.checks import FOURIER, PREDICTED, AnyBiasCheck, BiasPlan
from harness.studies.study import Study
from harness.studies.training_table import Training
from harness.training.plane_wave_trainer import PlaneWaveTrainer


class ReluDescent(Keys):
    """How the ReLU networks are trained: by full-batch gradient descent, as the others."""

    learning_rate: PositiveFloat = Field(description="size of a step; times are rounded to whole steps")
    seeds: PositiveInt = Field(1, description="number of networks of each condition")
    seed: NonNegativeInt = Field(0, description="where all random numbers begin")


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
        sources = (FOURIER, *self.conditions)
        require_all(self.checks, BiasPlan(sources, len(self.target.frequencies)))
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
