"""Ensembles: independent networks that are trained side by side on the same data.

The dense path stacks its networks along an axis, and one batched product serves all of them. On the fast path
every network has its own transforms and its own thread, so that nothing waits within a step; threads inside a
transform are left to networks so large that they keep them busy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING

import numpy as np
import torch

from fefreq.dynamics.intervals import Interval
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from harness.networks.plane_waves import ensemble_parameters
from harness.networks.two_layer import network_for
from harness.training.descent import DensePlaneWaves, Descent
from harness.training.recorder import State, joined, separated
from harness.training.transform_plans import PlanOptions
from harness.training.transforms import NEURONS_FOR_THREADS, TransformedPlaneWaves, transforms_win

if TYPE_CHECKING:
    from harness.training.runs import Method, Trainer


@dataclass(frozen=True)
class Ensemble:
    """Networks in training.

    Attributes
    ----------
    descents : tuple of Descent
        One for all networks, or one for each.
    method : str
        ``dense`` or ``transform``.
    workers : int
        Descents that go on at the same time.
    threads : int
        Threads of the arithmetic inside each.
    intervals : list of Interval
        The steps between snapshots.
    shape : tuple of int
        Of the data, ``(n,)`` or ``(n, channels)``.
    """

    descents: tuple[Descent, ...]
    method: Method
    workers: int
    threads: int
    intervals: list[Interval]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, settings: Trainer) -> Ensemble:
        """Draw the networks that the settings describe."""
        target = settings.target
        dtype, device = getattr(torch, settings.precision), torch.device(settings.device)
        network = network_for(settings.model, settings.width, target.channels or 1)
        parameters = ensemble_parameters(
            network, settings.start, settings.seed, settings.seeds, dtype, device
        )
        frequencies = network.waves(parameters).frequencies
        neurons = frequencies.shape[-1]
        points, values, weights = (
            torch.tensor(np.ascontiguousarray(array.T), dtype=dtype, device=device)
            for array in (target.points, target.values.reshape(len(target.points), -1), target.weights)
        )
        way = settings.intervals, target.values.shape
        data = points, values, weights, settings.start == "antisymmetric"
        threads = torch.get_num_threads()
        if _resolved(settings, frequencies) == "dense":
            descent = Descent(network, parameters, DensePlaneWaves(points), *data)
            return cls((descent,), "dense", 1, threads, *way)
        workers = min(settings.seeds, threads)
        inner = threads // workers if neurons >= NEURONS_FOR_THREADS else 1
        options = PlanOptions(dtype, inner, device=settings.device)
        with arithmetic_threads(inner):
            descents = tuple(
                Descent(
                    network,
                    {name: block[member : member + 1] for name, block in parameters.items()},
                    TransformedPlaneWaves.on(target, options),
                    *data,
                )
                for member in range(settings.seeds)
            )
        return cls(descents, "transform", workers, inner, *way)

    @property
    def residuals(self) -> FloatArray:
        """Residuals of all networks, shape ``(S, n)`` or ``(S, n, channels)``."""
        residuals = np.concatenate([descent.residual.double().cpu().numpy() for descent in self.descents])
        # The networks put channels before points.
        return np.moveaxis(residuals, 1, 2).reshape(-1, *self.shape)

    @property
    def losses(self) -> FloatArray:
        """Losses of all networks, shape ``(S,)``."""
        return np.concatenate([descent.loss.double().cpu().numpy() for descent in self.descents])

    @property
    def steps_left(self) -> int:
        """Steps of all descents until the last snapshot."""
        return sum(self._goal(len(self.intervals) - 1) - descent.steps for descent in self.descents)

    def advance(self, snapshot: int, progress: Progress, pause: Callable[[], bool]) -> bool:
        """Step until a snapshot, or until ``pause`` is true; say whether the snapshot has been reached.

        Raises
        ------
        DivergenceError
            As soon as one network diverges.
        """
        goal, rate = self._goal(snapshot), self.intervals[snapshot].rate
        stop, lock = Event(), Lock()

        def descend(descent: Descent) -> None:
            while descent.steps < goal and not stop.is_set():
                descent.step(rate)
                with lock:
                    progress.advance()
                    if pause():
                        stop.set()

        with arithmetic_threads(self.threads):
            if self.workers == 1:
                for descent in self.descents:
                    descend(descent)
            else:
                with ThreadPoolExecutor(self.workers) as pool:
                    try:
                        list(pool.map(descend, self.descents))
                    finally:
                        # After an error or an interrupt the others end with their present step.
                        stop.set()
        return all(descent.steps == goal for descent in self.descents)

    def state(self) -> State:
        """Parameters, residuals and counters of all descents."""
        return joined([descent.state() for descent in self.descents])

    def restore(self, state: State) -> None:
        """Go back to where ``state`` was taken."""
        with arithmetic_threads(self.threads):
            for descent, one in zip(self.descents, separated(state, len(self.descents)), strict=True):
                descent.restore(one)

    def _goal(self, snapshot: int) -> int:
        return sum(interval.steps for interval in self.intervals[: snapshot + 1])


def _resolved(settings: Trainer, frequencies: torch.Tensor) -> Method:
    if settings.method != "auto":
        return settings.method
    return (
        "transform" if settings.device == "cpu" and transforms_win(settings.target, frequencies) else "dense"
    )


@contextmanager
def arithmetic_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads for one operation, here and in threads that start inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
