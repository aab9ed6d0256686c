"""The command ``harness sweep``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fefreq.experiments.console import one_sentence

if TYPE_CHECKING:
    from harness.sweeps import Swept
    from harness.sweeps.cells import Cell


def sweep(
    experiment: Annotated[Path, typer.Argument(help="file of a study (TOML), or the name of a preset")],
    over: Annotated[
        list[str],
        typer.Option(
            "--over", help="KEY=VALUES, such as training.width=1024,4096; again for every further key"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="folder for the results, or that of an earlier sweep"),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", min=1, help="networks in every cell; by default as in the file")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="processes on this machine")] = 1,
    cluster: Annotated[
        str | None, typer.Option("--cluster", help="address of a Dask scheduler, such as tcp://host:8786")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list the cells and compute nothing")] = False,
) -> None:
    """Carry out a study for every combination of some values; exit status 1 if any cell fails.

    Finished cells are kept: the same command again computes those that are missing.
    """
    with one_sentence("harness"):
        from fefreq.support.progress import ProgressBar
        from harness.studies.files import find, read_file
        from harness.sweeps.cells import absolute, make_cells
        from harness.sweeps.folders import is_sweep
        from harness.sweeps.run import carry_out

        axes, base = _axes(over), read_file(find(experiment))
        if dry_run:
            _print_cells(make_cells(absolute(base), axes, seeds))
            return
        if output is None:
            raise ValueError(
                "say where the results go, with --output FOLDER, or ask for the list with --dry-run"
            )
        try:
            swept = carry_out(
                base, axes, output, jobs=jobs, seeds=seeds, cluster=cluster, progress=ProgressBar()
            )
        except KeyboardInterrupt:
            if not is_sweep(output):
                raise
            print(
                f"harness: interrupted; {output} keeps what was done, and the same command goes on",
                file=sys.stderr,
            )
            raise SystemExit(130) from None
        _print_result(swept)
        if swept.failed:
            raise SystemExit(1)


def _axes(arguments: list[str]) -> dict[str, list[Any]]:
    from harness.sweeps.cells import read_axis

    axes: dict[str, list[Any]] = {}
    for key, values in map(read_axis, arguments):
        if key in axes:
            raise ValueError(f"{key} is swept twice: write all of its values behind one --over")
        axes[key] = values
    return axes


def _print_cells(cells: list[Cell]) -> None:
    from rich.console import Console
    from rich.table import Table

    from harness.sweeps.cells import text

    table = Table(*cells[0].values, box=None)
    for cell in cells:
        table.add_row(*map(text, cell.values.values()))
    console = Console()
    console.print(table)
    console.print(f"{len(cells)} cells", highlight=False)


def _print_result(swept: Swept) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if swept.failed:
        table = Table("cell", "why it failed", box=None)
        for cell, sentence in swept.failed:
            table.add_row(Text(cell.label), Text(sentence))
        console.print(table)
    computed = len(swept.cells) - len(swept.reused) - len(swept.failed)
    console.print(
        f"{computed} computed, {len(swept.reused)} found finished, {len(swept.failed)} failed",
        highlight=False,
    )
    console.print(f"report: {swept.report}", highlight=False, soft_wrap=True)
