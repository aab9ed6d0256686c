r"""Functions of a separation as short Fourier series on a box.

A function ``g`` is needed for ``|z_i| ≤ L_i`` only. There ``g`` times a window that is 1 on the box and falls to 0
smoothly at the ends of a longer period ``P_i`` is the same function, and periodic, so that its Fourier series

.. math:: g(z) = \sum_k c_k \exp(2πi \, k·z/P) , \qquad |z_i| \le L_i ,

converges as fast as the spectrum of ``g`` falls off: spectrally for the characteristic functions of Gaussian,
exponential and bounded densities, hardly at all for heavy tails, which give ``g`` a cusp at the origin. The
window is the integral of a Kaiser-Bessel function: nothing rises from 0 to 1 within a given length with a
narrower spectrum to a given precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.support.window import window

Functions = Callable[[FloatArray], FloatArray]  # separations (n, d) to values (f, n)

TRANSITIONS = (0.1, 0.2, 0.4, 0.8, 1.6)  # lengths of the fall of the window, in units of L
SEPARATIONS = 1 << 20  # at which functions are evaluated together
CHECKS = 400
CONVERGING = 1e-3  # tail of a spectrum whose decay can be extrapolated
ALGEBRAIC = 0.03  # what a doubling leaves of the tail if the function is not smooth
NOISE = 1e-10  # rounding of functions at large arguments stays below this
PLATEAU = 0.5  # share of the tail of a spectrum that more samples leave if it is noise


@dataclass(frozen=True, eq=False)
class Expansion:
    """Fourier coefficients on a box.

    Attributes
    ----------
    period : ndarray, shape (d,)
    coefficients : ndarray of complex, shape (f, N_1, …, N_d)
        Of each function, for ``k_i`` from ``-(N_i - 1) / 2`` to ``(N_i - 1) / 2``; the ``N_i`` are odd.
    """

    period: FloatArray
    coefficients: ComplexArray

    @property
    def modes(self) -> tuple[int, ...]:
        """The ``N_i``."""
        return self.coefficients.shape[1:]


@dataclass(frozen=True)
class Resolution:
    """Period and number of modes that resolve functions along one axis."""

    period: float
    modes: int


def resolve(
    functions: Sequence[tuple[Functions, FloatArray]],
    half_widths: FloatArray,
    tolerance: float,
    most_modes: int,
    patient: bool = False,
) -> list[Resolution] | None:
    """Find for every axis the fewest modes that resolve functions on that axis.

    A cut along an axis has as its spectrum the marginal of the whole one, so that the cuts show how far the
    spectrum reaches.

    Parameters
    ----------
    functions : sequence of (callable, ndarray of shape (d,))
        Even functions, separations ``(n, d)`` to values ``(f, n)``, and where the middle of the box lies for each.
    half_widths : ndarray, shape (d,)
        The box ``|z_i| ≤ L_i``.
    tolerance : float
        Relative to the largest value of each function.
    most_modes : int
        Largest number of modes per axis.
    patient : bool
        Try up to the largest number even if the spectrum falls off slowly at first.

    Returns
    -------
    list of Resolution, or None
        None if an axis needs more modes.
    """
    found = []
    for axis, width in enumerate(half_widths):
        unit = np.eye(len(half_widths))[axis]
        # Off the middle of the box, the window cuts through other values of the function.
        cuts = [_Cut(f, unit, shift) for f, offset in functions for shift in {0.0, float(offset[axis])}]
        options = []
        for share in TRANSITIONS:
            option = _resolve_cuts(cuts, width, share * width, tolerance, most_modes, patient)
            if option is not None:
                options.append(option)
        if not options:
            return None
        found.append(min(options, key=lambda option: option.modes))
    return found


def expand(
    functions: Functions,
    offset: FloatArray,
    half_widths: FloatArray,
    resolutions: Sequence[Resolution],
    tolerance: float,
) -> Expansion:
    """Expand ``g(z + offset)`` on the box ``|z_i| ≤ L_i``.

    Parameters
    ----------
    functions : callable
        Separations ``(n, d)`` to values ``(f, n)``.
    offset, half_widths : ndarray, shape (d,)
    resolutions : sequence of Resolution
    tolerance : float
        Down to which the window falls.
    """
    import scipy.fft

    period = np.array([r.period for r in resolutions])
    modes = [r.modes for r in resolutions]
    samples = [scipy.fft.next_fast_len(n) for n in modes]
    axes = [scipy.fft.fftfreq(m, 1 / m) * p / m for m, p in zip(samples, period, strict=True)]
    windows = [
        window(z, width, 0.5 * p - width, tolerance)
        for z, width, p in zip(axes, half_widths, period, strict=True)
    ]
    count = len(functions(offset[None, :]))
    table = np.empty((count, *samples))
    height = max(1, SEPARATIONS // int(np.prod(samples[1:])))
    for first in range(0, samples[0], height):
        rows = axes[0][first : first + height]
        separations = np.stack(np.meshgrid(rows, *axes[1:], indexing="ij"), axis=-1).reshape(-1, len(axes))
        table[:, first : first + height] = functions(separations + offset).reshape(
            count, len(rows), *samples[1:]
        )
    for axis, values in enumerate(windows):
        table *= values.reshape(-1, *(1,) * (len(windows) - 1 - axis))
    spectrum = scipy.fft.fftn(table, axes=tuple(range(1, table.ndim)), norm="forward", workers=-1)
    for axis, n in enumerate(modes):
        spectrum = np.take(spectrum, np.arange(-(n // 2), n // 2 + 1), axis=axis + 1, mode="wrap")
    return Expansion(period, np.ascontiguousarray(spectrum))


def largest_error(
    expansion: Expansion, functions: Functions, offset: FloatArray, half_widths: FloatArray
) -> float:
    """Largest difference from the functions at random separations, relative to the largest value of each."""
    import finufft

    rng = np.random.default_rng(0)
    dim = len(half_widths)
    directions = rng.uniform(-1, 1, (CHECKS, dim))
    directions[::2] *= 10.0 ** rng.uniform(-4, 0, (len(directions[::2]), 1))  # cusps sit at the origin
    z = directions * half_widths
    sizes = np.max(np.abs(functions(z[::2])), axis=1)
    z[::2] = np.clip(z[::2] - offset, -half_widths, half_widths)
    angles = [np.ascontiguousarray(axis) for axis in (2 * np.pi * z / expansion.period).T]
    transform = (finufft.nufft1d2, finufft.nufft2d2, finufft.nufft3d2)[dim - 1]
    series = np.asarray(transform(*angles, expansion.coefficients, isign=1, eps=1e-14)).reshape(-1, CHECKS)
    errors = np.max(np.abs(series - functions(z + offset)), axis=1)
    return float(np.max(errors / np.where(sizes > 0, sizes, 1.0)))


class _Cut:
    """Functions along a line through the origin, relative to their largest values there."""

    def __init__(self, functions: Functions, unit: FloatArray, shift: float) -> None:
        self._functions, self._unit, self._shift = functions, unit, shift

    def __call__(self, z: FloatArray) -> FloatArray:
        line = np.append(z + self._shift, z) if self._shift else z
        values = self._functions(np.outer(line, self._unit))
        sizes = np.max(np.abs(values), axis=1, keepdims=True)
        return np.asarray(values[:, : len(z)] / np.where(sizes > 0, sizes, 1.0))


def _resolve_cuts(
    cuts: Sequence[_Cut],
    width: float,
    transition: float,
    tolerance: float,
    most_modes: int,
    patient: bool,
) -> Resolution | None:
    import scipy.fft

    period = 2.0 * (width + transition)
    samples, before = 64, np.inf
    while samples <= 4 * most_modes:
        z = scipy.fft.fftfreq(samples, 1 / samples) * period / samples
        table = np.concatenate([cut(z) for cut in cuts]) * window(z, width, transition, tolerance)
        spectrum = np.abs(scipy.fft.rfft(table, axis=1, norm="forward"))
        scaled = np.sqrt(samples) * np.max(spectrum, axis=0)  # white noise keeps its level
        tail = float(np.max(scaled[3 * samples // 8 :]))
        noise = tail if PLATEAU * before < tail < NOISE else 0.0
        kept = np.flatnonzero(scaled > max(tolerance, 2.0 * noise))
        highest = int(kept[-1]) if len(kept) else 0
        if highest < 3 * samples // 8:
            modes = 2 * highest + 3
            return Resolution(period, modes) if modes <= most_modes else None
        if not patient and tail < CONVERGING and tail > ALGEBRAIC * before > noise:
            doublings = np.log(tolerance / tail) / np.log(tail / before) if tail < before else np.inf
            if samples * 2.0**doublings > 4 * most_modes:
                return None
        samples, before = 2 * samples, tail
    return None
