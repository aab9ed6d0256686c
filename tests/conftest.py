"""Shared problems: small enough to solve in milliseconds, rich enough to go wrong."""

import pytest
from problems import three_tones

import fefreq


@pytest.fixture(scope="session")
def tones_target():
    """Windowed tones at 1, 3 and 8 cycles with both parities, 512 points of [-1, 1]."""
    return fefreq.Target.from_function(three_tones, [(-1, 1)], 512)


@pytest.fixture(scope="session")
def gaussian_model():
    return fefreq.FourierFeatures(fefreq.Gaussian(scale=3.0), output_std=1.0)
