"""Targets inside of datasets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq.targets.target import Grid, Target

if TYPE_CHECKING:
    import xarray as xr


def target_variables(target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and attributes of a dataset that hold a target."""
    trailing = ("channel",) if target.channels is not None else ()
    variables = {
        "target_points": (("sample", "axis"), target.points),
        "target_values": (("sample", *trailing), target.values),
        "target_weights": ("sample", target.weights),
    }
    return variables, grid_attributes(target.grid, "target")


def target_from_dataset(dataset: xr.Dataset) -> Target:
    """Rebuild a target from what :func:`target_variables` gave."""
    arrays = (dataset[f"target_{name}"].values for name in ("points", "values", "weights"))
    return Target(*arrays, grid=grid_from_attributes(dataset.attrs, "target"))


def grid_attributes(grid: Grid | None, name: str) -> dict[str, Any]:
    """Attributes of a dataset that hold a grid, or that there is none."""
    if grid is None:
        return {f"{name}_grid": "[]"}
    return {
        f"{name}_grid": json.dumps(list(grid.shape)),
        f"{name}_lower": grid.lower,
        f"{name}_spacing": grid.spacing,
    }


def grid_from_attributes(attributes: dict[str, Any], name: str) -> Grid | None:
    """Rebuild what :func:`grid_attributes` gave."""
    shape = json.loads(attributes[f"{name}_grid"])
    if not shape:
        return None
    lower, spacing = (np.atleast_1d(attributes[f"{name}_{key}"]) for key in ("lower", "spacing"))
    return Grid(tuple(shape), lower, spacing)
