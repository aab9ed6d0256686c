"""Diagnostics of ReLU networks: what they cost, and that they are right at full size.

Run with ``python benchmarks/relu_diagnostics.py``; prints one line per figure, about a minute on two cores.
"""

from __future__ import annotations

import copy
import resource
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from fefreq.support.arrays import FloatArray
from harness.relu import (
    activation_patterns,
    autograd_gram,
    count_regions,
    global_pairs,
    gradient_confusion,
    gradient_gram,
    hamming_distances,
    in_sphere_radii,
    local_pairs,
    region_widths,
    regions_on_interval,
    relu_network,
)

SAMPLES = 2048


def main() -> None:
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread(s)")
    measure_patterns()
    measure_gram()
    measure_pair_loop()
    measure_regions()
    measure_geometry()


def report(what: str, value: str, wanted: str = "") -> None:
    print(f"{what:<74} {value:>16}   {wanted}", flush=True)


def seconds(action: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of several runs, the first of which also warms up."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def image_points(size: int) -> FloatArray:
    centres = (np.arange(size) + 0.5) / size
    return np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)


def tones(x: FloatArray, seed: int = 0) -> FloatArray:
    phases = np.random.default_rng(seed).uniform(0, 1, 14)
    return np.sum(np.sin(2 * np.pi * (np.outer(x, np.arange(5, 75, 5)) + phases)), axis=1)


def trained(network: nn.Sequential, x: FloatArray, y: FloatArray, epochs: int = 500) -> nn.Sequential:
    inputs, values = (torch.as_tensor(a, dtype=torch.float32)[:, None] for a in (x, y))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        optimiser.zero_grad()
        (network(inputs) - values).square().mean().backward()
        optimiser.step()
    return network


def measure_patterns() -> None:
    points = image_points(512)
    network = relu_network(2, 512, 4, 3)
    start = time.perf_counter()
    patterns = activation_patterns(network, points)
    found = count_regions(patterns)
    elapsed = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    report(
        f"distinct patterns of 512² points, 4 × 512: {found.regions} regions", f"{elapsed:.2f} s", "< 30 s"
    )
    report("  peak memory of the process", f"{peak:.2f} GiB", "< 4 GB")
    pairs = local_pairs((512, 512), 100_000, np.random.default_rng(0))
    report("  Hamming distances of 10⁵ pairs", f"{seconds(lambda: hamming_distances(patterns, pairs)):.3f} s")


def measure_gram() -> None:
    x = (np.arange(SAMPLES) + 0.5) / SAMPLES
    residuals = tones(x)
    for width, limit in ((128, "< 1 s"), (512, "< 4 s")):
        for dtype in (torch.float32, torch.float64):
            network = relu_network(1, width, 4, dtype=dtype)
            name = f"gradient Gram matrix, {SAMPLES} points, 4 × {width}, {str(dtype).removeprefix('torch.')}"
            elapsed = seconds(lambda network=network: gradient_gram(network, x, residuals))
            report(name, f"{elapsed:.3f} s", limit if dtype == torch.float32 else "")
            # The Jacobian of 4 × 512 on all points is 6.4 GB: compare on some.
            some = slice(None) if width == 128 else slice(None, None, 16)
            gram, oracle = (f(network, x[some], residuals[some]) for f in (gradient_gram, autograd_gram))
            scale = np.sqrt(np.outer(oracle.diagonal(), oracle.diagonal()))
            wanted = "≤ 1e-5" if dtype == torch.float32 else "≤ 1e-10"
            report(
                "  largest difference from vmap(grad), as a cosine",
                f"{np.max(abs(gram - oracle) / scale):.1e}",
                wanted,
            )


