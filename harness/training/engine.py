"""What the recorder asks of an ensemble in training, whichever engine steps it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from harness.training.checkpoint_files import Arrays

# Everything that training needs to go on.
State = Arrays


class Engine(Protocol):
    """An ensemble in training."""

    @property
    def residuals(self) -> FloatArray:
        """``u = f - N`` of every member, shape ``(S, n)`` or ``(S, n, channels)``."""

    @property
    def losses(self) -> FloatArray:
        """Losses of the members in their last step, shape ``(S,)``, to be shown; asked for by other threads."""

    @property
    def steps_left(self) -> int:
        """Steps until the last snapshot, of all that report to the progress."""

    def advance(self, snapshot: int, progress: Progress, pause: Callable[[], bool]) -> bool:
        """Step until a snapshot, or until ``pause``, asked after every step, is true.

        Returns
        -------
        bool
            Whether the snapshot has been reached.

        Raises
        ------
        DivergenceError
            As soon as one network diverges.
        """

    def state(self) -> State:
        """What distinguishes these networks from those at the start."""

    def restore(self, state: State) -> None:
        """Go back to where ``state`` was taken, to the last bit."""


def joined(states: Sequence[State]) -> State:
    """States of several groups of networks as one.

    >>> import numpy as np
    >>> joined([{"steps": np.array(3)}, {"steps": np.array(4)}])
    {'0.steps': array(3), '1.steps': array(4)}
    """
    return {f"{number}.{name}": array for number, state in enumerate(states) for name, array in state.items()}


def separated(state: State, count: int) -> list[State]:
    """Undo :func:`joined`."""
    return [below(state, f"{number}.") for number in range(count)]


def below(state: State, prefix: str) -> State:
    """The entries whose names begin with a prefix, without it.

    >>> below({"a.x": 1, "b.x": 2}, "a.")
    {'x': 1}
    """
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
