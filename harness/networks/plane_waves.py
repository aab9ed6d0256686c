r"""Two-layer networks of finite width, as sums of plane waves.

Every network of this kind is, for each output channel ``c``, a sum over its neurons ``k``

.. math:: N_c(x) = \Re ∑_k z_{kc} \, e^{2πi v_k·x} ,

with wave frequencies ``v`` and complex amplitudes ``z`` that are simple functions of the parameters. An
architecture only says which functions (:meth:`Network.waves`) and how a gradient with respect to ``v`` and
``z`` becomes one with respect to its parameters (:meth:`Network.pullback`). Evaluating the sum and its
adjoint is the business of :mod:`harness.training.wave_sums` (dense) and :mod:`harness.training.transforms` (fast),
which know nothing of architectures.

For weighted residuals ``r_jc`` at points ``x_j`` the gradients of ``R = Σ_jc r_jc N_c(x_j)`` need two sums,

.. math:: G_{kc} = ∑_j r_{jc} e^{2πi v_k·x_j}, \qquad H_{kc} = ∑_j x_j r_{jc} e^{2πi v_k·x_j} ,

because ``R = Re Σ z G`` and ``∂R/∂v_k = Re 2πi Σ_c z_kc H_kc``.

Arrays carry the members of an ensemble first and the neurons last: ``v`` is ``(S, d, m)``, ``z`` and ``G``
are ``(S, C, m)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from harness.networks.spec import Start

Parameters = dict[str, Tensor]


class Waves(NamedTuple):
    """Frequencies ``(S, d, m)`` in cycles per unit length and complex amplitudes ``(S, C, m)``."""

    frequencies: Tensor
    amplitudes: Tensor


@dataclass(frozen=True)
class Network(ABC):
    """An architecture at one width.

    A network of your own derives from this class; :func:`harness.train` takes it for models of its ``limit_class``.

    Attributes
    ----------
    limit_class : type of Model
        The models whose networks these are.
    model : Model
        Its infinite-width counterpart, which also fixes the distribution at the start and the block rates.
    width : int
        Number of neurons ``m``, as the model counts it.
    channels : int
        Number of outputs ``C``; they share the frequencies.
    """

    limit_class: ClassVar[type[Model]]

    model: Model
    width: int
    channels: int

    def limit(self) -> Model:
        """The model: what this network is at infinite width."""
        return self.model

    @property
    @abstractmethod
    def rates(self) -> Mapping[str, float]:
        """Factor on the step of every block (``output``, ``frequency``, …); a block at 0 is frozen."""

    @property
    def trains_frequencies(self) -> bool:
        """Whether the wave frequencies change during training."""
        return self.rates["frequency"] > 0

    @abstractmethod
    def draw(self, count: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Draw the blocks of a network that has ``count`` of the ``width`` neurons; neurons on the last axis.

        The network must be linear in the block ``output``.
        """

    @abstractmethod
    def waves(self, parameters: Parameters) -> Waves:
        """Frequencies and amplitudes of the plane waves."""

    @abstractmethod
    def pullback(
        self, parameters: Parameters, amplitude_gradient: Tensor, frequency_gradient: Tensor | None
    ) -> Parameters:
        """Gradients of ``R`` with respect to the blocks that are trained.

        Parameters
        ----------
        parameters : dict
        amplitude_gradient : Tensor, shape (S, C, m)
            The sums ``G``.
        frequency_gradient : Tensor or None, shape (S, d, m)
            ``∂R/∂v``; None if the frequencies are frozen.
        """


def initial_parameters(network: Network, start: Start, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw all parameters of one network.

    The antisymmetric start draws half of the neurons and adds a copy of each with the opposite sign of its
    output weights. The outputs of a pair cancel, so the network begins at zero; their gradients agree up to a
    sign that drops out of products, so the tangent kernel is the mean over the independent half, with the same
    expectation as in the plain start.
    """
    if start == "plain":
        return network.draw(network.width, rng)
    half = network.draw(network.width // 2, rng)
    return {
        name: np.concatenate([block, -block if name == "output" else block], axis=-1)
        for name, block in half.items()
    }


def ensemble_parameters(
    network: Network, start: Start, seed: int, seeds: int, dtype: torch.dtype, device: torch.device
) -> Parameters:
    """Parameters of ``seeds`` independent networks, stacked along the first axis.

    Member ``s`` depends on ``seed`` and ``s`` only, not on how many there are.
    """
    members = [initial_parameters(network, start, generator) for generator in generators(seed, seeds)]
    return {
        name: torch.as_tensor(np.stack([member[name] for member in members]), dtype=dtype, device=device)
        for name in members[0]
    }


def generators(seed: int, count: int) -> list[np.random.Generator]:
    """Independent generators spawned from one seed; the first ones stay the same as more are asked for."""
    return [np.random.default_rng(sequence) for sequence in np.random.SeedSequence(seed).spawn(count)]


def gradients(
    network: Network,
    parameters: Parameters,
    amplitudes: Tensor,
    analyse: Callable[[Tensor], Tensor],
    points: Tensor,
    weighted: Tensor,
) -> Parameters:
    """Gradients of ``R = Σ_jc r_jc N_c(x_j)`` with respect to the trained blocks.

    Parameters
    ----------
    network : Network
    parameters : dict
    amplitudes : Tensor, shape (S, C, m)
        Those of :meth:`Network.waves`.
    analyse : callable
        Maps columns ``(S, K, n)`` to their sums ``Σ_j r_j exp(2πi v_k·x_j)``, shape ``(S, K, m)``.
    points : Tensor, shape (d, n)
    weighted : Tensor, shape (S, C, n)
        The ``r_jc``.
    """
    if not network.trains_frequencies:
        return network.pullback(parameters, analyse(weighted), None)
    channels = weighted.shape[1]
    moments = [weighted * coordinate for coordinate in points]
    sums = analyse(torch.cat([weighted, *moments], dim=1))
    correlations, *first = torch.split(sums, channels, dim=1)
    # Re(2πi z H) = -2π Im(z H)
    along = [(amplitudes.real * h.imag + amplitudes.imag * h.real).sum(dim=1) for h in first]
    return network.pullback(parameters, correlations, torch.stack(along, dim=1).mul_(-2 * math.pi))
