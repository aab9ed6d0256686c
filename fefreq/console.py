"""What both command lines share: one sentence for bad input, fresh folders, progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_sentence(program: str) -> Iterator[None]:
    """Turn an expected failure into one sentence on standard error and exit status 2.

    Bad input is a ``ValueError``, ``TypeError`` or ``OSError``; anything else is a mistake of this package and
    keeps its traceback. An interrupt ends with status 130.
    """
    try:
        yield
    except (ValueError, TypeError, OSError) as error:
        fail(program, error)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def fail(program: str, error: Exception) -> None:
    """Print one sentence on standard error and leave with exit status 2."""
    text = " ".join(str(error).split())
    print(f"{program}: {text}", file=sys.stderr)
    raise SystemExit(2) from error


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
    return folder


def make_fresh(folder: Path) -> Path:
    """Create an output folder that does not exist yet or is empty."""
    check_fresh(folder).mkdir(parents=True, exist_ok=True)
    return folder
