r"""Residuals on data: what the error of a network, or of several, is at the points of a target.

The residual ``u_s(x_j, t) = f(x_j) - N_s(x_j, t)`` of every member ``s`` of an ensemble stands for the error field:
its spectrum at any frequency is one non-uniform Fourier transform, and the mean over the members stands for the
ensemble. Gradient flow of the tangent kernel has one member.

>>> import numpy as np, fefreq
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=64)
>>> halved = fefreq.Residuals(target, [0.0, 1.0], [np.stack([target.values, target.values / 2])])
>>> halved.at([0.0, 1.0]).shape, bool(np.isclose(halved.energy[1], halved.energy[0] / 4))
((2, 2), True)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.fields.coordinates import sample_field
from fefreq.fields.saved import Saved
from fefreq.fields.times import along_time, at_times
from fefreq.support.arrays import ComplexArray, FloatArray, as_points
from fefreq.targets.storage import target_from_dataset, target_variables
from fefreq.targets.target import Target

if TYPE_CHECKING:
    import xarray as xr

Entry = TypeVar("Entry", np.float64, np.complex128)

BATCH = 1 << 24  # numbers that are transformed or multiplied together
AXES = ("x", "y", "z")


@dataclass(frozen=True, eq=False)
class Residuals(Saved):
    """Residuals of an ensemble on data; an :class:`fefreq.ErrorField`.

    Subclasses add what belongs to their kind, and mark the fields that lie along time by
    :func:`fefreq.fields.times.along_time`; :meth:`until` and :meth:`at_last` then keep all of them together.

    Parameters
    ----------
    target : Target
        The data, of which points and weights count here.
    times : array_like, shape (T,)
        Training times.
    members : array_like, shape (S, T, n) or (S, T, n, channels)
        ``u = f - N`` of every member at the points of the target.

    Raises
    ------
    TypeError
        If target is no Target, or entries are no real numbers.
    ValueError
        If shapes do not belong together.
    """

    format: ClassVar[str] = "fefreq residuals 1"

    target: Target
    times: FloatArray = field(metadata=along_time())
    members: FloatArray = field(metadata=along_time(axis=1))

    def __post_init__(self) -> None:
        if not isinstance(self.target, Target):
            raise TypeError(f"residuals need the fefreq.Target that they belong to, not {self.target!r}")
        for name in ("times", "members"):
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "biuf":
                raise TypeError(f"{name} must be real numbers, not of type {array.dtype}")
            object.__setattr__(self, name, array.astype(np.float64, copy=False))
        expected = (len(self.times), *self.target.values.shape)
        if self.times.ndim != 1 or self.members.shape[1:] != expected or len(self.members) == 0:
            raise ValueError(
                f"members have shape {self.members.shape}; at times of shape {self.times.shape} on data of shape "
                f"{self.target.values.shape} they need (S, {', '.join(map(str, expected))}) with S at least 1"
            )

    @cached_property
    def values(self) -> FloatArray:
        """The mean over the members, shape ``(T, n)`` or ``(T, n, channels)``."""
        mean = self.members[0] if len(self.members) == 1 else self.members.mean(axis=0)
        return np.asarray(mean)

    @property
    def energy(self) -> FloatArray:
        """``½ Σ_j q_j |u_j|²`` of the mean at all times, summed over channels, shape ``(T,)``."""
        squares = np.square(self.values).reshape(len(self.times), len(self.target.points), -1).sum(axis=2)
        return np.asarray(0.5 * squares @ self.target.weights)

    def at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the mean over the members at all times, the residual counting as zero outside the data.

        Parameters
        ----------
        frequencies : array_like, shape (F, d)
            In cycles per unit length.

        Returns
        -------
        ndarray of complex, shape (T, F) or (T, F, channels)
        """
        return self._spectra(self.values, frequencies)

    def members_at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of every member, shape ``(S, T, F)`` or ``(S, T, F, channels)``."""
        return np.stack([self._spectra(member, frequencies) for member in self.members])

    def until(self, time: float) -> Self:
        """The same at the times up to a given one only."""
        return self._select(self.times <= time)

    def at_last(self) -> Self:
        """The same at the last time only."""
        return self._select(np.arange(len(self.times)) == len(self.times) - 1)

    def _select(self, kept: NDArray[np.bool_]) -> Self:
        """The same at some of the times: all that :meth:`until` needs from a subclass with more than marked fields."""
        return at_times(self, kept)

    def _spectra(self, residuals: FloatArray, frequencies: ArrayLike) -> ComplexArray:
        """Spectra of residuals ``(T, n, …)``, many times in one transform."""
        at = as_points(frequencies, self.target.dim, "frequencies")
        rows = as_rows(residuals)
        spectra = np.empty((len(rows), len(at)), dtype=np.complex128)
        for part in batches(len(rows), rows.shape[1]):
            spectra[part] = self.target.with_values(rows[part].T).spectrum(at).T
        return from_rows(spectra, residuals.shape)

    def to_xarray(self, frequencies: ArrayLike | None = None) -> xr.Dataset:
        """A labelled dataset: the mean ``residual`` at the data points, or its spectrum ``error`` at frequencies.

        Parameters
        ----------
        frequencies : array_like, shape (F, d), optional
        """
        import xarray as xr

        if frequencies is not None:
            dataset = sample_field(self, as_points(frequencies, self.target.dim, "frequencies"))
        else:
            dims, shape, coordinates = _places(self.target)
            channel = ("channel",) if self.values.ndim == 3 else ()
            values = self.values.reshape(len(self.times), *shape, *self.values.shape[2:])
            dataset = xr.Dataset(
                {"residual": (("time", *dims, *channel), values, {"long_name": "target minus network"})},
                coords={"time": ("time", self.times, {"long_name": "training time"}), **coordinates},
            )
        dataset["energy"] = ("time", self.energy, {"long_name": "loss, half the integral of residual²"})
        return dataset

    def to_dataset(self) -> xr.Dataset:
        """Everything, for a file; see :meth:`save`."""
        import xarray as xr

        channel = ("channel",) if self.members.ndim == 4 else ()
        variables, attributes = target_variables(self.target)
        residual = (("seed", "time", "sample", *channel), np.ascontiguousarray(self.members))
        return xr.Dataset({"residual": residual, **variables}, {"time": self.times}, attributes)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Rebuild from what :meth:`to_dataset` gave."""
        return cls(target_from_dataset(dataset), dataset.time.values, dataset.residual.values)


