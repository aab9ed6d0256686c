"""Training of ReLU networks that pauses to measure them; see :func:`harness.relu.track`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from fefreq.support.arrays import FloatArray, as_points
from fefreq.support.progress import Progress
from fefreq.targets.target import Target
from harness.networks.encoding import warn_if_aliased
from harness.relu.accuracy import Split, held_out_split
from harness.relu.frequencies import default_frequencies
from harness.relu.measurements import Measurements
from harness.relu.memory import available_memory, require_memory
from harness.relu.network import ReluNetwork
from harness.relu.pairs import LOCAL_WINDOW, IntArray, global_pairs, local_pairs
from harness.relu.probes import Ground
from harness.relu.recording import Recording
from harness.relu.schedule import Schedule
from harness.training.checkpoints import Checkpoints
from harness.training.journal import digest
from harness.training.module_engine import ModuleEngine
from harness.training.optimisers import Adam, Descent
from harness.training.plan import Plan
from harness.training.recorder import record
from harness.training.single_module import SingleModule
from harness.training.trainer import machine

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

    def run(self, progress: Progress | None = None, checkpoints: Checkpoints | None = None) -> Recording:
        """Train all networks and measure on the way, from the start or from where checkpoints have kept them.

        Raises
        ------
        DivergenceError
            A ``FloatingPointError``: a loss is not finite any more.
        OSError
            If a checkpoint cannot be written.
        ValueError
            If the checkpoints are of another training or version, or damaged.
        """
        modules = [self.build(self.seed + member) for member in range(self.seeds)]
        engine = self._engine(modules)
        plan = self._plan(engine, modules)
        measurements = Measurements(
            [ReluNetwork.of(module) for module in modules],
            self.ground,
            self.schedule,
            self.pauses,
            self.snapshot_epochs,
            self.trained,
            self.split,
        )
        run = record(plan, engine, progress, checkpoints, measurements)
        return measurements.recording(run)

    def _engine(self, modules: list[nn.Module]) -> ModuleEngine:
        network, target = ReluNetwork.of(modules[0]), self.target
        # The weights of all samples fall to those that are trained on.
        share = target.weights.sum() / target.weights[self.trained].sum()
        groups = [
            SingleModule(
                module,
                network.inputs(self.ground.inputs),
                target.values.reshape(len(target.points), -1),
                share * target.weights[self.trained],
                optimiser=Adam() if self.optimiser == "adam" else Descent(),
                trained=self.trained,
                batch=self.batch,
                order=[self.seed + member, 3],
                name=f"network {member}",
            )
            for member, module in enumerate(modules)
        ]
        return ModuleEngine(groups, self._intervals(), target.values.shape)

    def _intervals(self) -> list[FloatArray]:
        """Sizes of the steps before every pause."""
        batches = 1 if self.batch is None else len(self.trained) // self.batch
        epochs = np.diff(self.pauses, prepend=0)
        return [np.full(batches * count, self.learning_rate) for count in epochs]

    def _plan(self, engine: ModuleEngine, modules: list[nn.Module]) -> Plan:
        steps = [len(sizes) for sizes in self._intervals()]
        parameters = [p.detach().cpu().numpy() for module in modules for p in module.parameters()]
        return Plan(
            model=None,
            target=self.target,
            initial_residuals=engine.residuals,
            step_counts=steps,
            times=np.asarray(self.learning_rate * np.cumsum(steps), dtype=np.float64),
            rates=np.where(np.array(steps) > 0, self.learning_rate, 0.0),
            width=ReluNetwork.of(modules[0]).units,
            learning_rate=self.learning_rate,
            method="autograd",
            metadata={
                "seed": self.seed,
                "networks": repr(modules[0]),
                "parameters": digest(*parameters),
                "optimiser": self.optimiser,
                "batch": self.batch or len(self.trained),
                "held_out": self.held_out or 0.0,
                "coordinates": json.dumps(list(self.coordinates)),
                "schedule": self.schedule.model_dump_json(exclude_none=True),
                "snapshots": json.dumps([int(epoch) for epoch in self.snapshot_epochs]),
                "ground": digest(self.ground.frequencies, *self.ground.pairs.values()),
                **machine("fefreq", "numpy", "torch"),
            },
        )

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
