"""Adam and its steps: what :func:`fefreq.training_clock` needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from fefreq.dynamics.base import require_learning_rate, require_number
from fefreq.support.arrays import FloatArray

Schedule = Literal["cosine", "constant"]
MAX_STEPS = 10**6


@dataclass(frozen=True)
class Adam:
    """Adam (arXiv 1412.6980) with the full batch for a number of steps.

    It scales every parameter by that parameter's own gradients, and is no function of the kernel's eigenvalues:
    :class:`fefreq.KernelFlow` does not take it, :func:`fefreq.training_clock` does.

    Parameters
    ----------
    learning_rate : float
        Of the first step, positive.
    steps : int
        At least 1.
    schedule : {"cosine", "constant"}
        Whether the learning rate falls to 0 like half a cosine or stays.
    beta1, beta2 : float
        Memories of the means of gradients and of their squares, at least 0 and below 1.
    epsilon : float
        Positive; for the loss that is the mean square of the error.

    Raises
    ------
    TypeError
        If a parameter is of the wrong kind.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> Adam(learning_rate=1e-3, steps=4).rates().round(5).tolist()
    [0.001, 0.00085, 0.0005, 0.00015]
    """

    learning_rate: float = 1e-3
    steps: int = 2000
    schedule: Schedule = "cosine"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    kind: Literal["adam"] = field(default="adam", kw_only=True, repr=False)

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        require_learning_rate(self.learning_rate)
        if isinstance(self.steps, bool) or not isinstance(self.steps, (int, np.integer)):
            raise TypeError(f"steps must be an integer, not {self.steps!r}")
        if not 1 <= self.steps <= MAX_STEPS:
            raise ValueError(f"steps must be at least 1 and at most {MAX_STEPS:,}, not {self.steps}")
        if self.schedule not in get_args(Schedule):
            raise ValueError(f"schedule must be 'cosine' or 'constant', not {self.schedule!r}")
        for name in ("beta1", "beta2"):
            require_number(name, getattr(self, name))
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        require_number("epsilon", self.epsilon)
        if not self.epsilon > 0:
            raise ValueError(f"epsilon must be above 0, not {self.epsilon}")

    def rates(self) -> FloatArray:
        """Learning rates of all steps."""
        if self.schedule == "constant":
            return np.full(self.steps, self.learning_rate)
        return np.asarray(0.5 * self.learning_rate * (1 + np.cos(np.pi * np.arange(self.steps) / self.steps)))
