"""What training leaves of the error at the data points: evaluate, predict elsewhere, save, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fefreq.dynamics import Dynamics, GradientDescent, GradientFlow
from fefreq.dynamics.base import Counts
from fefreq.fields.error_curves import ErrorCurves
from fefreq.fields.residuals import Residuals, as_rows, batches, from_rows
from fefreq.fields.times import along_time
from fefreq.kernel.operator import largest_rate, make_products
from fefreq.kernel.statistics import FlowStats
from fefreq.models import Model
from fefreq.propagation.propagator import Result
from fefreq.support.arrays import FloatArray, as_points, real_array
from fefreq.targets.target import Target

if TYPE_CHECKING:
    import xarray as xr

MARGIN = 0.05  # of the box of scattered points, within which prediction is no extrapolation


@dataclass(frozen=True, eq=False)
class PointSolution(Residuals):
    """The residual ``u(x_j, t)`` at the data points, and through it the network everywhere.

    Attributes
    ----------
    target : Target
        What the residual was at time 0.
    times : ndarray, shape (T,)
    members : ndarray, shape (1, T, n) or (1, T, n, channels)
        The residual, :attr:`values`, of the one member of this ensemble.
    integrals : ndarray, like values
        Accumulated residual, of which the network has learned ``K q`` times: ``∫ u ds`` of gradient flow, ``∑ η u``
        of gradient descent.
    model : Model
    dynamics : Dynamics
        The optimiser.
    steps : ndarray of int, shape (T,), or None
        Numbers of its steps until each time; None for gradient flow.
    result : Result
    stats : FlowStats
    """

    format: ClassVar[str] = "fefreq point solution 1"

    integrals: FloatArray = field(metadata=along_time())
    model: Model
    dynamics: Dynamics
    steps: Counts | None = field(metadata=along_time())
    result: Result
    stats: FlowStats = field(metadata=along_time())

    @cached_property
    def largest_rate(self) -> float:
        """Largest eigenvalue ``λ_max`` of the kernel on the data, per unit of training time."""
        return largest_rate(self.model, self.target)

    @property
    def stability_limit(self) -> float:
        """Largest stable learning rate of full-batch gradient descent, ``2 / λ_max``."""
        return 2.0 / self.largest_rate

    def predict(self, points: ArrayLike, extrapolate: bool = False) -> FloatArray:
        """Output of the network at any points, minus what it was before training.

        The infinitely wide network follows ``N_t(x) - N_0(x) = Σ_j K(x, x_j) q_j ∫ u(x_j, s) ds``.

        Parameters
        ----------
        points : array_like, shape (p, d)
        extrapolate : bool
            Whether points outside the bounds of the data are meant.

        Returns
        -------
        ndarray, shape (T, p) or (T, p, channels)

        Raises
        ------
        ValueError
            If points lie outside the bounds of the data and ``extrapolate`` is false.
        """
        at = as_points(points, self.model.dim)
        if not extrapolate:
            require_inside(at, self.target)
        result = np.zeros((len(self.times) * (self.target.channels or 1), len(at)))
        for part, rows in self._learned(at):
            result[part] = rows
        return from_rows(result, self.values.shape)

    def held_out(self, points: ArrayLike, values: ArrayLike, extrapolate: bool = False) -> ErrorCurves:
        """Errors at unseen points, beside those at the trained ones, at all times.

        Parameters
        ----------
        points : array_like, shape (p, d)
        values : array_like, shape (p,) or (p, channels)
            What the network should say there: the output before training subtracted, as in the target.
        extrapolate : bool
            Whether points outside the bounds of the data are meant.

        Raises
        ------
        ValueError
            If there are no points, values do not belong to them, or points lie outside the bounds of the data and
            ``extrapolate`` is false.
        """
        at, wanted = as_points(points, self.model.dim), real_array(values, "held-out values")
        expected = (len(at), *self.values.shape[2:])
        if len(at) == 0 or wanted.shape != expected:
            raise ValueError(
                f"held-out values have shape {wanted.shape}; {len(at)} points need {expected}, and at least one point"
            )
        if not extrapolate:
            require_inside(at, self.target)
        channels = self.target.channels or 1
        rows = wanted.reshape(len(at), channels).T
        squares = np.empty(len(self.times) * channels)
        for part, learned in self._learned(at):
            difference = learned - rows[np.arange(part.start, part.start + len(learned)) % channels]
            squares[part] = np.mean(difference**2, axis=1)
        return ErrorCurves(self.times, self._trained_mse(), squares.reshape(-1, channels).mean(axis=1))

    def _trained_mse(self) -> FloatArray:
        trained = self.target.weights > 0
        squares = np.square(as_rows(self.values)[:, trained]).mean(axis=1)
        return np.asarray(squares.reshape(len(self.times), -1).mean(axis=1))

    def _learned(self, at: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """What the network has learned at points, in batches of the rows ``(T · channels, p)``."""
        if len(at) == 0:
            return
        columns = as_rows(self.integrals) * self.target.weights
        trained = self.target.weights > 0
        if self.target.grid is None and not trained.all():
            sources, columns = self.target.points[trained], np.ascontiguousarray(columns[:, trained])
        else:
            sources = self.target.points
        products = make_products(self.model, sources, self.target.grid, at)
        for part in batches(len(columns), max(columns.shape[1], len(at))):
            yield part, products.apply(columns[part])

    def to_xarray(self, frequencies: ArrayLike | None = None) -> xr.Dataset:
        """A labelled dataset: the residual at the data points, or the spectrum ``error`` at frequencies.

        Parameters
        ----------
        frequencies : array_like, shape (F, d), optional
        """
        dataset = super().to_xarray(frequencies)
        dataset["error_estimate"] = ("time", self.stats.error_estimate)
        if self.steps is not None:
            dataset = dataset.assign_coords(
                step=("time", self.steps, {"long_name": "steps of the optimiser"})
            )
        dataset.attrs.update(result=self.result.value, method=self.stats.method, points=self.stats.points)
        return dataset

    def to_dataset(self) -> xr.Dataset:
        """Everything, for a file; see :meth:`save`."""
        from fefreq.dynamics.storage import dynamics_to_json

        dataset = super().to_dataset()
        dims = dataset.residual.dims[1:]
        if self.steps is not None:
            dataset = dataset.assign(steps=("time", self.steps))
        return dataset.assign(
            residual=dataset.residual[0],
            integral=(dims, np.ascontiguousarray(self.integrals)),
            error_estimate=("time", self.stats.error_estimate),
        ).assign_attrs(
            model=self.model.to_json(),
            dynamics=dynamics_to_json(self.dynamics),
            result=self.result.name,
            stats=json.dumps(self.stats.to_dict()),
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> PointSolution:
        """Rebuild a solution from what :meth:`to_dataset` gave."""
        from fefreq.targets.storage import target_from_dataset

        attrs = dataset.attrs
        dynamics = _read_dynamics(attrs)
        counted = "steps" in dataset  # not in files from when descent was all there was
        return cls(
            times=dataset.time.values,
            members=dataset.residual.values[None],
            integrals=dataset.integral.values,
            model=Model.from_json(attrs["model"]),
            target=target_from_dataset(dataset),
            dynamics=dynamics,
            steps=dataset.steps.values if counted else dynamics.evolution(dataset.time.values).steps,
            result=Result[attrs["result"]],
            stats=FlowStats.from_dict(json.loads(attrs["stats"])),
        )

    def write(self, path: str | Path) -> Path:
        """Write a ParaView series: ``.pvd`` index with one ``.vti`` (grids) or ``.vtu`` (points) per time.

        Point data are the residual and what the network has learned, ``N_t - N_0``, of every channel.

        Raises
        ------
        FileExistsError
            If the series exists.
        ValueError
            If the data have more than three dimensions.
        """
        from fefreq.output.image_data import ImageGrid
        from fefreq.output.paraview import SeriesWriter, vertices

        if self.model.dim > 3:
            raise ValueError(f"ParaView shows up to 3 dimensions, not {self.model.dim}: use to_xarray")
        grid = self.target.grid
        path = Path(path)
        with SeriesWriter(path, vertices(self.target.points) if grid is None else ImageGrid(grid)) as writer:
            for time, values in zip(self.times, self.values, strict=True):
                fields = {"residual": values, "learned": self.target.values - values}
                arrays = {
                    name if column.ndim == 1 else f"{name}_{i}": part
                    for name, column in fields.items()
                    for i, part in enumerate(column.reshape(len(column), -1).T)
                }
                writer.write(float(time), arrays)
        return path


def _read_dynamics(attrs: dict[str, Any]) -> Dynamics:
    if "dynamics" in attrs:
        from fefreq.dynamics.storage import dynamics_from_json

        return dynamics_from_json(attrs["dynamics"])
    learning_rate = json.loads(attrs["learning_rate"])  # the same files
    return GradientFlow() if learning_rate is None else GradientDescent(learning_rate)


def require_inside(points: FloatArray, target: Target) -> None:
    """Insist that points lie within the bounds of the data.

    The bounds of a grid are those of its cells, the bounds of scattered points are 5 % wider than the points.

    Raises
    ------
    ValueError
        If some do not.
    """
    grid = target.grid
    margin = MARGIN * np.ptp(target.points, axis=0) if grid is None else 0.5 * grid.spacing
    lower, upper = target.points.min(axis=0) - margin, target.points.max(axis=0) + margin
    slack = 1e-12 * (upper - lower)
    outside = np.any((points < lower - slack) | (points > upper + slack), axis=1)
    if np.any(outside):
        bounds = [(float(f"{a:.6g}"), float(f"{b:.6g}")) for a, b in zip(lower, upper, strict=True)]
        raise ValueError(
            f"{np.count_nonzero(outside)} of {len(points)} points lie outside the bounds {bounds} of the data, the "
            f"first at {points[np.argmax(outside)].tolist()}: drop them, or pass extrapolate=True if that is meant"
        )
