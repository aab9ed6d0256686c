"""Checks of an experiment file: what must come out, as tables of the schema.

They say what is measured and what is allowed; whoever has the fields evaluates them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from fefreq.experiments.schema import Section

Source = Literal["pde", "kernel", "descent", "network"]
Part = Literal["all", "even", "odd"]


class FieldCheck(Section):
    """The field of one source stays close to another's at every time, relative to the initial error."""

    kind: Literal["field"]
    part: Part = Field("all", description="the whole field, its even part (real) or its odd part (imaginary)")
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("pde", description="what it is held against")
    tolerance: PositiveFloat = Field(
        description="largest relative L2 difference, mean over seeds, at any time"
    )
    each_seed: PositiveFloat | None = Field(None, description="the same for every single seed")


class HalfLifeCheck(Section):
    """Half-lives of the tones agree between two sources wherever they fall inside the run."""

    kind: Literal["half-life"]
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("pde", description="what it is held against")
    tolerance: PositiveFloat = Field(description="largest relative difference")


class OrderCheck(Section):
    """One tone is learned sooner than another by at least a factor."""

    kind: Literal["sooner"]
    model: str = Field(description="name of the model")
    source: Source = Field("pde", description="the source under test")
    sooner: int = Field(ge=0, description="index of the tone that is learned first")
    later: int = Field(ge=0, description="index of the other tone")
    factor: PositiveFloat = Field(description="smallest ratio of half-lives")


class EqualCheck(Section):
    """All tones have the same half-life, and it falls inside what the source covers."""

    kind: Literal["together"]
    model: str = Field(description="name of the model")
    source: Source = Field("pde", description="the source under test")
    tolerance: PositiveFloat = Field(description="largest relative spread of the half-lives")


class FasterCheck(Section):
    """One tone is learned sooner by every model of a list than by the one before."""

    kind: Literal["faster"]
    models: tuple[str, ...] = Field(min_length=2, description="names of models, the slowest first")
    tone: int = Field(ge=0, description="index of the tone")
    source: Source = Field("pde", description="the source under test")


class StillCheck(Section):
    """A part of the error stays what it was at the start."""

    kind: Literal["still"]
    model: str = Field(description="name of the model")
    part: Part = Field("even", description="which part of the field")
    source: Source = Field("network", description="the source under test")
    tolerance: PositiveFloat = Field(
        description="largest change at any time, relative to the part at the start"
    )


class ReachCheck(Section):
    """Two sources agree on the time at which the error has come down to a level."""

    kind: Literal["reaches"]
    level: float = Field(gt=0, lt=1, description="share of the initial error")
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("pde", description="what it is held against")
    tolerance: PositiveFloat = Field(description="largest relative difference of the two times")


class ApartCheck(Section):
    """Two sources differ visibly: their largest relative difference is at least something."""

    kind: Literal["apart"]
    source: Source = Field("pde", description="the source under test")
    reference: Source = Field("kernel", description="what it is held against")
    at_least: PositiveFloat = Field(
        description="share of the initial error by which they must differ at some time"
    )


class CloserCheck(Section):
    """Every model of a list is closer to a reference than the one before, over all times together."""

    kind: Literal["closer"]
    models: tuple[str, ...] = Field(min_length=2, description="names of models, the farthest first")
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("kernel", description="what it is held against")


AnyCheck = Annotated[
    FieldCheck
    | HalfLifeCheck
    | OrderCheck
    | EqualCheck
    | FasterCheck
    | StillCheck
    | ReachCheck
    | ApartCheck
    | CloserCheck,
    Field(discriminator="kind"),
]


def check_models(check: AnyCheck) -> tuple[str, ...]:
    """Names of the models that a check is about; none if it is about all of them."""
    if isinstance(check, (OrderCheck, EqualCheck, StillCheck)):
        return (check.model,)
    return check.models if isinstance(check, (FasterCheck, CloserCheck)) else ()
