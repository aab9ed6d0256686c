"""Differential operators: symbols against derivatives of functions, and the algebra of polynomials."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fefreq
from fefreq.operators import DifferentialOperator, derivatives

DX, DT = derivatives(2, "xt")


def operators(dim: int = 2) -> st.SearchStrategy[DifferentialOperator]:
    """Operators up to third order with small integer coefficients, whose arithmetic is exact."""
    index = st.tuples(*[st.integers(0, 3)] * dim)
    terms = st.dictionaries(index, st.integers(-4, 4).map(float), max_size=4)
    return terms.map(lambda found: DifferentialOperator(found, ("x", "y", "z")[:dim]))


FREQUENCIES = np.random.default_rng(0).uniform(-2, 2, (9, 2))


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (fefreq.laplacian(2), lambda w: -(w[:, 0] ** 2) - w[:, 1] ** 2),
        (fefreq.helmholtz(3.0, 2), lambda w: 9 - w[:, 0] ** 2 - w[:, 1] ** 2),
        (fefreq.biharmonic(2), lambda w: (w[:, 0] ** 2 + w[:, 1] ** 2) ** 2),
        (fefreq.advection(0.5), lambda w: 1j * (w[:, 1] + 0.5 * w[:, 0])),
        (fefreq.heat(0.1, 2), lambda w: 1j * w[:, 1] + 0.1 * w[:, 0] ** 2),
        (fefreq.wave(2.0, 2), lambda w: 4 * w[:, 0] ** 2 - w[:, 1] ** 2),
        (DX**3 * DT - 2 * DX + 0.5, lambda w: w[:, 0] ** 3 * w[:, 1] - 2j * w[:, 0] + 0.5),
    ],
    ids=lambda value: (
        str(value) if isinstance(value, DifferentialOperator) else ""
    ),  # functions have addresses
)
def test_symbols_are_the_polynomials_of_the_equations(operator, expected):
    np.testing.assert_allclose(operator.symbol(FREQUENCIES), expected(2 * np.pi * FREQUENCIES), rtol=1e-13)


@pytest.mark.parametrize(
    "operator",
    [fefreq.laplacian(2), fefreq.advection(0.7), DX**3 + DX * DT - 1.5, fefreq.heat(0.2, 2)],
    ids=str,
)
def test_plane_waves_are_eigenfunctions_with_the_symbol_as_eigenvalue(operator):
    """Derivatives by central differences of sixth order, twice, so that their own error is known to fall."""
    xi, x = np.array([0.3, -0.2]), np.array([0.4, 0.7])
    stencil = np.array([-1 / 60, 3 / 20, -3 / 4, 0, 3 / 4, -3 / 20, 1 / 60])

    def difference(function, axis, h):
        step = h * np.eye(2)[axis]
        return lambda at: (
            sum(c * function(at + k * step) for k, c in zip(range(-3, 4), stencil, strict=True)) / h
        )

    errors = []
    for h in (0.1, 0.05):
        total = 0.0
        for index, value in operator.coefficients.items():
            function = lambda at: np.exp(2j * np.pi * (xi @ at))  # noqa: E731
            for axis, order in enumerate(index):
                for _ in range(order):
                    function = difference(function, axis, h)
            total = total + value * function(x)
        exact = operator.symbol([xi])[0] * np.exp(2j * np.pi * (xi @ x))
        errors.append(abs(total - exact) / abs(exact))
    assert errors[1] < 1e-6
    assert errors[1] < errors[0] / 40  # sixth order: 64


def test_symbols_of_three_coordinates_and_of_one():
    xi = np.array([[0.1, 0.2, -0.3]])
    assert fefreq.laplacian(3).symbol(xi)[0] == pytest.approx(-4 * np.pi**2 * 0.14)
    assert derivatives(1)[0].symbol([0.5])[0] == pytest.approx(1j * np.pi)


def test_the_gradient_of_the_symbol_is_its_derivative():
    operator = DX**3 * DT - 2 * DX + 0.5 + DT**2
    h = 1e-6
    gradient = operator.symbol_gradient(FREQUENCIES)
    for axis, unit in enumerate(np.eye(2)):
        slope = (operator.symbol(FREQUENCIES + h * unit) - operator.symbol(FREQUENCIES - h * unit)) / (2 * h)
        np.testing.assert_allclose(gradient[:, axis], slope, rtol=1e-6, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(operators(), operators(), operators())
def test_operators_form_a_commutative_ring(a, b, c):
    zero = DifferentialOperator({}, ("x", "y"))
    assert a + b == b + a
    assert a * b == b * a
    assert (a + b) + c == a + (b + c)
    assert (a * b) * c == a * (b * c)
    assert a * (b + c) == a * b + a * c
    assert a - a == zero
    assert a + 0.0 == a == a * 1.0
    assert hash(a + b) == hash(b + a)


@settings(max_examples=60, deadline=None)
@given(operators(), operators(), st.integers(0, 3))
def test_symbols_of_sums_products_and_powers_are_those_of_symbols(a, b, power):
    p, q = a.symbol(FREQUENCIES), b.symbol(FREQUENCIES)
    scale = 1 + np.abs(p).max() + np.abs(q).max()
    np.testing.assert_allclose((a + b).symbol(FREQUENCIES), p + q, atol=1e-12 * scale)
    np.testing.assert_allclose((a - b).symbol(FREQUENCIES), p - q, atol=1e-12 * scale)
    np.testing.assert_allclose((a * b).symbol(FREQUENCIES), p * q, atol=1e-11 * scale**2)
    np.testing.assert_allclose((a**power).symbol(FREQUENCIES), p**power, atol=1e-10 * scale**power)


@settings(max_examples=60, deadline=None)
@given(operators())
def test_symbols_of_real_operators_are_conjugate_at_opposite_frequencies(a):
    np.testing.assert_array_equal(a.symbol(-FREQUENCIES), a.symbol(FREQUENCIES).conj())


@settings(max_examples=60, deadline=None)
@given(operators(), operators())
def test_order_and_parity_follow_from_the_terms(a, b):
    if a.coefficients and b.coefficients:
        assert (a * b).order == a.order + b.order
    assert (a + b).order <= max(a.order, b.order)
    values = a.symbol(FREQUENCIES)
    if a.parity == "real":
        assert np.all(values.imag == 0)
    if a.parity == "imaginary":
        assert np.all(values.real == 0)
    assert (a * a).parity == ("real" if a.parity != "mixed" else (a * a).parity)


def test_operators_print_as_equations():
    assert str(fefreq.helmholtz(1.0, 2)) == "∂x² u + ∂y² u + u"
    assert str(DT - 0.01 * DX**2 + 3) == "-0.01 ∂x² u + ∂t u + 3 u"
    assert str(DX - DX) == "0"
    assert str(derivatives(4)[3] / 2) == "0.5 ∂x3 u"
    assert repr(2 - DX) == "<DifferentialOperator -∂x u + 2 u>"


@pytest.mark.parametrize(
    "build",
    [
        lambda: np.linspace(0, 1, 5) * DX,
        lambda: DX * np.linspace(0, 1, 5),
        lambda: DX + np.ones(2),
        lambda: (lambda x: x) * DX,
        lambda: DX * [1.0, 2.0],
    ],
)
def test_variable_coefficients_are_refused(build):
    with pytest.raises(TypeError, match=r"variable coefficients .* are not supported.*give a number"):
        build()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: 1j * DX, "real numbers"),
        (lambda: True * DX, "real numbers"),
        (lambda: DX * "2", "real numbers"),
        (lambda: float("nan") * DX, "finite"),
        (lambda: DX + derivatives(3)[0], "2 and of 3 coordinates"),
        (lambda: DX**-1, "at least 0"),
        (lambda: DX**0.5, "integers"),
        (lambda: DX / 0, "by zero"),
        (lambda: derivatives(0), "at least 1"),
        (lambda: derivatives(2.0), "integer"),
        (lambda: derivatives(2, "xx"), "different names"),
        (lambda: DifferentialOperator({(1,): 1.0, (0, 1): 1.0}), "same coordinates"),
        (lambda: DifferentialOperator({}), "same coordinates"),
        (lambda: DifferentialOperator({(-1, 0): 1.0}), "integers from 0"),
        (lambda: fefreq.heat(1.0, 1), "at least 2"),
        (lambda: fefreq.advection([]), "at least one entry"),
        (lambda: DX.symbol([[0.0, 1.0, 2.0]]), "must be"),
    ],
)
def test_impossible_operators_are_refused(build, message):
    with pytest.raises((TypeError, ValueError, ZeroDivisionError), match=message):
        build()


def test_numbers_of_numpy_are_coefficients():
    assert np.float64(2.0) * DX == DX * 2 == np.array(2.0) * DX == np.int64(2) * DX
