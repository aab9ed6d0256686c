r"""Optimisers: what they make of gradients.

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

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from fefreq.support.schema import ByKind
from harness.networks.spec import require_number

if TYPE_CHECKING:
    from torch import Tensor


class Stepper(Protocol):
    """An optimiser at work on one vector of parameters."""

    def direction(self, gradient: Tensor) -> Tensor:
        """Turn a gradient ``(P,)`` into the direction of the step."""

    def memory(self) -> dict[str, Tensor]:
        """What is remembered of earlier gradients, by name; empty if there is nothing yet."""

    def recall(self, memory: dict[str, Tensor]) -> None:
        """Remember what :meth:`memory` gave once."""


class Optimiser(ABC):
    """Options of an optimiser."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    @abstractmethod
    def begin(self) -> Stepper:
        """Start without memory of any gradient."""


@dataclass(frozen=True)
class Descent(Optimiser):
    """Gradient descent, ``p = g``; with the full batch ``Σ η`` is the tangent-kernel time."""

    kind: Literal["descent"] = field(default="descent", kw_only=True, repr=False)

    def begin(self) -> Stepper:
        """Start."""
        return _Plain()


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

    def begin(self) -> Stepper:
        """Start."""
        return _Momentum(self) if self.momentum else _Plain()


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

    def begin(self) -> Stepper:
        """Start."""
        return _Moments(self)


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


class _Plain:
    def direction(self, gradient: Tensor) -> Tensor:
        return gradient

    def memory(self) -> dict[str, Tensor]:
        return {}

    def recall(self, memory: dict[str, Tensor]) -> None:
        pass


class _Momentum:
    def __init__(self, options: Sgd) -> None:
        self._options = options
        self._velocity: Tensor | None = None

    def direction(self, gradient: Tensor) -> Tensor:
        momentum = self._options.momentum
        if self._velocity is None:
            self._velocity = gradient.clone()
        else:
            self._velocity.mul_(momentum).add_(gradient)
        return gradient.add(self._velocity, alpha=momentum) if self._options.nesterov else self._velocity

    def memory(self) -> dict[str, Tensor]:
        return {} if self._velocity is None else {"velocity": self._velocity}

    def recall(self, memory: dict[str, Tensor]) -> None:
        self._velocity = memory.get("velocity")


class _Moments:
    def __init__(self, options: Adam) -> None:
        self._options = options
        self._mean: Tensor | None = None
        self._square: Tensor | None = None
        self._count = 0

    def direction(self, gradient: Tensor) -> Tensor:
        beta1, beta2 = self._options.beta1, self._options.beta2
        if self._mean is None or self._square is None:
            self._mean, self._square = gradient.new_zeros(gradient.shape), gradient.new_zeros(gradient.shape)
        self._count += 1
        self._mean.lerp_(gradient, 1 - beta1)
        self._square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = self._square.sqrt().div_(math.sqrt(1 - beta2**self._count)).add_(self._options.epsilon)
        return self._mean.div(scale).div_(1 - beta1**self._count)

    def memory(self) -> dict[str, Tensor]:
        import torch

        if self._mean is None or self._square is None:
            return {}
        return {"mean": self._mean, "square": self._square, "count": torch.tensor(self._count)}

    def recall(self, memory: dict[str, Tensor]) -> None:
        self._mean, self._square = memory.get("mean"), memory.get("square")
        self._count = int(memory["count"]) if memory else 0
