r"""The diffusion of the error over frequency, solved by finite elements.

.. math:: ∂_t û = ∇·(D ∇û) - c û , \qquad û(ξ, 0) = \text{spectrum of the target} ,

with the coefficients of the model (arXiv 2405.14957, arXiv 2212.03416). Real and imaginary part, that is even
and odd part, are propagated as separate real columns.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fefreq import meshes
from fefreq._arrays import ComplexArray
from fefreq.assembly import make_basis, mass_matrix, operator_matrix, project_spectrum
from fefreq.fields import Stats, check_times
from fefreq.kernel_operator import require_same_dimension
from fefreq.mesh_solution import MeshSolution
from fefreq.models import Model
from fefreq.propagators import Propagation, Propagator, RationalKrylov, Result
from fefreq.targets import Target

if TYPE_CHECKING:
    from skfem import Mesh

SMALLEST_RTOL = 1e-12


class ConvergenceError(RuntimeError):
    """The error estimate stayed above the tolerance; the message gives both and the remedy."""


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
        Relative error of the discretised initial spectrum at which the automatic mesh aims.

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
    >>> bool(left[1, 0] / left[0, 0] < 0.02 < 0.7 < left[1, 1] / left[0, 1])
    True
    """

    model: Model
    target: Target
    mesh: Mesh | None = None
    order: int | None = None
    mesh_rtol: float | None = None
    choice: meshes.MeshChoice = field(init=False, repr=False)

    def __post_init__(self) -> None:
        require_same_dimension(self.model, self.target)
        if self.mesh is None:
            choice = meshes.automatic(self.model, self.target, self.order, self.mesh_rtol)
        else:
            if self.mesh_rtol is not None:
                raise ValueError("mesh_rtol guides the automatic choice of a mesh: give either it or a mesh")
            if self.mesh.dim() != self.model.dim:
                raise ValueError(f"the mesh has dimension {self.mesh.dim()}, the model {self.model.dim}")
            choice = meshes.MeshChoice(self.mesh, self.order or 2, "given by the caller")
        object.__setattr__(self, "choice", choice)

    def solve(
        self, times: ArrayLike, rtol: float = 1e-6, propagator: Propagator | None = None
    ) -> MeshSolution:
        """Propagate the error to the given times.

        Parameters
        ----------
        times : array_like, shape (T,)
            Training times ``t = Σ η``, increasing, the first at least 0.
        rtol : float
            Error of the propagation in time relative to the initial field, in the L2 norm, at every time.
        propagator : Propagator
            By default :class:`fefreq.RationalKrylov`.

        Raises
        ------
        ValueError
            If times or tolerance are unusable, or a coefficient is negative or not finite on the mesh.
        ConvergenceError
            If the tolerance is not met.
        """
        start = time.perf_counter()
        times = check_times(times)
        if not SMALLEST_RTOL <= rtol < 1:
            raise ValueError(
                f"rtol is {rtol}; it must be below 1 and at least {SMALLEST_RTOL:g} in double precision"
            )
        propagator = propagator or RationalKrylov()
        basis = make_basis(self.choice.mesh, self.choice.order)
        mass = mass_matrix(basis)
        even = operator_matrix(basis, self.model, "even")
        initial = project_spectrum(basis, mass, self.target)
        columns = initial.reshape(len(initial), -1)
        if self.model.parity_dependent:
            odd = operator_matrix(basis, self.model, "odd")
            parts = [
                propagator.propagate(mass, operator, part, times, rtol)
                for operator, part in ((even, columns.real), (odd, columns.imag))
            ]
            values = parts[0].values + 1j * parts[1].values
        else:
            both = np.concatenate([columns.real, columns.imag], axis=1)
            parts = [propagator.propagate(mass, even, both, times, rtol)]
            real, imaginary = np.split(parts[0].values, 2, axis=2)
            values = real + 1j * imaginary
        _require_converged(parts, rtol)
        return MeshSolution(
            times=times,
            dofs=_reshape(values, initial),
            energy=np.array([0.5 * np.sum(np.conj(v) * (mass @ v)).real for v in values]),
            mesh=self.choice.mesh,
            order=self.choice.order,
            model=self.model,
            target=self.target,
            result=Result.converged,
            stats=Stats(
                unknowns=len(initial),
                factorisations=sum(p.factorisations for p in parts),
                solves=sum(p.solves for p in parts),
                basis_size=max(p.basis_size for p in parts),
                error_estimate=np.max([p.error_estimate for p in parts], axis=0),
                factorise_seconds=sum(p.factorise_seconds for p in parts),
                solve_seconds=sum(p.solve_seconds for p in parts),
                seconds=time.perf_counter() - start,
                mesh=self.choice.reason,
            ),
        )


def _reshape(values: ComplexArray, initial: ComplexArray) -> ComplexArray:
    return values.reshape(len(values), *initial.shape)


def _require_converged(parts: list[Propagation], rtol: float) -> None:
    for part in parts:
        if part.result is not Result.converged:
            raise ConvergenceError(
                f"{part.result.value} It is {np.max(part.error_estimate):.1e}, rtol is {rtol:.1e}: "
                "allow a larger rtol or a larger max_basis"
            )
