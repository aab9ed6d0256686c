"""Cells of a sweep: one experiment for every combination of the swept values, all validated before any work.

A key is a path into the experiment file, such as ``training.width``; values are what the file could hold there.

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

from fefreq.experiments.experiment import Experiment
from fefreq.experiments.schema import validated
from fefreq.support.arrays import FloatArray
from fefreq.targets.signals import File
from fefreq.targets.target import Target

FORMAT = "harness sweep cell 1"
# Keys that say nothing about what is computed.
WORDS = ("title", "question", "on_request")
# Dimensions of a comparison, which the dataset of a sweep keeps beside the swept keys.
TAKEN = ("model", "source", "time", "frequency", "seed", "channel", "tone")

Axes = dict[str, tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class Cell:
    """One experiment of a sweep.

    Attributes
    ----------
    place : tuple of int
        Index of its value on every axis.
    values : dict
        Value of every swept key.
    experiment : Experiment
    data : str
        Digest of the data that are learned, which may come from a file that changes.
    """

    place: tuple[int, ...]
    values: dict[str, Any]
    experiment: Experiment
    data: str

    @property
    def label(self) -> str:
        """Keys and values in words."""
        return ", ".join(f"{key} = {text(value)}" for key, value in self.values.items())

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that decides the result: the experiment, its data, and the version."""
        content = {k: v for k, v in self.experiment.model_dump(mode="json").items() if k not in WORDS}
        if isinstance(self.experiment.target, File):
            del content["target"]["path"]  # the data count, wherever they lie
        return _digest([FORMAT, version("fefreq"), content, self.data])

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


def make_cells(
    experiment: Experiment, over: Mapping[str, Sequence[Any]], seeds: int | None = None
) -> list[Cell]:
    """All combinations of the values, the last key varying fastest.

    Parameters
    ----------
    experiment : Experiment
        What every cell has in common.
    over : mapping of str to sequence
        Values of every swept key.
    seeds : int, optional
        Networks in every cell, instead of what the experiment says.

    Raises
    ------
    ValueError
        If a key does not exist, a value does not fit, or the cells would be compared at different times or
        frequencies.
    """
    base = experiment.model_dump(mode="json")
    if seeds is not None:
        if base["training"] is None:
            raise ValueError("there are no networks to have seeds: the experiment has no [training] section")
        if "training.seeds" in over:
            raise ValueError("training.seeds is swept, so give no other number of seeds")
        base["training"]["seeds"] = seeds
    axes = _checked_axes(base, over)
    made: dict[str, _Frame] = {}
    cells = []
    for place in np.ndindex(*(len(values) for values in axes.values())):
        values = {key: options[i] for (key, options), i in zip(axes.items(), place, strict=True)}
        content = copy.deepcopy(base)
        for key, value in values.items():
            _put(content, key, value)
        named = ", ".join(f"{key} = {text(value)}" for key, value in values.items())
        one = validated(Experiment, content, named)
        source = _digest([content["target"], content["frequencies"]])
        if source not in made:
            made[source] = _Frame.of(one, named)
        cells.append(Cell(place, values, one, made[source].data))
    _require_one_frame(list(made.values()), axes)
    _require_same_models(cells)
    for cell, other in itertools.pairwise(sorted(cells, key=lambda cell: cell.fingerprint)):
        if cell.fingerprint == other.fingerprint:
            raise ValueError(f"two cells are the same: {cell.label} and {other.label}; list every value once")
    return cells


def text(value: Any) -> str:
    """A value as a file or a table shows it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _checked_axes(base: dict[str, Any], over: Mapping[str, Sequence[Any]]) -> Axes:
    if not over:
        raise ValueError("there is nothing to sweep: give at least one key with its values")
    axes: Axes = {}
    for key, values in over.items():
        if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)) or len(values) == 0:
            raise ValueError(f"{key}: give a list of values to sweep, not {values!r}")
        _require_key(base, key)
        if key.split(".")[0] == "times":
            raise ValueError(
                f"{key}: the cells of a sweep share their times, so that they can be held against one another; "
                "run one sweep for each choice of times"
            )
        if key in TAKEN:
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


@dataclass(frozen=True, eq=False)
class _Frame:
    """Where the sources of a cell are compared, and a digest of what they learn."""

    grid: FloatArray
    tones: FloatArray
    data: str

    @classmethod
    def of(cls, experiment: Experiment, name: str) -> _Frame:
        from harness.studies.comparison.pipeline import frequency_grid

        try:
            target = experiment.make_target()
            tones = experiment.tones(target.dim)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        return cls(frequency_grid(target, experiment.frequencies.half_width), tones, _data_digest(target))


def _require_one_frame(frames: list[_Frame], axes: Axes) -> None:
    first = frames[0]
    keys = [key for key in axes if key.split(".")[0] in ("target", "frequencies")]
    for frame in frames[1:]:
        for what, one, other in (
            ("frequencies", first.grid, frame.grid),
            ("tones", first.tones, frame.tones),
        ):
            if one.shape != other.shape or not np.allclose(one, other, rtol=1e-12, atol=0):
                raise ValueError(
                    f"{' and '.join(keys)}: the cells would be compared at different {what} ({len(one)} and "
                    f"{len(other)}); fix them with frequencies.{'half_width' if what == 'frequencies' else what} in "
                    "the file, or run one sweep for each value"
                )


def _require_same_models(cells: list[Cell]) -> None:
    names = list(cells[0].experiment.named_models())
    for cell in cells[1:]:
        if list(cell.experiment.named_models()) != names:
            raise ValueError(
                f"{cell.label}: the models are called {', '.join(cell.experiment.named_models())} here and "
                f"{', '.join(names)} in the first cell; all cells need the same names"
            )


def _data_digest(target: Target) -> str:
    digest = hashlib.sha256()
    for array in (target.points, target.values, target.weights):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def absolute(experiment: Experiment) -> Experiment:
    """The same experiment with an absolute path of its data, for processes that work in another folder."""
    return experiment.located(Path.cwd())
