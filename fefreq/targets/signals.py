"""Named sources of targets: what an experiment file may ask to be learned.

Each source is validated data, never code, and makes one :class:`~fefreq.targets.target.Target`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np

from fefreq.support.arrays import FloatArray
from fefreq.support.schema import ByKind
from fefreq.targets.target import Grid, Target

Interval = tuple[float, float]
Frequency = float | tuple[float, ...]


@dataclass(frozen=True)
class Tones:
    """A sum of cosines in a Gaussian window, sampled on the cell centres of a box.

    ``f(x) = exp(-|x|² / 2 width²) Σ_k amplitude_k cos(2π frequency_k·x + phase_k)``

    Attributes
    ----------
    bounds : list of (lower, upper)
        The box, one pair per axis.
    shape : list of int
        Number of samples along each axis.
    frequencies : list
        In cycles per unit length; numbers in one dimension, lists of numbers in more.
    amplitudes, phases : list of float, optional
        One per tone; amplitude 1 and phase 0 (in radians) by default.
    width : float, optional
        Standard deviation of the window; without it the tones are cut off at the edge of the box.
    """

    bounds: tuple[Interval, ...]
    shape: tuple[int, ...]
    frequencies: tuple[Frequency, ...]
    amplitudes: tuple[float, ...] | None = None
    phases: tuple[float, ...] | None = None
    width: float | None = None
    kind: Literal["tones"] = field(default="tones", kw_only=True, repr=False)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        Grid.over(self.bounds, self.shape)
        if not self.frequencies:
            raise ValueError("give at least one tone in frequencies")
        for tone in self.frequencies:
            if np.size(tone) != len(self.bounds):
                raise ValueError(f"tone {tone} needs {len(self.bounds)} component(s), one per axis")
        for name in ("amplitudes", "phases"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.frequencies):
                raise ValueError(f"{len(self.frequencies)} tones need as many {name}, not {len(given)}")
        if self.width is not None and not self.width > 0:
            raise ValueError(f"the width of the window must be above 0, not {self.width}")

    def tones(self) -> FloatArray:
        """Frequencies as an array of shape ``(tones, d)``."""
        return np.array([np.atleast_1d(tone) for tone in self.frequencies], dtype=np.float64)

    def make(self) -> Target:
        """Sample the signal."""
        count = len(self.frequencies)
        amplitudes = np.ones(count) if self.amplitudes is None else np.array(self.amplitudes)
        phases = np.zeros(count) if self.phases is None else np.array(self.phases)

        def signal(x: FloatArray) -> FloatArray:
            waves = np.cos(2 * np.pi * x @ self.tones().T + phases) @ amplitudes
            if self.width is None:
                return np.asarray(waves)
            return np.asarray(np.exp(-np.sum(x**2, axis=1) / (2 * self.width**2)) * waves)

        return Target.from_function(signal, self.bounds, self.shape)


@dataclass(frozen=True)
class Terrain:
    """A square patch of measured terrain elevation (the Jacksboro fault, shipped with matplotlib).

    The patch spans ``[-1, 1]²``, is brought to mean 0 and standard deviation 1, and then tapered.

    Attributes
    ----------
    samples : int
        Number of samples along each axis, at most 344.
    corner : (int, int)
        South-west corner of the patch in samples from the south-west corner of the data.
    taper : float
        Share of each axis over which a cosine brings the field to 0, from 0 (none) to 1 (all of it).
    """

    samples: int = 64
    corner: tuple[int, int] = (0, 0)
    taper: float = 0.0
    kind: Literal["terrain"] = field(default="terrain", kw_only=True, repr=False)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        check_taper(self.taper)
        width, height = 403, 344
        i, j = self.corner
        if not (self.samples >= 2 and 0 <= i <= width - self.samples and 0 <= j <= height - self.samples):
            raise ValueError(
                f"a patch of {self.samples}² samples at {self.corner} does not lie within "
                f"the {width} x {height} data"
            )

    def make(self) -> Target:
        """Cut, standardise and taper the patch."""
        from matplotlib.cbook import get_sample_data

        path = get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)
        with np.load(str(path), allow_pickle=False) as file:
            elevation = np.asarray(file["elevation"], dtype=np.float64)[::-1].T
        i, j = self.corner
        patch = elevation[i : i + self.samples, j : j + self.samples]
        values = standardised(patch.ravel()).reshape(patch.shape)
        return Target.from_grid(tapered(values, self.taper), [(-1, 1), (-1, 1)])


@dataclass(frozen=True)
class File:
    """Samples from a file: ``.npy``, ``.csv`` or an image (see :meth:`fefreq.Target.from_file`).

    Attributes
    ----------
    path : path
        Relative paths start at the folder of the experiment file.
    bounds : list of (lower, upper), optional
        The box of the grid.
    standardise : bool
        Whether to bring the values to mean 0 and standard deviation 1, each channel by itself.
    taper : float
        Share of each axis over which a cosine brings gridded values to 0.
    """

    path: Path
    bounds: tuple[Interval, ...] | None = None
    standardise: bool = False
    taper: float = 0.0
    kind: Literal["file"] = field(default="file", kw_only=True, repr=False)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        check_taper(self.taper)

    def make(self) -> Target:
        """Read the file."""
        target = Target.from_file(self.path, self.bounds)
        values = target.values
        if self.standardise:
            values = standardised(values)
        if self.taper > 0:
            if target.grid is None:
                raise ValueError(f"{self.path.name} lists scattered points; a taper needs a grid")
            shape = target.grid.shape
            values = tapered(values.reshape(*shape, *values.shape[1:]), self.taper, len(shape)).reshape(
                values.shape
            )
        return target.with_values(values)


def standardised(values: FloatArray) -> FloatArray:
    """Samples ``(n,)`` or ``(n, channels)`` at mean 0 and standard deviation 1, each channel by itself.

    Raises
    ------
    ValueError
        If a channel is constant.
    """
    deviation = values.std(axis=0)
    if not np.all(deviation > 0):
        raise ValueError("the data are constant, so they cannot be brought to standard deviation 1")
    return np.asarray((values - values.mean(axis=0)) / deviation)


def tapered(values: FloatArray, share: float, dim: int | None = None) -> FloatArray:
    """Values on a grid, brought to 0 at the edge by a cosine (Tukey window) over a share of each axis."""
    from scipy.signal.windows import tukey

    dim = values.ndim if dim is None else dim
    for axis in range(dim):
        n = values.shape[axis]
        # The window over n + 2 points is 0 at both ends, which lie one sample outside.
        window = tukey(n + 2, share)[1:-1]
        values = values * window.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return values


def check_taper(taper: float) -> None:
    """Insist on a share from 0 to 1.

    Raises
    ------
    ValueError
        If it is not.
    """
    if not 0 <= taper <= 1:
        raise ValueError(f"taper is the share of each axis that is tapered, from 0 to 1, not {taper}")


@dataclass(frozen=True)
class Ripples:
    """A sum of oscillations that are no single tones, in the plane, standardised and tapered.

    ``f(x, y) = Σ_k exp(sin π m_k x) exp(cos π n_k y)`` on ``[-1, 1]²``, as in the experiments of
    arXiv 2212.03416.

    Attributes
    ----------
    samples : int
        Number of samples along each axis.
    modes : list of [m, n]
        The numbers ``m_k`` and ``n_k``.
    taper : float
        Share of each axis over which a cosine brings the field to 0.
    """

    samples: int
    modes: tuple[tuple[float, float], ...]
    taper: float = 1.0
    kind: Literal["ripples"] = field(default="ripples", kw_only=True, repr=False)

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        check_taper(self.taper)
        if self.samples < 2:
            raise ValueError(f"a grid needs at least 2 samples along each axis, not {self.samples}")
        if not self.modes:
            raise ValueError("give at least one pair [m, n] in modes")

    def make(self) -> Target:
        """Sample, standardise and taper the field."""
        grid = Grid.over([(-1, 1), (-1, 1)], (self.samples, self.samples))
        x, y = np.pi * grid.points.T
        values = sum((np.exp(np.sin(m * x) + np.cos(n * y)) for m, n in self.modes), np.zeros(len(x)))
        field = standardised(values).reshape(grid.shape)
        return Target.from_grid(tapered(field, self.taper), [(-1, 1), (-1, 1)])


AnySource = Annotated[Tones | Terrain | Ripples | File, ByKind()]


def located(source: AnySource, folder: Path) -> AnySource:
    """The same source with a relative path resolved against the folder of the experiment file."""
    if isinstance(source, File) and not source.path.is_absolute():
        return replace(source, path=folder / source.path)
    return source


__all__ = ["AnySource", "File", "Ripples", "Terrain", "Tones", "located", "standardised", "tapered"]
