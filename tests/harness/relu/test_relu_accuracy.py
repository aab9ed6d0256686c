"""Errors over frequency and on held-out samples."""

import numpy as np
import pytest
import torch

from fefreq.targets.target import Target
from harness.relu import ReluNetwork, frequency_error, held_out_split, psnr, relu_network, residual


def test_frequency_error_is_the_quadrature_of_the_residual() -> None:
    network = relu_network(1, 16, 2, dtype=torch.float64)
    target = Target.from_function(lambda x: np.sin(2 * np.pi * 3 * x[:, 0]), [(0, 1)], 128)
    frequencies = np.array([-3.0, 0.0, 0.37, 3.0, 12.5])
    x = target.points[:, 0]
    left = target.values - ReluNetwork.of(network).outputs_at(x)[:, 0]
    direct = np.exp(-2j * np.pi * np.outer(frequencies, x)) @ left / 128
    np.testing.assert_allclose(frequency_error(network, target, frequencies), direct, atol=1e-11)


def test_frequency_error_treats_channels_one_by_one() -> None:
    network = relu_network(2, 8, 1, 3, octaves=2)
    rng = np.random.default_rng(0)
    target = Target.from_grid(rng.normal(size=(9, 7, 3)), [(0, 1), (-1, 1)])
    frequencies = rng.uniform(-2, 2, (5, 2))
    whole = frequency_error(network, target, frequencies)
    left = residual(network, target)
    for channel in range(3):
        alone = target.with_values(left[:, channel]).spectrum(frequencies)
        np.testing.assert_allclose(whole[:, channel], alone, atol=1e-12)


def test_a_network_that_is_the_target_leaves_no_error() -> None:
    network = relu_network(1, 16, 2, dtype=torch.float64)
    view = ReluNetwork.of(network)
    target = Target.from_function(lambda x: view.outputs_at(x)[:, 0], [(-1, 1)], 64)
    assert np.all(frequency_error(network, target, [0.0, 1.0, 5.0]) == 0)


def test_channels_must_fit() -> None:
    target = Target.from_grid(np.zeros((8, 3)), [(0, 1)])
    with pytest.raises(ValueError, match=r"3 channel\(s\), but the network has 1 output"):
        frequency_error(relu_network(1, 4, 1), target, [0.0])


def test_held_out_sets_are_disjoint_and_complete() -> None:
    split = held_out_split(1001, np.random.default_rng(1), validation=0.15, test=0.25)
    together = np.concatenate([split.train, split.validation, split.test])
    assert np.array_equal(np.sort(together), np.arange(1001))
    assert (len(split.validation), len(split.test)) == (150, 250)


def test_the_split_follows_from_the_seed() -> None:
    one, same, other = (held_out_split(100, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one.test, same.test)
    assert not np.array_equal(one.test, other.test)


@pytest.mark.parametrize(
    ("count", "validation", "test", "message"),
    [
        (100, 0.6, 0.4, "100 samples cannot be split"),
        (3, 0.1, 0.1, "one of the sets would be empty"),
        (100, 0.0, 0.1, "each must be between 0 and 1"),
    ],
)
def test_impossible_splits_are_refused(count: int, validation: float, test: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        held_out_split(count, np.random.default_rng(0), validation, test)


def test_psnr_gains_six_decibel_when_the_error_halves() -> None:
    image = np.random.default_rng(2).uniform(0, 1, (8, 8, 3))
    noise = np.random.default_rng(3).normal(size=image.shape)
    gain = psnr(image + 0.05 * noise, image) - psnr(image + 0.1 * noise, image)
    assert gain == pytest.approx(20 * np.log10(2))


def test_psnr_depends_on_the_ratio_of_peak_and_error_only() -> None:
    image, noise = np.random.default_rng(4).uniform(0, 1, (2, 50))
    assert psnr(image + noise, image) == pytest.approx(psnr(255 * (image + noise), 255 * image, peak=255))


def test_psnr_of_equal_images_is_infinite() -> None:
    assert psnr([0.5, 1.0], [0.5, 1.0]) == np.inf


def test_psnr_refuses_what_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and reference \(3,\) must have one shape"):
        psnr([0.0, 1.0], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="peak is the largest possible value"):
        psnr([0.0], [1.0], peak=0)
