"""Errors by family of densities, scale and time, and which of them is best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fefreq.fields.error_curves import ErrorCurves, psnr
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    import xarray as xr

# Differences of so many dB are below the error of the prediction. Among such scales the smallest one is taken: on the
# images of scale-choice-images, networks of finite width did better than predicted at small scales, not at large ones.
FLAT = 0.5


@dataclass(frozen=True, eq=False)
class Trial:
    """What was predicted of one density.

    Attributes
    ----------
    family : str
    scale : float
    curves : ErrorCurves
    seconds : float
        That the prediction took.
    """

    family: str
    scale: float
    curves: ErrorCurves
    seconds: float


@dataclass(frozen=True)
class Choice:
    """The best scale of a family.

    Attributes
    ----------
    family : str
    scale : float
        In cycles per unit length.
    psnr : float
        Of the held-out samples at the last time, in dB.
    nearly_as_good : tuple of float
        Least and largest of the scales around the largest PSNR that lose no more than 0.5 dB; the least is the best.
    early_stopping_time : float
        The training time at which the held-out error of this scale is least.
    """

    family: str
    scale: float
    psnr: float
    nearly_as_good: tuple[float, float]
    early_stopping_time: float


def flat_range(decibels: FloatArray) -> tuple[int, int]:
    """First and last place around the largest of PSNRs over increasing scales that is no more than 0.5 dB below it.

    >>> flat_range(np.array([21.9, 20.0, 21.6, 22.0, 21.0]))
    (2, 3)
    """
    low = high = int(np.argmax(decibels))
    floor = decibels[low] - FLAT
    while low > 0 and decibels[low - 1] >= floor:
        low -= 1
    while high < len(decibels) - 1 and decibels[high + 1] >= floor:
        high += 1
    return low, high


def best_choice(table: xr.Dataset) -> Choice:
    """What a table of predictions recommends, see :attr:`Recommendation.best`."""
    largest = table.heldout_psnr.values[:, :, -1].max(axis=1)
    return choice_of(table, str(table.family.values[int(np.argmax(largest))]))


def choice_of(table: xr.Dataset, family: str) -> Choice:
    """The best scale of one family."""
    last = table.heldout_psnr.sel(family=family).values[:, -1]
    low, high = flat_range(last)
    stop = table.early_stopping_time.sel(family=family).values[low]
    flat = float(table.scale[low]), float(table.scale[high])
    return Choice(family, flat[0], float(last[low]), flat, float(stop))


def tabulated(trials: Sequence[Trial], attributes: dict[str, str | int | float]) -> xr.Dataset:
    """Tabulate trials of all pairs of families and scales; the attributes name the ``peak`` of the values."""
    import xarray as xr

    families = list(dict.fromkeys(trial.family for trial in trials))
    scales = sorted({trial.scale for trial in trials})
    by_place = {(trial.family, trial.scale): trial for trial in trials}
    grid = [[by_place[family, scale] for scale in scales] for family in families]
    train = np.array([[trial.curves.trained for trial in row] for row in grid])
    held = np.array([[trial.curves.held_out for trial in row] for row in grid])
    stops = np.array([[trial.curves.early_stopping_time for trial in row] for row in grid])
    spent = np.array([[trial.seconds for trial in row] for row in grid])
    where = ("family", "scale", "time")
    return xr.Dataset(
        {
            "train_mse": (where, train, {"long_name": "mean square error at trained samples"}),
            "heldout_mse": (where, held, {"long_name": "mean square error at held-out samples"}),
            "train_psnr": (where, psnr(train, float(attributes["peak"])), {"units": "dB"}),
            "heldout_psnr": (where, psnr(held, float(attributes["peak"])), {"units": "dB"}),
            "early_stopping_time": (where[:2], stops, {"long_name": "time of the least held-out error"}),
            "seconds": (where[:2], spent, {"long_name": "time that the prediction took", "units": "s"}),
        },
        coords={
            "family": families,
            "scale": ("scale", scales, {"units": "cycles per unit length"}),
            "time": ("time", trials[0].curves.times, {"long_name": "training time"}),
        },
        attrs=attributes,
    )
