r"""Where a disagreement comes from: the mesh, the edge of the data, the learning rate, or the finite width.

Between the finite-element prediction and a trained network stand two exact solutions on the data: the kernel
flow (infinite width, infinitely small steps) and kernel descent (infinite width, the steps that were taken).
So the difference is a sum of three, each measurable by itself, and a discretisation error that the solver
estimates:

.. math:: û_{pde} - û_{net} = (û_{pde} - û_{flow}) + (û_{flow} - û_{descent}) + (û_{descent} - û_{net}) .
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from fefreq.fields.statistics import Stats
from fefreq.support.arrays import FloatArray
from harness.comparison.compare import relative_difference

# Part of the split, and the two sources whose difference it is.
STEPS = {
    "truncation": ("pde", "kernel"),
    "learning rate": ("kernel", "descent"),
    "finite width": ("descent", "network"),
}


def error_split(comparison: xr.Dataset, stats: Stats) -> xr.Dataset:
    """Split the difference between prediction and networks into its parts.

    Parameters
    ----------
    comparison : xarray.Dataset
        From :func:`harness.compare`, with the sources ``pde`` and ``kernel``, and ``descent`` and ``network``
        where there was training.
    stats : Stats
        Of the prediction. Its discretisation error is the estimated error in time and that of the mesh; where the
        latter was not estimated, the gap between equation and flow at time 0 stands for it, when both hold the
        same data and only the mesh tells them apart.

    Returns
    -------
    xarray.Dataset
        ``part`` (name, time): L2 norms relative to the initial error of the prediction; ``total`` (time), the norm
        of the difference between the first and the last source, which by the triangle inequality is at most
        the sum of the measured parts.
    """
    sources = [str(name) for name in comparison.source.values]
    initial = comparison.error.sel(source="pde").values[:1]
    steps = {name: pair for name, pair in STEPS.items() if set(pair) <= set(sources)}

    def gap(first: str, second: str) -> FloatArray:
        difference = (comparison.error.sel(source=first) - comparison.error.sel(source=second)).values
        return np.asarray(
            relative_difference(initial + difference, np.broadcast_to(initial, difference.shape))
        )

    mesh = stats.mesh_error
    if mesh is None:
        mesh = np.full(comparison.sizes["time"], gap("pde", "kernel")[0] if "kernel" in sources else 0.0)
    parts = {"discretisation": stats.error_estimate + mesh, **{n: gap(*pair) for n, pair in steps.items()}}
    last = sources[-1]
    return xr.Dataset(
        {
            "part": (("name", "time"), np.stack(list(parts.values()))),
            "total": ("time", gap("pde", last)),
        },
        coords={"name": list(parts), "time": comparison.time},
        attrs={"total": f"{last} against pde"},
    )
