"""What can be wrong with a frequency mesh, found before it is used.

A mesh that was drawn by hand can be wrong in ways that a solver only answers with nonsense: cells that overlap
themselves or their neighbours, cells that are there twice, vertices that are there twice and leave an invisible
cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from skfem import Mesh

_FLAT = 1e-12  # volume of a cell relative to that of the cube on its longest side
_BLOCK = 1 << 16  # cells whose volumes are computed at once: bounds the memory


def check_mesh(mesh: Mesh) -> None:
    """Insist that a mesh is one that the equation can be solved on, and that its cells do not overlap.

    Two cells that share a facet must lie on its two sides. Seen from either, the corners of the facet then turn
    in opposite directions, which is a statement about integers and the signs of volumes: no tolerance decides.

    Raises
    ------
    TypeError
        If it is no mesh of lines, triangles, quadrilaterals, tetrahedra or hexahedra (of first or second order).
    ValueError
        If a coordinate is not finite, a cell has a vertex that is not there, a vertex has no cell, vertices
        coincide, a cell is inverted, flat or repeated, two cells lie on the same side of a facet or three
        share one; the message says where.
    """
    _require_kind(mesh)
    vertices = _require_vertices(mesh)
    same = _first_repeated(_keys(mesh.p[:, :vertices]))
    if same is not None:
        first, second = same
        raise ValueError(
            f"vertices {first} and {second} of the mesh are both at {mesh.p[:, second].tolist()}, which cuts it: "
            "merge coincident vertices (in gmsh: Coherence Mesh)"
        )
    numbers = np.random.default_rng(0).integers(2**63, size=vertices, dtype=np.uint64)
    same = _first_repeated(numbers[mesh.t].sum(axis=0, dtype=np.uint64))
    if same is not None:
        first, second = same
        raise ValueError(
            f"cells {first} and {second} of the mesh are the same, around {_middle(mesh, second)}: remove one"
        )
    lowest, highest = corner_volumes(mesh)
    corners = mesh.p[:, mesh.t]
    side = np.max(corners.max(axis=1) - corners.min(axis=1), axis=0) ** mesh.dim()
    flat = (np.minimum(np.abs(lowest), np.abs(highest)) <= _FLAT * side) & (lowest * highest >= 0)
    if np.any(flat):
        raise ValueError(_defect(mesh, flat, "without volume at a corner"))
    inverted = lowest * highest < 0
    if np.any(inverted):
        raise ValueError(_defect(mesh, inverted, "inverted at a corner"))
    _check_sides(mesh, numbers, np.sign(lowest).astype(np.int8))


def corner_volumes(mesh: Mesh) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest determinant of the element map of every cell, at its corners and other nodes."""
    element = mesh.elem()
    count, dim = len(element.doflocs), mesh.dim()
    reference = np.asarray(element.doflocs, dtype=np.float64).T
    if count == dim + 1:
        reference = reference[:, :1]  # the same everywhere
    gradients = [np.broadcast_to(element.lbasis(reference, i)[1], reference.shape) for i in range(count)]
    nodes = mesh.t if count == len(mesh.t) else mesh.dofs.element_dofs
    lowest, highest = np.empty(mesh.t.shape[1]), np.empty(mesh.t.shape[1])
    for start in range(0, mesh.t.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        places = mesh.p[:, nodes[:, block]]
        determinants = _determinants(np.einsum("jdq,ijc->idqc", np.array(gradients), places))
        lowest[block], highest[block] = determinants.min(axis=0), determinants.max(axis=0)
    return lowest, highest


def _determinants(matrices: FloatArray) -> FloatArray:
    """Determinants of matrices ``(d, d, …)``, ten times as fast as by one factorisation each."""
    if len(matrices) == 1:
        return np.asarray(matrices[0, 0])
    if len(matrices) == 2:
        (a, b), (c, d) = matrices
        return np.asarray(a * d - b * c)
    first, second, third = matrices
    minors = (
        second[(i + 1) % 3] * third[(i + 2) % 3] - second[(i + 2) % 3] * third[(i + 1) % 3] for i in range(3)
    )
    return np.asarray(sum(x * minor for x, minor in zip(first, minors, strict=True)))


def is_curved(mesh: Mesh) -> bool:
    """Tell whether the cells are of second order, which refinement would straighten."""
    return len(mesh.elem.doflocs) > len(mesh.t)


def _require_kind(mesh: Mesh) -> None:
    import skfem

    if not isinstance(mesh, skfem.Mesh):
        raise TypeError(
            f"mesh must be a skfem.Mesh, not {type(mesh).__module__.split('.')[0]}.{type(mesh).__qualname__}; "
            "read files with fefreq.meshes.files.read_mesh"
        )
    if type(mesh).__name__ not in mesh_kinds():
        raise TypeError(
            f"the mesh is a {type(mesh).__name__}; the equation is solved on {', '.join(mesh_kinds())}"
        )


def mesh_kinds() -> dict[str, type[Mesh]]:
    """The meshes that the equation is solved on, by their names."""
    import skfem

    kinds = (
        skfem.MeshLine1,
        skfem.MeshTri1,
        skfem.MeshQuad1,
        skfem.MeshTet1,
        skfem.MeshHex1,
        skfem.MeshTri2,
        skfem.MeshQuad2,
        skfem.MeshTet2,
        skfem.MeshHex2,
    )
    return {kind.__name__: kind for kind in kinds}


def _require_vertices(mesh: Mesh) -> int:
    """Insist that cells and vertices fit together; the number of vertices."""
    dim, corners = mesh.dim(), mesh.refdom.nnodes
    if mesh.p.ndim != 2 or len(mesh.p) != dim or mesh.t.ndim != 2 or len(mesh.t) != corners:
        raise ValueError(
            f"{type(mesh).__name__} has vertices of shape {mesh.p.shape} and cells of shape {mesh.t.shape}; they "
            f"must be ({dim}, vertices) and ({corners}, cells)"
        )
    if mesh.t.size == 0:
        raise ValueError("the mesh has no cells")
    if not np.all(np.isfinite(mesh.p)):
        first = int(np.argmin(np.isfinite(mesh.p).all(axis=0)))
        raise ValueError(
            f"the mesh has vertices with coordinates that are not finite, the first is vertex {first} at "
            f"{mesh.p[:, first].tolist()}"
        )
    vertices = int(mesh.t.max()) + 1 if is_curved(mesh) else mesh.p.shape[1]
    wrong = np.any((mesh.t < 0) | (mesh.t >= vertices), axis=0)
    if np.any(wrong):
        first = int(np.argmax(wrong))
        raise ValueError(
            f"cell {first} of the mesh has vertices {mesh.t[:, first].tolist()}, but there are only {vertices}, "
            "numbered from 0"
        )
    if is_curved(mesh) and mesh.p.shape[1] != mesh.dofs.N:
        raise ValueError(
            f"{type(mesh).__name__} has {mesh.p.shape[1]} nodes, but its cells need {mesh.dofs.N}: corners, "
            "middles of sides and whatever else the cells have"
        )
    unused = np.bincount(mesh.t.ravel(), minlength=vertices) == 0
    if np.any(unused):
        raise ValueError(
            f"{np.count_nonzero(unused)} vertices of the mesh belong to no cell, the first is vertex "
            f"{int(np.argmax(unused))}: remove them (mesh.remove_unused_nodes())"
        )
    return vertices


def _check_sides(mesh: Mesh, numbers: NDArray[np.uint64], signs: NDArray[np.int8]) -> None:
    """Insist that at most two cells share a facet, and that they lie on its two sides.

    Parameters
    ----------
    mesh : skfem.Mesh
    numbers : ndarray, shape (vertices,)
        A random number for each vertex; their sum is the key of a facet.
    signs : ndarray, shape (cells,)
        Of the determinants of the element maps.
    """
    keys, sides = [], []
    for facet, outwards in _reference_facets(mesh):
        corners = mesh.t[facet]
        keys.append(numbers[corners].sum(axis=0, dtype=np.uint64))
        sides.append(outwards * _turn(corners) * signs)
    cells = np.tile(np.arange(mesh.t.shape[1], dtype=np.int32), len(keys))
    key, side = np.concatenate(keys), np.concatenate(sides)
    order = np.argsort(key)
    shared = key[order[1:]] == key[order[:-1]]
    crowded = np.flatnonzero(shared[1:] & shared[:-1])
    if len(crowded):
        first = np.sort(cells[order[crowded[0] : crowded[0] + 3]]).tolist()
        raise ValueError(
            f"cells {first[0]}, {first[1]} and {first[2]} of the mesh share one facet, around "
            f"{_middle(mesh, first[0])}, but a facet has two sides only: remove the cell that overlaps the others"
        )
    pairs = np.flatnonzero(shared & (side[order[1:]] == side[order[:-1]]))
    if len(pairs):
        both = np.sort(np.stack([cells[order[pairs]], cells[order[pairs + 1]]]), axis=0)
        first, second = both[:, np.lexsort(both[::-1])[0]].tolist()
        raise ValueError(
            f"cells {first} and {second} of the mesh lie on the same side of the facet between them, around "
            f"{_middle(mesh, first)} and {_middle(mesh, second)}, so one is inverted or overlaps the other "
            f"({len(pairs)} such pairs): repair the mesh"
        )


def _reference_facets(mesh: Mesh) -> list[tuple[list[int], int]]:
    """Corners of the facets of the reference cell, and 1 where they turn round its outward normal, else -1."""
    points = np.asarray(mesh.refdom.p, dtype=np.float64).T
    found = []
    for facet in mesh.refdom.facets:
        p = points[facet]
        if len(facet) == 1:
            normal = np.ones(1)
        elif len(facet) == 2:
            normal = np.array([p[1, 1] - p[0, 1], p[0, 0] - p[1, 0]])
        else:
            normal = np.cross(p[1] - p[0], p[2] - p[1])
        found.append((facet, int(np.sign(normal @ (p.mean(axis=0) - points.mean(axis=0))))))
    return found


def _turn(corners: NDArray[np.int32]) -> NDArray[np.int8]:
    """The direction, 1 or -1, in which the corners ``(k, cells)`` of facets are listed, whatever the first is."""
    count = len(corners)
    if count == 1:
        return np.ones(corners.shape[1], dtype=np.int8)
    smallest = np.argmin(corners, axis=0)
    if count == 2:
        forwards = smallest == 0
    else:
        cells = np.arange(corners.shape[1])
        forwards = corners[(smallest + 1) % count, cells] < corners[smallest - 1, cells]
    return np.where(forwards, 1, -1).astype(np.int8)


def _keys(points: FloatArray) -> NDArray[np.uint64]:
    """One number per point, equal where points agree to 1e-12 of the mesh."""
    size = max(float(np.max(np.ptp(points, axis=1))), 1e-300)
    rounded = np.rint((points - points.min(axis=1, keepdims=True)) / (1e-12 * size)).astype(np.uint64)
    factors = np.random.default_rng(1).integers(2**63, size=(len(points), 1), dtype=np.uint64)
    return np.asarray((rounded * (2 * factors + np.uint64(1))).sum(axis=0, dtype=np.uint64))


def _first_repeated(keys: NDArray[np.uint64]) -> tuple[int, int] | None:
    order = np.argsort(keys, kind="stable")
    repeated = np.flatnonzero(np.diff(keys[order]) == 0)
    return (int(order[repeated[0]]), int(order[repeated[0] + 1])) if len(repeated) else None


def _middle(mesh: Mesh, cell: int) -> list[float]:
    return [float(f"{x:.6g}") for x in mesh.p[:, mesh.t[:, cell]].mean(axis=1)]


def _defect(mesh: Mesh, bad: NDArray[np.bool_], what: str) -> str:
    first = int(np.argmax(bad))
    return (
        f"{np.count_nonzero(bad)} of {len(bad)} cells of the mesh are {what}, the first is cell {first} around "
        f"{_middle(mesh, first)}: repair the mesh"
    )
