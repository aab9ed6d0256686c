"""Boundary value problems: rows that are what the equations say, and sentences for what cannot be solved."""

from __future__ import annotations

import numpy as np
import pytest

import fefreq
from fefreq import BoundaryValueProblem, Condition, PlaneWaves, Target, derivatives
from fefreq.operators.null_space import annihilated

SQUARE = [(-1.0, 1.0), (0.0, 2.0)]
WAVES = PlaneWaves([[0.3, -0.2], [1.1, 0.4]], [1.0 - 0.5j, 0.2j])


def rows_of(problem: BoundaryValueProblem, u: PlaneWaves) -> np.ndarray:
    """What the rows make of plane waves, which operators act on exactly."""
    total = np.zeros(len(problem.values))
    for rows, term in problem.terms():
        total[rows] += term.coefficients * u.apply(term.operator)(term.points)
    return total


def test_plane_waves_add_and_multiply_like_functions():
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    other = PlaneWaves.cosine([0.5, 1.0]) + 2.0 * PlaneWaves.sine([0.0, 0.25])
    explicit = np.cos(2 * np.pi * (0.5 * x[:, 0] + x[:, 1])) + 2 * np.sin(np.pi / 2 * x[:, 1])
    np.testing.assert_allclose(other(x), explicit, atol=1e-13)
    np.testing.assert_allclose((WAVES * other)(x), WAVES(x) * other(x), atol=1e-13)
    np.testing.assert_allclose((WAVES + other)(x), WAVES(x) + other(x), atol=1e-13)


def test_operators_act_on_plane_waves_as_derivatives():
    dx, dy = derivatives(2)
    x, h = np.array([[0.2, 0.7]]), 1e-4
    shift = h * np.array([[1.0, 0.0]])
    second = (WAVES(x + shift) - 2 * WAVES(x) + WAVES(x - shift)) / h**2
    np.testing.assert_allclose(WAVES.apply(dx**2)(x), second, rtol=1e-5)
    np.testing.assert_allclose(WAVES.apply(dx * dy)(x), WAVES.apply(dx).apply(dy)(x), rtol=1e-12)


def test_the_solution_of_a_manufactured_problem_satisfies_every_row():
    problem = BoundaryValueProblem.from_solution(WAVES, fefreq.helmholtz(2.0, 2), SQUARE, (9, 7), weight=50.0)
    np.testing.assert_allclose(rows_of(problem, WAVES), problem.values, atol=1e-11)
    assert list(problem.parts) == ["equation", "boundary"]
    assert problem.parts["boundary"] == slice(63, 63 + 2 * (9 + 7))
    assert problem.weights[:63].sum() == pytest.approx(4.0)  # the area
    assert problem.weights[63:].sum() == pytest.approx(50.0)
    assert problem.solution is WAVES
    assert problem.order == 2


def test_conditions_of_every_kind_are_rows_of_operators():
    dx, dt = derivatives(2, "xt")
    gradient = [WAVES.apply(d) for d in (dx, dt)]

    def robin(x: np.ndarray) -> np.ndarray:
        side = np.sign(x[:, 0])
        return 2 * WAVES(x) + 0.5 * side * gradient[0](x)

    def jump(operator: fefreq.DifferentialOperator | None) -> np.ndarray:
        ends = Condition.periodic(SQUARE, 0, 5, operator=operator)
        u = WAVES if operator is None else WAVES.apply(operator)
        assert ends.partners is not None
        return u(ends.points) - u(ends.partners)

    sides = [(0, "lower"), (0, "upper")]
    conditions = [
        Condition.initial(WAVES, SQUARE, 6),
        Condition.initial(gradient[1], SQUARE, 6, order=1),
        Condition.on_faces(robin, SQUARE, 4, faces=sides, operator=2.0, normal_derivative=0.5, name="sides"),
        Condition([[0.1, 0.3]], gradient[0]([[0.1, 0.3]]), dx, name="probe"),
        Condition.periodic(SQUARE, 0, 5),
        Condition.periodic(SQUARE, 0, 5, operator=dx),
    ]
    source = Target.from_function(WAVES.apply(fefreq.wave(1.5, 2)), SQUARE, 4)
    problem = BoundaryValueProblem(fefreq.wave(1.5, 2), source, conditions)
    made = rows_of(problem, WAVES)
    parts = problem.parts
    assert list(parts) == ["equation", "start", "start 2", "sides", "probe", "periodic", "periodic 2"]
    for name in ("equation", "start", "start 2", "sides", "probe"):
        np.testing.assert_allclose(made[parts[name]], problem.values[parts[name]], atol=1e-11, err_msg=name)
    np.testing.assert_allclose(made[parts["periodic"]], jump(None), atol=1e-12)
    np.testing.assert_allclose(made[parts["periodic 2"]], jump(dx), atol=1e-11)
    assert np.all(problem.values[parts["periodic"]] == 0)


