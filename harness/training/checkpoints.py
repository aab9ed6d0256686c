"""Checkpoints: what training leaves on the disk so that it can go on after any interruption.

A folder of checkpoints belongs to one training. It holds ``start.nc``, a run file without snapshots that says what
is trained; ``snapshot-00000.npz`` and so on, residuals and losses, each written once; and ``state.npz``, the
parameters and all that an optimiser remembers, written anew at every snapshot and every so many seconds in between.
Files appear whole or not at all, whenever the process ends. They hold arrays and text, never pickled objects.

>>> import tempfile, numpy as np, fefreq, harness
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=64)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(2.0))
>>> with tempfile.TemporaryDirectory() as folder:
...     checkpoints = Checkpoints(folder)
...     run = harness.train(model, target, width=20, times=[0, 1, 4], checkpoints=checkpoints)
...     again = harness.train(model, target, width=20, times=[0, 1, 4], checkpoints=checkpoints)
...     kept = harness.Run.load(folder)
>>> bool(np.all(again.residuals == run.residuals) and np.all(kept.residuals == run.residuals))
True
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray
from fefreq.support.files import netcdf_content, sync
from harness.training.checkpoint_files import (
    Arrays,
    difference,
    failure_told,
    read_arrays,
    write_arrays,
    write_synced,
)
from harness.training.folder_lock import Lock

if TYPE_CHECKING:
    from harness.training.runs import Run

FORMAT = "fefreq checkpoint 1"
START, STATE, LABEL = "start.nc", "state.npz", "label.json"


@dataclass(frozen=True)
class Checkpoints:
    """A folder from which interrupted training goes on.

    Training that is given a folder with checkpoints of its own goes on from the last one, and returns at once
    where it had come to its end.

    Parameters
    ----------
    folder : path
        Made when the first file is written.
    interval : float
        Seconds between checkpoints on the way from one snapshot to the next, at least 0.
    label : str
        Text about what is kept here, written to ``label.json`` before anything else.

    Raises
    ------
    ValueError
        If the interval is negative or not finite.
    """

    folder: Path
    interval: float = 30.0
    label: str = field(default="", repr=False)
    _parent: Checkpoints | None = field(default=None, repr=False, kw_only=True)
    _lock: Lock | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if not 0 <= self.interval < float("inf"):
            raise ValueError(f"the interval of checkpoints must be at least 0 seconds, not {self.interval}")

    def named(self, name: str) -> Checkpoints:
        """Checkpoints of one training among several, in a folder inside this one."""
        return Checkpoints(self.folder / name, self.interval, _parent=self)

    def journal(self, plan: Run) -> Journal:
        """Begin to keep a training, or to go on with it.

        Raises
        ------
        ValueError
            If the folder holds another training.
        OSError
            If it cannot be written.
        """
        return Journal(self, plan)

    def partial(self) -> Run:
        """The run as far as it was recorded; :meth:`harness.Run.load` does the same with the folder.

        Raises
        ------
        ValueError
            If there are no checkpoints, or they are damaged.
        """
        from harness.training.run_files import load

        if not (self.folder / START).is_file():
            raise ValueError(f"{self.folder} holds no checkpoints of a training: it has no file {START}")
        plan, fingerprint = load(self.folder / START), _fingerprint(_description_in(self.folder / START))
        found: list[tuple[dict[str, Any], dict[str, NDArray[Any]]]] = []
        while (path := self.snapshot(len(found))).is_file():
            found.append(read_arrays(path, fingerprint))
        if not found:
            return plan
        headers, arrays = zip(*found, strict=True)
        return replace(
            plan,
            residuals=np.stack([each["residuals"] for each in arrays], axis=1),
            losses=np.stack([each["losses"] for each in arrays], axis=1),
            times=np.array([header["time"] for header in headers]),
            steps=np.array([header["steps"] for header in headers]),
            rates=np.array([header["rate"] for header in headers]),
            seconds=headers[-1]["seconds"],
        )

    def snapshot(self, number: int) -> Path:
        """File of a snapshot."""
        return self.folder / f"snapshot-{number:05d}.npz"

    def make(self) -> None:
        """Make the folder, with its label.

        Raises
        ------
        OSError
            If that fails, or another process is at work there; the message says what to do.
        """
        if self._parent is not None:
            self._parent.make()
        with failure_told(self.folder):
            new = [place for place in (self.folder, *self.folder.parents) if not place.exists()]
            self.folder.mkdir(parents=True, exist_ok=True)
            for place in new:
                sync(place.parent)
        if self._lock is not None:
            self._lock.take()
        if self.label and not (self.folder / LABEL).exists():
            write_synced(self.folder / LABEL, self.label.encode())


@dataclass
class Kept:
    """What checkpoints have kept of a training: snapshots, and the state that goes on from them."""

    residuals: list[FloatArray] = field(default_factory=list)
    losses: list[FloatArray] = field(default_factory=list)
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

    def keep_snapshot(self, number: int, residuals: FloatArray, losses: FloatArray, seconds: float) -> None:
        """Keep nothing."""

    def keep_state(self, state: Arrays, snapshots: int, seconds: float) -> None:
        """Keep nothing."""


class Journal:
    """Keeps one training in a folder of checkpoints.

    Parameters
    ----------
    checkpoints : Checkpoints
    plan : Run
        What is trained.

    Attributes
    ----------
    place : str
        Where the snapshots are, for messages.
    """

    def __init__(self, checkpoints: Checkpoints, plan: Run) -> None:
        self._checkpoints, self._plan = checkpoints, plan
        self._description = describe(plan)
        self._fingerprint = _fingerprint(self._description)
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
        from harness.training.run_files import to_dataset

        folder, start = self._checkpoints.folder, self._checkpoints.folder / START
        if start.exists():
            if found := difference(_description_in(start), self._description):
                raise ValueError(
                    f"the checkpoints in {folder} are of another experiment or version: {found}; go on with what "
                    "they were made by, or choose a new folder"
                )
            with failure_told(folder):
                for leftover in folder.glob(".*.npz"):  # of writing that was interrupted
                    leftover.unlink()
        else:
            plan = self._plan
            blank = replace(plan, times=plan.times[:0], steps=plan.steps[:0], rates=plan.rates[:0])
            dataset = to_dataset(blank).assign_attrs(checkpoint=json.dumps(self._description))
            content = netcdf_content(dataset)
            self._checkpoints.make()
            write_synced(start, content)
        if not self._state.exists():
            return Kept()
        header, state = read_arrays(self._state, self._fingerprint)
        files = [self._checkpoints.snapshot(number) for number in range(header["snapshots"])]
        snapshots = [read_arrays(path, self._fingerprint)[1] for path in files]
        residuals, losses = ([each[name] for each in snapshots] for name in ("residuals", "losses"))
        return Kept(residuals, losses, state, float(header["seconds"]))

    def due(self) -> bool:
        """Whether the interval since the last state is over."""
        return time.monotonic() - self._last >= self._checkpoints.interval

    def keep_snapshot(self, number: int, residuals: FloatArray, losses: FloatArray, seconds: float) -> None:
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
            "steps": int(plan.steps[number]),
            "rate": float(plan.rates[number]),
            "seconds": seconds,
        }
        arrays = {"residuals": residuals, "losses": losses}
        write_arrays(self._checkpoints.snapshot(number), header, arrays)

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


def describe(plan: Run) -> dict[str, Any]:
    """All that decides the result of a training, as plain data; long arrays as their digests."""
    from harness.training.run_files import network_attributes

    target = plan.target
    settings = {name: value for name, value in plan.metadata.items() if name != "threads"}
    return {
        "format": FORMAT,
        **{name: json.loads(text) for name, text in network_attributes(plan.model).items()},
        "width": int(plan.width),
        "seeds": int(plan.seeds),
        "learning_rate": float(plan.learning_rate),
        "method": plan.method,
        **settings,
        "times": _digest(plan.times, plan.steps, plan.rates),
        "target": _digest(target.points, target.values, target.weights),
        "grid": list(target.grid.shape) if target.grid else [],
    }


def _description_in(start: Path) -> dict[str, Any]:
    import xarray as xr

    try:
        with xr.open_dataset(start, engine="h5netcdf") as file:
            description: dict[str, Any] = json.loads(file.attrs["checkpoint"])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{start} is damaged or no checkpoint ({error}): remove the folder {start.parent} to train from the start, "
            "or choose a new one"
        ) from error
    return description


def _fingerprint(description: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def _digest(*arrays: NDArray[Any]) -> str:
    total = hashlib.sha256()
    for array in arrays:
        total.update(repr((array.shape, array.dtype.str)).encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
