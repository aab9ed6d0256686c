r"""Cells for ParaView that show every unknown of a finite-element field.

ParaView draws cells with straight sides and linear interpolation. A field of higher order is therefore
evaluated on a lattice in each cell, of as many intervals per side as the order, and each cell is divided
along it into ``order**dim`` cells (triangles and tetrahedra by Freudenthal's division). At those points
the values are exact, and for elements of order 1 the result is the mesh itself. Points on a common
vertex, edge or face are one point if the field is continuous; a discontinuous field keeps them apart and
shows its jumps.

>>> import skfem
>>> basis = skfem.Basis(skfem.MeshTri(), skfem.ElementTriP2())
>>> view = Visualisation(basis)
>>> view.points.shape, view.cells.shape, view.matrix.shape
((9, 3), (8, 3), (9, 9))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.meshes.box_tree import IndexArray
from fefreq.meshes.point_location import is_parametric, shape_values, vertex_element
from fefreq.support.arrays import FloatArray, real_array

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Basis, Mesh

CellType = Literal["vertex", "line", "triangle", "quad", "tetra", "hexahedron"]

_CELL_TYPES: dict[str, CellType] = {
    "RefLine": "line",
    "RefTri": "triangle",
    "RefQuad": "quad",
    "RefTet": "tetra",
    "RefHex": "hexahedron",
}
# Corners of a box in the order of VTK, by dimension.
_CORNERS: dict[int, list[tuple[int, ...]]] = {
    1: [(0,), (1,)],
    2: [(0, 0), (1, 0), (1, 1), (0, 1)],
    3: [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)],
}
# The same cell with its volume reversed.
_REVERSED: dict[CellType, list[int]] = {
    "line": [1, 0],
    "triangle": [0, 2, 1],
    "quad": [0, 3, 2, 1],
    "tetra": [0, 1, 3, 2],
    "hexahedron": [4, 5, 6, 7, 0, 1, 2, 3],
}


class Carrier(Protocol):
    """What carries the point data of a series: a mesh, a grid or bare points."""

    ending: ClassVar[str]

    @property
    def count(self) -> int:
        """Number of points."""

    def write(self, path: Path, arrays: Mapping[str, NDArray[Any]], compress: bool) -> None:
        """Write one file with arrays of shape ``(count,)``."""


@dataclass(frozen=True)
class VtkMesh:
    """Points and cells of one type, numbered and oriented as VTK wants them.

    Parameters
    ----------
    points : ndarray
        Shape ``(n, 3)``; missing coordinates are zero.
    cell_type : {"vertex", "line", "triangle", "quad", "tetra", "hexahedron"}
        Type of all cells.
    cells : ndarray
        Shape ``(m, k)``: numbers of the points of each cell, volumes positive.
    """

    points: FloatArray
    cell_type: CellType
    cells: IndexArray
    ending: ClassVar[str] = ".vtu"

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.points)

    def write(self, path: Path, arrays: Mapping[str, NDArray[Any]], compress: bool) -> None:
        """Write a ``.vtu`` file with arrays of shape ``(n,)``."""
        import meshio

        mesh = meshio.Mesh(
            self.points, [(self.cell_type, small_numbers(self.cells))], point_data=dict(arrays)
        )
        meshio.write(
            path,
            mesh,
            file_format="vtu",
            compression="zlib" if compress else None,
            header_type="UInt64",  # the default of 32 bits overflows at 4 GiB per array
        )


@dataclass(frozen=True, init=False)
class Visualisation(VtkMesh):
    """Points and cells that show a finite-element field, and the matrix that gives its values there.

    Parameters
    ----------
    basis : skfem.Basis
        Of a scalar element on lines, triangles, quadrilaterals, tetrahedra or hexahedra.
    order : int, optional
        Into how many intervals each side of a cell is divided; the order of the element if absent.

    Attributes
    ----------
    points : ndarray
        Shape ``(n, 3)``. The vertices of the mesh come first, in its order, where the field is continuous.
    cells : ndarray
        Shape ``(m, k)``, with ``m`` the number of cells times ``order**dim``.
    matrix : scipy.sparse.csr_matrix
        Shape ``(n, basis.N)``: the values at the points are ``matrix @ unknowns``.

    Raises
    ------
    TypeError
        If the element is not scalar or the cells are of another shape.
    ValueError
        If ``order`` is not positive.
    """

    matrix: csr_matrix

    def __init__(self, basis: Basis, order: int | None = None) -> None:
        shape = basis.mesh.refdom.__name__
        if shape not in _CELL_TYPES:
            raise TypeError(
                f"cells of type {shape} cannot be shown; "
                "use lines, triangles, quadrilaterals, tetrahedra or hexahedra"
            )
        order = _order(basis) if order is None else order
        if order < 1:
            raise ValueError(
                f"order is {order}; the sides of a cell must be divided into at least 1 interval"
            )
        local, pieces = _lattice(int(basis.mesh.dim()), order, simplex=shape in ("RefTri", "RefTet"))
        points = _image(basis.mesh, local)
        number, first = _numbering(basis, local, order, points)
        points = points.reshape(-1, 3)[first]
        cell_type = _CELL_TYPES[shape]
        cells = _oriented(points, cell_type, number[:, pieces].reshape(-1, pieces.shape[1]))
        super().__init__(points, cell_type, cells)
        object.__setattr__(self, "matrix", _values(basis, first, local))


def grid_cells(axes: Sequence[ArrayLike]) -> VtkMesh:
    """Lay cells over a tensor grid, for fields sampled on it.

    Parameters
    ----------
    axes : sequence of array_like
        Coordinates along each of the 1, 2 or 3 dimensions, at least two each, increasing or decreasing.

    Returns
    -------
    VtkMesh
        Its points are those of ``numpy.meshgrid(*axes, indexing="ij")`` in C order: the values of a sampled
        field are ``field.ravel()``.

    Raises
    ------
    ValueError
        If there are no axes or more than three, or one of them is too short or not monotone.

    Examples
    --------
    >>> grid_cells([[0.0, 1.0, 2.0], [0.0, 0.5]]).cells
    array([[0, 2, 3, 1],
           [2, 4, 5, 3]])
    """
    lines = [real_array(axis, f"axis {i}") for i, axis in enumerate(axes)]
    if not 1 <= len(lines) <= 3:
        raise ValueError(f"a grid has 1, 2 or 3 axes, not {len(lines)}")
    for i, line in enumerate(lines):
        if line.ndim != 1 or len(line) < 2:
            raise ValueError(
                f"axis {i} has shape {line.shape}; it must be (n,) with at least two coordinates"
            )
        steps = np.diff(line)
        if not ((steps > 0).all() or (steps < 0).all()):
            raise ValueError(
                f"axis {i} is neither increasing nor decreasing; sort it and drop repeated coordinates"
            )
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(lines))
    types: tuple[CellType, ...] = ("line", "quad", "hexahedron")
    cell_type = types[len(lines) - 1]
    points = _padded(points)
    return VtkMesh(points, cell_type, _oriented(points, cell_type, _boxes([len(line) for line in lines])))


def vertices(points: FloatArray) -> VtkMesh:
    """Bare points ``(n, d)`` in up to 3 dimensions, one cell each."""
    return VtkMesh(_padded(points), "vertex", np.arange(len(points))[:, None])


def _order(basis: Basis) -> int:
    """Degree of the element along the sides of a cell."""
    from skfem.element import ElementDG, ElementLinePp

    element = basis.elem
    while isinstance(element, ElementDG):
        element = element.elem
    if isinstance(element, ElementLinePp):  # on quadrilaterals it states another degree, for quadrature
        return int(element.p)
    sides = 1 if basis.mesh.refdom.__name__ in ("RefTri", "RefTet") else basis.mesh.dim()
    return max(1, -(-int(element.maxdeg) // int(sides)))


def _lattice(dim: int, order: int, *, simplex: bool) -> tuple[FloatArray, IndexArray]:
    """Points of the reference cell ``(n, dim)`` and the small cells between them ``(order**dim, k)``."""
    grid = np.array(list(product(range(order + 1), repeat=dim)))
    if not simplex:
        return grid / order, _boxes([order + 1] * dim)
    # With y_i = order (x_i + ... + x_dim) the cell is order >= y_1 >= ... >= y_dim >= 0, which is tiled by
    # the simplices of the same kind in the unit boxes, one for each order of the axes.
    inside = grid[(np.diff(grid, axis=1) <= 0).all(axis=1)]
    number = {tuple(y): i for i, y in enumerate(inside.tolist())}
    pieces = []
    for corner, path in product(inside, permutations(np.eye(dim, dtype=int))):
        vertices = np.cumsum([corner, *path], axis=0)
        if all(tuple(y) in number for y in vertices.tolist()):
            pieces.append([number[tuple(y)] for y in vertices.tolist()])
    local = inside - np.pad(inside[:, 1:], ((0, 0), (0, 1)))
    return local / order, np.array(pieces, dtype=np.intp)


def _boxes(shape: Sequence[int]) -> IndexArray:
    """Cells between the points of a grid in C order, their corners in the order of VTK."""
    first = np.indices([n - 1 for n in shape]).reshape(len(shape), -1)
    corners = [
        np.ravel_multi_index(tuple(first + np.array(c)[:, None]), tuple(shape)) for c in _CORNERS[len(shape)]
    ]
    return np.array(corners, dtype=np.intp).T


def _image(mesh: Mesh, local: FloatArray) -> FloatArray:
    """Points of the lattice in every cell, ``(cells, n, 3)``."""
    element = mesh.elem()
    nodes = mesh.dofs.element_dofs
    places = np.zeros((nodes.shape[1], len(local), mesh.dim()))
    for i, node in enumerate(nodes):
        weight = np.asarray(element.lbasis(local.T, i)[0])
        used = np.flatnonzero(weight)
        places[:, used] += mesh.doflocs[:, node].T[:, None, :] * weight[used, None]
    return _padded(places)


def _padded(points: FloatArray) -> FloatArray:
    """Fill up to three coordinates with zeros."""
    return np.pad(points, [(0, 0)] * (points.ndim - 1) + [(0, 3 - points.shape[-1])])


def _numbering(
    basis: Basis, local: FloatArray, order: int, points: FloatArray
) -> tuple[IndexArray, IndexArray]:
    """Number the lattice points of all cells, ``(cells, n)``, and say where each number was met first.

    A point is known by the integer multiples of the vertices that make it up, whichever cell it is seen from.
    Their sum, with a random 64-bit number for each vertex, is its key. If the field or the mesh is open
    anywhere between two cells, all cells keep points of their own.
    """
    t = basis.mesh.t
    apart = np.arange(t.shape[1] * len(local)).reshape(t.shape[1], -1)
    element = vertex_element(basis.mesh)
    weights = np.array([element.lbasis(local.T, i)[0] for i in range(len(t))])
    multiples = np.rint(weights * order ** basis.mesh.dim()).astype(np.uint64)
    numbers = np.random.default_rng(0).integers(2**64, size=t.max() + 1, dtype=np.uint64)
    _, first, number = np.unique(numbers[t].T @ multiples, return_index=True, return_inverse=True)
    number = number.reshape(apart.shape)
    seen = first[number]
    values = _sample(basis, local)
    jump = np.abs(values - values.ravel()[seen]).max()
    gap = np.abs(points - points.reshape(-1, 3)[seen]).max(axis=2)  # open where a mesh is periodic
    size = np.ptp(points, axis=1).max(axis=1, keepdims=True)
    if jump > 1e-8 * np.abs(values).max() or (gap > 1e-3 * size).any():
        return apart, apart.ravel()
    cell, place = np.divmod(first, len(local))
    vertex = t[weights.argmax(axis=0)[place], cell]
    rank = np.where(weights.max(axis=0)[place] == 1, vertex, len(numbers) + first)
    by_rank = np.argsort(rank)
    renumber = np.empty_like(by_rank)
    renumber[by_rank] = np.arange(len(by_rank))
    return renumber[number], first[by_rank]


def _sample(basis: Basis, local: FloatArray) -> FloatArray:
    """Values ``(cells, n)`` of a random field, which jumps wherever fields of this basis can."""
    unknowns = basis.dofs.element_dofs
    field = np.random.default_rng(1).standard_normal(basis.N)[unknowns]
    if is_parametric(basis):
        values: FloatArray = field.T @ shape_values(basis, np.zeros(len(local), dtype=np.intp), local).T
        return values
    count = unknowns.shape[1]
    return np.stack(
        [
            (shape_values(basis, np.arange(count), np.tile(x, (count, 1))) * field.T).sum(axis=1)
            for x in local
        ],
        axis=1,
    )


def _values(basis: Basis, first: IndexArray, local: FloatArray) -> csr_matrix:
    """Matrix that evaluates a field at lattice points given as numbers in ``(cells, n)``."""
    from scipy.sparse import csr_matrix

    cell, place = np.divmod(first, len(local))
    if is_parametric(basis):
        values = shape_values(basis, np.zeros(len(local), dtype=np.intp), local)[place]
    else:
        values = shape_values(basis, cell, local[place])
    kept = np.abs(values) > 1e-14  # most functions of an element vanish at its nodes
    start = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    unknowns = basis.dofs.element_dofs.T[cell]
    return csr_matrix((values[kept], unknowns[kept], start), shape=(len(first), basis.N))


def _oriented(points: FloatArray, cell_type: CellType, cells: IndexArray) -> IndexArray:
    """Reverse the cells whose length, area or volume is negative."""
    p = [points[vertex] for vertex in cells.T]
    if cell_type == "line":
        sign = (p[1] - p[0])[:, 0]
    elif cell_type == "triangle":
        sign = np.cross(p[1] - p[0], p[2] - p[0])[:, 2]
    elif cell_type == "quad":
        sign = np.cross(p[2] - p[0], p[3] - p[1])[:, 2]
    elif cell_type == "tetra":
        sign = (np.cross(p[1] - p[0], p[2] - p[0]) * (p[3] - p[0])).sum(axis=1)
    else:
        corners = np.array(_CORNERS[3])
        edges = [sum(s * v for s, v in zip(2 * c - 1, p, strict=True)) for c in corners.T]
        sign = (np.cross(edges[0], edges[1]) * edges[2]).sum(axis=1)
    return np.where((sign < 0)[:, None], cells[:, _REVERSED[cell_type]], cells)


def small_numbers(cells: IndexArray) -> NDArray[Any]:
    """Point numbers in 32 bits where they fit."""
    return cells.astype(np.int32 if cells.max() < 2**31 else np.int64)
