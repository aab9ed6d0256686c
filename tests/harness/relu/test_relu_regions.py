"""Exact activation regions along lines against grids, closed forms and convexity."""

import numpy as np
import pytest
import torch
from torch import nn

from harness.relu import (
    ReluNetwork,
    activation_patterns,
    count_regions,
    region_widths,
    regions_on_interval,
    regions_on_lines,
    relu_network,
)


def trained(network: nn.Sequential, steps: int = 300) -> nn.Sequential:
    """Fit three tones, so that breaks gather and some regions become narrow."""
    x = torch.linspace(-1, 1, 256, dtype=torch.float64)[:, None]
    y = sum(torch.sin(2 * torch.pi * k * x) for k in (1, 3, 5))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(steps):
        optimiser.zero_grad()
        (network(x) - y).square().mean().backward()
        optimiser.step()
    return network


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    return trained(relu_network(1, 24, 3, dtype=torch.float64))


@pytest.fixture(scope="module")
def encoded() -> nn.Sequential:
    return trained(relu_network(1, 24, 2, octaves=3, dtype=torch.float64))


def sawtooth(depth: int) -> nn.Sequential:
    """Compose the tent ``2 relu(x) - 4 relu(x - ½)`` with itself: 2^depth teeth on [0, 1]."""
    tent = torch.tensor([[2.0, -4.0]], dtype=torch.float64)
    ones, shift = torch.ones(2, 1, dtype=torch.float64), torch.tensor([0.0, -0.5], dtype=torch.float64)
    layers: list[nn.Module] = []
    for layer in range(depth):
        linear = nn.Linear(1 if layer == 0 else 2, 2, dtype=torch.float64)
        linear.weight.data, linear.bias.data = (ones if layer == 0 else ones @ tent), shift.clone()
        layers += [linear, nn.ReLU()]
    final = nn.Linear(2, 1, dtype=torch.float64)
    final.weight.data, final.bias.data = tent.clone(), torch.zeros(1, dtype=torch.float64)
    return nn.Sequential(*layers, final)


def changes_on_grid(network: nn.Sequential, lower: float, upper: float, count: int) -> int:
    labels = activation_patterns(network, np.linspace(lower, upper, count)).labels()
    return 1 + int(np.count_nonzero(np.diff(labels)))


def test_regions_equal_the_count_on_a_grid_that_resolves_the_narrowest(network: nn.Sequential) -> None:
    regions = regions_on_interval(network, -1, 1)
    assert regions.lengths.min() > 1e-6
    needed = int(np.ceil(2 * 2 / regions.lengths.min()))
    count, chunk = 1, 100_000
    for start in range(0, needed, chunk):
        ends = [-1 + 2 * min(edge, needed) / needed for edge in (start, start + chunk)]
        count += changes_on_grid(network, *ends, min(chunk, needed - start) + 1) - 1
    assert regions.counts.tolist() == [count]


def test_a_coarse_grid_misses_regions(network: nn.Sequential) -> None:
    exact = int(regions_on_interval(network, -1, 1).counts[0])
    assert count_regions(activation_patterns(network, np.linspace(-1, 1, 100))).regions < 0.8 * exact


def test_patterns_of_segments_are_those_at_their_midpoints(network: nn.Sequential) -> None:
    regions = regions_on_interval(network, -1, 1)
    middle = -1 + (regions.lower + regions.upper)
    np.testing.assert_array_equal(
        regions.patterns.unpacked(), activation_patterns(network, middle).unpacked()
    )


def test_every_region_is_met_in_one_segment_because_it_is_convex(network: nn.Sequential) -> None:
    regions = regions_on_interval(network, -1, 1)
    assert count_regions(regions.patterns).regions == regions.counts[0]


def test_the_network_is_affine_on_every_segment_and_bends_between(network: nn.Sequential) -> None:
    regions = regions_on_interval(network, -1, 1)
    view = ReluNetwork.of(network)
    left, right = -1 + 2 * regions.lower, -1 + 2 * regions.upper
    values = view.outputs_at(np.concatenate([left, (left + right) / 2, right])).reshape(3, -1)
    np.testing.assert_allclose(values[1], (values[0] + values[2]) / 2, atol=1e-12)
    slopes = (values[2] - values[0]) / (right - left)
    assert np.all(np.abs(np.diff(slopes)) > 1e-6)
    np.testing.assert_allclose(regions.breakpoints[:, 0], left[1:], rtol=0, atol=1e-15)


def test_breaks_of_one_hidden_layer_are_the_zeros_of_its_units() -> None:
    network = relu_network(1, 40, 1, dtype=torch.float64)
    zeros = -network[0].bias.detach().numpy() / network[0].weight.detach().numpy()[:, 0]
    inside = np.sort(zeros[np.abs(zeros) < 3])
    np.testing.assert_allclose(regions_on_interval(network, -3, 3).breakpoints[:, 0], inside, atol=1e-14)


@pytest.mark.parametrize("depth", [1, 2, 5, 8])
def test_composed_tents_have_as_many_regions_as_slopes(depth: int) -> None:
    # A tooth touches zero only where the tooth below it passes ½, so no break is counted twice.
    regions = regions_on_interval(sawtooth(depth), 0.0, 1.0)
    assert regions.counts.tolist() == [2**depth]
    np.testing.assert_allclose(regions.lengths, 2.0**-depth, rtol=1e-12)
    # The line starts on a boundary, where units are about to turn on.
    middle = activation_patterns(sawtooth(depth), (regions.lower + regions.upper) / 2)
    np.testing.assert_array_equal(regions.patterns.words, middle.words)


