"""What an optimiser makes of an eigenvalue of the tangent kernel: flow, descent, momentum, damped Gauss-Newton.

Adam, which is no function of an eigenvalue, has its options here and its clock in :mod:`fefreq.kernel.training_clock`.

Imports only :mod:`fefreq.support`.
"""

from typing import Annotated

from fefreq.dynamics.base import Dynamics, Evolution
from fefreq.dynamics.gauss_newton import GaussNewton
from fefreq.dynamics.gradient_descent import GradientDescent
from fefreq.dynamics.gradient_flow import GradientFlow
from fefreq.dynamics.heavy_ball import HeavyBall
from fefreq.dynamics.nesterov import Nesterov
from fefreq.support.schema import ByKind

AnyDynamics = Annotated[GradientFlow | GradientDescent | HeavyBall | Nesterov | GaussNewton, ByKind()]

__all__ = [
    "AnyDynamics",
    "Dynamics",
    "Evolution",
    "GaussNewton",
    "GradientDescent",
    "GradientFlow",
    "HeavyBall",
    "Nesterov",
]
