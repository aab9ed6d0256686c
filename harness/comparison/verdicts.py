"""Verdicts: what was measured, what was allowed, and whether that is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One check after the work.

    Attributes
    ----------
    name : str
        What is checked, in words.
    measured, allowed : str
        Numbers with their meaning.
    passed : bool
    """

    name: str
    measured: str
    allowed: str
    passed: bool

    def about(self, subject: str) -> Verdict:
        """The same verdict, its name led by what it is about."""
        return Verdict(f"{subject}: {self.name}", self.measured, self.allowed, self.passed)
