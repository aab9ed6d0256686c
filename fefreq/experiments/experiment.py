"""Experiment files: what is learned, by which model, until when.

An experiment is a TOML file, validated against the classes below; unknown keys, wrong types and impossible
values are named by their path. Nothing in a file is ever evaluated as code. The keys :data:`OF_THE_HARNESS` are read
by ``harness`` alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import Discriminator, Field, PositiveFloat, Tag, model_validator

from fefreq.experiments.schema import ExperimentError, Section, read_toml, validated
from fefreq.meshes.shapes import Cell
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import AnySource, Tones, located

if TYPE_CHECKING:
    from fefreq.diffusion.problem import FrequencyDiffusion
    from fefreq.targets.target import Target


# Keys of the same file that ``harness`` reads and validates, and predictions do not depend on.
OF_THE_HARNESS = ("training", "checks", "on_request")


class Times(Section):
    """Training times ``t = Σ η``: 0, and then ``count`` times from ``first`` to ``last``."""

    first: PositiveFloat = Field(description="first time after 0")
    last: PositiveFloat = Field(description="last time")
    count: int = Field(ge=2, description="number of times after 0")
    spacing: Literal["geometric", "linear"] = Field("geometric", description="how the times are spread")

    @model_validator(mode="after")
    def _increasing(self) -> Times:
        if not self.first < self.last:
            raise ValueError(f"first ({self.first:g}) must be smaller than last ({self.last:g})")
        return self

    def values(self) -> FloatArray:
        """The times, shape ``(count + 1,)``."""
        spread = np.geomspace if self.spacing == "geometric" else np.linspace
        return np.concatenate([[0.0], spread(self.first, self.last, self.count)])


class Diffusion(Section):
    """How the diffusion equation is solved."""

    order: int | None = Field(
        None, ge=1, le=8, description="polynomial degree of the elements; by default 4, and 2 in 3 dimensions"
    )
    cell: Cell | None = Field(
        None, description="cells of the mesh; by default line, quadrilateral, hexahedron by dimension"
    )
    mesh_rtol: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="relative error of the field that the mesh aims at; default by dimension",
    )
    mesh_control: Literal["chosen", "estimated", "refined"] = Field(
        "chosen",
        description="trust the choice of the mesh, state its estimated error, or refine it until mesh_rtol is met",
    )
    rtol: float = Field(1e-8, ge=1e-12, lt=1, description="relative error in time")
    horizon: PositiveFloat | None = Field(
        None, description="time until which half-lives are predicted; by default the last time"
    )

    def problem(self, model: Model, target: Target) -> FrequencyDiffusion:
        """The equation of a model, with the mesh that these settings ask for."""
        from fefreq.diffusion.problem import FrequencyDiffusion

        return FrequencyDiffusion(
            model,
            target,
            order=self.order,
            mesh_rtol=self.mesh_rtol,
            mesh_control=self.mesh_control,
            cell=self.cell,
        )


class KernelSettings(Section):
    """How the kernel flow is solved."""

    rtol: float = Field(1e-6, ge=1e-12, lt=1, description="relative error at every time")


class Frequencies(Section):
    """Where sources are compared."""

    half_width: PositiveFloat | None = Field(
        None,
        description="compared from minus to plus this frequency; by default 1.25 bands of the target",
    )
    tones: tuple[float | tuple[float, ...], ...] | None = Field(
        None, description="frequencies whose half-lives are listed; by default the tones of the target"
    )


class Experiment(Section):
    """One experiment: a target, one or several models, and times."""

    title: str = Field(description="heading of the report")
    question: str = Field("", description="what the experiment answers, in a sentence or two")
    target: AnySource = Field(description="what is learned")
    model: Model | None = Field(None, description="the model, if there is one")
    models: dict[str, Model] = Field(default={}, description="named models, if there are several")
    times: Annotated[
        Annotated[Times, Tag("range")] | Annotated[tuple[float, ...], Tag("list")],
        Discriminator(lambda value: "range" if isinstance(value, (dict, Times)) else "list"),
    ] = Field(description="training times, as a list or a range")
    pde: Diffusion = Diffusion()
    kernel: KernelSettings = KernelSettings()
    frequencies: Frequencies = Frequencies()

    def located(self, folder: Path) -> Self:
        """The same experiment with relative paths resolved against the folder of its file."""
        return self.model_copy(update={"target": located(self.target, folder)})

    @model_validator(mode="after")
    def _consistent(self) -> Experiment:
        if (self.model is None) == (not self.models):
            raise ValueError("give either one [model] or several [models.NAME]")
        from fefreq.fields.times import check_times

        if check_times(self.time_values())[0] != 0:
            raise ValueError("times must begin with 0, where errors are relative to")
        for name in self.models:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"the model name {name!r} may hold letters, digits, '-' and '_' only")
        if not self.time_values()[-1] > 0:
            raise ValueError("times must go beyond 0, where nothing has happened yet")
        return self

    def tone_count(self) -> int:
        """Number of frequencies whose half-lives are of interest."""
        if self.frequencies.tones is not None:
            return len(self.frequencies.tones)
        return len(self.target.frequencies) if isinstance(self.target, Tones) else 0

    def named_models(self) -> dict[str, Model]:
        """Models by name; a single one is called ``model``."""
        return dict(self.models) if self.model is None else {"model": self.model}

    def make_target(self) -> Target:
        """The target, made and checked.

        Raises
        ------
        ValueError
            If the data cannot be made, or are zero everywhere.
        """
        target = self.target.make()
        if target.energy == 0:
            raise ValueError("the target is zero everywhere, so there is nothing to learn")
        return target

    def time_values(self) -> FloatArray:
        """Training times, shape ``(T,)``."""
        return self.times.values() if isinstance(self.times, Times) else np.array(self.times)

    def forecast_times(self) -> FloatArray:
        """Training times and, up to the horizon, twenty more per decade."""
        times = self.time_values()
        last, horizon = times[-1], self.pde.horizon
        if horizon is None or horizon <= last:
            return times
        count = int(np.ceil(20 * np.log10(horizon / last)))
        return np.concatenate([times, np.geomspace(last, horizon, count + 1)[1:]])

    def tones(self, dim: int) -> FloatArray:
        """Frequencies whose half-lives are of interest, shape ``(tones, d)``.

        Raises
        ------
        ValueError
            If a tone has another dimension.
        """
        if self.frequencies.tones is not None:
            for tone in self.frequencies.tones:
                if np.size(tone) != dim:
                    raise ValueError(f"frequencies.tones: tone {tone} needs {dim} component(s), one per axis")
            return np.array([np.atleast_1d(tone) for tone in self.frequencies.tones], dtype=np.float64)
        if isinstance(self.target, Tones):
            return self.target.tones()
        return np.zeros((0, dim))


def read_experiment(path: str | Path) -> Experiment:
    """Read and validate an experiment file.

    Parameters
    ----------
    path : path
        A TOML file; paths in it are relative to its folder.

    Raises
    ------
    ExperimentError
        If the file is missing, is no TOML, or does not describe an experiment.
    """
    content = read_toml(path)
    if "kind" in content:
        raise ExperimentError(
            f"{path} is a study (kind = {content['kind']!r}) and no prediction alone: carry it out with `harness run`"
        )
    own = {key: value for key, value in content.items() if key not in OF_THE_HARNESS}
    return validated(Experiment, own, path).located(Path(path).parent)
