"""Checkpoints: what training leaves on the disk so that it can go on after any interruption.

A folder of checkpoints belongs to one training. It holds ``start.nc``, a run file without snapshots that says what
is trained; ``snapshot-00000.npz`` and so on, residuals and losses, each written once; and ``state.npz``, the
parameters and all that an optimiser remembers, written anew at every snapshot and every so many seconds in between.
Files appear whole or not at all, whenever the process ends. They hold arrays and text, never pickled objects.

>>> import tempfile, numpy as np, fefreq, harness
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=64)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(2.0))
>>> with tempfile.TemporaryDirectory() as folder:
...     checkpoints = Checkpoints(folder)
...     run = harness.train(model, target, width=20, times=[0, 1, 4], checkpoints=checkpoints)
...     again = harness.train(model, target, width=20, times=[0, 1, 4], checkpoints=checkpoints)
...     kept = harness.Run.load(folder)
>>> bool(np.all(again.residuals == run.residuals) and np.all(kept.residuals == run.residuals))
True
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fefreq.support.files import sync
from harness.training.checkpoint_files import LABEL, failure_told, write_synced
from harness.training.folder_lock import Lock
from harness.training.run import Run


@dataclass(frozen=True)
class Checkpoints:
    """A folder from which interrupted training goes on.

    Training that is given a folder with checkpoints of its own goes on from the last one, and returns at once
    where it had come to its end.

    Parameters
    ----------
    folder : path
        Made when the first file is written.
    interval : float
        Seconds between checkpoints on the way from one snapshot to the next, at least 0.
    label : str
        Text about what is kept here, written to ``label.json`` before anything else.

    Raises
    ------
    ValueError
        If the interval is negative or not finite.
    """

    folder: Path
    interval: float = 30.0
    label: str = field(default="", repr=False)
    _parent: Checkpoints | None = field(default=None, repr=False, kw_only=True)
    _lock: Lock | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if not 0 <= self.interval < float("inf"):
            raise ValueError(f"the interval of checkpoints must be at least 0 seconds, not {self.interval}")

    def named(self, name: str) -> Checkpoints:
        """Checkpoints of one training among several, in a folder inside this one."""
        return Checkpoints(self.folder / name, self.interval, _parent=self)

    def partial(self) -> Run:
        """The run as far as it was recorded; :meth:`harness.Run.load` does the same with the folder.

        Raises
        ------
        ValueError
            If there are no checkpoints, or they are damaged.
        """
        return Run.load(self.folder)

    def make(self) -> None:
        """Make the folder, with its label.

        Raises
        ------
        OSError
            If that fails, or another process is at work there; the message says what to do.
        """
        if self._parent is not None:
            self._parent.make()
        with failure_told(self.folder):
            new = [place for place in (self.folder, *self.folder.parents) if not place.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            for place in new:
                sync(place.parent)
        if self._lock is not None:
            self._lock.take()
        if self.label and not (self.folder / LABEL).exists():
            write_synced(self.folder / LABEL, self.label.encode())
