"""Compared fields as a ParaView series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from fefreq.fields.coordinates import frequency_points
from fefreq.output.paraview import SeriesWriter, grid_cells


def write_series(data: xr.Dataset, path: Path) -> Path:
    """Write the fields of all models and sources on the common grid of frequencies as a ParaView series.

    Arrays are called ``SOURCE`` with one model and ``MODEL_SOURCE`` with several, ``_re``, ``_im`` and ``_abs``.
    """
    axes = [np.unique(column) for column in frequency_points(data).T]
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
