r"""Products with the kernel between rows of a problem: operators at points.

Rows are features with symbols, ``φ_k(x) = p(ξ_k) e^{2πi ξ_k·(x-c)}`` at the modes ``ξ_k = k/P`` of the series of the
kernel, so that a product is ``Φ diag(c) Φ* v``: a transform from the points of every operator to the modes, the
conjugate of its symbol, the coefficients, its symbol, and a transform back. Where frequencies are trained the kernel
has a factor ``x·y``, and

.. math:: ℒ [ x_a e^{2πi ξ·x} ] = \left( x_a \, p(ξ) + \frac{1}{2πi} \frac{∂p}{∂ξ_a}(ξ) \right) e^{2πi ξ·x}

gives another ``d`` features of each row.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from fefreq.kernel.row_series import RowSeries, make_series
from fefreq.kernel.row_transforms import GridTransform, ScatteredTransform, Transform
from fefreq.models import Model
from fefreq.operators import BoundaryValueProblem, DifferentialOperator
from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.targets.target import Grid

SMALLEST_EPS = 1e-14


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows that share an operator: ``coefficients_j (operator u)(points_j)`` is added to ``u`` of row ``places_j``.

    Attributes
    ----------
    operator : DifferentialOperator
    points : ndarray, shape (n, d)
    places : ndarray of int, shape (n,)
    coefficients : ndarray, shape (n,)
    grid : Grid or None
        That the points are, in its order.
    """

    operator: DifferentialOperator
    points: FloatArray
    places: np.ndarray
    coefficients: FloatArray
    grid: Grid | None = None


def rows_of(problem: BoundaryValueProblem, use_grid: bool) -> list[Rows]:
    """The rows of a problem by their operator; an equation on a grid stays by itself."""
    found: list[Rows] = []
    merged: dict[DifferentialOperator, list[Rows]] = {}
    for place, term in problem.terms():
        rows = Rows(term.operator, term.points, np.arange(place.start, place.stop), term.coefficients)
        merged.setdefault(term.operator, []).append(rows)
    grid = problem.source.grid
    if grid is not None and use_grid:
        first = merged[problem.operator].pop(0)
        found.append(Rows(first.operator, first.points, first.places, first.coefficients, grid))
    for operator, pieces in merged.items():
        if pieces:
            found.append(
                Rows(
                    operator,
                    np.concatenate([rows.points for rows in pieces]),
                    np.concatenate([rows.places for rows in pieces]),
                    np.concatenate([rows.coefficients for rows in pieces]),
                )
            )
    return found


class RowProducts:
    """Products between rows, and from rows to points.

    Parameters
    ----------
    rows : list of Rows
    series : RowSeries
    eps : float
        Error of non-uniform transforms.

    Attributes
    ----------
    method : str
        How products are computed, in words.
    workspace : int
        Bytes that they take.
    """

    def __init__(self, rows: list[Rows], series: RowSeries, eps: float = SMALLEST_EPS) -> None:
        self._series = series
        self.count = 1 + max(int(group.places.max()) for group in rows)
        self._groups = [_Group(group, series, eps) for group in rows]
        dim, modes = len(series.modes), prod(series.modes)
        columns = 1 + (dim if series.linear else 0)
        self.workspace = 16 * modes * columns * (len(rows) + 4 + 2**dim)
        ways = {("FFT" if group.grid is not None else "non-uniform FFT") for group in rows}
        self.method = (
            f"products by {' and '.join(sorted(ways))} with {' × '.join(map(str, series.modes))} modes"
        )

    def apply(self, v: FloatArray) -> FloatArray:
        """The kernel between the rows, times a vector ``(r,)``."""
        weighted = self._weighted(self._moments(v))
        result = np.zeros(self.count)
        for group in self._groups:
            group.add(weighted, result)
        return result

    def at(self, points: FloatArray, operator: DifferentialOperator, columns: FloatArray) -> FloatArray:
        """The kernel between an operator at points and the rows, times columns ``(c, r)``; shape ``(c, p)``."""
        here = Rows(operator, points, np.arange(len(points)), np.ones(len(points)))
        group = _Group(here, self._series, SMALLEST_EPS)
        result = np.zeros((len(columns), len(points)))
        for column, out in zip(columns, result, strict=True):
            group.add(self._weighted(self._moments(column)), out)
        return result

    def _moments(self, v: FloatArray) -> ComplexArray:
        """``Φ* v``, with the features of trained frequencies behind the plain ones."""
        total = self._groups[0].moments(v)
        for group in self._groups[1:]:
            total += group.moments(v)
        return total

    def _weighted(self, moments: ComplexArray) -> ComplexArray:
        result = np.zeros_like(moments)
        for reflected, series in self._series.parts:
            seen = moments.conj() if reflected else moments
            result[0] += series[0] * seen[0]
            if len(series) == 2:
                result[1:] += series[1] * seen[1:]
        return result


class _Group:
    """Rows of one operator with its symbol at the modes."""

    def __init__(self, rows: Rows, series: RowSeries, eps: float) -> None:
        self._rows, self._linear = rows, series.linear
        dim = len(series.modes)
        columns = 1 + (dim if series.linear else 0)
        self._transform: Transform = (
            ScatteredTransform(rows.points, series, columns, max(eps, SMALLEST_EPS))
            if rows.grid is None
            else GridTransform(rows.grid, series)
        )
        xi = series.frequencies
        self._symbol = rows.operator.symbol(xi).reshape(series.modes)
        if series.linear:
            slopes = rows.operator.symbol_gradient(xi) / (2j * np.pi)
            self._slopes = np.ascontiguousarray(slopes.T).reshape(dim, *series.modes)

    def moments(self, v: FloatArray) -> ComplexArray:
        rows = self._rows
        plain = rows.coefficients * v[rows.places]
        columns = np.vstack([plain, rows.points.T * plain]) if self._linear else plain[None]
        sums = self._transform.to_modes(columns)
        result = self._symbol.conj() * sums
        if self._linear:
            result[1:] += self._slopes.conj() * sums[0]
        return result

    def add(self, weighted: ComplexArray, result: FloatArray) -> None:
        """Add what the rows have of weighted moments."""
        rows = self._rows
        columns = self._symbol * weighted
        if self._linear:
            columns[0] += np.sum(self._slopes * weighted[1:], axis=0)
        values = self._transform.to_points(columns)
        total = values[0]
        if self._linear:
            total = total + np.einsum("nd,dn->n", rows.points, values[1:])
        np.add.at(result, rows.places, rows.coefficients * total)


def make_row_products(
    model: Model,
    problem: BoundaryValueProblem,
    box: FloatArray,
    max_bytes: float,
    eps: float = SMALLEST_EPS,
    use_grid: bool = True,
    stretch: float = 1.0,
    acting: DifferentialOperator | None = None,
) -> RowProducts:
    """Products of a model on the rows of a problem, for points in a box, at which another operator may act.

    Raises
    ------
    ValueError
        If the dimension is above 3, or the kernel has no series that resolves it.
    """
    if problem.dim > 3:
        raise ValueError(f"equations are solved in up to 3 dimensions, time included, not {problem.dim}")
    rows = rows_of(problem, use_grid)
    grid = problem.source.grid if use_grid else None
    operators = [
        *dict.fromkeys([*(group.operator for group in rows), DifferentialOperator.identity(problem.dim)])
    ]
    series = make_series(model, box, operators, max_bytes, None if grid is None else grid.spacing, stretch)
    return RowProducts(rows, series, eps)
