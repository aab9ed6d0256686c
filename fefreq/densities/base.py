"""What every frequency density can do, and the checks that all of them share."""

from __future__ import annotations

import math
import operator
from abc import abstractmethod
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fefreq.support.arrays import FloatArray
from fefreq.support.families import Family


class Density(Family):
    """Symmetric probability density over frequency: ρ(-ξ) = ρ(ξ), ∫ ρ = 1.

    A density of your own is a frozen dataclass that derives from this class and gives :attr:`dim`, :meth:`pdf`,
    :meth:`sample`, :meth:`characteristic`, :meth:`mass_within` and :attr:`maximum`; where ρ has bounded support or
    jumps, the other properties say so, for the sake of the mesh. :func:`fefreq.testing.check_density` tests that all of
    them speak of the same density. It can be saved and loaded, see :mod:`fefreq.support.families`.
    """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Dimension d of the frequency space."""

    @abstractmethod
    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ.

        Parameters
        ----------
        frequencies : array_like
            Shape ``(n, d)``, or ``(n,)`` when d = 1; cycles per unit length.

        Returns
        -------
        ndarray
            Shape ``(n,)``; per (cycle per unit length)^d. At a jump the value is that of the inner side.

        Raises
        ------
        ValueError
            If the shape does not fit or an entry is not finite.
        """

    @abstractmethod
    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw independent frequencies.

        Parameters
        ----------
        count : int
            How many, at least 0.
        rng : numpy.random.Generator
            Source of randomness.

        Returns
        -------
        ndarray
            Shape ``(count, d)``; cycles per unit length.

        Raises
        ------
        TypeError
            If ``rng`` is no Generator or ``count`` no integer.
        ValueError
            If ``count`` is negative.
        """

    @abstractmethod
    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ(z) = ∫ ρ(ξ) cos(2π ξ·z) dξ.

        Parameters
        ----------
        separations : array_like
            Differences of positions z = x - y, shape ``(n, d)``, or ``(n,)`` when d = 1; units of length.

        Returns
        -------
        ndarray
            Shape ``(n,)``; κ(0) = 1, and -1 ≤ κ ≤ 1.

        Raises
        ------
        ValueError
            If the shape does not fit or an entry is not finite.
        """

    @abstractmethod
    def mass_within(self, radius: float) -> float:
        """Probability ``P(|ξ| ≤ radius)`` of the closed Euclidean ball about the origin.

        Parameters
        ----------
        radius : float
            At least 0; cycles per unit length.

        Raises
        ------
        ValueError
            If the radius is negative or not finite.
        """

    def radius(self, mass: float) -> float:
        """Radius of the ball about the origin that holds the given mass: ``P(|ξ| ≤ r) = mass``.

        Parameters
        ----------
        mass : float
            Strictly between 0 and 1.

        Returns
        -------
        float
            Euclidean radius, cycles per unit length.

        Raises
        ------
        ValueError
            If the mass is not strictly between 0 and 1.
        """
        from scipy.optimize import brentq

        mass = probability(mass)

        def excess(r: float) -> float:
            return self.mass_within(r) - mass

        upper = self.support_radius
        if math.isinf(upper):
            upper = self.maximum ** (-1.0 / self.dim)
            while excess(upper) < 0.0:
                upper *= 2.0
        elif excess(upper) <= 0.0:  # mass is one up to rounding
            return upper
        return float(brentq(excess, 0.0, upper, xtol=1e-300, rtol=1e-13, maxiter=500))

    @property
    def support_radius(self) -> float:
        """Radius of the smallest ball about the origin outside which ρ = 0, possibly infinite."""
        return math.inf

    @property
    def support_box(self) -> tuple[float, ...]:
        """Half-widths w_j of the smallest box with sides ``[-w_j, w_j]`` outside which ρ = 0."""
        return (self.support_radius,) * self.dim

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Positive axis coordinates, increasing, of axis-aligned planes on which ρ jumps.

        A mesh with nodes there keeps every jump on a facet. A jump on a sphere (d ≥ 2) cannot be listed.
        """
        return ()

    @property
    @abstractmethod
    def maximum(self) -> float:
        """Supremum of ρ, which bounds the spectrum of the tangent kernel."""

    def peak_candidates(self) -> tuple[FloatArray, float]:
        """Positions near which ρ may be largest.

        Returns
        -------
        positions : ndarray
            Shape ``(k, d)``.
        spacing : float
            Distance between neighbours along an axis; 0 if ρ is largest at a candidate exactly.
        """
        return np.zeros((1, self.dim)), 0.0

    def _store(self, **fields: object) -> None:
        """Set fields of a frozen dataclass to their checked form, from ``__post_init__`` only."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)


def positive(value: object, name: str) -> float:
    """Return ``value`` as a float and insist that it is positive and finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a positive number, not {value!r}")
    number = float(value)
    if not (math.isfinite(number) and number > 0.0):
        raise ValueError(f"{name} must be positive and finite, but it is {number}")
    return number


def dimension(value: int) -> int:
    """Return ``value`` as an int and insist that a space can have that dimension."""
    number = _integer(value, "dim")
    if number < 1:
        raise ValueError(f"dim must be an integer of at least 1, but it is {number}")
    return number


def probability(mass: float) -> float:
    """Return ``mass`` and insist that it lies strictly between 0 and 1."""
    if not 0.0 < mass < 1.0:
        raise ValueError(f"mass must lie strictly between 0 and 1, but it is {mass}")
    return float(mass)


def ball_radius(radius: float) -> float:
    """Return ``radius`` and insist that a ball can have it."""
    if not 0.0 <= radius < math.inf:
        raise ValueError(f"radius must be finite and at least 0, but it is {radius}")
    return float(radius)


def draws(count: int, rng: np.random.Generator) -> int:
    """Return ``count`` and insist that it and ``rng`` can be drawn with."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be a numpy Generator such as numpy.random.default_rng(0), not {rng!r}")
    number = _integer(count, "count")
    if number < 0:
        raise ValueError(f"count must be at least 0, but it is {number}")
    return number


def squared_norm(points: FloatArray) -> FloatArray:
    """Squared Euclidean norm of every row: ``(n, d) -> (n,)``."""
    return np.asarray(np.einsum("nd,nd->n", points, points), dtype=np.float64)


def _integer(value: Any, name: str) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}") from None
