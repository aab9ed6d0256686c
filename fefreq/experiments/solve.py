"""Predictions of an experiment file, and the folder that they leave."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fefreq.diffusion.solution import MeshSolution
from fefreq.experiments.experiment import Experiment
from fefreq.kernel.flow import KernelFlow
from fefreq.kernel.solution import PointSolution


class Prediction(NamedTuple):
    """What theory says of one model.

    Attributes
    ----------
    diffusion : MeshSolution
        The diffusion equation on the whole space, until the horizon.
    flow : PointSolution
        The kernel flow on the data, at the training times.
    """

    diffusion: MeshSolution
    flow: PointSolution


def solve_experiment(experiment: Experiment) -> dict[str, Prediction]:
    """Predict the error of every model of an experiment, on the whole space and on the data.

    Returns
    -------
    dict
        Predictions by model name.

    Raises
    ------
    ValueError
        If data and models do not go together; all are checked before the first is solved.
    """
    target = experiment.make_target()
    problems = {
        name: (experiment.pde.problem(model, target), KernelFlow(model, target))
        for name, model in experiment.named_models().items()
    }
    return {
        name: Prediction(
            problem.solve(experiment.forecast_times(), rtol=experiment.pde.rtol),
            flow.solve(experiment.time_values(), rtol=experiment.kernel.rtol),
        )
        for name, (problem, flow) in problems.items()
    }


def write_predictions(predictions: dict[str, Prediction], folder: Path) -> None:
    """Write ``solution.nc``, ``solution.pvd``, ``kernel.nc``, ``kernel.pvd`` and ``spectrum.png``.

    Several models get a folder each.

    Parameters
    ----------
    predictions : dict
        By model name.
    folder : path
        Exists and is empty.
    """
    from fefreq.output.plots import save_figure, solution_figure

    for name, (diffusion, flow) in predictions.items():
        place = folder if len(predictions) == 1 else folder / name
        place.mkdir(exist_ok=True)
        diffusion.save(place / "solution.nc")
        diffusion.write(place / "solution.pvd")
        flow.save(place / "kernel.nc")
        flow.write(place / "kernel.pvd")
        save_figure(solution_figure(diffusion), place / "spectrum.png")


def summary(name: str, prediction: Prediction) -> str:
    """How a prediction was obtained, in three lines."""
    stats = prediction.diffusion.stats
    flow = prediction.flow.stats
    return (
        f"{name}: {stats.unknowns} unknowns, {stats.factorisations} factorisation(s), {stats.solves} solves, "
        f"error estimate {stats.error_estimate.max():.1e}, {stats.seconds:.2f} s\n  mesh: {stats.mesh}\n"
        f"  kernel flow: error estimate {flow.error_estimate.max():.1e}, {flow.seconds:.2f} s; "
        f"descent is stable below a learning rate of {prediction.flow.stability_limit:.3g}"
    )
