r"""Functions of a symmetric matrix ``S ≥ 0`` on a vector ``v``, at all training times, by Lanczos.

Lanczos' recurrence builds an orthonormal basis ``V`` of the span of ``v, Sv, S²v, …`` in which ``S`` is a
tridiagonal matrix ``T``, and ``‖v‖ V exp(-tT) e_1`` approximates the flow ``exp(-tS) v`` at every time. It obeys

.. math:: u_k' = -S u_k + ‖v‖ β_k v_{k+1} \, (e_k^T e^{-tT} e_1) ,

because ``S V = V T + β_k v_{k+1} e_kᵀ``, so its error ``e`` is the flow of ``S`` driven by the last term.

**A bound that can be computed.** ``exp(-tS)`` is a contraction, hence

.. math:: ‖e(t)‖ \le ‖v‖ β_k \int_0^t |e_k^T e^{-sT} e_1| \, ds
                = ‖v‖ β_k \, |e_k^T (I - e^{-tT}) T^{-1} e_1| .

The integral of the modulus is the modulus of the integral: the off-diagonal entries of ``T`` are positive,
so with ``D = diag(1, -1, 1, …)`` those of ``-DTD`` are positive too, all entries of ``exp(-sDTD)`` are at
least 0, and ``(exp(-sT))_{k1}`` has the sign ``(-1)^{k-1}`` for every ``s``. The bound does not use that ``V``
is orthogonal, only the recurrence, so that it survives when the basis is too large to be kept.

Every other optimiser of :mod:`fefreq.dynamics` is a recurrence in ``S`` as well, whose run in the basis misses the true
one by multiples of ``β_k v_{k+1}`` in every step. Each says by how much they can have grown
(:meth:`fefreq.dynamics.Evolution.leak`). Gradient descent multiplies by ``I - ηT``: while ``η T_ii ≤ 1`` entries
keep their signs in the same way, and ``∑ η (∏ …)``, which is again ``(I - decay(T)) T⁻¹``, takes the place of the
integral; with larger steps the moduli are summed step by step. With momentum they are, too, and count ``1/(1-β)`` times
(:mod:`fefreq.dynamics.pushes`). Damped Gauss-Newton is no polynomial of ``S``, yet bounded in the same form
(:mod:`fefreq.dynamics.gauss_newton`).

**Memory.** When the basis reaches the capacity, the recurrence goes on with its last two vectors, without
orthogonalisation: extra vectors are needed then, but the bound holds. A second pass repeats that part and
adds its vectors to the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fefreq.dynamics.base import Evolution
from fefreq.support.arrays import FloatArray

EPS = float(np.finfo(np.float64).eps)
ROUNDING = 8 * EPS  # of one product, relative to the largest eigenvalue
CHUNK = 16  # vectors that are stored, or added up, together
COLUMNS = 1 << 16  # entries of a vector that are combined together

Product = Callable[[FloatArray], FloatArray]


class ToleranceError(ValueError):
    """The tolerance is finer than rounding allows; the message says what can be reached."""


@dataclass(frozen=True)
class Evolved:
    """How states were obtained.

    Attributes
    ----------
    bound : ndarray, shape (T,)
        Bound of the error of the states relative to the start, in exact arithmetic.
    integral_norms : ndarray, shape (T,)
        Norm of the accumulated states relative to the start.
    basis_size, stored, products : int
    largest_rate : float
        Largest eigenvalue of ``T``, a lower bound of that of ``S``.
    """

    bound: FloatArray
    integral_norms: FloatArray
    basis_size: int
    stored: int
    products: int
    largest_rate: float


@dataclass(frozen=True, eq=False)
class Tridiagonal:
    """A symmetric tridiagonal matrix with positive off-diagonal entries.

    Parameters
    ----------
    diagonal : ndarray, shape (k,)
    off_diagonal : ndarray, shape (k - 1,)
    """

    diagonal: FloatArray
    off_diagonal: FloatArray

    @cached_property
    def _eigen(self) -> tuple[FloatArray, FloatArray]:
        from scipy.linalg import eigh_tridiagonal

        if len(self.diagonal) == 1:
            return self.diagonal, np.ones((1, 1))
        rates, modes = eigh_tridiagonal(self.diagonal, self.off_diagonal)
        return np.asarray(rates, dtype=np.float64), np.asarray(modes, dtype=np.float64)

    @property
    def rates(self) -> FloatArray:
        """Eigenvalues, increasing, shape ``(k,)``."""
        return self._eigen[0]

    def first_column(self, factors: FloatArray) -> FloatArray:
        """``f(T) e_1`` of functions whose values ``(T, k)`` at the eigenvalues are given; shape ``(T, k)``."""
        modes = self._eigen[1]
        return np.asarray((factors * modes[0]) @ modes.T)

    def leak(self, evolution: Evolution, limit: float = np.inf) -> FloatArray:
        """Error ``(T,)`` that a unit ``β_k`` causes until each time; may be infinite beyond a limit."""
        modes = self._eigen[1]
        return evolution.leak(self.rates, modes[0] * modes[-1], float(np.max(self.diagonal)), limit)


def evolve(
    product: Product,
    start: FloatArray,
    evolution: Evolution,
    rtol: float,
    states: FloatArray,
    integrals: FloatArray,
    capacity: int | None = None,
) -> Evolved:
    """Bring a vector to all times of an evolution.

    Parameters
    ----------
    product : callable
        ``S`` times a vector ``(n,)``.
    start : ndarray, shape (n,)
        The vector ``v``.
    evolution : Evolution
        Stable at the eigenvalues of ``S``.
    rtol : float
        Norm of the error relative to that of ``v``, at every time; half of it is left to rounding and products.
    states, integrals : ndarray, shape (T, n)
        Are filled with ``decay(S) v`` and ``(I - decay(S)) S⁻¹ v``.
    capacity : int, optional
        Number of vectors of length ``n`` that may be stored, at least 2.

    Raises
    ------
    ToleranceError
        If rounding alone is expected to exceed the tolerance.
    """
    scale = float(np.linalg.norm(start))
    count = len(evolution.times)
    if scale == 0.0:
        states[:] = integrals[:] = 0.0
        return Evolved(np.zeros(count), np.zeros(count), 0, 0, 0, 0.0)
    recurrence = _Recurrence(product, start / scale, capacity)
    check_at = 2
    while True:
        beta = recurrence.advance()
        size = recurrence.size
        if size < check_at and not recurrence.exhausted:
            continue
        check_at = size + max(2, size // 16)
        matrix = recurrence.matrix()
        largest = float(matrix.rates[-1])
        limit = np.inf if recurrence.exhausted else rtol / beta
        bound = beta * matrix.leak(evolution, limit)
        rounding = ROUNDING * max(largest, 0.0) * evolution.reach
        if rounding > rtol:
            raise ToleranceError(
                f"rtol {rtol:.1e} is finer than double precision allows at time {evolution.times[-1]:g}, where "
                f"rounding leaves {rounding:.1e}: allow a larger rtol or end earlier"
            )
        if np.max(bound) <= 0.5 * rtol or recurrence.exhausted:
            break
    decay = matrix.first_column(evolution.decay(matrix.rates))
    integral = matrix.first_column(evolution.integral(matrix.rates))
    _combine(recurrence.vectors(), scale * decay, scale * integral, states, integrals)
    return Evolved(
        bound=bound * recurrence.drift,
        integral_norms=np.linalg.norm(integral, axis=1),
        basis_size=size,
        stored=recurrence.stored,
        products=recurrence.products,
        largest_rate=largest,
    )


class _Recurrence:
    """Lanczos' recurrence: a basis that is stored up to a capacity, and ``T``."""

    def __init__(self, product: Product, first: FloatArray, capacity: int | None) -> None:
        self._product, self._capacity = product, capacity
        self._chunks: list[FloatArray] = []
        self._diagonal: list[float] = []
        self._beyond: list[float] = []  # β_1 … β_k; the last one leads out of the space
        self._last, self._next = np.zeros_like(first), first
        self._switch: tuple[FloatArray, FloatArray] | None = None  # where storing ended
        self.stored, self.products = 0, 0
        self.drift = 1.0
        self._store(first)

    @property
    def size(self) -> int:
        """Dimension ``k`` of the space."""
        return len(self._diagonal)

    @property
    def exhausted(self) -> bool:
        """Whether the next vector would be rounding: the space is invariant."""
        return self._beyond[-1] <= 4 * EPS * max(map(abs, self._diagonal))

    def matrix(self) -> Tridiagonal:
        """The projection ``T``."""
        return Tridiagonal(np.array(self._diagonal), np.array(self._beyond[:-1]))

    def advance(self) -> float:
        """Enlarge the space by one vector and return ``β_k``."""
        current, w = self._next, self._times(self._next)
        if self._beyond:
            w -= self._beyond[-1] * self._last
        alpha = float(w @ current)
        w -= alpha * current
        if self.stored > self.size:  # the current vector is stored, and so are all before it
            self._orthogonalise(w)
        beta = float(np.linalg.norm(w))
        self._diagonal.append(alpha)
        self._beyond.append(beta)
        if not self.exhausted:
            w /= beta
            self._last, self._next = current, w
            if self.stored == self.size:
                if self._capacity is None or self.stored < self._capacity:
                    self._store(w)
                else:
                    self._switch = current, w
        return beta

    def vectors(self) -> Iterator[FloatArray]:
        """The basis in chunks ``(c, n)``; what was not stored is computed again, bit by bit in the same way.

        Products that are not reproducible to the last bit may let the second pass drift: ``drift`` becomes the
        norm of its last vector, by which the bound grows.
        """
        for first, chunk in zip(range(0, self.stored, CHUNK), self._chunks, strict=True):
            kept = min(self.stored, self.size) - first
            if kept > 0:
                yield chunk[:kept]
        if self._switch is None or self.stored >= self.size:
            return
        last, current = self._switch
        block = np.empty((CHUNK, len(current)))
        filled = 0
        for j in range(self.stored, self.size):
            block[filled] = current
            filled += 1
            if filled == CHUNK or j == self.size - 1:
                yield block[:filled]
                filled = 0
            w = self._times(current)
            w -= self._beyond[j - 1] * last
            w -= self._diagonal[j] * current
            w /= self._beyond[j]
            last, current = current, w
        self.drift = max(1.0, float(np.linalg.norm(current)))

    def _times(self, vector: FloatArray) -> FloatArray:
        self.products += 1
        return self._product(vector)

    def _store(self, vector: FloatArray) -> None:
        if self.stored % CHUNK == 0:
            left = CHUNK if self._capacity is None else min(CHUNK, self._capacity - self.stored)
            self._chunks.append(np.empty((left, len(vector))))
        self._chunks[-1][self.stored % CHUNK] = vector
        self.stored += 1

    def _orthogonalise(self, w: FloatArray) -> None:
        """Take from ``w`` what rounding has left in it of the basis."""
        for first, chunk in zip(range(0, self.stored, CHUNK), self._chunks, strict=True):
            rows = chunk[: min(CHUNK, self.stored - first)]
            w -= (rows @ w) @ rows


def _combine(
    chunks: Iterator[FloatArray],
    decay: FloatArray,
    integral: FloatArray,
    states: FloatArray,
    integrals: FloatArray,
) -> None:
    """Add up the basis with coefficients ``(T, k)``, in blocks of columns to need no further memory."""
    states[:] = integrals[:] = 0.0
    first = 0
    for chunk in chunks:
        rows = slice(first, first + len(chunk))
        for left in range(0, chunk.shape[1], COLUMNS):
            part = slice(left, left + COLUMNS)
            states[:, part] += decay[:, rows] @ chunk[:, part]
            integrals[:, part] += integral[:, rows] @ chunk[:, part]
        first += len(chunk)
