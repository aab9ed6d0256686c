r"""Momentum in closed form: recurrences of second order, evaluated for any number of steps at once.

With momentum ``β`` and ``x = ηθ`` the error in a direction with rate ``θ`` obeys

.. math:: e_{n+1} = (1 + β - κx) \, e_n - (β - (κ-1) x) \, e_{n-1} , \qquad e_0 = 1 , \quad e_1 = 1 - κx ,

where ``κ = 1`` for the heavy ball and ``κ = 1 + β`` for Nesterov. The roots ``r = 1 - δ`` of its characteristic
polynomial satisfy ``δ_1 δ_2 = x`` and ``δ_1 + δ_2 = σ = 1 - β + κx``, so that
``δ_1 = 2x / (σ + √(σ² - 4x))`` keeps its digits at slow rates. There, with ``g(δ) = (1 - (1-δ)^n) / δ``,

.. math:: e_n = \frac{δ_2 (1 - κδ_1) r_1^n - δ_1 (1 - κδ_2) r_2^n}{δ_2 - δ_1} , \qquad
          \frac{1 - e_n}{x} = \frac{(1 - κδ_1) \, g(δ_1) - (1 - κδ_2) \, g(δ_2)}{δ_2 - δ_1} .

Roots that are equal, nearly equal or complex are no difficulty for
``P_m = Σ_i r_1^i r_2^{m-i}``, of which ``e_n = e_1 P_{n-1} - r_1 r_2 P_{n-2}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fefreq.dynamics.base import Counts, Evolution
from fefreq.dynamics.pushes import Moduli, Steps
from fefreq.support.arrays import FloatArray

WHOLE = 1e-6  # of a step, by which times may miss a whole number of steps


@dataclass(frozen=True, eq=False)
class MomentumEvolution(Evolution):
    """Steps with momentum until given times.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Whole numbers of steps.
    learning_rate, momentum : float
    ahead : bool
        Whether gradients are taken where the momentum leads (Nesterov).

    Raises
    ------
    ValueError
        If a time is no whole number of steps.
    """

    learning_rate: float
    momentum: float
    ahead: bool

    def __post_init__(self) -> None:
        missed = np.abs(self.times / self.learning_rate - self.steps) > WHOLE
        if np.any(missed):
            time = self.times[np.argmax(missed)]
            near = self.learning_rate * self.steps[np.argmax(missed)]
            raise ValueError(
                f"the time {time:g} is no whole number of steps of {self.learning_rate:g}, and with momentum steps "
                f"cannot be shortened: give steps, or times such as {near:g}"
            )

    @cached_property
    def steps(self) -> Counts:
        """Numbers of steps until each time."""
        return np.rint(self.times / self.learning_rate).astype(np.int64)

    def decay(self, rates: FloatArray) -> FloatArray:
        """``e_n``."""
        return self._errors(self.learning_rate * rates)

    def integral(self, rates: FloatArray) -> FloatArray:
        """``(1 - e_n) / θ``, without loss of digits at small rates."""
        x = self.learning_rate * rates
        slow = self._slow(x)
        accumulated = np.empty((len(self.times), len(x)))
        accumulated[:, slow] = self._slow_sums(x[slow])
        accumulated[:, ~slow] = (1.0 - self._errors(x[~slow])) / x[~slow]
        return self.learning_rate * accumulated

    def leak(
        self, rates: FloatArray, weights: FloatArray, diagonal: float, limit: float = np.inf
    ) -> FloatArray:
        """Moduli, added up step by step (:mod:`fefreq.dynamics.pushes`)."""
        moduli, sums = Moduli(weights, limit), []
        steps = Steps(self.learning_rate * rates, self.momentum, self.ahead, int(self.steps[-1]))
        for count in np.diff(self.steps, prepend=0):
            moduli.add(steps, int(count), self.learning_rate)
            sums.append(moduli.total)
        return np.array(sums)

    @property
    def _kick(self) -> float:
        """``κ``."""
        return 1.0 + self.momentum if self.ahead else 1.0

    def _slow(self, x: FloatArray) -> np.ndarray:
        """Where the roots are real and far apart: up to half of the first ``x`` at which they meet."""
        meet = (1 - np.sqrt(self.momentum)) ** 2
        if self.ahead:
            meet = ((1 - self.momentum) / (1 + self.momentum)) ** 2
        return np.asarray(x < 0.5 * meet)

    def _errors(self, x: FloatArray) -> FloatArray:
        slow = self._slow(x)
        errors = np.empty((len(self.times), len(x)))
        errors[:, slow] = self._slow_errors(x[slow])
        errors[:, ~slow] = self._fast_errors(x[~slow])
        return errors

    def _shortfalls(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``δ_1 < δ_2`` at slow rates."""
        total = 1 - self.momentum + self._kick * x
        gap = np.sqrt(total**2 - 4 * x)
        return 2 * x / (total + gap), 0.5 * (total + gap)

    def _slow_errors(self, x: FloatArray) -> FloatArray:
        (first, second), kick = self._shortfalls(x), self._kick
        counts = self.steps[:, None]
        slowly = second * (1 - kick * first) * np.exp(counts * np.log1p(-first))
        quickly = first * (1 - kick * second) * np.power(1 - second, counts)
        return np.asarray((slowly - quickly) / (second - first))

    def _slow_sums(self, x: FloatArray) -> FloatArray:
        """``(1 - e_n) / x``."""
        (first, second), kick = self._shortfalls(x), self._kick
        counts = self.steps[:, None]
        still = first == 0
        lost = -np.expm1(counts * np.log1p(-first))
        slowly = np.where(still, counts, lost / np.where(still, 1.0, first))
        quickly = (1 - np.power(1 - second, counts)) / second
        return np.asarray(((1 - kick * first) * slowly - (1 - kick * second) * quickly) / (second - first))

    def _fast_errors(self, x: FloatArray) -> FloatArray:
        """``e_1 P_{n-1} - r_1 r_2 P_{n-2}``."""
        beta, kick = self.momentum, self._kick
        trace, product = 1 + beta - kick * x, beta - (kick - 1) * x
        if self.ahead:
            discriminant = (1 - x) * ((1 - beta) ** 2 - (1 + beta) ** 2 * x)
        else:
            discriminant = ((1 - np.sqrt(beta)) ** 2 - x) * ((1 + np.sqrt(beta)) ** 2 - x)
        counts = self.steps[:, None]
        errors = (1 - kick * x) * _sums(counts - 1, trace, product, discriminant) - product * _sums(
            counts - 2, trace, product, discriminant
        )
        return np.where(counts == 0, 1.0, errors)


