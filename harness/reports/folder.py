"""The folder that a study leaves: data, further files, pictures, a manifest and a page."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

import xarray as xr

from fefreq.experiments.schema import Section
from fefreq.support.files import write_netcdf, write_text
from harness.reports.page import Page, versions


def write_folder(
    folder: Path,
    page: Page,
    datasets: Mapping[str, xr.Dataset],
    files: Mapping[str, Callable[[Path], object]],
    facts: dict[str, object],
) -> Path:
    """Write ``NAME.nc`` of every dataset, further files, ``pictures/``, ``manifest.json`` and ``report.html``.

    Parameters
    ----------
    folder : path
        Exists and holds no other run.
    page : Page
    datasets : mapping of str to Dataset
    files : mapping of str to callable
        Writers by file name.
    facts : dict
        The manifest.

    Returns
    -------
    path
        Of the report.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    """
    for name, data in datasets.items():
        write_netcdf(data, folder / f"{name}.nc")
    for name, write in files.items():
        write(folder / name)
    pictures = folder / "pictures"
    pictures.mkdir()
    page.save_figures(pictures)
    write_text(folder / "manifest.json", json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return page.write(folder / "report.html")


def manifest(page: Page, described: Section) -> dict[str, object]:
    """Title, time of writing, verdicts, timings, versions, machine and configuration, as plain data."""
    return {
        "title": page.title,
        "written": now(),
        "passed": all(verdict.passed for verdict in page.verdicts) if page.verdicts else None,
        "checks": [dataclasses.asdict(verdict) for verdict in page.verdicts],
        "seconds": {name: round(value, 3) for name, value in page.seconds.items()},
        "versions": versions(),
        "machine": machine(),
        "experiment": described.model_dump(mode="json", exclude_none=True),
    }


def machine() -> dict[str, object]:
    """Platform and number of processors."""
    return {"platform": platform.platform(), "processors": os.cpu_count()}


def now() -> str:
    """The time, in UTC, to seconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