def _places(target: Target) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, Any]]:
    """Dimensions, shape and coordinates of the data points."""
    dim = target.dim
    names = AXES[:dim] if dim <= len(AXES) else tuple(f"x_{axis}" for axis in range(dim))
    if target.grid is None:
        columns = zip(names, target.points.T, strict=True)
        return ("point",), (len(target.points),), {name: ("point", x) for name, x in columns}
    return names, target.grid.shape, dict(zip(names, target.grid.axes, strict=True))


def as_rows(values: FloatArray) -> FloatArray:
    """``(T, n)`` or ``(T, n, channels)`` as rows ``(T · channels, n)``.

    >>> as_rows(np.zeros((2, 5, 3))).shape
    (6, 5)
    """
    if values.ndim == 2:
        return values
    return np.moveaxis(values, 2, 1).reshape(-1, values.shape[1])


def from_rows(rows: NDArray[Entry], shape: tuple[int, ...]) -> NDArray[Entry]:
    """Undo :func:`as_rows` for rows of another length, ``shape`` being that of the values.

    >>> from_rows(np.zeros((6, 7)), (2, 5, 3)).shape
    (2, 7, 3)
    """
    if len(shape) == 2:
        return rows
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape[0], shape[2], -1), 1, 2))


def batches(count: int, length: int) -> list[slice]:
    """Slices of ``count`` rows of a length that are worked on together."""
    size = max(1, BATCH // max(length, 1))
    return [slice(first, first + size) for first in range(0, count, size)]
