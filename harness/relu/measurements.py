"""Measurements of ReLU networks at the snapshots of their training, gathered into one labelled dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fefreq.fields.coordinates import frequency_coordinates
from fefreq.support.arrays import FloatArray
from harness.relu.accuracy import Split, psnr
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray
from harness.relu.probes import MEANINGS, PROBES, Ground, Probe, Variables, error, pair_distances
from harness.relu.recording import Recording, Snapshot
from harness.relu.schedule import Schedule
from harness.training.engine import below
from harness.training.run import Run

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measures networks at the snapshots of their training; an observer of the recorder.

    Attributes
    ----------
    networks : sequence of ReluNetwork
        In training.
    ground : Ground
    schedule : Schedule
    epochs : tuple of int
        Of the snapshots, the last one the end of training.
    kept_epochs : tuple of int
        After which networks are kept.
    trained : ndarray of int
        Samples that are trained on.
    split : Split or None
    """

    networks: Sequence[ReluNetwork]
    ground: Ground
    schedule: Schedule
    epochs: tuple[int, ...]
    kept_epochs: tuple[int, ...]
    trained: IntArray
    split: Split | None
    _rows: dict[tuple[int, int], Variables] = field(default_factory=dict, init=False)
    _kept: dict[tuple[int, int], Snapshot] = field(default_factory=dict, init=False)

    def at_snapshot(self, snapshot: int, residuals: FloatArray) -> Mapping[str, NDArray[Any]]:
        """Measure all networks.

        Returns
        -------
        dict
            Variables as ``member.variable.NAME.DIMENSIONS``, weights as ``member.weights.LAYER``.
        """
        epoch, arrays = self.epochs[snapshot], {}
        for member, (network, residual) in enumerate(zip(self.networks, residuals, strict=True)):
            found = self._measured(Probe(self.ground, network, residual), epoch)
            for name, (dims, value) in found.items():
                arrays[f"{member}.variable.{name}.{','.join(dims)}"] = np.asarray(value)
            if epoch in self.kept_epochs:
                arrays |= {f"{member}.{name}": array for name, array in Snapshot.of(network).arrays().items()}
        self.recall(snapshot, arrays)
        return arrays

    def recall(self, snapshot: int, measured: Mapping[str, NDArray[Any]]) -> None:
        """Take back what :meth:`at_snapshot` gave."""
        epoch = self.epochs[snapshot]
        for member, network in enumerate(self.networks):
            own = below(measured, f"{member}.")
            row: Variables = {}
            for key, value in below(own, "variable.").items():
                name, dims = key.split(".")
                row[name] = (tuple(dims.split(",")) if dims else (), value)
            self._rows[member, snapshot] = row
            if epoch in self.kept_epochs:
                self._kept[member, epoch] = Snapshot.from_arrays(network.encoding, own)

    def recording(self, run: Run) -> Recording:
        """All that was measured in a training that has ended, with its residuals."""
        members = [[self._rows[m, t] for t in range(len(run.times))] for m in range(run.seeds)]
        first = int(run.metadata["seed"])
        seeds = range(first, first + run.seeds)
        network = self.networks[0]
        data = gathered(members, seeds, self.epochs, run.steps, run.times, self.ground, network)
        data.attrs = {
            "samples": len(run.target.points),
            "trained_samples": len(self.trained),
            "hidden_units": network.units,
            "optimiser": run.metadata["optimiser"],
            "learning_rate": run.learning_rate,
            "seed": first,
            "seconds": run.seconds,
        }
        return Recording(run.target, run.times, run.members, data, self.ground.coordinates, self._kept)

    def _measured(self, probe: Probe, epoch: int) -> Variables:
        found = error(probe)
        flat = probe.residual.reshape(len(probe.residual), -1)
        found["mean_squared_error"] = ((), np.array(np.mean(flat[self.trained] ** 2)))
        for diagnostic, measure in PROBES.items():
            if epoch in self.schedule.epochs(diagnostic, self.epochs[-1]):
                found |= measure(probe)
        if self.split is not None:
            values = self.ground.target.values.reshape(flat.shape)
            peak = float(np.ptp(values))
            parts = (self.split.train, self.split.validation, self.split.test)
            quality = [psnr(values[part] - flat[part], values[part], peak) for part in parts]
            found["psnr"] = (("part",), np.array(quality))
        return found


def gathered(
    members: Sequence[Sequence[Variables]],
    seeds: Sequence[int],
    epochs: Sequence[int],
    steps: IntArray,
    times: FloatArray,
    ground: Ground,
    network: ReluNetwork,
) -> xr.Dataset:
    """Put measurements in order.

    Parameters
    ----------
    members : sequence of sequence of dict
        Variables by network and epoch; not every variable was measured after every epoch.
    seeds : sequence of int
        One for each network.
    epochs, steps, times : sequence, shape (T,)
        When they were measured.
    ground : Ground
        What they were measured on.
    network : ReluNetwork
        One of the networks, for their size and their encoding.

    Returns
    -------
    xarray.Dataset
        With the dimensions seed and time, NaN where a variable was not measured.
    """
    import xarray as xr

    names = {name: value for rows in members for row in rows for name, value in row.items()}
    variables: dict[str, Any] = {}
    for name, (dims, example) in names.items():
        empty = np.full(np.shape(example), np.nan)
        table = [[row[name][1] if name in row else empty for row in rows] for rows in members]
        variables[name] = (("seed", "time", *dims), np.array(table))
    variables["encoding_distance"] = (("pairs",), pair_distances(ground, network))
    time_attributes = {"long_name": "training time", "units": "sum of learning rates"}
    coordinates: dict[str, Any] = {
        "seed": ("seed", np.array(seeds)),
        "time": ("time", times, time_attributes),
        "step": ("time", steps, {"long_name": "steps of the optimiser"}),
        "epoch": ("time", np.array(epochs), {"long_name": "passes through the data"}),
        **frequency_coordinates(ground.frequencies),
        **ground.coordinates_of(network),
    }
    if "psnr" in variables:
        variables |= _tested_once(variables.pop("psnr")[1])
        coordinates["part"] = ("part", np.array(["training", "validation"]))
    data = xr.Dataset(variables, coordinates)
    for key in data.data_vars:
        meaning, unit = MEANINGS[str(key)]
        data[key].attrs = {"long_name": meaning} | ({"units": unit} if unit else {})
    return data


def _tested_once(quality: FloatArray) -> dict[str, Any]:
    """PSNR on training and validation samples, and on the test samples at the best time of validation."""
    best = np.argmax(quality[:, :, 1], axis=1)
    return {
        "psnr": (("seed", "time", "part"), quality[:, :, :2]),
        "test_psnr": (("seed",), quality[np.arange(len(quality)), best, 2]),
    }
