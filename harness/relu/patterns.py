r"""Activation patterns: which hidden units are on at which point.

``p(x)`` lists ``1[z_k(x) > 0]`` over all hidden units. Points with equal patterns lie in one activation
region, a convex polytope of network-input space on which the network is affine; the Hamming distance of two
patterns counts the units that treat two points differently (Lazzari and Liu, arXiv 2301.05816).

Patterns are kept as bits, 64 units to a word and every layer from a word of its own, so a distance is an
exclusive or and a population count.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from fefreq.support.arrays import FloatArray
from harness.relu.memory import available_memory, require_memory, rows_per_chunk
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray, checked_pairs

WordArray = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Patterns:
    """Activation patterns of ``n`` points.

    Attributes
    ----------
    words : ndarray of uint64, shape (n, words)
        The bits, layer after layer; a layer of ``w`` units takes ``⌈w/64⌉`` words, unused bits are 0.
    widths : tuple of int
        Units of every hidden layer.
    """

    words: WordArray
    widths: tuple[int, ...]

    def __len__(self) -> int:
        """Count the points."""
        return len(self.words)

    @property
    def layer_words(self) -> tuple[slice, ...]:
        """The words of every layer."""
        ends = np.cumsum([0, *(_words(width) for width in self.widths)]).tolist()
        return tuple(slice(start, end) for start, end in pairwise(ends))

    def unpacked(self) -> NDArray[np.bool_]:
        """Expand to one entry per unit, ``(n, M)``."""
        layers = [
            np.unpackbits(
                np.ascontiguousarray(self.words[:, columns]).view(np.uint8),
                axis=1,
                count=width,
                bitorder="little",
            )
            for columns, width in zip(self.layer_words, self.widths, strict=True)
        ]
        return np.concatenate(layers, axis=1).astype(bool)

    def labels(self) -> IntArray:
        """Label the regions: points share a label exactly if they share a pattern.

        Returns
        -------
        ndarray of int, shape (n,)
            From 0, in order of first appearance.
        """
        records = np.ascontiguousarray(self.words).view(f"V{8 * self.words.shape[1]}")[:, 0]
        _, first, inverse = np.unique(records, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return np.asarray(rank[inverse])


@dataclass(frozen=True, eq=False)
class HammingDistances:
    """Hamming distances of sampled pairs.

    Attributes
    ----------
    per_layer : ndarray of int, shape (m, L)
        Units of every hidden layer that are on at exactly one point of the pair.
    widths : tuple of int
        Units of every hidden layer.
    """

    per_layer: IntArray
    widths: tuple[int, ...]

    @property
    def total(self) -> IntArray:
        """Distance over all hidden units, ``(m,)``."""
        return np.asarray(self.per_layer.sum(axis=1))

    @property
    def mean(self) -> float:
        """Mean distance."""
        return float(self.total.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the distance over the pairs."""
        return float(self.total.std())

    @property
    def relative(self) -> float:
        """Mean distance divided by the number ``M`` of hidden units."""
        return self.mean / sum(self.widths)

    @property
    def layer_means(self) -> FloatArray:
        """Mean distance within every hidden layer, ``(L,)``."""
        return np.asarray(self.per_layer.mean(axis=0))


@dataclass(frozen=True)
class RegionCount:
    """Number of different activation patterns on a set of points.

    Attributes
    ----------
    regions : int
        Different patterns, a lower bound of the regions the domain is cut into.
    points : int
        Points looked at; the count cannot exceed it.
    """

    regions: int
    points: int

    @property
    def saturated(self) -> bool:
        """Whether every point has a pattern of its own, so that the count says nothing but ``n``."""
        return self.regions == self.points


