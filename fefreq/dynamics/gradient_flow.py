"""Gradient flow, the limit of small steps: ``exp(-θt)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from fefreq.dynamics.base import Dynamics, Evolution
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class GradientFlow(Dynamics):
    """Training with vanishing steps: in a direction with rate ``θ`` the error decays as ``exp(-θt)``.

    Examples
    --------
    >>> GradientFlow().evolution(np.array([0.0, 2.0])).integral(np.array([0.0, 0.5])).round(4)
    array([[0.    , 0.    ],
           [2.    , 1.2642]])
    """

    kind: Literal["gradient-flow"] = field(default="gradient-flow", kw_only=True, repr=False)

    def evolution(self, times: FloatArray) -> Evolution:
        """Any times."""
        return FlowEvolution(times)

    def times_of(self, steps: Sequence[int]) -> FloatArray:
        """Gradient flow has no steps."""
        raise ValueError(
            "gradient flow has no steps: give times, or dynamics with a learning rate such as "
            "fefreq.GradientDescent(0.1)"
        )

    @property
    def stable_until(self) -> float:
        """Infinite."""
        return np.inf

    def require_stable(self, largest: float) -> None:
        """Gradient flow always is."""


@dataclass(frozen=True, eq=False)
class FlowEvolution(Evolution):
    """Gradient flow until given times."""

    @property
    def steps(self) -> None:
        """None: time is continuous."""
        return

    def decay(self, rates: FloatArray) -> FloatArray:
        """``exp(-θt)``."""
        return np.exp(-np.outer(self.times, rates))

    def integral(self, rates: FloatArray) -> FloatArray:
        """``(1 - exp(-θt)) / θ``."""
        return per_rate(-np.expm1(-np.outer(self.times, rates)), rates, self.times)


def per_rate(lost: FloatArray, rates: FloatArray, times: FloatArray) -> FloatArray:
    """Divide by the rates; where a rate is 0 nothing is lost and the quotient is the time."""
    still = rates == 0
    return np.where(still, times[:, None], lost / np.where(still, 1.0, rates))