def measure_pair_loop() -> None:
    x = (np.arange(SAMPLES) + 0.5) / SAMPLES
    residuals = tones(x)
    network = relu_network(1, 128, 4)
    parameters = list(network.parameters())

    def gradient(i: int) -> torch.Tensor:
        output = network(torch.tensor([[x[i]]], dtype=torch.float32))
        return torch.cat([g.flatten() for g in torch.autograd.grad(residuals[i] * output.sum(), parameters)])

    pairs = global_pairs(SAMPLES, 300, np.random.default_rng(0))
    per_pair = seconds(lambda: [gradient(i) @ gradient(j) for i, j in pairs]) / len(pairs)
    gradients = [gradient(i) for i in range(300)]
    per_gradient = seconds(lambda: [gradient(i) for i in range(300)]) / 300
    per_product = seconds(lambda: [g @ gradients[0] for g in gradients]) / 300
    everything = SAMPLES * (SAMPLES + 1) / 2
    whole = seconds(lambda: gradient_gram(network, x, residuals))
    report("pair by pair, two gradients each (from 300 pairs)", f"{per_pair * everything:.0f} s")
    report("  Gram matrix faster by", f"{per_pair * everything / whole:.0f} ×", "≥ 100 ×")
    kept = SAMPLES * per_gradient + everything * per_product
    report("pair by pair, every gradient computed once and kept", f"{kept:.1f} s")
    report("  Gram matrix faster by", f"{kept / whole:.0f} ×")
    many = local_pairs(SAMPLES, 10_000, np.random.default_rng(1))
    elapsed = seconds(lambda: gradient_confusion(network, x, residuals, many))
    report("cosines of 10⁴ sampled pairs", f"{elapsed:.3f} s")
    report("  faster than pair by pair by", f"{per_pair * len(many) / elapsed:.0f} ×")


def refined_grid_count(network: nn.Sequential, lower: float, upper: float, spacing: float) -> tuple[int, int]:
    """Count patterns on a uniform grid of ``2^k`` cells no wider than ``spacing``; also the points looked at.

    Regions are convex: between two grid points of equal pattern every grid point has that pattern, so only
    cells whose ends differ are divided. The count is that of the full grid.
    """
    depth = int(np.ceil(np.log2((upper - lower) / spacing)))
    left = np.arange(2**10, dtype=np.int64)
    looked_at = len(left) + 1
    for level in range(10, depth + 1):
        ends = lower + (upper - lower) * np.stack([left, left + 1], axis=1).ravel() / 2**level
        labels = activation_patterns(network, ends).labels().reshape(-1, 2)
        left = left[labels[:, 0] != labels[:, 1]]
        if level < depth:
            left = np.stack([2 * left, 2 * left + 1], axis=1).ravel()
            looked_at += len(left) // 2
    return 1 + len(left), looked_at


def measure_regions() -> None:
    u = np.linspace(0, 1, SAMPLES)
    for lower in (0.0, -1.0):
        x = lower + (1 - lower) * u
        network = trained(relu_network(1, 128, 4), x, tones(u))
        elapsed = seconds(lambda network=network, lower=lower: regions_on_interval(network, lower, 1.0))
        regions = regions_on_interval(network, lower, 1.0)
        exact = int(regions.counts[0])
        report(f"exact regions on [{lower:g}, 1], trained 4 × 128: {exact}", f"{elapsed:.3f} s", "< 1 s")
        on_data = count_regions(activation_patterns(network, x)).regions
        report(f"  seen on the {SAMPLES} samples", f"{on_data}")
        narrowest = regions.lengths.min()
        counted, points = refined_grid_count(copy.deepcopy(network).double(), lower, 1.0, narrowest / 2)
        wanted = "equal" if counted == exact else "NOT EQUAL"
        report(
            f"  on a grid of spacing {narrowest / 2:.1e} ({points} points looked at)", f"{counted}", wanted
        )


def measure_geometry() -> None:
    points = image_points(64)
    network = relu_network(2, 512, 4, 3)
    report("region widths of 64² points, 4 × 512", f"{seconds(lambda: region_widths(network, points)):.2f} s")
    chosen = points[np.random.default_rng(0).choice(len(points), 200, replace=False)]
    network = relu_network(2, 128, 4, 3)
    elapsed = seconds(lambda: in_sphere_radii(network, chosen, bounds=(0, 1)), repeats=1)
    report("in-spheres at 200 points of the plane, 128 units", f"{elapsed:.2f} s")


if __name__ == "__main__":
    main()
