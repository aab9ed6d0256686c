r"""Implicit time stepping, for comparison and teaching: what other programs do.

The schemes are diagonally implicit Runge-Kutta methods given as data: rows ``a_i`` of a lower triangular array.
For ``M u' = -A u`` a step of length ``h`` computes stages

.. math:: (M + h a_{ii} A)\, U_i = M u - h \sum_{j<i} a_{ij}\, A U_j

and ends at the last one (all three schemes are stiffly accurate). A stage with ``a_ii = 0`` is the value at the
beginning. Every length of a step needs factorisations of its own, so lengths are halves, quarters, … of the
interval between two requested times.

*Fixed* steps cut every interval into equal ones, and the error is estimated by a second run with half as many.
*Adaptive* steps compare one step with two of half the length; the two are kept. Their difference, summed over
steps, estimates the error, because propagation never amplifies what went wrong before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from fefreq.propagation.linear_solvers import Backend, Factorisation, factorise, plan
from fefreq.propagation.propagator import Clock, Propagation, Result, mass_norm
from fefreq.support.arrays import FloatArray
from fefreq.support.memory import require_memory

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SchemeName = Literal["backward-euler", "crank-nicolson", "sdirk2"]

_GAMMA = 1 - 0.5 * 2**0.5
_MOST_HALVINGS = 40


@dataclass(frozen=True)
class Scheme:
    """Coefficients of a diagonally implicit, stiffly accurate Runge-Kutta method.

    Attributes
    ----------
    order : int
        Of convergence.
    rows : tuple of tuple of float
        Row ``i`` holds ``a_i0 … a_ii``; the last row holds the weights too.
    l_stable : bool
        Whether the fastest modes vanish in one step, as they do in the equation.
    """

    order: int
    rows: tuple[tuple[float, ...], ...]
    l_stable: bool


SCHEMES: dict[SchemeName, Scheme] = {
    "backward-euler": Scheme(1, ((1.0,),), l_stable=True),
    "crank-nicolson": Scheme(2, ((0.0,), (0.5, 0.5)), l_stable=False),
    "sdirk2": Scheme(2, ((_GAMMA,), (1 - _GAMMA, _GAMMA)), l_stable=True),
}


@dataclass(frozen=True)
class ImplicitSteps:
    """Implicit time stepping to every requested time.

    Parameters
    ----------
    scheme : {"backward-euler", "crank-nicolson", "sdirk2"}
    steps : int, optional
        Equal steps between two requested times; by default the lengths adapt to the tolerance.
    max_steps : int
        Adaptive steps allowed between two requested times.
    backend : {"superlu", "cholmod", "amg"}, optional
        What factorises, see :func:`fefreq.propagation.linear_solvers.factorise`.

    Raises
    ------
    ValueError
        If the scheme is unknown or a number of steps is below 1.
    """

    scheme: SchemeName = "sdirk2"
    steps: int | None = None
    max_steps: int = 10_000
    backend: Backend | None = None

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ValueError(f"there is no scheme {self.scheme!r}; there are {', '.join(SCHEMES)}")
        for name, count in (("steps", self.steps), ("max_steps", self.max_steps)):
            if count is not None and count < 1:
                raise ValueError(f"{name} is {count}; it must be at least 1")

    def propagate(
        self, mass: csr_matrix, operator: csr_matrix, initial: FloatArray, times: FloatArray, rtol: float
    ) -> Propagation:
        """Propagate columns ``(N, columns)`` to times ``(T,)``.

        Adaptive steps keep the estimated M-norm error below ``rtol``, relative to the initial columns;
        fixed steps report what they reach.

        Raises
        ------
        ValueError
            If the values do not fit into memory.
        """
        start = time.perf_counter()
        memory = 8 * initial.size * len(times)
        require_memory(memory, f"values at {len(times)} times", "ask for fewer times at once")
        run = _Run(mass, operator, SCHEMES[self.scheme], self.backend, initial)
        if self.steps is not None:
            values, estimate = run.fixed(times, self.steps)
            result = Result.converged if np.max(estimate) <= rtol else Result.steps_given
        else:
            values, estimate, finished = run.adaptive(times, rtol, self.max_steps)
            result = Result.converged if finished else Result.steps_exhausted
        return Propagation(
            values,
            estimate,
            result,
            factorisations=run.factorisations,
            solves=run.solves,
            factorise_seconds=run.clock.factorising.seconds,
            solve_seconds=run.clock.solving.seconds,
            seconds=time.perf_counter() - start,
            memory=memory,
        )


class _Run:
    """One propagation: the matrices, the factorisations in use and what was spent."""

    def __init__(
        self,
        mass: csr_matrix,
        operator: csr_matrix,
        scheme: Scheme,
        backend: Backend | None,
        initial: FloatArray,
    ) -> None:
        self.mass, self.operator, self.scheme, self.solver = mass, operator, scheme, plan(mass, backend)
        self.initial = initial
        self.clock = Clock()
        self.factorisations = self.solves = 0
        self._factors: dict[float, Factorisation] = {}
        self.scale = mass_norm(mass, initial) or 1.0

    @cached_property
    def richardson(self) -> float:
        """Error of two half steps, as a share of their distance from one whole step."""
        return 1.0 / (2.0**self.scheme.order - 1.0)

    def fixed(self, times: FloatArray, steps: int) -> tuple[FloatArray, FloatArray]:
        """Values with equal steps, and their distance from values with half as many."""
        values = np.empty((len(times), *self.initial.shape))
        estimate = np.zeros(len(times))
        fine = coarse = self.initial
        others = steps // 2 if steps > 1 else 2  # one step cannot be halved: then two are the better ones
        for i, (before, after) in enumerate(_intervals(times)):
            if after > before:
                self._factors.clear()
                for _ in range(steps):
                    fine = self.step(fine, (after - before) / steps)
                for _ in range(others):
                    coarse = self.step(coarse, (after - before) / others)
            values[i] = fine
            estimate[i] = self.distance(fine, coarse)
        # Errors e and e q^p of the two: their distance is |q^p - 1| e.
        return values, estimate / abs((steps / others) ** self.scheme.order - 1)

    def adaptive(self, times: FloatArray, rtol: float, most: int) -> tuple[FloatArray, FloatArray, bool]:
        """Values with adapted steps; local tolerances shrink until the summed estimate meets ``rtol``."""
        local = rtol / 30
        for _ in range(6):
            values, estimate, finished = self._march(times, local, most)
            worst = float(np.max(estimate))
            if worst <= rtol or not finished:
                return values, estimate, finished
            local *= max(0.5 * rtol / worst, 1e-3)
        return values, estimate, False

    def _march(self, times: FloatArray, local: float, most: int) -> tuple[FloatArray, FloatArray, bool]:
        values = np.empty((len(times), *self.initial.shape))
        estimate = np.zeros(len(times))
        state, total = self.initial, 0.0
        length = np.inf
        for i, (before, after) in enumerate(_intervals(times)):
            whole = after - before
            self._factors.clear()
            # The position counts in the smallest fraction used so far, so that it stays exact.
            level = 0 if np.isinf(length) else max(0, round(float(np.log2(whole / length))))
            done, taken = 0.0, 0
            while whole > 0 and done < 1:
                h = whole * 2.0**-level
                once = self.step(state, h)
                twice = self.step(self.step(state, h / 2), h / 2)
                error = self.richardson * self.distance(once, twice)
                taken += 1
                if taken > most or level > _MOST_HALVINGS:
                    estimate[i:] = np.inf
                    values[i:] = state
                    return values, estimate, False
                if error > local:
                    level += 1
                    continue
                state, total, done = twice, total + error, done + 2.0**-level
                # A longer step must begin at a multiple of its length, or it would overshoot the requested time.
                grown = error < local / 2 ** (self.scheme.order + 2)
                if grown and level > 0 and (done * 2 ** (level - 1)).is_integer():
                    level -= 1
            if whole > 0:
                length = whole * 2.0**-level
            values[i], estimate[i] = state, total
        return values, estimate, True

    def step(self, u: FloatArray, h: float) -> FloatArray:
        """One step of length ``h`` from ``(N, columns)``."""
        right = self.mass @ u
        images: list[FloatArray] = []
        stage = u
        for i, row in enumerate(self.scheme.rows):
            if row[i] == 0:
                stage = u
            else:
                load = right - h * sum((a * image for a, image in zip(row, images, strict=False)), 0 * right)
                factors = self._factorised(h * row[i])
                with self.clock.solving:
                    stage = factors.solve(load)
                self.solves += u.shape[1]
            if i + 1 < len(self.scheme.rows):
                images.append(self.operator @ stage)
        return stage

    def distance(self, a: FloatArray, b: FloatArray) -> float:
        """M-norm of the difference relative to that of the initial columns."""
        return mass_norm(self.mass, a - b) / self.scale

    def _factorised(self, shift: float) -> Factorisation:
        if shift not in self._factors:
            with self.clock.factorising:
                self._factors[shift] = factorise(self.mass + shift * self.operator, self.solver)
            self.factorisations += 1
        return self._factors[shift]


def _intervals(times: FloatArray) -> list[tuple[float, float]]:
    return list(zip([0.0, *times[:-1].tolist()], times.tolist(), strict=True))
