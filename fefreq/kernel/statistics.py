"""How a kernel flow was computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fefreq.fields.times import along_time
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class FlowStats:
    """How a kernel flow was computed.

    Attributes
    ----------
    points : int
    products, basis_size, stored : int
        Products with the kernel, and the largest basis of a channel with how many of its vectors were kept.
    error_estimate : ndarray, shape (T,)
        Error relative to the initial residual in the norm of the loss: the bound of Lanczos' recurrence and the
        measured error of the products.
    product_error : float
        Norm of that error per unit of accumulated residual.
    seconds : float
    method : str
        How products were computed.
    """

    points: int
    products: int
    basis_size: int
    stored: int
    error_estimate: FloatArray = field(metadata=along_time())
    product_error: float
    seconds: float
    method: str

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, strings and lists, for JSON."""
        return {**asdict(self), "error_estimate": self.error_estimate.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> FlowStats:
        """Rebuild from what :meth:`to_dict` gave."""
        return cls(**{**values, "error_estimate": np.asarray(values["error_estimate"], dtype=np.float64)})
