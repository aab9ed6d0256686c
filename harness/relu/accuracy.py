r"""Errors of the fit: over frequency, and on samples the training has not seen.

*Frequency error* is the field of the rest of the project, ``û(ξ) = Σ_j q_j u(x_j) exp(-2πi x_j·ξ)`` of the
residual ``u = f - N``: it puts the local diagnostics of a ReLU network beside its spectrum.

*Generalisation* needs three disjoint sets: one to train on, one to choose the epoch by, one to report once.
(arXiv 2301.05816 chooses the best epoch on the test data, which is optimistic.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from torch import nn

from fefreq.support.arrays import ComplexArray, FloatArray, real_array
from fefreq.targets.target import Target
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray


def residual(network: nn.Module | ReluNetwork, target: Target) -> FloatArray:
    """Evaluate ``u = f - N`` at the points of a target, in the shape of its values.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    target : fefreq.Target
        The data in the coordinates of the network.

    Returns
    -------
    ndarray, shape (n,) or (n, channels)

    Raises
    ------
    ValueError
        If the target has another number of channels than the network, or another dimension.
    """
    net = ReluNetwork.of(network)
    channels = target.channels or 1
    if net.outputs != channels:
        raise ValueError(f"the target has {channels} channel(s), but the network has {net.outputs} output(s)")
    return target.values - net.outputs_at(target.points).reshape(target.values.shape)


def frequency_error(network: nn.Module | ReluNetwork, target: Target, frequencies: ArrayLike) -> ComplexArray:
    """Fourier transform of the residual of a network.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    target : fefreq.Target
        The data in the coordinates of the network.
    frequencies : array_like, shape (m, dim)
        In cycles per unit length of these coordinates.

    Returns
    -------
    ndarray of complex, shape (m,) or (m, channels)

    Raises
    ------
    ValueError
        If target, network and frequencies do not fit each other.
    """
    return target.with_values(residual(network, target)).spectrum(frequencies)


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint sets of samples, as ascending indices.

    Attributes
    ----------
    train, validation, test : ndarray of int
        To fit, to choose the epoch by, and to report once.
    """

    train: IntArray
    validation: IntArray
    test: IntArray


def held_out_split(count: int, rng: np.random.Generator, validation: float = 0.1, test: float = 0.1) -> Split:
    """Hold samples out at random.

    Parameters
    ----------
    count : int
        Number of samples.
    rng : numpy.random.Generator
        Source of the draw.
    validation, test : float
        Shares of the samples; the rest is for training.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, or one of the three sets would be empty.

    Examples
    --------
    >>> split = held_out_split(100, np.random.default_rng(0))
    >>> len(split.train), len(split.validation), len(split.test)
    (80, 10, 10)
    """
    if not (0 < validation < 1 and 0 < test < 1):
        raise ValueError(f"the shares held out are {validation} and {test}; each must be between 0 and 1")
    sizes = round(validation * count), round(test * count)
    if min(sizes) < 1 or sum(sizes) >= count:
        raise ValueError(
            f"{count} samples cannot be split with shares {validation} and {test}: "
            "one of the sets would be empty"
        )
    order = rng.permutation(count)
    first, second = sizes[0], sum(sizes)
    return Split(np.sort(order[second:]), np.sort(order[:first]), np.sort(order[first:second]))


def psnr(prediction: ArrayLike, reference: ArrayLike, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio ``10 log10(peak² / mean squared error)`` in decibel.

    Parameters
    ----------
    prediction, reference : array_like, same shape
        Values of the pixels, all channels.
    peak : float
        Largest possible value of the reference.

    Returns
    -------
    float
        Infinite for equal arrays.

    Raises
    ------
    ValueError
        If the shapes differ, there are no values, or the peak is not positive.

    Examples
    --------
    >>> round(psnr([0.1, 0.1], [0.0, 0.0]), 6)
    20.0
    """
    values, truth = real_array(prediction, "the prediction"), real_array(reference, "the reference")
    if values.shape != truth.shape or values.size == 0:
        raise ValueError(
            f"prediction {values.shape} and reference {truth.shape} must have one shape and not be empty"
        )
    if not peak > 0:
        raise ValueError(f"the peak is the largest possible value, positive, not {peak}")
    error = float(np.mean((values - truth) ** 2))
    return float(np.inf) if error == 0 else float(10 * np.log10(peak**2 / error))
