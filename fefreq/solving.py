"""Predictions of an experiment file, written to a folder."""

from __future__ import annotations

from pathlib import Path

from fefreq.diffusion import FrequencyDiffusion
from fefreq.experiment import Experiment
from fefreq.mesh_solution import MeshSolution


def solve_experiment(experiment: Experiment, folder: Path) -> dict[str, MeshSolution]:
    """Solve the diffusion equation of every model and write the solutions.

    With one model the files lie in ``folder`` itself, with several in a folder for each.

    Parameters
    ----------
    experiment : Experiment
    folder : path
        Exists and is empty.

    Returns
    -------
    dict
        Solutions by model name.
    """
    from rich.console import Console

    from fefreq.plots import save_figure, solution_figure

    console = Console()
    target = experiment.target.make()
    settings = experiment.pde
    problems = {
        name: FrequencyDiffusion(model, target, order=settings.order, mesh_rtol=settings.mesh_rtol)
        for name, model in experiment.named_models().items()
    }
    solutions = {}
    for name, problem in problems.items():
        place = folder if len(problems) == 1 else folder / name
        place.mkdir(exist_ok=True)
        solution = problem.solve(experiment.forecast_times(), settings.rtol)
        solution.save(place / "solution.nc")
        solution.write(place / "solution.pvd")
        save_figure(solution_figure(solution), place / "spectrum.png")
        stats = solution.stats
        console.print(
            f"{name}: {stats.unknowns} unknowns, {stats.factorisations} factorisation(s), {stats.solves} solves, "
            f"error estimate {stats.error_estimate.max():.1e}, {stats.seconds:.2f} s",
            highlight=False,
        )
        console.print(f"  mesh: {stats.mesh}", highlight=False)
        solutions[name] = solution
    console.print(f"written to {folder}", highlight=False)
    return solutions
