"""Frequency meshes: intervals, boxes and balls of every cell and grading, all around the origin.

Coordinates are frequencies in cycles per unit length. Which mesh a problem needs is decided in
:mod:`fefreq.meshes.choice`; meshes of other programs come in by :func:`fefreq.meshes.files.read_mesh`.

>>> disc = ball(radius=2.0, size=0.25, dim=2)
>>> area = 0.5 * abs((disc.p[0, disc.t] * (disc.p[1, disc.t[[1, 2, 0]]] - disc.p[1, disc.t[[2, 0, 1]]])).sum(axis=0))
>>> bool(abs(area.sum() - 4 * np.pi) < 0.1)
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from fefreq.meshes import axes as mesh_axes
from fefreq.meshes import ball_cells as ball_mesh
from fefreq.support.arrays import FloatArray
from fefreq.support.memory import require_memory

if TYPE_CHECKING:
    from skfem import Element, Mesh

Cell = Literal["line", "triangle", "quadrilateral", "tetrahedron", "hexahedron"]
# Cells by dimension, the one chosen by default first.
CELLS: dict[int, tuple[Cell, ...]] = {
    1: ("line",),
    2: ("quadrilateral", "triangle"),
    3: ("hexahedron", "tetrahedron"),
}
# Bytes that making a mesh takes, per box of its grid.
_BYTES: dict[Cell, float] = {
    "line": 50.0,
    "triangle": 140.0,
    "quadrilateral": 100.0,
    "tetrahedron": 420.0,
    "hexahedron": 160.0,
}


def interval(half_width: float, size: float, breakpoints: tuple[float, ...] = ()) -> Mesh:
    """Mesh of ``[-half_width, half_width]`` by elements no longer than ``size``.

    Parameters
    ----------
    half_width, size : float
        In cycles per unit length.
    breakpoints : tuple of float
        Positive coordinates that must be nodes, as must their mirror images.
    """
    return box([half_width], size, breakpoints)


def box(
    half_widths: FloatArray | list[float],
    size: float | FloatArray,
    breakpoints: tuple[float, ...] = (),
    cell: Cell | None = None,
    *,
    smallest: float | None = None,
    growth: float = 1.2,
) -> Mesh:
    """Mesh of a box around the origin by a tensor grid, its boxes cut into simplices if asked for.

    Parameters
    ----------
    half_widths : array_like, shape (d,)
        In cycles per unit length, with ``d`` from 1 to 3.
    size : float or array_like, shape (d,)
        Largest element length along each axis.
    breakpoints : tuple of float
        Positive coordinates that must be nodes along every axis, as must their mirror images.
    cell : {"line", "quadrilateral", "triangle", "hexahedron", "tetrahedron"}, optional
        By default lines, quadrilaterals, hexahedra.
    smallest : float, optional
        Length of the elements at the origin of a graded mesh, from where lengths grow outwards up to ``size``.
    growth : float
        Largest ratio of the lengths of neighbours in a graded mesh.

    Raises
    ------
    ValueError
        If a length is not positive, ``d`` is above 3, the cells have another dimension, the growth is not
        above 1, or the mesh does not fit into memory.
    """
    import skfem

    widths = np.atleast_1d(np.asarray(half_widths, dtype=np.float64))
    sizes = np.broadcast_to(np.asarray(size, dtype=np.float64), widths.shape)
    if not (np.all(widths > 0) and np.all(sizes > 0) and np.all(np.isfinite(widths))):
        raise ValueError(
            f"half-widths {widths} and element sizes {sizes} of a mesh must be positive and finite"
        )
    if len(widths) not in CELLS:
        raise ValueError(f"meshes exist in 1, 2 and 3 dimensions, not {len(widths)}")
    cell = cell_of(len(widths), cell)
    if smallest is not None and not (smallest > 0 and growth > 1):
        raise ValueError(
            f"a graded mesh needs a smallest element above 0 and a growth above 1, not {smallest} and {growth}"
        )
    pieces = [
        mesh_axes.even(w, h, breakpoints)
        if smallest is None
        else mesh_axes.growing(w, smallest, h, growth, breakpoints)
        for w, h in zip(widths.tolist(), sizes.tolist(), strict=True)
    ]
    sides = 1 if smallest is None else 2
    counts = [sides * sum(piece.count for piece in axis) for axis in pieces]
    require_memory(
        _BYTES[cell] * float(np.prod(counts)) + 50.0 * sum(counts),
        f"a mesh of {' × '.join(f'{count:.3g}' for count in counts)} boxes",
        f"use elements larger than {np.min(sizes if smallest is None else np.minimum(sizes, smallest)):.3g}",
    )
    axes = [
        mesh_axes.join(axis) if smallest is None else mesh_axes.mirrored(mesh_axes.join(axis))
        for axis in pieces
    ]
    kinds = {
        "line": skfem.MeshLine,
        "triangle": skfem.MeshTri,
        "quadrilateral": skfem.MeshQuad,
        "tetrahedron": skfem.MeshTet,
        "hexahedron": skfem.MeshHex,
    }
    return kinds[cell].init_tensor(*axes)


def ball(radius: float, size: float, dim: int) -> Mesh:
    """Mesh of the ball around the origin: an interval, a disc of triangles or a ball of tetrahedra.

    Cells have straight sides with the outer vertices on the sphere, so a shell as thin as
    ``size² / 8 radius`` stays outside. They are of about one size, see :mod:`fefreq.meshes.ball_cells`.

    Parameters
    ----------
    radius, size : float
        Radius, and the longest side of a cell.
    dim : int
        From 1 to 3.

    Raises
    ------
    ValueError
        If a length is not positive, there is no such dimension, or the mesh does not fit into memory.
    """
    if not (np.isfinite(radius) and radius > 0 and size > 0):
        raise ValueError(f"radius {radius} and element size {size} of a ball must be positive and finite")
    if dim not in CELLS:
        raise ValueError(f"balls exist in 1, 2 and 3 dimensions, not {dim}")
    if dim == 1:
        return interval(radius, size)
    shells = np.ceil(ball_mesh.LONGEST[dim] * radius / size)
    cells = ball_mesh.FAN[dim] * max(float(shells), 1.0) ** dim
    require_memory(
        ball_mesh.BYTES[dim] * cells,
        f"a ball of {cells:.3g} cells",
        f"use cells larger than {size:.3g}",
    )
    unit = ball_mesh.unit_ball(dim, max(int(shells), 1))
    return unit.scaled(radius)


def cell_of(dim: int, cell: str | None) -> Cell:
    """The cell by its name, checked against the dimension; the default one for None.

    Raises
    ------
    ValueError
        If the dimension has no such cell.
    """
    if cell is None:
        return CELLS[dim][0]
    for known in CELLS[dim]:
        if cell == known:
            return known
    raise ValueError(f"there are no cells {cell!r} in {dim} dimension(s); use {' or '.join(CELLS[dim])}")


def longest_side(mesh: Mesh) -> float:
    """Length of the longest side of any cell."""
    ends = mesh.t if mesh.dim() == 1 else mesh.edges if mesh.dim() == 3 else mesh.facets
    return float(np.max(np.linalg.norm(mesh.p[:, ends[0]] - mesh.p[:, ends[1]], axis=0)))


def element(mesh: Mesh, order: int) -> Element:
    """Lagrange or hierarchical element of the given order for the cells of a mesh.

    Raises
    ------
    ValueError
        If scikit-fem has no such element.
    """
    import skfem

    known = {
        skfem.MeshLine: {1: skfem.ElementLineP1, 2: skfem.ElementLineP2},
        skfem.MeshTri: {
            1: skfem.ElementTriP1,
            2: skfem.ElementTriP2,
            3: skfem.ElementTriP3,
            4: skfem.ElementTriP4,
        },
        skfem.MeshQuad: {1: skfem.ElementQuad1, 2: skfem.ElementQuad2},
        skfem.MeshTet: {1: skfem.ElementTetP1, 2: skfem.ElementTetP2},
        skfem.MeshHex: {1: skfem.ElementHex1, 2: skfem.ElementHex2},
    }
    hierarchical = {skfem.MeshLine: skfem.ElementLinePp, skfem.MeshQuad: skfem.ElementQuadP}
    for kind, orders in known.items():
        if isinstance(mesh, kind):
            if order in orders:
                return orders[order]()
            if kind in hierarchical and 3 <= order <= 8:
                return hierarchical[kind](order)
            available = f"{max(orders)}" if kind not in hierarchical else "8"
            raise ValueError(
                f"elements of order {order} do not exist on {kind.__name__}; use 1 to {available}"
            )
    raise ValueError(
        f"{type(mesh).__name__} is not a mesh of lines, triangles, quadrilaterals, tetrahedra or hexahedra"
    )
