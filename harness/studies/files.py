"""Experiment files of every kind: read, and carried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.experiments import preset_names, preset_path

if TYPE_CHECKING:
    from fefreq.experiments.experiment import Experiment
    from fefreq.support.progress import Progress
    from harness.studies import Study, StudyResult
    from harness.studies.comparison.outcome import Outcome
    from harness.training.checkpoints import Checkpoints


def read_file(path: str | Path) -> Experiment | Study:
    """Read and validate an experiment file: a study if it has a key ``kind``, else an :class:`Experiment`.

    Parameters
    ----------
    path : path
        A TOML file; paths in it are relative to its folder.

    Raises
    ------
    ExperimentError
        If the file is missing, is no TOML, or does not describe an experiment.
    """
    from fefreq.experiments.experiment import Experiment
    from fefreq.experiments.schema import ExperimentError, read_toml, validated
    from harness.studies import study_kind, study_kinds

    content = read_toml(path)
    kind = content.get("kind")
    if kind is None:
        return validated(Experiment, content, path).located(Path(path).parent)
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


def carry_out(
    described: Experiment | Study, progress: Progress, checkpoints: Checkpoints | None = None
) -> Outcome | StudyResult:
    """Do what a file describes.

    Raises
    ------
    ValueError
        If data, networks and settings do not go together; before any long work.
    """
    from fefreq.experiments.console import collected_warnings
    from harness.studies import Study
    from harness.studies.comparison.pipeline import run_experiment

    if isinstance(described, Study):
        with collected_warnings("harness"):
            described.prepare()
        return described.carry_out(progress, checkpoints)
    return run_experiment(described, progress, checkpoints)
