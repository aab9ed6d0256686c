"""The conformance checks pass what is right and name what is wrong, one mistake at a time."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

import fefreq
from fefreq.testing import check_density, check_model
from fefreq.testing.quadrature import box_rule, polar_rule


@dataclass(frozen=True)
class Triangle(fefreq.Density):
    """Falls linearly from the origin to the half-width: somebody's own density, with knobs for its mistakes."""

    half_width: float = 3.0
    dim: int = 1
    mass: float = 1.0
    drawn: float = 1.0
    kernel: float = 1.0
    ball: float = 1.0
    top: float = 1.0
    shift: float = 0.0
    jump: float = 0.0
    support: float = 1.0

    def pdf(self, frequencies):
        xi = np.reshape(np.asarray(frequencies, dtype=float), -1) - self.shift
        return self.mass * np.maximum(1 - np.abs(xi) / self.half_width, 0) / self.half_width

    def sample(self, count, rng):
        width = self.drawn * self.half_width
        return rng.triangular(-width, 0.0, width, (count, 1))

    def characteristic(self, separations):
        z = np.reshape(np.asarray(separations, dtype=float), -1)
        return np.sinc(self.kernel * self.half_width * z) ** 2

    def mass_within(self, radius):
        share = min(radius / (self.ball * self.half_width), 1.0)
        return share * (2 - share)

    @property
    def support_radius(self):
        return self.support * self.half_width

    @property
    def breakpoints(self):
        return (self.jump,) if self.jump else ()

    @property
    def maximum(self):
        return self.top / self.half_width


def test_a_density_of_ones_own_passes():
    check_density(Triangle())
    check_model(fefreq.FourierFeatures(Triangle(), output_std=0.5))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"mass": 1.001}, "the pdf does not integrate to 1"),
        ({"drawn": 0.9}, "the mean cosine of samples is not the characteristic function"),
        ({"kernel": 1.1}, "is not the characteristic function"),
        ({"ball": 1.1}, "does not hold the share of samples that mass_within says"),
        ({"top": 1.05}, r"maximum is .* but the largest of the pdf that was seen"),
        ({"shift": 0.1}, "the pdf is not even"),
        ({"jump": 1.5}, r"the breakpoint 1\.5 is no jump"),
        ({"support": 2.0}, r"of the support_box .* only"),
        ({"support": 0.8}, r"mass_within\(radius\(0\.999\)\) is 0\.96"),
    ],
)
def test_mistakes_of_a_density_are_named(mistake, words):
    with pytest.raises(AssertionError, match=words):
        check_density(dataclasses.replace(Triangle(), **mistake), edges=(np.array([0.0, 1.0, 2.0, 3.0]),))


def test_a_jump_that_is_not_listed_is_named():
    class Silent(fefreq.Uniform):
        breakpoints = ()

    with pytest.raises(AssertionError, match=r"the pdf jumps near 1\.9999 along an axis"):
        check_density(Silent(2.0), edges=(np.array([0.0, 1.0, 2.0]),))


@dataclass(frozen=True)
class Forgetful(fefreq.Gaussian):
    """Is not what its file says."""

    def __eq__(self, other):
        return self is other

    __hash__ = None


def test_a_density_that_comes_back_as_another_is_named():
    check_density(Forgetful(1.0), file=False)
    with pytest.raises(AssertionError, match="JSON brings back"):
        check_density(Forgetful(1.0))


@dataclass(frozen=True)
class Own(fefreq.Model):
    """Fourier features written anew, with knobs for its mistakes."""

    density: fefreq.Density
    damping: float = 1.0
    diffusion: float = 1.0
    constant: float = 1.0

    def coefficients(self, frequencies, parity="even"):
        rho = self.density.pdf(frequencies)
        return fefreq.Coefficients(self.diffusion * 0.25 * rho, self.damping * rho)

    def kernel_terms(self):
        return (fefreq.KernelTerm(self.density.characteristic, self.constant, (2 * np.pi * 0.5) ** 2),)


def gradients(count, rng, points):
    """Of neurons ``a cos(2πw·x) + b sin(2πw·x)`` by a, b and w."""
    w, (a, b) = 2.0 * rng.standard_normal((count, 1)), 0.5 * rng.standard_normal((2, count, 1))
    phase = 2 * np.pi * w @ points.T
    cos, sin = np.cos(phase), np.sin(phase)
    return np.stack([cos, sin, 2 * np.pi * points[:, 0] * (b * cos - a * sin)], axis=1)


def test_a_model_of_ones_own_passes():
    check_model(Own(fefreq.Gaussian(2.0)), gradients=gradients)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"damping": 1.001}, "transform of the even damping is not what the kernel terms say"),
        ({"damping": -1.0}, "the even damping is not at least 0"),
        ({"diffusion": 1.001}, "transform of the even diffusion is not what the kernel terms say"),
        ({"constant": -1.0}, "not positive semi-definite"),
        ({"constant": 1.1, "damping": 1.1}, "the mean product of gradients is not the kernel"),
    ],
)
def test_mistakes_of_a_model_are_named(mistake, words):
    with pytest.raises(AssertionError, match=words):
        check_model(Own(fefreq.Gaussian(2.0), **mistake), gradients=gradients)


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="density must be a Density"):
        check_density(3.0)
    with pytest.raises(TypeError, match="model must be a Model"):
        check_model(fefreq.Gaussian(1.0))


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_rules_integrate_a_gaussian(dim):
    edges = np.linspace(0, 8, 17)
    for nodes, weights in (box_rule((edges,) * dim), polar_rule(edges, dim)):
        values = np.exp(-np.sum(nodes**2, axis=1) / 2) * nodes[:, 0] ** 2
        assert weights @ values == pytest.approx((2 * np.pi) ** (dim / 2), rel=1e-9)
