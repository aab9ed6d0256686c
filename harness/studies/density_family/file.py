"""The file of a study of the kind density-family: its tables, and what it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import Rates
from fefreq.experiments.schema import Section as Keys
from fefreq.models import FourierFeatures, Model
from fefreq.models.dual_activations import Activation
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.studies.density_family.families import Family, density_of, power_law_signals
from harness.studies.study import Study
from harness.training.trainer import Precision

if TYPE_CHECKING:
    pass


class ScaleRange(Keys):
    """Standard deviations of the frequencies, geometrically spread."""

    first: PositiveFloat = Field(description="smallest, in cycles per unit length")
    last: PositiveFloat = Field(description="largest")
    count: int = Field(ge=2, description="how many")

    @model_validator(mode="after")
    def _increasing(self) -> ScaleRange:
        if not self.first < self.last:
            raise ValueError(f"first ({self.first:g}) must be smaller than last ({self.last:g})")
        return self

    def values(self) -> FloatArray:
        """The scales, shape ``(count,)``."""
        return np.geomspace(self.first, self.last, self.count)


class MarkedTraining(Keys):
    """Networks that are trained at some of the scales, by full-batch gradient descent."""

    scales: tuple[PositiveFloat, ...] = Field(
        min_length=1, description="standard deviations at which networks of every family are trained"
    )
    width: PositiveInt = Field(description="neurons of a layer; frequencies that are drawn")
    seeds: PositiveInt = Field(1, description="number of networks at each scale")
    seed: int = Field(0, ge=0, description="where the random numbers of the networks begin")
    share: float = Field(
        0.25, gt=0, lt=1, description="size of a step as a share of the largest that is stable"
    )
    precision: Precision = Field("float64", description="of parameters and gradients")


class FamilyChecks(Keys):
    """What must come out; a check that is left out is not made."""

    agreement: PositiveFloat | None = Field(
        None, description="largest relative difference of trained from predicted held-out error"
    )
    shape: float | None = Field(
        None, ge=1, description="largest ratio between the best held-out errors of two families"
    )
    outweighs: PositiveFloat | None = Field(
        None,
        description="how many times as much the scale must matter as the shape: logarithm of the worst over the best "
        "error of a family, over the logarithm of the ratio between the best errors of two families",
    )


class DensityFamilyFile(Study):
    """The keys of the file, and what they mean together."""

    kind: Literal["density-family"]
    samples: int = Field(ge=8, description="number N of trained points; N - 1 more are held out between them")
    exponents: tuple[float, ...] = Field(
        min_length=1, description="exponents of the power-law spectra of the signals"
    )
    signals: PositiveInt = Field(description="number of random signals of each exponent")
    seed: int = Field(0, ge=0, description="where the random phases begin")
    families: tuple[Family, ...] = Field(
        ("gaussian", "uniform", "log-uniform", "laplace"), min_length=1, description="shapes of the density"
    )
    scales: ScaleRange = Field(description="standard deviations of the frequencies")
    lowest: PositiveFloat = Field(
        0.5, description="lower limit of the log-uniform density, below all scales, in cycles per unit length"
    )
    time: PositiveFloat = Field(description="training time at which the held-out error is measured")
    hidden_layers: int = Field(0, ge=0, description="hidden layers between features and output")
    activation: Activation = Field("relu", description="of the hidden layers")
    rtol: float = Field(1e-6, ge=1e-12, lt=1, description="relative error in time of the predictions")
    training: MarkedTraining | None = Field(None, description="without it there are predictions only")
    checks: FamilyChecks = Field(FamilyChecks(), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        distinct = {"families": self.families, "exponents": self.exponents}
        if self.training is not None:
            distinct["training.scales"] = self.training.scales
        for name, given in distinct.items():
            if len(set(given)) < len(given):
                raise ValueError(f"{name} must differ from one another, but {list(given)} repeats one")
        if "log-uniform" in self.families and not self.lowest < 0.9 * self.all_scales().min():
            raise ValueError(
                f"lowest is {self.lowest:g}, but a log-uniform density has a standard deviation above its lower "
                f"limit: choose it well below the smallest scale {self.all_scales().min():g}"
            )
        if self.checks.agreement is not None and self.training is None:
            raise ValueError("checks.agreement needs networks to agree with: give a [training] table")
        for name in ("shape", "outweighs"):
            if getattr(self.checks, name) is not None and len(self.families) < 2:
                raise ValueError(f"checks.{name} compares families, but there is only one")
        return self

    def all_scales(self) -> FloatArray:
        """Scales of the sweep and of the training together, increasing."""
        marked = () if self.training is None else self.training.scales
        return np.unique(np.concatenate([self.scales.values(), marked]))

    def target(self) -> Target:
        """All signals as channels, exponent after exponent; points that are held out have weight 0."""
        rng = np.random.default_rng(self.seed)
        count = 2 * self.samples - 1
        signals = [power_law_signals(count, exponent, self.signals, rng) for exponent in self.exponents]
        target = Target.from_grid(np.concatenate(signals, axis=1), [(-0.5, 0.5)])
        weights = np.zeros(count)
        weights[::2] = 1 / self.samples
        return Target(target.points, target.values, weights, grid=target.grid)

    def model(self, family: Family, scale: float) -> Model:
        """The infinitely wide network with frozen frequencies of one family and scale."""
        density = density_of(family, scale, self.lowest)
        if self.hidden_layers == 0:
            return FourierFeatures(density, output_std=0.0, rates=Rates(frequency=0.0))
        from fefreq import DeepFourierFeatures

        return DeepFourierFeatures(density, self.hidden_layers, self.activation)

    def prepare(self) -> None:
        """Make the data, and every model once."""
        self.target()
        for family in self.families:
            for scale in self.all_scales():
                self.model(family, float(scale))
