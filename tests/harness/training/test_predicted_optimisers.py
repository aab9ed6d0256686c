"""Wide networks, trained with momentum, against what the kernel makes of the same optimiser."""

import numpy as np
import pytest

import fefreq
import harness
from harness.networks import DeepFourierFeatureNetwork, LayerRates
from harness.training.optimisers import Sgd

DENSITY, WIDTH, SEEDS = fefreq.Gaussian(3.0), 2048, 6
COUNTS = np.arange(0, 25, 3)
PAIRS = {
    "two layers, all trained": (
        fefreq.FourierFeatures(DENSITY, output_std=0.5),
        DeepFourierFeatureNetwork(DENSITY, WIDTH, 0, output_std=0.5, rates=LayerRates()),
    ),
    "frozen features": (
        fefreq.FourierFeatures(DENSITY, output_std=0.0),
        DeepFourierFeatureNetwork(DENSITY, WIDTH, 0, output_std=0.5),
    ),
}


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("pair", PAIRS)
def test_wide_networks_follow_the_prediction_within_their_width(pair, nesterov):
    """Their mean is off by what they differ among each other; targets are small, so that kernels stay."""
    model, spec = PAIRS[pair]
    target = fefreq.Target.from_function(
        lambda x: 0.05 * (np.cos(2 * np.pi * x[:, 0]) + np.sin(12 * np.pi * x[:, 0])), [(-1, 1)], 64
    )
    rate = 1.0 / fefreq.largest_rate(model, target)
    dynamics, other = (
        kind(rate, 0.9) for kind in ((fefreq.HeavyBall, fefreq.Nesterov)[:: -1 if nesterov else 1])
    )
    predicted = fefreq.KernelFlow(model, target, dynamics=dynamics).solve(steps=COUNTS)
    run = harness.train_module(
        spec, target, steps=COUNTS.tolist(), learning_rate=rate, optimiser=Sgd(0.9, nesterov), seeds=SEEDS
    )
    np.testing.assert_allclose(run.times, predicted.times)
    mean = run.residuals.mean(axis=0)
    gap = np.linalg.norm(mean - predicted.values, axis=1)
    noise = np.sqrt(np.square(run.residuals - mean).sum(axis=(0, 2)) / (SEEDS * (SEEDS - 1)))
    assert np.all(gap[1:] < 3 * noise[1:])
    # Without momentum, or with the other kind of it, the prediction is far off.
    for wrong in (fefreq.GradientDescent(rate), other):
        off = fefreq.KernelFlow(model, target, dynamics=wrong).solve(steps=COUNTS).values - predicted.values
        assert np.linalg.norm(off, axis=1).max() > 3 * gap.max()
