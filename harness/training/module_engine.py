"""The engine of networks that are differentiated automatically: groups of members, one after another.

A group is whatever takes steps: several networks of one specification in one batched product
(:mod:`harness.training.stacked_networks`), or a single ``torch.nn.Module`` (:mod:`harness.training.single_module`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from harness.training.engine import State, joined, separated


class Group(Protocol):
    """Members of an ensemble that take their steps together."""

    steps: int

    def step(self, rate: float) -> None:
        """Take one step; raise DivergenceError if a loss is not finite or has grown beyond all bounds."""

    def residual(self) -> FloatArray:
        """``u`` of all members at all points, shape ``(S, n, C)``."""

    @property
    def losses(self) -> FloatArray:
        """Losses before the last step, shape ``(S,)``."""

    def state(self) -> State:
        """What has changed since the start, as arrays on the processor."""

    def restore(self, state: State) -> None:
        """Go back to where :meth:`state` was taken."""


class ModuleEngine:
    """An ensemble in groups.

    Parameters
    ----------
    groups : sequence of Group
    intervals : sequence of ndarray
        Sizes of the steps on the way to every snapshot.
    shape : tuple of int
        Of the data, ``(n,)`` or ``(n, channels)``.
    together : int
        Members of a group, the last of which may have fewer.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        intervals: Sequence[FloatArray],
        shape: tuple[int, ...],
        together: int = 1,
    ) -> None:
        self._groups, self._intervals, self._shape = groups, intervals, shape
        self.together = together

    @property
    def residuals(self) -> FloatArray:
        """Residuals of all members, shape ``(S, n)`` or ``(S, n, channels)``."""
        return np.concatenate([group.residual() for group in self._groups]).reshape(-1, *self._shape)

    @property
    def losses(self) -> FloatArray:
        """Losses of all members as of their last step, shape ``(S,)``; in mini-batches, those of the batch."""
        return np.concatenate([group.losses for group in self._groups])

    @property
    def steps_left(self) -> int:
        """Steps of all groups until the last snapshot."""
        total = sum(len(sizes) for sizes in self._intervals)
        return sum(total - group.steps for group in self._groups)

    def advance(self, snapshot: int, progress: Progress, pause: Callable[[], bool]) -> bool:
        """Step until a snapshot, or until ``pause`` is true; say whether the snapshot has been reached.

        Raises
        ------
        DivergenceError
            As soon as one network diverges.
        """
        start, sizes = sum(len(before) for before in self._intervals[:snapshot]), self._intervals[snapshot]
        for group in self._groups:
            for size in sizes[group.steps - start :]:
                group.step(float(size))
                progress.advance()
                if pause():
                    return all(each.steps == start + len(sizes) for each in self._groups)
        return True

    def state(self) -> State:
        """Parameters, counters and what the optimisers remember, of all groups."""
        return joined([group.state() for group in self._groups])

    def restore(self, state: State) -> None:
        """Go back to where ``state`` was taken."""
        for group, one in zip(self._groups, separated(state, len(self._groups)), strict=True):
            group.restore(one)
