r"""Full-batch gradient descent on sums of plane waves.

The loss is ``ℒ = ½ Σ_j q_j |u(x_j)|²`` with the residual ``u = f - N`` and quadrature weights ``q_j``. One
step is ``θ ← θ - η λ_block ∇ℒ`` for every block of parameters, and training time is ``t = Σ η``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from harness.networks.plane_waves import Network, Parameters, gradients
from harness.training.engine import State
from harness.training.run import DIVERGENCE, DivergenceError
from harness.training.wave_sums import PlaneWaves


class WaveDescent:
    """A network on its way down.

    Parameters
    ----------
    network : Network
    parameters : dict
        Blocks of an ensemble; changed in place.
    waves : PlaneWaves
        On the same points.
    points : Tensor, shape (d, n)
    values : Tensor, shape (C, n)
        The target.
    weights : Tensor, shape (n,)
        Quadrature weights.
    starts_at_zero : bool
        Whether the outputs of the neurons cancel at the start, so that rounding need not be measured.

    Attributes
    ----------
    residual : Tensor, shape (S, C, n)
        ``u = f - N`` at the present parameters.
    loss : Tensor, shape (S,)
    time : float
    steps : int
    """

    def __init__(
        self,
        network: Network,
        parameters: Parameters,
        waves: PlaneWaves,
        points: Tensor,
        values: Tensor,
        weights: Tensor,
        starts_at_zero: bool,
    ) -> None:
        self.network, self.parameters = network, parameters
        self._waves, self._points, self._values, self._weights = waves, points, values, weights
        self.time, self.steps = 0.0, 0
        frequencies, self._amplitudes = network.waves(parameters)
        waves.place(frequencies)
        members = frequencies.shape[0]
        if starts_at_zero:
            self.residual = values.expand(members, *values.shape).clone()
        else:
            self.residual = values - waves.synthesise(self._amplitudes)
        self.loss = self._measured_loss()
        floor = torch.finfo(values.dtype).eps * float(weights.sum())
        self._bound = DIVERGENCE * (float(self.loss.max()) + floor)

    def step(self, rate: float) -> None:
        """Take one step of size ``rate`` with the whole batch.

        Raises
        ------
        DivergenceError
            If the loss is not finite or has grown beyond all bounds.
        """
        # The gradient of the loss is minus that of R at r = q u, so the descent adds.
        ascent = gradients(
            self.network,
            self.parameters,
            self._amplitudes,
            self._waves.analyse,
            self._points,
            self._weights * self.residual,
        )
        for name, gradient in ascent.items():
            self.parameters[name].add_(gradient, alpha=rate * self.network.rates[name])
        self.time += rate
        self.steps += 1
        frequencies, self._amplitudes = self.network.waves(self.parameters)
        if self.network.trains_frequencies:
            self._require_finite(bool(torch.isfinite(frequencies.sum())))
            self._waves.place(frequencies)
        self.residual = self._values - self._waves.synthesise(self._amplitudes)
        self.loss = self._measured_loss()
        self._require_finite(bool((self.loss <= self._bound).all()))

    def state(self) -> State:
        """What has changed since the start, as arrays on the processor."""
        blocks = {f"parameter.{name}": block for name, block in self.parameters.items()}
        tensors = {**blocks, "residual": self.residual}
        counters = {"time": np.array(self.time), "steps": np.array(self.steps)}
        return {**{name: tensor.cpu().numpy() for name, tensor in tensors.items()}, **counters}

    def restore(self, state: State) -> None:
        """Go back to where :meth:`state` was taken."""
        for name, block in self.parameters.items():
            block.copy_(torch.from_numpy(state[f"parameter.{name}"]))
        frequencies, self._amplitudes = self.network.waves(self.parameters)
        self._waves.place(frequencies)
        # Not recomputed: at the start of an antisymmetric network it is exactly the target.
        self.residual = torch.from_numpy(state["residual"]).to(self._values)
        self.loss = self._measured_loss()
        self.time, self.steps = float(state["time"]), int(state["steps"])

    def _measured_loss(self) -> Tensor:
        return 0.5 * (self._weights * self.residual**2).sum(dim=(1, 2))

    def _require_finite(self, sound: bool) -> None:
        if not sound:
            raise DivergenceError(
                f"training diverged in step {self.steps}, at t = {self.time:g}: the loss is not finite or has "
                f"grown {DIVERGENCE:g}-fold; use a smaller learning rate, or a wider network, whose "
                "kernel is closer to the one that sets the stability limit"
            )
