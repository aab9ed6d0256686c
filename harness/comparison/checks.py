"""Checks: what a study insists on, in one vocabulary.

A check is asked twice. :meth:`Check.require` comes before any work and refuses what could only pass or only fail;
:meth:`Check.judge` comes after it and gives verdicts. Checks that stand in files are also tables of their schema.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from harness.comparison.verdicts import Verdict

Context = TypeVar("Context")
Findings = TypeVar("Findings")


class Check(ABC, Generic[Context, Findings]):
    """Something that a study insists on."""

    def require(self, context: Context, path: str) -> None:
        """Refuse a check that means nothing.

        Parameters
        ----------
        context
            What is known of the study before the work.
        path : str
            Key of the check in the file, for the message.

        Raises
        ------
        ValueError
            If it could only pass or only fail, whatever is measured.
        """

    @abstractmethod
    def judge(self, findings: Findings) -> tuple[Verdict, ...]:
        """Hold what was found against what is allowed."""


def require_all(checks: Sequence[Check[Context, Findings]], context: Context, key: str = "checks") -> None:
    """Ask all checks below a key of a file before the work.

    Raises
    ------
    ValueError
        If one of them means nothing; the message begins with its key.
    """
    for number, check in enumerate(checks):
        check.require(context, f"{key}.{number}")


def judge_all(checks: Iterable[Check[Context, Findings]], findings: Findings) -> tuple[Verdict, ...]:
    """The verdicts of all checks, in their order."""
    return tuple(verdict for check in checks for verdict in check.judge(findings))


def require_tone(index: int, tones: int, path: str) -> None:
    """Insist that a tone exists.

    Raises
    ------
    ValueError
        If it does not.
    """
    if index >= tones:
        raise ValueError(f"{path}: there is no tone {index}; there are {tones}, counted from 0")
