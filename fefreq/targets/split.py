"""Data cut into samples to train on and samples to judge by.

On a grid, "alternate" trains on every second sample along every axis. What is trained on is a grid again, so that
kernel products stay fast Fourier transforms; samples that are missing keep their place with weight zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.support.arrays import FloatArray, as_points, real_array
from fefreq.targets.target import Bounds, Grid, Target

Holdout = str | float
Mask = NDArray[np.bool_]

FEWEST = 4  # samples on either side
DEFAULT_SHARE = 0.25  # of scattered points that are held out


@dataclass(frozen=True, eq=False)
class DataSplit:
    """Samples to train on and samples to judge by.

    Attributes
    ----------
    trained : Target
        Points of weight zero are not trained on.
    points, values : ndarray, shape (p, d) and (p,) or (p, channels)
        The held-out samples.
    grid : Grid or None
        The whole grid, if the data lie on one.
    peak : float
        Difference of the largest and the smallest value.
    """

    trained: Target
    points: FloatArray
    values: FloatArray
    grid: Grid | None
    peak: float

    @property
    def count(self) -> int:
        """Number of samples that are trained on."""
        return int(np.count_nonzero(self.trained.weights))

    @property
    def resolution(self) -> float:
        """Cycles per unit length that the trained samples resolve along every axis."""
        if self.trained.grid is None:
            return float(np.min(self.trained.nyquist))
        kept = self.count / len(self.trained.points)
        return float(np.min(self.trained.nyquist) * kept ** (1 / self.trained.dim))


def split_grid(
    values: ArrayLike,
    bounds: Bounds,
    mask: ArrayLike | None = None,
    holdout: Holdout = "alternate",
    seed: int = 0,
) -> DataSplit:
    """Split samples at the cell centres of a box.

    Parameters
    ----------
    values : array_like, shape (n_1, …, n_d) or (n_1, …, n_d, channels)
        A NaN is a missing sample.
    bounds : sequence of (lower, upper)
    mask : array_like of bool, shape (n_1, …, n_d), optional
        True where there is a sample.
    holdout : "alternate" or float
        Train on every second sample along every axis, or hold out this share of the samples at random.
    seed : int
        Of the random choice.

    Raises
    ------
    TypeError
        If values are no real numbers or the mask is not boolean.
    ValueError
        If shapes do not fit, values are infinite or all the same, or too few samples are left on one side.
    """
    array = real_with_gaps(values)
    _require_usable(holdout, seed)
    if np.ndim(bounds) != 2 or np.shape(bounds)[1] != 2:
        raise ValueError(f"bounds must be a pair per axis, such as [(0, 1)], not {bounds!r}")
    dim = len(bounds)
    if array.ndim not in (dim, dim + 1):
        raise ValueError(
            f"values have {array.ndim} axes; {dim} bounds need {dim}, or {dim + 1} with channels"
        )
    if dim == 2 and array.ndim == 3 and array.shape[2] in (2, 4):
        raise ValueError(
            f"an image of {array.shape[2]} channels has transparency: pass its colours alone, such as values[..., "
            f":{array.shape[2] - 1}]"
        )
    grid = Grid.over(bounds, array.shape[:dim])
    present = _present(array, dim, mask)
    peak = _peak(array[present])
    filled = np.where(present.reshape(present.shape + (1,) * (array.ndim - dim)), array, 0.0)
    if holdout == "alternate":
        every = (slice(None, None, 2),) * dim
        short = [n for n in grid.shape if n < 4]
        if short:
            raise ValueError(
                f"an axis of {short[0]} samples is too short to leave out every second one: give a share of the "
                "samples to hold out, such as 0.25"
            )
        coarse = Grid(tuple(-(-n // 2) for n in grid.shape), grid.lower, 2 * grid.spacing)
        trained, held = present[every], present.copy()
        held[every] = False
        target = _on_grid(filled[every], coarse, trained)
    else:
        trained, held = _random(present, holdout, seed)
        target = _on_grid(filled, grid, trained)
    _require_enough(int(np.count_nonzero(trained)), int(np.count_nonzero(held)))
    return DataSplit(target, grid.points[held.ravel()], array[held], grid, peak)


def split_points(
    points: ArrayLike,
    values: ArrayLike,
    mask: ArrayLike | None = None,
    holdout: Holdout = DEFAULT_SHARE,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> DataSplit:
    """Split scattered samples at random.

    Parameters
    ----------
    points : array_like, shape (n, d)
    values : array_like, shape (n,) or (n, channels)
        A NaN is a missing sample.
    mask : array_like of bool, shape (n,), optional
        True where there is a sample.
    holdout : float
        Share of the samples that is held out.
    seed : int
    weights : array_like, shape (n,), optional
        Quadrature weights; by default all points stand for the same share of their box.

    Raises
    ------
    TypeError, ValueError
        As for :func:`split_grid`.
    """
    if isinstance(holdout, str) and holdout == "alternate":
        raise ValueError(
            'holdout "alternate" leaves out every second sample of a grid; of scattered points give a share to hold '
            "out, such as 0.25"
        )
    _require_usable(holdout, seed)
    places = np.asarray(points)
    at = as_points(points, 1 if places.ndim < 2 else places.shape[1])
    array = real_with_gaps(values)
    if array.ndim not in (1, 2) or len(array) != len(at):
        raise ValueError(f"values have shape {array.shape}; {len(at)} points need one row each")
    present = _present(array, 1, mask)
    peak = _peak(array[present])
    trained, held = _random(present, holdout, seed)
    _require_enough(int(np.count_nonzero(trained)), int(np.count_nonzero(held)))
    q = None if weights is None else real_array(weights, "weights")
    if q is not None and q.shape != (len(at),):
        raise ValueError(f"weights have shape {q.shape}; {len(at)} points need ({len(at)},)")
    return DataSplit(
        Target(at[trained], array[trained], None if q is None else q[trained]),
        at[held],
        array[held],
        None,
        peak,
    )


def real_with_gaps(values: ArrayLike) -> FloatArray:
    """Convert to float64; NaN may stay.

    Raises
    ------
    TypeError
        If the values are no real numbers.
    ValueError
        If one of them is infinite.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"values must be real numbers, not of type {array.dtype}")
    array = array.astype(np.float64)
    infinite = int(np.count_nonzero(np.isinf(array)))
    if infinite:
        raise ValueError(f"{infinite} of {array.size} values are infinite: mark missing samples by NaN")
    return array


