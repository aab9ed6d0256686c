r"""Sums of moduli of pushes, step by step: for error bounds where signs do not help.

A step with momentum ``β`` moves the network by ``K p_j``, where in a direction with ``x = ηθ``

.. math:: s_j = β s_{j-1} + e_j , \qquad p_j = s_j \ \text{or, ahead,}\ e_j + β s_j , \qquad
          e_{j+1} = e_j - x p_j , \qquad e_0 = 1, \ s_{-1} = 0 .

A defect ``δ_j`` of step ``j`` acts through ``z_j = p_j - β p_{j-1}``: with it the error obeys
``e_{j+1} = c e_j - d e_{j-1} + δ z_j``, and all later steps carry it on by the polynomial
``P_m = Σ_i r_1^i r_2^{m-i}`` of the roots of ``r² - cr + d``. While the optimiser is stable both roots lie in the
unit disc and their product in the disc of radius ``β``, so that

.. math:: |P_m| \le \sum_{i \le m} β^i \le \frac{1}{1 - β} .

(For a given product ``|d|`` the sum ``Σ |r_1|^i |r_2|^{m-i}`` grows with the larger root, up to ``Σ |d|^i`` at 1.)
"""

from __future__ import annotations

import numpy as np

from fefreq.support.arrays import FloatArray

BLOCK = 256  # steps that are summed together


class Steps:
    """A number of equal steps of all directions as a matrix, to be applied to any state.

    Parameters
    ----------
    x : ndarray, shape (k,)
        ``ηθ``.
    momentum : float
    ahead : bool
        Whether gradients are taken where the momentum leads (Nesterov).
    count : int
        Steps; more than a block of them are taken block by block.
    """

    def __init__(self, x: FloatArray, momentum: float, ahead: bool, count: int) -> None:
        self.block = min(count, BLOCK)
        self.momentum = momentum
        # Rows for starts from e = 1, s = 0 and from e = 0, s = 1.
        self.pushes = np.empty((2, self.block, len(x)))
        self.errors, self.sums = np.empty((2, 2, self.block + 1, len(x)))
        error = np.stack([np.ones_like(x), np.zeros_like(x)])
        past = error[::-1].copy()
        for j in range(self.block):
            self.errors[:, j], self.sums[:, j] = error, past
            past = momentum * past + error
            push = error + momentum * past if ahead else past
            self.pushes[:, j] = push
            error = error - x * push
        self.errors[:, self.block], self.sums[:, self.block] = error, past


class Moduli:
    """The running sum ``Σ η |Σ_i w_i z_j(θ_i)| / (1 - β)``.

    Parameters
    ----------
    weights : ndarray, shape (k,)
    limit : float
        Beyond it the sum is infinite and nothing more is computed.
    """

    def __init__(self, weights: FloatArray, limit: float) -> None:
        self.total = 0.0
        self._weights, self._limit = weights, limit
        self._error, self._past = np.ones_like(weights), np.zeros_like(weights)
        self._last_push = 0.0

    def add(self, steps: Steps, count: int, size: float) -> None:
        """Take a number of steps of a size ``η``."""
        while count > 0 and self.total < np.inf:
            taken = min(count, steps.block)
            error, past = self._weights * self._error, self._weights * self._past
            pushes = steps.pushes[0, :taken] @ error + steps.pushes[1, :taken] @ past
            defects = pushes - steps.momentum * np.concatenate([[self._last_push], pushes[:-1]])
            self.total += size * float(np.abs(defects).sum()) / (1 - steps.momentum)
            if self.total > self._limit:
                self.total = np.inf
            error = steps.errors[0, taken] * self._error + steps.errors[1, taken] * self._past
            self._past = steps.sums[0, taken] * self._error + steps.sums[1, taken] * self._past
            self._error, self._last_push = error, float(pushes[-1])
            count -= taken
