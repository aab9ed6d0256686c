r"""Nesterov's momentum: ``v ← βv + g``, ``θ ← θ - η (g + βv)``, as ``torch.optim.SGD(nesterov=True)`` does it.

Parameters are those at which gradients are taken, the extrapolated ones of the original method. In a direction with
rate ``θ`` of the kernel the error obeys ``e_{n+1} = (1 - ηθ) [(1 + β) e_n - β e_{n-1}]`` after a first step of
``e_1 = 1 - (1 + β) ηθ``. Errors do not grow while ``ηθ ≤ 2 (1 + β) / (1 + 2β)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fefreq.dynamics.base import DiscreteDynamics, Evolution, require_learning_rate, require_momentum
from fefreq.dynamics.momentum import MomentumEvolution
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class Nesterov(DiscreteDynamics):
    """Gradient descent with Nesterov's momentum.

    Stable for ``η ≤ 2 (1 + β) / ((1 + 2β) λ_max)``.

    Parameters
    ----------
    learning_rate : float
        ``η``, positive.
    momentum : float
        ``0 ≤ β < 1``.

    Raises
    ------
    TypeError
        If a parameter is no number.
    ValueError
        If one is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> ahead = Nesterov(learning_rate=0.5, momentum=0.5)
    >>> ahead.evolution(ahead.times_of([0, 1, 2])).decay(np.array([0.0, 0.5])).round(4).tolist()
    [[1.0, 1.0], [1.0, 0.625], [1.0, 0.3281]]
    """

    learning_rate: float
    momentum: float
    kind: Literal["nesterov"] = field(default="nesterov", kw_only=True, repr=False)
    _stability: ClassVar = ("Nesterov's method", "2 (1 + momentum)/((1 + 2 momentum) λ_max)")

    def __post_init__(self) -> None:
        require_learning_rate(self.learning_rate)
        require_momentum(self.momentum)

    def evolution(self, times: FloatArray) -> Evolution:
        """Times that are whole numbers of steps."""
        return MomentumEvolution(times, self.learning_rate, self.momentum, ahead=True)

    @property
    def stable_until(self) -> float:
        """``2 (1 + β) / ((1 + 2β) η)``."""
        return 2 * (1 + self.momentum) / ((1 + 2 * self.momentum) * self.learning_rate)
