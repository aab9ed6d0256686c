"""What tracking leaves: one labelled dataset, the residuals, and networks on the way.

A :class:`Recording` is an error field like any other of this project: it can be compared with predictions and other
networks by :func:`harness.compare`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from fefreq.fields.coordinates import with_frequencies
from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.support.files import join_complex, write_netcdf
from fefreq.targets.storage import target_from_dataset, target_variables
from fefreq.targets.target import Target
from harness.networks.encoding import Encoding, PositionalEncoding
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray

if TYPE_CHECKING:
    import xarray as xr

FORMAT = "fefreq relu recording 1"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The weights of a network at one moment, a copy.

    Attributes
    ----------
    encoding : Encoding or None
    weights : tuple of ndarray
        Of every layer, the output layer last, in the precision of the network.
    biases : tuple of ndarray or None
        Likewise, None for a layer that has no bias.
    """

    encoding: Encoding | None
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray | None, ...]

    @classmethod
    def of(cls, network: ReluNetwork) -> Snapshot:
        """Copy the weights of a network."""
        precision = np.float32 if network.dtype == torch.float32 else np.float64
        return cls(
            network.encoding,
            tuple(weight.astype(precision) for weight in network.weights()),
            tuple(
                None if layer.bias is None else bias.astype(precision)
                for layer, bias in zip(network.layers, network.biases(), strict=True)
            ),
        )

    def network(self) -> nn.Sequential:
        """Build the network again."""
        modules: list[nn.Module] = [self.encoding] if self.encoding is not None else []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            units, features = weight.shape
            layer = nn.Linear(features, units, bias is not None, device="meta").to_empty(device="cpu")
            layer.weight = nn.Parameter(torch.tensor(weight))
            if bias is not None:
                layer.bias = nn.Parameter(torch.tensor(bias))
            modules += [layer, nn.ReLU()]
        return nn.Sequential(*modules[:-1])


