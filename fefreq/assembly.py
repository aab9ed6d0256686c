r"""Mass and operator matrices of the damped diffusion.

The weak form of ``∂_t û = ∇·(D ∇û) - c û`` with zero flux at the edge is ``M u' = -A u`` with

.. math:: M_{ij} = ∫ φ_i φ_j , \qquad A_{ij} = ∫ D\, ∇φ_i·∇φ_j + c\, φ_i φ_j ,

``M`` and ``A`` symmetric, ``A`` positive semi-definite and independent of time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq._arrays import ComplexArray, FloatArray
from fefreq.linear_solvers import factorise
from fefreq.meshes import element
from fefreq.models import Model, Parity
from fefreq.targets import Target

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Basis, Mesh


def make_basis(mesh: Mesh, order: int) -> Basis:
    """Finite-element basis with quadrature exact for products of the basis with a polynomial of degree 2.

    The coefficients are no polynomials; what the quadrature leaves is of the order of interpolation.
    """
    from skfem import Basis

    return Basis(mesh, element(mesh, order), intorder=2 * order + 2, disable_doflocs=True)


def mass_matrix(basis: Basis) -> csr_matrix:
    """``M``, shape ``(N, N)``."""
    from skfem import BilinearForm

    @BilinearForm
    def mass(u: Any, v: Any, w: Any) -> Any:
        return u * v

    matrix: csr_matrix = mass.assemble(basis).tocsr()
    return matrix


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

    at, shape = quadrature_points(basis)
    coefficients = model.coefficients(at, parity)
    for name, values in (("diffusion", coefficients.diffusion), ("damping", coefficients.damping)):
        bad = ~(np.isfinite(values) & (values >= 0))
        if np.any(bad):
            first = int(np.argmax(bad))
            raise ValueError(
                f"the {name} coefficient is {values[first]} at frequency {at[first].tolist()}; "
                "it must be finite and at least 0 on the whole mesh"
            )
    if model.parity_dependent is False and not (
        np.any(coefficients.diffusion) or np.any(coefficients.damping)
    ):
        raise ValueError(
            "the density vanishes on the whole mesh, so nothing would be learned: enlarge or move the mesh"
        )
    fields = {"D": coefficients.diffusion.reshape(shape), "c": coefficients.damping.reshape(shape)}
    matrix: csr_matrix = operator.assemble(basis, **fields).tocsr()
    return matrix


def project_spectrum(basis: Basis, mass: csr_matrix, target: Target) -> ComplexArray:
    """L2 projection of the spectrum of a target, shape ``(N,)`` or ``(N, channels)``."""
    from skfem import LinearForm

    @LinearForm
    def load(v: Any, w: Any) -> Any:
        return w.f * v

    at, shape = quadrature_points(basis)
    spectrum = target.spectrum(at).reshape(len(at), -1)
    columns = np.concatenate([spectrum.real, spectrum.imag], axis=1)
    loads = np.stack([load.assemble(basis, f=column.reshape(shape)) for column in columns.T], axis=1)
    solved = factorise(mass).solve(loads)
    real, imaginary = np.split(solved, 2, axis=1)
    return (real + 1j * imaginary).reshape(basis.N, *target.values.shape[1:])


def quadrature_points(basis: Basis) -> tuple[FloatArray, tuple[int, ...]]:
    """Quadrature points of all elements as ``(n, d)``, and the shape ``(elements, points)`` of values."""
    coordinates = np.asarray(basis.global_coordinates())
    return np.ascontiguousarray(coordinates.reshape(len(coordinates), -1).T), coordinates.shape[1:]
