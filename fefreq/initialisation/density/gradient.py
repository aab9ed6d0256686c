r"""How the error at the end of a budget depends on the density: the functional and its exact gradient.

With the operator ``B(ρ)`` of ``∂_t û = -B û``, which is linear in the density, the squared error that training for a
time ``T`` leaves is

.. math:: J(ρ) = \frac{‖û(T)‖²}{‖û(0)‖²} , \qquad û(t) = e^{-tB(ρ)} û(0) .

Its derivative is the forward solution paired with the adjoint one. ``B`` is symmetric and does not depend on time, so
the adjoint solution, started from ``û(T)`` and run back to time ``t``, is ``û(2T - t)``: one propagation serves as
both, and

.. math::

    \frac{δJ}{δρ} ‖û(0)‖² = -\int_0^{2T} λ_{freq} σ_a²\, ∇û(s)·∇\overline{û(2T - s)}
        + λ_{out}\, û(s)\, \overline{û(2T - s)} \; ds .

In a space that diagonalises ``B`` the integral is known: with rates ``θ_i`` and amplitudes ``c_i`` it is the sum over
``c_i c_j φ_i φ_j`` times the divided difference of ``exp(-2Tθ)``. That space is the shift-and-invert Krylov space of
:mod:`fefreq.propagation.rational_krylov` with a pole for the time ``2T``. The gradient is that of the discrete
functional, and what is left of an error is the tolerance of the Krylov space.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fefreq.densities.hats import locate, spacing
from fefreq.diffusion.assembly import make_basis, mass_matrix, project_spectrum, quadrature_points
from fefreq.meshes.choice import largest_phase
from fefreq.propagation.linear_solvers import Factorisation, factorise
from fefreq.propagation.rational_krylov import REACH_OF_POLE
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Mesh

    from fefreq.targets.target import Target

LARGEST_BASIS = 250
_CHECK_EVERY = 4
_EPS = float(np.finfo(np.float64).eps)


class BudgetError:
    """The squared error that a training time leaves, as a function of the node values of a tabulated density.

    Parameters
    ----------
    target : Target
    axes : tuple of d arrays
        Uniform nodes along each axis: those of the density, and corners of the elements at the same time.
    damping, diffusion : float
        ``λ_out`` and ``λ_freq σ_a²``, the coefficients over the density.
    time : float
        Training time ``T``.
    order : int
        Polynomial degree of the elements.
    parts : tuple of d int, optional
        Number of elements from one node to the next along each axis, see :func:`divisions`; by default one.
    rtol : float
        Error of the fields, and so of the gradient, relative to what the budget leaves; that of the value is its
        square.

    Attributes
    ----------
    mass : sparse matrix, shape (N, N)
    initial : ndarray, shape (N, columns)
        Real and imaginary part of the spectrum of every channel on the mesh; parts that vanish are left out.
    energy : float
        ``‖û(0)‖²`` on the mesh.
    """

    def __init__(
        self,
        target: Target,
        axes: tuple[FloatArray, ...],
        damping: float,
        diffusion: float,
        time: float,
        order: int,
        parts: tuple[int, ...] | None = None,
        rtol: float = 1e-8,
    ) -> None:
        from scipy.sparse import csr_matrix

        basis = make_basis(grid_mesh(axes, parts or (1,) * len(axes)), order)
        self.time = time
        self.rtol = rtol
        self.mass = mass_matrix(basis)
        at, shape = quadrature_points(basis)
        self._interpolation = interpolation_matrix(axes, at)
        self._weights = np.asarray(basis.dx, dtype=np.float64).reshape(-1)
        # Values and derivatives of the basis at quadrature points, each with its share of the operator.
        rows = np.broadcast_to(np.arange(len(at)).reshape(shape), (basis.Nbfun, *shape))
        columns = np.broadcast_to(basis.element_dofs[:, :, None], (basis.Nbfun, *shape))
        factors = [(damping, [np.broadcast_to(np.asarray(b[0]), shape) for b in basis.basis])]
        if diffusion > 0:
            factors += [
                (diffusion, [np.broadcast_to(b[0].grad[axis], shape) for b in basis.basis])
                for axis in range(len(axes))
            ]
        self._parts = [
            (
                factor,
                csr_matrix(
                    (np.stack(values).ravel(), (rows.ravel(), columns.ravel())), shape=(len(at), basis.N)
                ),
            )
            for factor, values in factors
        ]
        initial = project_spectrum(basis, self.mass, target).reshape(basis.N, -1)
        real = np.concatenate([initial.real, initial.imag], axis=1)
        energies = np.einsum("nc,nc->c", real, self.mass @ real)
        self.initial = real[:, energies > _EPS**2 * np.sum(energies)]
        self.energy = float(np.sum(energies))

    @property
    def unknowns(self) -> int:
        """Number of unknowns of the mesh."""
        return int(self.mass.shape[0])

    def operator(self, values: FloatArray) -> csr_matrix:
        """The operator matrix of node values, in which it is linear."""
        from scipy.sparse import diags_array

        scale = diags_array(self._weights * (self._interpolation @ values.ravel()))
        total: csr_matrix = sum(factor * (part.T @ scale @ part) for factor, part in self._parts).tocsr()
        return total

    def value_and_gradient(self, values: FloatArray) -> tuple[float, FloatArray]:
        """``J`` and its derivatives with respect to the node values, in their shape."""
        operator = self.operator(values)
        pole = 2.0 * self.time / REACH_OF_POLE
        factors = factorise(self.mass + pole * operator)
        total, density = 0.0, np.zeros(len(self._weights))
        for column in self.initial.T:
            modes = _ritz_modes(self.mass, factors, column, pole, 2.0 * self.time, self.rtol)
            total += float(modes.amplitudes**2 @ np.exp(-2.0 * self.time * modes.rates))
            pairs = np.outer(modes.amplitudes, modes.amplitudes) * divided_differences(
                modes.rates, 2.0 * self.time
            )
            for factor, part in self._parts:
                fields = part @ modes.vectors
                density -= factor * np.einsum("qi,qi->q", fields @ pairs, fields)
        gradient = self._interpolation.T @ (self._weights * density)
        return total / self.energy, gradient.reshape(values.shape) / self.energy


@dataclass(frozen=True)
class _Modes:
    """A column in a small space: rates ``(k,)``, amplitudes ``(k,)`` and M-orthonormal vectors ``(N, k)``."""

    rates: FloatArray
    amplitudes: FloatArray
    vectors: FloatArray


def _ritz_modes(
    mass: csr_matrix, factors: Factorisation, column: FloatArray, pole: float, horizon: float, rtol: float
) -> _Modes:
    """Krylov space of ``(M + γA)⁻¹ M`` in which a column evolves up to the horizon, by Lanczos' method."""
    from scipy.linalg import eigh_tridiagonal

    size = float(np.sqrt(column @ (mass @ column)))
    basis = np.empty((LARGEST_BASIS + 1, len(column)))
    products = np.empty_like(basis)
    basis[0] = column / size
    diagonal: list[float] = []
    beside: list[float] = []
    times = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 60)]) * horizon
    for k in range(LARGEST_BASIS):
        products[k] = mass @ basis[k]
        vector = factors.solve(products[k])
        held = products[: k + 1] @ vector
        diagonal.append(float(held[k]))
        for _ in range(2):
            vector = vector - held @ basis[: k + 1]
            held = products[: k + 1] @ vector
        norm = float(np.sqrt(max(vector @ (mass @ vector), 0.0)))
        ended = norm <= 1e-14 * max(diagonal)
        if ended or k % _CHECK_EVERY == _CHECK_EVERY - 1 or k == LARGEST_BASIS - 1:
            ritz, modes = eigh_tridiagonal(np.array(diagonal), np.array(beside))
            ritz = np.clip(ritz, _EPS**2, 1.0)
            rates = (1.0 / ritz - 1.0) / pole
            left = np.sqrt(modes[0] ** 2 @ np.exp(-horizon * rates))
            # The residual of the small space is this scalar times one vector, see `fefreq.propagation.rational_krylov`.
            outflow = np.abs(np.exp(-np.outer(times, rates)) @ (norm / ritz * modes[0] * modes[-1]))
            if ended or np.max(outflow[1:]) <= rtol * left:
                break
        beside.append(norm)
        basis[k + 1] = vector / norm
    return _Modes(np.asarray(rates, dtype=np.float64), size * modes[0], basis[: len(diagonal)].T @ modes)


