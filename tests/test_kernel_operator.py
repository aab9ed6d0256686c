"""Fast kernel products against the dense matrix."""

import numpy as np
import pytest

import fefreq
from fefreq.kernel_operator import KernelOperator
from fefreq.models import FourierFeatures, KernelTerm


class WithReflection(FourierFeatures):
    """A model whose kernel also depends on x + y."""

    def kernel_terms(self):
        return (*super().kernel_terms(), KernelTerm(self.density.characteristic, -0.3, 0.7, reflected=True))


@pytest.mark.parametrize("shape", [(40,), (9, 12), (5, 6, 4)])
@pytest.mark.parametrize("kind", [FourierFeatures, WithReflection])
def test_grid_products_equal_the_dense_matrix(shape, kind):
    dim = len(shape)
    rng = np.random.default_rng(0)
    bounds = [(-1.0, 1.5), (0.2, 1.0), (-2.0, -1.0)][:dim]
    target = fefreq.Target.from_grid(rng.standard_normal((*shape, 2)), bounds)
    model = kind(fefreq.Gaussian(0.8, dim), output_std=0.7)
    dense = model.kernel(target.points, target.points) @ (target.weights[:, None] * target.values)
    fast = KernelOperator(model, target).apply(target.values)
    np.testing.assert_allclose(fast, dense, atol=1e-12 * np.abs(dense).max())


def test_scattered_products_equal_the_dense_matrix():
    rng = np.random.default_rng(1)
    points = rng.uniform(-1, 1, (60, 2))
    target = fefreq.Target(points, rng.standard_normal(60), rng.uniform(0, 1, 60))
    model = FourierFeatures(fefreq.Laplace(1.0, dim=2))
    dense = model.kernel(points, points) @ (target.weights * target.values)
    np.testing.assert_allclose(KernelOperator(model, target).apply(target.values), dense, rtol=1e-12)


def test_largest_rate_is_the_largest_eigenvalue(gaussian_model, tones_target):
    K = gaussian_model.kernel(tones_target.points, tones_target.points) * tones_target.weights
    exact = np.linalg.eigvals(K).real.max()
    assert fefreq.largest_rate(gaussian_model, tones_target) == pytest.approx(exact, rel=1e-5)


def test_uniform_band_has_prolate_eigenvalues():
    """Frozen frequencies and a flat band: the kernel is the sinc operator, its eigenvalues are Slepian's."""
    W, half_length, n = 2.0, 1.0, 800
    model = FourierFeatures(fefreq.Uniform(half_width=W), output_std=0.0)
    target = fefreq.Target.from_function(lambda x: np.cos(x[:, 0]), [(-half_length, half_length)], n)
    # With c = 2π W · half_length, λ_0 of sin c(x-y) / π(x-y) on [-1, 1] is 1 up to 4e-10 (Slepian 1964); the
    # density 1 / 2W divides it.
    assert fefreq.largest_rate(model, target) * 2 * W == pytest.approx(1.0, abs=1e-5)
