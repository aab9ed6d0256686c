"""Checks on the fields of the error: how close, how far, how still."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat

from fefreq.fields.coordinates import frequency_points
from fefreq.fields.half_life import time_to_level
from fefreq.support.arrays import ComplexArray, FloatArray
from harness.comparison.compare import relative_difference
from harness.comparison.verdicts import Verdict
from harness.studies.comparison.case import Case
from harness.studies.comparison.check import CaseCheck, Cases, ComparisonCheck, ComparisonPlan, Part, Source


class FieldCheck(CaseCheck):
    """The field of one source stays close to another's at every time, relative to the initial error."""

    kind: Literal["field"]
    part: Part = Field("all", description="the whole field, its even part (real) or its odd part (imaginary)")
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("pde", description="what it is held against")
    tolerance: PositiveFloat = Field(
        description="largest relative L2 difference, mean over seeds, at any time"
    )
    each_seed: PositiveFloat | None = Field(None, description="the same for every single seed")

    def require(self, context: ComparisonPlan, path: str) -> None:
        """Besides: only networks have seeds, and these share one error only from a common start."""
        super().require(context, path)
        if self.each_seed is None:
            return
        if self.source != "network":
            raise ValueError(f"{path}: each_seed is for the source network, not for {self.source}")
        if context.start == "plain":
            raise ValueError(
                f"{path}: with a plain start every seed has an error of its own; leave out each_seed"
            )

    def of(self, case: Case) -> list[Verdict]:
        """The largest difference over times, of the mean and of every seed."""
        data = case.comparison
        reference = data.error.sel(source=self.reference).values
        scale = np.linalg.norm(reference[0])

        def distance(fields: ComplexArray) -> FloatArray:
            gap = part_of(fields - reference, self.part)
            flat = gap.reshape(*gap.shape[: gap.ndim - reference.ndim + 1], -1)
            return np.asarray(np.linalg.norm(flat, axis=-1) / scale)

        of = "" if self.part == "all" else f" ({self.part} part)"
        what = f"{self.source} against {self.reference}, field{of}"
        averaged = ", mean over seeds" if self.source == "network" else ""
        mean = distance(data.error.sel(source=self.source).values)
        verdicts = [largest(what + averaged, mean, data.time.values, self.tolerance)]
        if self.each_seed is not None:
            assert case.run is not None
            members = distance(case.run.members_at(frequency_points(data)))
            worst = np.max(members, axis=0)
            verdicts.append(largest(f"{what}, every seed", worst, data.time.values, self.each_seed))
        return verdicts


class StillCheck(CaseCheck):
    """A part of the error stays what it was at the start."""

    kind: Literal["still"]
    model: str = Field(description="name of the model")
    part: Part = Field("even", description="which part of the field")
    source: Source = Field("network", description="the source under test")
    tolerance: PositiveFloat = Field(
        description="largest change at any time, relative to the part at the start"
    )

    def of(self, case: Case) -> list[Verdict]:
        """The largest change over times."""
        field = part_of(case.comparison.error.sel(source=self.source).values, self.part)
        change = np.linalg.norm((field - field[0]).reshape(len(field), -1), axis=1) / np.linalg.norm(field[0])
        at = int(np.argmax(change))
        return [
            Verdict(
                f"the {self.part} part of the error stays, {self.source}",
                f"changes by {change[at]:.2%}, at t = {case.comparison.time.values[at]:.3g}",
                f"≤ {self.tolerance:.2%}",
                bool(change[at] <= self.tolerance),
            )
        ]


class ReachCheck(CaseCheck):
    """Two sources agree on the time at which the error has come down to a level."""

    kind: Literal["reaches"]
    level: float = Field(gt=0, lt=1, description="share of the initial error")
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("pde", description="what it is held against")
    tolerance: PositiveFloat = Field(description="largest relative difference of the two times")

    def of(self, case: Case) -> list[Verdict]:
        """The difference of the two times."""
        data = case.comparison
        found, expected = (
            time_to_level(data.time.values, data.remaining.sel(source=name).values, self.level)
            for name in (self.source, self.reference)
        )
        gap = abs(found / expected - 1) if np.isfinite(found) and np.isfinite(expected) else float("inf")
        return [
            Verdict(
                f"error at {self.level:.0%} of its start, {self.source} against {self.reference}",
                f"t = {found:.4g} against {expected:.4g}, {gap:.1%}",
                f"≤ {self.tolerance:.1%}",
                bool(gap <= self.tolerance),
            )
        ]


class ApartCheck(CaseCheck):
    """Two sources differ visibly: their largest relative difference is at least something."""

    kind: Literal["apart"]
    source: Source = Field("pde", description="the source under test")
    reference: Source = Field("kernel", description="what it is held against")
    at_least: PositiveFloat = Field(
        description="share of the initial error by which they must differ at some time"
    )

    def of(self, case: Case) -> list[Verdict]:
        """The largest difference over times, less that at the start, which is the mesh."""
        gaps = differences(case, self.source, self.reference)
        gaps = gaps - gaps[0]
        at = int(np.argmax(gaps))
        return [
            Verdict(
                f"{self.source} visibly apart from {self.reference}",
                f"{gaps[at]:.2%} of the initial error, at t = {case.comparison.time.values[at]:.3g}",
                f"≥ {self.at_least:.2%}",
                bool(gaps[at] >= self.at_least),
            )
        ]


class CloserCheck(ComparisonCheck):
    """Every model of a list is closer to a reference than the one before, over all times together."""

    kind: Literal["closer"]
    models: tuple[str, ...] = Field(min_length=2, description="names of models, the farthest first")
    source: Source = Field("network", description="the source under test")
    reference: Source = Field("kernel", description="what it is held against")

    def judge(self, findings: Cases) -> tuple[Verdict, ...]:
        """Whether root mean squares over times fall."""
        gaps = [differences(findings[name], self.source, self.reference) for name in self.models]
        means = [float(np.sqrt(np.mean(gap**2))) for gap in gaps]
        return (
            Verdict(
                f"{self.source} closer to {self.reference} with each of {', '.join(self.models)}",
                f"root mean square over times {', '.join(f'{mean:.2%}' for mean in means)}",
                "each below the one before",
                all(a > b for a, b in pairwise(means)),
            ),
        )


def part_of(values: ComplexArray, part: Part) -> ComplexArray | FloatArray:
    """Part of a field of real data: the even part is its real part, the odd part its imaginary part."""
    if part == "all":
        return values
    return np.asarray(values.real if part == "even" else values.imag)


def differences(case: Case, source: str, reference: str) -> FloatArray:
    """Relative difference of two sources at every time."""
    error = case.comparison.error
    return relative_difference(error.sel(source=source).values, error.sel(source=reference).values)


def largest(name: str, difference: FloatArray, times: FloatArray, tolerance: float) -> Verdict:
    """Verdict on the largest of relative differences over times."""
    at = int(np.argmax(difference))
    measured = f"{difference[at]:.2%} of the initial error, at t = {times[at]:.3g}"
    return Verdict(name, measured, f"≤ {tolerance:.2%}", bool(difference[at] <= tolerance))
