"""Training times: as arguments, and as an axis of the fields of a dataclass."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.support.arrays import FloatArray, real_array

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)


def check_times(times: ArrayLike) -> FloatArray:
    """Bring times to shape ``(T,)`` and insist that they increase from 0 or later.

    Raises
    ------
    ValueError
        If there are none, one is negative or not finite, or they are not strictly increasing.
    """
    array = np.atleast_1d(real_array(times, "times"))
    if array.ndim != 1 or len(array) == 0:
        raise ValueError(f"times must be a list of at least one number, not of shape {np.shape(times)}")
    if array[0] < 0:
        raise ValueError(f"times must be at least 0, but the first is {array[0]}")
    steps = np.diff(array)
    if np.any(steps <= 0):
        at = int(np.argmax(steps <= 0))
        raise ValueError(f"times must increase, but {array[at + 1]} follows {array[at]}")
    return array


def along_time(axis: int = 0) -> dict[str, int]:
    """Metadata of a field of a dataclass that has time as an axis: an array, None, or a dataclass with such fields.

    >>> @dataclasses.dataclass
    ... class Curve:
    ...     heights: FloatArray = dataclasses.field(metadata=along_time())
    >>> at_times(Curve(np.array([3.0, 2.0, 1.0])), np.array([True, False, True])).heights.tolist()
    [3.0, 1.0]
    """
    return {"time axis": axis}


def at_times(record: Record, kept: NDArray[np.bool_]) -> Record:
    """A dataclass at the times of a mask ``(T,)`` only, its other fields as they are."""
    marked = {
        item.name: _at_times(getattr(record, item.name), kept, item.metadata["time axis"])
        for item in dataclasses.fields(record)
        if "time axis" in item.metadata
    }
    return dataclasses.replace(record, **marked)


def _at_times(value: Any, kept: NDArray[np.bool_], axis: int) -> Any:
    if value is None:
        return None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return at_times(value, kept)
    return np.compress(kept, value, axis=axis)
