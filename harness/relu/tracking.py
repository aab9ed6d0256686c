r"""Diagnostics during training, and the error spectrum beside them on one axis of time.

Networks are trained by Adam or by gradient descent on ``½ Σ_j q_j |u(x_j)|²``, in full batches or mini-batches. After
the epochs of a :class:`~harness.relu.schedule.Schedule` training pauses, diagnostics are measured on all samples, and
the residual is kept: what becomes of activation regions and gradients, and what of the error ``û(ξ, t)``, can be seen
at the same times.

>>> import fefreq
>>> from harness.relu import Schedule, relu_network, track
>>> target = fefreq.Target.from_function(lambda x: np.sin(20 * x[:, 0]), bounds=[(0, 1)], shape=128)
>>> recording = track(
...     lambda seed: relu_network(dim=1, width=16, hidden_layers=2, octaves=3, seed=seed),
...     target,
...     Schedule(hamming={"every": 10}, regions=[0, 20]),
...     epochs=20,
... )
>>> recording.data.hamming.dims, recording.data.epoch.values.tolist()
(('seed', 'time', 'pairs'), [0, 10, 20])
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from fefreq.support.arrays import FloatArray, as_points
from fefreq.support.progress import NullProgress, Progress
from fefreq.targets.target import Target
from harness.networks.encoding import warn_if_aliased
from harness.relu.accuracy import Split, held_out_split, psnr
from harness.relu.gathering import gathered
from harness.relu.memory import available_memory, require_memory
from harness.relu.network import ReluNetwork
from harness.relu.pairs import LOCAL_WINDOW, IntArray, global_pairs, local_pairs
from harness.relu.probes import PROBES, Ground, Probe, Variables, error
from harness.relu.recording import Recording, Snapshot
from harness.relu.schedule import Schedule

OptimiserName = Literal["adam", "descent"]
# Samples in whose polytopes in-spheres are sought: each takes a linear programme.
SPHERE_SAMPLES = 32
# Draws until enough pairs are of samples that are trained on.
TRIES = 100


@dataclass(frozen=True, eq=False)
class Tracker:
    """Training that has been checked and can begin; see :func:`track` for the parameters."""

    build: Callable[[int], nn.Module]
    target: Target
    schedule: Schedule
    epochs: int
    batch: int | None = None
    learning_rate: float = 1e-3
    optimiser: OptimiserName = "adam"
    seeds: int = 1
    seed: int = 0
    coordinates: tuple[float, float] = (0.0, 1.0)
    frequencies: ArrayLike | None = None
    pair_count: int = 5000
    window: int = LOCAL_WINDOW
    held_out: float | None = None
    snapshots: Sequence[int] | None = None
    pauses: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.target.grid is None:
            raise ValueError(
                "the samples do not lie on a grid, so there are no windows to draw pairs from: "
                "use Target.from_grid or Target.from_function"
            )
        network = ReluNetwork.of(self.build(self.seed))
        if network.dim != self.target.dim:
            raise ValueError(
                f"the network has {network.dim} coordinate(s), but the data have {self.target.dim}: "
                "give both the same dimension"
            )
        channels = self.target.channels or 1
        if network.outputs != channels:
            raise ValueError(
                f"the network has {network.outputs} output(s), but the data have {channels} channel(s): "
                "one output for each"
            )
        taken = set(self.snapshot_epochs)
        if taken and not 0 <= min(taken) <= max(taken) <= self.epochs:
            raise ValueError(
                f"snapshots are asked for after epochs {sorted(taken)}; there are 0 … {self.epochs}"
            )
        object.__setattr__(self, "pauses", tuple(sorted(taken.union(self.schedule.all_epochs(self.epochs)))))
        self._require_room(network)
        warn_if_aliased(network.encoding, self.ground.inputs)

    @property
    def snapshot_epochs(self) -> tuple[int, ...]:
        """Epochs after which networks are kept."""
        return (0, self.epochs) if self.snapshots is None else tuple(sorted(set(self.snapshots)))

    @cached_property
    def split(self) -> Split | None:
        """Samples to train on, to validate on and to test on, if some are held out."""
        if self.held_out is None:
            return None
        rng = np.random.default_rng([self.seed, 1])
        return held_out_split(len(self.target.points), rng, self.held_out, self.held_out)

    @cached_property
    def trained(self) -> IntArray:
        """Indices of the samples that are trained on."""
        return np.arange(len(self.target.points)) if self.split is None else self.split.train

    @cached_property
    def ground(self) -> Ground:
        """Data, pairs and frequencies of all measurements."""
        grid = self.target.grid
        assert grid is not None
        points = (
            default_frequencies(self.target)
            if self.frequencies is None
            else as_points(self.frequencies, self.target.dim, "frequencies")
        )
        rng = np.random.default_rng([self.seed, 2])
        pairs = {
            "local": self._pairs(lambda count: local_pairs(grid.shape, count, rng, self.window)),
            "global": self._pairs(lambda count: global_pairs(grid.shape, count, rng)),
        }
        sphere = np.unique(
            np.linspace(0, len(self.target.points) - 1, SPHERE_SAMPLES).round().astype(np.int64)
        )
        return Ground(self.target, self.coordinates, points, pairs, sphere)

    def run(self, progress: Progress | None = None) -> Recording:
        """Train all networks and measure on the way.

        Raises
        ------
        FloatingPointError
            If a loss is not finite any more.
        """
        begin = time.perf_counter()
        progress = NullProgress() if progress is None else progress
        members: list[list[Variables]] = []
        snapshots: dict[tuple[int, int], Snapshot] = {}
        residuals: list[list[FloatArray]] = []
        progress.start("training", self.seeds * self.epochs)
        try:
            for member in range(self.seeds):
                module = self.build(self.seed + member)
                network = ReluNetwork.of(module)
                rows: list[Variables] = []
                kept: list[FloatArray] = []
                for epoch in self._pauses_of(module, member, progress):
                    outputs = network.outputs_at(self.ground.inputs).reshape(self.target.values.shape)
                    kept.append(self.target.values - outputs)
                    rows.append(self._measure(Probe(self.ground, network, kept[-1]), epoch))
                    if epoch in self.snapshot_epochs:
                        snapshots[member, epoch] = Snapshot.of(network)
                members.append(rows)
                residuals.append(kept)
        finally:
            progress.finish()
        batches = 1 if self.batch is None else len(self.trained) // self.batch
        steps = batches * np.array(self.pauses, dtype=np.int64)
        times = np.asarray(self.learning_rate * steps, dtype=np.float64)
        seeds = range(self.seed, self.seed + self.seeds)
        # Size and encoding are the same for all members.
        example = ReluNetwork.of(self.build(self.seed))
        data = gathered(members, seeds, self.pauses, steps, times, self.ground, example)
        data.attrs = {
            "samples": len(self.target.points),
            "trained_samples": len(self.trained),
            "hidden_units": example.units,
            "optimiser": self.optimiser,
            "learning_rate": self.learning_rate,
            "seed": self.seed,
            "seconds": time.perf_counter() - begin,
        }
        return Recording(data, self.target, np.array(residuals), self.coordinates, snapshots)

    def made(self, recording: Recording) -> bool:
        """Whether a recording is of this training, as far as data, members and epochs tell."""
        return (
            tuple(recording.data.epoch.values.tolist()) == self.pauses
            and recording.data.seed.values.tolist() == list(range(self.seed, self.seed + self.seeds))
            and recording.coordinates == self.coordinates
            and np.array_equal(recording.target.values, self.target.values)
        )

    def _pauses_of(self, module: nn.Module, member: int, progress: Progress) -> Iterator[int]:
        """Train one network, and yield every epoch after which something is measured."""
        net = ReluNetwork.of(module)
        inputs = net.inputs(self.ground.inputs[self.trained])
        values = torch.as_tensor(self.target.values[self.trained]).to(inputs).reshape(len(inputs), -1)
        # The weights of all samples fall to those that are trained on.
        share = self.target.weights.sum() / self.target.weights[self.trained].sum()
        weights = torch.as_tensor(share * self.target.weights[self.trained]).to(inputs)
        steps = self._optimiser(module)
        rng = np.random.default_rng([self.seed + member, 3])
        size = len(inputs) if self.batch is None else self.batch
        yield 0
        for sooner, later in pairwise(self.pauses):
            for epoch in range(sooner, later):
                order = None if self.batch is None else torch.as_tensor(rng.permutation(len(inputs)))
                for start in range(0, len(inputs) - size + 1, size):
                    rows = slice(None) if order is None else order[start : start + size]
                    steps.zero_grad(set_to_none=True)
                    residual = module(inputs[rows]) - values[rows]
                    loss = 0.5 * len(inputs) / size * (weights[rows] @ residual.square().sum(dim=1))
                    loss.backward()
                    steps.step()
                if not math.isfinite(loss.item()):
                    raise FloatingPointError(
                        f"the loss of network {member} is not finite after epoch {epoch + 1}: "
                        f"use a smaller learning rate than {self.learning_rate:g}"
                    )
                progress.advance()
            yield later

    def _optimiser(self, module: nn.Module) -> torch.optim.Optimizer:
        if self.optimiser == "adam":
            return torch.optim.Adam(module.parameters(), lr=self.learning_rate)
        return torch.optim.SGD(module.parameters(), lr=self.learning_rate)

    def _measure(self, probe: Probe, epoch: int) -> Variables:
        found = error(probe)
        flat = probe.residual.reshape(len(probe.residual), -1)
        found["mean_squared_error"] = ((), np.array(np.mean(flat[self.trained] ** 2)))
        for diagnostic, measure in PROBES.items():
            if epoch in self.schedule.epochs(diagnostic, self.epochs):
                found |= measure(probe)
        if self.split is not None:
            values = self.target.values.reshape(flat.shape)
            peak = float(np.ptp(values))
            parts = (self.split.train, self.split.validation, self.split.test)
            quality = [psnr(values[part] - flat[part], values[part], peak) for part in parts]
            found["psnr"] = (("part",), np.array(quality))
        return found

    def _pairs(self, draw: Callable[[int], IntArray]) -> IntArray:
        """Pairs of samples that are both trained on."""
        if self.split is None:
            return draw(self.pair_count)
        kept = np.zeros(len(self.target.points), dtype=bool)
        kept[self.trained] = True
        found = np.empty((0, 2), dtype=np.int64)
        for _ in range(TRIES):
            drawn = draw(self.pair_count)
            found = np.concatenate([found, drawn[kept[drawn].all(axis=1)]])
            if len(found) >= self.pair_count:
                return found[: self.pair_count]
        raise ValueError(
            f"after {TRIES} draws only {len(found)} of {self.pair_count} pairs are of samples that are trained on: "
            "hold fewer samples out, or compare fewer pairs"
        )

    def _check_numbers(self) -> None:
        least = {"epochs": 1, "seeds": 1, "pair_count": 1, "seed": 0}
        for name, smallest in (least if self.batch is None else least | {"batch": 1}).items():
            number = getattr(self, name)
            if not isinstance(number, Integral) or number < smallest:
                raise ValueError(f"{name} is {number}; it must be a whole number, at least {smallest}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"the learning rate is {self.learning_rate}; it must be above 0")
        if self.optimiser not in ("adam", "descent"):
            raise ValueError(f"there is no optimiser {self.optimiser!r}; there are 'adam' and 'descent'")
        if not self.coordinates[0] < self.coordinates[1]:
            raise ValueError(
                f"coordinates from {self.coordinates[0]} to {self.coordinates[1]} are no interval: "
                "the first must be smaller"
            )
        if self.batch is not None and self.batch > len(self.trained):
            raise ValueError(
                f"a batch of {self.batch} cannot be drawn from {len(self.trained)} samples: take no more "
                "than there are, or leave it out for the full batch"
            )

    def _require_room(self, network: ReluNetwork) -> None:
        # Pre-activations, activations and their gradients, for a step and for widths with their slopes.
        first = network.layers[0].in_features
        per_step = 4 * (first + network.units) * network.dtype.itemsize
        per_sample = 8 * (len(self.pauses) * self.seeds * network.outputs + network.units // 64 + 8)
        budget = available_memory()
        if self.batch is None:
            fitting = budget // (per_sample + per_step)
        else:
            fitting = max(0, (budget - per_step * self.batch) // per_sample)
        require_memory(
            len(self.target.points), fitting, budget, "the training", "take fewer, or smaller batches"
        )


def track(
    build: Callable[[int], nn.Module],
    target: Target,
    schedule: Schedule,
    *,
    epochs: int,
    batch: int | None = None,
    learning_rate: float = 1e-3,
    optimiser: OptimiserName = "adam",
    seeds: int = 1,
    seed: int = 0,
    coordinates: tuple[float, float] = (0.0, 1.0),
    frequencies: ArrayLike | None = None,
    pair_count: int = 5000,
    window: int = LOCAL_WINDOW,
    held_out: float | None = None,
    snapshots: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Recording:
    """Train ReLU networks and measure them on the way.

    Parameters
    ----------
    build : callable
        Makes a network from a seed: a ``torch.nn.Sequential`` as :meth:`ReluNetwork.of` reads it.
    target : Target
        Samples on a grid, in coordinates of their own.
    schedule : Schedule
        Which diagnostic is measured after which epochs.
    epochs : int
        Passes through the samples.
    batch : int, optional
        Samples of a mini-batch, drawn anew in every epoch; those that do not fill a last one wait for the next
        epoch. By default all samples at once.
    learning_rate : float
        Of Adam or of descent.
    optimiser : {'adam', 'descent'}
    seeds : int
        Number of networks, built from ``seed``, ``seed + 1``, …
    seed : int
        Where all random numbers begin.
    coordinates : (float, float)
        What the longest side of the data becomes in the coordinates of the networks.
    frequencies : array_like, shape (F, d), optional
        Where the error spectrum is kept, in cycles per unit length of the data; by default
        :func:`default_frequencies`.
    pair_count : int
        Local pairs, and as many global ones.
    window : int
        Samples along each edge of the windows that local pairs are from.
    held_out : float, optional
        Share of the samples for validation, and the same for a test. PSNR is then recorded on the training and
        validation samples, and once on the test samples, at the best recorded epoch of validation. Pairs are of
        samples that are trained on; all else is measured on all samples.
    snapshots : sequence of int, optional
        Epochs after which networks are kept; by default the start and the end.
    progress : Progress, optional
        Hears of every epoch.

    Returns
    -------
    Recording

    Raises
    ------
    TypeError
        If a network has another activation than ReLU; the message names it.
    ValueError
        If data, networks and settings do not go together, or do not fit into memory; before any training.
    FloatingPointError
        If a loss is not finite any more.

    Warns
    -----
    UserWarning
        If octaves of the encoding are faster than the grid of samples.
    """
    tracker = Tracker(
        build,
        target,
        schedule,
        epochs,
        batch,
        learning_rate,
        optimiser,
        seeds,
        seed,
        coordinates,
        frequencies,
        pair_count,
        window,
        held_out,
        snapshots,
    )
    return tracker.run(progress)


def default_frequencies(target: Target) -> FloatArray:
    """Frequencies ``(F, d)`` that show a whole spectrum: up to a quarter more than the band of the data.

    In one dimension half a cycle per length apart, none negative; in more at most 33 along each axis of a grid that
    is symmetric about 0.
    """
    spans = np.ptp(target.points, axis=0)
    # Samples at the centres of cells span all but one cell.
    lengths = spans if target.grid is None else spans + target.grid.spacing
    band = np.minimum(1.25 * target.bandwidth, target.nyquist)
    if target.dim == 1:
        step = 0.5 / float(lengths[0])
        return step * np.arange(math.floor(float(band[0]) / step * (1 + 1e-9)) + 1.0)[:, None]
    axes = []
    for width, length in zip(band, lengths, strict=True):
        count = min(16, max(1, math.floor(width * length * 2)))
        axes.append(np.linspace(-width, width, 2 * count + 1))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, target.dim)