def activation_patterns(
    network: nn.Module | ReluNetwork, points: ArrayLike | Tensor, *, memory: int | None = None
) -> Patterns:
    """Evaluate which hidden units are on.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    points : array_like or Tensor, shape (n, dim)
        In coordinates, before the encoding.
    memory : int, optional
        Bytes that may be used; by default what the machine has left.

    Returns
    -------
    Patterns

    Raises
    ------
    ValueError
        If the points do not fit the network or the memory.

    Examples
    --------
    >>> from torch import nn
    >>> hinge = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    >>> _ = nn.init.ones_(hinge[0].weight), nn.init.constant_(hinge[0].bias, -0.5)
    >>> activation_patterns(hinge, [0.0, 0.4, 0.6]).unpacked().ravel().tolist()
    [False, False, True]
    """
    net = ReluNetwork.of(network)
    inputs = net.inputs(points)
    total = sum(map(_words, net.widths))
    budget = available_memory() if memory is None else memory
    # Points in two precisions, the words, and what telling regions apart adds: a copy and three integers a
    # point.
    fitting = budget // (2 * 8 * (total + net.dim) + 24)
    require_memory(
        len(inputs), fitting, budget, "the activation patterns", "take fewer, or a part of the domain"
    )
    words = np.zeros((len(inputs), total), dtype=np.uint64)
    step = rows_per_chunk(8 * max(net.widths) * net.dtype.itemsize)
    with torch.no_grad():
        for start in range(0, len(inputs), step):
            rows = slice(start, start + step)
            packed = [pack((z > 0).cpu().numpy()) for z in net.preactivations(inputs[rows])]
            words[rows] = np.concatenate(packed, axis=1)
    return Patterns(words, net.widths)


def hamming_distances(patterns: Patterns, pairs: ArrayLike) -> HammingDistances:
    """Count the units that treat the two points of a pair differently.

    Parameters
    ----------
    patterns : Patterns
        Of ``n`` points.
    pairs : array_like of int, shape (m, 2)
        Indices of points, from :func:`local_pairs` or :func:`global_pairs`.

    Raises
    ------
    ValueError
        If there is no pair, or an index is out of range.
    """
    index = checked_pairs(pairs, len(patterns))
    distances = np.empty((len(index), len(patterns.widths)), dtype=np.int64)
    step = rows_per_chunk(4 * 8 * patterns.words.shape[1])
    for start in range(0, len(index), step):
        rows = slice(start, start + step)
        different = patterns.words[index[rows, 0]] ^ patterns.words[index[rows, 1]]
        counts = np.bitwise_count(different)
        for layer, columns in enumerate(patterns.layer_words):
            distances[rows, layer] = counts[:, columns].sum(axis=1, dtype=np.int64)
    return HammingDistances(distances, patterns.widths)


def count_regions(patterns: Patterns) -> RegionCount:
    """Count different patterns, the activation regions that the points fall into.

    Parameters
    ----------
    patterns : Patterns
        Of ``n`` points.

    Returns
    -------
    RegionCount
        The count with ``n``, at which it saturates.
    """
    return RegionCount(int(patterns.labels().max()) + 1, len(patterns))


def dead_units(patterns: Patterns) -> IntArray:
    """Count, in every hidden layer, the units that are off at every point.

    Parameters
    ----------
    patterns : Patterns
        Of all inputs.

    Returns
    -------
    ndarray of int, shape (L,)
    """
    alive = np.bitwise_count(np.bitwise_or.reduce(patterns.words, axis=0))
    living = [int(alive[columns].sum()) for columns in patterns.layer_words]
    return np.array(patterns.widths, dtype=np.int64) - np.array(living, dtype=np.int64)


def pack(active: NDArray[np.bool_]) -> WordArray:
    """Pack booleans ``(n, units)`` into words ``(n, ⌈units/64⌉)``."""
    octets = np.packbits(active, axis=1, bitorder="little")
    padded = np.zeros((len(active), 8 * _words(active.shape[1])), dtype=np.uint8)
    padded[:, : octets.shape[1]] = octets
    return padded.view(np.uint64)


def _words(width: int) -> int:
    return -(-width // 64)
