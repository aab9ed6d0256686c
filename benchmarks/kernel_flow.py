"""The kernel flow at the size of real data: seconds, memory, agreement, and how the cost grows.

Run with ``python benchmarks/kernel_flow.py``; about six minutes on two cores, five of them inside the dense
eigen-decomposition that it is compared with (``--points 3000`` makes that seconds).
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
from matplotlib import cbook

import fefreq
from fefreq.support.arrays import FloatArray

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 1e4, 30)])
SCATTERED_TIMES = TIMES / 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=8000, help="scattered points of the dense comparison")
    parser.add_argument("--largest", type=int, default=10**6, help="scattered points of the largest flow")
    arguments = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, {len(TIMES)} times over five decades to {TIMES[-1]:g}, "
        f"on scattered points to {SCATTERED_TIMES[-1]:g}"
    )
    measure_colour()
    measure_terrain()
    for dim in (1, 2):
        measure_against_eigh(arguments.points, dim)
    measure_growth(arguments.largest)


def report(what: str, value: str, wanted: str = "") -> None:
    print(f"{what:<74} {value:>16}   {wanted}", flush=True)


def standardised(values: FloatArray) -> FloatArray:
    return (values - values.mean()) / values.std()


def measure_colour() -> None:
    """512 x 512 colour photograph; first, because the memory of a process only ever grows."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        import PIL.Image

        image = np.asarray(PIL.Image.open(file), dtype=np.float64)[:512, :512] / 255.0
    target = fefreq.Target.from_grid(image, [(-1, 1), (-1, 1)])
    model = fefreq.FourierFeatures(fefreq.Gaussian(10.0, 2))
    start = time.perf_counter()
    solution = fefreq.KernelFlow(model, target).solve(TIMES, rtol=1e-4)
    elapsed = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    stats = solution.stats
    report(f"512 x 512 x 3, rtol 1e-4: {stats.products} products", f"{elapsed:.1f} s", "under 60 s")
    report("  error estimate", f"{stats.error_estimate.max():.1e}", "under 1e-4")
    report("  peak memory of the process", f"{peak / 1e9:.2f} GB", "under 3 GB")


def measure_terrain() -> None:
    """256 x 256 samples of real terrain, as they are."""
    with cbook.get_sample_data("jacksboro_fault_dem.npz") as data:
        elevation = standardised(data["elevation"][:256, :256].astype(np.float64))
    target = fefreq.Target.from_grid(elevation, [(-1, 1), (-1, 1)])
    flow = fefreq.KernelFlow(fefreq.FourierFeatures(fefreq.Gaussian(8.0, 2)), target)
    start = time.perf_counter()
    solution = flow.solve(TIMES, rtol=1e-4)
    elapsed = time.perf_counter() - start
    fine = flow.solve(TIMES, rtol=1e-8)
    error = np.linalg.norm(solution.values - fine.values, axis=1).max() / np.linalg.norm(target.values)
    report(f"256 x 256, rtol 1e-4: {solution.stats.products} products", f"{elapsed:.1f} s", "under 10 s")
    report(
        f"  largest difference from rtol 1e-8 ({fine.stats.products} products, {fine.stats.seconds:.1f} s)",
        f"{error:.1e}",
        f"under the estimate {solution.stats.error_estimate.max():.1e}",
    )


def scattered(count: int, dim: int) -> fefreq.Target:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (count, dim))
    phase = 2 * np.pi * points @ np.array([3.0, -5.0])[:dim]
    values = np.sin(phase) + 0.3 * np.cos(3 * phase) + np.sign(points[:, 0])
    return fefreq.Target(points, values, rng.uniform(0.5, 1.5, count) * 2.0**dim / count)


def measure_against_eigh(count: int, dim: int) -> None:
    """The same flow by numpy's dense eigen-decomposition."""
    model, target = fefreq.FourierFeatures(fefreq.Gaussian(3.0, dim)), scattered(count, dim)
    start = time.perf_counter()
    solution = fefreq.KernelFlow(model, target).solve(SCATTERED_TIMES, rtol=1e-9)
    fast = time.perf_counter() - start
    start = time.perf_counter()
    root = np.sqrt(target.weights)
    matrix = np.empty((count, count))
    for first in range(0, count, 500):
        rows = slice(first, first + 500)
        matrix[rows] = root[rows, None] * model.kernel(target.points[rows], target.points) * root
    rates, modes = np.linalg.eigh(matrix)
    decays = np.exp(-np.outer(SCATTERED_TIMES, np.maximum(rates, 0.0)))
    dense = ((decays * (modes.T @ (root * target.values))) @ modes.T) / root
    slow = time.perf_counter() - start
    scale = np.linalg.norm(root * target.values)
    error = np.linalg.norm(root * (solution.values - dense), axis=1).max() / scale
    report(f"{count} scattered points in {dim}-D, rtol 1e-9: {solution.stats.method}", f"{fast:.2f} s")
    report("  numpy.linalg.eigh and its flow", f"{slow:.1f} s")
    report("  ratio", f"{slow / fast:.0f} x", "at least 50 x")
    report("  largest difference at any time", f"{error:.1e}", "under 1e-8")


def measure_growth(largest: int) -> None:
    """Seconds against the number of scattered points, from 10⁴ up; then with a kernel that has a cusp."""
    counts = [count for count in (10_000, 31_623, 100_000, 316_228, 10**6) if count <= largest]
    for dim in (1, 2):
        model, seconds = fefreq.FourierFeatures(fefreq.Gaussian(3.0, dim)), []
        for count in counts:
            target = scattered(count, dim)
            start = time.perf_counter()
            solution = fefreq.KernelFlow(model, target).solve(SCATTERED_TIMES, rtol=1e-6)
            seconds.append(time.perf_counter() - start)
            stats = solution.stats
            report(f"{count} scattered points in {dim}-D: {stats.products} products", f"{seconds[-1]:.2f} s")
        exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
        report(f"  cost in {dim}-D grows as n to the power", f"{exponent:.2f}", "at most 1.1")
    for dim in (1, 2):
        target = scattered(min(100_000, largest), dim)
        model = fefreq.FourierFeatures(fefreq.StudentT(3.0, df=1.0, dim=dim))
        stats = fefreq.KernelFlow(model, target).solve(SCATTERED_TIMES, rtol=1e-6).stats
        report(
            f"Cauchy density in {dim}-D, {stats.points} points: {stats.products} products",
            f"{stats.seconds:.1f} s",
        )
        report(f"  {stats.method}", f"{stats.error_estimate.max():.1e}", "under 1e-6")


if __name__ == "__main__":
    main()
