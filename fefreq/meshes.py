"""Frequency meshes: intervals, boxes and balls of every cell and grading, all around the origin.

Coordinates are frequencies in cycles per unit length. Which mesh a problem needs is decided in
:mod:`fefreq.mesh_choice`; meshes of other programs come in by :func:`fefreq.mesh_files.read_mesh`.

>>> disc = ball(radius=2.0, size=0.25, dim=2)
>>> area = 0.5 * abs((disc.p[0, disc.t] * (disc.p[1, disc.t[[1, 2, 0]]] - disc.p[1, disc.t[[2, 0, 1]]])).sum(axis=0))
>>> bool(abs(area.sum() - 4 * np.pi) < 0.1)
True
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from fefreq._arrays import FloatArray

if TYPE_CHECKING:
    from skfem import Element, Mesh

Cell = Literal["line", "triangle", "quadrilateral", "tetrahedron", "hexahedron"]
# Cells by dimension, the one chosen by default first.
CELLS: dict[int, tuple[Cell, ...]] = {
    1: ("line",),
    2: ("quadrilateral", "triangle"),
    3: ("hexahedron", "tetrahedron"),
}
_MOST_REFINEMENTS = 9


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
        If a length is not positive, ``d`` is above 3, the cells have another dimension, or the growth is not
        above 1.
    """
    import skfem

    widths = np.asarray(half_widths, dtype=np.float64)
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
    axes = [
        _nodes(w, h, breakpoints) if smallest is None else _graded(w, smallest, h, growth, breakpoints)
        for w, h in zip(widths, sizes, strict=True)
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
    ``size² / 8 radius`` stays outside.

    Parameters
    ----------
    radius, size : float
        Radius, and the longest side of a cell.
    dim : int
        From 1 to 3.

    Raises
    ------
    ValueError
        If a length is not positive, there is no such dimension, or the size would take millions of cells.
    """
    import skfem

    if not (np.isfinite(radius) and radius > 0 and size > 0):
        raise ValueError(f"radius {radius} and element size {size} of a ball must be positive and finite")
    if dim not in CELLS:
        raise ValueError(f"balls exist in 1, 2 and 3 dimensions, not {dim}")
    if dim == 1:
        return interval(radius, size)
    for refinements in range(_MOST_REFINEMENTS - 2 * (dim == 3)):
        unit = skfem.MeshTri.init_circle(refinements) if dim == 2 else skfem.MeshTet.init_ball(refinements)
        if radius * longest_side(unit) <= size:
            return type(unit)(radius * unit.p, unit.t)
    raise ValueError(
        f"a ball of radius {radius:g} by cells of {size:g} takes millions of them; use cells of at least "
        f"{radius * longest_side(unit):.2g}"
    )


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


def _distinct(breakpoints: tuple[float, ...], half_width: float) -> list[float]:
    """Breakpoints inside, sorted; those that agree up to rounding count once, or cells would have no size."""
    room = 1e-9 * half_width
    kept: list[float] = []
    for point in sorted(breakpoints):
        if point < half_width - room and (not kept or point > kept[-1] + room):
            kept.append(point)
    return kept


def _nodes(half_width: float, size: float, breakpoints: tuple[float, ...]) -> FloatArray:
    inner = _distinct(breakpoints, half_width)
    corners = np.unique([-half_width, *(-b for b in inner), *inner, half_width])
    pieces = [
        np.linspace(a, b, max(1, int(np.ceil((b - a) / size - 1e-9))) + 1) for a, b in pairwise(corners)
    ]
    return np.unique(np.concatenate(pieces))


def _graded(
    half_width: float, smallest: float, largest: float, growth: float, breakpoints: tuple[float, ...]
) -> FloatArray:
    """Nodes whose distances grow geometrically from the origin, symmetric, with breakpoints among them."""
    positive = [0.0]
    length = min(smallest, largest)
    corners = [*_distinct(breakpoints, half_width), half_width]
    for corner in corners:
        begin, lengths = positive[-1], [length]
        while begin + sum(lengths) < corner * (1 - 1e-12):
            lengths.append(min(lengths[-1] * growth, largest))
        # Shrinking all by one factor makes the last one end at the corner.
        steps = np.array(lengths) * (corner - begin) / sum(lengths)
        positive += [*(begin + np.cumsum(steps)[:-1]).tolist(), corner]
        length = min(float(steps[-1]) * growth, largest)
    return np.concatenate([-np.array(positive[:0:-1]), positive])
