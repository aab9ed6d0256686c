"""A lock that keeps two processes out of one folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from harness.training.checkpoint_files import failure_told

LOCK = "run.lock"


class Lock:
    """The right to write to a folder, which one process has at a time.

    It ends with the process, however that ends, so a file that is left over locks nothing. Where the system has no
    such locks, everybody gets it.

    Parameters
    ----------
    folder : path
        Needs to exist no sooner than the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None

    def take(self) -> None:
        """Take the lock, if it is not held already.

        Raises
        ------
        FileExistsError
            If another process has it.
        OSError
            If the folder cannot be written to.
        """
        if sys.platform == "win32" or self._file is not None:
            return
        import fcntl

        with failure_told(self._folder):
            file = open(self._folder / LOCK, "ab")  # noqa: SIM115 - as long as the lock is held
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise FileExistsError(
                f"another process is at work in {self._folder}: wait for it to end, or choose a new folder"
            ) from None
        except OSError:  # some network file systems have no locks
            pass
        self._file = file

    def release(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None
