"""The rule that chooses a frequency mesh from the model and the data.

Two lengths decide. *How far*: the mesh must hold the band of the target and, around it, the frequencies into
which error can leak, but need not go beyond the support of the density, where nothing ever changes.
*How fine*: the error field oscillates in frequency as fast as the data extend in position, so the size of an
element follows from the extent of the target (and, late in training, from the width of the density).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, sqrt
from typing import TYPE_CHECKING

import numpy as np

from fefreq.meshes.shapes import CELLS, box, cell_of
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.support.precision import SMALLEST_RTOL
from fefreq.targets.target import OUTSIDE_BANDWIDTH, Target

if TYPE_CHECKING:
    from skfem import Mesh

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
# A given mesh is refused if it would get more than this share of the initial spectrum wrong.
LARGEST_ERROR = 0.1


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


def automatic(
    model: Model,
    target: Target,
    order: int | None = None,
    rtol: float | None = None,
    cell: str | None = None,
) -> MeshChoice:
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
    cell : {"line", "quadrilateral", "triangle", "hexahedron", "tetrahedron"}, optional
        By default lines, quadrilaterals, hexahedra.

    Raises
    ------
    ValueError
        If the rule asks for more than four million unknowns, the dimension is above 3, or the tolerance is not
        below 1 or below what double precision reaches.
    """
    if target.dim not in CELLS:
        raise ValueError(
            f"the equation is solved on meshes in 1, 2 and 3 dimensions, not {target.dim}; the kernel flow has "
            "no such limit"
        )
    cell = cell_of(target.dim, cell)
    rtol = MESH_RTOL[target.dim] if rtol is None else rtol
    if not SMALLEST_RTOL <= rtol < 1:
        raise ValueError(
            f"mesh_rtol is {rtol}; it must be below 1 and at least {SMALLEST_RTOL:g} in double precision, such as "
            f"{MESH_RTOL[target.dim]:g}"
        )
    order = ORDER[target.dim] if order is None else order
    band = target.bandwidth
    mass = np.minimum(_density_radius(model), model.support_box)
    reach = np.minimum(model.support_box, np.maximum(band, np.minimum(mass, band + _leak(model, band))))
    # The error of a spectrum on elements of degree p is the mean of the errors of its waves exp(2πi x ξ), each
    # as |x|^(p+1); late in training the field also varies on the scale on which the density does.
    distance = target.mean_distance(2 * (order + 1))
    size = largest_phase(order, rtol) / (2 * np.pi * distance + 4 / model.radius(0.5))
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
    return MeshChoice(box(reach, size, model.breakpoints, cell), order, reason)


def require_resolution(mesh: Mesh, order: int, target: Target, largest: float = LARGEST_ERROR) -> float:
    """Insist that the elements of a given mesh can follow the oscillations of the spectrum.

    The rule of the automatic choice is read backwards in every cell, and the cells count as much as the energy of
    the spectrum in them. Measured errors are within a factor of three of it.

    Parameters
    ----------
    mesh : skfem.Mesh
    order : int
        Polynomial degree of the elements.
    target : Target
    largest : float
        Largest error that is accepted.

    Returns
    -------
    float
        Relative error in the L2 norm to be expected of the initial spectrum on this mesh; 0 if the mesh lies
        beyond the band of the target.

    Raises
    ------
    ValueError
        If it is above the largest one; the message gives the size that the elements need.
    """
    corners = mesh.p[:, mesh.t]
    sizes = corners.max(axis=1) - corners.min(axis=1)
    # Anywhere in the cells: their centres may all be zeros of the spectrum of data in a box.
    within = np.random.default_rng(0).dirichlet(np.ones(len(mesh.t)), sizes.shape[1])
    at = np.einsum("dkc,ck->cd", corners, within)
    spectrum = target.spectrum(at).reshape(sizes.shape[1], -1)
    energies = np.prod(sizes, axis=0) * np.sum(np.abs(spectrum) ** 2, axis=1)
    if np.sum(energies) <= OUTSIDE_BANDWIDTH * target.energy:
        return 0.0
    distance = target.mean_distance(2 * (order + 1))
    waves = _error_of_phase(order, 2 * np.pi * distance[:, None] * sizes)
    squares = np.minimum(np.sum(waves**2, axis=0), 1.0)
    expected = float(np.sqrt(np.sum(energies * squares) / np.sum(energies)))
    if expected > largest:
        needed = {}
        for rtol in (MESH_RTOL[target.dim], largest):
            phase = largest_phase(order, rtol / sqrt(target.dim))
            with np.errstate(divide="ignore"):
                needed[rtol] = float(np.min(phase / (2 * np.pi * distance)))
        raise ValueError(
            f"the mesh does not resolve the target, whose data lie at a mean distance of {_list(distance)} from the "
            f"origin: its spectrum oscillates within elements of up to {_list(sizes.max(axis=1))} cycles, for an "
            f"expected error of {expected:.0%}. Elements of order {order} must be no longer than "
            + ", and ".join(
                f"{_down(size)} for a relative error of {rtol:g}" for rtol, size in needed.items()
            )
        )
    return expected


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


def largest_phase(order: int, rtol: float) -> float:
    """Largest ``k h`` at which ``exp(i k ξ)`` on an element of size h is approximated to ``rtol``."""
    return float((rtol / _error_of_phase(order, np.ones(1))[0]) ** (1 / (order + 1)))


def _error_of_phase(order: int, phase: FloatArray) -> FloatArray:
    """Relative error at which ``exp(i k ξ)`` on an element of size h is approximated, from ``k h``.

    The best polynomial of degree p leaves ``(k h)^(p+1) (p+1)! / ((2p+2)! √(2p+3))`` in the mean square;
    continuity across elements costs a little more, for which the factor 2 stands.
    """
    p = order
    constant = 2 * factorial(p + 1) / (factorial(2 * p + 2) * sqrt(2 * p + 3))
    return np.asarray(constant * phase ** (p + 1))


def _down(size: float) -> str:
    """Two digits of a size, rounded down, so that it is small enough."""
    digits = 1 - int(np.floor(np.log10(size)))
    return f"{np.floor(size * 10.0**digits) / 10.0**digits:.2g}"


def _list(values: FloatArray) -> str:
    return " × ".join(f"{v:.3g}" for v in np.unique(values))
