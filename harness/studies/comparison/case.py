"""What the comparison finds of one model."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from fefreq.diffusion.solution import MeshSolution
from fefreq.fields.error_field import ErrorField
from fefreq.kernel.solution import PointSolution
from fefreq.models import Model
from fefreq.targets.target import Target
from harness.training.run import Run


@dataclass(frozen=True)
class Case:
    """One model: its predictions, its networks, and how they agree.

    Attributes
    ----------
    model : Model
    target : Target
        The error at time 0.
    sources : dict of ErrorField
        Every solution with its statistics: ``pde`` (a :class:`fefreq.MeshSolution`, beyond the training times up to the
        horizon), ``kernel``, and, where there was training, ``descent`` and ``network`` (a :class:`harness.Run`).
    comparison : xarray.Dataset
        Fields of all sources on a grid of frequencies (see :func:`harness.compare`).
    split : xarray.Dataset
        Where the difference between prediction and networks comes from (see :mod:`harness.comparison.split`).
    tones : xarray.Dataset
        ``half_life`` (source, frequency) at the tones; predictions reach to the horizon.
    """

    model: Model
    target: Target
    sources: dict[str, ErrorField]
    comparison: xr.Dataset
    split: xr.Dataset
    tones: xr.Dataset

    @property
    def solution(self) -> MeshSolution:
        """The solution of the diffusion equation."""
        found = self.sources["pde"]
        assert isinstance(found, MeshSolution)
        return found

    @property
    def flow(self) -> PointSolution | None:
        """The kernel flow."""
        found = self.sources.get("kernel")
        return found if isinstance(found, PointSolution) else None

    @property
    def run(self) -> Run | None:
        """The trained networks, if there was training."""
        found = self.sources.get("network")
        return found if isinstance(found, Run) else None
