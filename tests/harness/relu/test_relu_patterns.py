"""Activation patterns on bits against units counted one by one."""

import os

import numpy as np
import pytest
import torch
from torch import nn

from harness.relu import (
    ReluNetwork,
    activation_patterns,
    count_regions,
    dead_units,
    global_pairs,
    hamming_distances,
    local_pairs,
    relu_network,
)
from harness.relu import memory as memory_module


def uneven_network(octaves: int | None = None) -> nn.Sequential:
    """Widths on both sides of a 64-bit word."""
    features = 2 if octaves is None else 4 * octaves
    layers: list[nn.Module] = list(relu_network(2, 3, 1, octaves=octaves).children())[
        : 0 if octaves is None else 1
    ]
    generator = torch.Generator().manual_seed(0)
    for fan_in, fan_out in [(features, 70), (70, 64), (64, 5), (5, 130)]:
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    layers.append(nn.Linear(130, 2))
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)
    return nn.Sequential(*layers)


def units_one_by_one(network: nn.Sequential, points: np.ndarray) -> np.ndarray:
    """Signs of all pre-activations, one point at a time through the modules themselves."""
    rows = []
    for point in points:
        a = torch.as_tensor(point, dtype=torch.float32)[None]
        bits: list[bool] = []
        for module in network:
            if isinstance(module, nn.ReLU):
                bits += (a[0] > 0).tolist()
            a = module(a)
        rows.append(bits)
    return np.array(rows)


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (150, 2)).astype(np.float32)


@pytest.mark.parametrize("octaves", [None, 2])
def test_patterns_are_the_signs_of_the_preactivations(octaves: int | None, points: np.ndarray) -> None:
    network = uneven_network(octaves)
    patterns = activation_patterns(network, points)
    expected = units_one_by_one(network, points)
    # Batched and single products round differently: a bit may differ only where its unit is within rounding
    # of 0.
    assert np.mean(patterns.unpacked() != expected) < 1e-4
    assert patterns.unpacked().shape == (150, 70 + 64 + 5 + 130)


def test_hamming_distances_count_differing_units(points: np.ndarray) -> None:
    patterns = activation_patterns(uneven_network(), points)
    bits = patterns.unpacked()
    pairs = local_pairs(150, 60, np.random.default_rng(1))
    distances = hamming_distances(patterns, pairs)
    edges = np.cumsum([0, 70, 64, 5, 130])
    for (i, j), row in zip(pairs, distances.per_layer, strict=True):
        for layer in range(4):
            units = range(edges[layer], edges[layer + 1])
            assert row[layer] == sum(bits[i, k] != bits[j, k] for k in units)


def test_hamming_summary_is_that_of_the_totals(points: np.ndarray) -> None:
    patterns = activation_patterns(uneven_network(), points)
    distances = hamming_distances(patterns, global_pairs(150, 500, np.random.default_rng(2)))
    total = distances.per_layer.sum(axis=1)
    assert distances.mean == total.mean()
    assert distances.spread == total.std()
    assert distances.relative == pytest.approx(total.mean() / 269)
    assert distances.layer_means.sum() == pytest.approx(distances.mean)


def test_chunks_do_not_change_the_patterns(points: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    network = uneven_network()
    whole = activation_patterns(network, points)
    pairs = local_pairs(150, 60, np.random.default_rng(1))
    distances = hamming_distances(whole, pairs)
    monkeypatch.setattr(memory_module, "CHUNK_BYTES", 40_000)
    assert np.mean(activation_patterns(network, points).unpacked() != whole.unpacked()) < 1e-4
    assert np.array_equal(hamming_distances(whole, pairs).per_layer, distances.per_layer)


def test_regions_on_the_data_are_the_different_patterns() -> None:
    centres = (np.arange(40) + 0.5) / 40
    points = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)
    patterns = activation_patterns(relu_network(2, 12, 2), points)
    records = [row.tobytes() for row in patterns.unpacked()]
    found = count_regions(patterns)
    assert (found.regions, found.points) == (len(set(records)), 1600)
    assert not found.saturated
    # Labels number the patterns in order of first appearance.
    order = {record: label for label, record in enumerate(dict.fromkeys(records))}
    assert patterns.labels().tolist() == [order[record] for record in records]


def test_the_count_saturates_at_the_number_of_points() -> None:
    network = relu_network(1, 128, 2, octaves=6)
    found = count_regions(activation_patterns(network, (np.arange(20) + 0.5) / 20))
    assert found.saturated
    assert found.regions == 20


def test_dead_units_are_off_at_every_point() -> None:
    network = uneven_network()
    with torch.no_grad():
        network[0].bias[:7] = -100.0
        network[6].bias[[0, 64, 129]] = -100.0
    points = np.random.default_rng(3).uniform(-1, 1, (300, 2))
    patterns = activation_patterns(network, points)
    off = ~patterns.unpacked().any(axis=0)
    expected = [int(part.sum()) for part in np.split(off, [70, 134, 139])]
    assert dead_units(patterns).tolist() == expected
    assert expected[0] >= 7


def test_points_with_one_pattern_see_one_affine_function() -> None:
    network = relu_network(2, 10, 2, dtype=torch.float64)
    points = np.random.default_rng(4).uniform(-1, 1, (4000, 2))
    labels = activation_patterns(network, points).labels()
    members = np.flatnonzero(labels == np.bincount(labels).argmax())
    assert len(members) > 10
    design = np.column_stack([points[members], np.ones(len(members))])
    values = ReluNetwork.of(network).outputs_at(points[members])
    fit = np.linalg.lstsq(design, values, rcond=None)[0]
    np.testing.assert_allclose(design @ fit, values, atol=1e-13)


def test_available_memory_is_part_of_what_is_installed() -> None:
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory_module.available_memory() <= installed


def test_more_points_than_memory_allows_says_how_many_fit() -> None:
    # 269 units fill 2 + 1 + 1 + 3 words; two copies of these and of two coordinates, and three integers.
    needed = 2 * 8 * (7 + 2) + 24
    with pytest.raises(ValueError, match=r"of 100 points does not fit into .* 99 points fit; take fewer"):
        activation_patterns(uneven_network(), np.zeros((100, 2)), memory=100 * needed - 1)
    assert len(activation_patterns(uneven_network(), np.zeros((100, 2)), memory=100 * needed)) == 100
