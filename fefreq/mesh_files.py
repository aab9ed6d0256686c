"""Meshes of other programs: whatever meshio reads, checked before it is used.

A mesh that was drawn by hand can be wrong in ways that a solver only answers with nonsense: cells that overlap
themselves, cells that are there twice, vertices that are there twice and leave an invisible cut.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fefreq._arrays import FloatArray
from fefreq.locate import vertex_element

if TYPE_CHECKING:
    from skfem import Mesh

# Cells by their names in meshio: dimension, and how scikit-fem numbers the corners.
_CELLS: dict[str, tuple[int, list[int]]] = {
    "line": (1, [0, 1]),
    "triangle": (2, [0, 1, 2]),
    "quad": (2, [0, 1, 2, 3]),
    "tetra": (3, [0, 1, 2, 3]),
    "hexahedron": (3, [0, 4, 3, 1, 7, 5, 2, 6]),
}
_FLAT = 1e-12  # volume of a cell relative to that of the cube on its longest side


def read_mesh(path: str | Path, dim: int | None = None) -> Mesh:
    """Read a frequency mesh from any file that meshio reads: gmsh, VTU, XDMF, Abaqus, ….

    The cells of the highest dimension are taken; a third coordinate that is constant is dropped.

    Parameters
    ----------
    path : path
    dim : int, optional
        Dimension that the mesh must have.

    Returns
    -------
    skfem.Mesh
        Coordinates are frequencies in cycles per unit length.

    Raises
    ------
    ValueError
        If the file cannot be read, the cells are of several or unknown types or of another dimension, or the
        mesh is defective, see :func:`check_mesh`.
    """
    import meshio
    import skfem

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no mesh file {path}")
    try:
        raw: Any = meshio.read(path)
    except (meshio.ReadError, KeyError, ValueError, IndexError, SystemExit) as error:
        why = "its contents do not fit its ending" if isinstance(error, SystemExit) else error
        raise ValueError(f"{path.name} is no mesh that meshio reads: {why}") from error
    blocks = [block for block in raw.cells if block.type != "vertex" and len(block.data)]
    known = [block for block in blocks if block.type in _CELLS]
    if len(known) < len(blocks) or not known:
        others = sorted({block.type for block in blocks} - set(_CELLS)) or ["none"]
        raise ValueError(
            f"{path.name} has cells of type {', '.join(others)}; use {', '.join(_CELLS)}, all of first order"
        )
    highest = max(_CELLS[block.type][0] for block in known)
    types = sorted({block.type for block in known if _CELLS[block.type][0] == highest})
    if len(types) > 1:
        raise ValueError(f"{path.name} mixes {' and '.join(types)}: make all cells of one type")
    if dim is not None and highest != dim:
        raise ValueError(f"{path.name} has cells of dimension {highest}, but {dim} is needed")
    cells = np.concatenate([block.data for block in known if block.type == types[0]])[:, _CELLS[types[0]][1]]
    points = _flattened(np.asarray(raw.points, dtype=np.float64), highest, path.name)
    used, cells = np.unique(cells, return_inverse=True)
    kinds = {
        "line": skfem.MeshLine,
        "triangle": skfem.MeshTri,
        "quad": skfem.MeshQuad,
        "tetra": skfem.MeshTet,
        "hexahedron": skfem.MeshHex,
    }
    corners = np.ascontiguousarray(cells.reshape(-1, len(_CELLS[types[0]][1])).T.astype(np.int32))
    mesh = kinds[types[0]](np.ascontiguousarray(points[used].T), corners)
    check_mesh(mesh)
    return mesh


def check_mesh(mesh: Mesh) -> None:
    """Insist that the cells of a mesh have volume, do not overlap themselves and are there once.

    Raises
    ------
    ValueError
        If a coordinate is not finite, vertices coincide, or a cell is inverted somewhere, flat or repeated; the
        message says where.
    """
    if not np.all(np.isfinite(mesh.p)):
        raise ValueError("the mesh has vertices with coordinates that are not finite")
    same = _first_repeated(_keys(mesh.p))
    if same is not None and mesh.t.max() < mesh.p.shape[1]:
        first, second = same
        raise ValueError(
            f"vertices {first} and {second} of the mesh are both at {mesh.p[:, second].tolist()}, which cuts it: "
            "merge coincident vertices (in gmsh: Coherence Mesh)"
        )
    numbers = np.random.default_rng(0).integers(2**63, size=mesh.t.max() + 1, dtype=np.uint64)
    same = _first_repeated(numbers[mesh.t].sum(axis=0, dtype=np.uint64))
    if same is not None:
        first, second = same
        raise ValueError(
            f"cells {first} and {second} of the mesh are the same, around {_middle(mesh, second)}: remove one"
        )
    volumes = corner_volumes(mesh)
    corners = mesh.p[:, mesh.t]
    side = np.max(corners.max(axis=1) - corners.min(axis=1), axis=0) ** mesh.dim()
    flat = np.min(np.abs(volumes), axis=0) <= _FLAT * side
    if np.any(flat):
        raise ValueError(_defect(mesh, flat, "without volume at a corner"))
    inverted = np.any(np.sign(volumes) != np.sign(volumes[:1]), axis=0)
    if np.any(inverted):
        raise ValueError(_defect(mesh, inverted, "inverted at a corner"))


def corner_volumes(mesh: Mesh) -> FloatArray:
    """Determinants of the element maps at the corners, shape ``(corners, cells)``."""
    element = vertex_element(mesh)
    reference = np.asarray(mesh.refdom.p, dtype=np.float64)
    count, dim = len(mesh.t), mesh.dim()
    if dim == 1 or mesh.refdom.__name__ in ("RefTri", "RefTet"):
        reference = reference[:, :1]  # the same everywhere
    jacobian = np.zeros((reference.shape[1], mesh.t.shape[1], dim, dim))
    for i in range(count):
        gradient = np.broadcast_to(element.lbasis(reference, i)[1], (dim, reference.shape[1]))
        jacobian += gradient.T[:, None, None, :] * mesh.p[:, mesh.t[i]].T[None, :, :, None]
    return np.asarray(np.linalg.det(jacobian))


def _flattened(points: FloatArray, dim: int, name: str) -> FloatArray:
    """Drop coordinates beyond the dimension, which must be constant."""
    for axis in range(dim, points.shape[1]):
        if np.ptp(points[:, axis]) > 1e-9 * max(float(np.ptp(points[:, :dim])), 1e-300):
            raise ValueError(
                f"{name} holds a mesh of dimension {dim} that is not flat in coordinate {axis}: project it first"
            )
    return points[:, :dim]


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
