"""The command ``harness``: run experiments, validate the theory against trained networks."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fefreq.experiments.console import make_fresh, one_sentence, show_version
from harness.commands.sweep import sweep
from harness.experiments import is_quick, preset_names, preset_path

if TYPE_CHECKING:
    from rich.console import Console

    from harness.comparison.verdicts import Verdict

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
    resume: Annotated[
        bool, typer.Option("--resume", help="let a run that was interrupted go on in its folder")
    ] = False,
) -> None:
    """Carry out an experiment: report.html, data, ParaView files and manifest.json; exit status 1 if a check fails."""
    with one_sentence("harness"):
        from fefreq.support.progress import ProgressBar
        from harness.commands.run_folder import REPORT, RunFolder
        from harness.studies.files import carry_out, find, read_file

        path = find(experiment)
        described = read_file(path)
        console = wide_console()
        with closing(RunFolder.open(output, described, resume)) as folder:
            if folder.finished:
                report, passed = output / REPORT, folder.passed
                found = "" if passed else ", and a check failed"
                console.print(f"this run is finished already{found}", highlight=False)
            else:
                try:
                    outcome = carry_out(described, ProgressBar(), folder.checkpoints)
                    report, passed = folder.publish(outcome.write), outcome.passed
                except KeyboardInterrupt:
                    if not folder.checkpoints.folder.is_dir():
                        raise
                    print(
                        f"harness: interrupted; {output} keeps what was done: go on with --resume",
                        file=sys.stderr,
                    )
                    raise SystemExit(130) from None
                _print_verdicts(console, {path.stem: outcome.verdicts})
        console.print(f"report: {report}", highlight=False, soft_wrap=True)
        if not passed:
            raise SystemExit(1)


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
        from fefreq.support.progress import ProgressBar
        from harness.comparison.verdicts import Verdict
        from harness.studies.files import carry_out, read_file

        chosen = names or [name for name in preset_names() if everything or is_quick(name)]
        files = {name: read_file(preset_path(name)) for name in chosen}
        if output is not None:
            make_fresh(output)
        console = wide_console()
        verdicts: dict[str, Sequence[Verdict]] = {}
        for name, described in files.items():
            start = time.perf_counter()
            try:
                outcome = carry_out(described, ProgressBar())
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


app.command()(sweep)


@app.command("list")
def list_presets() -> None:
    """List the presets and the questions they answer."""
    with one_sentence("harness"):
        from rich.console import Console
        from rich.table import Table

        from fefreq.experiments.schema import read_toml

        table = Table("preset", "question", "", box=None)
        for name in preset_names():
            content = read_toml(preset_path(name))
            table.add_row(name, content["question"], "on request" if content.get("on_request") else "")
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
