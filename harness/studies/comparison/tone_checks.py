"""Checks on the half-lives of tones: how well they agree, and their order."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from harness.comparison.tones import tone_name
from harness.comparison.verdicts import Verdict
from harness.studies.comparison.case import Case
from harness.studies.comparison.check import CaseCheck, Cases, ComparisonCheck, Source


class HalfLifeCheck(CaseCheck):
    """Half-lives of the tones agree between two sources wherever they fall inside the run."""

    needs_tones: ClassVar[int] = 1
    kind: Literal["half-life"]
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("pde", description="what it is held against")
    tolerance: PositiveFloat = Field(description="largest relative difference")

    def of(self, case: Case) -> list[Verdict]:
        """A verdict for every tone whose half-life falls inside the run of both."""
        verdicts = []
        lives, covered = case.tones.half_life, case.tones.covered
        inside = min(float(covered.sel(source=name)) for name in (self.source, self.reference))
        pairs = zip(
            lives.sel(source=self.source).values, lives.sel(source=self.reference).values, strict=True
        )
        for index, (a, b) in enumerate(pairs):
            if min(a, b) > inside:
                continue  # neither falls inside the run, so there is nothing measured to hold against
            gap = abs(a / b - 1)
            verdicts.append(
                Verdict(
                    f"half-life at {tone_name(case.tones, index)}, {self.source} against {self.reference}",
                    f"{a:.4g} against {b:.4g}, {gap:.1%}",
                    f"≤ {self.tolerance:.1%}",
                    bool(gap <= self.tolerance),
                )
            )
        return verdicts or [Verdict("half-lives", "none falls inside the run", "at least one", passed=False)]


class OrderCheck(CaseCheck):
    """One tone is learned sooner than another by at least a factor."""

    kind: Literal["sooner"]
    model: str = Field(description="name of the model")
    source: Source = Field("pde", description="the source under test")
    sooner: int = Field(ge=0, description="index of the tone that is learned first")
    later: int = Field(ge=0, description="index of the other tone")
    factor: PositiveFloat = Field(description="smallest ratio of half-lives")

    def of(self, case: Case) -> list[Verdict]:
        """The ratio of the half-lives, a lower bound where the later one is beyond what the source covers."""
        lives = case.tones.half_life.sel(source=self.source).values
        horizon = float(case.tones.covered.sel(source=self.source))
        ratio = min(lives[self.later], horizon) / lives[self.sooner]
        bound = "at least " if lives[self.later] > horizon else ""
        first, second = (tone_name(case.tones, index) for index in (self.sooner, self.later))
        return [
            Verdict(
                f"{first} learned sooner than {second}, {self.source}",
                f"{bound}{ratio:.4g} times",
                f"≥ {self.factor:g} times",
                bool(ratio >= self.factor),
            )
        ]


class EqualCheck(CaseCheck):
    """All tones have the same half-life, and it falls inside what the source covers."""

    needs_tones: ClassVar[int] = 2
    kind: Literal["together"]
    model: str = Field(description="name of the model")
    source: Source = Field("pde", description="the source under test")
    tolerance: PositiveFloat = Field(description="largest relative spread of the half-lives")

    def of(self, case: Case) -> list[Verdict]:
        """The spread of the half-lives, infinite if one is beyond what the source covers."""
        lives = case.tones.half_life.sel(source=self.source).values
        spread = float(np.max(lives) / np.min(lives) - 1) if np.all(np.isfinite(lives)) else float("inf")
        return [
            Verdict(
                f"all tones learned at one rate, {self.source}",
                f"half-lives {', '.join(f'{life:.4g}' for life in lives)}: spread {spread:.1%}",
                f"≤ {self.tolerance:.1%}",
                bool(spread <= self.tolerance),
            )
        ]


class FasterCheck(ComparisonCheck):
    """One tone is learned sooner by every model of a list than by the one before."""

    kind: Literal["faster"]
    models: tuple[str, ...] = Field(min_length=2, description="names of models, the slowest first")
    tone: int = Field(ge=0, description="index of the tone")
    source: Source = Field("pde", description="the source under test")

    def judge(self, findings: Cases) -> tuple[Verdict, ...]:
        """Whether half-lives fall; only the first may be beyond what the source covers, for nothing exceeds it."""
        lives = [
            float(findings[name].tones.half_life.sel(source=self.source)[self.tone]) for name in self.models
        ]
        tone = tone_name(findings[self.models[0]].tones, self.tone)
        return (
            Verdict(
                f"{tone} learned sooner by each of {', '.join(self.models)}, {self.source}",
                f"half-lives {', '.join(f'{life:.4g}' for life in lives)}",
                "each below the one before",
                all(a > b for a, b in pairwise(lives)),
            ),
        )
