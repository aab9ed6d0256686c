"""Readings of recorded diagnostics, and checks on them.

A reading is one number for each network: a diagnostic at an epoch, by default the last. Checks compare means over the
networks of a condition; what single networks showed stands beside the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from fefreq.experiments.schema import Section
from fefreq.support.arrays import FloatArray
from harness.comparison.verdicts import Verdict
from harness.relu.recording import times_measured
from harness.relu.schedule import Diagnostic, Schedule
from harness.studies.relu_dynamics.numbers import in_band, require_band, telling_digits, told

if TYPE_CHECKING:
    import xarray as xr

Quantity = Literal[
    "hamming-local",
    "hamming-global",
    "alignment-local",
    "alignment-global",
    "confused-local",
    "confused-global",
    "cosine-spread-local",
    "cosine-spread-global",
    "mean-squared-error",
    "dead-units",
    "distinct-patterns",
    "regions",
    "region-width",
    "hyperplane-cosine",
    "lipschitz-bound",
    "in-sphere-radius",
    "psnr-training",
    "psnr-validation",
    "psnr-test",
]


@dataclass(frozen=True)
class Reading:
    """Where a quantity stands in the dataset, and how it is called."""

    variable: str
    words: str
    diagnostic: Diagnostic | None
    place: str | None = None
    part: str | None = None


READINGS: dict[Quantity, Reading] = {
    "hamming-local": Reading("hamming", "local Hamming distance", "hamming", "local"),
    "hamming-global": Reading("hamming", "global Hamming distance", "hamming", "global"),
    "alignment-local": Reading("alignment", "|cos| of local gradients", "confusion", "local"),
    "alignment-global": Reading("alignment", "|cos| of global gradients", "confusion", "global"),
    "confused-local": Reading("confused", "share of local pairs with negative cosine", "confusion", "local"),
    "confused-global": Reading(
        "confused", "share of global pairs with negative cosine", "confusion", "global"
    ),
    "cosine-spread-local": Reading("cosine_spread", "spread of local cosines", "confusion", "local"),
    "cosine-spread-global": Reading("cosine_spread", "spread of global cosines", "confusion", "global"),
    "mean-squared-error": Reading("mean_squared_error", "mean squared error", None),
    "dead-units": Reading("dead_units", "dead units", "dead"),
    "distinct-patterns": Reading("distinct_patterns", "different patterns on the samples", "patterns"),
    "regions": Reading("regions", "regions along the line", "regions"),
    "region-width": Reading("region_width", "distance to the nearest boundary", "width"),
    "hyperplane-cosine": Reading("hyperplane_cosine", "|cos| between hyperplanes", "angles"),
    "lipschitz-bound": Reading("lipschitz_bound", "product of spectral norms", "norms"),
    "in-sphere-radius": Reading("in_sphere_radius", "radius of in-spheres", "in_sphere"),
    "psnr-training": Reading("psnr", "PSNR on training samples", None, part="training"),
    "psnr-validation": Reading("psnr", "PSNR on validation samples", None, part="validation"),
    "psnr-test": Reading("test_psnr", "PSNR on test samples", None),
}
assert set(READINGS) == set(get_args(Quantity))


class _Check(Section):
    """What all checks name."""

    quantity: Quantity = Field(description="what is read")
    epoch: NonNegativeInt | None = Field(None, description="when; by default at the end")
    layer: PositiveInt | None = Field(None, description="hidden layer, for quantities of single layers")

    @model_validator(mode="after")
    def _layer_has_meaning(self) -> _Check:
        if self.layer is not None and self.quantity not in ("hyperplane-cosine", "dead-units"):
            raise ValueError(f"{self.quantity} is no quantity of single layers: leave out layer")
        return self

    @property
    def where(self) -> str:
        """Words for layer and epoch."""
        layer = "" if self.layer is None else f", layer {self.layer}"
        return layer + ("" if self.epoch is None else f", epoch {self.epoch}")


class ReluBandCheck(_Check):
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
    def conditions(self) -> tuple[str, ...]:
        """The condition."""
        return (self.condition,)

    @property
    def allowed(self) -> str:
        """The band in words."""
        if self.at_most is None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_least is None else f"{self.at_least:g} to {self.at_most:g}"

    def judge(self, data: xr.Dataset) -> Verdict:
        """Hold the mean against the band."""
        values = reading(data, self.quantity, self.condition, self.epoch, self.layer)
        mean = float(values.mean())
        return Verdict(
            f"{self.condition}: {READINGS[self.quantity].words}{self.where}",
            told(values, telling_digits(mean, self.at_least, self.at_most)),
            self.allowed,
            in_band(mean, self.at_least, self.at_most),
        )


class ReluOrderCheck(_Check):
    """The mean of every condition of a list exceeds that of the one before, at least by a factor."""

    kind: Literal["order"]
    conditions: tuple[str, ...] = Field(min_length=2, description="names of conditions, the least first")
    factor: PositiveFloat = Field(1.0, description="smallest ratio of neighbours")
    each_seed: bool = Field(
        False, description="whether the smallest of a condition must exceed the largest of the one before"
    )

    def judge(self, data: xr.Dataset) -> Verdict:
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


class ReluEarlyCheck(_Check):
    """The mean rises until an epoch and changes much less from there to the end."""

    kind: Literal["early"]
    condition: str = Field(description="name of the condition")
    epoch: PositiveInt = Field(description="until when")
    later: float = Field(gt=0, le=1, description="largest later change, relative to the rise")

    @property
    def conditions(self) -> tuple[str, ...]:
        """The condition."""
        return (self.condition,)

    def judge(self, data: xr.Dataset) -> Verdict:
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


class ReluDepthCheck(_Check):
    """The mean increases from layer to layer."""

    kind: Literal["depth"]
    quantity: Literal["hyperplane-cosine", "dead-units"] = Field(description="what is read")
    condition: str = Field(description="name of the condition")
    layers: tuple[PositiveInt, ...] = Field(min_length=2, description="hidden layers, the least first")

    @property
    def conditions(self) -> tuple[str, ...]:
        """The condition."""
        return (self.condition,)

    def judge(self, data: xr.Dataset) -> Verdict:
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


def reading(
    data: xr.Dataset, quantity: Quantity, condition: str, epoch: int | None = None, layer: int | None = None
) -> FloatArray:
    """A quantity of every network of a condition, ``(S,)``, after an epoch or when it was last measured.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimensions condition, seed and time.
    quantity : str
    condition : str
    epoch : int, optional
    layer : int, optional
        Hidden layer from 1; without it units are counted, and cosines averaged, over all layers.
    """
    found = READINGS[quantity]
    values = data[found.variable].sel(condition=condition)
    if "time" in values.dims:
        when = times_measured(data, found.variable) if epoch is None else np.flatnonzero(data.epoch == epoch)
        values = values.isel(time=int(when[-1]))
    if found.place is not None:
        values = values.sel(pairs=found.place)
    if found.part is not None:
        values = values.sel(part=found.part)
    if "layer" in values.dims:
        if layer is not None:
            values = values.sel(layer=layer)
        else:
            values = values.sum("layer") if quantity == "dead-units" else values.mean("layer")
    return np.asarray(values.values, dtype=np.float64)


def require_readable(
    check: AnyReluCheck,
    conditions: tuple[str, ...],
    schedule: Schedule,
    epochs: int,
    layers: int,
    held_out: bool,
) -> None:
    """Refuse a check on what will not have been measured.

    Raises
    ------
    ValueError
        If it names no condition, an epoch at which its quantity is not measured or after which nothing is left to
        compare, a layer that is not there, or PSNR where nothing is held out.
    """
    for name in check.conditions:
        if name not in conditions:
            raise ValueError(f"the condition {name!r} is named, but there is only {', '.join(conditions)}")
    if check.quantity.startswith("psnr") and not held_out:
        raise ValueError(f"{check.quantity} needs samples that are held out: give training.held_out")
    named = check.layers if isinstance(check, ReluDepthCheck) else (check.layer,)
    for layer in named:
        if layer is not None and layer > layers:
            raise ValueError(f"there is no hidden layer {layer}; there are {layers}, counted from 1")
    diagnostic = READINGS[check.quantity].diagnostic
    measured = schedule.all_epochs(epochs) if diagnostic is None else schedule.epochs(diagnostic, epochs)
    needed = {epochs if check.epoch is None else check.epoch}
    if isinstance(check, ReluEarlyCheck):
        if check.epoch == epochs:
            raise ValueError(f"nothing comes after epoch {epochs}, the last: a rise ends at an earlier epoch")
        needed |= {0, epochs}
    missing = sorted(needed.difference(measured))
    if missing:
        raise ValueError(
            f"{check.quantity} is read after epoch {missing[0]}, where it is not measured: add it to "
            f"schedule.{diagnostic or 'error'}"
        )
