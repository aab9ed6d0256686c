"""A sweep from beginning to end: validate all cells, compute those that are missing, gather, draw."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from fefreq.support.progress import NullProgress, Progress
from harness.studies import Study
from harness.studies.files import read_file
from harness.sweeps.cells import Cell, absolute, make_cells
from harness.sweeps.datasets import gather
from harness.sweeps.engines import Cluster, Engine, Here, Processes, Task
from harness.sweeps.folders import check_folder, checkpoints_of, claim, finished, store, write_sweep
from harness.sweeps.progress import CellBar


@dataclass(frozen=True)
class Swept:
    """A sweep that has come to its end.

    Attributes
    ----------
    data : xarray.Dataset
        What was gathered; see :func:`harness.sweep`.
    cells : list of Cell
    reused : set
        Places of the cells that were finished before.
    report : path
    """

    data: xr.Dataset
    cells: list[Cell]
    reused: set[tuple[int, ...]]
    report: Path

    @property
    def failed(self) -> list[tuple[Cell, str]]:
        """Cells without results, and why."""
        sentences = [(cell, str(self.data.failure.values[cell.place])) for cell in self.cells]
        return [(cell, sentence) for cell, sentence in sentences if sentence]


def sweep(
    study: Study | str | Path,
    over: Mapping[str, Sequence[Any]],
    folder: str | Path,
    *,
    jobs: int = 1,
    seeds: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Carry out a study for every combination of some values in its file.

    All combinations are validated first. A cell that fails leaves the others alone; one that was finished by an
    earlier sweep into the same folder is not computed again.

    Parameters
    ----------
    study : Study or path
        Or the path of its file.
    over : mapping of str to sequence
        Keys of the file as paths, such as ``training.width``, each with its values.
    folder : path
        New, empty, or that of an earlier sweep. Gets ``sweep.nc``, ``sweep.json``, ``report.html``, ``pictures/`` and,
        for every finished cell, ``cells/NAME/KIND.nc`` and ``cell.json``; of a comparison with all fields.
    jobs : int
        Processes on this machine, one thread in each; 1 computes in this process.
    seeds : int, optional
        Networks in every cell, instead of ``training.seeds``.
    cluster : str, optional
        Address of a Dask scheduler, such as ``tcp://host:8786``, which then computes instead of this machine.
    progress : Progress, optional
        Hears of every cell, and of the training of cells that are computed in this process.

    Returns
    -------
    xarray.Dataset
        What the study gives of every cell (:meth:`harness.studies.Study.summary`), with the swept keys as leading
        dimensions; NaN where a cell failed, and ``failure`` says why. Of a comparison that is ``difference``,
        ``remaining``, ``half_life``, ``decay_rate`` and ``member_difference`` of :func:`harness.compare`, ``loss``, and
        ``tone_half_life`` of the tones, with ``model`` next; of other studies ``passed`` of every check.

    Raises
    ------
    ValueError
        If a key or value does not fit, cells have no common times and frequencies, or the cluster does not
        answer; before anything is computed.
    FileExistsError
        If the folder holds something else.
    """
    return carry_out(study, over, folder, jobs=jobs, seeds=seeds, cluster=cluster, progress=progress).data


def carry_out(
    study: Study | str | Path,
    over: Mapping[str, Sequence[Any]],
    folder: str | Path,
    *,
    jobs: int = 1,
    seeds: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Swept:
    """Do what :func:`sweep` does, and tell more."""
    from harness.sweeps.report import report  # draws, which processes that compute cells need not learn

    begin = time.perf_counter()
    base = absolute(study if isinstance(study, Study) else read_file(study))
    cells = make_cells(base, over, seeds)
    engine = _engine(jobs, cluster)
    folder = Path(folder)
    check_folder(folder)
    found = {cell.place: data for cell in cells if (data := finished(folder, cell)) is not None}
    reused = set(found)
    missing = [cell for cell in cells if cell.place not in found]
    failures = _compute(engine, missing, folder, found, progress or NullProgress())
    data = gather(cells, {cell.place: found[cell.place] for cell in cells if cell.place in found}, failures)
    data.attrs |= {"title": base.title, "question": base.question}
    page = report(data, base, cells, reused, time.perf_counter() - begin)
    return Swept(data, cells, reused, write_sweep(folder, data, page, cells, reused))


def _engine(jobs: int, cluster: str | None) -> Engine:
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs}")
    if cluster is None:
        return Processes(jobs) if jobs > 1 else Here()
    if jobs > 1:
        raise ValueError("jobs counts processes on this machine, but the cluster computes: leave it out")
    return Cluster(cluster)


def _compute(
    engine: Engine,
    missing: list[Cell],
    folder: Path,
    found: dict[tuple[int, ...], xr.Dataset],
    progress: Progress,
) -> dict[tuple[int, ...], str]:
    """Compute and keep the missing cells; returns why some have failed."""
    failures: dict[tuple[int, ...], str] = {}
    if not missing:
        return failures
    if engine.local:
        claim(folder)
    tasks = [Task(cell.study, checkpoints_of(folder, cell) if engine.local else None) for cell in missing]
    bar = CellBar(progress, len(missing))
    try:
        for number, computed in engine.run(tasks, bar):
            cell = missing[number]
            if computed.dataset is None:
                failures[cell.place] = computed.failure
            else:
                found[cell.place] = store(folder, cell, computed)
            bar.next()
    finally:
        progress.finish()
    return failures
