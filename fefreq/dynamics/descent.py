r"""How training time passes: continuously, or in steps of a learning rate.

In an eigen-direction of the tangent kernel with rate ``θ`` the error of gradient flow decays as
``exp(-θt)``. Gradient descent multiplies it by ``1 - ηθ`` in every step of size ``η``; with ``n_i`` equal
steps of ``η_i`` on the way from one requested time to the next the factor is

.. math:: \prod_i (1 - η_i θ)^{n_i} , \qquad \sum_i n_i η_i = t .

What has been learned is ``K`` times the accumulated residual, ``∫ u ds`` or ``∑ η u``, which in the same
direction is ``(1 - decay) / θ`` in both cases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class Interval:
    """Equal steps of size ``rate`` that lead from one requested time to the next."""

    steps: int
    rate: float


def schedule(times: FloatArray, learning_rate: float) -> list[Interval]:
    """Split the way to every time into the fewest equal steps that do not exceed the learning rate.

    >>> schedule(np.array([0.0, 1.0, 2.5]), learning_rate=0.4)
    [Interval(steps=0, rate=0.0), Interval(steps=3, rate=0.3333333333333333), Interval(steps=4, rate=0.375)]
    """
    intervals = []
    for span in np.diff(times, prepend=0.0):
        # Times such as 0.3 = 3 · 0.1 may exceed a whole number of steps by rounding.
        steps = int(np.ceil(span / learning_rate * (1 - 1e-12)))
        intervals.append(Interval(steps, float(span / steps) if steps else 0.0))
    return intervals


@dataclass(frozen=True, eq=False)
class Evolution(ABC):
    """What training until the given times does to one eigen-direction.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Increasing, the first at least 0.
    """

    times: FloatArray

    @abstractmethod
    def decay(self, rates: FloatArray) -> FloatArray:
        """Factor ``(T, k)`` that is left of the error in directions with rates ``(k,)``."""

    @abstractmethod
    def integral(self, rates: FloatArray) -> FloatArray:
        """Accumulated factor ``(1 - decay) / rate``, shape ``(T, k)``; the time itself at rate 0."""


@dataclass(frozen=True, eq=False)
class GradientFlow(Evolution):
    """Training with vanishing steps: ``exp(-θt)``.

    Examples
    --------
    >>> GradientFlow(np.array([0.0, 2.0])).integral(np.array([0.0, 0.5])).round(4)
    array([[0.    , 0.    ],
           [2.    , 1.2642]])
    """

    def decay(self, rates: FloatArray) -> FloatArray:
        """``exp(-θt)``."""
        return np.exp(-np.outer(self.times, rates))

    def integral(self, rates: FloatArray) -> FloatArray:
        """``(1 - exp(-θt)) / θ``."""
        return _per_rate(-np.expm1(-np.outer(self.times, rates)), rates, self.times)


@dataclass(frozen=True, eq=False)
class GradientDescent(Evolution):
    """Training with a learning rate: ``∏ (1 - η_i θ)^{n_i}`` over the intervals of :func:`schedule`.

    Parameters
    ----------
    learning_rate : float
        Positive; no step is larger.

    Examples
    --------
    >>> GradientDescent(np.array([1.0]), learning_rate=0.5).decay(np.array([0.0, 1.0, 2.0]))
    array([[1.  , 0.25, 0.  ]])
    """

    learning_rate: float

    @cached_property
    def intervals(self) -> list[Interval]:
        """The steps before each time."""
        return schedule(self.times, self.learning_rate)

    @property
    def steps(self) -> int:
        """Number of all steps."""
        return sum(interval.steps for interval in self.intervals)

    def decay(self, rates: FloatArray) -> FloatArray:
        """``∏ (1 - η_i θ)^{n_i}``."""
        logarithms, signs = self._factors(rates)
        return np.asarray(signs * np.exp(logarithms))

    def integral(self, rates: FloatArray) -> FloatArray:
        """``(1 - decay) / θ``, without loss of digits at small rates."""
        logarithms, signs = self._factors(rates)
        lost = np.where(signs > 0, -np.expm1(logarithms), 1.0 + np.exp(logarithms))
        return _per_rate(lost, rates, self.times)

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


def _per_rate(lost: FloatArray, rates: FloatArray, times: FloatArray) -> FloatArray:
    """Divide by the rates; where a rate is 0 nothing is lost and the quotient is the time."""
    still = rates == 0
    return np.where(still, times[:, None], lost / np.where(still, 1.0, rates))
