"""Positional encoding: frequencies that are powers of two along the axes, a finite number of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density, ball_radius, dimension, draws, probability
from fefreq.support.arrays import FloatArray, as_points


@dataclass(frozen=True)
class PositionalEncoding(Density):
    """Equal masses at ``±2^(l-1) e_i``, l = 0 … L-1, and κ(z) = Σ_i Σ_l cos(2^l π z_i) / dL.

    The features sin(2^l π x_i), cos(2^l π x_i) of coordinate networks (arXiv 2003.08934): octave l has 2^(l-1) cycles
    per unit length, the lowest one half, which is one period on the box from -1 to 1. Mass at points has no pdf,
    so this density is for :class:`fefreq.KernelFlow`; the equation over frequency refuses it.

    Parameters
    ----------
    octaves : int
        Number L of octaves, at least 1.
    dim : int
        Dimension d.

    Raises
    ------
    ValueError
        If there is no octave, there are more than 60, or the dimension is below 1.

    Examples
    --------
    >>> PositionalEncoding(octaves=3).frequencies.ravel()
    array([0.5, 1. , 2. ])
    """

    octaves: int
    dim: int = 1
    kind: Literal["positional-encoding"] = field(default="positional-encoding", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.octaves, bool) or not isinstance(self.octaves, (int, np.integer)):
            raise TypeError(f"octaves must be an integer, not {self.octaves!r}")
        if not 1 <= self.octaves <= 60:
            raise ValueError(
                f"octaves must be from 1 to 60, but it is {self.octaves}: octave l has 2^(l-1) cycles"
            )
        self._store(octaves=int(self.octaves), dim=dimension(self.dim))

    @property
    def frequencies(self) -> FloatArray:
        """One of each pair of frequencies, shape ``(dL, d)``: those of the encoding itself, in its order."""
        return np.concatenate([octave * np.eye(self.dim) for octave in self._octaves])

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Refuse: mass at points has no density.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "a positional encoding has finitely many frequencies and hence no density over frequency: use the kernel "
            "flow, which needs none, or a Gaussian or LogUniform density"
        )

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies with repetition; see :meth:`Density.sample`, and :attr:`frequencies` for each once."""
        count = draws(count, rng)
        result = np.zeros((count, self.dim))
        signs = rng.choice([-1.0, 1.0], count)
        result[np.arange(count), rng.integers(self.dim, size=count)] = signs * rng.choice(
            self._octaves, count
        )
        return result

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ, a finite sum of cosines; see :meth:`Density.characteristic`."""
        z = as_points(separations, self.dim, "separations")
        total = np.zeros(len(z))
        for octave in self._octaves:
            # Whole cycles are taken off first, which is exact; the phases of high octaves lose their digits to 2π.
            total += np.cos(2.0 * np.pi * np.mod(octave * z, 1.0)).sum(axis=1)
        return total / (self.dim * self.octaves)

    def mass_within(self, radius: float) -> float:
        """Share of the octaves within a ball."""
        return float(np.mean(self._octaves <= ball_radius(radius)))

    def radius(self, mass: float) -> float:
        """Smallest radius with at least the given mass, one of the octaves."""
        return float(self._octaves[math.ceil(probability(mass) * self.octaves - 1e-12) - 1])

    @property
    def support_radius(self) -> float:
        """The highest octave."""
        return float(self._octaves[-1])

    @property
    def maximum(self) -> float:
        """Infinite."""
        return math.inf

    @property
    def _octaves(self) -> FloatArray:
        return np.asarray(2.0 ** (np.arange(self.octaves) - 1.0))
