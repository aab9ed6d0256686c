r"""Conditions: what a solution satisfies besides its equation, at the boundary, at the start, or anywhere else.

A condition asks at each of its points ``x_j`` for

.. math:: (ℬu)(x_j) + n_j·∇u(x_j) \;[\, - \text{the same at the partner } x_j' \,] = b_j

and its part of the loss is ``½ λ`` times the mean of the squared residual over its points. That covers values
(Dirichlet), normal derivatives (Neumann), both (Robin), the start of an evolution, and periodicity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from fefreq.operators.differential_operator import DifferentialOperator, derivatives
from fefreq.support.arrays import FloatArray, as_points, read_only, real_array
from fefreq.targets.target import Bounds, Grid

Function = Callable[[FloatArray], ArrayLike]
Face = tuple[int, Literal["lower", "upper"]]


class Term(NamedTuple):
    """A summand of rows: ``coefficients_j (operator u)(points_j)``.

    Attributes
    ----------
    operator : DifferentialOperator
    points : ndarray, shape (n, d)
    coefficients : ndarray, shape (n,)
    """

    operator: DifferentialOperator
    points: FloatArray
    coefficients: FloatArray


@dataclass(frozen=True, eq=False, init=False)
class Condition:
    """A linear condition on the solution at points.

    Parameters
    ----------
    points : array_like, shape (n, d)
        Where it holds.
    values : array_like, shape (n,), or float
        What it asks for there.
    operator : DifferentialOperator or float, optional
        What acts on the solution; a number is a multiple of the value. By default the value itself, or with
        ``normals`` nothing.
    normals : array_like, shape (n, d), optional
        Vectors ``n_j``; the derivative along them is added: unit normals for Neumann conditions, times a factor for
        the derivative in Robin conditions.
    partners : array_like, shape (n, d), optional
        Points whose value is subtracted, for periodic conditions.
    weight : float
        Factor ``λ > 0`` of this part of the loss.
    name : str
        Under which losses are reported.

    Raises
    ------
    TypeError, ValueError
        If shapes do not fit together, entries are not finite, the weight is not positive, or operator and points differ
        in dimension.

    Examples
    --------
    >>> ends = Condition([-1.0, 1.0], 0.0, weight=100.0)
    >>> flow = Condition([-1.0, 1.0], [0.0, 2.0], normals=[-1.0, 1.0], name="flow")
    >>> mixed = Condition([1.0], 0.5, operator=2.0, normals=[1.0])  # 2 u + u' = ½
    >>> len(ends.points), len(mixed.terms())
    (2, 2)
    """

    points: FloatArray
    values: FloatArray
    operator: DifferentialOperator | None
    normals: FloatArray | None
    partners: FloatArray | None
    weight: float
    name: str

    def __init__(
        self,
        points: ArrayLike,
        values: ArrayLike,
        operator: DifferentialOperator | float | None = None,
        *,
        normals: ArrayLike | None = None,
        partners: ArrayLike | None = None,
        weight: float = 1.0,
        name: str = "condition",
    ) -> None:
        array = np.asarray(points)
        dim = 1 if array.ndim < 2 else array.shape[1]
        places = as_points(points, dim, "points of the condition")
        if len(places) == 0:
            raise ValueError("the condition has no points: give at least one, or leave it out")
        asked = real_array(values, "values of the condition")
        if np.ndim(values) == 0:
            asked = np.full(len(places), float(asked[0]))
        if asked.shape != (len(places),):
            raise ValueError(
                f"values of the condition have shape {asked.shape}; {len(places)} points need ({len(places)},) or one "
                "number"
            )
        if isinstance(weight, bool) or not isinstance(weight, (int, float, np.integer, np.floating)):
            raise TypeError(f"the weight of a condition is a number, not {weight!r}")
        if not (np.isfinite(weight) and weight > 0):
            raise ValueError(
                f"the weight of a condition must be positive and finite, not {weight}: leave the condition out if it "
                "does not count"
            )
        acting = _acting(operator, dim, given=normals is not None)
        companions = {
            "normals": None if normals is None else as_points(normals, dim, "normals"),
            "partners": None if partners is None else as_points(partners, dim, "partners"),
        }
        for kind, companion in companions.items():
            if companion is not None and len(companion) != len(places):
                raise ValueError(
                    f"there are {len(companion)} {kind} for {len(places)} points: give one for each"
                )
        object.__setattr__(self, "points", read_only(places))
        object.__setattr__(self, "values", read_only(asked))
        object.__setattr__(self, "operator", acting)
        for kind, companion in companions.items():
            object.__setattr__(self, kind, None if companion is None else read_only(companion))
        object.__setattr__(self, "weight", float(weight))
        object.__setattr__(self, "name", str(name))

    @classmethod
    def on_faces(
        cls,
        function: Function | float,
        bounds: Bounds,
        count: int | Sequence[int],
        *,
        faces: Sequence[Face] | None = None,
        operator: DifferentialOperator | float | None = None,
        normal_derivative: float = 0.0,
        weight: float = 1.0,
        name: str = "boundary",
    ) -> Condition:
        """A condition on faces of a box.

        Parameters
        ----------
        function : callable or float
            Maps points ``(n, d)`` to what is asked for, ``(n,)``; or one number for all.
        bounds : sequence of (lower, upper)
        count : int or sequence of int
            Points along every axis, or along each: the centres of as many cells of a face.
        faces : sequence of (axis, "lower" or "upper"), optional
            By default all.
        operator : DifferentialOperator or float, optional
        normal_derivative : float
            Factor of the derivative along the outward normal; 1 for Neumann conditions.
        weight : float
        name : str

        Examples
        --------
        >>> square = [(-1, 1), (-1, 1)]
        >>> Condition.on_faces(0.0, square, 16).points.shape
        (64, 2)
        """
        box = _box(bounds)
        chosen = (
            [(axis, side) for axis in range(len(box)) for side in ("lower", "upper")]
            if faces is None
            else faces
        )
        pieces, outward = [], []
        for axis, side in chosen:
            if axis not in range(len(box)) or side not in ("lower", "upper"):
                raise ValueError(
                    f"a face is an axis from 0 to {len(box) - 1} and 'lower' or 'upper', not {(axis, side)}"
                )
            pieces.append(_face(box, axis, side, count))
            outward.append(
                np.tile((1.0 if side == "upper" else -1.0) * np.eye(len(box))[axis], (len(pieces[-1]), 1))
            )
        if not pieces:
            raise ValueError("there are no faces: name at least one, or leave the condition out")
        points = np.concatenate(pieces)
        normals = normal_derivative * np.concatenate(outward) if normal_derivative != 0 else None
        return cls(points, _sampled(function, points), operator, normals=normals, weight=weight, name=name)

    @classmethod
    def initial(
        cls,
        function: Function | float,
        bounds: Bounds,
        count: int | Sequence[int],
        *,
        order: int = 0,
        weight: float = 1.0,
        name: str = "start",
    ) -> Condition:
        """The solution, or its derivative in time of an order, at the lower end of the last coordinate, time.

        >>> Condition.initial(lambda x: np.sin(x[:, 0]), [(0, 1), (0, 2)], 8).points.shape
        (8, 2)
        """
        dim = len(_box(bounds))
        operator = derivatives(dim)[-1] ** order if order else None
        return cls.on_faces(
            function, bounds, count, faces=[(dim - 1, "lower")], operator=operator, weight=weight, name=name
        )

    @classmethod
    def periodic(
        cls,
        bounds: Bounds,
        axis: int,
        count: int | Sequence[int],
        *,
        operator: DifferentialOperator | float | None = None,
        weight: float = 1.0,
        name: str = "periodic",
    ) -> Condition:
        """The same on both faces across an axis: values, or what an operator makes of them.

        >>> Condition.periodic([(0, 1), (0, 2)], axis=0, count=8).values.shape
        (8,)
        """
        box = _box(bounds)
        if axis not in range(len(box)):
            raise ValueError(f"axis must be from 0 to {len(box) - 1}, not {axis}")
        lower, upper = (_face(box, axis, side, count) for side in ("lower", "upper"))
        return cls(lower, 0.0, operator, partners=upper, weight=weight, name=name)

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return int(self.points.shape[1])

    @property
    def order(self) -> int:
        """Highest order of a derivative."""
        return max(term.operator.order for term in self.terms())

    def terms(self) -> list[Term]:
        """The rows as sums of operators at points."""
        ones = np.ones(len(self.points))
        parts = [] if self.operator is None else [(self.operator, ones)]
        if self.normals is not None:
            parts += [
                (partial, along)
                for partial, along in zip(derivatives(self.dim), self.normals.T, strict=True)
                if np.any(along != 0)
            ]
        terms = [Term(operator, self.points, factor) for operator, factor in parts]
        if self.partners is not None:
            terms += [Term(operator, self.partners, -factor) for operator, factor in parts]
        return terms


def _acting(operator: object, dim: int, given: bool) -> DifferentialOperator | None:
    """The operator of a condition; None if only the normal derivative acts."""
    if operator is None:
        return None if given else DifferentialOperator.identity(dim)
    if not isinstance(operator, DifferentialOperator):
        operator = DifferentialOperator({(0,) * dim: operator})  # type: ignore[dict-item]
    if operator.dim != dim:
        raise ValueError(
            f"the operator of the condition has {operator.dim} coordinates, but its points have {dim}"
        )
    if not operator.coefficients:
        raise ValueError(
            "the operator of the condition is zero, so it asks for nothing: leave the condition out"
        )
    return operator


def _box(bounds: Bounds) -> FloatArray:
    """Bounds as an array ``(d, 2)``; what a grid refuses is refused here."""
    Grid.over(bounds, (2,) * len(bounds))
    return np.asarray(bounds, dtype=np.float64)


def _face(box: FloatArray, axis: int, side: str, count: int | Sequence[int]) -> FloatArray:
    counts = [count] * len(box) if isinstance(count, (int, np.integer)) else list(count)
    if len(counts) != len(box) or any(n < 1 for n in counts):
        raise ValueError(
            f"count is {count}: give a positive number of points, or one for each of the {len(box)} axes"
        )
    axes = [low + (high - low) / n * (np.arange(n) + 0.5) for (low, high), n in zip(box, counts, strict=True)]
    axes[axis] = box[axis, :1] if side == "lower" else box[axis, 1:]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(box))


def _sampled(function: Function | float, points: FloatArray) -> ArrayLike:
    return function(points) if callable(function) else function