def test_points_on_faces_lie_on_faces_with_outward_normals():
    condition = Condition.on_faces(1.0, [(0, 1), (0, 2), (-1, 1)], (2, 3, 4), normal_derivative=1.0)
    assert condition.points.shape == (2 * (12 + 8 + 6), 3)
    assert condition.normals is not None
    centre = np.array([0.5, 1.0, 0.0])
    outward = np.einsum("nd,nd->n", condition.points - centre, condition.normals)
    np.testing.assert_allclose(np.unique(outward), [0.5, 1.0])
    np.testing.assert_array_equal(np.linalg.norm(condition.normals, axis=1), 1.0)


def test_one_dimension_has_two_boundary_points():
    problem = BoundaryValueProblem.from_solution(PlaneWaves.sine([1.0]), fefreq.laplacian(1), [(0, 2)], 16)
    np.testing.assert_array_equal(problem.conditions[0].points.ravel(), [0.0, 2.0])
    np.testing.assert_array_equal(problem.box, [[0.0, 2.0]])
    assert str(problem) == "∂x² u = g at 16 points, boundary at 2 points with weight 1"


@pytest.mark.parametrize(
    ("operator", "found"),
    [
        (fefreq.laplacian(3), "constants"),
        (fefreq.heat(1.0, 2), "constants"),
        (fefreq.helmholtz(2 * np.pi, 2), r"plane waves of |ξ| = 1, as along (1, 0)"),
        (fefreq.laplacian(2) - 1.0, None),
        (derivatives(1)[0] + 0.5, None),
        (fefreq.helmholtz(3.0, 1) ** 2, "plane waves of |ξ| = 0.477, as along (1)"),
        (fefreq.wave(1.0, 2) + 4 * np.pi**2, "plane waves of |ξ| = 1, as along (0, 1)"),
        (
            derivatives(2)[0] ** 2 + derivatives(2)[1] + 4 * np.pi**2,
            "plane waves of |ξ| = 1, as along (1, 0)",
        ),
    ],
    ids=str,
)
def test_what_an_operator_annihilates_is_named(operator, found):
    assert annihilated(operator) == found


def test_without_zeros_of_the_symbol_conditions_are_no_duty():
    BoundaryValueProblem(fefreq.laplacian(1) - 1.0, Target.from_grid(np.ones(8), [(0, 1)]))


