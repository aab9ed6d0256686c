"""Files that are written whole or not at all, and models as text."""

from __future__ import annotations

import errno
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq.models import AnyModel, Model

if TYPE_CHECKING:
    import xarray as xr

    from fefreq.mesh_solution import MeshSolution
    from fefreq.point_solution import PointSolution
    from fefreq.targets import Target


@contextmanager
def atomic(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it into place when the block succeeds and all of it is on the disk.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is false.
    """
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists already: remove it or choose another name")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent}")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the list of files in a folder, is on the disk.

    A file that was put into place is sure to be found after a power cut once its folder was synchronised, too.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":  # Windows neither needs this nor can do it
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if not folder or error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise  # those are file systems that cannot do it for folders
    finally:
        os.close(handle)


def write_text(path: Path, text: str, overwrite: bool = False) -> Path:
    """Write a text file atomically."""
    with atomic(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_netcdf(dataset: xr.Dataset, path: Path, overwrite: bool = False) -> Path:
    """Write a dataset as NetCDF atomically; a complex variable becomes two real ones, ``_re`` and ``_im``."""
    with atomic(path, overwrite) as temporary:
        temporary.write_bytes(netcdf_content(split_complex(dataset)))
    return path


def netcdf_content(dataset: xr.Dataset) -> memoryview:
    """Content of a NetCDF file, made in memory: where a disk is full the HDF5 library may crash."""
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    content = io.BytesIO()
    with h5netcdf.File(content, "w") as file:
        dataset.dump_to_store(H5NetCDFStore(file))
    return content.getbuffer()


def split_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Replace complex variables by their real and imaginary parts."""
    for name in [str(n) for n, variable in dataset.data_vars.items() if variable.dtype.kind == "c"]:
        variable = dataset[name]
        dataset = dataset.drop_vars(name).assign({f"{name}_re": variable.real, f"{name}_im": variable.imag})
    return dataset


def join_complex(dataset: xr.Dataset) -> xr.Dataset:
    """Put complex variables together again that :func:`split_complex` took apart."""
    for real in [str(n) for n in dataset.data_vars if str(n).endswith("_re")]:
        name = real.removesuffix("_re")
        if f"{name}_im" in dataset:
            joined = dataset[real] + 1j * dataset[f"{name}_im"]
            dataset = dataset.drop_vars([real, f"{name}_im"]).assign({name: joined})
    return dataset


def load(path: str | Path) -> MeshSolution | PointSolution:
    """Read a solution that was saved with its ``save`` method.

    Raises
    ------
    ValueError
        If the file is missing or holds no solution.
    """
    import xarray as xr

    from fefreq import mesh_solution, point_solution

    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable NetCDF file ({error})") from error
    found = dataset.attrs.get("format")
    if found == mesh_solution.FORMAT:
        return mesh_solution.MeshSolution.from_dataset(dataset)
    if found == point_solution.FORMAT:
        return point_solution.PointSolution.from_dataset(dataset)
    raise ValueError(
        f"{path} holds no solution of this version of fefreq: expected the format {mesh_solution.FORMAT!r} or "
        f"{point_solution.FORMAT!r}"
    )


def target_variables(target: Target) -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables and attributes of a dataset that hold a target."""
    trailing = ("channel",) if target.channels is not None else ()
    grid = target.grid
    variables = {
        "target_points": (("sample", "axis"), target.points),
        "target_values": (("sample", *trailing), target.values),
        "target_weights": ("sample", target.weights),
    }
    attributes = {
        "target_grid": json.dumps(list(grid.shape) if grid else []),
        "target_lower": grid.lower if grid else np.zeros(target.dim),
        "target_spacing": grid.spacing if grid else np.zeros(target.dim),
    }
    return variables, attributes


def target_from_dataset(dataset: xr.Dataset) -> Target:
    """Rebuild a target from what :func:`target_variables` gave."""
    from fefreq.targets import Grid, Target

    target = Target(dataset.target_points.values, dataset.target_values.values, dataset.target_weights.values)
    shape = json.loads(dataset.attrs["target_grid"])
    if shape:
        lower, spacing = (np.atleast_1d(dataset.attrs[f"target_{name}"]) for name in ("lower", "spacing"))
        target.grid = Grid(tuple(shape), lower, spacing)
    return target


def model_to_json(model: Model) -> str:
    """Write a model as JSON."""
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Model] = TypeAdapter(AnyModel)
    return adapter.dump_json(model).decode()


def model_from_json(text: str) -> Model:
    """Read a model from JSON, validated as in an experiment file."""
    from pydantic import TypeAdapter

    model: Model = TypeAdapter(AnyModel).validate_json(text)
    return model


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
