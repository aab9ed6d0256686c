r"""The diffusion of the error over frequency, solved by finite elements.

.. math:: ∂_t û = ∇·(D ∇û) - c û , \qquad û(ξ, 0) = \text{spectrum of the target} ,

with the coefficients of the model (arXiv 2405.14957, arXiv 2212.03416). Real and imaginary part, that is even
and odd part, are propagated as separate real columns.
"""

from __future__ import annotations

import time
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from fefreq.diffusion.assembly import light_basis, make_basis, mass_matrix, operator_matrix, project_spectrum
from fefreq.diffusion.convergence import require_converged
from fefreq.diffusion.error import MeshError, compare_fields, refine, richer_space
from fefreq.diffusion.solution import MeshSolution
from fefreq.fields.statistics import Stats
from fefreq.fields.times import check_times
from fefreq.meshes import choice as mesh_choice
from fefreq.meshes.checks import check_mesh, is_curved
from fefreq.meshes.shapes import element
from fefreq.models import Model
from fefreq.models.model import require_same_dimension
from fefreq.propagation.propagator import Propagation, Propagator, Result, mass_norm
from fefreq.propagation.rational_krylov import RationalKrylov
from fefreq.support.arrays import ComplexArray, FloatArray
from fefreq.support.memory import require_memory
from fefreq.support.precision import SMALLEST_RTOL
from fefreq.support.progress import Progress, task
from fefreq.targets.target import Target

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from skfem import Mesh

MeshControl = Literal["chosen", "estimated", "refined"]
# Adaptive refinement starts from a mesh for this many times the error that it must reach.
START = 30.0
MOST_REFINEMENTS = 25
# Quadrature data of meshes up to this size are kept at once.
SMALL_MESH = 100_000
_TINY = np.finfo(np.float64).tiny
# Where the error of the mesh is estimated, errors in time are at most this share of what it must reach.
_SHARE_OF_TIME = 0.1


