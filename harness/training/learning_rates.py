r"""Learning-rate schedules: how large every step is, and the steps on the way to every snapshot.

Training time is ``t = ∑_k η_k``: for full-batch gradient descent a schedule only changes how finely it is walked
through.

>>> Cosine(0.1, steps=4).rates(0, 6).round(4)
array([0.1   , 0.0854, 0.05  , 0.0146, 0.    , 0.    ])
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.support.schema import ByKind
from harness.networks.spec import require_count, require_number

# Sizes of all steps are planned at once; a plan of more would not fit into memory.
MAX_STEPS = 10**8


class LearningRate(ABC):
    """Sizes ``η_k > 0`` of the steps ``k = 0, 1, …``."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    @abstractmethod
    def rates(self, first: int, count: int) -> FloatArray:
        """Sizes of the steps ``first`` to ``first + count - 1``."""

    @property
    @abstractmethod
    def peak(self) -> float:
        """Largest step."""

    @property
    @abstractmethod
    def reach(self) -> float:
        """``Σ_k η_k`` over all steps, possibly infinite: training times beyond it are never reached."""


@dataclass(frozen=True)
class Constant(LearningRate):
    """``η_k = rate``.

    Parameters
    ----------
    rate : float
        Every step.
    """

    rate: float
    kind: Literal["constant"] = field(default="constant", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_number("the rate of a schedule", self.rate, 0.0, above=True)

    def rates(self, first: int, count: int) -> FloatArray:
        """Equal sizes."""
        return np.full(count, self.rate)

    @property
    def peak(self) -> float:
        """The rate."""
        return self.rate

    @property
    def reach(self) -> float:
        """Infinite."""
        return math.inf


@dataclass(frozen=True)
class Cosine(LearningRate):
    """Half a cosine from ``rate`` to ``final`` within ``steps`` steps, then ``final``.

    Parameters
    ----------
    rate : float
        First step.
    steps : int
        Length of the decay.
    final : float
        At least 0, at most ``rate``.
    """

    rate: float
    steps: int
    final: float = 0.0
    kind: Literal["cosine"] = field(default="cosine", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_number("the rate of a schedule", self.rate, 0.0, above=True)
        require_count("the steps of a cosine schedule", self.steps, 1)
        require_number("the final rate of a cosine schedule", self.final, 0.0)
        if self.final > self.rate:
            raise ValueError(
                f"a cosine schedule falls from rate = {self.rate} to final = {self.final}: exchange them"
            )

    def rates(self, first: int, count: int) -> FloatArray:
        """``final + (rate - final) (1 + cos(πk / steps)) / 2``."""
        turn = np.minimum(np.arange(first, first + count) / self.steps, 1.0)
        return np.asarray(self.final + (self.rate - self.final) * 0.5 * (1 + np.cos(np.pi * turn)))

    @property
    def peak(self) -> float:
        """The first step."""
        return self.rate

    @property
    def reach(self) -> float:
        """``rate (steps + 1) / 2``, or infinite if ``final`` is positive."""
        return math.inf if self.final > 0 else 0.5 * self.rate * (self.steps + 1)


@dataclass(frozen=True)
class Exponential(LearningRate):
    """``η_k = rate · decay^k``.

    Parameters
    ----------
    rate : float
        First step.
    decay : float
        Ratio of a step to the one before, above 0 and at most 1.
    """

    rate: float
    decay: float
    kind: Literal["exponential"] = field(default="exponential", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_number("the rate of a schedule", self.rate, 0.0, above=True)
        require_number("the decay of an exponential schedule", self.decay, 0.0, above=True)
        if self.decay > 1:
            raise ValueError(
                f"the decay of an exponential schedule must be above 0 and at most 1, not {self.decay}"
            )

    def rates(self, first: int, count: int) -> FloatArray:
        """A geometric sequence."""
        return np.asarray(self.rate * self.decay ** np.arange(first, first + count, dtype=np.float64))

    @property
    def peak(self) -> float:
        """The first step."""
        return self.rate

    @property
    def reach(self) -> float:
        """``rate / (1 - decay)``."""
        return math.inf if self.decay == 1 else self.rate / (1 - self.decay)


@dataclass(frozen=True)
class Piecewise(LearningRate):
    """``rate_values[i]`` from step ``boundaries[i - 1]`` on.

    Parameters
    ----------
    rate_values : tuple of float
        All positive.
    boundaries : tuple of int
        Steps at which the rate changes, increasing, one fewer than there are rates.
    """

    rate_values: tuple[float, ...]
    boundaries: tuple[int, ...]
    kind: Literal["piecewise"] = field(default="piecewise", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate_values", tuple(float(rate) for rate in self.rate_values))
        object.__setattr__(self, "boundaries", tuple(self.boundaries))
        for rate in self.rate_values:
            require_number("every rate of a schedule", rate, 0.0, above=True)
        if len(self.rate_values) != len(self.boundaries) + 1:
            raise ValueError(
                f"a piecewise schedule with {len(self.boundaries)} boundaries needs "
                f"{len(self.boundaries) + 1} rates, not {len(self.rate_values)}"
            )
        for boundary in self.boundaries:
            require_count("every boundary of a schedule", boundary, 1)
        if any(later <= sooner for sooner, later in pairwise(self.boundaries)):
            raise ValueError(
                f"the boundaries of a schedule must increase, but they are {list(self.boundaries)}"
            )

    def rates(self, first: int, count: int) -> FloatArray:
        """A staircase."""
        piece = np.searchsorted(self.boundaries, np.arange(first, first + count), side="right")
        return np.array(self.rate_values)[piece]

    @property
    def peak(self) -> float:
        """The largest rate."""
        return max(self.rate_values)

    @property
    def reach(self) -> float:
        """Infinite."""
        return math.inf


AnyLearningRate = Annotated[Constant | Cosine | Exponential | Piecewise, ByKind()]


def steps_to_times(schedule: LearningRate, times: FloatArray) -> list[FloatArray]:
    """Sizes of the steps on the way to every time, which they hit exactly.

    From one time to the next the fewest steps of the schedule are taken that cover the distance, all of them
    shortened by one factor.

    Parameters
    ----------
    schedule : LearningRate
    times : ndarray, shape (T,)
        Increasing, the first at least 0.

    Returns
    -------
    list of ndarray
        One array for every time.

    Raises
    ------
    ValueError
        If a time is beyond the reach of the schedule, or needs too many steps.

    Examples
    --------
    >>> [part.tolist() for part in steps_to_times(Constant(0.5), np.array([0.0, 1.5, 2.25]))]
    [[], [0.5, 0.5, 0.5], [0.375, 0.375]]
    """
    never = ValueError(
        f"the steps of this schedule add up to {schedule.reach:g}, so the time {times[-1]:g} is never reached: "
        "choose a larger rate, a slower decay, or earlier times"
    )
    if times[-1] > schedule.reach:
        raise never
    taken, intervals = 0, []
    for span in np.diff(times, prepend=0.0):
        parts: list[FloatArray] = []
        missing = float(span)
        while missing > 1e-9 * span:
            rate = float(schedule.rates(taken, 1)[0])
            # Steps are shortened to hit the times, so a schedule may end before its reach.
            if rate < 1e-12 * schedule.peak:
                raise never
            if missing / schedule.peak > MAX_STEPS - taken:
                raise ValueError(
                    f"the time {times[-1]:g} is more than {MAX_STEPS:g} steps away: choose a larger rate"
                )
            chunk = schedule.rates(taken, int(min(missing / rate + 16, 1 << 20)))
            covered = np.cumsum(chunk)
            needed = int(np.searchsorted(covered, missing - 1e-9 * span)) + 1
            chunk = chunk[:needed]
            parts.append(chunk)
            taken += len(chunk)
            missing -= float(covered[len(chunk) - 1])
        sizes = np.concatenate(parts) if parts else np.zeros(0)
        intervals.append(sizes * (span / sizes.sum()) if len(sizes) else sizes)
    return intervals


def steps_to_counts(schedule: LearningRate, counts: list[int]) -> list[FloatArray]:
    """Sizes of the steps on the way to every number of steps.

    >>> [part.tolist() for part in steps_to_counts(Exponential(1.0, 0.5), [0, 1, 3])]
    [[], [1.0], [0.5, 0.25]]
    """
    starts = [0, *counts[:-1]]
    return [schedule.rates(start, end - start) for start, end in zip(starts, counts, strict=True)]
