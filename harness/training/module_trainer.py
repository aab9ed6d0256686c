"""Training of networks of any architecture by automatic differentiation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.fields.times import check_times
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.networks.spec import ModuleSpec, require_choice, require_count, require_number
from harness.training.learning_rates import MAX_STEPS, Constant, LearningRate, steps_to_counts, steps_to_times
from harness.training.optimisers import Descent, Optimiser
from harness.training.plan import Plan
from harness.training.trainer import Device, Precision, Trainer, default_rate

if TYPE_CHECKING:
    from harness.training.module_engine import ModuleEngine
    from harness.training.stacked_networks import StackedNetworks

ModuleStart = Literal["centred", "plain"]


@dataclass(frozen=True, eq=False)
class ModuleTrainer(Trainer["ModuleEngine"]):
    """Training that has been checked and can begin; see :func:`harness.train_module` for the parameters.

    Attributes
    ----------
    schedule : LearningRate
        The learning rate, chosen if none was given.
    snapshot_times : ndarray, shape (T,)
        Training times of the snapshots, whichever of times and steps were given.
    intervals : list of ndarray
        Sizes of the steps on the way to every snapshot.
    """

    spec: ModuleSpec
    target: Target
    times: ArrayLike | None = None
    steps: Sequence[int] | None = None
    learning_rate: float | LearningRate | None = None
    optimiser: Optimiser = field(default_factory=Descent)
    batch: int | None = None
    seeds: int = 1
    seed: int = 0
    start: ModuleStart = "centred"
    precision: Precision = "float64"
    device: Device = "cpu"
    compile: bool = False
    together: int | None = None
    schedule: LearningRate = field(init=False)
    snapshot_times: FloatArray = field(init=False)
    intervals: list[FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        self._check()
        counts, times = self._snapshots()
        schedule = self._schedule()
        object.__setattr__(self, "schedule", schedule)
        if counts is not None:
            intervals = steps_to_counts(schedule, counts)
            times = np.cumsum([float(sizes.sum()) for sizes in intervals])
            if np.any(np.diff(times) <= 0):
                raise ValueError(
                    "the learning rate falls to 0 before the last step, so nothing changes any more: "
                    "ask for fewer steps, or let the schedule end above 0"
                )
        else:
            assert times is not None
            intervals = steps_to_times(schedule, times)
        object.__setattr__(self, "intervals", intervals)
        object.__setattr__(self, "snapshot_times", times)

    def engine(self) -> ModuleEngine:
        """All networks at their start, in groups."""
        from harness.training.module_engine import ModuleEngine
        from harness.training.stacked_networks import members_together

        points, channels = self.batch or len(self.target.points), self.target.channels or 1
        together = self.together or members_together(self.spec, points, channels, self.device)
        members = range(self.seeds)
        groups = [self.group(members[first : first + together]) for first in range(0, self.seeds, together)]
        return ModuleEngine(groups, self.intervals, self.target.values.shape, together)

    def group(self, members: range) -> StackedNetworks:
        """Some of the networks at their start."""
        import torch

        from harness.training.stacked_networks import StackedNetworks

        return StackedNetworks(
            self.spec,
            self.target,
            members,
            optimiser=self.optimiser,
            batch=self.batch,
            seed=self.seed,
            centred=self.start == "centred",
            dtype=getattr(torch, self.precision),
            device=torch.device(self.device),
            compiled=self.compile,
        )

    def plan(self, engine: ModuleEngine) -> Plan:
        """The whole way."""
        return Plan(
            model=self.spec,
            target=self.target,
            initial_residuals=engine.residuals,
            times=self.snapshot_times,
            step_counts=[len(sizes) for sizes in self.intervals],
            rates=np.array([sizes.mean() if len(sizes) else 0.0 for sizes in self.intervals]),
            width=self.spec.width,
            learning_rate=self.schedule.peak,
            method="autograd",
            metadata={
                **self._settings(
                    self.start,
                    optimiser=json.dumps(asdict(self.optimiser)),  # type: ignore[call-overload]
                    schedule=json.dumps(asdict(self.schedule)),  # type: ignore[call-overload]
                    batch=self.batch or len(self.target.points),
                    compile=self.compile,
                ),
                "together": engine.together,
            },
        )

    def _check(self) -> None:
        if not isinstance(self.spec, ModuleSpec):
            raise TypeError(
                f"a {type(self.spec).__name__} is no specification of a network: see harness.networks; "
                "models of the theory are trained by harness.train"
            )
        if self.spec.dim != self.target.dim:
            raise ValueError(
                f"the network has {self.spec.dim} coordinate(s), but the target has {self.target.dim}: "
                "give both the same dim"
            )
        if not isinstance(self.optimiser, Optimiser):
            raise TypeError(
                f"optimiser must be a Descent, Sgd or Adam of harness.training.optimisers, not {self.optimiser!r}"
            )
        self._require_common()
        if self.together is not None:
            require_count("together", self.together, 1)
        if self.batch is not None:
            require_count("batch", self.batch, 1)
            if self.batch > len(self.target.points):
                raise ValueError(
                    f"batch is {self.batch}, but the target has only {len(self.target.points)} points: "
                    "choose fewer, or leave it out for the full batch"
                )
        require_choice("start", self.start, ModuleStart)

    def _snapshots(self) -> tuple[list[int] | None, FloatArray | None]:
        if (self.times is None) == (self.steps is None):
            raise ValueError("give either the times or the steps at which snapshots are taken")
        if self.times is not None:
            return None, check_times(self.times)
        assert self.steps is not None
        counts = list(self.steps)
        for count in counts:
            require_count("every entry of steps", count, 0)
        if not counts or any(later <= sooner for sooner, later in pairwise(counts)):
            raise ValueError(f"steps must increase and be at least one number, but they are {counts}")
        if counts[-1] > MAX_STEPS:
            raise ValueError(f"steps go up to {counts[-1]:g}, but no more than {MAX_STEPS:g} can be planned")
        return [int(count) for count in counts], None

    def _schedule(self) -> LearningRate:
        rate = self.learning_rate
        if isinstance(rate, LearningRate):
            return rate
        if rate is not None:
            require_number("learning_rate", rate, 0.0, above=True)
            return Constant(float(rate))
        if not isinstance(self.optimiser, Descent) or self.batch is not None:
            raise ValueError(
                "only full-batch descent has a learning rate of its own, from its stability limit: "
                f"give learning_rate for {type(self.optimiser).__name__.lower()}"
                + (" in mini-batches" if self.batch is not None else "")
            )
        return Constant(default_rate(2 / self.group(range(1)).largest_rate()))
