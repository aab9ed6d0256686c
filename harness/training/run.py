"""Trained networks as error fields: what training returns, and its file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fefreq.fields.residuals import Residuals
from fefreq.fields.times import along_time
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Grid, Target
from harness.networks import ModuleSpec, module_from_json, module_to_json
from harness.training.checkpoint_files import START, description_in, fingerprint, read_arrays, snapshot_file

if TYPE_CHECKING:
    import xarray as xr

# Within the stability limit every step lowers the loss, up to fluctuations of the kernel at finite width. Moving
# frequencies keep a network beyond the limit bounded for a while, so growth by this factor counts as divergence.
DIVERGENCE = 100.0

Setting = str | int | float


@dataclass(frozen=True, eq=False)
class Run(Residuals):
    """Residuals of an ensemble of trained networks; an :class:`fefreq.ErrorField`.

    Attributes
    ----------
    target : Target
        The data, its values what the networks were to learn.
    times : ndarray, shape (T,)
        Training times of the snapshots.
    members : ndarray, shape (S, T, n) or (S, T, n, channels)
        ``u = f - N`` of every member at the points of the target, also called :attr:`residuals`.
    model : Model, ModuleSpec or None
        What was trained: two layers with a theory, or any network of :mod:`harness.networks`; None where a function
        in Python made it.
    initial_residuals : ndarray, shape (S, n) or (S, n, channels)
        The residuals before the first step.
    losses : ndarray, shape (S, T)
        ``½ Σ_j q_j |u(x_j)|²``, summed over channels.
    steps : ndarray of int, shape (T,)
        Steps taken until each snapshot.
    rates : ndarray, shape (T,)
        Size of the steps that led to each snapshot, at most ``learning_rate``; 0 where there was none.
    width : int
        Neurons of a network.
    learning_rate : float
        Upper bound of the steps.
    method : str
        How gradients were computed: ``dense`` or ``transform`` sums of waves, or ``autograd``.
    seconds : float
        Time that training took.
    metadata : dict
        Seed, start, precision, device, threads, versions.
    """

    format: ClassVar[str] = "fefreq training run 1"

    model: Model | ModuleSpec | None
    initial_residuals: FloatArray
    losses: FloatArray = field(metadata=along_time(axis=1))
    steps: NDArray[np.int64] = field(metadata=along_time())
    rates: FloatArray = field(metadata=along_time())
    width: int
    learning_rate: float
    method: str
    seconds: float
    metadata: dict[str, Setting]

    @property
    def residuals(self) -> FloatArray:
        """``u = f - N`` of every member, shape ``(S, T, n)`` or ``(S, T, n, channels)``."""
        return self.members

    @property
    def seeds(self) -> int:
        """Number of networks."""
        return len(self.members)

    @cached_property
    def initial(self) -> Target:
        """The mean residual before the first step, as measured: what a prediction has to start from."""
        return self.target.with_values(self.initial_residuals.mean(axis=0))

    @cached_property
    def initial_members(self) -> tuple[Target, ...]:
        """The residual of every member before the first step."""
        return tuple(self.target.with_values(values) for values in self.initial_residuals)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run that was saved, or what was recorded so far in a folder of checkpoints.

        Raises
        ------
        ValueError
            If the file is missing, cannot be read or holds no run.
        """
        path = Path(path)
        return _recorded_in(path) if path.is_dir() else super().load(path)

    def to_dataset(self) -> xr.Dataset:
        """Everything as a labelled dataset of real variables."""
        import xarray as xr

        target, channel = self.target, ("channel",) if self.target.channels else ()
        grid = target.grid and [target.grid.shape, target.grid.lower.tolist(), target.grid.spacing.tolist()]
        return xr.Dataset(
            {
                "residuals": (("seed", "time", "point", *channel), self.residuals),
                "initial_residuals": (("seed", "point", *channel), self.initial_residuals),
                "losses": (("seed", "time"), self.losses),
                "steps": ("time", self.steps),
                "rates": ("time", self.rates),
                "target_points": (("point", "axis"), target.points),
                "target_values": (("point", *channel), target.values),
                "target_weights": ("point", target.weights),
            },
            coords={"time": ("time", self.times, {"long_name": "training time"})},
            attrs={
                "format": self.format,
                **network_attributes(self.model),
                "width": self.width,
                "learning_rate": self.learning_rate,
                "method": self.method,
                "seconds": self.seconds,
                "metadata": json.dumps(self.metadata),
                "target_grid": json.dumps(grid),
            },
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Run:
        """Rebuild a run from what :meth:`to_dataset` made."""
        attrs = dataset.attrs
        arrays = {str(name): variable.values for name, variable in dataset.data_vars.items()}
        grid = None
        if stored := json.loads(attrs["target_grid"]):
            shape, lower, spacing = stored
            grid = Grid(tuple(shape), np.array(lower), np.array(spacing))
        data = (arrays.pop(f"target_{name}") for name in ("points", "values", "weights"))
        target = Target(*data, grid=grid)
        return cls(
            model=_network_in(attrs),
            target=target,
            times=dataset.time.values,
            members=arrays.pop("residuals"),
            width=int(attrs["width"]),
            learning_rate=float(attrs["learning_rate"]),
            method=str(attrs["method"]),
            seconds=float(attrs["seconds"]),
            metadata=json.loads(attrs["metadata"]),
            **arrays,
        )


class DivergenceError(FloatingPointError):
    """The loss grew without bound; the message says at which step, and what to do.

    Attributes
    ----------
    run : Run or None
        The snapshots before, where there is a record of them.
    """

    run: Run | None = None


def network_attributes(model: Model | ModuleSpec | None) -> dict[str, str]:
    """What was trained, as text; nothing where a function in Python made it."""
    if model is None:
        return {}
    if isinstance(model, ModuleSpec):
        return {"module": module_to_json(model)}
    return {"model": model.to_json()}


def _network_in(attributes: dict[str, Any]) -> Model | ModuleSpec | None:
    if "module" in attributes:
        return module_from_json(attributes["module"])
    return Model.from_json(attributes["model"]) if "model" in attributes else None


def _recorded_in(folder: Path) -> Run:
    """The run as far as a folder of checkpoints has it."""
    start = folder / START
    if not start.is_file():
        raise ValueError(f"{folder} holds no checkpoints of a training: it has no file {START}")
    plan, known = Run.load(start), fingerprint(description_in(start))
    found: list[tuple[dict[str, Any], dict[str, NDArray[Any]]]] = []
    while (path := snapshot_file(folder, len(found))).is_file():
        found.append(read_arrays(path, known))
    if not found:
        return plan
    headers, arrays = zip(*found, strict=True)
    return replace(
        plan,
        members=np.stack([each["residuals"] for each in arrays], axis=1),
        losses=np.stack([each["losses"] for each in arrays], axis=1),
        times=np.array([header["time"] for header in headers]),
        steps=np.array([header["steps"] for header in headers]),
        rates=np.array([header["rate"] for header in headers]),
        seconds=headers[-1]["seconds"],
    )
