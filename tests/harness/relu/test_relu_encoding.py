"""The positional encoding: its features, distances, derivatives, and the limit a grid sets to it."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.relu import (
    Encoding,
    PositionalEncoding,
    encoding_distances,
    octave_limit,
    relu_network,
    warn_if_aliased,
)


class Squares(Encoding):
    """An encoding of the user's own: coordinates and their squares."""

    def __init__(self) -> None:
        super().__init__(dim=2, features=4)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return torch.cat([points, points**2], dim=1)


def encoded_by_definition(points: np.ndarray, octaves: int) -> np.ndarray:
    """Sines of all coordinates, then cosines, octave by octave, in quadruple-checked plain numpy."""
    features = []
    for octave in range(octaves):
        features += [np.sin(2**octave * np.pi * points), np.cos(2**octave * np.pi * points)]
    return np.concatenate(features, axis=1)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_features_are_sines_and_cosines_of_octaves(dim: int) -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (40, dim))
    encoded = PositionalEncoding(dim, 5)(torch.as_tensor(points)).numpy()
    assert encoded.shape == (40, 2 * dim * 5)
    np.testing.assert_allclose(encoded, encoded_by_definition(points, 5), atol=1e-14)


def test_an_octave_has_half_of_its_power_of_two_cycles_per_unit() -> None:
    x = np.arange(4096) / 1024 - 2
    encoded = PositionalEncoding(1, 6)(torch.as_tensor(x[:, None])).numpy()
    spectrum = np.abs(np.fft.rfft(encoded, axis=0))
    measured = np.fft.rfftfreq(4096, d=1 / 1024)[spectrum.argmax(axis=0)]
    np.testing.assert_array_equal(measured, np.repeat(PositionalEncoding(1, 6).cycles, 2))


def test_high_octaves_lose_no_digits_in_single_precision() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (200, 1)).astype(np.float32)
    single = PositionalEncoding(1, 16)(torch.as_tensor(points)).numpy()
    exact = encoded_by_definition(points.astype(np.float64), 16)
    np.testing.assert_allclose(single, exact, atol=1e-6)


@pytest.mark.parametrize("dim", [1, 3])
def test_jacobian_is_the_automatic_one(dim: int) -> None:
    encoding = PositionalEncoding(dim, 4)
    points = torch.as_tensor(np.random.default_rng(2).uniform(-1, 1, (20, dim)))
    automatic = torch.autograd.functional.jacobian(lambda x: encoding(x).sum(dim=0), points).movedim(1, 0)
    torch.testing.assert_close(encoding.jacobian(points), automatic, rtol=0, atol=1e-11)
    torch.testing.assert_close(Encoding.jacobian(encoding, points), automatic, rtol=0, atol=1e-11)


def test_speed_is_the_operator_norm_of_the_jacobian_everywhere() -> None:
    encoding = PositionalEncoding(2, 5)
    points = torch.as_tensor(np.random.default_rng(3).uniform(-1, 1, (10, 2)))
    norms = np.linalg.norm(encoding.jacobian(points).numpy(), ord=2, axis=(1, 2))
    np.testing.assert_allclose(norms, encoding.speed, rtol=1e-12)


@given(st.integers(1, 3), st.integers(1, 8), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_distance_is_the_norm_of_the_difference_of_features(dim: int, octaves: int, seed: int) -> None:
    x, y = np.random.default_rng(seed).uniform(-2, 2, (2, 30, dim))
    difference = encoded_by_definition(x, octaves) - encoded_by_definition(y, octaves)
    distance = PositionalEncoding(dim, octaves).distance(x - y)
    np.testing.assert_allclose(distance, np.linalg.norm(difference, axis=1), atol=1e-11)


def test_distance_of_close_points_does_not_cancel() -> None:
    encoding = PositionalEncoding(1, 4)
    np.testing.assert_allclose(encoding.distance([1e-12]), 1e-12 * encoding.speed, rtol=1e-12)


def test_distances_of_pairs_are_those_in_network_input_space() -> None:
    points = np.random.default_rng(4).uniform(0, 1, (30, 2))
    pairs = np.array([[0, 1], [5, 29], [7, 7]])
    x, y = points[pairs[:, 0]], points[pairs[:, 1]]
    plain = relu_network(2, 4, 1, dtype=torch.float64)
    np.testing.assert_allclose(encoding_distances(plain, points, pairs), np.linalg.norm(x - y, axis=1))
    encoded = relu_network(2, 4, 1, octaves=3)
    expected = np.linalg.norm(encoded_by_definition(x, 3) - encoded_by_definition(y, 3), axis=1)
    np.testing.assert_allclose(encoding_distances(encoded, points, pairs), expected, atol=1e-12)
    own = torch.nn.Sequential(
        Squares(), torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)
    ).double()
    expected = np.linalg.norm(np.hstack([x - y, x**2 - y**2]), axis=1)
    np.testing.assert_allclose(encoding_distances(own, points, pairs), expected, atol=1e-14)


@pytest.mark.parametrize("samples", [3, 7, 8, 9, 500, 512, 513])
def test_octave_limit_is_where_a_grid_can_no_longer_tell_octaves_apart(samples: int) -> None:
    limit = octave_limit(1 / samples)
    nyquist = samples / 2
    assert 2.0 ** (limit - 2) < nyquist <= 2.0 ** (limit - 1)


def test_an_aliased_octave_repeats_a_slower_wave_on_the_grid() -> None:
    x = np.arange(96) / 96
    features = PositionalEncoding(1, 8)(torch.as_tensor(x[:, None])).numpy()
    assert octave_limit(1 / 96) == 7
    # Octave 7 has 64 cycles per unit, more than 48: on the grid it is the wave of 96 - 64 = 32 cycles, octave
    # 6.
    np.testing.assert_allclose(features[:, 14], -features[:, 12], atol=1e-12)
    np.testing.assert_allclose(features[:, 15], features[:, 13], atol=1e-12)


def test_aliasing_on_a_grid_is_warned_of_with_its_limit() -> None:
    centres = (np.arange(64) + 0.5) / 64
    points = np.stack(np.meshgrid(centres, centres, indexing="ij"), axis=-1).reshape(-1, 2)
    with pytest.warns(UserWarning, match=r"16 octaves.*below 32: octaves beyond the first 6 alias"):
        assert warn_if_aliased(PositionalEncoding(2, 16), points) == 6


def test_the_coarsest_axis_sets_the_limit() -> None:
    points = np.stack(np.meshgrid(np.arange(64) / 64, np.arange(8) / 8, indexing="ij"), axis=-1).reshape(
        -1, 2
    )
    with pytest.warns(UserWarning, match="first 3 alias"):
        warn_if_aliased(PositionalEncoding(2, 4), points)


def test_a_resolved_encoding_passes_in_silence() -> None:
    x = np.linspace(0, 1, 2048)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warn_if_aliased(PositionalEncoding(1, 7), x) == 11
        assert warn_if_aliased(None, x) == 0


def test_an_axis_with_one_coordinate_resolves_nothing() -> None:
    points = np.stack([np.arange(8) / 8, np.zeros(8)], axis=1)
    with pytest.warns(UserWarning, match="first 0 alias"):
        warn_if_aliased(PositionalEncoding(2, 1), points)


def test_impossible_encodings_and_spacings_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 coordinate and 1 octave, not 1 and 0"):
        PositionalEncoding(1, 0)
    with pytest.raises(ValueError, match="positive, not 0"):
        octave_limit(0)
    with pytest.raises(ValueError, match=r"separations have shape \(3,\)"):
        PositionalEncoding(2, 1).distance(np.zeros(3))
