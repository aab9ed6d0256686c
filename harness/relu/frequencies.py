"""Frequencies at which error spectra are kept unless others are asked for."""

from __future__ import annotations

import math

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target


def default_frequencies(target: Target) -> FloatArray:
    """Frequencies ``(F, d)`` that show a whole spectrum: up to a quarter more than the band of the data.

    In one dimension half a cycle per length apart, none negative; in more at most 33 along each axis of a grid that
    is symmetric about 0.
    """
    spans = np.ptp(target.points, axis=0)
    # Samples at the centres of cells span all but one cell.
    lengths = spans if target.grid is None else spans + target.grid.spacing
    band = np.minimum(1.25 * target.bandwidth, target.nyquist)
    if target.dim == 1:
        step = 0.5 / float(lengths[0])
        return step * np.arange(math.floor(float(band[0]) / step * (1 + 1e-9)) + 1.0)[:, None]
    axes = []
    for width, length in zip(band, lengths, strict=True):
        count = min(16, max(1, math.floor(width * length * 2)))
        axes.append(np.linspace(-width, width, 2 * count + 1))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, target.dim)
