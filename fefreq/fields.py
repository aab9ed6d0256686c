"""Fields of the error over frequency and time: the one interface of every source.

Finite elements, the kernel flow and trained networks all answer with an :class:`ErrorField`: the complex
spectrum ``û(ξ, t)`` of the residual at any frequencies, at the times that were asked for.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from fefreq._arrays import ComplexArray, FloatArray, real_array

if TYPE_CHECKING:
    import xarray as xr


@runtime_checkable
class ErrorField(Protocol):
    """Whatever knows the spectrum of the error at some times can be compared, plotted and exported."""

    @property
    def times(self) -> FloatArray:
        """Training times, shape ``(T,)``."""

    def at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the error, shape ``(T, F)``, at frequencies ``(F, d)``; ``(T, F, channels)`` if any."""


@dataclass(frozen=True, eq=False)
class Stats:
    """How a solution was obtained.

    Attributes
    ----------
    unknowns : int
    factorisations, solves, basis_size : int
        Work of the propagation; a solve counts every right-hand side.
    error_estimate : ndarray, shape (T,)
        Estimated error of the propagation in time, relative to the initial field.
    factorise_seconds, solve_seconds, seconds : float
        Inside factorisations, inside solves, and altogether (assembly included).
    mesh : str
        Why the mesh is as it is.
    mesh_error : ndarray, shape (T,), optional
        Estimated error that the mesh leaves, relative to the initial field, if it was asked for.
    memory : int
        Bytes of the basis and the values of the propagation, 0 if nobody counted.
    """

    unknowns: int
    factorisations: int
    solves: int
    basis_size: int
    error_estimate: FloatArray
    factorise_seconds: float
    solve_seconds: float
    seconds: float
    mesh: str
    mesh_error: FloatArray | None = None
    memory: int = 0

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, strings and lists, for JSON."""
        mesh_error = None if self.mesh_error is None else self.mesh_error.tolist()
        return {**asdict(self), "error_estimate": self.error_estimate.tolist(), "mesh_error": mesh_error}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Stats:
        """Rebuild from what :meth:`to_dict` gave."""
        arrays = {
            name: np.asarray(values[name], dtype=np.float64)
            for name in ("error_estimate", "mesh_error")
            if values.get(name) is not None
        }
        return cls(**{**values, **arrays})


def check_times(times: ArrayLike) -> FloatArray:
    """Bring times to shape ``(T,)`` and insist that they increase from 0 or later.

    Raises
    ------
    ValueError
        If there are none, one is negative or not finite, or they are not strictly increasing.
    """
    array = np.atleast_1d(real_array(times, "times"))
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"times must be a list of at least one number, not of shape {np.shape(times)}")
    if array[0] < 0:
        raise ValueError(f"times must be at least 0, but the first is {array[0]}")
    steps = np.diff(array)
    if np.any(steps <= 0):
        at = int(np.argmax(steps <= 0))
        raise ValueError(f"times must increase, but {array[at + 1]} follows {array[at]}")
    return array


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


def half_life(times: ArrayLike, moduli: ArrayLike) -> FloatArray:
    """First time at which a modulus has fallen to half of its first value; see :func:`time_to_level`."""
    return time_to_level(times, moduli, 0.5)


def time_to_level(times: ArrayLike, moduli: ArrayLike, level: float) -> FloatArray:
    """First time at which a modulus has fallen to a share of its first value, by log-linear interpolation.

    Parameters
    ----------
    times : array_like, shape (T,)
    moduli : array_like, shape (T, …)
        Non-negative values at these times.
    level : float
        The share, between 0 and 1.

    Returns
    -------
    ndarray, shape (…)
        Infinite where the modulus stays above the level, NaN where it begins at zero.
    """
    t, y = check_times(times), np.asarray(moduli, dtype=np.float64)
    flat = y.reshape(len(t), -1)
    result = np.full(flat.shape[1], np.inf)
    start = flat[0]
    result[start == 0] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.log(flat / start) - np.log(level)
    for column in np.flatnonzero(start > 0):
        below = np.flatnonzero(excess[:, column] <= 0)
        if len(below):
            k = below[0]
            a, b = excess[k - 1, column], excess[k, column]
            share = 1.0 if np.isinf(b) else a / (a - b)
            result[column] = t[k - 1] + share * (t[k] - t[k - 1])
    return result.reshape(y.shape[1:])
