r"""The linear map of plane waves, ``E_jk = exp(2πi v_k·x_j)``, and its dense evaluation.

All that a step of a two-layer network asks of the machine is this map from neurons to points and its transpose:
:class:`PlaneWaves`. Here it is formed in blocks of neurons, as cosines and sines;
:mod:`harness.training.transforms` does without its entries.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor

# Cosines and sines are kept between the forward and the backward half of a step up to this size; a wider
# network computes them twice.
KEPT_BYTES = 1 << 30
# Entries of one block: small enough for the cache of a processor, large enough to fill a GPU.
BLOCK_ENTRIES = {"cpu": 1 << 17, "cuda": 1 << 26}


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
