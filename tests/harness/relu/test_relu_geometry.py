"""Widths of regions and in-spheres against line searches, enumeration and closed forms."""

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn

from harness.relu import Encoding, activation_patterns, in_sphere_radii, region_widths, relu_network
from harness.relu import memory as memory_module


class Circle(Encoding):
    """An encoding of the user's own, on which units are exactly known."""

    def __init__(self) -> None:
        super().__init__(dim=1, features=2)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.cos(points), torch.sin(points)], dim=1)


def first_change(network: nn.Sequential, point: np.ndarray, direction: np.ndarray, reach: float) -> float:
    """Bisect for the first change of pattern along a ray, after a coarse walk; ``reach`` if there is none."""
    steps = np.linspace(0, reach, 201)
    labels = activation_patterns(network, point + steps[:, None] * direction).labels()
    changed = np.flatnonzero(labels != labels[0])
    if not len(changed):
        return reach
    low, high = steps[changed[0] - 1], steps[changed[0]]
    for _ in range(40):
        middle = (low + high) / 2
        same = activation_patterns(network, np.array([point, point + middle * direction])).labels()[1] == 0
        low, high = (middle, high) if same else (low, middle)
    return high


def test_width_is_the_distance_to_the_nearest_change_of_pattern() -> None:
    network = relu_network(2, 12, 3, dtype=torch.float64)
    points = np.random.default_rng(0).uniform(-1, 1, (4, 2))
    angles = np.linspace(0, 2 * np.pi, 121)[:-1]
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for point, width in zip(points, region_widths(network, points), strict=True):
        found = [first_change(network, point, direction, 1.05 * width) for direction in directions]
        # No ray leaves the region earlier; the best of 120 rays is within 1.5° of the normal.
        assert min(found) > width * (1 - 1e-9)
        assert min(found) < width / np.cos(np.pi / 120) * (1 + 1e-9)


def test_width_in_deeper_layers_is_not_the_distance_in_hidden_space() -> None:
    # z1 = 10 x and z2 = relu(z1) - 5: unit 2 has its boundary at x = 0.5, from x = 0.4 at hidden distance 1.
    network = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    for layer, weight, bias in ((0, 10.0, 0.0), (2, 1.0, -5.0)):
        nn.init.constant_(network[layer].weight, weight)
        nn.init.constant_(network[layer].bias, bias)
    np.testing.assert_allclose(region_widths(network, [0.4, 0.1]), [0.1, 0.1], rtol=1e-14)


def test_units_without_live_inputs_draw_no_boundary() -> None:
    network = relu_network(1, 4, 2)
    with torch.no_grad():
        network[0].weight.zero_()
    assert np.all(np.isinf(region_widths(network, [0.0, 1.0])))


