"""Points and cells as VTK wants them: numbered, oriented, with three coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.meshes.box_tree import IndexArray
from fefreq.support.arrays import FloatArray, real_array

if TYPE_CHECKING:
    pass

CellType = Literal["vertex", "line", "triangle", "quad", "tetra", "hexahedron"]

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
    points = padded(points)
    return VtkMesh(points, cell_type, oriented(points, cell_type, boxes([len(line) for line in lines])))


def vertices(points: FloatArray) -> VtkMesh:
    """Bare points ``(n, d)`` in up to 3 dimensions, one cell each."""
    return VtkMesh(padded(points), "vertex", np.arange(len(points))[:, None])


def boxes(shape: Sequence[int]) -> IndexArray:
    """Cells between the points of a grid in C order, their corners in the order of VTK."""
    first = np.indices([n - 1 for n in shape]).reshape(len(shape), -1)
    corners = [
        np.ravel_multi_index(tuple(first + np.array(c)[:, None]), tuple(shape)) for c in _CORNERS[len(shape)]
    ]
    return np.array(corners, dtype=np.intp).T


def padded(points: FloatArray) -> FloatArray:
    """Fill up to three coordinates with zeros."""
    return np.pad(points, [(0, 0)] * (points.ndim - 1) + [(0, 3 - points.shape[-1])])


def oriented(points: FloatArray, cell_type: CellType, cells: IndexArray) -> IndexArray:
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
