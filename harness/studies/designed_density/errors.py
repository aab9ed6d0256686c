"""What a density leaves of the error at given times by each prediction, and the check of the gradient of a design."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fefreq import DensityDesign, FourierFeatures, FrequencyDiffusion, KernelFlow, Target
from fefreq.initialisation.density.gradient import BudgetError
from fefreq.support.arrays import FloatArray

# Relative errors of predictions, well below the differences between densities.
MESH_RTOL, RTOL = 1e-4, 1e-6
# Smallest distance of the densities whose errors make a finite difference, over the density.
STEP = 1e-4

Prediction = Callable[[FourierFeatures, Target, FloatArray], FloatArray]


def diffusion_error(model: FourierFeatures, target: Target, times: FloatArray) -> FloatArray:
    """Training error over its start by the diffusion over frequency, shape ``(T,)``.

    What lies outside of the mesh, where no frequency is drawn, stays.
    """
    solution = FrequencyDiffusion(model, target, mesh_rtol=MESH_RTOL).solve(
        [0.0, *times[times > 0]], rtol=RTOL
    )
    start = 0.5 * target.energy
    left = np.maximum(start - solution.energy[0], 0.0) + solution.energy
    return np.asarray(np.sqrt(left / start)[0 if times[0] == 0 else 1 :])


def flow_error(model: FourierFeatures, target: Target, times: FloatArray) -> FloatArray:
    """Training error over its start by the kernel flow on the data, shape ``(T,)``."""
    return np.asarray(np.sqrt(2 * KernelFlow(model, target).solve(times, rtol=RTOL).energy / target.energy))


PREDICTIONS: dict[str, Prediction] = {"pde": diffusion_error, "kernel": flow_error}


def gradient_difference(target: Target, design: DensityDesign) -> float:
    """Relative difference of the gradient at a design from a finite difference of fourth order.

    The direction is random, and proportional to the density so that no entry becomes negative. It changes the mass:
    along densities the derivative at a design vanishes. A difference of second order would be off by
    ``(2 T ρ h)² / 6``, which is 1e-5 where the density is large.
    """
    axes, values = design.density.axes, design.density.values
    functional = BudgetError(
        target,
        axes,
        design.rates.output,
        design.rates.frequency * design.output_std**2,
        design.time_budget,
        order=3,
    )
    direction = values * np.random.default_rng(0).standard_normal(values.shape)
    changes = [
        functional.value_and_gradient(values + n * STEP * direction)[0]
        - functional.value_and_gradient(values - n * STEP * direction)[0]
        for n in (1, 2)
    ]
    difference = (8 * changes[0] - changes[1]) / (12 * STEP)
    expected = float(np.sum(functional.value_and_gradient(values)[1] * direction))
    return abs(difference - expected) / abs(expected)
