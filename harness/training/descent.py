r"""Full-batch gradient descent, and the dense evaluation of plane waves.

The loss is ``ℒ = ½ Σ_j q_j |u(x_j)|²`` with the residual ``u = f - N`` and quadrature weights ``q_j``. One
step is ``θ ← θ - η λ_block ∇ℒ`` for every block of parameters, and training time is ``t = Σ η``.

All that a step asks of the machine is the linear map ``E_jk = exp(2πi v_k·x_j)`` from neurons to points and
its transpose: :class:`PlaneWaves`. Here it is formed in blocks of neurons, as cosines and sines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from harness.networks.plane_waves import Network, Parameters, gradients

if TYPE_CHECKING:
    from harness.training.recorder import State
    from harness.training.runs import Run

# Cosines and sines are kept between the forward and the backward half of a step up to this size; a wider
# network computes them twice.
KEPT_BYTES = 1 << 30
# Entries of one block: small enough for the cache of a processor, large enough to fill a GPU.
BLOCK_ENTRIES = {"cpu": 1 << 17, "cuda": 1 << 26}
# Within the stability limit every step lowers the loss, up to fluctuations of the kernel at finite width. Moving
# frequencies keep a network beyond the limit bounded for a while, so growth by this factor counts as divergence.
DIVERGENCE = 100.0


class PlaneWaves(ABC):
    """The map ``E_jk = exp(2πi v_k·x_j)`` between neurons and points, for every member of an ensemble."""

    @abstractmethod
    def place(self, frequencies: Tensor) -> None:
        """Set the frequencies ``v``, shape ``(S, d, m)``, in cycles per unit length."""

    @abstractmethod
    def synthesise(self, amplitudes: Tensor) -> Tensor:
        """``Re Σ_k z_kc E_jk``: complex ``(S, C, m)`` to real ``(S, C, n)``."""

    @abstractmethod
    def analyse(self, columns: Tensor) -> Tensor:
        """``Σ_j r_jc E_jk``: real ``(S, C, n)`` to complex ``(S, C, m)``."""


class DensePlaneWaves(PlaneWaves):
    """Plane waves as matrices of cosines and sines; any dimension, ``O(n m)``.

    Parameters
    ----------
    points : Tensor, shape (d, n)
        Its precision and device are those of all arithmetic.
    kept_bytes : int
        Memory in which the matrices may stay between two products.
    """

    def __init__(self, points: Tensor, kept_bytes: int = KEPT_BYTES) -> None:
        self._angular = 2 * torch.pi * points
        self._kept_bytes = kept_bytes
        self._kept: list[tuple[slice, Tensor, Tensor]] = []

    def place(self, frequencies: Tensor) -> None:
        """Set the frequencies, shape ``(S, d, m)``."""
        self._frequencies = frequencies
        self._kept = []
        members, _, neurons = frequencies.shape
        size = 2 * members * neurons * self._angular.shape[1] * self._angular.element_size()
        if size <= self._kept_bytes:
            self._kept = list(self._blocks())

    def synthesise(self, amplitudes: Tensor) -> Tensor:
        """Sum the waves at the points."""
        real, imaginary = amplitudes.real, amplitudes.imag
        total = torch.zeros(*amplitudes.shape[:2], self._angular.shape[1]).to(self._angular)
        for block, cosine, sine in self._kept or self._blocks():
            total += real[..., block] @ cosine
            total -= imaginary[..., block] @ sine
        return total

    def analyse(self, columns: Tensor) -> Tensor:
        """Correlate columns of data with the waves."""
        shape = (*columns.shape[:2], self._frequencies.shape[2])
        sums = torch.empty(
            shape, dtype=torch.promote_types(columns.dtype, torch.complex64), device=columns.device
        )
        for block, cosine, sine in self._kept or self._blocks():
            sums[..., block] = torch.complex(columns @ cosine.mT, columns @ sine.mT)
        return sums

    def _blocks(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        members, _, neurons = self._frequencies.shape
        entries = BLOCK_ENTRIES[self._angular.device.type]
        size = max(1, entries // (members * self._angular.shape[1]))
        for first in range(0, neurons, size):
            block = slice(first, min(first + size, neurons))
            phases = self._frequencies[..., block].mT @ self._angular
            cosine = torch.cos(phases)
            yield block, cosine, phases.sin_()


class DivergenceError(FloatingPointError):
    """The loss grew without bound; the message says at which step, and what to do.

    Attributes
    ----------
    run : Run or None
        The snapshots before, where there is a record of them.
    """

    run: Run | None = None


class Descent:
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
