r"""Damped Gauss-Newton in the kernel picture (Levenberg-Marquardt): steps take ``ηK (K + μ)^{-1}`` of the error.

In a direction with rate ``θ`` the factor of a step is ``1 - ηθ / (θ + μ)``: rates above the damping ``μ`` are learned
at one pace, ``η``, whatever they are, and rates below it at ``ηθ/μ``, as by descent. Errors do not grow while
``η ≤ 2``. The time ``Σ η`` counts such steps; it is no time of the flow.

**The error bound.** ``(S + μ)^{-1}`` is no polynomial of ``S``, but the recurrence of Lanczos serves it as well:
``S V = V T + β_k v_{k+1} e_kᵀ`` gives

.. math:: (S + μ)^{-1} V y = V z - β_k \, (e_k^T z) \, (S + μ)^{-1} v_{k+1} , \qquad z = (T + μ)^{-1} y ,

and since ``‖μ (S + μ)^{-1}‖ ≤ 1`` the error after ``n`` steps is at most ``β_k Σ_j η |e_kᵀ z_j|``. While ``η ≤ 1`` all
terms have one sign, because ``D (T + μ)^{-1} D`` with ``D = diag(1, -1, 1, …)`` has no negative entry, and their sum is
``|e_kᵀ integral(T) e_1|``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from fefreq.dynamics.base import Counts, DiscreteDynamics, Evolution, require_learning_rate, require_number
from fefreq.dynamics.gradient_descent import DescentEvolution
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class GaussNewton(DiscreteDynamics):
    """Damped Gauss-Newton steps.

    Parameters
    ----------
    learning_rate : float
        ``0 < η ≤ 2``; 1 is the full step. Until given times the fewest equal steps between them are taken that
        do not exceed it.
    damping : float
        ``μ``, positive, in the units of the kernel's rates: per time of gradient flow.

    Raises
    ------
    TypeError
        If a parameter is no number.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> newton = GaussNewton(learning_rate=1.0, damping=0.1)
    >>> newton.evolution(newton.times_of([1])).decay(np.array([0.0, 0.1, 9.9]))
    array([[1.  , 0.5 , 0.01]])
    """

    learning_rate: float
    damping: float
    kind: Literal["gauss-newton"] = field(default="gauss-newton", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_learning_rate(self.learning_rate)
        if self.learning_rate > 2:
            raise ValueError(
                f"learning_rate of Gauss-Newton must be at most 2, not {self.learning_rate}, or errors would grow"
            )
        require_number("damping", self.damping)
        if not self.damping > 0:
            raise ValueError(f"damping must be above 0, not {self.damping}")

    def evolution(self, times: FloatArray) -> Evolution:
        """Any times."""
        return NewtonSteps(times, self.learning_rate, self.damping)

    @property
    def stable_until(self) -> float:
        """Infinite: the learning rate alone decides."""
        return np.inf


@dataclass(frozen=True, eq=False)
class NewtonSteps(Evolution):
    """Damped Gauss-Newton until given times: descent on the rates ``θ / (θ + μ)``."""

    learning_rate: float
    damping: float

    @cached_property
    def _descent(self) -> DescentEvolution:
        return DescentEvolution(self.times, self.learning_rate)

    @property
    def steps(self) -> Counts:
        """Numbers of steps until each time."""
        return self._descent.steps

    def decay(self, rates: FloatArray) -> FloatArray:
        """``∏ (1 - η_i θ / (θ + μ))^{n_i}``."""
        return self._descent.decay(self._saturated(rates))

    def integral(self, rates: FloatArray) -> FloatArray:
        """``(1 - decay) / θ``, and ``t / μ`` at rate 0."""
        return self._descent.integral(self._saturated(rates)) / self._damped(rates)

    def leak(
        self, rates: FloatArray, weights: FloatArray, diagonal: float, limit: float = np.inf
    ) -> FloatArray:
        """The closed form while ``η ≤ 1``; with larger steps the moduli are added up."""
        return self._descent.leak(self._saturated(rates), weights / self._damped(rates), 1.0, limit)

    def _damped(self, rates: FloatArray) -> FloatArray:
        return np.maximum(rates, 0.0) + self.damping

    def _saturated(self, rates: FloatArray) -> FloatArray:
        return np.maximum(rates, 0.0) / self._damped(rates)
