r"""Fourier transform of a function of a characteristic function, ``Θ(κ(z))``, over the whole space.

With ``Θ(u) = a_0 + a_1 u + a_2 u² + …`` and ``ρ`` the transform of ``κ``

.. math:: \widehat{Θ(κ)} = a_0 \, δ + a_1 \, ρ + a_2 \, ρ*ρ + … .

The delta has no place in a function of frequency and is left out: see :mod:`fefreq.models.deep_fourier_features`.
The second term carries every jump of the density and is taken from it. What remains, ``r = Θ(κ) - a_0 - a_1 κ``,
falls off like ``κ²``, and the trapezoidal rule on a grid of positions of spacing ``h`` and length ``2R`` gives its
transform: ``h^d Σ r(z) ω(z) cos 2πξ·z`` with a window ``ω`` that falls to 0 at the ends. Two things are left:

- *aliasing*: ``r̂`` at ``ξ + k/h``. A kink of the activation gives ``r`` a cusp and ``r̂`` a tail ``|ξ|^{-(d+1)}``, so
  that the aliases are ``∝ h^{d+1}``, the same at all frequencies well below ``1/h``: one extrapolation removes them;
- *averaging* of ``r̂`` over the width ``1/R`` if ``κ`` falls off too slowly for the grid, as that of a density with
  jumps does, which is felt where ``ρ*ρ`` has its kinks.

Both are measured by grids of half the extent: every second point, and the inner half of the points.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fefreq.densities.base import Density
from fefreq.support.arrays import FloatArray
from fefreq.support.nufft import grid_sums
from fefreq.support.window import window

POINTS = {1: 1 << 20, 2: 1 << 21, 3: 1 << 21}  # of the largest grid of positions
BAND = {1: 400.0, 2: 96.0, 3: 32.0}  # 1/h in units of the radius of the density, at least
PER_FREQUENCY = 8.0  # 1/h in units of the largest frequency, at least
NEGLIGIBLE = 1e-12  # κ² that ends the grid
PROBES = 64
CHUNK = 1 << 20
WORST = 0.05  # error relative to the largest value at which the transform is refused


class KernelSpectrum:
    """Transform of ``Θ(κ)`` without the delta, for frequencies up to a limit.

    Parameters
    ----------
    function : callable
        ``Θ`` of arrays of values of ``κ``.
    constant, slope : float
        ``Θ(0)`` and ``Θ'(0)``.
    density : Density
        In up to three dimensions.
    limit : float
        Largest component of a frequency.

    Raises
    ------
    ValueError
        If the dimension is above 3, or the error is above 5 % of the largest value.

    Examples
    --------
    >>> import fefreq
    >>> squared = KernelSpectrum(np.square, 0.0, 0.0, fefreq.Gaussian(1.0), limit=3.0)
    >>> bool(np.allclose(squared(np.zeros((1, 1))), (4 * np.pi) ** -0.5, rtol=1e-9))
    True
    """

    def __init__(
        self,
        function: Callable[[FloatArray], FloatArray],
        constant: float,
        slope: float,
        density: Density,
        limit: float,
    ) -> None:
        dim = density.dim
        if dim not in POINTS:
            raise ValueError(
                f"the transform of a kernel is computed in up to 3 dimensions, not {dim}; the kernel flow has no "
                "such limit"
            )
        self._function, self._constant, self._slope, self._density = function, constant, slope, density
        scale = density.radius(0.7)
        band = max(BAND[dim] * scale, PER_FREQUENCY * limit)
        samples = int(POINTS[dim] ** (1 / dim))
        reach = min(_reach(density, scale), 0.5 * samples / band)
        half = 4 * math.ceil(0.25 * reach * band)
        self._spacing = 1.0 / band
        self._axis: FloatArray = np.asarray((np.arange(2 * half) - half) * self._spacing)
        self._table = self._tabulated()
        self.error = self._measured(scale, limit)
        if self.error > WORST:
            raise ValueError(
                f"the transform of this kernel is uncertain by {self.error:.0%} of its largest value: its density has "
                "jumps, and a grid that follows them in this dimension is too large; use the kernel flow"
            )

    def __call__(self, frequencies: FloatArray) -> FloatArray:
        """The transform at frequencies ``(n, d)``, at least 0 as that of every positive definite function."""
        smooth = self._transformed(1.0, frequencies)
        return np.asarray(np.maximum(self._slope * self._density.pdf(frequencies) + smooth, 0.0))

    def _tabulated(self) -> FloatArray:
        """``h^d r(z)`` on the grid."""
        dim, axis = self._density.dim, self._axis
        table = np.empty((len(axis),) * dim)
        height = max(1, CHUNK // len(axis) ** (dim - 1))
        for first in range(0, len(axis), height):
            rows = axis[first : first + height]
            z = np.stack(np.meshgrid(rows, *[axis] * (dim - 1), indexing="ij"), axis=-1)
            kappa = self._density.characteristic(z.reshape(-1, dim))
            rest = self._function(kappa) - self._constant - self._slope * kappa
            table[first : first + height] = rest.reshape(z.shape[:-1])
        return table * self._spacing**dim

    def _transformed(self, share: float, frequencies: FloatArray) -> FloatArray:
        """``r̂`` from the inner share of the grid, extrapolated to ``h = 0``."""
        fine, coarse = self._sums(share, 1, frequencies), self._sums(share, 2, frequencies)
        return np.asarray(fine + (fine - coarse) / (2 ** (self._density.dim + 1) - 1))

    def _sums(self, share: float, stride: int, frequencies: FloatArray) -> FloatArray:
        dim, half = self._density.dim, len(self._axis) // 2
        kept = 2 * round(0.5 * share * half)
        axis = self._axis[half - kept : half + kept : stride]
        table = self._table[(slice(half - kept, half + kept, stride),) * dim] * float(stride) ** dim
        reach = kept * self._spacing
        fall = window(axis, 0.5 * reach, 0.5 * reach, 1e-12)
        for place in range(dim):
            table = table * fall.reshape(-1, *(1,) * (dim - 1 - place))
        spacing = np.full(dim, stride * self._spacing)
        return grid_sums(np.full(dim, axis[0]), spacing, table, frequencies).real

    def _measured(self, scale: float, limit: float) -> float:
        """Largest difference that half the points and half the extent make, after extrapolation."""
        dim = self._density.dim
        places = np.random.default_rng(0).uniform(-1.0, 1.0, (PROBES, dim))
        places[0] = 0.0
        places[1 : PROBES // 2] *= min(2.0 * scale, limit)
        places[PROBES // 2 :] *= limit
        values = self(places)
        fine, coarse, coarser = (self._sums(1.0, stride, places) for stride in (1, 2, 4))
        order = 2 ** (dim + 1) - 1
        aliasing = (fine + (fine - coarse) / order) - (coarse + (coarse - coarser) / order)
        averaging = self._transformed(1.0, places) - self._transformed(0.5, places)
        return float(np.max(np.abs(aliasing) + np.abs(averaging)) / np.max(values))


def _reach(density: Density, scale: float) -> float:
    """Distance beyond which ``κ²`` is negligible along the axes and diagonals, as far as a few doublings tell."""
    directions = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * density.dim, indexing="ij"), axis=-1)
    directions = directions.reshape(-1, density.dim)
    directions = directions[np.any(directions != 0, axis=1)]
    reach = 0.5 / scale
    while reach < 1e6 / scale:
        r = np.linspace(0.5 * reach, 2.0 * reach, 64)  # the window falls from one half of the reach
        kappa = density.characteristic((r[:, None, None] * directions).reshape(-1, density.dim))
        if np.max(kappa**2) < NEGLIGIBLE:
            return reach
        reach *= 1.25
    return reach
