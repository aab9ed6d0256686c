"""Studies: one folder a question, with its file, its work, its checks and its report.

The key ``kind`` of a file is the name of a folder; a file without it is a
:class:`~harness.studies.comparison.study.Comparison`. Every study is carried out by :meth:`Study.carry_out` and leaves
a :class:`StudyResult`. Imports reports, comparison, training, networks and relu.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from harness.studies.study import Study, StudyResult

DEFAULT = "comparison"

__all__ = ["DEFAULT", "Study", "StudyResult", "study_kind", "study_kinds"]


def study_kinds() -> list[str]:
    """Values that the key ``kind`` of a file may have: the folders of this room."""
    return [module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__) if module.ispkg]


def study_kind(kind: str) -> type[Study]:
    """The class of a kind of study, which is loaded when it is asked for."""
    name = f"{__name__}.{kind.replace('-', '_')}.study"
    (found,) = (
        thing
        for thing in vars(import_module(name)).values()
        if isinstance(thing, type) and issubclass(thing, Study) and thing.__module__ == name
    )
    return found
