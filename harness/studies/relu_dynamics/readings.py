"""Quantities that checks read off the dataset of a study of ReLU networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from fefreq.support.arrays import FloatArray
from harness.relu.recording import times_measured
from harness.relu.schedule import Diagnostic

if TYPE_CHECKING:
    import xarray as xr

Quantity = Literal[
    "hamming-local",
    "hamming-global",
    "alignment-local",
    "alignment-global",
    "confused-local",
    "confused-global",
    "cosine-spread-local",
    "cosine-spread-global",
    "mean-squared-error",
    "dead-units",
    "distinct-patterns",
    "regions",
    "region-width",
    "hyperplane-cosine",
    "lipschitz-bound",
    "in-sphere-radius",
    "psnr-training",
    "psnr-validation",
    "psnr-test",
]


@dataclass(frozen=True)
class Reading:
    """Where a quantity stands in the dataset, and how it is called."""

    variable: str
    words: str
    diagnostic: Diagnostic | None
    place: str | None = None
    part: str | None = None


READINGS: dict[Quantity, Reading] = {
    "hamming-local": Reading("hamming", "local Hamming distance", "hamming", "local"),
    "hamming-global": Reading("hamming", "global Hamming distance", "hamming", "global"),
    "alignment-local": Reading("alignment", "|cos| of local gradients", "confusion", "local"),
    "alignment-global": Reading("alignment", "|cos| of global gradients", "confusion", "global"),
    "confused-local": Reading("confused", "share of local pairs with negative cosine", "confusion", "local"),
    "confused-global": Reading(
        "confused", "share of global pairs with negative cosine", "confusion", "global"
    ),
    "cosine-spread-local": Reading("cosine_spread", "spread of local cosines", "confusion", "local"),
    "cosine-spread-global": Reading("cosine_spread", "spread of global cosines", "confusion", "global"),
    "mean-squared-error": Reading("mean_squared_error", "mean squared error", None),
    "dead-units": Reading("dead_units", "dead units", "dead"),
    "distinct-patterns": Reading("distinct_patterns", "different patterns on the samples", "patterns"),
    "regions": Reading("regions", "regions along the line", "regions"),
    "region-width": Reading("region_width", "distance to the nearest boundary", "width"),
    "hyperplane-cosine": Reading("hyperplane_cosine", "|cos| between hyperplanes", "angles"),
    "lipschitz-bound": Reading("lipschitz_bound", "product of spectral norms", "norms"),
    "in-sphere-radius": Reading("in_sphere_radius", "radius of in-spheres", "in_sphere"),
    "psnr-training": Reading("psnr", "PSNR on training samples", None, part="training"),
    "psnr-validation": Reading("psnr", "PSNR on validation samples", None, part="validation"),
    "psnr-test": Reading("test_psnr", "PSNR on test samples", None),
}
assert set(READINGS) == set(get_args(Quantity))


def reading(
    data: xr.Dataset, quantity: Quantity, condition: str, epoch: int | None = None, layer: int | None = None
) -> FloatArray:
    """A quantity of every network of a condition, ``(S,)``, after an epoch or when it was last measured.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimensions condition, seed and time.
    quantity : str
    condition : str
    epoch : int, optional
    layer : int, optional
        Hidden layer from 1; without it units are counted, and cosines averaged, over all layers.
    """
    found = READINGS[quantity]
    values = data[found.variable].sel(condition=condition)
    if "time" in values.dims:
        when = times_measured(data, found.variable) if epoch is None else np.flatnonzero(data.epoch == epoch)
        values = values.isel(time=int(when[-1]))
    if found.place is not None:
        values = values.sel(pairs=found.place)
    if found.part is not None:
        values = values.sel(part=found.part)
    if "layer" in values.dims:
        if layer is not None:
            values = values.sel(layer=layer)
        else:
            values = values.sum("layer") if quantity == "dead-units" else values.mean("layer")
    return np.asarray(values.values, dtype=np.float64)
