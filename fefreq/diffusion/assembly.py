r"""Mass and operator matrices of the damped diffusion.

The weak form of ``∂_t û = ∇·(D ∇û) - c û`` with zero flux at the edge is ``M u' = -A u`` with

.. math:: M_{ij} = ∫ φ_i φ_j , \qquad A_{ij} = ∫ D\, ∇φ_i·∇φ_j + c\, φ_i φ_j ,

``M`` and ``A`` symmetric, ``A`` positive semi-definite and independent of time.

Large meshes are assembled in blocks of elements, because quadrature data of all elements at once (5 GB for a
million hexahedra) would take more memory than the matrices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq.meshes.shapes import element
from fefreq.models import Model, Parity
from fefreq.propagation.linear_solvers import solve_mass
from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.targets.target import Target

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Basis, BilinearForm, Mesh

# Numbers of quadrature data that one block of elements may hold, about 200 MB.
_BLOCK = 25_000_000


def make_basis(mesh: Mesh, order: int) -> Basis:
    """Finite-element basis with quadrature exact for products of the basis with a polynomial of degree 2.

    The coefficients are no polynomials; what the quadrature leaves is of the order of interpolation.
    """
    from skfem import Basis

    return Basis(mesh, element(mesh, order), intorder=_degree(order), disable_doflocs=True)


def light_basis(mesh: Mesh, order: int) -> Basis:
    """The same basis without quadrature data of more than one element: numbers unknowns, evaluates, assembles here."""
    from skfem import Basis

    return Basis(
        mesh,
        element(mesh, order),
        intorder=_degree(order),
        elements=np.array([0]),
        disable_doflocs=True,
    )


def _degree(order: int) -> int:
    return 2 * order + 2


def blocks(basis: Basis) -> Iterator[Basis]:
    """Bases on blocks of elements that together cover the mesh."""
    from skfem import Basis

    count = basis.mesh.t.shape[1]
    if basis.nelems == count and basis.tind is None:
        yield basis
        return
    per_element = basis.X.shape[1] * (basis.Nbfun * (basis.mesh.dim() + 1) + 3 * basis.mesh.dim() ** 2)
    size = max(1, _BLOCK // per_element)
    for start in range(0, count, size):
        yield Basis(
            basis.mesh,
            basis.elem,
            mapping=None,
            quadrature=(basis.X, basis.W),
            elements=np.arange(start, min(start + size, count)),
            dofs=basis.dofs,
            disable_doflocs=True,
        )


def mass_matrix(basis: Basis) -> csr_matrix:
    """``M``, shape ``(N, N)``."""
    from skfem import BilinearForm

    @BilinearForm
    def mass(u: Any, v: Any, w: Any) -> Any:
        return u * v

    return _sum_blocks(basis, ((mass, block, {}) for block in blocks(basis)))


def operator_matrix(basis: Basis, model: Model, parity: Parity) -> csr_matrix:
    """``A`` for one parity of the error, shape ``(N, N)``.

    Raises
    ------
    ValueError
        If a coefficient is negative or not finite somewhere on the mesh (the message says where), or if
        both vanish on the whole mesh.
    """
    from skfem import BilinearForm
    from skfem.helpers import dot, grad

    @BilinearForm
    def operator(u: Any, v: Any, w: Any) -> Any:
        return w.D * dot(grad(u), grad(v)) + w.c * u * v

    moves = model.parity_dependent

    def parts() -> Iterator[tuple[BilinearForm, Basis, dict[str, FloatArray]]]:
        nonlocal moves
        for block in blocks(basis):
            at, shape = quadrature_points(block)
            coefficients = model.coefficients(at, parity)
            for name, values in (("diffusion", coefficients.diffusion), ("damping", coefficients.damping)):
                _require_coefficient(name, values, at)
                moves |= bool(np.any(values))
            fields = {"D": coefficients.diffusion.reshape(shape), "c": coefficients.damping.reshape(shape)}
            yield operator, block, fields

    matrix = _sum_blocks(basis, parts())
    if not moves:
        raise ValueError(
            "the density vanishes on the whole mesh, so nothing would be learned: enlarge or move the mesh"
        )
    return matrix


def project_spectrum(basis: Basis, mass: csr_matrix, target: Target) -> ComplexArray:
    """L2 projection of the spectrum of a target, shape ``(N,)`` or ``(N, channels)``."""
    from skfem import LinearForm

    @LinearForm
    def load(v: Any, w: Any) -> Any:
        return w.f * v

    loads = np.zeros((basis.N, 2 * (target.channels or 1)))
    for block in blocks(basis):
        at, shape = quadrature_points(block)
        spectrum = target.spectrum(at).reshape(len(at), -1)
        columns = np.concatenate([spectrum.real, spectrum.imag], axis=1)
        for i, column in enumerate(columns.T):
            loads[:, i] += load.assemble(block, f=column.reshape(shape))
    solved = solve_mass(mass, loads)
    real, imaginary = np.split(solved, 2, axis=1)
    return (real + 1j * imaginary).reshape(basis.N, *target.values.shape[1:])


def quadrature_points(basis: Basis) -> tuple[FloatArray, tuple[int, ...]]:
    """Quadrature points of all elements as ``(n, d)``, and the shape ``(elements, points)`` of values."""
    coordinates = np.asarray(basis.global_coordinates())
    return np.ascontiguousarray(coordinates.reshape(len(coordinates), -1).T), coordinates.shape[1:]


def _sum_blocks(
    basis: Basis, parts: Iterator[tuple[BilinearForm, Basis, dict[str, FloatArray]]]
) -> csr_matrix:
    """Sum the matrices of blocks, a few at a time: every sum costs a pass over what there is."""
    from scipy.sparse import coo_matrix, csr_matrix

    total = csr_matrix((basis.N, basis.N))
    rows, columns, values = [], [], []
    held = 0
    for form, block, fields in parts:
        part = form.coo_data(block, **fields)
        rows.append(part.indices[0])
        columns.append(part.indices[1])
        values.append(part.data)
        held += len(part.data)
        if held > 2 * _BLOCK:
            total = total + _gathered(coo_matrix, rows, columns, values, basis.N)
            rows, columns, values, held = [], [], [], 0
    if held:
        last = _gathered(coo_matrix, rows, columns, values, basis.N)
        total = total + last if total.nnz else last
    matrix: csr_matrix = total
    return matrix


def _gathered(kind: Any, rows: list[Any], columns: list[Any], values: list[Any], size: int) -> csr_matrix:
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    matrix: csr_matrix = kind(entries, shape=(size, size)).tocsr()
    return matrix


def _require_coefficient(name: str, values: FloatArray, at: FloatArray) -> None:
    bad = ~(np.isfinite(values) & (values >= 0))
    if np.any(bad):
        first = int(np.argmax(bad))
        raise ValueError(
            f"the {name} coefficient is {values[first]} at frequency {at[first].tolist()}; "
            "it must be finite and at least 0 on the whole mesh"
        )
