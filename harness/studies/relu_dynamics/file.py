"""The file of a study of the kind relu-dynamics: its tables, and what it describes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator
from torch import nn

from fefreq.experiments.schema import Section as Keys
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import AnySource, located
from fefreq.targets.target import Target
from harness.comparison.checks import require_all
from harness.relu import relu_network
from harness.relu.schedule import Schedule
from harness.relu.tracker import Tracker
from harness.studies.relu_dynamics.checks import AnyReluCheck, ReluPlan
from harness.studies.relu_dynamics.targets import Photograph
from harness.studies.study import Study

if TYPE_CHECKING:
    pass


class ReluPerceptron(Keys):
    """Networks of hidden layers of one width."""

    width: PositiveInt = Field(description="units of a hidden layer")
    hidden_layers: PositiveInt = Field(description="number of hidden layers")
    activation: str = Field("relu", description="of the hidden units; regions are defined for `relu` alone")

    @field_validator("activation")
    @classmethod
    def _is_relu(cls, name: str) -> str:
        if name != "relu":
            raise ValueError(
                f"a network with the activation {name!r} has no activation regions: only 'relu' is measured"
            )
        return name

    def build(self, dim: int, channels: int, octaves: int | None) -> Callable[[int], nn.Sequential]:
        """What makes a network from a seed."""
        return lambda seed: relu_network(
            dim, self.width, self.hidden_layers, channels, octaves=octaves, seed=seed
        )


class InputCondition(Keys):
    """What the networks of one condition see of the data."""

    coordinates: tuple[float, float] = Field(
        (0.0, 1.0), description="what the longest side of the data becomes"
    )
    octaves: PositiveInt | None = Field(
        None, description="octaves of the sinusoidal encoding; without it the coordinates are the input"
    )

    @model_validator(mode="after")
    def _is_interval(self) -> InputCondition:
        if not self.coordinates[0] < self.coordinates[1]:
            raise ValueError(
                f"coordinates {list(self.coordinates)} are no interval: the first must be smaller"
            )
        return self

    def words(self, dim: int) -> str:
        """What is seen, in words."""
        low, high = self.coordinates
        of = f"coordinates from {low:g} to {high:g}"
        return of if self.octaves is None else f"{2 * dim * self.octaves} features of {of}"


class Optimisation(Keys):
    """How networks are trained: by Adam, or by gradient descent."""

    epochs: PositiveInt = Field(description="passes through the samples")
    batch: PositiveInt | None = Field(None, description="samples of a mini-batch; by default all")
    learning_rate: PositiveFloat = Field(1e-3, description="size of the steps")
    optimiser: Literal["adam", "descent"] = Field("adam", description="how steps are made of gradients")
    seeds: PositiveInt = Field(1, description="number of networks of each condition")
    seed: NonNegativeInt = Field(0, description="where all random numbers begin")
    held_out: float | None = Field(
        None, gt=0, lt=0.5, description="share of the samples for validation, and the same for a test"
    )


class PairSampling(Keys):
    """Which pairs of samples are compared."""

    count: PositiveInt = Field(5000, description="number of local pairs, and of global ones")
    window: int = Field(50, ge=2, description="samples along each edge of a window that local pairs are from")


class Spectrum(Keys):
    """Where the error spectrum is taken, in cycles per unit length of the data."""

    largest: PositiveFloat = Field(description="largest frequency along each axis")
    step: PositiveFloat = Field(description="distance of neighbouring frequencies")

    def points(self, dim: int) -> FloatArray:
        """Frequencies ``(F, d)``: none negative in one dimension, a symmetric grid in more."""
        n = int(np.floor(self.largest / self.step * (1 + 1e-9)))
        if dim == 1:
            return self.step * np.arange(n + 1.0)[:, None]
        axis = self.step * np.arange(-n, n + 1.0)
        return np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)


class ReluDynamicsFile(Study):
    """The keys of the file, and what they mean together."""

    kind: Literal["relu-dynamics"]
    target: Annotated[AnySource | Photograph, Field(discriminator="kind")] = Field(
        description="what is learned"
    )
    network: ReluPerceptron = Field(description="size of the networks")
    conditions: dict[str, InputCondition] = Field(
        min_length=1, description="what networks see of the data, by name"
    )
    training: Optimisation = Field(description="how they are trained")
    schedule: Schedule = Field(description="which diagnostic is measured after which epochs")
    pairs: PairSampling = Field(PairSampling(), description="which pairs of samples are compared")
    spectrum: Spectrum | None = Field(
        None, description="where the error spectrum is taken; by default over the band of the data"
    )
    snapshots: tuple[NonNegativeInt, ...] = Field(
        (), description="epochs after which networks are kept for region maps, besides the start and the end"
    )
    checks: tuple[AnyReluCheck, ...] = Field((), description="what `harness validate` insists on")
    expected: tuple[AnyReluCheck, ...] = Field(
        (),
        description="what others have found; the report says where it is met, and nothing insists on it",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        require_names(self.conditions)
        plan = ReluPlan(
            tuple(self.conditions),
            self.schedule,
            self.training.epochs,
            self.network.hidden_layers,
            self.training.held_out is not None,
        )
        require_all(self.checks, plan)
        require_all(self.expected, plan, "expected")
        return self

    def located(self, folder: Path) -> Self:
        """The same study with the path of its data resolved against a folder."""
        if isinstance(self.target, Photograph):
            return self
        return self.model_copy(update={"target": located(self.target, folder)})

    def prepare(self) -> None:
        """Make data and networks, and find out whether they go together.

        Raises
        ------
        ValueError
            If they do not, or if no pairs can be drawn or the samples do not fit into memory.

        Warns
        -----
        UserWarning
            If octaves of an encoding are faster than the grid of the data.
        """
        self.trackers()

    def trackers(self) -> dict[str, Tracker]:
        """Training of every condition, checked and ready to begin."""
        target = self.target.make()
        return {name: self._tracker(target, condition) for name, condition in self.conditions.items()}

    def _tracker(self, target: Target, condition: InputCondition) -> Tracker:
        training = self.training
        return Tracker(
            self.network.build(target.dim, target.channels or 1, condition.octaves),
            target,
            self.schedule,
            epochs=training.epochs,
            batch=training.batch,
            learning_rate=training.learning_rate,
            optimiser=training.optimiser,
            seeds=training.seeds,
            seed=training.seed,
            coordinates=condition.coordinates,
            frequencies=None if self.spectrum is None else self.spectrum.points(target.dim),
            pair_count=self.pairs.count,
            window=self.pairs.window,
            held_out=training.held_out,
            snapshots=(0, *self.snapshots, training.epochs),
        )


def require_names(conditions: Iterable[str], taken: Sequence[str] = ()) -> None:
    """Refuse names of conditions that cannot be part of the name of a file, or are those of something else.

    Raises
    ------
    ValueError
        If there is such a name.
    """
    for name in conditions:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"the name {name!r} of a condition may hold letters, digits, '-' and '_' only")
        if name in taken:
            raise ValueError(
                f"a condition must not be called {name!r}, as something else is: take another name"
            )


def without_warnings(build: Callable[[], dict[str, Tracker]]) -> tuple[dict[str, Tracker], tuple[str, ...]]:
    """Trackers, and what they warn of: :meth:`Study.prepare` has told the user before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        trackers = build()
    return trackers, tuple(dict.fromkeys(str(warning.message) for warning in caught))
