"""The diffusion equation: fefreq against NGSolve and py-pde, and how its own cost grows.

``python benchmarks/diffusion.py`` installs the peers into ``build/peers`` (once), solves one problem with all of
them in one run and prints a table; ``--readme`` puts it into the README between its markers, ``--large`` adds a
million unknowns in two and three dimensions (ten minutes), ``--skip-peers`` leaves the others out.

All run in one thread and seconds are those of the processor, so that a busy machine changes the ratios little.

The problem: linear elements, Gaussian density of scale 3 on [-12, 12]², 41 times from 1 to 10⁴, the real part of a
windowed wave. The error in time is measured against the propagation of the same matrices to 1e-12, separately for
every program that uses matrices; the total error against elements of order 4 on half as long cells.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

import fefreq
from fefreq.diffusion.assembly import make_basis, mass_matrix, operator_matrix, project_spectrum
from fefreq.meshes import shapes as meshes
from fefreq.propagation.propagator import Propagation
from fefreq.support.arrays import FloatArray

HERE = Path(__file__).parent
BUILD = HERE.parent / "build"
HALF_WIDTH, SCALE, WINDOW, CELLS = 12.0, 3.0, 0.2, 150
TIMES = np.geomspace(1, 1e4, 41)
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
MARKERS = ("<!-- benchmark: diffusion -->", "<!-- end of benchmark: diffusion -->")


@dataclass
class Row:
    """One line of the table; an error that was not measured is NaN."""

    program: str
    method: str
    unknowns: int
    error_in_time: float
    total_error: float
    seconds: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    for flag in ("--readme", "--large", "--skip-peers"):
        arguments.add_argument(flag, action="store_true")
    options = arguments.parse_args()
    print(f"{machine()}, load {os.getloadavg()[0]:.1f}", flush=True)
    rows = compare(with_peers=not options.skip_peers)
    text = [*table(rows), "", *growth(large=options.large)]
    print("\n".join(text))
    if options.readme:
        write_readme("\n".join(text))


def wave(x: FloatArray) -> FloatArray:
    window = np.exp(-np.sum(x**2, axis=1) / (2 * WINDOW**2))
    direction = np.array([2.0, 1.0, 0.0])[: x.shape[1]]
    return np.asarray(window * np.cos(2 * np.pi * (x @ direction) + 0.5))


def setting(dim: int) -> tuple[fefreq.FourierFeatures, fefreq.Target]:
    target = fefreq.Target.from_function(wave, [(-1, 1)] * dim, {1: 256, 2: 64, 3: 24}[dim])
    return fefreq.FourierFeatures(fefreq.Gaussian(SCALE, dim)), target


def compare(with_peers: bool) -> list[Row]:
    model, target = setting(2)
    mesh = meshes.box([HALF_WIDTH] * 2, 2 * HALF_WIDTH / CELLS, cell="triangle")
    basis = make_basis(mesh, 1)
    mass, operator = mass_matrix(basis), operator_matrix(basis, model, "even")
    initial = project_spectrum(basis, mass, target).real
    finest = fefreq.FrequencyDiffusion(model, target, mesh=meshes.box([HALF_WIDTH] * 2, 0.32), order=4).solve(
        TIMES, rtol=1e-10
    )

    def total(points: FloatArray, values: FloatArray) -> float:
        exact = finest.at(points).real
        scale = np.linalg.norm(target.spectrum(points).real)
        return float(np.max(np.linalg.norm(values - exact, axis=1)) / scale)

    def ours() -> list[Row]:
        rows = []
        for rtol in (1e-8, 1e-6, 1e-4):
            seconds, found = fastest(mass, operator, initial, rtol)
            values = found.values[:, :, 0]
            error = time_error(mass, operator, initial, values)
            method = f"rational Krylov, rtol {rtol:g}"
            rows.append(Row("fefreq", method, basis.N, error, total(mesh.p.T, values), seconds))
        return rows

    rows = ours()
    if not with_peers:
        return rows
    problem = BUILD / "problem.npz"
    centres = (np.arange(CELLS + 1) + 0.5) * 2 * HALF_WIDTH / (CELLS + 1) - HALF_WIDTH
    grid = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1)
    python = environment()
    np.savez(
        problem,
        points=mesh.p.T,
        triangles=mesh.t.T,
        initial=initial,
        times=TIMES,
        scale=SCALE,
        half_width=HALF_WIDTH,
        grid_initial=target.spectrum(grid.reshape(-1, 2)).real.reshape(grid.shape[:2]),
    )
    needed = {1e-4: 3, 1e-6: 28}  # steps between two times, a first guess
    for wanted, first in needed.items():
        steps, error = first, np.inf
        while True:
            result = run_peer(python, "ngsolve_steps.py", problem, steps, "growing")
            error = ngsolve_error(result, initial)
            if error <= wanted:
                break
            steps = max(steps + 1, int(np.ceil(1.02 * steps * (error / wanted) ** 0.5)))
        for kind, method in (("growing", "growing steps"), ("equal", "equal steps between two times")):
            if kind == "equal":
                result = run_peer(python, "ngsolve_steps.py", problem, steps, kind)
                error = ngsolve_error(result, initial)
            seconds = float(result["seconds"])
            print(f"NGSolve, {steps} {method}: {seconds:.1f} s, error {error:.1e}", flush=True)
            whole = total(mesh.p.T, result["values"])
            rows.append(Row("NGSolve", f"SDIRK2, {steps} {method}", basis.N, error, whole, seconds))
    result = run_peer(python, "pypde_steps.py", problem, 1e-4)
    rows.append(
        Row(
            "py-pde",
            "finite differences, explicit",
            (CELLS + 1) ** 2,
            np.nan,
            total(result["points"], result["values"]),
            float(result["seconds"]),
        )
    )
    # What else the machine does changes within minutes: once more after the others.
    best = [min(pair, key=lambda row: row.seconds) for pair in zip(rows[:3], ours(), strict=True)]
    return [*best, *rows[3:]]


def fastest(
    mass: csr_matrix, operator: csr_matrix, initial: FloatArray, rtol: float
) -> tuple[float, Propagation]:
    """Processor seconds and result of the fastest of several propagations."""
    runs = []
    for _ in range(7):
        start = time.process_time()
        run = propagate(mass, operator, initial, rtol)
        runs.append((time.process_time() - start, run))
    seconds, found = min(runs, key=lambda pair: pair[0])
    bare = found.factorise_seconds + found.solve_seconds
    print(
        f"fefreq to {rtol:g}: {found.seconds:.3f} s, {found.seconds / bare:.2f} times its {found.factorisations} "
        f"factorisations ({found.factorise_seconds:.3f} s) and {found.solves} solves ({found.solve_seconds:.3f} s)",
        flush=True,
    )
    return seconds, found


def propagate(mass: csr_matrix, operator: csr_matrix, initial: FloatArray, rtol: float) -> Propagation:
    return fefreq.RationalKrylov().propagate(mass, operator, initial[:, None], TIMES, rtol)


def time_error(mass: csr_matrix, operator: csr_matrix, initial: FloatArray, values: FloatArray) -> float:
    """Largest error over the times in the norm of the mass matrix, relative to the initial field."""
    poles = tuple(10.0 ** np.arange(-1, 4))
    exact = (
        fefreq.RationalKrylov(poles).propagate(mass, operator, initial[:, None], TIMES, 1e-12).values[:, :, 0]
    )
    norm = lambda v: np.sqrt(v @ (mass @ v))  # noqa: E731
    return float(max(norm(v - e) for v, e in zip(values, exact, strict=True)) / norm(initial))


def ngsolve_error(result: dict[str, FloatArray], initial: FloatArray) -> float:
    """Error in time, by the matrices that the program wrote."""
    matrices = [
        coo_matrix((result[f"{n}_data"], (result[f"{n}_rows"], result[f"{n}_columns"]))).tocsr()
        for n in ("mass", "operator")
    ]
    return time_error(matrices[0], matrices[1], initial, result["values"])


def environment() -> Path:
    """Python of an environment that holds the peers."""
    folder = BUILD / "peers"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        BUILD.mkdir(exist_ok=True)
        venv.create(folder, with_pip=True)
        command = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            HERE / "peers" / "requirements.txt",
        ]
        subprocess.run(command, check=True)
        (folder / "complete").touch()
    return python


def run_peer(python: Path, script: str, problem: Path, *settings: object) -> dict[str, FloatArray]:
    result = BUILD / "result.npz"
    command = [python, HERE / "peers" / script, problem, result, *map(str, settings)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with np.load(result) as data:
        return dict(data)


def table(rows: list[Row]) -> list[str]:
    reference = rows[0].seconds
    lines = [
        f"Measured on {date.today():%d %B %Y}: {machine()}.",
        "",
        "| program | method | unknowns | error in time | total error | processor seconds | ratio |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        error = "" if np.isnan(row.error_in_time) else f"{row.error_in_time:.0e}"
        lines.append(
            f"| {row.program} | {row.method} | {row.unknowns} | {error} | {row.total_error:.1e} | "
            f"{row.seconds:.2f} | {row.seconds / reference:.1f} |"
        )
    return lines


def growth(large: bool) -> list[str]:
    """Processor seconds of whole solutions, assembly included, and the exponents of their growth."""
    cases = [
        (1, "line", 4, [0.0096, 0.00096, 0.000096], 1e-6),
        (2, "triangle", 1, [0.16, 0.08, 0.04, *([0.024] if large else [])], 1e-6),
        (3, "hexahedron", 1, [0.7, 0.48, *([0.243] if large else [])], 1e-4),
    ]
    lines = ["| dimension | unknowns | processor seconds (memory) | growth |", "|---|---|---|---|"]
    for dim, cell, order, sizes, rtol in cases:
        model, target = setting(dim)
        counts, seconds, texts = [], [], []
        for size in sizes:
            mesh = meshes.box([HALF_WIDTH] * dim, size, cell=cell)
            start = time.process_time()
            solution = fefreq.FrequencyDiffusion(model, target, mesh=mesh, order=order).solve(
                TIMES, rtol=rtol
            )
            seconds.append(time.process_time() - start)
            counts.append(solution.stats.unknowns)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
            texts.append(f"{seconds[-1]:.2g} ({peak:.1f} GB)")
            print(f"{dim}-D, {counts[-1]} unknowns: {texts[-1]}", flush=True)
        slope = np.polyfit(np.log(counts[-2:]), np.log(seconds[-2:]), 1)[0]
        lines.append(
            f"| {dim}, {cell} of order {order}, rtol {rtol:g} | {', '.join(f'{n:,}' for n in counts)} | "
            f"{', '.join(texts)} | n^{slope:.2f} |"
        )
    return lines


def machine() -> str:
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        match = re.search(r"model name\s*: (.*)", info.read_text())
        name = match.group(1) if match else name
    return f"{name}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, fefreq {fefreq.__version__}"


def write_readme(text: str) -> None:
    readme = HERE.parent / "README.md"
    content = readme.read_text(encoding="utf-8")
    block = f"{MARKERS[0]}\n{text}\n{MARKERS[1]}"
    if MARKERS[0] in content:
        before, rest = content.split(MARKERS[0], 1)
        content = before + block + rest.split(MARKERS[1], 1)[1]
    else:
        content = content.rstrip() + f"\n\n{block}\n"
    readme.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    if not ONE_THREAD.items() <= os.environ.items():  # libraries read them when they are loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_THREAD})
    main()
