r"""Optimisers: what they make of gradients. The steps are those of :mod:`torch.optim`.

Every optimiser turns gradients ``g_k`` into directions ``p_k``, and one step is

.. math:: θ_{k+1} = θ_k - η_k λ_{block} \, p_k , \qquad t = ∑_k η_k .

with step sizes from :mod:`harness.training.learning_rates`. For full-batch gradient descent ``p = g``, and ``t`` is
the time of the tangent-kernel picture. With momentum ``μ`` the network moves ``1/(1-μ)`` times as far once the
momentum has built up, so the time of that picture is about ``t / (1-μ)``. Adam rescales every coordinate by its own
gradients: its ``Σ η`` counts steps, and **is not the tangent-kernel time** in any scale.

>>> optimiser("adam", momentum=0.9)
Traceback (most recent call last):
ValueError: adam has no option 'momentum'; its options are beta1, beta2, epsilon
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

from fefreq.support.schema import ByKind
from harness.networks.spec import require_number
from harness.training.engine import State

if TYPE_CHECKING:
    import torch


class Optimiser(ABC):
    """Options of an optimiser."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    @abstractmethod
    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """The optimiser at its start, on groups of parameters; every step sets ``lr`` to its size."""


@dataclass(frozen=True)
class Descent(Optimiser):
    """Gradient descent, ``p = g``; with the full batch ``Σ η`` is the tangent-kernel time."""

    kind: Literal["descent"] = field(default="descent", kw_only=True, repr=False)

    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Steps of ``torch.optim.SGD``."""
        import torch

        return torch.optim.SGD(groups, lr=1.0)


@dataclass(frozen=True)
class Sgd(Optimiser):
    """Gradient descent with momentum: ``v ← μ v + g``, ``p = v``, or ``p = g + μ v`` with ``nesterov``.

    Parameters
    ----------
    momentum : float
        ``0 ≤ μ < 1``.
    nesterov : bool
        Needs momentum.

    Raises
    ------
    ValueError
        If the momentum is out of range, or 0 with ``nesterov``.
    """

    momentum: float = 0.0
    nesterov: bool = False
    kind: Literal["sgd"] = field(default="sgd", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        require_number("momentum", self.momentum, 0.0)
        if self.momentum >= 1:
            raise ValueError(f"momentum must be at least 0 and below 1, not {self.momentum}")
        if self.nesterov and self.momentum == 0:
            raise ValueError(
                "nesterov looks ahead along the momentum, so it needs momentum above 0, such as 0.9"
            )

    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Steps of ``torch.optim.SGD``."""
        import torch

        return torch.optim.SGD(groups, lr=1.0, momentum=self.momentum, nesterov=self.nesterov)


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam (arXiv 1412.6980): ``p = m̂ / (√v̂ + ε)`` with bias-corrected running means of ``g`` and ``g²``.

    ``Σ η`` is a count of steps then, not the tangent-kernel time.

    Parameters
    ----------
    beta1, beta2 : float
        Memories of the means, at least 0 and below 1.
    epsilon : float
        Positive.

    Raises
    ------
    ValueError
        If an option is out of range.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    kind: Literal["adam"] = field(default="adam", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            require_number(name, getattr(self, name), 0.0)
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        require_number("epsilon", self.epsilon, 0.0, above=True)

    def over(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """Steps of ``torch.optim.Adam``."""
        import torch

        return torch.optim.Adam(groups, lr=1.0, betas=(self.beta1, self.beta2), eps=self.epsilon)


AnyOptimiser = Annotated[Descent | Sgd | Adam, ByKind()]

_OPTIMISERS: tuple[type[Descent] | type[Sgd] | type[Adam], ...] = (Descent, Sgd, Adam)


def optimiser(name: str, **options: Any) -> Optimiser:
    """Make an optimiser by its name.

    Parameters
    ----------
    name : {'descent', 'sgd', 'adam'}
    **options
        Its options.

    Raises
    ------
    ValueError
        If there is no such optimiser, or it lacks an option.
    """
    for kind in _OPTIMISERS:
        if kind.__name__.lower() == name:
            known = [item.name for item in fields(kind) if item.name != "kind"]
            for option in options:
                if option not in known:
                    has = f"its options are {', '.join(known)}" if known else "it has none"
                    raise ValueError(f"{name} has no option {option!r}; {has}")
            return kind(**options)
    names = ", ".join(repr(kind.__name__.lower()) for kind in _OPTIMISERS)
    raise ValueError(f"there is no optimiser {name!r}; there are {names}")


def memory(optimiser: torch.optim.Optimizer) -> State:
    """What an optimiser remembers of earlier gradients, as arrays by parameter and name."""
    remembered = optimiser.state_dict()["state"]
    return {
        f"{parameter}.{name}": tensor.cpu().numpy()
        for parameter, tensors in remembered.items()
        for name, tensor in tensors.items()
        if tensor is not None
    }


def recall(optimiser: torch.optim.Optimizer, remembered: State) -> None:
    """Give an optimiser back what :func:`memory` said, to the last bit."""
    import torch

    tensors: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in remembered.items():
        parameter, name = key.split(".", 1)
        tensors.setdefault(int(parameter), {})[name] = torch.from_numpy(np.array(array))
    optimiser.load_state_dict({**optimiser.state_dict(), "state": tensors})
