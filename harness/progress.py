"""Progress of long tasks: a protocol, its null object, and a bar in the terminal.

>>> progress = NullProgress()
>>> progress.start("training", total=3)
>>> progress.advance()
>>> progress.finish()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


class Progress(Protocol):
    """What a long task tells about its progress."""

    def start(self, description: str, total: int) -> None:
        """Begin a task of ``total`` units."""

    def advance(self, count: int = 1) -> None:
        """Report that ``count`` more units are done."""

    def finish(self) -> None:
        """End the task, complete or not."""


class NullProgress:
    """Tells nobody."""

    def start(self, description: str, total: int) -> None:
        """Ignore the task."""

    def advance(self, count: int = 1) -> None:
        """Ignore the units."""

    def finish(self) -> None:
        """Ignore the end."""


class RichProgress:
    """A bar with the remaining time on standard error; silent where that is no terminal."""

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
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console, transient=True)
        self._bars.add_task(description, total=total)
        self._bars.start()

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        if self._bars is not None:
            self._bars.advance(self._bars.task_ids[0], count)

    def finish(self) -> None:
        """Remove the bar."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
