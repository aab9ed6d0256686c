r"""Four-layer networks on Fourier features, trained as practitioners do it.

Hidden layers are ``torch.nn.Linear`` with the initialisation and the biases that they come with, the optimiser is Adam
on mini-batches with a learning rate that falls to 0 like half a cosine. Features are frozen. None of this is
what the prediction assumes (He's initialisation, no biases, gradient flow, infinite width): the question is whether
it ranks scales all the same.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from fefreq.densities.base import Density
from fefreq.support.arrays import FloatArray
from fefreq.targets.split import DataSplit

TOGETHER = 4096  # points that are evaluated at once


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
        Of the steps alone.
    """

    train_mse: float
    heldout_mse: float
    seconds: float


def train_on(split: DataSplit, network: Network, advance: Callable[[], None] = lambda: None) -> Trained:
    """Train a network on the trained samples of a split and judge it on the others.

    Parameters
    ----------
    split : DataSplit
    network : Network
    advance : callable
        Called after every step.

    Raises
    ------
    FloatingPointError
        If training diverges.
    """
    kept = split.trained.weights > 0
    features = network.features()
    inputs, wanted = features(split.trained.points[kept]), _columns(split.trained.values[kept])
    layers = network.build(wanted.shape[1])
    optimiser = torch.optim.Adam(layers.parameters(), lr=network.learning_rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, network.steps)
    batches = _batches(len(inputs), network.batch, np.random.default_rng([network.seed, 1]))
    start = time.perf_counter()
    for _ in range(network.steps):
        chosen = next(batches)
        loss = torch.mean((layers(inputs[chosen]) - wanted[chosen]) ** 2)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        falling.step()
        advance()
    seconds = time.perf_counter() - start

    def mean_square(points: FloatArray, values: FloatArray) -> float:
        total = 0.0
        with torch.no_grad():
            for first in range(0, len(points), TOGETHER):
                part = slice(first, first + TOGETHER)
                total += float(torch.sum((layers(features(points[part])) - _columns(values[part])) ** 2))
        return total / values.size

    train = mean_square(split.trained.points[kept], split.trained.values[kept])
    if not np.isfinite(train):
        raise FloatingPointError(
            f"training diverged with a learning rate of {network.learning_rate:g}: choose a smaller one"
        )
    return Trained(train, mean_square(split.points, split.values), seconds)


def _columns(values: FloatArray) -> Tensor:
    return torch.tensor(values.reshape(len(values), -1)).float()


def _batches(count: int, size: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """Batches of permutations, without end; samples that do not fill a last batch wait for the next permutation."""
    size = min(size, count)
    while True:
        order = torch.from_numpy(rng.permutation(count))
        for first in range(0, count - size + 1, size):
            yield order[first : first + size]
