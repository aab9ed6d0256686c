"""Differential operators and their symbols, and boundary value problems: what a network may have to solve."""

from fefreq.operators.differential_operator import DifferentialOperator, derivatives
from fefreq.operators.named_operators import advection, biharmonic, heat, helmholtz, laplacian, wave

__all__ = [
    "DifferentialOperator",
    "advection",
    "biharmonic",
    "derivatives",
    "heat",
    "helmholtz",
    "laplacian",
    "wave",
]
