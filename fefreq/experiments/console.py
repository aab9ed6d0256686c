"""What both command lines share: one sentence for bad input, fresh folders, progress on a terminal."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_sentence(program: str) -> Iterator[None]:
    """Turn an expected failure into one sentence on standard error.

    Bad input (``ValueError``, ``TypeError``, ``OSError``) ends with status 2, arithmetic that failed on good
    input (``ArithmeticError``: training that diverges, a tolerance that is not met) with status 1, an interrupt
    with 130. Anything else is a mistake of this package and keeps its traceback.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        fail(program, error, status=2)
    except MemoryError as error:
        fail(
            program,
            MemoryError(f"not enough memory: {error}; ask for fewer samples, times or neurons"),
            status=2,
        )
    except ArithmeticError as error:
        fail(program, error, status=1)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def fail(program: str, error: Exception, status: int) -> None:
    """Print one sentence on standard error and leave."""
    text = " ".join(str(error).split())
    print(f"{program}: {text}", file=sys.stderr)
    raise SystemExit(status) from error


@contextmanager
def collected_warnings(program: str) -> Iterator[list[str]]:
    """Turn warnings meant for users into sentences on standard error, and collect them."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield found
    for warning in caught:
        found.append(str(warning.message))
        print(f"{program}: warning: {warning.message}", file=sys.stderr)


def show_version(wanted: bool) -> None:
    """Print the version and leave, if it was asked for."""
    if wanted:
        from fefreq import __version__

        print(f"fefreq {__version__}")
        raise SystemExit(0)


def check_fresh(folder: Path) -> Path:
    """Insist that an output folder does not exist or is empty, and that it could be written.

    Raises
    ------
    FileExistsError
        If it holds anything, or is a file.
    """
    if folder.exists():
        if not folder.is_dir():
            raise FileExistsError(f"{folder} is a file: choose a folder for the output")
        if any(folder.iterdir()):
            raise FileExistsError(f"{folder} holds another run already: choose a new folder for the output")
    ancestor = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not ancestor.is_dir() or not os.access(ancestor, os.W_OK | os.X_OK):
        raise NotADirectoryError(f"{folder} cannot be made: {ancestor} is no folder that can be written to")
    return folder


def make_fresh(folder: Path) -> Path:
    """Create an output folder that does not exist yet or is empty."""
    check_fresh(folder).mkdir(parents=True, exist_ok=True)
    return folder
