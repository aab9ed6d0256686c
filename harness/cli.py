"""The command ``harness``: run experiments, validate the theory against trained networks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fefreq.console import check_fresh, make_fresh, one_sentence, show_version
from harness.presets import preset_names, preset_path

if TYPE_CHECKING:
    from rich.console import Console

    from harness.outcome import Outcome

app = typer.Typer(
    name="harness",
    help="Train networks and hold them against the predictions of fefreq.",
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
    """Train networks and hold them against the predictions of fefreq."""


Output = Annotated[Path, typer.Option("--output", "-o", help="new or empty folder for the results")]


@app.command()
def run(
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML)")],
    output: Output,
) -> None:
    """Predict, train and compare: report.html, comparison.nc, comparison.pvd and manifest.json."""
    with one_sentence("harness"):
        from fefreq.experiment import read_experiment
        from harness.pipeline import run_experiment
        from harness.progress import RichProgress
        from harness.results import write_outcome

        read = read_experiment(experiment)
        check_fresh(output)
        outcome = run_experiment(read, RichProgress())
        report = write_outcome(outcome, make_fresh(output))
        console = wide_console()
        _print_verdicts(console, {experiment.stem: outcome})
        console.print(f"report: {report}", highlight=False, soft_wrap=True)


@app.command()
def validate(
    names: Annotated[list[str] | None, typer.Argument(help="presets; the quick ones by default")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="new or empty folder for reports; none by default")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="also the presets that take minutes each")
    ] = False,
) -> None:
    """Run presets and judge them by their tolerances; exit status 1 if any check fails."""
    with one_sentence("harness"):
        from fefreq.experiment import read_experiment
        from harness.outcome import Outcome, Verdict
        from harness.pipeline import run_experiment
        from harness.progress import RichProgress
        from harness.results import write_outcome

        experiments = {name: read_experiment(preset_path(name)) for name in names or preset_names()}
        if not (names or everything):
            experiments = {name: e for name, e in experiments.items() if not e.on_request}
        if output is not None:
            make_fresh(output)
        console = wide_console()
        outcomes: dict[str, Outcome] = {}
        for name, experiment in experiments.items():
            start = time.perf_counter()
            try:
                outcomes[name] = run_experiment(experiment, RichProgress())
            except ArithmeticError as error:  # one experiment that fails leaves the others their verdicts
                failed = Verdict(
                    "the experiment comes to an end", " ".join(str(error).split()), "", passed=False
                )
                outcomes[name] = Outcome(experiment, {}, (failed,), {})
            else:
                if output is not None:
                    write_outcome(outcomes[name], make_fresh(output / name))
            console.print(f"{name}: {time.perf_counter() - start:.1f} s", highlight=False)
        _print_verdicts(console, outcomes)
        if output is not None:
            console.print(f"reports: {output}", highlight=False, soft_wrap=True)
        if not all(outcome.passed for outcome in outcomes.values()):
            raise SystemExit(1)


@app.command("list")
def list_presets() -> None:
    """List the presets and the questions they answer."""
    with one_sentence("harness"):
        from rich.console import Console
        from rich.table import Table

        from fefreq.experiment import read_experiment

        table = Table("preset", "question", "", box=None)
        for name in preset_names():
            experiment = read_experiment(preset_path(name))
            table.add_row(name, experiment.question, "on request" if experiment.on_request else "")
        Console().print(table)


def wide_console() -> Console:
    """A console as wide as the terminal; wide enough for tables where there is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=180)


def _print_verdicts(console: Console, outcomes: dict[str, Outcome]) -> None:
    from rich.table import Table

    table = Table("experiment", "check", "measured", "allowed", "", box=None)
    for name, outcome in outcomes.items():
        for verdict in outcome.verdicts:
            mark = "[green]pass[/]" if verdict.passed else "[bold red]FAIL[/]"
            table.add_row(name, verdict.name, verdict.measured, verdict.allowed, mark)
    console.print(table)
    verdicts = [verdict for outcome in outcomes.values() for verdict in outcome.verdicts]
    passed = sum(verdict.passed for verdict in verdicts)
    console.print(f"{passed} of {len(verdicts)} checks passed", highlight=False)


def main() -> None:
    """Entry point of the command."""
    app()
