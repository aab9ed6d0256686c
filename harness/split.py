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

from fefreq._arrays import FloatArray
from harness.comparison import relative_difference

# Part of the split, and the two sources whose difference it is.
STEPS = {
    "truncation": ("pde", "kernel"),
    "learning rate": ("kernel", "descent"),
    "finite width": ("descent", "network"),
}


def error_split(comparison: xr.Dataset, discretisation: FloatArray) -> xr.Dataset:
    """Split the difference between prediction and networks into its parts.

    Parameters
    ----------
    comparison : xarray.Dataset
        From :func:`harness.compare`, with the sources ``pde`` and ``kernel``, and ``descent`` and ``network``
        where there was training.
    discretisation : ndarray, shape (T,)
        Estimated error of the prediction, relative to its start.

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

    parts = {"discretisation": np.asarray(discretisation), **{n: gap(*pair) for n, pair in steps.items()}}
    last = sources[-1]
    return xr.Dataset(
        {
            "part": (("name", "time"), np.stack(list(parts.values()))),
            "total": ("time", gap("pde", last)),
        },
        coords={"name": list(parts), "time": comparison.time},
        attrs={"total": f"{last} against pde"},
    )
