"""Cells of a sweep: one study for every combination of the swept values, all validated before any work.

A key is a path into the file of the study, such as ``training.width``; values are what the file could hold there.

>>> read_axis("training.width=64,128")
('training.width', [64, 128])
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from fefreq.experiments.schema import validated
from harness.studies import DEFAULT, Study
from harness.studies.frame import Frame

FORMAT = "harness sweep cell 1"
# Keys that say nothing about what is computed.
WORDS = ("title", "question", "on_request")
# Keys that decide what the cells of a comparison share.
FRAMING = ("target", "frequencies", "models")
# Dimensions of a comparison, which the dataset of a sweep keeps beside the swept keys.
TAKEN = ("model", "source", "time", "frequency", "seed", "channel", "tone")

Axes = dict[str, tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Cell:
    """One study of a sweep.

    Attributes
    ----------
    place : tuple of int
        Index of its value on every axis.
    values : dict
        Value of every swept key.
    study : Study
    data : str
        Digest of the data that are learned, which may come from a file that changes.
    """

    place: tuple[int, ...]
    values: dict[str, Any]
    study: Study
    data: str

    @property
    def label(self) -> str:
        """Keys and values in words."""
        return ", ".join(f"{key} = {text(value)}" for key, value in self.values.items())

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that decides the result: the study, its data, and the version."""
        content = {k: v for k, v in self.study.model_dump(mode="json").items() if k not in WORDS}
        if isinstance(target := content.get("target"), dict):
            target.pop("path", None)  # the data count, wherever they lie
        return _digest([FORMAT, version("fefreq"), content, self.data])

    @property
    def file(self) -> str:
        """Name of the file that it leaves."""
        return f"{getattr(self.study, 'kind', DEFAULT)}.nc"

    @property
    def folder(self) -> str:
        """Name of its folder: readable, and different for whatever gives other results."""
        readable = ",".join(f"{key}={text(value)}" for key, value in self.values.items())
        return f"{re.sub(r'[^A-Za-z0-9.,=_+-]+', '-', readable)[:80]}-{self.fingerprint[:12]}"


def read_axis(argument: str) -> tuple[str, list[Any]]:
    """Read ``KEY=VALUES``, the values written as in a TOML file and separated by commas.

    Raises
    ------
    ValueError
        If there is no key, or the values are no TOML.
    """
    key, equals, values = (part.strip() for part in argument.partition("="))
    if not key or not equals or not values:
        raise ValueError(f"{argument!r} sweeps nothing: write KEY=VALUES, such as training.width=1024,4096")
    try:
        read = tomllib.loads(f"values = [{values}]")
    except tomllib.TOMLDecodeError as error:
        raise ValueError(
            f"{values!r} are no values for {key} ({error}): write them as in a TOML file, text in double quotes, "
            "with commas between them"
        ) from error
    if list(read) != ["values"]:
        raise ValueError(f"{values!r} hold more than the values for {key}")
    return key, read["values"]


def make_cells(study: Study, over: Mapping[str, Sequence[Any]], seeds: int | None = None) -> list[Cell]:
    """All combinations of the values, the last key varying fastest.

    Parameters
    ----------
    study : Study
        What every cell has in common.
    over : mapping of str to sequence
        Values of every swept key.
    seeds : int, optional
        Networks in every cell, instead of what the file says.

    Raises
    ------
    ValueError
        If a key does not exist, a value does not fit, or the cells would be compared at different times or
        frequencies.
    """
    base = study.model_dump(mode="json")
    if seeds is not None:
        _set_seeds(base, seeds, over)
    axes = _checked_axes(base, over, study.shares_times)
    made: dict[str, Frame] = {}
    cells = []
    for place in np.ndindex(*(len(values) for values in axes.values())):
        values = {key: options[i] for (key, options), i in zip(axes.items(), place, strict=True)}
        content = copy.deepcopy(base)
        for key, value in values.items():
            _put(content, key, value)
        named = ", ".join(f"{key} = {text(value)}" for key, value in values.items())
        one = validated(type(study), content, named)
        source = _digest([content.get(key) for key in FRAMING] if study.shares_times else content)
        if source not in made:
            made[source] = _framed(one, named)
        cells.append(Cell(place, values, one, made[source].data))
    _require_one_frame(list(made.values()), axes)
    for cell, other in itertools.pairwise(sorted(cells, key=lambda cell: cell.fingerprint)):
        if cell.fingerprint == other.fingerprint:
            raise ValueError(f"two cells are the same: {cell.label} and {other.label}; list every value once")
    return cells


