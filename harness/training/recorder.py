"""From snapshot to snapshot: what the training of all networks has in common.

:func:`record` takes networks along a plan and collects their residuals. It is the place where checkpoints are
written, where training begins again from them, and where a divergence is told together with what was recorded
before. Which steps are taken, and in which groups of networks, is part of the plan alone: an interruption falls
between two steps and changes none of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.support.progress import NullProgress, Progress, watch
from harness.training.checkpoint_files import Arrays
from harness.training.checkpoints import Checkpoints, Journal, NoJournal

if TYPE_CHECKING:
    from fefreq.targets.target import Target
    from harness.training.runs import Run

# Everything that training needs to go on.
State = Arrays


class Networks(Protocol):
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
        """

    def state(self) -> State:
        """What distinguishes these networks from those at the start."""

    def restore(self, state: State) -> None:
        """Go back to where ``state`` was taken, to the last bit."""


def record(
    plan: Run, networks: Networks, progress: Progress | None = None, checkpoints: Checkpoints | None = None
) -> Run:
    """Train networks and record their residuals at the times of a plan.

    Parameters
    ----------
    plan : Run
        The whole way, still without residuals and losses.
    networks : Networks
        At their start.
    progress : Progress, optional
    checkpoints : Checkpoints, optional

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
    from harness.training.descent import DivergenceError

    progress = NullProgress() if progress is None else progress
    journal: Journal | NoJournal = NoJournal() if checkpoints is None else checkpoints.journal(plan)
    begin = time.perf_counter()
    kept = journal.resume()
    residuals, losses, before = kept.residuals, kept.losses, kept.seconds
    if kept.state is not None and len(residuals) < len(plan.times):
        networks.restore(kept.state)

    def seconds() -> float:
        return before + time.perf_counter() - begin

    def recorded() -> Run:
        done = len(residuals)
        empty = plan.residuals[:, :0]
        return replace(
            plan,
            times=plan.times[:done],
            residuals=np.stack(residuals, axis=1) if done else empty,
            losses=np.stack(losses, axis=1) if done else plan.losses[:, :0],
            steps=plan.steps[:done],
            rates=plan.rates[:done],
            seconds=seconds(),
        )

    if len(residuals) == len(plan.times):
        return recorded()
    progress.start("training" if kept.state is None else "training, resumed", networks.steps_left)
    watch(progress, lambda: networks.losses)
    try:
        for snapshot in range(len(residuals), len(plan.times)):
            while not networks.advance(snapshot, progress, journal.due):
                journal.keep_state(networks.state(), snapshot, seconds())
            residuals.append(networks.residuals)
            losses.append(_losses(plan.target, residuals[-1]))
            journal.keep_snapshot(snapshot, residuals[-1], losses[-1], seconds())
            journal.keep_state(networks.state(), snapshot + 1, seconds())
    except DivergenceError as error:
        run = recorded()
        last = f"the last one is at t = {run.times[-1]:g}" if len(run.times) else "there was none yet"
        stated = DivergenceError(f"{error}; snapshots are kept{journal.place}, {last}")
        stated.run = run
        raise stated from error
    finally:
        progress.finish()
    return recorded()


def _losses(target: Target, residuals: FloatArray) -> FloatArray:
    squares = residuals.reshape(*residuals.shape[:2], -1) ** 2
    return np.asarray(0.5 * np.einsum("n,snc->s", target.weights, squares))


def joined(states: Sequence[State]) -> State:
    """States of several groups of networks as one.

    >>> joined([{"steps": np.array(3)}, {"steps": np.array(4)}])
    {'0.steps': array(3), '1.steps': array(4)}
    """
    return {f"{number}.{name}": array for number, state in enumerate(states) for name, array in state.items()}


def separated(state: State, count: int) -> list[State]:
    """Undo :func:`joined`."""
    return [
        {
            name.removeprefix(f"{number}."): array
            for name, array in state.items()
            if name.startswith(f"{number}.")
        }
        for number in range(count)
    ]
