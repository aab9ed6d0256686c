"""Adam's clock against networks as torch makes and trains them, and kernels of tensors against drawn networks."""

import itertools

import numpy as np
import pytest
import torch

import fefreq
from fefreq.models.tensor_kernels import Layers, tensor_kernels

SHARES = (0.1, 0.03, 0.01)
# Of mean square about 1.
SIGNALS = {
    "tones": lambda x: (
        1.2 * np.sin(2 * np.pi * x) + 0.6 * np.sin(10 * np.pi * x + 1) + 0.3 * np.sin(22 * np.pi * x + 2)
    ),
    "chirp": lambda x: np.sqrt(2) * np.cos(2 * np.pi * (2 * x + 9 * x**2)),
    "steps": lambda x: 2.0 * ((x > 0.3) & (x < 0.55)) + (x > 0.8) - 0.8,
}


def network(sizes, initialisation, seed):
    """Linear layers and ReLU, as torch initialises them or after He."""
    torch.manual_seed(seed)
    layers = []
    for inputs, outputs in itertools.pairwise([*sizes, 1]):
        layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
        if initialisation == "he":
            torch.nn.init.kaiming_normal_(layers[-2].weight)
            torch.nn.init.zeros_(layers[-2].bias)
    return torch.nn.Sequential(*layers[:-1])


def features(density, count, points, seed):
    frequencies = density.sample(count, np.random.default_rng(seed))
    phases = 2 * np.pi * points @ frequencies.T
    return torch.from_numpy(np.concatenate([np.cos(phases), np.sin(phases)], axis=1)).float()


@pytest.mark.parametrize("initialisation", ["torch", "he"])
def test_kernels_of_tensors_are_those_of_wide_networks(initialisation):
    """Products of derivatives with respect to every weight, averaged over drawn networks."""
    density, points = fefreq.Gaussian(0.5), np.linspace(-0.6, 0.6, 5)[:, None]
    width, drawn, networks = 512, 512, 20
    expected = tensor_kernels(
        density.characteristic((points[:, None] - points).reshape(-1, 1)).reshape(5, 5),
        Layers(2, width, drawn, initialisation=initialisation),
    )
    sums = {tensor.name: np.zeros((5, 5)) for tensor in expected}
    for seed in range(networks):
        net = network([2 * drawn, width, width], initialisation, seed)
        inputs = features(density, drawn, points, seed)
        names = [f"{kind}{layer}" for layer in (1, 2, 3) for kind in "Wb"]
        rows = {name: [] for name in names}
        for point in inputs:
            gradients = torch.autograd.grad(net(point)[0], list(net.parameters()))
            for name, gradient in zip(names, gradients, strict=True):
                rows[name].append(gradient.ravel().double().numpy())
        for name, gradients in rows.items():
            stacked = np.stack(gradients)
            sums[name] += stacked @ stacked.T / networks
    for tensor in expected:
        # Draws of 20 networks of this width leave some percent, and 1/width where a kernel is nearly 0.
        gap = np.abs(sums[tensor.name] - tensor.values).max()
        assert gap < 0.1 * tensor.values.max(), tensor.name


def test_learning_rates_fall_as_those_of_torch():
    optimiser = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=3e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 17)
    rates = []
    for _ in range(17):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        falling.step()
    np.testing.assert_allclose(fefreq.Adam(3e-3, steps=17).rates(), rates, rtol=1e-12)


def trained_steps(target, density, shares):
    """Steps of Adam, full batch, after which a network of four layers of 256 has reached shares of its first loss."""
    net = network([256, 256, 256, 256], "torch", seed=0)
    inputs = features(density, 128, target.points, seed=0)
    wanted = torch.tensor(target.values, dtype=torch.float32)[:, None]
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    losses = []
    while len(losses) < 200 and min(losses, default=1.0) > min(shares):
        loss = torch.mean((net(inputs) - wanted) ** 2)
        losses.append(loss.item() / np.mean(target.values**2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return np.array([np.argmax(np.array(losses) <= share) for share in shares])


def test_levels_of_the_loss_are_reached_within_a_factor_two_in_steps():
    """Three signals, three scales, three levels each; one network each, its steps below ten among them."""
    ratios = []
    for values in SIGNALS.values():
        target = fefreq.Target.from_function(lambda x, values=values: values(x[:, 0]), [(0, 1)], 128)
        for scale in (3.0, 8.0, 15.0):
            model = fefreq.DeepFourierFeatures(fefreq.Gaussian(scale), hidden_layers=3)
            clock = fefreq.training_clock(model, target, fefreq.Adam(1e-3, 150, "constant"))
            predicted = np.array([clock.step_of(share) for share in SHARES])
            ratios.append(predicted / trained_steps(target, model.density, SHARES))
    assert np.mean((np.array(ratios) >= 0.5) & (np.array(ratios) <= 2.0)) > 0.9
    assert np.all((np.array(ratios) > 0.4) & (np.array(ratios) < 2.5))
    assert 0.8 < np.exp(np.mean(np.log(ratios))) < 1.25
