"""Differential operators and their symbols, and boundary value problems: what a network may have to solve."""

from fefreq.operators.boundary_value_problem import BoundaryValueProblem
from fefreq.operators.condition import Condition
from fefreq.operators.differential_operator import DifferentialOperator, derivatives
from fefreq.operators.named_operators import advection, biharmonic, heat, helmholtz, laplacian, wave
from fefreq.operators.plane_waves import PlaneWaves

__all__ = [
    "BoundaryValueProblem",
    "Condition",
    "DifferentialOperator",
    "PlaneWaves",
    "advection",
    "biharmonic",
    "derivatives",
    "heat",
    "helmholtz",
    "laplacian",
    "wave",
]
