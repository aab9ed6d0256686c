"""The damped diffusion in NGSolve: linear triangles, SDIRK2 with steps that grow with the time.

``python ngsolve_steps.py problem.npz result.npz STEPS growing|equal``: STEPS steps between two requested times, whose
lengths grow with the time, or are equal there so that one factorisation serves them all. Writes the values, the
seconds of stepping and the matrices.
"""

import sys
import time

import numpy as np
from netgen.meshing import Element2D, FaceDescriptor, MeshPoint, Pnt
from netgen.meshing import Mesh as NetgenMesh
from ngsolve import H1, BilinearForm, GridFunction, Mesh, dx, exp, grad, x, y

GAMMA = 1 - 0.5 * 2**0.5


def main() -> None:
    problem, result, steps, growing = (
        np.load(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        sys.argv[4] == "growing",
    )
    mesh = triangulation(problem["points"], problem["triangles"])
    space = H1(mesh, order=1)
    u, v = space.TnT()
    scale = float(problem["scale"])
    density = exp(-(x * x + y * y) / (2 * scale**2)) / (2 * np.pi * scale**2)
    mass = BilinearForm(u * v * dx, symmetric=False).Assemble().mat
    operator = (
        BilinearForm((density * grad(u) * grad(v) + density * u * v) * dx(bonus_intorder=4), symmetric=False)
        .Assemble()
        .mat
    )
    state = GridFunction(space)
    state.vec.FV().NumPy()[:] = problem["initial"]
    values = np.empty((len(problem["times"]), space.ndof))
    start = time.process_time()
    now = 0.0
    current, first, right = state.vec.CreateVector(), state.vec.CreateVector(), state.vec.CreateVector()
    current.data = state.vec
    shifted = mass.CreateMatrix()
    for i, until in enumerate(problem["times"]):
        grows = growing and now > 0
        ends = (np.geomspace if grows else np.linspace)(now, until, steps + 1)
        for k, h in enumerate(np.diff(ends)):
            if grows or k == 0:
                shifted.AsVector().data = mass.AsVector() + GAMMA * h * operator.AsVector()
                inverse = shifted.Inverse(inverse="sparsecholesky")
            right.data = mass * current
            first.data = inverse * right
            right.data -= h * (1 - GAMMA) * (operator * first)
            current.data = inverse * right
        now = until
        values[i] = current.FV().NumPy()
    seconds = time.process_time() - start
    entries = {}
    for name, matrix in (("mass", mass), ("operator", operator)):
        rows, columns, data = matrix.COO()
        entries |= {f"{name}_rows": rows, f"{name}_columns": columns, f"{name}_data": data}
    np.savez(result, values=values, seconds=seconds, **entries)


def triangulation(points: np.ndarray, triangles: np.ndarray) -> Mesh:
    mesh = NetgenMesh(dim=2)
    numbers = [mesh.Add(MeshPoint(Pnt(*point, 0))) for point in points.tolist()]
    face = mesh.Add(FaceDescriptor(surfnr=1, domin=1, bc=1))
    for triangle in triangles.tolist():
        mesh.Add(Element2D(face, [numbers[i] for i in triangle]))
    return Mesh(mesh)


if __name__ == "__main__":
    main()
