"""Predictions of an experiment file, and the folder that they leave."""

from __future__ import annotations

from pathlib import Path

from fefreq.experiment import Experiment
from fefreq.mesh_solution import MeshSolution


def solve_experiment(experiment: Experiment) -> dict[str, MeshSolution]:
    """Solve the diffusion equation of every model until the horizon.

    Returns
    -------
    dict
        Solutions by model name.

    Raises
    ------
    ValueError
        If data and models do not go together; all are checked before the first is solved.
    """
    target = experiment.target.make()
    settings = experiment.pde
    problems = {name: settings.problem(model, target) for name, model in experiment.named_models().items()}
    times = experiment.forecast_times()
    return {name: problem.solve(times, settings.rtol) for name, problem in problems.items()}


def write_solutions(solutions: dict[str, MeshSolution], folder: Path) -> None:
    """Write ``solution.nc``, ``solution.pvd`` and ``spectrum.png``; several models get a folder each.

    Parameters
    ----------
    solutions : dict
        By model name.
    folder : path
        Exists and is empty.
    """
    from fefreq.plots import save_figure, solution_figure

    for name, solution in solutions.items():
        place = folder if len(solutions) == 1 else folder / name
        place.mkdir(exist_ok=True)
        solution.save(place / "solution.nc")
        solution.write(place / "solution.pvd")
        save_figure(solution_figure(solution), place / "spectrum.png")


def summary(name: str, solution: MeshSolution) -> str:
    """How a solution was obtained, in two lines."""
    stats = solution.stats
    return (
        f"{name}: {stats.unknowns} unknowns, {stats.factorisations} factorisation(s), {stats.solves} solves, "
        f"error estimate {stats.error_estimate.max():.1e}, {stats.seconds:.2f} s\n  mesh: {stats.mesh}"
    )
