"""Random power-law signals, and densities of several shapes with one standard deviation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from fefreq import Gaussian, Laplace, LogUniform, Uniform
from fefreq.densities.base import Density
from fefreq.support.arrays import FloatArray

Family = Literal["gaussian", "uniform", "log-uniform", "laplace"]


def power_law_signals(points: int, exponent: float, count: int, rng: np.random.Generator) -> FloatArray:
    """Signals of period 1 with amplitudes ``k^-α`` and random phases, mean square 1.

    Parameters
    ----------
    points : int
        At the centres of as many cells of the interval from -1/2 to 1/2; all frequencies that they resolve occur.
    exponent : float
        The power ``α``.
    count : int
        Number of signals.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (points, count)

    Examples
    --------
    >>> signals = power_law_signals(9, 1.0, 2, np.random.default_rng(0))
    >>> (np.abs(np.fft.rfft(signals[:, 0]))[1:] * [1, 2, 3, 4]).std().round(12)
    np.float64(0.0)
    """
    k = np.arange(1.0, (points - 1) // 2 + 1)
    x = (np.arange(points) + 0.5) / points - 0.5
    phases = rng.uniform(0, 2 * np.pi, (count, len(k), 1))
    values = np.einsum("k,ckn->nc", k**-exponent, np.cos(2 * np.pi * k[:, None] * x + phases))
    return np.asarray(values / np.sqrt(np.mean(values**2, axis=0)))


def density_of(family: Family, scale: float, lowest: float) -> Density:
    """The density of a family whose frequencies have a given standard deviation.

    Parameters
    ----------
    family : str
    scale : float
        Standard deviation, cycles per unit length.
    lowest : float
        Lower limit of a log-uniform density.

    Examples
    --------
    >>> density = density_of("log-uniform", 8.0, 0.5)
    >>> variance = (density.upper**2 - density.lower**2) / (2 * np.log(density.upper / density.lower))
    >>> round(float(variance), 9)
    64.0
    """
    made: dict[Family, Callable[[], Density]] = {
        "gaussian": lambda: Gaussian(scale),
        "uniform": lambda: Uniform(np.sqrt(3.0) * scale),
        "laplace": lambda: Laplace(scale / np.sqrt(2.0)),
        "log-uniform": lambda: LogUniform(lowest, log_uniform_upper(scale, lowest)),
    }
    return made[family]()


def log_uniform_upper(scale: float, lowest: float) -> float:
    """Upper limit b of a log-uniform density with ``E ξ² = (b² - a²) / 2 log(b/a)`` the square of ``scale``.

    Raises
    ------
    ValueError
        If the scale does not exceed the lower limit.
    """
    from scipy.optimize import brentq

    if not scale > lowest:
        raise ValueError(f"the standard deviation {scale:g} must exceed the lower limit {lowest:g}")

    def excess(ratio_log: float) -> float:
        return float(np.expm1(2 * ratio_log) / (2 * ratio_log)) - (scale / lowest) ** 2

    most = 1.0
    while excess(most) < 0:
        most *= 2
    return lowest * float(np.exp(brentq(excess, 1e-12, most, xtol=1e-14, rtol=1e-14)))
