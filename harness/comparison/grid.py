"""Frequencies at which sources are compared."""

from __future__ import annotations

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target


def frequency_grid(target: Target, half_width: float | None = None) -> FloatArray:
    """Frequencies at which sources are compared: a symmetric tensor grid, shape ``(F, d)``.

    Four points per inverse half-length of the data make sums of squares over the grid equal to integrals over
    positions; in one dimension there are eight, for smoother pictures.
    """
    # Beyond the Nyquist frequency the spectrum of samples repeats itself and would count twice.
    band = (
        np.minimum(1.25 * target.bandwidth, target.nyquist)
        if half_width is None
        else np.full(target.dim, half_width)
    )
    step = (1 / 8 if target.dim == 1 else 1 / 4) / np.max(np.abs(target.points), axis=0)
    axes = []
    for width, h in zip(band, step, strict=True):
        n = int(np.floor(width / h * (1 + 1e-12)))
        axes.append(h * np.arange(-n, n + 1))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, target.dim)
