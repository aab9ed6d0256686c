"""Nodes along one axis of a mesh: planned first, so that nothing is made that does not fit into memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class Piece:
    """Elements between two nodes that must be there, before they are made.

    Attributes
    ----------
    begin, end : float
    count : float
        Number of elements: a float, for nobody has checked yet whether it makes sense.
    first, growth, largest : float
        Length of the first, ratio of neighbours, and where that ends, all up to a common factor.
    """

    begin: float
    end: float
    count: float
    first: float = 1.0
    growth: float = 1.0
    largest: float = 1.0

    @property
    def nodes(self) -> FloatArray:
        """Nodes from ``begin`` to ``end``, shape ``(count + 1,)``."""
        if self.growth == 1:
            return np.linspace(self.begin, self.end, int(self.count) + 1)
        powers = np.arange(int(self.count)) * np.log(self.growth)
        ends = np.cumsum(np.exp(np.minimum(np.log(self.first) + powers, np.log(self.largest))))
        # Shrinking all by one factor makes the last one end where it must.
        inner = self.begin + ends[:-1] * ((self.end - self.begin) / ends[-1])
        return np.concatenate([[self.begin], inner, [self.end]])


def _corners(half_width: float, breakpoints: tuple[float, ...]) -> FloatArray:
    inner = _distinct(breakpoints, half_width)
    return np.unique([-half_width, *(-b for b in inner), *inner, half_width])


def even(half_width: float, size: float, breakpoints: tuple[float, ...]) -> list[Piece]:
    """Elements no longer than a size, of one length between two breakpoints."""
    corners = _corners(half_width, breakpoints)
    return [
        Piece(a, b, max(1.0, float(np.ceil((b - a) / size - 1e-9)))) for a, b in pairwise(corners.tolist())
    ]


def growing(
    half_width: float, smallest: float, largest: float, growth: float, breakpoints: tuple[float, ...]
) -> list[Piece]:
    """Elements from the origin outwards whose lengths grow geometrically, with breakpoints among the nodes."""
    pieces = []
    largest = min(largest, half_width)
    length = min(smallest, largest)
    inner = [b for b in _distinct(breakpoints, half_width) if b > 0]
    rate = float(np.log(growth))
    for begin, end in pairwise([0.0, *inner, half_width]):
        room = end - begin
        # After so many steps elements are the largest, and have filled so much.
        steps = max(float(np.ceil(np.log(largest / length) / rate)), 0.0)
        grown = length * float(np.expm1(steps * rate)) / (growth - 1)
        if grown < room:
            count = max(steps + float(np.ceil((room - grown) / largest - 1e-9)), 1.0)
            filled, last = grown + (count - steps) * largest, largest
        else:
            count = max(float(np.ceil(np.log1p(room * (growth - 1) / length) / rate - 1e-9)), 1.0)
            filled = length * float(np.expm1(count * rate)) / (growth - 1)
            last = length * float(np.exp((count - 1) * rate))
        pieces.append(Piece(begin, end, count, length, growth, largest))
        length = min(last * (room / filled) * growth, largest)
    return pieces


def join(pieces: list[Piece]) -> FloatArray:
    """Nodes of pieces that follow one another."""
    return np.concatenate([pieces[0].nodes[:1], *(piece.nodes[1:] for piece in pieces)])


def mirrored(nodes: FloatArray) -> FloatArray:
    """Nodes from 0 on and their mirror images."""
    return np.concatenate([-nodes[:0:-1], nodes])


def _distinct(breakpoints: tuple[float, ...], half_width: float) -> list[float]:
    """Breakpoints inside, sorted; those that agree up to rounding count once, or cells would have no size."""
    room = 1e-9 * half_width
    kept: list[float] = []
    for point in sorted(breakpoints):
        if point < half_width - room and (not kept or point > kept[-1] + room):
            kept.append(point)
    return kept
