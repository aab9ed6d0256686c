"""Files that are written whole or not at all, and models as text."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fefreq.models import AnyModel, Model

if TYPE_CHECKING:
    import xarray as xr

    from fefreq.mesh_solution import MeshSolution


@contextmanager
def atomic(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path``; move it into place when the block succeeds.

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
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, overwrite: bool = False) -> Path:
    """Write a text file atomically."""
    with atomic(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def write_netcdf(dataset: xr.Dataset, path: Path, overwrite: bool = False) -> Path:
    """Write a dataset as NetCDF atomically; a complex variable becomes two real ones, ``_re`` and ``_im``."""
    with atomic(path, overwrite) as temporary:
        split_complex(dataset).to_netcdf(temporary, engine="h5netcdf")
    return path


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


def load(path: str | Path) -> MeshSolution:
    """Read a solution that was saved with its ``save`` method.

    Raises
    ------
    ValueError
        If the file is missing or holds no solution.
    """
    import xarray as xr

    from fefreq.mesh_solution import FORMAT, MeshSolution

    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable NetCDF file ({error})") from error
    if dataset.attrs.get("format") != FORMAT:
        raise ValueError(f"{path} holds no solution of this version of fefreq: expected format {FORMAT!r}")
    return MeshSolution.from_dataset(dataset)


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