def test_width_behind_an_encoding_is_first_order_in_the_coordinates() -> None:
    # The unit sin(x - x0) written in features of the circle: |z| / |dz/dx| = |tan(x - x0)|.
    network = nn.Sequential(Circle(), nn.Linear(2, 1), nn.ReLU(), nn.Linear(1, 1)).double()
    x0 = 0.3
    with torch.no_grad():
        network[1].weight[:] = torch.tensor([[-np.sin(x0), np.cos(x0)]])
        network[1].bias.zero_()
    x = np.array([0.31, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(region_widths(network, x), np.abs(np.tan(x - x0)), rtol=1e-12)


def test_width_behind_a_positional_encoding_predicts_the_nearest_break() -> None:
    network = relu_network(1, 32, 2, octaves=4, dtype=torch.float64)
    x = np.random.default_rng(1).uniform(0, 1, 200)
    widths = region_widths(network, x)
    narrow = widths < 1e-4
    assert narrow.sum() >= 3
    for point, width in zip(x[narrow], widths[narrow], strict=True):
        # Curvature of octave 3 (8π per unit) times the width is below 1e-3 of the slope, up to steepness.
        found = min(first_change(network, np.array([point]), np.array([s]), 2 * width) for s in (-1.0, 1.0))
        assert found == pytest.approx(width, rel=0.05)


def test_chunks_do_not_change_the_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    network = relu_network(2, 16, 2, octaves=2, dtype=torch.float64)
    points = np.random.default_rng(2).uniform(0, 1, (100, 2))
    whole = region_widths(network, points)
    monkeypatch.setattr(memory_module, "CHUNK_BYTES", 20_000)
    np.testing.assert_allclose(region_widths(network, points), whole, rtol=1e-12)


def enumerated_in_sphere(normals: np.ndarray, offsets: np.ndarray) -> float:
    """Best of all balls that touch three of the half-planes ``n·c + o ≥ 0`` and cross none."""
    norms = np.linalg.norm(normals, axis=1)
    best = 0.0
    for three in combinations(range(len(normals)), 3):
        rows = list(three)
        system = np.column_stack([normals[rows], -norms[rows]])
        if abs(np.linalg.det(system)) < 1e-12:
            continue
        *centre, radius = np.linalg.solve(system, -offsets[rows])
        if radius > best and np.all(normals @ centre + offsets >= radius * norms - 1e-10):
            best = float(radius)
    return best


def test_in_sphere_of_the_plane_is_the_best_that_touches_three_lines() -> None:
    network = relu_network(2, 14, 2, dtype=torch.float64)
    points = np.random.default_rng(3).uniform(-1, 1, (25, 2))
    weight, bias = network[0].weight.detach().numpy(), network[0].bias.detach().numpy()
    box = np.concatenate([np.eye(2), -np.eye(2)])
    radii = in_sphere_radii(network, points, bounds=(-1, 1))
    for point, radius in zip(points, radii, strict=True):
        signs = np.sign(weight @ point + bias)
        normals = np.concatenate([signs[:, None] * weight, box])
        offsets = np.concatenate([signs * bias, np.ones(4)])
        assert radius == pytest.approx(enumerated_in_sphere(normals, offsets), rel=1e-9)


def test_in_sphere_of_a_line_is_half_the_distance_between_breaks() -> None:
    network = relu_network(1, 30, 1, dtype=torch.float64)
    breaks = np.sort(-network[0].bias.detach().numpy() / network[0].weight.detach().numpy()[:, 0])
    x = np.random.default_rng(4).uniform(-1, 1, 40)
    edges = np.concatenate([[-1.0], breaks[np.abs(breaks) < 1], [1.0]])
    right = np.searchsorted(edges, x)
    expected = (edges[right] - edges[right - 1]) / 2
    np.testing.assert_allclose(in_sphere_radii(network, x, bounds=(-1, 1)), expected, rtol=1e-9)
    # Without a box the outermost intervals have no end.
    far = in_sphere_radii(network, [breaks[0] - 1, (breaks[0] + breaks[1]) / 2, breaks[-1] + 1])
    np.testing.assert_allclose(far, [np.inf, (breaks[1] - breaks[0]) / 2, np.inf], rtol=1e-9)


def test_in_sphere_scales_with_the_polytope() -> None:
    # Facets 1e-9 apart are far below the absolute tolerance of the linear programme.
    small, large = (relu_network(2, 12, 1, dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        small[0].bias.mul_(1e-9)
    points = np.random.default_rng(5).uniform(-0.3, 0.3, (10, 2))
    reference = in_sphere_radii(large, points)
    np.testing.assert_allclose(in_sphere_radii(small, 1e-9 * points), 1e-9 * reference, rtol=1e-8)


def test_in_sphere_contains_no_boundary_of_the_first_layer_near_the_point() -> None:
    network = relu_network(2, 20, 1, octaves=2, dtype=torch.float64)
    points = np.random.default_rng(6).uniform(0, 1, (10, 2))
    radii = in_sphere_radii(network, points, bounds=(-1, 1))
    encoded = network[0](torch.as_tensor(points)).numpy()
    weight, bias = network[1].weight.detach().numpy(), network[1].bias.detach().numpy()
    from_point = np.abs(encoded @ weight.T + bias) / np.linalg.norm(weight, axis=1)
    # The ball around the point itself is a candidate, as far as the box allows; the best is at least as
    # large.
    room = np.minimum(1 - encoded, 1 + encoded).min(axis=1)
    assert np.all(radii >= np.minimum(from_point.min(axis=1), room) - 1e-12)


def test_impossible_boxes_are_refused() -> None:
    network = relu_network(1, 4, 1)
    with pytest.raises(ValueError, match="from 1 to -1 is empty"):
        in_sphere_radii(network, [0.0], bounds=(1, -1))
    with pytest.raises(ValueError, match="2 of 3 points lie outside the box from 0 to 1"):
        in_sphere_radii(network, [-1.0, 0.5, 2.0], bounds=(0, 1))
