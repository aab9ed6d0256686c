"""Solutions of boundary value problems by wide networks: residuals of all rows, and the network itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fefreq.dynamics import Dynamics
from fefreq.dynamics.base import Counts
from fefreq.fields.residuals import Residuals
from fefreq.fields.times import along_time
from fefreq.kernel.row_products import make_row_products
from fefreq.kernel.statistics import FlowStats
from fefreq.models import Model
from fefreq.operators import BoundaryValueProblem, DifferentialOperator
from fefreq.propagation.propagator import Result
from fefreq.support.arrays import FloatArray, as_points, real_array
from fefreq.support.memory import usable_memory

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class ProblemSolution(Residuals):
    """The residual of an equation at its points, those of its conditions, and through them the network everywhere.

    As an error field it is the residual of the equation: ``at(frequencies)`` is its spectrum.

    Attributes
    ----------
    target : Target
        The source.
    times : ndarray, shape (T,)
    members : ndarray, shape (1, T, n)
        Residual of the equation, :attr:`values`, of the one member of this ensemble.
    conditions : ndarray, shape (T, m)
        Residuals of all conditions, in their order.
    integrals : ndarray, shape (T, n + m)
        Accumulated residuals of all rows.
    model : Model
    problem : BoundaryValueProblem
    dynamics : Dynamics
        The optimiser.
    steps : ndarray of int, shape (T,), or None
        Numbers of its steps until each time; None for gradient flow.
    result : Result
    stats : FlowStats
        Its points are all rows.
    """

    conditions: FloatArray = field(metadata=along_time())
    integrals: FloatArray = field(metadata=along_time())
    model: Model
    problem: BoundaryValueProblem
    dynamics: Dynamics
    steps: Counts | None = field(metadata=along_time())
    result: Result
    stats: FlowStats = field(metadata=along_time())

    @property
    def losses(self) -> dict[str, FloatArray]:
        """Loss of the equation and of every condition, their weights included, each of shape ``(T,)``."""
        rows = np.concatenate([self.values, self.conditions], axis=1)
        return {
            name: 0.5 * rows[:, part] ** 2 @ self.problem.weights[part]
            for name, part in self.problem.parts.items()
        }

    @cached_property
    def loss(self) -> FloatArray:
        """Sum of all losses, shape ``(T,)``; never increases."""
        return np.asarray(np.sum(list(self.losses.values()), axis=0))

    def predict(
        self, points: ArrayLike, operator: DifferentialOperator | None = None, extrapolate: bool = False
    ) -> FloatArray:
        """The solution that the network stands for, minus the network before training.

        Parameters
        ----------
        points : array_like, shape (p, d)
        operator : DifferentialOperator, optional
            What acts on the network, for its derivatives.
        extrapolate : bool
            Whether points outside the domain are meant.

        Returns
        -------
        ndarray, shape (T, p)

        Raises
        ------
        ValueError
            If points lie outside the domain and ``extrapolate`` is false.
        """
        at = as_points(points, self.problem.dim)
        acting = DifferentialOperator.identity(self.problem.dim) if operator is None else operator
        if acting.dim != self.problem.dim:
            raise ValueError(f"the operator has {acting.dim} coordinates, but the problem {self.problem.dim}")
        if len(at) == 0:
            return np.zeros((len(self.times), 0))
        box = self.problem.box
        slack = 1e-9 * (box[:, 1] - box[:, 0])
        outside = np.any((at < box[:, 0] - slack) | (at > box[:, 1] + slack), axis=1)
        if np.any(outside) and not extrapolate:
            raise ValueError(
                f"{np.count_nonzero(outside)} of {len(at)} points lie outside the domain {box.tolist()}, the first at "
                f"{at[np.argmax(outside)].tolist()}: drop them, or pass extrapolate=True if that is meant"
            )
        widest = np.stack(
            [np.minimum(box[:, 0], at.min(axis=0)), np.maximum(box[:, 1], at.max(axis=0))], axis=1
        )
        products = make_row_products(self.model, self.problem, widest, usable_memory(), acting=acting)
        return products.at(at, acting, self.integrals * self.problem.weights)

    def solution_error(
        self,
        reference: Callable[[FloatArray], ArrayLike] | ArrayLike | None = None,
        points: ArrayLike | None = None,
    ) -> FloatArray:
        """Error of the solution at all times, ``‖u_t - u‖ / ‖u‖``, shape ``(T,)``.

        Parameters
        ----------
        reference : callable or array_like, shape (p,), optional
            The solution as a function of points, or its values; by default that of the problem.
        points : array_like, shape (p, d), optional
            Where to compare, all with the same weight; by default the points of the source with their weights.

        Raises
        ------
        ValueError
            If no reference is known, it is zero, or of another shape than the points.
        """
        u = self.problem.solution if reference is None else reference
        if u is None:
            raise ValueError(
                "the solution of this problem is not known: give a reference, a function or values"
            )
        at = self.problem.source.points if points is None else as_points(points, self.problem.dim)
        weights = self.problem.source.weights if points is None else np.ones(len(at))
        exact = real_array(u(at) if callable(u) else u, "the reference")
        if exact.shape != (len(at),):
            raise ValueError(
                f"the reference has shape {exact.shape}; {len(at)} points need ({len(at)},): give a function, or its "
                "values at these points"
            )
        size = float(weights @ exact**2)
        if size == 0.0:
            raise ValueError("the reference is zero at all points, so that no error is relative to it")
        return np.sqrt((self.predict(at) - exact) ** 2 @ weights / size)

    def to_xarray(self, frequencies: ArrayLike | None = None) -> xr.Dataset:
        """A labelled dataset: residual or spectrum as of every error field, and ``loss`` of every term.

        Parameters
        ----------
        frequencies : array_like, shape (F, d), optional
        """
        dataset = super().to_xarray(frequencies)
        losses = self.losses
        dataset = dataset.assign_coords(term=list(losses))
        dataset["loss"] = (
            ("term", "time"),
            np.stack(list(losses.values())),
            {"long_name": "loss of every term"},
        )
        dataset["error_estimate"] = ("time", self.stats.error_estimate)
        dataset.attrs.update(
            result=self.result.value, method=self.stats.method, equation=f"{self.problem.operator} = g"
        )
        return dataset
