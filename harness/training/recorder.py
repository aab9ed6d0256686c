"""From snapshot to snapshot: what the training of all networks has in common.

:func:`record` takes an engine along a plan and collects the residuals of its networks. It is the place where
checkpoints are written, where training begins again from them, where observers look at the networks, and where a
divergence is told together with what was recorded before. Which steps are taken, and in which groups of networks, is
part of the plan alone: an interruption falls between two steps and changes none of them.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.support.progress import NullProgress, Progress, watch
from fefreq.targets.target import Target
from harness.training.checkpoint_files import Arrays
from harness.training.checkpoints import Checkpoints
from harness.training.engine import Engine
from harness.training.journal import Journal, NoJournal
from harness.training.plan import Plan
from harness.training.run import DivergenceError, Run


class Observer(Protocol):
    """Looks at the networks at every snapshot."""

    def at_snapshot(self, snapshot: int, residuals: FloatArray) -> Arrays:
        """Measure the networks as they are now, with the residuals of all of them.

        Returns
        -------
        mapping of str to ndarray
            What is to be kept with the snapshot.
        """

    def recall(self, snapshot: int, measured: Arrays) -> None:
        """Take back what :meth:`at_snapshot` gave, where training goes on from a later checkpoint."""


class NoObserver:
    """Looks at nothing."""

    def at_snapshot(self, snapshot: int, residuals: FloatArray) -> Arrays:
        """Nothing."""
        return {}

    def recall(self, snapshot: int, measured: Arrays) -> None:
        """Forget it."""


def record(
    plan: Plan,
    engine: Engine,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
    observer: Observer | None = None,
    task: str = "training",
) -> Run:
    """Train networks and record their residuals at the times of a plan.

    Parameters
    ----------
    plan : Plan
    engine : Engine
        At the start.
    progress : Progress, optional
    checkpoints : Checkpoints, optional
    observer : Observer, optional
    task : str
        What the progress is told.

    Returns
    -------
    Run

    Raises
    ------
    DivergenceError
        Its attribute ``run`` has the snapshots before.
    OSError
        If a checkpoint cannot be written.
    ValueError
        If the checkpoints are of another experiment or version, or damaged.
    """
    progress = NullProgress() if progress is None else progress
    observer = NoObserver() if observer is None else observer
    journal = NoJournal() if checkpoints is None else Journal(checkpoints, plan)
    begin = time.perf_counter()
    kept = journal.resume()
    residuals, losses, before = kept.residuals, kept.losses, kept.seconds
    for number, measured in enumerate(kept.measured):
        observer.recall(number, measured)
    if kept.state is not None and len(residuals) < len(plan.times):
        engine.restore(kept.state)

    def seconds() -> float:
        return before + time.perf_counter() - begin

    if len(residuals) == len(plan.times):
        return plan.run(residuals, losses, seconds())
    progress.start(task if kept.state is None else f"{task}, resumed", engine.steps_left)
    watch(progress, lambda: engine.losses)
    try:
        for snapshot in range(len(residuals), len(plan.times)):
            while not engine.advance(snapshot, progress, journal.due):
                journal.keep_state(engine.state(), snapshot, seconds())
            residuals.append(engine.residuals)
            losses.append(_losses(plan.target, residuals[-1]))
            measured = observer.at_snapshot(snapshot, residuals[-1])
            journal.keep_snapshot(snapshot, residuals[-1], losses[-1], measured, seconds())
            journal.keep_state(engine.state(), snapshot + 1, seconds())
    except DivergenceError as error:
        run = plan.run(residuals, losses, seconds())
        last = f"the last one is at t = {run.times[-1]:g}" if len(run.times) else "there was none yet"
        stated = DivergenceError(f"{error}; snapshots are kept{journal.place}, {last}")
        stated.run = run
        raise stated from error
    finally:
        progress.finish()
    return plan.run(residuals, losses, seconds())


def _losses(target: Target, residuals: FloatArray) -> FloatArray:
    squares = residuals.reshape(*residuals.shape[:2], -1) ** 2
    return np.asarray(0.5 * np.einsum("n,snc->s", target.weights, squares))
