"""Fast kernel products against the dense matrix, and the tangent kernel against finite networks."""

import numpy as np
import pytest

import fefreq
from fefreq.kernel.grid_products import lattice_products
from fefreq.kernel.operator import KernelOperator, largest_eigenvalue, make_products
from fefreq.kernel.products import parts_of
from fefreq.models import FourierFeatures, KernelTerm, MultiScaleSine
from fefreq.support.window import window
from fefreq.targets.target import Grid

BOX = [(-1.0, 1.5), (0.2, 1.0), (-2.0, -1.0)]


class WithReflection(FourierFeatures):
    """A model whose kernel also depends on x + y."""

    def kernel_terms(self):
        return (*super().kernel_terms(), KernelTerm(self.density.characteristic, -0.3, 0.7, reflected=True))


class WithoutLinear(FourierFeatures):
    """A stationary kernel with a cusp at the origin, as deep networks have it."""

    def kernel_terms(self):
        def profile(z):
            return np.arccos(-0.999 * self.density.characteristic(z)) / np.pi

        return (KernelTerm(profile, 1.0, 0.0),)


def scattered(count, dim, seed=0):
    rng = np.random.default_rng(seed)
    low, high = np.array(BOX[:dim]).T
    return rng.uniform(low, high, (count, dim))


DENSITIES = {
    "gaussian": lambda dim: fefreq.Gaussian(1.5, dim),
    "uniform": lambda dim: fefreq.Uniform(2.0, dim),
    "ball": lambda dim: fefreq.Uniform(2.0, dim, shape="ball"),
    "laplace": lambda dim: fefreq.Laplace(0.5, dim),
    "heavy": lambda dim: fefreq.StudentT(1.0, df=5.0, dim=dim),
    "cauchy": lambda dim: fefreq.StudentT(1.0, df=1.0, dim=dim),
    "mixture": lambda dim: fefreq.Mixture([fefreq.Gaussian(0.5, dim), fefreq.Uniform(3.0, dim)]),
}


# --- on grids


@pytest.mark.parametrize("shape", [(40,), (9, 12), (5, 6, 4), (3, 4, 3, 4)])
@pytest.mark.parametrize("kind", [FourierFeatures, WithReflection, WithoutLinear])
def test_grid_products_equal_the_dense_matrix(shape, kind):
    dim = len(shape)
    rng = np.random.default_rng(0)
    target = fefreq.Target.from_grid(rng.standard_normal((*shape, 2)), [*BOX, (1.0, 2.0)][:dim])
    model = kind(fefreq.Gaussian(0.8, dim), output_std=0.7)
    dense = model.kernel(target.points, target.points) @ (target.weights[:, None] * target.values)
    operator = KernelOperator(model, target)
    assert "by FFT" in operator.products.method
    np.testing.assert_allclose(operator.apply(target.values), dense, atol=1e-12 * np.abs(dense).max())


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("kind", [FourierFeatures, WithReflection])
def test_points_between_those_of_a_grid_are_reached_by_fft(dim, kind):
    """Halves and thirds of the spacing, in any order and beyond the edge."""
    rng = np.random.default_rng(1)
    grid = Grid.over(BOX[:dim], (12,) * dim)
    steps = rng.integers(-4, 30, (200, dim)) / 2 + (1 / 3 if dim == 1 else 0.0)
    points = grid.lower + steps * grid.spacing
    model = kind(fefreq.Gaussian(0.8, dim))
    products = lattice_products(parts_of(model), grid, points)
    assert products is not None
    columns = rng.standard_normal((3, 12**dim))
    dense = columns @ model.kernel(points, grid.points).T
    np.testing.assert_allclose(products.apply(columns), dense, atol=1e-12 * np.abs(dense).max())


def test_scattered_points_are_no_lattice(gaussian_model):
    grid = Grid.over(BOX[:1], (12,))
    assert lattice_products(parts_of(gaussian_model), grid, scattered(100, 1)) is None
    far = np.array([[grid.lower[0]], [grid.lower[0] + 1000 * grid.spacing[0]]])
    assert lattice_products(parts_of(gaussian_model), grid, far) is None


# --- on scattered points


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("kind", [FourierFeatures, WithReflection])
def test_nonuniform_products_equal_the_dense_matrix(dim, density, kind):
    model = kind(DENSITIES[density](dim))
    x = scattered(600, dim)
    columns = np.random.default_rng(2).standard_normal((1, 600))
    products = make_products(model, x, None, x, method="nufft")
    dense = columns @ model.kernel(x, x).T
    assert np.abs(products.apply(columns) - dense).max() < 1e-12 * np.abs(dense).max()


@pytest.mark.parametrize("kind", [FourierFeatures, WithReflection])
def test_nonuniform_products_in_three_dimensions(kind):
    model = kind(fefreq.Gaussian(0.7, 3))
    x = scattered(200, 3)
    columns = np.random.default_rng(2).standard_normal((1, 200))
    products = make_products(model, x, None, x, method="nufft", tolerance=1e-9)
    dense = columns @ model.kernel(x, x).T
    assert np.abs(products.apply(columns) - dense).max() < 1e-7 * np.abs(dense).max()


