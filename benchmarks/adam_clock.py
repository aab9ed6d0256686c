"""Adam's clock against trained networks: the predicted step of a loss over the trained one, under many settings.

Run with ``python benchmarks/adam_clock.py``; about three minutes on two cores. The table of docs/optimisers.md has
``--networks 2``.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

import fefreq
from fefreq.models.tensor_kernels import Initialisation
from fefreq.support.arrays import FloatArray

SAMPLES = 128
SHARES = (0.1, 0.03, 0.01)
SCALES = (3.0, 8.0, 15.0)


@dataclass(frozen=True)
class Setting:
    """One row: what networks and data are like."""

    networks: str = "three hidden layers of 256"
    size: float = 1.0
    learning_rate: float = 1e-3
    hidden_layers: int = 3
    width: int = 256
    initialisation: Initialisation = "torch"
    steps: int = 250


SETTINGS = (
    Setting(),
    Setting(size=0.3),
    Setting(size=3.0, steps=400),
    Setting(learning_rate=3e-3),
    Setting(learning_rate=3e-4, steps=500),
    Setting(learning_rate=1e-4, steps=1000),
    Setting("the same after He", initialisation="he"),
    Setting("two hidden layers of 256", hidden_layers=2),
    Setting("three hidden layers of 64", width=64),
)


def band(exponent: float, count: int, seed: int) -> Callable[[FloatArray], FloatArray]:
    """Waves of random phases whose amplitudes fall off."""
    rng = np.random.default_rng(seed)
    cycles = np.arange(1, count + 1)
    amplitudes, phases = rng.standard_normal(count) / cycles**exponent, rng.uniform(0, 2 * np.pi, count)
    return lambda x: np.cos(2 * np.pi * x[:, None] * cycles + phases) @ amplitudes


SIGNALS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "tones": lambda x: (
        np.sin(2 * np.pi * x) + 0.5 * np.sin(10 * np.pi * x + 1) + 0.25 * np.sin(22 * np.pi * x + 2)
    ),
    "falling spectrum": band(1.0, 32, seed=7),
    "chirp": lambda x: np.cos(2 * np.pi * (2 * x + 9 * x**2)),
    "steps": lambda x: 1.0 * ((x > 0.3) & (x < 0.55)) + 0.5 * (x > 0.8) - 0.4,
    "noise": band(0.0, 16, seed=3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=1, help="networks of each case")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| rms of data | learning rate | networks | levels | within a factor 2 | typical ratio | range |")
    print("|---:|---:|---|---:|---:|---:|---|")
    for setting in SETTINGS:
        cases = itertools.product(SIGNALS.values(), SCALES, range(arguments.networks))
        ratios = np.concatenate([ratios_of(setting, *case) for case in cases])
        within = np.mean((ratios >= 0.5) & (ratios <= 2.0))  # levels that were never reached are not
        known = ratios[np.isfinite(ratios)]
        print(
            f"| {setting.size:g} | {setting.learning_rate:g} | {setting.networks} | {len(ratios)} | {within:.0%} | "
            f"{np.exp(np.mean(np.log(known))):.1f} | {known.min():.2g} to {known.max():.2g} |",
            flush=True,
        )


def ratios_of(
    setting: Setting, signal: Callable[[FloatArray], FloatArray], scale: float, seed: int
) -> FloatArray:
    """Predicted over trained steps of all levels; NaN where one was not reached."""
    values = signal((np.arange(SAMPLES) + 0.5) / SAMPLES)
    target = fefreq.Target.from_grid(setting.size * values / np.sqrt(np.mean(values**2)), [(0, 1)])
    model = fefreq.DeepFourierFeatures(fefreq.Gaussian(scale), setting.hidden_layers)
    adam = fefreq.Adam(setting.learning_rate, setting.steps, "constant")
    clock = fefreq.training_clock(
        model, target, adam, width=setting.width, initialisation=setting.initialisation
    )
    predicted = np.array([np.nan if (step := clock.step_of(share)) is None else step for share in SHARES])
    losses = trained(setting, target, model.density, seed)
    reached = np.array(
        [np.argmax(losses <= share) if np.any(losses <= share) else np.nan for share in SHARES]
    )
    return np.asarray(np.maximum(predicted, 1) / np.maximum(reached, 1))


def trained(setting: Setting, target: fefreq.Target, density: fefreq.Density, seed: int) -> FloatArray:
    """Losses over that at the start without a network, until the last level is reached."""
    torch.manual_seed(seed)
    frequencies = density.sample(setting.width // 2, np.random.default_rng(seed))
    phases = 2 * np.pi * target.points @ frequencies.T
    inputs = torch.tensor(np.concatenate([np.cos(phases), np.sin(phases)], axis=1), dtype=torch.float32)
    wanted = torch.tensor(target.values[:, None], dtype=torch.float32)
    sizes = [2 * len(frequencies), *[setting.width] * setting.hidden_layers, 1]
    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        linear = torch.nn.Linear(fan_in, fan_out)
        if setting.initialisation == "he":
            torch.nn.init.kaiming_normal_(linear.weight)
            torch.nn.init.zeros_(linear.bias)
        layers += [linear, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(net.parameters(), lr=setting.learning_rate)
    losses: list[float] = []
    while len(losses) <= setting.steps and (not losses or losses[-1] > min(SHARES)):
        loss = torch.mean((net(inputs) - wanted) ** 2)
        losses.append(loss.item() / setting.size**2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return np.array(losses)


if __name__ == "__main__":
    main()
