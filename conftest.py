"""Examples in the documentation are tests: the Python blocks of README.md and docs/*.md run.

A page is one test and one session, in a temporary folder. A block marked ``text`` after a block of Python is what it
prints: words must agree, and numbers to 5 %, since their last digits are those of one machine.
"""

from __future__ import annotations

import contextlib
import io
import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

collect_ignore = ["docs/_build", "docs/conf.py"]

ROOT = Path(__file__).parent
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
NUMBER_TOLERANCE = 0.05

execute = PythonEvaluator()


def run(example: Example) -> None:
    """Execute a block and keep what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        execute(example)
    example.namespace["_printed"] = printed.getvalue()


def compare(example: Example) -> str | None:
    """Hold what the last block of Python printed against what the page shows."""
    shown, printed = str(example.parsed).strip(), example.namespace.pop("_printed").strip()
    if NUMBER.split(shown) == NUMBER.split(printed) and all(
        math.isclose(float(a), float(b), rel_tol=NUMBER_TOLERANCE)
        for a, b in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    ):
        return None
    return f"the page shows\n{shown}\nbut the code prints\n{printed}"


SYBIL = Sybil(
    parsers=[CodeBlockParser("python", run), CodeBlockParser("text", compare)],
    path=str(ROOT),
    patterns=["README.md", "docs/*.md"],
)


class Page(pytest.File):
    """A page with examples."""

    def collect(self) -> Iterator[pytest.Item]:
        """All examples as one test: later ones build on earlier ones."""
        if list(SYBIL.parse(self.path).examples()):
            yield Examples.from_parent(self, name="examples")


class Examples(pytest.Item):
    """The examples of a page, in their order."""

    def runtest(self) -> None:
        """Run them in a folder that is removed afterwards."""
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for example in SYBIL.parse(self.path).examples():
                example.evaluate()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Page | None:
    """Collect the pages."""
    return Page.from_parent(parent, path=file_path) if SYBIL.should_parse(file_path) else None
