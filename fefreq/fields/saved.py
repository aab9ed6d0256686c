"""What a program keeps in files: one registry of the kinds of files, one reader for all of them.

A class that can be saved derives from :class:`Saved`, names its format, and says how it becomes a dataset and comes
back from one. The format stands in the file. Reading looks it up among the classes that the program has imported; a
file never decides what is imported or run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fefreq.support.families import MissingKindError

if TYPE_CHECKING:
    import xarray as xr

# By format the class, or the module that defines it, imported when the first such file is read.
_KINDS: dict[str, type[Saved] | str] = {
    "fefreq residuals 1": "fefreq.fields.residuals",
    "fefreq mesh solution 1": "fefreq.diffusion.solution",
    "fefreq point solution 1": "fefreq.kernel.solution",
    "fefreq recommendation 1": "fefreq.initialisation.scale.recommendation",
    "fefreq density design 1": "fefreq.initialisation.density.result",
}


class Saved(ABC):
    """Base of all that is saved to a file and loaded again.

    Attributes
    ----------
    format : str
        Name and version of the kind of file, which no other class may use. A subclass without one of its own is
        not written to files, for what it adds would be lost.

    Examples
    --------
    >>> import dataclasses, pathlib, tempfile, xarray
    >>> @dataclasses.dataclass(frozen=True)
    ... class Answer(Saved):
    ...     value: float
    ...     format = "an answer 1"
    ...     def to_dataset(self):
    ...         return xarray.Dataset({"value": self.value})
    ...     @classmethod
    ...     def from_dataset(cls, dataset):
    ...         return cls(float(dataset.value))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(Answer(42.0).save(pathlib.Path(folder, "answer.nc")))
    Answer(value=42.0)
    """

    format: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "format" in cls.__dict__:
            other = _KINDS.get(cls.format)
            name = other if isinstance(other, str) or other is None else other.__module__
            if name is not None and name != cls.__module__:
                raise TypeError(f"files of the format {cls.format!r} belong to {name}: choose another format")
            _KINDS[cls.format] = cls

    @abstractmethod
    def to_dataset(self) -> xr.Dataset:
        """Everything, as a dataset of real or complex arrays whose attributes are numbers and text."""

    @classmethod
    @abstractmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Self:
        """Rebuild from what :meth:`to_dataset` gave."""

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write everything to one NetCDF file, atomically; :func:`fefreq.load` reads it back.

        Raises
        ------
        FileExistsError
            If the file exists and ``overwrite`` is false.
        """
        from fefreq.support.files import write_netcdf

        return write_netcdf(self._content(), Path(path), overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        ValueError
            If the file is missing, cannot be read, is damaged or holds something else.
        """
        found = load(path)
        if not isinstance(found, cls):
            raise ValueError(f"{path} holds no {cls.__name__}, but a {type(found).__name__}")
        return found

    def _content(self) -> xr.Dataset:
        if "format" not in type(self).__dict__:
            raise TypeError(
                f"{type(self).__name__} has no format of its own, and a file of its parent would lose what it adds: "
                "give the class a format, to_dataset and from_dataset"
            )
        return self.to_dataset().assign_attrs(format=self.format)


def announce(file_format: str, module: str) -> None:
    """Say which module defines the class of a format, so that the module is imported when a file needs it only."""
    _KINDS.setdefault(file_format, module)


def load(path: str | Path) -> Any:
    """Read whatever this package, or one that is imported, has saved with a method ``save``.

    Parameters
    ----------
    path : path
        A solution, a recommendation, a design of a density; after ``import harness`` training runs and recordings of
        networks, too, and after the import of a module of your own what its classes save.

    Returns
    -------
    MeshSolution, PointSolution, Recommendation, DensityDesign or another
        Of the class that was saved; where types are checked, ``MeshSolution.load`` and its like say which.

    Raises
    ------
    ValueError
        If the file is missing, cannot be read or is damaged, or no class that is known saves such files.
    """
    from fefreq.support.files import read_dataset

    dataset = read_dataset(Path(path))
    found = dataset.attrs.get("format")
    if found is None:
        names = ", ".join(map(str, list(dataset.data_vars)[:4])) or "nothing"
        raise ValueError(
            f"{path} holds no result of fefreq but plain arrays ({names}, …) that say no format, as tables of "
            "recommendations did before they could be loaded: open it with xarray"
        )
    kind = _KINDS.get(str(found))
    if isinstance(kind, str):
        import_module(kind)
        kind = _KINDS[str(found)]
    if kind is None or isinstance(kind, str):
        known = ", ".join(map(repr, sorted(_KINDS)))
        raise ValueError(
            f"{path} has the format {found!r}, which no imported package reads (they read {known}): import the "
            "package that wrote it first; for trained networks that is harness"
        )
    try:
        return kind.from_dataset(dataset)
    except MissingKindError as error:
        raise ValueError(f"{path} cannot be read yet: {error}") from error
    except (KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"{path} is a damaged {kind.__name__} ({error} is missing or unknown)") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is a damaged {kind.__name__} ({error})") from error
