r"""Files for ParaView: series that survive a killed run.

A time series is one ``.vtu`` file per time (``.vti`` on uniform grids, see :mod:`fefreq.output.image_data`) and a
``.pvd`` index with the times. Each file takes its name only when complete, the index last, so that what the
index lists can always be opened. Complex arrays become real part, imaginary part and modulus.

What the cells and points of a field are is decided in :mod:`fefreq.output.visualisation`.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.output.visualisation import Visualisation
from fefreq.output.vtk_mesh import (
    Carrier,
    CellType,
    VtkMesh,
    grid_cells,
    small_numbers,
    vertices,
)
from fefreq.support.arrays import real_array

__all__ = ["Carrier", "SeriesWriter", "Visualisation", "VtkMesh", "grid_cells", "vertices", "write_xdmf"]

_XDMF_TYPES: dict[CellType, str] = {
    "vertex": "Polyvertex",
    "line": "Polyline",
    "triangle": "Triangle",
    "quad": "Quadrilateral",
    "tetra": "Tetrahedron",
    "hexahedron": "Hexahedron",
}


class SeriesWriter:
    """Writes a time series of fields on one mesh: a ``.pvd`` index and a folder of files beside it.

    The index lists complete steps only, at any moment: a run that is killed leaves a series that opens.

    Parameters
    ----------
    path : path-like
        Of the index, ending in ``.pvd``; the files go into the folder of the same name without the ending.
    mesh : Carrier
        A :class:`Visualisation`, what :func:`grid_cells` or :func:`vertices` returns, or an
        :class:`fefreq.output.image_data.ImageGrid`.
    compress : bool
        Compress the files: a third of the size, ten times the writing time.

    Raises
    ------
    FileExistsError
        If the index or its folder exists.
    ValueError
        If the path has another ending.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SeriesWriter(f"{folder}/run.pvd", grid_cells([[0.0, 1.0, 2.0]])) as series:
    ...         series.write(0.0, {"error": np.array([1j, 2.0, 3.0])})
    ...     sorted(p.name for p in Path(folder).rglob("run*"))
    ['run', 'run.pvd', 'run_0000.vtu']
    """

    def __init__(self, path: str | os.PathLike[str], mesh: Carrier, *, compress: bool = False) -> None:
        self.path = _free_path(path, ".pvd")
        self.folder = self.path.with_suffix("")
        self.mesh = mesh
        self.times: list[float] = []
        self._compress = compress
        self._names: set[str] = set()
        self._open = False
        _refuse(self.folder)

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _refuse(self.path)
        _refuse(self.folder)
        self.folder.mkdir()
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open = False
        if not self.times:  # nothing worth keeping: let the next attempt have the name
            self.folder.rmdir()

    def write(self, time: float, point_data: Mapping[str, ArrayLike]) -> None:
        """Write the fields at one time.

        Parameters
        ----------
        time : float
            Later than all times written before.
        point_data : mapping of str to array_like
            Each of shape ``(n,)``, one real or complex number per point; the same names at every time.

        Raises
        ------
        TypeError
            If an array does not hold numbers.
        ValueError
            If the writer is closed, the time does not follow the last one, or an array has the wrong shape or
        name.
        """
        if not self._open:
            raise ValueError("the series is closed; write within `with SeriesWriter(...) as series:`")
        time = float(time)
        if not np.isfinite(time) or (self.times and time <= self.times[-1]):
            last = f" after {self.times[-1]!r}" if self.times else ""
            raise ValueError(f"time {time!r} cannot be written{last}; times must be finite and increase")
        arrays = _vtk_arrays(point_data, self.mesh.count)
        if self.times and set(arrays) != self._names:
            raise ValueError(
                f"the arrays at time {time!r} are {sorted(arrays)}; "
                f"they must be those of the first time, {sorted(self._names)}"
            )
        self._names = set(arrays)
        with _complete(self._file(len(self.times))) as part:
            self.mesh.write(part, arrays, self._compress)
        self.times.append(time)
        with _complete(self.path) as part:
            part.write_bytes(self._index())

    def _file(self, step: int) -> Path:
        return self.folder / f"{self.path.stem}_{step:04d}{self.mesh.ending}"

    def _index(self) -> bytes:
        root = ET.Element("VTKFile", type="Collection", version="0.1")
        collection = ET.SubElement(root, "Collection")
        for step, time in enumerate(self.times):
            file = f"{self.folder.name}/{self._file(step).name}"
            ET.SubElement(collection, "DataSet", timestep=repr(time), part="0", file=file)
        return _xml(root)


def write_xdmf(
    path: str | os.PathLike[str], mesh: VtkMesh, times: ArrayLike, point_data: Mapping[str, ArrayLike]
) -> Path:
    """Write a time series as one ``.xdmf`` file with its arrays in a ``.h5`` file beside it.

    Prefer :class:`SeriesWriter`: it keeps the complete steps of a killed run, and more programs read it.

    Parameters
    ----------
    path : path-like
        Ending in ``.xdmf``; the arrays go into the file of the same name ending in ``.h5``.
    mesh : VtkMesh
        A :class:`Visualisation` or what :func:`grid_cells` returns.
    times : array_like
        Shape ``(T,)``, increasing.
    point_data : mapping of str to array_like
        Each of shape ``(T, n)``, one number per time and point, real or complex.

    Returns
    -------
    pathlib.Path
        Of the ``.xdmf`` file.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    TypeError
        If an array does not hold numbers.
    ValueError
        If the path has another ending, the times do not increase or an array has the wrong shape.
    """
    import h5py

    target = _free_path(path, ".xdmf")
    companion = target.with_suffix(".h5")
    _refuse(companion)
    t = np.atleast_1d(real_array(times, "times"))
    if t.ndim != 1 or len(t) == 0 or not (np.diff(t) > 0).all():
        raise ValueError(f"times have shape {t.shape}; they must be (T,), at least one, and increase")
    series = {name: np.asarray(values) for name, values in point_data.items()}
    for name, values in series.items():
        if values.shape != (len(t), len(mesh.points)):
            raise ValueError(
                f"{name!r} has shape {values.shape}; with {len(t)} times and {len(mesh.points)} points "
                f"it must be {(len(t), len(mesh.points))}"
            )
    root = ET.Element("Xdmf", Version="3.0")
    collection = ET.SubElement(
        ET.SubElement(root, "Domain"), "Grid", Name="series", GridType="Collection", CollectionType="Temporal"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with _complete(target) as part, _complete(companion) as data:
        with h5py.File(data, "w") as file:
            file["points"], file["cells"] = mesh.points, small_numbers(mesh.cells)
            for step, time in enumerate(t):
                grid = ET.SubElement(collection, "Grid", Name=f"step {step}", GridType="Uniform")
                ET.SubElement(grid, "Time", Value=repr(float(time)))
                topology = ET.SubElement(
                    grid,
                    "Topology",
                    TopologyType=_XDMF_TYPES[mesh.cell_type],
                    NumberOfElements=str(len(mesh.cells)),
                    NodesPerElement=str(mesh.cells.shape[1]),
                )
                _data_item(topology, companion.name, file["cells"])
                _data_item(
                    ET.SubElement(grid, "Geometry", GeometryType="XYZ"), companion.name, file["points"]
                )
                arrays = _vtk_arrays(
                    {name: values[step] for name, values in series.items()}, len(mesh.points)
                )
                for name, array in arrays.items():
                    place = f"fields/{step:04d}/{name.replace('/', '_')}"
                    file[place] = array
                    attribute = ET.SubElement(
                        grid, "Attribute", Name=name, AttributeType="Scalar", Center="Node"
                    )
                    _data_item(attribute, companion.name, file[place])
        part.write_bytes(_xml(root))
    return target


def _vtk_arrays(point_data: Mapping[str, ArrayLike], count: int) -> dict[str, NDArray[Any]]:
    """Split and convert arrays to what VTK stores."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in point_data.items():
        array = np.asarray(values)
        if array.dtype.kind not in "biufc":
            raise TypeError(f"{name!r} must hold numbers, not entries of type {array.dtype}")
        if array.shape != (count,):
            raise ValueError(f"{name!r} has shape {array.shape}; with {count} points it must be ({count},)")
        if array.dtype.kind == "c":
            parts = {f"{name}_re": array.real, f"{name}_im": array.imag, f"{name}_abs": np.abs(array)}
        else:
            parts = {name: array}
        for part, content in parts.items():
            if part in arrays:
                raise ValueError(f"there are two arrays {part!r}; rename {name!r}")
            if content.dtype.kind == "b":
                content = content.astype(np.uint8)
            elif content.dtype.kind == "f" and content.dtype.itemsize not in (4, 8):
                content = content.astype(np.float32 if content.dtype.itemsize < 4 else np.float64)
            arrays[part] = np.ascontiguousarray(content)
    return arrays


def _data_item(parent: ET.Element, file: str, dataset: Any) -> None:
    """Refer from an XDMF element to an array in the companion file."""
    kind = {"f": "Float", "i": "Int", "u": "UInt"}[dataset.dtype.kind]
    item = ET.SubElement(
        parent,
        "DataItem",
        Dimensions=" ".join(map(str, dataset.shape)),
        NumberType="UChar" if dataset.dtype == np.uint8 else kind,
        Precision=str(dataset.dtype.itemsize),
        Format="HDF",
    )
    item.text = f"{file}:{dataset.name}"


def _xml(root: ET.Element) -> bytes:
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _free_path(path: str | os.PathLike[str], ending: str) -> Path:
    """Check that a file has the right ending and does not exist."""
    target = Path(path)
    if target.suffix != ending:
        raise ValueError(f"{str(path)!r} must end in {ending}")
    _refuse(target)
    return target


def _refuse(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{str(path)!r} exists; remove it or choose another name")


@contextmanager
def _complete(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``, which becomes ``path`` when the file is complete."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
