"""The file of a study of the kind networks: its tables, and what it describes."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from fefreq.experiments.experiment import Diffusion, Frequencies, Times
from fefreq.experiments.schema import Section as Keys
from fefreq.fields.times import check_times
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import AnySource, Tones, located
from fefreq.targets.target import Target
from harness.comparison.checks import require_all
from harness.networks import AnyModule, ModuleSpec, Siren
from harness.studies.networks.checks import NetworkCheck, NetworksPlan
from harness.studies.study import Study
from harness.training.learning_rates import AnyLearningRate, Constant, LearningRate
from harness.training.module_trainer import ModuleStart, ModuleTrainer
from harness.training.optimisers import AnyOptimiser, Descent
from harness.training.trainer import DEFAULT_SHARE, Device, Precision

if TYPE_CHECKING:
    pass


class StepRange(Keys):
    """Numbers of steps: 0, and then about ``count`` numbers from ``first`` to ``last``."""

    first: PositiveInt = Field(description="first number after 0")
    last: PositiveInt = Field(description="last number")
    count: int = Field(ge=2, description="how many after 0, fewer if they would repeat")
    spacing: Literal["geometric", "linear"] = Field("geometric", description="how the numbers are spread")

    @model_validator(mode="after")
    def _increasing(self) -> StepRange:
        if not self.first < self.last:
            raise ValueError(f"first ({self.first}) must be smaller than last ({self.last})")
        return self

    def values(self) -> list[int]:
        """The numbers, increasing."""
        spread = np.geomspace if self.spacing == "geometric" else np.linspace
        return [0, *(int(k) for k in np.unique(np.rint(spread(self.first, self.last, self.count))))]


def _number_or_schedule(value: object) -> str | None:
    if isinstance(value, (dict, LearningRate)):
        return "schedule"
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else None


class NetworkTraining(Keys):
    """How all networks are trained."""

    optimiser: AnyOptimiser = Field(Descent(), description="gradient descent by default")
    learning_rate: (
        Annotated[
            Annotated[PositiveFloat, Tag("number")] | Annotated[AnyLearningRate, Tag("schedule")],
            Discriminator(
                _number_or_schedule,
                custom_error_type="learning_rate",
                custom_error_message="a learning rate is a number, such as 0.001, or a schedule, such as "
                "{ kind = 'cosine', rate = 0.001, steps = 1000 }",
            ),
        ]
        | None
    ) = Field(None, description="size of a step, or a schedule; descent has one of its own, see `share`")
    share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="instead of a learning rate: share of the stability limit of full-batch descent; by default 0.1",
    )
    batch: PositiveInt | None = Field(None, description="points of a mini-batch; by default all")
    seeds: PositiveInt = Field(1, description="number of networks of each kind, each from a start of its own")
    seed: int = Field(0, ge=0, description="where the random numbers of all networks begin")
    start: ModuleStart = Field(
        "centred", description="whether the output at the start is subtracted, or is part of the error"
    )
    precision: Precision = Field("float64", description="of parameters and residuals")
    device: Device = Field("cpu", description="where networks are trained")
    compile: bool = Field(False, description="whether networks are compiled with `torch.compile`")

    @model_validator(mode="after")
    def _consistent(self) -> NetworkTraining:
        if self.share is not None:
            if self.learning_rate is not None:
                raise ValueError("learning_rate and share both say how large a step is: give one of them")
            if not self.tangent_kernel_time:
                raise ValueError("share is of the stability limit of full-batch descent: give learning_rate")
        return self

    @property
    def tangent_kernel_time(self) -> bool:
        """Whether the sum of the learning rates is the time in which predictions live."""
        return isinstance(self.optimiser, Descent) and self.batch is None


class NetworkStudyFile(Study):
    """The keys of the file, and what they mean together."""

    kind: Literal["networks"]
    target: AnySource = Field(description="what is learned")
    networks: dict[str, AnyModule] = Field(min_length=1, description="the networks, each under a name")
    predictions: dict[str, Model] | None = Field(
        default=None,
        description="infinitely wide networks that networks of the same name are held against, for full-batch descent "
        "only; by default, there, the limit of every network that has one",
    )
    of_others: bool = Field(
        False, description="whether a prediction may be of another network than the one it is held against"
    )
    predicted_by: Literal["kernel", "pde"] = Field(
        "kernel", description="the kernel flow on the data, or the diffusion equation over frequency"
    )
    horizon: PositiveFloat | None = Field(
        None, description="time until which half-lives are predicted; by default the last time"
    )
    pde: Diffusion = Field(Diffusion(), description="how the diffusion equation is solved")
    times: (
        Annotated[
            Annotated[Times, Tag("range")] | Annotated[tuple[float, ...], Tag("list")],
            Discriminator(lambda value: "range" if isinstance(value, (dict, Times)) else "list"),
        ]
        | None
    ) = Field(
        None, description="training times of the snapshots, as a list or a range; either these or steps"
    )
    steps: (
        Annotated[
            Annotated[StepRange, Tag("range")] | Annotated[tuple[int, ...], Tag("list")],
            Discriminator(lambda value: "range" if isinstance(value, (dict, StepRange)) else "list"),
        ]
        | None
    ) = Field(None, description="numbers of steps at which snapshots are taken, as a list or a range")
    training: NetworkTraining = Field(NetworkTraining(), description="how the networks are trained")
    frequencies: Frequencies = Field(Frequencies(), description="where error fields are evaluated")
    checks: tuple[NetworkCheck, ...] = Field((), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.times is None) == (self.steps is None):
            raise ValueError("give either the times or the steps at which snapshots are taken")
        if self._snapshots()[0] != 0 or len(self._snapshots()) < 2:
            which = "times" if self.steps is None else "steps"
            raise ValueError(f"{which} must begin with 0, where errors are relative to, and go on from there")
        for name in self.networks:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"the name {name!r} may hold letters, digits, '-' and '_' only")
        self._require_comparable()
        plan = NetworksPlan(tuple(self.networks), tuple(self.predicted), self._tone_count())
        require_all(self.checks, plan)
        return self

    @cached_property
    def predicted(self) -> dict[str, Model]:
        """What networks are held against, by their names."""
        if self.predictions is not None:
            return dict(self.predictions)
        if not self.training.tangent_kernel_time:
            return {}
        limits = {name: spec.limit() for name, spec in self.networks.items()}
        return {name: limit for name, limit in limits.items() if limit is not None}

    def _require_comparable(self) -> None:
        for name, model in (self.predictions or {}).items():
            if name not in self.networks:
                raise ValueError(
                    f"predictions.{name}: there is no network {name!r}; there are {', '.join(self.networks)}"
                )
            if not self.training.tangent_kernel_time:
                how = type(self.training.optimiser).__name__.lower() + (
                    "" if self.training.batch is None else " in mini-batches"
                )
                raise ValueError(
                    f"predictions.{name}: predictions live in the time of full-batch gradient descent, which the "
                    f"learning rates of {how} do not add up to: leave out the predictions, or train by "
                    "optimiser = { kind = 'descent' } without batch"
                )
            spec = self.networks[name]
            if isinstance(spec, Siren) or getattr(spec, "parametrisation", "") == "standard":
                raise ValueError(
                    f"predictions.{name}: the network is not in the tangent-kernel parametrisation, so its time is "
                    "not that of a prediction: leave out the prediction, or choose a network with "
                    "parametrisation = 'tangent-kernel'"
                )
            limit = spec.limit()
            if not self.of_others and (limit is None or limit.to_json() != model.to_json()):
                raise ValueError(
                    f"predictions.{name}: {model!r} is the prediction of another network than networks.{name}, whose "
                    f"own is {limit!r}: leave it out, or say of_others = true"
                )
        if self.horizon is not None and not self.predicted:
            raise ValueError("horizon is for predictions, but there are none: give [predictions.NAME]")

    def located(self, folder: Path) -> Self:
        """The same study with relative paths resolved against the folder of its file."""
        return self.model_copy(update={"target": located(self.target, folder)})

    def prepare(self) -> None:
        """Make data and networks, and choose learning rates.

        Raises
        ------
        ValueError
            If data, networks and settings do not go together.
        """
        self.tones(self._data.dim)
        for model in self.predicted.values():
            self._predictor(model, self._data)
        _ = self._trainers  # made here, so that a network that cannot be trained is told before any training

    def _predictor(self, model: Model, target: Target) -> Any:
        """Something with a method ``solve(times)``."""
        from fefreq.kernel.flow import KernelFlow

        return KernelFlow(model, target) if self.predicted_by == "kernel" else self.pde.problem(model, target)

    def tones(self, dim: int) -> FloatArray:
        """Frequencies whose half-lives are of interest, shape ``(tones, d)``."""
        if self.frequencies.tones is None:
            return self.target.tones() if isinstance(self.target, Tones) else np.zeros((0, dim))
        for tone in self.frequencies.tones:
            if np.size(tone) != dim:
                raise ValueError(f"frequencies.tones: tone {tone} needs {dim} component(s), one per axis")
        return np.array([np.atleast_1d(tone) for tone in self.frequencies.tones], dtype=np.float64)

    def _tone_count(self) -> int:
        given = self.frequencies.tones
        if given is not None:
            return len(given)
        return len(self.target.frequencies) if isinstance(self.target, Tones) else 0

    def _snapshots(self) -> FloatArray:
        chosen = self.times if self.steps is None else self.steps
        values = chosen.values() if isinstance(chosen, (Times, StepRange)) else chosen
        return check_times(np.asarray(values, dtype=np.float64))

    @cached_property
    def _data(self) -> Target:
        target = self.target.make()
        if target.energy == 0:
            raise ValueError("the target is zero everywhere, so there is nothing to learn")
        return target

    @cached_property
    def _trainers(self) -> dict[str, ModuleTrainer]:
        return {name: self._trainer(name, spec) for name, spec in self.networks.items()}

    def _trainer(self, name: str, spec: ModuleSpec) -> ModuleTrainer:
        settings = {key: getattr(self.training, key) for key in type(self.training).model_fields}
        share = settings.pop("share")
        if self.steps is None:
            settings["times"] = self._snapshots()
        else:
            settings["steps"] = [int(count) for count in self._snapshots()]
        try:
            trainer = ModuleTrainer(spec, self._data, **settings)
        except ValueError as error:
            raise ValueError(f"networks.{name}: {error}") from error
        if share is None:
            return trainer
        return replace(trainer, learning_rate=Constant(trainer.schedule.peak * share / DEFAULT_SHARE))
