"""Evaluation of fields at points: seconds and memory for 100,000 points on meshes of about 100,000 cells.

Half of the points are drawn cell by cell, so that the thin cells of graded meshes are met; the others uniformly from
the box around the mesh. The stock probes of scikit-fem are timed on the first mesh, for fewer points, in the same run.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import skfem
from rich.console import Console
from rich.table import Table

from fefreq.meshes.point_location import Locator, probe_matrix
from fefreq.support.arrays import FloatArray

POINTS = 100_000
STOCK_POINTS = 1_000


def main() -> None:
    table = Table("mesh", "cells", "build / s", "locate and evaluate / s", "peak memory / GB", box=None)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
        for row in processes.map(measure, MESHES):  # each in a process of its own, for its memory
            table.add_row(*row)
        ours, stock = processes.submit(against_stock).result()
    Console(file=sys.stdout, width=110).print(table)
    print(f"{STOCK_POINTS:,} points on the hexahedra: {ours:.3f} s, scikit-fem's probes {stock:.1f} s")
    print(f"ratio: {stock / ours:.0f}")


def measure(name: str) -> tuple[str, ...]:
    """Times and memory of one mesh, as a row of the table."""
    mesh, element = MESHES[name]()
    points = sample(mesh, np.random.default_rng(0))
    basis = skfem.Basis(mesh, element, intorder=1)
    start = time.perf_counter()
    locator = Locator(mesh)
    built = time.perf_counter()
    probe_matrix(basis, points, "zero", locator)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return name, f"{mesh.nelements:,}", f"{built - start:.2f}", f"{done - built:.2f}", f"{peak:.2f}"


def hexahedra(axis: FloatArray, flat: float = 1.0) -> tuple[skfem.Mesh, skfem.Element]:
    return turned(skfem.MeshHex.init_tensor(axis, axis, flat * axis), flat), skfem.ElementHex1()


def tetrahedra(axis: FloatArray, flat: float = 1.0) -> tuple[skfem.Mesh, skfem.Element]:
    return turned(skfem.MeshTet.init_tensor(axis, axis, flat * axis), flat), skfem.ElementTetP2()


def turned(mesh: skfem.Mesh, flat: float) -> skfem.Mesh:
    """A flat mesh in a general direction, where boxes around cells say little."""
    if flat == 1:
        return mesh
    turn, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))
    return type(mesh)(turn @ mesh.p, mesh.t)


def graded(count: int) -> FloatArray:
    """Nodes from -1 to 1 that come as close as 10⁻⁶ to 0."""
    positive = np.geomspace(1e-6, 1, count)
    return np.concatenate([-positive[::-1], [0], positive])


def sample(mesh: skfem.Mesh, rng: np.random.Generator) -> FloatArray:
    cells = rng.integers(mesh.nelements, size=POINTS // 2)
    weights = rng.dirichlet(np.ones(len(mesh.t)), POINTS // 2).T
    inside = np.einsum("dvn,vn->nd", mesh.p[:, mesh.t[:, cells]], weights)
    return np.concatenate([inside, rng.uniform(mesh.p.min(axis=1), mesh.p.max(axis=1), inside.shape)])


def against_stock() -> tuple[float, float]:
    """Seconds of ours and of scikit-fem for the same points, whose matrices must agree."""
    mesh, element = MESHES["hexahedra"]()
    basis, locator = skfem.Basis(mesh, element, intorder=1), Locator(mesh)
    points = sample(mesh, np.random.default_rng(0))[:STOCK_POINTS]
    start = time.perf_counter()
    ours = probe_matrix(basis, points, "zero", locator)
    middle = time.perf_counter()
    stock = basis.probes(points.T)
    end = time.perf_counter()
    values = np.random.default_rng(2).standard_normal(basis.N)
    np.testing.assert_allclose(ours @ values, stock @ values, atol=1e-10)
    return middle - start, end - middle


MESHES: dict[str, Callable[[], tuple[skfem.Mesh, skfem.Element]]] = {
    "hexahedra": lambda: hexahedra(np.linspace(-1, 1, 47)),
    "tetrahedra": lambda: tetrahedra(np.linspace(-1, 1, 26)),
    "hexahedra, graded by 10⁶": lambda: hexahedra(graded(23)),
    "tetrahedra, graded by 10⁶": lambda: tetrahedra(graded(13)),
    "hexahedra, flat and turned": lambda: hexahedra(np.linspace(-1, 1, 47), 1e-3),
    "tetrahedra, flat and turned": lambda: tetrahedra(np.linspace(-1, 1, 26), 1e-3),
}


if __name__ == "__main__":
    main()
