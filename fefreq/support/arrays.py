"""Arrays as arguments: shapes brought to one form, bad values named at the door."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def as_points(x: ArrayLike, dim: int, name: str = "points") -> FloatArray:
    """Bring positions or frequencies to the shape ``(n, dim)``.

    Parameters
    ----------
    x : array_like
        Shape ``(n, dim)``; ``(n,)`` and a scalar are accepted when ``dim`` is 1.
    dim : int
        Dimension of the space.
    name : str
        What the array is called in the error message.

    Raises
    ------
    ValueError
        If the shape does not fit or an entry is not finite.

    Examples
    --------
    >>> as_points([0.0, 0.5], dim=1).shape
    (2, 1)
    """
    array = real_array(x, name)
    if array.ndim < 2 and dim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or array.shape[1] != dim:
        raise ValueError(f"{name} have shape {np.shape(x)}; in {dim} dimension(s) they must be (n, {dim})")
    return array


def real_array(x: ArrayLike, name: str) -> FloatArray:
    """Convert to float64 and insist that every entry is a finite real number.

    Raises
    ------
    TypeError
        If the entries are not real numbers.
    ValueError
        If one of them is NaN or infinite.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, not of type {array.dtype}")
    array = np.ascontiguousarray(array, dtype=np.float64)
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise ValueError(f"{name} must be finite, but {bad} of {array.size} entries are NaN or infinite")
    return array


def real_number(x: object, name: str) -> float:
    """Return ``x`` as a float and insist that it is a real number.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(x, bool) or not isinstance(x, Real):
        raise TypeError(f"{name} must be a number, not {x!r}")
    return float(x)


def read_only(array: FloatArray) -> FloatArray:
    """The array itself if nobody can write to it, otherwise a copy to which nobody can.

    >>> fixed = read_only(np.ones(2))
    >>> fixed.flags.writeable, read_only(fixed) is fixed
    (False, True)
    """
    owner = array
    while isinstance(owner.base, np.ndarray):  # a view that is read-only may belong to an array that is not
        owner = owner.base
    if array.flags.writeable or owner.flags.writeable:
        array = array.copy()
        array.flags.writeable = False
    return array
