"""What tracking leaves: one labelled dataset, the residuals, and networks on the way.

A :class:`Recording` is an error field like any other of this project: it can be compared with predictions and other
networks by :func:`harness.compare`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fefreq.fields.coordinates import with_frequencies
from fefreq.fields.residuals import Residuals
from fefreq.support.arrays import FloatArray
from fefreq.targets.storage import target_from_dataset, target_variables
from fefreq.targets.target import Target
from harness.networks.encoding import Encoding, PositionalEncoding
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray

if TYPE_CHECKING:
    import xarray as xr


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

    def arrays(self) -> dict[str, FloatArray]:
        """Weights and biases by the names ``weights.LAYER`` and ``biases.LAYER``."""
        arrays = {f"weights.{layer}": weight for layer, weight in enumerate(self.weights)}
        biases = {f"biases.{layer}": bias for layer, bias in enumerate(self.biases) if bias is not None}
        return arrays | biases

    @classmethod
    def from_arrays(cls, encoding: Encoding | None, arrays: Mapping[str, FloatArray]) -> Snapshot:
        """Undo :meth:`arrays`; other entries are passed over."""
        layers = range(sum(name.startswith("weights.") for name in arrays))
        return cls(
            encoding,
            tuple(arrays[f"weights.{layer}"] for layer in layers),
            tuple(arrays.get(f"biases.{layer}") for layer in layers),
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
class Recording(Residuals):
    """Diagnostics and error fields of ReLU networks in training; an :class:`fefreq.ErrorField`.

    Attributes
    ----------
    target : Target
        The data, in coordinates of their own.
    times : ndarray, shape (T,)
        Training times ``Σ η``.
    members : ndarray, shape (S, T, n) or (S, T, n, channels)
        ``f - N`` at all samples, also called :attr:`residuals`.
    data : xarray.Dataset
        ``error`` (seed, time, frequency, and channel if there are any), ``mean_squared_error`` (seed, time), and
        what was scheduled (seed, time, …), NaN where it was not measured. Coordinates ``time`` = Σ η, ``step``,
        ``epoch`` along time, ``frequency`` or ``xi_0``, … along frequency.
    coordinates : (float, float)
        What the longest side of the data became in the coordinates of the networks.
    snapshots : dict
        By member and epoch.
    """

    format: ClassVar[str] = "fefreq relu recording 1"

    data: xr.Dataset
    coordinates: tuple[float, float]
    snapshots: dict[tuple[int, int], Snapshot]

    @property
    def residuals(self) -> FloatArray:
        """``f - N`` of every network, shape ``(S, T, n)`` or ``(S, T, n, channels)``."""
        return self.members

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

    @property
    def seeds(self) -> int:
        """Number of networks."""
        return len(self.members)

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

    def to_dataset(self) -> xr.Dataset:
        """Everything as one dataset.

        Raises
        ------
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
        samples = ("seed", "time", "sample", "channel")[: self.members.ndim]
        stored = self.data.assign({"residual": (samples, self.members), **target}).assign_attrs(
            attributes,
            format=self.format,
            coordinates=list(self.coordinates),
            octaves=0 if encoding is None else encoding.octaves,
            encoded_dim=0 if encoding is None else encoding.dim,
            snapshot_epochs=json.dumps(self.epochs),
        )
        kept = {key: snapshot.arrays() for key, snapshot in self.snapshots.items()}
        for name in next(iter(kept.values()), {}):
            values = np.array([[kept[m, epoch][name] for epoch in self.epochs] for m in range(self.seeds)])
            kind, layer = name.split(".")
            dims = ("seed", "snapshot", f"out_{layer}", f"in_{layer}")[: values.ndim]
            stored[f"{kind}_{layer}"] = (dims, values)
        return stored

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Recording:
        """Rebuild a recording from what :meth:`to_dataset` made."""
        attributes = dict(dataset.attrs)
        octaves, dim = int(attributes["octaves"]), int(attributes["encoded_dim"])
        encoding = PositionalEncoding(dim, octaves) if octaves else None
        kept = {
            str(name).replace("_", "."): variable.values
            for name, variable in dataset.data_vars.items()
            if str(name).startswith(("weights_", "biases_"))
        }
        snapshots = {
            (member, int(epoch)): Snapshot.from_arrays(
                encoding, {name: values[member, at] for name, values in kept.items()}
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
        return cls(
            target_from_dataset(dataset),
            data.time.values,
            dataset.residual.values,
            data,
            (low, high),
            snapshots,
        )

    def _select(self, kept: NDArray[np.bool_]) -> Recording:
        data = self.data.isel(time=kept)
        epochs = set(data.epoch.values.tolist())
        snapshots = {key: snapshot for key, snapshot in self.snapshots.items() if key[1] in epochs}
        return replace(
            self, times=self.times[kept], members=self.members[:, kept], data=data, snapshots=snapshots
        )


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
