r"""NTK gradient flow: what training does to the error on the data, exactly for infinitely wide networks.

.. math:: ∂_t u(x_i) = -\sum_j K(x_i, x_j)\, q_j\, u(x_j) , \qquad u(t) = e^{-tKq} u(0) .

The diffusion over frequency (:mod:`fefreq.diffusion.problem`) lives on the whole space and is exact as long as the
residual vanishes at the edge of the data. The kernel flow knows the edge: nothing separates it from a trained network
but the finite width and the optimiser, and of these the optimiser can be given to it as well (:mod:`fefreq.dynamics`).

With ``v = √q u`` the flow is that of ``S = √q K √q``, symmetric and positive semi-definite. Products with ``S`` cost
``O(n log n)`` (:mod:`fefreq.kernel.products`), and a Krylov space serves all times at once, with a bound of its error
(:mod:`fefreq.kernel.lanczos`). A dense eigen-decomposition, ``O(n³)``, stops near ten thousand points.

Everything that the network has learned anywhere follows from the accumulated residual ``w(t) = ∫_0^t u ds``,

.. math:: N_t(x) - N_0(x) = \sum_j K(x, x_j)\, q_j\, w_j(t) ,

which comes out of the same space; points of weight zero are not trained on and are predicted in this way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Generic, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.dynamics import Dynamics, Evolution, GradientFlow
from fefreq.fields.times import check_times
from fefreq.kernel.lanczos import CHUNK, ROUNDING, Evolved, ToleranceError, evolve
from fefreq.kernel.operator import KernelOperator, Method, largest_eigenvalue
from fefreq.kernel.problem_flow import Data, require_solvable, solve_problem
from fefreq.kernel.problem_solution import ProblemSolution
from fefreq.kernel.products import Products
from fefreq.kernel.scattered_products import SMALLEST_EPS
from fefreq.kernel.solution import PointSolution
from fefreq.kernel.statistics import FlowStats
from fefreq.models import Model
from fefreq.models.model import require_same_dimension
from fefreq.operators import BoundaryValueProblem
from fefreq.propagation.propagator import Result
from fefreq.support.arrays import FloatArray
from fefreq.support.memory import gigabytes, usable_memory
from fefreq.support.progress import Progress, task
from fefreq.targets.target import Target

SMALLEST_RTOL = 1e-13
COARSEST_PRODUCTS = 1e-9
# Vectors besides the basis: those of the recurrence, and those of the second pass when the basis is not kept.
WORKING_VECTORS = 8 + CHUNK
MOST_OF_ALL = 1  # of these again, for the products, is the least that is worth a try


@dataclass(frozen=True, eq=False)
class KernelFlow(Generic[Data]):
    """Training an infinitely wide network on data or on a differential equation, at the points of either.

    Parameters
    ----------
    model : Model
        Gives the tangent kernel.
    target : Target or BoundaryValueProblem
        Gives points, weights and the residual at the start; of the model's dimension.
    dynamics : Dynamics
        The optimiser: gradient flow, the limit of small steps, or another of :mod:`fefreq.dynamics`.
    products : {"auto", "fft", "nufft", "dense"}
        How to multiply with the kernel: by FFT on uniform grids, by non-uniform FFT on scattered points (a cusp of
        the kernel, as heavy-tailed densities have it, goes to a sparse matrix), by the matrix itself. The
        automatic choice takes the fastest that applies.

    Raises
    ------
    TypeError
        If dynamics are none.
    ValueError
        If dimensions differ, points of weight zero repeat other points, or the activation is not smooth enough for
        the equation.

    Examples
    --------
    >>> import numpy as np, fefreq
    >>> def tones(x):
    ...     return np.cos(2 * np.pi * x[:, 0]) + np.cos(16 * np.pi * x[:, 0])
    >>> target = fefreq.Target.from_function(tones, [(-1, 1)], 256)
    >>> solution = KernelFlow(fefreq.FourierFeatures(fefreq.Gaussian(3.0)), target).solve(times=[0, 30])
    >>> left = np.abs(solution.at([1.0, 8.0]))
    >>> bool(left[1, 0] / left[0, 0] < 0.02 < 0.3 < left[1, 1] / left[0, 1])
    True
    >>> solution.predict([0.0, 0.25]).shape
    (2, 2)
    """

    model: Model
    target: Data
    _: KW_ONLY
    dynamics: Dynamics = field(default_factory=GradientFlow)
    products: Method = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.dynamics, Dynamics):
            raise TypeError(
                f"dynamics must be an optimiser such as fefreq.GradientDescent(0.1), not {self.dynamics!r}; "
                "for Adam there is fefreq.training_clock"
            )
        if self.products not in get_args(Method):
            raise ValueError(f"products must be one of {', '.join(get_args(Method))}, not {self.products!r}")
        if isinstance(self.target, BoundaryValueProblem):
            require_solvable(self.model, self.target)
        else:
            require_same_dimension(self.model, self.target)
            _require_no_repeated_heldout(self.target)

    @overload
    def solve(
        self: KernelFlow[Target],
        times: ArrayLike | None = None,
        *,
        steps: Sequence[int] | None = None,
        rtol: float = 1e-6,
        max_memory: float = 2 << 30,
        progress: Progress | None = None,
    ) -> PointSolution: ...

    @overload
    def solve(
        self: KernelFlow[BoundaryValueProblem],
        times: ArrayLike | None = None,
        *,
        steps: Sequence[int] | None = None,
        rtol: float = 1e-6,
        max_memory: float = 2 << 30,
        progress: Progress | None = None,
    ) -> ProblemSolution: ...

    def solve(
        self,
        times: ArrayLike | None = None,
        *,
        steps: Sequence[int] | None = None,
        rtol: float = 1e-6,
        max_memory: float = 2 << 30,
        progress: Progress | None = None,
    ) -> PointSolution | ProblemSolution:
        """Bring the residual to the given times, or to where given numbers of steps lead.

        Parameters
        ----------
        times : array_like, shape (T,)
            Training times ``t = Σ η``, increasing, the first at least 0.
        steps : sequence of int
            Numbers of steps, increasing, instead of times; for dynamics with a learning rate.
        rtol : float
            Error relative to the initial residual, in the norm of the loss, of every channel at every time.
        max_memory : float
            Bytes that the result and the computation may take. If the Krylov basis does not fit, part of it is
            computed twice.
        progress : Progress, optional
            Hears of every channel.

        Raises
        ------
        TypeError
            If a number of steps is no integer.
        ValueError
            If times, steps or tolerance are unusable, the learning rate is above the stability limit of the
            dynamics, the tolerance is below what rounding allows, or memory does not suffice.
        """
        start = time.perf_counter()
        evolution = self._evolution(times, steps)
        times = evolution.times
        if not SMALLEST_RTOL <= rtol < 1:
            raise ValueError(
                f"rtol is {rtol}; it must be below 1 and at least {SMALLEST_RTOL:g} in double precision"
            )
        if isinstance(self.target, BoundaryValueProblem):
            with task(progress, "kernel flow", 1) as told:
                found = solve_problem(
                    self.model, self.target, self.dynamics, evolution, rtol, self.products, max_memory
                )
                told.advance()
            return found
        trained, places = _trained(self.target)
        shape = (self.target.channels or 1, 2, len(times), len(self.target.points))
        room = _room(max_memory, shape, len(trained.points))
        tolerance = self._product_tolerance(trained, evolution, rtol)
        operator = KernelOperator(self.model, trained, tolerance, int(room / 2), self.products)
        capacity = _capacity(room, operator.products, len(trained.points), max_memory)
        if self.dynamics.stable_until < np.inf:
            self.dynamics.require_stable(largest_eigenvalue(operator))

        states = np.empty(shape)
        runs = []
        with task(progress, "kernel flow", len(states)) as told:
            for column, part in zip(trained.values.reshape(len(trained.points), -1).T, states, strict=True):
                runs.append(_flow(operator, column, evolution, rtol, capacity, part, places))
                told.advance()
        estimate = np.max([run.error_estimate for run in runs], axis=0)
        if np.max(estimate) > rtol:
            raise ToleranceError(
                f"rtol {rtol:.1e} is not reached at time {times[-1]:g}, where rounding and "
                f"{operator.products.method.split(',')[0]} leave {np.max(estimate):.1e}: allow a larger rtol or end "
                "earlier"
            )
        solution = PointSolution(
            times=times,
            members=_public(states[:, 0], self.target)[None],
            integrals=_public(states[:, 1], self.target),
            model=self.model,
            target=self.target,
            dynamics=self.dynamics,
            steps=evolution.steps,
            result=Result.converged,
            stats=FlowStats(
                points=len(self.target.points),
                products=sum(run.evolved.products for run in runs),
                basis_size=max(run.evolved.basis_size for run in runs),
                stored=max(run.evolved.stored for run in runs),
                error_estimate=estimate,
                product_error=max(run.product_error for run in runs),
                seconds=time.perf_counter() - start,
                method=operator.products.method,
            ),
        )
        untrained = self.target.weights == 0
        if np.any(untrained):
            learned = solution.predict(self.target.points[untrained], extrapolate=True)
            solution.values[:, untrained] = self.target.values[untrained] - learned
            solution.integrals[:, untrained] = 0.0
        return solution

    def _evolution(self, times: ArrayLike | None, steps: Sequence[int] | None) -> Evolution:
        if (times is None) == (steps is None):
            raise ValueError("give either the times or the steps at which the residual is wanted")
        if times is None:
            assert steps is not None
            return self.dynamics.evolution(self.dynamics.times_of(steps))
        return self.dynamics.evolution(check_times(times))

    def _product_tolerance(self, trained: Target, evolution: Evolution, rtol: float) -> float:
        """Error of products that stays below the tolerance at the last time, if it can be had."""
        largest = _trace_bound(self.model, trained)
        wanted = 0.01 * rtol / (1.0 + evolution.reach * largest)
        return float(np.clip(wanted, SMALLEST_EPS, COARSEST_PRODUCTS))


@dataclass(frozen=True)
class _Run:
    """One channel on its way."""

    evolved: Evolved
    product_error: float

    @property
    def error_estimate(self) -> FloatArray:
        per_integral = self.product_error + ROUNDING * self.evolved.largest_rate
        return self.evolved.bound + per_integral * self.evolved.integral_norms


def _flow(
    operator: KernelOperator,
    column: FloatArray,
    evolution: Evolution,
    rtol: float,
    capacity: int,
    result: FloatArray,
    places: NDArray[np.bool_] | slice,
) -> _Run:
    """Fill residual and integral of one channel, ``(2, T, n)``, at the trained points."""
    root = np.sqrt(operator.target.weights)
    states = result if isinstance(places, slice) else np.empty((*result.shape[:2], len(root)))
    evolved = evolve(
        operator.symmetric_product, root * column, evolution, rtol, states[0], states[1], capacity
    )
    error = operator.product_error(np.stack([root * column, states[1, -1]]))
    states /= np.where(root > 0, root, 1.0)
    states[0, evolution.times == 0] = column
    if states is not result:
        result[:, :, places] = states
    return _Run(evolved, error)


def _trained(target: Target) -> tuple[Target, NDArray[np.bool_] | slice]:
    """The points that count in the loss, and their places; grids stay whole for the sake of their FFT."""
    trained = target.weights > 0
    if target.grid is not None or trained.all():
        return target, slice(None)
    return Target(target.points[trained], target.values[trained], target.weights[trained]), trained


def _public(channels: FloatArray, target: Target) -> FloatArray:
    """``(channels, T, n)`` in the order of the target's values, without a copy."""
    return channels[0] if target.channels is None else np.moveaxis(channels, 0, -1)


