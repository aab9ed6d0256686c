"""Gradient Gram matrices and cosines against per-sample gradients by automatic differentiation."""

import numpy as np
import pytest
import torch
from torch import nn

from harness.relu import (
    PositionalEncoding,
    activation_patterns,
    autograd_gram,
    gradient_confusion,
    gradient_cosines,
    gradient_gram,
    local_pairs,
    relu_network,
)
from harness.relu import memory as memory_module


def per_sample_gradients(network: nn.Module, points: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """The full Jacobian of ``½ ‖f_i - N(x_i)‖²`` with ``f_i`` the data, by ``vmap(grad)``; shape (n, P)."""
    parameters = {name: value.detach() for name, value in network.named_parameters()}
    like = next(iter(parameters.values()))
    inputs = torch.as_tensor(points).to(like)
    with torch.no_grad():
        data = network(inputs) + torch.as_tensor(residuals).to(like).reshape(len(points), -1)

    def loss(values: dict[str, torch.Tensor], point: torch.Tensor, datum: torch.Tensor) -> torch.Tensor:
        return 0.5 * (datum - torch.func.functional_call(network, values, (point[None],))[0]).square().sum()

    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, inputs, data)
    return torch.cat([gradient.flatten(1) for gradient in gradients.values()], dim=1).double().numpy()


def cosines_of(gradients: np.ndarray) -> np.ndarray:
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    return unit @ unit.T


def without_biases(network: nn.Sequential) -> nn.Sequential:
    for layer in network:
        if isinstance(layer, nn.Linear):
            layer.bias = None
    return network


NETWORKS = {
    "plain": lambda dtype: relu_network(1, 32, 4, dtype=dtype),
    "encoded": lambda dtype: relu_network(1, 32, 3, octaves=5, dtype=dtype),
    "three channels": lambda dtype: relu_network(2, 24, 2, 3, octaves=2, dtype=dtype),
    "no biases": lambda dtype: without_biases(relu_network(2, 24, 2, 2, dtype=dtype)),
}


@pytest.fixture(params=NETWORKS)
def case(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, np.ndarray]:
    probe = NETWORKS[request.param](torch.float64)
    rng = np.random.default_rng(0)
    dim = probe[0].dim if isinstance(probe[0], PositionalEncoding) else probe[0].in_features
    return request.param, rng.uniform(-1, 1, (60, dim)), rng.normal(size=(60, probe[-1].out_features))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_gram_matrix_is_that_of_the_jacobian(
    case: tuple[str, np.ndarray, np.ndarray], dtype: torch.dtype, tolerance: float
) -> None:
    name, points, residuals = case
    network = NETWORKS[name](dtype)
    gradients = per_sample_gradients(network, points, residuals)
    expected = gradients @ gradients.T
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.max(np.abs(gradient_gram(network, points, residuals) - expected) / scale) < tolerance
    assert np.max(np.abs(gradient_cosines(network, points, residuals) - expected / scale)) < tolerance


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_confusion_is_the_cosine_of_the_gradients_of_each_pair(
    case: tuple[str, np.ndarray, np.ndarray], dtype: torch.dtype, tolerance: float
) -> None:
    name, points, residuals = case
    network = NETWORKS[name](dtype)
    pairs = local_pairs(60, 200, np.random.default_rng(1), window=60)
    cosines = cosines_of(per_sample_gradients(network, points, residuals))
    measured = gradient_confusion(network, points, residuals, pairs)
    np.testing.assert_allclose(measured.cosines, cosines[pairs[:, 0], pairs[:, 1]], rtol=0, atol=tolerance)


def test_cosine_of_a_scalar_output_is_the_kernel_with_the_signs_of_the_residuals() -> None:
    network = relu_network(1, 32, 3, dtype=torch.float64)
    x = np.linspace(-1, 1, 40)
    residuals = np.random.default_rng(2).normal(size=40)
    kernel = gradient_gram(network, x)
    expected = (
        np.sign(np.outer(residuals, residuals))
        * kernel
        / np.sqrt(np.outer(kernel.diagonal(), kernel.diagonal()))
    )
    np.testing.assert_allclose(gradient_cosines(network, x, residuals), expected, atol=1e-13)


def test_kernel_of_one_hidden_layer_has_its_closed_form() -> None:
    # N = Σ v_k relu(w_k x + b_k) + c: derivatives relu(·), v_k 1[·] x, v_k 1[·], 1.
    network = relu_network(1, 16, 1, dtype=torch.float64)
    x = np.linspace(-2, 2, 30)
    w, b = (parameter.detach().numpy() for parameter in (network[0].weight[:, 0], network[0].bias))
    v = network[2].weight.detach().numpy()[0]
    z = np.outer(x, w) + b
    slopes = v * (z > 0)
    closed = np.maximum(z, 0) @ np.maximum(z, 0).T + 1 + (slopes @ slopes.T) * (np.outer(x, x) + 1)
    np.testing.assert_allclose(gradient_gram(network, x), closed, atol=1e-13)


def test_gram_matrix_is_positive_semidefinite() -> None:
    network = relu_network(1, 32, 3, octaves=4, dtype=torch.float64)
    gram = gradient_gram(network, np.linspace(0, 1, 80), np.ones(80))
    eigenvalues = np.linalg.eigvalsh(gram)
    assert eigenvalues.min() > -1e-12 * eigenvalues.max()