GRID = Target.from_grid(np.ones((4, 4)), SQUARE)
EDGE = Condition.on_faces(0.0, SQUARE, 4)
D = derivatives(2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: BoundaryValueProblem(fefreq.laplacian(1), GRID, [EDGE]),
            r"1 coordinates.*have 2.*derivatives\(2\)",
        ),
        (lambda: BoundaryValueProblem(D[0] ** 9, GRID, [EDGE]), "order 9.*above order 8"),
        (
            lambda: BoundaryValueProblem(D[0], GRID, [Condition([[0.0, 1.0]], 0.0, D[1] ** 10, name="top")]),
            "condition 'top' is of order 10",
        ),
        (lambda: BoundaryValueProblem(D[0] - D[0], GRID, [EDGE]), "operator is zero"),
        (
            lambda: BoundaryValueProblem(fefreq.laplacian(2), GRID),
            "leaves constants undetermined.*add conditions",
        ),
        (lambda: BoundaryValueProblem(fefreq.helmholtz(np.pi, 2), GRID), r"plane waves of \|ξ\| = 0\.5"),
        (
            lambda: BoundaryValueProblem(D[0], GRID, [Condition([[0.0, 2.1]], 0.0)]),
            r"1 of 1 points of 'condition' lie outside the domain \[\(-1\.0, 1\.0\), \(0\.0, 2\.0\)\].*or give bounds",
        ),
        (
            lambda: BoundaryValueProblem(D[0], GRID, [EDGE], bounds=[(-1, 1), (0, 1)]),
            "'equation' lie outside the domain",
        ),
        (lambda: BoundaryValueProblem(D[0], np.ones(3), [EDGE]), "fefreq.Target"),
        (lambda: BoundaryValueProblem("laplace", GRID, [EDGE]), "DifferentialOperator"),
        (lambda: BoundaryValueProblem(D[0], GRID, EDGE), "in brackets"),
        (lambda: BoundaryValueProblem(D[0], GRID, [0.0]), "must be fefreq.Condition"),
        (
            lambda: BoundaryValueProblem(D[0], Target.from_grid(np.ones((4, 4, 2)), SQUARE), [EDGE]),
            "systems of equations are not supported",
        ),
        (
            lambda: BoundaryValueProblem(D[0], Target(GRID.points, GRID.values, np.arange(16.0)), [EDGE]),
            "leave them out",
        ),
        (lambda: BoundaryValueProblem.from_solution(lambda x: x[:, 0], D[0], SQUARE, 4), "pass source="),
        (
            lambda: BoundaryValueProblem.from_solution(
                lambda x: x[:, 0], D[0], SQUARE, 4, source=lambda x: np.where(x[:, 0] < 0, np.nan, 1.0)
            ),
            r"NaN or infinite at 8 of 16 points, the first at \[-0\.75, 0\.25\]",
        ),
        (lambda: Condition([[0.0, 1.0]], 0.0, weight=0.0), "positive and finite, not 0"),
        (lambda: Condition([[0.0, 1.0]], 0.0, weight=-1.0), "positive and finite, not -1"),
        (lambda: Condition([[0.0, 1.0]], 0.0, weight="1"), "is a number"),
        (lambda: Condition([0.0, 1.0], [0.0]), r"2 points need \(2,\) or one number"),
        (lambda: Condition([0.0, 1.0], [0.0, np.nan]), "finite"),
        (lambda: Condition([0.0, 1.0], 0.0, normals=[1.0]), "1 normals for 2 points"),
        (lambda: Condition([0.0, 1.0], 0.0, D[0]), "2 coordinates, but its points have 1"),
        (lambda: Condition([0.0, 1.0], 0.0, 0.0), "asks for nothing"),
        (lambda: Condition(np.zeros((0, 2)), 0.0), "no points"),
        (lambda: Condition.on_faces(0.0, SQUARE, 4, faces=[(2, "lower")]), "axis from 0 to 1"),
        (lambda: Condition.on_faces(0.0, SQUARE, 4, faces=[]), "no faces"),
        (lambda: Condition.on_faces(0.0, SQUARE, 0), "positive number of points"),
        (lambda: Condition.on_faces(0.0, [(1, 0)], 2), "lower one must be smaller"),
        (lambda: Condition.periodic(SQUARE, 2, 4), "axis must be from 0 to 1"),
        (lambda: PlaneWaves([[0.0, 1.0]], [1.0, 2.0]), "as many finite amplitudes"),
    ],
)
def test_impossible_problems_are_refused(build, message):
    with pytest.raises((TypeError, ValueError), match=message):
        build()


def test_a_source_that_is_nan_is_refused():
    with pytest.raises(ValueError, match="finite"):
        Target.from_grid(np.full((4, 4), np.nan), SQUARE)


def test_scattered_problems_leave_a_margin_around_their_points():
    rng = np.random.default_rng(0)
    x = rng.uniform(-0.9, 0.9, (40, 2))
    problem = BoundaryValueProblem(
        fefreq.laplacian(2), Target(x, np.zeros(40)), [Condition([[1.0, 0.0]], 0.0)]
    )
    assert problem.box[0, 1] == 1.0
    with pytest.raises(ValueError, match="outside the domain"):
        BoundaryValueProblem(fefreq.laplacian(2), Target(x, np.zeros(40)), [Condition([[2.0, 0.0]], 0.0)])
