"""Training dynamics of ReLU coordinate networks, measured.

Every diagnostic is a function of the ``torch.nn.Sequential`` being trained and of points, and returns
numbers: which units are on (:mod:`harness.relu.patterns`), whether samples pull together
(:mod:`harness.relu.gradients`), how many regions there are and how wide (:mod:`harness.relu.regions`,
:mod:`harness.relu.geometry`), what the weights bound (:mod:`harness.relu.weights`), and which error is left
(:mod:`harness.relu.accuracy`). :func:`track` trains networks and measures them on the way. After Lazzari and Liu,
"Understanding the spectral bias of coordinate based MLPs via training dynamics", arXiv 2301.05816.

Examples
--------
>>> import numpy as np
>>> network = relu_network(dim=1, width=32, hidden_layers=2, octaves=4)
>>> x = (np.arange(256) + 0.5) / 256
>>> patterns = activation_patterns(network, x)
>>> near = hamming_distances(patterns, local_pairs(256, 500, np.random.default_rng(0)))
>>> far = hamming_distances(patterns, global_pairs(256, 500, np.random.default_rng(1)))
>>> near.mean < far.mean
True
"""

from harness.networks.encoding import Encoding, PositionalEncoding, octave_limit, warn_if_aliased
from harness.relu.accuracy import Split, frequency_error, held_out_split, psnr, residual
from harness.relu.autograd import autograd_gram
from harness.relu.frequencies import default_frequencies
from harness.relu.geometry import encoding_distances, in_sphere_radii, region_widths
from harness.relu.gradients import (
    GradientConfusion,
    gradient_confusion,
    gradient_cosines,
    gradient_gram,
)
from harness.relu.network import ReluNetwork, relu_network
from harness.relu.pairs import global_pairs, local_pairs
from harness.relu.patterns import (
    HammingDistances,
    Patterns,
    RegionCount,
    activation_patterns,
    count_regions,
    dead_units,
    hamming_distances,
)
from harness.relu.probes import regions_along
from harness.relu.recording import Recording, Snapshot, stacked_recordings
from harness.relu.regions import LineRegions, regions_on_interval, regions_on_lines
from harness.relu.schedule import Every, Schedule
from harness.relu.tracker import Tracker
from harness.relu.tracking import track
from harness.relu.weights import WeightNorms, hyperplane_cosines, weight_norms

__all__ = [
    "Encoding",
    "Every",
    "GradientConfusion",
    "HammingDistances",
    "LineRegions",
    "Patterns",
    "PositionalEncoding",
    "Recording",
    "RegionCount",
    "ReluNetwork",
    "Schedule",
    "Snapshot",
    "Split",
    "Tracker",
    "WeightNorms",
    "activation_patterns",
    "autograd_gram",
    "count_regions",
    "dead_units",
    "default_frequencies",
    "encoding_distances",
    "frequency_error",
    "global_pairs",
    "gradient_confusion",
    "gradient_cosines",
    "gradient_gram",
    "hamming_distances",
    "held_out_split",
    "hyperplane_cosines",
    "in_sphere_radii",
    "local_pairs",
    "octave_limit",
    "psnr",
    "region_widths",
    "regions_along",
    "regions_on_interval",
    "regions_on_lines",
    "relu_network",
    "residual",
    "stacked_recordings",
    "track",
    "warn_if_aliased",
    "weight_norms",
]
