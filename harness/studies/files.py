"""Files of studies: found, read, and carried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.experiments import preset_names, preset_path

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.studies import Study, StudyResult
    from harness.training.checkpoints import Checkpoints


def read_file(path: str | Path) -> Study:
    """Read and validate the file of a study, whose key ``kind`` says which.

    Parameters
    ----------
    path : path
        A TOML file; paths in it are relative to its folder.

    Raises
    ------
    ExperimentError
        If the file is missing, is no TOML, or does not describe a study.
    """
    from fefreq.experiments.schema import ExperimentError, read_toml, validated
    from harness.studies import DEFAULT, study_kind, study_kinds

    content = read_toml(path)
    kind = content.get("kind", DEFAULT)
    if kind not in study_kinds():
        raise ExperimentError(
            f"{path}: kind: there is no kind {kind!r}; there are {', '.join(map(repr, study_kinds()))}, "
            "and without the key predictions are held against two-layer networks"
        )
    return validated(study_kind(kind), content, path).located(Path(path).parent)


def find(name: str | Path) -> Path:
    """The file that a name stands for: a file that exists, or a preset.

    Raises
    ------
    ValueError
        If there is neither.
    """
    path = Path(name)
    if path.is_file() or path.suffix:
        return path
    if str(name) in preset_names():
        return preset_path(str(name))
    raise ValueError(
        f"there is no file {name} and no preset of this name; presets are {', '.join(preset_names())}"
    )


def carry_out(study: Study, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
    """Do what a file describes.

    Raises
    ------
    ValueError
        If data, networks and settings do not go together; before any long work.
    """
    from fefreq.experiments.console import collected_warnings

    with collected_warnings("harness"):
        study.prepare()
    return study.carry_out(progress, checkpoints)
