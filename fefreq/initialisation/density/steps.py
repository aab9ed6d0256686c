r"""Densities as points of a simplex: water-filling in closed form, and descent that never leaves the simplex.

A tabulated density is a vector of node values ``v_k ≥ 0`` with ``Σ w_k v_k = 1``, where ``w_k`` is the volume of a
node. The density nearest to any vector ``y`` in the norm ``Σ w_k y_k²`` lowers all entries by one level and cuts off
what is negative, ``v_k = max(0, y_k - τ)``. Sorting finds ``τ`` exactly. Water-filling is the same map: the minimum of
``Σ w_k E_k exp(-c v_k)`` is the density nearest to ``y_k = log(c E_k) / c``, with the water level ``μ = exp(c τ)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fefreq.support.arrays import FloatArray

# Value, and derivatives with respect to the node values in their shape.
Functional = Callable[[FloatArray], tuple[float, FloatArray]]

SUFFICIENT_DECREASE = 1e-4
SMALLEST_SHARE = 1e-5  # of the way to the projected point
SMALLEST_SLOPE = 1e-3  # over the mean slope
LENGTHS = (0.1, 4.0)  # of steps, 1 being water-filling
STALLED = 4  # steps
_TINY = np.finfo(np.float64).tiny


def nearest_density(heights: FloatArray, volumes: FloatArray) -> tuple[FloatArray, float]:
    """Project onto the densities.

    Parameters
    ----------
    heights : ndarray
        Any shape; ``-inf`` is allowed where nothing shall stand, but not everywhere.
    volumes : ndarray
        Positive, of the same shape.

    Returns
    -------
    values : ndarray
        ``max(0, heights - level)`` with ``Σ volumes values = 1``.
    level : float

    Examples
    --------
    >>> nearest_density(np.array([2.0, 1.0, -4.0]), np.array([0.5, 0.5, 0.5]))
    (array([1.5, 0.5, 0. ]), 0.5)
    """
    order = np.argsort(-heights, axis=None)
    tops, bases = heights.ravel()[order], volumes.ravel()[order]
    below = tops - tops[0]  # heights of large offset and small differences keep their digits
    # If the highest stood alone, the level would be this far below it; others only raise it.
    reached = below >= -1.0 / bases[0]
    below, bases = below[reached], bases[reached]
    levels = (np.cumsum(bases * below) - 1.0) / np.cumsum(bases)
    standing = int(np.flatnonzero(below > levels)[-1])
    level = float(tops[0] + levels[standing])
    values = np.maximum(heights - level, 0.0)
    return values / float(np.sum(values * volumes)), level


def water_filling(energy: FloatArray, volumes: FloatArray, exponent: float) -> tuple[FloatArray, float]:
    r"""Minimise ``Σ volumes · energy · exp(-exponent v)`` over densities ``v``.

    Parameters
    ----------
    energy : ndarray
        Energy of the target per volume of frequency, at least 0 and somewhere positive.
    volumes : ndarray
        Positive, of the same shape.
    exponent : float
        ``2 λ_out T``, positive.

    Returns
    -------
    values : ndarray
        ``v = max(0, log(exponent · energy / μ)) / exponent``.
    water_level : float
        ``log μ``, since ``μ`` itself may be smaller than any number.
    """
    largest = float(np.max(energy))
    # Heights below the largest: for the shortest budgets all others are infinitely low, and it alone is drawn.
    with np.errstate(divide="ignore", over="ignore"):
        heights = np.log(energy / largest) / exponent
    values, level = nearest_density(heights, volumes)
    return values, float(np.log(exponent) + np.log(largest) + exponent * level)


@dataclass(frozen=True)
class DescendedDensity:
    """Where descent over densities ended.

    Attributes
    ----------
    values : ndarray
        Node values of the best density that was met.
    objective : float
        The functional there.
    gap : float
        What a linear model of the functional still promises, ``Σ g v - min g/w``, relative to the objective; 0 at a
        stationary point. Where the functional is convex it bounds how far the objective is above its minimum, and far
        from tightly: it supposes that slopes last all the way.
    history : ndarray
        Objective at the start and after every step.
    evaluations : int
    converged : bool
        Whether the gap, or the gain of four steps, came below the tolerance.
    """

    values: FloatArray
    objective: float
    gap: float
    history: FloatArray
    evaluations: int
    converged: bool


def stationarity_gap(values: FloatArray, gradient: FloatArray, volumes: FloatArray) -> float:
    """``Σ g v - min g/w``: how much a linear functional could fall over the densities."""
    return max(float(np.sum(gradient * values) - np.min(gradient / volumes)), 0.0)


def descend(
    functional: Functional,
    start: FloatArray,
    volumes: FloatArray,
    exponent: float,
    rtol: float,
    max_steps: int,
    on_step: Callable[[], None] = lambda: None,
) -> DescendedDensity:
    """Lower a functional of node values by repeated water-filling.

    Were there damping alone, the slope ``s = -dJ / w dv`` at a node would be ``c E exp(-c v)``, and the minimum would
    be the density nearest to ``v + log(s) / c``. A step goes there, or a multiple of the way by the rule of Barzilai
    and Borwein, and is shortened until it gains enough. Raising what has the larger slope always lowers the
    functional to first order, so with diffusion too every iterate is a density and none is worse than the one before.

    Parameters
    ----------
    functional : callable
        Value and derivatives with respect to the node values.
    start, volumes : ndarray
    exponent : float
        ``c = 2 λ_out T``.
    rtol : float
        Stop where the gap, or the gain of four steps, is below this share of the objective.
    max_steps : int
    on_step : callable
        Called after every step.
    """
    values = start
    objective, gradient = functional(values)
    history, evaluations, length = [objective], 1, 1.0
    converged = False
    while True:
        gap = stationarity_gap(values, gradient, volumes) / max(objective, _TINY)
        stalled = len(history) > STALLED and history[-1 - STALLED] - objective <= rtol * objective
        converged = gap <= rtol or stalled
        if converged or len(history) > max_steps:
            break
        lift = _lift(values, gradient, volumes) / exponent
        way = nearest_density(values + length * lift, volumes)[0] - values
        promised = float(np.sum(gradient * way))
        share = 1.0
        while share >= SMALLEST_SHARE:
            candidate = values + share * way
            value, derivative = functional(candidate)
            evaluations += 1
            if value <= objective + SUFFICIENT_DECREASE * share * promised:
                break
            share *= 0.5
        else:  # nothing is to be gained above rounding
            converged = True
            break
        length = _next_length(
            candidate,
            candidate - values,
            _lift(candidate, derivative, volumes) / exponent - lift,
            volumes,
            length,
        )
        values, objective, gradient = candidate, value, derivative
        history.append(objective)
        on_step()
    return DescendedDensity(values, objective, gap, np.array(history), evaluations, converged)


def _lift(values: FloatArray, gradient: FloatArray, volumes: FloatArray) -> FloatArray:
    """Logarithm of the slope over its mean where frequencies are drawn; nowhere below a floor."""
    slope = -gradient / volumes
    mean = max(float(np.sum(volumes * values * slope)), _TINY)
    return np.asarray(np.log(np.maximum(slope / mean, SMALLEST_SLOPE)))


def _next_length(
    values: FloatArray, change: FloatArray, turn: FloatArray, volumes: FloatArray, length: float
) -> float:
    """Step length of Barzilai and Borwein, from what the last step did to the lift where frequencies are drawn."""
    weights = np.where(values > 0.0, volumes, 0.0)
    curvature = -float(np.sum(weights * change * turn))
    wanted = float(np.sum(weights * change**2)) / curvature if curvature > 0.0 else 2.0 * length
    return float(np.clip(wanted, *LENGTHS))
