"""The plan of a training: what is trained, and which steps lead to which snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.networks import ModuleSpec
from harness.training.run import Run, Setting


@dataclass(frozen=True, eq=False)
class Plan:
    """What is known of a run before its first step; see :class:`harness.Run` for the attributes.

    Attributes
    ----------
    step_counts : sequence of int
        Steps on the way to every snapshot.
    """

    model: Model | ModuleSpec | None
    target: Target
    initial_residuals: FloatArray
    times: FloatArray
    step_counts: Sequence[int]
    rates: FloatArray
    width: int
    learning_rate: float
    method: str
    metadata: dict[str, Setting]

    def run(self, residuals: Sequence[FloatArray], losses: Sequence[FloatArray], seconds: float) -> Run:
        """The run as far as it has come, with residuals and losses of as many snapshots as have been taken."""
        done, members = len(residuals), len(self.initial_residuals)
        return Run(
            target=self.target,
            times=self.times[:done],
            members=np.stack(residuals, axis=1) if done else self.initial_residuals[:, None][:, :0],
            model=self.model,
            initial_residuals=self.initial_residuals,
            losses=np.stack(losses, axis=1) if done else np.empty((members, 0)),
            steps=np.cumsum(self.step_counts, dtype=np.int64)[:done],
            rates=self.rates[:done],
            width=self.width,
            learning_rate=self.learning_rate,
            method=self.method,
            seconds=seconds,
            metadata=self.metadata,
        )
