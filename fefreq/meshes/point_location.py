r"""Values of a finite-element field at arbitrary points: which cell holds each point, and where in it.

A field is :math:`u(x) = \sum_i u_i \varphi_i(x)`, so its values at fixed points are one sparse matrix times
the vector of unknowns. The matrix is built once and applied to every time, part and channel.

The points are found in three steps. A binary tree of bounding boxes over the cells is descended by all
points together, one level at a time; the boxes are halved at medians, so the depth is logarithmic however
unequal the sizes of the cells are. The few cells whose own box holds the point remain as candidates. In
each the element map :math:`x = F(\hat x)` is inverted by Newton's method, kept inside the reference cell;
the point lies in the cell when :math:`F(\hat x)` returns to it. That test is made in space and not in the
reference cell, so that its tolerance (1e-12 of the size of the cell and the rounding of the coordinates)
means the same in a stretched cell. Cells that are all thin in one oblique direction would have boxes much
larger than themselves: such meshes are turned to their principal axes first. On a line the intervals are
sorted instead.

>>> import numpy as np, skfem
>>> mesh = skfem.MeshTri().refined(3)
>>> basis = skfem.Basis(mesh, skfem.ElementTriP2())
>>> field = basis.project(lambda x: x[0] * x[1])
>>> np.allclose(probe_matrix(basis, [[0.3, 0.7], [0.5, 0.5]]) @ field, [0.21, 0.25])
True
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.meshes.box_tree import BoxTree, IndexArray, principal_axes
from fefreq.meshes.element_maps import into_cell, map_points, solve_columns
from fefreq.meshes.shape_values import shape_values, vertex_element
from fefreq.support.arrays import FloatArray, as_points

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Basis, Mesh

_RELATIVE = 1e-12  # of the extent of a cell
_ROUNDING = 32 * np.finfo(np.float64).eps  # of a coordinate: the map sums up to 27 products
_NEWTON_STEPS = 50


class Locator:
    """Finds the cells of one mesh that hold given points; build it once for repeated questions.

    Parameters
    ----------
    mesh : skfem.Mesh
        Lines, triangles, quadrilaterals, tetrahedra or hexahedra, straight or of second order.

    Raises
    ------
    TypeError
        If the cells are of another shape.
    """

    def __init__(self, mesh: Mesh) -> None:
        shape = mesh.refdom.__name__
        if shape not in ("RefLine", "RefTri", "RefQuad", "RefTet", "RefHex"):
            raise TypeError(
                f"points cannot be located in cells of type {shape}; "
                "use a mesh of lines, triangles, quadrilaterals, tetrahedra or hexahedra"
            )
        self.mesh = mesh
        self.dim = int(mesh.dim())
        self._simplex = shape in ("RefTri", "RefTet")
        self._element = mesh.elem()
        self._nodes = mesh.dofs.element_dofs
        self._affine = len(self._nodes) == self.dim + 1
        # From the centre Newton's method may fail near corners of a distorted cell: then from the corners.
        corner = np.asarray(mesh.refdom.p, dtype=np.float64).T
        self._starts = [corner.mean(axis=0), *([] if self._affine else corner)]
        self._axes = principal_axes(mesh.doflocs, self._nodes)
        self._places = self._axes @ mesh.doflocs
        corners = self._places[:, self._nodes]
        lower, upper = corners.min(axis=1), corners.max(axis=1)
        bulge = self._bulge(corners)
        summands = np.abs(self._axes) @ np.abs(mesh.doflocs)  # turning cancels, their rounding stays
        magnitude = summands[:, self._nodes].max(axis=1)
        self._tolerance = _RELATIVE * (upper - lower) + _ROUNDING * magnitude
        self._lower = lower - bulge - self._tolerance
        self._upper = upper + bulge + self._tolerance
        if self.dim == 1:
            self._sorted = np.argsort(self._lower[0])
        else:
            self._tree = BoxTree(self._lower, self._upper)

    def __call__(self, points: ArrayLike) -> tuple[IndexArray, FloatArray]:
        """Find the cell of every point and the point's place in it.

        Parameters
        ----------
        points : array_like
            Shape ``(n, dim)``; ``(n,)`` when the mesh is one-dimensional.

        Returns
        -------
        cells : ndarray
            Shape ``(n,)``: the number of a cell that holds the point, -1 where no cell does.
        local : ndarray
            Shape ``(n, dim)``: coordinates in the reference cell, NaN where no cell holds the point.

        Raises
        ------
        ValueError
            If the points have the wrong shape or are not finite.
        """
        x = np.ascontiguousarray(self._axes @ as_points(points, self.dim).T)
        cells = np.full(x.shape[1], -1, dtype=np.intp)
        local = np.full(x.T.shape, np.nan)
        for start in self._starts:
            found_boxes = self._neighbours(x, cells) if self.dim == 1 else self._tree.candidates(x, cells)
            for which, candidates in found_boxes:
                inside, found = self._invert(x[:, which], candidates, start)
                cells[which[inside]] = candidates[inside]
                local[which[inside]] = found[inside]
        return cells, local

    def _bulge(self, corners: FloatArray) -> FloatArray:
        """Bound how far a curved cell reaches out of the box of its nodes.

        The displacement of the nodes from the straight cell is interpolated, with a Lebesgue constant of at
        most 2 for every element of second order (tetrahedra 2, hexahedra 1.25³).
        """
        vertices = self.mesh.refdom.nnodes
        if corners.shape[1] == vertices:
            return np.zeros((self.dim, corners.shape[2]))
        element = vertex_element(self.mesh)
        reference = np.asarray(self._element.doflocs).T
        weights = np.array([element.lbasis(reference, i)[0] for i in range(vertices)])
        displacement = corners - np.einsum("dvc,vn->dnc", corners[:, :vertices], weights)
        bulge: FloatArray = 2 * np.abs(displacement).max(axis=1)
        return bulge

    def _neighbours(self, x: FloatArray, cells: IndexArray) -> Iterator[tuple[IndexArray, IndexArray]]:
        """Yield the intervals that begin before and after each point of a line."""
        before = np.searchsorted(self._lower[0, self._sorted], x[0], side="right") - 1
        for shift in (0, -1):
            which = np.flatnonzero(cells < 0)
            yield which, self._sorted[np.clip(before[which] + shift, 0, None)]

    @np.errstate(divide="ignore", invalid="ignore", over="ignore")  # cells without volume hold nothing
    def _invert(
        self, x: FloatArray, cells: IndexArray, start: FloatArray
    ) -> tuple[NDArray[np.bool_], FloatArray]:
        """Solve ``F(local) = x`` in one cell for each point; say where there is a solution in the cell."""
        local = np.repeat(start[:, None], len(cells), axis=1)
        tolerance = self._tolerance[:, cells]
        inside = np.zeros(len(cells), dtype=bool)
        active = np.arange(len(cells))
        last = np.full(len(cells), np.inf)
        for _ in range(_NEWTON_STEPS):
            nodes = self._places[:, self._nodes[:, cells[active]]]
            image, jacobian = map_points(self._element, nodes, local[:, active])
            residual = x[:, active] - image
            solved = (np.abs(residual) <= tolerance[:, active]).all(axis=0)
            inside[active[solved]] = True
            solution = local[:, active] + solve_columns(jacobian, residual)
            moved = into_cell(solution, self._simplex)
            step = np.abs(moved - local[:, active]).max(axis=0)
            going = ~solved & ((step > 0.01) | (step < last[active] / 2))  # neither if not a number
            if self._affine:  # the first step is exact but for rounding
                going &= np.abs(solution - moved).max(axis=0) < 1e-3
            last[active] = step
            active = active[going]
            local[:, active] = moved[:, going]
            if len(active) == 0:
                break
        return inside, local.T


def locate(mesh: Mesh, points: ArrayLike) -> tuple[IndexArray, FloatArray]:
    """Find the cell that holds each point, and the point's coordinates in the reference cell.

    Parameters
    ----------
    mesh : skfem.Mesh
        Lines, triangles, quadrilaterals, tetrahedra or hexahedra.
    points : array_like
        Shape ``(n, dim)``; ``(n,)`` when the mesh is one-dimensional.

    Returns
    -------
    cells : ndarray
        Shape ``(n,)``; -1 where a point lies outside the mesh.
    local : ndarray
        Shape ``(n, dim)``; NaN where a point lies outside the mesh.

    Raises
    ------
    TypeError
        If the cells are of another shape.
    ValueError
        If the points have the wrong shape or are not finite.

    Examples
    --------
    >>> import skfem
    >>> locate(skfem.MeshLine([0.0, 1.0, 3.0]), [2.5, 4.0])[0]
    array([ 1, -1])
    """
    return Locator(mesh)(points)


def probe_matrix(
    basis: Basis,
    points: ArrayLike,
    outside: Literal["raise", "zero", "nan"] | float = "raise",
    locator: Locator | None = None,
) -> csr_matrix:
    """Build the matrix that takes a vector of unknowns to the values of its field at given points.

    Parameters
    ----------
    basis : skfem.Basis
        Of a scalar element.
    points : array_like
        Shape ``(n, dim)``; ``(n,)`` when the mesh is one-dimensional.
    outside : {"raise", "zero", "nan"} or float
        What the field is where there is no mesh. A matrix gives 0 (rows without entries) or NaN there, whatever
        the unknowns are, so these are the only numbers.
    locator : Locator, optional
        Of the same mesh, to be built once for several sets of points.

    Returns
    -------
    scipy.sparse.csr_matrix
        Shape ``(n, basis.N)``.

    Raises
    ------
    TypeError
        If the element is not scalar or the cells are of an unknown shape.
    ValueError
        If a point lies outside the mesh and ``outside`` is ``"raise"``, or ``outside`` is another word or number.
    """
    from scipy.sparse import csr_matrix

    empty = _row_outside(outside)
    cells, local = (locator or Locator(basis.mesh))(points)
    missing = np.flatnonzero(cells < 0)
    if len(missing) and empty is None:
        raise ValueError(_outside_message(as_points(points, local.shape[1]), missing, basis.mesh))
    known = cells >= 0
    values = shape_values(basis, cells[known], local[known])
    unknowns = basis.dofs.element_dofs[:, cells[known]].T
    count = np.where(known, unknowns.shape[1], 1 if empty == "nan" else 0)
    start = np.concatenate([[0], np.cumsum(count)])
    data = np.full(start[-1], np.nan)
    index = np.zeros(start[-1], dtype=unknowns.dtype)
    filled = np.repeat(known, count)
    data[filled], index[filled] = values.ravel(), unknowns.ravel()
    matrix = csr_matrix((data, index, start), shape=(len(cells), basis.N))
    matrix.sum_duplicates()
    return matrix


def _row_outside(outside: str | float) -> Literal["zero", "nan"] | None:
    """What the row of a point outside holds, None where it must not be."""
    if outside == "raise":
        return None
    if outside == "zero" or (not isinstance(outside, str) and outside == 0):
        return "zero"
    if outside == "nan" or (not isinstance(outside, str) and np.isnan(outside)):
        return "nan"
    raise ValueError(
        f'outside is {outside!r}; it must be "raise", "zero" or "nan", for a matrix gives no other number'
    )


def _outside_message(points: FloatArray, missing: IndexArray, mesh: Mesh) -> str:
    """Say how many points lie outside, which is the first, and what the mesh covers."""
    first = ", ".join(f"{c:.6g}" for c in points[missing[0]])
    box = " x ".join(
        f"[{low:.6g}, {high:.6g}]" for low, high in zip(mesh.p.min(1), mesh.p.max(1), strict=True)
    )
    return (
        f"{len(missing)} of {len(points)} points lie outside the mesh, the first is point {missing[0]} at "
        f"({first}); the bounding box of the mesh is {box}. "
        "Use a larger mesh, or say by outside= what the field is there"
    )
