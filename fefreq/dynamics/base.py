r"""What every optimiser says of an eigen-direction of the tangent kernel.

In a direction with rate ``θ`` an optimiser leaves the fraction ``decay(θ)`` of the error. What has been learned is the
kernel times what the optimiser has accumulated of the residual, which in the same direction is

.. math:: integral(θ) = \frac{1 - decay(θ)}{θ} .

A :class:`Dynamics` is the optimiser with its options; an :class:`Evolution` is what it has done by given times. Every
step moves the network by ``K p_j``: the *pushes* ``p_j`` are what :meth:`Evolution.leak` adds up, for the error
bound of :mod:`fefreq.kernel.lanczos`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray

Counts = NDArray[np.int64]

MAX_STEPS = 10**9  # counts and their times stay exact, and bounds of the error can be added up


@dataclass(frozen=True, eq=False)
class Evolution(ABC):
    """What training until the given times does to one eigen-direction.

    Parameters
    ----------
    times : ndarray, shape (T,)
        Increasing, the first at least 0.
    """

    times: FloatArray

    @property
    @abstractmethod
    def steps(self) -> Counts | None:
        """Numbers of steps until each time, shape ``(T,)``; None where time is continuous."""

    @abstractmethod
    def decay(self, rates: FloatArray) -> FloatArray:
        """Factor ``(T, k)`` that is left of the error in directions with rates ``(k,)``."""

    @abstractmethod
    def integral(self, rates: FloatArray) -> FloatArray:
        """Accumulated factor ``(1 - decay) / rate``, shape ``(T, k)``, and its limit at rate 0."""

    @property
    def reach(self) -> float:
        """The integral at rate 0 at the last time: by how much errors of the kernel can grow."""
        return float(self.integral(np.zeros(1))[-1, 0])

    def leak(
        self, rates: FloatArray, weights: FloatArray, diagonal: float, limit: float = np.inf
    ) -> FloatArray:
        """Bound of what a defect of size 1 in the recurrence of Lanczos has done to the state by each time.

        Parameters
        ----------
        rates, weights : ndarray, shape (k,)
            Eigenvalues of ``T``, and products of the first and the last component of its eigenvectors.
        diagonal : float
            Largest diagonal entry of ``T``.
        limit : float
            Beyond it the bound is of no use and may be infinite.

        Returns
        -------
        ndarray, shape (T,)
            Here ``|e_kᵀ integral(T) e_1|``, for evolutions whose pushes keep the sign of that entry.
        """
        return np.asarray(np.abs(self.integral(rates) @ weights))


class Dynamics(ABC):
    """An optimiser with its options."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    @abstractmethod
    def evolution(self, times: FloatArray) -> Evolution:
        """What this optimiser has done by increasing times ``(T,)``, the first at least 0.

        Raises
        ------
        ValueError
            If the optimiser does not stop at such times.
        """

    @abstractmethod
    def times_of(self, steps: Sequence[int]) -> FloatArray:
        """Training times ``t = Σ η`` of increasing numbers of steps.

        Raises
        ------
        TypeError
            If one is no integer.
        ValueError
            If they do not increase, one is negative, or this optimiser has no steps.
        """

    @property
    @abstractmethod
    def stable_until(self) -> float:
        """Largest rate ``θ`` at which errors do not grow, possibly infinite."""

    @abstractmethod
    def require_stable(self, largest: float) -> None:
        """Insist that errors do not grow at the largest rate ``λ_max`` of some data.

        Raises
        ------
        ValueError
            If they do; the message says which learning rate is stable.
        """


class DiscreteDynamics(Dynamics):
    """An optimiser with steps of a learning rate.

    Attributes
    ----------
    learning_rate : float
    """

    learning_rate: float
    _stability: ClassVar[tuple[str, str]]  # what the optimiser is called, and its limit of the learning rate

    def times_of(self, steps: Sequence[int]) -> FloatArray:
        """Every step takes the learning rate."""
        counts = np.atleast_1d(np.asarray(steps))
        if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu":
            raise TypeError(f"steps must be a list of integers, at least one, not {steps!r}")
        if counts[0] < 0 or any(later <= sooner for sooner, later in pairwise(counts)):
            raise ValueError(f"steps must increase from 0 or later, but they are {counts.tolist()}")
        if counts[-1] > MAX_STEPS:
            raise ValueError(f"steps go up to {counts[-1]:g}, but no more than {MAX_STEPS:g} can be counted")
        return np.asarray(self.learning_rate * counts)

    def require_stable(self, largest: float) -> None:
        """Compare with :attr:`stable_until`."""
        if largest > self.stable_until:
            name, formula = self._stability
            raise ValueError(
                f"learning_rate {self.learning_rate:g} is above the stability limit {formula} = "
                f"{self.learning_rate * self.stable_until / largest:.6g} of this model on these data, so {name} would "
                "diverge: choose a smaller one"
            )


def require_learning_rate(learning_rate: float) -> None:
    """Insist on a positive, finite number.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is not positive and finite.
    """
    require_number("learning_rate", learning_rate)
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0, not {learning_rate}")


def require_momentum(momentum: float) -> None:
    """Insist on a number of at least 0 and below 1.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is out of range.
    """
    require_number("momentum", momentum)
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum must be at least 0 and below 1, not {momentum}")


def require_number(name: str, value: float) -> None:
    """Insist on a finite real number.

    Raises
    ------
    TypeError
        If it is no number.
    ValueError
        If it is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, not {value}")
