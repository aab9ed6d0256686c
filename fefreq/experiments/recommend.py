"""The work behind ``fefreq recommend``: data from files, the recommendation in a folder and in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.initialisation.scale.report import png, write_report
from fefreq.initialisation.scale.search import TIMES, recommend_scale
from fefreq.models.dual_activations import Activation, require_activation
from fefreq.support.files import atomic
from fefreq.support.progress import ProgressBar
from fefreq.targets.readers import read_array, read_image, read_table
from fefreq.targets.split import Holdout

DECADES = 1e5  # that lie before a last time that was asked for


@dataclass(frozen=True)
class Wishes:
    """Options of the command, as :func:`fefreq.recommend_scale` takes them but for the text of some.

    Attributes
    ----------
    bounds : sequence of str
        ``LOW,HIGH`` for every axis, or once for the longest, or none for ``-1,1``.
    scales : str or None
        Numbers with commas between.
    families : sequence of str
    hidden_layers : int
    activation : str
    holdout : str or None
        "alternate" or a number.
    mask : path or None
    seed : int
    until : float or None
        Last training time.
    """

    bounds: Sequence[str] = ()
    scales: str | None = None
    families: Sequence[str] = ("gaussian",)
    hidden_layers: int = 3
    activation: str = "relu"
    holdout: str | None = None
    mask: Path | None = None
    seed: int = 0
    until: float | None = None


def read_data(path: Path, bounds: Sequence[str] = (), mask: Path | None = None) -> dict[str, Any]:
    """Values, and bounds or points, of an image, an array (``.npy``, NaN where samples are missing) or a table.

    Raises
    ------
    ValueError
        If a file is missing or cannot be read, or bounds do not fit it.
    """
    for file in (path, mask):
        if file is not None and not file.is_file():
            raise ValueError(f"there is no file {file}")
    boxes = [_pair(text) for text in bounds]
    if path.suffix.lower() == ".csv":
        if boxes or mask is not None:
            raise ValueError(f"{path.name} lists its points itself, so bounds and masks do not apply")
        points, values, weights = read_table(path)
        return {"values": values, "points": points, "weights": weights}
    if path.suffix.lower() == ".npy":
        values = read_array(path)
        colours = values.ndim == 3 and values.shape[2] <= 4
        dim = len(boxes) if len(boxes) > 1 else 2 if colours else values.ndim
    else:
        values, dim = read_image(path), 2
    if values.ndim == 0:
        raise ValueError(f"{path.name} is a single number; samples need at least one axis")
    if values.size == 0:
        raise ValueError(f"{path.name} holds no samples")
    if len(boxes) not in (0, 1, dim):
        raise ValueError(
            f"{path.name} has {dim} axes, but there are {len(boxes)} bounds: give one LOW,HIGH for every axis, or one "
            "for the longest"
        )
    if len(boxes) < dim or dim == 1:
        boxes = _square(values.shape[:dim], *(boxes or [(-1.0, 1.0)])[0])
    return {"values": values, "bounds": boxes, "mask": None if mask is None else _read_mask(mask)}


def advise(path: Path, wishes: Wishes) -> Recommendation:
    """Read a file and recommend a scale for what it holds, with a bar on a terminal.

    Raises
    ------
    ValueError, TypeError
        If the file or a wish is unusable.
    """
    data = read_data(path, wishes.bounds, wishes.mask)
    until = wishes.until
    if until is not None and not until > 0:
        raise ValueError(f"--until is {until:g}; a training time must be positive")
    require_activation(wishes.activation)
    return recommend_scale(
        **data,
        scales=None if wishes.scales is None else _numbers(wishes.scales),
        family=wishes.families,
        hidden_layers=wishes.hidden_layers,
        activation=cast(Activation, wishes.activation),
        holdout=_holdout(wishes.holdout),
        seed=wishes.seed,
        times=None if until is None else np.geomspace(until / DECADES, until, TIMES),
        progress=ProgressBar(),
    )


def write_recommendation(advice: Recommendation, folder: Path, name: str, warned: Sequence[str] = ()) -> None:
    """Write ``recommendation.nc``, ``recommendation.png``, ``report.html`` and, of data on a grid, ``predicted.vti``.

    Parameters
    ----------
    advice : Recommendation
    folder : path
        Exists and is empty.
    name : str
        Of the data.
    warned : sequence of str
        What the report has to warn of.
    """
    advice.save(folder / "recommendation.nc")
    curves = png(advice.plot())
    with atomic(folder / "recommendation.png") as temporary:
        temporary.write_bytes(curves)
    if advice.split.grid is not None and len(advice.split.grid.shape) <= 3:
        advice.write_image(folder / "predicted.vti")
    write_report(advice, folder / "report.html", name, warned, curves)


def _pair(text: str) -> tuple[float, float]:
    numbers = _numbers(text)
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise ValueError(f"bounds must be LOW,HIGH such as 0,1, not {text!r}")
    return numbers[0], numbers[1]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{text!r} must be numbers with commas between, such as 1,2,4") from error


def _holdout(text: str | None) -> Holdout | None:
    if text is None or text == "alternate":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f'--holdout must be "alternate" or a share such as 0.25, not {text!r}') from error


def _square(shape: Sequence[int], low: float, high: float) -> list[tuple[float, float]]:
    """The longest axis over the whole range, the others about its middle with cells of the same size."""
    middle, half = 0.5 * (low + high), 0.5 * (high - low) / max(shape)
    return [(middle - half * n, middle + half * n) for n in shape]


def _read_mask(path: Path) -> NDArray[np.bool_]:
    """Where an image is not black, in any of its colours, or an array not zero."""
    if path.suffix.lower() == ".npy":
        return np.asarray(read_array(path) != 0)
    lit = np.asarray(read_image(path) != 0)
    return np.asarray(lit.any(axis=-1)) if lit.ndim == 3 else lit
