r"""Four-layer networks on Fourier features, trained as practitioners do it.

Hidden layers are ``torch.nn.Linear`` with the initialisation and the biases that they come with, the optimiser is Adam
on mini-batches with a learning rate that falls to 0 like half a cosine. Features are frozen. None of this is
what the prediction assumes (He's initialisation, no biases, gradient flow, infinite width): the question is whether
it ranks scales all the same.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fefreq.densities.base import Density
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from fefreq.targets.split import DataSplit
from fefreq.targets.target import Target
from harness.training.checkpoints import Checkpoints
from harness.training.learning_rates import Cosine, steps_to_counts
from harness.training.module_engine import ModuleEngine
from harness.training.optimisers import Adam
from harness.training.plan import Plan
from harness.training.recorder import record
from harness.training.run import DivergenceError
from harness.training.single_module import SingleModule
from harness.training.trainer import machine


@dataclass(frozen=True)
class Network:
    """What is trained, and how.

    Attributes
    ----------
    density : Density
        Of the frozen frequencies.
    drawn : int
        Number of frequencies; there are twice as many features.
    hidden_layers, width : int
    steps, batch : int
    learning_rate : float
        At the first step; falls to 0 like half a cosine.
    seed : int
        Of frequencies, parameters and the order of the samples.
    """

    density: Density
    drawn: int
    hidden_layers: int
    width: int
    steps: int
    batch: int
    learning_rate: float
    seed: int

    def build(self, channels: int) -> nn.Sequential:
        """The layers behind the features."""
        sizes = [2 * self.drawn, *[self.width] * self.hidden_layers]
        layers: list[nn.Module] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            for inputs, outputs in itertools.pairwise(sizes):
                layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            layers.append(nn.Linear(sizes[-1], channels))
        return nn.Sequential(*layers)

    def features(self) -> Callable[[FloatArray], Tensor]:
        """Cosines and sines of points ``(n, d)`` at frozen random frequencies."""
        frequencies = self.density.sample(self.drawn, np.random.default_rng(self.seed))

        def evaluated(points: FloatArray) -> Tensor:
            phases = 2 * np.pi * points @ frequencies.T
            return torch.from_numpy(np.concatenate([np.cos(phases), np.sin(phases)], axis=1)).float()

        return evaluated


@dataclass(frozen=True)
class Trained:
    """What became of a network.

    Attributes
    ----------
    train_mse, heldout_mse : float
        Mean square errors at trained and at held-out points.
    seconds : float
        Time that training took.
    """

    train_mse: float
    heldout_mse: float
    seconds: float


def train_on(
    split: DataSplit,
    network: Network,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
    task: str = "training",
) -> Trained:
    """Train a network on the trained samples of a split and judge it on the others.

    The loss is the mean square over samples and channels.

    Parameters
    ----------
    split : DataSplit
    network : Network
    progress : Progress, optional
        Hears of every step.
    checkpoints : Checkpoints, optional
        Where training is kept, and from where it goes on if it was interrupted.
    task : str
        What the progress is told.

    Raises
    ------
    FloatingPointError
        If training diverges.
    ValueError
        If the checkpoints are of another training or version, or damaged.
    """
    target = _all_samples(split)
    trained = np.flatnonzero(target.weights)
    sizes = steps_to_counts(Cosine(network.learning_rate, network.steps), [network.steps])
    module = SingleModule(
        network.build(target.channels or 1),
        network.features()(target.points),
        target.values.reshape(len(target.points), -1),
        target.weights[trained],
        optimiser=Adam(),
        trained=trained,
        batch=min(network.batch, len(trained)),
        order=[network.seed, 1],
        name="the network",
    )
    engine = ModuleEngine([module], sizes, target.values.shape)
    plan = Plan(
        model=None,
        target=target,
        initial_residuals=engine.residuals,
        step_counts=[network.steps],
        times=np.array([sizes[0].sum()]),
        rates=np.array([sizes[0].mean()]),
        width=network.width,
        learning_rate=network.learning_rate,
        method="autograd",
        metadata={
            "network": json.dumps(asdict(network), sort_keys=True),
            **machine("fefreq", "numpy", "torch"),
        },
    )
    try:
        run = record(plan, engine, progress, checkpoints, task=task)
    except DivergenceError as error:
        raise FloatingPointError(
            f"training diverged with a learning rate of {network.learning_rate:g}: choose a smaller one ({error})"
        ) from error
    squares = run.residuals[0, -1] ** 2
    held_out = np.delete(squares, trained, axis=0)
    return Trained(float(np.mean(squares[trained])), float(np.mean(held_out)), run.seconds)


def _all_samples(split: DataSplit) -> Target:
    """Trained samples and, with weight zero, the held-out ones, in the precision of the network.

    With these weights ``½ Σ_j q_j |u(x_j)|²`` is the mean square over the trained samples and the channels.
    """
    kept = split.trained.weights > 0
    values = np.concatenate([split.trained.values[kept], split.values])
    weights = np.zeros(len(values))
    weights[: split.count] = 2 / split.trained.values[kept].size
    points = np.concatenate([split.trained.points[kept], split.points])
    return Target(points, values.astype(np.float32).astype(np.float64), weights)