@dataclass(frozen=True, eq=False)
class Recording:
    """Diagnostics and error fields of ReLU networks in training; an :class:`fefreq.ErrorField`.

    Attributes
    ----------
    data : xarray.Dataset
        ``error`` (seed, time, frequency, and channel if there are any), ``mean_squared_error`` (seed, time), and
        what was scheduled (seed, time, …), NaN where it was not measured. Coordinates ``time`` = Σ η, ``step``,
        ``epoch`` along time, ``frequency`` or ``xi_0``, … along frequency.
    target : Target
        The data, in coordinates of their own.
    residuals : ndarray, shape (S, T, n) or (S, T, n, channels)
        ``f - N`` at all samples.
    coordinates : (float, float)
        What the longest side of the data became in the coordinates of the networks.
    snapshots : dict
        By member and epoch.
    """

    data: xr.Dataset
    target: Target
    residuals: FloatArray
    coordinates: tuple[float, float]
    snapshots: dict[tuple[int, int], Snapshot]

    @property
    def times(self) -> FloatArray:
        """Training times ``Σ η``, ``(T,)``."""
        return np.asarray(self.data.time.values, dtype=np.float64)

    @property
    def box(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper corner of the data, each ``(d,)``."""
        return box_of(self.target)

    def seen(self, points: FloatArray) -> FloatArray:
        """Points ``(n, d)`` of the data in the coordinates of the networks."""
        return seen_as(points, self.target, self.coordinates)

    @property
    def epochs(self) -> tuple[int, ...]:
        """Epochs of the snapshots."""
        return tuple(sorted({epoch for _, epoch in self.snapshots}))

    @cached_property
    def seeds(self) -> int:
        """Number of networks."""
        return len(self.residuals)

    def at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the mean residual at any frequencies ``(F, d)``, ``(T, F)`` or ``(T, F, channels)``."""
        return self._spectra(self.residuals.mean(axis=0), frequencies)

    def members_at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the residual of every network, ``(S, T, F)`` or ``(S, T, F, channels)``."""
        return np.stack([self._spectra(member, frequencies) for member in self.residuals])

    def network(self, epoch: int, member: int = 0) -> nn.Sequential:
        """A network as it was after an epoch.

        Raises
        ------
        ValueError
            If no snapshot was taken then.
        """
        if (member, epoch) not in self.snapshots:
            raise ValueError(
                f"there is no snapshot of network {member} after epoch {epoch}; there are snapshots of "
                f"{self.seeds} network(s), after epochs {', '.join(map(str, self.epochs))}"
            )
        return self.snapshots[member, epoch].network()

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write everything to one NetCDF file, atomically; :meth:`load` reads it back.

        Raises
        ------
        FileExistsError
            If the file exists and ``overwrite`` is false.
        TypeError
            If the networks have an encoding of another kind than :class:`PositionalEncoding`.
        """
        encoding = next(iter(self.snapshots.values())).encoding if self.snapshots else None
        if encoding is not None and not isinstance(encoding, PositionalEncoding):
            raise TypeError(
                f"a {type(encoding).__name__} cannot be written to a file; only a PositionalEncoding can"
            )
        target, attributes = target_variables(self.target)
        if "channel" in self.data.dims:
            target["target_values"] = (("sample", "channel"), self.target.values)
        samples = ("seed", "time", "sample", "channel")[: self.residuals.ndim]
        stored = self.data.assign({"residual": (samples, self.residuals), **target}).assign_attrs(
            attributes,
            format=FORMAT,
            coordinates=list(self.coordinates),
            octaves=0 if encoding is None else encoding.octaves,
            encoded_dim=0 if encoding is None else encoding.dim,
            snapshot_epochs=json.dumps(self.epochs),
        )
        for kind in ("weights", "biases") if self.snapshots else ():
            first = getattr(next(iter(self.snapshots.values())), kind)
            for layer in (number for number, values in enumerate(first) if values is not None):
                values = np.stack(
                    [
                        np.stack(
                            [getattr(self.snapshots[member, epoch], kind)[layer] for epoch in self.epochs]
                        )
                        for member in range(self.seeds)
                    ]
                )
                dims = ("seed", "snapshot", f"out_{layer}", f"in_{layer}")[: values.ndim]
                stored[f"{kind}_{layer}"] = (dims, values)
        return write_netcdf(stored, Path(path), overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Recording:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is missing or holds no recording.
        """
        import xarray as xr

        try:
            with xr.open_dataset(path, engine="h5netcdf") as file:
                dataset = join_complex(file.load())
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} is no readable NetCDF file ({error})") from error
        if dataset.attrs.get("format") != FORMAT:
            raise ValueError(f"{path} holds no recording of this version: expected the format {FORMAT!r}")
        attributes = dict(dataset.attrs)
        octaves, dim = int(attributes["octaves"]), int(attributes["encoded_dim"])
        encoding = PositionalEncoding(dim, octaves) if octaves else None
        layers = sum(str(name).startswith("weights_") for name in dataset.data_vars)
        snapshots = {
            (member, int(epoch)): Snapshot(
                encoding,
                tuple(dataset[f"weights_{layer}"].values[member, at] for layer in range(layers)),
                tuple(
                    dataset[f"biases_{layer}"].values[member, at] if f"biases_{layer}" in dataset else None
                    for layer in range(layers)
                ),
            )
            for member in range(dataset.sizes["seed"])
            for at, epoch in enumerate(json.loads(attributes["snapshot_epochs"]))
        }
        inner = [
            str(name)
            for name in dataset.data_vars
            if str(name).startswith(("target_", "weights_", "biases_", "residual"))
        ]
        kept = {key: value for key, value in attributes.items() if key in DESCRIBED}
        low, high = (float(value) for value in attributes["coordinates"])
        data = with_frequencies(dataset.drop_vars(inner))
        data.attrs = kept
        return cls(data, target_from_dataset(dataset), dataset.residual.values, (low, high), snapshots)

    def _spectra(self, residuals: FloatArray, frequencies: ArrayLike) -> ComplexArray:
        return np.stack([self.target.with_values(u).spectrum(frequencies) for u in residuals])


def box_of(target: Target) -> tuple[FloatArray, FloatArray]:
    """Lower and upper corner of gridded data, each ``(d,)``: half a spacing beyond the first and last samples."""
    grid = target.grid
    assert grid is not None
    lower = grid.lower - grid.spacing / 2
    return lower, lower + grid.spacing * np.asarray(grid.shape)


def stretch(target: Target, coordinates: tuple[float, float]) -> float:
    """Units of the networks' coordinates per unit length of the data, whose longest side becomes ``coordinates``."""
    lower, upper = box_of(target)
    return (coordinates[1] - coordinates[0]) / float(np.max(upper - lower))


def seen_as(points: FloatArray, target: Target, coordinates: tuple[float, float]) -> FloatArray:
    """Points ``(n, d)`` of the data in the coordinates of networks; sides keep their proportion, about the middle."""
    lower, upper = box_of(target)
    middle = (lower + upper) / 2
    return np.asarray(sum(coordinates) / 2 + stretch(target, coordinates) * (points - middle))


# Attributes of the dataset itself, which a file has among others.
DESCRIBED = ("samples", "trained_samples", "hidden_units", "optimiser", "learning_rate", "seed", "seconds")


def stacked_recordings(recordings: dict[str, Recording]) -> xr.Dataset:
    """The datasets of several recordings with the dimension ``condition``.

    Parameters
    ----------
    recordings : dict of Recording
        By name; of networks of one size on the same data, with one schedule.
    """
    import xarray as xr

    return xr.concat(
        [recording.data for recording in recordings.values()],
        dim=xr.Variable("condition", np.array(list(recordings))),
        combine_attrs="drop_conflicts",
    )


def times_measured(data: xr.Dataset, name: str) -> IntArray:
    """Indices along time at which a variable was measured, ascending; all of them if it is NaN throughout."""
    values = data[name]
    there = values.notnull().any([dim for dim in values.dims if dim != "time"]).values
    return np.flatnonzero(there if there.any() else ~there)