@dataclass(frozen=True, eq=False)
class FrequencyDiffusion:
    """The damped diffusion that a model makes of the error in learning a target.

    Parameters
    ----------
    model : Model
        Gives the coefficients.
    target : Target
        Gives the initial error; of the model's dimension.
    mesh : skfem.Mesh, optional
        Frequencies in cycles per unit length; by default chosen from the model and the target.
    order : int, optional
        Polynomial degree of the elements; by default 4 (2 in three dimensions, and on a mesh that is given).
    mesh_rtol : float, optional
        Relative error of the discretised field in the L2 norm that the mesh must reach at every time; the
        automatic choice aims at it, and ``mesh_control`` checks it. By default 1e-6, 1e-3 and 1e-2 in one, two
        and three dimensions.
    mesh_control : {"chosen", "estimated", "refined"}
        Trust the choice of the mesh; solve a second time in a richer space and state the estimated error; or
        refine until the estimate meets ``mesh_rtol`` (lines, triangles and tetrahedra where it is large).
    cell : {"line", "quadrilateral", "triangle", "hexahedron", "tetrahedron"}, optional
        Cells of the automatic mesh; by default lines, quadrilaterals, hexahedra.
    max_unknowns : int
        Where refinement ends; the result then says that the tolerance was not met. The richer space in which the
        error is estimated has up to eight times as many.

    Raises
    ------
    ValueError
        If dimensions differ or the arguments contradict one another.

    Examples
    --------
    >>> import numpy as np, fefreq
    >>> def tones(x):
    ...     return np.exp(-8 * x[:, 0] ** 2) * (np.cos(2 * np.pi * x[:, 0]) + np.cos(16 * np.pi * x[:, 0]))
    >>> target = fefreq.Target.from_function(tones, [(-1, 1)], 256)
    >>> problem = FrequencyDiffusion(fefreq.FourierFeatures(fefreq.Gaussian(3.0)), target)
    >>> solution = problem.solve(times=[0, 30])
    >>> left = np.abs(solution.at([1.0, 8.0]))
    >>> bool(left[1, 0] / left[0, 0] < 0.02 < 0.69 < left[1, 1] / left[0, 1])
    True
    """

    model: Model
    target: Target
    _: KW_ONLY
    mesh: Mesh | None = None
    order: int | None = None
    mesh_rtol: float | None = None
    mesh_control: MeshControl = "chosen"
    cell: str | None = None
    max_unknowns: int = mesh_choice.LARGEST_AUTOMATIC
    choice: mesh_choice.MeshChoice = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_same_dimension(self.model, self.target)
        if self.mesh_control not in get_args(MeshControl):
            raise ValueError(
                f"mesh_control is {self.mesh_control!r}; it must be one of {', '.join(get_args(MeshControl))}"
            )
        if self.order is not None and (not isinstance(self.order, (int, np.integer)) or self.order < 1):
            raise ValueError(f"order is {self.order}; elements have an integer order of at least 1")
        if self.mesh_rtol is not None and not SMALLEST_RTOL <= self.mesh_rtol < 1:
            raise ValueError(
                f"mesh_rtol is {self.mesh_rtol}; it must be below 1 and at least {SMALLEST_RTOL:g} in double precision"
            )
        if self.max_unknowns < 1:
            raise ValueError(f"max_unknowns is {self.max_unknowns}; it must be at least 1")
        if self.mesh is None:
            start = self._goal
            if self.mesh_control == "refined" and (
                self.model.dim == 1 or self.cell in ("triangle", "tetrahedron")
            ):
                start = min(START * start, 0.3)
            choice = mesh_choice.automatic(self.model, self.target, self.order, start, self.cell)
        else:
            reason = self._check_given(self.mesh)
            choice = mesh_choice.MeshChoice(self.mesh, self.order or 2, reason)
        element(choice.mesh, choice.order)  # names an order that does not exist before any work
        object.__setattr__(self, "choice", choice)

    @property
    def _goal(self) -> float:
        return mesh_choice.MESH_RTOL.get(self.model.dim, 1e-2) if self.mesh_rtol is None else self.mesh_rtol

    def _check_given(self, mesh: Mesh) -> str:
        """Insist that a mesh can be used; what the statistics say about it."""
        if self.mesh_rtol is not None and self.mesh_control == "chosen":
            raise ValueError(
                "mesh_rtol guides the automatic choice of a mesh: give either it or a mesh, or "
                'mesh_control="estimated" or "refined"'
            )
        if self.cell is not None:
            raise ValueError("cell guides the automatic choice of a mesh: give either it or a mesh")
        check_mesh(mesh)
        if mesh.dim() != self.model.dim:
            raise ValueError(f"the mesh has dimension {mesh.dim()}, the model {self.model.dim}")
        if self.mesh_control != "chosen" and is_curved(mesh):
            raise ValueError(
                "cells of second order lose their curves when they are divided: give straight cells, or "
                'mesh_control="chosen"'
            )
        if self.mesh_control == "refined":
            return "given by the caller"
        largest = max(mesh_choice.LARGEST_ERROR, self._goal)
        expected = mesh_choice.require_resolution(mesh, self.order or 2, self.target, largest)
        return f"given by the caller; expected error of the initial spectrum {expected:.1g}"

    def solve(
        self,
        times: ArrayLike,
        *,
        rtol: float = 1e-6,
        propagator: Propagator | None = None,
        progress: Progress | None = None,
    ) -> MeshSolution:
        """Propagate the error to the given times.

        Parameters
        ----------
        times : array_like, shape (T,)
            Training times ``t = Σ η``, increasing, the first at least 0.
        rtol : float
            Error of the propagation in time relative to the initial field, in the L2 norm, at every time.
        propagator : Propagator
            :class:`fefreq.RationalKrylov` by default; :class:`fefreq.ImplicitSteps` steps through time.
        progress : Progress, optional
            Hears of every mesh that is solved on: one, two with an estimate, more with refinement.

        Returns
        -------
        MeshSolution
            ``stats.error_estimate`` is the estimated error in time, ``stats.mesh_error`` the estimated error of
            the mesh if ``mesh_control`` asks for it, and ``result`` tells whether both tolerances were met. Fixed
            implicit steps are no error where they miss the tolerance: their estimate is what they are for.

        Raises
        ------
        ValueError
            If times or tolerance are unusable, a coefficient is negative or not finite on the mesh, the density
            vanishes on it, or memory does not suffice.
        ConvergenceError
            If the tolerance is not met.
        """
        times = check_times(times)
        if not SMALLEST_RTOL <= rtol < 1:
            raise ValueError(
                f"rtol is {rtol}; it must be below 1 and at least {SMALLEST_RTOL:g} in double precision"
            )
        propagator = propagator or RationalKrylov()
        if self.mesh_control != "chosen":
            rtol = max(min(rtol, _SHARE_OF_TIME * self._goal), SMALLEST_RTOL)
        most = {"chosen": 1, "estimated": 2}.get(self.mesh_control, 2 + 2 * MOST_REFINEMENTS)
        with task(progress, "solving", most) as told:
            return self._solve_and_control(times, rtol, propagator, told)

    def _solve_and_control(
        self, times: FloatArray, rtol: float, propagator: Propagator, told: Progress
    ) -> MeshSolution:
        """The solution on a mesh that is chosen, estimated or refined."""
        solution, _ = self._solve_on(self.choice.mesh, self.choice.order, times, rtol, propagator)
        told.advance()
        if self.mesh_control == "chosen":
            return solution
        start = time.perf_counter() - solution.stats.seconds
        error = self._estimate(solution, rtol, propagator)
        told.advance()
        rounds = 0
        while (
            self.mesh_control == "refined"
            and np.max(error.estimate) > self._goal
            and rounds < MOST_REFINEMENTS
        ):
            finer = refine(solution.mesh, error, self._goal)
            if self.max_unknowns < light_basis(finer, solution.order).N:
                break
            rounds += 1
            solution, _ = self._solve_on(finer, solution.order, times, rtol, propagator)
            error = self._estimate(solution, rtol, propagator)
            told.advance(2)
        worst = float(np.max(error.estimate))
        met = worst <= self._goal
        reason = (
            f"{self.choice.reason}; {f'refined {rounds} times, ' if rounds else ''}estimated error {worst:.1e} "
            f"by comparison with {_space_name(*richer_space(solution.mesh, solution.order), solution.order)}, "
            f"mesh_rtol {self._goal:g} {'met' if met else 'not met'}"
        )
        stats = replace(
            solution.stats, mesh=reason, mesh_error=error.estimate, seconds=time.perf_counter() - start
        )
        return replace(solution, stats=stats, result=solution.result if met else Result.mesh_too_coarse)

    def _estimate(self, solution: MeshSolution, rtol: float, propagator: Propagator) -> MeshError:
        richer = richer_space(solution.mesh, solution.order)
        other, initial = self._solve_on(*richer, solution.times, rtol, propagator)
        return compare_fields(solution.mesh, solution.order, solution.dofs, richer, other.dofs, initial)

    def _solve_on(
        self, mesh: Mesh, order: int, times: FloatArray, rtol: float, propagator: Propagator
    ) -> tuple[MeshSolution, float]:
        """The field on a mesh, and the L2 norm of the initial field."""
        start = time.perf_counter()
        small = order**self.model.dim * mesh.t.shape[1] < SMALL_MESH
        basis = make_basis(mesh, order) if small else light_basis(mesh, order)
        # Real columns while propagating and the complex field made of them are there at the same time.
        require_memory(
            32.0 * basis.N * len(times) * (self.target.channels or 1),
            f"the field of {basis.N} unknowns at {len(times)} times",
            "ask for fewer times at once, or use a coarser mesh",
        )
        mass = mass_matrix(basis)
        even = operator_matrix(basis, self.model, "even")
        initial = project_spectrum(basis, mass, self.target)
        columns = initial.reshape(len(initial), -1)
        if self.model.parity_dependent:
            odd = operator_matrix(basis, self.model, "odd")
            if not (np.any(even.data) or np.any(odd.data)):
                raise ValueError(
                    "the density vanishes on the whole mesh, so nothing would be learned: enlarge or move the mesh"
                )
            # Errors are relative to the whole field: of even data the odd part is nothing but rounding.
            pairs = ((even, columns.real.copy()), (odd, columns.imag.copy()))
            norms = [mass_norm(mass, part) for _, part in pairs]
            shares = [norm / max(float(np.linalg.norm(norms)), _TINY) for norm in norms]
            allowed = rtol / np.sqrt(2)  # the two errors are orthogonal
            parts = [
                _scaled(
                    propagator.propagate(mass, operator, part, times, min(allowed / max(share, rtol), 0.5)),
                    share,
                )
                for (operator, part), share in zip(pairs, shares, strict=True)
            ]
            real, imaginary = parts[0].values, parts[1].values
        else:
            both = np.concatenate([columns.real, columns.imag], axis=1)
            parts = [propagator.propagate(mass, even, both, times, rtol)]
            real, imaginary = np.split(parts[0].values, 2, axis=2)
        require_converged(parts, times, rtol)
        values = np.empty(real.shape, dtype=np.complex128)
        values.real, values.imag = real, imaginary
        solution = MeshSolution(
            times=times,
            dofs=_reshape(values, initial),
            energy=np.array([_energy(mass, v) for v in values]),
            mesh=mesh,
            order=order,
            model=self.model,
            target=self.target,
            result=next((p.result for p in parts if p.result is not Result.converged), Result.converged),
            stats=Stats(
                unknowns=len(initial),
                factorisations=sum(p.factorisations for p in parts),
                solves=sum(p.solves for p in parts),
                basis_size=max(p.basis_size for p in parts),
                error_estimate=np.linalg.norm([p.error_estimate for p in parts], axis=0),
                factorise_seconds=sum(p.factorise_seconds for p in parts),
                solve_seconds=sum(p.solve_seconds for p in parts),
                seconds=time.perf_counter() - start,
                mesh=self.choice.reason,
                memory=sum(p.memory for p in parts),
            ),
            mesh_given=self.mesh is not None,
        )
        return solution, float(np.sqrt(2 * _energy(mass, columns)))


def _energy(mass: csr_matrix, values: ComplexArray) -> float:
    """Half the M-norm squared of complex columns, without a complex copy of the matrix."""
    return 0.5 * sum(float(np.sum(part * (mass @ part))) for part in (values.real.copy(), values.imag.copy()))


def _scaled(part: Propagation, share: float) -> Propagation:
    """Express the error of a part relative to the whole."""
    return replace(part, error_estimate=share * part.error_estimate)


def _space_name(mesh: Mesh, order: int, before: int) -> str:
    return f"order {order}" if order != before else "every cell divided"


def _reshape(values: ComplexArray, initial: ComplexArray) -> ComplexArray:
    return values.reshape(len(values), *initial.shape)
