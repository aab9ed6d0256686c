"""ReLU coordinate networks from the inside: regions, gradients and the error spectrum during training.

After Lazzari and Liu (arXiv 2301.05816): one set of data, networks of one size, and several conditions of what they see
of it, coordinates in an interval or a sinusoidal encoding of them. For every condition networks are trained and
measured on the way (:func:`harness.relu.track`); checks then hold what was measured against what
others have found.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator
from torch import nn

from fefreq.experiments.schema import Section as Keys
from fefreq.output.image_data import ImageGrid
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import AnySource, located
from fefreq.targets.target import Grid, Target
from harness.relu import ReluNetwork, activation_patterns, relu_network
from harness.relu.recording import Recording, stacked_recordings
from harness.relu.schedule import Schedule
from harness.relu.tracker import Tracker
from harness.reports.series import write_series
from harness.studies.relu_dynamics.checks import AnyReluCheck, require_readable
from harness.studies.relu_dynamics.targets import Photograph
from harness.studies.study import Study, StudyResult
from harness.studies.timings import Timings

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints

# Points along each edge of the region maps that are written for ParaView.
MAP_POINTS = 256


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


class ReluDynamics(Study):
    """Activation regions, gradients and error spectra of ReLU networks in training, by input condition."""

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
    def _consistent(self) -> ReluDynamics:
        require_names(self.conditions)
        for place, checks in (("checks", self.checks), ("expected", self.expected)):
            for number, check in enumerate(checks):
                try:
                    require_readable(
                        check,
                        tuple(self.conditions),
                        self.schedule,
                        self.training.epochs,
                        self.network.hidden_layers,
                        self.training.held_out is not None,
                    )
                except ValueError as error:
                    raise ValueError(f"{place}.{number}: {error}") from error
        return self

    def located(self, folder: Path) -> ReluDynamics:
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

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Train and measure the networks of all conditions, and judge what was measured."""
        from harness.studies.relu_dynamics.report import sections

        clock = Timings()
        trackers, cautions = without_warnings(self.trackers)
        recordings: dict[str, Recording] = {}
        for name, tracker in trackers.items():
            with clock.during(name):
                recordings[name] = tracker.run(progress, checkpoints and checkpoints.named(name))
        data = stacked_recordings(recordings)
        data.attrs |= {"title": self.title, "question": self.question}
        return StudyResult(
            self,
            tuple(check.judge(data) for check in self.checks),
            sections(self, recordings, data, cautions),
            {"dynamics": data},
            clock.seconds,
            self._files(recordings, data),
            {"warnings": list(cautions), "expected": [asdict(check.judge(data)) for check in self.expected]},
        )

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

    def _files(
        self, recordings: dict[str, Recording], data: xr.Dataset
    ) -> dict[str, Callable[[Path], object]]:
        files: dict[str, Callable[[Path], object]] = {
            f"networks-{name}.nc": recording.save for name, recording in recordings.items()
        }
        if data.sizes["time"] > 1:
            files["error.pvd"] = lambda path: write_series(error_series(data), path)
        if next(iter(recordings.values())).target.dim == 2:
            for name, recording in recordings.items():
                files[f"regions-{name}.vti"] = lambda path, of=recording: write_region_map(of, path)  # type: ignore[misc]
        return files


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


def error_series(data: xr.Dataset) -> xr.Dataset:
    """Mean error fields of all conditions in the form of :func:`harness.reports.series.write_series`."""
    fields = data[["error"]].mean("seed").rename(condition="source")
    return fields.expand_dims(model=["relu"])


def write_region_map(recording: Recording, path: Path, points: int = MAP_POINTS) -> Path:
    """Write the activation regions of the first network over the plane as a ``.vti`` file.

    Arrays are called ``region_EPOCH`` (a number for every different pattern) and ``active_EPOCH`` (share of hidden
    units that are on).

    Parameters
    ----------
    recording : Recording
        Of data in two dimensions.
    path : path
        Does not exist yet.
    points : int
        Along each edge.
    """
    from fefreq.support.files import atomic

    lower, upper = recording.box
    grid = Grid.over(list(zip(lower, upper, strict=True)), (points,) * 2)
    seen = recording.seen(grid.points)
    arrays: dict[str, np.ndarray] = {}
    for epoch in recording.epochs:
        network = ReluNetwork.of(recording.network(epoch))
        patterns = activation_patterns(network, seen)
        arrays[f"region_{epoch:05d}"] = patterns.labels().astype(np.int32)
        arrays[f"active_{epoch:05d}"] = (np.bitwise_count(patterns.words).sum(axis=1) / network.units).astype(
            np.float32
        )
    with atomic(path) as temporary:
        ImageGrid(grid).write(temporary, arrays, compress=True)
    return path


def without_warnings(build: Callable[[], dict[str, Tracker]]) -> tuple[dict[str, Tracker], tuple[str, ...]]:
    """Trackers, and what they warn of: :meth:`Study.prepare` has told the user before."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        trackers = build()
    return trackers, tuple(dict.fromkeys(str(warning.message) for warning in caught))
