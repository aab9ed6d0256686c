"""Kernel flow of differential equations against dense eigen-solutions of differentiated kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import linalg

import fefreq
from fefreq import (
    BoundaryValueProblem,
    Condition,
    DeepFourierFeatures,
    FourierFeatures,
    Gaussian,
    KernelFlow,
    MultiScaleSine,
    PlaneWaves,
    Rates,
    Target,
    derivatives,
)
from fefreq.kernel.row_products import make_row_products
from fefreq.operators import DifferentialOperator

Kernel = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# Kernels in closed form, differentiated automatically: nothing of the package takes part.


def two_layers(scale: float, output_std: float, rates: Rates) -> Kernel:
    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        kappa = torch.exp(-2 * (math.pi * scale) ** 2 * ((x - y) ** 2).sum(dim=1))
        return (rates.output + rates.frequency * (2 * math.pi * output_std) ** 2 * (x * y).sum(dim=1)) * kappa

    return kernel


def multi_scale(scale: float, scales: tuple[float, ...], gamma: float) -> Kernel:
    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(len(x), dtype=x.dtype)
        for alpha in scales:
            width = -2 * (math.pi * alpha * scale) ** 2
            minus = torch.exp(width * ((x - y) ** 2).sum(dim=1))
            plus = gamma * torch.exp(width * ((x + y) ** 2).sum(dim=1))
            linear = 1.0 + (2 * math.pi * alpha) ** 2 * (x * y).sum(dim=1)
            total = total + 0.5 * ((minus - plus) + linear * (minus + plus))
        return total / len(scales)

    return kernel


def deep(scale: float, layers: int, activation: str) -> Kernel:
    def dual(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if activation == "erf":
            return torch.asin(2 * u / 3) / math.asin(2 / 3), 2 / torch.sqrt(9 - 4 * u**2) / math.asin(2 / 3)
        return torch.sinh(u) / math.sinh(1), torch.cosh(u) / math.sinh(1)

    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        forward = tangent = torch.exp(-2 * (math.pi * scale) ** 2 * ((x - y) ** 2).sum(dim=1))
        for _ in range(layers):
            forward, slope = dual(forward)
            tangent = forward + tangent * slope
        return tangent

    return kernel


def differentiated(
    kernel: Kernel, a: DifferentialOperator, x: np.ndarray, b: DifferentialOperator, y: np.ndarray
):
    """``a_x b_y K`` between points ``(n, d)`` and ``(m, d)``, by nested automatic differentiation."""
    left = torch.from_numpy(np.repeat(x, len(y), axis=0)).requires_grad_()
    right = torch.from_numpy(np.tile(y, (len(x), 1))).requires_grad_()
    value = kernel(left, right)
    total = torch.zeros_like(value)
    for i, p in a.coefficients.items():
        for j, q in b.coefficients.items():
            part = value
            for at, index in ((left, i), (right, j)):
                for axis, order in enumerate(index):
                    for _ in range(order):
                        (slope,) = torch.autograd.grad(part.sum(), at, create_graph=True)
                        part = slope[:, axis]
            total = total + p * q * part
    return total.detach().numpy().reshape(len(x), len(y))


@dataclass
class Dense:
    """Residuals of all rows and the network at unseen points, from an eigen-decomposition."""

    residuals: np.ndarray
    predictions: np.ndarray
    largest: float


def dense_flow(kernel: Kernel, problem: BoundaryValueProblem, times: np.ndarray, unseen: np.ndarray) -> Dense:
    terms = problem.terms()
    rows = np.zeros((len(problem.values),) * 2)
    cross = np.zeros((len(unseen), len(problem.values)))
    identity = DifferentialOperator.identity(problem.dim)
    for place, term in terms:
        cross[:, place] += (
            differentiated(kernel, identity, unseen, term.operator, term.points) * term.coefficients
        )
        for other_place, other in terms:
            block = differentiated(kernel, term.operator, term.points, other.operator, other.points)
            rows[place, other_place] += term.coefficients[:, None] * block * other.coefficients
    root = np.sqrt(problem.weights)
    rates, modes = linalg.eigh(root[:, None] * rows * root)
    rates = np.maximum(rates, 0.0)
    start = modes.T @ (root * problem.values)
    decay = np.exp(-np.outer(times, rates))
    grown = np.where(
        np.outer(times, rates) < 1e-12,
        times[:, None],
        -np.expm1(-np.outer(times, rates)) / np.maximum(rates, 1e-300),
    )
    residuals = (decay * start) @ modes.T / root
    integrals = (grown * start) @ modes.T * root
    return Dense(residuals, integrals @ cross.T, float(rates[-1]))


SHALLOW = FourierFeatures(Gaussian(1.2), 0.6, Rates(output=1.0, frequency=0.3))
ONE = [(-0.5, 1.0)]


def one_dimension() -> BoundaryValueProblem:
    """Advection-diffusion with Dirichlet, Robin and periodic conditions, on a grid."""
    (d,) = derivatives(1)
    u = PlaneWaves([[0.4], [1.1]], [1.0 - 0.5j, 0.3j])
    slope = u.apply(d)
    conditions = [
        Condition([-0.5], u([-0.5]), weight=20.0),
        Condition([1.0], 2 * u([1.0]) + 0.5 * slope([1.0]), 2.0, normals=[0.5], weight=5.0, name="robin"),
        Condition.periodic(ONE, 0, 1, weight=2.0),
    ]
    return BoundaryValueProblem.from_solution(u, -0.05 * d**2 + d, ONE, 60, conditions=conditions)


def two_dimensions(on_grid: bool) -> BoundaryValueProblem:
    """Waves with values and speeds at the start and Neumann conditions at the sides."""
    u = PlaneWaves.sine([0.5, 0.0]) * PlaneWaves.cosine([0.0, 0.5])
    dx, dt = derivatives(2, "xt")
    operator = dt**2 - dx**2 + 0.3
    box = [(0.0, 1.0), (0.0, 0.8)]
    sides = [(0, "lower"), (0, "upper")]
    flow = u.apply(dx)
    conditions = [
        Condition.initial(u, box, 7, weight=10.0),
        Condition.initial(u.apply(dt), box, 7, order=1, weight=3.0),
        Condition.on_faces(
            lambda x: np.where(x[:, 0] < 0.5, -1, 1) * flow(x),
            box,
            5,
            faces=sides,
            normal_derivative=1.0,
            weight=4.0,
        ),
    ]
    if on_grid:
        return BoundaryValueProblem.from_solution(u, operator, box, (10, 9), conditions=conditions)
    x = np.random.default_rng(0).uniform(0, 1, (100, 2)) * [1.0, 0.8]
    return BoundaryValueProblem(operator, Target(x, u.apply(operator)(x)), conditions, box, u)


def three_dimensions() -> BoundaryValueProblem:
    u = PlaneWaves.sine([0.5, 0.0, 0.0]) * PlaneWaves.cosine([0.0, 0.4, 0.3])
    return BoundaryValueProblem.from_solution(u, fefreq.helmholtz(1.5, 3), [(0, 1)] * 3, 3, weight=50.0)


CASES = {
    "1-D, both layers": (SHALLOW, two_layers(1.2, 0.6, SHALLOW.rates), one_dimension),
    "1-D, multi-scale": (
        MultiScaleSine(Gaussian(0.8), (1.0, 2.0), bias="normal", bias_std=0.5),
        multi_scale(0.8, (1.0, 2.0), math.exp(-0.5)),
        one_dimension,
    ),
    "1-D, deep": (DeepFourierFeatures(Gaussian(1.0), 2, "sine"), deep(1.0, 2, "sine"), one_dimension),
    "2-D grid, both layers": (
        FourierFeatures(Gaussian(0.8, 2), 0.5),
        two_layers(0.8, 0.5, Rates()),
        lambda: two_dimensions(True),
    ),
    "2-D scattered, both layers": (
        FourierFeatures(Gaussian(0.8, 2), 0.5),
        two_layers(0.8, 0.5, Rates()),
        lambda: two_dimensions(False),
    ),
    "2-D grid, deep": (
        DeepFourierFeatures(Gaussian(0.7, 2), 2, "erf"),
        deep(0.7, 2, "erf"),
        lambda: two_dimensions(True),
    ),
    "3-D, both layers": (
        FourierFeatures(Gaussian(0.7, 3), 0.4),
        two_layers(0.7, 0.4, Rates()),
        three_dimensions,
    ),
}


@pytest.mark.parametrize(
    ("case", "products"), [(c, p) for c in CASES for p in ("auto", "nufft") if c[0] != "3" or p == "auto"]
)
def test_flow_agrees_with_the_eigen_solution(case, products):
    model, kernel, build = CASES[case]
    problem = build()
    box = problem.box
    unseen = box[:, 0] + np.random.default_rng(1).uniform(0, 1, (15, problem.dim)) * (box[:, 1] - box[:, 0])
    largest = dense_flow(kernel, problem, np.array([1.0]), unseen).largest
    times = np.array([0.0, 1.0, 10.0] if problem.dim == 3 else [0.0, 1.0, 30.0, 1e3, 1e5]) / largest
    exact = dense_flow(kernel, problem, times, unseen)
    solution = KernelFlow(model, problem, products=products).solve(times, rtol=5e-9)
    assert "FFT" in solution.stats.method
    assert ("non-uniform" in solution.stats.method) or products == "auto"
    rows = np.concatenate([solution.values, solution.conditions], axis=1)
    norm = np.sqrt(problem.weights @ problem.values**2)
    errors = np.sqrt((rows - exact.residuals) ** 2 @ problem.weights) / norm
    assert np.max(errors) < 1e-8
    predicted = solution.predict(unseen)
    np.testing.assert_allclose(predicted, exact.predictions, atol=1e-7 * np.abs(exact.predictions).max())


def test_products_of_deep_networks_in_three_dimensions_are_those_of_the_matrix():
    model, problem = DeepFourierFeatures(Gaussian(0.25, 3), 1, "sine"), three_dimensions()
    v = np.random.default_rng(2).standard_normal(len(problem.values))
    exact = np.zeros(len(v))
    for place, term in problem.terms():
        for other_place, other in problem.terms():
            block = differentiated(
                deep(0.25, 1, "sine"), term.operator, term.points, other.operator, other.points
            )
            exact[place] += term.coefficients * (block @ (other.coefficients * v[other_place]))
    fast = make_row_products(model, problem, problem.box, 1e9).apply(v)
    for part in problem.parts.values():
        np.testing.assert_allclose(fast[part], exact[part], atol=1e-8 * np.abs(exact[part]).max())


POISSON = BoundaryValueProblem.from_solution(
    PlaneWaves.sine([1.0]) + 0.1 * PlaneWaves.sine([3.0]), fefreq.laplacian(1), ONE, 48, weight=100.0
)
NETWORK = DeepFourierFeatures(Gaussian(0.7), 2, "tanh")


@pytest.fixture(scope="module")
def solved():
    return KernelFlow(NETWORK, POISSON).solve(
        np.concatenate([[0.0], np.geomspace(1e-6, 100.0, 13)]), rtol=1e-5
    )


def test_losses_of_every_term_add_up_to_a_loss_that_never_grows(solved):
    assert list(solved.losses) == ["equation", "boundary"]
    start = 0.5 * POISSON.weights @ POISSON.values**2
    assert solved.loss[0] == pytest.approx(start)
    np.testing.assert_allclose(solved.losses["equation"], solved.energy)
    assert np.all(np.diff(solved.loss) <= 1e-12 * start)


def test_the_solution_is_found(solved):
    error = solved.solution_error()
    assert error[0] == 1.0
    assert error[-1] < 2e-3
    x = np.linspace(-0.5, 1.0, 31)
    np.testing.assert_allclose(solved.predict(x)[-1], POISSON.solution(x), atol=5e-3)
    at_ends = solved.solution_error(POISSON.solution(x), x)
    np.testing.assert_allclose(at_ends, solved.solution_error(POISSON.solution, x))


def test_operators_act_on_the_network_as_its_residuals_say(solved):
    made = solved.predict(POISSON.source.points, fefreq.laplacian(1))
    expected = POISSON.source.values - solved.values
    np.testing.assert_allclose(made, expected, atol=2e-5 * np.abs(expected).max())
    ends = POISSON.conditions[0]
    np.testing.assert_allclose(
        solved.predict(ends.points), ends.values - solved.conditions, atol=2e-5 * np.abs(made).max()
    )


def test_it_is_an_error_field_of_the_residual(solved):
    xi = np.array([0.0, 1.0, 3.0])
    expected = POISSON.source.with_values(solved.values.T).spectrum(xi).T
    np.testing.assert_allclose(solved.at(xi), expected, atol=1e-10)
    data = solved.to_xarray()
    assert list(data.term.values) == ["equation", "boundary"]
    np.testing.assert_array_equal(data.loss.sel(term="boundary"), solved.losses["boundary"])
    late = solved.at_last()
    assert late.conditions.shape == (1, 2)
    np.testing.assert_array_equal(late.loss, solved.loss[-1:])


def test_asked_for_the_matrix_gives_the_same(solved):
    dense = KernelFlow(NETWORK, POISSON, products="dense").solve(solved.times, rtol=1e-5)
    assert "that was asked for" in dense.stats.method
    scale = np.sqrt(POISSON.weights @ POISSON.values**2)
    difference = np.sqrt((dense.values - solved.values) ** 2 @ POISSON.source.weights)
    assert np.max(difference) < 2e-5 * scale


def test_descent_takes_the_steps_that_it_is_given():
    limit = (
        2.0
        / dense_flow(
            two_layers(1.2, 0.6, SHALLOW.rates), one_dimension(), np.ones(1), np.zeros((1, 1))
        ).largest
    )
    problem, rate = one_dimension(), 0.9 * limit
    flow = KernelFlow(SHALLOW, problem, dynamics=fefreq.GradientDescent(rate)).solve(
        steps=[0, 1, 7], rtol=1e-8
    )
    residual = problem.values.copy()
    products = make_row_products(SHALLOW, problem, problem.box, 1e9)
    for step in range(1, 8):
        residual = residual - rate * products.apply(problem.weights * residual)
        if step in (1, 7):
            rows = np.concatenate([flow.values, flow.conditions], axis=1)[1 if step == 1 else 2]
            np.testing.assert_allclose(rows, residual, atol=1e-7 * np.abs(problem.values).max())
    with pytest.raises(ValueError, match="stability limit"):
        KernelFlow(SHALLOW, problem, dynamics=fefreq.GradientDescent(1.1 * limit)).solve(steps=[1])


def test_a_scale_beyond_the_cliff_has_a_small_residual_and_a_wrong_solution():
    """Frequencies far above those of the solution interpolate the source between its points."""
    times = np.array([0.0, 1e-2])
    wide = KernelFlow(DeepFourierFeatures(Gaussian(30.0), 2, "tanh"), POISSON).solve(times, rtol=1e-3)
    assert wide.loss[-1] < 1e-3 * wide.loss[0]
    assert wide.solution_error()[-1] > 0.5


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: KernelFlow(DeepFourierFeatures(Gaussian(1.0), 2), POISSON),
            "'relu' are not smooth enough.*'tanh'",
        ),
        (lambda: KernelFlow(FourierFeatures(Gaussian(1.0, 2)), POISSON), "give the density dim=1"),
        (
            lambda: KernelFlow(FourierFeatures(fefreq.StudentT(1.0, 3.0)), POISSON).solve([1.0]),
            "density with light(er)? tails, such as fefreq.Gaussian",
        ),
        (
            lambda: KernelFlow(NETWORK, two_dimensions(False), products="fft"),
            "give the density dim=2",
        ),
        (
            lambda: KernelFlow(
                FourierFeatures(Gaussian(1.0, 2)), two_dimensions(False), products="fft"
            ).solve([1.0]),
            'products by "fft" need a source on a uniform grid',
        ),
        (
            lambda: KernelFlow(NETWORK, POISSON).solve([1e12], rtol=1e-12),
            "allow a larger rtol or end earlier",
        ),
        (lambda: KernelFlow(NETWORK, POISSON).solve([1.0], max_memory=1000), "raise max_memory"),
    ],
)
def test_flows_that_cannot_be_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_references_and_points_that_do_not_fit_are_refused(solved):
    with pytest.raises(ValueError, match=r"shape \(3,\); 48 points need \(48,\)"):
        solved.solution_error(np.zeros(3))
    with pytest.raises(ValueError, match="zero at all points"):
        solved.solution_error(lambda x: 0 * x[:, 0])
    with pytest.raises(ValueError, match=r"outside the domain.*extrapolate=True"):
        solved.predict([1.5])
    assert solved.predict([1.5], extrapolate=True).shape == (14, 1)
    unknown = BoundaryValueProblem(fefreq.laplacian(1), POISSON.source, POISSON.conditions)
    with pytest.raises(ValueError, match="not known: give a reference"):
        KernelFlow(NETWORK, unknown).solve([0.0]).solution_error()
    with pytest.raises(ValueError, match="2 coordinates, but the problem 1"):
        solved.predict([0.0], fefreq.laplacian(2))
