r"""Activation regions along lines, counted exactly.

On a line in network-input space the first pre-activations are affine, so the units of layer 1 break it at
their zeros. Between neighbouring breaks everything that reaches layer 2 is affine again: its units add their
zeros, and so on. Values at the breaks describe a layer completely (it is continuous and affine in between),
and one pass per layer over all intervals and units finds all zeros at once.

An activation region is convex, so a line meets it in one segment at most: the number of segments is the
number of regions on the line. A grid only sees the regions that are wider than its spacing, and trained
networks have narrower ones (arXiv 2301.05816 counts on a grid; one trained network showed 94 of its 227
regions).

Behind an encoding the units are not affine in the coordinates. There lines live in the space of the features:
take chords between encoded points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from fefreq.support.arrays import FloatArray, as_points
from harness.relu.memory import available_memory
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray
from harness.relu.patterns import Patterns, pack

# Breaks that coincide in exact arithmetic differ by a few roundings per layer; lengths relative to the line.
COINCIDENT = 64 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class LineRegions:
    """The segments that activation regions cut out of lines.

    Attributes
    ----------
    starts, ends : ndarray, shape (lines, features)
        End points of the lines in network-input space.
    line : ndarray of int, shape (segments,)
        The line of every segment, ascending.
    lower, upper : ndarray, shape (segments,)
        Where the segment begins and ends, as fractions of its line from start to end.
    patterns : Patterns
        Activation pattern of every segment.
    """

    starts: FloatArray
    ends: FloatArray
    line: IntArray
    lower: FloatArray
    upper: FloatArray
    patterns: Patterns

    @property
    def counts(self) -> IntArray:
        """Number of regions on every line, ``(lines,)``."""
        return np.bincount(self.line, minlength=len(self.starts)).astype(np.int64)

    @property
    def lengths(self) -> FloatArray:
        """Length of every segment in network-input space, ``(segments,)``."""
        spans = np.linalg.norm(self.ends - self.starts, axis=1)
        return np.asarray((self.upper - self.lower) * spans[self.line])

    @property
    def breakpoints(self) -> FloatArray:
        """Where lines pass from one region to the next, in network-input space, ``(breaks, features)``."""
        inner = self.lower > 0
        line, fraction = self.line[inner], self.lower[inner, None]
        return np.asarray((1 - fraction) * self.starts[line] + fraction * self.ends[line])


def regions_on_interval(network: nn.Module | ReluNetwork, lower: float, upper: float) -> LineRegions:
    """Find all activation regions of a network on one raw coordinate.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        With one coordinate and no encoding.
    lower, upper : float
        Ends of the interval.

    Returns
    -------
    LineRegions
        One line; ``counts[0]`` is the number of regions, computed in float64 whatever the network's
        precision.

    Raises
    ------
    ValueError
        If the network has several coordinates or an encoding, or the interval is empty.

    Examples
    --------
    >>> from harness.relu import relu_network
    >>> regions = regions_on_interval(relu_network(dim=1, width=16, hidden_layers=2), -10.0, 10.0)
    >>> int(regions.counts[0]) == len(regions.breakpoints) + 1
    True
    """
    net = ReluNetwork.of(network)
    if net.encoding is not None:
        raise ValueError(
            "behind an encoding the regions are not intervals with affine pre-activations: "
            "use regions_on_lines with encoded points"
        )
    if net.dim != 1:
        raise ValueError(
            f"the network has {net.dim} coordinates, so an interval is no line in it: use regions_on_lines"
        )
    if not lower < upper:
        raise ValueError(f"the interval from {lower} to {upper} is empty: the lower end must be smaller")
    return regions_on_lines(net, [[lower]], [[upper]])


def regions_on_lines(
    network: nn.Module | ReluNetwork, starts: ArrayLike, ends: ArrayLike, *, memory: int | None = None
) -> LineRegions:
    """Find all activation regions along straight lines in network-input space.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    starts, ends : array_like, shape (lines, features)
        End points. Without an encoding these are coordinates, with one they are encoded points; one point
        ``(features,)`` counts as one line.
    memory : int, optional
        Bytes that may be used; by default what the machine has left.

    Returns
    -------
    LineRegions
        Computed in float64 whatever the network's precision. Breaks closer than ``64`` roundings of the
        line's length count as one.

    Raises
    ------
    ValueError
        If the end points do not fit the network or each other, coincide, or the regions do not fit into
        memory.
    """
    net = ReluNetwork.of(network)
    begin, end = (
        as_points(
            np.atleast_2d(np.asarray(points)),
            net.layers[0].in_features,
            f"{name} of lines in network-input space",
        )
        for name, points in (("starts", starts), ("ends", ends))
    )
    if begin.shape != end.shape:
        raise ValueError(f"there are {len(begin)} starts but {len(end)} ends: a line needs one of each")
    if len(begin) == 0:
        raise ValueError("there are no lines to follow: give at least one start and end")
    if np.any(np.all(begin == end, axis=1)):
        raise ValueError("a line starts where it ends: its end points must differ")
    budget = available_memory() if memory is None else memory

    line = np.repeat(np.arange(len(begin)), 2)
    position = np.tile([0.0, 1.0], len(begin))
    a = np.stack([begin, end], axis=1).reshape(len(line), -1)
    active: list[NDArray[np.bool_]] = []
    for weight, bias in zip(net.weights()[:-1], net.biases()[:-1], strict=True):
        _require_room(len(line), sum(net.widths), max(net.widths), len(begin), budget)
        breaks = _insert_zeros(line, position, a @ weight.T + bias)
        line, position = breaks.line, breaks.position
        active = [pattern[breaks.parent] for pattern in active] + [breaks.active]
        a = np.maximum(breaks.z, 0)
    return _segments(net.widths, begin, end, line, position, active)


@dataclass(frozen=True, eq=False)
class _Breaks:
    """Nodes of all lines after one layer has added its zeros."""

    line: IntArray
    position: FloatArray
    z: FloatArray
    parent: IntArray
    """For every new interval, the interval it was part of."""
    active: NDArray[np.bool_]
    """For every new interval, the units of this layer that are on."""


def _insert_zeros(line: IntArray, position: FloatArray, z: FloatArray) -> _Breaks:
    left = np.flatnonzero(line[:-1] == line[1:])
    before, after = z[left], z[left + 1]
    interval, unit = np.nonzero((before > 0) & (after < 0) | (before < 0) & (after > 0))
    fraction = before[interval, unit] / (before[interval, unit] - after[interval, unit])
    # Zeros go behind the node that opens their interval, in the order of the line.
    node = np.concatenate([np.arange(len(line)), left[interval]])
    order = np.lexsort((np.concatenate([np.zeros(len(line)), fraction]), node))
    share = fraction[:, None]
    inserted = (1 - share) * before[interval] + share * after[interval]
    opening = left[interval]
    new_position = (1 - fraction) * position[opening] + fraction * position[opening + 1]
    new_line = line[node[order]]

    # A unit that changes sign is on from its zero onwards or up to it: decided by order, not by rounded
    # values.
    flips = np.zeros((len(order), z.shape[1]), dtype=np.int32)
    is_new = order >= len(line)
    flips[is_new, unit[order[is_new] - len(line)]] = 1
    flips = np.cumsum(flips, axis=0, dtype=np.int32)
    opens = np.flatnonzero(new_line[:-1] == new_line[1:])
    rank = np.full(len(line), -1)
    rank[left] = np.arange(len(left))
    parent = rank[node[order][opens]]
    first = np.flatnonzero(~is_new)[left]
    flipped = flips[opens] > flips[first[parent]]
    on_at_start = (before > 0) | ((before == 0) & (after > 0))
    return _Breaks(
        new_line,
        np.concatenate([position, new_position])[order],
        np.concatenate([z, inserted])[order],
        parent,
        on_at_start[parent] ^ flipped,
    )


def _segments(
    widths: tuple[int, ...],
    starts: FloatArray,
    ends: FloatArray,
    line: IntArray,
    position: FloatArray,
    active: list[NDArray[np.bool_]],
) -> LineRegions:
    opens = np.flatnonzero(line[:-1] == line[1:])
    words = np.concatenate([pack(layer) for layer in active], axis=1)
    kept = np.flatnonzero(position[opens + 1] - position[opens] > COINCIDENT)
    line, lower, words = line[opens][kept], position[opens][kept], words[kept]
    fresh = np.ones(len(line), dtype=bool)
    fresh[1:] = (line[1:] != line[:-1]) | np.any(words[1:] != words[:-1], axis=1)
    line, lower, words = line[fresh], lower[fresh], words[fresh]
    begins = np.ones(len(line), dtype=bool)
    begins[1:] = line[1:] != line[:-1]
    lower = np.where(begins, 0.0, lower)
    upper = np.where(np.roll(begins, -1), 1.0, np.roll(lower, -1))
    return LineRegions(starts, ends, line, lower, upper, Patterns(words, widths))


def _require_room(nodes: int, units: int, width: int, lines: int, budget: int) -> None:
    # Values, flips and comparisons of one layer, and one flag per unit and interval.
    needed = nodes * (40 * width + units)
    if needed > budget:
        fitting = max(0, int(lines * budget / needed))
        raise ValueError(
            f"{lines} lines with {nodes} breaks so far do not fit into {budget / 2**30:.2f} GiB of memory: "
            f"about {fitting} lines fit; follow them in parts"
        )
