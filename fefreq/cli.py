"""The command ``fefreq``: solve the diffusion equation of an experiment from the shell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fefreq.console import check_fresh, make_fresh, one_sentence, show_version

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
        from fefreq.experiment import read_experiment
        from fefreq.solving import solve_experiment, summary, write_predictions

        read = read_experiment(experiment)
        check_fresh(output)
        predictions = solve_experiment(read)
        write_predictions(predictions, make_fresh(output))
        for name, prediction in predictions.items():
            typer.echo(summary(name, prediction))
        typer.echo(f"written to {output}")


def main() -> None:
    """Entry point of the command."""
    app()
