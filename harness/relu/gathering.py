"""From measurements of single networks at single epochs to one labelled dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq.fields.coordinates import frequency_coordinates
from fefreq.support.arrays import FloatArray
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray
from harness.relu.probes import MEANINGS, Ground, Variables, pair_distances

if TYPE_CHECKING:
    import xarray as xr


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
