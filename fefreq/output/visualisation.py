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

from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np

from fefreq.meshes.box_tree import IndexArray
from fefreq.meshes.shape_values import is_parametric, shape_values, vertex_element
from fefreq.output.vtk_mesh import CellType, VtkMesh, boxes, oriented, padded
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Basis, Mesh

_CELL_TYPES: dict[str, CellType] = {
    "RefLine": "line",
    "RefTri": "triangle",
    "RefQuad": "quad",
    "RefTet": "tetra",
    "RefHex": "hexahedron",
}


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
        cells = oriented(points, cell_type, number[:, pieces].reshape(-1, pieces.shape[1]))
        super().__init__(points, cell_type, cells)
        object.__setattr__(self, "matrix", _values(basis, first, local))


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
        return grid / order, boxes([order + 1] * dim)
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


def _image(mesh: Mesh, local: FloatArray) -> FloatArray:
    """Points of the lattice in every cell, ``(cells, n, 3)``."""
    element = mesh.elem()
    nodes = mesh.dofs.element_dofs
    places = np.zeros((nodes.shape[1], len(local), mesh.dim()))
    for i, node in enumerate(nodes):
        weight = np.asarray(element.lbasis(local.T, i)[0])
        used = np.flatnonzero(weight)
        places[:, used] += mesh.doflocs[:, node].T[:, None, :] * weight[used, None]
    return padded(places)


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
