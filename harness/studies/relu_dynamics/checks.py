"""Readings of recorded diagnostics, and checks on them.

A reading is one number for each network: a diagnostic at an epoch, by default the last. Checks compare means over the
networks of a condition; what single networks showed stands beside the mean.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from fefreq.experiments.schema import Section
from harness.comparison.checks import Check
from harness.comparison.verdicts import Verdict
from harness.relu.schedule import Schedule
from harness.studies.relu_dynamics.numbers import in_band, require_band, telling_digits, told
from harness.studies.relu_dynamics.readings import READINGS, Quantity, reading

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class ReluPlan:
    """What is known of a study of ReLU networks before the work.

    Attributes
    ----------
    conditions : tuple of str
    schedule : Schedule
    epochs, layers : int
    held_out : bool
        Whether samples are held out.
    """

    conditions: tuple[str, ...]
    schedule: Schedule
    epochs: int
    layers: int
    held_out: bool


class ReluCheck(Section, Check[ReluPlan, "xr.Dataset"]):
    """A check of a quantity that was measured in training."""

    quantity: Quantity = Field(description="what is read")
    epoch: NonNegativeInt | None = Field(None, description="when; by default at the end")
    layer: PositiveInt | None = Field(None, description="hidden layer, for quantities of single layers")

    @model_validator(mode="after")
    def _layer_has_meaning(self) -> Self:
        if self.layer is not None and self.quantity not in ("hyperplane-cosine", "dead-units"):
            raise ValueError(f"{self.quantity} is no quantity of single layers: leave out layer")
        return self

    @property
    @abstractmethod
    def concerned(self) -> tuple[str, ...]:
        """Names of the conditions that it is about."""

    @property
    def layers_named(self) -> tuple[int, ...]:
        """Hidden layers that it names."""
        return () if self.layer is None else (self.layer,)

    def epochs_read(self, last: int) -> set[int]:
        """Epochs after which the quantity is read."""
        return {last if self.epoch is None else self.epoch}

    def require(self, context: ReluPlan, path: str) -> None:
        """Refuse a check on what will not have been measured."""
        for name in self.concerned:
            if name not in context.conditions:
                known = ", ".join(context.conditions)
                raise ValueError(f"{path}: the condition {name!r} is named, but there is only {known}")
        if self.quantity.startswith("psnr") and not context.held_out:
            raise ValueError(
                f"{path}: {self.quantity} needs samples that are held out: give training.held_out"
            )
        for layer in self.layers_named:
            if layer > context.layers:
                raise ValueError(
                    f"{path}: there is no hidden layer {layer}; there are {context.layers}, counted from 1"
                )
        diagnostic, epochs = READINGS[self.quantity].diagnostic, context.epochs
        schedule = context.schedule
        measured = schedule.all_epochs(epochs) if diagnostic is None else schedule.epochs(diagnostic, epochs)
        missing = sorted(self.epochs_read(epochs).difference(measured))
        if missing:
            raise ValueError(
                f"{path}: {self.quantity} is read after epoch {missing[0]}, where it is not measured: add it to "
                f"schedule.{diagnostic or 'error'}"
            )

    def judge(self, findings: xr.Dataset) -> tuple[Verdict, ...]:
        """Hold what was measured against what is allowed."""
        return (self.of(findings),)

    @abstractmethod
    def of(self, data: xr.Dataset) -> Verdict:
        """The verdict."""

    @property
    def where(self) -> str:
        """Words for layer and epoch."""
        layer = "" if self.layer is None else f", layer {self.layer}"
        return layer + ("" if self.epoch is None else f", epoch {self.epoch}")


class ReluBandCheck(ReluCheck):
    """The mean over the networks of a condition lies in a band."""

    kind: Literal["band"]
    condition: str = Field(description="name of the condition")
    at_least: float | None = Field(None, description="lower end of the band")
    at_most: float | None = Field(None, description="upper end of the band")

    @model_validator(mode="after")
    def _is_band(self) -> ReluBandCheck:
        require_band(self.at_least, self.at_most)
        return self

    @property
    def concerned(self) -> tuple[str, ...]:
        """The condition."""
        return (self.condition,)

    @property
    def allowed(self) -> str:
        """The band in words."""
        if self.at_most is None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_least is None else f"{self.at_least:g} to {self.at_most:g}"

    def of(self, data: xr.Dataset) -> Verdict:
        """Hold the mean against the band."""
        values = reading(data, self.quantity, self.condition, self.epoch, self.layer)
        mean = float(values.mean())
        return Verdict(
            f"{self.condition}: {READINGS[self.quantity].words}{self.where}",
            told(values, telling_digits(mean, self.at_least, self.at_most)),
            self.allowed,
            in_band(mean, self.at_least, self.at_most),
        )


class ReluOrderCheck(ReluCheck):
    """The mean of every condition of a list exceeds that of the one before, at least by a factor."""

    kind: Literal["order"]
    conditions: tuple[str, ...] = Field(min_length=2, description="names of conditions, the least first")
    factor: PositiveFloat = Field(1.0, description="smallest ratio of neighbours")
    each_seed: bool = Field(
        False, description="whether the smallest of a condition must exceed the largest of the one before"
    )

    @property
    def concerned(self) -> tuple[str, ...]:
        """The conditions of the list."""
        return self.conditions

    def of(self, data: xr.Dataset) -> Verdict:
        """Compare neighbours."""
        values = [
            reading(data, self.quantity, condition, self.epoch, self.layer) for condition in self.conditions
        ]
        ends = [(v.max(), v.min()) if self.each_seed else (v.mean(), v.mean()) for v in values]
        passed = all(high[1] > self.factor * low[0] for low, high in pairwise(ends))
        ratio = f", each at least {self.factor:g} times the one before" if self.factor != 1 else ""
        seeds = ", in all networks" if self.each_seed else ""
        return Verdict(
            f"{READINGS[self.quantity].words}{self.where}: {' < '.join(self.conditions)}",
            ", ".join(told(v) for v in values),
            f"increasing{ratio}{seeds}",
            bool(passed),
        )


class ReluEarlyCheck(ReluCheck):
    """The mean rises until an epoch and changes much less from there to the end."""

    kind: Literal["early"]
    condition: str = Field(description="name of the condition")
    epoch: PositiveInt = Field(description="until when")
    later: float = Field(gt=0, le=1, description="largest later change, relative to the rise")

    @property
    def concerned(self) -> tuple[str, ...]:
        """The condition."""
        return (self.condition,)

    def epochs_read(self, last: int) -> set[int]:
        """The start, the epoch, and the end."""
        return {0, self.epoch, last}

    def require(self, context: ReluPlan, path: str) -> None:
        """Besides: something must come after the epoch."""
        super().require(context, path)
        if self.epoch == context.epochs:
            raise ValueError(
                f"{path}: nothing comes after epoch {self.epoch}, the last: a rise ends at an earlier epoch"
            )

    def of(self, data: xr.Dataset) -> Verdict:
        """Compare the change after the epoch with that before."""
        start, then, end = (
            float(reading(data, self.quantity, self.condition, epoch, self.layer).mean())
            for epoch in (0, self.epoch, None)
        )
        rise = then - start
        return Verdict(
            f"{self.condition}: {READINGS[self.quantity].words} rise early, then flatten",
            f"{start:.4g} at the start, {then:.4g} after {self.epoch} epochs, {end:.4g} at the end",
            f"a rise, and a later change of at most {100 * self.later:g} % of it",
            bool(rise > 0 and abs(end - then) <= self.later * rise),
        )


class ReluDepthCheck(ReluCheck):
    """The mean increases from layer to layer."""

    kind: Literal["depth"]
    quantity: Literal["hyperplane-cosine", "dead-units"] = Field(description="what is read")
    condition: str = Field(description="name of the condition")
    layers: tuple[PositiveInt, ...] = Field(min_length=2, description="hidden layers, the least first")

    @property
    def concerned(self) -> tuple[str, ...]:
        """The condition."""
        return (self.condition,)

    @property
    def layers_named(self) -> tuple[int, ...]:
        """The layers of the list."""
        return self.layers

    def of(self, data: xr.Dataset) -> Verdict:
        """Compare layers."""
        values = [reading(data, self.quantity, self.condition, self.epoch, layer) for layer in self.layers]
        return Verdict(
            f"{self.condition}: {READINGS[self.quantity].words} in layers {', '.join(map(str, self.layers))}",
            ", ".join(told(v) for v in values),
            "increasing with depth",
            all(low.mean() < high.mean() for low, high in pairwise(values)),
        )


AnyReluCheck = Annotated[
    ReluBandCheck | ReluOrderCheck | ReluEarlyCheck | ReluDepthCheck, Field(discriminator="kind")
]
