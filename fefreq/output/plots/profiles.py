r"""What a picture of an error field shows: moduli against one frequency coordinate.

In one dimension the coordinate is the frequency itself. Data are real, so ``û(-ξ) = conj û(ξ)``, and of a
symmetric set of frequencies the non-negative half is enough. In more dimensions the coordinate is the radius
``|ξ|``, and the modulus is the root mean square over a spherical shell,

.. math:: \bar u(r, t)² = \frac1{n_r} ∑_{|ξ| ≈ r} |û(ξ, t)|² ,

which keeps what an L2 norm weighs. Channels are summed in the same sense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.fields.coordinates import frequency_points, sample_field, with_frequencies
from fefreq.fields.error_field import ErrorField
from fefreq.fields.half_life import half_life
from fefreq.support.arrays import ComplexArray, FloatArray, real_array
from fefreq.support.files import join_complex

if TYPE_CHECKING:
    import xarray as xr

# A frequency with less than this share of the largest initial modulus has next to nothing to be learned, and one
# with less than the other is hard to measure over the noise of networks of finite width.
NEGLIGIBLE, NOISY = 1e-3, 1e-2
# The first time worth a curve of its own: when this share of the initial error has gone.
VISIBLE_LOSS = 0.15


@dataclass(frozen=True, eq=False)
class Profiles:
    """Moduli of the error of one or several sources against one frequency coordinate.

    Attributes
    ----------
    sources : tuple of str
    reference : str
        The source that the others are held against.
    times : ndarray, shape (T,)
    frequencies : ndarray, shape (R,)
        Frequencies, or radii of shells, in cycles per unit length, increasing.
    moduli, differences : ndarray, shape (S, T, R)
        Modulus of the error, and of its difference from the reference.
    radial : bool
        Whether the coordinate is the radius.
    """

    sources: tuple[str, ...]
    reference: str
    times: FloatArray
    frequencies: FloatArray
    moduli: FloatArray
    differences: FloatArray
    radial: bool

    @property
    def others(self) -> tuple[str, ...]:
        """The sources that are not the reference."""
        return tuple(name for name in self.sources if name != self.reference)

    @property
    def largest(self) -> float:
        """Largest modulus at the first time, of any source; 1 where there is no error at all."""
        return float(self.moduli[:, 0].max()) or 1.0

    def half_lives(self, above: float = NEGLIGIBLE) -> FloatArray:
        """Half-lives, shape ``(S, R)``.

        Infinite beyond the last time; NaN where the initial error of the reference is not above this share of
        its maximum.
        """
        lives = half_life(self.times, np.moveaxis(self.moduli, 1, 0))
        initial = self.of(self.reference)[0]
        return np.asarray(np.where(initial > above * initial.max(), lives, np.nan))

    def of(self, source: str) -> FloatArray:
        """Moduli of one source, shape ``(T, R)``."""
        return np.asarray(self.moduli[self.sources.index(source)])

    def chosen_times(self, count: int = 5) -> NDArray[np.int64]:
        """Indices of about ``count`` times: the first, then evenly in ``log t`` from a visible loss on.

        Examples
        --------
        >>> times = np.concatenate([[0], np.geomspace(0.1, 1000, 41)])
        >>> moduli = np.exp(-times / 100)[None, :, None]
        >>> of = Profiles(("pde",), "pde", times, np.zeros(1), moduli, 0 * moduli, radial=False)
        >>> times[of.chosen_times()].round(1).tolist()
        [0.0, 20.0, 79.4, 251.2, 1000.0]
        """
        last = len(self.times) - 1
        if last < count:
            return np.arange(last + 1)
        left = np.linalg.norm(self.of(self.reference), axis=1)
        lost = np.flatnonzero(left < (1 - VISIBLE_LOSS) * left[0])
        first = max(1, int(lost[0])) if len(lost) else 1
        wanted = np.geomspace(self.times[last], self.times[first], count - 1)
        nearest = [int(np.argmin(np.abs(np.log(self.times[1:] / t)))) + 1 for t in wanted]
        return np.unique([0, *nearest])


def profiles(data: xr.Dataset | ErrorField, frequencies: ArrayLike | None = None) -> Profiles:
    """Reduce fields to moduli against one frequency coordinate.

    Parameters
    ----------
    data : Dataset or ErrorField
        As :func:`as_dataset` takes it.
    frequencies : array_like, shape (F, d), optional
        Where an error field is sampled, in cycles per unit length.
    """
    data = as_dataset(data, frequencies)
    xi, error = frequency_points(data), _error(data)
    sources = tuple(str(name) for name in data.source.values)
    reference = str(data.attrs.get("reference", sources[0]))
    difference = error - error[sources.index(reference)]
    squares, differences = (np.sum(np.abs(values) ** 2, axis=3) for values in (error, difference))
    if xi.shape[1] == 1:
        coordinate, order = _line(xi[:, 0])
        squares, differences = squares[..., order], differences[..., order]
    else:
        coordinate, squares, differences = _shells(xi, squares, differences)
    times = np.asarray(data.time.values, dtype=np.float64)
    return Profiles(
        sources, reference, times, coordinate, np.sqrt(squares), np.sqrt(differences), radial=xi.shape[1] > 1
    )


def plane(
    data: xr.Dataset | ErrorField, frequencies: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moduli on a two-dimensional grid of frequencies.

    Returns
    -------
    axes : two ndarrays, shapes (n_1,) and (n_2,)
    moduli : ndarray, shape (S, T, n_1, n_2)

    Raises
    ------
    ValueError
        If the frequencies do not form a grid in two dimensions.
    """
    data = as_dataset(data, frequencies)
    xi = frequency_points(data)
    axes = [np.unique(column) for column in xi.T]
    if len(axes) != 2 or len(axes[0]) * len(axes[1]) != len(xi):
        raise ValueError(
            f"an image needs a tensor grid of frequencies in two dimensions; these are {len(xi)} points in "
            f"{len(axes)} dimension(s)"
        )
    moduli = np.linalg.norm(_error(data), axis=3)[..., np.lexsort(xi.T[::-1])]
    return axes[0], axes[1], moduli.reshape(*moduli.shape[:2], len(axes[0]), len(axes[1]))


