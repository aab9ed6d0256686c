"""Samples on uniform grids for ParaView: ``.vti`` files, which store no points and no cells.

The samples are point data at the centres of the cells of the box, where they were taken. VTK counts the first
coordinate fastest, a numpy array the last one.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fefreq.targets.target import Grid

BLOCK = 1 << 20  # bytes that are compressed together


@dataclass(frozen=True)
class ImageGrid:
    """A uniform grid in 1 to 3 dimensions, for :class:`fefreq.output.paraview.SeriesWriter`.

    Parameters
    ----------
    grid : Grid

    Raises
    ------
    ValueError
        If the grid has more than three dimensions.

    Examples
    --------
    >>> ImageGrid(Grid.over([(0, 1), (0, 2)], (4, 8))).count
    32
    """

    grid: Grid
    ending: ClassVar[str] = ".vti"

    def __post_init__(self) -> None:
        if len(self.grid.shape) > 3:
            raise ValueError(f"image data have up to 3 dimensions, not {len(self.grid.shape)}")

    @property
    def count(self) -> int:
        """Number of points."""
        return prod(self.grid.shape)

    def write(self, path: Path, arrays: Mapping[str, NDArray[Any]], compress: bool) -> None:
        """Write a ``.vti`` file with arrays of shape ``(n,)`` in the order of ``grid.points``."""
        missing = 3 - len(self.grid.shape)
        extent = " ".join(f"0 {n - 1}" for n in (*self.grid.shape, *(1,) * missing))
        root = ET.Element("VTKFile", type="ImageData", version="1.0", header_type="UInt64")
        root.set("byte_order", "LittleEndian" if sys.byteorder == "little" else "BigEndian")
        if compress:
            root.set("compressor", "vtkZLibDataCompressor")
        image = ET.SubElement(
            root,
            "ImageData",
            WholeExtent=extent,
            Origin=" ".join(repr(float(x)) for x in (*self.grid.lower, *(0.0,) * missing)),
            Spacing=" ".join(repr(float(h)) for h in (*self.grid.spacing, *(1.0,) * missing)),
        )
        point_data = ET.SubElement(ET.SubElement(image, "Piece", Extent=extent), "PointData")
        contents, offset = [], 0
        for name, values in arrays.items():
            ordered = np.ascontiguousarray(values.reshape(self.grid.shape).T)
            content = _compressed(ordered) if compress else _plain(ordered)
            kind = {"f": "Float", "i": "Int", "u": "UInt"}[values.dtype.kind]
            ET.SubElement(
                point_data,
                "DataArray",
                type=f"{kind}{8 * values.dtype.itemsize}",
                Name=name,
                format="appended",
                offset=str(offset),
            )
            contents.append(content)
            offset += len(content)
        ET.SubElement(root, "AppendedData", encoding="raw").text = "_"
        ET.indent(image)
        head, tail = ET.tostring(root, encoding="utf-8", xml_declaration=True).split(b"_</AppendedData>")
        with path.open("wb") as file:
            file.write(head + b"_")
            file.writelines(contents)
            file.write(b"</AppendedData>" + tail)


def _plain(values: NDArray[Any]) -> bytes:
    return np.uint64(values.nbytes).tobytes() + values.tobytes()


def _compressed(values: NDArray[Any]) -> bytes:
    """Blocks of equal size before compression, after a table of their sizes."""
    content = values.tobytes()
    blocks = [zlib.compress(content[first : first + BLOCK]) for first in range(0, len(content), BLOCK)]
    rest = len(content) % BLOCK
    table = [len(blocks), BLOCK, rest, *(len(block) for block in blocks)]
    return np.array(table, dtype=np.uint64).tobytes() + b"".join(blocks)
