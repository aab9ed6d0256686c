"""Fourier sums over arbitrary points at arbitrary frequencies, by finufft.

One function carries every transform of the project: spectra of residuals, forward passes of wide networks
and their gradients are all sums ``Σ_j c_j exp(∓2πi x_j·ξ_k)``.
"""

from __future__ import annotations

import numpy as np

from fefreq.support.arrays import ComplexArray, FloatArray

PRECISION = 1e-13


def fourier_sums(
    points: FloatArray,
    coefficients: FloatArray | ComplexArray,
    frequencies: FloatArray,
    sign: int = -1,
    eps: float = PRECISION,
) -> ComplexArray:
    """Sums ``Σ_j c_j exp(sign 2πi x_j·ξ_k)``, a non-uniform transform of type 3.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Positions ``x_j``, with ``d`` at most 3.
    coefficients : ndarray, shape (n,) or (n, channels)
        The ``c_j``.
    frequencies : ndarray, shape (m, d)
        Frequencies ``ξ_k`` in cycles per unit length.
    sign : int
        Sign of the exponent.
    eps : float
        Relative precision asked of the transform.

    Returns
    -------
    ndarray, shape (m,) or (m, channels)

    Raises
    ------
    ValueError
        If ``d`` is above 3.
    """
    import finufft

    n, dim = points.shape
    if dim > 3:
        raise ValueError(f"non-uniform transforms exist for up to 3 dimensions, not {dim}")
    columns = coefficients.reshape(n, -1)
    strengths = np.ascontiguousarray(columns.T, dtype=np.complex128)
    angular = 2 * np.pi * frequencies
    if len(angular) == 0:
        return np.zeros((0, *coefficients.shape[1:]), dtype=np.complex128)
    transform = (finufft.nufft1d3, finufft.nufft2d3, finufft.nufft3d3)[dim - 1]
    sources = [np.ascontiguousarray(axis) for axis in points.T]
    sinks = [np.ascontiguousarray(axis) for axis in angular.T]
    sums = transform(*sources, strengths, *sinks, isign=sign, eps=eps)
    return np.ascontiguousarray(np.asarray(sums).reshape(columns.shape[1], -1).T).reshape(
        len(angular), *coefficients.shape[1:]
    )


def grid_sums(
    lower: FloatArray,
    spacing: FloatArray,
    values: FloatArray,
    frequencies: FloatArray,
    eps: float = PRECISION,
) -> ComplexArray:
    """Sums ``Σ_j c_j exp(-2πi x_j·ξ_k)`` over a uniform grid, a non-uniform transform of type 2.

    Parameters
    ----------
    lower, spacing : ndarray, shape (d,)
        First grid point and distance between neighbours along each axis.
    values : ndarray, shape (n_1, …, n_d) or (n_1, …, n_d, channels)
        The ``c_j``.
    frequencies : ndarray, shape (m, d)
        Frequencies in cycles per unit length.
    eps : float
        Relative precision asked of the transform.

    Returns
    -------
    ndarray, shape (m,) or (m, channels)
    """
    import finufft

    dim = len(spacing)
    shape = values.shape[:dim]
    channels = values.shape[dim:]
    if len(frequencies) == 0:
        return np.zeros((0, *channels), dtype=np.complex128)
    modes = np.ascontiguousarray(np.moveaxis(values.reshape(*shape, -1), -1, 0), dtype=np.complex128)
    # The transform counts grid index k from -(n // 2); the phase puts index 0 back onto `lower`.
    centre = lower + spacing * (np.asarray(shape) // 2)
    phase = np.exp(-2j * np.pi * (frequencies @ centre))
    cycles = frequencies * spacing
    angles = 2 * np.pi * (cycles - np.round(cycles))
    transform = (finufft.nufft1d2, finufft.nufft2d2, finufft.nufft3d2)[dim - 1]
    sums = transform(*[np.ascontiguousarray(axis) for axis in angles.T], modes, isign=-1, eps=eps)
    return np.ascontiguousarray((np.asarray(sums).reshape(len(modes), -1) * phase).T).reshape(-1, *channels)
