"""Time of one step of an ensemble: sixteen networks trained together against one after another.

    python benchmarks/ensemble_training.py [--threads N] [--precision float32]

"All" takes sixteen at a time whatever their size, "default" as many as fit into a cache, and "torch" is one
``torch.nn.Sequential`` with ``torch.optim.SGD`` after another. Ratios to "one by one", the same code with one
network at a time, are the numbers to watch: they were taken in turns, and the least of several times counts.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

import fefreq
from harness.networks import DeepFourierFeatureNetwork
from harness.networks.layers import fourier_features
from harness.training.module_trainer import ModuleTrainer
from harness.training.stacked_networks import members_together

SEEDS = 16
WIDTHS = (16, 64, 256)
POINTS = (32, 128, 1024)
HIDDEN_LAYERS = (0, 1, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("float64", "float32"), default="float64")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(
        f"{SEEDS} Fourier-feature networks with ReLU layers, {arguments.threads} thread(s), {arguments.precision}"
    )
    print("layers  width  points   one by one      all  default  (together)    torch")
    for layers, width, points in itertools.product(HIDDEN_LAYERS, WIDTHS, POINTS):
        trainer = make_trainer(layers, width, points, arguments.precision)
        size = min(SEEDS, members_together(trainer.spec, points, 1, "cpu"))
        one, everything, default, plain = seconds(
            [stepper(trainer, 1), stepper(trainer, SEEDS), stepper(trainer, size), plain_torch(trainer)]
        )
        print(
            f"{layers:>6} {width:>6} {points:>7} {one * 1e3:>9.2f} ms {one / everything:>7.1f}x"
            f" {one / default:>7.1f}x {size:>11} {one / plain:>7.1f}x",
            flush=True,
        )


def make_trainer(layers: int, width: int, points: int, precision: str) -> ModuleTrainer:
    target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), [(-1, 1)], points)
    spec = DeepFourierFeatureNetwork(fefreq.Gaussian(3.0), width, layers)
    return ModuleTrainer(spec, target, [0.0], learning_rate=1e-3, seeds=SEEDS, precision=precision)


def stepper(trainer: ModuleTrainer, size: int) -> Callable[[], None]:
    """One step of all networks, ``size`` at a time; each takes all its steps before the next as in training."""
    groups = [trainer.group(range(first, min(first + size, SEEDS))) for first in range(0, SEEDS, size)]
    return lambda: [group.step(1e-3) for group in groups] and None


def plain_torch(trainer: ModuleTrainer) -> Callable[[], None]:
    """Sixteen modules with an optimiser each, as a loop over seeds would have them."""
    spec, dtype = trainer.spec, getattr(torch, trainer.precision)
    assert isinstance(spec, DeepFourierFeatureNetwork)
    points = torch.tensor(trainer.target.points, dtype=dtype)
    values = torch.tensor(trainer.target.values, dtype=dtype)[:, None]
    members = []
    for seed in range(SEEDS):
        frequency = torch.as_tensor(spec.draw(1, np.random.default_rng(seed))["frequency"], dtype=dtype)
        features = fourier_features(points, 2 * torch.pi * frequency)
        modules: list[nn.Module] = []
        for layer in range(spec.hidden_layers):
            modules += [nn.Linear(spec.width if layer else 2 * spec.width, spec.width, bias=False), nn.ReLU()]
        modules.append(nn.Linear(spec.width if spec.hidden_layers else 2 * spec.width, 1, bias=False))
        network = nn.Sequential(*modules).to(dtype)
        members.append((network, features, torch.optim.SGD(network.parameters(), lr=1e-3)))

    def step() -> None:
        for network, features, optimiser in members:
            optimiser.zero_grad()
            loss = 0.5 * (values - network(features)).square().mean()
            loss.backward()
            loss.item()
            optimiser.step()

    return step


def seconds(functions: list[Callable[[], None]], budget: float = 0.6) -> list[float]:
    """Least time of each function; they take turns, so that a busy machine treats them alike."""
    best = [float("inf")] * len(functions)
    end, rounds = time.perf_counter() + budget, 0
    while time.perf_counter() < end or rounds < 4:
        for position, function in enumerate(functions):
            begin = time.perf_counter()
            function()
            best[position] = min(best[position], time.perf_counter() - begin)
        rounds += 1
    return best


if __name__ == "__main__":
    main()
