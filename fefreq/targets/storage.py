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
    grid = target.grid
    variables = {
        "target_points": (("sample", "axis"), target.points),
        "target_values": (("sample", *trailing), target.values),
        "target_weights": ("sample", target.weights),
    }
    attributes = {
        "target_grid": json.dumps(list(grid.shape) if grid else []),
        "target_lower": grid.lower if grid else np.zeros(target.dim),
        "target_spacing": grid.spacing if grid else np.zeros(target.dim),
    }
    return variables, attributes


def target_from_dataset(dataset: xr.Dataset) -> Target:
    """Rebuild a target from what :func:`target_variables` gave."""
    arrays = (dataset[f"target_{name}"].values for name in ("points", "values", "weights"))
    shape = json.loads(dataset.attrs["target_grid"])
    lower, spacing = (np.atleast_1d(dataset.attrs[f"target_{name}"]) for name in ("lower", "spacing"))
    return Target(*arrays, grid=Grid(tuple(shape), lower, spacing) if shape else None)
