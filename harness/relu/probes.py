"""What a schedule can ask for: every diagnostic as named variables of one dataset.

A :class:`Ground` holds what stays the same while a network is trained: data, coordinates, pairs, frequencies. A
:class:`Probe` looks at one network on it. Each diagnostic returns variables by name, with their dimensions besides
member and time:

- ``pairs``: local or global;
- ``layer``: hidden layers from 1; ``weight_layer``: the same and the output layer;
- ``distance``: Hamming distance 0 … M; ``cosine``: centres of bins from -1 to 1.

Lengths are those of the data: a network whose coordinates are stretched by two has regions twice as wide in its own
coordinates, which says nothing about the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.networks.encoding import PositionalEncoding
from harness.relu.geometry import encoding_distances, in_sphere_radii, region_widths
from harness.relu.gradients import gradient_confusion
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray
from harness.relu.patterns import (
    Patterns,
    activation_patterns,
    count_regions,
    dead_units,
    hamming_distances,
)
from harness.relu.recording import box_of, seen_as, stretch
from harness.relu.regions import regions_on_lines
from harness.relu.schedule import Diagnostic
from harness.relu.weights import hyperplane_cosines, weight_norms

PLACES = ("local", "global")
COSINE_BINS = 80
# Of the fastest octave of an encoding: twice as many change counts by less than a thousandth.
CHORDS_PER_TURN = 64

Variables = dict[str, tuple[tuple[str, ...], NDArray[Any]]]

# What variables are, and in which unit, for the file and for axes.
MEANINGS = {
    "error": ("spectrum of the error", ""),
    "mean_squared_error": ("mean squared error on the samples trained on", ""),
    "psnr": ("peak signal-to-noise ratio", "dB"),
    "test_psnr": ("peak signal-to-noise ratio on the test samples, at the best epoch of validation", "dB"),
    "hamming": ("mean Hamming distance of activation patterns", "units"),
    "hamming_spread": ("standard deviation of the Hamming distance over pairs", "units"),
    "hamming_layer": ("mean Hamming distance within a layer", "units"),
    "hamming_histogram": ("pairs by Hamming distance", "pairs"),
    "alignment": ("mean modulus of the cosine between gradients of pairs", ""),
    "confused": ("share of pairs with a negative cosine between gradients", ""),
    "cosine_mean": ("mean cosine between gradients of pairs", ""),
    "cosine_spread": ("standard deviation over pairs of the cosine between gradients", ""),
    "cosine_histogram": ("pairs by cosine between gradients", "pairs"),
    "distinct_patterns": ("different activation patterns on the samples, at most their number", "patterns"),
    "regions": (
        "activation regions along the line: exact on coordinates; behind an encoding along fine chords",
        "regions",
    ),
    "region_width": ("mean distance of a sample to the nearest boundary", "unit length of the data"),
    "region_width_median": ("median distance of a sample to the nearest boundary", "unit length of the data"),
    "dead_units": ("units that are off at every sample", "units"),
    "spectral_norm": ("largest singular value of a layer", ""),
    "lipschitz_bound": ("product of the spectral norms of all layers", ""),
    "hyperplane_cosine": ("mean modulus of the cosine between hyperplanes of a layer", ""),
    "hyperplane_histogram": ("pairs of hyperplanes of a layer by cosine", "pairs"),
    "in_sphere_radius": ("mean radius of the largest ball in a first-layer polytope", "network-input space"),
    "in_sphere_smallest": ("smallest radius of the largest balls", "network-input space"),
    "encoding_distance": ("mean distance of pairs in network-input space", "network-input space"),
}


@dataclass(frozen=True, eq=False)
class Ground:
    """What stays the same while a network is trained.

    Attributes
    ----------
    target : Target
        Samples on a grid, in coordinates of their own.
    coordinates : (float, float)
        What the longest side of the data becomes in the coordinates of the network; the others keep the proportion.
    frequencies : ndarray, shape (F, d)
        Where the error spectrum is taken, in cycles per unit length of the data.
    pairs : dict of ndarray of int, shape (m, 2)
        Indices of samples, ``local`` and ``global``.
    sphere_samples : ndarray of int
        Samples in whose polytopes in-spheres are sought.
    """

    target: Target
    coordinates: tuple[float, float]
    frequencies: FloatArray
    pairs: dict[str, IntArray]
    sphere_samples: IntArray

    @property
    def scale(self) -> float:
        """Units of the network's coordinates per unit length of the data."""
        return stretch(self.target, self.coordinates)

    @cached_property
    def inputs(self) -> FloatArray:
        """The samples in the coordinates of the network, ``(n, d)``."""
        return seen_as(self.target.points, self.target, self.coordinates)

    @cached_property
    def line(self) -> FloatArray:
        """Points along the data, in the coordinates of the network: all of an interval, or a diagonal.

        The corners of the data, and as many points in between as there are samples along the longest side.
        """
        grid = self.target.grid
        assert grid is not None
        count = max(grid.shape)
        fractions = np.concatenate([[0.0], (np.arange(count) + 0.5) / count, [1.0]])[:, None]
        lower, upper = box_of(self.target)
        return seen_as((1 - fractions) * lower + fractions * upper, self.target, self.coordinates)

    def coordinates_of(self, network: ReluNetwork) -> dict[str, tuple[str, NDArray[Any]]]:
        """Coordinates of the dimensions that variables have besides member and time."""
        layers = len(network.widths)
        edges = np.linspace(-1, 1, COSINE_BINS + 1)
        return {
            "pairs": ("pairs", np.array(PLACES)),
            "layer": ("layer", np.arange(1, layers + 1)),
            "weight_layer": ("weight_layer", np.arange(1, layers + 2)),
            "distance": ("distance", np.arange(network.units + 1)),
            "cosine": ("cosine", (edges[1:] + edges[:-1]) / 2),
        }


