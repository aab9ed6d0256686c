r"""Sums of plane waves, ``u(x) = Re Σ a_k exp(2πi ξ_k·x)``: functions that operators act on exactly.

>>> import numpy as np
>>> from fefreq.operators import laplacian
>>> u = PlaneWaves.sine([0.5, 0.0]) * PlaneWaves.sine([0.0, 2.0])  # sin πx sin 4πy
>>> x = np.array([[0.3, 0.2]])
>>> bool(np.allclose(u.apply(laplacian(2))(x), -17 * np.pi**2 * u(x)))
True
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fefreq.operators.differential_operator import DifferentialOperator
from fefreq.support.arrays import ComplexArray, FloatArray, as_points, read_only


class PlaneWaves:
    """A sum of plane waves; sums and products of them are sums of plane waves again.

    Parameters
    ----------
    frequencies : array_like, shape (k, d)
        In cycles per unit length.
    amplitudes : array_like of complex, shape (k,)
        The ``a_k``.

    Raises
    ------
    ValueError
        If there is not one finite amplitude for each frequency.
    """

    def __init__(self, frequencies: ArrayLike, amplitudes: ArrayLike) -> None:
        array = np.asarray(frequencies)
        self.frequencies = read_only(
            as_points(frequencies, 1 if array.ndim < 2 else array.shape[1], "frequencies")
        )
        self.amplitudes: ComplexArray = np.array(amplitudes, dtype=np.complex128)
        if self.amplitudes.shape != (len(self.frequencies),) or not np.all(np.isfinite(self.amplitudes)):
            raise ValueError(
                f"{len(self.frequencies)} frequencies need as many finite amplitudes, not {self.amplitudes.shape}"
            )

    @classmethod
    def cosine(cls, frequency: ArrayLike) -> PlaneWaves:
        """``cos 2πξ·x`` of one frequency ``(d,)``."""
        return cls(np.reshape(frequency, (1, -1)), [1.0])

    @classmethod
    def sine(cls, frequency: ArrayLike) -> PlaneWaves:
        """``sin 2πξ·x`` of one frequency ``(d,)``."""
        return cls(np.reshape(frequency, (1, -1)), [-1j])

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return int(self.frequencies.shape[1])

    def __call__(self, points: ArrayLike) -> FloatArray:
        """Values at points ``(n, d)``, shape ``(n,)``."""
        phases = 2j * np.pi * as_points(points, self.dim) @ self.frequencies.T
        return np.asarray((np.exp(phases) @ self.amplitudes).real)

    def apply(self, operator: DifferentialOperator) -> PlaneWaves:
        """What an operator makes of them: each amplitude times the symbol."""
        return PlaneWaves(self.frequencies, self.amplitudes * operator.symbol(self.frequencies))

    def __add__(self, other: PlaneWaves) -> PlaneWaves:
        return PlaneWaves(
            np.concatenate([self.frequencies, other.frequencies]),
            np.concatenate([self.amplitudes, other.amplitudes]),
        )

    def __mul__(self, other: PlaneWaves | float) -> PlaneWaves:
        if not isinstance(other, PlaneWaves):
            return PlaneWaves(self.frequencies, float(other) * self.amplitudes)
        # Re A Re B = ½ Re (A B + A B̄)
        pairs = [
            (
                self.frequencies[:, None] + sign * other.frequencies,
                np.multiply.outer(self.amplitudes, factors),
            )
            for sign, factors in ((1, other.amplitudes), (-1, other.amplitudes.conj()))
        ]
        return PlaneWaves(
            np.concatenate([xi.reshape(-1, self.dim) for xi, _ in pairs]),
            0.5 * np.concatenate([a.ravel() for _, a in pairs]),
        )

    __rmul__ = __mul__
