"""The file of a study of the kind designed-density: its tables, and what it describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import (
    FourierFeatures,
    Rates,
    Target,
)
from fefreq.densities.base import Density
from fefreq.experiments.schema import Section as Keys
from fefreq.support.arrays import FloatArray
from harness.studies.study import Study
from harness.training.trainer import Precision

if TYPE_CHECKING:
    pass


class ScaleSearch(Keys):
    """Where the best scales of the usual densities are looked for."""

    first: PositiveFloat = Field(
        description="smallest scale of a Gaussian and half-width of a uniform density, in cycles per unit length"
    )
    last: PositiveFloat = Field(description="largest")

    @model_validator(mode="after")
    def _increasing(self) -> ScaleSearch:
        if not self.first < self.last:
            raise ValueError(f"first ({self.first:g}) must be smaller than last ({self.last:g})")
        return self


class DesignTraining(Keys):
    """Networks that are trained from every density, by full-batch gradient descent."""

    width: PositiveInt = Field(description="neurons of each network")
    seeds: PositiveInt = Field(1, description="number of networks for each density")
    seed: int = Field(0, ge=0, description="where the random numbers of the networks begin")
    share: float = Field(
        0.1, gt=0, lt=1, description="size of a step as a share of the largest that is stable"
    )
    precision: Precision = Field("float64", description="of parameters and gradients")


class DesignChecks(Keys):
    """What must come out; a check that is left out is not made."""

    ratio: PositiveFloat | None = Field(
        None,
        description="largest ratio of the error that the designed density leaves to that of the best other one, "
        "by every prediction and measured",
    )
    gradient: PositiveFloat | None = Field(
        None, description="largest relative difference of the gradient from finite differences"
    )


class DesignedDensityFile(Study):
    """The keys of the file, and what they mean together."""

    kind: Literal["designed-density"]
    exponents: tuple[float, ...] = Field(
        min_length=1, description="exponents of the power-law spectra of the signals"
    )
    samples: int = Field(ge=16, description="number of points of the interval from -1 to 1")
    tones: PositiveInt = Field(description="highest frequency K of the signals, in cycles per unit length")
    window: PositiveFloat = Field(description="standard deviation w of the Gaussian window")
    seed: int = Field(0, ge=0, description="where the random phases begin")
    time_budget: PositiveFloat = Field(description="training time that the densities are designed for")
    beyond: float = Field(1.0, ge=1, description="training and prediction end at this many budgets")
    output_std: float = Field(1.0, ge=0, description="standard deviation of the output weights at the start")
    rates: Rates = Field(Rates(), description="factors of the learning rates of the blocks of parameters")
    search: ScaleSearch = Field(description="range of the scales of the usual densities")
    training: DesignTraining | None = Field(None, description="without it there are predictions only")
    checks: DesignChecks = Field(DesignChecks(), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.exponents)) < len(self.exponents):
            raise ValueError(
                f"exponents must differ from one another, but {list(self.exponents)} repeats one"
            )
        if not self.tones < self.samples / 4:
            raise ValueError(
                f"tones up to {self.tones} cycles on {self.samples} points of an interval of length 2 are not "
                f"resolved: give fewer than {self.samples / 4:g}, or more samples"
            )
        if self.rates.output == 0:
            raise ValueError("rates.output is 0, but a design needs trained output weights: give it above 0")
        return self

    def target(self, exponent: float) -> Target:
        """The signal of an exponent, of mean square 1; phases are the same for all exponents."""
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, self.tones)
        k = np.arange(1.0, self.tones + 1)

        def signal(x: FloatArray) -> FloatArray:
            waves = np.cos(2 * np.pi * x * k + phases) @ k**-exponent
            values = np.exp(-(x[:, 0] ** 2) / (2 * self.window**2)) * waves
            return np.asarray(values / np.sqrt(np.mean(values**2)))

        return Target.from_function(signal, [(-1, 1)], self.samples)

    def model(self, density: Density) -> FourierFeatures:
        """The network with frequencies from a density."""
        return FourierFeatures(density, self.output_std, self.rates)

    @property
    def times(self) -> FloatArray:
        """Training times, increasing, the budget among them."""
        budget = self.time_budget
        after = budget * np.geomspace(1, self.beyond, 4)
        return np.unique([0.0, *np.geomspace(budget / 30, budget, 13), *after])

    def prepare(self) -> None:
        """Make every signal once, and check that the window lets it fade out."""
        edge = float(np.exp(-1 / (2 * self.window**2)))
        if edge > 0.01:
            raise ValueError(
                f"a window of standard deviation {self.window:g} leaves {edge:.0%} of the signal at the edge of "
                "the interval, where the diffusion over frequency is not exact: give at most 0.32"
            )
        for exponent in self.exponents:
            self.target(exponent)