def as_dataset(data: xr.Dataset | ErrorField, frequencies: ArrayLike | None = None) -> xr.Dataset:
    """Bring fields to one form: a dataset whose ``error`` has dimensions source, time and frequency.

    Parameters
    ----------
    data : Dataset or ErrorField
        A comparison of several sources, one sampled field, or a field that is then sampled.
    frequencies : array_like, shape (F, d)
        For an error field only, in cycles per unit length.

    Raises
    ------
    ValueError
        If a field comes without frequencies or a dataset with them, or a dataset holds no error or several
        models.
    """
    import xarray as xr

    if not isinstance(data, xr.Dataset):
        if frequencies is None:
            raise ValueError("give the frequencies at which the error field is to be drawn")
        points = real_array(frequencies, "frequencies")
        data = sample_field(data, points.reshape(-1, 1) if points.ndim < 2 else points)
    elif frequencies is not None:
        raise ValueError("a dataset has its frequencies already: give them with an error field only")
    data = with_frequencies(join_complex(data))
    if "error" not in data:
        raise ValueError("the dataset has no variable 'error': pass what sample_field or compare returns")
    if "model" in data.error.dims:
        names = ", ".join(str(name) for name in data.model.values)
        raise ValueError(f"the dataset holds several models ({names}): choose one with data.sel(model=...)")
    return data if "source" in data.dims else data.expand_dims(source=["error"])


def _error(data: xr.Dataset) -> ComplexArray:
    """Errors of shape ``(S, T, F, channels)``."""
    error = data.error.transpose("source", "time", "frequency", ...).values
    return np.asarray(error.reshape(*error.shape[:3], -1))


def _line(xi: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    order = np.argsort(xi)
    if np.allclose(xi[order], -xi[order][::-1], rtol=0, atol=1e-9 * np.max(np.abs(xi))):
        order = order[len(order) // 2 :]
    return xi[order], order


def _shells(xi: FloatArray, *squares: FloatArray) -> tuple[FloatArray, ...]:
    """Mean radii of shells, and means of squares ``(…, F)`` over them.

    Shells are as wide as the spacing of the frequencies; those that reach beyond the box are left out.
    """
    spans = np.ptp(xi, axis=0)
    spans = spans[spans > 0]
    share = 1 / max(1, len(spans))
    width = float(np.prod(spans) ** share / max(1.0, len(xi) ** share - 1))
    radii = np.linalg.norm(xi, axis=1)
    reach = np.max(np.abs(xi), axis=0)
    inside = np.flatnonzero(radii <= np.min(reach[reach > 0], initial=np.inf) * (1 + 1e-12))
    shell = np.rint(radii[inside] / width).astype(np.int64)
    order = np.argsort(shell, kind="stable")
    starts = np.flatnonzero(np.diff(shell[order], prepend=-1))
    counts = np.diff(starts, append=len(order))
    chosen = inside[order]
    return tuple(np.add.reduceat(x[..., chosen], starts, axis=-1) / counts for x in (radii, *squares))
