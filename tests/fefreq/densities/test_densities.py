"""The four views of a density tell one story: pdf, samples, characteristic function, quantile radius."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import integrate, special

from fefreq.densities.base import Density
from fefreq.densities.gaussian import Gaussian
from fefreq.densities.laplace import Laplace
from fefreq.densities.log_uniform import LogUniform
from fefreq.densities.mixture import Mixture
from fefreq.densities.positional_encoding import PositionalEncoding
from fefreq.densities.product_ball import cube_ball_mass, laplace_ball_mass
from fefreq.densities.student_t import StudentT
from fefreq.densities.tabulated import Tabulated
from fefreq.densities.tabulated_transform import direct_transform, fast_transform
from fefreq.densities.uniform import Uniform
from fefreq.support.arrays import FloatArray
from fefreq.testing import check_density
from fefreq.testing.quadrature import gauss

DRAWS = 60_000
SIGMAS = 4.5  # one comparison in 150,000 lies outside by chance

TABLE_AXES = (np.linspace(-3.0, 3.0, 5), np.linspace(-2.0, 2.0, 4), np.linspace(-1.5, 1.5, 3))


def table(dim: int) -> Tabulated:
    """Random samples, not zero at the edge of the grid."""
    axes = TABLE_AXES[:dim]
    return Tabulated.symmetrised(axes, np.random.default_rng(7).random([len(axis) for axis in axes]))


@dataclasses.dataclass(frozen=True)
class Case:
    """A density with what its quadrature must know: where pieces end, and whether only the radius matters."""

    name: str
    density: Density
    edges: tuple[FloatArray, ...]
    radial: bool = False


def cases() -> list[Case]:
    found = []
    for dim in (1, 2, 3):
        even = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0])
        tail = np.array([0.0, 0.7, 1.4, 2.8, 5.0, 8.0, 12.0, 20.0])
        nodes = tuple(np.concatenate([[0.0], axis[axis > 0.0]]) for axis in TABLE_AXES[:dim])
        gaussian, laplace = Gaussian(1.2, dim), Laplace(0.8, dim)
        box, ball = Uniform(2.0, dim), Uniform(2.0, dim, "ball")
        found += [
            Case(f"gaussian-{dim}", gaussian, (1.2 * even,) * dim),
            Case(f"box-{dim}", box, (2.0 * even[:2],) * dim),
            Case(f"ball-{dim}", ball, (even[:3],), radial=True),
            Case(f"student-{dim}", StudentT(0.8, 12.0, dim), (tail,), radial=True),
            Case(f"laplace-{dim}", laplace, (tail,) * dim),
            Case(f"octaves-{dim}", LogUniform(0.5, 3.0, dim), (np.geomspace(0.5, 3.0, 8),), radial=True),
            Case(
                f"mixture-{dim}",
                Mixture((gaussian, box), (3.0, 1.0)),
                (1.2 * np.sort([*even, 2 / 1.2]),) * dim,
            ),
            Case(f"table-{dim}", table(dim), nodes),
            Case(
                f"table-mixture-{dim}",
                Mixture((table(dim), laplace)),
                tuple(np.unique([*tail, *n]) for n in nodes),
            ),
        ]
    return found


CASES = {case.name: case for case in cases()}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


# --- the views


@every_case
def test_all_views_speak_of_one_density(case: Case) -> None:
    check_density(case.density, edges=case.edges, radial=case.radial, seed=11)


def test_a_positional_encoding_is_a_law_of_single_frequencies() -> None:
    for dim in (1, 2):
        check_density(PositionalEncoding(4, dim), has_pdf=False, seed=11)


@pytest.mark.parametrize(
    "density",
    [Gaussian(3.0), StudentT(0.8, 3.0, 2), Laplace(2.0, 2), Uniform(3.0), LogUniform(0.5, 4.0)],
    ids=repr,
)
def test_panels_are_found_where_none_are_given(density: Density) -> None:
    check_density(density)


# --- properties that hold for every scale

scales = st.floats(1e-3, 1e3)
lengths = st.floats(-2.0, 2.0)
dims = st.integers(1, 4)
properties = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def families(scale: float, dim: int) -> list[Density]:
    return [
        Gaussian(scale, dim),
        Uniform(scale, dim),
        Uniform(scale, dim, "ball"),
        StudentT(scale, 2.5, dim),
        StudentT(scale, 1000.0, dim),
        Laplace(scale, dim),
        LogUniform(scale, 5.0 * scale, dim),
        Mixture((Gaussian(scale, dim), Laplace(3.0 * scale, dim)), (1.0, 2.0)),
        Tabulated([[-scale, scale]] * dim, np.ones([2] * dim)),
    ]


@properties
@given(scale=scales, dim=dims, data=st.data())
def test_characteristic_is_one_at_zero_and_at_most_one_elsewhere(scale: float, dim: int, data: Any) -> None:
    z = np.array([data.draw(st.lists(lengths, min_size=dim, max_size=dim)), [0.0] * dim])
    for density in families(scale, dim):
        kappa = density.characteristic(z)
        assert np.all(np.abs(kappa) <= 1.0 + 1e-12)
        assert kappa[1] == pytest.approx(1.0, abs=1e-13)


@properties
@given(scale=scales, dim=dims, data=st.data())
def test_stretching_a_density_shrinks_its_kernel(scale: float, dim: int, data: Any) -> None:
    """κ_s(z) = κ_1(s z), ρ_s(ξ) = ρ_1(ξ/s) / s^d and r_s = s r_1."""
    u = np.array([data.draw(st.lists(lengths, min_size=dim, max_size=dim))])
    for stretched, unit in zip(families(scale, dim), families(1.0, dim), strict=True):
        np.testing.assert_allclose(stretched.characteristic(u / scale), unit.characteristic(u), atol=1e-11)
        # Inside the support, away from the edge where rounding decides.
        inner = 0.4 * u
        np.testing.assert_allclose(stretched.pdf(inner * scale) * scale**dim, unit.pdf(inner), rtol=1e-9)
        if dim <= 2:
            assert stretched.radius(0.7) == pytest.approx(scale * unit.radius(0.7), rel=1e-6)


# --- closed forms


@pytest.mark.parametrize("df", [0.5, 1.0, 3.0, 30.0, 199.0, 201.0, 1e4])
def test_student_characteristic_averages_gaussians_over_a_chi_square_variance(df: float) -> None:
    z = np.array([0.0, 1e-9, 1e-3, 0.05, 0.2, 0.5, 1.0])

    def mean(square: float) -> float:
        # exp(-square V / 2) with V = df/2G, G of the gamma law of shape df/2: a smooth bump in log G, where
        # the trapezoidal rule converges faster than any power.
        order, rate = 0.5 * df, 0.25 * square * df
        mode = 0.5 * (order + math.sqrt(order**2 + 4.0 * rate))
        width = 1.0 / math.sqrt(mode + rate / mode)
        log_g = math.log(mode) + np.linspace(-max(20.0 * width, 45.0 / order), 20.0 * width, 20_001)
        bump = np.exp(order * log_g - np.exp(log_g) - rate * np.exp(-log_g) - special.gammaln(order))
        return float(np.sum(bump) * (log_g[1] - log_g[0]))

    expected = [mean((2.0 * math.pi * one) ** 2) for one in z]
    np.testing.assert_allclose(StudentT(1.0, df).characteristic(z), expected, atol=1e-11)


def test_student_with_one_degree_of_freedom_is_cauchy_and_with_many_gaussian() -> None:
    z = np.linspace(0.0, 2.0, 41)
    cauchy = StudentT(0.7, 1.0)
    np.testing.assert_allclose(cauchy.characteristic(z), np.exp(-2.0 * np.pi * 0.7 * z), atol=1e-13)
    assert cauchy.radius(0.75) == pytest.approx(0.7 * math.tan(0.375 * math.pi), rel=1e-13)
    many, gaussian = StudentT(0.7, 1e12, 3), Gaussian(0.7, 3)
    points = np.random.default_rng(0).standard_normal((50, 3))
    np.testing.assert_allclose(many.characteristic(points), gaussian.characteristic(points), atol=1e-11)
    np.testing.assert_allclose(many.pdf(points), gaussian.pdf(points), rtol=1e-9)


def test_ball_and_box_are_one_in_one_dimension() -> None:
    box, ball, xi = Uniform(3.0), Uniform(3.0, shape="ball"), np.linspace(-4.0, 4.0, 33)
    np.testing.assert_allclose(box.characteristic(xi), ball.characteristic(xi), atol=1e-14)
    np.testing.assert_array_equal(box.pdf(xi), ball.pdf(xi))
    assert box.radius(0.3) == pytest.approx(ball.radius(0.3), rel=1e-14) == 0.9
    assert box.breakpoints == ball.breakpoints == (3.0,)


def test_log_uniform_transform_is_a_difference_of_cosine_integrals_and_keeps_its_digits_near_zero() -> None:
    density, z = LogUniform(0.7, 30.0), np.geomspace(1e-4, 50.0, 60)
    cosine = special.sici(2.0 * np.pi * 30.0 * z)[1] - special.sici(2.0 * np.pi * 0.7 * z)[1]
    np.testing.assert_allclose(density.characteristic(z), cosine / math.log(30.0 / 0.7), atol=2e-14)
    # 1 - κ = 2 (πz)² E ξ² to leading order, and E ξ² = (b² - a²) / 2 log(b/a).
    variance = (30.0**2 - 0.7**2) / (2.0 * math.log(30.0 / 0.7))
    assert np.mean(density.sample(DRAWS, np.random.default_rng(23)) ** 2) == pytest.approx(variance, rel=0.03)
    small = 1e-6
    assert 1.0 - density.characteristic([small])[0] == pytest.approx(
        2 * (np.pi * small) ** 2 * variance, rel=1e-6
    )


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 5])
def test_log_uniform_transform_in_any_dimension_is_that_of_spheres_of_every_octave(dim: int) -> None:
    density, z = LogUniform(0.5, 4.0, dim), np.array([0.0, 0.05, 0.3, 1.7])
    logs, weights = gauss(np.linspace(math.log(0.5), math.log(4.0), 60))

    def sphere(x: FloatArray) -> FloatArray:
        return np.asarray(special.hyp0f1(0.5 * dim, -0.25 * x**2))

    expected = [weights @ sphere(2.0 * np.pi * np.exp(logs) * one) / math.log(8.0) for one in z]
    direction = np.random.default_rng(8).standard_normal(dim)
    points = np.outer(z, direction / np.linalg.norm(direction))
    np.testing.assert_allclose(density.characteristic(points), expected, atol=1e-12)


def test_log_uniform_gives_every_octave_the_same_mass() -> None:
    density = LogUniform(1.0, 16.0, 3)
    assert [density.mass_within(2.0**k) for k in range(-1, 6)] == pytest.approx([0, 0, 0.25, 0.5, 0.75, 1, 1])
    mixture = Mixture((LogUniform(2.0, 8.0), Gaussian(5.0)), (1.0, 3.0))
    assert mixture.maximum == pytest.approx(mixture.pdf(np.linspace(0.0, 9.0, 90_001)).max(), rel=1e-9)


def test_ball_mass_of_a_square_and_of_laplace_axes_match_geometry_and_quadrature() -> None:
    for r in (0.3, 1.0, 1.2, 1.4):
        cut = 0.0 if r <= 1.0 else r * r * math.acos(1.0 / r) - math.sqrt(r * r - 1.0)
        assert cube_ball_mass(r, 2) == pytest.approx(0.25 * math.pi * r * r - cut, abs=1e-13)
    for r in (0.1, 1.0, 5.0):
        chord = integrate.quad(
            lambda a, r=r: r * math.cos(a) * math.exp(-r * math.sin(a)) * -math.expm1(-r * math.cos(a)),
            0.0,
            0.5 * math.pi,
        )[0]
        assert laplace_ball_mass(r, 2) == pytest.approx(chord, abs=1e-12)


@pytest.mark.parametrize("dim", [6, 7, 12])
def test_ball_mass_of_a_cube_in_many_dimensions_matches_samples(dim: int) -> None:
    distance = np.linalg.norm(np.random.default_rng(dim).uniform(-1.0, 1.0, (DRAWS, dim)), axis=1)
    for radius in (0.8 * math.sqrt(dim / 3.0), math.sqrt(dim / 3.0), 1.2 * math.sqrt(dim / 3.0)):
        mass = cube_ball_mass(radius, dim)
        assert abs(np.mean(distance <= radius) - mass) < SIGMAS * math.sqrt(mass * (1.0 - mass) / DRAWS)


def test_radius_keeps_its_digits_near_both_ends() -> None:
    assert Gaussian(1.0).radius(1e-12) == pytest.approx(1e-12 * math.sqrt(math.pi / 2.0), rel=1e-9)
    assert StudentT(1.0, 1.0).radius(1.0 - 1e-9) == pytest.approx(2e9 / math.pi, rel=1e-6)
    assert Laplace(2.0).radius(1e-12) == pytest.approx(2e-12, rel=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_constant_table_is_the_uniform_box(dim: int) -> None:
    flat, box = Tabulated([[-2.0, -1.0, 0.0, 1.0, 2.0]] * dim, np.full([5] * dim, 9.0)), Uniform(2.0, dim)
    z = np.random.default_rng(1).uniform(-2.0, 2.0, (100, dim))
    np.testing.assert_allclose(flat.characteristic(z), box.characteristic(z), atol=1e-14)
    np.testing.assert_allclose(flat.pdf(2.0 * z), box.pdf(2.0 * z), rtol=1e-13)
    assert flat.breakpoints == box.breakpoints
    assert flat.support_radius == pytest.approx(box.support_radius)
    for mass in (0.2, 0.7, 0.95):
        assert flat.radius(mass) == pytest.approx(box.radius(mass), rel=1e-6)


def test_triangular_table_is_the_sum_of_two_uniform_variables() -> None:
    triangle = Tabulated(([-2.0, 0.0, 2.0],), [0.0, 1.0, 0.0])
    z = np.linspace(-3.0, 3.0, 61)
    np.testing.assert_allclose(triangle.characteristic(z), np.sinc(2.0 * z) ** 2, atol=1e-14)
    assert triangle.breakpoints == ()
    assert triangle.radius(0.75) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("shape", [(9,), (64,), (6, 7), (4, 5, 6)])
def test_fast_transform_of_a_table_equals_the_direct_sum(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    axes = tuple(np.linspace(-edge, edge, n) for edge, n in zip((3.0, 2.0, 5.0), shape, strict=False))
    density = Tabulated.symmetrised(axes, rng.random(shape))
    z = rng.uniform(-3.0, 3.0, (200, len(shape)))
    np.testing.assert_allclose(
        fast_transform(density.axes, density.values, z),
        direct_transform(density.axes, density.values, z),
        atol=1e-12,
    )


def test_large_tables_switch_to_the_fast_transform_unnoticed() -> None:
    """Samples of a Gaussian: interpolation multiplies κ by sinc² and adds images below rounding."""
    axis = np.linspace(-8.0, 8.0, 801)
    density = Tabulated((axis,), np.exp(-0.5 * axis**2))
    z = np.linspace(-1.0, 1.0, 4001)
    expected = Gaussian(1.0).characteristic(z) * np.sinc(0.02 * z) ** 2
    np.testing.assert_allclose(density.characteristic(z), expected, atol=1e-12)


def test_symmetrised_table_completes_the_grid_of_an_even_transform() -> None:
    frequencies = np.fft.fftshift(np.fft.fftfreq(8, d=0.5))
    density = Tabulated.symmetrised((frequencies,), np.ones(8))
    np.testing.assert_allclose(density.axes[0], np.linspace(-1.0, 1.0, 9))
    np.testing.assert_allclose(density.values, np.array([1, 2, 2, 2, 2, 2, 2, 2, 1]) / 3.75)


def test_support_of_a_table_stops_at_its_last_positive_cell() -> None:
    density = Tabulated(([-4.0, -2.0, 0.0, 2.0, 4.0],) * 2, np.pad([[1.0]], 2))
    assert density.support_box == (2.0, 2.0)
    assert density.support_radius == pytest.approx(2.0 * math.sqrt(2.0))


def test_supremum_of_a_mixture_may_lie_between_nodes_and_off_the_origin() -> None:
    hills = Tabulated(([-2.0, -1.0, 0.0, 1.0, 2.0],), [0.0, 3.0, 0.0, 3.0, 0.0])
    mixture = Mixture((hills, Gaussian(0.6)), (2.0, 3.0))
    brute = mixture.pdf(np.linspace(0.0, 2.0, 400_001)).max()
    assert brute > 1.001 * mixture.pdf(hills.axes[0]).max()
    assert mixture.maximum == pytest.approx(brute, rel=1e-9)


def test_nested_mixture_is_the_flat_one() -> None:
    a, b, c = Gaussian(1.0, 2), Laplace(2.0, 2), Uniform(3.0, 2)
    nested, flat = Mixture((a, Mixture((b, c), (1, 3))), (1, 1)), Mixture((a, b, c), (4, 1, 3))
    points = np.random.default_rng(4).standard_normal((20, 2))
    np.testing.assert_allclose(nested.pdf(points), flat.pdf(points), rtol=1e-13)
    np.testing.assert_allclose(nested.characteristic(points), flat.characteristic(points), atol=1e-15)
    assert nested.radius(0.6) == pytest.approx(flat.radius(0.6), rel=1e-10)
    assert nested.breakpoints == (3.0,)


# --- values, equality, schema


def test_equal_densities_are_equal_and_hash_alike() -> None:
    assert table(2) == table(2)
    assert hash(table(2)) == hash(table(2))
    assert table(2) != table(1)
    assert table(2) != Gaussian(1.0, 2)
    assert Mixture((table(1), Gaussian(1.0))) == Mixture((table(1), Gaussian(1.0)), (2.0, 2.0))
    assert len({Gaussian(3), Gaussian(3.0), Gaussian(np.float64(3.0), np.int64(1))}) == 1
    assert "kind" not in repr(Gaussian(3.0))


def test_tables_own_their_arrays() -> None:
    values = np.array([1.0, 2.0, 1.0])
    density = Tabulated(([-1.0, 0.0, 1.0],), values)
    values[:] = 5.0
    assert density.maximum == pytest.approx(2.0 / 3.0)
    with pytest.raises(ValueError, match="read-only"):
        density.values[0] = 7.0


SCHEMA: TypeAdapter[Any] = TypeAdapter(Density)


@every_case
def test_schema_reads_back_what_it_writes(case: Case) -> None:
    assert SCHEMA.validate_json(SCHEMA.dump_json(case.density)) == case.density
    nested = Mixture((case.density, Mixture((case.density, Gaussian(0.3, case.density.dim)), (1, 6))), (3, 4))
    again = SCHEMA.validate_json(SCHEMA.dump_json(nested))
    assert again == nested
    assert SCHEMA.validate_python(nested) is nested


def test_schema_builds_a_density_from_the_keys_of_a_file() -> None:
    entry = {
        "kind": "mixture",
        "weights": [3, 1],
        "components": [
            {"kind": "gaussian", "scale": 3},
            {"kind": "tabulated", "axes": [[-1, 0, 1]], "values": [1, 2, 1]},
        ],
    }
    density = SCHEMA.validate_python(entry)
    assert density == Mixture((Gaussian(3.0), Tabulated(([-1, 0, 1],), [1, 2, 1])), (0.75, 0.25))


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        ({"kind": "gaussian", "scale": 3, "sclae": 1}, "sclae", "Unexpected keyword"),
        ({"kind": "gaussian", "scale": -3}, "gaussian", "scale must be positive and finite"),
        ({"kind": "gaussian", "scale": "wide"}, "scale", "valid number"),
        ({"kind": "gauss", "scale": 3}, None, "expected tags: 'gaussian'"),
        ({"kind": "uniform", "half_width": 3, "shape": "disc"}, "shape", "'box' or 'ball'"),
        (
            {"kind": "mixture", "components": [{"kind": "laplace", "scale": 0}]},
            "laplace",
            "scale must be positive",
        ),
        ({"kind": "tabulated", "axes": [[-1, 0, 1]], "values": [1, 2, 3]}, "tabulated", "symmetrised"),
    ],
)
def test_schema_names_what_is_wrong_by_its_path(
    entry: dict[str, Any], place: str | None, message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        SCHEMA.validate_python(entry)
    (error,) = caught.value.errors()
    assert place is None or error["loc"][-1] == place


def test_importing_densities_is_light() -> None:
    heavy = ("pydantic", "scipy.stats", "scipy.optimize", "finufft", "torch", "skfem")
    code = f"import sys, fefreq.densities; print([m for m in {heavy!r} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


# --- bad input

GRID = [-1.0, 0.0, 1.0]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Gaussian(0.0), ValueError, "scale must be positive and finite, but it is 0.0"),
        (lambda: Gaussian(math.nan), ValueError, "scale must be positive and finite"),
        (lambda: Gaussian("3"), TypeError, "scale must be a positive number, not '3'"),
        (lambda: Gaussian(True), TypeError, "scale must be a positive number"),
        (lambda: Gaussian(1.0, dim=0), ValueError, "dim must be an integer of at least 1, but it is 0"),
        (lambda: Gaussian(1.0, dim=2.0), TypeError, "dim must be an integer, not 2.0"),
        (lambda: StudentT(1.0, df=-1.0), ValueError, "df must be positive"),
        (lambda: Laplace(math.inf), ValueError, "scale must be positive and finite"),
        (lambda: LogUniform(0.0, 1.0), ValueError, "lower must be positive and finite"),
        (
            lambda: LogUniform(4.0, 2.0),
            ValueError,
            "upper must be at least 1.001 times lower, but they are 2",
        ),
        (lambda: Uniform(-1.0), ValueError, "half_width must be positive"),
        (lambda: Uniform(1.0, shape="disc"), ValueError, 'shape must be "box" or "ball"'),
        (lambda: Mixture(()), ValueError, "at least one component"),
        (lambda: Mixture(Gaussian(1.0)), TypeError, "components must be a sequence of densities"),
        (lambda: Mixture((3.0,)), TypeError, "components must be densities such as"),
        (lambda: Mixture((Gaussian(1.0), Gaussian(1.0, 2))), ValueError, r"share one dimension.*\[1, 2\]"),
        (lambda: Mixture((Gaussian(1.0),), (1.0, 2.0)), ValueError, "one per component: 1, but there are 2"),
        (lambda: Mixture((Gaussian(1.0),), (0.0,)), ValueError, r"weights\[0\] must be positive"),
        (lambda: Tabulated(GRID, [0, 1, 0]), ValueError, r"in one dimension write axes=\(nodes,\)"),
        (lambda: Tabulated(3.0, [0, 1, 0]), TypeError, "axes must be a sequence of arrays"),
        (lambda: Tabulated((), 1.0), ValueError, "one array of nodes per dimension"),
        (lambda: Tabulated(([-1, 0, 2],), [0, 1, 0]), ValueError, "increasing and equally spaced"),
        (lambda: Tabulated(([1, 0, -1],), [0, 1, 0]), ValueError, "increasing and equally spaced"),
        (lambda: Tabulated(([0, 1, 2],), [0, 1, 0]), ValueError, "symmetric about 0.*symmetrised"),
        (lambda: Tabulated((GRID,), [0, 1]), ValueError, r"shape of the grid \(3,\), but theirs is \(2,\)"),
        (lambda: Tabulated((GRID,), [1, -1, 1]), ValueError, "at least 0, but the smallest is -1"),
        (lambda: Tabulated((GRID,), [0, 0, 0]), ValueError, "all zero"),
        (lambda: Tabulated((GRID,), [1, math.nan, 1]), ValueError, "values must be finite"),
        (lambda: Tabulated((GRID,), [1, 2, 3]), ValueError, "must not change under ξ -> -ξ.*symmetrised"),
        (lambda: Tabulated.symmetrised(([0.3, 1.3],), [1, 1]), ValueError, "0 on a node or half-way"),
        (lambda: Gaussian(1.0, 2).pdf(np.zeros((4, 3))), ValueError, r"frequencies have shape \(4, 3\)"),
        (lambda: table(2).pdf(np.zeros(4)), ValueError, r"must be \(n, 2\)"),
        (lambda: Laplace(1.0).characteristic([math.inf]), ValueError, "separations must be finite"),
        (
            lambda: Uniform(1.0).radius(1.0),
            ValueError,
            "mass must lie strictly between 0 and 1, but it is 1.0",
        ),
        (lambda: Gaussian(1.0).radius(math.nan), ValueError, "mass must lie strictly"),
        (lambda: StudentT(1.0, 0.01).radius(0.9999), ValueError, "overflows for df=0.01"),
        (lambda: table(1).mass_within(-1.0), ValueError, "radius must be finite and at least 0"),
        (lambda: Laplace(1.0).sample(-1, RNG), ValueError, "count must be at least 0"),
        (lambda: Laplace(1.0).sample(1.5, RNG), TypeError, "count must be an integer"),
        (
            lambda: Laplace(1.0).sample(3, 42),
            TypeError,
            r"numpy Generator such as numpy.random.default_rng\(0\)",
        ),
        (lambda: Mixture((Laplace(1.0),)).sample(3, 42), TypeError, "numpy Generator"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
