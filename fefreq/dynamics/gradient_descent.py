r"""Gradient descent: every step of size ``η`` multiplies the error by ``1 - ηθ``.

With ``n_i`` equal steps of ``η_i`` on the way from one requested time to the next the factor is

.. math:: \prod_i (1 - η_i θ)^{n_i} , \qquad \sum_i n_i η_i = t ,

which does not grow while ``ηθ ≤ 2``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from fefreq.dynamics.base import Counts, DiscreteDynamics, Evolution, require_learning_rate
from fefreq.dynamics.gradient_flow import per_rate
from fefreq.dynamics.intervals import Interval, schedule
from fefreq.dynamics.pushes import Moduli, Steps
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class GradientDescent(DiscreteDynamics):
    """Training with a learning rate: every step multiplies the error by ``1 - ηθ``.

    Stable for ``η ≤ 2 / λ_max``.

    Parameters
    ----------
    learning_rate : float
        ``η``, positive; no step is larger. Until given times the fewest equal steps between them are taken that
        do not exceed it.

    Raises
    ------
    TypeError
        If the learning rate is no number.
    ValueError
        If it is not positive and finite.

    Examples
    --------
    >>> GradientDescent(0.5).evolution(np.array([1.0])).decay(np.array([0.0, 1.0, 2.0]))
    array([[1.  , 0.25, 0.  ]])
    """

    learning_rate: float
    kind: Literal["gradient-descent"] = field(default="gradient-descent", kw_only=True, repr=False)
    _stability: ClassVar = ("gradient descent", "2/λ_max")

    def __post_init__(self) -> None:
        require_learning_rate(self.learning_rate)

    def evolution(self, times: FloatArray) -> Evolution:
        """Any times."""
        return DescentEvolution(times, self.learning_rate)

    @property
    def stable_until(self) -> float:
        """``2 / η``."""
        return 2 / self.learning_rate


@dataclass(frozen=True, eq=False)
class DescentEvolution(Evolution):
    """Gradient descent until given times."""

    learning_rate: float

    @cached_property
    def intervals(self) -> list[Interval]:
        """The steps before each time."""
        return schedule(self.times, self.learning_rate)

    @property
    def steps(self) -> Counts:
        """Numbers of steps until each time."""
        return np.cumsum([interval.steps for interval in self.intervals])

    def decay(self, rates: FloatArray) -> FloatArray:
        """``∏ (1 - η_i θ)^{n_i}``."""
        logarithms, signs = self._factors(rates)
        return np.asarray(signs * np.exp(logarithms))

    def integral(self, rates: FloatArray) -> FloatArray:
        """``(1 - decay) / θ``, without loss of digits at small rates."""
        logarithms, signs = self._factors(rates)
        lost = np.where(signs > 0, -np.expm1(logarithms), 1.0 + np.exp(logarithms))
        return per_rate(lost, rates, self.times)

    def leak(
        self, rates: FloatArray, weights: FloatArray, diagonal: float, limit: float = np.inf
    ) -> FloatArray:
        """As for gradient flow while ``η T_ii ≤ 1``; with larger steps the moduli are added up."""
        if max(interval.rate for interval in self.intervals) * diagonal <= 1.0:
            return super().leak(rates, weights, diagonal, limit)
        moduli, sums = Moduli(weights, limit), []
        for interval in self.intervals:
            if moduli.total < np.inf:
                steps = Steps(interval.rate * rates, 0.0, False, interval.steps)
                moduli.add(steps, interval.steps, interval.rate)
            sums.append(moduli.total)
        return np.array(sums)

    def _factors(self, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Logarithm of the modulus and sign of every factor, shape ``(T, k)``."""
        logarithms, signs = [np.zeros(len(rates))], [np.ones(len(rates))]
        for interval in self.intervals:
            step = interval.rate * rates
            near = step < 0.5
            with np.errstate(divide="ignore"):
                one = np.where(near, np.log1p(-np.where(near, step, 0.0)), np.log(np.abs(1.0 - step)))
            logarithms.append(logarithms[-1] + (interval.steps * one if interval.steps else 0.0))
            signs.append(signs[-1] * np.where((step > 1.0) & (interval.steps % 2 == 1), -1.0, 1.0))
        return np.stack(logarithms[1:]), np.stack(signs[1:])
