"""Progress of a sweep: a bar of cells, in place of which training shows its own as long as it goes on."""

from __future__ import annotations

from collections.abc import Callable

from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress, watch


class CellBar:
    """Counts cells, and is the progress of what trains in them.

    Parameters
    ----------
    progress : Progress
        Shows one bar at a time.
    cells : int
        How many there are.
    """

    def __init__(self, progress: Progress, cells: int) -> None:
        self._progress, self._cells, self._done = progress, cells, 0
        self._show()

    def next(self) -> None:
        """One more cell is done."""
        self._done += 1
        self._progress.advance()

    def start(self, description: str, total: int) -> None:
        """Show the bar of a training."""
        self._progress.start(f"cell {self._done + 1} of {self._cells}, {description}", total)

    def advance(self, count: int = 1) -> None:
        """Move the bar of the training."""
        self._progress.advance(count)

    def watch(self, losses: Callable[[], FloatArray]) -> None:
        """Show losses beside the bar of the training."""
        watch(self._progress, losses)

    def finish(self) -> None:
        """Show the bar of cells again."""
        self._progress.finish()
        self._show()

    def _show(self) -> None:
        self._progress.start("cells", self._cells)
        self._progress.advance(self._done)
