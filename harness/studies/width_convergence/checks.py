"""What a width-convergence study insists on: bands of exponents."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, PositiveFloat

from fefreq.experiments.schema import Section as Keys
from harness.comparison.checks import Check
from harness.comparison.verdicts import Verdict
from harness.studies.width_convergence.laws import Laws
from harness.studies.width_convergence.power_laws import PowerLaw


class ExponentBand(Keys):
    """An exponent, and how far what is measured may be from it."""

    expected: float = Field(description="exponent of the power law")
    tolerance: PositiveFloat = Field(description="largest distance of the fitted exponent from it")


class ConvergenceBands(Keys):
    """The power laws that must come out."""

    width: ExponentBand = Field(
        ExponentBand(expected=-0.5, tolerance=0.1),
        description="distance to descent against width, at every learning rate",
    )
    learning_rate: ExponentBand = Field(
        ExponentBand(expected=1.0, tolerance=0.15),
        description="distance of the widest networks to the flow against the learning rate",
    )

    def all(self, widest: int) -> tuple[Check[None, Laws], ...]:
        """The checks, where the floor is measured at the widest network."""
        return (WidthExponents(self.width), FloorExponent(self.learning_rate, widest))


@dataclass(frozen=True)
class WidthExponents(Check[None, Laws]):
    """The distance to descent falls with the width as expected, at every learning rate."""

    band: ExponentBand

    def judge(self, findings: Laws) -> tuple[Verdict, ...]:
        """One verdict for each rate."""
        return tuple(
            verdict(f"distance to descent against width, learning rate {rate:g}", law, self.band)
            for rate, law in findings.widths.items()
        )


@dataclass(frozen=True)
class FloorExponent(Check[None, Laws]):
    """The distance to the flow falls with the learning rate as expected, at the largest width."""

    band: ExponentBand
    width: int

    def judge(self, findings: Laws) -> tuple[Verdict, ...]:
        """One verdict."""
        name = f"distance to the flow against learning rate, width {self.width:,}"
        return (verdict(name, findings.floor, self.band),)


def verdict(name: str, law: PowerLaw, band: ExponentBand) -> Verdict:
    """Hold an exponent against its band."""
    return Verdict(
        name,
        f"exponent {law.slope:.3f} ± {law.uncertainty:.3f}",
        f"{band.expected:g} ± {band.tolerance:g}",
        bool(abs(law.slope - band.expected) <= band.tolerance),
    )
