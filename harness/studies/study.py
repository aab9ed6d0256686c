"""What every study has: a file that describes it, verdicts, data, pictures, and a page that shows them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import xarray as xr
from pydantic import Field

from fefreq.experiments.schema import Section as Keys
from harness.comparison.verdicts import Verdict
from harness.studies.frame import Frame, digest_of_files

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.reports.page import Page, Section
    from harness.training.checkpoints import Checkpoints


class Study(Keys, ABC):
    """The keys that all studies share; ``kind`` tells them apart."""

    title: str = Field(description="heading of the report")
    question: str = Field("", description="what the study answers, in a sentence or two")
    on_request: bool = Field(
        False, description="whether `harness validate` runs it only when it is named, or with `--all`"
    )

    shares_times: ClassVar[bool] = False
    """Whether the cells of a sweep are held against one another at common times and frequencies."""

    def prepare(self) -> None:
        """Find out, before long work, whether the study can be carried out.

        Raises
        ------
        ValueError
            If data, networks and settings do not go together.
        """

    @abstractmethod
    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Do the work.

        Parameters
        ----------
        progress : Progress
            Hears of long tasks.
        checkpoints : Checkpoints, optional
            Where finished training is kept, so that an interrupted study goes on from there.
        """

    def summary(self, result: StudyResult) -> xr.Dataset:
        """What a sweep over this study gathers of every cell: whether each check passed (check).

        A study may give more: variables whose shapes do not differ from cell to cell, or only along ``seed``.
        """
        names = [verdict.name for verdict in result.verdicts]
        passed = np.array([float(verdict.passed) for verdict in result.verdicts])
        told = {"long_name": "1 where the check passed"}
        return xr.Dataset({"passed": ("check", passed, told)}, coords={"check": names})

    def frame(self) -> Frame:
        """What the cells of a sweep over this study must share, and a digest of the data of this one.

        Raises
        ------
        ValueError
            If the data cannot be read.
        """
        return Frame(digest_of_files(self))

    def located(self, folder: Path) -> Self:
        """The same study with relative paths resolved against the folder of its file."""
        return self


@dataclass(frozen=True)
class StudyResult:
    """What a study has found.

    Attributes
    ----------
    study : Study
    verdicts : tuple of Verdict
    sections : tuple of Section
        Of the report, in order.
    datasets : dict
        Written to ``NAME.nc`` each.
    seconds : dict
        By what they were spent on.
    files : dict
        Writers of further files by file name, ParaView files for one.
    details : dict
        Plain data for the manifest.
    findings : object
        For who goes on in Python: what the report was made from, by a class of the study.
    """

    study: Study
    verdicts: tuple[Verdict, ...]
    sections: Sequence[Section] = ()
    datasets: dict[str, xr.Dataset] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    files: dict[str, Callable[[Path], object]] = field(default_factory=dict)
    details: dict[str, object] = field(default_factory=dict)
    findings: Any = None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def page(self) -> Page:
        """The report."""
        from harness.reports.page import Page

        return Page(
            title=self.study.title,
            question=self.study.question,
            verdicts=self.verdicts,
            sections=self.sections,
            seconds=self.seconds,
            configuration=self.study.model_dump_json(indent=2, exclude_none=True),
        )

    def write(self, folder: str | Path) -> Path:
        """Write data, further files, pictures, manifest, and the report last; see :func:`write_outcome`."""
        return write_outcome(self, folder)


def write_outcome(result: StudyResult, folder: str | Path) -> Path:
    """Write what a study has found: its datasets, its further files, ``pictures/``, ``manifest.json``, ``report.html``.

    Parameters
    ----------
    result : StudyResult
    folder : path
        Exists and holds no other run.

    Returns
    -------
    path
        Of the report.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    """
    from harness.reports.folder import manifest, write_folder

    page = result.page
    facts = {**manifest(page, result.study), **result.details}
    return write_folder(Path(folder), page, result.datasets, result.files, facts)
