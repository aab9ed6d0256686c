"""The engine of two-layer networks: independent sums of plane waves, side by side on the same data.

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

import numpy as np
import torch

from fefreq.dynamics.intervals import Interval
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from fefreq.targets.target import Target
from harness.networks.plane_waves import Network, ensemble_parameters
from harness.networks.spec import Start
from harness.training.engine import State, joined, separated
from harness.training.transform_plans import PlanOptions
from harness.training.transforms import NEURONS_FOR_THREADS, TransformedPlaneWaves, transforms_win
from harness.training.wave_descent import WaveDescent
from harness.training.wave_sums import DensePlaneWaves


@dataclass(frozen=True)
class PlaneWaveEngine:
    """Networks in training.

    Attributes
    ----------
    descents : tuple of WaveDescent
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

    descents: tuple[WaveDescent, ...]
    method: str
    workers: int
    threads: int
    intervals: list[Interval]
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls,
        network: Network,
        target: Target,
        intervals: list[Interval],
        *,
        start: Start,
        seed: int,
        seeds: int,
        precision: str,
        device: str,
        method: str,
    ) -> PlaneWaveEngine:
        """Draw networks, and choose how their sums are computed."""
        dtype, place = getattr(torch, precision), torch.device(device)
        parameters = ensemble_parameters(network, start, seed, seeds, dtype, place)
        frequencies = network.waves(parameters).frequencies
        points, values, weights = (
            torch.tensor(np.ascontiguousarray(array.T), dtype=dtype, device=place)
            for array in (target.points, target.values.reshape(len(target.points), -1), target.weights)
        )
        way = intervals, target.values.shape
        data = points, values, weights, start == "antisymmetric"
        threads = torch.get_num_threads()
        if method == "auto":
            method = "transform" if device == "cpu" and transforms_win(target, frequencies) else "dense"
        if method == "dense":
            descent = WaveDescent(network, parameters, DensePlaneWaves(points), *data)
            return cls((descent,), "dense", 1, threads, *way)
        workers = min(seeds, threads)
        inner = threads // workers if frequencies.shape[-1] >= NEURONS_FOR_THREADS else 1
        options = PlanOptions(dtype, inner, device=device)
        with arithmetic_threads(inner):
            descents = tuple(
                WaveDescent(
                    network,
                    {name: block[member : member + 1] for name, block in parameters.items()},
                    TransformedPlaneWaves.on(target, options),
                    *data,
                )
                for member in range(seeds)
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

        def descend(descent: WaveDescent) -> None:
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


@contextmanager
def arithmetic_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads for one operation, here and in threads that start inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
