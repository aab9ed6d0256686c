r"""Input encodings: fixed maps in front of the first linear layer.

The sinusoidal encoding takes every coordinate to sines and cosines of ``L`` octaves,

    γ(x) = [ sin(2^l π x_i), cos(2^l π x_i) ],   l = 0 … L-1,   i = 1 … d,

``2 d L`` features; octave ``l`` has ``2^(l-1)`` cycles per unit length. The curve has constant speed and the
distance of two encoded points depends on their separation only,

    ‖γ(x) - γ(x')‖² = Σ_i Σ_l 2 - 2 cos(2^l π Δ_i) = Σ_i Σ_l 4 sin²(2^l π Δ_i / 2),

so encoded neighbours lie far apart: that is how an encoding decouples them (Lazzari and Liu,
arXiv 2301.05816). On a grid of spacing ``h`` an octave is resolved while ``2^(l-1) < 1/(2h)``; beyond this it
repeats a lower octave on the samples and adds nothing but noise between them.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fefreq.support.arrays import FloatArray, as_points


class Encoding(nn.Module):
    """A fixed map from coordinates to features, the first module of an encoded network.

    Parameters
    ----------
    dim : int
        Number of coordinates.
    features : int
        Number of features, the input width of the first linear layer.
    """

    def __init__(self, dim: int, features: int) -> None:
        super().__init__()
        self.dim = dim
        self.features = features

    @abstractmethod
    def forward(self, points: Tensor) -> Tensor:
        """Map points ``(n, dim)`` to features ``(n, features)``."""

    def jacobian(self, points: Tensor) -> Tensor:
        """Differentiate the features, ``(n, features, dim)``, by forward-mode automatic differentiation."""
        single = torch.func.jacfwd(lambda point: self(point[None])[0])
        jacobians: Tensor = torch.func.vmap(single)(points)
        return jacobians


class PositionalEncoding(Encoding):
    """Sines and cosines of ``octaves`` octaves of every coordinate.

    Parameters
    ----------
    dim : int
        Number of coordinates.
    octaves : int
        Number ``L`` of octaves, ``l = 0 … L-1``; there are ``2 dim L`` features, ordered by octave, in each
        the sines of all coordinates before their cosines.

    Raises
    ------
    ValueError
        If there is no coordinate or no octave.

    Examples
    --------
    >>> encoding = PositionalEncoding(dim=1, octaves=4)
    >>> encoding.features, encoding.cycles.tolist()
    (8, [0.5, 1.0, 2.0, 4.0])
    >>> encoding.distance([1.0]).round(6)       # half a period of octave 0, whole ones of the others
    array([2.])
    """

    def __init__(self, dim: int, octaves: int) -> None:
        if dim < 1 or octaves < 1:
            raise ValueError(
                f"a positional encoding needs at least 1 coordinate and 1 octave, not {dim} and {octaves}"
            )
        super().__init__(dim, 2 * dim * octaves)
        self.octaves = octaves

    def forward(self, points: Tensor) -> Tensor:
        """Encode points ``(n, dim)`` to ``(n, 2 dim octaves)``."""
        phases = self._phases(points)
        return torch.cat([torch.sin(phases), torch.cos(phases)], dim=2).flatten(1)

    def jacobian(self, points: Tensor) -> Tensor:
        """Differentiate the features, ``(n, 2 dim octaves, dim)``, in closed form."""
        phases = self._phases(points)
        speeds = math.pi * self._octave_factors(points)[:, None]
        slopes = torch.cat([speeds * torch.cos(phases), -speeds * torch.sin(phases)], dim=2)
        own = torch.eye(self.dim, dtype=points.dtype, device=points.device).repeat(2, 1)
        return (slopes[..., None] * own).flatten(1, 2)

    def distance(self, separations: ArrayLike) -> FloatArray:
        """Distance ``‖γ(x) - γ(x')‖`` of encoded points whose separation is ``Δ = x - x'``.

        Parameters
        ----------
        separations : array_like, shape (m, dim)
            ``Δ``; ``(m,)`` counts as one dimension.

        Returns
        -------
        ndarray, shape (m,)
            ``[Σ_i Σ_l 4 sin²(2^l π Δ_i / 2)]^½``, dimensionless.
        """
        separation = as_points(separations, self.dim, "separations")
        half_turns = 0.5 * separation[:, None, :] * 2.0 ** np.arange(self.octaves)[:, None]
        chords = 2 * np.sin(np.pi * np.remainder(half_turns, 1.0))
        return np.asarray(np.linalg.norm(chords.reshape(len(separation), -1), axis=1))

    @property
    def cycles(self) -> FloatArray:
        """Frequency ``2^(l-1)`` of every octave, in cycles per unit length, shape (octaves,)."""
        return np.asarray(np.exp2(np.arange(self.octaves) - 1.0))

    @property
    def speed(self) -> float:
        """Operator norm of the Jacobian, ``π (Σ_l 4^l)^½``, the same at every point: a Lipschitz constant."""
        return math.pi * math.sqrt((4**self.octaves - 1) / 3)

    def _octave_factors(self, points: Tensor) -> Tensor:
        return 2.0 ** torch.arange(self.octaves, dtype=points.dtype, device=points.device)

    def _phases(self, points: Tensor) -> Tensor:
        # Doubling and the remainder are exact in floating point, so high octaves lose no digits to their
        # turns.
        turns = torch.remainder(points[:, None, :] * self._octave_factors(points)[:, None], 2.0)
        return math.pi * turns


def octave_limit(spacing: float) -> int:
    """Count the octaves that a grid of this spacing resolves.

    Parameters
    ----------
    spacing : float
        Distance ``h`` between neighbouring samples.

    Returns
    -------
    int
        The largest ``L`` with ``2^(L-2) < 1/(2h)``, 0 if not even ``L = 1`` is resolved.

    Raises
    ------
    ValueError
        If the spacing is not positive.

    Examples
    --------
    >>> octave_limit(1 / 512)
    9
    """
    if not 0 < spacing < math.inf:
        raise ValueError(f"the spacing of a grid is positive, not {spacing}")
    # 2^(L-1) < 1/h: frexp gives 1/h = m 2^e with 1/2 <= m < 1, without the rounding of a logarithm.
    mantissa, exponent = math.frexp(1 / spacing)
    return max(0, exponent if mantissa > 0.5 else exponent - 1)


def warn_if_aliased(encoding: Encoding | None, points: ArrayLike) -> int:
    """Warn when octaves of an encoding are faster than the grid they are sampled on.

    Parameters
    ----------
    encoding : Encoding or None
        Only a :class:`PositionalEncoding` has octaves; others pass without a warning.
    points : array_like, shape (n, dim)
        The samples of a grid, in any order. The spacing of an axis is the smallest distance between its
        different coordinates.

    Returns
    -------
    int
        Number of octaves the grid resolves along its coarsest axis, 0 for an axis with a single coordinate.

    Warns
    -----
    UserWarning
        If the encoding has more octaves; the message says how many are resolved.
    """
    if not isinstance(encoding, PositionalEncoding):
        return 0
    coordinates = as_points(points, encoding.dim)
    axes = [np.unique(axis) for axis in coordinates.T]
    # Coordinates that differ by rounding are one coordinate of the grid.
    gaps = [np.diff(axis)[np.diff(axis) > 1e-9 * max(np.ptp(axis), 1e-300)] for axis in axes]
    spacing = max((float(gap.min()) for gap in gaps if gap.size), default=math.inf)
    limit = 0 if any(not gap.size for gap in gaps) else octave_limit(spacing)
    if encoding.octaves > limit:
        warnings.warn(
            f"the encoding has {encoding.octaves} octaves, up to {encoding.cycles[-1]:g} cycles per unit, "
            f"but a grid of spacing {spacing:.4g} resolves only frequencies below {0.5 / spacing:.4g}: "
            f"octaves beyond the first {limit} alias",
            UserWarning,
            stacklevel=2,
        )
    return limit
