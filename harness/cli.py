"""The command ``harness``: run experiments, validate the theory against trained networks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fefreq.console import check_fresh, make_fresh, one_sentence, show_version
from harness.presets import preset_names, preset_path

if TYPE_CHECKING:
    from rich.console import Console

    from harness.outcome import Verdict

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
    experiment: Annotated[Path, typer.Argument(help="experiment file (TOML), or the name of a preset")],
    output: Output,
) -> None:
    """Carry out an experiment: report.html, data, ParaView files and manifest.json."""
    with one_sentence("harness"):
        from harness.files import carry_out, find, read_file
        from harness.progress import RichProgress

        path = find(experiment)
        described = read_file(path)
        check_fresh(output)
        outcome = carry_out(described, RichProgress())
        report = outcome.write(make_fresh(output))
        console = wide_console()
        _print_verdicts(console, {path.stem: outcome.verdicts})
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
        from harness.files import carry_out, read_file
        from harness.outcome import Outcome, Verdict
        from harness.progress import RichProgress
        from harness.studies import StudyResult

        files = {name: read_file(preset_path(name)) for name in names or preset_names()}
        if not (names or everything):
            files = {name: described for name, described in files.items() if not described.on_request}
        if output is not None:
            make_fresh(output)
        console = wide_console()
        verdicts: dict[str, Sequence[Verdict]] = {}
        for name, described in files.items():
            start = time.perf_counter()
            outcome: Outcome | StudyResult
            try:
                outcome = carry_out(described, RichProgress())
            except ArithmeticError as error:  # one experiment that fails leaves the others their verdicts
                sentence = " ".join(str(error).split())
                verdicts[name] = (Verdict("the experiment comes to an end", sentence, "", passed=False),)
            else:
                verdicts[name] = outcome.verdicts
                if output is not None:
                    outcome.write(make_fresh(output / name))
            console.print(f"{name}: {time.perf_counter() - start:.1f} s", highlight=False)
        _print_verdicts(console, verdicts)
        if output is not None:
            console.print(f"reports: {output}", highlight=False, soft_wrap=True)
        if not all(verdict.passed for each in verdicts.values() for verdict in each):
            raise SystemExit(1)


@app.command("list")
def list_presets() -> None:
    """List the presets and the questions they answer."""
    with one_sentence("harness"):
        from rich.console import Console
        from rich.table import Table

        from harness.files import read_file

        table = Table("preset", "question", "", box=None)
        for name in preset_names():
            described = read_file(preset_path(name))
            table.add_row(name, described.question, "on request" if described.on_request else "")
        Console().print(table)


def wide_console() -> Console:
    """A console as wide as the terminal; wide enough for tables where there is none."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=180)


def _print_verdicts(console: Console, verdicts: dict[str, Sequence[Verdict]]) -> None:
    from rich.table import Table

    table = Table("experiment", "check", "measured", "allowed", "", box=None)
    for name, each in verdicts.items():
        for verdict in each:
            mark = "[green]pass[/]" if verdict.passed else "[bold red]FAIL[/]"
            table.add_row(name, verdict.name, verdict.measured, verdict.allowed, mark)
    console.print(table)
    passed = [verdict.passed for each in verdicts.values() for verdict in each]
    console.print(f"{sum(passed)} of {len(passed)} checks passed", highlight=False)


def main() -> None:
    """Entry point of the command."""
    app()