def test_opposite_residuals_at_one_point_are_confused() -> None:
    network = relu_network(1, 16, 2)
    measured = gradient_confusion(network, [0.3, 0.3, 0.3], [1.0, -2.0, 5.0], [[0, 1], [0, 2]])
    np.testing.assert_allclose(measured.cosines, [-1, 1], atol=1e-6)
    assert (measured.confused, measured.alignment) == (0.5, pytest.approx(1))
    assert measured.mean == pytest.approx(0, abs=1e-6)
    assert measured.spread == pytest.approx(1)


def test_cosines_do_not_change_when_the_residual_becomes_tiny() -> None:
    network = relu_network(2, 16, 2, 3)
    rng = np.random.default_rng(3)
    points, residuals = rng.uniform(-1, 1, (20, 2)), rng.normal(size=(20, 3))
    pairs = local_pairs(20, 50, rng, window=20)
    reference = gradient_confusion(network, points, residuals, pairs).cosines
    # Far below what float32 can hold.
    tiny = gradient_confusion(network, points, 1e-200 * residuals, pairs).cosines
    np.testing.assert_allclose(tiny, reference, atol=1e-6)


def test_a_sample_that_is_fitted_exactly_is_neither_aligned_nor_confused() -> None:
    network = relu_network(1, 16, 2)
    assert gradient_confusion(network, [0.1, 0.2], [0.0, 1.0], [[0, 1]]).cosines.tolist() == [0.0]
    assert gradient_cosines(network, [0.1, 0.2], [0.0, 1.0])[0].tolist() == [0.0, 0.0]


def test_chunks_do_not_change_the_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    network = relu_network(1, 32, 2, dtype=torch.float64)
    x, residuals = np.linspace(0, 1, 100), np.ones(100)
    pairs = local_pairs(100, 300, np.random.default_rng(4))
    whole = gradient_confusion(network, x, residuals, pairs).cosines
    monkeypatch.setattr(memory_module, "CHUNK_BYTES", 50_000)
    np.testing.assert_allclose(gradient_confusion(network, x, residuals, pairs).cosines, whole, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_func_fallback_covers_other_activations(dtype: torch.dtype) -> None:
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)).to(dtype)
    rng = np.random.default_rng(5)
    points, residuals = rng.uniform(-1, 1, (12, 2)), rng.normal(size=(12, 2))
    rows = []
    for point, residual in zip(points, residuals, strict=True):
        network.zero_grad()
        (network(torch.as_tensor(point).to(dtype)) @ torch.as_tensor(residual).to(dtype)).backward()
        rows.append(np.concatenate([p.grad.double().numpy().ravel() for p in network.parameters()]))
    expected = np.array(rows) @ np.array(rows).T
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    np.testing.assert_allclose(autograd_gram(network, points, residuals), expected, rtol=0, atol=tolerance)


def test_torch_func_fallback_agrees_on_relu_networks() -> None:
    network = relu_network(1, 32, 3, octaves=3, dtype=torch.float64)
    x, residuals = np.linspace(0, 1, 50), np.random.default_rng(6).normal(size=50)
    np.testing.assert_allclose(
        autograd_gram(network, x, residuals), gradient_gram(network, x, residuals), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize(
    ("residuals", "message"),
    [
        (np.ones(9), r"residuals have shape \(9,\); 10 points and 2 output\(s\) need \(10, 2\)"),
        (np.ones(10), r"residuals have shape \(10,\)"),
        (np.full((10, 2), np.nan), "residuals must be finite, but 20 of 20"),
        (None, "a network with 2 outputs needs residuals"),
    ],
)
def test_residuals_must_fit(residuals: np.ndarray | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradient_gram(relu_network(1, 4, 1, 2), np.linspace(0, 1, 10), residuals)


def test_a_gram_matrix_beyond_memory_says_how_many_points_fit() -> None:
    network = relu_network(1, 8, 2)
    with pytest.raises(
        ValueError, match=r"Gram matrix of 1000 points does not fit.*: (\d+) points fit"
    ) as caught:
        gradient_gram(network, np.linspace(0, 1, 1000), memory=2**20)
    fitting = int(str(caught.value).split(" points fit")[0].split()[-1])
    assert gradient_gram(network, np.linspace(0, 1, fitting), memory=2**20).shape == (fitting, fitting)
    # 12 bytes for every entry, so below (2^20 / 12)^½ = 295.
    assert 250 < fitting < 296


def test_the_fallback_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="no parameters"):
        autograd_gram(nn.Sequential(nn.ReLU()), [0.0], [1.0])
    with pytest.raises(ValueError, match=r"Jacobian of 500 points .* use gradient_gram"):
        autograd_gram(relu_network(1, 64, 2), np.linspace(0, 1, 500), np.ones(500), memory=2**20)


def test_measuring_leaves_the_network_as_it_was() -> None:
    network = relu_network(1, 8, 2)
    before = [parameter.clone() for parameter in network.parameters()]
    x = np.linspace(0, 1, 10)
    gradient_confusion(network, x, np.ones(10), [[0, 1]])
    gradient_gram(network, x)
    activation_patterns(network, x)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
