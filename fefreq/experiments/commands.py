"""The command ``fefreq``: solve the diffusion equation of an experiment from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fefreq.experiments.console import check_fresh, collected_warnings, make_fresh, one_sentence, show_version

app = typer.Typer(
    name="fefreq",
    help="Which frequency is learned when: solve the diffusion equations of spectral bias.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Which frequency is learned when: solve the diffusion equations of spectral bias."""


@app.command()
def solve(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    output: Annotated[Path, typer.Option("--output", "-o", help="new or empty folder for the results")],
) -> None:
    """Predict the error field of an experiment: solution.nc, solution.pvd, kernel.nc, kernel.pvd, spectrum.png."""
    with one_sentence("fefreq"):
        from fefreq.experiments.experiment import read_experiment
        from fefreq.experiments.solve import solve_experiment, summary, write_predictions

        read = read_experiment(experiment)
        check_fresh(output)
        predictions = solve_experiment(read)
        write_predictions(predictions, make_fresh(output))
        for name, prediction in predictions.items():
            typer.echo(summary(name, prediction))
        typer.echo(f"written to {output}")


@app.command()
def recommend(
    file: Annotated[
        Path, typer.Argument(help="image, array (.npy, NaN where samples are missing) or table (.csv)")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="new or empty folder for the results")],
    bounds: Annotated[
        list[str] | None,
        typer.Option(help="LOW,HIGH of every axis, or once for the longest one; -1,1 by default"),
    ] = None,
    scales: Annotated[
        str | None,
        typer.Option(help="scales to try, in cycles per unit length of the bounds, such as 1,2,4,8"),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(help="gaussian (default), uniform, laplace, student-t or log-uniform; may be repeated"),
    ] = None,
    hidden_layers: Annotated[int, typer.Option(help="layers between the features and the output")] = 3,
    activation: Annotated[
        str, typer.Option(help="relu, erf, sine, tanh, sigmoid, gelu, silu or softplus")
    ] = "relu",
    holdout: Annotated[
        str | None, typer.Option(help="alternate samples of a grid, or the share that is held out at random")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="image or .npy array that is 0 where samples are missing")
    ] = None,
    seed: Annotated[int, typer.Option(help="of a random holdout")] = 0,
    until: Annotated[
        float | None, typer.Option(help="training time at which to judge; late by default")
    ] = None,
) -> None:
    """Predict which scale of Fourier features suits data best, without training."""
    with one_sentence("fefreq"):
        from rich.console import Console

        from fefreq.experiments.recommend import Wishes, advise, write_recommendation
        from fefreq.initialisation.scale.report import answer, flatness, rich_table

        check_fresh(output)
        wishes = Wishes(
            bounds or (),
            scales,
            family or ("gaussian",),
            hidden_layers,
            activation,
            holdout,
            mask,
            seed,
            until,
        )
        with collected_warnings("fefreq") as warned:
            advice = advise(file, wishes)
        write_recommendation(advice, make_fresh(output), file.name, warned)
        Console(soft_wrap=True).print(rich_table(advice))
        sentences = f"{answer(advice)} {flatness(advice)}".rstrip()  # of a single scale nothing is flat
        typer.echo(f"{sentences}\nwritten to {output}")


def main() -> None:
    """Entry point of the command."""
    app()
