"""Power laws fitted to measurements of several networks, with the confidence that these allow.

>>> rng = np.random.default_rng(0)
>>> widths = np.repeat([10.0, 100.0, 1000.0], 4)
>>> fit = power_law(widths, 3 / np.sqrt(widths) * np.exp(0.1 * rng.standard_normal(12)))
>>> abs(fit.slope + 0.5) < fit.uncertainty < 0.1
True
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fefreq.support.arrays import FloatArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PowerLaw:
    """``y = factor · x^slope``, with the half-width of the slope's confidence interval (95 %)."""

    slope: float
    uncertainty: float
    factor: float

    def at(self, x: FloatArray) -> FloatArray:
        """The law at some abscissae."""
        return np.asarray(self.factor * x**self.slope)

    def to_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return {"slope": self.slope, "uncertainty": self.uncertainty, "factor": self.factor}


def power_law(x: FloatArray, y: FloatArray) -> PowerLaw:
    """Least squares on logarithms of independent measurements: every point a network with random numbers of its own.

    Parameters
    ----------
    x, y : ndarray, shape (N,)
        Positive; at least three.
    """
    from scipy.stats import linregress, t

    fit = linregress(np.log(x), np.log(y))
    uncertainty = float(t.ppf((1 + CONFIDENCE) / 2, len(x) - 2) * fit.stderr)
    return PowerLaw(float(fit.slope), uncertainty, float(np.exp(fit.intercept)))


def repeated_power_law(x: FloatArray, y: FloatArray) -> PowerLaw:
    """Least squares on logarithms of several networks, each measured at all abscissae.

    Parameters
    ----------
    x : ndarray, shape (K,)
    y : ndarray, shape (S, K)
        Distances of a network belong together, so the slopes of the networks are what is independent.
    """
    from scipy.stats import t

    slopes, intercepts = np.polynomial.polynomial.polyfit(np.log(x), np.log(y).T, 1)[::-1]
    error = float(np.std(slopes, ddof=1) / np.sqrt(len(slopes))) if len(slopes) > 1 else np.nan
    uncertainty = float(t.ppf((1 + CONFIDENCE) / 2, max(1, len(slopes) - 1)) * error)
    return PowerLaw(float(np.mean(slopes)), uncertainty, float(np.exp(np.mean(intercepts))))
