"""Training of two-layer networks by written-out gradients: sums of plane waves, dense or by transforms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from fefreq.dynamics.intervals import Interval, schedule
from fefreq.fields.times import check_times
from fefreq.models import Model
from fefreq.models.model import require_same_dimension
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.networks.spec import Start, require_choice, require_count
from harness.training.plan import Plan
from harness.training.trainer import Device, Precision, Trainer, stable_rate

if TYPE_CHECKING:
    from harness.training.plane_wave_engine import PlaneWaveEngine

Method = Literal["auto", "dense", "transform"]


@dataclass(frozen=True, eq=False)
class PlaneWaveTrainer(Trainer["PlaneWaveEngine"]):
    """Training that has been checked and can begin; see :func:`harness.train` for the parameters.

    Attributes
    ----------
    rate : float
        The learning rate, chosen if none was given.
    intervals : list of Interval
        The steps on the way to every snapshot.
    """

    model: Model
    target: Target
    width: int
    times: FloatArray
    learning_rate: float | None = None
    seeds: int = 1
    seed: int = 0
    start: Start = "antisymmetric"
    precision: Precision = "float64"
    device: Device = "cpu"
    method: Method = "auto"
    rate: float = field(init=False)
    intervals: list[Interval] = field(init=False)
    packages: ClassVar[tuple[str, ...]] = ("fefreq", "finufft", "numpy", "torch")

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", check_times(self.times))
        require_same_dimension(self.model, self.target)
        require_count("width", self.width, 1)
        require_choice("start", self.start, Start)
        require_choice("method", self.method, Method)
        self._require_transforms()
        self._require_common()
        if self.start == "antisymmetric" and self.width % 2:
            raise ValueError(
                f"the antisymmetric start pairs the neurons, so width must be even, not {self.width}: "
                f"use {self.width + 1}, or start='plain'"
            )
        object.__setattr__(self, "rate", stable_rate(self.model, self.target, self.learning_rate))
        object.__setattr__(self, "intervals", schedule(self.times, self.rate))

    def engine(self) -> PlaneWaveEngine:
        """All networks at their start."""
        from harness.networks.two_layer import network_for
        from harness.training.plane_wave_engine import PlaneWaveEngine

        network = network_for(self.model, self.width, self.target.channels or 1)
        return PlaneWaveEngine.of(
            network,
            self.target,
            self.intervals,
            start=self.start,
            seed=self.seed,
            seeds=self.seeds,
            precision=self.precision,
            device=self.device,
            method=self.method,
        )

    def plan(self, engine: PlaneWaveEngine) -> Plan:
        """The whole way."""
        return Plan(
            model=self.model,
            target=self.target,
            initial_residuals=engine.residuals,
            times=self.times,
            step_counts=[interval.steps for interval in self.intervals],
            rates=np.array([interval.rate for interval in self.intervals]),
            width=self.width,
            learning_rate=self.rate,
            method=engine.method,
            metadata=self._settings(self.start),
        )

    def _require_transforms(self) -> None:
        if self.method != "transform":
            return
        from harness.training.transform_plans import require_transforms

        require_transforms(self.device)
        if self.target.dim > 3:
            raise ValueError(
                f"fast transforms exist in up to 3 dimensions, but the target has {self.target.dim}: use method='dense'"
            )
