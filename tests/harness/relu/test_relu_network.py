"""Reading and building ReLU networks: what is accepted, and how the rest is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from harness.relu import PositionalEncoding, ReluNetwork, activation_patterns, relu_network


def test_layers_share_the_memory_of_the_trained_network() -> None:
    module = relu_network(dim=2, width=5, hidden_layers=2, outputs=3)
    network = ReluNetwork.of(module)
    with torch.no_grad():
        module[0].weight.fill_(7.0)
    assert np.all(network.weights()[0] == 7.0)
    assert (network.dim, network.widths, network.units, network.outputs) == (2, (5, 5), 10, 3)


def test_nested_containers_are_opened() -> None:
    inner = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    network = ReluNetwork.of(nn.Sequential(inner, nn.Sequential(nn.Linear(4, 6), nn.ReLU()), nn.Linear(6, 1)))
    assert network.widths == (4, 6)


@pytest.mark.parametrize("octaves", [None, 3])
def test_outputs_are_those_of_the_module(octaves: int | None) -> None:
    module = relu_network(dim=2, width=16, hidden_layers=3, outputs=2, octaves=octaves, dtype=torch.float64)
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    expected = module(torch.as_tensor(points)).detach().numpy()
    np.testing.assert_array_equal(ReluNetwork.of(module).outputs_at(points), expected)


def test_head_is_the_network_on_encoded_points() -> None:
    module = relu_network(dim=1, width=8, hidden_layers=1, octaves=2, dtype=torch.float64)
    network = ReluNetwork.of(module)
    encoded = network.encode(network.inputs([0.1, 0.7]))
    np.testing.assert_array_equal(network.head.outputs_at(encoded), network.outputs_at([0.1, 0.7]))


def test_initial_weights_are_uniform_within_one_over_the_root_of_the_fan_in() -> None:
    layer = ReluNetwork.of(relu_network(dim=1, width=400, hidden_layers=2)).weights()[1]
    bound = 400**-0.5
    assert abs(layer).max() <= bound
    # 160,000 draws: the standard error of the variance of a uniform density is 0.2 % of it.
    np.testing.assert_allclose(layer.var(), bound**2 / 3, rtol=0.01)


def test_one_seed_gives_one_network_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one, same, other = (ReluNetwork.of(relu_network(1, 8, 2, seed=seed)) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(a, b) for a, b in zip(one.weights(), same.weights(), strict=True))
    assert not np.array_equal(one.weights()[0], other.weights()[0])


def test_another_activation_is_named() -> None:
    with pytest.raises(TypeError, match=r"has a Tanh module; .* torch.nn.ReLU"):
        ReluNetwork.of(nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)))


def test_an_activation_behind_the_output_is_named() -> None:
    with pytest.raises(TypeError, match="has a Sigmoid module"):
        ReluNetwork.of(nn.Sequential(nn.Linear(1, 4), nn.ReLU(), nn.Linear(4, 1), nn.Sigmoid()))


def test_a_module_without_an_order_of_layers_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^Bilinear does not say .* pass the torch.nn.Sequential"):
        ReluNetwork.of(nn.Bilinear(1, 1, 1))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Linear(1, 4), nn.Linear(4, 1)), "module 1 .* is Linear where ReLU is expected"),
        (nn.Sequential(nn.ReLU(), nn.Linear(4, 1)), "module 0 .* is ReLU where Linear is expected"),
        (nn.Sequential(nn.Linear(1, 4), nn.ReLU()), "end with a Linear layer"),
        (nn.Sequential(nn.Linear(1, 1)), "at least one hidden ReLU layer"),
        (nn.Sequential(), "at least one hidden ReLU layer"),
    ],
)
def test_layers_must_alternate(module: nn.Sequential, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        ReluNetwork.of(module)


def test_widths_must_fit_together() -> None:
    with pytest.raises(ValueError, match="layer 0 takes 3 inputs, but 8 come in"):
        ReluNetwork.of(nn.Sequential(PositionalEncoding(1, 4), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))


def test_a_layer_used_twice_is_refused() -> None:
    shared = nn.Linear(4, 4)
    with pytest.raises(ValueError, match="used twice"):
        ReluNetwork.of(
            nn.Sequential(nn.Linear(1, 4), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Linear(4, 1))
        )


def test_reparametrised_weights_are_refused() -> None:
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(1, 4))
    with pytest.raises(ValueError, match="reparametrised"):
        ReluNetwork.of(nn.Sequential(layer, nn.ReLU(), nn.Linear(4, 1)))


def test_a_trained_encoding_is_refused() -> None:
    encoding = PositionalEncoding(1, 2)
    encoding.phase = nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match="encoding has trainable parameters"):
        ReluNetwork.of(nn.Sequential(encoding, nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.zeros((5, 3)), r"network on 2 coordinate\(s\) have shape \(5, 3\)"),
        (np.zeros(5), r"have shape \(5,\); in 2 dimension\(s\) they must be \(n, 2\)"),
        (np.array([[0.0, np.nan]]), "must be finite, but 1 of 2"),
        (np.zeros((0, 2)), "no points to evaluate"),
    ],
)
def test_points_must_fit_the_network(points: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        activation_patterns(relu_network(dim=2, width=4, hidden_layers=1), points)


@pytest.mark.parametrize("sizes", [(0, 4, 1), (1, 0, 1), (1, 4, 0)])
def test_a_network_needs_positive_sizes(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="is 0; a network needs at least 1"):
        relu_network(*sizes)
