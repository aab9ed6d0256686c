"""Weight norms and angles between hyperplanes against numpy and plain loops."""

import numpy as np
import torch

from harness.relu import ReluNetwork, hyperplane_cosines, relu_network, weight_norms


def test_norms_are_the_largest_singular_values() -> None:
    network = relu_network(3, 20, 3, 2)
    expected = [np.linalg.svd(weight, compute_uv=False)[0] for weight in ReluNetwork.of(network).weights()]
    norms = weight_norms(network)
    np.testing.assert_allclose(norms.layers, expected, rtol=1e-12)
    np.testing.assert_allclose(norms.product, np.prod(expected), rtol=1e-12)


def test_their_product_bounds_every_slope() -> None:
    network = relu_network(2, 20, 3, 2, octaves=3, dtype=torch.float64)
    x, y = np.random.default_rng(0).uniform(0, 1, (2, 400, 2))
    view = ReluNetwork.of(network)
    rise = np.linalg.norm(view.outputs_at(x) - view.outputs_at(y), axis=1)
    slopes = rise / np.linalg.norm(x - y, axis=1)
    assert slopes.max() <= weight_norms(network).product * network[0].speed


def test_cosines_are_those_of_the_rows_of_each_hidden_layer() -> None:
    network = relu_network(2, 6, 2)
    measured = hyperplane_cosines(network)
    assert [len(layer) for layer in measured] == [15, 15]
    for layer, weight in zip(measured, ReluNetwork.of(network).weights()[:-1], strict=True):
        expected = [
            weight[i] @ weight[j] / (np.linalg.norm(weight[i]) * np.linalg.norm(weight[j]))
            for i in range(6)
            for j in range(i + 1, 6)
        ]
        np.testing.assert_allclose(layer, expected, atol=1e-14)


def test_hyperplanes_on_one_coordinate_are_all_parallel() -> None:
    np.testing.assert_allclose(np.abs(hyperplane_cosines(relu_network(1, 10, 1))[0]), 1, rtol=1e-12)


def test_a_row_of_zeros_is_no_hyperplane() -> None:
    network = relu_network(2, 6, 1)
    with torch.no_grad():
        network[0].weight[3] = 0
    (cosines,) = hyperplane_cosines(network)
    assert cosines.shape == (10,)
    assert np.all(np.isfinite(cosines))
