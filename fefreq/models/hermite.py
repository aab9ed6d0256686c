r"""Activations as Hermite series, from which their covariances follow.

With the orthonormal Hermite polynomials ``h_j`` of the standard Gaussian, ``E h_i(a) h_j(b) = δ_ij u^j`` for two
Gaussians of unit variance and covariance ``u``. Hence, for any activation,

.. math:: E \, σ(a) σ(b) = \sum_j c_j^2 \, u^j , \qquad c_j = E \, σ(z) h_j(z) ,

a power series without negative coefficients. Its coefficients fall like ``exp(-2 s √(2j))`` for an activation that is
analytic in a strip of half-width ``s`` (``π/2`` for tanh, ``π`` for the logistic function), but only algebraically if
it has a kink, and then a series is not the way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from fefreq.support.arrays import FloatArray

Function = Callable[[FloatArray], FloatArray]

TERMS = 200
REACH = 16.0  # beyond, the weight of the trapezoidal rule is below rounding
STEP = 0.02
UNRESOLVED = 1e-10  # share of the mean square, or of the slopes', that the last terms may hold


@lru_cache(maxsize=64)
def covariance_series(activation: Function) -> FloatArray:
    """Coefficients ``c_j² / E σ²`` of the covariance behind an activation that keeps the variance at one.

    Parameters
    ----------
    activation : callable
        Maps an array to an array of its shape, elementwise.

    Raises
    ------
    TypeError
        If it returns something else than real numbers.
    ValueError
        If values are not finite, all zero, of another shape, or the activation is not smooth enough for the series.

    Examples
    --------
    >>> covariance_series(np.square).round(6)  # z² = 1 + √2 h_2
    array([0.333333, 0.      , 0.666667])
    """
    z = np.arange(-REACH, REACH + STEP / 2, STEP)
    values = _values(activation, z)
    # Functions h_j(z) exp(-z²/4) stay bounded, polynomials do not.
    root = np.exp(-(z**2) / 4)
    weighted = values * root * (STEP / np.sqrt(2 * np.pi))
    before, current = np.zeros_like(z), root
    squares = np.empty(TERMS)
    for j in range(TERMS):
        squares[j] = (weighted @ current) ** 2
        before, current = current, (z * current - np.sqrt(j) * before) / np.sqrt(j + 1)
    power = float(np.sum(values**2 * root**2) * STEP / np.sqrt(2 * np.pi))
    if power == 0.0:
        raise ValueError("the activation is zero everywhere, so nothing would pass it")
    series = squares / power
    slopes = np.arange(TERMS) * series
    missing = abs(1.0 - float(np.sum(series)))
    last = float(np.sum(slopes[-TERMS // 8 :]) / max(float(np.sum(slopes)), 1e-300))
    if missing > UNRESOLVED or last > UNRESOLVED:
        raise ValueError(
            f"the activation is not smooth enough: {TERMS} Hermite polynomials miss {max(missing, last):.1e} of it; "
            "use an analytic one such as 'tanh' or 'gelu', or 'relu', whose covariance has a closed form"
        )
    needed = np.flatnonzero(np.arange(TERMS) ** 2 * series > 1e-17 * np.sum(slopes))
    series = series[: max(2, int(needed[-1]) + 1 if len(needed) else 2)]
    series[series < 1e-30] = 0.0
    return np.asarray(series / np.sum(series))


def _values(activation: Function, z: FloatArray) -> FloatArray:
    values = np.asarray(activation(z))
    if values.shape != z.shape:
        raise ValueError(
            f"an activation acts on every entry of an array, but {z.shape} became {values.shape}: write it with "
            "functions of numpy"
        )
    if values.dtype.kind not in "biuf":
        raise TypeError(f"an activation returns real numbers, not {values.dtype}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"the activation is not finite everywhere between -{REACH:g} and {REACH:g}")
    return values.astype(np.float64)
