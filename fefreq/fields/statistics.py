"""How a solution of the diffusion equation was obtained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fefreq.fields.times import along_time
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Stats:
    """How a solution was obtained.

    Attributes
    ----------
    unknowns : int
    factorisations, solves, basis_size : int
        Work of the propagation; a solve counts every right-hand side.
    error_estimate : ndarray, shape (T,)
        Estimated error of the propagation in time, relative to the initial field.
    factorise_seconds, solve_seconds, seconds : float
        Inside factorisations, inside solves, and altogether (assembly included).
    mesh : str
        Why the mesh is as it is.
    mesh_error : ndarray, shape (T,), optional
        Estimated error that the mesh leaves, relative to the initial field, if it was asked for.
    memory : int
        Bytes of the basis and the values of the propagation, 0 if nobody counted.
    """

    unknowns: int
    factorisations: int
    solves: int
    basis_size: int
    error_estimate: FloatArray = field(metadata=along_time())
    factorise_seconds: float
    solve_seconds: float
    seconds: float
    mesh: str
    mesh_error: FloatArray | None = field(default=None, metadata=along_time())
    memory: int = 0

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, strings and lists, for JSON."""
        mesh_error = None if self.mesh_error is None else self.mesh_error.tolist()
        return {**asdict(self), "error_estimate": self.error_estimate.tolist(), "mesh_error": mesh_error}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Stats:
        """Rebuild from what :meth:`to_dict` gave."""
        arrays = {
            name: np.asarray(values[name], dtype=np.float64)
            for name in ("error_estimate", "mesh_error")
            if values.get(name) is not None
        }
        return cls(**{**values, **arrays})
