"""Files of checkpoints: text and arrays, written whole or not at all, checked when they are read.

Files of arrays are those of :func:`numpy.savez`, which any program with NumPy reads. Their format has a checksum for
every array, so damage is noticed. Objects are neither written nor read.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fefreq.support.files import atomic, sync

Arrays = Mapping[str, NDArray[Any]]

# Of folders of checkpoints, whose files are named here.
FORMAT = "fefreq checkpoint 2"
START, STATE, LABEL = "start.nc", "state.npz", "label.json"

# What readers of the zip format raise on damaged files.
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)
# Longer values are not quoted when two experiments differ.
QUOTED = 60
_ABSENT = object()


def write_synced(path: Path, content: bytes | memoryview) -> None:
    """Put a file into place when all of it is on the disk, and see that it stays there.

    Raises
    ------
    OSError
        If that fails; the message says what to do.
    """
    with failure_told(path):
        with atomic(path, overwrite=True) as temporary, open(temporary, "wb", buffering=0) as file:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
        sync(path.parent)


@contextmanager
def failure_told(path: Path) -> Iterator[None]:
    """Turn a failure to write into a sentence that says what is kept and how to go on.

    Raises
    ------
    OSError
        The sentence.
    """
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{path} cannot be written ({error.strerror or error}): what was written before is kept; make "
            "it possible to write there, with enough space, and resume"
        ) from error


def write_arrays(path: Path, header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write arrays by name, and plain data as the header of the file.

    Raises
    ------
    OSError
        If that fails; the message says what to do.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, array in {"header": np.array(json.dumps(header)), **arrays}.items():
            with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    write_synced(path, content.getbuffer())


def read_arrays(path: Path, fingerprint: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays of a file that :func:`write_arrays` has written.

    Parameters
    ----------
    path : path
    fingerprint : str
        What the header must have as ``fingerprint``.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or has another fingerprint.
    """
    try:
        with zipfile.ZipFile(path):
            pass
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
        found = header["fingerprint"]
    except DAMAGE as error:
        raise ValueError(
            f"{path} is missing, damaged or no checkpoint ({error}): remove the folder {path.parent} to train from the "
            "start, or choose a new one"
        ) from error
    if found != fingerprint:
        raise ValueError(
            f"{path} is a checkpoint of another experiment or version: remove the folder {path.parent} to train from "
            "the start, or choose a new one"
        )
    return header, arrays


def snapshot_file(folder: Path, number: int) -> Path:
    """File of a snapshot."""
    return folder / f"snapshot-{number:05d}.npz"


def description_in(start: Path) -> dict[str, Any]:
    """What the first file of a folder of checkpoints says it is about.

    Raises
    ------
    ValueError
        If it is damaged or no checkpoint.
    """
    import xarray as xr

    try:
        with xr.open_dataset(start, engine="h5netcdf") as file:
            description: dict[str, Any] = json.loads(file.attrs["checkpoint"])
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{start} is damaged or no checkpoint ({error}): remove the folder {start.parent} to train from the start, "
            "or choose a new one"
        ) from error
    return description


def fingerprint(description: Mapping[str, Any]) -> str:
    """Hash of a description, by which the files of a folder know one another."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The first difference between two descriptions in words, empty if there is none.

    >>> difference({"width": 64, "seed": 0}, {"width": 128, "seed": 0})
    'width is 64 there and 128 here'
    >>> difference({"target": {"kind": "tones", "width": 0.2}}, {"target": {"kind": "tones"}})
    'target.width is 0.2 there and absent here'
    """
    for name in dict.fromkeys([*there, *here]):
        values = [side.get(name, _ABSENT) for side in (there, here)]
        if values[0] == values[1]:
            continue
        if all(isinstance(value, dict) for value in values):
            return f"{name}.{difference(*values)}"
        quoted = ["absent" if value is _ABSENT else json.dumps(value, ensure_ascii=False) for value in values]
        if max(map(len, quoted)) > QUOTED or name in ("times", "target"):
            return f"{name} differs"
        return f"{name} is {quoted[0]} there and {quoted[1]} here"
    return ""
