r"""NTK gradient flow of a boundary value problem: what a wide network learns that is trained on residuals.

With the rows of a problem (:mod:`fefreq.operators.boundary_value_problem`) as the data and their operators acting on
both arguments of the tangent kernel, training on the residuals ``r = [g; b] - [ℒ; ℬ] N`` is again

.. math:: ∂_t r = -𝒦 W r , \qquad 𝒦_{ij} = (ℒ_i)_x (ℒ_j)_y K(x_i, x_j) ,

with the weights ``W`` of the rows, and what the network has become follows from the accumulated residuals,

.. math:: N_t(x) - N_0(x) = \sum_j (ℒ_j)_y K(x, x_j) \, W_j \int_0^t r_j \, ds .

Products with ``𝒦`` are Fourier transforms (:mod:`fefreq.kernel.row_products`). Their error is measured against a second
series of the kernel, with other periods and more modes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from fefreq.dynamics import Dynamics, Evolution
from fefreq.kernel.lanczos import CHUNK, ROUNDING, ToleranceError, evolve
from fefreq.kernel.operator import Method
from fefreq.kernel.problem_solution import ProblemSolution
from fefreq.kernel.row_products import RowProducts, make_row_products
from fefreq.kernel.statistics import FlowStats
from fefreq.models import Model
from fefreq.operators import BoundaryValueProblem
from fefreq.propagation.propagator import Result
from fefreq.support.arrays import FloatArray
from fefreq.support.memory import gigabytes, usable_memory
from fefreq.targets.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import TypeVar

    Data = TypeVar("Data", Target, BoundaryValueProblem, default=Target)
else:
    from typing import TypeVar

    Data = TypeVar("Data")

STRETCH = 1.25  # of the periods of the second series
WORKING_VECTORS = 8 + CHUNK
COARSEST_EPS, FINEST_EPS = 1e-9, 1e-14


def solve_problem(
    model: Model,
    problem: BoundaryValueProblem,
    dynamics: Dynamics,
    evolution: Evolution,
    rtol: float,
    method: Method,
    max_memory: float,
) -> ProblemSolution:
    """Bring the residuals of all rows to the times of an evolution.

    Parameters
    ----------
    model : Model
    problem : BoundaryValueProblem
    dynamics : Dynamics
    evolution : Evolution
        What the dynamics do by the times that are asked for.
    rtol : float
        Error relative to the initial residuals, in the norm of the loss.
    method : {"auto", "fft", "nufft", "dense"}
    max_memory : float
        Bytes.

    Raises
    ------
    ValueError
        If the kernel is not smooth enough for the operators, the method does not apply, memory does not suffice, the
        learning rate is above the stability limit, or the tolerance is below what rounding allows.
    """
    start = time.perf_counter()
    require_solvable(model, problem)
    if method == "fft" and problem.source.grid is None:
        raise ValueError('products by "fft" need a source on a uniform grid: use "auto" or "nufft"')
    times, count = evolution.times, len(problem.values)
    room = _room(max_memory, len(times), count)
    products = make_row_products(
        model,
        problem,
        problem.box,
        room / 2,
        _eps(model, problem, rtol, evolution.reach),
        use_grid=method in ("auto", "fft"),
    )
    root = np.sqrt(problem.weights)
    product, how = _symmetric(products, root, method, count, room)
    if dynamics.stable_until < np.inf:
        dynamics.require_stable(_largest(product, count))
    capacity = max(int((room - products.workspace) // (8 * count)), 2)
    states = np.empty((2, len(times), count))
    evolved = evolve(product, root * problem.values, evolution, rtol, states[0], states[1], capacity)
    reference = make_row_products(
        model, problem, problem.box, room, FINEST_EPS, use_grid=False, stretch=STRETCH
    )
    error = _product_error(product, reference, root, [root * problem.values, states[1, -1]])
    estimate = evolved.bound + (error + ROUNDING * evolved.largest_rate) * evolved.integral_norms
    if np.max(estimate) > rtol:
        raise ToleranceError(
            f"rtol {rtol:.1e} is not reached at time {times[-1]:g}, where rounding and {how.split(',')[0]} leave "
            f"{np.max(estimate):.1e}: allow a larger rtol or end earlier"
        )
    states /= root
    states[0, times == 0] = problem.values
    inside = len(problem.source.points)
    return ProblemSolution(
        target=problem.source,
        times=times,
        members=states[0, :, :inside][None],
        conditions=states[0, :, inside:],
        integrals=states[1],
        model=model,
        problem=problem,
        dynamics=dynamics,
        steps=evolution.steps,
        result=Result.converged,
        stats=FlowStats(
            points=count,
            products=evolved.products,
            basis_size=evolved.basis_size,
            stored=evolved.stored,
            error_estimate=estimate,
            product_error=error,
            seconds=time.perf_counter() - start,
            method=how,
        ),
    )


def require_solvable(model: Model, problem: BoundaryValueProblem) -> None:
    """Insist that operators can act on the networks of a model.

    Raises
    ------
    ValueError
        If dimensions differ, or the activation is not differentiable often enough.
    """
    if model.dim != problem.dim:
        raise ValueError(
            f"the density has dimension {model.dim} but the equation {problem.dim} coordinates: give the density "
            f"dim={problem.dim}"
        )
    if problem.order > model.differentiability:
        activation = getattr(model, "activation", "its activation")
        raise ValueError(
            f"networks with the activation {activation!r} are not smooth enough for derivatives of order "
            f"{problem.order}: use a smooth one, such as 'tanh', 'gelu' or 'sine'"
        )


def _eps(model: Model, problem: BoundaryValueProblem, rtol: float, reach: float) -> float:
    """Error of non-uniform transforms that stays below the tolerance at the last time, if it can be had.

    Rates are at most the trace of the kernel, of which the weights and the symbols at the edge of the density tell
    enough to set it.
    """
    band = model.density.radius(0.95)
    largest = 0.0
    squares = 1.0 + float(np.max(np.sum(problem.box**2, axis=0)))
    scale = sum(abs(term.constant) + abs(term.linear) * squares for term in model.kernel_terms())
    for rows, term in problem.terms():
        symbol = term.operator.symbol(band * np.eye(problem.dim))
        share = float(problem.weights[rows] @ term.coefficients**2)
        largest += share * float(np.max(np.abs(symbol) ** 2)) * scale
    return float(np.clip(0.01 * rtol / (1.0 + reach * largest), FINEST_EPS, COARSEST_EPS))


def _symmetric(
    products: RowProducts, root: FloatArray, method: Method, count: int, room: float
) -> tuple[Callable[[FloatArray], FloatArray], str]:
    """``√W 𝒦 √W`` as a function of vectors, and how it is computed."""

    def product(v: FloatArray) -> FloatArray:
        return np.asarray(root * products.apply(root * v))

    if method != "dense":
        return product, products.method
    if 8 * count**2 > room:
        raise ValueError(
            f"the matrix of {count} rows takes {gigabytes(8 * count**2)}, but {gigabytes(room)} can be used: raise "
            'max_memory, or use products="auto"'
        )
    columns: Iterable[FloatArray] = (product(unit) for unit in np.eye(count))
    matrix = np.stack(list(columns))
    matrix = 0.5 * (matrix + matrix.T)
    return lambda v: np.asarray(
        matrix @ v
    ), "products with the dense matrix, kept, because that was asked for"


def _product_error(
    product: Callable[[FloatArray], FloatArray],
    reference: RowProducts,
    root: FloatArray,
    vectors: list[FloatArray],
) -> float:
    """Largest error of products relative to the norm of the vector."""
    largest = 0.0
    for v in vectors:
        size = float(np.linalg.norm(v))
        if size > 0:
            exact = root * reference.apply(root * v)
            largest = max(largest, float(np.linalg.norm(product(v) - exact)) / size)
    return largest


def _largest(product: Callable[[FloatArray], FloatArray], count: int) -> float:
    """Largest eigenvalue, to about six digits."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    if count <= 2:
        return float(np.linalg.eigvalsh(np.stack([product(e) for e in np.eye(count)]))[-1])
    operator = LinearOperator((count, count), matvec=lambda v: product(np.ravel(v)), dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(count)
    (rate,) = eigsh(operator, k=1, which="LA", tol=1e-6, v0=start, return_eigenvectors=False)
    return float(rate)


def _room(max_memory: float, times: int, count: int) -> float:
    """Bytes that are left for basis and products beside the result."""
    usable = min(max_memory, usable_memory())
    taken = 16 * times * count + 8 * WORKING_VECTORS * count
    if usable < 2 * taken:
        raise ValueError(
            f"{times} times of {count} rows take {gigabytes(2 * taken)}, but {gigabytes(usable)} can be used: ask for "
            "fewer times or raise max_memory"
        )
    return usable - taken