def test_without_biases_all_units_break_at_the_origin() -> None:
    network = relu_network(1, 50, 4, dtype=torch.float64)
    for layer in network[::2]:
        layer.bias = None
    regions = regions_on_interval(network, -0.7, 1.1)
    assert regions.counts.tolist() == [2]
    np.testing.assert_allclose(regions.breakpoints, 0, atol=1e-14)


def test_units_that_coincide_break_a_line_once() -> None:
    network = relu_network(1, 20, 3, dtype=torch.float64)
    with torch.no_grad():
        network[0].weight[10:], network[0].bias[10:] = network[0].weight[:10], network[0].bias[:10]
    view = ReluNetwork.of(network)
    first_layer = ReluNetwork(None, (view.layers[0], nn.Linear(20, 1, dtype=torch.float64)))
    zeros = -view.biases()[0][:10] / view.weights()[0][:10, 0]
    assert regions_on_interval(first_layer, -5, 5).counts[0] == 1 + np.sum(np.abs(zeros) < 5)


def test_lines_through_the_plane_agree_with_a_fine_walk_along_them() -> None:
    network = relu_network(2, 16, 3, dtype=torch.float64)
    rng = np.random.default_rng(0)
    starts, ends = rng.uniform(-2, 2, (2, 6, 2))
    regions = regions_on_lines(network, starts, ends)
    for line in range(6):
        lengths = (regions.upper - regions.lower)[regions.line == line]
        steps = int(np.ceil(2 / lengths.min()))
        walk = np.linspace(0, 1, steps + 1)[:, None]
        labels = activation_patterns(network, (1 - walk) * starts[line] + walk * ends[line]).labels()
        assert regions.counts[line] == 1 + np.count_nonzero(np.diff(labels))


def test_lines_together_are_lines_one_by_one(encoded: nn.Sequential) -> None:
    view = ReluNetwork.of(encoded)
    features = view.encode(view.inputs(np.linspace(0, 1, 9))).numpy()
    together = regions_on_lines(encoded, features[:-1], features[1:])
    assert together.counts.sum() == len(together.line)
    for line in range(8):
        alone = regions_on_lines(encoded, features[line], features[line + 1])
        mine = together.line == line
        assert alone.counts[0] == together.counts[line]
        np.testing.assert_allclose(alone.lower, together.lower[mine], atol=1e-13)
        np.testing.assert_array_equal(alone.patterns.words, together.patterns.words[mine])
    np.testing.assert_allclose(
        np.bincount(together.line, together.lengths), np.linalg.norm(np.diff(features, axis=0), axis=1)
    )


def test_chords_behind_an_encoding_agree_with_a_fine_walk(encoded: nn.Sequential) -> None:
    view = ReluNetwork.of(encoded)
    start, end = view.encode(view.inputs([0.2, 0.6])).numpy()
    regions = regions_on_lines(encoded, start, end)
    assert regions.counts[0] > 3
    walk = np.linspace(0, 1, int(np.ceil(2 / (regions.upper - regions.lower).min())) + 1)[:, None]
    labels = activation_patterns(view.head, (1 - walk) * start + walk * end).labels()
    assert regions.counts[0] == 1 + np.count_nonzero(np.diff(labels))


def test_a_line_backwards_crosses_the_same_regions(network: nn.Sequential) -> None:
    there, back = regions_on_lines(network, [[-1.0], [1.0]], [[1.0], [-1.0]]).counts
    assert there == back


def test_widths_at_the_data_are_distances_to_the_nearest_break(network: nn.Sequential) -> None:
    x = np.linspace(-0.9, 0.9, 400)
    breaks = regions_on_interval(network, -3, 3).breakpoints[:, 0]
    nearest = np.abs(x[:, None] - breaks).min(axis=1)
    np.testing.assert_allclose(region_widths(network, x), nearest, atol=1e-12)


def test_single_precision_networks_are_followed_in_double(network: nn.Sequential) -> None:
    single = relu_network(1, 24, 3)
    single.load_state_dict({name: value.float() for name, value in network.state_dict().items()})
    double = relu_network(1, 24, 3, dtype=torch.float64)
    double.load_state_dict({name: value.double() for name, value in single.state_dict().items()})
    one, two = regions_on_interval(single, -1, 1), regions_on_interval(double, -1, 1)
    np.testing.assert_array_equal(one.lower, two.lower)


def test_intervals_need_one_raw_coordinate() -> None:
    with pytest.raises(ValueError, match=r"behind an encoding .* use regions_on_lines with encoded points"):
        regions_on_interval(relu_network(1, 4, 1, octaves=2), 0, 1)
    with pytest.raises(ValueError, match="the network has 2 coordinates"):
        regions_on_interval(relu_network(2, 4, 1), 0, 1)
    with pytest.raises(ValueError, match="from 1 to 1 is empty"):
        regions_on_interval(relu_network(1, 4, 1), 1, 1)


@pytest.mark.parametrize(
    ("starts", "ends", "message"),
    [
        ([[0.0]], [[1.0]], r"starts of lines in network-input space have shape \(1, 1\)"),
        ([[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], "1 starts but 2 ends"),
        ([[0.0, 0.0]], [[0.0, 0.0]], "starts where it ends"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "no lines to follow"),
    ],
)
def test_lines_need_two_different_ends(starts: list, ends: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        regions_on_lines(relu_network(2, 4, 1), starts, ends)


def test_more_lines_than_memory_allows_says_how_many_fit() -> None:
    network = relu_network(2, 64, 2)
    ends = np.random.default_rng(1).uniform(-1, 1, (1000, 2))
    with pytest.raises(ValueError, match=r"1000 lines .* about \d+ lines fit; follow them in parts"):
        regions_on_lines(network, np.zeros((1000, 2)), ends, memory=2**20)
