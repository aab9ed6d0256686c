"""The folder that an experiment leaves: data, a ParaView series, a report and a manifest."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.output.paraview import SeriesWriter, grid_cells
from fefreq.support.files import write_netcdf, write_text
from harness.reports.page import Page, versions
from harness.studies.comparison.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from fefreq.experiments.experiment import Experiment
    from harness.studies import Study, StudyResult


def write_outcome(outcome: Outcome, folder: str | Path) -> Path:
    """Write data, ParaView series, pictures, manifest and report.

    That is ``comparison.nc``, ``comparison.pvd``, ``split-MODEL.nc``, ``network-MODEL.nc``, ``pictures/``,
    ``manifest.json`` and ``report.html``.

    Parameters
    ----------
    outcome : Outcome
    folder : path
        Exists and holds no other run.

    Returns
    -------
    path
        Of the report.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    """
    from harness.studies.comparison.report import report

    folder = Path(folder)
    data = outcome.to_xarray()
    write_netcdf(data, folder / "comparison.nc")
    for name, case in outcome.cases.items():
        write_netcdf(case.split, folder / f"split-{name}.nc")
        if case.run is not None:
            # Data do not tell how long they took, so that interrupted and undisturbed runs leave the same files.
            dataclasses.replace(case.run, seconds=0.0).save(folder / f"network-{name}.nc")
    write_series(data, folder / "comparison.pvd")
    return _write_page(report(outcome), manifest(outcome), folder)


def write_study(result: StudyResult, folder: str | Path) -> Path:
    """Write what a study has found.

    That is its datasets, its further files, ``pictures/``, ``manifest.json`` and ``report.html``.

    Parameters
    ----------
    result : StudyResult
    folder : path
        Exists and holds no other run.

    Returns
    -------
    path
        Of the report.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    """
    folder = Path(folder)
    for name, data in result.datasets.items():
        write_netcdf(data, folder / f"{name}.nc")
    for name, write in result.files.items():
        write(folder / name)
    facts = {**_facts(result.study, result.verdicts, result.seconds), **result.details}
    return _write_page(result.page, facts, folder)


def _write_page(page: Page, manifest: dict[str, object], folder: Path) -> Path:
    pictures = folder / "pictures"
    pictures.mkdir()
    page.save_figures(pictures)
    write_text(folder / "manifest.json", json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return page.write(folder / "report.html")


def write_series(data: xr.Dataset, path: Path) -> Path:
    """Write the fields of all models and sources on the common grid of frequencies as a ParaView series.

    Arrays are called ``SOURCE`` with one model and ``MODEL_SOURCE`` with several, ``_re``, ``_im`` and ``_abs``.
    """
    axes = [np.unique(data[name].values) for name in data.coords if str(name).startswith("xi_")]
    models = [str(name) for name in data.model.values]
    with SeriesWriter(path, grid_cells(axes)) as writer:
        for t in data.time.values:
            now = data.error.sel(time=t)
            arrays: dict[str, np.ndarray] = {}
            for model in models:
                for source in data.source.values:
                    field = now.sel(model=model, source=source)
                    name = f"{source}" if len(models) == 1 else f"{model}_{source}"
                    if "channel" in field.dims:
                        arrays |= {
                            f"{name}_{c}": field.isel(channel=c).values for c in range(field.sizes["channel"])
                        }
                    else:
                        arrays[name] = field.values
            writer.write(float(t), arrays)
    return path


def manifest(outcome: Outcome) -> dict[str, object]:
    """Versions, machine, configuration, timings and verdicts of an outcome, as plain data."""
    return {
        **_facts(outcome.experiment, outcome.verdicts, outcome.seconds),
        "predictions": {name: case.solution.stats.to_dict() for name, case in outcome.cases.items()},
        "training": {
            name: {
                "width": case.run.width,
                "seeds": case.run.seeds,
                "learning_rate": case.run.learning_rate,
                "steps": int(case.run.steps[-1]),
                "method": case.run.method,
                "seconds": case.run.seconds,
                **case.run.metadata,
            }
            for name, case in outcome.cases.items()
            if case.run is not None
        },
    }


def _facts(
    experiment: Experiment | Study, verdicts: Sequence[Verdict], seconds: dict[str, float]
) -> dict[str, object]:
    return {
        "title": experiment.title,
        "written": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "passed": all(verdict.passed for verdict in verdicts) if verdicts else None,
        "checks": [dataclasses.asdict(verdict) for verdict in verdicts],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "versions": versions(),
        "machine": {"platform": platform.platform(), "processors": os.cpu_count()},
        "experiment": experiment.model_dump(mode="json", exclude_none=True),
    }
