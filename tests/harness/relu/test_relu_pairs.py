"""Pairs of samples: where they come from, and that none is degenerate."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.relu import activation_patterns, global_pairs, hamming_distances, local_pairs, relu_network


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(
    st.lists(st.integers(4, 40), min_size=1, max_size=3),
    st.integers(2, 4),
    st.integers(0, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_local_pairs_are_different_samples_of_one_window(shape: list[int], window: int, seed: int) -> None:
    pairs = local_pairs(shape, 200, rng(seed), window)
    first, second = (np.stack(np.unravel_index(column, shape), axis=1) for column in pairs.T)
    assert np.all(np.abs(first - second) < window)
    assert np.all(pairs[:, 0] != pairs[:, 1])


def test_every_pair_of_a_window_is_equally_likely() -> None:
    pairs = local_pairs(4, 120_000, rng(), window=4)
    counts = np.zeros((4, 4))
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    # 12 ordered pairs, 10,000 of each expected with a standard deviation of 96.
    assert np.all(np.diag(counts) == 0)
    np.testing.assert_allclose(counts[~np.eye(4, dtype=bool)], 10_000, atol=480)


def test_windows_reach_both_ends_of_the_grid() -> None:
    pairs = local_pairs((9, 5), 5_000, rng(), window=3)
    assert set(pairs.ravel().tolist()) == set(range(45))


def test_global_pairs_of_a_line_join_its_first_and_last_two_fifths() -> None:
    pairs = global_pairs(100, 20_000, rng())
    assert set(pairs[:, 0].tolist()) == set(range(40))
    assert set(pairs[:, 1].tolist()) == set(range(60, 100))


def test_global_pairs_of_an_image_join_opposite_quadrants() -> None:
    rows, columns = np.divmod(global_pairs((9, 12), 20_000, rng()), 12)
    assert np.all(rows != 4)
    assert np.all((rows[:, 0] < 4) == (rows[:, 1] > 4))
    assert np.all((columns[:, 0] < 6) == (columns[:, 1] >= 6))
    # All four quadrants are drawn, each a quarter of the time.
    quadrant = 2 * (rows[:, 0] > 4) + (columns[:, 0] >= 6)
    np.testing.assert_allclose(np.bincount(quadrant), 5_000, atol=310)


def test_pairs_follow_from_the_seed() -> None:
    for draw in (local_pairs, global_pairs):
        assert np.array_equal(draw((60, 60), 50, rng(1)), draw((60, 60), 50, rng(1)))
        assert not np.array_equal(draw((60, 60), 50, rng(1)), draw((60, 60), 50, rng(2)))


@pytest.mark.parametrize(
    ("shape", "count", "window", "message"),
    [
        (100, 0, 50, "0 pairs are asked for; draw at least 1"),
        (100, 10, 1, r"a window of 1 sample\(s\) holds no pair"),
        ((100, 32), 10, 50, r"does not fit into a grid of shape \(100, 32\); take 32"),
        ((), 10, 50, r"grid of shape \(\) has no samples"),
        ((4, 0), 10, 2, r"grid of shape \(4, 0\) has no samples"),
    ],
)
def test_an_empty_local_sampler_is_refused(
    shape: int | tuple[int, ...], count: int, window: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        local_pairs(shape, count, rng(), window)


@pytest.mark.parametrize(("shape", "count"), [(2, 10), ((1, 8), 10)])
def test_an_empty_global_sampler_is_refused(shape: int | tuple[int, ...], count: int) -> None:
    with pytest.raises(ValueError, match="hold no sample: take at least 3 samples along each axis"):
        global_pairs(shape, count, rng())


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        (np.zeros((0, 2), int), ValueError, "no pairs to compare: draw at least one"),
        (np.array([[0, 4]]), ValueError, "points 0 … 4, but there are 0 … 3"),
        (np.array([[-1, 2]]), ValueError, "points -1 … 2"),
        (np.array([0, 1, 2]), ValueError, r"shape \(3,\); they must be \(m, 2\)"),
        (np.array([[0.0, 1.0]]), TypeError, "integers, not float64"),
    ],
)
def test_pairs_that_name_no_points_are_refused(
    pairs: np.ndarray, error: type[Exception], message: str
) -> None:
    patterns = activation_patterns(relu_network(1, 4, 1), np.linspace(0, 1, 4))
    with pytest.raises(error, match=message):
        hamming_distances(patterns, pairs)
