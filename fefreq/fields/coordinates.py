"""Fields as labelled datasets: the coordinates of frequency and time, and values at chosen frequencies.

In one dimension ``frequency`` is an indexed coordinate in cycles per unit length, and ``sel`` finds frequencies. In
several the points along the dimension ``frequency`` have the coordinates ``xi_0``, ``xi_1``, … , and :func:`nearest`
finds them; it works in one dimension, too.

>>> import numpy as np, fefreq
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=128)
>>> solution = fefreq.FrequencyDiffusion(fefreq.FourierFeatures(fefreq.Gaussian(3.0)), target).solve([0, 1])
>>> data = solution.to_xarray(np.linspace(-4, 4, 17))
>>> float(data.error.sel(frequency=2.1, method="nearest").frequency), nearest(data, [2.1]).frequency.values
(2.0, array([2.]))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fefreq.fields.error_field import ErrorField
from fefreq.support.arrays import FloatArray, as_points

if TYPE_CHECKING:
    import xarray as xr

UNITS = {"units": "cycles per unit length"}


def sample_field(field: ErrorField, frequencies: FloatArray) -> xr.Dataset:
    """Sample a field at frequencies ``(F, d)``: a labelled dataset with one complex variable ``error``."""
    import xarray as xr

    values = field.at(frequencies)
    dims = ("time", "frequency", "channel")[: values.ndim]
    coordinates: dict[str, object] = {
        "time": ("time", field.times, {"long_name": "training time"}),
        **frequency_coordinates(frequencies),
    }
    attributes = {"long_name": "spectrum of the error"}
    return xr.Dataset({"error": (dims, values, attributes)}, coords=coordinates)


def frequency_coordinates(frequencies: FloatArray) -> dict[str, tuple[str, FloatArray, dict[str, str]]]:
    """Coordinates of frequencies ``(F, d)`` along the dimension ``frequency``."""
    if frequencies.shape[1] == 1:
        return {"frequency": ("frequency", frequencies[:, 0], UNITS)}
    return {f"xi_{axis}": ("frequency", column, UNITS) for axis, column in enumerate(frequencies.T)}


def frequency_points(data: xr.Dataset) -> FloatArray:
    """Frequencies of a dataset, shape ``(F, d)``, in cycles per unit length."""
    columns = [np.asarray(data[name].values, dtype=np.float64) for name in _names(data)]
    return np.stack(columns, axis=-1)


def frequency_dimension(data: xr.Dataset) -> int:
    """Dimension of the frequencies of a dataset."""
    return len(_names(data))


def nearest(data: xr.Dataset, frequencies: ArrayLike) -> xr.Dataset:
    """The part of a dataset at the frequencies that are nearest to given ones.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimension ``frequency``.
    frequencies : array_like, shape (F, d)
        In cycles per unit length; ``(F,)`` in one dimension.

    Raises
    ------
    ValueError
        If the frequencies have another dimension than the dataset.
    """
    points = frequency_points(data)
    wanted = as_points(frequencies, points.shape[1], "frequencies")
    squares = ((wanted[:, None] - points) ** 2).sum(axis=2)
    return data.isel(frequency=np.argmin(squares, axis=1))


def with_frequencies(data: xr.Dataset) -> xr.Dataset:
    """A dataset of an earlier version, which had ``xi_0`` without an index in one dimension, in the present form."""
    if "frequency" in data.coords or "xi_0" not in data.coords or "xi_1" in data.coords:
        return data
    return data.assign_coords(frequency=("frequency", data.xi_0.values, UNITS)).drop_vars("xi_0")


def _names(data: xr.Dataset) -> list[str]:
    if "frequency" in data.coords:
        return ["frequency"]
    found = [str(name) for name in data.coords if str(name).startswith("xi_")]
    return sorted(found, key=lambda name: int(name.removeprefix("xi_")))