def _sums(degrees: Counts, trace: FloatArray, product: FloatArray, discriminant: FloatArray) -> FloatArray:
    """``P_m`` of degrees ``(T, 1)`` for roots with trace, product and discriminant ``(k,)``; 0 below degree 0."""
    m = np.maximum(degrees, 0)
    sign = np.where(trace < 0, -1.0, 1.0)

    # Real roots: the larger one, and how far the ratio of the other to it falls short of 1.
    gap = np.sqrt(np.maximum(discriminant, 0.0))
    largest = 0.5 * (np.abs(trace) + gap)
    short = np.divide(gap, largest, out=np.zeros_like(gap), where=largest > 0)
    near = short < 0.5
    power = np.where(
        near, -np.expm1((m + 1) * np.log1p(-np.where(near, short, 0.0))), 1 - np.power(1 - short, m + 1)
    )
    real = np.power(largest, m) * np.where(short > 0, power / np.where(short > 0, short, 1.0), m + 1)

    # Complex roots √d exp(±iψ), turned into the right half plane, where their angle keeps its digits.
    complex_ = discriminant < 0
    angle = np.arctan2(np.where(complex_, np.sqrt(np.abs(discriminant)), 1.0), np.abs(trace))
    turned = np.power(np.sqrt(np.abs(product)), m) * np.sin((m + 1) * angle) / np.sin(angle)

    return np.where(degrees < 0, 0.0, np.where(m % 2 == 1, sign, 1.0) * np.where(complex_, turned, real))
