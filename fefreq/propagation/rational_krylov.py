r"""Shift-and-invert Krylov propagation: all times from few factorisations, and how far off they may be.

With ``B = M⁻¹A`` and a pole ``γ``, Lanczos' method builds an M-orthonormal basis ``V`` of the space spanned by
repeated ``S = (I + γB)⁻¹ = (M + γA)⁻¹ M`` applied to ``u(0)``. Because ``S`` is symmetric in the inner product of
``M``, its projection is tridiagonal, ``S V = V T + β v eᵀ``, and

.. math:: u(t) ≈ V y(t) , \qquad y(t) = \exp(-t A_k)\, e_1 ‖u(0)‖ , \qquad A_k = (T^{-1} - I) / γ .

``A_k`` is symmetric positive semi-definite like ``B``, so the energy never grows, whatever the basis.

**The bound.** The residual is ``u' + B u = -(I + γB) v c(t)`` with the scalar ``c(t) = (β/γ) eᵀ T⁻¹ y(t)``, known
from small matrices alone. As ``exp(-tB)`` is a contraction and ``‖B exp(-tB)‖ ≤ 1 / (e t)``, Duhamel's formula,
integrated by parts after a time ``τ``, gives for every ``τ < t``

.. math::

    ‖e(t)‖_M ≤ ∫_0^t |c|\, ds
        + γ \left[ ∫_0^τ \frac{|c(s)|}{e\,(t - s)}\, ds + |c(τ)| + |c(t)| + ∫_τ^t |c'|\, ds \right] .

It is a bound, up to rounding, the accuracy of the linear solves, and that of the trapezoids by which the integrals
are taken, 20 to a decade of time: hence ``error_estimate``.

**The windows.** One pole serves about two decades of time. Wider ranges are cut into windows of equal ratio; each
starts from the last values of the one before, which keeps bases small and short times cheap. Errors of the windows
add up, because propagation is a contraction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fefreq.propagation.linear_solvers import Backend, factorise, plan
from fefreq.propagation.propagator import Clock, Propagation, Result
from fefreq.support.arrays import FloatArray
from fefreq.support.memory import require_memory, usable_memory

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

DECADES_PER_POLE = 2.0
# A pole serves times up to this many times itself; more where what is left of the error is smooth already.
REACH_OF_POLE = 30.0
REACH_OF_LATER_POLE = 60.0
SMALLEST_USEFUL_BASIS = 24
_CHECK_EVERY = 3
_POINTS_PER_DECADE = 20
_ROWS = 16  # rows of the basis that are allocated together
_INVARIANT = 1e-14  # relative size of a direction that the basis holds already
_TINY = np.finfo(np.float64).tiny
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class RationalKrylov:
    """Shift-and-invert Krylov propagation, one pole for about two decades of time.

    Parameters
    ----------
    poles : tuple of float, optional
        The ``γ > 0`` in units of time; each serves the times up to 30 times itself, the last one all later ones.
        By default spread over the requested times.
    max_basis : int
        Largest basis per column and pole.
    backend : {"superlu", "cholmod", "amg"}, optional
        What factorises ``M + γA``, see :func:`fefreq.propagation.linear_solvers.factorise`.

    Raises
    ------
    ValueError
        If a pole is not positive or the basis may not hold two vectors.
    """

    poles: tuple[float, ...] | None = None
    max_basis: int = 200
    backend: Backend | None = None

    def __post_init__(self) -> None:
        if self.poles is not None and not (
            self.poles and all(np.isfinite(pole) and pole > 0 for pole in self.poles)
        ):
            raise ValueError(f"poles are {self.poles}; they must be positive and finite, at least one")
        if self.max_basis < 2:
            raise ValueError(f"max_basis is {self.max_basis}; it must be at least 2")

    def propagate(
        self, mass: csr_matrix, operator: csr_matrix, initial: FloatArray, times: FloatArray, rtol: float
    ) -> Propagation:
        """Propagate columns ``(N, columns)`` to times ``(T,)``; ``rtol`` is relative to all of them.

        Raises
        ------
        ValueError
            If basis and values do not fit into memory.
        """
        start = time.perf_counter()
        count, columns = initial.shape
        solver = plan(mass, self.backend)
        most, reserved = _plan_memory(count, columns, len(times), self.max_basis, solver.memory)
        values = np.zeros((columns, len(times), count))
        values[:, times == 0] = initial.T[:, None]
        norms = np.sqrt(np.maximum(np.einsum("nc,nc->c", initial, mass @ initial), 0.0))
        scale = float(np.linalg.norm(norms))
        clock = Clock()
        state = np.ascontiguousarray(initial.T)
        bounds = np.zeros((columns, len(times)))
        spent = np.zeros(columns)
        solves, largest, reached, factorisations = 0, 0, 0.0, 0
        stopped = False
        windows = _windows(times, self.poles)
        for pole, chosen in windows:
            local = times[chosen] - reached
            if stopped:
                bounds[:, chosen] = np.inf
                continue
            active = [c for c in range(columns) if norms[c] > 0]
            if not active:
                break
            with clock.factorising:
                factors = factorise(mass + pole * operator, solver, rtol=0.01 * rtol)
                factorisations += 1
            spaces = {c: _Space(mass, pole, state[c], local) for c in active}
            allowed = rtol * scale / len(windows) / np.sqrt(len(active))
            while active:
                right = np.stack([spaces[c].right for c in active], axis=1)
                with clock.solving:
                    directions = factors.solve(right)
                solves += len(active)
                for c, direction in zip(active, directions.T, strict=True):
                    spaces[c].extend(np.ascontiguousarray(direction))
                active = [c for c in active if not spaces[c].finished(allowed, most)]
            for c, space in spaces.items():
                bounds[c, chosen] = (spent[c] + space.bound) / scale
                spent[c] += space.bound[-1]
                space.write(values[c], chosen)
                stopped |= not np.max(space.bound) <= allowed
                largest = max(largest, space.size)
            state = values[:, chosen[-1]]
            reached = float(times[chosen[-1]])
            del spaces, space, factors  # before those of the next window are allocated
        unmet = Result.basis_exhausted if most == self.max_basis else Result.memory_exhausted
        return Propagation(
            np.moveaxis(values, 0, 2),
            np.linalg.norm(bounds, axis=0),
            unmet if stopped else Result.converged,
            factorisations=factorisations,
            solves=solves,
            basis_size=largest,
            factorise_seconds=clock.factorising.seconds,
            solve_seconds=clock.solving.seconds,
            seconds=time.perf_counter() - start,
            memory=reserved,
        )


def choose_poles(times: FloatArray) -> tuple[float, ...]:
    """Poles for positive times: one per started two decades, a fixed share of the last time that each serves."""
    ends = _ends(times)
    return tuple(
        float(end / (REACH_OF_LATER_POLE if later else REACH_OF_POLE)) for later, end in enumerate(ends)
    )


def _ends(times: FloatArray) -> FloatArray:
    """Last times of windows of equal ratio that cover positive times."""
    low, high = np.log10(np.min(times)), np.log10(np.max(times))
    count = max(1, int(np.ceil((high - low) / DECADES_PER_POLE - 1e-9)))
    ends: FloatArray = 10 ** (low + np.arange(1, count + 1) * (high - low) / count)
    return ends


def _windows(times: FloatArray, poles: tuple[float, ...] | None) -> list[tuple[float, NDArray[np.intp]]]:
    """Poles, increasing, with the indices of the positive times that they serve."""
    moving = np.flatnonzero(times > 0)
    if len(moving) == 0:
        return []
    if poles is None:
        ends = _ends(times[moving])
        poles = choose_poles(times[moving])
    else:
        poles = tuple(sorted(poles))
        ends = REACH_OF_POLE * np.asarray(poles)
    served = np.searchsorted(ends[:-1] * (1 + 1e-9), times[moving])
    windows = [(pole, moving[served == i]) for i, pole in enumerate(poles)]
    return [(pole, chosen) for pole, chosen in windows if len(chosen)]


def _plan_memory(unknowns: int, columns: int, times: int, most: int, held: float) -> tuple[int, int]:
    """Vectors of the largest basis that fits beside what is held, and the bytes of basis and values at most."""
    row = 8 * unknowns * columns
    least = min(most, SMALLEST_USEFUL_BASIS)
    require_memory(
        row * (times + _allocated(least)) + held,
        f"{times} times and a basis of {least} vectors for {columns} column(s) of {unknowns} unknowns",
        "ask for fewer times at once, or use a coarser mesh",
    )
    room = usable_memory() - held
    if not np.isinf(room):
        most = min(most, (int(room / row) - times) // _ROWS * _ROWS - 1)
    return max(most, least), row * (times + _allocated(max(most, least)))


def _allocated(size: int) -> int:
    """Rows that are allocated for a basis that may reach a size, and one vector more before that is noticed."""
    return _ROWS * -(-(size + 1) // _ROWS)


class _Space:
    """Lanczos basis of one column within one window, and the bound of its error at local times."""

    def __init__(self, mass: csr_matrix, pole: float, column: FloatArray, times: FloatArray) -> None:
        self.mass, self.pole, self.times = mass, pole, times
        product = mass @ column
        self.scale = float(np.sqrt(max(_dot(column, product), 0.0)))
        self.diagonal: list[float] = []
        self.offdiagonal: list[float] = []
        self.bound = np.full(len(times), np.inf)
        self.invariant = self.scale == 0
        self._rows: list[FloatArray] = []
        self.size = 0
        self.right = product / self.scale if self.scale > 0 else product
        self._append(column / self.scale if self.scale > 0 else column)

    def extend(self, direction: FloatArray) -> None:
        """One step of Lanczos' method: append what ``S`` makes of the last vector, orthonormalised."""
        if self.invariant:
            return
        last = self._row(self.size - 1)
        alpha = _dot(direction, self.right)
        before = np.sqrt(max(_dot(direction, self.mass @ direction), 0.0)) if self.size == 1 else 0.0
        direction -= alpha * last
        if self.size > 1:
            direction -= self.offdiagonal[-1] * self._row(self.size - 2)
        # The recurrence leaves rounding in the older directions: one pass over all of them is enough, as what it
        # removes is small. It is repeated where it was not.
        product = self.mass @ direction
        norm = np.sqrt(max(_dot(direction, product), 0.0))
        for _ in range(2):
            removed = self._remove(direction, product)
            if removed <= 1e-10 * norm:
                break
            product = self.mass @ direction
            norm = np.sqrt(max(_dot(direction, product), 0.0))
        self.diagonal.append(alpha)
        self.offdiagonal.append(norm)
        if norm <= _INVARIANT * max(before, max(self.diagonal)):
            self.invariant = True
            return
        self.right = product / norm
        self._append(direction / norm)

    def finished(self, allowed: float, most: int) -> bool:
        """Tell whether the bound is met at all times or the basis is as large as it may be."""
        steps = len(self.diagonal)
        if self.invariant or self.size > most or steps % _CHECK_EVERY == 0:
            self.bound = self._bound()
        return bool(self.invariant or self.size > most or np.max(self.bound) <= allowed)

    def write(self, values: FloatArray, rows: NDArray[np.intp]) -> None:
        """Write the values at the local times into rows of ``(T, N)``."""
        if self.scale == 0:
            values[rows] = 0.0
            return
        rates, _, modes = self._eigen()
        amplitudes = self.scale * (np.exp(-np.outer(self.times, rates)) * modes[0]) @ modes.T
        first, last = int(rows[0]), int(rows[-1]) + 1  # times increase: a window is a slice
        out = values[first:last]
        for i, block in enumerate(self._rows):
            part = amplitudes[:, i * _ROWS : (i + 1) * _ROWS]
            if i == 0:
                np.matmul(part, block[: part.shape[1]], out=out)
            elif part.shape[1]:
                out += part @ block[: part.shape[1]]

    def _bound(self) -> FloatArray:
        """Bound of the M-norm of the error at the local times, see the top of this file."""
        if self.scale == 0 or self.offdiagonal[-1] == 0:
            return np.full(len(self.times), _EPS * self.scale)
        rates, ritz, modes = self._eigen()
        s, t = _grid(self.times, float(np.max(rates))), self.times[:, None]
        weights = self.scale * self.offdiagonal[-1] / self.pole * modes[0] * modes[-1] / ritz
        c = np.exp(-np.outer(s, rates)) @ weights
        size = np.abs(c)
        step = np.diff(s)
        integral = _cumulative(0.5 * (size[1:] + size[:-1]) * step)
        variation = _cumulative(np.abs(np.diff(c)))
        at = np.searchsorted(s, self.times)
        early = size / (np.e * np.maximum(t - s, 0.01 * t))
        early = np.where(s <= 0.98 * t, early, 0.0)
        smoothed = np.zeros_like(early)
        np.cumsum(0.5 * (early[:, 1:] + early[:, :-1]) * step, axis=1, out=smoothed[:, 1:])
        split = smoothed + size + variation[at][:, None] - variation
        split = np.min(np.where(s <= 0.98 * t, split, np.inf), axis=1)
        bound = integral[at] + self.pole * (split + size[at])
        # Neither the solution nor its approximation is ever larger than at the beginning.
        return np.asarray(np.minimum(bound + _EPS * self.scale, 2 * self.scale))

    def _eigen(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rates, Ritz values of ``S`` and modes of the projected problem."""
        from scipy.linalg import eigh_tridiagonal

        found, vectors = eigh_tridiagonal(np.array(self.diagonal), np.array(self.offdiagonal[:-1]))
        ritz, modes = (np.asarray(array, dtype=np.float64) for array in (found, vectors))
        ritz = np.clip(ritz, _EPS**2, 1.0)
        return (1 / ritz - 1) / self.pole, ritz, modes

    def _append(self, vector: FloatArray) -> None:
        if self.size % _ROWS == 0:
            self._rows.append(np.empty((_ROWS, len(vector))))
        self._rows[-1][self.size % _ROWS] = vector
        self.size += 1

    def _row(self, index: int) -> FloatArray:
        row: FloatArray = self._rows[index // _ROWS][index % _ROWS]
        return row

    def _remove(self, direction: FloatArray, product: FloatArray) -> float:
        """Subtract from a direction what the basis holds of it; return how much that was."""
        total = 0.0
        for i, block in enumerate(self._rows):
            rows = block[: min(_ROWS, self.size - i * _ROWS)]
            held = rows @ product
            direction -= held @ rows
            total += float(held @ held)
        return float(np.sqrt(total))


def _grid(times: FloatArray, fastest: float) -> FloatArray:
    """Times on which the integrals of the bound are taken, from well within the decay of the fastest mode."""
    low = max(min(1e-3 * times[0], 0.1 / max(fastest, _TINY)), 1e-14 * times[0])
    count = max(2, int(_POINTS_PER_DECADE * np.log10(times[-1] / low)))
    return np.unique(np.concatenate([[0.0], np.geomspace(low, times[-1], count), times]))


def _cumulative(increments: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(increments)])


def _dot(a: FloatArray, b: FloatArray) -> float:
    """Inner product in one thread: waking others costs more than it saves at these lengths."""
    return float(np.einsum("n,n->", a, b))
