"""Propagations that did not meet their tolerance."""

from __future__ import annotations

import numpy as np

from fefreq.propagation.propagator import Propagation, Result
from fefreq.support.arrays import FloatArray


class ConvergenceError(ArithmeticError):
    """The error estimate stayed above the tolerance; the message gives both and the remedy."""


_REMEDIES = {
    Result.basis_exhausted: "a larger rtol or a larger max_basis",
    Result.memory_exhausted: "a larger rtol, fewer times at once or a coarser mesh",
    Result.steps_exhausted: "a larger rtol or more max_steps",
}


def require_converged(parts: list[Propagation], times: FloatArray, rtol: float) -> None:
    """Insist that propagations came to their end.

    Raises
    ------
    ConvergenceError
        If one did not.
    """
    for part in parts:
        if part.result in _REMEDIES:
            known = np.isfinite(part.error_estimate)
            worst = int(np.argmax(np.where(known, part.error_estimate, -1.0)))
            reached = (
                f"It is {part.error_estimate[worst]:.1e} at t = {times[worst]:.3g}"
                if part.error_estimate[worst] > rtol
                else f"It is only up to t = {times[known][-1]:.3g}"
            )
            raise ConvergenceError(
                f"{part.result.value} {reached}, rtol is {rtol:.1e}: allow {_REMEDIES[part.result]}"
            )
