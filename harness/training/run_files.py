"""Training runs as NetCDF files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fefreq.models import Model
from fefreq.support.files import write_netcdf
from fefreq.targets.target import Grid, Target
from harness.networks import ModuleSpec, module_from_json, module_to_json
from harness.training.checkpoints import Checkpoints
from harness.training.runs import Run

if TYPE_CHECKING:
    import xarray as xr

FORMAT = "fefreq training run 1"


def save(run: Run, path: Path, overwrite: bool = False) -> Path:
    """Write a run atomically.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is false.
    """
    return write_netcdf(to_dataset(run), path, overwrite)


def load(path: Path) -> Run:
    """Read a run that was saved, or as much of one as a folder of checkpoints has.

    Raises
    ------
    ValueError
        If the file is missing, cannot be read or holds no run.
    """
    import xarray as xr

    if path.is_dir():
        return Checkpoints(path).partial()
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable NetCDF file ({error})") from error
    if dataset.attrs.get("format") != FORMAT:
        raise ValueError(f"{path} holds no training run of this version: expected format {FORMAT!r}")
    return from_dataset(dataset)


def to_dataset(run: Run) -> xr.Dataset:
    """All of a run as a labelled dataset of real variables."""
    import xarray as xr

    target, channel = run.target, ("channel",) if run.target.channels else ()
    grid = target.grid and [target.grid.shape, target.grid.lower.tolist(), target.grid.spacing.tolist()]
    return xr.Dataset(
        {
            "residuals": (("seed", "time", "point", *channel), run.residuals),
            "initial_residuals": (("seed", "point", *channel), run.initial_residuals),
            "losses": (("seed", "time"), run.losses),
            "steps": ("time", run.steps),
            "rates": ("time", run.rates),
            "target_points": (("point", "axis"), target.points),
            "target_values": (("point", *channel), target.values),
            "target_weights": ("point", target.weights),
        },
        coords={"time": ("time", run.times, {"long_name": "training time"})},
        attrs={
            "format": FORMAT,
            **network_attributes(run.model),
            "width": run.width,
            "learning_rate": run.learning_rate,
            "method": run.method,
            "seconds": run.seconds,
            "metadata": json.dumps(run.metadata),
            "target_grid": json.dumps(grid),
        },
    )


def from_dataset(dataset: xr.Dataset) -> Run:
    """Rebuild a run from what :func:`to_dataset` made."""
    attrs = dataset.attrs
    arrays = {str(name): variable.values for name, variable in dataset.data_vars.items()}
    grid = None
    if stored := json.loads(attrs["target_grid"]):
        shape, lower, spacing = stored
        grid = Grid(tuple(shape), np.array(lower), np.array(spacing))
    data = (arrays.pop(f"target_{name}") for name in ("points", "values", "weights"))
    target = Target(*data, grid=grid)
    return Run(
        model=module_from_json(attrs["module"]) if "module" in attrs else Model.from_json(attrs["model"]),
        target=target,
        times=dataset.time.values,
        width=int(attrs["width"]),
        seeds=len(arrays["residuals"]),
        learning_rate=float(attrs["learning_rate"]),
        method=str(attrs["method"]),
        seconds=float(attrs["seconds"]),
        metadata=json.loads(attrs["metadata"]),
        **arrays,
    )


def network_attributes(model: Model | ModuleSpec) -> dict[str, str]:
    """What was trained, as text."""
    if isinstance(model, ModuleSpec):
        return {"module": module_to_json(model)}
    return {"model": model.to_json()}
