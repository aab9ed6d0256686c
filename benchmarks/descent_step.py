"""Time of one descent step: dense products against fast transforms.

    python benchmarks/descent_step.py [--threads N]

Where the dense step would take minutes, it is timed on a part of the neurons and scaled up: its cost is
proportional to their number. The column "ratio" is the number to watch; times vary with the machine.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import fefreq
from harness.networks.plane_waves import ensemble_parameters
from harness.networks.two_layer import network_for
from harness.training.transform_plans import PlanOptions
from harness.training.transforms import NEURONS_FOR_THREADS, TransformedPlaneWaves
from harness.training.wave_descent import WaveDescent
from harness.training.wave_sums import DensePlaneWaves, PlaneWaves

CASES = (
    ("512", (512,), 16_384, "grid"),
    ("4,096", (4_096,), 20_000, "grid"),
    ("4,096", (4_096,), 20_000, "scattered"),
    ("100,000", (100_000,), 100_000, "grid"),
    ("100,000", (100_000,), 100_000, "scattered"),
    ("1,000,000", (1_000_000,), 1_000_000, "grid"),
    ("1,000,000", (1_000_000,), 1_000_000, "scattered"),
    ("64²", (64, 64), 100_000, "grid"),
    ("64²", (64, 64), 100_000, "scattered"),
    ("512²", (512, 512), 1_000_000, "grid"),
    ("512²", (512, 512), 1_000_000, "scattered"),
)
DENSE_PRODUCTS = 3e7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    print(f"{threads} thread(s), float64, one network on Gaussian features of scale 3")
    print(f"{'points':>10} {'kind':>10} {'neurons':>10} {'dense':>12} {'transform':>12} {'ratio':>8}")
    for label, shape, width, kind in CASES:
        target = make_target(shape, kind)
        part = int(min(width, max(DENSE_PRODUCTS // len(target.points), 8)))
        dense = step_seconds(target, part, None) * width / part
        inner = threads if width >= NEURONS_FOR_THREADS else 1
        torch.set_num_threads(inner)
        fast = step_seconds(target, width, inner)
        torch.set_num_threads(threads)
        mark = "" if part == width else "≈"
        print(
            f"{label:>10} {kind:>10} {width:>10,} {mark + format(dense, '.4g'):>10} s {fast:>10.4f} s "
            f"{dense / fast:>8,.0f}",
            flush=True,
        )


def make_target(shape: tuple[int, ...], kind: str) -> fefreq.Target:
    target = fefreq.Target.from_function(
        lambda x: np.exp(-8 * np.sum(x**2, axis=1)), [(-1, 1)] * len(shape), shape
    )
    if kind == "grid":
        return target
    points = np.random.default_rng(0).uniform(-1, 1, target.points.shape)
    return fefreq.Target(points, target.values, target.weights)


def step_seconds(target: fefreq.Target, width: int, transform_threads: int | None, repeat: int = 3) -> float:
    model = fefreq.FourierFeatures(fefreq.Gaussian(3.0, dim=target.dim))
    network = network_for(model, width, 1)
    parameters = ensemble_parameters(network, "plain", 0, 1, torch.float64, torch.device("cpu"))
    points = torch.from_numpy(np.ascontiguousarray(target.points.T))
    values, weights = torch.tensor(target.values[None]), torch.tensor(target.weights)
    waves: PlaneWaves
    if transform_threads is None:
        waves = DensePlaneWaves(points)
    else:
        waves = TransformedPlaneWaves.on(target, PlanOptions(torch.float64, transform_threads))
    descent = WaveDescent(network, parameters, waves, points, values, weights, starts_at_zero=True)
    descent.step(1e-3)
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        descent.step(1e-3)
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


if __name__ == "__main__":
    main()