def _trace_bound(model: Model, target: Target) -> float:
    """Bound of ``Σ_j q_j K(x_j, x_j)``, which is at least the largest eigenvalue."""
    squares = float(target.weights @ np.einsum("nd,nd->n", target.points, target.points))
    total = float(np.sum(target.weights))
    return sum(abs(term.constant) * total + abs(term.linear) * squares for term in model.kernel_terms())


def _room(max_memory: float, shape: tuple[int, ...], trained: int) -> float:
    """Bytes that are left for basis and products beside the result."""
    usable = min(max_memory, usable_memory())
    channels, _, times, points = shape
    per_time = 16 * channels * points + (16 * trained if trained < points else 0)
    working = 8 * WORKING_VECTORS * trained
    room = usable - per_time * times - working
    if room < MOST_OF_ALL * working:
        fitting = int((usable - (1 + MOST_OF_ALL) * working) // per_time)
        most = f"{fitting} of the times fit" if fitting > 0 else "not even one time fits"
        raise ValueError(
            f"{times} times of {points} points in {channels} channel(s), residual and integral, take "
            f"{gigabytes(per_time * times)} and the recurrence {gigabytes(2 * working)}, but {gigabytes(usable)} can "
            f"be used: {most}; ask for fewer times or raise max_memory"
        )
    return room


def _capacity(room: float, products: Products, points: int, max_memory: float) -> int:
    """Number of basis vectors that may be stored."""
    capacity = int((room - products.workspace) // (8 * points))
    if capacity < 2:
        raise ValueError(
            f"{products.method} need {gigabytes(products.workspace)} beside the result, but max_memory "
            f"{gigabytes(max_memory)} leaves {gigabytes(room)}: raise max_memory or ask for fewer times"
        )
    return capacity


def _require_no_repeated_heldout(target: Target) -> None:
    heldout = target.weights == 0
    if not np.any(heldout):
        return
    _, member, count = np.unique(target.points, axis=0, return_inverse=True, return_counts=True)
    repeated = heldout & (count[member.ravel()] > 1)
    if np.any(repeated):
        raise ValueError(
            f"{np.count_nonzero(repeated)} points of weight zero repeat other points, the first at "
            f"{target.points[np.argmax(repeated)].tolist()}: drop them; points of weight zero are predicted, not "
            "trained on"
        )
