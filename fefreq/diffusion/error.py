r"""The error that a mesh leaves at every time, estimated cell by cell, and refinement where it is large.

The field is computed a second time in a richer space: elements of one order more on the same mesh or, where
scikit-fem has none, the same elements on every cell divided. Both obey the same equation with the same
coefficients, so their difference carries the weights of the diffusion and the damping, the decay of early errors
and their transport at all requested times, not only the error of the initial projection:

.. math:: η(t)^2 = \sum_K η_K(t)^2 , \qquad η_K(t) = ‖û_{richer}(t) - û_h(t)‖_{L^2(K)} .

If the richer field is better by a factor ``q < 1`` (saturation), the true error lies between ``η / (1 + q)`` and
``η / (1 - q)``. Smooth fields have ``q`` near 0. What is *not* in the estimate: frequencies beyond the mesh.

Cells are marked by their largest contribution over all times (Dörfler's bulk criterion). Lines, triangles and
tetrahedra are refined where marked, other cells everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fefreq.diffusion.assembly import blocks, light_basis
from fefreq.meshes.shapes import element
from fefreq.support.arrays import ComplexArray, FloatArray

if TYPE_CHECKING:
    from skfem import Basis, Mesh

BULK = 0.8


@dataclass(frozen=True, eq=False)
class MeshError:
    """Estimated error of a field on a mesh.

    Attributes
    ----------
    estimate : ndarray, shape (T,)
        ``η(t)`` relative to the initial field in the L2 norm, over all channels.
    cells : ndarray, shape (cells,)
        Largest ``η_K(t)`` over the times, relative to the initial field.
    """

    estimate: FloatArray
    cells: FloatArray


def richer_space(mesh: Mesh, order: int) -> tuple[Mesh, int]:
    """Mesh and order of the space in which a field is computed again."""
    try:
        element(mesh, order + 1)
    except ValueError:
        return mesh.refined(1), order
    return mesh, order + 1


def compare_fields(
    mesh: Mesh,
    order: int,
    dofs: ComplexArray,
    richer: tuple[Mesh, int],
    richer_dofs: ComplexArray,
    initial: float,
) -> MeshError:
    """Distance of a field from the same field in a richer space.

    Parameters
    ----------
    mesh, order
        Of the field.
    dofs : ndarray of complex, shape (T, N) or (T, N, channels)
    richer : tuple of mesh and order
        What :func:`richer_space` gave.
    richer_dofs : ndarray of complex, shape (T, N') or (T, N', channels)
    initial : float
        L2 norm of the initial field.
    """
    coarse, fine = light_basis(mesh, order), light_basis(*richer)
    a = _columns(dofs)
    b = _columns(richer_dofs)
    cells = np.zeros(mesh.t.shape[1])
    squares = np.zeros(len(dofs))
    nested = richer[0] is not mesh
    for block in blocks(fine):
        weights = np.asarray(block.dx)
        numbers = np.arange(richer[0].t.shape[1]) if block.tind is None else np.asarray(block.tind)
        parents, matrix = _coarse_values(coarse, block, numbers, nested)
        local = np.zeros((len(dofs), len(numbers)))
        for t in range(len(dofs)):
            for x, y in zip(a[t], b[t], strict=True):
                values = _values(block, y)
                values -= matrix(x)
                local[t] += np.sum(weights * values**2, axis=1)
        squares += local.sum(axis=1)
        gathered = np.stack([np.bincount(parents, row, len(cells)) for row in local])
        cells = np.maximum(cells, gathered.max(axis=0))
    scale = initial if initial > 0 else 1.0
    return MeshError(np.sqrt(squares) / scale, np.sqrt(cells) / scale)


def refine(mesh: Mesh, error: MeshError, goal: float) -> Mesh:
    """Refine the cells that make up most of the error, or all where cells cannot be refined one by one.

    Parameters
    ----------
    mesh : skfem.Mesh
    error : MeshError
        Of the field on this mesh.
    goal : float
        Relative error to reach; cells with far less than their share of it are left alone.
    """
    import skfem

    if not isinstance(mesh, (skfem.MeshLine, skfem.MeshTri, skfem.MeshTet)):
        return mesh.refined(1)
    marked = _bulk(error.cells, goal)
    if isinstance(mesh, skfem.MeshLine):
        middle = mesh.p[0, mesh.t[:, marked]].mean(axis=0)
        return skfem.MeshLine(np.sort(np.concatenate([mesh.p[0], middle])))
    return mesh.refined(marked)


def _bulk(cells: FloatArray, goal: float) -> NDArray[np.intp]:
    """The smallest set of cells that holds the bulk of the squared error."""
    squares = cells**2
    order = np.argsort(squares)[::-1]
    held = np.cumsum(squares[order])
    count = int(np.searchsorted(held, BULK * held[-1])) + 1
    # Equal shares of half the goal are small enough in every cell; above a multiple of it, refinement is needed anyway.
    needed = int(np.count_nonzero(squares > 4 * goal**2 / len(cells)))
    return np.sort(order[: max(count, needed)])


def _columns(dofs: ComplexArray) -> FloatArray:
    """Real columns ``(T, columns, N)`` of complex unknowns."""
    flat = dofs.reshape(*dofs.shape[:2], -1)
    return np.moveaxis(np.concatenate([flat.real, flat.imag], axis=2), 2, 1)


def _values(block: Basis, dofs: FloatArray) -> FloatArray:
    """Values at the quadrature points of a block, ``(cells, points)``."""
    total = np.zeros(np.shape(block.dx))
    for i, unknowns in enumerate(block.element_dofs):
        total += dofs[unknowns][:, None] * np.asarray(block.basis[i][0])
    return total


def _coarse_values(
    coarse: Basis, block: Basis, numbers: NDArray[Any], nested: bool
) -> tuple[NDArray[Any], Any]:
    """Coarse cell of every cell of a block, and a function that evaluates coarse unknowns at its points."""
    from skfem import Basis

    if not nested:
        same = Basis(
            coarse.mesh,
            coarse.elem,
            quadrature=(block.X, block.W),
            elements=numbers,
            dofs=coarse.dofs,
            disable_doflocs=True,
        )
        return numbers, lambda dofs: _values(same, dofs)
    from fefreq.diffusion.assembly import quadrature_points
    from fefreq.meshes.point_location import locate, probe_matrix

    points, shape = quadrature_points(block)
    middles = points.reshape(*shape, -1).mean(axis=1)
    parents, _ = locate(coarse.mesh, middles)
    probe = probe_matrix(coarse, points)
    return parents, lambda dofs: (probe @ dofs).reshape(shape)
