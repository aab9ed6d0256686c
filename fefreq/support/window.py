"""A smooth window: the integral of a Kaiser-Bessel function.

Nothing rises from 0 to 1 within a given length with a narrower spectrum to a given precision.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fefreq.support.arrays import FloatArray

DEGREE = 60  # of a polynomial that is a window to 1e-15


def window(z: FloatArray, width: float, transition: float, tolerance: float) -> FloatArray:
    """Window that is 1 for ``|z| ≤ width`` and falls to 0 within the length ``transition``.

    Its spectrum falls to ``tolerance`` at ``ln(1/tolerance) / (π transition)``.
    """
    place = np.clip(2.0 * (np.abs(z) - width) / transition - 1.0, -1.0, 1.0)
    inside = np.abs(place) < 1.0
    result = np.where(place < 0.0, 1.0, 0.0)
    # The rise is symmetric; its part below one half keeps the digits of values near 0.
    part = np.polynomial.chebyshev.chebval(2.0 * np.abs(place[inside]) - 1.0, _fall(tolerance))
    result[inside] = np.where(place[inside] < 0.0, 1.0 - part, part)
    return result


@lru_cache
def _fall(tolerance: float) -> FloatArray:
    """Chebyshev coefficients on [0, 1] of the integral of the Kaiser-Bessel function from there to 1."""
    from scipy.special import i0e

    shape = np.log(1.0 / tolerance)
    nodes, weights = np.polynomial.legendre.leggauss(128)

    def integral(lower: FloatArray) -> FloatArray:
        half = 0.5 * (1.0 - lower)
        root = np.sqrt(np.maximum(1.0 - (1.0 - half[:, None] * (nodes + 1.0)) ** 2, 0.0))
        return np.asarray(half * ((i0e(shape * root) * np.exp(shape * (root - 1.0))) @ weights))

    total = integral(np.array([-1.0]))[0]
    return np.polynomial.chebyshev.chebinterpolate(lambda x: integral(0.5 * (x + 1.0)) / total, DEGREE)
