r"""The heavy ball (Polyak's momentum): ``v ← βv + g``, ``θ ← θ - ηv``, as ``torch.optim.SGD(momentum=β)`` does it.

In a direction with rate ``θ`` of the kernel the error obeys ``e_{n+1} = (1 + β - ηθ) e_n - β e_{n-1}``. Errors
do not grow while ``ηθ ≤ 2 (1 + β)``. Between ``(1 - √β)²`` and ``(1 + √β)²`` the roots of the recurrence are complex,
and **every** error with ``ηθ`` in that range decays by ``√β`` a step: on this plateau no frequency is learned before
another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from fefreq.dynamics.base import DiscreteDynamics, Evolution, require_learning_rate, require_momentum
from fefreq.dynamics.momentum import MomentumEvolution
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class HeavyBall(DiscreteDynamics):
    """Gradient descent with Polyak's momentum.

    Stable for ``η ≤ 2 (1 + β) / λ_max``.

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
    >>> ball = HeavyBall(learning_rate=0.5, momentum=0.5)
    >>> ball.evolution(ball.times_of([0, 1, 2])).decay(np.array([0.0, 0.5])).round(4).tolist()
    [[1.0, 1.0], [1.0, 0.75], [1.0, 0.4375]]
    """

    learning_rate: float
    momentum: float
    kind: Literal["heavy-ball"] = field(default="heavy-ball", kw_only=True, repr=False)
    _stability: ClassVar = ("the heavy ball", "2 (1 + momentum)/λ_max")

    def __post_init__(self) -> None:
        require_learning_rate(self.learning_rate)
        require_momentum(self.momentum)

    def evolution(self, times: FloatArray) -> Evolution:
        """Times that are whole numbers of steps."""
        return MomentumEvolution(times, self.learning_rate, self.momentum, ahead=False)

    @property
    def stable_until(self) -> float:
        """``2 (1 + β) / η``."""
        return 2 * (1 + self.momentum) / self.learning_rate
