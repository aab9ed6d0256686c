"""The journal of one training: what it writes to a folder of checkpoints, and reads there when it goes on."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray
from fefreq.support.files import netcdf_content
from harness.training.checkpoint_files import (
    FORMAT,
    START,
    STATE,
    Arrays,
    description_in,
    difference,
    failure_told,
    fingerprint,
    read_arrays,
    snapshot_file,
    write_arrays,
    write_synced,
)
from harness.training.checkpoints import Checkpoints
from harness.training.engine import below
from harness.training.plan import Plan
from harness.training.run import network_attributes

# Begins the names of what observers have measured at a snapshot.
MEASURED = "measured."


@dataclass
class Kept:
    """What checkpoints have kept of a training: snapshots, and the state that goes on from them."""

    residuals: list[FloatArray] = field(default_factory=list)
    losses: list[FloatArray] = field(default_factory=list)
    measured: list[Arrays] = field(default_factory=list)
    state: Arrays | None = None
    seconds: float = 0.0


class NoJournal:
    """Keeps nothing."""

    place = ""

    def resume(self) -> Kept:
        """Begin at the start."""
        return Kept()

    def due(self) -> bool:
        """Never."""
        return False

    def keep_snapshot(
        self, number: int, residuals: FloatArray, losses: FloatArray, measured: Arrays, seconds: float
    ) -> None:
        """Keep nothing."""

    def keep_state(self, state: Arrays, snapshots: int, seconds: float) -> None:
        """Keep nothing."""


class Journal:
    """Keeps one training in a folder of checkpoints.

    Parameters
    ----------
    checkpoints : Checkpoints
    plan : Plan
        What is trained.

    Attributes
    ----------
    place : str
        Where the snapshots are, for messages.
    """

    def __init__(self, checkpoints: Checkpoints, plan: Plan) -> None:
        self._checkpoints, self._plan = checkpoints, plan
        self._description = describe(plan)
        self._fingerprint = fingerprint(self._description)
        self._state = checkpoints.folder / STATE
        self._last = time.monotonic()
        self.place = f" in {checkpoints.folder}"

    def resume(self) -> Kept:
        """Read what is there; in a new folder, write down what is trained.

        Raises
        ------
        ValueError
            If the folder holds another training, or a damaged one.
        OSError
            If it cannot be written.
        """
        folder, start = self._checkpoints.folder, self._checkpoints.folder / START
        if start.exists():
            if found := difference(description_in(start), self._description):
                raise ValueError(
                    f"the checkpoints in {folder} are of another experiment or version: {found}; go on with what "
                    "they were made by, or choose a new folder"
                )
            with failure_told(folder):
                for leftover in folder.glob(".*.npz"):  # of writing that was interrupted
                    leftover.unlink()
        else:
            dataset = (
                self._plan.run([], [], 0.0)
                .to_dataset()
                .assign_attrs(checkpoint=json.dumps(self._description))
            )
            content = netcdf_content(dataset)
            self._checkpoints.make()
            write_synced(start, content)
        if not self._state.exists():
            return Kept()
        header, state = read_arrays(self._state, self._fingerprint)
        files = [snapshot_file(self._checkpoints.folder, number) for number in range(header["snapshots"])]
        snapshots = [read_arrays(path, self._fingerprint)[1] for path in files]
        residuals, losses = ([each[name] for each in snapshots] for name in ("residuals", "losses"))
        measured = [below(each, MEASURED) for each in snapshots]
        return Kept(residuals, losses, measured, state, float(header["seconds"]))

    def due(self) -> bool:
        """Whether the interval since the last state is over."""
        return time.monotonic() - self._last >= self._checkpoints.interval

    def keep_snapshot(
        self, number: int, residuals: FloatArray, losses: FloatArray, measured: Arrays, seconds: float
    ) -> None:
        """Write a snapshot.

        Raises
        ------
        OSError
            If that fails; the message says what to do.
        """
        plan = self._plan
        header = {
            "fingerprint": self._fingerprint,
            "time": float(plan.times[number]),
            "steps": int(np.sum(plan.step_counts[: number + 1])),
            "rate": float(plan.rates[number]),
            "seconds": seconds,
        }
        named = {MEASURED + name: array for name, array in measured.items()}
        arrays = {"residuals": residuals, "losses": losses, **named}
        write_arrays(snapshot_file(self._checkpoints.folder, number), header, arrays)

    def keep_state(self, state: Arrays, snapshots: int, seconds: float) -> None:
        """Write the state after so many snapshots.

        Raises
        ------
        OSError
            If that fails; the message says what to do.
        """
        header = {"fingerprint": self._fingerprint, "snapshots": snapshots, "seconds": seconds}
        write_arrays(self._state, header, state)
        self._last = time.monotonic()


def describe(plan: Plan) -> dict[str, Any]:
    """All that decides the result of a training, as plain data; long arrays as their digests."""
    target = plan.target
    settings = {name: value for name, value in plan.metadata.items() if name != "threads"}
    return {
        "format": FORMAT,
        **{name: json.loads(text) for name, text in network_attributes(plan.model).items()},
        "width": int(plan.width),
        "seeds": len(plan.initial_residuals),
        "learning_rate": float(plan.learning_rate),
        "method": plan.method,
        **settings,
        "times": digest(plan.times, np.cumsum(plan.step_counts, dtype=np.int64), plan.rates),
        "target": digest(target.points, target.values, target.weights),
        "grid": list(target.grid.shape) if target.grid else [],
    }


def digest(*arrays: NDArray[Any]) -> str:
    """Hash of arrays, their shapes and types included."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(repr((array.shape, array.dtype.str)).encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
