"""The damped diffusion in py-pde: finite differences, explicit Runge-Kutta steps of adapted length.

``python pypde_steps.py problem.npz result.npz TOLERANCE``: writes the values at the centres of the cells and the
seconds of stepping, after a first run that compiles.
"""

import sys
import time

import numpy as np
import pde


def main() -> None:
    problem, result, tolerance = np.load(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    width, scale = float(problem["half_width"]), float(problem["scale"])
    count = round(len(problem["points"]) ** 0.5)
    grid = pde.CartesianGrid([[-width, width]] * 2, count)
    x, y = np.moveaxis(grid.cell_coords, -1, 0)
    density = pde.ScalarField(grid, np.exp(-(x**2 + y**2) / (2 * scale**2)) / (2 * np.pi * scale**2))
    slope = density.gradient({"derivative": 0})
    equation = pde.PDE(
        {"u": "d * laplace(u) + dot(g, gradient(u)) - d * u"},
        consts={"d": density, "g": slope},
        bc={"derivative": 0},
    )
    initial = pde.ScalarField(grid, problem["grid_initial"])
    times = problem["times"]
    solver = pde.RungeKuttaSolver(equation, adaptive=True, tolerance=tolerance)
    pde.Controller(solver, t_range=0.01, tracker=None).run(initial, dt=1e-3)  # compiles
    storage = pde.MemoryStorage()
    tracker = storage.tracker(interrupts=pde.FixedInterrupts(times.tolist()))
    start = time.process_time()
    pde.Controller(solver, t_range=float(times[-1]) * (1 + 1e-9), tracker=[tracker]).run(initial, dt=1e-3)
    seconds = time.process_time() - start
    kept = [int(np.argmin(np.abs(np.array(storage.times) - t))) for t in times]
    values = np.array([storage[i].data.ravel() for i in kept])
    points = grid.cell_coords.reshape(-1, 2)
    np.savez(result, values=values, seconds=seconds, points=points)


if __name__ == "__main__":
    main()
