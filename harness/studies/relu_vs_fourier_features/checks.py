"""What a study of ReLU networks beside Fourier features insists on, as tables of its file."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from fefreq.experiments.schema import Section
from harness.comparison.checks import Check, require_tone
from harness.comparison.verdicts import Verdict
from harness.studies.relu_dynamics.numbers import cycles, in_band, require_band, short, telling_digits

PREDICTED, FOURIER = "pde", "network"


@dataclass(frozen=True)
class BiasPlan:
    """Names of the sources, and the number of tones, which are known before the work."""

    sources: tuple[str, ...]
    tones: int


@dataclass(frozen=True, eq=False)
class Found:
    """What was found: the comparison of all sources, and half-lives and remaining shares of the tones."""

    comparison: xr.Dataset
    tones: xr.Dataset


class BiasStudyCheck(Section, Check[BiasPlan, Found]):
    """A check of sources and tones."""

    def require(self, context: BiasPlan, path: str) -> None:
        """Refuse sources and tones that are not there."""
        for key in ("slow", "fast", "tone"):
            if (index := getattr(self, key, None)) is not None:
                require_tone(index, context.tones, f"{path}.{key}")
        source = getattr(self, "source", FOURIER)
        if source not in context.sources:
            known = ", ".join(context.sources)
            raise ValueError(f"{path}.source: there is no {source!r}; there are {known}")

    def judge(self, findings: Found) -> tuple[Verdict, ...]:
        """Hold what was found against what is allowed."""
        return (self.of(findings.comparison, findings.tones),)

    @abstractmethod
    def of(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """The verdict."""


class PredictedCheck(BiasStudyCheck):
    """The mean field of the networks on Fourier features stays close to its prediction at every time."""

    kind: Literal["predicted"]
    tolerance: PositiveFloat = Field(description="largest L2 difference, relative to the initial error")

    def of(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """Compare at all times."""
        difference = float(comparison.difference.sel(source=FOURIER).max())
        return Verdict(
            "Fourier features follow the diffusion equation",
            f"{100 * difference:.2g} %",
            f"at most {100 * self.tolerance:g} % of the initial error",
            difference <= self.tolerance,
        )


class BiasCheck(BiasStudyCheck):
    """The half-life of a fast tone exceeds that of a slow one by a factor, for networks of one source."""

    kind: Literal["bias"]
    source: str = Field(description="`network` for Fourier features, or the name of a condition")
    slow: NonNegativeInt = Field(description="index of the slow tone")
    fast: NonNegativeInt = Field(description="index of the fast tone")
    at_least: PositiveFloat | None = Field(None, description="smallest ratio of the half-lives")
    at_most: PositiveFloat | None = Field(None, description="largest ratio of the half-lives")

    @model_validator(mode="after")
    def _can_hold(self) -> BiasCheck:
        require_band(self.at_least, self.at_most)
        if self.slow == self.fast:
            raise ValueError(f"slow and fast are both tone {self.slow}: name two tones")
        return self

    def of(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """Divide the half-lives."""
        lives = tones.half_life.sel(source=self.source).values
        covered = float(tones.covered.sel(source=self.source))
        endless = not np.isfinite(lives[self.fast])
        ratio = float((covered if endless else lives[self.fast]) / lives[self.slow])
        # Beyond the end of the run the ratio is only known to be larger.
        known = self.at_most is None or not endless
        digits = telling_digits(ratio, self.at_least, self.at_most)
        xi = tones.frequency.values
        return Verdict(
            f"{self.source}: half-life of {cycles(xi[self.fast])} over that of {xi[self.slow]:g}",
            f"{'> ' if endless else ''}{short(ratio, digits)}",
            _allowed(self.at_least, self.at_most),
            bool(known and np.isfinite(lives[self.slow]) and in_band(ratio, self.at_least, self.at_most)),
        )


class LeftCheck(BiasStudyCheck):
    """How much of a tone is left at the end."""

    kind: Literal["left"]
    source: str = Field(description="`network` for Fourier features, or the name of a condition")
    tone: NonNegativeInt = Field(description="index of the tone")
    at_least: float | None = Field(None, ge=0, description="smallest share of its start")
    at_most: float | None = Field(None, ge=0, description="largest share of its start")

    @model_validator(mode="after")
    def _can_hold(self) -> LeftCheck:
        require_band(self.at_least, self.at_most)
        return self

    def of(self, comparison: xr.Dataset, tones: xr.Dataset) -> Verdict:
        """Compare the modulus at the end with that at the start."""
        percent = 100 * float(tones.left.sel(source=self.source)[self.tone])
        ends = (
            None if self.at_least is None else 100 * self.at_least,
            None if self.at_most is None else 100 * self.at_most,
        )
        return Verdict(
            f"{self.source}: error left at {cycles(float(tones.frequency[self.tone]))}",
            f"{short(percent, telling_digits(percent, *ends))} %",
            _allowed(*ends, " %"),
            in_band(percent, *ends),
        )


def _allowed(at_least: float | None, at_most: float | None, unit: str = "") -> str:
    ends = {"at least": at_least, "at most": at_most}
    return " and ".join(f"{words} {end:g}{unit}" for words, end in ends.items() if end is not None)


AnyBiasCheck = Annotated[PredictedCheck | BiasCheck | LeftCheck, Field(discriminator="kind")]
