"""The folder that an experiment leaves: checkpoints as long as it is going on, results when it is finished.

While an experiment goes on, everything is inside ``checkpoints/``; results too are first written there, and moved up
when they are complete, the manifest last. So at any moment a file of results is complete or absent, a folder with a
manifest is finished, and the rest can be made from the checkpoints.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fefreq.console import check_fresh
from fefreq.experiment_files import Section
from harness.checkpoint_files import difference, failure_told, write_synced
from harness.checkpoints import FORMAT, LABEL, Checkpoints

CHECKPOINTS, MANIFEST, REPORT = "checkpoints", "manifest.json", "report.html"


@dataclass(frozen=True)
class RunFolder:
    """A folder that may be written to.

    Attributes
    ----------
    path : path
    checkpoints : Checkpoints
    finished : bool
        Whether the results are there already.
    resumed : int
        How often the run has gone on after an interruption.
    """

    path: Path
    checkpoints: Checkpoints
    finished: bool = False
    resumed: int = 0

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
            If it holds anything else.
        ValueError
            If it holds a run of another experiment, or cannot be read.
        """
        folder = path / CHECKPOINTS
        here = described.model_dump(mode="json", exclude_none=True)
        if resume and (path / MANIFEST).is_file():
            manifest = _read(path / MANIFEST)
            _require_same(manifest.get("experiment", {}), here, path)
            shutil.rmtree(folder, ignore_errors=True)
            return cls(path, Checkpoints(folder), finished=True, resumed=manifest.get("resumed", 0))
        label: dict[str, Any] = {"format": FORMAT, "resumed": 0, "experiment": here}
        if not folder.is_dir() or (path / MANIFEST).exists():
            check_fresh(path)
        elif not resume:
            raise FileExistsError(
                f"{path} holds a run that was interrupted: let it go on with --resume, or choose a new folder"
            )
        elif (folder / LABEL).exists():
            label = _read(folder / LABEL)
            if label.get("format") != FORMAT:
                raise ValueError(
                    f"{folder} is of another version (format {label.get('format')!r}, here {FORMAT!r}): "
                    "resume with the version that made it, or choose a new folder"
                )
            _require_same(label["experiment"], here, path)
            label["resumed"] += 1
            write_synced(folder / LABEL, _text(label))
        return cls(path, Checkpoints(folder, label=_text(label).decode()), resumed=label["resumed"])

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
        OSError
            If that fails; the checkpoints are still there then.
        """
        staging = self.checkpoints.folder / ".results"
        shutil.rmtree(staging, ignore_errors=True)
        self.checkpoints.make()
        with failure_told(self.path):
            staging.mkdir()
            report = write(staging)
            manifest = _read(staging / MANIFEST)
            write_synced(staging / MANIFEST, _text({**manifest, "resumed": self.resumed}))
            for item in sorted(staging.iterdir(), key=lambda item: item.name == MANIFEST):
                place = self.path / item.name
                if place.is_dir():
                    shutil.rmtree(place)
                os.replace(item, place)
            shutil.rmtree(self.checkpoints.folder)
        return self.path / report.name


def _require_same(there: dict[str, Any], here: dict[str, Any], path: Path) -> None:
    if found := difference(there, here):
        raise ValueError(f"{path} holds a run of another experiment: {found}; choose a new folder")


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): choose a new folder") from error
    return content


def _text(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
