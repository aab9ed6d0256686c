"""Frequency meshes and the rule that chooses them.

Two lengths decide. *How far*: the mesh must hold the band of the target and, around it, the frequencies into
which error can leak, but need not go beyond the support of the density, where nothing ever changes.
*How fine*: the error field oscillates in frequency as fast as the data extend in position, so the size of an
element follows from the extent of the target (and, late in training, from the width of the density).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import factorial, sqrt
from typing import TYPE_CHECKING

import numpy as np

from fefreq._arrays import FloatArray
from fefreq.models import Model
from fefreq.targets import Target

if TYPE_CHECKING:
    from skfem import Element, Mesh

# Relative error of the discretised initial spectrum that the automatic choice aims at, by dimension.
MESH_RTOL = {1: 1e-6, 2: 1e-3, 3: 1e-2}
# Smooth fields want high orders: for the same error, order 4 took a third of the unknowns of order 2 and less
# than half of its time on measured terrain. Hexahedra exist up to order 2.
ORDER = {1: 4, 2: 4, 3: 2}
# The density counts as ended where this fraction of its mass lies outside.
OUTSIDE_DENSITY = 1e-6
# Error leaks from a band like exp(-distance / sqrt(D / c)): after this many lengths 6e-6 is left.
LEAK_LENGTHS = 12.0
LARGEST_AUTOMATIC = 4_000_000


@dataclass(frozen=True)
class MeshChoice:
    """A mesh, the order of its elements, and why they were chosen.

    Attributes
    ----------
    mesh : skfem.Mesh
        Coordinates are frequencies in cycles per unit length.
    order : int
        Polynomial degree of the elements.
    reason : str
        One sentence with the numbers that decided.
    """

    mesh: Mesh
    order: int
    reason: str


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
    half_widths: FloatArray | list[float], size: float | FloatArray, breakpoints: tuple[float, ...] = ()
) -> Mesh:
    """Tensor mesh of a box around the origin: lines, quadrilaterals or hexahedra.

    Parameters
    ----------
    half_widths : array_like, shape (d,)
        In cycles per unit length, with ``d`` from 1 to 3.
    size : float or array_like, shape (d,)
        Largest element length along each axis.
    breakpoints : tuple of float
        Positive coordinates that must be nodes along every axis, as must their mirror images.

    Raises
    ------
    ValueError
        If a length is not positive or ``d`` is above 3.
    """
    from skfem import MeshHex, MeshLine, MeshQuad

    widths = np.asarray(half_widths, dtype=np.float64)
    sizes = np.broadcast_to(np.asarray(size, dtype=np.float64), widths.shape)
    if not (np.all(widths > 0) and np.all(sizes > 0) and np.all(np.isfinite(widths))):
        raise ValueError(
            f"half-widths {widths} and element sizes {sizes} of a mesh must be positive and finite"
        )
    if len(widths) not in (1, 2, 3):
        raise ValueError(f"meshes exist in 1, 2 and 3 dimensions, not {len(widths)}")
    axes = [_nodes(w, h, breakpoints) for w, h in zip(widths, sizes, strict=True)]
    kind = {1: MeshLine, 2: MeshQuad, 3: MeshHex}[len(axes)]
    return kind.init_tensor(*axes)


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


def automatic(model: Model, target: Target, order: int | None = None, rtol: float | None = None) -> MeshChoice:
    """Choose a mesh from the frequencies of the model and the target.

    Parameters
    ----------
    model : Model
    target : Target
        Of the same dimension, at most 3.
    order : int, optional
        Polynomial degree of the elements; by default 4, and 2 in three dimensions.
    rtol : float, optional
        Relative error of the discretised initial spectrum to aim at; by default 1e-6, 1e-3 and 1e-2 in one,
        two and three dimensions.

    Raises
    ------
    ValueError
        If the rule asks for more than four million unknowns.
    """
    rtol = MESH_RTOL[target.dim] if rtol is None else rtol
    order = ORDER[target.dim] if order is None else order
    band = target.bandwidth
    mass = np.minimum(_density_radius(model), model.support_box)
    reach = np.minimum(model.support_box, np.maximum(band, np.minimum(mass, band + _leak(model, band))))
    # The error of a spectrum on elements of degree p is the mean of the errors of its waves exp(2πi x ξ), each
    # as |x|^(p+1); late in training the field also varies on the scale on which the density does.
    distance = target.mean_distance(2 * (order + 1))
    size = _largest_phase(order, rtol) / (2 * np.pi * distance + 4 / model.radius(0.5))
    unknowns = np.prod(order * np.ceil(2 * reach / size) + 1)
    if unknowns > LARGEST_AUTOMATIC:
        raise ValueError(
            f"resolving the target (mean distance {_list(distance)}, band {_list(band)} cycles) to {rtol:g} "
            f"would take {unknowns:.2g} unknowns; allow a larger mesh_rtol, or give a mesh"
        )
    reason = (
        f"half-width {_list(reach)} cycles from the target's band {_list(band)} and the density's reach "
        f"{_list(mass)}; elements of order {order} and "
        f"size {_list(size)} from the target's mean distance {_list(distance)} from the origin, for a relative "
        f"error of {rtol:g}"
    )
    return MeshChoice(box(reach, size, model.breakpoints), order, reason)


def _nodes(half_width: float, size: float, breakpoints: tuple[float, ...]) -> FloatArray:
    inner = [b for b in breakpoints if b < half_width * (1 - 1e-12)]
    corners = np.unique([-half_width, *(-b for b in inner), *inner, half_width])
    pieces = [
        np.linspace(a, b, max(1, int(np.ceil((b - a) / size - 1e-9))) + 1) for a, b in pairwise(corners)
    ]
    return np.unique(np.concatenate(pieces))


def _density_radius(model: Model) -> float:
    return model.radius(1 - OUTSIDE_DENSITY)


def _leak(model: Model, band: FloatArray) -> float:
    frequencies = np.linspace(0, 1, 65)[:, None] * band
    lengths = []
    for parity in ("even", "odd"):
        c = model.coefficients(frequencies, parity)
        moving = c.diffusion > 0
        if np.any(moving & (c.damping <= 0)):
            return float("inf")
        if np.any(moving):
            lengths.append(np.sqrt(np.max(c.diffusion[moving] / c.damping[moving])))
    return LEAK_LENGTHS * float(max(lengths, default=0.0))


def _largest_phase(order: int, rtol: float) -> float:
    """Largest ``k h`` at which ``exp(i k ξ)`` on an element of size h is approximated to ``rtol``.

    The best polynomial of degree p leaves ``(k h)^(p+1) (p+1)! / ((2p+2)! √(2p+3))`` in the mean square;
    continuity across elements costs a little more, for which the factor 2 stands.
    """
    p = order
    constant = 2 * factorial(p + 1) / (factorial(2 * p + 2) * sqrt(2 * p + 3))
    return float((rtol / constant) ** (1 / (p + 1)))


def _list(values: FloatArray) -> str:
    return " × ".join(f"{v:.3g}" for v in np.unique(values))
