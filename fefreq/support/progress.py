"""Progress of long tasks: a protocol, its null object, and a bar in the terminal.

>>> progress = NullProgress()
>>> progress.start("training", total=3)
>>> progress.advance()
>>> progress.finish()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from fefreq.support.arrays import FloatArray

# The losses of more networks than this are summed up by their least, median and largest.
LOSSES_LISTED = 8
REFRESHMENTS_PER_SECOND = 4


class Progress(Protocol):
    """What a long task tells about its progress."""

    def start(self, description: str, total: int) -> None:
        """Begin a task of ``total`` units."""

    def advance(self, count: int = 1) -> None:
        """Report that ``count`` more units are done."""

    def finish(self) -> None:
        """End the task, complete or not."""


@runtime_checkable
class Watcher(Protocol):
    """A progress that also shows losses. It asks for them when it likes, from another thread."""

    def watch(self, losses: Callable[[], FloatArray]) -> None:
        """Show what ``losses`` returns, shape ``(S,)``, until the task is finished."""


def watch(progress: Progress, losses: Callable[[], FloatArray]) -> None:
    """Let a progress show losses, if it wants to."""
    if isinstance(progress, Watcher):
        progress.watch(losses)


def losses_in_words(losses: FloatArray) -> str:
    """Losses of a few networks one by one, of many by their least, median and largest.

    >>> import numpy as np
    >>> losses_in_words(np.array([0.012, 0.5]))
    'loss 1.2e-02 5.0e-01'
    >>> losses_in_words(np.arange(1.0, 10))
    'loss of 9: 1.0e+00 to 9.0e+00, median 5.0e+00'
    """
    if len(losses) <= LOSSES_LISTED:
        return "loss " + " ".join(f"{loss:.1e}" for loss in losses)
    ordered = sorted(losses)
    middle = ordered[len(ordered) // 2]
    return f"loss of {len(losses)}: {ordered[0]:.1e} to {ordered[-1]:.1e}, median {middle:.1e}"


@contextmanager
def task(progress: Progress | None, description: str, total: int) -> Iterator[Progress]:
    """A task that ends with the block; without a progress nobody is told."""
    told = NullProgress() if progress is None else progress
    told.start(description, total)
    try:
        yield told
    finally:
        told.finish()


class NullProgress:
    """The progress of tasks that nobody watches."""

    def start(self, description: str, total: int) -> None:
        """Ignore the task."""

    def advance(self, count: int = 1) -> None:
        """Ignore the units."""

    def finish(self) -> None:
        """Ignore the end."""


class ProgressBar:
    """A bar with the remaining time, and losses, on standard error; silent where that is no terminal."""

    def __init__(self) -> None:
        self._bars: Bars | None = None

    def start(self, description: str, total: int) -> None:
        """Show a bar of ``total`` units."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.finish()
        console = Console(stderr=True)
        if not console.is_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self._bars = Progress(
            *columns, console=console, transient=True, refresh_per_second=REFRESHMENTS_PER_SECOND
        )
        self._bars.add_task(description, total=total, losses="")
        self._bars.start()

    def watch(self, losses: Callable[[], FloatArray]) -> None:
        """Show losses beside the bar, a few times a second."""
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[0], losses=_Live(losses))

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        if self._bars is not None:
            self._bars.advance(self._bars.task_ids[0], count)

    def finish(self) -> None:
        """Remove the bar."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class _Live:
    """Losses that are asked for whenever they are printed."""

    def __init__(self, losses: Callable[[], FloatArray]) -> None:
        self._losses = losses

    def __str__(self) -> str:
        return losses_in_words(self._losses())