@dataclass(frozen=True, eq=False)
class Probe:
    """A network in the course of training, and its residual at the samples."""

    ground: Ground
    network: ReluNetwork
    residual: FloatArray

    @cached_property
    def patterns(self) -> Patterns:
        """Activation patterns at the samples."""
        return activation_patterns(self.network, self.ground.inputs)


def error(probe: Probe) -> Variables:
    """The error spectrum ``û(ξ)`` of the residual on all samples."""
    spectrum = probe.ground.target.with_values(probe.residual).spectrum(probe.ground.frequencies)
    return {"error": (("frequency", "channel")[: spectrum.ndim], spectrum)}


def hamming(probe: Probe) -> Variables:
    """Distances between the activation patterns of pairs."""
    found = [hamming_distances(probe.patterns, probe.ground.pairs[place]) for place in PLACES]
    units = probe.network.units
    return {
        "hamming": (("pairs",), _stacked(d.mean for d in found)),
        "hamming_spread": (("pairs",), _stacked(d.spread for d in found)),
        "hamming_layer": (("pairs", "layer"), _stacked(d.layer_means for d in found)),
        "hamming_histogram": (
            ("pairs", "distance"),
            _stacked(np.bincount(d.total, minlength=units + 1) for d in found),
        ),
    }


def confusion(probe: Probe) -> Variables:
    """Cosines between the loss gradients of pairs."""
    found = [
        gradient_confusion(probe.network, probe.ground.inputs, probe.residual, probe.ground.pairs[place])
        for place in PLACES
    ]
    return {
        "alignment": (("pairs",), _stacked(c.alignment for c in found)),
        "confused": (("pairs",), _stacked(c.confused for c in found)),
        "cosine_mean": (("pairs",), _stacked(c.mean for c in found)),
        "cosine_spread": (("pairs",), _stacked(c.spread for c in found)),
        "cosine_histogram": (("pairs", "cosine"), _stacked(_cosine_counts(c.cosines) for c in found)),
    }


def patterns(probe: Probe) -> Variables:
    """How many different patterns the samples have."""
    return {"distinct_patterns": ((), np.array(float(count_regions(probe.patterns).regions)))}


def regions(probe: Probe) -> Variables:
    """Regions along the line: exact on coordinates; behind an encoding along fine chords."""
    return {"regions": ((), np.array(float(regions_along(probe.network, probe.ground.line))))}


