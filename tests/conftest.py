"""Shared problems: small enough to solve in milliseconds, rich enough to go wrong."""

import numpy as np
import pytest

import fefreq


def three_tones(x):
    x = x[:, 0]
    window = np.exp(-(x**2) / (2 * 0.18**2))
    return window * (np.cos(2 * np.pi * x) + np.sin(2 * np.pi * 3 * x) + np.cos(2 * np.pi * 8 * x + 1))


@pytest.fixture(scope="session")
def tones_target():
    """Windowed tones at 1, 3 and 8 cycles with both parities, 512 points of [-1, 1]."""
    return fefreq.Target.from_function(three_tones, [(-1, 1)], 512)


@pytest.fixture(scope="session")
def gaussian_model():
    return fefreq.FourierFeatures(fefreq.Gaussian(scale=3.0), output_std=1.0)
