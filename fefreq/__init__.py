r"""Which frequency is learned when: the diffusion equations of spectral bias, solved by finite elements.

A two-layer network on Fourier features, trained by gradient descent in the tangent-kernel regime, spreads
and damps its error over frequency space. This package predicts that error field:

>>> import numpy as np, fefreq
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=128)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(scale=3.0), output_std=1.0)
>>> solution = fefreq.FrequencyDiffusion(model, target).solve(times=[0, 1, 10, 100])
>>> solution.at([0.0, 1.0, 2.0]).shape
(4, 3)

Points and frequencies have shape ``(n, d)``, frequencies count cycles per unit length, and training time is
``t = Σ η``, the sum of the learning rates.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Where each public name lives. Modules load on first use, so that the command line starts fast.
_HOMES = {
    "Gaussian": "densities",
    "Laplace": "densities",
    "LogUniform": "densities",
    "Mixture": "densities",
    "PositionalEncoding": "densities",
    "StudentT": "densities",
    "Tabulated": "densities",
    "Uniform": "densities",
    "GaussNewton": "dynamics",
    "GradientDescent": "dynamics",
    "GradientFlow": "dynamics",
    "HeavyBall": "dynamics",
    "Nesterov": "dynamics",
    "DeepFourierFeatures": "models",
    "FourierFeatures": "models",
    "MultiScaleSine": "models",
    "Rates": "models",
    "Target": "targets.target",
    "BoundaryValueProblem": "operators",
    "Condition": "operators",
    "DifferentialOperator": "operators",
    "PlaneWaves": "operators",
    "advection": "operators",
    "biharmonic": "operators",
    "derivatives": "operators",
    "heat": "operators",
    "helmholtz": "operators",
    "laplacian": "operators",
    "wave": "operators",
    "FrequencyDiffusion": "diffusion.problem",
    "ConvergenceError": "diffusion.problem",
    "KernelFlow": "kernel.flow",
    "MeshSolution": "diffusion.solution",
    "PointSolution": "kernel.solution",
    "RationalKrylov": "propagation.rational_krylov",
    "DenseOracle": "propagation.propagator",
    "DensityDesign": "initialisation.density.result",
    "design_density": "initialisation.density.design",
    "ImplicitSteps": "propagation.implicit_steps",
    "Residuals": "fields.residuals",
    "Result": "propagation.propagator",
    "ErrorField": "fields.error_field",
    "half_life": "fields.half_life",
    "largest_rate": "kernel.operator",
    "load": "fields.saved",
    "recommend_scale": "initialisation.scale.search",
    "Recommendation": "initialisation.scale.recommendation",
}

__all__ = [
    "BoundaryValueProblem",
    "Condition",
    "ConvergenceError",
    "DeepFourierFeatures",
    "DenseOracle",
    "DensityDesign",
    "DifferentialOperator",
    "ErrorField",
    "FourierFeatures",
    "FrequencyDiffusion",
    "GaussNewton",
    "Gaussian",
    "GradientDescent",
    "GradientFlow",
    "HeavyBall",
    "ImplicitSteps",
    "KernelFlow",
    "Laplace",
    "LogUniform",
    "MeshSolution",
    "Mixture",
    "MultiScaleSine",
    "Nesterov",
    "PlaneWaves",
    "PointSolution",
    "PositionalEncoding",
    "Rates",
    "RationalKrylov",
    "Recommendation",
    "Residuals",
    "Result",
    "StudentT",
    "Tabulated",
    "Target",
    "Uniform",
    "__version__",
    "advection",
    "biharmonic",
    "derivatives",
    "design_density",
    "half_life",
    "heat",
    "helmholtz",
    "laplacian",
    "largest_rate",
    "load",
    "recommend_scale",
    "wave",
]

if TYPE_CHECKING:
    from fefreq.densities import (
        Gaussian,
        Laplace,
        LogUniform,
        Mixture,
        PositionalEncoding,
        StudentT,
        Tabulated,
        Uniform,
    )
    from fefreq.diffusion.problem import ConvergenceError, FrequencyDiffusion
    from fefreq.diffusion.solution import MeshSolution
    from fefreq.dynamics import GaussNewton, GradientDescent, GradientFlow, HeavyBall, Nesterov
    from fefreq.fields.error_field import ErrorField
    from fefreq.fields.half_life import half_life
    from fefreq.fields.residuals import Residuals
    from fefreq.fields.saved import load
    from fefreq.initialisation.density.design import design_density
    from fefreq.initialisation.density.result import DensityDesign
    from fefreq.initialisation.scale.recommendation import Recommendation
    from fefreq.initialisation.scale.search import recommend_scale
    from fefreq.kernel.flow import KernelFlow
    from fefreq.kernel.operator import largest_rate
    from fefreq.kernel.solution import PointSolution
    from fefreq.models import DeepFourierFeatures, FourierFeatures, MultiScaleSine, Rates
    from fefreq.operators import (
        BoundaryValueProblem,
        Condition,
        DifferentialOperator,
        PlaneWaves,
        advection,
        biharmonic,
        derivatives,
        heat,
        helmholtz,
        laplacian,
        wave,
    )
    from fefreq.propagation.implicit_steps import ImplicitSteps
    from fefreq.propagation.propagator import DenseOracle, Result
    from fefreq.propagation.rational_krylov import RationalKrylov
    from fefreq.targets.target import Target


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(f"fefreq.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'fefreq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