def width(probe: Probe) -> Variables:
    """Distance of the samples to the nearest boundary of their region."""
    found = region_widths(probe.network, probe.ground.inputs) / probe.ground.scale
    return {
        "region_width": ((), np.array(found.mean())),
        "region_width_median": ((), np.array(np.median(found))),
    }


def dead(probe: Probe) -> Variables:
    """Units that are off at every sample."""
    return {"dead_units": (("layer",), _stacked(dead_units(probe.patterns)))}


def norms(probe: Probe) -> Variables:
    """Spectral norms of the layers, and their product."""
    found = weight_norms(probe.network)
    return {
        "spectral_norm": (("weight_layer",), found.layers),
        "lipschitz_bound": ((), np.array(found.product)),
    }


def angles(probe: Probe) -> Variables:
    """How parallel the hyperplanes of each layer are."""
    found = hyperplane_cosines(probe.network)
    return {
        "hyperplane_cosine": (("layer",), _stacked(np.abs(cosines).mean() for cosines in found)),
        "hyperplane_histogram": (("layer", "cosine"), _stacked(map(_cosine_counts, found))),
    }


def in_sphere(probe: Probe) -> Variables:
    """Largest balls in the polytopes of the first layer that hold some of the samples."""
    bounds = probe.ground.coordinates if probe.network.encoding is None else (-1.0, 1.0)
    radii = in_sphere_radii(probe.network, probe.ground.inputs[probe.ground.sphere_samples], bounds=bounds)
    return {
        "in_sphere_radius": ((), np.array(radii.mean())),
        "in_sphere_smallest": ((), np.array(radii.min())),
    }


PROBES: dict[Diagnostic, Callable[[Probe], Variables]] = {
    "hamming": hamming,
    "confusion": confusion,
    "patterns": patterns,
    "regions": regions,
    "width": width,
    "dead": dead,
    "norms": norms,
    "angles": angles,
    "in_sphere": in_sphere,
}


def regions_along(network: ReluNetwork, points: ArrayLike, chords: int = CHORDS_PER_TURN) -> int:
    """Count the activation regions along a line of points in the coordinates of the network.

    Parameters
    ----------
    network : ReluNetwork
    points : array_like, shape (k, dim)
        On one straight line, in order.
    chords : int
        Least number of chords for a turn of the fastest octave of a :class:`PositionalEncoding`.

    Returns
    -------
    int
        Without an encoding the regions on the straight line from the first point to the last, exactly. Behind an
        encoding the points lie on a curve, and the pieces are those that regions cut out of chords of it: between
        neighbours, and behind a :class:`PositionalEncoding` between as many more points as ``chords`` asks for.
    """
    array = np.asarray(points, dtype=np.float64)
    if network.encoding is None:
        return int(regions_on_lines(network, array[:1], array[-1:]).counts[0])
    import torch

    if isinstance(network.encoding, PositionalEncoding):
        array = _refined(array, 1 / (chords * float(network.encoding.cycles[-1])))
    with torch.no_grad():
        encoded = network.encoding(torch.tensor(array)).double().numpy(force=True)
    counts = regions_on_lines(network, encoded[:-1], encoded[1:]).counts
    return int((counts - 1).sum()) + 1


def _refined(points: FloatArray, longest: float) -> FloatArray:
    """Points along the same line, no coordinate of neighbours further apart than ``longest``."""
    steps = np.abs(np.diff(points, axis=0)).max(axis=1)
    # A step that is too long by a rounding needs no second part.
    parts = np.maximum(1, np.ceil(steps / longest * (1 - 1e-9))).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(parts)])
    places, nodes = np.arange(ends[-1] + 1), ends.astype(np.float64)
    return np.stack([np.interp(places, nodes, axis) for axis in points.T], axis=1)


def pair_distances(ground: Ground, network: ReluNetwork) -> FloatArray:
    """Mean distance of local and of global pairs in network-input space, ``(2,)``."""
    return _stacked(
        encoding_distances(network, ground.inputs, ground.pairs[place]).mean() for place in PLACES
    )


def _cosine_counts(cosines: FloatArray) -> FloatArray:
    return np.histogram(cosines, bins=COSINE_BINS, range=(-1, 1))[0].astype(np.float64)


def _stacked(values: Iterable[Any]) -> FloatArray:
    return np.array(list(values), dtype=np.float64)
