"""Ensembles: independent networks that are trained side by side on the same data.

The dense path stacks its networks along an axis, and one batched product serves all of them. On the fast path
every network has its own transforms and its own thread, so that nothing waits within a step; threads inside a
transform are left to networks so large that they keep them busy.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING

import numpy as np
import torch

from fefreq._arrays import FloatArray
from fefreq.schedules import Interval
from harness.architectures import network_for
from harness.descent import DensePlaneWaves, Descent
from harness.networks import ensemble_parameters
from harness.progress import Progress
from harness.transforms import NEURONS_FOR_THREADS, PlanOptions, TransformedPlaneWaves, transforms_win

if TYPE_CHECKING:
    from harness.runs import Method, Trainer


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
    """

    descents: tuple[Descent, ...]
    method: Method
    workers: int
    threads: int

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
            torch.as_tensor(np.ascontiguousarray(array.T), dtype=dtype, device=device)
            for array in (target.points, target.values.reshape(len(target.points), -1), target.weights)
        )
        data = points, values, weights, settings.start == "antisymmetric"
        threads = torch.get_num_threads()
        if _resolved(settings, frequencies) == "dense":
            descent = Descent(network, parameters, DensePlaneWaves(points), *data)
            return cls((descent,), "dense", 1, threads)
        workers = min(settings.seeds, threads)
        inner = threads // workers if neurons >= NEURONS_FOR_THREADS else 1
        options = PlanOptions(dtype, inner)
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
        return cls(descents, "transform", workers, inner)

    @property
    def batches(self) -> int:
        """How many descents report every step."""
        return len(self.descents)

    @property
    def residuals(self) -> FloatArray:
        """Residuals of all networks, shape ``(S, C, n)``."""
        return np.concatenate([descent.residual.double().cpu().numpy() for descent in self.descents])

    @property
    def losses(self) -> FloatArray:
        """Losses of all networks, shape ``(S,)``."""
        return np.concatenate([descent.loss.double().cpu().numpy() for descent in self.descents])

    def run(self, interval: Interval, progress: Progress) -> None:
        """Take the steps of an interval.

        Raises
        ------
        DivergenceError
            As soon as one network diverges.
        """
        stop, lock = Event(), Lock()

        def descend(descent: Descent) -> None:
            for _ in range(interval.steps):
                if stop.is_set():
                    return
                descent.step(interval.rate)
                with lock:
                    progress.advance()

        with arithmetic_threads(self.threads):
            if self.workers == 1:
                for descent in self.descents:
                    descend(descent)
                return
            with ThreadPoolExecutor(self.workers) as pool:
                try:
                    list(pool.map(descend, self.descents))
                finally:
                    # After an error or an interrupt the others end with their present step.
                    stop.set()


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
