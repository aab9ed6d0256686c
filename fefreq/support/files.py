"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr


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


def write_npz(dataset: xr.Dataset, path: Path, overwrite: bool = False) -> Path:
    """Write the variables and the attributes of a dataset as the arrays of an ``.npz`` file, atomically.

    Raises
    ------
    ValueError
        If the name does not end in ``.npz``.
    """
    if path.suffix != ".npz":
        raise ValueError(f"{path.name} must end in .npz, the format of several arrays in one file")
    arrays: dict[str, Any] = {str(name): variable.values for name, variable in dataset.data_vars.items()}
    with atomic(path, overwrite) as temporary:
        np.savez_compressed(temporary, **arrays, **dataset.attrs)
    return path


def read_dataset(path: Path) -> xr.Dataset:
    """Read a dataset that :func:`write_netcdf` or :func:`write_npz` wrote.

    Text in an ``.npz`` file counts as attributes; its arrays get dimensions of their own.

    Raises
    ------
    ValueError
        If the file is missing or cannot be read.
    """
    import xarray as xr

    if path.suffix in (".npz", ".npy"):
        return _read_npz(path)
    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            return join_complex(file.load())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable NetCDF file ({error})") from error


def _read_npz(path: Path) -> xr.Dataset:
    import xarray as xr
    from numpy.lib.npyio import NpzFile

    try:
        file = np.load(path, allow_pickle=False)
        arrays: dict[str, NDArray[Any]] = {}
        if isinstance(file, NpzFile):
            with file:
                arrays = {name: file[name] for name in file.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is no readable .npz file ({error})") from error
    if isinstance(file, np.ndarray):
        raise ValueError(f"{path} is a single array (.npy); what save wrote is an .npz file")
    text = {name: str(array) for name, array in arrays.items() if array.dtype.kind == "U" and array.ndim == 0}
    numbers = {
        name: (tuple(f"{name}_{axis}" for axis in range(array.ndim)), array)
        for name, array in arrays.items()
        if name not in text
    }
    return xr.Dataset(numbers, attrs=text)


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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
