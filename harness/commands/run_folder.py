"""The folder that an experiment leaves: checkpoints as long as it is going on, results when it is finished.

While an experiment goes on, everything is inside ``checkpoints/``; results too are first written there, and moved up
when they are complete, the manifest last. So at any moment a file of results is complete or absent, a folder with a
manifest is finished, and the rest can be made from the checkpoints.

``label.json`` in the checkpoints is the first file to appear and the last to go, and names the results before any of
them is moved. What it does not vouch for is somebody else's, and nothing of that is ever replaced or removed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fefreq.experiments.console import check_fresh
from fefreq.experiments.schema import Section
from fefreq.support.files import sync
from harness.studies.frame import digest_of_files
from harness.training.checkpoint_files import FORMAT, LABEL, difference, failure_told, write_synced
from harness.training.checkpoints import Checkpoints
from harness.training.folder_lock import LOCK, Lock

CHECKPOINTS, MANIFEST, REPORT, STAGING = "checkpoints", "manifest.json", "report.html", ".results"


@dataclass(frozen=True)
class RunFolder:
    """A folder that may be written to, by this process alone until it is closed.

    Attributes
    ----------
    path : path
    checkpoints : Checkpoints
    lock : Lock
        Taken when the checkpoints are there.
    finished : bool
        Whether the results are there already.
    passed : bool
        False if they are, and a check failed.
    resumed : int
        How often the run has gone on after an interruption.
    data : str
        Digest of the file that is learned, empty if there is none.
    """

    path: Path
    checkpoints: Checkpoints
    lock: Lock
    finished: bool = False
    passed: bool = True
    resumed: int = 0
    data: str = ""

    @classmethod
    def open(cls, path: Path, described: Section, resume: bool = False) -> RunFolder:
        """Look at a folder before the work begins; a new one is not made yet.

        Parameters
        ----------
        path : path
        described : Section
            The experiment.
        resume : bool
            Whether a folder with an interrupted or finished run of the same experiment is welcome.

        Raises
        ------
        FileExistsError
            If it holds anything else, or another process is at work there.
        ValueError
            If it holds a run of another experiment, or cannot be read.
        """
        folder = path / CHECKPOINTS
        lock = Lock(folder)
        here: dict[str, Any] = {
            "experiment": described.model_dump(mode="json", exclude_none=True),
            "data": digest_of_files(described),
        }
        if resume and (path / MANIFEST).is_file():
            manifest = _read(path / MANIFEST)
            _require_same(manifest, here, path)
            if (folder / LABEL).is_file():  # the run was interrupted when all but this was done
                _require_same(_read_label(folder), here, path)
                lock.take()
                _remove(folder)
            passed = manifest.get("passed") is not False
            resumed = manifest.get("resumed", 0)
            return cls(path, Checkpoints(folder), lock, finished=True, passed=passed, resumed=resumed)
        label: dict[str, Any] = {"format": FORMAT, "resumed": 0, **here}
        if not folder.is_dir() or (path / MANIFEST).exists():
            check_fresh(path)
        else:
            begun = (folder / LABEL).is_file()
            old = _read_label(folder) if begun else {}
            _require_ours(path, old)
            if not resume:
                raise FileExistsError(
                    f"{path} holds a run that was interrupted: let it go on with --resume, or choose a new folder"
                )
            if begun:
                _require_same(old, here, path)
                label = {**old, "resumed": old.get("resumed", 0) + 1}
                lock.take()
                write_synced(folder / LABEL, _text(label))
        checkpoints = Checkpoints(folder, label=_text(label).decode(), _lock=lock)
        return cls(path, checkpoints, lock, resumed=label["resumed"], data=here["data"])

    def close(self) -> None:
        """Let other processes in."""
        self.lock.release()

    def publish(self, write: Callable[[Path], Path]) -> Path:
        """Write results and give up the checkpoints.

        Parameters
        ----------
        write : callable
            Writes everything, the manifest too, into an empty folder and returns the path of the report.

        Returns
        -------
        path
            Of the report.

        Raises
        ------
        FileExistsError
            If something of somebody else's has come into the folder.
        OSError
            If that fails; the checkpoints are still there then.
        """
        folder = self.checkpoints.folder
        self.checkpoints.make()
        label = _read_label(folder)
        _require_ours(self.path, label)
        staging = folder / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        with failure_told(self.path):
            staging.mkdir()
            report = write(staging)
            manifest = {**_read(staging / MANIFEST), "resumed": self.resumed}
            if self.data:
                manifest["data"] = self.data
            write_synced(staging / MANIFEST, _text(manifest))
            for item in staging.rglob("*"):
                sync(item)
            items = sorted(staging.iterdir(), key=lambda item: item.name == MANIFEST)
            known = {*label.get("results", []), *(item.name for item in items)}
            write_synced(folder / LABEL, _text({**label, "results": sorted(known)}))
            for item in items:
                place = self.path / item.name
                if place.is_dir():
                    shutil.rmtree(place)
                os.replace(item, place)
                sync(self.path)
            _remove(folder)
        return self.path / report.name


def _require_same(there: dict[str, Any], here: dict[str, Any], path: Path) -> None:
    found = difference(_without_place(there["experiment"]), _without_place(here["experiment"]))
    if not found and there.get("data", "") != here["data"]:
        found = "the data in the file of the target have changed"
    if found:
        raise ValueError(f"{path} holds a run of another experiment: {found}; choose a new folder")


def _without_place(experiment: dict[str, Any]) -> dict[str, Any]:
    """An experiment without the path of its data: the data count, wherever they lie."""
    target = experiment.get("target")
    if not isinstance(target, dict):
        return experiment
    return {**experiment, "target": {name: value for name, value in target.items() if name != "path"}}


def _require_ours(path: Path, label: dict[str, Any]) -> None:
    """Insist that a folder holds checkpoints, the results that their label names, and nothing else.

    Without a label there must be nothing, but for what is left of writing one.
    """
    known = {CHECKPOINTS, *label.get("results", [])}
    foreign = [item for item in path.iterdir() if item.name not in known]
    if not label:
        blank = (LOCK, f".{LABEL}.")
        foreign += [item for item in (path / CHECKPOINTS).iterdir() if not item.name.startswith(blank)]
    if foreign:
        raise FileExistsError(
            f"{path} holds something that is no run of ours, {foreign[0]}: choose a new folder"
        )


def _read_label(folder: Path) -> dict[str, Any]:
    label = _read(folder / LABEL)
    if label.get("format") != FORMAT:
        raise ValueError(
            f"{folder} is of another version (format {label.get('format')!r}, here {FORMAT!r}): "
            "resume with the version that made it, or choose a new folder"
        )
    return label


def _read(path: Path) -> dict[str, Any]:
    """A manifest or a label."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("experiment"), dict):
            raise ValueError("it tells of no experiment")
        if not isinstance(content.get("resumed", 0), int) or not isinstance(content.get("results", []), list):
            raise ValueError("it does not tell how often the run went on, or which results it has")
    except ValueError as error:
        raise ValueError(f"{path} is damaged or of another program ({error}): choose a new folder") from error
    found: dict[str, Any] = content
    return found


def _remove(folder: Path) -> None:
    """Remove checkpoints, the label last, so that whatever is left of them is known as ours."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name == LABEL):
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()
    folder.rmdir()


def _text(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
