"""Checks of a comparison: what all of them share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from fefreq.experiments.schema import Section
from harness.comparison.checks import Check, require_tone
from harness.comparison.verdicts import Verdict
from harness.studies.comparison.case import Case

Source = Literal["pde", "kernel", "descent", "network"]
Part = Literal["all", "even", "odd"]
Cases = Mapping[str, Case]


@dataclass(frozen=True)
class ComparisonPlan:
    """What is known of a comparison before the work.

    Attributes
    ----------
    models : tuple of str
        Their names.
    tones : int
        Number of tones.
    start : str or None
        How networks start, None without training.
    """

    models: tuple[str, ...]
    tones: int
    start: str | None


class ComparisonCheck(Section, Check[ComparisonPlan, Cases]):
    """A check of a comparison."""

    needs_tones: ClassVar[int] = 0

    @property
    def concerned(self) -> tuple[str, ...]:
        """Names of the models that it is about; none if it is about all."""
        for key in ("model", "models"):
            if named := getattr(self, key, ()):
                return (named,) if isinstance(named, str) else tuple(named)
        return ()

    def require(self, context: ComparisonPlan, path: str) -> None:
        """Refuse sources, models and tones that are not there."""
        sources = {getattr(self, name) for name in ("source", "reference") if hasattr(self, name)}
        if context.start is None and sources & {"network", "descent"}:
            raise ValueError(f"{path}: there is no network to look at without a [training] section")
        if hasattr(self, "reference") and len(sources) == 1:
            raise ValueError(f"{path}: a source agrees with itself; source and reference must differ")
        for name in ("sooner", "later", "tone"):
            if isinstance(index := getattr(self, name, None), int):
                require_tone(index, context.tones, f"{path}.{name}")
        if context.tones < self.needs_tones == 1:
            raise ValueError(f"{path}: there are no tones; list them in frequencies.tones")
        if context.tones < self.needs_tones:
            raise ValueError(
                f"{path}: it takes two tones to be learned together, but there are {context.tones}"
            )
        require_models(self.concerned, context.models)


def require_models(named: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Insist that models exist.

    Raises
    ------
    ValueError
        If one does not.
    """
    for name in named:
        if name not in known:
            raise ValueError(f"the model {name!r} is named, but there is only {', '.join(known)}")


class CaseCheck(ComparisonCheck):
    """A check of single models: of those that it names, or of all."""

    def judge(self, findings: Cases) -> tuple[Verdict, ...]:
        """A verdict or several for every model, led by its name if there are several."""
        found = {name: self.of(findings[name]) for name in self.concerned or tuple(findings)}
        several = len(findings) > 1
        return tuple(v.about(name) if several else v for name, verdicts in found.items() for v in verdicts)

    @abstractmethod
    def of(self, case: Case) -> list[Verdict]:
        """The verdicts on one model."""
