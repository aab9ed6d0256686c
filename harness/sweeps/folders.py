"""The folder of a sweep: one folder for every cell, and what is gathered from them.

A folder is that of a sweep if its ``sweep.json`` says so, which is written before anything else; no other folder with
anything in it is ever written to. A cell counts as finished once its ``cell.json`` is there, which is written last; a
sweep that was interrupted therefore goes on with the cells that are missing, and these with their checkpoints.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from fefreq.fields.coordinates import with_frequencies
from fefreq.support.files import write_netcdf, write_text
from harness.sweeps.cells import Cell
from harness.sweeps.datasets import without_fields
from harness.sweeps.engines import Computed

if TYPE_CHECKING:
    from harness.reports.page import Page

MANIFEST = "sweep.json"
FORMAT = "harness sweep 1"


def is_sweep(folder: Path) -> bool:
    """Whether a folder is that of a sweep, finished or not."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def check_folder(folder: Path) -> None:
    """Insist that a folder is new, empty, or that of an earlier sweep, and that it can be written.

    Raises
    ------
    FileExistsError
        If it holds something else.
    NotADirectoryError
        If it cannot be made or written to.
    """
    from fefreq.experiments.console import check_fresh

    if not is_sweep(folder):
        check_fresh(folder)
    elif not os.access(folder, os.W_OK | os.X_OK):
        raise NotADirectoryError(f"{folder} cannot be written to: choose another folder for the sweep")


def claim(folder: Path) -> None:
    """Make the folder of a sweep, unless it is one."""
    if not is_sweep(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / MANIFEST, _json({"format": FORMAT, "cells": []}))


def checkpoints_of(folder: Path, cell: Cell) -> Path:
    """Where the training of a cell is kept as long as it goes on."""
    return folder / "cells" / cell.folder / "checkpoints"


def finished(folder: Path, cell: Cell) -> xr.Dataset | None:
    """What a cell left in an earlier sweep, without its fields; None if it is not there or not readable."""
    place = folder / "cells" / cell.folder
    try:
        manifest = json.loads((place / "cell.json").read_text(encoding="utf-8"))
        if manifest.get("fingerprint") != cell.fingerprint:
            return None
        with xr.open_dataset(place / cell.file, engine="h5netcdf") as file:
            return with_frequencies(without_fields(file).load())
    except (OSError, ValueError, AttributeError):
        return None


def store(folder: Path, cell: Cell, computed: Computed) -> xr.Dataset:
    """Keep a cell that is finished: its dataset, and then ``cell.json``; returns what is gathered of it.

    Its checkpoints are not needed any more.
    """
    from harness.reports.folder import now
    from harness.reports.page import versions

    assert computed.dataset is not None
    claim(folder)
    place = folder / "cells" / cell.folder
    place.mkdir(parents=True, exist_ok=True)
    (place / "cell.json").unlink(missing_ok=True)
    write_netcdf(computed.dataset, place / cell.file, overwrite=True)
    manifest = {
        "fingerprint": cell.fingerprint,
        "values": cell.values,
        "written": now(),
        "seconds": round(computed.seconds, 3),
        "checks": [dataclasses.asdict(verdict) for verdict in computed.verdicts],
        "versions": versions(),
        "experiment": cell.study.model_dump(mode="json", exclude_none=True),
    }
    write_text(place / "cell.json", _json(manifest))
    shutil.rmtree(checkpoints_of(folder, cell), ignore_errors=True)
    return without_fields(computed.dataset)


def write_sweep(
    folder: Path, data: xr.Dataset, page: Page, cells: list[Cell], reused: set[tuple[int, ...]]
) -> Path:
    """Write ``sweep.nc``, ``sweep.json``, ``pictures/`` and ``report.html``, in place of those of an earlier sweep.

    Returns
    -------
    path
        Of the report.
    """
    from harness.reports.folder import machine, now
    from harness.reports.page import versions

    claim(folder)
    write_netcdf(data, folder / "sweep.nc", overwrite=True)
    states = []
    for cell in cells:
        failure = str(data.failure.values[cell.place])
        state = "failed" if failure else "found" if cell.place in reused else "computed"
        states.append(
            {"values": cell.values, "state": state}
            | ({"failure": failure} if failure else {"folder": f"cells/{cell.folder}"})
        )
    manifest = {
        "format": FORMAT,
        "title": page.title,
        "written": now(),
        "cells": states,
        "seconds": {name: round(value, 3) for name, value in page.seconds.items()},
        "versions": versions(),
        "machine": machine(),
    }
    write_text(folder / MANIFEST, _json(manifest), overwrite=True)
    pictures = folder / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir()
    page.save_figures(pictures)
    report = folder / "report.html"
    report.unlink(missing_ok=True)
    return page.write(report)


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
