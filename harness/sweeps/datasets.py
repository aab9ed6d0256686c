"""What the cells of a sweep have found, as one dataset with the swept keys as dimensions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from harness.sweeps.cells import Cell, text

# Fields are large and stay with their cells.
KEPT_WITH_CELLS = ("error", "error_re", "error_im")


def without_fields(data: xr.Dataset) -> xr.Dataset:
    """What is gathered of a cell: everything but the fields themselves."""
    return data.drop_vars(KEPT_WITH_CELLS, errors="ignore")


def gather(
    cells: Sequence[Cell],
    found: Mapping[tuple[int, ...], xr.Dataset],
    failures: Mapping[tuple[int, ...], str],
) -> xr.Dataset:
    """One dataset with the swept keys as leading dimensions; NaN where a cell failed.

    Parameters
    ----------
    cells : sequence of Cell
        All of them.
    found : mapping of place to Dataset
        Without fields.
    failures : mapping of place to str
        Why a cell has no dataset.
    """
    keys = list(cells[0].values)
    shape = tuple(1 + max(cell.place[axis] for cell in cells) for axis in range(len(keys)))
    options: list[list[Any]] = [[None] * size for size in shape]
    for cell in cells:
        for axis, key in enumerate(keys):
            options[axis][cell.place[axis]] = cell.values[key]
    coords = {key: coordinate(values) for key, values in zip(keys, options, strict=True)}
    gathered = xr.Dataset(coords=coords)
    found = with_all_checks(found)
    for name in dict.fromkeys(str(name) for data in found.values() for name in data.data_vars):
        gathered[name] = _stacked(keys, shape, {p: d[name] for p, d in found.items() if name in d})
    first = next(iter(found.values()), None)
    if first is not None:
        gathered = gathered.assign_coords(first.coords).assign_attrs(first.attrs)
    sentences = np.full(shape, "", dtype=object)
    for place, sentence in failures.items():
        sentences[place] = sentence
    gathered["failure"] = (keys, sentences.astype(str), {"long_name": "why the cell has no results"})
    return gathered


def with_all_checks(found: Mapping[tuple[int, ...], xr.Dataset]) -> dict[tuple[int, ...], xr.Dataset]:
    """Datasets with the checks of all cells: NaN where a cell has no such check."""
    names = dict.fromkeys(
        str(name) for data in found.values() if "check" in data.coords for name in data.check.values
    )
    return {p: d.reindex(check=list(names)) if "check" in d.coords else d for p, d in found.items()}


def coordinate(values: Iterable[Any]) -> np.ndarray:
    """Values of a swept key as a coordinate: numbers if all are, else text.

    >>> coordinate([64, 128]).tolist(), coordinate(["a", [1, 2]]).tolist()
    ([64, 128], ['a', '[1, 2]'])
    """
    listed = list(values)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in listed):
        return np.array(listed)
    return np.array([text(value) for value in listed])


def _stacked(
    keys: list[str], shape: tuple[int, ...], arrays: Mapping[tuple[int, ...], xr.DataArray]
) -> xr.Variable:
    first = next(iter(arrays.values()))
    # Only the number of seeds may differ from cell to cell.
    inner = tuple(max(sizes) for sizes in zip(*(array.shape for array in arrays.values()), strict=True))
    stack = np.full((*shape, *inner), np.nan)
    for place, array in arrays.items():
        stack[place][tuple(slice(size) for size in array.shape)] = array.values
    return xr.Variable((*keys, *first.dims), stack, first.attrs)