@pytest.mark.parametrize("kind", [FourierFeatures, WithReflection, WithoutLinear])
@pytest.mark.parametrize("density", ["gaussian", "cauchy"])
def test_nonuniform_products_between_different_boxes(kind, density):
    model = kind(DENSITIES[density](2))
    sources, points = scattered(300, 2), 0.5 * scattered(200, 2, seed=1) + 0.3
    columns = np.random.default_rng(3).standard_normal((3, 300))
    products = make_products(model, sources, None, points, method="nufft", tolerance=1e-11)
    dense = columns @ model.kernel(points, sources).T
    assert np.abs(products.apply(columns) - dense).max() < 1e-9 * np.abs(dense).max()


def test_a_tabulated_density_and_many_scales_without_dense_matrices():
    nodes = np.linspace(-6, 6, 25)
    table = fefreq.Tabulated((nodes,), np.exp(-0.2 * np.abs(nodes)) + (np.abs(nodes) < 3))
    x = scattered(500, 1)
    columns = np.random.default_rng(4).standard_normal((2, 500))
    for model in (
        FourierFeatures(table),
        MultiScaleSine(fefreq.Gaussian(1.0), scales=(1, 2, 4), bias="normal", bias_std=0.5),
    ):
        dense = columns @ model.kernel(x, x).T
        products = make_products(model, x, None, x, method="nufft")
        assert np.abs(products.apply(columns) - dense).max() < 1e-12 * np.abs(dense).max()


def test_a_cusp_goes_to_neighbours_and_only_a_cusp():
    x = scattered(4000, 1)
    smooth = make_products(FourierFeatures(fefreq.Gaussian(3.0)), x, None, x)
    cusp = make_products(FourierFeatures(fefreq.StudentT(3.0, df=1.0)), x, None, x)
    assert "modes" in smooth.method
    assert "neighbours" not in smooth.method
    assert "neighbours" in cusp.method


def test_a_looser_tolerance_takes_fewer_modes_and_is_met():
    model, x = FourierFeatures(fefreq.Laplace(2.0)), scattered(800, 1)
    columns = np.random.default_rng(5).standard_normal((1, 800))
    dense = columns @ model.kernel(x, x).T
    errors, spaces = [], []
    for tolerance in (1e-5, 1e-8, 1e-11):
        products = make_products(model, x, None, x, tolerance, method="nufft")
        errors.append(np.abs(products.apply(columns) - dense).max() / np.abs(dense).max() / tolerance)
        spaces.append(products.workspace)
    assert max(errors) < 10
    assert spaces == sorted(spaces)


def test_ridges_that_the_axes_do_not_end_are_left_to_the_matrix():
    """In two dimensions κ of independent heavy axes has its cusp along two lines, not at a point."""

    class Ridges(FourierFeatures):
        def kernel_terms(self):
            return (KernelTerm(lambda z: np.exp(-9 * np.abs(z).sum(axis=1)), 1.0, 0.0),)

    model, x = Ridges(fefreq.Gaussian(1.0, 2)), scattered(2100, 2)
    products = make_products(model, x, None, x)
    assert "dense" in products.method
    columns = np.random.default_rng(6).standard_normal((1, 2100))
    np.testing.assert_allclose(products.apply(columns), columns @ model.kernel(x, x).T, rtol=1e-10)


@pytest.mark.parametrize("kept", [0, 10**9])
def test_a_matrix_gives_the_same_kept_or_formed_anew(kept, gaussian_model):
    x, y = scattered(70, 1), scattered(30, 1, seed=1)
    products = make_products(gaussian_model, x, None, y, max_bytes=kept, method="dense")
    columns = np.random.default_rng(7).standard_normal((2, 70))
    assert ("kept" in products.method) == (kept > 0)
    np.testing.assert_allclose(products.apply(columns), columns @ gaussian_model.kernel(y, x).T, rtol=1e-12)


def test_four_dimensions_take_the_matrix_and_say_why():
    x = np.random.default_rng(8).uniform(-1, 1, (2100, 4))
    products = make_products(FourierFeatures(fefreq.Gaussian(1.0, 4)), x, None, x)
    assert "up to 3 dimensions" in products.method


@pytest.mark.parametrize(
    ("dim", "method", "sentence"),
    [(1, "fft", "need data and points on one uniform grid"), (4, "nufft", "up to 3 dimensions, not 4")],
)
def test_methods_that_do_not_apply_are_refused(dim, method, sentence):
    x = np.random.default_rng(9).uniform(-1, 1, (20, dim))
    with pytest.raises(ValueError, match=sentence):
        make_products(FourierFeatures(fefreq.Gaussian(1.0, dim)), x, None, x, method=method)


def test_the_measured_error_of_products_is_their_error(gaussian_model):
    rng = np.random.default_rng(10)
    target = fefreq.Target(scattered(400, 1), rng.standard_normal(400), rng.uniform(0, 0.01, 400))
    operator = KernelOperator(gaussian_model, target, tolerance=1e-6, method="nufft")
    root = np.sqrt(target.weights)
    S = root[:, None] * gaussian_model.kernel(target.points, target.points) * root
    v = rng.standard_normal(400)
    true = np.linalg.norm(operator.symmetric_product(v) - S @ v) / np.linalg.norm(v)
    assert operator.product_error(v[None]) == pytest.approx(true, rel=0.5)


