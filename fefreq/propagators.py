r"""Propagation in time: ``u(t) = exp(-t M⁻¹A) u(0)`` at all requested times at once.

The system ``M u' = -A u`` is linear and autonomous, and users ask for times spread over many decades.
:class:`RationalKrylov` therefore does not step. With a few poles ``γ`` it builds an M-orthonormal basis ``V``
of the space spanned by repeated ``(M + γA)⁻¹ M`` applied to ``u(0)``, projects ``A_k = Vᵀ A V``, and
evaluates ``V exp(-t A_k) Vᵀ M u(0)`` for every time. ``A_k`` is symmetric positive semi-definite like ``A``,
so the energy never grows, whatever the basis.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fefreq._arrays import FloatArray
from fefreq.linear_solvers import factorise

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Result(Enum):
    """How a propagation ended."""

    converged = "The error estimate is below the tolerance at every time."
    basis_exhausted = "The largest basis allowed did not bring the error estimate below the tolerance."


@dataclass(frozen=True)
class Propagation:
    """Values at all times and how they were obtained.

    Attributes
    ----------
    values : ndarray, shape (T, N, columns)
    error_estimate : ndarray, shape (T,)
        Estimated error in the M-norm relative to the initial value, the worst column.
    result : Result
    factorisations, solves, basis_size : int
        A solve counts every column.
    factorise_seconds, solve_seconds, seconds : float
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


class Propagator(Protocol):
    """Brings initial values to all requested times."""

    def propagate(
        self, mass: csr_matrix, operator: csr_matrix, initial: FloatArray, times: FloatArray, rtol: float
    ) -> Propagation:
        """Propagate columns ``(N, columns)`` to times ``(T,)``."""


@dataclass(frozen=True)
class RationalKrylov:
    """Shift-and-invert Krylov propagation with a few poles.

    Parameters
    ----------
    poles : tuple of float, optional
        The ``γ`` in units of time; by default spread over the requested times.
    max_basis : int
        Largest basis per column.
    """

    poles: tuple[float, ...] | None = None
    max_basis: int = 400

    def propagate(
        self, mass: csr_matrix, operator: csr_matrix, initial: FloatArray, times: FloatArray, rtol: float
    ) -> Propagation:
        """Propagate columns ``(N, columns)`` to times ``(T,)`` with relative M-norm error ``rtol``."""
        start = time.perf_counter()
        moving = times[times > 0]
        spaces = [_Space(mass, operator, column) for column in initial.T]
        active = [space for space in spaces if space.scale > 0]
        if len(moving) == 0 or not active:
            values = np.repeat(initial[None], len(times), axis=0)
            return Propagation(values, np.zeros(len(times)), Result.converged)

        poles = self.poles or choose_poles(moving)
        clock = _Clock()
        with clock.factorising:
            factors = [factorise(mass + pole * operator) for pole in poles]
        check_every = max(4, 2 * len(poles))
        estimate = np.full(len(times), np.inf)
        previous: list[FloatArray] | None = None
        size = 1
        while np.max(estimate) > rtol and size < self.max_basis:
            right = np.stack([space.last_times_mass() for space in active], axis=1)
            with clock.solving:
                directions = factors[(size - 1) % len(poles)].solve(right)
            grown = [space.extend(d) for space, d in zip(active, directions.T, strict=True)]
            size += 1
            exhausted = not any(grown)
            if (size - 1) % check_every == 0 or exhausted or size == self.max_basis:
                current = [space.amplitudes(times) for space in active]
                if previous is not None:
                    estimate = np.max(
                        [_distance(new, old) for new, old in zip(current, previous, strict=True)], axis=0
                    )
                previous = current
            if exhausted:
                estimate = np.full(len(times), np.finfo(float).eps)
        values = np.zeros((len(times), *initial.shape))
        for index, space in enumerate(spaces):
            if space.scale > 0:
                values[:, :, index] = space.values(times)
        values[times == 0] = initial
        return Propagation(
            values,
            estimate,
            Result.converged if np.max(estimate) <= rtol else Result.basis_exhausted,
            factorisations=len(poles),
            solves=(size - 1) * len(active),
            basis_size=size,
            factorise_seconds=clock.factorising.seconds,
            solve_seconds=clock.solving.seconds,
            seconds=time.perf_counter() - start,
        )


def choose_poles(times: FloatArray) -> tuple[float, ...]:
    """Poles for positive times: one per started two decades, a tenth of the times they serve."""
    low, high = np.log10(np.min(times)), np.log10(np.max(times))
    count = max(1, int(np.ceil((high - low) / 2 - 1e-9)))
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    return tuple(float(10**c / 10) for c in centres)


class _Space:
    """M-orthonormal basis of one column's Krylov space and the operator projected on it."""

    def __init__(self, mass: csr_matrix, operator: csr_matrix, column: FloatArray) -> None:
        self.mass, self.operator = mass, operator
        self.scale = float(np.sqrt(column @ (mass @ column)))
        self.basis = np.empty((16, len(column)))
        self.projected = np.zeros((16, 16))
        self.size = 0
        if self.scale > 0:
            self._append(column / self.scale)

    def last_times_mass(self) -> FloatArray:
        product: FloatArray = self.mass @ self.basis[self.size - 1]
        return product

    def extend(self, direction: FloatArray) -> bool:
        """Orthonormalise a direction and append it; False if the space already holds it."""
        V = self.basis[: self.size]
        before = np.sqrt(direction @ (self.mass @ direction))
        for _ in range(2):  # twice is enough
            direction = direction - (V @ (self.mass @ direction)) @ V
        after = np.sqrt(max(direction @ (self.mass @ direction), 0.0))
        if not after > 1e-14 * before:
            return False
        self._append(direction / after)
        return True

    def amplitudes(self, times: FloatArray) -> FloatArray:
        """Coordinates of the relative solution at all times, shape ``(T, size)``."""
        rates, modes = np.linalg.eigh(self.projected[: self.size, : self.size])
        decays = np.exp(-np.outer(times, np.maximum(rates, 0.0)))
        return np.asarray((decays * modes[0]) @ modes.T)

    def values(self, times: FloatArray) -> FloatArray:
        return np.asarray(self.scale * (self.amplitudes(times) @ self.basis[: self.size]))

    def _append(self, vector: FloatArray) -> None:
        k = self.size
        if k == len(self.basis):
            self.basis = np.concatenate([self.basis, np.empty_like(self.basis)])
            self.projected = np.pad(self.projected, (0, k))
        self.basis[k] = vector
        self.size = k + 1
        column = self.basis[: self.size] @ (self.operator @ vector)
        self.projected[k, : self.size] = self.projected[: self.size, k] = column


def _distance(new: FloatArray, old: FloatArray) -> FloatArray:
    difference = new.copy()
    difference[:, : old.shape[1]] -= old
    return np.asarray(np.linalg.norm(difference, axis=1))


@dataclass
class _Stopwatch:
    seconds: float = 0.0
    _start: float = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.perf_counter() - self._start


@dataclass
class _Clock:
    factorising: _Stopwatch = field(default_factory=_Stopwatch)
    solving: _Stopwatch = field(default_factory=_Stopwatch)


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
