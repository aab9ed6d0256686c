"""Experiment files: what is learned, by which model, until when, and what must come out.

An experiment is a TOML file, validated against the classes below; unknown keys, wrong types and impossible
values are named by their path. Nothing in a file is ever evaluated as code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, model_validator

from fefreq.experiments.checks import AnyCheck, EqualCheck, FieldCheck, HalfLifeCheck, check_models
from fefreq.experiments.schema import ExperimentError, Section, read_toml, validated
from fefreq.meshes.shapes import Cell
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import AnySource, Tones, located

if TYPE_CHECKING:
    from fefreq.diffusion.problem import FrequencyDiffusion
    from fefreq.targets.target import Target


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


class Training(Section):
    """How the networks are trained."""

    width: Annotated[
        Annotated[PositiveInt, Tag("number")] | Annotated[dict[str, PositiveInt], Tag("table")],
        Discriminator(lambda value: "table" if isinstance(value, dict) else "number"),
    ] = Field(
        description="number of neurons (of each sub-network, if there are several), or a table of them by model"
    )
    learning_rate: PositiveFloat | None = Field(
        None, description="size of a step; by default a tenth of the stability limit"
    )
    seeds: PositiveInt = Field(1, description="number of networks, each from an initialisation of its own")
    seed: int = Field(0, ge=0, description="where the random numbers of all networks begin")
    start: Literal["antisymmetric", "plain"] = Field(
        "antisymmetric", description="whether the initial output is exactly zero or a random function"
    )
    precision: Literal["float64", "float32"] = Field("float64", description="of parameters and gradients")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the dense path computes")
    method: Literal["auto", "dense", "transform"] = Field(
        "auto", description="matrix products, fast transforms, or whichever is faster"
    )


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
    """One experiment: a target, one or several models, times, and what must come out."""

    title: str = Field(description="heading of the report")
    question: str = Field("", description="what the experiment answers, in a sentence or two")
    on_request: bool = Field(
        False, description="whether `harness validate` runs it only when it is named, or with `--all`"
    )
    target: AnySource = Field(description="what is learned")
    model: Model | None = Field(None, description="the model, if there is one")
    models: dict[str, Model] = Field(default={}, description="named models, if there are several")
    times: Annotated[
        Annotated[Times, Tag("range")] | Annotated[tuple[float, ...], Tag("list")],
        Discriminator(lambda value: "range" if isinstance(value, (dict, Times)) else "list"),
    ] = Field(description="training times, as a list or a range")
    pde: Diffusion = Diffusion()
    training: Training | None = Field(None, description="needed by the harness, not by `fefreq solve`")
    frequencies: Frequencies = Frequencies()
    checks: tuple[AnyCheck, ...] = Field((), description="what `harness validate` insists on")

    def located(self, folder: Path) -> Experiment:
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
        for number, check in enumerate(self.checks):
            self._require_meaning(check, f"checks.{number}")
        named = [name for check in self.checks for name in check_models(check)]
        if self.training is not None and isinstance(self.training.width, dict):
            named += list(self.training.width)
            for name in self.named_models():
                if name not in self.training.width:
                    raise ValueError(f"training.width has no entry for the model {name!r}")
        for name in named:
            if name not in self.named_models():
                known = ", ".join(self.named_models())
                raise ValueError(f"the model {name!r} is named, but there is only {known}")
        return self

    def _require_meaning(self, check: AnyCheck, path: str) -> None:
        """Refuse a check that could only fail or only pass, before anything is computed."""
        sources = {getattr(check, name) for name in ("source", "reference") if hasattr(check, name)}
        if self.training is None and sources & {"network", "descent"}:
            raise ValueError(f"{path}: there is no network to look at without a [training] section")
        if hasattr(check, "reference") and len(sources) == 1:
            raise ValueError(f"{path}: a source agrees with itself; source and reference must differ")
        if isinstance(check, FieldCheck) and check.each_seed is not None:
            if check.source != "network":
                raise ValueError(f"{path}: each_seed is for the source network, not for {check.source}")
            if self.training is not None and self.training.start == "plain":
                raise ValueError(
                    f"{path}: with a plain start every seed has an error of its own; leave out each_seed"
                )
        tones = self._tone_count()
        for name in ("sooner", "later", "tone"):
            index = getattr(check, name, None)
            if isinstance(index, int) and index >= tones:
                raise ValueError(
                    f"{path}.{name}: there is no tone {index}; there are {tones}, counted from 0"
                )
        if isinstance(check, EqualCheck) and tones < 2:
            raise ValueError(f"{path}: it takes two tones to be learned together, but there are {tones}")
        if isinstance(check, HalfLifeCheck) and tones == 0:
            raise ValueError(f"{path}: there are no tones; list them in frequencies.tones")

    def _tone_count(self) -> int:
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
    return validated(Experiment, content, path).located(Path(path).parent)