def text(value: Any) -> str:
    """A value as a file or a table shows it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _set_seeds(base: dict[str, Any], seeds: int, over: Mapping[str, Sequence[Any]]) -> None:
    if "training.seeds" in over or "seeds" in over:
        raise ValueError("the seeds are swept, so give no other number of seeds")
    place = base if "seeds" in base else base.get("training")
    if not isinstance(place, dict) or "seeds" not in place:
        raise ValueError("there are no networks to have seeds: the file has no [training] section")
    place["seeds"] = seeds


def _checked_axes(base: dict[str, Any], over: Mapping[str, Sequence[Any]], shares_times: bool) -> Axes:
    if not over:
        raise ValueError("there is nothing to sweep: give at least one key with its values")
    axes: Axes = {}
    for key, values in over.items():
        if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)) or len(values) == 0:
            raise ValueError(f"{key}: give a list of values to sweep, not {values!r}")
        _require_key(base, key)
        if shares_times and key.split(".")[0] == "times":
            raise ValueError(
                f"{key}: the cells of a sweep share their times, so that they can be held against one another; "
                "run one sweep for each choice of times"
            )
        if shares_times and key in TAKEN:
            raise ValueError(
                f"{key}: whole models cannot be swept; name them in the file, as [{key}s.NAME], or sweep a key inside"
            )
        axes[key] = tuple(v.item() if isinstance(v, np.generic) else v for v in values)
    for one, other in itertools.permutations(axes, 2):
        if other.startswith(f"{one}."):
            raise ValueError(f"{one} contains {other}, so only one of them can be swept")
    return axes


def _require_key(base: dict[str, Any], key: str) -> None:
    parts = key.split(".")
    place: Any = base
    for depth, part in enumerate(parts):
        if isinstance(place, dict) and part in place:
            place = place[part]
        elif isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        elif place is None and depth:
            raise ValueError(
                f"{key} cannot be swept: the experiment has no [{'.'.join(parts[:depth])}] section"
            )
        else:
            near = _near(key, list(_known(base)))
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ValueError(f"there is no key {key!r} in this experiment{hint}")


def _near(key: str, known: list[str]) -> list[str]:
    """Keys that may have been meant: similar ones, and those that end alike."""
    last = key.rsplit(".", 1)[-1]
    ends_alike = [one for one in known if one.rsplit(".", 1)[-1] == last]
    close = difflib.get_close_matches(key, known, n=2, cutoff=0.7)
    ranked = sorted(
        {*ends_alike, *close}, key=lambda one: (-difflib.SequenceMatcher(None, key, one).ratio(), one)
    )
    return ranked[:3]


def _known(table: dict[str, Any], prefix: str = "") -> list[str]:
    """Paths of all keys."""
    return [
        path
        for key, value in table.items()
        for path in (f"{prefix}{key}", *(_known(value, f"{prefix}{key}.") if isinstance(value, dict) else ()))
    ]


def _put(content: Any, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        content = content[int(part) if isinstance(content, list) else part]
    content[int(last) if isinstance(content, list) else last] = copy.deepcopy(value)


def _framed(study: Study, name: str) -> Frame:
    try:
        return study.frame()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _require_one_frame(frames: list[Frame], axes: Axes) -> None:
    first = frames[0]
    keys = [key for key in axes if key.split(".")[0] in FRAMING]
    for frame in frames[1:]:
        if frame.models != first.models:
            raise ValueError(
                f"the models are called {', '.join(frame.models)} in one cell and {', '.join(first.models)} in the "
                "first; all cells need the same names"
            )
        for what, other in frame.shared.items():
            one = first.shared[what]
            if one.shape != other.shape or not np.allclose(one, other, rtol=1e-12, atol=0):
                raise ValueError(
                    f"{' and '.join(keys)}: the cells would be compared at different {what} ({len(one)} and "
                    f"{len(other)}); fix them with frequencies.{'half_width' if what == 'frequencies' else what} in "
                    "the file, or run one sweep for each value"
                )


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def absolute(study: Study) -> Study:
    """The same study with absolute paths of its data, for processes that work in another folder."""
    return study.located(Path.cwd())
