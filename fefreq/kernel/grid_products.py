r"""Kernel products on lattices by FFT.

On a uniform grid ``κ(x - s)`` is a Toeplitz matrix and a product with it a zero-padded cyclic convolution. With
the sources in reversed order ``κ(x + s)`` is one, too; reversal is conjugation of the transform of real data, up
to a phase, so that both kinds of terms share their transforms.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from math import prod

import numpy as np

from fefreq.kernel.products import Part, Products, SummedProducts
from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.targets.target import Grid

SEPARATIONS = 1 << 20  # at which profiles are evaluated together
ALIGNED = 1e-11  # of a grid spacing
MOST_LATTICES = 16


class GridProducts(Products):
    """Products from a grid to a grid of the same spacing.

    Parameters
    ----------
    parts : sequence of Part
    sources : Grid
    points : Grid
        Anywhere, with the spacing of the sources.
    """

    def __init__(self, parts: Sequence[Part], sources: Grid, points: Grid) -> None:
        import scipy.fft

        self._shape, self._out = sources.shape, points.shape
        self._padded = tuple(
            scipy.fft.next_fast_len(n + p - 1, real=True) for n, p in zip(self._shape, self._out, strict=True)
        )
        self._symbols = [(part.reflected, self._symbol(part, sources, points)) for part in parts]
        self._linear = any(part.linear for part in parts)
        self._source_squares = _squares(sources) if self._linear else None
        self._point_squares = _squares(points) if self._linear else None
        bytes_per_transform = 16 * prod(self._padded[:-1]) * (self._padded[-1] // 2 + 1)
        self.workspace = bytes_per_transform * (sum(len(s) for _, s in self._symbols) + 6)
        self.method = f"products by FFT on a padded grid of {' × '.join(map(str, self._padded))}"

    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply by columns ``(c, n)``."""
        result = np.empty((len(columns), prod(self._out)))
        for column, out in zip(columns, result, strict=True):
            out[:] = self._apply_one(column.reshape(self._shape)).ravel()
        return result

    def _apply_one(self, column: FloatArray) -> FloatArray:
        plain = self._forward(column)
        main = _total(symbol[0] * (plain.conj() if flip else plain) for flip, symbol in self._symbols)
        if self._source_squares is None or self._point_squares is None:
            return self._backward(main)
        linear = [(flip, symbol[1]) for flip, symbol in self._symbols if len(symbol) == 2]
        squared = self._forward(column * self._source_squares)
        main += _total(symbol * (squared.conj() if flip else squared) for flip, symbol in linear)
        result = self._backward(main)
        result += self._point_squares * self._backward(
            _total(symbol * (plain.conj() if flip else plain) for flip, symbol in linear)
        )
        return result

    def _symbol(self, part: Part, sources: Grid, points: Grid) -> ComplexArray:
        """Transforms of ``m`` and ``l`` on the padded grid, with the phase of reversal."""
        axes = []
        for n, p, m, low, start, h in zip(
            self._shape, self._out, self._padded, sources.lower, points.lower, sources.spacing, strict=True
        ):
            shift = np.arange(m)
            shift[shift >= p] -= m  # differences from -(n - 1) to p - 1; what lies between is padding
            shift = np.maximum(shift, 1 - n)
            # Reflected: x_i + s_j with s in reversed order has again an index difference.
            axes.append((start + low + (n - 1) * h if part.reflected else start - low) + h * shift)
        table = np.empty((2 if part.linear else 1, *self._padded))
        height = max(1, SEPARATIONS // prod(self._padded[1:]))
        for first in range(0, self._padded[0], height):
            rows = axes[0][first : first + height]
            separations = np.stack(np.meshgrid(rows, *axes[1:], indexing="ij"), axis=-1)
            table[:, first : first + height] = part.functions(separations.reshape(-1, len(axes))).reshape(
                -1, *separations.shape[:-1]
            )
        import scipy.fft

        symbol: ComplexArray = scipy.fft.rfftn(table, axes=tuple(range(1, table.ndim)), workers=-1)
        if part.reflected:
            for axis, (n, m) in enumerate(zip(self._shape, self._padded, strict=True)):
                count = symbol.shape[axis + 1]
                phase = np.exp(-2j * np.pi * ((np.arange(count) * (n - 1)) % m) / m)
                symbol *= phase.reshape(-1, *(1,) * (len(self._shape) - 1 - axis))
        return symbol

    def _forward(self, values: FloatArray) -> ComplexArray:
        """Padded transform; each axis is padded when its turn comes, so that no zeros are transformed."""
        import scipy.fft

        spectrum = scipy.fft.rfft(values, self._padded[-1], axis=-1, workers=-1)
        for axis in reversed(range(values.ndim - 1)):
            spectrum = scipy.fft.fft(spectrum, self._padded[axis], axis=axis, workers=-1)
        return np.asarray(spectrum)

    def _backward(self, spectrum: ComplexArray) -> FloatArray:
        import scipy.fft

        for axis in range(spectrum.ndim - 1):
            spectrum = scipy.fft.ifft(spectrum, axis=axis, workers=-1)
            spectrum = spectrum[(slice(None),) * axis + (slice(self._out[axis]),)]
        whole = scipy.fft.irfft(spectrum, self._padded[-1], axis=-1, workers=-1)
        return np.ascontiguousarray(whole[..., : self._out[-1]])


def lattice_products(parts: Sequence[Part], sources: Grid, points: FloatArray) -> Products | None:
    """Products from a grid to points on a few lattices of its spacing, or None if the points lie otherwise.

    The pixels between those of a coarse image are such points: in two dimensions they lie on three lattices.

    Parameters
    ----------
    parts : sequence of Part
    sources : Grid
    points : ndarray, shape (p, d)
    """
    place = (points - sources.lower) / sources.spacing
    fraction = place - np.floor(place)
    fraction[fraction > 1 - ALIGNED] = 0.0
    sample = np.unique(fraction[:: max(1, len(points) // 256)].round(9), axis=0)
    if len(sample) > MOST_LATTICES:
        return None
    keys, member = np.unique(fraction.round(9), axis=0, return_inverse=True)
    if len(keys) > MOST_LATTICES:
        return None
    pieces: list[tuple[Products, np.ndarray]] = []
    for group in range(len(keys)):
        places = np.flatnonzero(member.ravel() == group)
        exact = np.median(fraction[places], axis=0)
        index = np.rint(place[places] - exact).astype(np.intp)
        if np.max(np.abs(place[places] - index - exact)) > ALIGNED:
            return None
        first = index.min(axis=0)
        shape = tuple(int(n) for n in np.ptp(index, axis=0) + 1)
        if prod(n + p for n, p in zip(sources.shape, shape, strict=True)) > 8 * prod(
            2 * n for n in sources.shape
        ):
            return None  # a few points far away
        points_grid = Grid(shape, sources.lower + sources.spacing * (first + exact), sources.spacing)
        flat = np.ravel_multi_index(tuple((index - first).T), shape)
        pieces.append((_Picked(GridProducts(parts, sources, points_grid), flat), places))
    return SummedProducts(pieces, len(points))


class _Picked(Products):
    """Products at some points of a grid only."""

    def __init__(self, products: GridProducts, places: np.ndarray) -> None:
        self._products, self._places = products, places
        self.method, self.workspace = products.method, products.workspace

    def apply(self, columns: FloatArray) -> FloatArray:
        """Multiply by columns ``(c, n)``."""
        return self._products.apply(columns)[:, self._places]


def _total(terms: Iterable[ComplexArray]) -> ComplexArray:
    return reduce(np.add, terms)


def _squares(grid: Grid) -> FloatArray:
    """``|x|²`` on a grid, in its shape."""
    total = np.zeros((1,) * len(grid.shape))
    for axis, coordinates in enumerate(grid.axes):
        total = total + (coordinates**2).reshape(-1, *(1,) * (len(grid.shape) - 1 - axis))
    return total
