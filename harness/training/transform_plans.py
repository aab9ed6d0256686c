r"""Non-uniform fast Fourier transforms of torch tensors: finufft on the processor, cufinufft on CUDA devices.

A plan maps strengths at sources to sums at sinks, ``Σ_k z_k exp(+i s_j·x_k)``, and back by its adjoint, with the
negative exponent. The sinks are the centred integers of a grid (type 1) or any points (type 3). finufft has the
adjoint of a plan; cufinufft has not, so a second plan computes it: type 2, or type 3 with sources and sinks
exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

# Relative precision asked of a transform. Over whole runs of a thousand steps the residual then agrees with the
# dense path to 1e-9 of the target (1e-8 is what the tests insist on). Single precision stops at its rounding.
PRECISION = {torch.float64: 1e-10, torch.float32: 1e-6}


class TransformPlan(Protocol):
    """One transform at a time."""

    def place(self, sources: Sequence[Tensor], sinks: Sequence[Tensor] = ()) -> None:
        """Set the coordinates of the sources, one tensor ``(m,)`` per axis, and of the sinks if they are no grid."""

    def execute(self, strengths: Tensor) -> Tensor:
        """Sums at the sinks, of complex strengths ``(m,)``."""

    def execute_adjoint(self, data: Tensor) -> Tensor:
        """Sums at the sources, shape ``(m,)``, of complex data at the sinks."""


@dataclass(frozen=True)
class PlanOptions:
    """How transforms are planned.

    Attributes
    ----------
    precision : torch.dtype
        ``float64`` or ``float32``.
    threads : int
        Inside one transform on the processor.
    eps : float, optional
        Relative precision asked of a transform, by default that of :data:`PRECISION`.
    device : {'cpu', 'cuda'}
        Where tensors are.
    """

    precision: torch.dtype
    threads: int = 1
    eps: float | None = None
    device: str = "cpu"

    @property
    def complex(self) -> torch.dtype:
        """Type of strengths and data."""
        return torch.promote_types(self.precision, torch.complex64)

    def plan(self, kind: int, shape_or_dim: int | tuple[int, ...]) -> TransformPlan:
        """Plan transforms of type 1 to a grid of a shape, or of type 3 in a dimension."""
        eps = PRECISION[self.precision] if self.eps is None else self.eps
        if self.device == "cuda":
            return CudaPlan(kind, shape_or_dim, eps, str(self.complex).removeprefix("torch."))
        return ProcessorPlan(kind, shape_or_dim, eps, str(self.complex).removeprefix("torch."), self.threads)


class ProcessorPlan:
    """A plan of finufft; tensors and arrays share their memory."""

    def __init__(
        self, kind: int, shape_or_dim: int | tuple[int, ...], eps: float, dtype: str, threads: int
    ) -> None:
        import finufft

        self._plan: Any = finufft.Plan(kind, shape_or_dim, 1, eps, 1, dtype=dtype, nthreads=threads)

    def place(self, sources: Sequence[Tensor], sinks: Sequence[Tensor] = ()) -> None:
        """Set the coordinates."""
        arrays = [tensor.numpy() for tensor in (*sources, *sinks)]
        self._plan.setpts(**_named(arrays, len(sources)))

    def execute(self, strengths: Tensor) -> Tensor:
        """Sums at the sinks."""
        return torch.from_numpy(self._plan.execute(strengths.numpy()))

    def execute_adjoint(self, data: Tensor) -> Tensor:
        """Sums at the sources."""
        return torch.from_numpy(self._plan.execute_adjoint(data.numpy()))


class CudaPlan:
    """Two plans of cufinufft: the sums and their adjoint.

    Raises
    ------
    ModuleNotFoundError
        If cufinufft is not installed.
    """

    def __init__(self, kind: int, shape_or_dim: int | tuple[int, ...], eps: float, dtype: str) -> None:
        import cufinufft

        self._forward: Any = cufinufft.Plan(kind, shape_or_dim, 1, eps, 1, dtype=dtype)
        self._adjoint: Any = cufinufft.Plan(3 if kind == 3 else 2, shape_or_dim, 1, eps, -1, dtype=dtype)

    def place(self, sources: Sequence[Tensor], sinks: Sequence[Tensor] = ()) -> None:
        """Set the coordinates."""
        here, there = ([tensor.contiguous() for tensor in tensors] for tensors in (sources, sinks))
        self._forward.setpts(**_named([*here, *there], len(here)))
        self._adjoint.setpts(**_named([*there, *here], len(here)))

    def execute(self, strengths: Tensor) -> Tensor:
        """Sums at the sinks."""
        sums: Tensor = self._forward.execute(strengths.contiguous())
        return sums

    def execute_adjoint(self, data: Tensor) -> Tensor:
        """Sums at the sources."""
        sums: Tensor = self._adjoint.execute(data.contiguous())
        return sums


def require_transforms(device: str) -> None:
    """Insist that transforms exist on a device.

    Raises
    ------
    ValueError
        If cufinufft is needed and missing.
    """
    if device == "cuda" and find_spec("cufinufft") is None:
        raise ValueError(
            "fast transforms on a CUDA device are those of cufinufft, which is not installed: install it, or use "
            "device='cpu', or method='dense' with 'cuda'"
        )


def _named(coordinates: Sequence[Any], dim: int) -> dict[str, Any]:
    """Coordinates by the names that plans give them: ``x, y, z`` for the first ``dim``, ``s, t, u`` for the others."""
    return dict(zip("xyz", coordinates[:dim], strict=False)) | dict(
        zip("stu", coordinates[dim:], strict=False)
    )


def folded(cycles: Tensor, precision: torch.dtype) -> Tensor:
    """Angles in ``[-π, π]`` of phases in cycles, which lose no digits when they are far from 0."""
    return (2 * np.pi * (cycles - torch.round(cycles))).to(precision)
