"""Fields of the error over frequency and time: the one interface of every source.

Finite elements, the kernel flow and trained networks all answer with an :class:`ErrorField`: the complex
spectrum ``û(ξ, t)`` of the residual at any frequencies, at the times that were asked for.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike

from fefreq.support.arrays import ComplexArray, FloatArray


@runtime_checkable
class ErrorField(Protocol):
    """Whatever knows the spectrum of the error at some times can be compared, plotted and exported."""

    @property
    def times(self) -> FloatArray:
        """Training times, shape ``(T,)``."""

    def at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the error, shape ``(T, F)``, at frequencies ``(F, d)``; ``(T, F, channels)`` if any."""
