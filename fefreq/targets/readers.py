"""Files with data: arrays without pickles, tables with a header, images in their own orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray, real_array

COORDINATES = ("x", "y", "z")


class Samples(NamedTuple):
    """Samples on a grid and the number of their axes that are coordinates."""

    values: FloatArray
    axes: int


def read_samples(path: Path, dim: int | None = None) -> Samples:
    """Read samples on a grid from ``.npy`` or an image.

    Raises
    ------
    ValueError
        If the file is neither, is damaged, holds objects, or an image has transparency.
    """
    if path.suffix.lower() == ".npy":
        values = real_array(read_array(path), f"the values in {path.name}")
        return Samples(values, values.ndim if dim is None else dim)
    if dim not in (None, 2):
        raise ValueError(f"{path.name} is an image, whose box has 2 bounds, not {dim}")
    return Samples(read_image(path), 2)


def read_array(path: Path) -> NDArray[Any]:
    """Read a ``.npy`` array of whatever numbers.

    Raises
    ------
    ValueError
        If the file is damaged or holds objects.
    """
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(
            f"{path} is no readable .npy array of numbers: it is damaged, or holds objects (a pickle), which are "
            "never loaded; save it with numpy.save as an array of floats"
        ) from error
    return array


def read_image(path: Path) -> FloatArray:
    """Read a grey or colour image as ``(width, height)`` or ``(width, height, 3)`` values from 0 to 1.

    Raises
    ------
    ValueError
        If the file is no image or has transparency.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if "A" in image.getbands() or "transparency" in image.info:
                raise ValueError(f"{path.name} has transparency: save it without an alpha channel")
            grey = image.mode in ("1", "L", "I", "I;16", "F")
            pixels = np.asarray(image if grey else image.convert("RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is no .npy array, .csv table or readable image ({error})") from error
    values = real_array(pixels, f"the pixels of {path.name}")
    if pixels.dtype == np.uint8:
        values = values / 255
    elif pixels.dtype.kind in "iu":
        values = values / 65535
    # Rows run downwards in an image; here the first axis is x, to the right, the second y, upwards.
    return np.ascontiguousarray(values[::-1].swapaxes(0, 1))


def _refuse(row: list[str]) -> list[float]:
    raise ValueError(f"{len(row)} entries")


def read_table(path: Path) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Read scattered points from a ``.csv`` table with a header: points, values and weights (or None).

    Raises
    ------
    ValueError
        If the header has no ``x`` or no value column, or an entry is no number.
    """
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no readable table ({error})") from error
    header = [name.strip() for name in rows[0]] if rows else []
    coordinates = [name for name in COORDINATES if name in header]
    channels = [name for name in header if name not in (*COORDINATES, "weight")]
    if len(set(header)) < len(header):
        raise ValueError(f"{path.name} has two columns of one name in its header {','.join(header)!r}")
    if coordinates != list(COORDINATES[: len(coordinates)]) or not coordinates or not channels:
        raise ValueError(
            f"{path.name} must begin with a header such as 'x,value' or 'x,y,red,green,blue,weight', "
            f"not with {','.join(header)!r}"
        )
    columns = np.empty((len(rows) - 1, len(header)))
    for line, row in enumerate(rows[1:], start=2):
        try:
            columns[line - 2] = [float(entry) for entry in row] if len(row) == len(header) else _refuse(row)
        except ValueError as error:
            raise ValueError(
                f"line {line} of {path.name} is not {len(header)} numbers: {','.join(row)!r}"
            ) from error
    if len(columns) == 0:
        raise ValueError(f"{path.name} has a header but no rows")

    def pick(names: list[str]) -> FloatArray:
        return columns[:, [header.index(name) for name in names]]

    values = pick(channels)
    weights = pick(["weight"])[:, 0] if "weight" in header else None
    return pick(coordinates), values[:, 0] if len(channels) == 1 else values, weights