def _present(values: FloatArray, dim: int, mask: ArrayLike | None) -> Mask:
    """Where there are samples: of a colour, all channels are needed."""
    finite = np.isfinite(values)
    present: Mask = np.asarray(finite if values.ndim == dim else finite.all(axis=-1))
    if mask is None:
        return present
    given = np.asarray(mask)
    if given.dtype.kind != "b":
        raise TypeError(f"the mask must be boolean, True where there is a sample, not of type {given.dtype}")
    if given.shape != present.shape:
        raise ValueError(f"the mask has shape {given.shape}, the samples {present.shape}")
    both: Mask = present & given
    return both


def _peak(values: FloatArray) -> float:
    if values.size == 0:
        raise ValueError("no sample is left: the mask and missing values leave nothing to train on")
    peak = float(np.max(values) - np.min(values))
    if peak == 0:
        raise ValueError(
            f"all samples have the one value {float(values.flat[0]):g}, so that there is nothing to learn"
        )
    return peak


def _require_usable(holdout: Holdout, seed: int) -> None:
    if not (holdout == "alternate" if isinstance(holdout, str) else _is_share(holdout)):
        raise ValueError(f'holdout is {holdout!r}; it must be "alternate" or a share between 0 and 1')
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0")


def _is_share(value: object) -> bool:
    return isinstance(value, Real) and 0.0 < float(value) < 1.0


def _random(present: Mask, holdout: Holdout, seed: int) -> tuple[Mask, Mask]:
    share = float(holdout)
    places = np.flatnonzero(present)
    count = round(share * len(places))
    held = np.zeros(present.shape, dtype=bool)
    held.flat[np.random.default_rng(seed).choice(places, count, replace=False)] = True
    return present & ~held, held


def _on_grid(values: FloatArray, grid: Grid, trained: Mask) -> Target:
    if not np.any(trained):
        _require_enough(0, 1)
    weights = np.where(trained.ravel(), float(np.prod(grid.spacing)), 0.0)
    columns = values.reshape(prod(grid.shape), *values.shape[len(grid.shape) :])
    return Target(grid.points, columns, weights, grid=grid)


def _require_enough(trained: int, held: int) -> None:
    for count, purpose in ((trained, "training"), (held, "judging")):
        if count < FEWEST:
            remain = "1 sample remains" if count == 1 else f"{count} samples remain"
            raise ValueError(
                f"{remain} for {purpose}; at least {FEWEST} are needed: change the mask or the holdout"
            )
