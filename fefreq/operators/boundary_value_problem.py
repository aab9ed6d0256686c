r"""Boundary value problems: ``ℒu = g`` inside, conditions around, and the loss that a network is trained on.

.. math::

    \tfrac12 \sum_i w_i \, (g_i - ℒN(x_i))^2
        + \sum_j \tfrac12 λ_j \, \frac{1}{n_j} \sum_k (b_{jk} - ℬ_jN(y_{jk}))^2

The weights ``w_i`` are the quadrature weights of the source, on a grid the volume of its cells. Every point of the sums
is a *row*: an operator, or a sum of operators, at a point. The rows of the equation come first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from fefreq.operators.condition import Condition, Term
from fefreq.operators.differential_operator import DifferentialOperator
from fefreq.operators.null_space import annihilated
from fefreq.operators.plane_waves import PlaneWaves
from fefreq.support.arrays import FloatArray, real_array
from fefreq.targets.target import Bounds, Grid, Target

Function = Callable[[FloatArray], ArrayLike]

HIGHEST_ORDER = 8
MARGIN = 0.25  # of the box of scattered points, within which conditions may lie
EQUATION = "equation"


@dataclass(frozen=True, eq=False)
class BoundaryValueProblem:
    """A linear differential equation with conditions.

    Parameters
    ----------
    operator : DifferentialOperator
        The ``ℒ`` of the equation, of order 8 at most.
    source : Target
        The right-hand side ``g`` at points, on a grid or scattered, with quadrature weights.
    conditions : sequence of Condition
    bounds : sequence of (lower, upper), optional
        The domain; by default the box of the grid, or that of scattered points with a margin.
    solution : callable, optional
        The solution ``u``, if it is known: maps points ``(n, d)`` to ``(n,)``.

    Raises
    ------
    TypeError
        If an argument is something else.
    ValueError
        If dimensions differ, an order is above 8, points lie outside the domain or have no weight, the source has
        channels, or there are no conditions although the operator annihilates some functions.

    Examples
    --------
    >>> import fefreq
    >>> waves = fefreq.Target.from_function(lambda x: np.sin(5 * x[:, 0]), [(-1, 1)], 64)
    >>> problem = BoundaryValueProblem(fefreq.laplacian(1), waves, [Condition([-1.0, 1.0], 0.0, weight=100.0)])
    >>> print(problem)
    ∂x² u = g at 64 points, condition at 2 points with weight 100
    """

    operator: DifferentialOperator
    source: Target
    conditions: Sequence[Condition] = ()
    bounds: Bounds | None = None
    solution: Function | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.operator, DifferentialOperator):
            raise TypeError(f"operator must be a fefreq.DifferentialOperator, not {self.operator!r}")
        if not isinstance(self.source, Target):
            raise TypeError(
                f"source must be a fefreq.Target of the right-hand side at points, not {self.source!r}"
            )
        if isinstance(self.conditions, Condition):
            raise TypeError("conditions must be a sequence: put the condition in brackets")
        object.__setattr__(self, "conditions", tuple(self.conditions))
        for condition in self.conditions:
            if not isinstance(condition, Condition):
                raise TypeError(f"conditions must be fefreq.Condition, not {condition!r}")
        if not self.operator.coefficients:
            raise ValueError("the operator is zero, so there is no equation")
        if self.source.channels is not None:
            raise ValueError(
                "the source has channels, but systems of equations are not supported: give values (n,)"
            )
        if np.any(self.source.weights == 0):
            raise ValueError(
                "points of the source without weight do not count in the equation: leave them out"
            )
        self._require_dimension()
        self._require_orders()
        self._require_inside()
        functions = annihilated(self.operator)
        if not self.conditions and functions is not None:
            raise ValueError(
                f"the equation {self.operator} = g leaves {functions} undetermined, since the operator annihilates "
                "them: add conditions that fix them"
            )

    @classmethod
    def from_solution(
        cls,
        u: PlaneWaves | Function,
        operator: DifferentialOperator,
        bounds: Bounds,
        shape: int | Sequence[int],
        *,
        source: Function | None = None,
        conditions: Sequence[Condition] | None = None,
        weight: float = 1.0,
    ) -> BoundaryValueProblem:
        """A problem whose solution is known, on a grid of cell centres in a box.

        Parameters
        ----------
        u : PlaneWaves or callable
            The solution; operators act exactly on plane waves.
        operator : DifferentialOperator
        bounds : sequence of (lower, upper)
        shape : int or sequence of int
            Cells along every axis, or along each; faces have as many points.
        source : callable, optional
            ``ℒu`` as a function of points; needed unless ``u`` consists of plane waves.
        conditions : sequence of Condition, optional
            By default the values of ``u`` on all faces.
        weight : float
            Of these default conditions.

        Raises
        ------
        TypeError, ValueError
            If the source is neither given nor follows from plane waves, is not finite, or the arguments do not fit.

        Examples
        --------
        >>> import fefreq
        >>> u = PlaneWaves.sine([0.5, 0.0]) * PlaneWaves.sine([0.0, 2.0])
        >>> problem = BoundaryValueProblem.from_solution(u, fefreq.helmholtz(1.0, 2), [(-1, 1)] * 2, 22)
        >>> len(problem.source.points), len(problem.conditions[0].points)
        (484, 88)
        """
        if source is None:
            if not isinstance(u, PlaneWaves):
                raise TypeError("the source of a solution that is no PlaneWaves must be given: pass source=")
            source = u.apply(operator)
        counts = (shape,) * len(bounds) if isinstance(shape, (int, np.integer)) else tuple(shape)
        grid = Grid.over(bounds, counts)
        points = grid.points
        values = np.asarray(source(points), dtype=np.float64)
        if not np.all(np.isfinite(values)):
            bad = ~np.isfinite(values).reshape(len(points), -1).all(axis=1)
            raise ValueError(
                f"the source is NaN or infinite at {np.count_nonzero(bad)} of {len(points)} points, the first at "
                f"{points[np.argmax(bad)].tolist()}: give a source that is finite there, or scattered points without it"
            )
        if conditions is None:
            conditions = [Condition.on_faces(u, bounds, counts, weight=weight)]
        data = Target.from_grid(values.reshape(*counts, *values.shape[1:]), bounds)
        return cls(operator, data, conditions, bounds, u)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.operator.dim

    @property
    def order(self) -> int:
        """Highest order of a derivative in equation and conditions."""
        return max([self.operator.order, *(condition.order for condition in self.conditions)])

    @cached_property
    def parts(self) -> dict[str, slice]:
        """Rows of the equation and of every condition, by name; repeated names are numbered."""
        names, first, parts = (
            [EQUATION],
            len(self.source.points),
            {EQUATION: slice(0, len(self.source.points))},
        )
        for condition in self.conditions:
            name, count = condition.name, 2
            while name in names:
                name, count = f"{condition.name} {count}", count + 1
            names.append(name)
            parts[name] = slice(first, first + len(condition.points))
            first += len(condition.points)
        return parts

    @cached_property
    def values(self) -> FloatArray:
        """What every row asks for, shape ``(r,)``."""
        return np.concatenate([self.source.values, *(condition.values for condition in self.conditions)])

    @cached_property
    def weights(self) -> FloatArray:
        """Weight of every row in the loss, shape ``(r,)``."""
        shares = [np.full(len(c.points), c.weight / len(c.points)) for c in self.conditions]
        return np.concatenate([self.source.weights, *shares])

    def terms(self) -> list[tuple[slice, Term]]:
        """Operators at points whose sum every row is, with their rows; the equation first."""
        ones = np.ones(len(self.source.points))
        found = [(self.parts[EQUATION], Term(self.operator, self.source.points, ones))]
        for rows, condition in zip(list(self.parts.values())[1:], self.conditions, strict=True):
            found += [(rows, term) for term in condition.terms()]
        return found

    @cached_property
    def box(self) -> FloatArray:
        """The domain as ``(d, 2)``: its bounds, or those of all points."""
        if self.bounds is not None:
            return real_array(np.asarray(self.bounds), "bounds")
        lower, upper = self._source_box()
        everywhere = np.concatenate([[lower, upper], *(term.points for _, term in self.terms())])
        return np.stack([everywhere.min(axis=0), everywhere.max(axis=0)], axis=1)

    def __str__(self) -> str:
        conditions = [
            f"{name} at {len(c.points)} points with weight {c.weight:g}"
            for name, c in zip(list(self.parts)[1:], self.conditions, strict=True)
        ]
        return ", ".join([f"{self.operator} = g at {len(self.source.points)} points", *conditions])

    def _source_box(self) -> tuple[FloatArray, FloatArray]:
        points, grid = self.source.points, self.source.grid
        margin = 0.0 if grid is None else 0.5 * grid.spacing
        return points.min(axis=0) - margin, points.max(axis=0) + margin

    def _require_dimension(self) -> None:
        for what, dim in [
            ("source", self.source.dim),
            *((f"condition {c.name!r}", c.dim) for c in self.conditions),
        ]:
            if dim != self.operator.dim:
                raise ValueError(
                    f"the operator has {self.operator.dim} coordinates but the points of the {what} have {dim}: "
                    f"build the operator from derivatives({dim}), or give points of its dimension"
                )
        if self.bounds is not None:
            Grid.over(self.bounds, (2,) * self.operator.dim)

    def _require_orders(self) -> None:
        for what, order in [
            ("operator", self.operator.order),
            *((f"condition {c.name!r}", c.order) for c in self.conditions),
        ]:
            if order > HIGHEST_ORDER:
                raise ValueError(
                    f"the {what} is of order {order}, but kernels lose all digits above order {HIGHEST_ORDER}: "
                    "write the equation with lower orders"
                )

    def _require_inside(self) -> None:
        """Insist that all points lie in the domain."""
        if self.bounds is not None:
            box = self.box
            lower, upper = box[:, 0], box[:, 1]
        else:
            lower, upper = self._source_box()
            if self.source.grid is None:
                margin = MARGIN * (upper - lower)
                lower, upper = lower - margin, upper + margin
        slack = 1e-9 * (upper - lower) + 1e-300
        named = [(EQUATION, self.source.points)]
        for condition in self.conditions:
            named += [(condition.name, term.points) for term in condition.terms()]
        for name, points in named:
            outside = np.any((points < lower - slack) | (points > upper + slack), axis=1)
            if np.any(outside):
                bounds = [(float(f"{a:.6g}"), float(f"{b:.6g}")) for a, b in zip(lower, upper, strict=True)]
                raise ValueError(
                    f"{np.count_nonzero(outside)} of {len(points)} points of {name!r} lie outside the domain {bounds}, "
                    f"the first at {points[np.argmax(outside)].tolist()}: move them, or give bounds that contain them"
                )
