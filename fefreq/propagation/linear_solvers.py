r"""Sparse symmetric positive definite systems: factorise once, solve often.

Three ways, behind one function:

``superlu``
    Comes with SciPy and is always there. With settings that use the symmetry (a fill-reducing ordering of
    ``A + Aᵀ``, pivots on the diagonal) it takes half the time, and in three dimensions a quarter.
``cholmod``
    A supernodal Cholesky factorisation, by the wheel of ``kvxopt`` (extra ``fefreq[cholmod]``): three to five
    times faster than SuperLU at factorising, as fast at solving.
``amg``
    Conjugate gradients, preconditioned by algebraic multigrid of ``pyamg`` (extra ``fefreq[amg]``): for meshes
    in three dimensions whose factors would be too large. Solutions are approximate, to a given tolerance.

The Cholesky factor of a mesh with separators of ``s`` unknowns has about ``8 n log₂ s + 10 s²`` entries (nested
dissection of regular grids). The choice rests on that, and is made before anything is allocated. SuperLU keeps two
factors with their indices and orders them less well. No backend is imported unless it is used.

>>> import numpy as np, scipy.sparse
>>> matrix = scipy.sparse.diags_array([[-1.0] * 4, [4.0] * 5, [-1.0] * 4], offsets=[-1, 0, 1])
>>> solution = factorise(matrix).solve(np.ones(5))
>>> bool(np.allclose(matrix @ solution, 1))
True
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol, get_args

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, tril

from fefreq.support.arrays import FloatArray
from fefreq.support.memory import gigabytes, require_memory, usable_memory

Backend = Literal["superlu", "cholmod", "amg"]
_PACKAGES: dict[Backend, str] = {"superlu": "scipy", "cholmod": "kvxopt", "amg": "pyamg"}

# From separators of this many unknowns on, iterating is faster than factorising (a cube of 55³ unknowns).
ITERATE_FROM = 3000
# Below this size a supernodal factorisation has no dense blocks to gain from: lines of elements.
NARROW = 32
# Below this size the import of another package costs more than it saves.
SMALL = 5000
# Bytes per entry of that estimate: numbers of one factor and room to work; numbers and indices of two factors, of
# which a less good ordering makes half as many again and more. Measured on meshes of all kinds of cells.
BYTES_PER_ENTRY: dict[Backend, float] = {"cholmod": 12.0, "superlu": 32.0}
ITERATION_RTOL = 1e-10
_MOST_ITERATIONS = 500
_MOST_MASS_ITERATIONS = 120
_LARGE_MASS = 100_000
_TINY = np.finfo(np.float64).tiny


class Factorisation(Protocol):
    """A factorised matrix."""

    def solve(self, right_hand_sides: FloatArray) -> FloatArray:
        """Solve for columns ``(n, k)`` or one vector ``(n,)``."""


@dataclass(frozen=True)
class Plan:
    """How matrices of one sparsity pattern are solved with.

    Attributes
    ----------
    backend : {"superlu", "cholmod", "amg"}
    memory : float
        Estimated bytes of the factors.
    """

    backend: Backend
    memory: float


def plan(matrix: csr_matrix, backend: Backend | None = None) -> Plan:
    """Choose a backend by the size of a matrix and that of its separators, and estimate what it takes.

    Parameters
    ----------
    matrix : sparse matrix or array
        Shape ``(n, n)``, symmetric and positive definite.
    backend : {"superlu", "cholmod", "amg"}, optional
        By default CHOLMOD where it is installed, else SuperLU; multigrid where the factors would be too large.

    Raises
    ------
    ValueError
        If the backend is unknown or not installed, or the factors would not fit into memory.
    """
    if backend is not None:
        _require_installed(backend)
    n = matrix.shape[0]
    if n <= SMALL:
        return Plan(backend or "superlu", 0.0)
    separator = separator_size(matrix)
    if backend is None and separator < NARROW:
        backend = "superlu"
    direct = backend or ("cholmod" if installed("cholmod") else "superlu")
    if direct != "amg":
        needed = BYTES_PER_ENTRY[direct] * (8 * n * np.log2(separator + 2) + 10 * separator**2)
        too_large = separator > ITERATE_FROM or needed > usable_memory()
        if not (backend is None and too_large and installed("amg")):
            require_memory(
                needed,
                f"factorising a matrix of {n} unknowns",
                "install fefreq[amg], which iterates instead, or use a coarser mesh",
            )
            return Plan(direct, float(needed))
    return Plan("amg", 3 * 12.0 * matrix.nnz)  # smoothed transfers, coarser levels


def factorise(
    matrix: csr_matrix, backend: Backend | Plan | None = None, rtol: float = ITERATION_RTOL
) -> Factorisation:
    """Factorise a sparse symmetric positive definite matrix.

    Parameters
    ----------
    matrix : sparse matrix or array
        Shape ``(n, n)``, symmetric and positive definite.
    backend : {"superlu", "cholmod", "amg"} or Plan, optional
        By default, or for a name, as :func:`plan` says; a plan serves all matrices of one sparsity pattern.
    rtol : float
        Relative residual of the solutions of an iterative backend; the others solve to rounding.

    Raises
    ------
    ValueError
        If the backend is unknown or not installed, the factors would not fit into memory, or the matrix is
        not positive definite.
    """
    chosen = backend if isinstance(backend, Plan) else plan(matrix, backend)
    if chosen.backend == "amg":
        return Multigrid(matrix, rtol)
    return Cholmod(matrix) if chosen.backend == "cholmod" else SuperLu(matrix)


def solve_mass(mass: csr_matrix, right_hand_sides: FloatArray) -> FloatArray:
    """Solve with a mass matrix for columns ``(n, k)``, to rounding.

    Scaled by its diagonal, a mass matrix has a condition number that depends on the element and not on the mesh:
    on large meshes a few dozen iterations of conjugate gradients cost less than factors. Small, narrow and obstinate
    matrices are factorised.
    """
    from scipy.sparse import diags_array

    matrix = csr_matrix(mass)
    right = np.ascontiguousarray(right_hand_sides)
    if len(right) <= _LARGE_MASS or separator_size(matrix) < NARROW:
        return factorise(matrix).solve(right)
    scaling = 1 / np.sqrt(matrix.diagonal())
    scaled = csr_matrix(diags_array(scaling) @ matrix @ diags_array(scaling))
    residual = scaling[:, None] * right
    goal = 1e-15 * np.linalg.norm(residual, axis=0)
    solution = np.zeros_like(right)
    direction = np.zeros_like(right)
    last = np.ones(right.shape[1])
    for _ in range(_MOST_MASS_ITERATIONS):
        product = np.einsum("nk,nk->k", residual, residual)
        if np.all(np.sqrt(product) <= goal):
            return np.asarray(scaling[:, None] * solution)
        direction *= product / last
        direction += residual
        last = np.maximum(product, _TINY)  # a column may be zero from the start
        image = scaled @ direction
        step = product / np.maximum(np.einsum("nk,nk->k", direction, image), _TINY)
        solution += step * direction
        residual -= step * image
    return factorise(matrix).solve(right)


def installed(backend: Backend) -> bool:
    """Tell whether the package of a backend is there, without importing it."""
    return find_spec(_PACKAGES[backend]) is not None


def _require_installed(backend: Backend) -> None:
    if backend not in get_args(Backend):
        raise ValueError(f"there is no backend {backend!r}; there are {', '.join(get_args(Backend))}")
    if not installed(backend):
        raise ValueError(
            f"backend {backend!r} needs the package {_PACKAGES[backend]}: install fefreq[{backend}]"
        )


def separator_size(matrix: csr_matrix) -> float:
    """Unknowns that separate a mesh into halves, as the mean size of the levels of a breadth-first search.

    Of the largest part, if the mesh is not connected.
    """
    from scipy.sparse.csgraph import breadth_first_order, connected_components

    graph = csr_matrix(matrix)
    _, parts = connected_components(graph, directed=False)
    start = int(np.argmax(parts == np.argmax(np.bincount(parts))))
    # From the far end of a first search, so that the levels cross the mesh.
    first, _ = breadth_first_order(graph, start, directed=False)
    order, parents = breadth_first_order(graph, int(first[-1]), directed=False)
    levels = 0
    node = int(order[-1])
    while parents[node] >= 0:
        node = int(parents[node])
        levels += 1
    return float(len(order) / max(levels, 1))


class SuperLu:
    """Factors by SuperLU, tuned for symmetric matrices."""

    def __init__(self, matrix: csr_matrix) -> None:
        from scipy.sparse.linalg import splu

        try:
            self._factors = splu(
                csc_matrix(matrix),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:
            raise ValueError(_singular(matrix)) from error
        except MemoryError as error:
            raise ValueError(_too_large(matrix)) from error

    def solve(self, right_hand_sides: FloatArray) -> FloatArray:
        """Solve for columns ``(n, k)`` or one vector ``(n,)``."""
        return np.asarray(self._factors.solve(right_hand_sides))


class Cholmod:
    """Factors by CHOLMOD, bundled with the wheel of ``kvxopt``."""

    def __init__(self, matrix: csr_matrix) -> None:
        kvxopt, cholmod = _kvxopt()
        lower = tril(csc_matrix(matrix)).tocoo()
        sparse = kvxopt.spmatrix(
            kvxopt.matrix(np.ascontiguousarray(lower.data)),
            kvxopt.matrix(lower.row.astype(np.int64)),
            kvxopt.matrix(lower.col.astype(np.int64)),
            matrix.shape,
        )
        try:
            self._factors = cholmod.symbolic(sparse)
            cholmod.numeric(sparse, self._factors)
            cholmod.diag(self._factors)  # complains of factors that broke down, as the line before does not
        except (ArithmeticError, ValueError) as error:
            raise ValueError(_singular(matrix)) from error
        except MemoryError as error:
            raise ValueError(_too_large(matrix)) from error

    def solve(self, right_hand_sides: FloatArray) -> FloatArray:
        """Solve for columns ``(n, k)`` or one vector ``(n,)``."""
        kvxopt, cholmod = _kvxopt()
        solution = kvxopt.matrix(np.asarray(right_hand_sides, dtype=np.float64))
        cholmod.solve(self._factors, solution)
        return np.asarray(solution).reshape(right_hand_sides.shape)


def _kvxopt() -> tuple[Any, Any]:
    """Give the package and its interface to CHOLMOD, whose published types do not know numpy."""
    return import_module("kvxopt"), import_module("kvxopt.cholmod")


class Multigrid:
    """Conjugate gradients, preconditioned by smoothed-aggregation multigrid.

    Parameters
    ----------
    matrix : sparse matrix or array
    rtol : float
        Residual relative to the right-hand side.
    """

    def __init__(self, matrix: csr_matrix, rtol: float = ITERATION_RTOL) -> None:
        pyamg: Any = import_module("pyamg")
        self._matrix = csr_matrix(matrix)
        self._rtol = rtol
        # pyamg estimates spectral radii from numpy's global random numbers: the same ones every time.
        state = np.random.get_state()  # noqa: NPY002
        np.random.seed(0)  # noqa: NPY002
        try:
            self._hierarchy: Any = pyamg.smoothed_aggregation_solver(
                self._matrix, symmetry="symmetric", max_coarse=500, improve_candidates=None
            )
        finally:
            np.random.set_state(state)  # noqa: NPY002

    def solve(self, right_hand_sides: FloatArray) -> FloatArray:
        """Solve for columns ``(n, k)`` or one vector ``(n,)``.

        Raises
        ------
        ValueError
            If the iteration does not converge.
        """
        columns = np.asarray(right_hand_sides, dtype=np.float64).reshape(len(right_hand_sides), -1)
        solutions = np.stack([self._iterate(np.ascontiguousarray(b)) for b in columns.T], axis=1)
        return solutions.reshape(right_hand_sides.shape)

    def _iterate(self, right: FloatArray) -> FloatArray:
        goal = self._rtol * np.linalg.norm(right)
        solution = np.zeros_like(right)
        if goal == 0:
            return solution
        residual = right.copy()
        direction = np.zeros_like(right)
        last = 1.0
        cycle = self._hierarchy.aspreconditioner(cycle="V")
        for _ in range(_MOST_ITERATIONS):
            smoothed = cycle @ residual
            product = float(residual @ smoothed)
            direction *= product / last
            direction += smoothed
            last = product
            image = self._matrix @ direction
            step = product / float(direction @ image)
            solution += step * direction
            residual -= step * image
            if np.linalg.norm(residual) <= goal:
                return solution
        raise ValueError(
            f"conjugate gradients did not reach a residual of {self._rtol:g} in {_MOST_ITERATIONS} iterations: "
            "use a larger tolerance or a direct backend"
        )


def _singular(matrix: csr_matrix) -> str:
    return (
        f"the matrix of {matrix.shape[0]} unknowns is not positive definite: "
        "the mesh has cells without volume or unknowns without cells"
    )


def _too_large(matrix: csr_matrix) -> str:
    return (
        f"the factors of a matrix of {matrix.shape[0]} unknowns do not fit into memory "
        f"({gigabytes(usable_memory())} can be used): install fefreq[amg], which iterates instead, "
        "or use a coarser mesh"
    )
