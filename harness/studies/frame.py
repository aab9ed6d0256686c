"""What the cells of a sweep must share, and what tells one from another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from fefreq.support.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Frame:
    """One cell beside the others.

    Attributes
    ----------
    data : str
        Digest of what is learned, which may come from files that change.
    shared : dict of ndarray
        What must be the same in all cells, such as the frequencies at which sources are compared.
    models : tuple of str
        Names, the same in all cells.
    """

    data: str
    shared: dict[str, FloatArray] = field(default_factory=dict)
    models: tuple[str, ...] = ()


def digest_of_files(section: BaseModel) -> str:
    """Digest of the content of all files that a table names, empty if there are none.

    Raises
    ------
    ValueError
        If one cannot be read.
    """
    paths = list(_paths(section))
    if not paths:
        return ""
    digest = hashlib.sha256()
    for path in paths:
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from error
    return digest.hexdigest()


def digest_of_arrays(*arrays: NDArray[Any]) -> str:
    """Digest of shapes and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _paths(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel) or is_dataclass(value):
        for part in vars(value).values():
            yield from _paths(part)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _paths(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _paths(part)