def divided_differences(rates: FloatArray, time: float) -> FloatArray:
    """``∫_0^t exp(-θ_i s) exp(-θ_j (t - s)) ds`` for all pairs, shape ``(k, k)``.

    >>> divided_differences(np.array([0.0, 1.0]), 1.0).round(4).tolist()
    [[1.0, 0.6321], [0.6321, 0.3679]]
    """
    gap = time * np.abs(rates[:, None] - rates)
    slower = np.exp(-time * np.minimum(rates[:, None], rates))
    safe = np.where(gap > 0, gap, 1.0)
    return np.asarray(time * slower * np.where(gap > 0, -np.expm1(-safe) / safe, 1.0))


def divisions(axes: tuple[FloatArray, ...], target: Target, order: int, rtol: float) -> tuple[int, ...]:
    """Into how many elements to divide the distance between nodes along each axis.

    Elements of this order then have a spectrum of the target with about the given relative error.
    """
    longest = largest_phase(order, rtol) / (2.0 * np.pi * target.mean_distance(2 * (order + 1)))
    return tuple(
        max(1, int(np.ceil(spacing(axis) / size - 1e-9))) for axis, size in zip(axes, longest, strict=True)
    )


def grid_mesh(axes: tuple[FloatArray, ...], parts: tuple[int, ...]) -> Mesh:
    """Mesh of lines, quadrilaterals or hexahedra with the given nodes, and others between them, along each axis."""
    import skfem

    kinds = {1: skfem.MeshLine, 2: skfem.MeshQuad, 3: skfem.MeshHex}
    fine = [
        np.interp(np.arange(count * (len(axis) - 1) + 1), count * np.arange(len(axis)), axis)
        for axis, count in zip(axes, parts, strict=True)
    ]
    return kinds[len(axes)].init_tensor(*fine)


def interpolation_matrix(axes: tuple[FloatArray, ...], points: FloatArray) -> csr_matrix:
    """Sparse matrix of the multilinear interpolant: node values ``(nodes,)`` to values at points ``(n, d)``."""
    from scipy.sparse import csr_matrix

    shape = tuple(len(axis) for axis in axes)
    found = [locate(axis, coordinate) for axis, coordinate in zip(axes, points.T, strict=True)]
    columns, shares = [], []
    for corner in itertools.product((0, 1), repeat=len(axes)):
        nodes = [cell + bit for (cell, _), bit in zip(found, corner, strict=True)]
        columns.append(np.ravel_multi_index(nodes, shape))
        parts = [share if bit else 1.0 - share for (_, share), bit in zip(found, corner, strict=True)]
        shares.append(np.prod(parts, axis=0))
    rows = np.tile(np.arange(len(points)), len(columns))
    entries = (np.concatenate(shares), (rows, np.concatenate(columns)))
    return csr_matrix(entries, shape=(len(points), int(np.prod(shape))))
