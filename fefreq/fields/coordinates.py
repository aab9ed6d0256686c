"""Fields as labelled datasets: the coordinates of frequency and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fefreq.fields.error_field import ErrorField
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    import xarray as xr


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
    """Coordinates ``xi_0``, ``xi_1``, … along the dimension ``frequency``, in cycles per unit length."""
    units = {"units": "cycles per unit length"}
    return {f"xi_{axis}": ("frequency", column, units) for axis, column in enumerate(frequencies.T)}
