r"""Propagation in time: ``u(t) = exp(-t M⁻¹A) u(0)`` at all requested times at once.

The system ``M u' = -A u`` is linear and autonomous, and users ask for times spread over many decades. Whatever
brings the initial values there is a :class:`Propagator`: :class:`fefreq.RationalKrylov` does not step and is the
one to use, :class:`fefreq.ImplicitSteps` steps as other programs do, and :class:`DenseOracle` is exact.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Result(Enum):
    """How a propagation ended."""

    converged = "The error estimate is below the tolerance at every time."
    basis_exhausted = "The largest basis allowed did not bring the error estimate below the tolerance."
    memory_exhausted = (
        "The largest basis that fits into memory did not bring the error estimate below the tolerance."
    )
    steps_exhausted = (
        "The largest number of steps allowed did not bring the error estimate below the tolerance."
    )
    steps_given = "As many steps as asked for were taken; the error estimate tells what they reach."
    mesh_too_coarse = "The estimated error of the finest mesh allowed is above mesh_rtol."


@dataclass(frozen=True)
class Propagation:
    """Values at all times and how they were obtained.

    Attributes
    ----------
    values : ndarray, shape (T, N, columns)
    error_estimate : ndarray, shape (T,)
        Bound or estimate of the error in the M-norm of all columns together, relative to all initial columns.
    result : Result
    factorisations, solves, basis_size : int
        A solve counts every column; the basis is the largest of one column.
    factorise_seconds, solve_seconds, seconds : float
    memory : int
        Bytes of the basis and the values.
    """

    values: FloatArray
    error_estimate: FloatArray
    result: Result
    factorisations: int = 0
    solves: int = 0
    basis_size: int = 0
    factorise_seconds: float = 0.0
    solve_seconds: float = 0.0
    seconds: float = 0.0
    memory: int = 0


class Propagator(Protocol):
    """Brings initial values to all requested times."""

    def propagate(
        self, mass: csr_matrix, operator: csr_matrix, initial: FloatArray, times: FloatArray, rtol: float
    ) -> Propagation:
        """Propagate columns ``(N, columns)`` to times ``(T,)`` with error ``rtol`` relative to all of them."""


def mass_norm(mass: csr_matrix, columns: FloatArray) -> float:
    """M-norm of columns ``(N, columns)`` together: the L2 norm of the fields they are the unknowns of."""
    return float(np.sqrt(max(np.einsum("nc,nc->", columns, mass @ columns), 0.0)))


@dataclass
class Stopwatch:
    """Sums up the seconds spent inside ``with`` blocks."""

    seconds: float = 0.0
    _start: float = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.perf_counter() - self._start


@dataclass
class Clock:
    """Stopwatches of the two costly parts of a propagation."""

    factorising: Stopwatch = field(default_factory=Stopwatch)
    solving: Stopwatch = field(default_factory=Stopwatch)


@dataclass(frozen=True)
class DenseOracle:
    """Propagation by a full generalised eigen-decomposition: exact, for tests and small problems."""

    def propagate(
        self, mass: csr_matrix, operator: csr_matrix, initial: FloatArray, times: FloatArray, rtol: float
    ) -> Propagation:
        """Propagate columns ``(N, columns)`` to times ``(T,)``; ``rtol`` has no effect."""
        from scipy.linalg import eigh

        start = time.perf_counter()
        rates, modes = eigh(operator.toarray(), mass.toarray())
        amplitudes = modes.T @ (mass @ initial)
        decays = np.exp(-np.outer(times, np.maximum(rates, 0.0)))
        values = np.einsum("nk,tk,kc->tnc", modes, decays, amplitudes, optimize=True)
        return Propagation(
            values,
            np.full(len(times), np.finfo(float).eps),
            Result.converged,
            seconds=time.perf_counter() - start,
        )
