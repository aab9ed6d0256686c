"""Meshes of other programs: whatever meshio reads, checked before it is used."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq.meshes.checks import check_mesh
from fefreq.support.arrays import FloatArray

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
# What the readers of meshio end with when a file is cut short or holds something else: besides its own ReadError
# whatever a line that does not fit happens to raise, and some of them end the process.
_UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,  # of XML
    SystemExit,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


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
        mesh is defective, see :func:`fefreq.meshes.checks.check_mesh`.
    """
    import meshio
    import skfem

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no mesh file {path}")
    try:
        raw: Any = meshio.read(path)
    except ImportError as error:
        raise ValueError(f"reading {path.name} takes a package that is not installed: {error}") from error
    except (meshio.ReadError, *_UNREADABLE) as error:
        raise ValueError(
            f"{path.name} is no mesh that meshio reads, for its contents do not fit its ending or are cut short"
            f"{_reason(error)}"
        ) from error
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
    if used[0] < 0 or used[-1] >= len(points):
        raise ValueError(
            f"{path.name} has cells with vertices {used[0]} to {used[-1]}, but only {len(points)} points, numbered "
            "from 0: the file is cut short or defective"
        )
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


def _reason(error: BaseException) -> str:
    """What an error of meshio adds to the sentence, if it says anything."""
    text = "" if isinstance(error, SystemExit) else " ".join(str(error).split())
    return f" ({text})" if text else ""


def _flattened(points: FloatArray, dim: int, name: str) -> FloatArray:
    """Drop coordinates beyond the dimension, which must be constant."""
    if points.ndim != 2 or points.shape[1] < dim:
        raise ValueError(f"{name} has cells of dimension {dim}, but points of shape {points.shape}")
    for axis in range(dim, points.shape[1]):
        if np.ptp(points[:, axis]) > 1e-9 * max(float(np.ptp(points[:, :dim])), 1e-300):
            raise ValueError(
                f"{name} holds a mesh of dimension {dim} that is not flat in coordinate {axis}: project it first"
            )
    return points[:, :dim]
