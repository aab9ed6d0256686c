r"""Which density to initialise with: the one that leaves least of the error after a given training time.

Without diffusion a frequency decays at the rate of the density there, and after a time ``T``

.. math:: \int |\hat f(ξ)|² \, e^{-2 λ_{out} ρ(ξ) T} \, dξ

is left of the squared error. That is convex in ``ρ``. Its minimum over densities is water-filling,

.. math:: ρ(ξ) = \frac{1}{2 λ_{out} T} \max\left(0, \log \frac{2 λ_{out} T |\hat f(ξ)|²}{μ}\right) ,

with the water level ``μ`` that makes ``∫ρ = 1``: wherever frequencies are drawn, all leave the same energy,
``μ / 2 λ_out T``, and weaker frequencies are left alone. Short budgets go to the strong frequencies; long ones are
spread ever more evenly over a band that grows with ``T``.

With diffusion (trained frequencies) the same functional has a gradient
(:mod:`fefreq.initialisation.density.gradient`), and descent over densities starts from water-filling. Both treat
error that has left the data domain as error: for data that do not vanish at the edge, hold the prediction against
:class:`fefreq.KernelFlow`.

>>> import numpy as np, fefreq
>>> def tones(x):
...     return np.exp(-8 * x[:, 0] ** 2) * (np.cos(2 * np.pi * x[:, 0]) + 0.1 * np.cos(2 * np.pi * 9 * x[:, 0]))
>>> target = fefreq.Target.from_function(tones, [(-1, 1)], 128)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(3.0), output_std=0.0)
>>> for budget in 1.0, 30.0:
...     design = design_density(model, target, time_budget=budget)
...     print(f"{design.predicted_error:.3f}", design.density.pdf([1.0, 9.0]).round(3))
0.741 [0.526 0.   ]
0.020 [0.157 0.08 ]
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fefreq.densities.base import positive
from fefreq.densities.tabulated import Tabulated
from fefreq.initialisation.density.gradient import BudgetError, divisions
from fefreq.initialisation.density.grid import SpectrumGrid
from fefreq.initialisation.density.result import DensityDesign, DesignResult
from fefreq.initialisation.density.steps import Functional, descend, water_filling
from fefreq.models import FourierFeatures
from fefreq.models.model import require_same_dimension
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress, task
from fefreq.targets.target import Target

if TYPE_CHECKING:
    from fefreq.models import Model

# What diffusion may want beyond the band of water-filling, as a share of that band and in nodes.
MARGIN, MARGIN_NODES = 1.2, 3
# Meshes of this many unknowns are refined unless the caller decides: a gradient takes seconds on them.
LARGEST_REFINED = 10_000
ORDER = {1: 3, 2: 4, 3: 2}
# Relative error of the spectrum on the mesh, by dimension.
MESH_RTOL = {1: 1e-4, 2: 1e-2, 3: 1e-1}
# Relative error of gradients, far below what descent notices.
GRADIENT_RTOL = 1e-4


def design_density(
    model: Model,
    target: Target,
    *,
    time_budget: float,
    spacing: float | None = None,
    half_width: float | None = None,
    refine: bool | None = None,
    rtol: float = 1e-3,
    max_steps: int = 100,
    progress: Progress | None = None,
) -> DensityDesign:
    """Find the density that leaves the least squared error after a training time.

    Parameters
    ----------
    model : FourierFeatures
        Its rates and ``output_std`` count; its density, which is replaced, does not.
    target : Target
        In one to three dimensions; energies of channels are added.
    time_budget : float
        Training time ``T = Σ η``, positive.
    spacing : float, optional
        Largest distance between nodes of the density, cycles per unit length. By default a quarter of the
        inverse length of the data, and half of it in more than one dimension, so that the density can follow the
        spectrum; larger ones make it coarser, and descent faster.
    half_width : float, optional
        No frequency beyond is considered, along any axis. By default what the sampling resolves; for scattered points
        give the band of the data, as the noise of their quadrature reaches to all frequencies.
    refine : bool, optional
        Whether gradients are those of the equation with its diffusion, or of damping alone, whose minimum is
        water-filling. By default those of the equation where the mesh has at most 10,000 unknowns. Where frequencies
        are not trained, or output_std is 0, there is no diffusion and both are the same.
    rtol : float
        Descent ends where at most this share of the squared error is still to be gained to first order, or where four
        steps gained less.
    max_steps : int
        Largest number of steps of descent.
    progress : Progress, optional
        Hears of every step of descent.

    Returns
    -------
    DensityDesign
        ``density`` can be sampled, ``model`` be trained; ``predicted_error`` is what it leaves of the error.

    Raises
    ------
    TypeError
        If the target is none, the model is of another kind, or the budget no number.
    ValueError
        If the budget is not positive, the target is zero, the output weights are not trained, the grid is
        unusable, or memory does not suffice.
    """
    if not isinstance(model, FourierFeatures):
        raise TypeError(
            f"a density is designed for FourierFeatures, whose rates follow it frequency by frequency, not for "
            f"{type(model).__name__}"
        )
    if not isinstance(target, Target):
        raise TypeError(
            f"the target must be a fefreq.Target, such as Target.from_grid(values, bounds), not {type(target).__name__}"
        )
    budget = positive(time_budget, "time_budget")
    require_same_dimension(model, target)
    damping, diffusion = model.rates.output, model.rates.frequency * model.output_std**2
    if damping == 0:
        raise ValueError(
            "the output weights are not trained (rates.output is 0), so no frequency is damped and there is "
            "nothing to share out: give rates.output above 0"
        )
    if max_steps < 0 or not 0 < rtol < 1:
        raise ValueError(
            f"rtol is {rtol} and max_steps {max_steps}; give a share between 0 and 1 and a number of at least 0"
        )
    exponent = 2.0 * damping * budget
    grid = SpectrumGrid.of(target, spacing, half_width)
    filled, _ = water_filling(grid.node_energy, grid.volumes, exponent)
    grid = grid.trimmed(filled, MARGIN, MARGIN_NODES) if diffusion > 0 else grid.trimmed(filled, 1.0, 1)
    filled, log_level = water_filling(grid.node_energy, grid.volumes, exponent)
    order = ORDER[target.dim]
    parts = divisions(grid.axes, target, order, MESH_RTOL[target.dim])
    unknowns = np.prod([order * n * (len(axis) - 1) + 1.0 for n, axis in zip(parts, grid.axes, strict=True)])
    ended = DesignResult.as_asked
    if diffusion == 0:  # the gradients of damping alone are those of the equation
        refine, ended = False, DesignResult.exact
    elif refine is None:
        refine, ended = bool(unknowns <= LARGEST_REFINED), DesignResult.too_large
    functional: Functional = partial(grid.damped, exponent=exponent)
    if refine:
        functional = _WithOutside(
            BudgetError(target, grid.axes, damping, diffusion, budget, order, parts, GRADIENT_RTOL),
            grid.total,
        )
    # Without diffusion descent finds at once that water-filling is the minimum, unless nodes are far apart.
    with task(progress, "designing", max_steps) as told:
        descent = descend(functional, filled, grid.volumes, exponent, rtol, max_steps, told.advance)
    if refine:
        ended = DesignResult.refined
    if not descent.converged:
        ended = DesignResult.steps_exhausted
    return DensityDesign(
        density=Tabulated(grid.axes, descent.values),
        output_std=model.output_std,
        rates=model.rates,
        time_budget=budget,
        water_level=float(np.exp(log_level)),
        energy=grid.node_energy,
        predicted_error=float(np.sqrt(descent.objective)),
        history=np.sqrt(descent.history),
        gap=descent.gap,
        evaluations=descent.evaluations,
        result=ended,
    )


class _WithOutside:
    """What the equation leaves of the energy, with what lies outside of the grid and stays."""

    def __init__(self, inside: BudgetError, total: float) -> None:
        self._inside = inside
        self._share = min(inside.energy / total, 1.0)

    def __call__(self, values: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = self._inside.value_and_gradient(values)
        even = 0.5 * (gradient + np.flip(gradient))  # but for rounding it is, as data are real
        return (1.0 - self._share) + self._share * value, self._share * even