def test_the_window_is_one_inside_zero_outside_and_symmetric_between():
    z = np.linspace(-2, 2, 401)
    w = window(z, 0.5, 1.0, 1e-14)
    assert np.all(w[np.abs(z) <= 0.5] == 1)
    assert np.all(w[np.abs(z) >= 1.5] == 0)
    rise = np.linspace(0, 1, 50)
    total = window(0.5 + rise, 0.5, 1.0, 1e-14) + window(1.5 - rise, 0.5, 1.0, 1e-14)
    np.testing.assert_allclose(total, 1.0, atol=1e-15)


def test_the_spectrum_of_the_window_ends_where_it_should():
    n, period, transition = 4096, 8.0, 1.0
    for tolerance in (1e-6, 1e-12):
        w = window(np.fft.fftfreq(n, 1 / period), 1.0, transition, tolerance)
        spectrum = np.abs(np.fft.rfft(w)) / n
        end = np.log(1 / tolerance) / (np.pi * transition) * period
        assert spectrum[int(1.05 * end) :].max() < tolerance


# --- rates


def test_largest_rate_is_the_largest_eigenvalue(gaussian_model, tones_target):
    K = gaussian_model.kernel(tones_target.points, tones_target.points) * tones_target.weights
    exact = np.linalg.eigvals(K).real.max()
    assert fefreq.largest_rate(gaussian_model, tones_target) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_largest_rate_of_very_few_points(count, gaussian_model):
    target = fefreq.Target(np.arange(count) / 7, np.ones(count), np.full(count, 0.5))
    exact = np.linalg.eigvalsh(0.5 * gaussian_model.kernel(target.points, target.points))[-1]
    assert largest_eigenvalue(KernelOperator(gaussian_model, target)) == pytest.approx(exact, rel=1e-6)


def test_uniform_band_has_prolate_eigenvalues():
    """Frozen frequencies and a flat band: the kernel is the sinc operator, its eigenvalues are Slepian's."""
    W, half_length, n = 2.0, 1.0, 800
    model = FourierFeatures(fefreq.Uniform(half_width=W), output_std=0.0)
    target = fefreq.Target.from_function(lambda x: np.cos(x[:, 0]), [(-half_length, half_length)], n)
    # With c = 2π W · half_length, λ_0 of sin c(x-y) / π(x-y) on [-1, 1] is 1 up to 4e-10 (Slepian 1964); the
    # density 1 / 2W divides it.
    assert fefreq.largest_rate(model, target) * 2 * W == pytest.approx(1.0, abs=1e-5)


# --- finite networks


def fourier_network(parameters, x):
    phases = 2 * np.pi * x @ parameters["w"].T
    waves = parameters["a"] * phases.cos() + parameters["b"] * phases.sin()
    return waves.sum(dim=1) / len(parameters["a"]) ** 0.5


def sine_network(parameters, x):
    total = 0.0
    for j, scale in enumerate((1.0, 2.0)):
        w, a, b = (parameters[f"{name}{j}"] for name in "wab")
        total = total + (a * (2 * np.pi * scale * x @ w.T + b).sin()).sum(dim=1)
    return total / (2 * len(a)) ** 0.5


@pytest.mark.parametrize("kind", ["fourier", "multi-scale"])
def test_tangent_kernels_of_random_networks_converge_with_the_root_of_the_width(kind):
    import torch

    density = fefreq.Gaussian(0.4, 2)
    if kind == "fourier":
        network, model, blocks, std = fourier_network, FourierFeatures(density, output_std=0.8), ("wab",), 0.8
    else:
        network, std = sine_network, 0.8
        model = MultiScaleSine(density, scales=(1, 2), output_std=0.8, bias="normal", bias_std=0.5)
        blocks = ("w0 a0 b0 w1 a1 b1",)
    x = torch.tensor(scattered(8, 2))
    exact = model.kernel(x.numpy(), x.numpy())
    rng = np.random.default_rng(11)

    def draw(name, width):
        if name.startswith("w"):
            return density.sample(width, rng)
        if name.startswith("b") and kind == "multi-scale":
            return 0.5 * rng.standard_normal(width)
        return std * rng.standard_normal(width)

    names = blocks[0].split() if " " in blocks[0] else list(blocks[0])
    widths, errors = [2**k for k in (6, 8, 10, 12)], []
    for width in widths:
        squares = []
        for _ in range(24):
            parameters = {name: torch.tensor(draw(name, width)) for name in names}
            jacobian = torch.func.jacrev(network)(parameters, x)
            rows = torch.cat([block.reshape(len(x), -1) for block in jacobian.values()], dim=1)
            squares.append(np.mean(((rows @ rows.T).numpy() - exact) ** 2))
        errors.append(np.sqrt(np.mean(squares)))
    slope = np.polyfit(np.log(widths), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)
